//! The command `thousand`: runs one federation and prints what came of it.

use anyhow::Context as _;
use clap::Parser as _;
use serde_json::json;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Instant;

use thousand::report::{bars, figures};
use thousand::run::{Shape, run};

/// Announce among many members behind hubs, in virtual time.
#[derive(Debug, clap::Parser)]
#[command(name = "thousand", version)]
struct Args {
    /// All members, hubs among them.
    #[arg(long, default_value_t = 1_000)]
    members: usize,
    /// Hubs, each of which everybody dials.
    #[arg(long, default_value_t = 3)]
    hubs: usize,
    /// How many announcements, five a second, each of another member.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..))]
    announcements: u16,
    /// The shortest delay of a line, one way, in milliseconds.
    #[arg(long, default_value_t = 40)]
    shortest: u64,
    /// The longest delay of a line, one way, in milliseconds.
    #[arg(long, default_value_t = 60)]
    longest: u64,
    /// How long a statement takes to a disk, in milliseconds.
    #[arg(long, default_value_t = 5)]
    commit: u64,
    /// What keys and delays are drawn from. Which peers gossip chooses differs from run to run all the same.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match measure(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs and prints; false when something was not delivered.
fn measure(args: &Args) -> anyhow::Result<bool> {
    let shape = Shape {
        members: args.members,
        hubs: args.hubs,
        announcements: args.announcements.into(),
        delay_ms: (args.shortest, args.longest),
        commit_ms: args.commit,
        seed: args.seed,
    };
    let watched = std::io::stderr().is_terminal();
    let began = Instant::now();
    let outcome = run(&shape, |percent| {
        if watched {
            eprint!("\r{percent} % ");
        }
    })?;
    if watched {
        eprint!("\r      \r");
    }
    let figures = figures(&shape, &outcome).context("nothing was delivered")?;
    if args.json {
        let named: serde_json::Map<_, _> =
            figures.iter().map(|(name, value, _)| ((*name).to_owned(), json!(value))).collect();
        println!(
            "{}",
            json!({ "shape": format!("{shape:?}"), "seconds": began.elapsed().as_secs_f64(), "figures": named })
        );
    } else {
        println!(
            "{} members, {} hubs, {} announcements; {:.0} virtual seconds in {:.1} s",
            shape.members,
            shape.hubs,
            shape.announcements,
            outcome.passed.as_secs_f64(),
            began.elapsed().as_secs_f64()
        );
        figures.iter().for_each(|(name, value, unit)| println!("{name:<32} {value:>10.1} {unit}"));
        bars(&outcome.took).iter().for_each(|line| println!("{line}"));
    }
    Ok(outcome.took.len() == outcome.expected)
}
