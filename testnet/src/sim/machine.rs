//! The shell of a simulated node: records, then effects; crashes at every point between; and the work that effects ask for.

use crate::fixture::federation::{COMPONENT, DATASET, FIRST_OUTPUT, SECOND_OUTPUT};
use crate::scenario::Sabotage;
use crate::sim::host::{Deed, Performed};
use crate::sim::world::{Job, Pending, World};
use protocol::delivery::Delivery;
use protocol::disclosure::table::{Cell, CellType, Column, Evidence, Measure, Role, Table, Witnessed};
use protocol::ingress::Statement;
use protocol::lifecycle::Phase;
use protocol::node::{Effect, Input, Node, Record, Report};
use protocol::record::checkpoint::Checkpoint;
use protocol::record::dataset::Schema;
use protocol::record::payload::{DAY, DECADE};
use protocol::record::release::{Logged, Sealed};
use protocol::record::run::Run;
use protocol::record::submission::TaskId;
use protocol::safes::admission::{Admission, ComponentFacts};
use protocol::safes::outputs::{Content, Context, Held, SourceFacts, check};
use protocol::tre::coarse;
use protocol::wire::id::{Digest, StatementId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// Its records are durable and its effects were performed.
    Taken,
    /// The machine stopped, or was down: whoever gave it has no answer.
    Lost,
    /// A verdict on whoever gave it.
    Refused,
}

impl Fed {
    /// For the log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Lost => "lost",
            Self::Refused => "not taken",
        }
    }
}

/// Where a machine stops while it handles an input.
#[derive(Clone, Copy)]
enum Break {
    BeforeRecords,
    BeforeEffects,
    AfterEffects(usize),
}

impl World {
    /// Gives an input to a core, makes its records durable, then performs its effects. The machine may stop at any point.
    pub fn feed(&mut self, at: usize, input: Input) -> Fed {
        let now = self.now(at);
        let host = &mut self.hosts[at];
        let Some(node) = host.node.as_mut() else { return Fed::Lost };
        let step = node.handle(input, now);
        host.last_now = now;
        self.carry_out(at, now, step.records, step.effects)
    }

    fn carry_out(&mut self, at: usize, now: u64, records: Vec<Record>, effects: Vec<Effect>) -> Fed {
        self.run_refused(at, &effects);
        let nothing = records.is_empty() && effects.is_empty();
        let crashes = !(self.healed || nothing) && self.dice.permille(self.scenario.crash);
        let stop = crashes.then(|| match self.dice.below(3) {
            0 => Break::BeforeRecords,
            1 => Break::BeforeEffects,
            _ => Break::AfterEffects(self.dice.below(effects.len() + 1)),
        });
        if matches!(stop, Some(Break::BeforeRecords)) {
            self.crash(at);
            return Fed::Lost;
        }
        if self.sabotaged(Sabotage::EffectsBeforeRecords) {
            for effect in effects {
                self.perform(at, effect);
            }
            self.write(at, now, records);
            return Fed::Taken;
        }
        self.write(at, now, records);
        if matches!(stop, Some(Break::BeforeEffects)) {
            self.crash(at);
            return Fed::Lost;
        }
        for (number, effect) in effects.into_iter().enumerate() {
            if matches!(stop, Some(Break::AfterEffects(after)) if after == number) {
                self.crash(at);
                return Fed::Lost;
            }
            if self.dice.permille(30) {
                self.perform(at, effect.clone());
            }
            self.perform(at, effect);
        }
        Fed::Taken
    }

    /// Makes records durable.
    pub fn write(&mut self, at: usize, now: u64, records: Vec<Record>) {
        let host = &mut self.hosts[at];
        for record in records {
            if let Record::Statement { bytes, .. } = &record {
                host.statements.insert(StatementId::of(bytes), bytes.as_slice().into());
            }
            if let Record::Held { task, checks, passes, .. } | Record::Rechecked { task, checks, passes } = &record {
                host.findings.insert(*task, (checks.clone(), *passes));
            }
            host.ledger.append(&host.name, now, record, &self.truth);
        }
        let ledger = &mut host.ledger;
        if ledger.commits.last() != Some(&ledger.entries.len()) {
            ledger.commits.push(ledger.entries.len());
        }
    }

    /// The machine stops. What was in memory is gone; it comes back later.
    pub fn crash(&mut self, at: usize) {
        let host = &mut self.hosts[at];
        host.node = None;
        host.pending.clear();
        host.life += 1;
        let line = format!("{} crashes", host.name);
        self.say(line);
        let delay = self.dice.between(200, 6_000);
        self.later(delay, Pending::Restart(at));
    }

