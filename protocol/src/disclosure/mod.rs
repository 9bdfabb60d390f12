//! Safe outputs as pure functions: typed tables, the one form in which they are shown and signed, and the rules that look at them.
//!
//! The way through: [`table`] is what a component or the host hands over; [`canonical`] gives it the one form of its bytes that is reviewed,
//! committed to and released (with `fields` for CSV, and `number`, `text` and `calendar` for single cells); [`rules`] says
//! in a `report` which figures a data owner must look at, and why, by the thresholds of the project's [`policy`].

mod calendar;
pub mod canonical;
pub mod contributors;
mod fields;
mod number;
pub mod policy;
mod report;
pub mod rules;
pub mod table;
mod text;
