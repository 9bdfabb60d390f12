//! A node's place among the others: who is connected and how well, who should be and is not, and what that means.

use super::{Answer, Door, stopping};
use crate::clock::now;
use crate::network::{PeerInfo, PeerKey, Role, Standing, median};
use protocol::chain::Lack;
use protocol::record::Kind;
use protocol::wire::id::StatementId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long members may take to say what they have.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many people whose statements contradict each other are told of at a time, the latest first.
const CONTRADICTIONS: usize = 8;

/// For how long what a chain lacks may be on its way, in seconds, before anybody is told.
const LATE: u64 = 10;

/// By how many milliseconds this clock may differ from the others' before it is told. Statements are believed within 120 seconds.
const SKEW: u64 = 30_000;

/// How a person finds out why peers are missing.
pub(crate) const SEE_WHY: &str = "run `quintes node doctor` to see why";

/// A node's place among the others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Around {
    /// Who is connected, by name.
    pub neighbours: Vec<Neighbour>,
    /// Whom the settings name.
    pub dialled: Vec<Dialled>,
    /// Whether too few of these have been connected for a minute.
    pub alone: bool,
    /// By how many milliseconds the members' clocks are ahead of this one: their median.
    pub ahead: Option<i64>,
    /// What somebody has said and nobody has brought.
    pub missing: Vec<Missing>,
    /// Whether trust is fresh, and until when; or why not.
    pub freshness: Result<u64, String>,
    /// What is wrong, in sentences with what to do.
    pub degraded: Vec<String>,
    /// What would be better.
    pub advice: Vec<String>,
}

/// A member that is connected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its name in the roster; its peer key in hexadecimal where the roster has none.
    pub name: String,
    /// Its peer key, in hexadecimal.
    pub key: String,
    /// `node`, `hub` or `client`, as it says itself.
    pub role: String,
    /// Where it is.
    pub address: String,
    /// The name of the hub through which it is connected.
    pub through: Option<String>,
    /// Whether this node dialled.
    pub outbound: bool,
    /// Since when, seconds since 1970.
    pub since: u64,
    /// When it last answered, seconds since 1970.
    pub heard: u64,
    /// How long its last answer took, in milliseconds.
    pub round_trip: Option<u64>,
    /// How many statements it offers that are not here and were not refused here; none where it did not say in time.
    pub lag: Option<u64>,
    /// What gossip thinks of it.
    pub score: f64,
    /// By how many milliseconds its clock is ahead.
    pub ahead: Option<i64>,
}

/// A statement that another one names as the one before it, and that no connected member gives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Missing {
    /// Its id.
    pub id: StatementId,
    /// Whose it is, by the name in the roster.
    pub author: String,
    /// Its number in its author's chain; of a checkpoint, how many entries it covers.
    pub number: u64,
    /// The kind of the statement that names it.
    pub kind: Kind,
    /// That statement.
    pub named_by: StatementId,
    /// Since when that one is here, in seconds since 1970.
    pub since: u64,
}

impl Missing {
    fn of((id, lack): (StatementId, Lack)) -> Self {
        let Lack { author, kind, number, next, since, until: _ } = lack;
        Self { id, author, number, kind, named_by: next, since }
    }
}

/// A peer that the settings name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dialled {
    /// Its name in the roster, or its key.
    pub name: String,
    /// Where it should be.
    pub addresses: Vec<String>,
    /// Whether it is connected and has admitted this node.
    pub connected: bool,
    /// What went wrong the last time.
    pub trouble: Option<String>,
}

impl Door {
    /// What [`super::Ask::Around`] is answered.
    pub(super) async fn around(&self) -> Answer {
        let (peers, standing) = (self.network.peers().await, self.network.standing().await);
        let asked: Vec<PeerKey> = peers.iter().filter(|peer| peer.role != Role::Client).map(|peer| peer.key).collect();
        let lag = async |peer: &PeerKey| {
            let counted = tokio::time::timeout(PATIENCE, self.exchange.lag(*peer)).await.ok()?.ok()?;
            u64::try_from(counted).ok()
        };
        let lags = futures::future::join_all(asked.iter().map(lag)).await;
        let mut missing: Vec<Missing> = self.exchange.lacking().await.into_iter().map(Missing::of).collect();
        missing.retain(|one| one.since.saturating_add(LATE) <= now());
        let lags: BTreeMap<PeerKey, u64> =
            asked.into_iter().zip(lags).filter_map(|(peer, lag)| Some((peer, lag?))).collect();
        let known = self.driver.read(|core, _| {
            let holders = core.roster().holders(now()).into_iter();
            let names: BTreeMap<PeerKey, String> =
                holders.filter_map(|holder| Some((*holder.peer?.as_bytes(), holder.name))).collect();
            let freshness = core.roster().fresh_status(now());
            let contradictions = core.chains().contradictions().iter().rev().take(CONTRADICTIONS);
            let told: Vec<String> = contradictions
                .map(|one| format!("{} (`quintes audit forks` writes the proof into a file)", one.sentence()))
                .collect();
            (names, freshness.map(|status| status.claims().expires).map_err(|stale| stale.to_string()), told)
        });
        let Some((names, freshness, contradictions)) = known.await else { return stopping() };
        let name = |key: &PeerKey| names.get(key).cloned().unwrap_or_else(|| hexadecimal(key));
        let (degraded, mut advice) = judged(&standing, &peers);
        advice.extend(contradictions);
        let mut neighbours: Vec<Neighbour> = peers
            .iter()
            .map(|peer| Neighbour {
                name: name(&peer.key),
                key: hexadecimal(&peer.key),
                role: peer.role.to_string(),
                address: peer.address.to_string(),
                through: peer.through.as_ref().map(name),
                outbound: peer.outbound,
                since: seconds(peer.since),
                heard: seconds(peer.heard),
                round_trip: peer.round_trip.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
                lag: lags.get(&peer.key).copied(),
                score: peer.score,
                ahead: peer.ahead,
            })
            .collect();
        neighbours.sort_by(|a, b| a.name.cmp(&b.name));
        let dialled = standing.named.iter().map(|named| Dialled {
            name: name(&named.key),
            addresses: named.addresses.iter().map(ToString::to_string).collect(),
            connected: named.connected,
            trouble: named.trouble.clone(),
        });
        Answer::Around(Box::new(Around {
            dialled: dialled.collect(),
            neighbours,
            alone: standing.alone,
            ahead: ahead(&peers),
            missing,
            freshness,
            degraded,
            advice,
        }))
    }
}

