//! Pages that say one thing: refused, not found, the node does not answer.

use super::source::SourceError;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    title: &'a str,
    text: &'a str,
}

/// A page with one sentence, for somebody about whom nothing is known.
#[must_use]
pub(super) fn refusal(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, &Message { title, text })
}

/// A rendered page.
#[must_use]
pub(super) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        // Writing to memory does not fail, and our templates have no fallible filter.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Why there is no page; it is one itself.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The node has nothing to say.
    Source(SourceError),
    /// There is no such thing.
    Missing(String),
    /// What was sent cannot be used.
    Unusable(String),
}

impl From<SourceError> for Trouble {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        match self {
            Self::Source(error @ (SourceError::No(_) | SourceError::NotTaken(_))) => {
                refusal(StatusCode::CONFLICT, "The node said no", &error.to_string())
            }
            Self::Source(error) => refusal(StatusCode::BAD_GATEWAY, "The node does not answer", &error.to_string()),
            Self::Missing(text) => refusal(StatusCode::NOT_FOUND, "There is nothing here", &text),
            Self::Unusable(text) => refusal(StatusCode::BAD_REQUEST, "That did not work", &text),
        }
    }
}
