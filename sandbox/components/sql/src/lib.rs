//! The component `sql`: the answer to one query, as CSV. [`run`] asks and writes; [`csv`] knows the form.
//! Its numbers are its own: tier T2, never released without a person's look.

pub mod csv;
pub mod run;
