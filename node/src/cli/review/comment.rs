//! `quintes review comment` and `return`: a word among reviewers, or a question that goes back to the submitter.

use crate::cli::date::utc;
use crate::cli::desk::{Desk, FederationOptions, SigningOptions};
use crate::cli::link::{LinkOptions, online};
use crate::cli::speak::{Speak, plain};
use crate::cli::words::Words;
use crate::clock::now;
use crate::review::{examine, is_reviewer, open_questions};
use anyhow::{anyhow, bail};
use protocol::ingress::{Statement, Verified};
use protocol::record::Payload as _;
use protocol::record::comment::{Comment, Readers};
use protocol::record::submission::TaskId;
use protocol::wire::id::StatementId;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What to say.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Without --shared only the reviewers of this TRE read it: it never leaves the TRE. With --shared every member of the federation can read it, and so
can the submitter; nothing of the data belongs into it.

Example:
  quintes review comment 3fa8 \"see row 7\" --output count --key carol --node ./london")]
pub(super) struct CommentArgs {
    /// The beginning of the task's id.
    id: String,
    /// What you say.
    text: String,
    /// The output that it is about; without it the whole task.
    #[arg(long, value_name = "NAME")]
    output: Option<String>,
    /// For every member to read, the submitter among them.
    #[arg(long)]
    shared: bool,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

/// What to ask.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The task stays held, and `quintes status` shows the submitter your question; `quintes answer` brings the answer. Every member of the federation
can read both: nothing of the data belongs into them.

Example:
  quintes review return 3fa8 --output count --question \"which code list is this?\" --key carol --node ./london")]
pub(super) struct ReturnArgs {
    /// The beginning of the task's id.
    id: String,
    /// What you ask.
    #[arg(long, value_name = "TEXT")]
    question: String,
    /// The output that it is about; without it the whole task.
    #[arg(long, value_name = "NAME")]
    output: Option<String>,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

/// A comment before it is one.
struct Draft<'a> {
    id: &'a str,
    text: &'a str,
    output: Option<&'a str>,
    to: Readers,
    question: bool,
}

pub(super) fn comment(args: &CommentArgs, speak: &Speak) -> anyhow::Result<()> {
    let to = if args.shared { Readers::Members } else { Readers::Reviewers };
    let draft = Draft { id: &args.id, text: &args.text, output: args.output.as_deref(), to, question: false };
    run(&draft, &args.link, &args.federation, &args.signing, speak)
}

pub(super) fn ask_back(args: &ReturnArgs, speak: &Speak) -> anyhow::Result<()> {
    let draft = Draft {
        id: &args.id,
        text: &args.question,
        output: args.output.as_deref(),
        to: Readers::Members,
        question: true,
    };
    run(&draft, &args.link, &args.federation, &args.signing, speak)
}

fn run(
    draft: &Draft<'_>,
    link: &LinkOptions,
    federation: &FederationOptions,
    signing: &SigningOptions,
    speak: &Speak,
) -> anyhow::Result<()> {
    let signer = signing.open(speak)?;
    online(async {
        let mut link = link.open(Some(&signing.key)).await?;
        let (review, known) = super::open(&mut link, draft.id, federation).await?;
        let believed = super::believed(&review, &known);
        let examined = examine(review, &believed)?;
        let mut desk = Desk::at(known.now(), &federation.federation, signer, signing.yes, now(), speak);
        let (me, tre, submission) = (desk.me()?, &examined.review.tre, examined.submission.payload());
        if examined.is_submitter(&me.name) {
            bail!("{} submitted this task; speak about it with `quintes answer`", me.name);
        }
        if !is_reviewer(&desk.federation.roster, &me.name, tre, submission, desk.now) {
            bail!("{} reviews nothing at {tre}, so nobody would hear it; ask a root person for a grant", me.name);
        }
        if let Some(output) = draft.output
            && !examined.review.outputs.iter().any(|held| held.name == output)
        {
            let known: Vec<&str> = examined.review.outputs.iter().map(|held| held.name.as_str()).collect();
            bail!("there is no output `{}`; there are {}", plain(output), known.join(", "));
        }
        let comment = Comment {
            task: examined.submission.id(),
            tre: tre.clone(),
            output: draft.output.map(ToOwned::to_owned),
            text: draft.text.to_owned(),
            to: draft.to,
            question: draft.question,
            answers: None,
        };
        let statement = sign(&comment, &mut desk, &me.name)?;
        link.offer(statement.bytes()).await?;
        told(&comment, &statement, speak);
        Ok(())
    })
}

