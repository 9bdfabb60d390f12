//! Parameters as literals of the printed tree, for an engine whose protocol binds none.
//!
//! Each literal says its type and is made of digits, letters, points and signs alone: a text goes as the hexadecimal form of its bytes. So no
//! parameter can end a literal early, whatever an engine thinks of quotes and backslashes.

use super::grammar::{on_deep_stack, parse_printed};
use super::{Statement, StatementError, denied};
use crate::value::Value;
use sqlparser::ast::{Expr, SelectItem, SetExpr, Value as Literal, VisitMut as _, VisitorMut};
use std::fmt::Write as _;
use std::ops::ControlFlow;

impl Statement {
    /// What the engine runs, with `parameters` in the places of `$1..$n`.
    pub(crate) fn engine_sql_with(&self, parameters: &[Value]) -> Result<String, StatementError> {
        if parameters.is_empty() {
            return Ok(self.engine_sql().to_owned());
        }
        on_deep_stack(|| {
            let literals = parameters.iter().map(literal).collect::<Result<Vec<_>, _>>()?;
            let mut tree = parse_printed(self.engine_sql())?;
            if let ControlFlow::Break(error) = tree.visit(&mut Filler(&literals)) {
                return Err(error);
            }
            let text = tree.to_string();
            match parse_printed(&text) {
                Ok(again) if again == tree => Ok(text),
                _ => Err(denied("a parameter that does not print as it was read")),
            }
        })
    }
}

/// Puts literals in the places of parameters.
struct Filler<'a>(&'a [Expr]);

impl VisitorMut for Filler<'_> {
    type Break = StatementError;

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<StatementError> {
        if let Expr::Value(value) = expression
            && let Literal::Placeholder(name) = &value.value
        {
            let number = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
            match number.and_then(|number| self.0.get(number.checked_sub(1)?)) {
                Some(literal) => *expression = literal.clone(),
                None => return ControlFlow::Break(denied(format!("the parameter {name}: it was not given"))),
            }
        }
        ControlFlow::Continue(())
    }
}

/// A value as an expression of its own type.
fn literal(value: &Value) -> Result<Expr, StatementError> {
    let text = match value {
        Value::Null => "NULL".to_owned(),
        Value::Boolean(value) => value.to_string(),
        // a plain number, so that LIMIT and OFFSET take it; the smallest of all is not the negative of one
        Value::Int64(value) if *value >= 0 => value.to_string(),
        Value::Int64(value) => format!("CAST('{value}' AS BIGINT)"),
        Value::Float64(value) => format!("CAST('{value:?}' AS DOUBLE)"),
        Value::Decimal(text) => {
            if !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')) {
                return Err(denied("a decimal parameter that is no number"));
            }
            let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            format!("CAST('{text}' AS DECIMAL(38, {scale}))")
        }
        Value::Text(text) => format!("CAST({} AS VARCHAR)", hexadecimal(text.as_bytes())),
        Value::Bytes(bytes) => hexadecimal(bytes),
        Value::Date(days) => format!("CAST(CAST('{days}' AS INT) AS DATE)"),
        Value::Timestamp(micros) => format!("CAST(CAST('{micros}' AS BIGINT) AS TIMESTAMP(6))"),
    };
    let query = parse_printed(&format!("SELECT {text}"))?;
    match *query.body {
        SetExpr::Select(mut select) if select.projection.len() == 1 => match select.projection.pop() {
            Some(SelectItem::UnnamedExpr(expression)) => Ok(expression),
            _ => Err(StatementError::Invalid),
        },
        _ => Err(StatementError::Invalid),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2 + 3);
    text.push_str("X'");
    for byte in bytes {
        write!(text, "{byte:02X}").expect("a text takes what is written to it");
    }
    text.push('\'');
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use crate::database::Relation;
    use crate::statement::{Dialect, admit};
    use crate::value::{ColumnInfo, ColumnType};

    fn filled(sql: &str, parameters: &[Value]) -> Result<String, StatementError> {
        let column = |name: &str, ty| ColumnInfo { name: name.into(), ty, nullable: true };
        let relation = Relation {
            name: "t".into(),
            columns: vec![column("id", ColumnType::Int64), column("name", ColumnType::Text)],
            subject: None,
            schema: None,
        };
        admit(sql, Dialect::DataFusion, &[relation]).unwrap().engine_sql_with(parameters)
    }

    #[test]
    fn each_type_has_one_form_and_keeps_its_place() {
        let cases: &[(Value, &str)] = &[
            (Value::Null, "NULL"),
            (Value::Boolean(true), "true"),
            (Value::Int64(7), "7"),
            (Value::Int64(i64::MIN), "CAST('-9223372036854775808' AS BIGINT)"),
            (Value::Float64(-0.0), "CAST('-0.0' AS DOUBLE)"),
            (Value::Float64(f64::INFINITY), "CAST('inf' AS DOUBLE)"),
            (Value::Decimal("-12.340".into()), "CAST('-12.340' AS DECIMAL(38,3))"),
            (Value::Text("é'".into()), "CAST(X'C3A927' AS VARCHAR)"),
            (Value::Bytes(vec![0, 255]), "X'00FF'"),
            (Value::Date(-1), "CAST(CAST('-1' AS INT) AS DATE)"),
            (Value::Timestamp(5), "CAST(CAST('5' AS BIGINT) AS TIMESTAMP(6))"),
        ];
        for (value, expected) in cases {
            let sql = "SELECT id FROM t WHERE name = '$1' OR id = $2 OR name = $1";
            let found = filled(sql, &[value.clone(), Value::Int64(3)]).unwrap();
            assert_eq!(found, format!("SELECT id FROM t WHERE name = '$1' OR id = 3 OR name = {expected}"));
        }
    }

    #[test]
    fn threat_53_no_parameter_ends_its_literal() {
        for text in ["'", "''", "\\'", "' OR true --", "a''b\\", "\u{0}", "\u{2019}", "/* */", "$1", "X'"] {
            let found = filled("SELECT id FROM t WHERE name = $1", &[Value::Text(text.into())]).unwrap();
            let literal = found.strip_prefix("SELECT id FROM t WHERE name = CAST(X'").unwrap();
            let digits = literal.strip_suffix("' AS VARCHAR)").unwrap();
            assert!(digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{found}");
        }
        assert!(filled("SELECT id FROM t WHERE id = $1", &[Value::Decimal("1' OR '1".into())]).is_err());
        assert!(filled("SELECT id FROM t WHERE id = $1 OR id = $2", &[Value::Int64(1)]).is_err(), "one is missing");
        // as long as parameters may be together
        let many: Vec<Value> = (0..100).map(|_| Value::Text("x".repeat(1_024))).collect();
        let places = (1..=100).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
        assert!(filled(&format!("SELECT id FROM t WHERE name IN ({places})"), &many).is_ok());
    }
}
