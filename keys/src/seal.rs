//! Sealing with age (`age-encryption.org/v1`): who can read, and streams to and from them. A seal names no sender.

use crate::at_rest::{self, PRIVATE, PlaceError, ReadError};
use age::secrecy::{ExposeSecret as _, SecretString};
use age::{DecryptError, Decryptor, Encryptor, scrypt, x25519};
use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::iter;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use thiserror::Error;
use zeroize::Zeroizing;

/// The scrypt work factor of a new identity file: N = 2^15, about 0.1 s and 32 MiB.
pub const SCRYPT_LOG_N: u8 = 15;

/// The largest scrypt work factor that is accepted, about 4 s and 1 GiB: a hostile file does not stop the machine.
pub const SCRYPT_LOG_N_MAX: u8 = 20;

/// The most bytes in an identity file.
const FILE_BYTES: u64 = 16 * 1024;

/// The characters of Bech32 by value (BIP 173).
const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// The public keys of X25519 whose shared secret is zero whatever the other side does (RFC 7748 section 6.1): points of
/// order 1, 2, 4 and 8 on the curve and its twist, with the encodings above p that reduce to them; the top bit does not count.
const LOW_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    ends(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    ends(0xec, 0xff, 0x7f),
    ends(0xed, 0xff, 0x7f),
    ends(0xee, 0xff, 0x7f),
];

/// 32 bytes: the first, thirty in the middle, the last.
const fn ends(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// Why a text is not a recipient.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ParseRecipientError {
    /// An identity where a recipient belongs. It is not repeated.
    #[error("this is a secret identity; give its recipient `age1…`, and show the identity to nobody")]
    Secret,
    /// Not `age1…` or mistyped.
    #[error("the text is not an age recipient `age1…`; copy the whole of it")]
    NotARecipient,
    /// Whatever is sealed to it, anybody could read.
    #[error("the recipient is a point of low order, which protects nothing; make one with `quintes key new`")]
    LowOrder,
}

/// Why an identity file was not made. Nothing was left behind.
#[derive(Debug, Error)]
pub enum CreateError {
    /// The file could not be placed.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A passphrase of no characters protects nothing.
    #[error("the passphrase is empty; choose one of several words")]
    EmptyPassphrase,
    /// A work factor that we would not open again.
    #[error("the scrypt work factor is not between 1 and {SCRYPT_LOG_N_MAX}; take {SCRYPT_LOG_N}")]
    WorkFactor,
    /// Encryption in memory failed.
    #[error("the identity could not be encrypted; report this as a fault of the program")]
    Encrypt(#[source] SealError),
}

/// Why an identity file was not opened.
#[derive(Debug, Error)]
pub enum OpenFileError {
    /// The file could not be read, or others can read it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Not one X25519 identity.
    #[error("`{}` does not hold one age identity; make one with `quintes key new` or `age-keygen`", path.display())]
    NotAnIdentity {
        /// The file.
        path: PathBuf,
    },
    /// No passphrase was obtained.
    #[error("`{}` is encrypted and no passphrase was given; run the command in a terminal", path.display())]
    NoPassphrase {
        /// The file.
        path: PathBuf,
        /// Why asking failed.
        source: io::Error,
    },
    /// The passphrase does not decrypt the identity.
    #[error("the passphrase of `{}` is wrong; try again", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// The file asks for more work than [`SCRYPT_LOG_N_MAX`] allows.
    #[error("`{}` asks for scrypt work of 2^{log_n}; encrypt it again with 2^{SCRYPT_LOG_N_MAX} at most", path.display())]
    TooMuchWork {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        log_n: u8,
    },
}

/// Why nothing, or not everything, was sealed. What was written must be thrown away.
#[derive(Debug, Error)]
pub enum SealError {
    /// Nobody to seal to.
    #[error("there is no recipient to seal to; name one")]
    NoRecipient,
    /// The recipients could not be combined.
    #[error("the recipients cannot be combined; seal to each alone")]
    Recipients(#[source] age::EncryptError),
    /// Reading the plaintext or writing the ciphertext failed.
    #[error("reading or writing failed while sealing; check the disk and try again")]
    Io(#[source] io::Error),
}

/// Why a ciphertext was not opened. Nothing of it may be used.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Sealed to somebody else.
    #[error("the ciphertext is not sealed to this identity; open it with the one the task named")]
    OtherRecipient,
    /// Not age, cut off, lengthened or changed.
    #[error("the ciphertext is damaged or incomplete; fetch it again")]
    Damaged,
    /// More plaintext than the caller takes.
    #[error("the plaintext has more than {limit} bytes; nothing of it was kept")]
    TooLarge {
        /// What the caller takes, in bytes.
        limit: u64,
    },
    /// Reading the ciphertext failed.
    #[error("reading failed while opening; check the disk and try again")]
    Io(#[source] io::Error),
}

/// To whom something is sealed: an X25519 public key, `age1…`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Recipient(x25519::Recipient);

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({self})")
    }
}

impl FromStr for Recipient {
    type Err = ParseRecipientError;

