//! Walks an expression and denies every form, operator, type and function that is not known to be harmless.

use super::query::{Walk, folded, none, single};
use super::{MAX_CONCATENATIONS, MAX_LIST, MAX_TEXT, StatementError, denied, function};
use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DataType, DateTimeField, DuplicateTreatment, ExactNumberInfo,
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, Ident, Interval,
    TimezoneInfo, TypedString, UnaryOperator, Value, ValueWithSpan, WindowFrame, WindowFrameBound, WindowSpec,
    WindowType,
};

impl Walk<'_> {
    /// Each of a list of expressions.
    pub(super) fn expressions<'e>(
        &mut self,
        expressions: impl IntoIterator<Item = &'e Expr>,
    ) -> Result<(), StatementError> {
        expressions.into_iter().try_for_each(|expression| self.expression(expression))
    }

    /// One expression.
    pub(super) fn expression(&mut self, expression: &Expr) -> Result<(), StatementError> {
        self.deeper(|walk| walk.form(expression))
    }

    fn form(&mut self, expression: &Expr) -> Result<(), StatementError> {
        match expression {
            Expr::Identifier(column) => self.column(column),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [_, column] => self.column(column),
                _ => Err(denied("a column with more than one qualifier")),
            },
            Expr::Nested(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner) => self.expression(inner),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.expressions([&**left, &**right])
            }
            Expr::InList { expr, list, negated: _ } => {
                if list.is_empty() || list.len() > MAX_LIST {
                    return Err(denied(format!("an IN list of none or more than {MAX_LIST} values")));
                }
                self.expression(expr)?;
                self.expressions(list)
            }
            Expr::InSubquery { expr, subquery, negated: _ } => {
                self.expression(expr)?;
                self.query(subquery)
            }
            Expr::Exists { subquery, negated: _ } | Expr::Subquery(subquery) => self.query(subquery),
            Expr::Between { expr, negated: _, low, high } => self.expressions([&**expr, &**low, &**high]),
            Expr::BinaryOp { left, op, right } => {
                self.operator(op)?;
                self.expressions([&**left, &**right])
            }
            Expr::UnaryOp { op: UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not, expr } => {
                self.expression(expr)
            }
            Expr::Like { negated: _, any: false, expr, pattern, escape_char }
            | Expr::ILike { negated: _, any: false, expr, pattern, escape_char } => {
                if let Some(escape) = escape_char
                    && !matches!(&escape.value, Value::SingleQuotedString(text) if text.chars().count() == 1)
                {
                    return Err(denied("an escape other than one character"));
                }
                self.expressions([&**expr, &**pattern])
            }
            Expr::Cast {
                kind: kind @ (CastKind::Cast | CastKind::TryCast | CastKind::DoubleColon),
                expr,
                data_type,
                array: false,
                format: None,
            } => {
                if *kind == CastKind::TryCast && !self.dialect.has_try_cast() {
                    return Err(denied("TRY_CAST: this engine has none"));
                }
                check_type(data_type)?;
                self.dialect.check_type(data_type)?;
                self.expression(expr)
            }
            Expr::TypedString(TypedString { data_type, value, uses_odbc_syntax: false })
                if matches!(value.value, Value::SingleQuotedString(_)) =>
            {
                check_type(data_type)?;
                self.dialect.check_literal(data_type, value)?;
                self.value(value)
            }
            Expr::Extract { field, syntax: _, expr } => {
                check_field(field)?;
                self.expression(expr)
            }
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) }
            | Expr::Floor { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                self.expression(expr)
            }
            Expr::Position { expr, r#in } => self.expressions([&**expr, &**r#in]),
            Expr::Substring { expr, substring_from, substring_for, special: _, shorthand: _ } => {
                self.expression(expr)?;
                self.expressions([substring_from, substring_for].into_iter().flatten().map(|part| &**part))
            }
            Expr::Trim { trim_where: _, trim_what, expr, trim_characters } => {
                none(trim_characters, "a list of characters to trim")?;
                if let Some(what) = trim_what {
                    self.expression(what)?;
                }
                self.expression(expr)
            }
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                self.expressions([operand, else_result].into_iter().flatten().map(|part| &**part))?;
                conditions.iter().try_for_each(|CaseWhen { condition, result }| self.expressions([condition, result]))
            }
            Expr::Interval(Interval {
                value,
                leading_field,
                leading_precision: None,
                last_field: None,
                fractional_seconds_precision: None,
            }) => {
                if let Some(field) = leading_field {
                    check_field(field)?;
                }
                match &**value {
                    Expr::Value(value) => self.value(value),
                    _ => Err(denied("an interval that is not written out")),
                }
            }
            Expr::Value(value) => self.value(value),
            Expr::Function(function) => self.function(function),
            Expr::SimilarTo { .. } | Expr::RLike { .. } => Err(denied("regular expressions: use LIKE")),
            Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => Err(denied("CUBE, ROLLUP or GROUPING SETS")),
            _ => Err(denied("this form of expression")),
        }
    }

    /// A column's name, where the engine could read another one as something that nobody granted.
    pub(super) fn column(&self, column: &Ident) -> Result<(), StatementError> {
        let name = folded(column);
        if self.dialect.has_hidden_names() && !self.names.contains(&name) {
            return Err(denied(format!(
                "the name \"{name}\": no granted relation has such a column, and no AS names one"
            )));
        }
        Ok(())
    }

    fn operator(&mut self, operator: &BinaryOperator) -> Result<(), StatementError> {
        match operator {
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::Gt
            | BinaryOperator::Lt
            | BinaryOperator::GtEq
            | BinaryOperator::LtEq
            | BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::And
            | BinaryOperator::Or => Ok(()),
            BinaryOperator::StringConcat => self.concatenate(1),
            _ => Err(denied(format!("the operator {operator}"))),
        }
    }

    fn concatenate(&mut self, times: usize) -> Result<(), StatementError> {
        self.concatenations += times;
        if self.concatenations > MAX_CONCATENATIONS {
            return Err(denied(format!("more than {MAX_CONCATENATIONS} concatenations")));
        }
        Ok(())
    }

    fn value(&mut self, value: &ValueWithSpan) -> Result<(), StatementError> {
        match &value.value {
            Value::Number(_, false) | Value::Boolean(_) | Value::Null => Ok(()),
            Value::SingleQuotedString(text) if text.len() <= MAX_TEXT => self.dialect.check_text(text),
            Value::SingleQuotedString(_) => Err(denied(format!("a text longer than {MAX_TEXT} bytes"))),
            Value::Placeholder(name) => {
                let number = name
                    .strip_prefix('$')
                    .filter(|digits| !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()))
                    .and_then(|digits| digits.parse().ok())
                    .ok_or_else(|| denied("parameters other than $1, $2, …"))?;
                self.parameters.insert(number);
                Ok(())
            }
            _ => Err(denied("this form of literal")),
        }
    }

    fn function(&mut self, function: &Function) -> Result<(), StatementError> {
        let Function { name, uses_odbc_syntax, parameters, args, filter, null_treatment: _, over, within_group } =
            function;
        let name = single(name).map(folded).ok_or_else(|| denied("a qualified function name"))?;
        if !function::is_allowed(self.dialect, &name) {
            return Err(denied(format!("the function \"{name}\"")));
        }
        if *uses_odbc_syntax || !matches!(parameters, FunctionArguments::None) {
            return Err(denied("this form of call"));
        }
        let FunctionArguments::List(list) = args else {
            return Err(denied("this form of call"));
        };
        if matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct))
            && !function::reads_many_rows(self.dialect, &name)
        {
            return Err(denied("DISTINCT in a function of one row"));
        }
        for argument in &list.args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => self.expression(expression)?,
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "count" => {}
                _ => return Err(denied("this form of argument")),
            }
        }
        if matches!(name.as_str(), "concat" | "concat_ws") {
            self.concatenate(list.args.len())?;
        }
        for clause in &list.clauses {
            match clause {
                FunctionArgumentClause::IgnoreOrRespectNulls(_) => {}
                FunctionArgumentClause::OrderBy(orders) => self.orders(orders)?,
                _ => return Err(denied("this clause in a call")),
            }
        }
        if let Some(filter) = filter {
            self.expression(filter)?;
        }
        self.orders(within_group)?;
        match over {
            None => Ok(()),
            Some(WindowType::NamedWindow(_)) => Err(denied("WINDOW: write the window after OVER")),
            Some(WindowType::WindowSpec(window)) => self.window(window),
        }
    }

    fn window(&mut self, window: &WindowSpec) -> Result<(), StatementError> {
        let WindowSpec { window_name, partition_by, order_by, window_frame } = window;
        none(window_name, "WINDOW: write the window after OVER")?;
        self.expressions(partition_by)?;
        self.orders(order_by)?;
        let Some(WindowFrame { units: _, start_bound, end_bound }) = window_frame else {
            return Ok(());
        };
        [Some(start_bound), end_bound.as_ref()].into_iter().flatten().try_for_each(|bound| match bound {
            WindowFrameBound::CurrentRow | WindowFrameBound::Preceding(None) | WindowFrameBound::Following(None) => {
                Ok(())
            }
            WindowFrameBound::Preceding(Some(expression)) | WindowFrameBound::Following(Some(expression)) => {
                self.expression(expression)
            }
        })
    }
}

