//! What every page has: where one is, who one is, and the way to the others.

use super::Site;
use super::guard::Visit;
use super::message::{Trouble, page};
use super::reviewer::Reviewer;
use crate::clock::now;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

/// What stands around a page.
#[derive(Debug)]
pub(super) struct Frame {
    /// The TRE.
    pub(super) tre: String,
    /// The federation's id.
    pub(super) network: String,
    /// Which of the pages one is on: `queue`, `keys`, `help`, or none of them.
    pub(super) place: &'static str,
    /// Who one is, in a few words.
    pub(super) who: String,
    /// Whether the browser's key belongs to a member.
    pub(super) enrolled: bool,
    /// What the browser signs to show its key; none once it has.
    pub(super) challenge: Option<String>,
}

impl Frame {
    /// The frame of a page for this reviewer.
    #[must_use]
    pub(super) fn new(site: &Site, visit: &Visit, reviewer: &Reviewer, place: &'static str) -> Self {
        let who = match reviewer {
            Reviewer::Member { name, organisation, .. } => format!("{name}, {}", super::text::shown(organisation)),
            Reviewer::NotEnrolled(_) => "your key is not enrolled yet".to_owned(),
            Reviewer::Unknown => "no key shown".to_owned(),
        };
        Self {
            tre: site.tre.clone(),
            network: site.source.network().to_string(),
            place,
            who,
            enrolled: reviewer.name().is_some(),
            challenge: visit.session.key.is_none().then(|| visit.session.challenge.clone()),
        }
    }
}

#[derive(Template)]
#[template(path = "help.html")]
struct Help {
    frame: Frame,
}

/// How the page is used.
///
/// # Errors
/// When the node does not answer.
pub(super) async fn help(
    State(site): State<Arc<Site>>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let (_, believed) = site.source.queue().await?;
    let reviewer = Reviewer::of(visit.session.key, &believed, now());
    Ok(page(StatusCode::OK, &Help { frame: Frame::new(&site, &visit, &reviewer, "help") }))
}
