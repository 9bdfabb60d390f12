//! The door for people on this machine: a Unix socket that only the node's own account can open.
//!
//! Each message is a length (32-bit big-endian) and a CBOR item. Whatever a member may ask over the network can be asked here too; held
//! outputs can be asked for nowhere else.

pub(crate) mod around;
pub(crate) mod queue;
mod replay;

pub use crate::ledger::Meeting;
pub use around::{Around, Dialled, Missing, Neighbour};

use crate::clock::now;
use crate::custody::Custody;
use crate::driver::Handle;
use crate::exchange::{Asker, Exchange};
use crate::execute::{Execution, Replayed};
use crate::ledger::Ledger;
use crate::logbook::Logbook;
use crate::network::{Network, Role};
use protocol::audit::log::Export;
use protocol::disclosure::table::Column;
use protocol::ingress::Verified;
use protocol::lifecycle::Phase;
use protocol::record::attestation::ReportSummary;
use protocol::record::commitment::Commitment;
use protocol::record::run::Run;
use protocol::record::submission::TaskId;
use protocol::safes::Refusal;
use protocol::safes::outputs::{Context, HeldOutput};
use protocol::trust::roster::Counts;
use protocol::wire::id::{NetworkId, StatementId};
use protocol::wire::message::{Request, Response};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

/// The largest message, in bytes: 50 held outputs of 16 MiB would not fit, a readable review does.
const MESSAGE_BYTES: u32 = 256 * 1024 * 1024;

/// How many people may have the door open at once.
const VISITORS: usize = 64;

/// What a person on this machine may ask.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// What any member may ask.
    Member(Request),
    /// Which tasks wait for review here, or have failed here.
    Reviews,
    /// What is held for one task.
    Review(TaskId),
    /// An output that this TRE released before, to compare with.
    Earlier {
        /// The released task.
        task: TaskId,
        /// The output's name.
        output: String,
    },
    /// How the node is.
    Health,
    /// With whom it is connected, and with whom it should be.
    Around,
    /// This TRE's whole log, without a payload of anything that is not everyone's.
    Log,
    /// Another run of a task whose outputs are held, and how it compares.
    Replay(TaskId),
}

/// The answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Ask::Member`].
    Member(Response),
    /// To [`Ask::Reviews`].
    Reviews(Vec<Waiting>),
    /// To [`Ask::Review`].
    Review(Box<Review>),
    /// To [`Ask::Earlier`].
    Earlier(Box<EarlierOutput>),
    /// To [`Ask::Health`].
    Health(Box<Health>),
    /// To [`Ask::Around`].
    Around(Box<Around>),
    /// To [`Ask::Log`]: the bytes of a [`protocol::audit::log::Export`].
    Log(ByteBuf),
    /// To [`Ask::Replay`].
    Replayed(Replayed),
    /// Not possible; a sentence that says what to do.
    No(String),
}

/// A task that a reviewer may want to see.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// The task.
    pub task: TaskId,
    /// Its title.
    pub title: String,
    /// The project.
    pub project: String,
    /// Who submitted it.
    pub submitter: String,
    /// Where it stands here.
    pub phase: Phase,
    /// When it arrived here, seconds since 1970.
    pub received: u64,
    /// For each output, how many approvals are missing; none when nothing can be decided now.
    pub missing: Option<BTreeMap<String, u64>>,
    /// Why nothing leaves though nobody has said no; with what to do.
    pub blocked: Option<String>,
    /// Who has decided on anything so far, ascending; whoever has withdrawn has not.
    pub attested_by: Vec<String>,
    /// How many persons the project asks for; none when no project counts here now. From 2 on nobody is told what others decided before
    /// they have decided themselves: see [`crate::review::Examined::blind`].
    pub approvals: Option<u64>,
    /// For each output, whose decision counts now.
    pub decided: BTreeMap<String, BTreeSet<String>>,
    /// The outputs on which two persons disagree: nothing of them leaves until one thinks again.
    pub conflict: Vec<String>,
    /// Who has approved under other findings, or under another version of the project, than stand there now, and has to look again.
    pub stale: Vec<String>,
    /// The outputs that went back to the submitter with a question that is open; an empty name stands for the whole task.
    pub returned: Vec<String>,
    /// How many comments there are.
    pub comments: u64,
    /// What the checks say of the held outputs.
    pub checks: Option<ReportSummary>,
}

