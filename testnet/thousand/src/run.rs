//! A whole federation in one thread: founded, gathered, quiet for a while, and then announcing.

use crate::dice::Dice;
use crate::federation::{EPOCH, Federation, Options};
use crate::member::{self, Common, Word};
use clock::{Instant, advance};
use futures::executor::LocalPool;
use futures::task::LocalSpawnExt as _;
use libp2p::Multiaddr;
use protocol::ingress::receive;
use protocol::record::payload::DAY;
use protocol::trust::roster::Roster;
use protocol::wire::id::StatementId;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long everybody has to connect, and meshes to form.
const GATHERING: Duration = Duration::from_secs(20);

/// How far announcements are apart: five a second, of all members together.
const APART: Duration = Duration::from_millis(200);

/// How long one waits for the last of them.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which federation.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// All members, hubs among them.
    pub members: usize,
    /// Hubs, each of which everybody dials.
    pub hubs: usize,
    /// How many announcements.
    pub announcements: usize,
    /// The shortest and the longest delay of a line, one way, in milliseconds; each direction draws its own once.
    pub delay_ms: (u64, u64),
    /// How long a statement takes to a disk, in milliseconds.
    pub commit_ms: u64,
    /// What is drawn.
    pub seed: u64,
}

/// What came of it.
pub struct Outcome {
    /// The delays of all announcements at all members, ascending.
    pub took: Vec<Duration>,
    /// How many there would be if every announcement had come to every member.
    pub expected: usize,
    /// The size of all announcements together, in bytes.
    pub announced: u64,
    /// What all members wrote while they announced and waited, in bytes.
    pub busy: u64,
    /// What all members wrote in as long a time of quiet, in bytes.
    pub quiet: u64,
    /// The virtual time that passed.
    pub passed: Duration,
}

/// When each announcement was made, and came to each member.
#[derive(Default)]
pub(crate) struct Heard(RefCell<BTreeMap<StatementId, Way>>);

#[derive(Default)]
struct Way {
    said: Option<Instant>,
    came: BTreeMap<usize, Instant>,
}

impl Heard {
    /// It is made.
    pub(crate) fn said(&self, id: StatementId, at: Instant) {
        self.0.borrow_mut().entry(id).or_default().said = Some(at);
    }

    /// It has come to a member.
    pub(crate) fn note(&self, id: StatementId, member: usize, at: Instant) {
        self.0.borrow_mut().entry(id).or_default().came.entry(member).or_insert(at);
    }

    fn took(&self) -> Vec<Duration> {
        let heard = self.0.borrow();
        let mut took: Vec<Duration> = heard
            .values()
            .filter_map(|way| Some((way.said?, &way.came)))
            .flat_map(|(said, came)| came.values().map(move |came| came.duration_since(said)))
            .collect();
        took.sort_unstable();
        took
    }
}

/// Runs it; `progress` is told how much of the virtual time has passed, in percent.
///
/// # Errors
/// When the shape is none, or libp2p does not take a setting.
pub fn run(shape: &Shape, progress: impl Fn(u64)) -> anyhow::Result<Outcome> {
    anyhow::ensure!(shape.hubs > 0 && shape.members > shape.hubs, "a federation has hubs, and more members than those");
    anyhow::ensure!(shape.delay_ms.0 <= shape.delay_ms.1, "the shortest delay is not above the longest");
    // Every member is enrolled as a hub: a node without datasets.
    let options = Options { tres: 1, hubs: shape.members, owners_per_tre: 1, researchers: 1, ..Options::default() };
    let federation = Federation::new(shape.seed, options);
    let date = EPOCH + 60;
    let status = federation.status(2, BTreeSet::new(), date, DAY);
    let mut roster = Roster::new(federation.network);
    for bytes in federation.statements.iter().chain([&status]) {
        if let Ok(statement) = receive(bytes, &roster, date) {
            roster.take(&statement);
        }
    }
    let sent = Arc::new(AtomicU64::new(0));
    let commit = Duration::from_millis(shape.commit_ms);
    let common = Rc::new(Common {
        network: federation.network,
        roster,
        date,
        commit,
        heard: Heard::default(),
        sent: sent.clone(),
    });
    let dice = Arc::new(Mutex::new(Dice::new(shape.seed)));
    let (low, high) = shape.delay_ms;
    let delay = move || {
        let mut dice = dice.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_micros(dice.between(low * 1_000, high * 1_000))
    };

    let announcing = APART * u32::try_from(shape.announcements)? + PATIENCE;
    let mut words: BTreeMap<usize, Vec<Word>> = BTreeMap::new();
    let mut announced = 0;
    for (number, after) in (0..shape.announcements).zip((0..).map(|number| GATHERING + announcing + APART * number)) {
        let task = federation.task("researcher-0", u64::try_from(number)? + 1, [0]);
        let bytes = federation.sign(&task, "researcher-0", date, DAY).to_vec();
        announced += u64::try_from(bytes.len())?;
        let by = shape.hubs + (number * 7) % (shape.members - shape.hubs);
        words.entry(by).or_default().push(Word { after, bytes });
    }
    let mut pool = LocalPool::new();
    let mut dial: Vec<Multiaddr> = Vec::new();
    for number in 0..shape.members {
        // Ports of memory are this process's, and other runs have theirs.
        let port = shape.seed * 1_000_000 + u64::try_from(number)? + 1;
        let listen = (number < shape.hubs).then(|| format!("/memory/{port}").parse()).transpose()?;
        let seed = federation.actor(&format!("hub-{number}")).peer_seed;
        let swarm = member::found(&common, seed, listen.clone(), &dial, delay.clone())?;
        dial.extend(listen);
        let words = words.remove(&number).unwrap_or_default();
        pool.spawner().spawn_local(member::live(number, swarm, words, common.clone()))?;
    }

    let began = Instant::now();
    let all = GATHERING + announcing * 2;
    let mut until = |end: Duration| {
        loop {
            pool.run_until_stalled();
            progress(u64::try_from(began.elapsed().as_millis() * 100 / all.as_millis()).unwrap_or(100));
            if !advance(began + end) {
                return sent.load(Ordering::Relaxed);
            }
        }
    };
    let gathered = until(GATHERING);
    let rested = until(GATHERING + announcing);
    let done = until(all);
    Ok(Outcome {
        took: common.heard.took(),
        expected: shape.announcements * (shape.members - 1),
        announced,
        busy: done - rested,
        quiet: rested - gathered,
        passed: began.elapsed(),
    })
}
