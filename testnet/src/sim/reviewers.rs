//! The data owners of a run and those around a review: who decides, changes its mind, takes it back and gets it wrong; who comments; who
//! lets outputs go without a person; and who lets a TRE go on from a backup.

use crate::fixture::federation::{PROJECT, Reviewed};
use crate::sim::world::World;
use protocol::ingress::Verified;
use protocol::lifecycle::Phase;
use protocol::record::attestation::Attestation;
use protocol::record::comment::Readers;
use protocol::record::payload::{DAY, DECADE};
use protocol::record::recovery::Recovery;
use protocol::safes::outputs::summarise;
use protocol::wire::id::{Digest, StatementId};
use std::collections::{BTreeMap, BTreeSet};

/// How a data owner's attestation can be wrong.
#[derive(Clone, Copy, Debug)]
enum Slip {
    None,
    Commitment,
    Run,
    Project,
    Report,
    Person,
    Submitter,
}

/// Who signs a recovery.
#[derive(Clone, Copy, Debug)]
enum Signers {
    Both,
    OperatorAlone,
    OwnersAlone,
    AnotherOperator,
}

impl World {
    /// What is held at a TRE, as its data owners see it.
    pub fn held_at(&self, tre: usize) -> Vec<(Reviewed, BTreeSet<String>)> {
        let Some(node) = &self.hosts[tre].node else { return Vec::new() };
        let name = &self.hosts[tre].name;
        let seen = node.tasks().values().filter_map(|task| {
            let here = task.here().filter(|here| here.phase() == Phase::Held)?;
            let run = task.runs().get(name)?;
            let project = node.roster().project_at(&task.submission().payload().project, name, self.now(tre))?;
            let about = Reviewed {
                task: task.id(),
                tre: name.clone(),
                run: run.id(),
                commitment: run.payload().commitment,
                project: project.statement,
                report: here.checks()?.clone(),
                supersedes: None,
            };
            Some((about, here.outputs().clone()))
        });
        seen.collect()
    }

    /// The person's last word on a run, as the TRE knows it.
    pub fn last_word(&self, tre: usize, about: &Reviewed, person: &str) -> Option<&Verified<Attestation>> {
        let node = self.hosts[tre].node.as_ref()?;
        let said = node.tasks().get(&about.task)?.attestations();
        said.iter().rev().find(|said| said.signer().name == person && said.payload().tre == about.tre)
    }

    /// A data owner of a TRE looks at everything that is held there.
    pub fn review(&mut self, tre: usize) {
        let held = self.held_at(tre);
        let owners = self.federation.options.owners_per_tre;
        for (mut about, outputs) in held {
            let mut person = format!("owner-{tre}-{}", self.dice.below(owners));
            let slip = match self.dice.below(18) {
                0 => Slip::Commitment,
                1 => Slip::Run,
                2 => Slip::Project,
                3 => Slip::Report,
                4 | 5 => Slip::Person,
                6 | 7 => Slip::Submitter,
                _ => Slip::None,
            };
            match slip {
                Slip::None => {}
                Slip::Commitment => {
                    let other = self
                        .truth
                        .produced
                        .keys()
                        .map(|(_, _, commitment)| *commitment)
                        .find(|other| *other != about.commitment);
                    let Some(other) = other else { continue };
                    about.commitment = other;
                }
                Slip::Run => about.run = StatementId::of(b"another run"),
                Slip::Project => about.project = StatementId::of(b"another project"),
                Slip::Report => about.report.findings = Digest::of(b"another report"),
                Slip::Person => {
                    let other = (tre + 1) % self.tres();
                    person = if self.dice.permille(500) { format!("owner-{other}-0") } else { "root-1".to_owned() };
                }
                Slip::Submitter => {
                    let Some((said, _)) = self.truth.submission(&about.task) else { continue };
                    person = said.by.clone();
                }
            }
            let last = self.last_word(tre, &about, &person).map(Verified::id);
            about.supersedes = last.filter(|_| self.dice.permille(700));
            let first = self.dice.permille(800);
            let takes_back = about.supersedes.is_some() && self.dice.permille(250);
            let decisions: BTreeMap<String, bool> = if takes_back {
                BTreeMap::new()
            } else {
                outputs.into_iter().map(|name| (name, if self.dice.permille(850) { first } else { !first })).collect()
            };
            self.attest(tre, &about, &person, &decisions);
        }
    }

    /// A person signs a decision and hands it to the TRE; with no decision at all, an earlier one is taken back.
    pub fn attest(&mut self, tre: usize, about: &Reviewed, person: &str, decisions: &BTreeMap<String, bool>) {
        let at = self.true_now();
        let said = self.federation.attestation(about, decisions);
        let lifetime = if self.healed || self.dice.permille(850) { DAY } else { self.dice.between(1, 15) };
        let bytes = self.federation.sign(&said, person, at, lifetime);
        self.made(&bytes, at);
        self.counts.withdrawn += u64::from(decisions.is_empty());
        let words = decisions.iter().map(|(name, approve)| format!("{name}={approve}")).collect::<Vec<_>>().join(" ");
        self.say(format!("{person} decides on {} at tre-{tre}: {words}", about.task.short()));
        self.offer(tre, bytes);
    }

