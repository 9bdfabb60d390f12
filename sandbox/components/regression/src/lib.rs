//! The component `regression`: means, variances and covariances of a model's columns, which the host computes (tier T1) and from which the
//! researcher's program fits the model over all TREs.
//!
//! The way: [`request`] reads the parameters; [`plan`] writes the one SELECT and lists the measures; [`run`] asks and hands on.

pub mod plan;
pub mod request;
pub mod run;
