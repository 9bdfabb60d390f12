//! The simulated world: machines, links and a virtual clock; what is due is done in the order of time, and after every event all
//! invariants are asked.

use crate::event::Log;
use crate::fixture::federation::{EPOCH, Federation};
use crate::invariant;
use crate::scenario::{Options, Sabotage, Scenario};
use crate::sim::Tally;
use crate::sim::actors::Act;
use crate::sim::dice::Dice;
use crate::sim::host::Host;
use crate::sim::network::Links;
use crate::sim::prototype::Prototype;
use crate::sim::truth::Truth;
use protocol::ingress::{Ignored, Statement, Verdict, receive};
use protocol::node::Report;
use protocol::record::checkpoint::{Checkpoint, Cosignature};
use protocol::record::dataset::Dataset;
use protocol::record::release::Logged;
use protocol::record::submission::TaskId;
use protocol::safes::admission::Admission;
use protocol::trust::roster::Roster;
use protocol::wire::id::{Digest, StatementId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// By how many seconds the run begins after the federation did, so that no clock is before it.
pub const START: u64 = 3_600;

/// Something that will happen.
pub enum Pending {
    /// A message arrives.
    Deliver {
        /// From which host.
        from: usize,
        /// At which host.
        to: usize,
        /// The statement.
        bytes: Arc<[u8]>,
    },
    /// A person hands a statement to a node, and asks again until it is taken.
    Offer {
        /// To which host.
        to: usize,
        /// The statement.
        bytes: Arc<[u8]>,
        /// How often it was tried.
        tries: u64,
    },
    /// Time passes at a host.
    Tick(usize),
    /// A host's shell has done something that took time.
    Done {
        /// Which host.
        host: usize,
        /// In which of its lives it began.
        life: u64,
        /// What.
        job: Job,
    },
    /// A machine comes back.
    Restart(usize),
    /// A machine stops between two inputs.
    Stop(usize),
    /// A link is cut or mended.
    Link {
        /// One end.
        a: usize,
        /// The other end.
        b: usize,
        /// Mended.
        up: bool,
    },
    /// Two neighbours compare what they know.
    Sync(usize, usize),
    /// A neighbour has told everything that it holds.
    CaughtUp {
        /// Who was told.
        host: usize,
        /// In which of its lives.
        life: u64,
        /// By whom.
        by: usize,
        /// How often the link had been cut when it began.
        cuts: u64,
    },
    /// A machine's disk is put back to an earlier backup.
    Restore(usize),
    /// A person does something.
    Act(Act),
}

/// What a shell does in its own time.
pub enum Job {
    /// A component was looked at.
    Looked(Digest),
    /// A component ran.
    Ran(Box<Admission>),
    /// Custody was opened.
    Opened(Box<protocol::tre::Release>, Box<Logged>),
    /// Held outputs were compared with what has left.
    Rechecked(TaskId),
    /// A checkpoint was signed.
    Checkpointed(Box<Checkpoint>),
    /// A checkpoint of another TRE was cosigned.
    Cosigned(Cosignature),
    /// The schema of a dataset is signed.
    Published(Box<Dataset>),
    /// A phase was signed.
    Reported(Report),
}

/// A rule that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's name.
    pub invariant: &'static str,
    /// After which event.
    pub event: u64,
    /// What was seen.
    pub detail: String,
}

/// Everything.
pub struct World {
    /// What all runs have in common.
    pub options: Options,
    /// This run.
    pub scenario: Scenario,
    /// Its members.
    pub federation: Arc<Federation>,
    /// Who held which key at the beginning; revocations are unknown to it.
    pub roster: Roster,
    /// Chance.
    pub dice: Dice,
    /// Virtual milliseconds since the run began.
    pub clock_ms: u64,
    /// The machines.
    pub hosts: Vec<Host>,
    /// The links between them.
    pub links: Links,
    /// What is so.
    pub truth: Truth,
    /// What happened.
    pub log: Log,
    /// What did not hold.
    pub violations: Vec<Violation>,
    /// Whether faults have ended.
    pub healed: bool,
    /// The newest status.
    pub epoch: u64,
    /// What has happened that cannot be counted at the end.
    pub counts: Tally,
    queue: BTreeMap<(u64, u64), Pending>,
    sequence: u64,
    cursors: Vec<invariant::Cursor>,
}

impl World {
    /// The beginning of a run.
    #[must_use]
    pub fn new(seed: u64, options: Options, keep: bool) -> Self {
        let mut dice = Dice::new(seed);
        let scenario = Scenario::draw(&mut dice, &options);
        let prototype = Prototype::of(scenario.shape);
        let mut hosts = prototype.hosts.clone();
        for host in &mut hosts {
            let off = i64::try_from(dice.between(0, 2 * scenario.skew_seconds)).unwrap_or(0);
            host.skew = off - i64::try_from(scenario.skew_seconds).unwrap_or(0);
            host.byzantine = scenario.byzantine_hub && host.name == "hub-0";
        }
        let cursors = hosts.iter().map(invariant::Cursor::at_end_of).collect();
        let links = Links::hubs_and_spokes(&hosts);
        Self {
            options,
            scenario,
            federation: prototype.federation.clone(),
            roster: prototype.roster.clone(),
            dice,
            clock_ms: 0,
            hosts,
            links,
            truth: prototype.truth.clone(),
            log: Log::new(keep),
            violations: Vec::new(),
            healed: false,
            epoch: 1,
            counts: Tally::default(),
            queue: BTreeMap::new(),
            sequence: 0,
            cursors,
        }
    }

