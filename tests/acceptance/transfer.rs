//! A result of many megabytes through a hub that is killed on the way, in both halves.

use crate::federation::program;
use node::arrival::IN_FLIGHT;
use protocol::wire::message::SLICE_BYTES;
use std::time::Duration;
use testnet::transfer::send;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_arrives_through_a_hub_that_is_killed_and_a_cut_costs_no_more_than_what_was_on_its_way() {
    let kills = 4;
    let report = send(program(), 64 << 20, kills, Duration::from_millis(2)).await.unwrap();
    eprintln!("{report:?}: {:.2} % sent twice", report.resent_percent());
    // The slices on their way at each kill, and the handshakes of new connections.
    let most = kills * (IN_FLIGHT as u64 * SLICE_BYTES + 64 * 1024);
    assert!(report.to_researcher <= report.undisturbed + most, "{report:?}");
    assert!(report.into_mailbox <= report.undisturbed + most, "{report:?}");
    assert!(report.undisturbed < report.bytes / 100 * 103, "proofs and encryption cost little: {report:?}");
}
