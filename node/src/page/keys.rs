//! The reviewer's key: made in the browser, where it stays; a request to be enrolled with it; and how the page learns whose it is.

use super::Site;
use super::frame::Frame;
use super::guard::Visit;
use super::message::{Trouble, page};
use super::reviewer::Reviewer;
use crate::clock::now;
use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use keys::key::PublicKey;
use protocol::record::Payload as _;
use protocol::record::key_record::KeyRecord;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// What a browser signs to show that it has a key: never mistaken for a statement, which begins with another byte.
const SHOWN: &str = "quintes/v1/review-page";

#[derive(Template)]
#[template(path = "keys.html")]
struct Keys {
    frame: Frame,
    name: Option<String>,
    fingerprint: Option<String>,
    now: u64,
    lifetime: u64,
}

/// Shows the browser's key, and how it comes to count.
///
/// # Errors
/// When the node does not answer.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let (_, believed) = site.source.queue().await?;
    let now = now();
    let reviewer = Reviewer::of(visit.session.key, &believed, now);
    let template = Keys {
        frame: Frame::new(&site, &visit, &reviewer, "keys"),
        name: reviewer.name().map(ToOwned::to_owned),
        fingerprint: reviewer.key().map(|key| key.fingerprint()),
        now,
        lifetime: KeyRecord::MAX_LIFETIME_SECONDS,
    };
    Ok(page(StatusCode::OK, &template))
}

/// A key, and a signature over this session's challenge.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    key: String,
    signature: String,
}

/// Remembers for this session which key the browser has. Only whoever has it can show it: others would see what is hidden from them.
pub(super) async fn identify(
    State(site): State<Arc<Site>>,
    Extension(visit): Extension<Visit>,
    body: Bytes,
) -> Response {
    let shown = serde_json::from_slice::<Shown>(&body).ok().and_then(|shown| {
        let key = PublicKey::from_bytes(bytes(&shown.key)?).ok()?;
        let message = format!("{SHOWN}\n{}\n{}", site.source.network(), visit.session.challenge);
        key.verify(message.as_bytes(), &bytes(&shown.signature)?).ok()?;
        Some(key)
    });
    let (status, told) = match shown {
        Some(key) => {
            site.sessions.identify(&visit.cookie, Some(key));
            (StatusCode::OK, json!({ "fingerprint": key.fingerprint() }))
        }
        None => (StatusCode::FORBIDDEN, json!({ "error": "the key was not shown" })),
    };
    (status, [(CONTENT_TYPE, "application/json")], told.to_string()).into_response()
}

/// Bytes of a fixed number, from hexadecimal digits.
fn bytes<const N: usize>(hexadecimal: &str) -> Option<[u8; N]> {
    let digits = hexadecimal.len() == 2 * N && hexadecimal.bytes().all(|digit| digit.is_ascii_hexdigit());
    let mut bytes = [0; N];
    for (byte, place) in bytes.iter_mut().zip((0..N).map(|place| 2 * place)) {
        *byte = u8::from_str_radix(hexadecimal.get(place..place + 2).filter(|_| digits)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn hexadecimal_digits_are_as_many_as_are_asked_for() {
        assert_eq!(bytes::<2>("0aff"), Some([10, 255]));
        for wrong in ["0af", "0aff0", "0aff00", "0agf", "+aff", "é0f"] {
            assert_eq!(bytes::<2>(wrong), None, "{wrong}");
        }
    }
}
