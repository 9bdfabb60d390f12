//! What one simulated run is made of: who takes part, how the network and the machines fail, who misbehaves. All drawn from the seed.

use crate::fixture::federation;
use crate::sim::dice::Dice;
use serde::{Deserialize, Serialize};

/// What a whole series of runs has in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// For how long faults go on before everything heals, in virtual seconds.
    pub chaos_seconds: u64,
    /// Whether messages are lost, doubled, delayed and links cut.
    pub network_faults: bool,
    /// Whether nodes crash.
    pub crashes: bool,
    /// Whether a hub and some people are byzantine.
    pub byzantine: bool,
    /// A rule that the simulated shell breaks on purpose, to see that the invariants notice.
    pub sabotage: Option<Sabotage>,
}

impl Default for Options {
    fn default() -> Self {
        Self { chaos_seconds: 40, network_faults: true, crashes: true, byzantine: true, sabotage: None }
    }
}

/// A shell that does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sabotage {
    /// Performs effects, then writes the records.
    EffectsBeforeRecords,
    /// Acknowledges submissions and writes nothing of them.
    ForgetsSubmissions,
    /// Signs a release as soon as outputs are held.
    ReleasesUnattested,
    /// Delivers other bytes than those that were attested.
    DeliversOtherBytes,
    /// Writes that outputs are held a second time after another run.
    HoldsTwice,
    /// Runs what was refused.
    RunsRefused,
    /// Loses the end of its journal in a restart.
    LosesRecords,
    /// Takes statements without verifying them.
    TakesForged,
    /// Pushes held outputs to its peers.
    SendsOutputs,
    /// Believes what keys sign after they were revoked.
    IgnoresRevocation,
    /// Goes on with tasks that are finished.
    RevivesTasks,
    /// Never asks a peer what it missed, and forwards no submission.
    ForwardsNothing,
    /// Writes into releases no proof that they stand in the log.
    ReleasesUnlogged,
    /// Signs checkpoints that do not extend the ones before.
    RewritesLog,
    /// Does not hear of what a backup has lost.
    IgnoresLoss,
    /// Keeps from the core what the checks say of held outputs by now.
    KeepsOldFindings,
    /// Dates releases back to the day before.
    BackdatesReleases,
    /// Writes down the second of two contradicting checkpoints and looks at neither.
    HidesForks,
    /// Pushes what reviewers say among themselves to its peers.
    TellsPrivateComments,
    /// Writes down what follows a statement that was kept back, and does not look at it.
    HidesGaps,
    /// Writes down the second of two statements at one place of a chain, and does not look at it.
    HidesStories,
}

