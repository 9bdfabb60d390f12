//! One TRE's chain: the release, the run, the project, the grant, every attestation, the quorum counted again, and the bytes.

use super::{Believed, Fate, Report, Verdict, listed};
use crate::delivery::Delivery;
use crate::ingress::{Statement, Verified};
use crate::lifecycle::Phase;
use crate::record::Kind;
use crate::record::attestation::Attestation;
use crate::record::grant::Role;
use crate::record::project::Project;
use crate::record::release::Release;
use crate::record::run::Run;
use crate::record::submission::Submission;
use crate::tre::{Case, Outcome, Standing, decide};
use crate::trust::authority::Wanted;
use crate::trust::roster::{Holder, Roster};
use crate::wire::id::StatementId;
use std::collections::{BTreeMap, BTreeSet};

/// What a chain is followed in.
#[derive(Clone, Copy)]
pub(super) struct Chain<'a> {
    pub(super) believed: &'a Believed,
    pub(super) submission: &'a Verified<Submission>,
    pub(super) tre: &'a str,
}

/// Follows the chain of one TRE and tells what became of the task there.
pub(super) fn follow(chain: &Chain<'_>, delivery: Option<&[u8]>, report: &mut Report) -> Fate {
    let releases: Vec<&Verified<Release>> = chain
        .statements(|statement| match statement {
            Statement::Release(release) => Some(release),
            _ => None,
        })
        .filter(|release| release.payload().tre == chain.tre)
        .collect();
    let broken = || Fate::Missing("what is here does not hold".to_owned());
    match (releases.as_slice(), delivery) {
        ([], None) => chain.without_release(report),
        ([], Some(_)) => {
            report.step(Some(chain.tre), "release", Verdict::Fails, "there are outputs here, and no release of them");
            broken()
        }
        ([release], None) => {
            let detail =
                format!("released as {} bytes of ciphertext; not in this folder", release.payload().ciphertext_bytes);
            report.step(Some(chain.tre), "release", Verdict::Note, detail);
            Fate::Missing("released, and not fetched into this folder".to_owned())
        }
        ([release], Some(bytes)) => match chain.released(release, bytes, report) {
            Ok(delivery) => Fate::Released(Box::new(delivery)),
            Err((what, detail)) => {
                report.step(Some(chain.tre), what, Verdict::Fails, detail);
                broken()
            }
        },
        ([_, _, ..], _) => {
            report.step(Some(chain.tre), "release", Verdict::Fails, "the TRE signed several releases of one task");
            broken()
        }
    }
}

