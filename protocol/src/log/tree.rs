//! A TRE's own log: leaves in the order of the journal, root hashes, and proofs that travel.

use crate::record::Kind;
use crate::record::checkpoint::Checkpoint;
use crate::wire::id::{Digest, StatementId};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt;

/// What a leaf says that is about no statement.
const CONTRIBUTORS: &str = "contributors";

/// The bytes of one leaf: what it is about (32 bytes) ‖ when, seconds since 1970 (64 bits, big-endian) ‖ what kind of thing, in UTF-8. No
/// payload stands in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaf(Vec<u8>);

impl AsRef<[u8]> for Leaf {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Leaf {
    /// A statement that this TRE took or made.
    #[must_use]
    pub fn of_statement(id: &StatementId, kind: Kind, at: u64) -> Self {
        Self::of(&id.0, kind.name(), at)
    }

    /// What the ledger of differencing will hold of a task, by its digest: contributors that were changed afterwards are noticed.
    #[must_use]
    pub fn of_contributors(digest: &Digest, at: u64) -> Self {
        Self::of(&digest.0, CONTRIBUTORS, at)
    }

    fn of(about: &[u8; 32], what: &str, at: u64) -> Self {
        Self([about.as_slice(), &at.to_be_bytes(), what.as_bytes()].concat())
    }

    /// Reads a leaf back from its bytes; none when they are no leaf of any log.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let what = std::str::from_utf8(bytes.get(40..)?).ok()?;
        let known = what == CONTRIBUTORS || Kind::ALL.into_iter().any(|kind| kind.name() == what);
        known.then(|| Self(bytes.to_vec()))
    }

    /// What it is about: the id of a statement, or the digest of contributors.
    #[must_use]
    pub fn about(&self) -> [u8; 32] {
        self.0[..32].try_into().expect("a leaf begins with 32 bytes")
    }

    /// When, seconds since 1970.
    #[must_use]
    pub fn at(&self) -> u64 {
        u64::from_be_bytes(self.0[32..40].try_into().expect("a leaf has 8 bytes of time"))
    }

    /// What kind of thing: a kind of statement, or `contributors`.
    #[must_use]
    pub fn what(&self) -> &str {
        std::str::from_utf8(&self.0[40..]).expect("a leaf ends with a name")
    }

    /// The statement that it is about, when it is about one.
    #[must_use]
    pub fn statement(&self) -> Option<StatementId> {
        (self.what() != CONTRIBUTORS).then(|| StatementId(self.about()))
    }
}

/// Where a statement stands in a log, and the proof (RFC 6962 section 2.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    /// The statement.
    pub statement: StatementId,
    /// The time in its leaf.
    pub at: u64,
    /// Its place, from 0.
    pub index: u64,
    /// The hashes from the leaf up.
    pub path: Vec<Digest>,
}

impl Inclusion {
    /// Whether the statement stands in the log that a checkpoint describes.
    #[must_use]
    pub fn holds(&self, kind: Kind, checkpoint: &Checkpoint) -> bool {
        let path = self.path.iter().flat_map(|hash| hash.0).collect();
        InclusionProof::<Sha256>::try_from_bytes(path).is_ok_and(|proof| {
            let leaf = Leaf::of_statement(&self.statement, kind, self.at);
            root_of(checkpoint.size, &checkpoint.root).verify_inclusion(&leaf, self.index, &proof).is_ok()
        })
    }
}

fn root_of(size: u64, root: &Digest) -> RootHash<Sha256> {
    RootHash::new(root.0.into(), size)
}

/// Whether a checkpoint extends the one before by its own proof (RFC 6962 section 2.1.2).
#[must_use]
pub fn extends(checkpoint: &Checkpoint, before: &Checkpoint) -> bool {
    checkpoint.tre == before.tre
        && checkpoint.epoch == before.epoch
        && before.size > 0
        && begins_with(checkpoint, before.size, &before.root)
}

/// Whether a checkpoint's own proof says that its log begins with `size` leaves of this root hash; with none every log begins.
#[must_use]
pub fn begins_with(checkpoint: &Checkpoint, size: u64, root: &Digest) -> bool {
    if checkpoint.previous_size != size {
        return false;
    }
    let proof = checkpoint.proof.iter().flat_map(|hash| hash.0).collect();
    size == 0
        || ConsistencyProof::<Sha256>::try_from_bytes(proof).is_ok_and(|proof| {
            root_of(checkpoint.size, &checkpoint.root).verify_consistency(&root_of(size, root), &proof).is_ok()
        })
}

/// A log.
#[derive(Clone)]
pub struct Log {
    tree: MemoryBackedTree<Sha256, Leaf>,
    /// The tree as the newest checkpoint has it: the library proves inclusion in a whole tree only.
    covered: MemoryBackedTree<Sha256, Leaf>,
    /// Where each statement stands, and the time in its leaf.
    places: BTreeMap<StatementId, (u64, u64)>,
}

impl Default for Log {
    fn default() -> Self {
        Self { tree: MemoryBackedTree::new(), covered: MemoryBackedTree::new(), places: BTreeMap::new() }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log({} leaves)", self.len())
    }
}

impl Log {
    /// Adds a statement; one that is there already is not added again.
    pub fn push_statement(&mut self, id: &StatementId, kind: Kind, at: u64) {
        if !self.places.contains_key(id) {
            self.places.insert(*id, (self.len(), at));
            self.tree.push(Leaf::of_statement(id, kind, at));
        }
    }

    /// Adds a leaf as it is.
    pub(crate) fn push(&mut self, leaf: Leaf) {
        if let Some(id) = leaf.statement() {
            self.places.entry(id).or_insert((self.tree.len(), leaf.at()));
        }
        self.tree.push(leaf);
    }

