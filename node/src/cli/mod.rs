//! The command line: one verb a file, options that verbs share, and the one edge at which errors become text and an exit code.
//!
//! | file | what lives there |
//! |---|---|
//! | `speak` | the one place that prints |
//! | `desk` | the federation's folder, the signer, and the way from words to a signed file |
//! | `words` | what a statement says, in words |
//! | `passphrase`, `date` | secrets from a terminal or a file; times as people read them |
//! | `key` | `quintes key`: keys of a person |
//! | `network` | `quintes network`: the federation's statements |
//! | `project` | `quintes project`: projects |
//! | `node_init`, `node_check`, `node_run` | `quintes node`: a node's folder, what is wrong with it, and running it |
//! | `node_health` | `quintes node health`: how a running node is |
//! | `node_doctor`, `peers` | `quintes node doctor`, `quintes peers`: a node's place among the others, and what is wrong with it |
//! | `catalogue` | `quintes catalogue`: datasets, their schemas, components |
//! | `template` | `quintes new`: an analysis to begin with |
//! | `trial` | `quintes try`: a component on its author's machine |
//! | `link`, `tasks` | the way to a node; tasks as people follow them |
//! | `submit`, `status`, `answer`, `cancel` | a task: handed over, followed, spoken about, called back |
//! | `review` | `quintes review`: what waits for a data owner, and the decision |
//! | `fetch`, `verify`, `aggregate` | what was released: brought here, checked offline, merged |
//! | `replay` | `quintes replay`: a held task run again, and compared |
//! | `regress` | `quintes regress`: a model that is fitted in rounds |
//! | `standing` | `quintes standing`: what leaves without a person |
//! | `audit` | `quintes audit`: a TRE's log, checked, recovered, compared |
//! | `dataset` | `quintes dataset`: what a dataset exposes, and what makes it unsafe |
//! | `completion` | `quintes completion`: for shells |

mod aggregate;
mod answer;
mod audit;
mod cancel;
mod catalogue;
mod chain;
mod completion;
mod dataset;
pub(crate) mod date;
mod desk;
mod fetch;
mod key;
mod link;
mod network;
mod node;
mod node_check;
mod node_doctor;
mod node_health;
mod node_init;
mod node_run;
mod passphrase;
mod peers;
mod project;
mod regress;
mod replay;
mod review;
pub(crate) mod speak;
mod standing;
mod status;
mod submit;
mod tasks;
mod template;
mod trial;
mod verify;
mod words;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;

use clap::{CommandFactory as _, FromArgMatches as _};
use sandbox::worker;
use speak::Speak;
use std::ffi::OsString;
use std::process::ExitCode;

/// Done.
const DONE: u8 = 0;
/// Refused or failed.
const FAILED: u8 = 1;
/// The command line itself is wrong.
const USAGE: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  quintes key new alice --organisation \"Hospital A\"
  quintes network init heart --person alice --organisation \"Hospital A\" --key alice
  quintes network enrol bob.request --key alice
  quintes network grant bob --role data-owner --tre london --key alice
  quintes project new stroke --title \"Stroke after discharge\" --tre london --dataset omop --admin bob --key bob
  quintes node init ./london --name london --kind tre --organisation \"Hospital A\"
  quintes node check --config ./london/node.toml
  quintes dataset check --config ./london/node.toml
  quintes submit --component statistics --project stroke --all-tres --param table=person --param analysis=count --key bob --wait
  quintes review approve 3fa8 --reason \"counts over 10\" --key carol --node ./london
  quintes fetch 3fa8 --key bob --out stroke
  quintes aggregate stroke

Data goes to stdout and talk to stderr. Exit code 0: done; 1: refused or failed; 2: wrong usage.";

