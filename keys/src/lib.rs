//! Who can sign, who can read what was sealed, and how their secrets lie on disk.
//!
//! Without features this crate is pure: public keys, their ids and strict verification, and the one trait for everything
//! that signs. It does no input or output, reads no clock and draws no randomness. The feature `store` adds what
//! the node and its command line need.
//!
//! | module | holds | needs |
//! |---|---|---|
//! | [`key`] | public keys, key ids, their texts, verification | nothing |
//! | [`signer`] | the trait `Signer` and a key in memory | nothing |
//! | `at_rest` | private files: placed whole or not at all, refused when others can read them | `store` |
//! | `keyfile` | encrypted OpenSSH private keys | `store` |
//! | `agent` | signing through ssh-agent | `store` |
//! | `seal` | age identities and recipients, sealing and opening | `store` |
//! | `secret` | the node's own random secrets | `store` |
//!
//! One use, one key: a signing key is never turned into an encryption key, and the node's secrets are neither.

#[cfg(feature = "store")]
pub mod agent;
#[cfg(feature = "store")]
pub mod at_rest;
pub mod key;
#[cfg(feature = "store")]
pub mod keyfile;
#[cfg(feature = "store")]
pub mod seal;
#[cfg(feature = "store")]
pub mod secret;
pub mod signer;
