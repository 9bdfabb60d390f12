//! The plan of a run, and its end: links mended, machines up, nobody forging, trust fresh, everybody deciding.

use crate::invariant::{after_a_partition_heals_every_allowed_tre_knows_every_task, every_task_comes_to_an_end};
use crate::sim::Tally;
use crate::sim::actors::Act;
use crate::sim::truth::What;
use crate::sim::world::{Pending, Violation, World};
use protocol::lifecycle::Phase;
use protocol::record::comment::Readers;
use protocol::record::release::Release;
use protocol::record::submission::TaskId;

/// The most rounds in which everything must come to its end.
const ROUNDS: u64 = 14;

/// After so many rounds of waiting for its data owners, a task is called back by whoever may.
const PATIENCE: u64 = 8;

impl World {
    /// Draws when everything of this run happens.
    pub fn plan(&mut self) {
        let end = self.options.chaos_seconds * 1_000;
        for host in 0..self.hosts.len() {
            let delay = self.dice.between(0, 3_000);
            self.later(delay, Pending::Tick(host));
        }
        if self.scenario.status_seconds < 86_400 {
            self.later(0, Pending::Act(Act::Renew));
        }
        for number in 0..self.scenario.tasks {
            let delay = self.dice.between(0, end / 2);
            self.later(delay, Pending::Act(Act::Submit(number)));
        }
        for _ in 0..self.scenario.reviews {
            let (delay, tre) = (self.dice.between(end / 8, end), self.dice.below(self.federation.options.tres));
            self.later(delay, Pending::Act(Act::Review(tre)));
        }
        for _ in 0..self.scenario.revocations {
            let delay = self.dice.between(0, end);
            self.later(delay, Pending::Act(Act::Revoke));
        }
        let sometimes = [(Act::Repeat(1), 300), (Act::Cancel, 300), (Act::Propose, 300)];
        for (act, share) in sometimes {
            if self.dice.permille(share) {
                let delay = self.dice.between(end / 8, end);
                self.later(delay, Pending::Act(act));
            }
        }
        for number in 0..self.dice.between(0, 3) {
            let delay = self.dice.between(0, end);
            self.later(delay, Pending::Act(Act::Comment(number)));
        }
        for tre in 0..self.federation.options.tres {
            if self.dice.permille(self.scenario.standing) {
                let delay = self.dice.between(0, end / 2);
                self.later(delay, Pending::Act(Act::Stand(tre)));
            }
        }
        if self.dice.permille(self.scenario.restores) {
            let (delay, tre) = (self.dice.between(end / 3, end), self.dice.below(self.federation.options.tres));
            self.later(delay, Pending::Restore(tre));
        }
        if self.dice.permille(self.scenario.twins) {
            let delay = self.dice.between(end / 3, end);
            self.later(delay, Pending::Act(Act::Equivocate(0)));
        }
        if self.options.byzantine {
            for number in 0..self.dice.between(0, 4) {
                let delay = self.dice.between(end / 8, end);
                self.later(delay, Pending::Act(Act::Forge(100 + number)));
            }
        }
        for (a, b) in self.links.all() {
            let mut at = self.dice.between(100, 2_000);
            while at < end {
                self.later(at, Pending::Sync(a, b));
                at += self.dice.between(5_000, 20_000);
            }
        }
        for _ in 0..self.scenario.cuts {
            let links = self.links.all();
            let Some((a, b)) = self.dice.pick(&links).copied() else { break };
            let (from, for_ms) = (self.dice.between(0, end), self.dice.between(1_000, end / 2));
            self.later(from, Pending::Link { a, b, up: false });
            self.later(from + for_ms, Pending::Link { a, b, up: true });
        }
        if self.scenario.crash > 0 {
            for _ in 0..self.dice.between(0, 2) {
                let (delay, host) = (self.dice.between(0, end), self.dice.below(self.hosts.len()));
                self.later(delay, Pending::Stop(host));
            }
        }
    }

