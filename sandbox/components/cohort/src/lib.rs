//! The component `cohort`: how many distinct persons of an OMOP dataset have conditions of one or more concept sets within a window, by sex
//! and age, counted by the host (tier T1).
//!
//! The way: [`request`] reads the parameters; [`plan`] writes the one SELECT; [`run`] asks and hands on.

pub mod plan;
pub mod request;
pub mod run;
