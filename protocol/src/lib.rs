//! What may be said, by whom, in what order; what is safe to let out.

pub mod wire;
