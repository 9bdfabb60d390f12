//! The component of a task: a file, one that comes with the program, or one that the project lists and the node has.

use crate::catalogue;
use crate::cli::link::Link;
use crate::cli::speak::plain;
use crate::exchange::COMPONENT_BYTES;
use anyhow::{Context as _, bail};
use protocol::record::project::{AllowedComponent, Project};
use protocol::record::submission::DeclaredOutput;
use protocol::wire::id::Digest;
use protocol::wire::message::{Request, Response};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A component and what people call it.
pub(crate) struct Component {
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) bytes: Vec<u8>,
}

/// Where a component is.
pub(crate) enum Found {
    /// Here.
    Here(Component),
    /// The project lists it, and this program does not have it.
    Elsewhere(Digest),
}

/// Finds the component: a file comes first, then what the project calls so, then what the program brings.
pub(crate) fn here(wanted: &str, listed: &[AllowedComponent]) -> anyhow::Result<Found> {
    let path = Path::new(wanted);
    if path.is_file() {
        let bytes = fs::read(path)
            .with_context(|| format!("cannot read the component `{wanted}`; check that it is yours to read"))?;
        return checked(wanted, bytes, listed).map(Found::Here);
    }
    if let Some(one) = listed.iter().find(|one| one.name == wanted) {
        return match catalogue::with_digest(&one.digest) {
            Some(ours) => checked(ours.name, ours.bytes.to_vec(), listed).map(Found::Here),
            None => Ok(Found::Elsewhere(one.digest)),
        };
    }
    match catalogue::named(wanted) {
        Some(ours) => checked(ours.name, ours.bytes.to_vec(), listed).map(Found::Here),
        None => {
            let ours: Vec<&str> = catalogue::ALL.iter().map(|one| one.name).collect();
            let listed: Vec<&str> = listed.iter().map(|one| one.name.as_str()).collect();
            bail!(
                "there is no file `{}` and no component of that name; the program brings {}, the project lists {}",
                plain(wanted),
                ours.join(", "),
                if listed.is_empty() { "none".to_owned() } else { listed.join(", ") }
            )
        }
    }
}

/// As [`here`], or from the node.
pub(super) async fn find(wanted: &str, project: &Project, link: &mut Link) -> anyhow::Result<Component> {
    match here(wanted, &project.components)? {
        Found::Here(component) => Ok(component),
        Found::Elsewhere(digest) => match from_node(&digest, link).await? {
            Some(bytes) => checked(wanted, bytes, &project.components),
            None => bail!(
                "the project lists `{wanted}` with SHA-256 {digest}, which neither this program nor the node has; give its file with --component FILE"
            ),
        },
    }
}

fn checked(wanted: &str, bytes: Vec<u8>, listed: &[AllowedComponent]) -> anyhow::Result<Component> {
    if bytes.len() as u64 > COMPONENT_BYTES {
        bail!("the component has {} bytes; nodes take at most 32 MiB: build it for size", bytes.len());
    }
    // A component begins with its magic and layer (WebAssembly component model, Binary.md); a core module would be refused by every TRE.
    if !bytes.starts_with(b"\0asm\x0d\0\x01\0") {
        bail!(
            "`{}` is no WebAssembly component; a core module becomes one with `wasm-tools component new`",
            plain(wanted)
        );
    }
    let digest = Digest::of(&bytes);
    let name = listed.iter().find(|one| one.digest == digest).map(|one| one.name.as_str());
    let name = name.or_else(|| catalogue::with_digest(&digest).map(|ours| ours.name));
    let file =
        || Path::new(wanted).file_stem().map_or_else(|| wanted.to_owned(), |stem| stem.to_string_lossy().into_owned());
    Ok(Component { name: name.map_or_else(file, str::to_owned), digest, bytes })
}

async fn from_node(digest: &Digest, link: &mut Link) -> anyhow::Result<Option<Vec<u8>>> {
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let request = Request::Blob { digest: *digest, offset: bytes.len() as u64, hops: 1 };
        let Response::Part { total, part } = link.ask(request).await? else { return Ok(None) };
        if part.is_empty() || total > COMPONENT_BYTES {
            return Ok(None);
        }
        bytes.extend(part);
        if bytes.len() as u64 >= total {
            return Ok((Digest::of(&bytes) == *digest).then_some(bytes));
        }
    }
}

impl Component {
    /// The outputs that a component of ours writes with these parameters.
    pub(crate) fn outputs(&self, parameters: &BTreeMap<String, String>) -> anyhow::Result<Vec<DeclaredOutput>> {
        let given = |name: &str| parameters.get(name).map(String::as_str).filter(|text| !text.is_empty());
        match catalogue::with_digest(&self.digest).map(|ours| ours.name) {
            Some("statistics") => {
                let Some(analyses) = given("analysis") else {
                    bail!(
                        "`statistics` needs --param analysis=…: one or more of count, mean, variance, describe, pmcc, contingency, histogram, quantiles"
                    );
                };
                Ok(analyses.split(',').map(|name| super::declared(name.trim(), None)).collect())
            }
            Some("sql") => {
                if given("query").is_none() {
                    bail!("`sql` needs --param query=…, or --param query=@FILE: one SELECT over granted tables");
                }
                Ok(vec![super::declared(given("output").unwrap_or("result"), None)])
            }
            Some(one @ ("regression" | "survival" | "cohort")) => Ok(vec![super::declared(one, None)]),
            _ => bail!("the outputs of `{}` are not known here; name each with --output NAME", plain(&self.name)),
        }
    }
}
