//! Tasks as people follow them: found by the beginning of their id, told TRE by TRE in words, watched until every TRE has ended.

use crate::cli::link::{Known, Link};
use crate::cli::review::comment;
use crate::cli::speak::{AlreadySaid, Speak, plain};
use crate::review::{comments, open_questions};
use anyhow::bail;
use indicatif::ProgressBar;
use protocol::audit::Believed;
use protocol::ingress::{Statement, Verified};
use protocol::lifecycle::Phase;
use protocol::record::comment::Comment;
use protocol::record::release::Release;
use protocol::record::submission::{Submission, TaskId};
use protocol::record::{Kind, phase};
use sandbox::run::FailureKind;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often a node is asked while somebody waits.
const POLL: Duration = Duration::from_millis(300);

/// How often the federation is asked for while statements come that nobody here can place.
const AGAIN: Duration = Duration::from_secs(2);

/// Where a task stands at one TRE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Its last word; none when it has said nothing.
    pub(crate) said: Option<phase::Phase>,
    /// What it released.
    pub(crate) release: Option<Release>,
    /// Whether a reviewer there waits for an answer.
    pub(crate) asked: bool,
}

/// A task and where it stands.
pub(crate) struct Followed {
    pub(crate) submission: Verified<Submission>,
    /// Every TRE that was asked.
    pub(crate) tres: BTreeMap<String, Standing>,
    /// What was said about it, as far as it is for every member.
    pub(crate) comments: Vec<Verified<Comment>>,
}

impl Standing {
    /// The phase, as far as it is known.
    pub(crate) fn phase(&self) -> Option<Phase> {
        if self.release.is_some() { Some(Phase::Released) } else { self.said.as_ref().map(|said| said.phase) }
    }

    /// Whether nothing further will come.
    pub(crate) fn has_ended(&self) -> bool {
        match self.phase() {
            // The word comes before the statement by which it can be fetched.
            Some(Phase::Released) => self.release.is_some(),
            phase => phase.is_some_and(Phase::is_terminal),
        }
    }

    /// In a sentence, with the code where there is one.
    pub(crate) fn words(&self) -> String {
        let code = || self.said.as_ref().and_then(|said| said.failure.clone()).unwrap_or_default();
        match self.phase() {
            None => "no word from it yet".to_owned(),
            Some(Phase::Received) => "has it, and decides".to_owned(),
            Some(Phase::Refused) => match self.said.as_ref().and_then(|said| said.refusal) {
                Some(refusal) => format!("refused: {refusal} [{}]", refusal.code()),
                None => "refused".to_owned(),
            },
            Some(Phase::Admitted) => "admitted; waits for its turn".to_owned(),
            Some(Phase::Running) => "the component runs".to_owned(),
            Some(Phase::Failed) => format!("failed: {} [{}]", failure(&code()), plain(&code())),
            Some(Phase::Held) if self.asked => {
                "outputs are held; a reviewer asks something: answer with `quintes answer`".to_owned()
            }
            Some(Phase::Held) => "outputs are held; they wait for review".to_owned(),
            Some(Phase::Withheld) => "withheld: the data owners let nothing out".to_owned(),
            Some(Phase::Released) => match &self.release {
                Some(release) => {
                    format!("released: {} ({} bytes)", release.outputs.join(", "), release.ciphertext_bytes)
                }
                None => "released; the release is on its way".to_owned(),
            },
            Some(Phase::Cancelled) => "called back".to_owned(),
        }
    }

    fn told(&self) -> Value {
        json!({
            "phase": self.phase().map(Phase::name),
            "words": self.words(),
            "refusal": self.said.as_ref().and_then(|said| said.refusal),
            "failure": self.said.as_ref().and_then(|said| said.failure.clone()),
            "outputs": self.release.as_ref().map(|release| release.outputs.clone()),
            "bytes": self.release.as_ref().map(|release| release.ciphertext_bytes),
            "asked": self.asked,
        })
    }
}

