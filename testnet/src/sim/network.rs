//! Links and messages: hubs and spokes, loss, doubling, delay, cuts, a hub that lies, and catching up.

use crate::scenario::Sabotage;
use crate::sim::host::Host;
use crate::sim::machine::Fed;
use crate::sim::truth::What;
use crate::sim::world::{Pending, World};
use protocol::ingress::{Ignored, Verdict};
use protocol::lifecycle::Phase;
use protocol::node::{Input, Node};
use protocol::reconcile::{self, Share};
use protocol::record::Kind;
use protocol::record::comment::Readers;
use protocol::wire::id::StatementId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The links, by their two ends in ascending order: whether each is up, and how often it was cut.
#[derive(Clone, Debug)]
pub struct Links(BTreeMap<(usize, usize), (bool, u64)>);

impl Links {
    /// Every TRE with every hub, and the hubs with each other.
    #[must_use]
    pub fn hubs_and_spokes(hosts: &[Host]) -> Self {
        let mut links = BTreeMap::new();
        for (b, hub) in hosts.iter().enumerate().filter(|(_, host)| host.tre.is_none()) {
            debug_assert!(hub.name.starts_with("hub"), "hubs come after TREs");
            for a in 0..b {
                links.insert((a, b), (true, 0));
            }
        }
        Self(links)
    }

    /// Whether two hosts can speak now.
    #[must_use]
    pub fn is_up(&self, a: usize, b: usize) -> bool {
        self.0.get(&(a.min(b), a.max(b))).is_some_and(|(up, _)| *up)
    }

    /// How often the link was cut.
    #[must_use]
    pub fn cuts(&self, a: usize, b: usize) -> u64 {
        self.0.get(&(a.min(b), a.max(b))).map_or(0, |(_, cuts)| *cuts)
    }

    /// Cuts or mends a link.
    pub fn set(&mut self, a: usize, b: usize, up: bool) {
        if let Some(link) = self.0.get_mut(&(a.min(b), a.max(b))) {
            *link = (up, link.1 + u64::from(!up));
        }
    }

    /// Every link.
    #[must_use]
    pub fn all(&self) -> Vec<(usize, usize)> {
        self.0.keys().copied().collect()
    }

    /// The hosts at the other ends of a host's links.
    #[must_use]
    pub fn neighbours(&self, host: usize) -> Vec<usize> {
        let other = |(a, b): (usize, usize)| match host {
            host if host == a => Some(b),
            host if host == b => Some(a),
            _ => None,
        };
        self.all().into_iter().filter_map(other).collect()
    }
}

impl World {
    /// Pushes a statement to every neighbour.
    pub fn spread(&mut self, from: usize, bytes: &Arc<[u8]>) {
        let forwards_nothing = self.sabotaged(Sabotage::ForwardsNothing)
            && self.truth.statements.get(&StatementId::of(bytes)).is_some_and(|said| said.kind == Kind::Submission);
        if forwards_nothing {
            return;
        }
        for to in self.links.neighbours(from) {
            self.send(from, to, bytes);
        }
    }

    /// Sends a message over a link that loses, doubles and delays.
    fn send(&mut self, from: usize, to: usize, bytes: &Arc<[u8]>) {
        let mut bytes = bytes.clone();
        if self.hosts[from].byzantine && !self.healed {
            match self.dice.below(6) {
                0 => return,
                1 => bytes = self.flip(&bytes),
                2 => {
                    if let Some(old) = self.archived() {
                        bytes = old;
                    }
                }
                _ => {}
            }
        }
        self.watch_the_wire(from, &bytes);
        if !self.links.is_up(from, to) {
            return;
        }
        if !self.healed && self.dice.permille(self.scenario.drop) {
            return;
        }
        let copies = if !self.healed && self.dice.permille(self.scenario.duplicate) { 2 } else { 1 };
        for _ in 0..copies {
            let delay =
                if self.healed { self.dice.between(1, 50) } else { self.dice.between(1, self.scenario.delay_ms) };
            self.later(delay, Pending::Deliver { from, to, bytes: bytes.clone() });
        }
    }