    /// Adds the digest of a task's contributors.
    pub fn push_contributors(&mut self, digest: &Digest, at: u64) {
        self.tree.push(Leaf::of_contributors(digest, at));
    }

    /// Every leaf, in order.
    pub fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.tree.items().iter()
    }

    /// Notes that a checkpoint covers the first `size` leaves: from now on inclusion in these is proved fast.
    pub fn cover(&mut self, size: u64) {
        let (from, to) = (place(self.covered.len()), place(size.min(self.len())));
        if let Some(further) = self.tree.items().get(from..to) {
            further.iter().for_each(|leaf| self.covered.push(leaf.clone()));
        }
    }

    /// How many leaves there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.tree.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// The root hash over all leaves.
    #[must_use]
    pub fn root(&self) -> Digest {
        digest(self.tree.root().as_bytes())
    }

    /// Whether a statement stands among the first `size` leaves.
    #[must_use]
    pub fn holds(&self, id: &StatementId, size: u64) -> bool {
        self.places.get(id).is_some_and(|(index, _)| *index < size)
    }

    /// Whether the first `size` leaves have this root hash.
    #[must_use]
    pub fn had(&self, size: u64, root: &Digest) -> bool {
        if size == 0 || size > self.len() {
            return false;
        }
        if size == self.len() {
            return self.root() == *root;
        }
        self.tree.root().verify_consistency(&root_of(size, root), &self.growth_since(size)).is_ok()
    }

    fn growth_since(&self, size: u64) -> ConsistencyProof<Sha256> {
        self.tree.prove_consistency(place(self.len() - size))
    }

    /// The proof that the first `size` leaves are the beginning of this log; empty where there is nothing to prove.
    #[must_use]
    pub fn consistency(&self, size: u64) -> Vec<Digest> {
        if size == 0 || size >= self.len() { Vec::new() } else { hashes(self.growth_since(size).as_bytes()) }
    }

    /// Where a statement stands among the first `size` leaves.
    #[must_use]
    pub fn inclusion(&self, id: &StatementId, size: u64) -> Option<Inclusion> {
        let (index, at) = *self.places.get(id).filter(|(index, _)| *index < size && size <= self.len())?;
        let shorter;
        let tree = if size == self.len() {
            &self.tree
        } else if size == self.covered.len() {
            &self.covered
        } else {
            let mut tree = MemoryBackedTree::<Sha256, Leaf>::new();
            self.tree.items().iter().take(place(size)).for_each(|leaf| tree.push(leaf.clone()));
            shorter = tree;
            &shorter
        };
        let proof = tree.prove_inclusion(place(index));
        Some(Inclusion { statement: *id, at, index, path: hashes(proof.as_bytes()) })
    }
}

fn place(leaves: u64) -> usize {
    usize::try_from(leaves).expect("leaves are held in memory")
}

fn digest(bytes: &[u8]) -> Digest {
    Digest(bytes.try_into().expect("SHA-256 has 32 bytes"))
}

fn hashes(bytes: &[u8]) -> Vec<Digest> {
    bytes.as_chunks().0.iter().copied().map(Digest).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{Inclusion, Log, extends};
    use crate::record::Kind;
    use crate::record::checkpoint::Checkpoint;
    use crate::wire::id::{Digest, StatementId};

    fn id(number: u64) -> StatementId {
        StatementId::of(&number.to_be_bytes())
    }

    fn log(leaves: u64) -> Log {
        let mut log = Log::default();
        (0..leaves).for_each(|number| log.push_statement(&id(number), Kind::Run, number));
        log
    }

    fn checkpoint(log: &Log, before: u64) -> Checkpoint {
        Checkpoint {
            tre: "north".to_owned(),
            epoch: 0,
            size: log.len(),
            root: log.root(),
            previous: (before > 0).then(|| id(0)),
            previous_size: before,
            proof: log.consistency(before),
        }
    }

    #[test]
    fn every_prefix_is_proved_and_no_other_log_is() {
        for size in 1..=33 {
            let whole = log(size);
            let new = |before| checkpoint(&whole, before);
            for before in 1..size {
                let old = checkpoint(&log(before), 0);
                assert!(extends(&new(before), &old), "{before} of {size}");
                assert!(whole.had(before, &old.root));
                let mut other = log(before - 1);
                other.push_statement(&id(1_000), Kind::Run, 0);
                assert!(!extends(&new(before), &checkpoint(&other, 0)), "{before} of {size}");
                assert!(!whole.had(before, &other.root()));
            }
        }
    }

    #[test]
    fn every_leaf_is_proved_at_every_size_and_only_as_what_it_is() {
        let whole = log(17);
        for size in 1..=17 {
            let at = checkpoint(&log(size), 0);
            for number in 0..17 {
                let proof = whole.inclusion(&id(number), size);
                assert_eq!(proof.is_some(), number < size, "{number} of {size}");
                let Some(proof) = proof else { continue };
                assert!(proof.holds(Kind::Run, &at));
                assert!(!proof.holds(Kind::Release, &at));
                assert!(!Inclusion { at: proof.at + 1, ..proof.clone() }.holds(Kind::Run, &at));
                assert!(!Inclusion { statement: id(99), ..proof.clone() }.holds(Kind::Run, &at));
                let elsewhere = Checkpoint { root: Digest::of(b"other"), ..at.clone() };
                assert!(!proof.holds(Kind::Run, &elsewhere));
            }
        }
    }

    #[test]
    fn a_statement_stands_once() {
        let mut log = log(3);
        let root = log.root();
        log.push_statement(&id(1), Kind::Run, 77);
        assert_eq!((log.len(), log.root()), (3, root));
        assert!(log.holds(&id(1), 2) && !log.holds(&id(1), 1) && !log.holds(&id(7), 3));
    }
}
