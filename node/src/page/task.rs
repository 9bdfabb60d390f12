//! The review of one task: who asks for what, what ran, what would leave, what is risky about it, what others said, and the decision.

use super::Site;
use super::frame::Frame;
use super::guard::Visit;
use super::look::Look;
use super::message::{Trouble, page, refusal};
use super::output::{self, Output};
use super::queue::stands;
use super::reviewer::Reviewer;
use super::text::{Mark, When, counted, lines, phase, shown, thresholds, tier};
use crate::catalogue;
use crate::clock::now;
use crate::door::Review;
use crate::review::words::in_words;
use crate::review::{ExamineError, Examined, examine, grouped, open_questions};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use protocol::audit::Believed;
use protocol::ingress::Verified;
use protocol::lifecycle::Phase;
use protocol::record::attestation::Attestation;
use protocol::record::comment::{Comment, Readers};
use protocol::record::submission::TaskId;
use protocol::wire::id::StatementId;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "task.html")]
struct Task {
    frame: Frame,
    task: String,
    short: String,
    head: Head,
    /// Whether a decision can be made now.
    open: bool,
    /// Where it stands, in words.
    stands: String,
    blocked: Option<String>,
    /// What was just signed and taken.
    signed: bool,
    tabs: Vec<Tab>,
    output: Output,
    asks: Vec<Asked>,
    /// Why this person cannot decide.
    barred: Option<String>,
    /// Why this person cannot comment.
    unheard: Option<String>,
    /// The person's own decision, which counts.
    own: Option<Said>,
    others: Vec<Said>,
    blinded: bool,
    conflict: Vec<String>,
    stale: bool,
    words: Vec<Word>,
    /// Fingerprint of what is on the page, so that a draft is never put beside other outputs.
    draft: String,
}

/// Who asks for what.
struct Head {
    title: String,
    submitter: String,
    organisation: String,
    fingerprint: String,
    project: String,
    version: u64,
    purpose: String,
    component: String,
    digest: String,
    parameters: Vec<(String, Vec<String>)>,
    datasets: String,
    statements: Vec<Vec<String>>,
    log: Vec<String>,
    note: Vec<String>,
    thresholds: Vec<String>,
    commitment: String,
    check_words: String,
    arrived: When,
    phase: &'static str,
}

/// The way to an output.
struct Tab {
    link: String,
    name: String,
    mark: Mark,
    current: bool,
    own: Option<bool>,
}

/// One output in the form for the decision.
struct Asked {
    name: String,
    mark: Mark,
    counts: String,
    tier: &'static str,
    /// `approve`, `reject` or `open`.
    chosen: &'static str,
    reason: String,
}

/// What somebody has decided.
struct Said {
    who: String,
    when: When,
    decisions: Vec<(String, bool, Vec<String>)>,
}

/// A comment.
struct Word {
    who: String,
    mine: bool,
    submitter: bool,
    when: When,
    about: Option<String>,
    text: Vec<String>,
    shared: bool,
    question: bool,
    open: bool,
    answers: Option<String>,
}

#[derive(Template)]
#[template(path = "failed.html")]
struct Failed {
    frame: Frame,
    task: String,
    title: String,
    submitter: String,
    phase: &'static str,
    note: Vec<String>,
}

/// A review that was checked, as its reader may see it.
pub(super) struct Read {
    /// The review.
    pub(super) examined: Examined,
    /// What it was checked by.
    pub(super) believed: Believed,
    /// Who reads.
    pub(super) reviewer: Reviewer,
    /// When.
    pub(super) now: u64,
}

/// What keeps a review from being read.
pub(super) enum Unread {
    /// Nothing is held: the run failed, or was called back.
    Nothing(Box<Review>, Reviewer),
    /// Something is wrong, and is said.
    Trouble(Trouble),
    /// What the node shows does not belong together.
    Wrong(ExamineError),
}

