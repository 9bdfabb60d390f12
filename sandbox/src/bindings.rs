//! The guest contract as Rust: what `wit/analysis.wit` generates, and how its values become ours and ours its.

mod values;

wasmtime::component::bindgen!({
    world: "analysis",
    path: "wit",
    imports: { default: async | trappable },
    exports: { default: async },
    with: {
        "quintes:analysis/database.connection": crate::host::resource::Connection,
        "quintes:analysis/database.result-set": crate::host::resource::ResultSet,
        "quintes:analysis/witness.table": crate::witness::WitnessedTable,
        "quintes:analysis/outputs.output": crate::output::Writer,
    },
});