/// Everything that a reviewer decides on. It never leaves this machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Review {
    /// The task and where it stands.
    pub waiting: Waiting,
    /// The TRE.
    pub tre: String,
    /// The run statement; none when the run failed.
    pub run: Option<StatementId>,
    /// Its commitment.
    pub commitment: Option<Commitment>,
    /// The project statement that counts here now.
    pub project_statement: Option<StatementId>,
    /// The submission's tagged bytes, so that the reviewer's own program can read who asked for what.
    #[serde(with = "serde_bytes")]
    pub submission: Vec<u8>,
    /// The run, the attestations on it so far and the comments of this TRE's reviewers and the submitter, tagged bytes each: nobody else can
    /// be asked for them before the task is decided.
    pub statements: Vec<ByteBuf>,
    /// The tagged bytes of the project statement that counts here now; empty when none does.
    #[serde(with = "serde_bytes")]
    pub project: Vec<u8>,
    /// What left this TRE before and may meet this: of the same project and component, or an output of the same name; newest first, at most 50.
    pub earlier: Vec<Earlier>,
    /// Earlier figures about the same people, or nearly.
    pub meetings: Vec<Meeting>,
    /// The outputs, byte for byte.
    pub outputs: Vec<HeldOutput>,
    /// The SQL that ran and the component's log.
    pub context: ContextView,
    /// What a failed run left.
    pub note: Option<String>,
}

/// A task that this TRE released before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// The task.
    pub task: TaskId,
    /// Its title.
    pub title: String,
    /// Its project.
    pub project: String,
    /// When it was released, seconds since 1970.
    pub released_at: u64,
    /// The outputs that left.
    pub outputs: Vec<String>,
}

/// An output that left before, as custody still has it.
#[derive(Clone, Serialize, Deserialize)]
pub struct EarlierOutput {
    /// The task.
    pub task: TaskId,
    /// The output's name.
    pub name: String,
    /// What its columns mean.
    pub schema: Vec<Column>,
    /// Its canonical bytes.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// Outputs never reach a log.
impl std::fmt::Debug for EarlierOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EarlierOutput({}, {} bytes)", self.name, self.bytes.len())
    }
}

/// The SQL that ran and the component's log; `Debug` shows neither.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContextView(pub Context);

impl std::fmt::Debug for ContextView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContextView(..)")
    }
}

/// How a node is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Health {
    /// Its name in the roster.
    pub name: String,
    /// The federation.
    pub network: NetworkId,
    /// What it knows of the federation.
    pub roster: Counts,
    /// Whether trust is fresh, or why not.
    pub freshness: Result<u64, String>,
    /// Connected members: peer key in hexadecimal, address, whether this node dialled, whether it is a hub.
    pub peers: Vec<(String, String, bool, bool)>,
    /// Addresses that others can dial.
    pub addresses: Vec<String>,
    /// How many tasks are in each phase here.
    pub tasks: BTreeMap<Phase, u64>,
    /// Refusals by reason.
    pub refusals: BTreeMap<Refusal, u64>,
    /// How many statements are held.
    pub statements: u64,
    /// How the log is that other nodes witness.
    pub log: Logbook,
    /// What is wrong with the node's place among the others, in sentences with what to do. It goes on working as well as it can.
    pub degraded: Vec<String>,
    /// What would be better.
    pub advice: Vec<String>,
}

/// Why the door could not be opened or used.
#[derive(Debug, Error)]
pub enum DoorError {
    /// The socket.
    #[error("the door `{path}` cannot be opened; is the node running, and are you its operator?")]
    Socket {
        /// Where it should be.
        path: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The conversation broke.
    #[error("the node closed the door; see its log")]
    Broken(#[from] io::Error),
    /// Not a message of ours.
    #[error("the node's answer is not understood; are both programs of the same version?")]
    Foreign,
}

/// What the core says of one review, before custody is asked.
struct Case {
    waiting: Waiting,
    tre: String,
    run: Option<Verified<Run>>,
    project_statement: Option<StatementId>,
    project: Vec<u8>,
    submission: Vec<u8>,
    statements: Vec<ByteBuf>,
    earlier: Vec<Earlier>,
}

/// What the door can show.
#[derive(Clone)]
pub struct Door {
    /// The driver.
    pub driver: Handle,
    /// Answers what a member may ask.
    pub exchange: Exchange,
    /// Held outputs.
    pub custody: Custody,
    /// Who stood behind what left; none on a hub.
    pub ledger: Option<Ledger>,
    /// Connected members.
    pub network: Network,
    /// What runs components; none on a hub.
    pub execution: Option<Execution>,
    /// The node's name.
    pub name: String,
}

impl Door {
    /// Serves the socket until `stop`.
    ///
    /// # Errors
    /// [`DoorError::Socket`] when it cannot be made.
    pub async fn serve(self, path: &Path, mut stop: watch::Receiver<bool>) -> Result<(), DoorError> {
        let closed = |cause| DoorError::Socket { path: path.display().to_string(), cause };
        // The journal's lock says that no other node runs on this state: a socket that is left over is nobody's.
        std::fs::remove_file(path)
            .or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
            .map_err(closed)?;
        let listener = UnixListener::bind(path).map_err(closed)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(closed)?;
        let visitors = Arc::new(Semaphore::new(VISITORS));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = crate::clock::stopped(&mut stop) => break,
            };
            let Ok((stream, _)) = accepted else { continue };
            let (door, visitors) = (self.clone(), visitors.clone());
            tokio::spawn(async move {
                if let Ok(_permit) = visitors.acquire().await {
                    // A visitor that says something else than we understand is shown out.
                    door.converse(stream).await.ok();
                }
            });
        }
        std::fs::remove_file(path).ok();
        Ok(())
    }

