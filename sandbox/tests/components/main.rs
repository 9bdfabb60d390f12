//! The components as they are shipped, in the real engine over real files.
#![cfg(feature = "datafusion")]
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod bench;
mod contributors;
mod csv;
#[path = "../engine/mod.rs"]
mod engine;
mod figures;
mod models;
mod sentences;

#[test]
fn the_prebuilt_components_are_those_that_the_digests_list() {
    use crate::bench::{COHORT, REGRESSION, SQL, STATISTICS, SURVIVAL};
    use sha2::{Digest as _, Sha256};
    let digests = include_str!("../../components/prebuilt/DIGESTS");
    for (name, bytes) in [
        ("cohort.wasm", COHORT),
        ("regression.wasm", REGRESSION),
        ("sql.wasm", SQL),
        ("statistics.wasm", STATISTICS),
        ("survival.wasm", SURVIVAL),
    ] {
        let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(digests.lines().any(|line| line == format!("{hex}  {name}")), "{name} has sha256 {hex}");
    }
}
