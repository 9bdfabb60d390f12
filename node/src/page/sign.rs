//! What the browser signs: shown in words first, built and signed by the script in the browser, and handed to the node as it came.
//!
//! The page never builds what is signed. It gives the browser the held bytes, and what the statement has to name; the script hashes the bytes,
//! compares, and takes decisions and reasons from what stands on the screen.

use super::Site;
use super::frame::Frame;
use super::guard::Visit;
use super::message::{Trouble, page};
use super::output::counts;
use super::task::{Read, read};
use super::text::{Mark, When, is_plain, shown};
use crate::review::words::in_words;
use crate::review::{Choice, DecisionError, grouped};
use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use protocol::ingress::Verified;
use protocol::record::attestation::{Attestation, Decision};
use protocol::record::comment::{Comment, Readers};
use protocol::record::{Kind, Payload};
use protocol::safes::outputs::{HeldOutput, encode_schema, summarise};
use protocol::wire::envelope::Signed;
use protocol::wire::id::StatementId;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "sign.html")]
struct Sign {
    frame: Frame,
    task: String,
    title: String,
    submitter: String,
    project: String,
    person: String,
    fingerprint: String,
    /// `decide`, `withdraw` or `comment`.
    kind: &'static str,
    /// What the button says.
    button: &'static str,
    decisions: Vec<Decided>,
    left_open: Vec<String>,
    comment: Option<Said>,
    /// When the decision was made that this one replaces.
    instead: Option<When>,
    checks: String,
    check_words: String,
    commitment: String,
    /// What the statement will name: the script refuses when the node says otherwise by then.
    named: Named,
    command: String,
}

struct Decided {
    name: String,
    approve: bool,
    reason: String,
    mark: Mark,
    counts: String,
    size: usize,
}

struct Said {
    text: String,
    output: Option<String>,
    shared: bool,
    question: bool,
}

struct Named {
    run: String,
    commitment: String,
    project: String,
    findings: String,
    supersedes: String,
    others: String,
}

/// The fields of a form.
fn fields(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body)
        .map(|(name, value)| (name.into_owned(), value.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()))
        .collect()
}

/// The decision in words, before it is signed.
pub(super) async fn decide(
    State(site): State<Arc<Site>>,
    Extension(visit): Extension<Visit>,
    Path(task): Path<String>,
    body: Bytes,
) -> Response {
    let read = match read(&site, &visit, &task).await {
        Ok(read) => read,
        Err(unread) => return unread.into(),
    };
    let chosen = may_decide(&read).and_then(|person| Ok((person, decisions(&read, &body)?)));
    let (person, decisions) = match chosen {
        Ok(chosen) => chosen,
        Err(reason) => return Trouble::Unusable(reason).into_response(),
    };
    let outputs = &read.examined.review.outputs;
    let decided = outputs.iter().filter_map(|output| {
        let decision: &Decision = decisions.get(&output.name)?;
        Some(Decided {
            name: output.name.clone(),
            approve: decision.approve,
            reason: decision.reason.clone(),
            mark: output.report.verdict.into(),
            counts: counts(&output.report),
            size: output.bytes.len(),
        })
    });
    let decided: Vec<Decided> = decided.collect();
    let left_open = outputs.iter().map(|output| output.name.clone()).filter(|name| !decisions.contains_key(name));
    let left_open = left_open.collect();
    let command = as_command(&read, &decided);
    summary(&site, &visit, &read, &person, |sign| {
        sign.decisions = decided;
        sign.left_open = left_open;
        sign.command = command;
    })
}

/// The same with the command line, for a browser without scripts.
fn as_command(read: &Read, decided: &[Decided]) -> String {
    let mut words = format!(
        "quintes review {} {}",
        if decided.iter().any(|one| one.approve) { "approve" } else { "reject" },
        read.examined.review.waiting.task.short()
    );
    for one in decided {
        words.push_str(&format!(
            " {} {}",
            if one.approve || !decided.iter().any(|one| one.approve) { "--output" } else { "--reject" },
            one.name
        ));
    }
    words.push_str(" --reason … --key … --node …");
    words
}

/// What was decided on each output, with reasons that are shown as they are.
fn decisions(read: &Read, body: &[u8]) -> Result<std::collections::BTreeMap<String, Decision>, String> {
    let mut choice = Choice::default();
    for (name, value) in fields(body) {
        if let Some(output) = name.strip_prefix("decision:") {
            match value.as_str() {
                "approve" => {
                    choice.approve.insert(output.to_owned());
                }
                "reject" => {
                    choice.reject.insert(output.to_owned());
                }
                _ => {}
            }
        } else if let Some(output) = name.strip_prefix("reason:") {
            if !is_plain(&value) {
                return Err(format!(
                    "The reason for {} holds characters that cannot be seen. Type it again.",
                    shown(output)
                ));
            }
            if value.len() > 1_000 {
                return Err(format!("The reason for {} is longer than 1,000 characters. Shorten it.", shown(output)));
            }
            choice.reasons.insert(output.to_owned(), value);
        }
    }
    choice.decisions(&read.examined.review.outputs).map_err(|error| match error {
        DecisionError::Nothing => {
            "Nothing was decided. Approve or reject at least one output; to take back a decision, withdraw it."
                .to_owned()
        }
        error => format!("{error}. Go back: what you wrote is still there."),
    })
}