    async fn converse(&self, mut stream: UnixStream) -> Result<(), DoorError> {
        loop {
            let ask = receive(&mut stream).await?;
            let answer = self.answer(ask).await;
            send(&mut stream, &answer).await?;
        }
    }

    async fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Member(request) => Answer::Member(self.exchange.answer(request, Asker::Person).await),
            Ask::Reviews => {
                self.driver.read(|core, _| queue::waiting(core, now())).await.map_or_else(stopping, Answer::Reviews)
            }
            Ask::Review(task) => self.review(task).await,
            Ask::Earlier { task, output } => self.earlier(task, output).await,
            Ask::Health => self.health().await,
            Ask::Around => self.around().await,
            Ask::Log => self.log().await,
            Ask::Replay(task) => self.replay(task).await,
        }
    }

    async fn review(&self, task: TaskId) -> Answer {
        let found = self.driver.read(move |core, journal| {
            let known = core.tasks().get(&task)?;
            let here = core.tre()?;
            let waiting = queue::about(core, known, now()).filter(|one| queue::is_shown(one.phase))?;
            let run = known.runs().get(&here.name).cloned();
            let chosen = core.roster().project_at(&waiting.project, &here.name, now()).map(|chosen| chosen.statement);
            let project = chosen.and_then(|id| journal.statement(&id).ok().flatten()).unwrap_or_default();
            let attestations =
                known.attestations().iter().filter(|one| one.payload().tre == here.name).map(|one| one.bytes());
            let comments = queue::comments(core, known, here).map(|one| one.bytes());
            let said: Vec<ByteBuf> = run
                .iter()
                .map(|run| run.bytes())
                .chain(attestations)
                .chain(comments)
                .map(|bytes| ByteBuf::from(bytes.to_vec()))
                .collect();
            Some(Case {
                waiting,
                tre: here.name.clone(),
                run,
                project_statement: chosen,
                project,
                submission: known.submission().bytes().to_vec(),
                statements: said,
                earlier: queue::earlier(core, &task),
            })
        });
        let Some(found) = found.await else { return stopping() };
        let Some(case) = found else {
            return Answer::No(format!("nothing waits here for the task {}; see `quintes review list`", task.short()));
        };
        let (custody, ledger, phase) = (self.custody.clone(), self.ledger.clone(), case.waiting.phase);
        let commitment = case.run.as_ref().map(|run| run.payload().commitment);
        let opened = tokio::task::spawn_blocking(move || {
            let held = commitment.map(|commitment| custody.show(&task, &commitment)).transpose()?;
            // What has left stands in the ledger itself: only what is held meets others.
            let ledger = ledger.filter(|_| phase == Phase::Held);
            let meetings = ledger.zip(held.as_ref()).map(|(ledger, held)| ledger.nearest(held)).transpose()?;
            anyhow::Ok((held, meetings.unwrap_or_default(), custody.note(&task)?))
        });
        match opened.await {
            Ok(Ok((held, meetings, note))) => Answer::Review(Box::new(Review {
                waiting: case.waiting,
                tre: case.tre,
                run: case.run.map(|run| run.id()),
                commitment,
                project_statement: case.project_statement,
                submission: case.submission,
                statements: case.statements,
                project: case.project,
                earlier: case.earlier,
                meetings,
                outputs: held.as_ref().map(|held| held.outputs().to_vec()).unwrap_or_default(),
                context: ContextView(held.map(|held| held.context().clone()).unwrap_or_default()),
                note,
            })),
            Ok(Err(error)) => {
                tracing::error!(task = %task.short(), %error, "custody could not be shown");
                Answer::No(error.to_string())
            }
            Err(_) => stopping(),
        }
    }

    /// What left stays in custody: reviewers compare with it.
    async fn earlier(&self, task: TaskId, output: String) -> Answer {
        let named = output.clone();
        let found = self.driver.read(move |core, _| {
            let (tre, known) = (core.tre()?, core.tasks().get(&task)?);
            let released = known.releases().get(&tre.name)?.payload();
            released.outputs.contains(&named).then_some(released.commitment)
        });
        let Some(found) = found.await else { return stopping() };
        let Some(commitment) = found else {
            return Answer::No(format!("the task {} has released no such output here", task.short()));
        };
        let custody = self.custody.clone();
        match tokio::task::spawn_blocking(move || custody.show(&task, &commitment)).await {
            Ok(Ok(held)) => match held.outputs().iter().find(|one| one.name == output) {
                Some(one) => Answer::Earlier(Box::new(EarlierOutput {
                    task,
                    name: output,
                    schema: one.schema.clone(),
                    bytes: one.bytes.clone(),
                })),
                None => Answer::No(format!("the task {} has released no such output here", task.short())),
            },
            Ok(Err(error)) => Answer::No(error.to_string()),
            Err(_) => stopping(),
        }
    }

    async fn log(&self) -> Answer {
        let export = self.driver.read(|core, journal| Export::of(core, |id| journal.statement(id).ok().flatten()));
        match export.await {
            Some(Some(export)) => Answer::Log(ByteBuf::from(export.to_bytes())),
            Some(None) => Answer::No("this node is a hub and has no log of its own; ask a TRE".to_owned()),
            None => stopping(),
        }
    }

    async fn health(&self) -> Answer {
        let peers = self.network.peers().await;
        let (degraded, advice) = around::judged(&self.network.standing().await, &peers);
        let addresses = self.network.local_addresses().iter().map(ToString::to_string).collect();
        let name = self.name.clone();
        let health = self.driver.read(move |core, _| {
            let mut tasks = BTreeMap::new();
            let mut refusals = BTreeMap::new();
            for here in core.tasks().values().filter_map(protocol::node::Task::here) {
                *tasks.entry(here.phase()).or_insert(0) += 1;
                if let Some(refusal) = here.refusal() {
                    *refusals.entry(refusal).or_insert(0) += 1;
                }
            }
            let freshness = core.roster().fresh_status(now());
            Health {
                name,
                network: *core.roster().network(),
                roster: core.roster().counts(),
                freshness: freshness.map(|status| status.claims().expires).map_err(|stale| stale.to_string()),
                peers: peers
                    .iter()
                    .map(|peer| {
                        let key = peer.key.iter().map(|byte| format!("{byte:02x}")).collect();
                        (key, peer.address.to_string(), peer.outbound, peer.role == Role::Hub)
                    })
                    .collect(),
                addresses,
                tasks,
                refusals,
                statements: core.known().len() as u64,
                log: Logbook::of(core, now()),
                degraded,
                advice,
            }
        });
        health.await.map_or_else(stopping, |health| Answer::Health(Box::new(health)))
    }
}

