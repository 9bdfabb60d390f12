//! The seeded simulator: pure cores, a virtual clock, a network that loses and doubles, machines that stop anywhere, people who err, and
//! the invariants after every event. The same seed gives the same run, whose hash is the same.
//!
//! | room | holds |
//! |---|---|
//! | [`dice`] | the only source of chance |
//! | [`world`] | the clock, and what is due |
//! | [`machine`] | a node's shell: records, effects, crashes, work |
//! | [`network`] | links, messages, catching up |
//! | [`actors`], [`reviewers`] | people |
//! | [`backup`] | logs that are cut back or told twice |
//! | [`saboteur`] | shells that do wrong, to see that the invariants notice |
//! | [`healing`] | the end, when everything is mended and everything must come to its end |
//! | [`truth`], [`ledger`], [`host`] | what the invariants look at |

pub mod actors;
pub mod backup;
pub mod dice;
pub mod healing;
pub mod host;
pub mod ledger;
pub mod machine;
pub mod network;
pub mod prototype;
pub mod replay;
pub mod reviewers;
pub mod saboteur;
pub mod truth;
pub mod world;

pub use world::Violation;

use crate::event::Event;
use crate::scenario::Options;
use protocol::wire::id::Digest;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use world::World;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// How many events there were.
    pub events: u64,
    /// The same for the same seed and options, always.
    pub trace_hash: Digest,
    /// What did not hold; a run stops at the first event at which something does not.
    pub violations: Vec<Violation>,
    /// The virtual time that passed, in milliseconds.
    pub virtual_ms: u64,
    /// How many crashes, releases, and other ends there were: a run in which nothing happens proves nothing.
    pub tally: Tally,
}

/// What happened in one run or in many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Nodes that were restarted.
    pub restarts: u64,
    /// Tasks at TREs, and how they ended.
    pub released: u64,
    /// Refused by the data owners.
    pub withheld: u64,
    /// Refused by a Safe.
    pub refused: u64,
    /// The component failed.
    pub failed: u64,
    /// Called back.
    pub cancelled: u64,
    /// Forgeries that were sent.
    pub forged: u64,
    /// Tasks that a standing approval has released.
    pub by_standing: u64,
    /// Tasks that were released after somebody had said no and thought again.
    pub resolved: u64,
    /// Decisions that a person has taken back.
    pub withdrawn: u64,
    /// Held outputs of which the checks said something else after a while.
    pub rechecked: u64,
    /// Words between reviewers.
    pub private: u64,
    /// Machines that were restored from a backup.
    pub restored: u64,
    /// Logs that went on after one.
    pub recovered: u64,
    /// Checkpoints that contradict another of the same TRE.
    pub twins: u64,
    /// Submissions at a place of a chain that was taken.
    pub stories: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        for (own, (_, more)) in self.each().into_iter().zip(other.named()) {
            *own += more;
        }
    }

    fn each(&mut self) -> [&mut u64; 16] {
        [
            &mut self.restarts,
            &mut self.released,
            &mut self.withheld,
            &mut self.refused,
            &mut self.failed,
            &mut self.cancelled,
            &mut self.forged,
            &mut self.by_standing,
            &mut self.resolved,
            &mut self.withdrawn,
            &mut self.rechecked,
            &mut self.private,
            &mut self.restored,
            &mut self.recovered,
            &mut self.twins,
            &mut self.stories,
        ]
    }

    /// Each count with its name, in one order.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 16] {
        [
            ("restarts", self.restarts),
            ("released", self.released),
            ("withheld", self.withheld),
            ("refused", self.refused),
            ("failed", self.failed),
            ("cancelled", self.cancelled),
            ("forged", self.forged),
            ("by_standing", self.by_standing),
            ("resolved", self.resolved),
            ("withdrawn", self.withdrawn),
            ("rechecked", self.rechecked),
            ("private", self.private),
            ("restored", self.restored),
            ("recovered", self.recovered),
            ("twins", self.twins),
            ("stories", self.stories),
        ]
    }
}

/// Simulates one seed.
#[must_use]
pub fn run(seed: u64, options: &Options) -> Outcome {
    simulate(seed, options, false).0
}

/// Simulates one seed and keeps the log.
#[must_use]
pub fn run_with_log(seed: u64, options: &Options) -> (Outcome, Vec<Event>) {
    simulate(seed, options, true)
}

fn simulate(seed: u64, options: &Options, keep: bool) -> (Outcome, Vec<Event>) {
    let mut world = World::new(seed, *options, keep);
    world.plan();
    world.run_until(options.chaos_seconds * 1_000);
    world.heal();
    let outcome = Outcome {
        seed,
        events: world.log.count(),
        trace_hash: world.log.hash(),
        violations: world.violations.clone(),
        virtual_ms: world.clock_ms,
        tally: world.tally(),
    };
    (outcome, world.log.events().to_vec())
}

/// What many seeds amount to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many seeds were simulated.
    pub seeds: u64,
    /// How many events.
    pub events: u64,
    /// The virtual time that passed, in milliseconds.
    pub virtual_ms: u64,
    /// What happened.
    pub tally: Tally,
    /// The seeds in which something did not hold, with what was seen.
    pub failures: Vec<Outcome>,
}

/// Simulates many seeds with so many threads. `progress` is told how many are done, and may stop the rest by returning false.
pub fn run_many(
    seeds: impl IntoIterator<Item = u64>,
    options: &Options,
    jobs: usize,
    progress: impl Fn(u64) -> bool + Sync,
) -> Summary {
    let seeds: Vec<u64> = seeds.into_iter().collect();
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let summary = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run(*seed, options);
                    let mut sum = summary.lock().unwrap_or_else(PoisonError::into_inner);
                    sum.seeds += 1;
                    sum.events += outcome.events;
                    sum.virtual_ms += outcome.virtual_ms;
                    sum.tally.add(&outcome.tally);
                    if !outcome.violations.is_empty() {
                        sum.failures.push(outcome);
                    }
                    drop(sum);
                    if !progress(done.fetch_add(1, Ordering::Relaxed) + 1) {
                        next.store(seeds.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.failures.sort_by_key(|outcome| outcome.seed);
    summary
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
