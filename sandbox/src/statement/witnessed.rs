//! What a witnessed relation must be, so that no query can present one person's row as many subjects, or many persons' rows as one:
//!
//! - one SELECT over granted relations only: no common table expression, derived table, set operation or subquery anywhere;
//! - no DISTINCT, GROUP BY, HAVING, QUALIFY, ORDER BY or LIMIT, no aggregate and no window function;
//! - the first relation is personal; the others are joined with INNER or LEFT JOIN … ON;
//! - every further personal relation is joined on `a.subject = b.subject` to an earlier one, as a conjunct of its ON that stands alone;
//! - one output column is the subject column itself under its own name, taken from a relation in which it cannot be null by an outer join;
//!   no two output columns have one name, in any case of letters, and what is computed has a name of its own.

use super::query::{folded, plain_wildcard, single};
use super::{StatementError, denied, function};
use crate::database::Relation;
use crate::value::ColumnType;
use sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
    JoinConstraint, JoinOperator, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor,
};
use std::collections::BTreeSet;

/// The text as a relation's bare name, folded to lower case, if it is no more than that.
pub(super) fn bare_name(text: &str) -> Option<String> {
    let text = text.trim();
    let mut bytes = text.bytes();
    let first = bytes.next()?;
    ((first.is_ascii_alphabetic() || first == b'_') && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .then(|| text.to_ascii_lowercase())
}

/// One relation of the FROM clause under the name that the query gives it.
struct Binding<'a> {
    name: String,
    relation: &'a Relation,
    /// Whether a LEFT JOIN may have left its columns null.
    nullable: bool,
}

/// Checks the tree of an admitted query and returns the output column that carries the subject.
pub(super) fn subject(query: &Query, relations: &[Relation]) -> Result<String, StatementError> {
    if query.with.is_some() || query.order_by.is_some() || query.limit_clause.is_some() {
        return Err(denied("WITH, ORDER BY or LIMIT in a witnessed relation"));
    }
    let SetExpr::Select(select) = &*query.body else {
        return Err(denied("set operations or parentheses around a witnessed relation"));
    };
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(expressions, modifiers) if expressions.is_empty() && modifiers.is_empty());
    if select.distinct.is_some() || !ungrouped || select.having.is_some() || select.qualify.is_some() {
        return Err(denied("DISTINCT, GROUP BY, HAVING or QUALIFY in a witnessed relation"));
    }
    let bindings = bindings(select, relations)?;
    if let Some(condition) = &select.selection {
        row_wise(condition)?;
    }
    output(select, &bindings)
}

/// Reads the FROM clause and checks its joins.
fn bindings<'a>(select: &Select, relations: &'a [Relation]) -> Result<Vec<Binding<'a>>, StatementError> {
    let [from] = select.from.as_slice() else {
        return Err(denied("a witnessed relation without FROM, or with a comma in it: use JOIN … ON"));
    };
    let (name, relation) = granted(&from.relation, relations)?;
    if relation.subject.is_none() {
        return Err(denied(format!(
            "\"{}\" as the first relation: it names no subject, so begin with one that does",
            relation.name
        )));
    }
    let mut bindings = vec![Binding { name, relation, nullable: false }];
    for join in &from.joins {
        let (name, relation) = granted(&join.relation, relations)?;
        if bindings.iter().any(|binding| binding.name.eq_ignore_ascii_case(&name)) {
            return Err(denied(format!("the name \"{name}\" twice: give each relation its own")));
        }
        let (nullable, constraint) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (false, constraint),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (true, constraint),
            _ => {
                return Err(denied("joins other than INNER and LEFT in a witnessed relation"));
            }
        };
        let JoinConstraint::On(condition) = constraint else {
            return Err(denied("a join without ON in a witnessed relation"));
        };
        row_wise(condition)?;
        bindings.push(Binding { name, relation, nullable });
        if relation.subject.is_some() && !joins_subjects(condition, &bindings) {
            return Err(denied(format!(
                "\"{}\" without joining its subject column to the subject of a relation before it",
                relation.name
            )));
        }
    }
    Ok(bindings)
}

