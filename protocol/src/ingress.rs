//! The front door: bytes become `Verified` statements here and nowhere else, or a verdict on the peer that sent them.

use crate::record::attestation::Attestation;
use crate::record::cancellation::Cancellation;
use crate::record::checkpoint::{Checkpoint, Cosignature};
use crate::record::comment::Comment;
use crate::record::dataset::Dataset;
use crate::record::grant::Grant;
use crate::record::key_record::{HolderKind, KeyRecord};
use crate::record::phase::Phase;
use crate::record::project::Project;
use crate::record::recovery::Recovery;
use crate::record::release::Release;
use crate::record::revocation::Revocation;
use crate::record::root::Root;
use crate::record::run::Run;
use crate::record::standing_approval::StandingApproval;
use crate::record::status::Status;
use crate::record::submission::Submission;
use crate::record::{Invalid, Kind, Payload};
use crate::trust::roster::{Holder, Roster};
use crate::wire::codec::{self, CodecError};
use crate::wire::envelope::{Claims, Malformed, Signed};
use crate::wire::id::{NetworkId, StatementId};
use std::sync::Arc;
use thiserror::Error;

/// A statement whose signature, time, issuer and fields were checked. [`receive`] is its only constructor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    id: StatementId,
    payload: T,
    claims: Claims,
    signer: Holder,
    bytes: Arc<[u8]>,
}

impl<T> Verified<T> {
    /// The statement's id.
    #[must_use]
    pub fn id(&self) -> StatementId {
        self.id
    }

    /// What it says.
    #[must_use]
    pub fn payload(&self) -> &T {
        &self.payload
    }

    /// Who said it, when, until when.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The holder of the key that signed it.
    #[must_use]
    pub fn signer(&self) -> &Holder {
        &self.signer
    }

