//! How a person looks at a task: which output, which rows and columns, in which order, beside which earlier release. It stands in the address,
//! so that it works without scripts, and a page can be kept, gone back to and printed.

use form_urlencoded::{Serializer, parse};
use std::collections::BTreeSet;

/// The rows on one page.
pub(super) const ROWS: usize = 50;

/// The longest text that is searched for, in characters.
const LONGEST: usize = 100;

/// The question mark of an address, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// The output; none: the first one.
    pub(super) output: Option<String>,
    /// The column by which rows are sorted, and whether the largest comes first; none: the canonical order.
    pub(super) sort: Option<(String, bool)>,
    /// What a row has to hold.
    pub(super) find: String,
    /// The page, counted from 0.
    pub(super) page: usize,
    /// Every row on one page, to print it.
    pub(super) all: bool,
    /// Columns that are not shown.
    pub(super) hidden: BTreeSet<String>,
    /// The earlier release to compare with, by the task's id; none: the nearest.
    pub(super) against: Option<String>,
}

impl Look {
    /// Reads an address. What it does not understand does not count.
    #[must_use]
    pub(super) fn read(query: &str) -> Self {
        let mut look = Self::default();
        for (name, value) in parse(query.as_bytes()) {
            match name.as_ref() {
                "output" if !value.is_empty() => look.output = Some(value.into_owned()),
                "sort" => {
                    look.sort = match value.strip_prefix('-') {
                        _ if value.is_empty() => None,
                        Some(column) => Some((column.to_owned(), true)),
                        None => Some((value.into_owned(), false)),
                    };
                }
                "find" => look.find = value.trim().chars().take(LONGEST).collect(),
                "page" => look.page = value.parse::<usize>().unwrap_or(1).saturating_sub(1),
                "rows" => look.all = value == "all",
                "hide" if !value.is_empty() => {
                    look.hidden.insert(value.into_owned());
                }
                "against" if !value.is_empty() => look.against = Some(value.into_owned()),
                _ => {}
            }
        }
        look
    }

    /// The address that means this, with a place on the page.
    #[must_use]
    pub(super) fn link(&self, place: &str) -> String {
        let mut query = Serializer::new(String::new());
        if let Some(output) = &self.output {
            query.append_pair("output", output);
        }
        if let Some((column, down)) = &self.sort {
            query.append_pair("sort", &format!("{}{column}", if *down { "-" } else { "" }));
        }
        if !self.find.is_empty() {
            query.append_pair("find", &self.find);
        }
        if self.page > 0 {
            query.append_pair("page", &(self.page + 1).to_string());
        }
        if self.all {
            query.append_pair("rows", "all");
        }
        for column in &self.hidden {
            query.append_pair("hide", column);
        }
        if let Some(against) = &self.against {
            query.append_pair("against", against);
        }
        let query = query.finish();
        if place.is_empty() { format!("?{query}") } else { format!("?{query}#{place}") }
    }

    /// The same, changed.
    #[must_use]
    pub(super) fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = self.clone();
        change(&mut other);
        other
    }

    /// Without a column.
    #[must_use]
    pub(super) fn hiding(&self, column: &str) -> Self {
        self.with(|look| {
            look.hidden.insert(column.to_owned());
        })
    }

    /// With a column again.
    #[must_use]
    pub(super) fn showing(&self, column: &str) -> Self {
        self.with(|look| {
            look.hidden.remove(column);
        })
    }

    /// Sorted by a column: upwards first, then downwards, then not at all.
    #[must_use]
    pub(super) fn sorted(&self, column: &str) -> Self {
        self.with(|look| {
            look.page = 0;
            look.sort = match &self.sort {
                Some((by, false)) if by == column => Some((column.to_owned(), true)),
                Some((by, true)) if by == column => None,
                _ => Some((column.to_owned(), false)),
            };
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Look;

    #[test]
    fn an_address_means_what_it_says_and_says_what_it_means() {
        let address = "?output=mean&sort=-n&find=a%26b&page=3&hide=k&hide=x&against=3f";
        let look = Look::read(address.trim_start_matches('?'));
        assert_eq!(look.link(""), address);
        assert_eq!((look.sort.clone(), look.page, look.hidden.len()), (Some(("n".to_owned(), true)), 2, 2));
        assert_eq!(Look::read("page=0&rows=some&sort=&x=y"), Look::default());
        assert_eq!(Look::default().link("table"), "?#table");
    }

    #[test]
    fn a_column_sorts_up_then_down_then_not() {
        let up = Look { page: 4, ..Look::default() }.sorted("n");
        assert_eq!((up.sort.clone(), up.page), (Some(("n".to_owned(), false)), 0));
        let down = up.sorted("n");
        assert_eq!(down.sort, Some(("n".to_owned(), true)));
        assert_eq!(down.sorted("n").sort, None);
        assert_eq!(down.sorted("m").sort, Some(("m".to_owned(), false)));
    }
}
