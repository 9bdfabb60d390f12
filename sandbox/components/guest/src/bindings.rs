//! `sandbox/wit/analysis.wit` in Rust, generated: its interfaces, its types and `export!`.
#![allow(
    unsafe_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "generated: the calls across the component's boundary; the WIT file is the documentation"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "analysis",
    pub_export_macro: true,
    default_bindings_module: "guest::bindings",
    additional_derives: [PartialEq],
});
