//! What happens to logs: a machine whose disk is put back to an earlier backup, and a TRE that tells two stories.

use crate::sim::actors::Act;
use crate::sim::truth::What;
use crate::sim::world::{Pending, World};
use protocol::record::payload::DECADE;
use protocol::wire::id::{Digest, StatementId};

impl World {
    /// The machine's disk is put back to what it was after an earlier step, and the machine comes up again.
    pub fn restore(&mut self, at: usize) {
        let name = self.hosts[at].name.clone();
        let Some(kept) = self.dice.pick(&self.hosts[at].ledger.commits).copied() else { return };
        if kept == self.hosts[at].ledger.entries.len() {
            return;
        }
        if self.hosts[at].node.is_some() {
            self.crash(at);
        }
        let host = &mut self.hosts[at];
        let cut = host.ledger.cut(kept, &name, &self.truth);
        let old = std::mem::replace(&mut host.ledger, cut);
        for id in old.learned.keys().filter(|id| !host.ledger.learned.contains_key(*id)) {
            match self.truth.statements.get(id).map(|said| &said.what) {
                Some(What::Checkpoint(said)) if said.tre == name => {
                    host.cut.insert(*id);
                    let leaves = usize::try_from(said.size).ok().and_then(|size| old.leaves.get(..size));
                    // A twin describes leaves that never were.
                    let leaves = leaves.filter(|_| !self.truth.twins.contains(id));
                    if let Some(leaves) = leaves.filter(|leaves| !host.ledger.begins_with(leaves)) {
                        host.lost.insert(*id, leaves.to_vec());
                    }
                }
                _ => {}
            }
        }
        let moved = old.phases.iter().filter(|(task, phase)| host.ledger.phases.get(task) != Some(phase));
        self.truth.forgotten.extend(moved.map(|(task, _)| (*task, name.clone())));
        let ledger = &host.ledger;
        self.truth.acknowledged.retain(|(by, task)| *by != at || ledger.learned.contains_key(task));
        host.told.retain(|id| ledger.learned.contains_key(id));
        host.statements.retain(|id, _| ledger.learned.contains_key(id));
        host.custody.retain(|(task, _), _| ledger.checks.contains_key(task));
        host.findings = ledger.checks.clone();
        host.restored += 1;
        let (before, lost) = (old.entries.len(), host.lost.len());
        self.say(format!("{name} is restored to {kept} of {before} records; {lost} checkpoints are lost"));
        // Something is asked of it before, while and after it waits for its recovery.
        for number in 0..2 {
            let delay = self.dice.between(1_000, 8_000);
            self.later(delay, Pending::Act(Act::Submit(1_000 + number)));
        }
        let delay = self.dice.between(3_000, 15_000);
        self.later(delay, Pending::Act(Act::Recover(at)));
    }

    /// Notes that a machine hears of a checkpoint of its own that its disk does not reach.
    pub fn tell_lost(&mut self, at: usize, id: StatementId) {
        let host = &mut self.hosts[at];
        if host.lost.get(&id).is_some_and(|leaves| !host.ledger.begins_with(leaves)) {
            host.told.insert(id);
        }
    }

    /// A TRE signs a checkpoint that contradicts the newest of its log, and shows it to somebody else.
    pub fn equivocate(&mut self, tries: u64) {
        let able: Vec<(usize, StatementId)> = (0..self.tres())
            .filter_map(|tre| {
                let host = &self.hosts[tre];
                let taken = host.signed.iter().filter(|id| host.ledger.learned.contains_key(*id));
                Some((tre, *taken.max_by_key(|id| host.ledger.learned[*id])?))
            })
            .collect();
        let Some((tre, id)) = self.dice.pick(&able).copied() else {
            if tries < 8 {
                self.later(4_000, Pending::Act(Act::Equivocate(tries + 1)));
            }
            return;
        };
        let Some(What::Checkpoint(said)) = self.truth.statements.get(&id).map(|said| said.what.clone()) else { return };
        let mut twin = *said;
        twin.root = Digest::of(&twin.root.0);
        let at = self.true_now();
        let bytes = self.federation.sign(&twin, &twin.tre, at, DECADE);
        let twin = self.made(&bytes, at);
        self.truth.twins.insert(twin);
        self.say(format!("tre-{tre} signs {} beside {}", twin.short(), id.short()));
        let mut to = self.any_host();
        if to == tre {
            to = self.hosts.len() - 1;
        }
        self.offer(to, bytes);
    }
}