/// A granted relation and the name it is bound to.
fn granted<'a>(table: &TableFactor, relations: &'a [Relation]) -> Result<(String, &'a Relation), StatementError> {
    let TableFactor::Table { name, alias, .. } = table else {
        return Err(denied("anything but granted relations in a witnessed relation"));
    };
    let own = single(name).map(folded).ok_or_else(|| denied("a qualified table name"))?;
    let relation = relations
        .iter()
        .find(|relation| relation.name == own)
        .ok_or_else(|| denied(format!("the relation \"{own}\": it is not granted")))?;
    match alias {
        None => Ok((own, relation)),
        Some(alias) if alias.columns.is_empty() => Ok((folded(&alias.name), relation)),
        Some(_) => Err(denied("an alias that renames columns")),
    }
}

/// Whether a conjunct of `condition` equates the last binding's subject with an earlier one's, of the same type.
fn joins_subjects(condition: &Expr, bindings: &[Binding<'_>]) -> bool {
    let Some((last, earlier)) = bindings.split_last() else {
        return false;
    };
    match condition {
        Expr::Nested(inner) => joins_subjects(inner, bindings),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            joins_subjects(left, bindings) || joins_subjects(right, bindings)
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            let (Some(left), Some(right)) = (subject_of(left, bindings), subject_of(right, bindings)) else {
                return false;
            };
            let is_last = |binding: &Binding<'_>| std::ptr::eq(binding, last);
            let is_earlier = |binding: &Binding<'_>| earlier.iter().any(|other| std::ptr::eq(binding, other));
            ((is_last(left) && is_earlier(right)) || (is_last(right) && is_earlier(left)))
                && subject_type(left) == subject_type(right)
        }
        _ => false,
    }
}

/// The binding whose subject column `expression` is, if it is one and nothing else.
fn subject_of<'b, 'a>(expression: &Expr, bindings: &'b [Binding<'a>]) -> Option<&'b Binding<'a>> {
    let (binding, column) = match expression {
        Expr::Nested(inner) => return subject_of(inner, bindings),
        Expr::Identifier(column) => {
            // an unqualified name must belong to one relation alone
            let column = folded(column);
            let mut owners = bindings.iter().filter(|binding| has_column(binding, &column));
            let owner = owners.next()?;
            if owners.next().is_some() {
                return None;
            }
            (owner, column)
        }
        Expr::CompoundIdentifier(parts) => {
            let [qualifier, column] = parts.as_slice() else {
                return None;
            };
            (bound(qualifier, bindings)?, folded(column))
        }
        _ => return None,
    };
    (binding.relation.subject.as_deref() == Some(column.as_str())).then_some(binding)
}

fn bound<'b, 'a>(qualifier: &Ident, bindings: &'b [Binding<'a>]) -> Option<&'b Binding<'a>> {
    let qualifier = folded(qualifier);
    bindings.iter().find(|binding| binding.name == qualifier)
}

fn has_column(binding: &Binding<'_>, name: &str) -> bool {
    binding.relation.columns.iter().any(|column| column.name == name)
}

fn subject_type(binding: &Binding<'_>) -> Option<ColumnType> {
    let subject = binding.relation.subject.as_deref()?;
    binding.relation.columns.iter().find(|column| column.name == subject).map(|column| column.ty)
}

/// Lists the output columns; exactly one is the subject itself.
fn output(select: &Select, bindings: &[Binding<'_>]) -> Result<String, StatementError> {
    // each output column's name, and whether it is a subject column that no outer join can have made null
    let mut columns: Vec<(String, bool)> = Vec::new();
    let whole = |binding: &Binding<'_>| {
        let subject = binding.relation.subject.clone().filter(|_| !binding.nullable);
        let names = binding.relation.columns.iter().map(|column| column.name.clone());
        names.map(move |name| (name.clone(), subject.as_deref() == Some(name.as_str()))).collect::<Vec<_>>()
    };
    for item in &select.projection {
        match item {
            SelectItem::Wildcard(options) => {
                plain_wildcard(options)?;
                columns.extend(bindings.iter().flat_map(whole));
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let binding = single(name)
                    .and_then(|name| bound(name, bindings))
                    .ok_or_else(|| denied("a wildcard of an unknown relation"))?;
                columns.extend(whole(binding));
            }
            SelectItem::UnnamedExpr(expression) => {
                let name = last_part(expression)
                    .ok_or_else(|| denied("a computed column without a name: give it one with AS"))?;
                columns.push((name, is_sure_subject(expression, bindings)));
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                row_wise(expr)?;
                let name = folded(alias);
                let is_subject = is_sure_subject(expr, bindings) && last_part(expr) == Some(name.clone());
                columns.push((name, is_subject));
            }
            _ => return Err(denied("this form of column in a witnessed relation")),
        }
    }
    let mut names = BTreeSet::new();
    for (name, _) in &columns {
        if !names.insert(name.to_lowercase()) {
            return Err(denied(format!("the name \"{name}\" for two columns")));
        }
    }
    let mut subjects = columns.into_iter().filter(|(_, is_subject)| *is_subject).map(|(name, _)| name);
    match (subjects.next(), subjects.next()) {
        (Some(subject), None) => Ok(subject),
        (None, _) => {
            Err(denied("a witnessed relation without its subject column, unrenamed and never null: select it plainly"))
        }
        (Some(_), Some(_)) => Err(denied("two subject columns: select one")),
    }
}

