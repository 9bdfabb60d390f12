//! Walks a query and denies every clause, table and set operation that is not known to be harmless.

use super::grammar::too_deep;
use super::{Dialect, MAX_COLUMNS, MAX_DEPTH, MAX_JOINS, MAX_PARAMETERS, StatementError, denied, names};
use crate::database::Relation;
use sqlparser::ast::{
    Cte, Distinct, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, LimitClause, ObjectName, ObjectNamePart,
    Offset, OrderBy, OrderByExpr, OrderByKind, Query, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, SetQuantifier, TableAlias, TableFactor, TableWithJoins,
    WildcardAdditionalOptions, With,
};
use std::collections::BTreeSet;

/// What a checked query was seen to use.
pub(super) struct Seen {
    /// The granted relations.
    pub(super) relations: BTreeSet<String>,
    /// The highest `$n`; all below it are used as well.
    pub(super) parameters: usize,
}

/// Checks a whole query.
pub(super) fn check(query: &Query, dialect: Dialect, relations: &[Relation]) -> Result<Seen, StatementError> {
    let mut walk = Walk {
        dialect,
        names: names::columns(query, relations),
        granted: relations,
        common: Vec::new(),
        relations: BTreeSet::new(),
        parameters: BTreeSet::new(),
        depth: 0,
        joins: 0,
        concatenations: 0,
    };
    walk.query(query)?;
    let parameters = walk.parameters.last().copied().unwrap_or(0);
    if parameters > MAX_PARAMETERS {
        return Err(denied(format!("more than {MAX_PARAMETERS} parameters")));
    }
    if parameters != walk.parameters.len() {
        return Err(denied("parameters with gaps: number them $1, $2, …"));
    }
    Ok(Seen { relations: walk.relations, parameters })
}

/// An identifier as the engine compares it: folded to lower case unless it is quoted.
pub(super) fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// The only part of a name that must not be qualified.
pub(super) fn single(name: &ObjectName) -> Option<&Ident> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(ident),
        _ => None,
    }
}

/// A walk over a query's tree: where it is and what it has counted.
pub(super) struct Walk<'a> {
    pub(super) dialect: Dialect,
    /// Every name that a column can have in this query: of a granted relation, or given in it.
    pub(super) names: BTreeSet<String>,
    granted: &'a [Relation],
    /// The names of the common table expressions in scope.
    common: Vec<String>,
    relations: BTreeSet<String>,
    pub(super) parameters: BTreeSet<usize>,
    depth: usize,
    joins: usize,
    pub(super) concatenations: usize,
}

