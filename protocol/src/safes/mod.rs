//! The Five Safes: people, projects, data and settings decide whether a task may run; outputs decide whether it may be reviewed.

pub mod admission;
pub mod data;
pub mod outputs;
pub mod people;
pub mod projects;
pub mod refusal;
pub mod settings;
pub mod tre;

pub use admission::{Admission, Question, admit};
pub use refusal::Refusal;
pub use tre::Tre;