fn stopping() -> Answer {
    Answer::No("the node is stopping; start it again".to_owned())
}

async fn send<T: Serialize>(stream: &mut UnixStream, message: &T) -> Result<(), DoorError> {
    let mut bytes = Vec::new();
    ciborium::into_writer(message, &mut bytes).map_err(|_| DoorError::Foreign)?;
    let length = u32::try_from(bytes.len()).map_err(|_| DoorError::Foreign)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&bytes).await?;
    Ok(stream.flush().await?)
}

async fn receive<T: DeserializeOwned>(stream: &mut UnixStream) -> Result<T, DoorError> {
    let length = stream.read_u32().await?;
    if length > MESSAGE_BYTES {
        return Err(DoorError::Foreign);
    }
    // Grows with what arrives: a length alone reserves nothing.
    let mut bytes = Vec::new();
    let read = stream.take(u64::from(length)).read_to_end(&mut bytes).await?;
    if u32::try_from(read) != Ok(length) {
        return Err(DoorError::Broken(io::ErrorKind::UnexpectedEof.into()));
    }
    ciborium::from_reader(bytes.as_slice()).map_err(|_| DoorError::Foreign)
}

/// A person's side of the door.
pub struct Visitor(UnixStream);

impl Visitor {
    /// Knocks.
    ///
    /// # Errors
    /// [`DoorError::Socket`] when no node answers there.
    pub async fn knock(path: &Path) -> Result<Self, DoorError> {
        UnixStream::connect(path)
            .await
            .map(Self)
            .map_err(|cause| DoorError::Socket { path: path.display().to_string(), cause })
    }

    /// Asks.
    ///
    /// # Errors
    /// [`DoorError`] when the conversation breaks.
    pub async fn ask(&mut self, ask: &Ask) -> Result<Answer, DoorError> {
        send(&mut self.0, ask).await?;
        receive(&mut self.0).await
    }
}
