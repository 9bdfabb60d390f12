//! Published schemas as a file that people can read and change, and the way from a word on the command line to one of them.

use super::newest;
use crate::cli::desk::FederationOptions;
use crate::cli::speak::plain;
use crate::cli::words::listed;
use crate::clock::now;
use anyhow::{Context as _, anyhow, bail};
use protocol::record::Payload as _;
use protocol::record::dataset::{Dataset, Schema};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// The largest file of schemas that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What `quintes catalogue --save` writes: one JSON object.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    /// The datasets, as their TREs have published them.
    pub(crate) datasets: Vec<Dataset>,
}

impl Saved {
    /// Over several lines, because people read it.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("names, numbers and texts have a form in JSON") + "\n"
    }
}

/// A schema by what was given on the command line: a saved file, or `TRE/DATASET` of the federation folder. With its dataset's name.
pub(crate) fn find(wanted: &str, federation: &FederationOptions) -> anyhow::Result<(String, Schema)> {
    let path = Path::new(wanted);
    if path.is_file() {
        return read(path, None);
    }
    if let Some((file, one)) = wanted.split_once('#')
        && Path::new(file).is_file()
    {
        return read(Path::new(file), Some(one));
    }
    let Some((tre, name)) = wanted.split_once('/') else {
        bail!("there is no file `{}`; give one that `quintes catalogue --save` wrote, or TRE/DATASET", plain(wanted));
    };
    let known = federation.load(&[], now()).with_context(|| format!("there is no file `{}`", plain(wanted)))?;
    let published = newest(&known);
    let found = published.get(&(tre.to_owned(), name.to_owned())).and_then(|one| one.payload().schema.clone());
    let found = found.ok_or_else(|| {
        let names: Vec<String> = published.keys().map(|(tre, name)| format!("{tre}/{name}")).collect();
        anyhow!(
            "the federation folder has no schema of {}; it has {}: get it with `quintes catalogue --keep --node …`",
            plain(wanted),
            listed(&names)
        )
    })?;
    Ok((name.to_owned(), found))
}

fn read(path: &Path, one: Option<&str>) -> anyhow::Result<(String, Schema)> {
    let shown = path.display();
    let length = fs::metadata(path).with_context(|| format!("cannot read `{shown}`; check the path"))?.len();
    if length > MAX_BYTES {
        bail!(
            "`{shown}` has more than 64 MiB and is no file of schemas; give one that `quintes catalogue --save` wrote"
        );
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{shown}`; check that it is text"))?;
    let saved: Saved = serde_json::from_str(&text)
        .with_context(|| format!("`{shown}` is no file of schemas; make one with `quintes catalogue --save`"))?;
    let names: Vec<String> = saved.datasets.iter().map(super::name_of).collect();
    let wanted = |dataset: &&Dataset| one.is_none_or(|one| super::name_of(dataset) == one);
    let mut found = saved.datasets.iter().filter(wanted);
    let dataset = match (found.next(), found.next()) {
        (Some(dataset), None) => dataset,
        (None, _) => bail!("`{shown}` has no such dataset; it has {}", listed(&names)),
        (Some(_), Some(_)) => bail!("`{shown}` has {}; name one as `{shown}#{}`", listed(&names), names[0]),
    };
    dataset.check().map_err(|invalid| anyhow!("`{shown}` is not what a TRE could publish ({invalid}); correct it"))?;
    let Some(schema) = &dataset.schema else { bail!("`{shown}` has no schema of {}; save it again", names[0]) };
    Ok((dataset.name.clone(), schema.clone()))
}
