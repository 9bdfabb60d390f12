//! The driver: one loop that owns the core and its journal. Records are committed, **then** effects are performed.

use crate::clock::now;
use crate::effects::Effects;
use crate::journal::{Journal, JournalError};
use futures::{StreamExt as _, stream};
use protocol::ingress::{Ignored, Statement, Verdict, receive};
use protocol::node::{Effect, Input, Node, Record};
use protocol::record::Kind;
use protocol::safes::outputs::Held;
use protocol::wire::envelope::Signed;
use protocol::wire::id::StatementId;
use std::collections::BTreeMap;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

/// How many messages may wait for the driver: enough for every peer of a full hub to have one under way.
const INBOX: usize = 512;

/// How many messages one commit may carry: a burst costs one sync of the disk, not one each.
const BATCH: usize = 128;

/// How many statements are kept whose signer is not enrolled yet.
const PENDING: usize = 1_000;

/// How often time passes for the core.
const TICK: Duration = Duration::from_secs(1);

/// A look at the state as of the last commit.
type Look = Box<dyn FnOnce(&Node, &Journal) + Send>;

/// What became of an offered statement.
type Taken = Result<StatementId, Verdict>;

/// What the driver is asked.
enum Message {
    Statement { bytes: Vec<u8>, reply: oneshot::Sender<Taken> },
    Held { held: Box<Held>, run: Vec<u8> },
    Input(Box<Input>),
    Read(Look),
}

/// Why the driver did not answer.
#[derive(Debug, Error)]
pub enum TakeError {
    /// The statement is not worth taking.
    #[error(transparent)]
    Verdict(#[from] Verdict),
    /// The node is stopping.
    #[error("the node is stopping; try again once it runs")]
    Stopped,
}

/// How everyone else in the node reaches the driver.
#[derive(Clone)]
pub struct Handle(mpsc::Sender<Message>);

impl Handle {
    /// Offers a statement; the answer comes when it is durable. A statement that is already held is taken again without effect.
    ///
    /// # Errors
    /// [`TakeError`], with the verdict on whoever sent it.
    pub async fn take(&self, bytes: Vec<u8>) -> Result<StatementId, TakeError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Message::Statement { bytes, reply }).await.map_err(|_| TakeError::Stopped)?;
        Ok(answer.await.map_err(|_| TakeError::Stopped)??)
    }

    /// Offers many statements, those first on which others depend; one commit carries many of them. What is no statement is left out.
    pub async fn take_all(&self, statements: Vec<Vec<u8>>) -> Vec<(Kind, Result<StatementId, TakeError>)> {
        let mut by_kind: BTreeMap<Kind, Vec<Vec<u8>>> = BTreeMap::new();
        for bytes in statements {
            if let Ok(signed) = Signed::parse(&bytes) {
                by_kind.entry(signed.kind()).or_default().push(bytes);
            }
        }
        let mut taken = Vec::new();
        for (kind, statements) in by_kind {
            let taking = stream::iter(statements.into_iter().map(|bytes| self.take(bytes))).buffered(BATCH);
            taken.extend(taking.map(|one| (kind, one)).collect::<Vec<_>>().await);
        }
        taken
    }

    /// Hands over what came of an effect.
    pub async fn input(&self, input: Input) {
        // A stopping node drops it; the journal says what to do again.
        self.0.send(Message::Input(Box::new(input))).await.ok();
    }

    /// Hands over checked outputs that are in custody, with the run statement that this node signed.
    pub async fn held(&self, held: Held, run: Vec<u8>) {
        self.0.send(Message::Held { held: Box::new(held), run }).await.ok();
    }

    /// Reads the node's state as of the last commit; none when the node is stopping.
    pub async fn read<T: Send + 'static>(&self, look: impl FnOnce(&Node, &Journal) -> T + Send + 'static) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let look = Box::new(move |node: &Node, journal: &Journal| {
            reply.send(look(node, journal)).ok();
        });
        self.0.send(Message::Read(look)).await.ok()?;
        answer.await.ok()
    }
}

/// The driver and its inbox.
pub struct Driver {
    core: Node,
    journal: Journal,
    inbox: mpsc::Receiver<Message>,
    pending: BTreeMap<StatementId, Vec<u8>>,
}

/// Makes a driver for a core that was replayed from this journal.
#[must_use]
pub fn new(core: Node, journal: Journal) -> (Driver, Handle) {
    let (sender, inbox) = mpsc::channel(INBOX);
    (Driver { core, journal, inbox, pending: BTreeMap::new() }, Handle(sender))
}

