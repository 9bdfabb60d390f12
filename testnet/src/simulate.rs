//! The commands `testnet sim` and `testnet replay`.

use crate::narrate::{Narrator, Voice};
use crate::scenario::Options;
use crate::sim::{replay as file, run_many};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Instant;

/// How many of the last events of a failing run are shown.
const LAST_EVENTS: usize = 40;

/// Which seeds.
#[derive(Debug, clap::Args)]
pub struct SimArgs {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// How many at once; one for each processor when it is not given.
    #[arg(long)]
    jobs: Option<usize>,
    /// Where replay files of failing seeds are written.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Which run.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// A file that `testnet sim` wrote.
    file: PathBuf,
    /// Print every event, not only the last ones.
    #[arg(long)]
    all: bool,
}

/// Simulates; false when an invariant did not hold.
///
/// # Errors
/// When a replay file cannot be written.
pub fn sim(args: &SimArgs) -> anyhow::Result<bool> {
    let narrator = Narrator::new(if args.json { Voice::Stderr } else { Voice::Stdout });
    let options = Options::default();
    let jobs = args.jobs.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
    let began = Instant::now();
    let bar = narrator.progress("simulating", Some(args.seeds));
    let summary = run_many(args.first..args.first.saturating_add(args.seeds), &options, jobs, |done| {
        bar.set_position(done);
        true
    });
    bar.finish_and_clear();
    let took = began.elapsed();
    let tally = summary.tally;
    let counts = tally.named().map(|(name, count)| format!("{count} {}", name.replace('_', " ")));
    narrator.say(&format!(
        "{} seeds, {} events, {:.1} virtual days in {:.1} s: {}",
        summary.seeds,
        summary.events,
        std::time::Duration::from_millis(summary.virtual_ms).as_secs_f64() / 86_400.0,
        took.as_secs_f64(),
        counts.join(", "),
    ));
    let mut failures = Vec::new();
    for outcome in &summary.failures {
        let path = file::write(&args.out, outcome, &options)?;
        let path = path.map(|path| path.display().to_string());
        for violation in &outcome.violations {
            narrator.say(&format!(
                "seed {}: {} does not hold after event {}",
                outcome.seed, violation.invariant, violation.event
            ));
        }
        if let Some(path) = &path {
            narrator.say(&format!("  see it again: testnet replay {path}"));
        }
        failures.push(json!({ "seed": outcome.seed, "replay": path, "invariants":
            outcome.violations.iter().map(|violation| violation.invariant).collect::<Vec<_>>() }));
    }
    let ok = failures.is_empty() && summary.seeds == args.seeds;
    if args.json {
        let answer = json!({
            "ok": ok, "seeds": summary.seeds, "events": summary.events, "virtual_ms": summary.virtual_ms,
            "seconds": took.as_secs_f64(), "failures": failures,
            "tally": tally.named().into_iter().collect::<BTreeMap<_, _>>(),
        });
        anstream::println!("{answer}");
    }
    Ok(ok)
}

/// Runs one failing seed again; false when it fails again.
///
/// # Errors
/// When the file cannot be read.
pub fn replay(args: &ReplayArgs) -> anyhow::Result<bool> {
    let narrator = Narrator::new(Voice::Stdout);
    let (file, outcome, events) = file::replay(&args.file)?;
    let skipped = if args.all { 0 } else { events.len().saturating_sub(LAST_EVENTS) };
    if skipped > 0 {
        narrator.say(&format!("… {skipped} events before; --all shows them"));
    }
    for event in &events[skipped..] {
        narrator.say(&format!("{event:?}"));
    }
    if outcome.trace_hash.to_string() != file.trace_hash {
        narrator.say("the run differs from the one in the file: it was made by another version of the program");
    }
    for violation in &outcome.violations {
        narrator.say(&format!("{} does not hold after event {}", violation.invariant, violation.event));
    }
    if outcome.violations.is_empty() {
        narrator.say("every invariant holds");
    }
    Ok(outcome.violations.is_empty())
}