/// A failure's code as a sentence.
fn failure(code: &str) -> String {
    if let Some(kind) = FailureKind::ALL.into_iter().find(|kind| kind.code() == code) {
        return kind.to_string();
    }
    match code {
        "no-outputs" => "the component wrote none of its declared outputs",
        "output-undeclared" => "the component wrote an output that was not declared; declare it with --output",
        "output-form" => "an output has no canonical form; the data owner can read why",
        "output-refused" => "an output is refused outright by its size or number; hand over a summary",
        _ => "the TRE gives a code that this program does not know",
    }
    .to_owned()
}

impl Followed {
    /// Out of everything that is believed; none when the submission is not among it.
    pub(crate) fn of(task: TaskId, believed: &Believed) -> Option<Self> {
        let submission = believed.statements.iter().find_map(|statement| match statement {
            Statement::Submission(one) if one.id() == task => Some(one.clone()),
            _ => None,
        })?;
        let mut tres: BTreeMap<String, Standing> =
            submission.payload().audience.iter().map(|tre| (tre.clone(), Standing::default())).collect();
        for statement in &believed.statements {
            match statement {
                Statement::Phase(one) if one.payload().task == task => {
                    let said = one.payload();
                    if let Some(standing) = tres.get_mut(&said.tre)
                        && standing.said.as_ref().is_none_or(|known| known.phase.rank() < said.phase.rank())
                    {
                        standing.said = Some(said.clone());
                    }
                }
                Statement::Release(one) if one.payload().task == task => {
                    if let Some(standing) = tres.get_mut(&one.payload().tre) {
                        standing.release = Some(one.payload().clone());
                    }
                }
                _ => {}
            }
        }
        let comments = comments(believed, &submission, None);
        for question in open_questions(&comments, &submission.signer().name) {
            if let Some(standing) = tres.get_mut(&question.payload().tre) {
                standing.asked = true;
            }
        }
        Some(Self { submission, tres, comments })
    }

    /// Whether nothing further will come from any TRE.
    pub(crate) fn has_ended(&self) -> bool {
        self.tres.values().all(Standing::has_ended)
    }

    /// How many TREs released something.
    pub(crate) fn released(&self) -> usize {
        self.tres.values().filter(|standing| standing.release.is_some()).count()
    }

    /// For `--json`.
    pub(crate) fn told(&self) -> Value {
        let said = self.submission.payload();
        let tres: BTreeMap<&String, Value> = self.tres.iter().map(|(tre, standing)| (tre, standing.told())).collect();
        json!({
            "task": self.submission.id(), "title": said.title, "project": said.project, "submitter": self.submission.signer().name,
            "submitted": self.submission.claims().issued, "expires": self.submission.claims().expires, "ended": self.has_ended(), "tres": tres,
            "comments": comment::entries(&self.comments, &self.submission.signer().name),
        })
    }

    /// A line for each TRE, as data.
    pub(crate) fn show(&self, speak: &Speak) {
        let rows: Vec<Vec<String>> =
            self.tres.iter().map(|(tre, standing)| vec![tre.clone(), standing.words()]).collect();
        speak.table(&["TRE", "state"], &rows);
        comment::show(&self.comments, &self.submission.signer().name, speak);
    }
}

/// The one task whose id begins with `prefix`.
///
/// # Errors
/// When none does, or several do.
pub(crate) async fn find(link: &mut Link, prefix: &str) -> anyhow::Result<TaskId> {
    let prefix = prefix.to_ascii_lowercase();
    if let Ok(task) = prefix.parse() {
        return Ok(task);
    }
    if prefix.is_empty() || prefix.len() > 64 || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        bail!("`{}` is not the beginning of a task's id; see `quintes status` for the ids", plain(&prefix));
    }
    let ids = link.inventory(&[Kind::Submission]).await?;
    let found: Vec<TaskId> = ids.into_iter().filter(|id| id.to_string().starts_with(&prefix)).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => bail!("the node knows no task whose id begins with {prefix}; see `quintes status`, or ask another node"),
        several => {
            let ids: Vec<String> = several.iter().take(8).map(TaskId::short).collect();
            bail!("{} tasks begin with {prefix} ({}); give more digits", several.len(), ids.join(", "))
        }
    }
}