    /// One bit of a statement changed on the way.
    pub fn flip(&mut self, bytes: &[u8]) -> Arc<[u8]> {
        let mut flipped = bytes.to_vec();
        let place = self.dice.below(flipped.len());
        let bit = self.dice.below(8);
        flipped[place] ^= 1 << bit;
        self.truth.forged.insert(StatementId::of(&flipped));
        flipped.into()
    }

    /// A statement that somebody has said at some time.
    pub fn archived(&mut self) -> Option<Arc<[u8]>> {
        let shared: Vec<StatementId> =
            self.hosts.iter().filter(|host| host.byzantine).flat_map(|host| host.statements.keys().copied()).collect();
        let id = *self.dice.pick(&shared)?;
        self.truth.statements.get(&id).map(|said| said.bytes.clone())
    }

    /// Ground truth about what leaves a machine: no output, and nothing about a run that is under review there.
    pub fn watch_the_wire(&mut self, from: usize, bytes: &[u8]) {
        let name = self.hosts[from].name.clone();
        if self.truth.holds_output(bytes) {
            self.truth.leaks.push(format!("{name} sent an output"));
        }
        let decided = |task| {
            let phase = self.hosts[from].ledger.phases.get(task);
            matches!(phase, None | Some(Phase::Released | Phase::Withheld))
        };
        let id = StatementId::of(bytes);
        let early = match self.truth.statements.get(&id).map(|said| &said.what) {
            Some(What::Run { task, tre, .. }) => *tre == name && !decided(task),
            Some(What::Attestation(said)) => {
                let before = self.hosts[from].ledger.phases.get(&said.task).is_some_and(|phase| !phase.is_terminal());
                said.tre == name && before
            }
            Some(What::Comment { to: Readers::Reviewers, .. }) => {
                self.truth.told.push(format!("{name} sent a word between reviewers ({})", id.short()));
                false
            }
            _ => false,
        };
        if early {
            self.truth.leaks.push(format!("{name} spoke of a run that is under review there ({})", id.short()));
        }
    }

    /// A message is there.
    pub fn arrive(&mut self, from: usize, to: usize, bytes: &Arc<[u8]>) {
        if self.hosts[to].node.is_none() || !self.links.is_up(from, to) {
            return;
        }
        let fed = self.take(to, bytes);
        let line =
            format!("{} -> {}: {} {}", self.hosts[from].name, self.hosts[to].name, self.describe(bytes), fed.word());
        self.say(line);
    }

    /// A person's statement is offered. It is acknowledged only when it is durable; without an answer the person asks again.
    pub fn offered(&mut self, to: usize, bytes: &Arc<[u8]>, tries: u64) {
        let id = StatementId::of(bytes);
        let fed = if self.hosts[to].node.is_some() { self.take(to, bytes) } else { Fed::Lost };
        let mut line = format!("a person offers {} {} {}", self.hosts[to].name, self.describe(bytes), fed.word());
        match fed {
            Fed::Taken => {
                if self.truth.submission(&id).is_some() {
                    self.truth.acknowledged.insert((to, id));
                    line.push_str(", acknowledged");
                }
            }
            Fed::Lost if tries < 12 => {
                let delay = self.dice.between(800, 3_000);
                self.later(delay, Pending::Offer { to, bytes: bytes.clone(), tries: tries + 1 });
            }
            Fed::Lost | Fed::Refused => {}
        }
        self.say(line);
    }

