//! The mailbox of a hub: released ciphertexts, pulled over the TRE's own connection as soon as the hub hears of the release, so that neither side need be there
//! when the other is. A hub cannot open them.

use crate::clock::{now, stopped};
use crate::config::Mailbox;
use crate::driver::Handle;
use crate::exchange::Exchange;
use crate::store::{Store, StoreError};
use protocol::record::release::Sealed;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::watch;

/// How often the mailbox is looked through when nothing happens: what could not be had is asked for again, and what is old goes.
const AGAIN: Duration = Duration::from_secs(30);

/// After something was heard: a release comes with other statements.
const SETTLE: Duration = Duration::from_millis(200);

/// One day, in seconds.
const DAY: u64 = 86_400;

/// A release that a hub has heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    file: Sealed,
    tre: String,
    at: u64,
}

/// Keeps the mailbox until the node stops.
pub async fn keep(bounds: Mailbox, driver: Handle, exchange: Exchange, store: Store, mut stop: watch::Receiver<bool>) {
    loop {
        let look = async {
            if let Err(error) = look_through(bounds, &driver, &exchange, &store).await {
                tracing::error!(%error, "the mailbox cannot be kept");
            }
            tokio::select! {
                () = exchange.until_heard() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep(AGAIN) => {}
            }
        };
        tokio::select! {
            () = look => {}
            () = stopped(&mut stop) => return,
        }
    }
}

async fn look_through(bounds: Mailbox, driver: &Handle, exchange: &Exchange, store: &Store) -> Result<(), StoreError> {
    let heard = driver.read(|core, _| -> Vec<Heard> {
        let released = core.released().iter();
        released.map(|(file, by)| Heard { file: *file, tre: by.tre.clone(), at: by.at }).collect()
    });
    let kept = chosen(&bounds, heard.await.unwrap_or_default(), now());
    let (files, listed) = (store.clone(), kept.clone());
    let here = tokio::task::spawn_blocking(move || -> Result<_, StoreError> {
        for file in files.all_sealed()?.iter().filter(|file| !listed.contains(file)) {
            files.drop_sealed(file)?;
        }
        Ok(listed.iter().filter(|file| files.has_sealed(file)).copied().collect::<BTreeSet<_>>())
    });
    let here = here.await.unwrap_or_else(|_| Ok(BTreeSet::new()))?;
    for file in kept.into_iter().filter(|file| !here.contains(file)) {
        match exchange.pull(file).await {
            Ok(()) => {
                tracing::info!(root = %file.root.short(), bytes = file.bytes, "a released file lies in the mailbox")
            }
            Err(error) => tracing::debug!(%error, "a released file is not in the mailbox yet"),
        }
    }
    Ok(())
}

/// What lies in the mailbox, oldest first: nothing older than the days that the operator gives, and no more bytes than there is room for, of one TRE and
/// of all. What came first stays, so that nobody can push out what another waits for.
fn chosen(bounds: &Mailbox, mut heard: Vec<Heard>, now: u64) -> Vec<Sealed> {
    heard.retain(|one| now < one.at.saturating_add(bounds.days.saturating_mul(DAY)));
    heard.sort_by_key(|one| (one.at, one.file));
    let (mut all, mut each) = (0_u64, BTreeMap::<String, u64>::new());
    let mut kept = Vec::new();
    for one in heard {
        let of_tre = each.entry(one.tre).or_default();
        let (more, in_all) = (of_tre.saturating_add(one.file.bytes), all.saturating_add(one.file.bytes));
        if more <= bounds.tre_bytes() && in_all <= bounds.all_bytes() {
            (*of_tre, all) = (more, in_all);
            kept.push(one.file);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::wire::id::Digest;

    fn heard(tre: &str, at: u64, mib: u64) -> Heard {
        let file = Sealed { root: Digest::of(format!("{tre} {at}").as_bytes()), bytes: mib << 20 };
        Heard { file, tre: tre.to_owned(), at }
    }

    #[test]
    fn a_mailbox_has_room_for_each_tre_and_for_all_and_forgets_what_is_old() {
        let bounds = Mailbox { days: 2, tre_mb: 100, all_mb: 150 };
        let (old, first, second, third, other) = (
            heard("north", 0, 1),
            heard("north", DAY, 60),
            heard("north", DAY + 1, 60),
            heard("north", DAY + 2, 40),
            heard("south", DAY + 3, 60),
        );
        let late = heard("south", DAY + 4, 50);
        let all = vec![late.clone(), other, third.clone(), second, first.clone(), old];
        assert_eq!(chosen(&bounds, all, 2 * DAY), [first.file, third.file, late.file]);
        assert!(chosen(&bounds, vec![heard("north", 0, u64::MAX >> 20)], 1).is_empty());
        assert!(chosen(&Mailbox { days: 0, ..bounds }, vec![first], DAY).is_empty());
    }
}
