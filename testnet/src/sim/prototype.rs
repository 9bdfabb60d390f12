//! Federations that are founded once and simulated many times: what every run of a shape has in common at its beginning.

use crate::fixture::federation::{EPOCH, Federation};
use crate::scenario::{SHAPES, Scenario};
use crate::sim::host::Host;
use crate::sim::truth::Truth;
use crate::sim::world::START;
use protocol::ingress::receive;
use protocol::node::Input;
use protocol::trust::roster::Roster;
use std::sync::{Arc, OnceLock};

/// A founded federation whose nodes all know its statements.
pub struct Prototype {
    /// The members.
    pub federation: Arc<Federation>,
    /// The machines: TREs first, then hubs.
    pub hosts: Vec<Host>,
    /// Who holds which key.
    pub roster: Roster,
    /// What is so.
    pub truth: Truth,
}

static PROTOTYPES: [OnceLock<Prototype>; SHAPES.len()] = [const { OnceLock::new() }; SHAPES.len()];

impl Prototype {
    /// The prototype of one of [`SHAPES`].
    #[must_use]
    pub fn of(shape: usize) -> &'static Self {
        PROTOTYPES[shape].get_or_init(|| Self::found(shape))
    }

    fn found(shape: usize) -> Self {
        let seed = u64::try_from(shape).expect("there are few shapes");
        let federation = Federation::new(seed, Scenario::federation(shape));
        let at = EPOCH + START;
        let mut truth = Truth::of(&federation);
        let mut roster = Roster::new(federation.network);
        for bytes in &federation.statements {
            let statement = receive(bytes, &roster, at).expect("the fixture's statements come in a believable order");
            roster.take(&statement);
            truth.note(&statement);
        }
        let tres = (0..federation.options.tres).map(|tre| (format!("tre-{tre}"), Some(federation.tre(tre))));
        let hubs = (0..federation.options.hubs).map(|hub| (format!("hub-{hub}"), None));
        let mut hosts: Vec<Host> =
            tres.chain(hubs).map(|(name, tre)| Host::new(federation.network, &name, tre)).collect();
        for host in &mut hosts {
            let Some(node) = host.node.as_mut() else { continue };
            for bytes in &federation.statements {
                let statement =
                    receive(bytes, node.roster(), at).expect("the fixture's statements come in a believable order");
                host.statements.insert(statement.id(), bytes.clone());
                for record in node.handle(Input::Statement(statement), at).records {
                    host.ledger.append(&host.name, at, record, &truth);
                }
            }
        }
        Self { federation: Arc::new(federation), hosts, roster, truth }
    }
}
