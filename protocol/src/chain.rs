//! What people hand in stands in chains, so that whoever passes on the later and keeps back the earlier is seen, and so are two stories.
//!
//! A key numbers the submissions and cancellations that it signs, and each names the one before. The other kinds need no chain of their own:
//! a TRE's word stands in its log, whose checkpoints name each other; a status names every revocation; a project's versions count its
//! signatures; and what a release rests on, it names. Checkpoints are followed here too, for what they name and nobody has brought.
//!
//! Nothing waits for a predecessor: a statement is complete in itself, and whoever could hold up the next by keeping back one would have been
//! given a weapon. What is lacking is told, and asked for by its id.
//!
//! Two statements of one key that follow the same one contradict each other, and the two are the proof. A person who signs on two machines
//! makes such a pair in good faith, and a hub that keeps the first from the second machine can bring it about; so the pair counts for
//! nothing where it asks for something (neither submission begins, and one that runs ends), for everything where it stops something (a cancellation
//! counts), and the key stays good. A TRE has one log and no such excuse: nobody cosigns it any more ([`crate::log::witness`]).
//!
//! A TRE tells of one run and one release of each task. Two of them are a proof too, and everybody is told; they have an innocent reading, a
//! node that was restored from a backup, so that they put nobody out of action.

use crate::ingress::Statement;
use crate::record::Kind;
use crate::record::submission::TaskId;
use crate::wire::envelope::Place;
use crate::wire::id::StatementId;
use keys::key::KeyId;
use std::collections::{BTreeMap, BTreeSet};

/// A statement that another one names as the one before it, and that nobody has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// Whose statement it is.
    pub author: String,
    /// The kind of the statement that names it.
    pub kind: Kind,
    /// Its number in the chain; of a checkpoint, how many entries it covers.
    pub number: u64,
    /// The statement that names it.
    pub next: StatementId,
    /// Since when that one is here, in seconds since 1970.
    pub since: u64,
    /// Until when that one is in force. Afterwards nobody misses what came before it.
    pub until: u64,
}

/// Two statements that contradict each other, which are a portable proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// Who signed both.
    pub author: String,
    /// What is said once: a run or a release of a task. None for a place in a key's chain, where two follow the same one or one counts wrong.
    pub once: Option<(Kind, TaskId)>,
    /// One.
    pub first: StatementId,
    /// The other.
    pub second: StatementId,
}

impl Contradiction {
    /// What the two say, in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (author, first, second) = (&self.author, self.first.short(), self.second.short());
        if let Some((kind, task)) = &self.once {
            return format!(
                "{author} has told of two {kind}s of task {}, {first} and {second}: believe neither before its operator has said why; was the node restored from a backup?",
                task.short()
            );
        }
        format!(
            "{author} has signed {first} and {second}, which cannot stand in one chain: neither starts a task; was the key used on two machines, or by somebody else?"
        )
    }
}

/// The chains that are known.
#[derive(Clone, Debug, Default)]
pub struct Chains {
    /// How often something was found to be lacking.
    noticed: u64,
    places: BTreeMap<StatementId, Place>,
    /// What follows a statement of a key, or begins its chain.
    following: BTreeMap<(KeyId, Option<StatementId>), BTreeSet<StatementId>>,
    lacking: BTreeMap<StatementId, Lack>,
    contradictions: Vec<Contradiction>,
    /// What a TRE has told of a task, where it tells of one.
    once: BTreeMap<(String, Kind, TaskId), StatementId>,
    /// Both of each.
    contradicted: BTreeSet<StatementId>,
}

impl Chains {
    /// Takes a statement at `at`, seconds since 1970; `held` says whether another one is here.
    pub fn take(&mut self, statement: &Statement, at: u64, held: impl Fn(&StatementId) -> bool) {
        let id = statement.id();
        self.lacking.remove(&id);
        if let Some((kind, task)) = once(statement) {
            let author = statement.signer().name.clone();
            let first = *self.once.entry((author.clone(), kind, task)).or_insert(id);
            // One proof is enough: whoever signs a thousand runs fills nobody's memory with pairs.
            if first != id && !self.contradicted.contains(&first) {
                self.contradict(author, Some((kind, task)), first, id);
            }
        }
        let Some((before, number)) = before(statement) else { return };
        if let Some(place) = statement.claims().place.as_ref().filter(|_| !self.places.contains_key(&id)) {
            self.compare(statement, place);
        }
        if let Some(before) = before.filter(|before| !held(before) && !self.lacking.contains_key(before)) {
            let claims = statement.claims();
            let (author, until) = (claims.issuer.clone(), claims.expires);
            let lack = Lack { author, kind: statement.kind(), number, next: id, since: at, until };
            self.lacking.insert(before, lack);
            self.noticed += 1;
        }
    }

    fn compare(&mut self, statement: &Statement, place: &Place) {
        let (id, signer) = (statement.id(), statement.signer());
        let key = signer.key.id();
        let beside = self.following.entry((key, place.previous)).or_default();
        let other = beside.first().copied();
        beside.insert(id);
        self.places.insert(id, place.clone());
        // Whichever of two neighbours comes first.
        let miscounts = |one: &StatementId, next: &StatementId| {
            let of = |id: &StatementId| self.places.get(id).map(|place| place.number);
            of(one).zip(of(next)).is_some_and(|(one, next)| one.checked_add(1) != Some(next))
        };
        let before = place.previous.filter(|before| miscounts(before, &id));
        let after =
            self.following.get(&(key, Some(id))).into_iter().flatten().find(|next| miscounts(&id, next)).copied();
        for other in [other, before, after].into_iter().flatten() {
            self.contradict(signer.name.clone(), None, other, id);
        }
    }

    fn contradict(&mut self, author: String, once: Option<(Kind, TaskId)>, first: StatementId, second: StatementId) {
        self.contradicted.extend([first, second]);
        self.contradictions.push(Contradiction { author, once, first, second });
    }

    /// How often something was found to be lacking: when this grows, there is something new to ask for.
    pub(crate) fn noticed(&self) -> u64 {
        self.noticed
    }

    /// What somebody has said and nobody has brought, by its id, at `now`.
    pub fn lacking(&self, now: u64) -> impl Iterator<Item = (&StatementId, &Lack)> {
        self.lacking.iter().filter(move |(_, lack)| now < lack.until)
    }

    /// The contradictions that are proved here, in the order in which they were found.
    #[must_use]
    pub fn contradictions(&self) -> &[Contradiction] {
        &self.contradictions
    }

    /// Whether another statement of its key contradicts this one.
    #[must_use]
    pub fn is_contradicted(&self, id: &StatementId) -> bool {
        self.contradicted.contains(id)
    }
}

/// What a TRE says once of each task.
fn once(statement: &Statement) -> Option<(Kind, TaskId)> {
    match statement {
        Statement::Run(run) => Some((Kind::Run, run.payload().task)),
        Statement::Release(release) => Some((Kind::Release, release.payload().task)),
        _ => None,
    }
}

/// Which statement comes before one, and its number; none for a statement outside any chain.
fn before(statement: &Statement) -> Option<(Option<StatementId>, u64)> {
    match statement {
        Statement::Checkpoint(one) => Some((one.payload().previous, one.payload().previous_size)),
        other => other.claims().place.as_ref().map(|place| (place.previous, place.number.saturating_sub(1))),
    }
}