/// The withdrawal in words, before it is signed.
pub(super) async fn withdraw(
    State(site): State<Arc<Site>>,
    Extension(visit): Extension<Visit>,
    Path(task): Path<String>,
) -> Response {
    let read = match read(&site, &visit, &task).await {
        Ok(read) => read,
        Err(unread) => return unread.into(),
    };
    let checked = may_decide(&read).and_then(|person| {
        read.examined.withdraw(&person).map_err(|error| error.to_string())?;
        Ok(person)
    });
    match checked {
        Ok(person) => {
            let command =
                format!("quintes review withdraw {} --key … --node …", read.examined.review.waiting.task.short());
            summary(&site, &visit, &read, &person, |sign| {
                (sign.kind, sign.button) = ("withdraw", "Sign the withdrawal");
                sign.command = command;
            })
        }
        Err(reason) => Trouble::Unusable(reason).into_response(),
    }
}

/// A comment in words, before it is signed.
pub(super) async fn comment(
    State(site): State<Arc<Site>>,
    Extension(visit): Extension<Visit>,
    Path(task): Path<String>,
    body: Bytes,
) -> Response {
    let read = match read(&site, &visit, &task).await {
        Ok(read) => read,
        Err(unread) => return unread.into(),
    };
    let said = read.reviewer.may_comment(&read.examined, &read.believed, read.now).and_then(|()| said(&read, &body));
    let said = match said {
        Ok(said) => said,
        Err(reason) => return Trouble::Unusable(reason).into_response(),
    };
    let person = read.reviewer.name().unwrap_or_default().to_owned();
    let short = read.examined.review.waiting.task.short();
    let command = if said.question {
        format!("quintes review return {short} --question … --key … --node …")
    } else {
        format!("quintes review comment {short} … --key … --node …")
    };
    summary(&site, &visit, &read, &person, |sign| {
        (sign.kind, sign.button) = ("comment", if said.question { "Sign and ask" } else { "Sign the comment" });
        sign.comment = Some(said);
        sign.command = command;
    })
}

fn said(read: &Read, body: &[u8]) -> Result<Said, String> {
    let fields = fields(body);
    let field = |wanted: &str| {
        fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let text = field("text");
    let question = field("kind") == "question";
    let to = if question || field("kind") == "shared" { Readers::Members } else { Readers::Reviewers };
    let output = Some(field("output")).filter(|name| !name.is_empty());
    if !is_plain(&text) {
        return Err("The text holds characters that cannot be seen. Type it again.".to_owned());
    }
    if output.as_ref().is_some_and(|name| !read.examined.review.outputs.iter().any(|output| output.name == *name)) {
        return Err("There is no such output.".to_owned());
    }
    let waiting = &read.examined.review.waiting;
    let comment = Comment {
        task: waiting.task,
        tre: read.examined.review.tre.clone(),
        output: output.clone(),
        text: text.clone(),
        to,
        question,
        answers: None,
    };
    comment.check().map_err(|invalid| format!("This cannot be said: {}.", invalid.rule))?;
    Ok(Said { text, output, shared: to == Readers::Members, question })
}

fn may_decide(read: &Read) -> Result<String, String> {
    read.reviewer.may_decide(&read.examined, &read.believed, read.now)?;
    if read.examined.review.waiting.phase.is_terminal() {
        return Err("This is decided already; nothing that is signed now would change it.".to_owned());
    }
    Ok(read.reviewer.name().unwrap_or_default().to_owned())
}

fn summary(site: &Site, visit: &Visit, read: &Read, person: &str, fill: impl FnOnce(&mut Sign)) -> Response {
    let examined = &read.examined;
    let waiting = &examined.review.waiting;
    let report = summarise(&examined.review.outputs);
    let heads = heads(read, person);
    let mut sign = Sign {
        frame: Frame::new(site, visit, &read.reviewer, ""),
        task: waiting.task.to_string(),
        title: shown(&examined.submission.payload().title),
        submitter: examined.submission.signer().name.clone(),
        project: examined.project.name.clone(),
        person: person.to_owned(),
        fingerprint: read.reviewer.key().map(|key| key.fingerprint()).unwrap_or_default(),
        kind: "decide",
        button: "Sign this decision",
        decisions: Vec::new(),
        left_open: Vec::new(),
        comment: None,
        instead: heads
            .0
            .filter(|one| !one.payload().decisions.is_empty())
            .map(|one| When::at(one.claims().issued, read.now)),
        checks: match (report.failed, report.review) {
            (0, 0) => "every rule holds".to_owned(),
            (failed, review) => format!("{failed} fail, {review} for a person to judge"),
        },
        check_words: in_words(&examined.commitment),
        commitment: grouped(&examined.commitment.to_string()),
        named: Named {
            run: examined.run.to_string(),
            commitment: examined.commitment.to_string(),
            project: examined.project_statement.to_string(),
            findings: report.findings.to_string(),
            supersedes: heads.0.map(|one| one.id().to_string()).unwrap_or_default(),
            others: heads.1.iter().map(|id| id.to_string()).collect::<Vec<_>>().join(" "),
        },
        command: String::new(),
    };
    fill(&mut sign);
    page(StatusCode::OK, &sign)
}

/// The person's newest decision, which a new one replaces, and any others that stand beside it, because two windows were open at once.
fn heads<'a>(read: &'a Read, person: &str) -> (Option<&'a Verified<Attestation>>, Vec<StatementId>) {
    let heads = read.examined.heads(person);
    let Some((newest, rest)) = heads.split_last() else { return (None, Vec::new()) };
    let rest = rest.iter().filter(|one| !one.payload().decisions.is_empty()).map(|one| one.id());
    (Some(*newest), rest.collect())
}