/// What one round of messages amounts to. It has one time: a statement that is in time when it is verified must be so when it is recorded,
/// or a replay would not believe it.
struct Round {
    now: u64,
    records: Vec<Record>,
    effects: Vec<Effect>,
    replies: Vec<(oneshot::Sender<Taken>, Taken)>,
    reads: Vec<Look>,
}

impl Round {
    fn begin() -> Self {
        Self { now: now(), records: Vec::new(), effects: Vec::new(), replies: Vec::new(), reads: Vec::new() }
    }
}

impl Driver {
    /// Runs until `stop` says so.
    ///
    /// # Errors
    /// [`JournalError`]: a record could not be written, and a node that cannot remember must not go on.
    pub async fn run(mut self, mut effects: Effects, mut stop: watch::Receiver<bool>) -> Result<(), JournalError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut round = Round::begin();
        let step = self.core.resume(round.now);
        round.records = step.records;
        round.effects = step.effects;
        self.finish(round, &mut effects)?;
        loop {
            let first = tokio::select! {
                message = self.inbox.recv() => match message {
                    Some(message) => message,
                    None => return Ok(()),
                },
                _ = tick.tick() => Message::Input(Box::new(Input::Tick)),
                () = crate::clock::stopped(&mut stop) => return Ok(()),
            };
            let mut round = Round::begin();
            self.handle(first, &mut round);
            for _ in 1..BATCH {
                match self.inbox.try_recv() {
                    Ok(message) => self.handle(message, &mut round),
                    Err(_) => break,
                }
            }
            self.finish(round, &mut effects)?;
        }
    }

    fn handle(&mut self, message: Message, round: &mut Round) {
        match message {
            Message::Statement { bytes, reply } => {
                let taken = self.statement(bytes, round);
                round.replies.push((reply, taken));
            }
            Message::Held { held, run } => match receive(&run, self.core.roster(), round.now) {
                Ok(Statement::Run(run)) => self.feed(Input::Held { held, run: Box::new(run) }, round),
                Ok(_) | Err(_) => {
                    tracing::error!(task = %held.task().short(), "this node's own run statement is not valid; is the node enrolled?");
                    self.feed(Input::Failed { task: held.task(), code: "host-failed".to_owned() }, round);
                }
            },
            Message::Input(input) => self.feed(*input, round),
            Message::Read(look) => round.reads.push(look),
        }
    }

    fn statement(&mut self, bytes: Vec<u8>, round: &mut Round) -> Result<StatementId, Verdict> {
        let id = StatementId::of(&bytes);
        if self.core.known().contains(&id) {
            return Ok(id);
        }
        match receive(&bytes, self.core.roster(), round.now) {
            Ok(statement) => {
                let teaches = statement.kind() < Kind::Submission;
                self.feed(Input::Statement(statement), round);
                if teaches {
                    self.try_pending(round);
                }
                Ok(id)
            }
            Err(verdict) => {
                if matches!(verdict, Verdict::Ignore(Ignored::UnknownKey(_))) && self.pending.len() < PENDING {
                    self.pending.insert(id, bytes);
                }
                Err(verdict)
            }
        }
    }

    /// Gossip keeps no order: what came before its signer was enrolled is looked at again.
    fn try_pending(&mut self, round: &mut Round) {
        loop {
            let ready =
                self.pending.iter().find_map(|(id, bytes)| match receive(bytes, self.core.roster(), round.now) {
                    Err(Verdict::Ignore(Ignored::UnknownKey(_))) => None,
                    verdict => Some((*id, verdict)),
                });
            let Some((id, verdict)) = ready else { return };
            self.pending.remove(&id);
            if let Ok(statement) = verdict {
                self.feed(Input::Statement(statement), round);
            }
        }
    }

    fn feed(&mut self, input: Input, round: &mut Round) {
        let step = self.core.handle(input, round.now);
        round.records.extend(step.records);
        round.effects.extend(step.effects);
    }

    /// Commits, then answers, then acts.
    fn finish(&mut self, round: Round, effects: &mut Effects) -> Result<(), JournalError> {
        if !round.records.is_empty() {
            tokio::task::block_in_place(|| self.journal.append(&round.records))?;
        }
        for (reply, taken) in round.replies {
            reply.send(taken).ok();
        }
        for look in round.reads {
            look(&self.core, &self.journal);
        }
        // Who may connect is asked once, however many statements have changed it.
        let members = round.effects.contains(&Effect::Members);
        for effect in round.effects.into_iter().filter(|effect| *effect != Effect::Members) {
            effects.perform(effect, &self.core);
        }
        if members {
            effects.perform(Effect::Members, &self.core);
        }
        Ok(())
    }
}
