//! `quintes network import --node`: statements go to a running node, those first on which others depend.

use crate::cli::desk::FederationOptions;
use crate::cli::link::{LinkOptions, online};
use crate::cli::speak::Speak;
use crate::cli::words;
use crate::clock::now;
use anyhow::bail;
use serde_json::json;
use std::path::PathBuf;

/// Offers every statement of the files that verifies now. Those that the node has already are taken again without effect.
pub(super) fn run(
    files: &[PathBuf],
    federation: &FederationOptions,
    link: &LinkOptions,
    speak: &Speak,
) -> anyhow::Result<()> {
    let loaded =
        crate::statements::load(files, Some(federation.network(now()).or_else(|_| network_of(files))?), now())?;
    for one in &loaded.refused {
        speak.warn(&format!("{}: {}", one.file.display(), one.reason));
    }
    let statements = loaded.statements;
    if statements.is_empty() {
        bail!("the files hold no statement that counts now; ask for new ones");
    }
    online(async {
        let mut link = link.open(None).await?;
        let mut taken = Vec::new();
        let mut refused = Vec::new();
        for statement in &statements {
            match link.offer(statement.bytes()).await {
                Ok(()) => {
                    speak.line(&statement.id().to_string());
                    taken.push(statement.id());
                }
                Err(error) => refused.push(format!("{}: {error}", words::title(statement))),
            }
        }
        speak.say(&format!("the node took {} of {} statements", taken.len(), statements.len()));
        if !refused.is_empty() || !loaded.refused.is_empty() {
            bail!("not everything was taken ({}); ask the node's operator", refused.join("; "));
        }
        speak.answer(json!({ "taken": taken }));
        Ok(())
    })
}

/// The federation that the files themselves found, where no folder says which one.
fn network_of(files: &[PathBuf]) -> anyhow::Result<protocol::wire::id::NetworkId> {
    Ok(*crate::statements::load(files, None, now())?.roster.network())
}
