//! `quintes network init`: version 1 of a federation's root, signed by one of its root persons.

use crate::cli::desk::{Desk, SigningOptions, read_public};
use crate::cli::speak::Speak;
use crate::cli::words;
use crate::clock::now;
use crate::statements::{self, EXTENSION, Federation, LoadError};
use anyhow::{anyhow, bail};
use protocol::record::root::{Root, RootKey};
use protocol::record::{Kind, Payload};
use protocol::wire::codec;
use protocol::wire::envelope::Signed;
use protocol::wire::id::NetworkId;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What the root says.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example, with two root persons who must both sign:
  quintes network init heart --person alice --organisation \"Hospital A\" --key alice \\
      --with \"bob:Hospital B:bob.pub\" --threshold 2
  quintes network sign federation/root-1-by-alice.quintes --key bob")]
pub(crate) struct Args {
    /// The federation's name: lower-case letters, digits and -_.@
    name: String,
    /// Your name; you are the first root person.
    #[arg(long)]
    person: String,
    /// The organisation you work for.
    #[arg(long, value_name = "NAME")]
    organisation: String,
    /// A further root person: name, organisation and public key file.
    #[arg(long = "with", value_name = "PERSON:ORGANISATION:FILE.pub")]
    further: Vec<Further>,
    /// How many root persons must sign a root.
    #[arg(long, default_value_t = 1, value_name = "N")]
    threshold: u64,
    /// By how much clocks may differ, in seconds.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    skew_seconds: u64,
    /// The folder for the federation's statement files.
    #[arg(long, env = "QUINTES_FEDERATION", default_value = "./federation", value_name = "DIR")]
    federation: PathBuf,
    #[command(flatten)]
    signing: SigningOptions,
}

/// A further root person, as the command line names it.
#[derive(Clone, Debug)]
struct Further {
    person: String,
    organisation: String,
    public: PathBuf,
}

impl FromStr for Further {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.splitn(3, ':').collect::<Vec<_>>().as_slice() {
            [person, organisation, public] if !person.is_empty() && !public.is_empty() => Ok(Self {
                person: (*person).to_owned(),
                organisation: (*organisation).to_owned(),
                public: (*public).into(),
            }),
            _ => Err("write PERSON:ORGANISATION:FILE.pub, for example `bob:Hospital B:bob.pub`".to_owned()),
        }
    }
}

/// Founds the federation.
pub(crate) fn run(args: Args, speak: &Speak) -> anyhow::Result<()> {
    refuse_second_root(&args.federation)?;
    let mut further = Vec::new();
    for one in args.further {
        further.push(RootKey { key: read_public(&one.public)?, person: one.person, organisation: one.organisation });
    }
    let signer = args.signing.open(speak)?;
    let key = signer.public();
    let mut keys = vec![RootKey { person: args.person.clone(), organisation: args.organisation, key }];
    keys.extend(further);
    let root = Root {
        network: args.name,
        version: 1,
        previous: None,
        threshold: args.threshold,
        keys,
        clock_skew_seconds: args.skew_seconds,
    };
    root.check().map_err(|invalid| anyhow!("the root would not be valid ({invalid}); nothing was signed"))?;
    let network = NetworkId::of(&codec::encode(&root)?);
    let mut desk = Desk::at(Federation::empty(network), &args.federation, signer, args.signing.yes, now(), speak);
    desk.sign(&root, &args.person, Root::MAX_LIFETIME_SECONDS, &words::root(&root, &network))?;
    let complete = desk.federation.roster.root().is_some();
    if complete {
        speak.say("the root is complete; next: `quintes key request` by each person, then `quintes network enrol`");
    } else {
        let missing = root.threshold.saturating_sub(1);
        speak.say(&format!(
            "{missing} more root person(s) must sign it: send them the file, they run `quintes network sign`"
        ));
    }
    desk.finish(json!({ "network": network.to_string(), "complete": complete }));
    Ok(())
}

/// A folder is one federation's. A root that cannot be read is not overwritten either, since names are unique.
fn refuse_second_root(folder: &Path) -> anyhow::Result<()> {
    let founded = match statements::load(&[folder.to_owned()], None, now()) {
        Ok(_) | Err(LoadError::SeveralRoots(_)) => true,
        Err(LoadError::Missing { .. } | LoadError::NoRoot) => holds_root(folder),
        Err(error) => return Err(error.into()),
    };
    if founded {
        bail!("`{}` holds a federation's root already; name another folder with --federation", folder.display());
    }
    Ok(())
}

fn holds_root(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
        .flat_map(|path| statements::read(&path).unwrap_or_default())
        .any(|bytes| Signed::parse(&bytes).is_ok_and(|signed| signed.kind() == Kind::Root))
}
