//! A round with a member: what either side lacks is found by its ids, fetched, and brought; who says who may what comes first.

use super::Exchange;
use crate::network::{AskError, PeerKey};
use futures::{StreamExt as _, stream};
use protocol::reconcile::{self, BadFrame, Compared, Index, Share};
use protocol::wire::id::StatementId;
use protocol::wire::message::{Request, Response};
use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;
use thiserror::Error;

/// The most frames of one round and share. Each brings up to 1,800 ids: more than seven million.
const FRAMES: usize = 4_096;

/// For how long a round may go on. The next one begins where this one got to: by what is held then.
const TIME: Duration = Duration::from_secs(600);

/// The most ids of one round that come to nothing: not given, or given and not taken. A member that offers more wastes our time.
const USELESS: usize = 2_048;

/// The most statements that are brought to the member in one round. Who lacks more begins a round itself.
const BROUGHT: usize = 1_024;

/// The most ids that one question names (`WIRE.md`, "Direct streams").
const ASKED: usize = 64;

/// Statements that are fetched before they are taken: at most 32 MB in memory.
const GROUP: usize = 512;

/// Questions for statements on their way at once; half of what travels to one peer, so that others are not kept waiting.
const IN_FLIGHT: usize = 4;

/// What a round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Statements that are held here now and were not before.
    pub taken: usize,
    /// Statements that were brought to the member.
    pub brought: usize,
    /// Whether the member is known to have been told everything that was offered here when the round began.
    pub even: bool,
}

/// Why a round ended before everything was compared. What had come until then is kept.
#[derive(Debug, Error)]
pub enum RoundError {
    /// The member stopped answering.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// What it said is no frame.
    #[error(transparent)]
    Frame(#[from] BadFrame),
    /// It declined.
    #[error("the member compares nothing; ask another one")]
    Declined,
    /// It offers what it does not give, or what nobody can believe.
    #[error("the member offered more than {USELESS} statements that are worth nothing; ask another one")]
    Useless,
    /// It never comes to an end.
    #[error("the round did not end within {FRAMES} frames and {} seconds; the next one goes on", TIME.as_secs())]
    Endless,
    /// This node stops.
    #[error("the node is stopping")]
    Stopping,
}

impl Exchange {
    /// Goes round with a member: afterwards this node holds everything that the member offered, and the member was brought what it lacked.
    ///
    /// # Errors
    /// [`RoundError`].
    pub async fn round(&self, peer: PeerKey) -> Result<Round, RoundError> {
        let mut round = Round { even: true, ..Round::default() };
        let whole = async {
            let mut useless = 0;
            for share in Share::ALL {
                self.compare(peer, share, &mut round, &mut useless).await?;
            }
            Ok(round)
        };
        tokio::time::timeout(TIME, whole).await.unwrap_or(Err(RoundError::Endless))
    }

    async fn compare(
        &self,
        peer: PeerKey,
        share: Share,
        round: &mut Round,
        useless: &mut usize,
    ) -> Result<(), RoundError> {
        let mut frame = self.begin(share).await?;
        for _ in 0..FRAMES {
            let compared = self.exchange_frames(peer, share, frame).await?;
            for group in self.wanted(compared.missing_here).await.chunks(GROUP) {
                self.fetch(peer, share, group, round, useless).await?;
            }
            self.bring(peer, compared.missing_there, round).await?;
            match compared.next {
                Some(next) => frame = next,
                None => return Ok(()),
            }
        }
        Err(RoundError::Endless)
    }

    /// How many statements the member offers that are not here, and were not refused here when they came: what is on its way, or kept back.
    ///
    /// # Errors
    /// [`RoundError`].
    pub async fn lag(&self, peer: PeerKey) -> Result<usize, RoundError> {
        let mut lag = 0;
        for share in Share::ALL {
            let mut next = Some(self.begin(share).await?);
            while let Some(frame) = next {
                let compared = self.exchange_frames(peer, share, frame).await?;
                lag += self.wanted(compared.missing_here).await.len();
                next = compared.next;
            }
        }
        Ok(lag)
    }

    async fn begin(&self, share: Share) -> Result<Vec<u8>, RoundError> {
        self.aside(share, reconcile::begin).await.ok_or(RoundError::Stopping)
    }

    /// Says a frame, and compares with the one that answers it.
    async fn exchange_frames(&self, peer: PeerKey, share: Share, frame: Vec<u8>) -> Result<Compared, RoundError> {
        let Response::Reconcile { frame: said } = self.network.ask(peer, Request::Reconcile { share, frame }).await?
        else {
            return Err(RoundError::Declined);
        };
        let compared = self.aside(share, move |index| reconcile::compare(index, &said)).await;
        Ok(compared.ok_or(RoundError::Stopping)??)
    }

    /// Answers one frame of a round that a member began.
    pub(super) async fn answer_round(&self, share: Share, frame: Vec<u8>) -> Response {
        let said = self.aside(share, move |index| reconcile::answer(index, &frame)).await;
        said.and_then(Result::ok).map_or(Response::Unknown, |frame| Response::Reconcile { frame })
    }

