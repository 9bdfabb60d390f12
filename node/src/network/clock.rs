//! What time it is at the other members. It is a hint and nobody is believed for it: the median over all of them tells an operator that a clock
//! is off, and nothing is decided by it.

use libp2p::StreamProtocol;
use libp2p::request_response::{self, ProtocolSupport, cbor};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The protocol: an empty question, and an answer of milliseconds since 1970-01-01T00:00:00Z (`WIRE.md`, section "Direct streams").
const NAME: StreamProtocol = StreamProtocol::new("/quintes/clock/1");

/// The longest message, in bytes: a CBOR integer has nine.
const BYTES: u64 = 16;

/// How long an answer may take. A late one would say little.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Questions of one connection at once.
const STREAMS: usize = 4;

/// How often a connected member is asked again.
pub(super) const AGAIN: Duration = Duration::from_secs(300);

/// Questions and answers about the time.
pub(super) type Clocks = request_response::Behaviour<cbor::codec::Codec<(), u64>>;

/// Asks and answers.
pub(super) fn behaviour() -> Clocks {
    let codec = cbor::codec::Codec::default().set_request_size_maximum(BYTES).set_response_size_maximum(BYTES);
    let settings =
        request_response::Config::default().with_request_timeout(TIMEOUT).with_max_concurrent_streams(STREAMS);
    request_response::Behaviour::with_codec(codec, [(NAME, ProtocolSupport::Full)], settings)
}

/// A time as it is told.
pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// By how many milliseconds another clock is ahead of ours, when its answer needed `took` to get here and comes `now`.
pub(super) fn ahead(theirs: u64, now: SystemTime, took: Duration) -> i64 {
    let meanwhile = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let (theirs, ours) = (i128::from(theirs) + i128::from(meanwhile), i128::from(millis(now)));
    i64::try_from(theirs - ours).unwrap_or(if theirs > ours { i64::MAX } else { i64::MIN })
}

/// The middle of what the members say, so that fewer than half of them cannot move it at will; none where nobody has said anything.
#[must_use]
pub fn median(mut ahead: Vec<i64>) -> Option<i64> {
    ahead.sort_unstable();
    ahead.get(ahead.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_16_a_lying_minority_moves_nothing() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![7]), Some(7));
        assert_eq!(median(vec![i64::MAX, -3, 5]), Some(5));
        assert_eq!(median(vec![i64::MIN, i64::MIN, 1, 2, 3]), Some(1));
    }

    #[test]
    fn a_difference_counts_from_our_side_and_never_overflows() {
        let now = UNIX_EPOCH + Duration::from_millis(1_000_000);
        assert_eq!(ahead(1_002_000, now, Duration::from_millis(5)), 2_005);
        assert_eq!(ahead(0, now, Duration::ZERO), -1_000_000);
        assert_eq!(ahead(u64::MAX, now, Duration::ZERO), i64::MAX);
    }
}
