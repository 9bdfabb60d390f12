//! The chain of a key on this machine: what it has signed last, in a file beside it, so that others see when something of it is kept back.
//!
//! A statement stands in the file before it is handed in. What may not have arrived stays there and is handed in again before the next one, so
//! that a line that was cut leaves no gap.

use crate::cli::link::{Link, beside};
use crate::statements::{self, ReadError};
use anyhow::{Context as _, bail};
use keys::key::PublicKey;
use protocol::wire::envelope::{Place, Signed};
use protocol::wire::id::{NetworkId, StatementId};
use protocol::wire::message::{Request, Response};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What a key has signed last in one federation. While it is held, no other command signs with the key.
pub(crate) struct Chain {
    path: PathBuf,
    /// Oldest first: the last one, and before it what may not have arrived anywhere.
    said: Vec<Vec<u8>>,
    _turn: File,
}

impl Chain {
    /// Opens the chain of the key that was given as `--key`, and waits for its turn.
    ///
    /// # Errors
    /// When the key's folder cannot be read, or the file there is none of ours.
    pub(crate) fn open(key: &str, public: &PublicKey, network: &NetworkId) -> anyhow::Result<Self> {
        let path = beside(key, &format!("{}.said", network.short()));
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let turn = File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
        let turn = turn.with_context(|| format!("the folder `{}` of the key cannot be used", folder.display()))?;
        let mut said = match statements::read(&path) {
            Ok(said) => said,
            Err(ReadError::Missing { .. }) => Vec::new(),
            Err(error) => {
                return Err(error).context(
                    "what this key has signed last is not known; move the file away, and a new chain begins beside the old one",
                );
            }
        };
        // An earlier key of the same name had a chain of its own.
        said.retain(|bytes| Signed::parse(bytes).is_ok_and(|signed| signed.key() == public.id()));
        Ok(Self { path, said, _turn: turn })
    }

    /// Where the next statement stands.
    pub(crate) fn next(&self) -> Place {
        let last = self.said.last().and_then(|bytes| {
            let number = Signed::parse(bytes).ok()?.claims().place.as_ref()?.number;
            Some(Place { number: number.saturating_add(1), previous: Some(StatementId::of(bytes)) })
        });
        last.unwrap_or(Place { number: 1, previous: None })
    }

    /// Hands a statement in at its place, after what may not have arrived.
    ///
    /// # Errors
    /// When it cannot be kept, the conversation breaks, or the node does not take it; then its place is free again.
    pub(crate) async fn hand_in(&mut self, statement: &[u8], link: &mut Link) -> anyhow::Result<()> {
        let earlier = self.said.clone();
        self.said.push(statement.to_vec());
        self.keep()?;
        for one in &earlier {
            // It may have expired meanwhile; what matters is the one that is signed now.
            link.ask(Request::Offer { statement: one.clone() }).await?;
        }
        match link.ask(Request::Offer { statement: statement.to_vec() }).await? {
            Response::Taken => {
                self.said = vec![statement.to_vec()];
                self.keep()
            }
            Response::NotTaken { reason } => {
                self.said = earlier;
                self.keep()?;
                bail!("the node did not take the statement: {reason}")
            }
            _ => bail!("the node answered another question; are both programs of the same version?"),
        }
    }

    fn keep(&self) -> anyhow::Result<()> {
        if self.said.is_empty() {
            return std::fs::remove_file(&self.path)
                .with_context(|| format!("cannot remove `{}`; is its folder yours?", self.path.display()));
        }
        statements::replace(&self.path, &self.said).context("what the key signs could not be noted beside it")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use keys::signer::{Signer as _, SoftKey};
    use protocol::record::cancellation::Cancellation;
    use protocol::record::stamp::{Stamp, sign};

    fn said(by: &SoftKey, place: Place) -> Vec<u8> {
        let network = NetworkId([1; 32]);
        let stamp =
            Stamp { network, issuer: "alice".to_owned(), issued: 10, lifetime: 10, nonce: [0; 16], place: Some(place) };
        sign(&Cancellation { task: StatementId([2; 32]), reason: String::new() }, &stamp, by).unwrap()
    }

    #[test]
    fn each_statement_follows_the_last_and_another_key_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("alice").display().to_string();
        let (key, network) = (SoftKey::from_seed([3; 32]), NetworkId([1; 32]));
        let mut chain = Chain::open(&name, &key.public(), &network).unwrap();
        assert_eq!(chain.next(), Place { number: 1, previous: None });
        let first = said(&key, chain.next());
        chain.said.push(first.clone());
        chain.keep().unwrap();
        drop(chain);
        let again = Chain::open(&name, &key.public(), &network).unwrap();
        assert_eq!(again.next(), Place { number: 2, previous: Some(StatementId::of(&first)) });
        drop(again);
        let first = Place { number: 1, previous: None };
        let other = Chain::open(&name, &SoftKey::from_seed([4; 32]).public(), &network).unwrap();
        assert_eq!(other.next(), first);
        drop(other);
        assert_eq!(
            Chain::open(&name, &key.public(), &NetworkId([5; 32])).unwrap().next(),
            first,
            "each federation has its own"
        );
        std::fs::write(folder.path().join(format!("alice.{}.said", network.short())), "no statement").unwrap();
        assert!(Chain::open(&name, &key.public(), &network).is_err());
    }
}