/// Run reviewed questions over data that never leaves its Trusted Research Environment.
#[derive(Debug, clap::Parser)]
#[command(name = "quintes", version, after_long_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    /// Print data as one JSON object; errors too, as {"ok": false, "error": …}.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// Every verb, or family of verbs.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make and show your keys.
    Key(key::Args),
    /// Found a federation, enrol its members, grant and revoke.
    Network(network::Args),
    /// Make, sign and show projects.
    Project(project::Args),
    /// Set up a node and check it.
    Node(node::Args),
    /// Show with whom a node is connected, and how well.
    Peers(peers::Args),
    /// Show what TREs say of their datasets, and which components a project allows.
    Catalogue(catalogue::Args),
    /// Begin an analysis in your language: a whole example, and the commands that build it.
    New(template::Args),
    /// Try a component on this machine, and see what a reviewer would see.
    Try(Box<trial::Args>),
    /// Say what a dataset exposes, and what makes it unsafe.
    Dataset(dataset::Args),
    /// Submit a task to the TREs of a project.
    Submit(Box<submit::Args>),
    /// Show tasks, and where each stands at every TRE.
    Status(status::Args),
    /// Answer a reviewer's question about your task.
    Answer(answer::Args),
    /// Call a task back.
    Cancel(cancel::Args),
    /// Decide as a data owner what may leave.
    Review(review::Args),
    /// Fetch, decrypt and check what was released.
    Fetch(fetch::Args),
    /// Check a fetched folder offline, from the root to the last byte.
    Verify(verify::Args),
    /// Merge the parts of all TREs into one result.
    Aggregate(aggregate::Args),
    /// Fit a logistic or Poisson model: show it so far, and ask for the next round.
    Regress(Box<regress::Args>),
    /// Let a component's outputs leave without a person while every rule passes; show that, and withdraw it.
    Standing(standing::Args),
    /// Run a held task again at its TRE, and compare every bit.
    Replay(replay::Args),
    /// Check a TRE's log, recover it after a loss, and find who told two stories.
    Audit(audit::Args),
    /// Print a shell's completion script.
    Completion(completion::Args),
}

impl Command {
    fn run(self, speak: &Speak) -> anyhow::Result<()> {
        match self {
            Self::Key(args) => key::run(args, speak),
            Self::Network(args) => network::run(args, speak),
            Self::Project(args) => project::run(args, speak),
            Self::Node(args) => node::run(args, speak),
            Self::Peers(args) => peers::run(&args, speak),
            Self::Catalogue(args) => catalogue::run(&args, speak),
            Self::New(args) => template::run(&args, speak),
            Self::Try(args) => trial::run(&args, speak),
            Self::Dataset(args) => dataset::run(&args, speak),
            Self::Submit(args) => submit::run(&args, speak),
            Self::Status(args) => status::run(&args, speak),
            Self::Answer(args) => answer::run(&args, speak),
            Self::Cancel(args) => cancel::run(&args, speak),
            Self::Review(args) => review::run(args, speak),
            Self::Fetch(args) => fetch::run(&args, speak),
            Self::Verify(args) => verify::run(&args, speak),
            Self::Aggregate(args) => aggregate::run(&args, speak),
            Self::Regress(args) => regress::run(&args, speak),
            Self::Standing(args) => standing::run(args, speak),
            Self::Replay(args) => replay::run(&args, speak),
            Self::Audit(args) => audit::run(args, speak),
            Self::Completion(args) => completion::run(&args, speak),
        }
    }
}

/// The program that is a confined worker: this one.
#[cfg(not(test))]
pub(crate) fn worker_program() -> std::io::Result<sandbox::engine::Program> {
    sandbox::engine::Program::this()
}

/// The program that is a confined worker: these tests' own.
#[cfg(test)]
pub(crate) fn worker_program() -> std::io::Result<sandbox::engine::Program> {
    Ok(tests::worker::program())
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    run_from(std::env::args_os())
}

/// Runs a command line as `quintes`; the first argument is the program's name. Prints to this process's stdout and stderr.
///
/// A hidden verb makes the process a confined worker, which a node starts.
pub fn run_from(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    if worker::is_worker(args.iter()) {
        return worker::main();
    }
    let args = args.into_iter();
    ExitCode::from(run_with(args.collect(), Speak::standard))
}

/// Runs a command line with the given voice.
fn run_with(args: Vec<OsString>, voice: impl FnOnce(bool) -> Speak) -> u8 {
    let wants_json = args.iter().any(|arg| arg == "--json");
    let parsed = Cli::command().try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => {
            let speak = voice(cli.json);
            match cli.command.run(&speak) {
                Ok(()) => DONE,
                Err(error) => {
                    speak.error(&error);
                    FAILED
                }
            }
        }
        Err(error) => usage(&error, &voice(wants_json)),
    }
}

/// What clap has to say: help and version are data and a success, everything else is talk and a failure.
fn usage(error: &clap::Error, speak: &Speak) -> u8 {
    let text = if speak.is_interactive() { error.render().ansi().to_string() } else { error.render().to_string() };
    if !error.use_stderr() {
        // Help was asked for, with or without --json.
        speak.text(text.trim_end());
        return DONE;
    }
    let first = error.render().to_string();
    let first = first.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    speak.answer(serde_json::json!({ "ok": false, "error": first.trim_start_matches("error: ") }));
    speak.say(text.trim_end());
    USAGE
}