    /// The time that everybody would agree on, in seconds since 1970.
    #[must_use]
    pub fn true_now(&self) -> u64 {
        EPOCH + START + self.clock_ms / 1_000
    }

    /// A host's own time.
    #[must_use]
    pub fn now(&self, host: usize) -> u64 {
        self.true_now().saturating_add_signed(self.hosts[host].skew)
    }

    /// Makes something happen later.
    pub fn later(&mut self, in_ms: u64, what: Pending) {
        self.sequence += 1;
        self.queue.insert((self.clock_ms + in_ms, self.sequence), what);
    }

    /// Whether a shell breaks this rule.
    #[must_use]
    pub fn sabotaged(&self, by: Sabotage) -> bool {
        self.options.sabotage == Some(by)
    }

    /// Notes a statement that was really made and gives it back verified.
    ///
    /// # Panics
    /// When the simulator itself made a statement that is none.
    pub fn made(&mut self, bytes: &Arc<[u8]>, issued: u64) -> StatementId {
        let statement = receive(bytes, &self.roster, issued).expect("the simulator signs what is valid");
        self.truth.note(&statement);
        statement.id()
    }

    /// Writes an event.
    pub fn say(&mut self, what: String) {
        let line = self.log.add(self.clock_ms, what);
        if self.truth.holds_output(line.as_bytes()) {
            self.truth.leaks.push("an event of the log holds an output".to_owned());
        }
    }

    /// Lets happen what is due until `end_ms`, or until an invariant does not hold.
    pub fn run_until(&mut self, end_ms: u64) {
        while self.violations.is_empty() {
            let Some(entry) = self.queue.first_entry() else { break };
            if entry.key().0 > end_ms {
                break;
            }
            let ((at, _), pending) = entry.remove_entry();
            self.clock_ms = at;
            self.happen(pending);
            self.check();
        }
        self.clock_ms = self.clock_ms.max(end_ms);
    }

    fn happen(&mut self, pending: Pending) {
        match pending {
            Pending::Deliver { from, to, bytes } => self.arrive(from, to, &bytes),
            Pending::Offer { to, bytes, tries } => self.offered(to, &bytes, tries),
            Pending::Tick(host) => self.tick(host),
            Pending::Done { host, life, job } => self.done(host, life, job),
            Pending::Restart(host) => self.restart(host),
            Pending::Stop(host) => {
                if self.hosts[host].node.is_some() {
                    self.say(format!("{} stops", self.hosts[host].name));
                    self.crash(host);
                }
            }
            Pending::Link { a, b, up } => self.link(a, b, up),
            Pending::Sync(a, b) => self.sync(a, b),
            Pending::CaughtUp { host, life, by, cuts } => self.caught_up(host, life, by, cuts),
            Pending::Restore(host) => self.restore(host),
            Pending::Act(act) => self.act(act),
        }
    }

    /// Asks every invariant about what is new.
    pub fn check(&mut self) {
        let found = invariant::all(&self.truth, &self.hosts, &self.cursors);
        for (name, outcome) in found {
            if let Err(detail) = outcome {
                self.violations.push(Violation { invariant: name, event: self.log.count(), detail });
            }
        }
        for (cursor, host) in self.cursors.iter_mut().zip(&self.hosts) {
            *cursor = invariant::Cursor::at_end_of(host);
        }
    }

    /// A statement's kind and short id, for the log.
    #[must_use]
    pub fn describe(&self, bytes: &[u8]) -> String {
        let id = StatementId::of(bytes);
        match self.truth.statements.get(&id) {
            Some(said) => format!("{} {} by {}", said.kind, id.short(), said.by),
            None => format!("forgery {}", id.short()),
        }
    }

    /// The statement as a host believes it; none while the host is down.
    ///
    /// Three times of four a signature is not checked again that was checked before, where nothing has happened since that could change the
    /// answer: checking is most of a run's time.
    pub fn believe(&mut self, host: usize, bytes: &[u8]) -> Option<Result<Statement, Verdict>> {
        let now = self.now(host);
        let again = self.dice.permille(750);
        let seen = &self.hosts[host];
        let node = seen.node.as_ref()?;
        let before = self.truth.believed.get(&StatementId::of(bytes)).filter(|statement| {
            let claims = statement.claims();
            seen.ledger.revocations.is_empty() && claims.issued <= now && now < claims.expires
        });
        match before {
            Some(statement) if again => Some(Ok(statement.clone())),
            _ => match receive(bytes, node.roster(), now) {
                Err(Verdict::Ignore(Ignored::RevokedKey)) if self.sabotaged(Sabotage::IgnoresRevocation) => {
                    self.truth.believed.get(&StatementId::of(bytes)).cloned().map(Ok)
                }
                answer => Some(answer),
            },
        }
    }
}
