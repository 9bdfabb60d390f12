//! A ciphertext on its way: part by part into a file that goes on where it stopped, and compared with the release before it is opened.

use crate::cli::link::Link;
use crate::cli::speak::Speak;
use crate::store::private_directory;
use anyhow::{Context as _, bail};
use protocol::record::release::Release;
use protocol::wire::id::Digest;
use protocol::wire::message::{PART_BYTES, Request, Response};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Where unfinished files lie in the folder.
const ARRIVING: &str = ".arriving";

/// How many members away a ciphertext may lie: a node of ours, a hub, the TRE.
const HOPS: u8 = 2;

/// Brings the ciphertext of a release here; the file that is returned has its size and its SHA-256.
pub(super) async fn fetch(link: &mut Link, release: &Release, dir: &Path, speak: &Speak) -> anyhow::Result<PathBuf> {
    let folder = dir.join(ARRIVING);
    private_directory(&folder).with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    let path = folder.join(release.ciphertext.to_string());
    let unwritable = || format!("cannot write `{}`; is the disk full?", path.display());
    let mut file = OpenOptions::new().create(true).append(true).open(&path).with_context(unwritable)?;
    let mut offset = file.metadata().with_context(unwritable)?.len();
    if offset > release.ciphertext_bytes {
        file.set_len(0).with_context(unwritable)?;
        offset = 0;
    }
    let progress = speak.progress(Some(release.ciphertext_bytes));
    progress.set_message(release.tre.clone());
    while offset < release.ciphertext_bytes {
        progress.set_position(offset);
        let asked = Request::Blob { digest: release.ciphertext, offset, hops: HOPS };
        let Response::Part { total, part } = link.ask(asked).await? else {
            bail!("the node cannot get the released file; try again when {} is connected", release.tre);
        };
        let end = offset.saturating_add(part.len() as u64);
        if total != release.ciphertext_bytes || part.is_empty() || part.len() > PART_BYTES || end > total {
            bail!("the node gives another file than was released; ask another node");
        }
        file.write_all(&part).with_context(unwritable)?;
        offset = end;
    }
    progress.finish_and_clear();
    file.sync_all().with_context(unwritable)?;
    let mut hash = Sha256::new();
    io::copy(&mut File::open(&path).with_context(unwritable)?, &mut HashInto(&mut hash)).with_context(unwritable)?;
    if Digest(hash.finalize().into()) != release.ciphertext {
        // What arrived is worth nothing; the next fetch begins again.
        fs::remove_file(&path).with_context(unwritable)?;
        bail!(
            "the file that arrived is not the one that was released; it was removed: fetch again, or ask another node"
        );
    }
    Ok(path)
}

/// Removes a ciphertext that was opened, and the folder of unfinished files once it is empty.
pub(super) fn forget(dir: &Path, path: &Path) {
    // The plaintext is in place; a ciphertext that stays costs room and nothing else.
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir(dir.join(ARRIVING));
}

struct HashInto<'a>(&'a mut Sha256);

impl io::Write for HashInto<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
