//! A ciphertext on its way: slice by slice, each proven to be of the released file, into a file that goes on where it stopped.

use super::Args;
use crate::arrival::{Arrival, ArrivalError};
use crate::cli::link::Link;
use crate::cli::speak::Speak;
use crate::store::private_directory;
use anyhow::{Context as _, bail};
use protocol::record::release::Release;
use protocol::wire::id::Digest;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where unfinished files lie in the folder.
const ARRIVING: &str = ".arriving";

/// How many members away a ciphertext may lie: a node of ours, a hub, the TRE.
const HOPS: u8 = 2;

/// For how long nothing may arrive before the fetch gives up: a hub that starts again is back by then.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Brings the ciphertext of a release here; the file that is returned has its size and its SHA-256.
pub(super) async fn fetch(
    link: &mut Link,
    args: &Args,
    release: &Release,
    dir: &Path,
    speak: &Speak,
) -> anyhow::Result<PathBuf> {
    let folder = dir.join(ARRIVING);
    private_directory(&folder).with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    let path = folder.join(release.ciphertext.to_string());
    let unwritable = || format!("cannot write `{}`; is the disk full?", path.display());
    let mut arrival = Arrival::at(&path, release.sealed()).with_context(unwritable)?;
    let progress = speak.progress(Some(release.ciphertext_bytes));
    progress.set_message(release.tre.clone());
    progress.set_position(arrival.length());
    let mut moved = Instant::now();
    // Nodes that gave other bytes than were released.
    let mut liars = BTreeSet::new();
    let key = Some(args.key.as_str());
    while !arrival.is_whole() {
        let before = arrival.length();
        let answers = link.answers(arrival.questions(HOPS));
        let taken = arrival.take_all(answers, |length| progress.set_position(length)).await;
        if arrival.length() > before {
            moved = Instant::now();
        }
        match taken {
            Ok(()) => {}
            Err(error @ ArrivalError::Disk(_)) => return Err(error).with_context(unwritable),
            Err(ArrivalError::Other(_)) => {
                liars.insert(link.at());
                let Ok(other) = args.link.next(link, &liars, key).await else {
                    bail!(
                        "the node gives other bytes than were released; what was verified is kept, name another node with --node"
                    )
                };
                speak.warn("a node gives other bytes than were released; the next one is asked");
                *link = other;
            }
            Err(error @ (ArrivalError::Unknown | ArrivalError::Cut)) if moved.elapsed() > PATIENCE => {
                return Err(error).with_context(|| {
                    format!(
                        "nothing arrived for a minute; fetch again when {} or a hub is there, it goes on",
                        release.tre
                    )
                });
            }
            Err(ArrivalError::Unknown) if !args.link.has_several() => tokio::time::sleep(PAUSE).await,
            Err(ArrivalError::Unknown | ArrivalError::Cut) => {
                tokio::time::sleep(PAUSE).await;
                // Not yet: the next attempt finds that it is still cut.
                if let Ok(next) = args.link.next(link, &liars, key).await {
                    *link = next;
                }
            }
        }
    }
    progress.finish_and_clear();
    drop(arrival);
    let mut file = File::open(&path).with_context(unwritable)?;
    file.sync_all().with_context(unwritable)?;
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut HashInto(&mut hash)).with_context(unwritable)?;
    if Digest(hash.finalize().into()) != release.ciphertext {
        // What arrived is worth nothing; the next fetch begins again.
        fs::remove_file(&path).with_context(unwritable)?;
        bail!("the disk has lost some of what arrived; it was removed: fetch again");
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
