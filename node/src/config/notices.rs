//! `[notices]`: whom the node tells that something waits or was decided, and how.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

/// The ways out; none configured means that nobody is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notices {
    /// A program and its first arguments. It is started without a shell; the event follows as the last argument, the rest stands in its
    /// environment as `QUINTES_EVENT`, `QUINTES_TRE`, `QUINTES_TASK`, `QUINTES_PROJECT` and, where it is for a researcher,
    /// `QUINTES_SUBMITTER`.
    pub command: Vec<String>,
    /// An address that takes a POST of the same as JSON.
    pub webhook: Option<Webhook>,
    /// Mail through this machine's `sendmail`, `[notices.mail]`.
    pub mail: Option<Mail>,
}

/// Mail.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Whom it is from.
    pub from: MailAddress,
    /// The program that sends it.
    #[serde(default = "sendmail")]
    pub sendmail: PathBuf,
    /// Who is told that something waits.
    #[serde(default)]
    pub reviewers: Vec<MailAddress>,
    /// Who is told that a task of theirs was decided, by their names in the roster.
    #[serde(default)]
    pub researchers: BTreeMap<String, MailAddress>,
}

fn sendmail() -> PathBuf {
    "/usr/sbin/sendmail".into()
}

/// Why a text is no webhook or no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotReachable {
    /// In the clear over a network, or no address at all.
    #[error("a webhook begins with https://, or with http:// and names this machine (localhost, 127.0.0.1 or [::1])")]
    Webhook,
    /// No mail address.
    #[error("this is no mail address; write it as name@example.org")]
    Mail,
}

/// Where notices are posted: over TLS, or on this machine.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Webhook(String);

/// An address may hold a secret: it stays out of logs.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Webhook(..)")
    }
}

impl Webhook {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Webhook {
    type Error = NotReachable;

    fn try_from(text: String) -> Result<Self, NotReachable> {
        let address: ureq::http::Uri = text.parse().map_err(|_| NotReachable::Webhook)?;
        let here = matches!(address.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match address.scheme_str() {
            Some("https") if address.host().is_some() => Ok(Self(text)),
            Some("http") if here => Ok(Self(text)),
            _ => Err(NotReachable::Webhook),
        }
    }
}

/// A mail address: one, without a name or a comment, so that it can be nothing but an address in a header.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MailAddress(String);

impl TryFrom<String> for MailAddress {
    type Error = NotReachable;

    fn try_from(text: String) -> Result<Self, NotReachable> {
        let plain = text.chars().all(|c| c.is_ascii_graphic() && !"()<>[]:;,\\\"".contains(c));
        match text.split_once('@') {
            Some((name, domain)) if plain && !name.is_empty() && !domain.is_empty() && !domain.contains('@') => {
                Ok(Self(text))
            }
            _ => Err(NotReachable::Mail),
        }
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{MailAddress, Webhook};

    #[test]
    fn notices_go_over_tls_or_stay_on_this_machine() {
        for good in
            ["https://hooks.example.org/x?y=z", "http://127.0.0.1:8080/", "http://localhost/a", "http://[::1]:9/"]
        {
            assert!(Webhook::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in
            ["http://example.org/", "http://127.0.0.1.example.org/", "ftp://localhost/", "localhost", "", "https://"]
        {
            assert!(Webhook::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_can_smuggle_no_header() {
        assert!(MailAddress::try_from("data.owners+tre@example.org".to_owned()).is_ok());
        for bad in ["", "bob", "@b", "a@", "a@b@c", "a@b\nBcc: x@y", "a b@c", "Bob <a@b>", "a@b,c@d", "a@b;c", "é@b"] {
            assert!(MailAddress::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