/// Whether the expression is a subject column that no outer join can have made null.
fn is_sure_subject(expression: &Expr, bindings: &[Binding<'_>]) -> bool {
    subject_of(expression, bindings).is_some_and(|binding| !binding.nullable)
}

/// The name under which a plain column reference comes out.
fn last_part(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        _ => None,
    }
}

/// Denies subqueries, aggregates and windows: the value must come from one row. Every form that [`super::expression`] admits is walked.
fn row_wise(expression: &Expr) -> Result<(), StatementError> {
    let each = |parts: &[&Expr]| parts.iter().try_for_each(|part| row_wise(part));
    match expression {
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Value(_)
        | Expr::TypedString(_)
        | Expr::Interval(_) => Ok(()),
        Expr::Nested(inner)
        | Expr::IsFalse(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsTrue(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsUnknown(inner)
        | Expr::IsNotUnknown(inner)
        | Expr::UnaryOp { expr: inner, .. }
        | Expr::Cast { expr: inner, .. }
        | Expr::Extract { expr: inner, .. }
        | Expr::Ceil { expr: inner, .. }
        | Expr::Floor { expr: inner, .. } => row_wise(inner),
        Expr::IsDistinctFrom(left, right)
        | Expr::IsNotDistinctFrom(left, right)
        | Expr::BinaryOp { left, right, .. } => each(&[left, right]),
        Expr::InList { expr, list, .. } => {
            row_wise(expr)?;
            list.iter().try_for_each(row_wise)
        }
        Expr::Between { expr, low, high, .. } => each(&[expr, low, high]),
        Expr::Like { expr, pattern, .. } | Expr::ILike { expr, pattern, .. } => each(&[expr, pattern]),
        Expr::Position { expr, r#in } => each(&[expr, r#in]),
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            row_wise(expr)?;
            [substring_from, substring_for].into_iter().flatten().try_for_each(|part| row_wise(part))
        }
        Expr::Trim { expr, trim_what, .. } => {
            trim_what.iter().try_for_each(|what| row_wise(what))?;
            row_wise(expr)
        }
        Expr::Case { operand, conditions, else_result, .. } => {
            [operand, else_result].into_iter().flatten().try_for_each(|part| row_wise(part))?;
            conditions.iter().try_for_each(|CaseWhen { condition, result }| each(&[condition, result]))
        }
        Expr::Function(call) => {
            let name = single(&call.name).map(folded).ok_or_else(|| denied("a qualified function name"))?;
            if function::reads_many_rows_somewhere(&name)
                || call.over.is_some()
                || call.filter.is_some()
                || !call.within_group.is_empty()
            {
                return Err(denied(format!("the aggregate or window function \"{name}\" in a witnessed relation")));
            }
            let FunctionArguments::List(list) = &call.args else {
                return Err(denied("this form of call"));
            };
            if !list.clauses.is_empty() {
                return Err(denied("this clause in a call"));
            }
            list.args.iter().try_for_each(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => row_wise(expression),
                _ => Err(denied("this form of argument")),
            })
        }
        Expr::Exists { .. } | Expr::InSubquery { .. } | Expr::Subquery(_) => {
            Err(denied("a subquery in a witnessed relation"))
        }
        _ => Err(denied("this form of expression")),
    }
}