    /// The machine comes back: the core is replayed from the journal, then does what is outstanding.
    pub fn restart(&mut self, at: usize) {
        if self.hosts[at].node.is_some() {
            return;
        }
        let now = self.now(at);
        let host = &mut self.hosts[at];
        let mut records = host.records();
        if self.options.sabotage == Some(Sabotage::LosesRecords) {
            while records
                .pop()
                .is_some_and(|record| matches!(record, Record::Statement { .. } | Record::Component { .. }))
            {
            }
        }
        let replayed = Node::replay(self.federation.network, host.tre.clone(), records);
        let mut node = match replayed {
            Ok(node) => node,
            Err(error) => {
                let detail = format!("{}: {error}", host.name);
                let event = self.log.count();
                let invariant = "a_restarted_node_resumes_where_its_journal_ends";
                self.violations.push(crate::sim::world::Violation { invariant, event, detail });
                return;
            }
        };
        let step = node.resume(now);
        host.last_now = now;
        host.node = Some(node);
        let line = format!("{} is back with {} records", host.name, host.ledger.entries.len());
        self.say(line);
        self.carry_out(at, now, step.records, step.effects);
        // Its operator has changed what it publishes.
        let schema = Schema { dialect: "simulated".to_owned(), relations: Vec::new(), left_out: self.hosts[at].life };
        self.feed(at, Input::Schemas(BTreeMap::from([(DATASET.to_owned(), schema)])));
        for other in self.links.neighbours(at) {
            let delay = self.dice.between(50, 500);
            self.later(delay, Pending::Sync(at, other));
        }
    }

    /// Time passes.
    pub fn tick(&mut self, at: usize) {
        if self.hosts[at].node.is_some() {
            let fed = self.feed(at, Input::Tick);
            let finished =
                self.hosts[at].ledger.phases.iter().find(|(_, phase)| phase.is_terminal()).map(|(task, _)| *task);
            if let Some(task) = finished.filter(|_| self.sabotaged(Sabotage::RevivesTasks)) {
                let now = self.now(at);
                self.write(at, now, vec![Record::Started { task }]);
                self.say(format!("{} goes on with {}", self.hosts[at].name, task.short()));
            }
            if fed != Fed::Taken {
                self.say(format!("{} was told the time and stopped", self.hosts[at].name));
            }
        }
        let delay = self.dice.between(2_000, 4_000);
        self.later(delay, Pending::Tick(at));
    }

    fn perform(&mut self, at: usize, effect: Effect) {
        if let Some(deed) = Deed::of(&effect) {
            let ledger = &self.hosts[at].ledger;
            let (records, leaves) = (ledger.entries.len(), ledger.leaves.len());
            self.hosts[at].performed.push(Performed { deed, records, leaves });
        }
        let life = self.hosts[at].life;
        let (job, delay) = match effect {
            Effect::Announce(bytes) | Effect::Tell(bytes) => return self.spread(at, &bytes),
            // Neighbours go round with each other all the time.
            Effect::Members | Effect::Seek | Effect::Stop(_) => return,
            Effect::Obtain(digest) => (Job::Looked(digest), self.dice.between(5, 1_500)),
            Effect::Execute(admission) => (Job::Ran(admission), self.dice.between(50, 8_000)),
            Effect::Open(release, logged) => (Job::Opened(release, logged), self.dice.between(10, 3_000)),
            Effect::Recheck(task) => (Job::Rechecked(task), self.dice.between(5, 1_000)),
            Effect::Checkpoint(checkpoint) => (Job::Checkpointed(checkpoint), self.dice.between(1, 200)),
            Effect::Cosign(cosignature) => (Job::Cosigned(cosignature), self.dice.between(1, 200)),
            Effect::Publish(dataset) => (Job::Published(dataset), self.dice.between(1, 200)),
            Effect::Report(report) => (Job::Reported(report), self.dice.between(1, 100)),
        };
        self.later(delay, Pending::Done { host: at, life, job });
    }

    /// What an effect began is done, unless the machine stopped in between.
    pub fn done(&mut self, at: usize, life: u64, job: Job) {
        if self.hosts[at].node.is_none() || self.hosts[at].life != life {
            return;
        }
        let name = self.hosts[at].name.clone();
        let line = match job {
            Job::Looked(digest) => {
                let facts = if digest == Digest::of(COMPONENT) && !self.dice.permille(60) {
                    ComponentFacts::Usable
                } else if self.dice.permille(500) {
                    ComponentFacts::Unavailable
                } else {
                    ComponentFacts::Unusable("it is none".to_owned())
                };
                let line = format!("{name} looked at a component: {facts:?}");
                self.feed(at, Input::Component { digest, facts });
                line
            }
            Job::Ran(admission) => self.ran(at, &admission),
            // Before custody is opened, what is in it is compared once more with what has left.
            Job::Opened(release, _) if !self.healed && self.dice.permille(80) => self.found(at, release.task()),
            Job::Opened(release, logged) => self.opened(at, &release, &logged),
            Job::Rechecked(task) => self.rechecked(at, task),
            Job::Checkpointed(checkpoint) => self.checkpointed(at, *checkpoint),
            Job::Cosigned(cosignature) => {
                let now = self.now(at);
                let bytes = self.federation.sign(&cosignature, &name, now, DECADE);
                self.made(&bytes, now);
                let fed = self.take(at, &bytes);
                format!("{name} cosigns {}: {}", cosignature.checkpoint.short(), fed.word())
            }
            Job::Published(dataset) => {
                let now = self.now(at);
                let bytes = self.federation.sign(dataset.as_ref(), &name, now, DECADE);
                self.made(&bytes, now);
                let fed = self.take(at, &bytes);
                format!("{name} publishes version {} of {}: {}", dataset.version, dataset.name, fed.word())
            }
            Job::Reported(report) => self.reported(at, report),
        };
        self.say(line);
    }

