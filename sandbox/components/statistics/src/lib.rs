//! The component `statistics`: tables that the host computes and this component hands on unchanged (tier T1), in shapes
//! that merge across TREs.
//!
//! The way: [`request`] reads the parameters; [`source`] finds the relation and
//! writes its one SELECT; [`plan`] says what the host is asked for each analysis; [`run`] asks and hands on.

pub mod plan;
pub mod request;
pub mod run;
pub mod source;
