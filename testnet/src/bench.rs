//! Benchmarks.

/// Which.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs.
///
/// # Errors
/// When a step fails.
pub fn run(_args: &Args) -> anyhow::Result<bool> {
    Ok(true)
}
