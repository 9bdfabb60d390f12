//! The desk at which statements are made: the federation's folder, the signer, and the way from words to a signed file.

use crate::cli::date::utc;
use crate::cli::passphrase::PassphraseOption;
use crate::cli::speak::{Speak, plain};
use crate::cli::words::{self, Words};
use crate::clock::now;
use crate::statements::{self, EXTENSION, Federation, LoadError, WriteError};
use anyhow::{Context as _, anyhow, bail};
use keys::agent::AgentKey;
use keys::at_rest::PlaceError;
use keys::key::PublicKey;
use keys::keyfile;
use keys::signer::Signer;
use protocol::ingress::Statement;
use protocol::record::Payload;
use protocol::record::key_record::HolderKind;
use protocol::record::stamp::{Stamp, sign};
use protocol::trust::roster::Holder;
use protocol::wire::envelope::Place;
use protocol::wire::id::NetworkId;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the federation's statements lie.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FederationOptions {
    /// The folder of the federation's statement files (*.quintes). Copy it, or use `quintes network import` and `export`.
    #[arg(long, env = "QUINTES_FEDERATION", default_value = "./federation", value_name = "DIR")]
    pub(crate) federation: PathBuf,
    /// The federation's id, when the folder holds no root or several.
    #[arg(long, env = "QUINTES_NETWORK", value_name = "ID")]
    pub(crate) network: Option<NetworkId>,
}

impl FederationOptions {
    /// Loads the folder and further files. A folder that is not there yet is no error when there is a file.
    pub(crate) fn load(&self, further: &[PathBuf], now: u64) -> Result<Federation, LoadError> {
        let mut paths = further.to_vec();
        if further.is_empty() || self.federation.exists() {
            paths.push(self.federation.clone());
        }
        statements::load(&paths, self.network, now)
    }

    /// The federation's id, from the command line or the folder.
    pub(crate) fn network(&self, now: u64) -> Result<NetworkId, LoadError> {
        self.network.map_or_else(|| self.load(&[], now).map(|federation| *federation.roster.network()), Ok)
    }
}

/// With which key to sign.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SigningOptions {
    /// Your OpenSSH private key file; or `agent:FILE.pub` to sign through ssh-agent (SSH_AUTH_SOCK).
    #[arg(long, env = "QUINTES_KEY", value_name = "FILE|agent:FILE.pub")]
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseOption,
    /// Sign without asking.
    #[arg(long)]
    pub(crate) yes: bool,
}

impl SigningOptions {
    /// Opens the key: reads and decrypts the file, or finds it in the agent.
    ///
    /// # Errors
    /// With what to do: the file is missing, open to others, not a key; the passphrase is wrong; the agent does not have it.
    pub(crate) fn open(&self, speak: &Speak) -> anyhow::Result<Box<dyn Signer>> {
        let Some(public) = self.key.strip_prefix("agent:") else {
            let path = Path::new(&self.key);
            let key = keyfile::open(path, || self.passphrase.get(&format!("`{}`", path.display()), speak))?;
            return Ok(Box::new(key));
        };
        let socket = std::env::var_os("SSH_AUTH_SOCK").ok_or_else(|| {
            anyhow!("SSH_AUTH_SOCK is not set; start an agent with `eval $(ssh-agent)`, or give a key file")
        })?;
        let key = AgentKey::connect(Path::new(&socket), read_public(Path::new(public))?)?;
        Ok(Box::new(key))
    }
}

/// Reads the public key of a `.pub` file.
pub(crate) fn read_public(path: &Path) -> anyhow::Result<PublicKey> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the public key `{}`; check the path", path.display()))?;
    text.parse().with_context(|| format!("`{}` is not a public key", path.display()))
}

/// A person with a key before a federation's folder.
pub(crate) struct Desk<'a> {
    pub(crate) speak: &'a Speak,
    pub(crate) federation: Federation,
    pub(crate) now: u64,
    folder: PathBuf,
    signer: Box<dyn Signer>,
    yes: bool,
    made: Vec<Value>,
}

