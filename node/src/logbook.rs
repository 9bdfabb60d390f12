//! A TRE's log as people on its machine see it: how far it reaches, who has witnessed it, what it lacks, and what others have told twice.

use protocol::lifecycle::Phase;
use protocol::node::Node;
use protocol::record::submission::TaskId;
use protocol::wire::id::{Digest, StatementId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a node's log is, and the logs of others as far as they matter to people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Logbook {
    /// How many entries the own log has; 0 on a hub.
    pub size: u64,
    /// The root hash over them; none on a hub.
    pub root: Option<Digest>,
    /// How many of them the newest checkpoint covers.
    pub covered: u64,
    /// The newest checkpoint.
    pub checkpoint: Option<StatementId>,
    /// The other nodes that have cosigned it.
    pub cosigners: Vec<String>,
    /// How often the log was recovered.
    pub epoch: u64,
    /// Why nothing starts or leaves though nobody has said no, with what to do.
    pub waiting: Option<String>,
    /// What this node has forgotten, when it was restored from a backup.
    pub behind: Option<Behind>,
    /// The TREs that have told two stories of their logs, with the two checkpoints.
    pub forks: Vec<(String, StatementId, StatementId)>,
    /// How many tasks each standing approval, by the digest of its payload, has released today or is about to.
    pub standing_used: BTreeMap<Digest, u64>,
}

/// What a restored node lacks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Behind {
    /// The newest checkpoint of its own that it does not reach.
    pub checkpoint: StatementId,
    /// Its epoch.
    pub epoch: u64,
    /// How many entries it covers.
    pub size: u64,
    /// When it was signed, seconds since 1970; coarse.
    pub issued: u64,
    /// Tasks that went on in the time that was lost, as others know, with the phase that they had reached.
    pub forgotten: Vec<(TaskId, Phase)>,
}

impl Logbook {
    /// As the core has it now, seconds since 1970.
    #[must_use]
    pub fn of(core: &Node, now: u64) -> Self {
        let name = core.tre().map(|tre| tre.name.as_str());
        let head = core.checkpoint();
        let reached = |task: &TaskId| {
            let said = core.tasks().get(task)?.phases().get(name?)?;
            Some((*task, said.payload().phase))
        };
        Self {
            size: core.log().len(),
            root: name.map(|_| core.log().root()),
            covered: core.covered(),
            checkpoint: head.map(protocol::ingress::Verified::id),
            cosigners: head.into_iter().flat_map(|head| core.cosigners(&head.id())).map(str::to_owned).collect(),
            epoch: core.epoch(),
            waiting: name.and_then(|_| core.why_waiting(now)).map(str::to_owned),
            behind: core.behind().map(|lost| Behind {
                checkpoint: lost.id(),
                epoch: lost.payload().epoch,
                size: lost.payload().size,
                issued: lost.claims().issued,
                forgotten: core.forgotten().iter().filter_map(reached).collect(),
            }),
            forks: core.forks().map(|(tre, fork)| (tre.to_owned(), fork.first, fork.second)).collect(),
            standing_used: core.standing_used(now),
        }
    }
}
