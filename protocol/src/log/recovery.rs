//! When a recovery counts: an operator and a data owner of the TRE, two persons, have signed one payload, and the new epoch keeps what it says.

use crate::ingress::Verified;
use crate::log::tree::begins_with;
use crate::record::checkpoint::Checkpoint;
use crate::record::grant::Role;
use crate::record::recovery::Recovery;
use crate::trust::authority::Wanted;
use crate::trust::roster::Roster;
use std::collections::BTreeSet;

/// Whether an operator and a data owner of the TRE, two persons, stand behind signatures under one identical payload. Their keys and roles
/// are asked as of the time that `as_of` gives: a TRE asks for now, everybody else for the time of each signature, because a role lasts 90
/// days and a log longer. One person with both roles is not enough.
#[must_use]
pub fn is_vouched<'a>(
    roster: &Roster,
    signatures: impl IntoIterator<Item = &'a Verified<Recovery>>,
    as_of: impl Fn(&Verified<Recovery>) -> u64,
) -> bool {
    let (mut operators, mut owners) = (BTreeSet::new(), BTreeSet::new());
    for signature in signatures {
        let (at, signer) = (as_of(signature), signature.signer());
        let good = roster.is_key_good(&signer.key.id(), at)
            && at < signature.claims().expires
            && !roster.is_revoked(&signature.id(), &signer.name, None, at);
        let has = |role| {
            let tre = &signature.payload().tre;
            let wanted = Wanted { person: &signer.name, role, project: None, tre, datasets: &[] };
            good && roster.authority(&wanted, at).is_some()
        };
        if has(Role::Operator) {
            operators.insert(signer.name.as_str());
        }
        if has(Role::DataOwner) {
            owners.insert(signer.name.as_str());
        }
    }
    operators.iter().any(|operator| owners.iter().any(|owner| owner != operator))
}

/// Whether the first checkpoint of an epoch goes on from `lost` as the recovery says: it is of the epoch that the recovery begins, the
/// recovery names exactly this checkpoint as the newest that was lost, and the log still begins with the leaves that were kept.
#[must_use]
pub fn goes_on(recovery: &Recovery, lost: &Verified<Checkpoint>, next: &Checkpoint) -> bool {
    let before = lost.payload();
    recovery.tre == next.tre
        && before.tre == next.tre
        && recovery.lost == lost.id()
        && before.epoch.checked_add(1) == Some(recovery.epoch)
        && next.epoch == recovery.epoch
        && next.previous.is_none()
        && begins_with(next, recovery.size, &recovery.root)
}