    fn from_str(text: &str) -> Result<Self, ParseRecipientError> {
        parse_recipient(text)
    }
}

/// The recipient of this text, `age1…`.
///
/// # Errors
/// [`ParseRecipientError`]. Points of low order are refused here, because sealing to one would end in a panic.
pub fn parse_recipient(text: &str) -> Result<Recipient, ParseRecipientError> {
    let text = text.trim();
    if text.get(..14).is_some_and(|start| start.eq_ignore_ascii_case("age-secret-key")) {
        return Err(ParseRecipientError::Secret);
    }
    let recipient: x25519::Recipient = text.parse().map_err(|_| ParseRecipientError::NotARecipient)?;
    let mut point = point(&recipient).ok_or(ParseRecipientError::NotARecipient)?;
    point[31] &= 0x7f;
    if LOW_ORDER.contains(&point) { Err(ParseRecipientError::LowOrder) } else { Ok(Recipient(recipient)) }
}

/// The 32 bytes behind a recipient: its text after `age1` in groups of 5 bits, without the checksum of 6 characters.
fn point(recipient: &x25519::Recipient) -> Option<[u8; 32]> {
    let text = recipient.to_string();
    let (mut bits, mut held) = (0_u16, 0);
    let mut bytes = Vec::with_capacity(32);
    for character in text.strip_prefix("age1")?.bytes().take(52) {
        let value = BECH32.iter().position(|known| *known == character)?;
        bits = bits << 5 | u16::try_from(value).ok()?;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held).to_le_bytes()[0]);
        }
    }
    bytes.try_into().ok()
}

/// Who can open what was sealed to its recipient. Erased when dropped.
pub struct Identity(x25519::Identity);

impl Identity {
    /// A new identity from the system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self(x25519::Identity::generate())
    }

    /// To whom one seals for this identity: `age1…`.
    #[must_use]
    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }

    /// Places the identity in a new file, mode 0600, that the `age` tool reads too. With a passphrase the file is itself an
    /// age file under scrypt with N = 2^`log_n`; give [`SCRYPT_LOG_N`].
    ///
    /// # Errors
    /// [`CreateError`], also when the file is already there.
    pub fn create_file(&self, path: &Path, passphrase: Option<&str>, log_n: u8) -> Result<(), CreateError> {
        let secret = self.0.to_string();
        let text = Zeroizing::new(format!("# public key: {}\n{}\n", self.recipient(), secret.expose_secret()));
        let Some(passphrase) = passphrase else {
            return Ok(at_rest::place_new(path, text.as_bytes(), PRIVATE)?);
        };
        if passphrase.is_empty() {
            return Err(CreateError::EmptyPassphrase);
        }
        if !(1..=SCRYPT_LOG_N_MAX).contains(&log_n) {
            return Err(CreateError::WorkFactor);
        }
        let mut recipient = scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
        recipient.set_work_factor(log_n);
        let mut file = Vec::new();
        let recipients = iter::once(&recipient as &dyn age::Recipient);
        encrypt(recipients, text.as_bytes(), &mut file).map_err(CreateError::Encrypt)?;
        Ok(at_rest::place_new(path, &file, PRIVATE)?)
    }

    /// Opens an identity file of ours or of `age-keygen`. `passphrase` is asked only when the file is private and encrypted.
    ///
    /// # Errors
    /// [`OpenFileError`].
    pub fn open_file(
        path: &Path,
        passphrase: impl FnOnce() -> io::Result<Zeroizing<String>>,
    ) -> Result<Self, OpenFileError> {
        let not_an_identity = || OpenFileError::NotAnIdentity { path: path.to_owned() };
        let mut contents = at_rest::read_private(path, FILE_BYTES)?;
        if contents.starts_with(b"age-encryption.org/") {
            let file = Decryptor::new_buffered(contents.as_slice()).map_err(|_| not_an_identity())?;
            if !file.is_scrypt() {
                return Err(not_an_identity());
            }
            let given = passphrase().map_err(|source| OpenFileError::NoPassphrase { path: path.to_owned(), source })?;
            let mut key = scrypt::Identity::new(SecretString::from(given.as_str().to_owned()));
            key.set_max_work_factor(SCRYPT_LOG_N_MAX);
            let mut plain = file.decrypt(iter::once(&key as &dyn age::Identity)).map_err(|error| match error {
                DecryptError::ExcessiveWork { required, .. } => {
                    OpenFileError::TooMuchWork { path: path.to_owned(), log_n: required }
                }
                DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys => {
                    OpenFileError::WrongPassphrase { path: path.to_owned() }
                }
                _ => not_an_identity(),
            })?;
            // The plaintext is shorter than the file, so this never grows and leaves no copies.
            let mut text = Zeroizing::new(Vec::with_capacity(contents.len()));
            plain.read_to_end(&mut text).map_err(|_| not_an_identity())?;
            contents = text;
        }
        let text = std::str::from_utf8(&contents).map_err(|_| not_an_identity())?;
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        match (lines.next(), lines.next()) {
            (Some(line), None) => line.parse().map(Self).map_err(|_| not_an_identity()),
            _ => Err(not_an_identity()),
        }
    }
}