impl Sabotage {
    /// Each of them, with the invariant that must notice.
    pub const ALL: [(Self, &'static str); 21] = [
        (Self::ReleasesUnattested, "nothing_is_released_without_the_owners_attestations"),
        (Self::DeliversOtherBytes, "what_is_released_is_exactly_what_was_attested"),
        (Self::RunsRefused, "nothing_runs_that_a_safe_refused"),
        (Self::HoldsTwice, "one_manifest_per_task_and_tre"),
        (Self::EffectsBeforeRecords, "no_effect_precedes_its_record"),
        (Self::ForgetsSubmissions, "an_acknowledged_submission_is_never_lost"),
        (Self::LosesRecords, "a_restarted_node_resumes_where_its_journal_ends"),
        (Self::TakesForged, "forged_replayed_or_expired_statements_change_nothing"),
        (Self::RevivesTasks, "terminal_phases_are_terminal"),
        (Self::IgnoresRevocation, "a_revoked_key_has_no_later_effect"),
        (Self::SendsOutputs, "no_held_output_appears_in_a_log_or_on_the_wire"),
        (Self::ForwardsNothing, "after_a_partition_heals_every_allowed_tre_knows_every_task"),
        (Self::ReleasesUnlogged, "a_release_stands_in_the_log_before_it_leaves"),
        (Self::RewritesLog, "logs_only_grow"),
        (Self::IgnoresLoss, "a_restored_node_neither_runs_nor_releases"),
        (Self::KeepsOldFindings, "nothing_leaves_on_a_withdrawn_or_stale_approval"),
        (Self::BackdatesReleases, "a_standing_approval_releases_at_most_its_cap"),
        (Self::HidesForks, "every_fork_is_noticed_by_whoever_holds_both"),
        (Self::TellsPrivateComments, "private_comments_never_leave"),
        (Self::HidesGaps, "what_a_chain_lacks_is_known"),
        (Self::HidesStories, "two_stories_of_a_key_are_known_and_start_nothing"),
    ];
}

/// The shapes of federation that are simulated, 3 to 9 nodes: TREs, hubs, owners of each TRE, approvals.
pub const SHAPES: [(usize, usize, usize, u64); 8] =
    [(2, 1, 2, 1), (2, 1, 3, 2), (3, 1, 2, 2), (3, 1, 3, 1), (4, 1, 2, 1), (3, 2, 2, 1), (5, 1, 2, 2), (7, 2, 2, 2)];

/// One run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Which of [`SHAPES`].
    pub shape: usize,
    /// Lost messages, in permille.
    pub drop: u64,
    /// Doubled messages, in permille.
    pub duplicate: u64,
    /// The longest way of a message, in milliseconds; messages overtake each other.
    pub delay_ms: u64,
    /// Crashes while an input is handled, in permille of the inputs.
    pub crash: u64,
    /// Links that are cut.
    pub cuts: u64,
    /// The hub that forges, replays and withholds.
    pub byzantine_hub: bool,
    /// Tasks that are submitted.
    pub tasks: u64,
    /// For how long each status of the federation is in force, in seconds.
    pub status_seconds: u64,
    /// How many keys or grants are revoked.
    pub revocations: u64,
    /// How far each node's clock is off, at most, in seconds.
    pub skew_seconds: u64,
    /// How often data owners look at what is held.
    pub reviews: u64,
    /// How likely the data owners of a TRE sign a standing approval, in permille.
    pub standing: u64,
    /// How likely a machine is restored from a backup, in permille.
    pub restores: u64,
    /// How likely a TRE tells two stories of its log, in permille.
    pub twins: u64,
}

impl Scenario {
    /// The run of a seed.
    #[must_use]
    pub fn draw(dice: &mut Dice, options: &Options) -> Self {
        // Small federations more often: they are quicker and have the same code.
        let shape = dice.below(SHAPES.len()).min(dice.below(SHAPES.len()));
        // What a sabotage needs to show, happens in every run.
        let often = |sabotage, share: u64| if options.sabotage == Some(sabotage) { 1_000 } else { share };
        let faults = |share: u64| if options.network_faults { share } else { 0 };
        Self {
            shape,
            drop: faults(dice.between(0, 200)),
            duplicate: faults(dice.between(0, 100)),
            delay_ms: dice.between(20, 2_000),
            crash: if options.crashes { dice.between(0, 25) } else { 0 },
            cuts: faults(dice.between(0, 4)),
            byzantine_hub: options.byzantine && dice.permille(500),
            tasks: dice.between(1, 4),
            status_seconds: if dice.permille(400) { dice.between(8, 30) } else { 86_400 },
            revocations: if dice.permille(500) { dice.between(1, 2) } else { 0 },
            skew_seconds: if dice.permille(300) { 40 } else { 1 },
            reviews: dice.between(4, 10),
            standing: often(Sabotage::BackdatesReleases, if dice.permille(400) { 800 } else { 0 }),
            restores: if options.crashes { often(Sabotage::IgnoresLoss, 250) } else { 0 },
            twins: if options.byzantine { often(Sabotage::HidesForks, 120) } else { 0 },
        }
    }

    /// The federation's members.
    #[must_use]
    pub fn federation(shape: usize) -> federation::Options {
        let (tres, hubs, owners_per_tre, approvals) = SHAPES[shape];
        federation::Options { tres, hubs, owners_per_tre, approvals, researchers: 2, ..federation::Options::default() }
    }
}
