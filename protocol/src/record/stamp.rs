//! Signing: a payload becomes a statement, with its claims filled in from what the caller knows.

use crate::record::Payload;
use crate::wire::codec;
use crate::wire::envelope::{Claims, Place, SealError, seal};
use crate::wire::id::NetworkId;
use keys::signer::Signer;

/// Who signs, when, for which federation. Time and entropy come from the caller.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// The federation.
    pub network: NetworkId,
    /// The holder's name in the roster.
    pub issuer: String,
    /// Seconds since 1970.
    pub issued: u64,
    /// How long it is valid, in seconds; the kind's maximum is not exceeded.
    pub lifetime: u64,
    /// 16 random bytes.
    pub nonce: [u8; 16],
    /// The place in the key's chain, for kinds that stand in one.
    pub place: Option<Place>,
}

/// Signs `payload` and returns the tagged statement.
///
/// # Errors
/// [`SealError`] when the payload breaks a rule of its kind, is too large, or the signer refuses.
pub fn sign<T: Payload>(payload: &T, stamp: &Stamp, signer: &dyn Signer) -> Result<Vec<u8>, SealError> {
    payload.check().map_err(|invalid| SealError::Invalid(invalid.to_string()))?;
    let claims = Claims {
        issuer: stamp.issuer.clone(),
        subject: payload.subject(),
        expires: stamp.issued.saturating_add(stamp.lifetime.min(T::MAX_LIFETIME_SECONDS)),
        not_before: stamp.issued,
        issued: stamp.issued,
        nonce: stamp.nonce,
        place: stamp.place.clone().filter(|_| T::KIND.is_chained()),
    };
    seal(T::KIND, &claims, codec::encode(payload)?, &stamp.network, signer)
}
