//! Ten thousand changed statements, of every kind: none is believed.

use super::vectors::{Sample, samples};
use crate::ingress::receive;
use proptest::prelude::*;
use std::sync::LazyLock;

static SAMPLES: LazyLock<(crate::trust::roster::Roster, Vec<Sample>)> = LazyLock::new(samples);

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_statement_survives_a_changed_bit(pick: prop::sample::Index, place: prop::sample::Index, bit in 0..8_u8) {
        let (roster, samples) = &*SAMPLES;
        let sample = pick.get(samples);
        let mut bytes = sample.bytes.clone();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        prop_assert!(receive(&bytes, roster, sample.now).is_err(), "{} with bit {bit} of byte {place} changed", sample.kind);
    }
}

#[test]
fn no_statement_survives_being_cut_or_lengthened() {
    let (roster, samples) = &*SAMPLES;
    for sample in samples {
        assert!(receive(&sample.bytes, roster, sample.now).is_ok(), "{}", sample.kind);
        for length in (0..sample.bytes.len()).step_by(7) {
            assert!(
                receive(&sample.bytes[..length], roster, sample.now).is_err(),
                "{} cut to {length} bytes",
                sample.kind
            );
        }
        let longer = [&sample.bytes[..], &[0]].concat();
        assert!(receive(&longer, roster, sample.now).is_err(), "{} with a byte more", sample.kind);
    }
}
