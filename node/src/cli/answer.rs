//! `quintes answer`: the submitter answers a reviewer's question.

use crate::cli::desk::{Desk, FederationOptions, SigningOptions};
use crate::cli::link::{LinkOptions, online};
use crate::cli::review::comment::{sign, told};
use crate::cli::speak::{Speak, plain};
use crate::cli::tasks;
use crate::clock::now;
use crate::review::open_questions;
use anyhow::bail;
use protocol::ingress::Verified;
use protocol::record::comment::{Comment, Readers};

/// What to answer.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
`quintes status ID` shows the questions. Every member of the federation can read them and the answers.

Example:
  quintes answer 3fa8 --tre london \"SNOMED, version of March\" --key bob --node /ip4/192.0.2.7/tcp/4001/p2p/12D3Koo…")]
pub(crate) struct Args {
    /// The beginning of the task's id.
    id: String,
    /// What you answer.
    text: String,
    /// The TRE whose reviewer asks.
    #[arg(long)]
    tre: String,
    /// The beginning of the question's id, when several are open there.
    #[arg(long, value_name = "ID")]
    question: Option<String>,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

/// Answers.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let signer = args.signing.open(speak)?;
    online(async {
        let mut link = args.link.open(Some(&args.signing.key)).await?;
        let task = tasks::find(&mut link, &args.id).await?;
        let known = link.known(&args.federation).await?;
        let (followed, _) = tasks::follow(&mut link, &known, task).await?;
        let mut desk = Desk::at(known.now(), &args.federation.federation, signer, args.signing.yes, now(), speak);
        let me = desk.me()?;
        let submitter = &followed.submission.signer().name;
        if me.name != *submitter {
            bail!("{submitter} submitted this task and answers for it; {} cannot", me.name);
        }
        let question = open_question(args, &followed)?;
        let comment = Comment {
            task,
            tre: args.tre.clone(),
            output: question.payload().output.clone(),
            text: args.text.clone(),
            to: Readers::Members,
            question: false,
            answers: Some(question.id()),
        };
        speak.say(&format!("{} asked: {}", question.signer().name, plain(&question.payload().text)));
        let statement = sign(&comment, &mut desk, &me.name)?;
        link.offer(statement.bytes()).await?;
        told(&comment, &statement, speak);
        Ok(())
    })
}

/// The one open question that is meant.
fn open_question<'a>(args: &Args, followed: &'a tasks::Followed) -> anyhow::Result<&'a Verified<Comment>> {
    let submitter = &followed.submission.signer().name;
    let at_tre = |one: &&Verified<Comment>| one.payload().tre == args.tre;
    let open: Vec<_> = open_questions(&followed.comments, submitter).filter(at_tre).collect();
    let meant: Vec<_> = match &args.question {
        Some(prefix) => open.iter().filter(|one| one.id().to_string().starts_with(prefix.as_str())).copied().collect(),
        None => open.clone(),
    };
    match meant.as_slice() {
        [one] => Ok(one),
        [] => bail!("no such question is open at {}; see `quintes status {}`", plain(&args.tre), args.id),
        several => {
            let ids: Vec<String> = several.iter().map(|one| one.id().short()).collect();
            bail!(
                "{} questions are open at {}; name one with --question: {}",
                several.len(),
                plain(&args.tre),
                ids.join(", ")
            )
        }
    }
}