/// Says who will read it, shows it, and signs it.
pub(crate) fn sign(comment: &Comment, desk: &mut Desk<'_>, person: &str) -> anyhow::Result<Statement> {
    let text = comment.text.trim();
    if text.is_empty() {
        return Err(anyhow!("the text is empty; say something"));
    }
    if comment.to == Readers::Members {
        desk.speak.warn("it leaves the TRE at once, unencrypted, for every member of the federation to read; let nothing of the data stand in it");
    }
    let mut words: Words = vec![("task", comment.task.to_string()), ("at", comment.tre.clone())];
    if let Some(output) = &comment.output {
        words.push(("output", output.clone()));
    }
    if let Some(question) = &comment.answers {
        words.push(("answers", format!("the question {}", question.short())));
    }
    words.push((if comment.question { "question" } else { "says" }, comment.text.clone()));
    words.push((
        "read by",
        match comment.to {
            Readers::Reviewers => format!("the reviewers at {} alone", comment.tre),
            Readers::Members => "every member of the federation".to_owned(),
        },
    ));
    desk.sign_unplaced(comment, person, Comment::MAX_LIFETIME_SECONDS, &words)
}

/// Says that the node has it.
pub(crate) fn told(comment: &Comment, statement: &Statement, speak: &Speak) {
    speak.say(match (comment.question, comment.to) {
        (true, _) => "  → the node has it; `quintes status` shows the submitter the question",
        (false, Readers::Members) => "  → the node has it, and every member will",
        (false, Readers::Reviewers) => "  → the node has it; only the reviewers here can read it",
    });
    speak.line(&statement.id().to_string());
    let task: TaskId = comment.task;
    let told: Value = json!({ "task": task, "comment": statement.id(), "tre": comment.tre, "output": comment.output, "shared": comment.to == Readers::Members });
    speak.answer(told);
}

/// A comment for `--json`.
fn entry(one: &Verified<Comment>, open: bool) -> Value {
    let said = one.payload();
    json!({
        "id": one.id(), "by": one.signer().name, "at": one.claims().issued, "tre": said.tre, "output": said.output, "text": said.text,
        "shared": said.to == Readers::Members, "question": said.question, "open": open, "answers": said.answers,
    })
}

/// A comment as a line: who, about what, for whom.
fn line(one: &Verified<Comment>, open: bool) -> Vec<String> {
    let said = one.payload();
    let kind = match (said.question, open, said.answers.is_some(), said.to) {
        (true, true, _, _) => "asks, no answer yet",
        (true, false, _, _) => "asked",
        (false, _, true, _) => "answers",
        (false, _, _, Readers::Members) => "says to every member",
        (false, _, _, Readers::Reviewers) => "says to reviewers",
    };
    vec![
        one.id().short(),
        utc(one.claims().issued),
        said.tre.clone(),
        format!("{} {kind}", one.signer().name),
        said.output.clone().unwrap_or_else(|| "the task".to_owned()),
        plain(&said.text),
    ]
}

/// Comments as a table: ids, when, where, who, about what, and the words. Nothing when there are none.
pub(crate) fn show(comments: &[Verified<Comment>], submitter: &str, speak: &Speak) {
    if comments.is_empty() {
        return;
    }
    let open: BTreeSet<StatementId> = open_questions(comments, submitter).map(Verified::id).collect();
    let rows: Vec<Vec<String>> = comments.iter().map(|one| line(one, open.contains(&one.id()))).collect();
    speak.line("");
    speak.table(&["comment", "when", "TRE", "who", "about", "words"], &rows);
}

/// Comments for `--json`.
pub(crate) fn entries(comments: &[Verified<Comment>], submitter: &str) -> Vec<Value> {
    let open: BTreeSet<StatementId> = open_questions(comments, submitter).map(Verified::id).collect();
    comments.iter().map(|one| entry(one, open.contains(&one.id()))).collect()
}
