//! `quintes cancel`: calls a task back; the TREs stop what runs.

use crate::cli::chain::Chain;
use crate::cli::desk::{Desk, FederationOptions, SigningOptions};
use crate::cli::link::{LinkOptions, online};
use crate::cli::speak::{Speak, plain};
use crate::cli::tasks;
use crate::clock::now;
use anyhow::bail;
use protocol::record::Payload as _;
use protocol::record::cancellation::Cancellation;
use serde_json::json;

/// What to call back.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The submitter calls a task back everywhere, a data owner at the own TREs. What was released stays released.

Example:
  quintes cancel 3fa8 --reason \"wrong cohort\" --key bob --node ./london")]
pub(crate) struct Args {
    /// The beginning of the task's id.
    id: String,
    /// Why, for people.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

/// Calls the task back.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let signer = args.signing.open(speak)?;
    online(async {
        let mut link = args.link.open(Some(&args.signing.key)).await?;
        let task = tasks::find(&mut link, &args.id).await?;
        let known = link.known(&args.federation).await?;
        let (followed, _) = tasks::follow(&mut link, &known, task).await?;
        let now = now();
        let mut desk = Desk::at(known.now(), &args.federation.federation, signer, args.signing.yes, now, speak);
        let me = desk.me()?;
        let submitter = &followed.submission.signer().name;
        let own: Vec<&str> = followed
            .tres
            .keys()
            .filter(|tre| *submitter == me.name || desk.federation.roster.is_data_owner(&me.name, tre, now))
            .map(String::as_str)
            .collect();
        if own.is_empty() {
            bail!(
                "{} can call back neither this task nor its part at a TRE; ask {submitter}, who submitted it",
                me.name
            );
        }
        let open: Vec<&str> = own.iter().filter(|tre| !followed.tres[**tre].has_ended()).copied().collect();
        if open.is_empty() {
            bail!("there is nothing to call back: the task has ended at {}", own.join(", "));
        }
        let cancellation = Cancellation { task, reason: args.reason.clone() };
        let said = followed.submission.payload();
        let words = vec![
            ("calls back", format!("{} `{}` in {}, by {submitter}", task.short(), plain(&said.title), said.project)),
            ("at", open.join(", ")),
            ("reason", args.reason.clone()),
        ];
        let mut chain = Chain::open(&args.signing.key, &desk.key(), desk.federation.roster.network())?;
        let lifetime = Cancellation::MAX_LIFETIME_SECONDS;
        let statement = desk.sign_at(&cancellation, &me.name, lifetime, &words, Some(chain.next()))?;
        chain.hand_in(statement.bytes(), &mut link).await?;
        speak.say(&format!(
            "  → called back at {}; `quintes status {}` shows when each TRE has stopped",
            open.join(", "),
            task.short()
        ));
        speak.line(&statement.id().to_string());
        speak.answer(json!({ "task": task, "cancellation": statement.id(), "tres": open }));
        Ok(())
    })
}
