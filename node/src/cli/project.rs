//! `quintes project`: what may be asked of which data under which rules, signed by the data owners of every TRE in it.

use crate::cli::desk::{Desk, FederationOptions, SigningOptions};
use crate::cli::network::sign::{require_data_owner, sign_project};
use crate::cli::speak::{Speak, plain};
use crate::cli::words;
use crate::clock::now;
use anyhow::{Context as _, anyhow, bail};
use protocol::disclosure::rules::Policy;
use protocol::record::Payload;
use protocol::record::key_record::HolderKind;
use protocol::record::project::{AllowedComponent, Egress, Project};
use protocol::trust::roster::Roster;
use protocol::wire::id::Digest;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::str::FromStr;

/// The verbs of projects.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Write the next version of a project and sign it as a data owner.
    New(Box<NewArgs>),
    /// Sign a project as a data owner of one of its TREs.
    Sign(SignArgs),
    /// Show a project, who signed it and where it counts.
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
A new version replaces the whole project: say everything again. It counts at a TRE once a data owner of that TRE has signed it.

Example:
  quintes project new stroke --title \"Stroke after discharge\" --tre london --tre leeds --dataset omop --admin bob \\
      --component statistics=statistics.wasm --approvals 1 --key bob")]
struct NewArgs {
    /// The project's name: lower-case letters, digits and -_.@
    name: String,
    /// What it is about, for people.
    #[arg(long)]
    title: String,
    /// A TRE that takes part.
    #[arg(long = "tre", required = true, value_name = "TRE")]
    tres: Vec<String>,
    /// A dataset that its tasks may ask for.
    #[arg(long = "dataset", required = true, value_name = "DATASET")]
    datasets: Vec<String>,
    /// A person who may make researchers of it.
    #[arg(long = "admin", value_name = "PERSON")]
    admins: Vec<String>,
    /// A component that may run, by its file or its SHA-256; without any, every component may.
    #[arg(long = "component", value_name = "NAME=FILE|DIGEST")]
    components: Vec<NamedComponent>,
    /// How many distinct persons must approve before anything leaves a TRE.
    #[arg(long, default_value_t = 1, value_name = "N")]
    approvals: u64,
    /// Output checkers count beside data owners.
    #[arg(long)]
    checkers_count: bool,
    /// A person who never counts.
    #[arg(long = "exclude", value_name = "PERSON")]
    excluded: Vec<String>,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

/// The disclosure rules' thresholds; what is not given has the default of the rules.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Disclosure rules")]
struct PolicyArgs {
    /// The fewest distinct subjects behind a figure.
    #[arg(long, value_name = "N", default_value_t = Policy::default().threshold)]
    threshold: u64,
    /// The share of the largest contribution, in percent, that all but the two largest must come to.
    #[arg(long, value_name = "PERCENT", default_value_t = Policy::default().p_ratio_percent)]
    p_ratio_percent: u16,
    /// The share of a sum, in percent, that its two largest contributions must stay under.
    #[arg(long, value_name = "PERCENT", default_value_t = Policy::default().nk_share_percent)]
    nk_share_percent: u16,
    /// The fewest residual degrees of freedom behind a fitted figure.
    #[arg(long, value_name = "N", default_value_t = Policy::default().minimum_degrees_of_freedom)]
    minimum_degrees_of_freedom: i64,
    /// The most bytes in one output.
    #[arg(long, value_name = "BYTES", default_value_t = Policy::default().maximum_bytes)]
    maximum_bytes: u64,
    /// The most rows in one output.
    #[arg(long, value_name = "N", default_value_t = Policy::default().maximum_rows)]
    maximum_rows: u64,
    /// The most columns in one output.
    #[arg(long, value_name = "N", default_value_t = Policy::default().maximum_columns)]
    maximum_columns: u64,
    /// The most outputs of one task.
    #[arg(long, value_name = "N", default_value_t = Policy::default().maximum_outputs)]
    maximum_outputs: u64,
    /// The significant digits that a figure keeps.
    #[arg(long, value_name = "N", default_value_t = Policy::default().significant_digits)]
    significant_digits: u8,
    /// Empty and full cells of crossed tables tell nothing that matters: do not mark them.
    #[arg(long)]
    zeros_are_harmless: bool,
    /// Blank figures that fail a rule before review, and others that would tell them, instead of showing them as failing.
    #[arg(long)]
    suppress: bool,
    /// Round witnessed counts to multiples of this before review; 1 rounds nothing.
    #[arg(long, value_name = "N", default_value_t = Policy::default().rounding_base)]
    rounding_base: u64,
    /// Round counts to the middle of their bin instead of to a multiple.
    #[arg(long)]
    rounding_midpoint: bool,
    /// How many values a hidden count must be able to have for somebody who knows every figure that is shown.
    #[arg(long, value_name = "N", default_value_t = Policy::default().minimum_interval)]
    minimum_interval: u64,
}

impl PolicyArgs {
    fn policy(self) -> Policy {
        Policy {
            threshold: self.threshold,
            p_ratio_percent: self.p_ratio_percent,
            nk_share_percent: self.nk_share_percent,
            minimum_degrees_of_freedom: self.minimum_degrees_of_freedom,
            maximum_bytes: self.maximum_bytes,
            maximum_rows: self.maximum_rows,
            maximum_columns: self.maximum_columns,
            maximum_outputs: self.maximum_outputs,
            significant_digits: self.significant_digits,
            zeros_are_disclosive: !self.zeros_are_harmless,
            suppress: self.suppress,
            rounding_base: self.rounding_base,
            rounding_midpoint: self.rounding_midpoint,
            minimum_interval: self.minimum_interval,
        }
    }
}

/// A component as the command line names it.
#[derive(Clone, Debug)]
struct NamedComponent {
    name: String,
    what: String,
}

impl FromStr for NamedComponent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, what)) if !name.is_empty() && !what.is_empty() => {
                Ok(Self { name: name.to_owned(), what: what.to_owned() })
            }
            _ => Err("write NAME=FILE or NAME=SHA-256, for example `statistics=statistics.wasm`".to_owned()),
        }
    }
}

