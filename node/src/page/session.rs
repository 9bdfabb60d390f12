//! Sessions: a one-time token becomes a cookie, and a cookie ends after half an hour without use.

use keys::key::PublicKey;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a session lives without being used.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// The most sessions at once: a person has a few browsers, not hundreds.
const MOST: usize = 64;

/// The tokens that have not been used, and the sessions that have not ended.
#[derive(Default)]
pub(super) struct Sessions(Mutex<Inside>);

/// Tokens and cookies never reach a log.
impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions(..)")
    }
}

#[derive(Default)]
struct Inside {
    tokens: Vec<String>,
    sessions: HashMap<String, Session>,
}

/// What is known of one browser.
#[derive(Clone)]
pub(super) struct Session {
    /// What the browser signs to show that it has a key; of this session alone.
    pub(super) challenge: String,
    /// The key that it has shown to have.
    pub(super) key: Option<PublicKey>,
    used: Instant,
}

impl Session {
    fn is_alive(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) < IDLE
    }
}

/// The system gave no random bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system gave no random bytes; see that /dev/urandom works")]
pub struct NoEntropy;

impl Sessions {
    /// A new token, which one browser can exchange for a session.
    ///
    /// # Errors
    /// [`NoEntropy`].
    pub(super) fn token(&self) -> Result<String, NoEntropy> {
        let token = secret()?;
        let mut inside = self.inside();
        inside.tokens.truncate(MOST - 1);
        inside.tokens.insert(0, token.clone());
        Ok(token)
    }

    /// Takes a token out of use and gives the cookie of the session that begins; none when the token is used, old or invented.
    ///
    /// # Errors
    /// [`NoEntropy`]; the token is not used up.
    pub(super) fn enter(&self, token: &str, now: Instant) -> Result<Option<String>, NoEntropy> {
        let (cookie, challenge) = (secret()?, secret()?);
        let mut inside = self.inside();
        let Some(place) = inside.tokens.iter().position(|known| same(known, token)) else { return Ok(None) };
        inside.tokens.remove(place);
        inside.sessions.retain(|_, session| session.is_alive(now));
        if inside.sessions.len() >= MOST
            && let Some(oldest) =
                inside.sessions.iter().min_by_key(|(_, one)| one.used).map(|(cookie, _)| cookie.clone())
        {
            inside.sessions.remove(&oldest);
        }
        inside.sessions.insert(cookie.clone(), Session { challenge, key: None, used: now });
        Ok(Some(cookie))
    }

    /// The session of a cookie, which lives on from now; none when it has ended.
    pub(super) fn find(&self, cookie: &str, now: Instant) -> Option<Session> {
        let mut inside = self.inside();
        let known = inside.sessions.keys().find(|known| same(known, cookie)).cloned()?;
        let session = inside.sessions.get_mut(&known)?;
        if !session.is_alive(now) {
            inside.sessions.remove(&known);
            return None;
        }
        session.used = now;
        Some(session.clone())
    }

    /// Remembers which key the browser of this session has shown to have; none forgets it.
    pub(super) fn identify(&self, cookie: &str, key: Option<PublicKey>) {
        if let Some(session) = self.inside().sessions.get_mut(cookie) {
            session.key = key;
        }
    }

    /// Ends a session.
    pub(super) fn leave(&self, cookie: &str) {
        self.inside().sessions.remove(cookie);
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Nothing panics while it is held, and every state of it is a good one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 256 random bits in hexadecimal.
fn secret() -> Result<String, NoEntropy> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|_| NoEntropy)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Compared over its whole length, so that time tells nothing about where it differs.
fn same(known: &str, given: &str) -> bool {
    known.len() == given.len() && known.bytes().zip(given.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{IDLE, Sessions};
    use std::time::{Duration, Instant};

    #[test]
    fn a_token_opens_one_session_and_no_second_one() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let token = sessions.token().unwrap();
        assert!(sessions.enter("", now).unwrap().is_none());
        assert!(sessions.enter(&token[..63], now).unwrap().is_none());
        let cookie = sessions.enter(&token, now).unwrap().unwrap();
        assert!(cookie.len() >= 32 && cookie != token);
        assert!(sessions.enter(&token, now).unwrap().is_none(), "used");
        assert!(sessions.find(&cookie, now).is_some() && sessions.find(&token, now).is_none());
        sessions.leave(&cookie);
        assert!(sessions.find(&cookie, now).is_none());
    }

    #[test]
    fn a_session_ends_after_half_an_hour_without_use() {
        let (sessions, began) = (Sessions::default(), Instant::now());
        let cookie = sessions.enter(&sessions.token().unwrap(), began).unwrap().unwrap();
        let almost = IDLE.saturating_sub(Duration::from_secs(1));
        assert!(sessions.find(&cookie, began + almost).is_some());
        assert!(sessions.find(&cookie, began + almost * 2).is_some(), "use keeps it alive");
        assert!(sessions.find(&cookie, began + almost * 2 + IDLE).is_none());
        assert!(sessions.find(&cookie, began).is_none(), "and what has ended does not come back");
    }
}
