//! Safe outputs as pure functions: typed tables, the one form in which they are shown and signed, and the rules that look at them.
//!
//! The way through: [`check`] takes what a component or the host handed over as a [`table`] to a reviewed [`canonical`] form and its report.
//! The [`policy`] of the project hides and rounds first (`hiding`, `rounding`), [`canonical`] gives the one form of the bytes that is
//! reviewed, committed to and released (with `fields` for CSV, and `number`, `text` and `calendar` for single cells), and [`rules`] say in
//! a `report` which figures a data owner must look at, and why: figure by figure, and across the outputs of a task (`margins`).

mod calendar;
pub mod canonical;
pub mod check;
pub mod contributors;
pub mod differencing;
mod fields;
mod hiding;
mod identifiers;
mod margins;
mod naming;
mod number;
pub mod policy;
mod report;
mod rounding;
pub mod rules;
pub mod summary;
pub mod table;
mod text;
