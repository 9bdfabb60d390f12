//! `[proxy]`: through what the node dials, where the hospital's firewall lets nothing else out.

use crate::network::{NoProxy, Proxy, ProxyAddress};
use keys::at_rest::{ReadError, read_private};
use serde::Deserialize;
use std::path::PathBuf;

/// The longest credentials, in bytes.
const CREDENTIALS_BYTES: u64 = 1024;

/// An HTTP proxy that takes CONNECT. The environment is not asked for one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxySettings {
    /// `http://HOST:PORT`.
    pub address: Address,
    /// A file that only the node can read, with `user:password` in it, where the proxy asks for that (HTTP's Basic scheme).
    pub credentials_file: Option<PathBuf>,
}

/// The address of a proxy, as the file writes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(pub ProxyAddress);

impl TryFrom<String> for Address {
    type Error = NoProxy;

    fn try_from(text: String) -> Result<Self, NoProxy> {
        text.parse().map(Self)
    }
}

impl ProxySettings {
    /// The proxy, with its credentials read.
    ///
    /// # Errors
    /// [`ReadError`], above all when others can read the credentials.
    pub fn open(&self) -> Result<Proxy, ReadError> {
        let credentials =
            self.credentials_file.as_deref().map(|path| read_private(path, CREDENTIALS_BYTES)).transpose()?;
        Ok(Proxy::new(self.address.0.clone(), credentials.as_ref()))
    }
}
