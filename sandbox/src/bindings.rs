//! The guest contract as Rust: what `wit/analysis.wit` generates, and how its values become ours and ours its.
//!
//! The worker links a component against these functions and forwards each call; the node answers with the same types, so they have a serialised
//! form.

mod values;

wasmtime::component::bindgen!({
    world: "analysis",
    path: "wit",
    imports: { default: trappable },
    additional_derives: [serde::Serialize, serde::Deserialize],
    with: {
        "quintes:analysis/database.connection": crate::worker::held::Connection,
        "quintes:analysis/database.result-set": crate::worker::held::ResultSet,
        "quintes:analysis/witness.table": crate::worker::held::Table,
        "quintes:analysis/outputs.output": crate::worker::held::Output,
    },
});