/// What is wrong, and what would be better.
pub(super) fn judged(standing: &Standing, peers: &[PeerInfo]) -> (Vec<String>, Vec<String>) {
    let (mut degraded, mut advice) = (Vec::new(), Vec::new());
    let named = standing.named.len();
    let connected = standing.named.iter().filter(|one| one.connected).count();
    if connected < named.min(2) {
        let since = if standing.alone { ", for more than a minute" } else { "" };
        let few = match named {
            1 => "the one peer that node.toml dials is not connected".to_owned(),
            _ => format!("only {connected} of the {named} peers that node.toml dials are connected"),
        };
        degraded.push(format!("{few}{since}; {SEE_WHY}"));
    }
    if named == 1 {
        advice.push("one hub is dialled; dial a second one, run by another member, so that the node is reached when the first fails".to_owned());
    }
    if let Some(ahead) = ahead(peers).filter(|ahead| ahead.unsigned_abs() > SKEW) {
        let (seconds, which) = (ahead.unsigned_abs() / 1_000, if ahead > 0 { "behind" } else { "ahead of" });
        degraded.push(format!("this clock is {seconds} s {which} the members'; set it, and keep it by NTP"));
    }
    (degraded, advice)
}

fn ahead(peers: &[PeerInfo]) -> Option<i64> {
    median(peers.iter().filter_map(|peer| peer.ahead).collect())
}

fn hexadecimal(key: &PeerKey) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use crate::network::Named;

    fn standing(connected: &[bool]) -> Standing {
        let named = connected.iter().map(|connected| Named {
            key: [1; 32],
            addresses: Vec::new(),
            connected: *connected,
            trouble: None,
        });
        Standing { named: named.collect(), alone: false }
    }

    fn peer(ahead: i64) -> PeerInfo {
        PeerInfo {
            key: [1; 32],
            address: "/ip4/127.0.0.1/tcp/1".parse().unwrap(),
            since: UNIX_EPOCH,
            outbound: true,
            role: Role::Hub,
            through: None,
            heard: UNIX_EPOCH,
            round_trip: None,
            score: 0.0,
            ahead: Some(ahead),
        }
    }

    #[test]
    fn threat_10_fewer_than_two_hubs_are_degraded_and_one_by_design_is_advice() {
        let wrong = |connected: &[bool]| judged(&standing(connected), &[]).0.len();
        assert_eq!([wrong(&[]), wrong(&[true]), wrong(&[true, true, false])], [0, 0, 0]);
        assert_eq!([wrong(&[false]), wrong(&[true, false]), wrong(&[false, false, true])], [1, 1, 1]);
        assert_eq!(judged(&standing(&[true]), &[]).1.len(), 1);
        let (degraded, advice) = judged(&Standing { alone: true, ..standing(&[true, false, false]) }, &[]);
        assert!(advice.is_empty());
        assert!(
            degraded[0]
                .starts_with("only 1 of the 3 peers that node.toml dials are connected, for more than a minute; run")
        );
    }

    #[test]
    fn threat_16_a_clock_that_differs_from_the_median_is_told() {
        let wrong = |ahead: &[i64]| judged(&standing(&[]), &ahead.iter().map(|one| peer(*one)).collect::<Vec<_>>()).0;
        assert!(wrong(&[29_000, -5, 400_000]).is_empty());
        assert!(wrong(&[90_000, 90_500, 0])[0].starts_with("this clock is 90 s behind the members'; set it"));
        assert!(wrong(&[-90_000])[0].starts_with("this clock is 90 s ahead of the members'"));
    }
}