    /// Computes over what is offered now, beside the driver: over a million statements that takes some hundredths of a second. None when the node stops.
    async fn aside<T: Send + 'static>(
        &self,
        share: Share,
        compute: impl FnOnce(&Index) -> T + Send + 'static,
    ) -> Option<T> {
        let _turn = self.computing.acquire().await.ok()?;
        let index = self.driver.read(move |core, _| core.offered(share).clone()).await?;
        tokio::task::spawn_blocking(move || compute(&index)).await.ok()
    }

    /// What is not held here, though not offered, and was not refused before.
    pub(super) async fn wanted(&self, ids: Vec<StatementId>) -> Vec<StatementId> {
        if ids.is_empty() {
            return ids;
        }
        let missing = self.driver.read(move |core, _| -> Vec<StatementId> {
            ids.into_iter().filter(|id| !core.known().contains(id)).collect()
        });
        let mut ids = missing.await.unwrap_or_default();
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        ids.retain(|id| !refused.is_refused_here(id));
        ids
    }

    /// Fetches statements and takes them, in the order in which each can be understood.
    pub(super) async fn fetch(
        &self,
        peer: PeerKey,
        share: Share,
        wanted: &[StatementId],
        round: &mut Round,
        useless: &mut usize,
    ) -> Result<(), RoundError> {
        let questions: Vec<Vec<StatementId>> = wanted.chunks(ASKED).map(<[StatementId]>::to_vec).collect();
        let mut answers = stream::iter(questions).map(|asked| self.get(peer, asked)).buffered(IN_FLIGHT);
        let mut outcome: Result<(), RoundError> = Ok(());
        let mut given = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(statements) => given.extend(statements),
                Err(error) => {
                    outcome = Err(error.into());
                    break;
                }
            }
        }
        drop(answers);
        let came: BTreeSet<StatementId> = given.iter().map(|bytes: &Vec<u8>| StatementId::of(bytes)).collect();
        self.driver.take_all(given).await;
        // Whatever a statement was refused for, what counts is whether it is held.
        let asked = wanted.to_vec();
        let held = self.driver.read(move |core, _| -> BTreeSet<StatementId> {
            asked.into_iter().filter(|id| core.known().contains(id)).collect()
        });
        let held = held.await.ok_or(RoundError::Stopping)?;
        round.taken += held.len();
        // A question that was not answered says nothing about what it named.
        outcome?;
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if share == Share::Trust && !held.is_empty() {
            refused.believe_again();
        }
        for id in wanted.iter().filter(|id| !held.contains(id)) {
            *useless += 1;
            // Who offers and does not give says nothing about the statement: another member may give it.
            if came.contains(id) {
                refused.refused_here(*id);
            }
        }
        if *useless > USELESS { Err(RoundError::Useless) } else { Ok(()) }
    }

    /// At most [`ASKED`] statements by their ids; a member gives as many at a time as fit into its answer, and what it does not give it does not have.
    async fn get(&self, peer: PeerKey, ids: Vec<StatementId>) -> Result<Vec<Vec<u8>>, AskError> {
        let mut missing: BTreeSet<StatementId> = ids.into_iter().collect();
        let mut found = Vec::new();
        while !missing.is_empty() {
            let asked = Request::Statements { ids: missing.iter().copied().collect() };
            let Response::Statements { statements } = self.network.ask(peer, asked).await? else { break };
            let before = missing.len();
            for bytes in statements {
                if missing.remove(&StatementId::of(&bytes)) {
                    found.push(bytes.into_vec());
                }
            }
            if missing.len() == before {
                break;
            }
        }
        Ok(found)
    }

    /// Brings statements to the member, and remembers that it was told, whatever it makes of them.
    async fn bring(&self, peer: PeerKey, ids: Vec<StatementId>, round: &mut Round) -> Result<(), RoundError> {
        let mut due: Vec<StatementId> = {
            let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            ids.into_iter().filter(|id| !refused.was_told(peer, id)).collect()
        };
        let room = BROUGHT.saturating_sub(round.brought);
        round.even &= due.len() <= room;
        due.truncate(room);
        let offers = stream::iter(due).map(|id| self.offer(peer, id)).buffered(IN_FLIGHT);
        let offered: Vec<Result<bool, RoundError>> = offers.collect().await;
        for one in offered {
            round.brought += usize::from(one?);
        }
        Ok(())
    }

    /// Offers one statement; false when it is not for others any more.
    async fn offer(&self, peer: PeerKey, id: StatementId) -> Result<bool, RoundError> {
        let bytes = self
            .driver
            .read(move |core, journal| core.may_share(&id).then(|| journal.statement(&id).ok().flatten()).flatten());
        let Some(statement) = bytes.await.ok_or(RoundError::Stopping)? else { return Ok(false) };
        match self.network.ask(peer, Request::Offer { statement }).await? {
            Response::Taken | Response::NotTaken { .. } => {
                self.refused.lock().unwrap_or_else(PoisonError::into_inner).told(peer, id);
                Ok(true)
            }
            _ => Err(RoundError::Declined),
        }
    }
}
