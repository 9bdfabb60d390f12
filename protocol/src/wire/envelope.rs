//! The signed envelope: COSE_Sign1 (RFC 9052 section 4.2) in one profile and one encoding.

use crate::record::Kind;
use crate::wire::codec;
use crate::wire::id::{NetworkId, StatementId};
use ciborium::Value;
use coset::iana::{Algorithm, EnumI64 as _, HeaderParameter};
use coset::{
    CoseSign1, CoseSign1Builder, Header, HeaderBuilder, Label, RegisteredLabelWithPrivate, TaggedCborSerializable as _,
};
use keys::key::{KeyId, PublicKey};
use keys::signer::{SignError, Signer};
use thiserror::Error;

/// The largest statement, in bytes: what one gossip message may hold.
pub const MAX_STATEMENT_BYTES: usize = 64 * 1024;

/// CWT claims (RFC 8392 section 3.1, carried in a COSE header by RFC 9597). Times are seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Who says it: the person's or node's name in the roster.
    pub issuer: String,
    /// What it is about; each kind of statement defines its own.
    pub subject: String,
    /// Not valid at or after this time.
    pub expires: u64,
    /// Not valid before this time.
    pub not_before: u64,
    /// When it was signed.
    pub issued: u64,
    /// 16 bytes that make this statement unlike any other of its issuer.
    pub nonce: [u8; 16],
    /// Where it stands in the chain of the key that signed it; none for kinds that stand in no chain ([`Kind::is_chained`]).
    pub place: Option<Place>,
}

/// A place in a key's chain ([`crate::chain`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// How many statements of the chain there are until here, from 1 on.
    pub number: u64,
    /// The statement before; none for the first.
    pub previous: Option<StatementId>,
}

/// The claim that holds the place, of the labels for private use (RFC 8392 section 9.1.1).
const PLACE: i64 = -65_537;

/// Why bytes are not a statement in our profile. Each case is a test vector.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Malformed {
    /// More than [`MAX_STATEMENT_BYTES`].
    #[error("the statement has more than 65,536 bytes")]
    TooLarge,
    /// Not a tag-18 COSE_Sign1.
    #[error("the bytes are not a tagged COSE_Sign1")]
    NotSign1,
    /// `alg` is not -19 (Ed25519, RFC 9864) in the protected header.
    #[error("the algorithm is not Ed25519 (-19) in the protected header")]
    Algorithm,
    /// The content type is not `application/vnd.quintes.<kind>.v1+cbor`.
    #[error("the content type names no kind of statement")]
    ContentType,
    /// `kid` is not 16 bytes.
    #[error("the key id is not 16 bytes")]
    KeyId,
    /// The CWT claims are not exactly iss, sub, exp, nbf, iat, a 16-byte cti, and for some kinds a place in a chain.
    #[error("the claims are not exactly iss, sub, exp, nbf, iat and cti, and for some kinds a place in a chain")]
    Claims,
    /// A header outside the profile, or an encoding that is not the one deterministic encoding.
    #[error("the statement is not in the one encoding that the profile admits")]
    NotCanonical,
    /// No payload.
    #[error("the statement has no payload")]
    NoPayload,
    /// The signature is not 64 bytes.
    #[error("the signature is not 64 bytes")]
    SignatureLength,
}

/// A statement in our profile whose signature nobody has checked yet. Its payload cannot be read.
#[derive(Clone, Debug)]
pub struct Signed {
    id: StatementId,
    kind: Kind,
    key: KeyId,
    claims: Claims,
    signature: [u8; 64],
    sign1: CoseSign1,
}

/// The signature does not verify under the key.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the signature does not verify")]
pub struct BadSignature;

impl Signed {
    /// Parses tagged bytes and refuses everything outside the profile.
    ///
    /// # Errors
    /// [`Malformed`], one case for each rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_STATEMENT_BYTES {
            return Err(Malformed::TooLarge);
        }
        let sign1 = CoseSign1::from_tagged_slice(bytes).map_err(|_| Malformed::NotSign1)?;
        let header = &sign1.protected.header;
        if header.alg != Some(RegisteredLabelWithPrivate::Assigned(Algorithm::Ed25519)) {
            return Err(Malformed::Algorithm);
        }
        let kind = match &header.content_type {
            Some(coset::ContentType::Text(text)) => Kind::from_content_type(text).ok_or(Malformed::ContentType)?,
            _ => return Err(Malformed::ContentType),
        };
        let key = KeyId(header.key_id.as_slice().try_into().map_err(|_| Malformed::KeyId)?);
        let claims = match header.rest.as_slice() {
            [(Label::Int(label), claims)] if *label == HeaderParameter::CwtClaims.to_i64() => {
                let claims = Claims::from_cbor(claims).ok_or(Malformed::Claims)?;
                if claims.place.is_some() && !kind.is_chained() {
                    return Err(Malformed::Claims);
                }
                claims
            }
            _ => return Err(Malformed::Claims),
        };
        let payload = sign1.payload.clone().ok_or(Malformed::NoPayload)?;
        let signature: [u8; 64] = sign1.signature.as_slice().try_into().map_err(|_| Malformed::SignatureLength)?;
        // One encoding only (RFC 9052 section 9): what the profile would have written must be what came.
        let again = CoseSign1Builder::new()
            .protected(protected(kind, key, &claims))
            .payload(payload)
            .signature(signature.to_vec())
            .build()
            .to_tagged_vec()
            .map_err(|_| Malformed::NotSign1)?;
        if again != bytes {
            return Err(Malformed::NotCanonical);
        }
        Ok(Self { id: StatementId::of(bytes), kind, key, claims, signature, sign1 })
    }

    /// SHA-256 of the whole tagged bytes.
    #[must_use]
    pub fn id(&self) -> StatementId {
        self.id
    }

    /// The kind, from the content type.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Which key it claims to be signed with.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// What it claims; worth nothing before [`Signed::verify`].
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The key that a self-signed payload names, and the persons of a root, stand inside the payload: the caller reads these fields
    /// to find the key, and nothing else, before the signature is checked.
    pub(crate) fn payload_before_verification(&self) -> &[u8] {
        self.sign1.payload.as_deref().unwrap_or_default()
    }

    /// Checks the signature over the received bytes (RFC 9052 section 4.4) and yields the payload.
    ///
    /// # Errors
    /// [`BadSignature`], also when `public` is not the key that `kid` names.
    pub fn verify(&self, public: &PublicKey, network: &NetworkId) -> Result<&[u8], BadSignature> {
        if public.id() != self.key {
            return Err(BadSignature);
        }
        let signed = self.sign1.tbs_data(&external_aad(network, self.kind));
        public.verify(&signed, &self.signature).map_err(|_| BadSignature)?;
        Ok(self.payload_before_verification())
    }
}