    /// The tagged bytes as they were received.
    #[must_use]
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

macro_rules! statement {
    ($($(#[$doc:meta])* $kind:ident),+ $(,)?) => {
        /// A verified statement of any kind.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "one statement at a time is on its way, and a box would have to be opened at each match")]
        pub enum Statement {
            $($(#[$doc])* $kind(Verified<$kind>)),+
        }

        impl Statement {
            /// The statement's id.
            #[must_use]
            pub fn id(&self) -> StatementId {
                match self { $(Self::$kind(statement) => statement.id),+ }
            }

            /// The tagged bytes as they were received.
            #[must_use]
            pub fn bytes(&self) -> &Arc<[u8]> {
                match self { $(Self::$kind(statement) => &statement.bytes),+ }
            }

            /// Its kind.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind),+ }
            }

            /// Who said it, when, until when.
            #[must_use]
            pub fn claims(&self) -> &Claims {
                match self { $(Self::$kind(statement) => &statement.claims),+ }
            }

            /// The holder of the key that signed it.
            #[must_use]
            pub fn signer(&self) -> &Holder {
                match self { $(Self::$kind(statement) => &statement.signer),+ }
            }
        }
    };
}

statement! {
    /// The federation's root.
    Root,
    /// A holder's keys.
    KeyRecord,
    /// What a person may do.
    Grant,
    /// What no longer counts.
    Revocation,
    /// How fresh revocations are.
    Status,
    /// A project.
    Project,
    /// A task.
    Submission,
    /// A task called back.
    Cancellation,
    /// A task's phase at a TRE.
    Phase,
    /// A run at a TRE.
    Run,
    /// A decision on outputs.
    Attestation,
    /// What left a TRE.
    Release,
    /// What may be released without a person.
    StandingApproval,
    /// A TRE that goes on from a backup.
    Recovery,
    /// What a TRE publishes of a dataset.
    Dataset,
    /// A word about a task under review.
    Comment,
    /// What a TRE's log holds.
    Checkpoint,
    /// That a TRE's log only grew.
    Cosignature,
}

/// What a peer's bytes are worth, when they are not a verified statement.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Verdict {
    /// Not wrong in itself: do not forward it, do not blame the peer.
    #[error("ignored: {0}")]
    Ignore(Ignored),
    /// No honest member sends this: do not forward it, and lower the peer's score.
    #[error("rejected: {0}")]
    Reject(Rejected),
}

/// Why a statement is ignored.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Ignored {
    /// Nobody enrolled the key that signed it, as far as is known here.
    #[error("the key {0} is not enrolled here (yet); import the federation's statements and try again")]
    UnknownKey(keys::key::KeyId),
    /// The key was revoked before the statement was issued.
    #[error("the key that signed it was revoked")]
    RevokedKey,
    /// Its time is over.
    #[error("it has expired; sign it again")]
    Expired,
    /// Its time has not come: one of the two clocks is wrong.
    #[error("it is dated in the future; check both clocks")]
    NotYetValid,
}

/// Why a statement is rejected.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Rejected {
    /// Outside the envelope's profile.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// The payload is not a payload of its kind.
    #[error("{0}")]
    Codec(#[from] CodecError),
    /// A field breaks a rule.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// Forged, or signed for another network or kind.
    #[error("the signature does not verify for this network")]
    BadSignature,
    /// `iss`, `sub` or the lifetime are not what the kind asks for.
    #[error("the claims do not fit: {0}")]
    Claims(&'static str),
    /// A person signed what only a TRE signs, or the other way round.
    #[error("the signer may not sign this kind of statement")]
    WrongSigner,
}

/// Checks bytes against the profile, the roster and the clock (`now`, seconds since 1970), in this order: size and encoding, times, key,
/// signature, claims, fields.
///
/// # Errors
/// A [`Verdict`] on whoever sent them.
pub fn receive(bytes: &[u8], roster: &Roster, now: u64) -> Result<Statement, Verdict> {
    let signed = Signed::parse(bytes).map_err(|e| Verdict::Reject(e.into()))?;
    check_times(signed.claims(), roster.clock_skew_seconds(), now)?;
    match signed.kind() {
        Kind::Root => {
            let unread = peek::<Root>(&signed)?;
            let own = unread.keys.iter().find(|key| key.key.id() == signed.key());
            let signer = own.map(Holder::of_root_key).or_else(|| roster.past_root_holder(&signed.key()));
            verify(&signed, bytes, roster.network(), signer).map(Statement::Root)
        }
        Kind::KeyRecord => {
            let unread = peek::<KeyRecord>(&signed)?;
            let own = (unread.key.id() == signed.key()).then(|| Holder::of_key_record(&unread));
            let signer = own.or_else(|| roster.past_root_holder(&signed.key()));
            verify(&signed, bytes, roster.network(), signer).map(Statement::KeyRecord)
        }
        Kind::Grant => known(&signed, bytes, roster).map(Statement::Grant),
        Kind::Revocation => known(&signed, bytes, roster).map(Statement::Revocation),
        Kind::Status => known(&signed, bytes, roster).map(Statement::Status),
        Kind::Project => known(&signed, bytes, roster).map(Statement::Project),
        Kind::Submission => known(&signed, bytes, roster).map(Statement::Submission),
        Kind::Cancellation => known(&signed, bytes, roster).map(Statement::Cancellation),
        Kind::Attestation => known(&signed, bytes, roster).map(Statement::Attestation),
        Kind::Phase => known(&signed, bytes, roster)
            .and_then(|statement| by_tre(statement, |phase: &Phase| &phase.tre))
            .map(Statement::Phase),
        Kind::Run => known(&signed, bytes, roster)
            .and_then(|statement| by_tre(statement, |run: &Run| &run.tre))
            .map(Statement::Run),
        Kind::Release => known(&signed, bytes, roster)
            .and_then(|statement| by_tre(statement, |release: &Release| &release.tre))
            .map(Statement::Release),
        Kind::StandingApproval => known(&signed, bytes, roster).map(Statement::StandingApproval),
        Kind::Recovery => known(&signed, bytes, roster).map(Statement::Recovery),
        Kind::Dataset => known(&signed, bytes, roster)
            .and_then(|statement| by_tre(statement, |dataset: &Dataset| &dataset.tre))
            .map(Statement::Dataset),
        Kind::Comment => known(&signed, bytes, roster).map(Statement::Comment),
        Kind::Checkpoint => known(&signed, bytes, roster)
            .and_then(|statement| by_tre(statement, |checkpoint: &Checkpoint| &checkpoint.tre))
            .map(Statement::Checkpoint),
        Kind::Cosignature => known(&signed, bytes, roster).and_then(by_another_node).map(Statement::Cosignature),
    }
}

/// The network that a founding root makes: SHA-256 of the payload of a version 1 root, read before anything is trusted.
///
/// # Errors
/// [`Rejected`] when the bytes are not a version 1 root in our profile.
pub fn founding_network(bytes: &[u8]) -> Result<NetworkId, Rejected> {
    let signed = Signed::parse(bytes)?;
    if signed.kind() != Kind::Root {
        return Err(Rejected::Claims("this is not a root statement"));
    }
    let root: Root = read(signed.payload_before_verification())?;
    root.check()?;
    if root.version == 1 {
        Ok(NetworkId::of(signed.payload_before_verification()))
    } else {
        Err(Rejected::Claims("this is not the first root of a federation"))
    }
}

fn check_times(claims: &Claims, skew: u64, now: u64) -> Result<(), Verdict> {
    if claims.issued.max(claims.not_before) > now.saturating_add(skew) {
        return Err(Verdict::Ignore(Ignored::NotYetValid));
    }
    if claims.expires.saturating_add(skew) <= now {
        return Err(Verdict::Ignore(Ignored::Expired));
    }
    Ok(())
}

fn peek<T: Payload>(signed: &Signed) -> Result<T, Verdict> {
    read(signed.payload_before_verification()).map_err(|e| Verdict::Reject(e.into()))
}

/// A payload in the one form that is written: a field that is left out reads as one that is null, and would give one payload two encodings.
fn read<T: Payload>(bytes: &[u8]) -> Result<T, CodecError> {
    let payload: T = codec::decode(bytes)?;
    if codec::encode(&payload)? == bytes { Ok(payload) } else { Err(CodecError::NotDeterministic) }
}

/// Kinds that only enrolled keys sign.
fn known<T: Payload>(signed: &Signed, bytes: &[u8], roster: &Roster) -> Result<Verified<T>, Verdict> {
    // What a root person of an earlier root has signed can be believed; whether it counts is the roster's question.
    let signer = roster.holder(&signed.key()).or_else(|| roster.past_root_holder(&signed.key()));
    if signer.is_some() && roster.is_key_revoked(&signed.key(), signed.claims().issued) {
        return Err(Verdict::Ignore(Ignored::RevokedKey));
    }
    let by_node = matches!(
        T::KIND,
        Kind::Dataset | Kind::Phase | Kind::Run | Kind::Release | Kind::Checkpoint | Kind::Cosignature
    );
    if signer.as_ref().is_some_and(|signer| (signer.kind == HolderKind::Person) == by_node) {
        return Err(Verdict::Reject(Rejected::WrongSigner));
    }
    verify(signed, bytes, roster.network(), signer)
}

fn by_tre<T>(statement: Verified<T>, tre: impl Fn(&T) -> &String) -> Result<Verified<T>, Verdict> {
    if statement.signer.kind == HolderKind::Tre && tre(&statement.payload) == &statement.signer.name {
        Ok(statement)
    } else {
        Err(Verdict::Reject(Rejected::WrongSigner))
    }
}

/// A TRE does not witness its own log.
fn by_another_node(statement: Verified<Cosignature>) -> Result<Verified<Cosignature>, Verdict> {
    if statement.payload.tre == statement.signer.name {
        Err(Verdict::Reject(Rejected::WrongSigner))
    } else {
        Ok(statement)
    }
}

fn verify<T: Payload>(
    signed: &Signed,
    bytes: &[u8],
    network: &NetworkId,
    signer: Option<Holder>,
) -> Result<Verified<T>, Verdict> {
    let reject = Verdict::Reject;
    let signer = signer.ok_or(Verdict::Ignore(Ignored::UnknownKey(signed.key())))?;
    // A founding root names its own network: what is signed is bound to the payload's digest.
    let payload = signed.verify(&signer.key, network).map_err(|_| reject(Rejected::BadSignature))?;
    let payload: T = read(payload).map_err(|e| reject(e.into()))?;
    payload.check().map_err(|e| reject(e.into()))?;
    let claims = signed.claims();
    if claims.issuer != signer.name {
        return Err(reject(Rejected::Claims("the issuer is not the holder of the key")));
    }
    if claims.subject != payload.subject() {
        return Err(reject(Rejected::Claims("the subject is not what the payload is about")));
    }
    let lifetime = claims.expires.checked_sub(claims.issued);
    if lifetime.is_none_or(|seconds| seconds == 0 || seconds > T::MAX_LIFETIME_SECONDS) {
        return Err(reject(Rejected::Claims("the expiry is too far from the issue, or before it")));
    }
    Ok(Verified { id: signed.id(), payload, claims: claims.clone(), signer, bytes: bytes.into() })
}