/// The types that a value may be cast to.
fn check_type(data_type: &DataType) -> Result<(), StatementError> {
    match data_type {
        DataType::TinyInt(None)
        | DataType::SmallInt(None)
        | DataType::Int(None)
        | DataType::Integer(None)
        | DataType::BigInt(None)
        | DataType::Real
        | DataType::Float(ExactNumberInfo::None)
        | DataType::Double(ExactNumberInfo::None)
        | DataType::DoublePrecision
        | DataType::Boolean
        | DataType::Text
        | DataType::Varchar(None)
        | DataType::String(None)
        | DataType::Date
        | DataType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => Ok(()),
        DataType::Decimal(info) | DataType::Numeric(info) => match info {
            ExactNumberInfo::None => Ok(()),
            ExactNumberInfo::Precision(precision) if *precision <= 38 => Ok(()),
            ExactNumberInfo::PrecisionAndScale(precision, scale) if *precision <= 38 && (0..=38).contains(scale) => {
                Ok(())
            }
            _ => Err(denied("a decimal of more than 38 digits")),
        },
        _ => Err(denied("this type: use an integer, DOUBLE, DECIMAL, BOOLEAN, VARCHAR, DATE or TIMESTAMP")),
    }
}

/// The parts of a date or time that may be named.
fn check_field(field: &DateTimeField) -> Result<(), StatementError> {
    match field {
        DateTimeField::Year
        | DateTimeField::Years
        | DateTimeField::Quarter
        | DateTimeField::Month
        | DateTimeField::Months
        | DateTimeField::Week(None)
        | DateTimeField::Weeks
        | DateTimeField::Day
        | DateTimeField::Days
        | DateTimeField::Dow
        | DateTimeField::Doy
        | DateTimeField::Isodow
        | DateTimeField::Epoch
        | DateTimeField::Hour
        | DateTimeField::Hours
        | DateTimeField::Minute
        | DateTimeField::Minutes
        | DateTimeField::Second
        | DateTimeField::Seconds
        | DateTimeField::Millisecond
        | DateTimeField::Milliseconds
        | DateTimeField::Microsecond
        | DateTimeField::Microseconds => Ok(()),
        _ => Err(denied("this part of a date")),
    }
}