impl From<Trouble> for Unread {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Unread> for Response {
    fn from(unread: Unread) -> Self {
        use axum::response::IntoResponse as _;
        match unread {
            Unread::Nothing(..) => Trouble::Unusable(ExamineError::NothingHeld.to_string()).into_response(),
            Unread::Trouble(trouble) => trouble.into_response(),
            Unread::Wrong(error) => refusal(StatusCode::CONFLICT, "Do not sign this", &error.to_string()),
        }
    }
}

/// Reads and checks a review for whoever sits before this browser.
///
/// # Errors
/// [`Unread`].
pub(super) async fn read(site: &Site, visit: &Visit, task: &str) -> Result<Read, Unread> {
    let task: TaskId = task.parse().map_err(|_| Trouble::Missing("That is no task's id.".to_owned()))?;
    let now = now();
    let (review, believed) = site.source.review(task).await.map_err(Trouble::from)?;
    let reviewer = Reviewer::of(visit.session.key, &believed, now);
    if review.outputs.is_empty() {
        return Err(Unread::Nothing(Box::new(review), reviewer));
    }
    let examined = examine(review, &believed).map_err(Unread::Wrong)?.blind(reviewer.name());
    Ok(Read { examined, believed, reviewer, now })
}

/// Shows a task.
///
/// # Errors
/// When there is none, the node does not answer, or what it shows does not belong together.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(visit): Extension<Visit>,
    Path(task): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    match read(&site, &visit, &task).await {
        Ok(read) => render(&site, &visit, &read, &query).await,
        Err(Unread::Nothing(review, reviewer)) => {
            let frame = Frame::new(&site, &visit, &reviewer, "");
            page(
                StatusCode::OK,
                &Failed {
                    frame,
                    task: review.waiting.task.to_string(),
                    title: shown(&review.waiting.title),
                    submitter: review.waiting.submitter.clone(),
                    phase: phase(review.waiting.phase),
                    note: lines(review.note.as_deref().unwrap_or_default()),
                },
            )
        }
        Err(unread) => unread.into(),
    }
}

async fn render(site: &Site, visit: &Visit, read: &Read, query: &str) -> Response {
    let Read { examined, believed, reviewer, now } = read;
    let look = Look::read(query);
    let me = reviewer.name();
    let outputs = &examined.review.outputs;
    let Some(first) = outputs.first() else {
        return refusal(StatusCode::NOT_FOUND, "There is nothing here", &ExamineError::NothingHeld.to_string());
    };
    let chosen = match &look.output {
        Some(name) => match outputs.iter().find(|output| output.name == *name) {
            Some(output) => output,
            None => return refusal(StatusCode::NOT_FOUND, "There is nothing here", "The task has no such output."),
        },
        None => first,
    };
    let own = me.and_then(|me| examined.standing(me));
    let decided = |name: &str| own.and_then(|one| one.payload().decisions.get(name));
    let waiting = &examined.review.waiting;
    let signed = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "signed")
        .and_then(|(_, id)| id.parse::<StatementId>().ok())
        .is_some_and(|id| {
            examined.attestations.iter().any(|one| one.id() == id) || examined.comments.iter().any(|one| one.id() == id)
        });
    let template = Task {
        frame: Frame::new(site, visit, reviewer, ""),
        task: waiting.task.to_string(),
        short: waiting.task.short(),
        head: head(examined, *now),
        open: waiting.phase == Phase::Held,
        stands: stands(waiting),
        blocked: waiting.blocked.as_deref().map(shown),
        signed,
        tabs: outputs
            .iter()
            .map(|output| Tab {
                link: Look { output: Some(output.name.clone()), ..Look::default() }.link("output"),
                name: output.name.clone(),
                mark: output.report.verdict.into(),
                current: output.name == chosen.name,
                own: decided(&output.name).map(|decision| decision.approve),
            })
            .collect(),
        output: output::look_at(examined, chosen, &look, &site.source, *now).await,
        asks: outputs
            .iter()
            .map(|output| Asked {
                name: output.name.clone(),
                mark: output.report.verdict.into(),
                counts: output::counts(&output.report),
                tier: tier(output.report.tier).0,
                chosen: decided(&output.name).map_or("open", |one| if one.approve { "approve" } else { "reject" }),
                reason: decided(&output.name).map(|one| one.reason.clone()).unwrap_or_default(),
            })
            .collect(),
        barred: reviewer.may_decide(examined, believed, *now).err(),
        unheard: reviewer.may_comment(examined, believed, *now).err(),
        own: own.filter(|one| !one.payload().decisions.is_empty()).map(|one| said(one, *now)),
        others: others(examined, me, *now),
        blinded: examined.blinded,
        conflict: waiting.conflict.clone(),
        stale: me.is_some_and(|me| waiting.stale.iter().any(|of| of == me)),
        words: words(examined, me, *now),
        draft: format!("{}-{}", waiting.task, examined.commitment),
    };
    page(StatusCode::OK, &template)
}

