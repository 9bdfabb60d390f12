//! Whether each join is on equal columns: an engine that cannot end a step of a plan must not be given one that may take for ever.

use super::grammar::{on_deep_stack, parse_printed};
use super::query::{folded, single};
use super::{Statement, StatementError, denied};
use sqlparser::ast::{
    BinaryOperator, Expr, Ident, Join, JoinConstraint, JoinOperator, Select, TableFactor, Visit as _, Visitor,
};
use std::ops::ControlFlow;

impl Statement {
    /// Denies a join of everything with everything: a list of relations, a cross join, and a condition that does not equate a column of the joined
    /// relation with one of another.
    pub(crate) fn check_joins(&self) -> Result<(), StatementError> {
        on_deep_stack(|| match parse_printed(self.engine_sql())?.visit(&mut Joins) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        })
    }
}

struct Joins;

impl Visitor for Joins {
    type Break = StatementError;

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<StatementError> {
        let mut joins = select.from.iter().flat_map(|from| &from.joins);
        if select.from.len() > 1 || joins.any(|join| !is_on_equal_columns(join)) {
            let what =
                "a join here that is not ON relation.column = other.column: this engine could not be stopped in it";
            return ControlFlow::Break(denied(what));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<StatementError> {
        match table {
            TableFactor::NestedJoin { .. } => ControlFlow::Break(denied("parentheses around a join here")),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn is_on_equal_columns(join: &Join) -> bool {
    let (JoinOperator::Join(constraint)
    | JoinOperator::Inner(constraint)
    | JoinOperator::Left(constraint)
    | JoinOperator::LeftOuter(constraint)
    | JoinOperator::Right(constraint)
    | JoinOperator::RightOuter(constraint)
    | JoinOperator::FullOuter(constraint)) = &join.join_operator
    else {
        return false;
    };
    match (constraint, own_name(&join.relation)) {
        (JoinConstraint::On(condition), Some(own)) => has_equality(condition, &own),
        (JoinConstraint::Using(columns), _) => !columns.is_empty(),
        _ => false,
    }
}

/// The name under which the condition speaks of what is joined.
fn own_name(relation: &TableFactor) -> Option<String> {
    match relation {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(folded(&alias.name))
        }
        TableFactor::Table { name, .. } => single(name).map(folded),
        _ => None,
    }
}

/// Whether a conjunct equates a column of `own` with one of another relation.
fn has_equality(condition: &Expr, own: &str) -> bool {
    match condition {
        Expr::Nested(inner) => has_equality(inner, own),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => has_equality(left, own) || has_equality(right, own),
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => match (relation_of(left), relation_of(right)) {
            (Some(left), Some(right)) => (left == own) != (right == own),
            _ => false,
        },
        _ => false,
    }
}

/// The relation of a qualified column.
fn relation_of(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Nested(inner) => relation_of(inner),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [relation, _] => Some(folded(relation as &Ident)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use crate::database::Relation;
    use crate::statement::{Dialect, admit};
    use crate::value::{ColumnInfo, ColumnType};

    #[test]
    fn threat_57_only_joins_on_equal_columns_pass() {
        let column = |name: &str| ColumnInfo { name: name.into(), ty: ColumnType::Int64, nullable: true };
        let columns = vec![column("id"), column("x")];
        let relation = Relation { name: "t".into(), columns, subject: None, schema: None };
        let is_admitted =
            |sql: &str| admit(sql, Dialect::DataFusion, std::slice::from_ref(&relation)).unwrap().check_joins().is_ok();
        for sql in [
            "select id from t",
            "select t.id from t join t b on b.id = t.id",
            "select t.id from t left join t b on (t.x > b.x and t.id = b.id) join t c on B.ID = C.id",
            "select a.id from t a join t b using (id)",
            "with v as (select id from t) select v.id from v join t on t.id = v.id",
            "select id from t where exists (select 1 from t u where u.id = t.id)",
            "select s.id from t a join (select id from t) s on s.id = a.id union all select id from t",
        ] {
            assert!(is_admitted(sql), "{sql}");
        }
        for sql in [
            "select a.id from t a, t b",
            "select a.id from t a, t b where a.id = b.id",
            "select a.id from t a cross join t b",
            "select a.id from (t a cross join t b)",
            "select a.id from t a join t b on true",
            "select a.id from t a join t b on a.id < b.id",
            "select a.id from t a join t b on a.id = a.x",
            "select a.id from t a join t b on b.id = b.id",
            "select a.id from t a join t b on b.id = 1",
            "select a.id from t a join t b on a.id + 0 = b.id",
            "select a.id from t a join t b on a.id = b.id or a.x = b.x",
            "select a.id from t a join t b on a.id = b.id join t c on a.id = b.id",
            "select id from t where id in (select b.id from t b, t c)",
            "select s.id from (select a.id from t a cross join t b) as s",
            "select id from t union all select a.id from t a cross join t b",
        ] {
            assert!(!is_admitted(sql), "{sql}");
        }
    }
}