/// The step that fails, and why.
type Broken = (&'static str, String);

fn require(holds: bool, what: &'static str, why: &str) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err((what, why.to_owned())) }
}

impl<'a> Chain<'a> {
    fn statements<T: 'a>(&self, of: impl Fn(&'a Statement) -> Option<&'a T> + 'a) -> impl Iterator<Item = &'a T> {
        self.believed.statements.iter().filter_map(of)
    }

    fn run(&self, id: &StatementId) -> Option<&'a Verified<Run>> {
        self.statements(|statement| if let Statement::Run(run) = statement { Some(run) } else { None })
            .find(|run| run.id() == *id)
    }

    fn attestations(&self) -> impl Iterator<Item = &'a Verified<Attestation>> {
        let tre = self.tre;
        self.statements(|statement| if let Statement::Attestation(one) = statement { Some(one) } else { None })
            .filter(move |one| one.payload().tre == tre)
    }

    /// The TRE's last word, where it released nothing.
    fn without_release(&self, report: &mut Report) -> Fate {
        let phases =
            self.statements(|statement| if let Statement::Phase(phase) = statement { Some(phase) } else { None });
        let last =
            phases.filter(|phase| phase.payload().tre == self.tre).max_by_key(|phase| phase.payload().phase.rank());
        let Some(last) = last.map(Verified::payload) else {
            report.step(Some(self.tre), "phase", Verdict::Note, "the TRE has not said anything");
            return Fate::Missing("no word from it yet".to_owned());
        };
        let declined = match last.phase {
            Phase::Refused => Some(last.refusal.map_or_else(|| "refused".to_owned(), |refusal| refusal.to_string())),
            Phase::Failed => Some(format!("its run failed ({})", last.failure.as_deref().unwrap_or("no code"))),
            Phase::Cancelled => Some("called back".to_owned()),
            Phase::Withheld => Some(self.withheld()),
            Phase::Received | Phase::Admitted | Phase::Running | Phase::Held | Phase::Released => None,
        };
        let (what, fate) = match declined {
            Some(reason) => (format!("{}: {reason}", last.phase), Fate::Declined(reason)),
            None => (
                format!("the TRE's last word is `{}`", last.phase),
                Fate::Missing(format!("its last word is `{}`", last.phase)),
            ),
        };
        report.step(Some(self.tre), "phase", Verdict::Note, what);
        fate
    }

    fn withheld(&self) -> String {
        let reasons: BTreeSet<String> = self
            .attestations()
            .flat_map(|one| {
                let by = &one.signer().name;
                let refusing = one.payload().decisions.iter().filter(|(_, decision)| !decision.approve);
                refusing.map(move |(output, decision)| format!("{by} on `{output}`: {}", decision.reason))
            })
            .collect();
        if reasons.is_empty() {
            return "the data owners let nothing out".to_owned();
        }
        format!("the data owners let nothing out ({})", listed(reasons.iter().map(String::as_str)))
    }

    /// Every step of a release. Each rests on the ones before, so the first that fails is the last.
    fn released(&self, release: &Verified<Release>, bytes: &[u8], report: &mut Report) -> Result<Delivery, Broken> {
        let tre = Some(self.tre);
        let (said, at) = (release.payload(), release.claims().issued);
        let key_was_good = |by: &Holder, at: u64| self.believed.roster.is_key_good(&by.key.id(), at);
        require(said.task == self.submission.id(), "release", "the release is of another task")?;
        require(
            key_was_good(release.signer(), at),
            "release",
            "the TRE's key was revoked before it signed the release",
        )?;
        report.step(tre, "release", Verdict::Holds, format!("signed by {}", self.believed.introduce(release.signer())));

        let run =
            self.run(&said.run).ok_or_else(|| ("run", "the run that the release names is not here".to_owned()))?;
        let ran = run.payload();
        let same = ran.task == said.task && ran.tre == self.tre && ran.commitment == said.commitment;
        require(same, "run", "the run is another one than the release says")?;
        require(
            ran.component == self.submission.payload().component,
            "run",
            "another component ran than was submitted",
        )?;
        require(
            key_was_good(run.signer(), run.claims().issued),
            "run",
            "the TRE's key was revoked before it signed the run",
        )?;
        let detail =
            format!("the component {} ran over {}", ran.component, listed(ran.snapshots.keys().map(String::as_str)));
        report.step(tre, "run", Verdict::Holds, detail);

        let project = self.project(said, report)?;
        self.grant(project, run.claims().issued, report)?;

        let delivery = Delivery::from_bytes(bytes).map_err(|error| ("delivery", error.to_string()))?;
        require(delivery.to_bytes() == bytes, "delivery", "the delivery is not in the one encoding that is written")?;
        require(
            delivery.tre == self.tre,
            "delivery",
            "the delivery lies under the name of another TRE than it is from",
        )?;
        delivery.check(said).map_err(|error| ("delivery", error.to_string()))?;
        self.quorum(release, run, &delivery, report)?;
        let names = listed(delivery.outputs.iter().map(|output| output.name.as_str()));
        report.step(
            tre,
            "delivery",
            Verdict::Holds,
            format!("{names}: every byte is the one that was attested ({})", said.commitment),
        );
        Ok(delivery)
    }

    /// The project statement that the release names, and whether the task is within it.
    fn project(&self, said: &Release, report: &mut Report) -> Result<&'a Project, Broken> {
        let projects =
            self.statements(|statement| if let Statement::Project(project) = statement { Some(project) } else { None });
        let statement = projects.into_iter().find(|project| project.id() == said.project);
        let statement =
            statement.ok_or_else(|| ("project", "the project that the release names is not here".to_owned()))?;
        let (project, task) = (statement.payload(), self.submission.payload());
        require(project.name == task.project, "project", "the release is under another project than the task")?;
        require(project.tres.iter().any(|tre| tre == self.tre), "project", "the project does not include the TRE")?;
        let granted = task.datasets.iter().all(|name| project.datasets.contains(name));
        require(granted, "project", "the task asks for a dataset that is not part of the project")?;
        let allowed =
            project.components.is_empty() || project.components.iter().any(|one| one.digest == task.component);
        require(allowed, "project", "the project does not allow the component")?;
        let (rules, egress) = (&project.disclosure, &project.egress);
        let detail = format!(
            "`{}`, version {}, signed by {}: at least {} subjects behind a figure; {} distinct {} of the TRE must approve",
            project.name,
            project.version,
            statement.signer().name,
            rules.threshold,
            egress.approvals,
            if egress.checkers_count { "data owners or output checkers" } else { "data owners" },
        );
        report.step(Some(self.tre), "project", Verdict::Holds, detail);
        Ok(project)
    }

    /// The chain of grants by which the submitter was a researcher, when the task was signed or when it ran.
    fn grant(&self, project: &Project, ran: u64, report: &mut Report) -> Result<(), Broken> {
        let roster = &self.believed.roster;
        let person = self.submission.signer().name.as_str();
        let datasets = &self.submission.payload().datasets;
        let wanted = Wanted { person, role: Role::Researcher, project: Some(project), tre: self.tre, datasets };
        let links =
            roster.authority(&wanted, self.submission.claims().issued).or_else(|| roster.authority(&wanted, ran));
        let links = links
            .ok_or_else(|| ("grant", format!("{person} had no grant as a researcher of the project at this TRE")))?;
        let grants = links.iter().filter_map(|id| roster.grants.get(id));
        let by: Vec<String> = grants.map(|grant| format!("{} ({})", grant.signer().name, grant.id().short())).collect();
        let detail = format!("{person} is a researcher of the project here, granted by {}", by.join(", by leave of "));
        report.step(Some(self.tre), "grant", Verdict::Holds, detail);
        Ok(())
    }

    /// Counts the attestations again, as the TRE had to when it released.
    fn quorum(
        &self,
        release: &Verified<Release>,
        run: &Verified<Run>,
        delivery: &Delivery,
        report: &mut Report,
    ) -> Result<(), Broken> {
        let said = release.payload();
        let mut attestations = Vec::new();
        for id in &said.attestations {
            let found = self.attestations().find(|one| one.id() == *id);
            let found = found.ok_or_else(|| {
                ("attestation", format!("the attestation {} that the release names is not here", id.short()))
            })?;
            attestations.push(found.clone());
        }
        let mut standing = Vec::new();
        for id in &said.standing {
            let found = self.statements(|statement| match statement {
                Statement::StandingApproval(one) => Some(one),
                _ => None,
            });
            let found = found.into_iter().find(|one| one.id() == *id).cloned();
            standing.push(found.ok_or_else(|| {
                (
                    "standing approval",
                    format!("the standing approval {} that the release names is not here", id.short()),
                )
            })?);
        }
        // What the TRE says of its checks is its word; how much it released on that day, one task does not tell.
        let (passes, unused) = (said.checks.failed == 0 && said.checks.review == 0, BTreeMap::new());
        let roster = self.roster_at(release)?;
        let outputs: BTreeSet<String> =
            delivery.outputs.iter().map(|output| &output.name).chain(delivery.withheld.keys()).cloned().collect();
        let case = Case {
            submission: self.submission,
            run,
            outputs: &outputs,
            attestations: &attestations,
            checks: &said.checks,
            standing: Some(Standing { approvals: &standing, passes, used: &unused }),
            data_owners: None,
            roster: &roster,
            now: release.claims().issued,
        };
        match decide(&case) {
            Ok(Outcome::Release(decision)) if decision.allows(said) => {}
            Ok(Outcome::Release(_)) => {
                return Err(("quorum", "the attestations let out something else than was released".to_owned()));
            }
            Ok(Outcome::Open { .. } | Outcome::Withhold) => {
                return Err((
                    "quorum",
                    "the attestations do not let these outputs out under the project's policy".to_owned(),
                ));
            }
            Err(blocked) => return Err(("quorum", format!("nothing could be released then: {blocked}"))),
        }
        for one in &attestations {
            report.step(Some(self.tre), "attestation", Verdict::Holds, self.decided(one));
        }
        if let Some(one) = standing.first() {
            let approval = one.payload();
            let by: BTreeSet<&str> = standing.iter().map(|one| one.signer().name.as_str()).collect();
            let detail = format!(
                "no person looked at it: the standing approval `{}` of {} covers the component, every rule passed as the TRE says, and at \
                 most {} tasks a day may go",
                approval.name,
                listed(by),
                approval.per_day
            );
            report.step(Some(self.tre), "standing approval", Verdict::Holds, detail);
        }
        self.log(release, report)?;
        self.note_vetoes(release, &attestations, report);
        self.note_revocations(release, &case, report);
        Ok(())
    }

    /// Where the run and what let it out stand in the TRE's log, and who has seen it there.
    fn log(&self, release: &Verified<Release>, report: &mut Report) -> Result<(), Broken> {
        let said = release.payload();
        let checkpoint = self
            .statements(|statement| if let Statement::Checkpoint(one) = statement { Some(one) } else { None })
            .find(|one| one.id() == said.log.checkpoint)
            .ok_or_else(|| ("log", "the checkpoint of the log that the release names is not here".to_owned()))?;
        require(checkpoint.payload().tre == self.tre, "log", "the checkpoint is of another TRE's log")?;
        let grounds = said.attestations.iter().map(|id| (*id, Kind::Attestation));
        let standing = said.standing.iter().map(|id| (*id, Kind::StandingApproval));
        for (id, kind) in std::iter::once((said.run, Kind::Run)).chain(grounds).chain(standing) {
            let proved = said.log.inclusions.iter().filter(|proof| proof.statement == id);
            require(
                proved.into_iter().any(|proof| proof.holds(kind, checkpoint.payload())),
                "log",
                &format!("the {kind} {} is not proved to stand in the TRE's log", id.short()),
            )?;
        }
        let mut by = BTreeSet::new();
        for id in &said.log.cosignatures {
            let cosignature = self
                .statements(|statement| if let Statement::Cosignature(one) = statement { Some(one) } else { None })
                .find(|one| one.id() == *id)
                .ok_or_else(|| ("log", format!("the cosignature {} that the release names is not here", id.short())))?;
            let signer = cosignature.signer();
            let about_this = cosignature.payload().checkpoint == checkpoint.id() && signer.name != self.tre;
            require(about_this, "log", "a cosignature is under another checkpoint than the release names")?;
            let good = self.believed.roster.is_key_good(&signer.key.id(), cosignature.claims().issued);
            require(good, "log", "the key of a node that cosigned the log was revoked before")?;
            by.insert(signer.name.as_str());
        }
        let place = format!(
            "the first {} entries of the TRE's log hold the run and what let it out",
            checkpoint.payload().size
        );
        if by.is_empty() {
            report.step(Some(self.tre), "log", Verdict::Note, format!("{place}; no other node has cosigned that"));
        } else {
            report.step(Some(self.tre), "log", Verdict::Holds, format!("{place}; cosigned by {}", listed(by)));
        }
        Ok(())
    }

    fn decided(&self, one: &Verified<Attestation>) -> String {
        let said = one.payload();
        let decisions = said.decisions.iter().map(|(output, decision)| {
            let verb = if decision.approve { "approved" } else { "rejected" };
            let reason = if decision.reason.is_empty() { "no reason given" } else { &decision.reason };
            format!("{verb} `{output}` ({reason})")
        });
        format!(
            "{} {}; the rules of version {} had {} failed and {} for a person to judge",
            one.signer().name,
            decisions.collect::<Vec<_>>().join(", "),
            said.report.rules,
            said.report.failed,
            said.report.review
        )
    }

    /// What the TRE must have known when it signed the release, and what it could have known: it cannot have counted by what had not reached it.
    /// Of statuses the one that it names. Of the project the version that it names, from the signature that it names on, and the versions
    /// before, which say how many must sign the next. Of revocations, which end things, those that the status names and those that are
    /// older than clocks may differ: any later one may have come after the release.
    fn roster_at(&self, release: &Verified<Release>) -> Result<Roster, Broken> {
        let said = release.payload();
        let statements = &self.believed.statements;
        let status = statements.iter().find_map(|statement| match statement {
            Statement::Status(one) if one.id() == said.status => Some(one.payload()),
            _ => None,
        });
        let status = status.ok_or(("status", "the status that the release names is not here".to_owned()))?;
        let project = statements.iter().find_map(|statement| match statement {
            Statement::Project(one) if one.id() == said.project => Some(one),
            _ => None,
        });
        let project = project.ok_or(("project", "the project that the release names is not here".to_owned()))?;
        let age = |one: &Verified<Project>| (one.claims().issued, one.id());
        let (issued, skew) = (release.claims().issued, self.believed.roster.clock_skew_seconds());
        let mut roster = Roster::new(*self.believed.roster.network());
        for statement in statements {
            let dated = statement.claims().issued;
            let known = match statement {
                Statement::Status(_) => statement.id() == said.status,
                Statement::Project(one) => {
                    let (version, named) = (one.payload().version, project.payload());
                    one.payload().name == named.name
                        && (version < named.version || version == named.version && age(one) >= age(project))
                }
                Statement::Revocation(_) => {
                    status.revocations.contains(&statement.id()) || dated.saturating_add(skew) < issued
                }
                _ => true,
            };
            if known && dated <= issued.saturating_add(skew) {
                roster.take(statement);
            }
        }
        Ok(roster)
    }

    /// A revocation that is dated shortly before the release, and would have stopped it, may have come too late, or may have been passed over.
    fn note_revocations(&self, release: &Verified<Release>, case: &Case<'_>, report: &mut Report) {
        let mut hindsight = case.roster.clone();
        let revocations =
            self.believed.statements.iter().filter(|statement| matches!(statement, Statement::Revocation(_)));
        revocations
            .filter(|revocation| revocation.claims().issued <= case.now)
            .for_each(|revocation| hindsight.take(revocation));
        let decided = decide(&Case { roster: &hindsight, ..*case });
        if !matches!(decided, Ok(Outcome::Release(decision)) if decision.allows(release.payload())) {
            let detail = "what let it out was revoked within a clock's difference of the release; ask the TRE whether that came late";
            report.step(Some(self.tre), "revocation", Verdict::Note, detail.to_owned());
        }
    }

    /// A rejection that is dated before the release and not counted in it may have come too late, or may have been passed over.
    fn note_vetoes(&self, release: &Verified<Release>, counted: &[Verified<Attestation>], report: &mut Report) {
        let all: Vec<_> = self.attestations().collect();
        let passed_over = all.iter().filter(|one| {
            let said = one.payload();
            let superseded = all
                .iter()
                .any(|later| later.payload().supersedes == Some(one.id()) && later.signer().name == one.signer().name);
            let rejects = said
                .decisions
                .iter()
                .any(|(output, decision)| !decision.approve && release.payload().outputs.contains(output));
            said.run == release.payload().run
                && rejects
                && !superseded
                && one.claims().issued <= release.claims().issued
                && !counted.iter().any(|other| other.id() == one.id())
        });
        for one in passed_over {
            let detail = format!(
                "{} rejected an output before it was released, and this was not counted; ask the TRE whether it came late",
                one.signer().name
            );
            report.step(Some(self.tre), "attestation", Verdict::Note, detail);
        }
    }
}