impl NamedComponent {
    fn allowed(&self) -> anyhow::Result<AllowedComponent> {
        let digest = match self.what.parse() {
            Ok(digest) => digest,
            Err(_) => Digest::of(&fs::read(&self.what).with_context(|| {
                format!(
                    "cannot read the component `{}`; give a file, or 64 hexadecimal digits of its SHA-256",
                    self.what
                )
            })?),
        };
        Ok(AllowedComponent { name: self.name.clone(), digest })
    }
}

#[derive(Debug, clap::Args)]
struct SignArgs {
    /// The project's name.
    name: String,
    /// Which version, when it is not the newest.
    #[arg(long, value_name = "N")]
    version: Option<u64>,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The project's name; without it every project is listed.
    name: Option<String>,
    #[command(flatten)]
    federation: FederationOptions,
}

/// Runs the verb.
pub(crate) fn run(args: Args, speak: &Speak) -> anyhow::Result<()> {
    match args.verb {
        Verb::New(args) => new(*args, speak),
        Verb::Sign(args) => sign(&args, speak),
        Verb::Show(args) => show(&args, speak),
    }
}

fn new(args: NewArgs, speak: &Speak) -> anyhow::Result<()> {
    let disclosure = args.policy.policy();
    disclosure.check()?;
    let components = args.components.iter().map(NamedComponent::allowed).collect::<anyhow::Result<Vec<_>>>()?;
    let mut desk = Desk::open(&args.federation, &args.signing, &[], speak)?;
    let me = desk.me()?;
    let version = desk
        .federation
        .roster
        .projects()
        .iter()
        .filter(|(project, _)| project.name == args.name)
        .map(|(project, _)| project.version)
        .max()
        .unwrap_or(0)
        .checked_add(1)
        .ok_or_else(|| anyhow!("the project has the last version there is; take another name"))?;
    let project = Project {
        name: args.name,
        version,
        title: args.title,
        tres: args.tres,
        datasets: args.datasets,
        admins: args.admins,
        components,
        disclosure,
        egress: Egress { approvals: args.approvals, checkers_count: args.checkers_count, excluded: args.excluded },
    };
    project.check().map_err(|invalid| anyhow!("the project would not be valid ({invalid}); nothing was signed"))?;
    refuse_unknown_tres(&desk, &project)?;
    require_data_owner(&desk, &me.name, &project.tres)?;
    for admin in project.admins.iter().filter(|admin| !is_enrolled(&desk, HolderKind::Person, admin)) {
        speak.warn(&format!("no person {admin} is enrolled (yet)"));
    }
    desk.sign(&project, &me.name, Project::MAX_LIFETIME_SECONDS, &words::project(&project))?;
    finish(&desk, &project);
    Ok(())
}

