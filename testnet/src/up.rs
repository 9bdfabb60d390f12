//! A federation left running, with the commands to play on by hand.

/// Where.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs until told to stop.
///
/// # Errors
/// When a step fails.
pub fn run(_args: &Args) -> anyhow::Result<bool> {
    Ok(true)
}