    /// Mends everything, and asks whether everything comes to its end.
    pub fn heal(&mut self) {
        if !self.violations.is_empty() {
            return;
        }
        self.healed = true;
        self.say("everything is mended".to_owned());
        for (a, b) in self.links.all() {
            self.links.set(a, b, true);
        }
        for round in 0..ROUNDS {
            for host in 0..self.hosts.len() {
                self.restart(host);
            }
            if round % 4 == 0 {
                self.renew(86_400);
            }
            for (a, b) in self.links.all() {
                self.links.set(a, b, true);
                self.later(500, Pending::Sync(a, b));
            }
            self.run_until(self.clock_ms + 4_000);
            if !self.violations.is_empty() {
                return;
            }
            if round == 2 && self.dice.permille(self.scenario.restores) {
                let tre = self.dice.below(self.federation.options.tres);
                self.later(0, Pending::Restore(tre));
            }
            if round > 3 && every_task_comes_to_an_end(&self.hosts).is_ok() {
                break;
            }
            for tre in 0..self.federation.options.tres {
                self.recover(tre);
            }
            self.decide_everything();
            if round >= PATIENCE {
                self.give_up();
            }
            self.run_until(self.clock_ms + 4_000);
        }
        if !self.violations.is_empty() {
            return;
        }
        let knows =
            after_a_partition_heals_every_allowed_tre_knows_every_task(&self.truth, &self.hosts, self.true_now());
        let ends = every_task_comes_to_an_end(&self.hosts);
        let event = self.log.count();
        let asked = [
            ("after_a_partition_heals_every_allowed_tre_knows_every_task", knows),
            ("every_task_comes_to_an_end", ends),
            ("every_hub_knows_every_end", self.every_hub_knows_every_end()),
        ];
        for (invariant, outcome) in asked {
            if let Err(detail) = outcome {
                self.violations.push(Violation { invariant, event, detail });
            }
        }
    }

    /// What cannot be decided any more, because its owners' keys are gone, is called back by its submitter or an owner who is left.
    fn give_up(&mut self) {
        let waiting: Vec<(usize, TaskId)> = self
            .hosts
            .iter()
            .enumerate()
            .flat_map(|(host, seen)| {
                seen.ledger.phases.iter().filter(|(_, phase)| !phase.is_terminal()).map(move |(task, _)| (host, *task))
            })
            .collect();
        for (host, task) in waiting {
            let Some((said, _)) = self.truth.submission(&task) else { continue };
            let submitter = said.by.clone();
            self.cancel(task, &submitter);
            for owner in 0..self.federation.options.owners_per_tre {
                self.cancel(task, &format!("owner-{host}-{owner}"));
            }
        }
    }

    /// What a TRE says at last is known to every hub.
    fn every_hub_knows_every_end(&self) -> Result<(), String> {
        let hubs = self.hosts.iter().filter(|host| host.tre.is_none());
        for hub in hubs {
            let Some(node) = &hub.node else { return Err(format!("{} is down", hub.name)) };
            for host in &self.hosts {
                for (task, phase) in &host.ledger.phases {
                    let said = node
                        .tasks()
                        .get(task)
                        .and_then(|task| task.phases().get(&host.name))
                        .map(|said| said.payload().phase);
                    let knows_task = node.tasks().contains_key(task);
                    let forgotten = self.truth.forgotten.contains(&(*task, host.name.clone()));
                    if knows_task && !forgotten && said != Some(*phase) {
                        return Err(format!(
                            "{} says {phase} of {}, and {} knows {said:?}",
                            host.name,
                            task.short(),
                            hub.name
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether somebody had said no to an output that left, and thought again.
    fn was_rejected(&self, release: &Release) -> bool {
        self.truth.statements.values().any(|said| {
            let What::Attestation(said) = &said.what else { return false };
            let no = |name| said.decisions.get(name).is_some_and(|decision| !decision.approve);
            said.run == release.run && said.commitment == release.commitment && release.outputs.iter().any(no)
        })
    }

    /// What happened in this run.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally {
            forged: self.truth.forged.len() as u64,
            twins: self.truth.twins.len() as u64,
            stories: self.truth.stories.len() as u64,
            ..self.counts
        };
        for host in &self.hosts {
            tally.restarts += host.life;
            tally.restored += host.restored;
            tally.recovered += host.node.as_ref().map_or(0, protocol::node::Node::epoch);
            for id in host.ledger.learned.keys() {
                match self.truth.statements.get(id).map(|said| &said.what) {
                    Some(What::Release(said)) if said.tre == host.name => {
                        tally.by_standing += u64::from(!said.standing.is_empty());
                        tally.resolved += u64::from(self.was_rejected(said));
                    }
                    Some(What::Comment { tre, to: Readers::Reviewers, .. }) if *tre == host.name => tally.private += 1,
                    _ => {}
                }
            }
            for phase in host.ledger.phases.values() {
                match phase {
                    Phase::Released => tally.released += 1,
                    Phase::Withheld => tally.withheld += 1,
                    Phase::Refused => tally.refused += 1,
                    Phase::Failed => tally.failed += 1,
                    Phase::Cancelled => tally.cancelled += 1,
                    Phase::Received | Phase::Admitted | Phase::Running | Phase::Held => {}
                }
            }
        }
        tally
    }
}