/// Names the recipient only.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.recipient())
    }
}

/// Seals a stream to all recipients, each of whom can open it alone, and gives the plaintext's size in bytes. Memory stays
/// at about two chunks of 64 KiB whatever the size.
///
/// # Errors
/// [`SealError`]; a ciphertext that was cut off does not open.
pub fn seal(recipients: &[Recipient], plaintext: impl Read, out: impl Write) -> Result<u64, SealError> {
    encrypt(recipients.iter().map(|recipient| &recipient.0 as &dyn age::Recipient), plaintext, out)
}

fn encrypt<'a>(
    recipients: impl Iterator<Item = &'a dyn age::Recipient>,
    mut plaintext: impl Read,
    out: impl Write,
) -> Result<u64, SealError> {
    let encryptor = Encryptor::with_recipients(recipients).map_err(|error| match error {
        age::EncryptError::MissingRecipients => SealError::NoRecipient,
        error => SealError::Recipients(error),
    })?;
    let mut writer = encryptor.wrap_output(out).map_err(SealError::Io)?;
    let size = io::copy(&mut plaintext, &mut writer).map_err(SealError::Io)?;
    // Without its last chunk the ciphertext would be a truncated one.
    writer.finish().and_then(|mut out| out.flush()).map_err(SealError::Io)?;
    Ok(size)
}

/// Opens a ciphertext as a stream. Each chunk is authentic when it comes out, the whole only when the end has been read
/// without an error: whoever acts earlier acts on what may turn out to be cut off.
///
/// # Errors
/// [`OpenError`] for the header; the reader reports later damage as `InvalidData` or `UnexpectedEof`.
pub fn open<R: Read>(identity: &Identity, ciphertext: R) -> Result<impl Read + use<R>, OpenError> {
    Decryptor::new_buffered(BufReader::new(ciphertext))
        .and_then(|file| file.decrypt(iter::once(&identity.0 as &dyn age::Identity)))
        .map_err(|error| match error {
            DecryptError::NoMatchingKeys => OpenError::OtherRecipient,
            DecryptError::Io(error) => from_stream(error),
            _ => OpenError::Damaged,
        })
}

/// Opens a whole ciphertext of at most `limit` bytes of plaintext into memory.
///
/// # Errors
/// [`OpenError`]; nothing of a ciphertext that is damaged anywhere comes out.
pub fn open_all(identity: &Identity, ciphertext: impl Read, limit: u64) -> Result<Vec<u8>, OpenError> {
    let mut plaintext = Vec::new();
    let size = open(identity, ciphertext)?.take(limit.saturating_add(1)).read_to_end(&mut plaintext);
    if u64::try_from(size.map_err(from_stream)?).is_ok_and(|size| size <= limit) {
        Ok(plaintext)
    } else {
        Err(OpenError::TooLarge { limit })
    }
}

/// What an error of the stream says about the ciphertext.
fn from_stream(error: io::Error) -> OpenError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => OpenError::Damaged,
        _ => OpenError::Io(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