impl<'a> Desk<'a> {
    /// Loads the folder (and further files) and opens the key.
    pub(crate) fn open(
        federation: &FederationOptions,
        signing: &SigningOptions,
        further: &[PathBuf],
        speak: &'a Speak,
    ) -> anyhow::Result<Self> {
        let now = now();
        let loaded = federation.load(further, now)?;
        Ok(Self::at(loaded, &federation.federation, signing.open(speak)?, signing.yes, now, speak))
    }

    /// Sits down before a federation that is known already.
    pub(crate) fn at(
        federation: Federation,
        folder: &Path,
        signer: Box<dyn Signer>,
        yes: bool,
        now: u64,
        speak: &'a Speak,
    ) -> Self {
        Self { speak, federation, now, folder: folder.to_owned(), signer, yes, made: Vec::new() }
    }

    /// The key that signs.
    pub(crate) fn key(&self) -> PublicKey {
        self.signer.public()
    }

    /// The person to whom the federation says the key belongs.
    ///
    /// # Errors
    /// When the root is not complete, the key is nobody's, a node's, or revoked.
    pub(crate) fn me(&self) -> anyhow::Result<Holder> {
        let roster = &self.federation.roster;
        let key = self.key();
        if roster.root().is_none() {
            bail!(
                "the federation's root does not have its signatures yet ({}); let its root persons sign it with `quintes network sign`",
                missing_signatures(&self.federation)
            );
        }
        let holder = roster.holder(&key.id()).ok_or_else(|| {
            anyhow!(
                "the key {} belongs to nobody in this federation; ask a root person ({}) to run `quintes network enrol`",
                key.fingerprint(),
                root_persons(&self.federation),
            )
        })?;
        if roster.is_key_revoked(&key.id(), self.now) {
            bail!(
                "the key {} of {} was revoked; make a new one with `quintes key new`",
                key.fingerprint(),
                holder.name
            );
        }
        if holder.kind != HolderKind::Person {
            bail!(
                "the key {} is that of the {} {}; sign with a person's key",
                key.fingerprint(),
                holder.kind,
                holder.name
            );
        }
        Ok(holder)
    }

    /// The signer, who must be a root person.
    ///
    /// # Errors
    /// With the names of those who could.
    pub(crate) fn root_person(&self, what: &str) -> anyhow::Result<Holder> {
        let me = self.me()?;
        if self.federation.roster.is_root_person(&me.name) {
            return Ok(me);
        }
        bail!("{} is not a root person and cannot {what}; ask {}", me.name, root_persons(&self.federation))
    }

    /// Shows in words what will be signed, asks, signs, verifies as everybody else will, and places the file.
    ///
    /// # Errors
    /// When the payload breaks a rule, the answer is no, the key does not sign, or the file cannot be written. Nothing is left behind.
    pub(crate) fn sign<T: Payload>(
        &mut self,
        payload: &T,
        issuer: &str,
        lifetime: u64,
        words: &Words,
    ) -> anyhow::Result<Statement> {
        let statement = self.sign_unplaced(payload, issuer, lifetime, words)?;
        self.keep(&statement)?;
        Ok(statement)
    }

    /// As [`Desk::sign`], for a statement that a node takes and no folder keeps.
    ///
    /// # Errors
    /// As [`Desk::sign`].
    pub(crate) fn sign_unplaced<T: Payload>(
        &mut self,
        payload: &T,
        issuer: &str,
        lifetime: u64,
        words: &Words,
    ) -> anyhow::Result<Statement> {
        self.sign_at(payload, issuer, lifetime, words, None)
    }

    /// As [`Desk::sign_unplaced`], at a place in the key's chain.
    ///
    /// # Errors
    /// As [`Desk::sign`].
    pub(crate) fn sign_at<T: Payload>(
        &mut self,
        payload: &T,
        issuer: &str,
        lifetime: u64,
        words: &Words,
        place: Option<Place>,
    ) -> anyhow::Result<Statement> {
        payload
            .check()
            .map_err(|invalid| anyhow!("the {} would not be valid ({invalid}); nothing was signed", T::KIND))?;
        self.speak.say(&format!("{issuer} signs this {} with {}:", T::KIND, self.key().fingerprint()));
        self.speak.list(words);
        if !self.yes && !self.speak.confirm("Sign?")? {
            bail!("nothing was signed; give other arguments, or answer y");
        }
        let network = self.federation.roster.network();
        let bytes = signed(payload, issuer, network, lifetime, self.now, self.signer.as_ref(), place)?;
        self.federation
            .receive(&bytes, self.now)
            .map_err(|verdict| anyhow!("the statement would not be believed by others ({verdict}); nothing was kept"))
    }

