//! `quintes replay`: runs a held task once more at its TRE and compares, bit for bit.

use crate::cli::link::{LinkOptions, online};
use crate::cli::speak::{AlreadySaid, Speak};
use crate::cli::tasks;
use crate::door::{Answer, Ask};
use anyhow::bail;
use serde_json::json;

/// Which task.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The TRE's own node runs the task again, over its data as it is now, and keeps nothing of it. Exit code 1 when an output differs.

Example:
  quintes replay 3fa8 --node ./london")]
pub(crate) struct Args {
    /// The beginning of the task's id.
    id: String,
    #[command(flatten)]
    link: LinkOptions,
}

/// Runs it again.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    online(async {
        let mut link = args.link.open(None).await?;
        let task = tasks::find(&mut link, &args.id).await?;
        let replayed = match link.ask_at_door(&Ask::Replay(task)).await? {
            Answer::Replayed(replayed) => replayed,
            _ => bail!("the node answered another question; are both programs of the same version?"),
        };
        for (name, same) in &replayed.outputs {
            speak.line(&format!("{name}: {}", if *same { "the same" } else { "differs" }));
        }
        for dataset in &replayed.changed {
            speak.say(&format!("the dataset {dataset} has changed since the task ran"));
        }
        speak.answer(json!({ "ok": replayed.same, "outputs": replayed.outputs, "changed": replayed.changed }));
        if replayed.same {
            speak.say("the commitment is the same: these are the outputs that wait for review");
            return Ok(());
        }
        speak.say(if replayed.changed.is_empty() {
            "the commitment differs over the same data: ask the component's author, and do not approve what you cannot explain"
        } else {
            "the commitment differs, as it may when the data has changed"
        });
        Err(AlreadySaid.into())
    })
}