/// Everything that the node tells about a task, verified.
///
/// # Errors
/// When the node does not know it, or its submission does not verify.
pub(crate) async fn follow(link: &mut Link, known: &Known, task: TaskId) -> anyhow::Result<(Followed, Believed)> {
    let Some(about) = link.about(task).await? else {
        bail!("the node does not know the task {}; see `quintes status`, or ask another node", task.short());
    };
    let believed = known.with(&about);
    match Followed::of(task, &believed) {
        Some(followed) => Ok((followed, believed)),
        None => {
            let why = believed.refused.iter().find(|(id, _)| *id == task).map(|(_, verdict)| verdict.to_string());
            bail!(
                "the submission of the task {} is not believed: {}",
                task.short(),
                why.unwrap_or_else(|| "the node did not give it".to_owned())
            )
        }
    }
}

/// Watches a task until every TRE has ended or the time is over, whichever comes first. On a terminal each TRE has a line that moves;
/// elsewhere each change is a line.
///
/// # Errors
/// When the conversation breaks.
pub(crate) async fn watch(
    link: &mut Link,
    known: &mut Known,
    task: TaskId,
    timeout: Option<Duration>,
    speak: &Speak,
) -> anyhow::Result<Followed> {
    let (begun, mut refreshed) = (Instant::now(), Instant::now());
    let (mut followed, mut believed) = follow(link, known, task).await?;
    let several = speak.several();
    let mut lines: BTreeMap<String, (ProgressBar, Option<Standing>)> = BTreeMap::new();
    for tre in followed.tres.keys() {
        let line = several.add(speak.progress(None));
        line.enable_steady_tick(Duration::from_millis(120));
        lines.insert(tre.clone(), (line, None));
    }
    loop {
        for (tre, standing) in &followed.tres {
            let Some((line, shown)) = lines.get_mut(tre) else { continue };
            if shown.as_ref() == Some(standing) {
                continue;
            }
            let text = format!("{tre}: {}", standing.words());
            if standing.has_ended() {
                line.finish_with_message(text.clone());
            } else {
                line.set_message(text.clone());
            }
            if !speak.is_watched() {
                speak.say(&text);
            }
            *shown = Some(standing.clone());
        }
        let over = timeout.is_some_and(|timeout| begun.elapsed() >= timeout);
        if followed.has_ended() || over {
            for (line, _) in lines.values().filter(|(line, _)| !line.is_finished()) {
                line.abandon();
            }
            return Ok(followed);
        }
        tokio::time::sleep(POLL).await;
        let about = link.about(task).await?.unwrap_or_default();
        let mut strangers = 0_usize;
        for bytes in &about {
            strangers += usize::from(believed.learn(bytes).is_err());
        }
        if strangers > 0 && refreshed.elapsed() >= AGAIN {
            // Somebody may have been enrolled since.
            refreshed = Instant::now();
            known.refresh(link).await?;
            believed = known.with(&about);
        }
        if let Some(now) = Followed::of(task, &believed) {
            followed = now;
        }
    }
}

/// Shows how it ended for somebody who has waited.
///
/// # Errors
/// When it has not, or nothing was released: that is the exit code.
pub(crate) fn conclude(followed: &Followed, speak: &Speak) -> anyhow::Result<()> {
    followed.show(speak);
    let mut told = followed.told();
    let outcome = outcome(followed);
    if let Err(error) = &outcome {
        told["ok"] = json!(false);
        told["error"] = json!(error.to_string());
    }
    speak.answer(told);
    match outcome {
        Err(error) if speak.is_json() => {
            speak.say(&error.to_string());
            Err(AlreadySaid.into())
        }
        outcome => outcome,
    }
}

fn outcome(followed: &Followed) -> anyhow::Result<()> {
    let id = followed.submission.id().short();
    if !followed.has_ended() {
        let open: Vec<&str> =
            followed.tres.iter().filter(|(_, standing)| !standing.has_ended()).map(|(tre, _)| tre.as_str()).collect();
        bail!(
            "the time is over and {} have not ended; the task goes on: see `quintes status {id} --watch`",
            open.join(", ")
        );
    }
    if followed.released() == 0 {
        let said: Vec<String> =
            followed.tres.iter().map(|(tre, standing)| format!("{tre}: {}", standing.words())).collect();
        bail!("no TRE released anything ({}); do what these sentences say and submit again", said.join("; "));
    }
    Ok(())
}
