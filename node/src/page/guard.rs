//! What stands before every page: the right host, the right origin, a session; and the headers that go with every answer.

use super::Site;
use super::message::refusal;
use super::session::Session;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use std::time::Instant;

/// What a browser may do with a page of ours: our own script, style and pictures, and nothing else from anywhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'; report-uri /csp";

/// A browser with a session.
#[derive(Clone)]
pub(super) struct Visit {
    /// Its cookie.
    pub(super) cookie: String,
    /// What is known of it.
    pub(super) session: Session,
}

/// Lets a request through that comes from a page of ours, or from the address bar, in a browser with a session.
pub(super) async fn guard(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = match admit(&site.hosts, request.method(), request.headers()) {
        Err(reason) => {
            tracing::warn!(reason, "a request to the review page was refused");
            refusal(StatusCode::FORBIDDEN, "This request was refused", reason)
        }
        Ok(()) if path == "/enter" || path == "/csp" || path.starts_with("/static/") => next.run(request).await,
        Ok(()) => match visit(&site, request.headers()) {
            Some(visit) => {
                request.extensions_mut().insert(visit);
                next.run(request).await
            }
            None => refusal(
                StatusCode::UNAUTHORIZED,
                "Nobody is signed in here",
                "Open the address that `quintes review serve` has printed last. Each address opens the page once, and a visit ends after 30 minutes without use.",
            ),
        },
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=(), usb=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether a request may come from a page of ours. A name that another party has pointed at this address is not ours (DNS rebinding), and
/// neither is a request that another origin's page has made (cross-site request forgery).
fn admit(hosts: &[String], method: &Method, headers: &HeaderMap) -> Result<(), &'static str> {
    let one = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap_or_default());
        if values.next().is_some() { Some("") } else { value }
    };
    let host = one(&HOST).unwrap_or_default();
    if !hosts.iter().any(|ours| ours == host) {
        return Err(
            "The page was asked for under a name that is not its own. Use the address that `quintes review serve` has printed.",
        );
    }
    let site = one(&HeaderName::from_static("sec-fetch-site"));
    let origin = one(&ORIGIN);
    let ours = match origin {
        None => true,
        // What a form of ours sends under our own referrer policy; only the browser can add that it is ours (Fetch, "Origin" header).
        Some("null") => site == Some("same-origin"),
        Some(origin) => origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) == Some(host),
    };
    if !ours {
        return Err("Another site has sent this request. Nothing was done.");
    }
    let reads = *method == Method::GET || *method == Method::HEAD;
    match site {
        Some("same-origin") => Ok(()),
        Some("none") if reads => Ok(()),
        Some(_) => Err("Another site has sent you here. Open the page from its own address, or from the address bar."),
        // A program that is no browser, or an old one: whatever changes something has to say where it comes from.
        None if reads || origin.is_some() => Ok(()),
        None => Err("The request does not say where it comes from. Use a current browser."),
    }
}

/// The session of the cookie, if there is one.
fn visit(site: &Site, headers: &HeaderMap) -> Option<Visit> {
    let name = format!("{}=", site.cookie);
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut ours = cookies.flat_map(|line| line.split("; ")).filter_map(|pair| pair.strip_prefix(name.as_str()));
    let cookie = ours.next()?.to_owned();
    let session = site.sessions.find(&cookie, Instant::now())?;
    Some(Visit { cookie, session })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{POLICY, admit};
    use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};

    fn asked(method: &Method, headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        admit(&["127.0.0.1:7".to_owned(), "localhost:7".to_owned()], method, &map).is_ok()
    }

    #[test]
    fn threat_69_a_page_of_another_name_or_origin_gets_nothing() {
        let host = ("host", "127.0.0.1:7");
        assert!(asked(&Method::GET, &[host]));
        assert!(asked(&Method::GET, &[("host", "localhost:7"), ("sec-fetch-site", "none")]));
        assert!(asked(&Method::POST, &[host, ("origin", "http://127.0.0.1:7"), ("sec-fetch-site", "same-origin")]));
        for headers in [
            &[][..],
            &[("host", "evil.example:7")],
            &[("host", "127.0.0.1")],
            &[("host", "127.0.0.1:8")],
            &[host, ("host", "evil.example")],
            &[host, ("origin", "null")],
            &[host, ("origin", "null"), ("sec-fetch-site", "cross-site")],
            &[host, ("origin", "http://evil.example")],
            &[host, ("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")],
            &[host, ("origin", "http://localhost:7")],
            &[host, ("origin", "http://127.0.0.1:7.evil.example")],
            &[host, ("sec-fetch-site", "cross-site")],
            &[host, ("sec-fetch-site", "same-site")],
        ] {
            assert!(!asked(&Method::GET, headers), "GET {headers:?}");
            assert!(!asked(&Method::POST, headers), "POST {headers:?}");
        }
        assert!(asked(&Method::POST, &[host, ("origin", "null"), ("sec-fetch-site", "same-origin")]), "a form of ours");
        assert!(!asked(&Method::POST, &[host]), "where does it come from?");
        assert!(!asked(&Method::POST, &[host, ("sec-fetch-site", "none")]), "a form of ours is no address bar");
    }

    #[test]
    fn threat_63_no_page_runs_what_it_shows() {
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "trusted-types 'none'"] {
            assert!(POLICY.contains(part));
        }
        assert!(!POLICY.contains("unsafe") && !POLICY.contains("data:") && !POLICY.contains('*'));
    }
}