    fn ran(&mut self, at: usize, admission: &Admission) -> String {
        let name = self.hosts[at].name.clone();
        let task = admission.task();
        if self.dice.permille(80) {
            self.feed(at, Input::Failed { task, code: "guest-trap".to_owned() });
            return format!("{name}: {} failed", task.short());
        }
        let secret = self.dice.bytes();
        let produced = self.produce(admission);
        let held = match check(admission, produced, Context::default(), &secret) {
            Ok(held) => held,
            Err(error) => {
                self.feed(at, Input::Failed { task, code: error.code().to_owned() });
                return format!("{name}: outputs of {} were not usable", task.short());
            }
        };
        // Custody is durable before the core hears of it.
        let key = (task, held.commitment());
        self.hosts[at].custody.insert(key, held.to_bytes());
        let outputs = held.outputs().iter().map(|output| (output.name.clone(), output.bytes.clone())).collect();
        self.truth.produced.insert((task, name.clone(), held.commitment()), outputs);
        if self.truth.holds_output(format!("{held:?} {admission:?}").as_bytes()) {
            self.truth.leaks.push(format!("{name}: Debug shows an output"));
        }
        if self.sabotaged(Sabotage::SendsOutputs) {
            let bytes: Arc<[u8]> = held.to_bytes().into();
            self.spread(at, &bytes);
        }
        let now = self.now(at);
        let run = Run {
            task,
            tre: name.clone(),
            component: admission.component(),
            snapshots: BTreeMap::from([(DATASET.to_owned(), Digest::of(name.as_bytes()))]),
            finished: coarse(now),
            commitment: held.commitment(),
        };
        let bytes = self.federation.sign(&run, &name, now, DECADE);
        let run_id = self.made(&bytes, now);
        let again = self.hosts[at].ledger.phases.get(&task) == Some(&Phase::Held);
        let Some(Ok(Statement::Run(run))) = self.believe(at, &bytes) else {
            self.feed(at, Input::Failed { task, code: "host-failed".to_owned() });
            return format!("{name}: its own run of {} is not believed", task.short());
        };
        let twice = Record::Held {
            task,
            run: run_id,
            outputs: held.names(),
            checks: held.checks(),
            passes: held.passes(),
            contributors: held.contributors_digest(),
            at: now,
        };
        self.feed(at, Input::Held { held: Box::new(held), run: Box::new(run) });
        if self.sabotaged(Sabotage::HoldsTwice) && again {
            self.write(at, now, vec![Record::Statement { bytes: bytes.to_vec(), at: now }, twice]);
        }
        if self.sabotaged(Sabotage::HoldsTwice) && !again {
            let life = self.hosts[at].life;
            self.later(10, Pending::Done { host: at, life, job: Job::Ran(Box::new(admission.clone())) });
        }
        if self.sabotaged(Sabotage::ReleasesUnattested) {
            self.release_unattested(at, task, run_id, key.1);
        }
        format!("{name}: {} ran", task.short())
    }

    /// Two outputs: a count that the host witnessed, and a table of the component's own making. Each holds a number of nine digits that
    /// stands nowhere else.
    fn produce(&mut self, admission: &Admission) -> Vec<(String, Content)> {
        let mut marker = || i64::try_from(self.dice.between(100_000_000, 999_999_999)).expect("nine digits fit");
        let (first, second) = (marker(), marker());
        let two = admission.task().0[0].is_multiple_of(2);
        self.truth.markers.insert(first.to_string().into_bytes());
        let rows = u64::try_from(first).expect("it is positive");
        let evidence = Evidence { rows, subjects: rows, ..Evidence::default() };
        let count = Measure::Count;
        let table = Table {
            columns: vec![Column { name: count.column_name(), ty: CellType::Integer, role: Role::Measure(count) }],
            rows: vec![vec![Cell::Integer(first)]],
        };
        let mut produced = vec![(
            FIRST_OUTPUT.to_owned(),
            Content::Witnessed(Witnessed {
                table,
                evidence: vec![vec![Some(evidence)]],
                contributors: protocol::disclosure::contributors::Contributors::default(),
            }),
        )];
        if two {
            self.truth.markers.insert(second.to_string().into_bytes());
            let bytes = format!("mean\n{second}\n").into_bytes();
            produced.push((SECOND_OUTPUT.to_owned(), Content::Opaque { bytes, source: SourceFacts::default() }));
        }
        produced
    }