impl Walk<'_> {
    /// Walks one level down, unless that is too deep.
    pub(super) fn deeper<T>(
        &mut self,
        walk: impl FnOnce(&mut Self) -> Result<T, StatementError>,
    ) -> Result<T, StatementError> {
        if self.depth == MAX_DEPTH {
            return Err(too_deep());
        }
        self.depth += 1;
        let result = walk(self);
        self.depth -= 1;
        result
    }

    /// Counts a join or a branch of a set operation.
    fn count_join(&mut self) -> Result<(), StatementError> {
        self.joins += 1;
        if self.joins > MAX_JOINS {
            return Err(denied(format!("more than {MAX_JOINS} joins and set operations")));
        }
        Ok(())
    }

    /// A query or subquery.
    pub(super) fn query(&mut self, query: &Query) -> Result<(), StatementError> {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        none(fetch, "FETCH: use LIMIT")?;
        empty(locks, "FOR UPDATE or FOR SHARE")?;
        none(for_clause, "FOR XML, JSON or BROWSE")?;
        none(settings, "SETTINGS")?;
        none(format_clause, "FORMAT")?;
        empty(pipe_operators, "pipe operators")?;
        let outer = self.common.len();
        self.deeper(|walk| {
            if let Some(with) = with {
                walk.with(with)?;
            }
            walk.set(body)?;
            if let Some(order_by) = order_by {
                walk.order_by(order_by)?;
            }
            if let Some(limit) = limit_clause {
                walk.limit(limit)?;
            }
            Ok(())
        })?;
        self.common.truncate(outer);
        Ok(())
    }

    fn with(&mut self, with: &With) -> Result<(), StatementError> {
        let With { with_token: _, recursive, cte_tables } = with;
        if *recursive {
            return Err(denied("WITH RECURSIVE"));
        }
        for cte in cte_tables {
            let Cte { alias, query, from, materialized, closing_paren_token: _ } = cte;
            none(from, "FROM after a common table expression")?;
            none(materialized, "MATERIALIZED")?;
            check_alias(alias)?;
            let name = folded(&alias.name);
            if self.granted.iter().any(|relation| relation.name.eq_ignore_ascii_case(&name))
                || self.common.contains(&name)
            {
                return Err(denied(format!("the name \"{name}\" for a common table expression: it is taken")));
            }
            // its own name is not yet in scope: nothing recurses
            self.query(query)?;
            self.common.push(name);
        }
        Ok(())
    }

    /// A SELECT, or a chain of set operations; chains lean to the left, so that side is followed without recursion.
    fn set(&mut self, set: &SetExpr) -> Result<(), StatementError> {
        let mut set = set;
        loop {
            match set {
                SetExpr::SetOperation { left, op: _, set_quantifier, right } => {
                    match set_quantifier {
                        SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None => {}
                        SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => {
                            return Err(denied("BY NAME"));
                        }
                    }
                    self.count_join()?;
                    self.deeper(|walk| walk.set(right))?;
                    set = left;
                }
                SetExpr::Select(select) => return self.deeper(|walk| walk.select(select)),
                SetExpr::Query(query) => return self.query(query),
                SetExpr::Values(_) => return Err(denied("VALUES")),
                SetExpr::Table(_) => return Err(denied("TABLE: use SELECT")),
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                    return Err(StatementError::NotOneQuery);
                }
            }
        }
    }

    fn select(&mut self, select: &Select) -> Result<(), StatementError> {
        let Select {
            select_token: _,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        empty(optimizer_hints, "optimiser hints")?;
        none(select_modifiers, "SELECT modifiers")?;
        none(top, "TOP: use LIMIT")?;
        none(exclude, "EXCLUDE")?;
        none(into, "INTO")?;
        empty(lateral_views, "LATERAL VIEW")?;
        none(prewhere, "PREWHERE")?;
        empty(connect_by, "CONNECT BY")?;
        empty(cluster_by, "CLUSTER BY")?;
        empty(distribute_by, "DISTRIBUTE BY")?;
        empty(sort_by, "SORT BY: use ORDER BY")?;
        empty(named_window, "WINDOW: write the window after OVER")?;
        none(value_table_mode, "AS VALUE or AS STRUCT")?;
        if !matches!(flavor, SelectFlavor::Standard) {
            return Err(denied("FROM before SELECT"));
        }
        if projection.is_empty() || projection.len() > MAX_COLUMNS {
            return Err(denied(format!("a SELECT of none or more than {MAX_COLUMNS} columns")));
        }
        for table in from {
            self.joined(table)?;
        }
        for (i, _) in from.iter().enumerate() {
            if i > 0 {
                self.count_join()?;
            }
        }
        match distinct {
            None | Some(Distinct::All | Distinct::Distinct) => {}
            Some(Distinct::On(expressions)) => self.expressions(expressions)?,
        }
        for item in projection {
            self.item(item)?;
        }
        for expression in [selection, having, qualify].into_iter().flatten() {
            self.expression(expression)?;
        }
        match group_by {
            GroupByExpr::Expressions(expressions, modifiers) => {
                empty(modifiers, "modifiers of GROUP BY")?;
                self.expressions(expressions)
            }
            GroupByExpr::All(_) => Err(denied("GROUP BY ALL")),
        }
    }

    fn item(&mut self, item: &SelectItem) -> Result<(), StatementError> {
        match item {
            SelectItem::UnnamedExpr(expr) => self.expression(expr),
            SelectItem::ExprWithAlias { expr, alias } => {
                check_name(alias)?;
                self.expression(expr)
            }
            SelectItem::ExprWithAliases { .. } => Err(denied("several names for one column")),
            SelectItem::Wildcard(options) => plain_wildcard(options),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                if single(name).is_none() {
                    return Err(denied("a qualified table name"));
                }
                plain_wildcard(options)
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => {
                Err(denied("a wildcard after an expression"))
            }
        }
    }

    fn joined(&mut self, table: &TableWithJoins) -> Result<(), StatementError> {
        let TableWithJoins { relation, joins } = table;
        self.table(relation)?;
        for join in joins {
            let Join { relation, global, join_operator } = join;
            if *global {
                return Err(denied("GLOBAL joins"));
            }
            self.count_join()?;
            self.table(relation)?;
            match join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::Left(constraint)
                | JoinOperator::LeftOuter(constraint)
                | JoinOperator::Right(constraint)
                | JoinOperator::RightOuter(constraint)
                | JoinOperator::FullOuter(constraint)
                | JoinOperator::CrossJoin(constraint)
                | JoinOperator::LeftSemi(constraint)
                | JoinOperator::LeftAnti(constraint) => match constraint {
                    JoinConstraint::On(condition) => self.expression(condition)?,
                    JoinConstraint::Using(columns) => {
                        for column in columns {
                            self.column(single(column).ok_or_else(|| denied("a qualified column in USING"))?)?;
                        }
                    }
                    JoinConstraint::None => {}
                    JoinConstraint::Natural => return Err(denied("NATURAL joins")),
                },
                _ => return Err(denied("this kind of join")),
            }
        }
        Ok(())
    }

    fn table(&mut self, table: &TableFactor) -> Result<(), StatementError> {
        match table {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                if args.is_some() {
                    return Err(denied("table functions"));
                }
                empty(with_hints, "table hints")?;
                none(version, "versions of a table")?;
                empty(partitions, "PARTITION")?;
                none(json_path, "a path after a table")?;
                none(sample, "TABLESAMPLE")?;
                empty(index_hints, "index hints")?;
                if *with_ordinality {
                    return Err(denied("WITH ORDINALITY"));
                }
                if let Some(alias) = alias {
                    check_alias(alias)?;
                }
                let name = single(name).map(folded).ok_or_else(|| denied("a qualified table name"))?;
                if self.common.contains(&name) {
                    return Ok(());
                }
                if !self.granted.iter().any(|relation| relation.name == name) {
                    return Err(denied(format!("the relation \"{name}\": it is not granted")));
                }
                self.relations.insert(name);
                Ok(())
            }
            TableFactor::Derived { lateral, subquery, alias, sample } => {
                if *lateral {
                    return Err(denied("LATERAL"));
                }
                none(sample, "TABLESAMPLE")?;
                if let Some(alias) = alias {
                    check_alias(alias)?;
                }
                self.query(subquery)
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                none(alias, "a name for joins in parentheses")?;
                self.deeper(|walk| walk.joined(table_with_joins))
            }
            _ => Err(denied("table functions or other made tables")),
        }
    }

    fn order_by(&mut self, order_by: &OrderBy) -> Result<(), StatementError> {
        let OrderBy { kind, interpolate } = order_by;
        none(interpolate, "INTERPOLATE")?;
        match kind {
            OrderByKind::Expressions(expressions) => self.orders(expressions),
            OrderByKind::All(_) => Err(denied("ORDER BY ALL")),
        }
    }

    /// The expressions of an ORDER BY, wherever one may stand.
    pub(super) fn orders(&mut self, orders: &[OrderByExpr]) -> Result<(), StatementError> {
        orders.iter().try_for_each(|OrderByExpr { expr, options: _, with_fill }| {
            none(with_fill, "WITH FILL")?;
            self.expression(expr)
        })
    }

    fn limit(&mut self, limit: &LimitClause) -> Result<(), StatementError> {
        match limit {
            LimitClause::LimitOffset { limit, offset, limit_by } => {
                empty(limit_by, "LIMIT BY")?;
                if let Some(limit) = limit {
                    self.expression(limit)?;
                }
                if let Some(Offset { value, rows: _ }) = offset {
                    self.expression(value)?;
                }
                Ok(())
            }
            LimitClause::OffsetCommaLimit { .. } => Err(denied("LIMIT with a comma: use OFFSET")),
        }
    }
}

