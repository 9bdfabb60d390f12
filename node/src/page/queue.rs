//! The queue: what waits here, what is yours to decide, what went back with a question, and what is decided.

use super::Site;
use super::frame::Frame;
use super::guard::Visit;
use super::message::{Trouble, page};
use super::reviewer::Reviewer;
use super::text::{Mark, When, counted, phase, shown};
use crate::clock::now;
use crate::door::Waiting;
use crate::review::blind;
use askama::Template;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use form_urlencoded::{Serializer, parse};
use protocol::disclosure::rules::Verdict;
use protocol::lifecycle::Phase;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The parts of the queue: the word in the address, and the one that is shown.
const PARTS: [(&str, &str); 4] = [
    ("waiting", "Waiting"),
    ("mine", "Yours to decide"),
    ("returned", "Returned with a question"),
    ("decided", "Decided or ended"),
];

#[derive(Template)]
#[template(path = "queue.html")]
struct Queue {
    frame: Frame,
    parts: Vec<Part>,
    part: &'static str,
    find: String,
    project: String,
    verdict: String,
    projects: BTreeSet<String>,
    tasks: Vec<Row>,
    says: String,
    running: usize,
}

struct Part {
    link: String,
    label: &'static str,
    count: usize,
    current: bool,
}

struct Row {
    link: String,
    short: String,
    title: String,
    project: String,
    submitter: String,
    arrived: When,
    mark: Option<Mark>,
    checks: String,
    stands: String,
    conflict: bool,
    returned: bool,
    mine: bool,
    comments: u64,
}

#[derive(Default)]
struct Filter {
    part: String,
    find: String,
    project: String,
    verdict: String,
}

impl Filter {
    fn read(query: &str) -> Self {
        let mut filter = Self::default();
        for (name, value) in parse(query.as_bytes()) {
            match name.as_ref() {
                "part" => filter.part = value.into_owned(),
                "find" => filter.find = value.trim().chars().take(100).collect(),
                "project" => filter.project = value.into_owned(),
                "verdict" => filter.verdict = value.into_owned(),
                _ => {}
            }
        }
        filter
    }

    fn link(&self, part: &str) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("part", part);
        for (name, value) in [("find", &self.find), ("project", &self.project), ("verdict", &self.verdict)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        format!("/?{}", query.finish())
    }

    fn takes(&self, one: &Waiting) -> bool {
        let wanted = self.find.to_lowercase();
        let texts = [&one.title, &one.project, &one.submitter];
        let found =
            texts.iter().any(|text| text.to_lowercase().contains(&wanted)) || one.task.to_string().starts_with(&wanted);
        let verdict = self.verdict.is_empty() || worst(one).is_some_and(|worst| said(worst) == self.verdict);
        found && verdict && (self.project.is_empty() || one.project == self.project)
    }
}

/// Shows the queue.
///
/// # Errors
/// When the node does not answer.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let now = now();
    let (mut waiting, believed) = site.source.queue().await?;
    let reviewer = Reviewer::of(visit.session.key, &believed, now);
    let me = reviewer.name();
    for one in &mut waiting {
        blind(one, me);
    }
    let filter = Filter::read(&query.unwrap_or_default());
    let chosen = PARTS.iter().find(|(word, _)| *word == filter.part).unwrap_or(&PARTS[0]).0;
    let found: Vec<&Waiting> = waiting.iter().filter(|one| filter.takes(one)).collect();
    let parts = PARTS.iter().map(|(word, label)| Part {
        link: filter.link(word),
        label,
        count: found.iter().filter(|one| belongs(one, word, me)).count(),
        current: *word == chosen,
    });
    let parts: Vec<Part> = parts.collect();
    let mut shown_here: Vec<&Waiting> = found.into_iter().filter(|one| belongs(one, chosen, me)).collect();
    // What waits longest comes first; what ended last comes first.
    shown_here.sort_by_key(|one| (one.received, one.task));
    if chosen == "decided" {
        shown_here.reverse();
    }
    let says = match (shown_here.len(), chosen) {
        (0, "mine") if me.is_none() => "This browser has no key of a member yet, so nothing here is known to be yours. Make a key under “Your key”.".to_owned(),
        (0, "waiting") => "Nothing waits for review.".to_owned(),
        (0, _) => "Nothing here.".to_owned(),
        (count, _) => counted(u64::try_from(count).unwrap_or(u64::MAX), "task"),
    };
    let template = Queue {
        frame: Frame::new(&site, &visit, &reviewer, "queue"),
        parts,
        part: chosen,
        find: filter.find,
        project: filter.project,
        verdict: filter.verdict,
        projects: waiting.iter().map(|one| one.project.clone()).collect(),
        tasks: shown_here.into_iter().map(|one| row(one, me, now)).collect(),
        says,
        running: waiting.iter().filter(|one| one.phase == Phase::Running).count(),
    };
    Ok(page(StatusCode::OK, &template))
}

