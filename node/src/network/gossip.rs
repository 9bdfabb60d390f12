//! The settings of gossipsub: one topic for each network, every message judged, hubs that hold everyone in their mesh.

use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, IdentTopic, MaxCountSubscriptionFilter, MessageAuthenticity, MessageId, PeerScoreParams,
    PeerScoreThresholds, TopicScoreParams, ValidationMode, WhitelistSubscriptionFilter,
};
use protocol::wire::id::NetworkId;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// The largest announcement, in bytes. Larger things travel over direct streams, by digest.
pub const ANNOUNCEMENT_BYTES: usize = 64 * 1024;

/// What gossipsub adds around an announcement: the topic's name and lengths.
const FRAME_BYTES: usize = 1024;

/// Members that a hub holds in its mesh at most. Those above it would have to hear of an announcement by gossip's asking, seconds later
/// or never (`testnet/SCALE.md`).
pub(super) const HUB_MESH: usize = 2_000;

/// Frames that wait for one slow peer. The default (5,000) could hold 320 MB for each.
const WAITING_FRAMES: usize = 512;

/// Gossip on exactly one topic.
pub(super) type Gossip =
    Behaviour<libp2p::gossipsub::IdentityTransform, MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>>;

/// The topic of `network`: `/quintes/v1/<network id>/announcements`.
pub(super) fn topic(network: &NetworkId) -> IdentTopic {
    IdentTopic::new(format!("/quintes/v1/{network}/announcements"))
}

/// Gossip for `network`, subscribed.
///
/// # Errors
/// gossipsub's own sentence about a setting; the test below shows that ours are taken.
pub(super) fn behaviour(network: &NetworkId, hub: bool) -> Result<Gossip, String> {
    let topic = topic(network);
    let mut settings = ConfigBuilder::default();
    settings
        // Who said it stands, signed, inside the bytes; a second signature cost 28 to 52 % more processor time.
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| MessageId::new(&blake3::hash(&message.data).as_bytes()[..20]))
        .max_transmit_size(ANNOUNCEMENT_BYTES + FRAME_BYTES)
        .heartbeat_interval(Duration::from_secs(1))
        .heartbeat_initial_delay(Duration::from_secs(1))
        // A verdict has 12 heartbeats; what is six heartbeats old is no longer offered.
        .history_length(12)
        .history_gossip(6)
        .duplicate_cache_time(Duration::from_secs(600))
        .flood_publish(true)
        .connection_handler_queue_len(WAITING_FRAMES)
        // A thin line gets as long to take a forwarded message as one of our own.
        .forward_queue_duration(Duration::from_secs(5));
    if hub {
        // With the defaults a hub prunes spokes that have no other way: 60 to 95 % delivered. High must exceed the members.
        settings.mesh_outbound_min(0).mesh_n_low(100).mesh_n(200).mesh_n_high(HUB_MESH);
    }
    let settings = settings.build().map_err(|error| error.to_string())?;
    let only = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(HashSet::from([topic.hash()])),
        max_subscribed_topics: 1,
        max_subscriptions_per_request: 8,
    };
    let mut gossip: Gossip = Behaviour::new_with_subscription_filter(MessageAuthenticity::Anonymous, settings, only)?;
    gossip.with_peer_score(score(&topic), thresholds())?;
    gossip.subscribe(&topic).map_err(|error| error.to_string())?;
    Ok(gossip)
}

/// What peers are judged by: hardly by what they do for us, hard by what they forge.
///
/// A score never shows that a peer forwards: one that drops everything keeps a good one. Only catching up shows that.
fn score(topic: &IdentTopic) -> PeerScoreParams {
    let announcements = TopicScoreParams {
        topic_weight: 1.0,
        // P1, at most 10 after an hour: an idle peer of long standing must not be able to pay for a forgery.
        time_in_mesh_weight: 10.0 / 300.0,
        time_in_mesh_quantum: Duration::from_secs(12),
        time_in_mesh_cap: 300.0,
        // P2, at most 2
        first_message_deliveries_weight: 0.1,
        first_message_deliveries_decay: 0.5,
        first_message_deliveries_cap: 20.0,
        // P3 and P3b expect traffic; at their defaults every mesh of an honest idle network dissolved.
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        // P4: one forgery leaves the mesh (-20), a third is no longer listened to (-180); forgotten within an hour.
        // An honest member forwards only what it accepted, so it never forwards a forgery.
        invalid_message_deliveries_weight: -20.0,
        invalid_message_deliveries_decay: 0.998,
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: HashMap::from([(topic.hash(), announcements)]),
        topic_score_cap: 20.0,
        app_specific_weight: 0.0,
        // P6: members behind one institution's address are no attack; membership is closed.
        ip_colocation_factor_weight: 0.0,
        ..PeerScoreParams::default()
    }
}

/// The defaults, but for opportunistic grafting, which our small scores would set off all the time.
fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds { opportunistic_graft_threshold: 0.0, ..PeerScoreThresholds::default() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn the_settings_are_taken_for_hubs_and_spokes() {
        let network = NetworkId([5; 32]);
        for hub in [true, false] {
            let gossip = behaviour(&network, hub).unwrap();
            let topics: Vec<_> = gossip.topics().cloned().collect();
            assert_eq!(topics, [topic(&network).hash()]);
        }
        assert_eq!(topic(&network).hash().as_str(), format!("/quintes/v1/{}/announcements", "05".repeat(32)));
    }

    #[test]
    fn good_conduct_never_outweighs_a_forgery() {
        let score = score(&topic(&NetworkId([5; 32])));
        let (_, topic) = score.topics.iter().next().unwrap();
        let best = topic.time_in_mesh_weight * topic.time_in_mesh_cap
            + topic.first_message_deliveries_weight * topic.first_message_deliveries_cap;
        assert!(best + topic.invalid_message_deliveries_weight < 0.0);
        assert!(best + 9.0 * topic.invalid_message_deliveries_weight < thresholds().graylist_threshold);
        score.validate().unwrap();
        thresholds().validate().unwrap();
    }
}
