//! Workers that are not themselves any more: whatever they say, the node ends in order and believes nothing.

use super::*;
use crate::bindings::quintes::analysis::types;
use crate::channel::frame::{decode, encode};
use crate::channel::{Compiled, Hello, Probed};
use crate::output::DeclaredOutput;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn host() -> Host {
    let outputs = vec![DeclaredOutput { name: "result".into(), media_type: "text/csv".into() }];
    let parameters = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    Host::new(parameters, outputs, BTreeMap::new(), None, Limits { output_bytes: 1_000, ..Limits::default() })
}

/// What comes of a run whose worker says these bytes and is gone.
fn said(bytes: Vec<u8>) -> (Result<End, Broken>, Host) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut ours, theirs) = tokio::io::duplex(1024 * 1024);
        let (mut hear, mut say) = tokio::io::split(theirs);
        let mut host = host();
        let limits = Limits::default();
        let worker = async move {
            // A node that has ended the run hears no more.
            let _ = say.write_all(&bytes).await;
            let _ = say.shutdown().await;
        };
        let deaf = async move {
            let mut heard = Vec::new();
            let _ = hear.read_to_end(&mut heard).await;
        };
        let end = async {
            let end = converse(&mut ours, &mut host, b"code", &limits).await;
            drop(ours);
            end
        };
        let (end, (), ()) = tokio::join!(end, worker, deaf);
        (end, host)
    })
}

fn calls(calls: impl IntoIterator<Item = Call>) -> Vec<u8> {
    calls.into_iter().flat_map(|call| encode(&Said::Call(call))).collect()
}

fn end() -> Vec<u8> {
    encode(&Said::End(End { outcome: Outcome::Returned(Ok(())), memory_bytes: u64::MAX, fuel: Some(u64::MAX) }))
}

#[test]
fn threat_24_a_handle_that_was_not_given_ends_the_run() {
    for call in [
        Call::Tables(1),
        Call::Query(0, "SELECT 1".into(), Vec::new()),
        Call::QueryRows(7, "SELECT 1".into(), vec![types::Value::Null]),
        Call::Budget(u32::MAX),
        Call::DropConnection(1),
        Call::Schema(1),
        Call::NextBatch(1, 1),
        Call::NextArrow(1, 1),
        Call::DropResult(1),
        Call::Tabulate(1, "person".into(), Vec::new()),
        Call::Aggregate(1, "person".into(), Vec::new(), Vec::new()),
        Call::Columns(1),
        Call::TableRows(1),
        Call::DropTable(1),
        Call::WriteTable("result".into(), 1),
        Call::Finish(1),
        Call::DropOutput(1),
    ] {
        let (ended, _) = said([calls([call.clone()]), end()].concat());
        assert!(matches!(ended, Err(Broken::Unanswered(Unanswered::NoSuchHandle))), "{call:?}: {ended:?}");
    }
}

#[test]
fn threat_24_an_output_cannot_be_finished_twice_nor_a_table_made_up() {
    let create = || Call::Create("result".into(), "text/csv".into());
    let (end_of, _) = said([calls([create(), Call::Finish(1), Call::Finish(1)]), end()].concat());
    assert!(matches!(end_of, Err(Broken::Unanswered(Unanswered::NoSuchHandle))));
    // A handle of an output is no handle of a table: what is witnessed was made by the node.
    let (end_of, _) = said([calls([create(), Call::WriteTable("result".into(), 1)]), end()].concat());
    assert!(matches!(end_of, Err(Broken::Unanswered(Unanswered::NoSuchHandle))));
    // Without any output a worker that claims success has none.
    let (end_of, host) = said(end());
    assert_eq!(end_of.unwrap().memory_bytes, u64::MAX);
    assert!(host.close().is_err());
}

#[test]
fn threat_27_a_length_that_is_only_claimed_costs_nothing() {
    for length in [1024 * 1024 + 1, u32::MAX] {
        let (ended, _) = said(length.to_le_bytes().to_vec());
        assert!(matches!(ended, Err(Broken::Frame(FrameError::TooLong(_)))));
    }
    let create = calls([Call::Create("result".into(), "text/csv".into())]);
    let (ended, _) = said([create.clone(), calls([Call::Write(1, u64::MAX)])].concat());
    assert!(matches!(ended, Err(Broken::Frame(FrameError::TooLong(_)))));
    // Claimed within the limit, and never sent.
    let (ended, _) = said([create.clone(), calls([Call::Write(1, 16 * 1024 * 1024)]), vec![0; 10]].concat());
    assert!(matches!(ended, Err(Broken::Frame(FrameError::Gone(_)))));
    // What is sent counts against the limit on outputs.
    let (end_of, host) =
        said([create, calls([Call::Write(1, 1_001)]), vec![b'x'; 1_001], calls([Call::Finish(1)]), end()].concat());
    assert!(end_of.is_ok());
    let outputs = host.close().unwrap();
    assert!(matches!(&outputs.outputs[0].content, crate::output::Content::Opaque { bytes, .. } if bytes.is_empty()));
}

#[test]
fn threat_27_handles_are_bounded_whatever_asks_for_them() {
    let create = (0..2_000).flat_map(|_| [Call::Create("result".into(), "text/csv".into()), Call::Open("omop".into())]);
    let (end_of, _) = said([calls(create), end()].concat());
    assert!(end_of.is_ok(), "asking for what is not there gives no handle");
}

fn call() -> impl Strategy<Value = Call> {
    let text = "[a-z]{0,8}";
    let name = prop_oneof![Just("result".to_owned()), text.prop_map(|text| text)];
    let handle = 0_u32..4;
    prop_oneof![
        text.prop_map(Call::Parameter),
        any::<String>().prop_map(Call::Log),
        any::<f32>().prop_map(Call::Progress),
        Just(Call::Handles),
        text.prop_map(Call::Open),
        handle.clone().prop_map(Call::Schema),
        (handle.clone(), any::<u32>()).prop_map(|(handle, rows)| Call::NextBatch(handle, rows)),
        (handle.clone(), text).prop_map(|(handle, sql)| Call::Query(handle, sql, vec![types::Value::Null; 3])),
        (name.clone(), Just("text/csv".to_owned())).prop_map(|(name, media_type)| Call::Create(name, media_type)),
        (handle.clone(), 0_u64..40).prop_map(|(handle, length)| Call::Write(handle, length)),
        handle.clone().prop_map(Call::Finish),
        handle.clone().prop_map(Call::DropOutput),
        (name, handle).prop_map(|(name, handle)| Call::WriteTable(name, handle)),
    ]
}

proptest! {
    #[test]
    fn threat_24_any_bytes_are_refused_in_order(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode::<Said>(&bytes);
        let _ = decode::<Hello>(&bytes);
        let _ = decode::<Compiled>(&bytes);
        let _ = decode::<Probed>(&bytes);
        let mut framed = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
        framed.extend(bytes);
        let _ = said(framed);
    }

    #[test]
    fn threat_24_calls_in_any_order_are_answered_or_end_the_run(all in proptest::collection::vec(call(), 0..40)) {
        // Raw bytes follow a write only where the worker keeps its word; here it does not always.
        let (ended, host) = said([calls(all), end()].concat());
        if ended.is_ok() {
            // Whatever was said, only the declared output can be there, and nothing in it is called witnessed.
            if let Ok(outputs) = host.close() {
                prop_assert_eq!(outputs.outputs.len(), 1);
                let witnessed = matches!(outputs.outputs[0].content, crate::output::Content::Witnessed(_));
                prop_assert!(!witnessed);
            }
        }
    }
}
