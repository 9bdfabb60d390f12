//! `quintes key`: a person's keys: the one that signs, the identity that results are sealed to, and the one that connects.

use crate::cli::desk::{FederationOptions, SigningOptions, read_public, signed};
use crate::cli::passphrase::PassphraseOption;
use crate::cli::speak::Speak;
use crate::cli::words;
use crate::clock::now;
use crate::statements;
use anyhow::{Context as _, anyhow, bail};
use keys::key::PublicKey;
use keys::keyfile;
use keys::seal::{Identity, SCRYPT_LOG_N};
use keys::secret;
use keys::signer::{Signer, SoftKey};
use protocol::ingress::{Statement, receive};
use protocol::record::Payload;
use protocol::record::key_record::{HolderKind, KeyRecord};
use protocol::record::name::is_name;
use protocol::trust::roster::Roster;
use protocol::wire::id::NetworkId;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The verbs of a person's keys.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make the keys of a person on this device.
    New(NewArgs),
    /// Write the request with which the keys are enrolled in a federation.
    Request(RequestArgs),
    /// Show a key's fingerprint, its id and where results are sealed to.
    Show(ShowArgs),
}

/// A person's own words about itself.
#[derive(Clone, Debug, clap::Args)]
struct About {
    /// The organisation you work for.
    #[arg(long, value_name = "NAME")]
    organisation: String,
    /// What you call this device.
    #[arg(long, value_name = "NAME", default_value = "")]
    device: String,
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Makes NAME (the private key, encrypted, 0600), NAME.pub, NAME.age (the identity that opens your results), NAME.peer (the
secret with which your device connects) and, once the federation is known, NAME.request. Nothing is ever overwritten.

Example:
  quintes key new alice --organisation \"Hospital A\" --device laptop --out ~/.quintes")]
struct NewArgs {
    /// Your name in the federation: lower-case letters, digits and -_.@
    name: String,
    #[command(flatten)]
    about: About,
    /// The folder for the files.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Leave the private key and the identity unencrypted: for tests and machines only.
    #[arg(long, conflicts_with = "passphrase_file")]
    no_passphrase: bool,
    #[command(flatten)]
    passphrase: PassphraseOption,
    #[command(flatten)]
    federation: FederationOptions,
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  quintes key request alice --organisation \"Hospital A\" --federation ./federation")]
struct RequestArgs {
    /// The private key file that `quintes key new` made; NAME.age and NAME.peer stand beside it.
    file: PathBuf,
    /// Your name in the federation, when the file is called otherwise.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    about: About,
    /// Sign through ssh-agent (SSH_AUTH_SOCK) instead of opening the private key.
    #[arg(long)]
    agent: bool,
    #[command(flatten)]
    passphrase: PassphraseOption,
    #[command(flatten)]
    federation: FederationOptions,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// A public key file, or a private one that has its .pub beside it.
    file: PathBuf,
}

/// Runs the verb.
pub(crate) fn run(args: Args, speak: &Speak) -> anyhow::Result<()> {
    match args.verb {
        Verb::New(args) => new(&args, speak),
        Verb::Request(args) => request(&args, speak),
        Verb::Show(args) => show(&args, speak),
    }
}

fn new(args: &NewArgs, speak: &Speak) -> anyhow::Result<()> {
    if !is_name(&args.name) {
        bail!(
            "`{}` is no name; take at most 64 lower-case letters, digits and -_.@, beginning with a letter or digit",
            args.name
        );
    }
    let file = args.out.join(&args.name);
    for path in
        [&file, &keyfile::public_path(&file), &beside(&file, "age"), &beside(&file, "peer"), &beside(&file, "request")]
    {
        if path.symlink_metadata().is_ok() {
            bail!("`{}` is already there and is never overwritten; choose another name or --out", path.display());
        }
    }
    // Known before anything is made, so that a wrong --network or folder leaves nothing behind. No root yet is a usual beginning.
    let network = args.federation.network(now());
    let passphrase = if args.no_passphrase { None } else { Some(args.passphrase.choose(&args.name, speak)?) };
    let passphrase = passphrase.as_ref().map(|text| text.as_str());
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder `{}`; name another", args.out.display()))?;

    let mut placed = Placed::default();
    let comment =
        if args.about.device.is_empty() { args.name.clone() } else { format!("{}@{}", args.name, args.about.device) };
    let public = keyfile::create(&file, &comment, passphrase)?;
    placed.add(&file);
    placed.add(&keyfile::public_path(&file));
    let identity = Identity::generate();
    identity.create_file(&beside(&file, "age"), passphrase, SCRYPT_LOG_N)?;
    placed.add(&beside(&file, "age"));
    let peer = SoftKey::from_seed(*secret::create_or_open(&beside(&file, "peer"))?).public();
    placed.add(&beside(&file, "peer"));

    let record = person(&args.name, &args.about, public, identity.recipient(), peer);
    record.check().map_err(|invalid| anyhow!("the request would not be valid ({invalid}); nothing was made"))?;
    speak.say(&format!("made the keys of {} in {}:", args.name, args.out.display()));
    speak.list(&words::key_record(&record));
    let mut answer = told(&file, &record);
    match network {
        Ok(network) => {
            let signer = open(&file, || Ok(Zeroizing::new(passphrase.unwrap_or_default().to_owned())))?;
            let path = write_request(&file, &record, &network, &signer)?;
            placed.add(&path);
            speak.say(&format!("  → {}: give it to a root person, who runs `quintes network enrol`", path.display()));
            answer["request"] = json!(path.display().to_string());
        }
        Err(_) => {
            speak.say(&format!(
                "no federation is known yet; once you have its root, run `quintes key request {} --organisation …`",
                file.display()
            ));
        }
    }
    placed.keep();
    speak.line(&public.fingerprint());
    speak.answer(answer);
    Ok(())
}

