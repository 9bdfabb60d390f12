//! The node and the catalogue: what every TRE says of its datasets, the newest alone, and when this one has to say something else.

use super::{Effect, Node, Step};
use crate::ingress::Verified;
use crate::record::dataset::{Dataset, Schema};
use crate::record::key_record::HolderKind;
use std::collections::{BTreeMap, BTreeSet};

/// The most datasets of one TRE that are remembered: as many as a project can name.
const DATASETS: usize = 256;

/// What this TRE publishes, as its operator has configured it.
#[derive(Clone, Debug, Default)]
pub(super) struct Offer {
    /// By the dataset's name; none until the shell has said it.
    schemas: Option<BTreeMap<String, Schema>>,
    /// Datasets of which the newest statement says something else, and for which no other was asked for since it was found out.
    due: BTreeSet<String>,
}

impl Node {
    /// The newest word of each TRE about each of its datasets, by the TRE's name and the dataset's. It may be that of a key that was revoked
    /// since, and it may take back what was said before.
    #[must_use]
    pub fn datasets(&self) -> &BTreeMap<(String, String), Verified<Dataset>> {
        &self.datasets
    }

    /// Whether a statement says nothing that counts: a newer one is known, or its TRE has said too much.
    pub(super) fn is_superseded(&self, dataset: &Verified<Dataset>) -> bool {
        let said = dataset.payload();
        match self.datasets.get(&(said.tre.clone(), said.name.clone())) {
            Some(known) => place(dataset) <= place(known),
            None => self.datasets.keys().filter(|(tre, _)| *tre == said.tre).count() >= DATASETS,
        }
    }

    /// Keeps the newest. What it replaces is not shared any more.
    pub(super) fn take_dataset(&mut self, dataset: &Verified<Dataset>) {
        let said = dataset.payload();
        let before = self.datasets.insert((said.tre.clone(), said.name.clone()), dataset.clone());
        if let Some(before) = before {
            self.superseded.insert(before.id());
            self.shared.withdraw(&before.id());
        }
        if self.is_here(&said.tre) {
            self.find_due(&said.name);
        }
    }

    pub(super) fn on_schemas(&mut self, schemas: BTreeMap<String, Schema>) {
        let Some(tre) = self.tre.as_ref().map(|tre| tre.name.clone()) else { return };
        let said = self.datasets.keys().filter(|(by, _)| *by == tre).map(|(_, name)| name.clone());
        let names: BTreeSet<String> = schemas.keys().cloned().chain(said).collect();
        self.offer.schemas = Some(schemas);
        names.iter().for_each(|name| self.find_due(name));
    }

    /// Whether the newest statement about a dataset of this TRE is what its operator wants said.
    fn find_due(&mut self, name: &str) {
        let (Some(tre), Some(schemas)) = (&self.tre, &self.offer.schemas) else { return };
        let said = self.datasets.get(&(tre.name.clone(), name.to_owned()));
        if said.and_then(|said| said.payload().schema.as_ref()) == schemas.get(name) {
            self.offer.due.remove(name);
        } else {
            self.offer.due.insert(name.to_owned());
        }
    }

    /// Asks for the statements that are due, once others can believe them, and once this node knows what it has said before.
    pub(super) fn publish_datasets(&mut self, now: u64, step: &mut Step) {
        if self.offer.due.is_empty() || !self.remembers(now) {
            return;
        }
        let Some(tre) = self.tre.as_ref().map(|tre| tre.name.clone()) else { return };
        let enrolled = self.roster.holders(now).iter().any(|one| one.kind == HolderKind::Tre && one.name == tre);
        if !enrolled {
            return;
        }
        for name in std::mem::take(&mut self.offer.due) {
            let before = self.datasets.get(&(tre.clone(), name.clone()));
            let version = before.map_or(1, |before| before.payload().version.saturating_add(1));
            let schema = self.offer.schemas.as_ref().and_then(|schemas| schemas.get(&name)).cloned();
            step.effect(Effect::Publish(Box::new(Dataset { tre: tre.clone(), name, version, schema })));
        }
    }
}

/// What makes a statement newer than another: its version, and of one version the later.
fn place(dataset: &Verified<Dataset>) -> (u64, u64, crate::wire::id::StatementId) {
    (dataset.payload().version, dataset.claims().issued, dataset.id())
}
