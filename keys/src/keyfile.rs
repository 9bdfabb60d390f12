//! Key files: an Ed25519 private key in OpenSSH's encrypted format, mode 0600, with its public line beside it.

use crate::at_rest::{self, PRIVATE, PUBLIC, PlaceError, ReadError};
use crate::key::PublicKey;
use crate::signer::{Signer as _, SoftKey};
use ssh_key::private::{Ed25519Keypair, KeypairData, PrivateKey};
use ssh_key::{Cipher, Kdf, LineEnding};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// Rounds of bcrypt-pbkdf that stretch a passphrase; as many as `ssh-keygen` takes.
const KDF_ROUNDS: u32 = 16;

/// The most bytes in a private key file; an RSA key of 16,384 bits, refused with a better sentence, has about 13,000.
const FILE_BYTES: u64 = 64 * 1024;

/// Why no key file was made. Nothing was left behind.
#[derive(Debug, Error)]
pub enum CreateError {
    /// A file could not be placed.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A passphrase of no characters protects nothing.
    #[error("the passphrase is empty; choose one of several words")]
    EmptyPassphrase,
    /// The comment does not fit on the line of a public key.
    #[error("the comment has a line break or another control character; give plain text such as `ada@example.org`")]
    Comment,
    /// The system gave no randomness.
    #[error("the system gave no random bytes; see that /dev/urandom works")]
    Entropy(#[source] getrandom::Error),
    /// The OpenSSH format could not be written.
    #[error("the key could not be encoded; report this as a fault of the program")]
    Encode(#[source] ssh_key::Error),
}

/// Why a key file was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The file could not be read, or others can read it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Not an OpenSSH private key.
    #[error("`{}` is not an OpenSSH private key; give the file without `.pub`, or make one with `quintes key new`", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// A key of another algorithm.
    #[error("`{}` is not an ssh-ed25519 key; make one with `quintes key new`", path.display())]
    OtherAlgorithm {
        /// The file.
        path: PathBuf,
    },
    /// No passphrase was obtained.
    #[error("`{}` is encrypted and no passphrase was given; run the command in a terminal or load the key into ssh-agent", path.display())]
    NoPassphrase {
        /// The file.
        path: PathBuf,
        /// Why asking failed.
        source: io::Error,
    },
    /// The passphrase does not decrypt the key.
    #[error("the passphrase of `{}` is wrong; try again", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
}

/// Makes a new key: `path` holds the private key (mode 0600), `path` with `.pub` appended the OpenSSH line with the comment.
/// Without a passphrase the key lies there in the clear, which is for a node's own keys only.
///
/// # Errors
/// [`CreateError`], also when either file is already there.
pub fn create(path: &Path, comment: &str, passphrase: Option<&str>) -> Result<PublicKey, CreateError> {
    if comment.chars().any(char::is_control) {
        return Err(CreateError::Comment);
    }
    if passphrase.is_some_and(str::is_empty) {
        return Err(CreateError::EmptyPassphrase);
    }
    let public_path = public_path(path);
    if fs::symlink_metadata(&public_path).is_ok() {
        return Err(PlaceError::Exists { path: public_path }.into());
    }
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(CreateError::Entropy)?;
    let public = SoftKey::from_seed(*seed).public();
    let text = encode(&seed, comment, passphrase)?;
    at_rest::place_new(path, text.as_bytes(), PRIVATE)?;
    let line = format!("{public} {comment}");
    if let Err(error) = at_rest::place_new(&public_path, format!("{}\n", line.trim_end()).as_bytes(), PUBLIC) {
        // The private key is ours and nobody knows it yet; a failure to remove it is less than the failure reported.
        let _ = fs::remove_file(path);
        return Err(error.into());
    }
    Ok(public)
}

/// Opens a private key. `passphrase` is asked only when the file is sound, private and encrypted.
///
/// # Errors
/// [`OpenError`]; a wrong passphrase is told apart from a damaged file as far as the format allows.
pub fn open(path: &Path, passphrase: impl FnOnce() -> io::Result<Zeroizing<String>>) -> Result<SoftKey, OpenError> {
    let not_a_key = || OpenError::NotAKey { path: path.to_owned() };
    let contents = at_rest::read_private(path, FILE_BYTES)?;
    let other_algorithm = || OpenError::OtherAlgorithm { path: path.to_owned() };
    let mut key = PrivateKey::from_openssh(contents.as_slice()).map_err(|error| match error {
        // Algorithms that are not built in are met here, the others below.
        ssh_key::Error::AlgorithmUnknown
        | ssh_key::Error::AlgorithmUnsupported { .. }
        | ssh_key::Error::Encoding(ssh_key::encoding::Error::Label(_)) => other_algorithm(),
        _ => not_a_key(),
    })?;
    if key.algorithm() != ssh_key::Algorithm::Ed25519 {
        return Err(other_algorithm());
    }
    if key.is_encrypted() {
        let given = passphrase().map_err(|source| OpenError::NoPassphrase { path: path.to_owned(), source })?;
        key = key.decrypt(given.as_bytes()).map_err(|_| OpenError::WrongPassphrase { path: path.to_owned() })?;
    }
    let pair = key.key_data().ed25519().ok_or_else(not_a_key)?;
    let seed = Zeroizing::new(pair.private.to_bytes());
    let opened = SoftKey::from_seed(*seed);
    // The public half stands in the clear: whoever changed it would have us sign in another's name.
    let stated = key.public_key().key_data().ed25519().ok_or_else(not_a_key)?;
    if opened.public().as_bytes() == &stated.0 { Ok(opened) } else { Err(not_a_key()) }
}

/// Where the public line lies: the whole name with `.pub` appended, as `ssh-keygen` does it.
#[must_use]
pub fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// The private key as OpenSSH writes it (PROTOCOL.key): AES-256-CTR under bcrypt-pbkdf, or in the clear.
fn encode(seed: &[u8; 32], comment: &str, passphrase: Option<&str>) -> Result<Zeroizing<String>, CreateError> {
    let pair = Ed25519Keypair::from_seed(seed);
    let mut key = PrivateKey::new(KeypairData::Ed25519(pair), comment).map_err(CreateError::Encode)?;
    if let Some(passphrase) = passphrase {
        let mut salt = vec![0; 16];
        getrandom::fill(&mut salt).map_err(CreateError::Entropy)?;
        let check = getrandom::u32().map_err(CreateError::Entropy)?;
        key = key
            .encrypt_with(Cipher::Aes256Ctr, Kdf::Bcrypt { salt, rounds: KDF_ROUNDS }, check, passphrase)
            .map_err(CreateError::Encode)?;
    }
    key.to_openssh(LineEnding::LF).map_err(CreateError::Encode)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    fn given(passphrase: &str) -> impl FnOnce() -> io::Result<Zeroizing<String>> {
        let passphrase = Zeroizing::new(passphrase.to_owned());
        move || Ok(passphrase)
    }

    fn not_asked() -> io::Result<Zeroizing<String>> {
        panic!("a passphrase was asked for")
    }

    fn ssh_keygen(arguments: &[&str]) -> String {
        let output = Command::new("ssh-keygen").args(arguments).output().expect("install ssh-keygen (openssh-client)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_new_key_is_private_encrypted_and_opens_with_its_passphrase_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ada.key");
        let public = create(&path, "ada@example.org", Some("four plain words here")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(public_path(&path)).unwrap(), format!("{public} ada@example.org\n"));
        assert_eq!(open(&path, given("four plain words here")).unwrap().public(), public);
        assert!(matches!(open(&path, given("four plain words")), Err(OpenError::WrongPassphrase { .. })));
        assert!(matches!(open(&path, given("")), Err(OpenError::WrongPassphrase { .. })));
        let nobody = || Err(io::Error::other("no terminal"));
        assert!(matches!(open(&path, nobody), Err(OpenError::NoPassphrase { .. })));
    }

    #[test]
    fn a_node_key_opens_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let public = create(&path, "", None).unwrap();
        assert_eq!(open(&path, not_asked).unwrap().public(), public);
        assert_eq!(fs::read_to_string(public_path(&path)).unwrap(), format!("{public}\n"));
    }

