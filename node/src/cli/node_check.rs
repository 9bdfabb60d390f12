//! `quintes node check`: what is wrong with a node's configuration, in sentences that end with what to do.

#[cfg(not(test))]
mod confinement;
mod data;
mod trust;

use crate::cli::speak::{AlreadySaid, Speak, plain};
use crate::clock::now;
use crate::config::{Config, NodeKind, ProxySettings};
use crate::identity::{custody_path, peer_path, signing_path};
use keys::at_rest;
use keys::keyfile;
use keys::seal;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use protocol::record::name::is_name;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// By how much a file may be newer than the clock before the clock is doubted.
const CLOCK_SLACK: Duration = Duration::from_secs(120);

/// Which configuration.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit code 1 when a finding is an error; a warning alone is 0.

Example:
  quintes node check --config ./london/node.toml")]
pub(crate) struct Args {
    /// The node.toml.
    #[arg(long, value_name = "FILE", default_value = "node.toml")]
    config: PathBuf,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    /// The node does not start, or refuses everything.
    Error,
    /// The node works, and not as was probably meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// How bad it is.
    pub(crate) level: Level,
    /// The field of node.toml that it is about.
    pub(crate) field: String,
    /// What is wrong.
    pub(crate) sentence: String,
    /// What to do.
    pub(crate) remedy: String,
}

/// Findings as they are made.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn error(&mut self, field: &str, sentence: impl Into<String>, remedy: impl Into<String>) {
        self.add(Level::Error, field, sentence.into(), remedy.into());
    }

    fn warning(&mut self, field: &str, sentence: impl Into<String>, remedy: impl Into<String>) {
        self.add(Level::Warning, field, sentence.into(), remedy.into());
    }

    /// An error of ours is `sentence; remedy`.
    fn failure(&mut self, field: &str, error: &dyn std::error::Error) {
        let text = error.to_string();
        let (sentence, remedy) = text.split_once("; ").unwrap_or((&text, "correct it"));
        self.error(field, sentence, remedy);
    }

    fn add(&mut self, level: Level, field: &str, sentence: String, remedy: String) {
        self.0.push(Finding { level, field: field.to_owned(), sentence: plain(&sentence), remedy: plain(&remedy) });
    }
}

/// Prints the findings.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let mut findings = Findings(findings(&args.config, now()));
    // The tests of this crate run in a program that is no worker; the acceptance tests try it in the real one.
    #[cfg(not(test))]
    let confinement = Config::read(&args.config).ok().and_then(|config| confinement::check(&config, &mut findings));
    #[cfg(test)]
    let confinement = None::<()>;
    let findings = std::mem::take(&mut findings.0);
    for one in &findings {
        let level = if one.level == Level::Error { "error" } else { "warning" };
        let field = if one.field.is_empty() { String::new() } else { format!(" {}:", one.field) };
        speak.line(&format!("{level}:{field} {}; {}", one.sentence, one.remedy));
    }
    #[cfg(not(test))]
    confinement.iter().flat_map(confinement::Found::sentences).for_each(|sentence| speak.say(&sentence));
    let errors = findings.iter().filter(|one| one.level == Level::Error).count();
    speak.say(&format!("{}: errors: {errors}, warnings: {}", args.config.display(), findings.len() - errors));
    speak.answer(json!({ "ok": errors == 0, "findings": findings, "confinement": confinement }));
    if errors == 0 { Ok(()) } else { Err(AlreadySaid.into()) }
}

/// Everything that is wrong with a configuration at `now`, seconds since 1970. Nothing is changed or made.
pub(crate) fn findings(path: &Path, now: u64) -> Vec<Finding> {
    let mut findings = Findings::default();
    match Config::read(path) {
        Ok(config) => {
            names(&config, &mut findings);
            state(&config, &mut findings);
            addresses(&config, &mut findings);
            limits(&config, &mut findings);
            data::check(&config, &mut findings);
            trust::check(&config, now, &mut findings);
        }
        Err(error) => findings.failure(error.field(), &error),
    }
    findings.0
}

fn names(config: &Config, findings: &mut Findings) {
    let rule = "take at most 64 lower-case letters, digits and -_.@, beginning with a letter or digit";
    let owners = config.data_owners.iter().map(|name| ("data_owners", name));
    let datasets = config.datasets.iter().map(|dataset| ("dataset.name", &dataset.name));
    for (field, name) in std::iter::once(("name", &config.name)).chain(owners).chain(datasets) {
        if !is_name(name) {
            findings.error(field, format!("`{name}` is no name"), rule);
        }
    }
    twice("data_owners", config.data_owners.iter(), findings);
    twice("dataset.name", config.datasets.iter().map(|dataset| &dataset.name), findings);
    for dataset in &config.datasets {
        twice("dataset.tables", dataset.tables.iter(), findings);
    }
}

fn twice<'a>(field: &str, names: impl Iterator<Item = &'a String>, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            findings.error(field, format!("`{name}` stands there twice"), "remove one of them");
        }
    }
}