    fn opened(&mut self, at: usize, release: &protocol::tre::Release, logged: &Logged) -> String {
        let name = self.hosts[at].name.clone();
        let task = release.task();
        let kept = self.hosts[at].custody.get(&(task, release.commitment()));
        let restored = kept.map(|bytes| Held::restore(bytes, &task, &release.commitment()));
        let Some(Ok(held)) = restored else {
            if self.truth.forgotten.contains(&(task, name.clone())) {
                return format!("{name}: custody of {} was not in the backup", task.short());
            }
            self.truth.leaks.push(format!("{name}: custody does not hold what is released"));
            return format!("{name}: custody of {} is damaged", task.short());
        };
        let mut delivery = Delivery::of(&held, release);
        if self.sabotaged(Sabotage::DeliversOtherBytes) {
            for output in &mut delivery.outputs {
                output.bytes.push(b'1');
            }
        }
        // Stands for age: nobody on the way can read it, and no two ciphertexts are the same.
        let nonce = self.dice.bytes();
        let ciphertext: Vec<u8> = nonce
            .iter()
            .copied()
            .chain(delivery.to_bytes().iter().zip(nonce.iter().cycle()).map(|(a, b)| a ^ b))
            .collect();
        let digest = Digest::of(&ciphertext);
        let sealed = Sealed { root: Digest(*blake3::hash(&ciphertext).as_bytes()), bytes: ciphertext.len() as u64 };
        self.hosts[at].blobs.insert(digest, ciphertext);
        let now = self.dated(self.now(at));
        let bytes = self.federation.sign(&release.statement(self.logged(logged), digest, sealed), &name, now, DECADE);
        self.made(&bytes, now);
        let fed = self.take(at, &bytes);
        format!("{name} opened custody of {}: {}", task.short(), fed.word())
    }

    /// What left since meets what is held, or does not. Once everything is mended nothing new is found, so that everything comes to its end.
    fn rechecked(&mut self, at: usize, task: TaskId) -> String {
        if !self.healed && self.dice.permille(400) {
            return self.found(at, task);
        }
        format!("{}: the checks of {} say what they said", self.hosts[at].name, task.short())
    }

    /// The checks of what is held have a new doubt.
    fn found(&mut self, at: usize, task: TaskId) -> String {
        let name = self.hosts[at].name.clone();
        let held = self.hosts[at].ledger.phases.get(&task) == Some(&Phase::Held);
        let Some((mut checks, _)) = self.hosts[at].findings.get(&task).filter(|_| held).cloned() else {
            return format!("{name}: {} is not held any more", task.short());
        };
        checks.findings = Digest(self.dice.bytes());
        checks.review += 1;
        let line = format!("{name}: the checks of {} say something else", task.short());
        self.counts.rechecked += 1;
        if self.sabotaged(Sabotage::KeepsOldFindings) {
            self.hosts[at].findings.insert(task, (checks, false));
        } else {
            self.feed(at, Input::Rechecked { task, checks, passes: false });
        }
        line
    }

    fn checkpointed(&mut self, at: usize, mut checkpoint: Checkpoint) -> String {
        let name = self.hosts[at].name.clone();
        if self.sabotaged(Sabotage::RewritesLog) && checkpoint.previous.is_some() {
            checkpoint.root = Digest::of(&checkpoint.root.0);
        }
        let issued = coarse(self.now(at));
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&self.dice.bytes()[..16]);
        let bytes = self.federation.sign_with(&checkpoint, &name, issued, DECADE, nonce);
        let id = self.made(&bytes, issued);
        self.hosts[at].signed.insert(id);
        let fed = self.take(at, &bytes);
        format!("{name} signs a checkpoint of {} leaves: {}", checkpoint.size, fed.word())
    }

    fn reported(&mut self, at: usize, report: Report) -> String {
        let name = self.hosts[at].name.clone();
        let line = format!("{name} says that {} is {}", report.task.short(), report.phase);
        let phase = protocol::record::phase::Phase {
            task: report.task,
            tre: name.clone(),
            phase: report.phase,
            refusal: report.refusal,
            failure: report.failure,
        };
        let issued = coarse(self.now(at));
        let bytes = self.federation.sign(&phase, &name, issued, DAY);
        self.made(&bytes, issued);
        self.take(at, &bytes);
        line
    }
}