fn head(examined: &Examined, now: u64) -> Head {
    let (said, signer) = (examined.submission.payload(), examined.submission.signer());
    let review = &examined.review;
    let named = examined.project.components.iter().find(|one| one.digest == said.component);
    let named =
        named.map(|one| one.name.as_str()).or_else(|| catalogue::with_digest(&said.component).map(|ours| ours.name));
    Head {
        title: if said.title.trim().is_empty() { "(no title)".to_owned() } else { shown(&said.title) },
        submitter: signer.name.clone(),
        organisation: shown(&signer.organisation),
        fingerprint: signer.key.fingerprint(),
        project: examined.project.name.clone(),
        version: examined.project.version,
        purpose: shown(&examined.project.title),
        component: named.unwrap_or("(the project gives it no name)").to_owned(),
        digest: grouped(&said.component.to_string()),
        parameters: said.parameters.iter().map(|(name, text)| (name.clone(), lines(text))).collect(),
        datasets: said.datasets.join(", "),
        statements: review.context.0.statements.iter().map(|sql| lines(sql)).collect(),
        log: review.context.0.log.iter().flat_map(|line| lines(line)).collect(),
        note: lines(review.note.as_deref().unwrap_or_default()),
        thresholds: thresholds(&examined.project),
        commitment: grouped(&examined.commitment.to_string()),
        check_words: in_words(&examined.commitment),
        arrived: When::at(review.waiting.received, now),
        phase: phase(review.waiting.phase),
    }
}

/// A decision with its reasons.
fn said(one: &Verified<Attestation>, now: u64) -> Said {
    let decisions = one.payload().decisions.iter();
    Said {
        who: one.signer().name.clone(),
        when: When::at(one.claims().issued, now),
        decisions: decisions
            .map(|(name, decision)| (name.clone(), decision.approve, lines(&decision.reason)))
            .collect(),
    }
}

/// What others have decided and not taken back, as far as it is to be seen.
fn others(examined: &Examined, me: Option<&str>, now: u64) -> Vec<Said> {
    let mut persons: Vec<&str> = examined.attestations.iter().map(|one| one.signer().name.as_str()).collect();
    persons.sort_unstable();
    persons.dedup();
    let standing = persons.into_iter().filter(|person| Some(*person) != me).flat_map(|person| examined.heads(person));
    standing.filter(|one| !one.payload().decisions.is_empty()).map(|one| said(one, now)).collect()
}

fn words(examined: &Examined, me: Option<&str>, now: u64) -> Vec<Word> {
    let submitter = examined.submission.signer().name.as_str();
    let open: Vec<StatementId> = open_questions(&examined.comments, submitter).map(Verified::id).collect();
    let word = |one: &Verified<Comment>| {
        let said = one.payload();
        let asked = said.answers.and_then(|id| examined.comments.iter().find(|other| other.id() == id));
        Word {
            who: one.signer().name.clone(),
            mine: Some(one.signer().name.as_str()) == me,
            submitter: one.signer().name == submitter,
            when: When::at(one.claims().issued, now),
            about: said.output.clone(),
            text: lines(&said.text),
            shared: said.to == Readers::Members,
            question: said.question,
            open: open.contains(&one.id()),
            answers: asked.map(|asked| asked.signer().name.clone()),
        }
    };
    examined.comments.iter().map(word).collect()
}

impl Task {
    /// How many outputs there are, in words.
    fn outputs(&self) -> String {
        counted(u64::try_from(self.tabs.len()).unwrap_or(u64::MAX), "output")
    }
}