/// Signs a payload and returns the tagged statement.
///
/// # Errors
/// [`SealError`] when the statement would be too large or the signer refuses.
pub fn seal(
    kind: Kind,
    claims: &Claims,
    payload: Vec<u8>,
    network: &NetworkId,
    signer: &dyn Signer,
) -> Result<Vec<u8>, SealError> {
    let bytes = CoseSign1Builder::new()
        .protected(protected(kind, signer.public().id(), claims))
        .payload(payload)
        .try_create_signature(&external_aad(network, kind), |message| {
            signer.sign(message).map(|signature| signature.to_vec())
        })?
        .build()
        .to_tagged_vec()
        .map_err(|_| SealError::TooLarge)?;
    if bytes.len() > MAX_STATEMENT_BYTES {
        return Err(SealError::TooLarge);
    }
    Ok(bytes)
}

/// Why a statement was not signed.
#[derive(Debug, Error)]
pub enum SealError {
    /// It would not fit into one announcement.
    #[error("the statement would have more than 65,536 bytes; make it smaller")]
    TooLarge,
    /// The payload has no deterministic encoding.
    #[error("the statement cannot be encoded")]
    Codec(#[from] codec::CodecError),
    /// The payload breaks a rule of its kind.
    #[error("the statement is not valid: {0}")]
    Invalid(String),
    /// The key did not sign.
    #[error("the key did not sign")]
    Sign(#[from] SignError),
}

/// A statement of one network or kind never verifies as one of another.
fn external_aad(network: &NetworkId, kind: Kind) -> Vec<u8> {
    format!("quintes/v1/{network}/{kind}").into_bytes()
}

fn protected(kind: Kind, key: KeyId, claims: &Claims) -> Header {
    HeaderBuilder::new()
        .algorithm(Algorithm::Ed25519)
        .content_type(kind.content_type())
        .key_id(key.0.to_vec())
        .value(HeaderParameter::CwtClaims.to_i64(), claims.to_cbor())
        .build()
}

impl Claims {
    /// Labels of RFC 8392 section 4: iss 1, sub 2, exp 4, nbf 5, iat 6, cti 7; and our own.
    fn to_cbor(&self) -> Value {
        let entry = |label: i64, value: Value| (Value::from(label), value);
        let mut claims = vec![
            entry(1, Value::Text(self.issuer.clone())),
            entry(2, Value::Text(self.subject.clone())),
            entry(4, Value::from(self.expires)),
            entry(5, Value::from(self.not_before)),
            entry(6, Value::from(self.issued)),
            entry(7, Value::Bytes(self.nonce.to_vec())),
        ];
        claims.extend(self.place.as_ref().map(|place| entry(PLACE, place.to_cbor())));
        Value::Map(claims)
    }

    fn from_cbor(value: &Value) -> Option<Self> {
        let [(_, issuer), (_, subject), (_, expires), (_, not_before), (_, issued), (_, nonce), place @ ..] =
            value.as_map()?.as_slice()
        else {
            return None;
        };
        let place = match place {
            [] => None,
            [(_, place)] => Some(Place::from_cbor(place)?),
            _ => return None,
        };
        // Labels and order are checked by the byte comparison that follows in `Signed::parse`.
        Some(Self {
            issuer: issuer.as_text()?.to_owned(),
            subject: subject.as_text()?.to_owned(),
            expires: unsigned(expires)?,
            not_before: unsigned(not_before)?,
            issued: unsigned(issued)?,
            nonce: nonce.as_bytes()?.as_slice().try_into().ok()?,
            place,
        })
    }
}

impl Place {
    fn to_cbor(&self) -> Value {
        let previous = self.previous.map_or(Value::Null, |id| Value::Bytes(id.0.to_vec()));
        Value::Array(vec![Value::from(self.number), previous])
    }

    /// The first follows nothing, and nothing else does.
    fn from_cbor(value: &Value) -> Option<Self> {
        let [number, previous] = value.as_array()?.as_slice() else { return None };
        let previous = match previous {
            Value::Null => None,
            id => Some(StatementId(id.as_bytes()?.as_slice().try_into().ok()?)),
        };
        let place = Self { number: unsigned(number)?, previous };
        let first = place.number == 1;
        (place.number > 0 && first == place.previous.is_none()).then_some(place)
    }
}

fn unsigned(value: &Value) -> Option<u64> {
    value.as_integer().and_then(|number| u64::try_from(number).ok())
}