fn sign(args: &SignArgs, speak: &Speak) -> anyhow::Result<()> {
    let mut desk = Desk::open(&args.federation, &args.signing, &[], speak)?;
    let project = chosen(&desk.federation.roster, &args.name, args.version)?;
    if !sign_project(&mut desk, &project)? {
        speak.say("nothing to do: this key has signed it already");
    }
    finish(&desk, &project);
    Ok(())
}

fn finish(desk: &Desk<'_>, project: &Project) {
    let counts = counts_at(&desk.federation.roster, project, desk.now);
    let missing: Vec<&String> = project.tres.iter().filter(|tre| !counts.contains(tre)).collect();
    if missing.is_empty() {
        desk.speak.say("it counts at every TRE of the project");
    } else {
        desk.speak.say(&format!(
            "it does not count at {} yet: a data owner there runs `quintes project sign {}`",
            words::listed(&missing),
            project.name,
        ));
    }
    desk.finish(
        json!({ "project": project.name, "version": project.version, "counts_at": counts, "missing": missing }),
    );
}

fn show(args: &ShowArgs, speak: &Speak) -> anyhow::Result<()> {
    let now = now();
    let federation = args.federation.load(&[], now)?;
    let roster = &federation.roster;
    let projects = roster.projects();
    let wanted: Vec<_> =
        projects.iter().filter(|(project, _)| args.name.as_ref().is_none_or(|name| project.name == *name)).collect();
    if let (Some(name), true) = (&args.name, wanted.is_empty()) {
        return Err(unknown(roster, name));
    }
    for (project, signers) in &wanted {
        for (label, text) in words::project(project) {
            speak.line(&format!("{label:<12} {}", plain(&text)));
        }
        speak.line(&format!("{:<12} {}", "signed by", words::listed(&signers.iter().collect::<Vec<_>>())));
        speak.line(&format!("{:<12} {}\n", "counts at", words::listed(&counts_at(roster, project, now))));
    }
    speak.answer(json!({ "projects": wanted.iter().map(|(project, signers)| json!({
        "project": project, "signed_by": signers, "counts_at": counts_at(roster, project, now),
    })).collect::<Vec<_>>() }));
    Ok(())
}

/// The TREs at which exactly this version of a project counts.
pub(crate) fn counts_at(roster: &Roster, project: &Project, now: u64) -> Vec<String> {
    let counts =
        |tre: &&String| roster.project_at(&project.name, tre, now).is_some_and(|chosen| chosen.project == *project);
    project.tres.iter().filter(counts).cloned().collect()
}

/// A version of a project, or its newest.
fn chosen(roster: &Roster, name: &str, version: Option<u64>) -> anyhow::Result<Project> {
    let projects = roster.projects();
    let mut named: Vec<&Project> =
        projects.iter().map(|(project, _)| *project).filter(|project| project.name == name).collect();
    if named.is_empty() {
        return Err(unknown(roster, name));
    }
    let version = version.unwrap_or(named[0].version);
    named.retain(|project| project.version == version);
    match named.as_slice() {
        [one] => Ok((*one).clone()),
        [] => bail!("{name} has no version {version}; `quintes project show {name}` lists them"),
        _ => bail!(
            "{name} has several projects that call themselves version {version}; sign the file of yours with `quintes network sign FILE`"
        ),
    }
}

fn unknown(roster: &Roster, name: &str) -> anyhow::Error {
    let known: BTreeSet<&str> = roster.projects().iter().map(|(project, _)| project.name.as_str()).collect();
    anyhow!("there is no project {name}; the projects are: {}", words::listed(&known.into_iter().collect::<Vec<_>>()))
}

fn is_enrolled(desk: &Desk<'_>, kind: HolderKind, name: &str) -> bool {
    desk.federation.roster.holders(desk.now).iter().any(|holder| holder.kind == kind && holder.name == name)
}

fn refuse_unknown_tres(desk: &Desk<'_>, project: &Project) -> anyhow::Result<()> {
    let Some(tre) = project.tres.iter().find(|tre| !is_enrolled(desk, HolderKind::Tre, tre)) else { return Ok(()) };
    let holders = desk.federation.roster.holders(desk.now);
    let known: Vec<&str> =
        holders.iter().filter(|holder| holder.kind == HolderKind::Tre).map(|holder| holder.name.as_str()).collect();
    bail!("no TRE {tre} is enrolled; the enrolled TREs are: {}", words::listed(&known))
}
