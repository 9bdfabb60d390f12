//! A node's own state under audit: its journal record by record, the log that follows from it, and what lies in custody.

use super::export::at_door;
use crate::cli::link::{LinkOptions, door_of, online};
use crate::cli::speak::Speak;
use crate::config::Config;
use crate::custody::Custody;
use crate::identity::Identity;
use crate::journal::Journal;
use anyhow::{Context as _, bail};
use protocol::audit::log::Export;
use protocol::audit::{Step, Verdict};
use protocol::lifecycle::Phase;
use protocol::node::{Node, Record};
use protocol::wire::id::StatementId;
use std::path::Path;

/// Steps, each with its verdict, in the order of the looking.
struct Looked {
    tre: String,
    steps: Vec<Step>,
}

impl Looked {
    fn step(&mut self, what: &str, verdict: Verdict, detail: String) {
        self.steps.push(Step { tre: Some(self.tre.clone()), what: what.to_owned(), verdict, detail });
    }
}

/// Looks at the state of a node on this machine: through its door while it runs, at its files while it does not. Gives the log where there is
/// one that can be read.
///
/// # Errors
/// When there is no such node, or it is no TRE.
pub(super) fn examine(place: &Path, speak: &Speak) -> anyhow::Result<(Vec<Step>, Option<Export>)> {
    let file = if place.is_dir() { place.join("node.toml") } else { place.to_owned() };
    let running = door_of(place).is_ok_and(|socket| std::os::unix::net::UnixStream::connect(socket).is_ok());
    if running {
        speak.say("the node runs: its log is read through its door; stop it to have its files examined as well");
        let link = LinkOptions { node: Some(place.display().to_string()), ..LinkOptions::default() };
        let export = online(async { at_door(&mut link.open(None).await?).await })?;
        return Ok((Vec::new(), Some(export)));
    }
    let config = Config::read(&file).context("name the folder of a node, or its node.toml")?;
    if config.is_hub() {
        bail!("{} is a hub: it has no log of its own; name a TRE", config.name);
    }
    let mut looked = Looked { tre: config.name.clone(), steps: Vec::new() };
    let export = stopped(&config, &mut looked);
    Ok((looked.steps, export))
}

fn stopped(config: &Config, looked: &mut Looked) -> Option<Export> {
    let path = config.journal();
    if !path.is_file() {
        looked.step("journal", Verdict::Fails, format!("`{}` is missing", path.display()));
        return None;
    }
    let read = Journal::open(&path).and_then(|journal| Ok((journal.records()?, journal)));
    let (records, journal) = match read {
        Ok(read) => read,
        Err(error) => {
            looked.step("journal", Verdict::Fails, format!("`{}`: {error}", path.display()));
            return None;
        }
    };
    let count = records.len();
    // Each statement lies in the journal twice: in its record, and under its id.
    let differs = records.iter().position(|record| match record {
        Record::Statement { bytes, .. } => {
            !matches!(journal.statement(&StatementId::of(bytes)), Ok(Some(found)) if found == *bytes)
        }
        _ => false,
    });
    if let Some(at) = differs {
        looked.step(
            "journal",
            Verdict::Fails,
            format!("the statement of record {at} does not lie under its id: one was changed"),
        );
    }
    let core = match Node::replay(config.network, Some(config.tre()), records) {
        Ok(core) => core,
        Err(error) => {
            looked.step("journal", Verdict::Fails, error.to_string());
            return None;
        }
    };
    looked.step(
        "journal",
        Verdict::Holds,
        format!("{count} records, every statement in them verified as when it came"),
    );
    match core.behind() {
        Some(lost) => {
            let said = lost.payload();
            let what = format!(
                "this TRE has signed for {} entries of epoch {} (checkpoint {}), and its journal has {} that are not these: it was cut or restored",
                said.size,
                said.epoch,
                lost.id().short(),
                core.log().len()
            );
            looked.step("journal", Verdict::Fails, what);
        }
        None => {
            let beyond = core.log().len().saturating_sub(core.covered());
            let what = format!("{} entries, {beyond} of them since the newest checkpoint", core.log().len());
            looked.step("log", Verdict::Holds, what);
        }
    }
    custody(config, &core, looked);
    Export::of(&core, |id| journal.statement(id).ok().flatten()).map(Export::believable)
}

/// Whether what is held, and what left, lies in custody as the journal and the log say.
fn custody(config: &Config, core: &Node, looked: &mut Looked) {
    let opened = Identity::open(&config.state)
        .map_err(anyhow::Error::from)
        .and_then(|identity| Ok(Custody::open(config.state.join("custody"), identity.custody)?));
    let custody = match opened {
        Ok(custody) => custody,
        Err(error) => {
            looked.step("custody", Verdict::Fails, format!("custody cannot be opened: {error:#}"));
            return;
        }
    };
    let (mut sound, mut contributors) = (0_u64, 0_u64);
    for (task, known) in core.tasks() {
        let kept = known.here().filter(|here| matches!(here.phase(), Phase::Held | Phase::Released));
        let Some((here, run)) = kept.zip(known.runs().get(&config.name)) else { continue };
        match custody.show(task, &run.payload().commitment) {
            Ok(held) if here.contributors().is_some_and(|digest| digest != held.contributors_digest()) => looked.step(
                "ledger",
                Verdict::Fails,
                format!("custody names other people behind the figures of {} than the log says", task.short()),
            ),
            Ok(_) => {
                sound += 1;
                contributors += u64::from(here.contributors().is_some());
            }
            Err(error) => {
                looked.step("custody", Verdict::Fails, format!("the outputs of {}: {error}", task.short()));
            }
        }
    }
    looked.step(
        "custody",
        Verdict::Holds,
        format!("the outputs of {sound} tasks are byte for byte what was committed to"),
    );
    let ledger = config.state.join("ledger.redb");
    if contributors > 0 && !ledger.is_file() {
        let what = format!("`{}` is missing; the node makes it again from custody when it starts", ledger.display());
        looked.step("ledger", Verdict::Note, what);
    }
    let what = format!("who stood behind the figures of {contributors} tasks is what the log says");
    looked.step("ledger", Verdict::Holds, what);
}