fn belongs(one: &Waiting, part: &str, me: Option<&str>) -> bool {
    let held = one.phase == Phase::Held;
    match part {
        "waiting" => held,
        "mine" => held && me.is_some_and(|me| is_mine(one, me)),
        "returned" => held && !one.returned.is_empty(),
        _ => one.phase.is_terminal(),
    }
}

/// Whether the person has still to decide on something, or to look again.
fn is_mine(one: &Waiting, me: &str) -> bool {
    let undecided = |output: &String| !one.decided.get(output).is_some_and(|by| by.contains(me));
    let open = one.missing.iter().flatten().any(|(output, still)| *still > 0 && undecided(output));
    one.submitter != me && (open || one.stale.iter().any(|of| of == me) || (!one.conflict.is_empty()))
}

/// The gravest verdict on any output.
fn worst(one: &Waiting) -> Option<Verdict> {
    let checks = one.checks.as_ref()?;
    Some(match (checks.failed, checks.review) {
        (1.., _) => Verdict::Fail,
        (0, 1..) => Verdict::Review,
        (0, 0) => Verdict::Pass,
    })
}

fn said(verdict: Verdict) -> &'static str {
    Mark::from(verdict).class
}

fn row(one: &Waiting, me: Option<&str>, now: u64) -> Row {
    let checks = one.checks.as_ref().map_or_else(String::new, |checks| match (checks.failed, checks.review) {
        (0, 0) => "every rule holds".to_owned(),
        (failed, 0) => format!("{failed} fail"),
        (0, review) => format!("{review} to judge"),
        (failed, review) => format!("{failed} fail, {review} to judge"),
    });
    Row {
        link: format!("/task/{}", one.task),
        short: one.task.short(),
        title: if one.title.trim().is_empty() { "(no title)".to_owned() } else { shown(&one.title) },
        project: one.project.clone(),
        submitter: one.submitter.clone(),
        arrived: When::at(one.received, now),
        mark: worst(one).map(Mark::from),
        checks,
        stands: stands(one),
        conflict: !one.conflict.is_empty(),
        returned: !one.returned.is_empty(),
        mine: one.phase == Phase::Held && me.is_some_and(|me| is_mine(one, me)),
        comments: one.comments,
    }
}

/// What is missing for a decision, in words.
#[must_use]
pub(super) fn stands(one: &Waiting) -> String {
    if one.phase != Phase::Held {
        return phase(one.phase).to_owned();
    }
    if let Some(blocked) = &one.blocked {
        return shown(blocked);
    }
    if !one.conflict.is_empty() {
        return format!("reviewers disagree on {}; one of them has to think again", one.conflict.join(", "));
    }
    let open: Vec<(&String, u64)> =
        one.missing.iter().flatten().filter(|(_, still)| **still > 0).map(|(name, still)| (name, *still)).collect();
    match open.iter().map(|(_, still)| *still).max() {
        None => "decided".to_owned(),
        Some(most) => format!("{} needed", counted(most, "more approval")),
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;

    #[test]
    fn a_part_keeps_the_filter_in_its_address() {
        let filter = Filter::read("part=mine&find=+a%26b+&project=stroke&verdict=fail&x=y");
        assert_eq!(filter.link("waiting"), "/?part=waiting&find=a%26b&project=stroke&verdict=fail");
        assert_eq!(Filter::default().link("mine"), "/?part=mine");
    }
}
