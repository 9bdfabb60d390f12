//! The names that a query's columns can have: those of the granted relations, and those that the query gives with AS.

use super::query::folded;
use crate::database::Relation;
use sqlparser::ast::{Cte, Query, Select, SelectItem, TableFactor, Visit as _, Visitor};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ops::ControlFlow;

/// All of them, wherever they are in scope: what is out of scope is the engine's to refuse.
pub(super) fn columns(query: &Query, relations: &[Relation]) -> BTreeSet<String> {
    let granted = relations.iter().flat_map(|relation| relation.columns.iter().map(|column| column.name.clone()));
    let mut names = Names(granted.collect());
    let _: ControlFlow<Infallible> = query.visit(&mut names);
    names.0
}

struct Names(BTreeSet<String>);

impl Visitor for Names {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Infallible> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        self.0.extend(tables.flat_map(|Cte { alias, .. }| alias.columns.iter().map(|column| folded(&column.name))));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Infallible> {
        self.0.extend(select.projection.iter().filter_map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
            _ => None,
        }));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<Infallible> {
        let (TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. }) = table
        else {
            return ControlFlow::Continue(());
        };
        self.0.extend(alias.columns.iter().map(|column| folded(&column.name)));
        ControlFlow::Continue(())
    }
}