fn state(config: &Config, findings: &mut Findings) {
    match fs::metadata(&config.state) {
        Ok(found) if !found.is_dir() => {
            findings.error("state", format!("`{}` is no folder", config.state.display()), "name a folder");
        }
        Ok(found) => {
            let mode = found.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                let path = config.state.display();
                findings.error(
                    "state",
                    format!("`{path}` is open to others (mode {mode:03o})"),
                    format!("run `chmod 700 {path}`"),
                );
            }
            keys(config, findings);
            journal(config, findings);
        }
        Err(error) => missing("state", &config.state, &error, "run `quintes node init`, or correct the path", findings),
    }
    door(config, findings);
}

fn missing(field: &str, path: &Path, error: &io::Error, remedy: &str, findings: &mut Findings) {
    if error.kind() == io::ErrorKind::NotFound {
        findings.error(field, format!("`{}` is not there", path.display()), remedy);
    } else {
        findings.error(
            field,
            format!("`{}` cannot be read ({error})", path.display()),
            "check that it is the node's user's",
        );
    }
}

fn keys(config: &Config, findings: &mut Findings) {
    let no_passphrase = || Err(io::Error::other("a node's key has no passphrase"));
    if let Err(error) = keyfile::open(&signing_path(&config.state), no_passphrase) {
        findings.failure("state", &error);
    }
    if let Err(error) = seal::Identity::open_file(&custody_path(&config.state), no_passphrase) {
        findings.failure("state", &error);
    }
    // Read and not opened through `secret`, which would make a missing one: a check makes nothing.
    let peer = peer_path(&config.state);
    match at_rest::read_private(&peer, 32) {
        Ok(bytes) if bytes.len() == 32 => {}
        Ok(_) | Err(at_rest::ReadError::TooLarge { .. }) => {
            findings.error("state", format!("`{}` does not hold 32 bytes", peer.display()), "restore it from a backup");
        }
        Err(error) => findings.failure("state", &error),
    }
}

/// A journal that was written after now shows that the clock was set back.
fn journal(config: &Config, findings: &mut Findings) {
    let written = fs::metadata(config.journal()).and_then(|found| found.modified());
    if written.is_ok_and(|written| written > SystemTime::now() + CLOCK_SLACK) {
        findings.error(
            "",
            "the clock is off: the journal was written later than now",
            "set the clock, and keep it by NTP",
        );
    }
}

fn door(config: &Config, findings: &mut Findings) {
    let socket = config.door_socket();
    let Some(folder) = socket.parent() else { return };
    let Ok(found) = fs::metadata(folder) else {
        if config.door.socket.is_some() {
            findings.error(
                "door.socket",
                format!("its folder `{}` is not there", folder.display()),
                "make it, or correct the path",
            );
        }
        return;
    };
    let mode = found.permissions().mode() & 0o777;
    let path = folder.display();
    if config.door.socket.is_none() {
        // The state folder's own finding says it.
    } else if mode & 0o007 != 0 {
        findings.error(
            "door.socket",
            format!("everybody on this machine can enter `{path}` (mode {mode:03o})"),
            format!("run `chmod 700 {path}`"),
        );
    } else if mode & 0o070 != 0 {
        findings.warning(
            "door.socket",
            format!("the group of `{path}` can open the door"),
            format!("run `chmod 700 {path}` unless that is meant"),
        );
    }
}

fn addresses(config: &Config, findings: &mut Findings) {
    if let Some(Err(error)) = config.proxy.as_ref().map(ProxySettings::open) {
        findings.failure("proxy.credentials_file", &error);
    }
    for address in &config.dial {
        if !matches!(address.iter().last(), Some(Protocol::P2p(_))) {
            findings.error(
                "dial",
                format!("`{address}` does not say whom it reaches"),
                "append /p2p/ and the other node's peer id",
            );
        }
    }
    let anywhere = |address: &Multiaddr| {
        address.iter().any(|part| match part {
            Protocol::Ip4(ip) => ip.is_unspecified(),
            Protocol::Ip6(ip) => ip.is_unspecified(),
            _ => false,
        })
    };
    if config.kind == NodeKind::Tre {
        for address in config.listen.iter().filter(|address| anywhere(address)) {
            findings.warning(
                "listen",
                format!("`{address}` takes connections from everywhere, at a TRE"),
                "dial a hub instead, or name one address",
            );
        }
        if config.listen.is_empty() && config.dial.is_empty() {
            findings.warning("dial", "the node neither listens nor dials, so that no task reaches it", "dial a hub");
        }
    } else if config.listen.is_empty() {
        findings.error(
            "listen",
            "a hub that does not listen forwards nothing",
            "listen, for example on /ip4/0.0.0.0/tcp/4001",
        );
    }
}

fn limits(config: &Config, findings: &mut Findings) {
    for field in config.limits.zeros() {
        findings.error(
            &format!("limits.{field}"),
            "0 lets nothing run",
            "remove the line to have the default, or give a number",
        );
    }
    if config.transparency.cosignatures > MOST_COSIGNATURES {
        findings.error(
            "transparency.cosignatures",
            "nodes stop cosigning a checkpoint that has 8 cosignatures, so that nothing would leave",
            "give a number from 0 to 8",
        );
    }
}

/// As many cosignatures as the nodes give one checkpoint (`protocol/node/logging`).
const MOST_COSIGNATURES: u64 = 8;