/// What the browser needs to build a statement about this task: names, times, salts and schemas; no decision.
pub(super) async fn signing(
    State(site): State<Arc<Site>>,
    Extension(visit): Extension<Visit>,
    Path(task): Path<String>,
) -> Response {
    let read = match read(&site, &visit, &task).await {
        Ok(read) => read,
        Err(unread) => return unread.into(),
    };
    let Some(person) = read.reviewer.name() else {
        return Trouble::Unusable("This browser's key belongs to no member.".to_owned()).into_response();
    };
    let examined = &read.examined;
    let report = summarise(&examined.review.outputs);
    let (newest, others) = heads(&read, person);
    let outputs: Vec<Value> = examined
        .review
        .outputs
        .iter()
        .map(|output| json!({ "name": output.name, "salt": salt(output), "schema": hexadecimal(&encode_schema(&output.schema)) }))
        .collect();
    let told = json!({
        "network": site.source.network(), "now": read.now, "issuer": person,
        "key": read.reviewer.key().map(|key| hexadecimal(key.as_bytes())),
        "lifetime": { "attestation": Attestation::MAX_LIFETIME_SECONDS, "comment": Comment::MAX_LIFETIME_SECONDS },
        "task": examined.submission.id(), "tre": examined.review.tre, "run": examined.run, "commitment": examined.commitment,
        "project": examined.project_statement, "report": report, "supersedes": newest.map(Verified::id), "others": others,
        "outputs": outputs,
    });
    ([(CONTENT_TYPE, "application/json")], told.to_string()).into_response()
}

/// The salt of an output: it is as secret as the output, and goes to reviewers only.
fn salt(output: &HeldOutput) -> String {
    match ciborium::Value::serialized(&output.salt) {
        Ok(ciborium::Value::Bytes(bytes)) => hexadecimal(&bytes),
        _ => String::new(),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Exactly the held bytes of one output.
pub(super) async fn bytes(
    State(site): State<Arc<Site>>,
    Extension(visit): Extension<Visit>,
    Path((task, output)): Path<(String, String)>,
) -> Response {
    let read = match read(&site, &visit, &task).await {
        Ok(read) => read,
        Err(unread) => return unread.into(),
    };
    match read.examined.review.outputs.into_iter().find(|one| one.name == output) {
        Some(found) => (
            [
                (CONTENT_TYPE, "application/octet-stream".to_owned()),
                // The name is one of ours: letters, digits and -_.@ alone.
                (CONTENT_DISPOSITION, format!("attachment; filename=\"{}.csv\"", found.name)),
            ],
            found.bytes,
        )
            .into_response(),
        None => Trouble::Missing("The task has no such output.".to_owned()).into_response(),
    }
}

/// Hands the node what the browser has signed. Whether it counts is for the node to say.
pub(super) async fn offer(
    State(site): State<Arc<Site>>,
    Extension(visit): Extension<Visit>,
    Path(task): Path<String>,
    body: Bytes,
) -> Response {
    let signed = match Signed::parse(&body) {
        Ok(signed) => signed,
        Err(malformed) => return told(StatusCode::BAD_REQUEST, json!({ "error": format!("{malformed}") })),
    };
    let reviews = matches!(signed.kind(), Kind::Attestation | Kind::Comment);
    let own = visit.session.key.is_some_and(|key| key.id() == signed.key());
    if !reviews || !own || signed.claims().subject != task {
        let error = "this is no decision and no comment about this task by the key of this browser";
        return told(StatusCode::BAD_REQUEST, json!({ "error": error }));
    }
    let id = signed.id();
    match site.source.offer(body.to_vec()).await {
        Ok(()) => told(StatusCode::OK, json!({ "taken": id })),
        Err(error) => told(StatusCode::CONFLICT, json!({ "error": error.to_string() })),
    }
}

fn told(status: StatusCode, what: Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], what.to_string()).into_response()
}