fn request(args: &RequestArgs, speak: &Speak) -> anyhow::Result<()> {
    let file = &args.file;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    };
    let network = args.federation.network(now())?;
    // Asked for once, though two files need it.
    let mut given: Option<Zeroizing<String>> = None;
    let mut ask = || -> std::io::Result<Zeroizing<String>> {
        if let Some(given) = &given {
            return Ok(given.clone());
        }
        let answer = args.passphrase.get(&format!("`{}`", file.display()), speak)?;
        given = Some(answer.clone());
        Ok(answer)
    };
    let signer: Box<dyn Signer> = if args.agent {
        let key = format!("agent:{}", keyfile::public_path(file).display());
        SigningOptions { key, passphrase: args.passphrase.clone(), yes: true }.open(speak)?
    } else {
        Box::new(open(file, &mut ask)?)
    };
    let identity = Identity::open_file(&beside(file, "age"), &mut ask)?;
    let peer = SoftKey::from_seed(*secret::create_or_open(&beside(file, "peer"))?).public();
    let record = person(&name, &args.about, signer.public(), identity.recipient(), peer);
    let path = write_request(file, &record, &network, signer.as_ref())?;
    speak.list(&words::key_record(&record));
    speak.say(&format!("  → {}: give it to a root person, who runs `quintes network enrol`", path.display()));
    speak.line(&path.display().to_string());
    let mut answer = told(file, &record);
    answer["request"] = json!(path.display().to_string());
    speak.answer(answer);
    Ok(())
}

fn show(args: &ShowArgs, speak: &Speak) -> anyhow::Result<()> {
    let beside_it = keyfile::public_path(&args.file);
    let path = if beside_it.exists() { &beside_it } else { &args.file };
    let public = read_public(path)?;
    let stem = path.with_extension("");
    // An encrypted identity tells its recipient only to its owner; an unencrypted one says it in the clear.
    let recipient = Identity::open_file(&beside(&stem, "age"), || Err(std::io::Error::other("not asked")))
        .ok()
        .map(|identity| identity.recipient());
    speak.table(
        &["fingerprint", "key id", "recipient"],
        &[vec![
            public.fingerprint(),
            public.id().to_string(),
            recipient.clone().unwrap_or_else(|| "(in the key record)".to_owned()),
        ]],
    );
    speak.answer(json!({
        "fingerprint": public.fingerprint(), "key_id": public.id().to_string(), "public": public.to_string(), "recipient": recipient,
    }));
    Ok(())
}

/// A private key without a second question.
fn open(file: &Path, passphrase: impl FnOnce() -> std::io::Result<Zeroizing<String>>) -> anyhow::Result<SoftKey> {
    Ok(keyfile::open(file, passphrase)?)
}

fn person(name: &str, about: &About, key: PublicKey, recipient: String, peer: PublicKey) -> KeyRecord {
    KeyRecord {
        kind: HolderKind::Person,
        name: name.to_owned(),
        organisation: about.organisation.clone(),
        device: about.device.clone(),
        key,
        recipient: Some(recipient),
        peer: Some(peer),
    }
}

fn told(file: &Path, record: &KeyRecord) -> serde_json::Value {
    json!({
        "name": record.name, "file": file.display().to_string(), "fingerprint": record.key.fingerprint(),
        "key_id": record.key.id().to_string(), "public": record.key.to_string(), "recipient": record.recipient,
    })
}

/// Signs a key record with its own key and places it as `FILE.request`.
///
/// # Errors
/// Also when the file is there already.
pub(crate) fn write_request(
    file: &Path,
    record: &KeyRecord,
    network: &NetworkId,
    signer: &dyn Signer,
) -> anyhow::Result<PathBuf> {
    let now = now();
    let bytes = signed(record, &record.name, network, KeyRecord::MAX_LIFETIME_SECONDS, now, signer, None)?;
    match receive(&bytes, &Roster::new(*network), now) {
        Ok(Statement::KeyRecord(_)) => {}
        Ok(_) => bail!("the request is of another kind; report this as a fault of the program"),
        Err(verdict) => bail!("the request would not be believed by others ({verdict}); nothing was kept"),
    }
    let path = beside(file, "request");
    statements::write_new(&path, &[bytes])?;
    Ok(path)
}

/// The whole name with an ending appended, as `.pub` is.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Files that go again unless all of them could be made.
#[derive(Default)]
pub(crate) struct Placed(Vec<PathBuf>);

impl Placed {
    pub(crate) fn add(&mut self, path: &Path) {
        self.0.push(path.to_owned());
    }

    pub(crate) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        for path in &self.0 {
            // They were made a moment ago and nobody knows them; the error that is on its way matters more.
            let _ = fs::remove_file(path);
        }
    }
}
