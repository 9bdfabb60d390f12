//! That the simulator finds nothing where there is nothing, that it repeats itself exactly, and that it would find each kind of fault.

use crate::scenario::{Options, Sabotage};
use crate::sim::{replay, run, run_many, run_with_log};

#[test]
fn the_same_seed_is_the_same_run() {
    let options = Options::default();
    for seed in 0..8 {
        let (first, second) = (run(seed, &options), run(seed, &options));
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
        assert_ne!(first.trace_hash, run(seed + 1_000, &options).trace_hash, "seed {seed}");
    }
}

#[test]
fn a_hundred_seeds_hold_and_something_happens_in_them() {
    let summary = run_many(0..100, &Options::default(), 2, |_| true);
    for failure in &summary.failures {
        eprintln!("seed {}: {:?}", failure.seed, failure.violations);
    }
    assert!(summary.failures.is_empty(), "{} of {} seeds", summary.failures.len(), summary.seeds);
    for (name, count) in summary.tally.named() {
        assert!(count > 0, "{name}: {:?}", summary.tally);
    }
}

#[test]
fn each_sabotage_is_noticed_by_its_invariant() {
    for (sabotage, invariant) in Sabotage::ALL {
        let options = Options { sabotage: Some(sabotage), ..Options::default() };
        let seen = (0..60)
            .find(|seed| run(*seed, &options).violations.iter().any(|violation| violation.invariant == invariant));
        assert!(seen.is_some(), "{sabotage:?} went unnoticed by {invariant}");
    }
}

#[test]
fn a_replay_file_shows_the_same_run() {
    let options = Options { sabotage: Some(Sabotage::ReleasesUnattested), ..Options::default() };
    let failing = (0..100).map(|seed| run(seed, &options)).find(|outcome| !outcome.violations.is_empty()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = replay::write(folder.path(), &failing, &options).unwrap().unwrap();
    let (file, again, events) = replay::replay(&path).unwrap();
    assert_eq!((file.seed, file.event), (failing.seed, failing.violations[0].event));
    assert_eq!(again.trace_hash, failing.trace_hash);
    assert_eq!(again.violations, failing.violations);
    assert_eq!(events.len() as u64, failing.events);
    assert!(replay::write(folder.path(), &run_with_log(1, &Options::default()).0, &options).unwrap().is_none());
}
