//! `key-record`: a person or a node and its keys, signed by the key itself and by an enroller (a root person).

use crate::record::Kind;
use crate::record::name::{require_name, require_text};
use crate::record::payload::{DECADE, Invalid, Payload, require};
use keys::key::PublicKey;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HolderKind {
    /// A human being: signs submissions and attestations.
    Person,
    /// A TRE's node: signs runs, releases and phases.
    Tre,
    /// A node that forwards: signs nothing that counts.
    Hub,
}

impl fmt::Display for HolderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Person => "person",
            Self::Tre => "TRE",
            Self::Hub => "hub",
        })
    }
}

/// One device's keys of one holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// A person, a TRE or a hub.
    pub kind: HolderKind,
    /// The holder's name: a person's id, or the TRE's name.
    pub name: String,
    /// The organisation.
    pub organisation: String,
    /// The device that holds the key, for people.
    pub device: String,
    /// The signing key.
    pub key: PublicKey,
    /// Where results are encrypted to: an age X25519 recipient.
    pub recipient: Option<String>,
    /// The libp2p identity (Ed25519) with which the device connects.
    pub peer: Option<PublicKey>,
}

impl Payload for KeyRecord {
    const KIND: Kind = Kind::KeyRecord;
    const MAX_LIFETIME_SECONDS: u64 = DECADE;

    fn subject(&self) -> String {
        self.name.clone()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_name(&self.name, "name")?;
        require_text(&self.organisation, 200, "organisation")?;
        require_text(&self.device, 200, "device")?;
        require(self.peer != Some(self.key), "peer", "the network identity is not the signing key")?;
        require(self.kind == HolderKind::Person || self.peer.is_some(), "peer", "a node has a network identity")?;
        require(
            self.recipient.as_ref().is_none_or(|text| text.starts_with("age1") && text.len() <= 4_096),
            "recipient",
            "a recipient is an age public key (age1…)",
        )
    }
}
