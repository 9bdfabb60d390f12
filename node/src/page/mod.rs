//! The review page: what waits for a data owner, in a browser on the TRE's own machine; the signature is made in the browser.
//!
//! A process of its own that talks to the node through its door. It holds no key, and keeps nothing but sessions.
//!
//! | file | what lives there |
//! |---|---|
//! | this | [`Site`], and which address shows what |
//! | `neighbour`, `guard`, `session` | who may connect; which requests are ours; who has entered |
//! | `source` | the node's door, and what is believed of it |
//! | `reviewer` | whose key the browser has, and what that person may do |
//! | `queue`, `task`, `output`, `look`, `table`, `chart` | what is seen, and how |
//! | `sign`, `keys` | what the browser signs, and with what |
//! | `text`, `message`, `frame`, `asset` | words; pages of one sentence; what is common to all; styles and the script |

mod asset;
mod chart;
mod frame;
mod guard;
mod keys;
mod look;
mod message;
mod neighbour;
mod output;
mod queue;
mod reviewer;
mod session;
mod sign;
mod source;
mod table;
mod task;
mod text;

pub use neighbour::{Neighbours, own_account};
pub use session::NoEntropy;
pub use source::{Source, SourceError};

use axum::Router;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use protocol::wire::envelope::MAX_STATEMENT_BYTES;
use session::Sessions;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::mpsc;

/// The review page of one node.
#[derive(Debug)]
pub struct Site {
    source: Source,
    tre: String,
    /// `host:port`, as the browser says it.
    hosts: Vec<String>,
    /// Where the browser finds the page: over a proxy with https, where it is reached from elsewhere.
    base: String,
    /// The cookie's name: cookies know no ports, so the port stands in it.
    cookie: String,
    sessions: Sessions,
    violations: AtomicU64,
    /// Where the next address is told after one was used.
    addresses: mpsc::Sender<String>,
}

impl Site {
    /// The page of `source`, the node named `tre`, at `listening` and under further names (`host` or `host:port`). Each address that opens it
    /// once goes to `addresses`.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new(
        source: Source,
        tre: String,
        listening: SocketAddr,
        names: &[String],
        addresses: mpsc::Sender<String>,
    ) -> Result<Arc<Self>, NoEntropy> {
        let mut hosts = vec![listening.to_string()];
        if listening.ip().is_loopback() {
            hosts.push(format!("localhost:{}", listening.port()));
        }
        hosts.extend_from_slice(names);
        let base = match names.first() {
            Some(name) if !listening.ip().is_loopback() => format!("https://{name}"),
            _ => format!("http://{listening}"),
        };
        let cookie = format!("quintes-{}", listening.port());
        let sessions = Sessions::default();
        let site = Self { source, tre, hosts, base, cookie, sessions, violations: AtomicU64::new(0), addresses };
        site.invite()?;
        Ok(Arc::new(site))
    }

    /// Tells an address that opens the page once.
    fn invite(&self) -> Result<(), NoEntropy> {
        // Nobody hears it when the command line is gone; then nobody can enter, which is right.
        self.addresses.try_send(format!("{}/enter?token={}", self.base, self.sessions.token()?)).ok();
        Ok(())
    }
}

/// Serves the page until the process ends.
///
/// # Errors
/// When the system takes the listener away.
pub async fn serve(listener: Neighbours, site: Arc<Site>) -> io::Result<()> {
    let routes = Router::new()
        .route("/", get(queue::show))
        .route("/task/{task}", get(task::show))
        .route("/task/{task}/decide", post(sign::decide))
        .route("/task/{task}/withdraw", post(sign::withdraw))
        .route("/task/{task}/comment", post(sign::comment))
        .route("/task/{task}/signing", get(sign::signing))
        .route("/task/{task}/output/{output}", get(sign::bytes))
        .route("/task/{task}/offer", post(sign::offer))
        .route("/keys", get(keys::show))
        .route("/me", post(keys::identify))
        .route("/help", get(frame::help))
        .route("/enter", get(enter))
        .route("/leave", post(leave))
        .route("/csp", post(violated).get(violations))
        .route("/static/{name}", get(asset::give))
        .layer(from_fn_with_state(site.clone(), guard::guard))
        .layer(DefaultBodyLimit::max(MAX_STATEMENT_BYTES.max(256 * 1024)))
        .with_state(site);
    axum::serve(listener, routes).await
}

/// Takes the one-time token and gives a cookie for it.
async fn enter(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let token = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token");
    let token = token.map(|(_, token)| token.into_owned()).unwrap_or_default();
    match site.sessions.enter(&token, Instant::now()) {
        Ok(Some(cookie)) => {
            if let Err(error) = site.invite() {
                tracing::error!(%error, "no further address can be given");
            }
            let secure = if site.base.starts_with("https:") { "; Secure" } else { "" };
            let cookie = format!("{}={cookie}; Path=/; HttpOnly; SameSite=Strict{secure}", site.cookie);
            (StatusCode::SEE_OTHER, [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)]).into_response()
        }
        Ok(None) => message::refusal(
            StatusCode::FORBIDDEN,
            "This address was used already",
            "Each address opens the page once. `quintes review serve` has printed a new one.",
        ),
        Err(error) => message::refusal(StatusCode::INTERNAL_SERVER_ERROR, "That did not work", &error.to_string()),
    }
}

/// Ends a session.
async fn leave(State(site): State<Arc<Site>>, visit: axum::Extension<guard::Visit>) -> Response {
    site.sessions.leave(&visit.cookie);
    let mut response = message::refusal(
        StatusCode::OK,
        "You have left",
        "The key stays in this browser. To come back, open the address that `quintes review serve` has printed last.",
    );
    response
        .headers_mut()
        .insert(HeaderName::from_static("clear-site-data"), axum::http::HeaderValue::from_static("\"cache\""));
    response
}

/// A browser has blocked something on a page of ours: counted, never read.
async fn violated(State(site): State<Arc<Site>>) -> StatusCode {
    site.violations.fetch_add(1, Ordering::Relaxed);
    tracing::warn!("a browser has blocked something on the review page");
    StatusCode::NO_CONTENT
}

/// How often that was.
async fn violations(State(site): State<Arc<Site>>) -> String {
    site.violations.load(Ordering::Relaxed).to_string()
}