    #[test]
    fn neither_file_is_overwritten_and_no_half_pair_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ada.key");
        let public = create(&path, "", None).unwrap();
        assert!(matches!(create(&path, "", None), Err(CreateError::Place(PlaceError::Exists { .. }))));
        fs::remove_file(public_path(&path)).unwrap();
        assert!(matches!(create(&path, "", None), Err(CreateError::Place(PlaceError::Exists { .. }))));
        assert!(!public_path(&path).exists());
        assert_eq!(open(&path, not_asked).unwrap().public(), public);
        let other = folder.path().join("other.key");
        fs::write(public_path(&other), "taken").unwrap();
        assert!(matches!(create(&other, "", None), Err(CreateError::Place(PlaceError::Exists { .. }))));
        assert!(!other.exists());
    }

    #[test]
    fn empty_passphrases_and_broken_comments_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ada.key");
        assert!(matches!(create(&path, "", Some("")), Err(CreateError::EmptyPassphrase)));
        assert!(matches!(create(&path, "ada\nssh-ed25519 AAAA", None), Err(CreateError::Comment)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn ssh_keygen_reads_our_keys() {
        let folder = tempfile::tempdir().unwrap();
        for (name, passphrase) in [("locked", Some("pass")), ("plain", None)] {
            let path = folder.path().join(name);
            let public = create(&path, "ada@example.org", passphrase).unwrap();
            let file = path.to_str().unwrap();
            let line = ssh_keygen(&["-y", "-P", passphrase.unwrap_or_default(), "-f", file]);
            assert_eq!(line.trim_end(), format!("{public} ada@example.org"));
            let listed = ssh_keygen(&["-l", "-f", public_path(&path).to_str().unwrap()]);
            assert!(listed.contains(&public.fingerprint()), "{listed}");
        }
    }

    #[test]
    fn we_read_the_keys_of_ssh_keygen_and_refuse_other_algorithms() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, kind: &str, passphrase: &str| {
            let path = folder.path().join(name);
            ssh_keygen(&["-q", "-t", kind, "-N", passphrase, "-C", "eve", "-f", path.to_str().unwrap()]);
            path
        };
        for (name, passphrase) in [("locked", "pass"), ("plain", "")] {
            let path = make(name, "ed25519", passphrase);
            let line = fs::read_to_string(public_path(&path)).unwrap();
            assert_eq!(open(&path, given(passphrase)).unwrap().public(), line.parse().unwrap());
        }
        for (name, passphrase) in [("rsa", ""), ("ecdsa", ""), ("ecdsa-locked", "pass")] {
            let kind = name.split('-').next().unwrap();
            let refused = open(&make(name, kind, passphrase), not_asked);
            assert!(matches!(refused, Err(OpenError::OtherAlgorithm { .. })), "{name}: {refused:?}");
        }
    }

    #[test]
    fn public_lines_damage_and_lax_permissions_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ada.key");
        create(&path, "ada", None).unwrap();
        let sound = fs::read_to_string(&path).unwrap();
        let line = fs::read_to_string(public_path(&path)).unwrap();
        let older = sound.replace("OPENSSH", "RSA");
        for wrong in [line.as_str(), &sound[..sound.len() / 2], &older, "", "\0"] {
            fs::write(&path, wrong).unwrap();
            assert!(matches!(open(&path, not_asked), Err(OpenError::NotAKey { .. })), "{wrong}");
        }
        fs::write(&path, &sound).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(open(&path, not_asked).unwrap_err().to_string().contains("chmod 600"));
    }
}