/// An alias that only names: with a list of columns, of plain names.
fn check_alias(alias: &TableAlias) -> Result<(), StatementError> {
    let TableAlias { explicit: _, name, columns, at } = alias;
    check_name(name)?;
    columns.iter().try_for_each(|column| check_name(&column.name))?;
    none(at, "AT after an alias")?;
    if columns.iter().any(|column| column.data_type.is_some()) {
        return Err(denied("types in an alias"));
    }
    Ok(())
}

/// A name, not a text in its place: `E'…'` and `B'…'` would read as a column and its alias.
fn check_name(name: &Ident) -> Result<(), StatementError> {
    match name.quote_style {
        None | Some('"') => Ok(()),
        Some(_) => Err(denied("a text as a name: use double quotes")),
    }
}

/// `*` without EXCEPT, REPLACE, RENAME and the like.
pub(super) fn plain_wildcard(options: &WildcardAdditionalOptions) -> Result<(), StatementError> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    if opt_ilike.is_some()
        || opt_exclude.is_some()
        || opt_except.is_some()
        || opt_replace.is_some()
        || opt_rename.is_some()
        || opt_alias.is_some()
    {
        return Err(denied("options after *"));
    }
    Ok(())
}

/// Denies a clause that is there.
pub(super) fn none<T>(clause: &Option<T>, what: &str) -> Result<(), StatementError> {
    if clause.is_some() { Err(denied(what)) } else { Ok(()) }
}

/// Denies a list that is not empty.
pub(super) fn empty<T>(list: &[T], what: &str) -> Result<(), StatementError> {
    if list.is_empty() { Ok(()) } else { Err(denied(what)) }
}
