//! How an admitted tree is printed for its engine: relations under their own, qualified names, columns quoted so that no engine reads one
//! as a word of its own (`user`, `current_date`), and the few forms that an engine spells another way.

use super::grammar::parse;
use super::query::{folded, single};
use super::{Dialect, StatementError, denied};
use crate::database::Relation;
use sqlparser::ast::{
    CastKind, DataType, DateTimeField, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, Query, Select, SelectItem, TableAlias, TableFactor,
    TypedString, Value, VisitMut as _, VisitorMut,
};
use std::convert::Infallible;
use std::ops::ControlFlow;

/// The text that the engine runs. It is parsed once more: what it says must be the tree that was meant.
pub(super) fn for_engine(query: &Query, dialect: Dialect, relations: &[Relation]) -> Result<String, StatementError> {
    if dialect == Dialect::DataFusion {
        return Ok(query.to_string());
    }
    let mut tree = query.clone();
    let _: ControlFlow<Infallible> = tree.visit(&mut Printer { dialect, relations });
    let text = tree.to_string();
    match parse(&text) {
        Ok(again) if again == tree => Ok(text),
        _ => Err(denied("a form that does not print as it was read")),
    }
}

struct Printer<'a> {
    dialect: Dialect,
    relations: &'a [Relation],
}

impl VisitorMut for Printer<'_> {
    type Break = Infallible;

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Infallible> {
        if let TableFactor::Table { name, alias, .. } = table
            && let Some(own) = single(name).map(folded)
            // a common table expression never has the name of a granted relation
            && let Some(relation) = self.relations.iter().find(|relation| relation.name == own)
        {
            let parts = relation.schema.iter().chain([&relation.name]).map(|part| quoted(part));
            *name = ObjectName::from(parts.collect::<Vec<_>>());
            alias.get_or_insert_with(|| TableAlias {
                explicit: true,
                name: quoted(&relation.name),
                columns: Vec::new(),
                at: None,
            });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        // every engine then gives a column the name that a query can use for it, however its table writes it
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => *alias = quoted(&folded(alias)),
                SelectItem::UnnamedExpr(expr) => {
                    let name = match expr {
                        Expr::Identifier(name) => Some(&*name),
                        Expr::CompoundIdentifier(parts) => parts.last(),
                        _ => None,
                    };
                    if let Some(alias) = name.map(|name| quoted(&folded(name))) {
                        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                    }
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Infallible> {
        match expression {
            Expr::Identifier(name) => *name = quoted(&folded(name)),
            Expr::CompoundIdentifier(parts) => parts.iter_mut().for_each(|part| *part = quoted(&folded(part))),
            Expr::Cast { kind, data_type, .. } => {
                *kind = CastKind::Cast;
                if self.dialect == Dialect::Postgres && *data_type == DataType::Double(ExactNumberInfo::None) {
                    *data_type = DataType::DoublePrecision;
                }
            }
            Expr::TypedString(TypedString { value, .. }) if self.dialect == Dialect::Sqlite => {
                *expression = Expr::Value(value.clone());
            }
            Expr::Extract { field, expr, .. } if self.dialect == Dialect::Sqlite => {
                let field = Expr::Value(Value::SingleQuotedString(field_name(field)).with_empty_span());
                *expression = call("date_part", vec![field, (**expr).clone()]);
            }
            Expr::Position { expr, r#in } if self.dialect == Dialect::Sqlite => {
                *expression = call("instr", vec![(**r#in).clone(), (**expr).clone()]);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

fn field_name(field: &DateTimeField) -> String {
    field.to_string().to_ascii_lowercase()
}

fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let arguments = arguments.into_iter().map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
