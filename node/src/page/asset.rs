//! The style, the script, the sign and the list of words: built into the program, the same for everybody.

use crate::review::words::WORDS;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};

/// Gives a file that the pages name.
pub(super) async fn give(Path(name): Path<String>) -> Response {
    let (kind, text) = match name.as_str() {
        "page.css" => ("text/css; charset=utf-8", include_str!("assets/page.css")),
        "page.js" => ("text/javascript; charset=utf-8", include_str!("assets/page.js")),
        "sign.svg" => ("image/svg+xml", include_str!("assets/sign.svg")),
        "words.txt" => ("text/plain; charset=utf-8", WORDS),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    ([(CONTENT_TYPE, kind)], text).into_response()
}