    /// What a shell does with bytes: known, verified, or kept until their signer is known.
    pub fn take(&mut self, to: usize, bytes: &Arc<[u8]>) -> Fed {
        let id = StatementId::of(bytes);
        let known = self.hosts[to].node.as_ref().is_some_and(|node| node.known().contains(&id));
        // A shell may look first, and the core must not mind when it does not.
        if known && !self.dice.permille(100) {
            return Fed::Taken;
        }
        if let Some(fed) = self.taken_wrongly(to, id, bytes) {
            return fed;
        }
        match self.believe(to, bytes) {
            None => Fed::Lost,
            Some(Ok(statement)) => {
                let teaches = statement.kind() < Kind::Submission;
                self.tell_lost(to, id);
                let fed = self.feed(to, Input::Statement(statement));
                self.tell_private(to, id, bytes);
                if teaches && fed == Fed::Taken {
                    self.try_pending(to);
                }
                fed
            }
            Some(Err(Verdict::Ignore(Ignored::UnknownKey(_)))) => {
                if self.hosts[to].pending.len() < 100 {
                    self.hosts[to].pending.push(bytes.clone());
                }
                Fed::Refused
            }
            Some(Err(Verdict::Ignore(_) | Verdict::Reject(_))) => Fed::Refused,
        }
    }

    fn try_pending(&mut self, host: usize) {
        for bytes in std::mem::take(&mut self.hosts[host].pending) {
            self.take(host, &bytes);
        }
    }

    /// A link is cut or mended; a mended one begins with catching up.
    pub fn link(&mut self, a: usize, b: usize, up: bool) {
        self.links.set(a, b, up);
        let word = if up { "mended" } else { "cut" };
        self.say(format!("the link {} - {} is {word}", self.hosts[a].name, self.hosts[b].name));
        if up {
            self.sync(a, b);
        }
    }

    /// Two neighbours go round with each other, by the frames that real nodes exchange, and fetch what they lack.
    pub fn sync(&mut self, a: usize, b: usize) {
        if !self.links.is_up(a, b) || self.sabotaged(Sabotage::ForwardsNothing) {
            return;
        }
        let mut sent = 0;
        for (from, to) in [(a, b), (b, a)] {
            let (Some(giver), Some(taker)) = (&self.hosts[from].node, &self.hosts[to].node) else { return };
            let lacking: BTreeSet<(Kind, StatementId)> = lacking(taker, giver)
                .into_iter()
                .filter_map(|id| Some((self.truth.statements.get(&id)?.kind, id)))
                .collect();
            // Nobody can tell whether a neighbour that says "that was all" has told everything.
            let (cuts, life) = (self.links.cuts(from, to), self.hosts[to].life);
            let last = 30 + lacking.len() as u64;
            self.later(last, Pending::CaughtUp { host: to, life, by: from, cuts });
            if self.hosts[from].byzantine && !self.healed {
                continue;
            }
            for (number, (_, id)) in (1..).zip(lacking) {
                let Some(bytes) = self.hosts[from].statements.get(&id).cloned() else { continue };
                self.watch_the_wire(from, &bytes);
                self.later(20 + number, Pending::Deliver { from, to, bytes });
                sent += 1;
            }
        }
        if sent > 0 {
            self.say(format!("{} and {} catch up: {sent} statements", self.hosts[a].name, self.hosts[b].name));
        }
    }

    /// A neighbour has told everything, if neither machine nor the link stopped in between.
    pub fn caught_up(&mut self, host: usize, life: u64, by: usize, cuts: u64) {
        let there = self.hosts[host].node.is_some() && self.hosts[host].life == life;
        if there && self.links.is_up(host, by) && self.links.cuts(host, by) == cuts {
            self.feed(host, Input::CaughtUp);
        }
    }
}

/// What one node learns of another's statements that it lacks.
fn lacking(taker: &Node, giver: &Node) -> Vec<StatementId> {
    let mut lacking = Vec::new();
    for share in Share::ALL {
        let (own, other) = (taker.offered(share), giver.offered(share));
        let mut frame = Some(reconcile::begin(own));
        while let Some(asked) = frame {
            let said = reconcile::answer(other, &asked).expect("a node's frame is one");
            let compared = reconcile::compare(own, &said).expect("a node's answer is a frame");
            lacking.extend(compared.missing_here.into_iter().filter(|id| !taker.known().contains(id)));
            frame = compared.next;
        }
    }
    lacking
}