    /// Each data owner approves what is held, as it is now, and takes back what was said before.
    pub fn decide_everything(&mut self) {
        for tre in 0..self.tres() {
            for (about, outputs) in self.held_at(tre) {
                for owner in 0..self.federation.options.owners_per_tre {
                    let person = format!("owner-{tre}-{owner}");
                    let mut about = about.clone();
                    let last = self.last_word(tre, &about, &person);
                    let stands = last.is_some_and(|last| {
                        let said = last.payload();
                        said.run == about.run
                            && said.commitment == about.commitment
                            && said.report == about.report
                            && said.project == about.project
                            && outputs.iter().all(|name| said.decisions.get(name).is_some_and(|said| said.approve))
                            && self.true_now() + DAY / 24 < last.claims().expires
                    });
                    if stands {
                        continue;
                    }
                    about.supersedes = last.map(Verified::id);
                    let decisions: BTreeMap<String, bool> = outputs.iter().map(|name| (name.clone(), true)).collect();
                    self.attest(tre, &about, &person, &decisions);
                }
            }
        }
    }

    /// A reviewer or a researcher says a word about a task, to the reviewers or to everyone.
    pub fn comment(&mut self, number: u64) {
        let known = self.submissions();
        let Some(task) = self.dice.pick(&known).copied() else { return };
        let Some(submitter) = self.truth.submission(&task).map(|(said, _)| said.by.clone()) else { return };
        let tre = self.dice.below(self.tres());
        let to = if self.dice.permille(600) { Readers::Reviewers } else { Readers::Members };
        let by = if self.dice.permille(700) { format!("owner-{tre}-0") } else { submitter };
        let said = self.federation.comment(task, tre, to, number);
        let at = self.true_now();
        let bytes = self.federation.sign(&said, &by, at, DECADE);
        self.made(&bytes, at);
        self.say(format!("{by} says a word about {} at tre-{tre} to {to:?}", task.short()));
        // Sometimes at the wrong door.
        let door = if self.dice.permille(850) { tre } else { self.any_host() };
        self.offer(door, bytes);
    }

    /// Data owners of a TRE, enough or too few, let outputs of the component go without a person.
    pub fn stand(&mut self, tre: usize) {
        let (name, now) = (self.hosts[tre].name.clone(), self.now(tre));
        let Some(node) = &self.hosts[tre].node else { return };
        let Some(chosen) = node.roster().project_at(PROJECT, &name, now) else { return };
        let mut report = summarise(&[]);
        if self.dice.permille(100) {
            report.checker = Digest::of(b"another checker");
        }
        let per_day = self.dice.between(1, 2).min(self.dice.between(1, 2));
        let said = self.federation.standing(tre, &chosen.project, &report, per_day);
        let lifetime = if self.dice.permille(850) { DAY } else { self.dice.between(1, 30) };
        let at = self.true_now();
        let stranger = if self.dice.permille(300) { vec!["researcher-0".to_owned()] } else { Vec::new() };
        for person in self.owners(tre).into_iter().chain(stranger) {
            if self.dice.permille(150) {
                continue;
            }
            let bytes = self.federation.sign(&said, &person, at, lifetime);
            self.made(&bytes, at);
            self.say(format!("{person} signs a standing approval at {name}, {per_day} a day"));
            self.offer(tre, bytes);
        }
    }

    fn owners(&self, tre: usize) -> Vec<String> {
        (0..self.federation.options.owners_per_tre).map(|owner| format!("owner-{tre}-{owner}")).collect()
    }

    /// Those who answer for a TRE let it go on from its backup; before everything is mended, some forget that it takes two.
    pub fn recover(&mut self, tre: usize) {
        let Some(node) = &self.hosts[tre].node else { return };
        let Some(behind) = node.behind() else { return };
        let said = Recovery {
            tre: self.hosts[tre].name.clone(),
            epoch: behind.payload().epoch + 1,
            lost: behind.id(),
            size: node.log().len(),
            root: node.log().root(),
            reason: "the disk was restored from a backup".to_owned(),
        };
        let signers = match self.dice.below(6) {
            _ if self.healed => Signers::Both,
            0 => Signers::OperatorAlone,
            1 => Signers::OwnersAlone,
            2 => Signers::AnotherOperator,
            _ => Signers::Both,
        };
        let operator = format!("operator-{tre}");
        let another = format!("operator-{}", (tre + 1) % self.tres());
        let persons = match signers {
            Signers::Both => self.owners(tre).into_iter().chain([operator]).collect(),
            Signers::OperatorAlone => vec![operator],
            Signers::OwnersAlone => self.owners(tre),
            Signers::AnotherOperator => self.owners(tre).into_iter().chain([another]).collect(),
        };
        let at = self.true_now();
        for person in persons {
            let bytes = self.federation.sign(&said, &person, at, DECADE);
            self.made(&bytes, at);
            self.say(format!("{person} signs a recovery of tre-{tre}"));
            self.offer(tre, bytes);
        }
    }
}
