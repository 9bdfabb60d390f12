//! What follows from what is known: admit, start, cancel, withhold, release, report.

use super::{Effect, GRACE_SECONDS, Node, Record, Report, Step};
use crate::ingress::Verified;
use crate::lifecycle::{Event, Phase};
use crate::record::attestation::ReportSummary;
use crate::record::payload::DAY;
use crate::record::release::Release;
use crate::record::run::Run;
use crate::record::submission::TaskId;
use crate::safes::admission::{Admission, Question, admit, may_continue};
use crate::safes::outputs::Held;
use crate::safes::refusal::Refusal;
use crate::tre::{Blocked, Case, Outcome, Standing, decide, digest_of};
use crate::wire::id::Digest;
use std::collections::{BTreeMap, BTreeSet};

/// What is remembered of held outputs.
pub(super) struct Kept {
    pub(super) outputs: BTreeSet<String>,
    pub(super) checks: ReportSummary,
    pub(super) passes: bool,
    pub(super) contributors: Digest,
}

/// What the Safes are asked: whether a task may start, or whether it may go on.
type Ask = fn(&Question<'_>) -> Result<Option<Admission>, Refusal>;

impl Node {
    /// Lets every open task here go as far as it can.
    pub(super) fn settle(&mut self, now: u64, step: &mut Step) {
        let mut uncovered = false;
        self.call_back_forgotten(now, step);
        for task in self.active.clone() {
            // Who called it back may have been enrolled, or made a data owner, only since.
            self.cancel(task, now, step);
            match self.phase(&task) {
                Some(Phase::Received) => self.consider(task, now, step),
                Some(Phase::Admitted) if self.chains.is_contradicted(&task) => {
                    self.refuse(task, Refusal::Replayed, step);
                }
                Some(Phase::Running) => self.continue_running(task, now, step),
                Some(Phase::Held) => uncovered |= self.conclude(task, now, step),
                _ => {}
            }
        }
        self.start_waiting(now, step);
        self.publish_datasets(now, step);
        self.report(step);
        self.checkpoint_log(uncovered, now, step);
    }

    pub(super) fn phase(&self, task: &TaskId) -> Option<Phase> {
        self.tasks.get(task)?.here().map(|here| here.phase())
    }

    /// Puts a task before the Safes: all that is asked of it is asked by `ask`.
    fn question(&self, task: &TaskId, now: u64, ask: Ask) -> Option<Result<Option<Admission>, Refusal>> {
        let submission = &self.tasks.get(task)?.submission;
        let nonce = (submission.signer().name.clone(), submission.claims().nonce);
        let open = |other: &&TaskId| {
            *other != task && matches!(self.phase(other), Some(Phase::Received | Phase::Admitted | Phase::Running))
        };
        Some(ask(&Question {
            submission,
            roster: &self.roster,
            tre: self.tre.as_ref()?,
            replayed: self.nonces.get(&nonce).is_some_and(|first| first != task) || self.chains.is_contradicted(task),
            open_tasks: self.active.iter().filter(open).count(),
            component: self.components.get(&submission.payload().component),
            now,
        }))
    }

    /// A task whose outputs are held here, admitted once more so that it can be run again and compared: whoever may not go on may not be run again.
    #[must_use]
    pub fn again(&self, task: &TaskId, now: u64) -> Option<Result<Admission, Refusal>> {
        if self.phase(task) != Some(Phase::Held) {
            return None;
        }
        self.question(task, now, may_continue)?.transpose()
    }

    fn consider(&mut self, task: TaskId, now: u64, step: &mut Step) {
        let Some(answer) = self.question(&task, now, admit) else { return };
        let Some(known) = self.tasks.get_mut(&task) else { return };
        let component = known.submission.payload().component;
        let Some(local) = known.here.as_mut() else { return };
        match answer {
            Ok(None) => {
                if self.obtaining.insert(component) {
                    step.effect(Effect::Obtain(component));
                }
            }
            Ok(Some(admission)) => {
                if local.step(Event::Admit) {
                    local.admission = Some(admission);
                    step.record(Record::Admitted { task, at: now });
                }
            }
            Err(refusal) => {
                let in_grace = now < local.received.saturating_add(GRACE_SECONDS);
                if !(in_grace && may_heal(refusal)) {
                    self.refuse(task, refusal, step);
                }
            }
        }
    }

    fn refuse(&mut self, task: TaskId, refusal: Refusal, step: &mut Step) {
        let Some(local) = self.tasks.get_mut(&task).and_then(|known| known.here.as_mut()) else { return };
        if local.step(Event::Refuse) {
            local.refusal = Some(refusal);
            step.record(Record::Refused { task, refusal });
        }
    }

    /// Starts what waits, oldest first, while there is room. People, projects and freshness are asked again: time has passed.
    fn start_waiting(&mut self, now: u64, step: &mut Step) {
        let Some(room) = self.tre.as_ref().map(|tre| tre.running) else { return };
        if !self.remembers(now) {
            return;
        }
        let mut running = self.active.iter().filter(|task| self.phase(task) == Some(Phase::Running)).count();
        let mut waiting: Vec<(u64, TaskId)> = self
            .active
            .iter()
            .filter(|task| self.phase(task) == Some(Phase::Admitted))
            .filter_map(|task| Some((self.tasks.get(task)?.here()?.received, *task)))
            .collect();
        waiting.sort_unstable();
        for (_, task) in waiting {
            if running >= room {
                return;
            }
            let answer = self.question(&task, now, admit);
            let Some(local) = self.tasks.get_mut(&task).and_then(|known| known.here.as_mut()) else { continue };
            match answer {
                Some(Ok(Some(admission))) => {
                    if local.step(Event::Start) {
                        local.admission = Some(admission.clone());
                        local.executing = true;
                        step.record(Record::Started { task });
                        step.effect(Effect::Execute(Box::new(admission)));
                        running += 1;
                    }
                }
                // It was admitted; a status that has lapsed since then, or a full queue, only makes it wait.
                None | Some(Ok(None) | Err(Refusal::StaleStatus | Refusal::Busy)) => {}
                Some(Err(refusal)) => self.refuse(task, refusal, step),
            }
        }
    }

    /// A revoked key has no later effect: what runs for it is stopped. A run that a crash cut short begins again once it may.
    fn continue_running(&mut self, task: TaskId, now: u64, step: &mut Step) {
        match self.question(&task, now, may_continue) {
            Some(Ok(Some(admission))) => {
                // While trust is stale, or the node may have forgotten, nothing starts, not even again.
                let fresh = self.roster.fresh_status(now).is_ok() && self.remembers(now);
                let Some(local) = self.tasks.get_mut(&task).and_then(|known| known.here.as_mut()) else { return };
                if fresh && !local.executing {
                    local.executing = true;
                    local.admission = Some(admission.clone());
                    step.effect(Effect::Execute(Box::new(admission)));
                }
            }
            None | Some(Ok(None)) => {}
            Some(Err(_)) => self.cancel_now(task, step),
        }
    }

    /// Cancels a task that its submitter, or a data owner of this TRE, has called back.
    pub(super) fn cancel(&mut self, task: TaskId, now: u64, step: &mut Step) {
        let Some(known) = self.tasks.get(&task) else { return };
        let Some(tre) = &self.tre else { return };
        let submitter = &known.submission.signer().name;
        let called_back = self.cancellations.get(&task).into_iter().flatten().any(|cancellation| {
            let person = &cancellation.signer().name;
            let owner = tre.data_owners.contains(person) && self.roster.is_data_owner(person, &tre.name, now);
            (person == submitter || owner) && self.roster.is_key_good(&cancellation.signer().key.id(), now)
        });
        if called_back {
            self.cancel_now(task, step);
        }
    }

    fn cancel_now(&mut self, task: TaskId, step: &mut Step) {
        let Some(local) = self.tasks.get_mut(&task).and_then(|known| known.here.as_mut()) else { return };
        if local.step(Event::Cancel) {
            local.opening = None;
            step.record(Record::Cancelled { task });
            step.effect(Effect::Stop(task));
        }
    }

    pub(super) fn on_held(&mut self, held: &Held, run: Box<Verified<Run>>, now: u64, step: &mut Step) {
        let task = held.task();
        let run = *run;
        let said = run.payload();
        let matches = said.task == task && said.commitment == held.commitment() && self.is_here(&said.tre);
        if !matches || self.phase(&task) != Some(Phase::Running) {
            return;
        }
        step.record(Record::Statement { bytes: run.bytes().to_vec(), at: now });
        let kept = Kept {
            outputs: held.names(),
            checks: held.checks(),
            passes: held.passes(),
            contributors: held.contributors_digest(),
        };
        step.record(Record::Held {
            task,
            run: run.id(),
            outputs: kept.outputs.clone(),
            checks: kept.checks.clone(),
            passes: kept.passes,
            contributors: kept.contributors,
            at: now,
        });
        self.apply_statement(&crate::ingress::Statement::Run(run), now);
        self.take_held(task, kept, now);
    }

    /// The part of holding that a replay repeats.
    pub(super) fn take_held(&mut self, task: TaskId, kept: Kept, at: u64) {
        let Some(local) = self.tasks.get_mut(&task).and_then(|known| known.here.as_mut()) else { return };
        if local.step(Event::Hold) {
            local.outputs = kept.outputs;
            local.checks = Some(kept.checks);
            local.passes = kept.passes;
            local.contributors = Some(kept.contributors);
            self.write_contributors(&kept.contributors, at);
        }
    }

    pub(super) fn on_rechecked(&mut self, task: TaskId, checks: ReportSummary, passes: bool, step: &mut Step) {
        let said = self.tasks.get(&task).and_then(|known| known.here()?.checks.as_ref());
        if self.phase(&task) == Some(Phase::Held) && said != Some(&checks) {
            step.record(Record::Rechecked { task, checks: checks.clone(), passes });
            self.take_checks(task, checks, passes);
        }
    }

    pub(super) fn take_checks(&mut self, task: TaskId, checks: ReportSummary, passes: bool) {
        if let Some(local) = self.tasks.get_mut(&task).and_then(|known| known.here.as_mut()) {
            local.checks = Some(checks);
            local.passes = passes;
            local.opening = None;
        }
    }

    /// What this TRE had gone on with in a time that it has forgotten, as others remember by its own word, is called back: nothing runs or
    /// leaves twice. Not before a recovery, where one is due: a better backup may still be found.
    fn call_back_forgotten(&mut self, now: u64, step: &mut Step) {
        if self.remembers(now) {
            self.forgotten().into_iter().for_each(|task| self.cancel_now(task, step));
        }
    }

    pub(super) fn count_standing(&mut self, release: &Verified<crate::record::release::Release>) {
        let named = release.payload().standing.first();
        let approval = named.and_then(|id| self.standing.iter().find(|signature| signature.id() == *id));
        if let Some(approval) = approval {
            let key = (digest_of(approval.payload()), release.claims().issued / DAY);
            *self.standing_used.entry(key).or_insert(0) += 1;
        }
    }

    /// How many tasks each standing approval has released today or is about to.
    pub(super) fn used_today(&self, now: u64, but: Option<&TaskId>) -> BTreeMap<Digest, u64> {
        let today = now / DAY;
        let done = self.standing_used.iter().filter(|((_, day), _)| *day == today);
        let mut used: BTreeMap<Digest, u64> = done.map(|((digest, _), count)| (*digest, *count)).collect();
        let opening = self.active.iter().filter(|task| Some(*task) != but).filter_map(|task| {
            let id = self.tasks.get(task)?.here()?.opening.as_ref()?.standing()?;
            self.standing.iter().find(|signature| signature.id() == id)
        });
        for approval in opening {
            *used.entry(digest_of(approval.payload())).or_insert(0) += 1;
        }
        used
    }

    pub(super) fn on_failed(&mut self, task: TaskId, code: &str, _now: u64, step: &mut Step) {
        let Some(local) = self.tasks.get_mut(&task).and_then(|known| known.here.as_mut()) else { return };
        if local.step(Event::Fail) {
            local.failure = Some(code.to_owned());
            step.record(Record::Failed { task, code: code.to_owned() });
        }
    }

    /// What the attestations on a held task amount to now; none when it is not held here.
    #[must_use]
    pub fn verdict(&self, task: &TaskId, now: u64) -> Option<Result<Outcome, Blocked>> {
        let known = self.tasks.get(task)?;
        let local = known.here().filter(|here| here.phase() == Phase::Held)?;
        let tre = self.tre.as_ref()?;
        let used = self.used_today(now, Some(task));
        let standing = Standing { approvals: &self.standing, passes: local.passes, used: &used };
        Some(decide(&Case {
            submission: &known.submission,
            run: known.runs.get(&tre.name)?,
            outputs: &local.outputs,
            attestations: &known.attestations,
            checks: local.checks.as_ref()?,
            // How many have left today nobody knows here on the day of a recovery.
            standing: (!self.recovered_today(now)).then_some(standing),
            data_owners: Some(&tre.data_owners),
            roster: &self.roster,
            now,
        }))
    }

    /// True when a release is decided, and waits for the log to cover what it rests on.
    fn conclude(&mut self, task: TaskId, now: u64, step: &mut Step) -> bool {
        // Who may have forgotten a decision makes none.
        let verdict = if self.remembers(now) { self.verdict(&task, now) } else { None };
        let Some(local) = self.tasks.get_mut(&task).and_then(|known| known.here.as_mut()) else { return false };
        match verdict {
            Some(Ok(Outcome::Release(release))) => {
                // A newer status alone changes no decision that is under way.
                if local.opening.as_ref().is_some_and(|open| open.same_decision(&release)) {
                    return false;
                }
                local.opening = None;
                // Nothing leaves before others have seen in the log why it may.
                let Some(logged) = self.logged(&release, now) else { return !self.is_covered(&release) };
                if let Some(local) = self.tasks.get_mut(&task).and_then(|known| known.here.as_mut()) {
                    local.opening = Some(release.clone());
                    step.effect(Effect::Open(Box::new(release), Box::new(logged)));
                }
            }
            Some(Ok(Outcome::Withhold)) => {
                if local.step(Event::Withhold) {
                    local.opening = None;
                    step.record(Record::Withheld { task });
                    self.publish(task, step);
                }
            }
            Some(Ok(Outcome::Open { .. }) | Err(_)) | None => local.opening = None,
        }
        false
    }

    /// Whether a release that this TRE signed is one that was decided here and still stands now: opening custody took time.
    pub(super) fn may_release(&self, release: &Verified<Release>, now: u64) -> bool {
        let task = release.payload().task;
        let opening = self.tasks.get(&task).and_then(|known| known.here()).and_then(|local| local.opening.as_ref());
        let Some(opening) = opening.filter(|opening| opening.allows(release.payload())) else { return false };
        if !self.remembers(now) {
            return false;
        }
        matches!(self.verdict(&task, now), Some(Ok(Outcome::Release(decided))) if decided.same_decision(opening))
    }

    /// Once a task is decided here, its run and its attestations are for everyone.
    pub(super) fn publish(&mut self, task: TaskId, step: &mut Step) {
        for bytes in self.unveil(task) {
            step.effect(Effect::Tell(bytes));
        }
    }

    pub(super) fn unveil(&mut self, task: TaskId) -> Vec<std::sync::Arc<[u8]>> {
        let Some(known) = self.tasks.get(&task) else { return Vec::new() };
        let runs = known.runs.values().map(|run| (run.id(), run.bytes()));
        let attestations = known.attestations.iter().map(|attestation| (attestation.id(), attestation.bytes()));
        let mut told = Vec::new();
        for (id, bytes) in runs.chain(attestations) {
            if self.private.remove(&id) {
                self.shared.offer(&id);
                told.push(bytes.clone());
            }
        }
        told
    }

    /// Asks for a phase statement wherever the last one is behind, and forgets what is finished.
    fn report(&mut self, step: &mut Step) {
        let Some(tre) = self.tre.as_ref().map(|tre| tre.name.clone()) else { return };
        let tasks = &mut self.tasks;
        self.active.retain(|task| {
            let Some(known) = tasks.get_mut(task) else { return false };
            let reported = known.reported(&tre);
            let Some(local) = known.here.as_mut() else { return false };
            // What was said in a time that a recovery has lost is the last word.
            let said_more = local.phase.is_terminal() && reported.is_some_and(Phase::is_terminal);
            if reported == Some(local.phase) || said_more {
                return !local.phase.is_terminal();
            }
            if local.reporting != Some(local.phase) {
                local.reporting = Some(local.phase);
                step.effect(Effect::Report(Report {
                    task: *task,
                    phase: local.phase,
                    refusal: local.refusal,
                    failure: local.failure.clone(),
                }));
            }
            true
        });
    }
}

/// Whether a statement that is still on its way could turn the refusal.
fn may_heal(refusal: Refusal) -> bool {
    match refusal {
        Refusal::StaleStatus
        | Refusal::KeyNotGood
        | Refusal::ReplyTo
        | Refusal::ProjectNotSigned
        | Refusal::ProjectNotHere
        | Refusal::DatasetNotGranted
        | Refusal::ComponentNotAllowed
        | Refusal::NotOnProject => true,
        Refusal::NotConfigured
        | Refusal::Expired
        | Refusal::Replayed
        | Refusal::ComponentUnavailable
        | Refusal::ComponentUnusable
        | Refusal::Busy => false,
    }
}