    /// Places a statement's file in the folder and says so.
    pub(crate) fn keep(&mut self, statement: &Statement) -> anyhow::Result<()> {
        let path = place(&self.folder, statement)?;
        self.speak.say(&format!("  → {} {} in {}", statement.kind(), statement.id().short(), path.display()));
        self.made.push(told(statement, Some(&path)));
        Ok(())
    }

    /// What was made, as data: an id a line; or as JSON with further fields.
    pub(crate) fn finish(&self, mut further: Value) {
        for made in &self.made {
            self.speak.line(made["id"].as_str().unwrap_or_default());
        }
        further["statements"] = Value::Array(self.made.clone());
        self.speak.answer(further);
    }
}

/// Signs a payload for a lifetime in seconds.
pub(crate) fn signed<T: Payload>(
    payload: &T,
    issuer: &str,
    network: &NetworkId,
    lifetime: u64,
    now: u64,
    signer: &dyn Signer,
    place: Option<Place>,
) -> anyhow::Result<Vec<u8>> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce)
        .map_err(|error| anyhow!("the system gave no random bytes ({error}); see that /dev/urandom works"))?;
    let stamp = Stamp { network: *network, issuer: issuer.to_owned(), issued: now, lifetime, nonce, place };
    Ok(sign(payload, &stamp, signer)?)
}

/// Places a statement's file in a folder, which is made when it is not there. A file with the same statement is kept as it is; where the
/// name is another statement's, the id is added to it.
pub(crate) fn place(folder: &Path, statement: &Statement) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder `{}`; name another with --federation", folder.display()))?;
    let stem = words::file_stem(statement);
    let names = [format!("{stem}.{EXTENSION}"), format!("{stem}-{}.{EXTENSION}", statement.id().short())];
    for name in names {
        let path = folder.join(name);
        match statements::write_new(&path, &[statement.bytes()]) {
            Ok(()) => return Ok(path),
            Err(WriteError::Place(PlaceError::Exists { .. })) => {
                let held = statements::read(&path).unwrap_or_default();
                if held.iter().any(|bytes| bytes.as_slice() == statement.bytes().as_ref()) {
                    return Ok(path);
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    bail!("`{}` is full of other files under the statement's names; move `{stem}*` away", folder.display())
}

/// A statement for `--json`.
pub(crate) fn told(statement: &Statement, file: Option<&Path>) -> Value {
    let claims = statement.claims();
    json!({
        "id": statement.id().to_string(),
        "kind": statement.kind().name(),
        "says": words::title(statement),
        "issuer": claims.issuer,
        "issued": claims.issued,
        "expires": claims.expires,
        "file": file.map(|file| file.display().to_string()),
    })
}

/// The root persons' names, for a sentence.
pub(crate) fn root_persons(federation: &Federation) -> String {
    let persons: Vec<&str> = federation.roster.root().into_iter().flat_map(|root| root.persons()).collect();
    plain(&words::listed(&persons))
}

/// Who has signed the newest proposed root, and how many must.
fn missing_signatures(federation: &Federation) -> String {
    let roots = federation.statements.iter().filter_map(|statement| match statement {
        Statement::Root(root) => Some(root),
        _ => None,
    });
    let newest = roots.clone().max_by_key(|root| root.payload().version);
    newest.map_or_else(
        || "no root is known here".to_owned(),
        |newest| {
            let signed: std::collections::BTreeSet<&str> = roots
                .filter(|root| root.payload() == newest.payload())
                .map(|root| root.signer().name.as_str())
                .collect();
            let of = newest.payload();
            format!(
                "{} of {} root persons signed version {}, {} must",
                signed.len(),
                of.persons().len(),
                of.version,
                of.threshold
            )
        },
    )
}

/// Until when, for a sentence after signing.
pub(crate) fn until(statement: &Statement) -> String {
    utc(statement.claims().expires)
}
