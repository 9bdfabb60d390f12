//! The kinds of signed statement, one file each: what it says, who signs it, and the rules that its fields keep.

pub mod attestation;
pub mod cancellation;
pub mod checkpoint;
pub mod comment;
pub mod commitment;
pub mod dataset;
pub mod grant;
pub mod key_record;
pub mod kind;
pub mod name;
pub mod payload;
pub mod phase;
pub mod project;
pub mod recovery;
pub mod release;
pub mod revocation;
pub mod root;
pub mod run;
pub mod stamp;
pub mod standing_approval;
pub mod status;
pub mod submission;

pub use kind::Kind;
pub use payload::{Invalid, Payload};
