//! What two indexes tell each other, beside the library's own storage and beside plain sets; and what garbage does: nothing.

use super::*;
use negentropy::{Bound, NegentropyStorageBase as _, NegentropyStorageVector};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The id of a number.
fn id(number: u64) -> StatementId {
    StatementId::of(&number.to_be_bytes())
}

fn index(numbers: impl IntoIterator<Item = u64>) -> Index {
    let mut index = Index::default();
    // Several at each time, so that ids decide too.
    numbers.into_iter().for_each(|number| assert!(index.insert(number / 3, &id(number))));
    index
}

/// What a round between the two amounts to, and the bytes and frames that it took.
struct Round {
    here: BTreeSet<StatementId>,
    there: BTreeSet<StatementId>,
    bytes: usize,
    frames: usize,
}

fn round(a: &Index, b: &Index) -> Round {
    let mut round = Round { here: BTreeSet::new(), there: BTreeSet::new(), bytes: 0, frames: 0 };
    let mut frame = Some(begin(a));
    while let Some(asked) = frame {
        let said = answer(b, &asked).unwrap();
        assert!(asked.len() <= FRAME_BYTES && said.len() <= FRAME_BYTES);
        round.bytes += asked.len() + said.len();
        round.frames += 2;
        let compared = compare(a, &said).unwrap();
        round.here.extend(compared.missing_here);
        round.there.extend(compared.missing_there);
        frame = compared.next;
    }
    round
}

#[test]
fn equal_sets_of_any_size_are_one_small_frame_each_way() {
    let (a, b) = (index(0..100_000), index((0..100_000).rev()));
    let round = round(&a, &b);
    assert_eq!(round.frames, 2);
    assert!(round.bytes < 500, "{} bytes", round.bytes);
    assert!(round.here.is_empty() && round.there.is_empty());
}

#[test]
fn the_newest_that_are_missing_cost_a_few_kilobytes_and_an_empty_member_gets_everything() {
    let (all, behind) = (index(0..100_000), index(0..99_900));
    let late = round(&behind, &all);
    let newest: BTreeSet<StatementId> = (99_900..100_000).map(id).collect();
    assert_eq!(late.here, newest);
    assert!(late.there.is_empty());
    assert!(late.bytes < 20_000 && late.frames <= 8, "{} bytes in {} frames", late.bytes, late.frames);
    let new = round(&Index::default(), &all);
    assert_eq!(new.here.len(), 100_000);
    // 32 bytes for each id, and little else.
    assert!(new.bytes < 3_400_000, "{} bytes", new.bytes);
    let other_way = round(&all, &Index::default());
    assert_eq!(other_way.there.len(), 100_000);
}

#[test]
fn ranks_places_and_fingerprints_are_those_of_the_librarys_own_storage() {
    let mut ours = Index::default();
    let mut theirs = NegentropyStorageVector::new();
    for number in (0..5_000).map(|number| number * 7_919 % 5_003) {
        assert!(ours.insert(number / 3, &id(number)));
        assert!(!ours.insert(number / 3, &id(number)), "each once");
    }
    for number in (0..5_000).map(|number| number * 7_919 % 5_003) {
        if number % 5 == 0 {
            assert!(ours.remove(number / 3, &id(number)));
            assert!(!ours.remove(number / 3, &id(number)));
        } else {
            theirs.insert(number / 3, Id::from_byte_array(id(number).0)).unwrap();
        }
    }
    theirs.seal().unwrap();
    let size = theirs.size().unwrap();
    assert_eq!(ours.len(), size);
    for place in [0, 1, 255, 256, 257, 511, 512, 513, 1_024, size - 1, size] {
        assert_eq!(ours.get_item(place).unwrap(), theirs.get_item(place).unwrap());
        for end in [place, place + 1, place + 300, size].into_iter().filter(|end| *end <= size && place <= *end) {
            let (own, reference) = (ours.fingerprint(place, end).unwrap(), theirs.fingerprint(place, end).unwrap());
            assert_eq!(own.to_bytes(), reference.to_bytes());
            let (mut seen, mut wanted) = (Vec::new(), Vec::new());
            ours.iterate(place, end, &mut |item, at| {
                seen.push((item, at));
                Ok(true)
            })
            .unwrap();
            theirs
                .iterate(place, end, &mut |item, at| {
                    wanted.push((item, at));
                    Ok(true)
                })
                .unwrap();
            assert_eq!(seen, wanted);
        }
    }
    for time in 0..1_700 {
        let bound = Bound::with_timestamp_and_id(time, &id(time).0[..usize::try_from(time % 33).unwrap()]).unwrap();
        assert_eq!(ours.find_lower_bound(0, size, &bound), theirs.find_lower_bound(0, size, &bound));
    }
    let left: BTreeSet<StatementId> = ours.ids().collect();
    for number in 0..5_003 {
        ours.remove(number / 3, &id(number));
    }
    assert_eq!((left.len(), ours.len(), ours.is_empty()), (size, 0, true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_round_finds_exactly_the_difference(
        a in prop::collection::btree_set(0_u64..3_000, 0..1_500),
        b in prop::collection::btree_set(0_u64..3_000, 0..1_500),
    ) {
        let round = round(&index(a.iter().copied()), &index(b.iter().copied()));
        let here: BTreeSet<StatementId> = b.difference(&a).copied().map(id).collect();
        let there: BTreeSet<StatementId> = a.difference(&b).copied().map(id).collect();
        prop_assert_eq!((round.here, round.there), (here, there));
    }

    #[test]
    fn threat_18_a_garbage_frame_is_an_answer_or_an_error_and_never_a_panic(
        mut frame in prop::collection::vec(any::<u8>(), 0..4_000),
        version in any::<bool>(),
    ) {
        if let Some(first) = frame.first_mut().filter(|_| version) {
            *first = 0x61;
        }
        let index = index(0..2_000);
        if let Ok(said) = answer(&index, &frame) {
            prop_assert!(said.len() <= FRAME_BYTES);
        }
        if let Ok(compared) = compare(&index, &frame) {
            prop_assert!(compared.missing_here.len() * 32 <= frame.len());
            prop_assert!(compared.next.is_none_or(|next| next.len() <= FRAME_BYTES));
        }
    }

    #[test]
    fn threat_18_a_changed_frame_is_an_answer_or_an_error_and_never_a_panic(
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..8),
        cut in any::<usize>(),
    ) {
        let (a, b) = (index(0..4_000), index(1_000..5_000));
        let mut frame = begin(&a);
        for _ in 0..2 {
            for (place, byte) in &changes {
                let place = place % frame.len();
                frame[place] = *byte;
            }
            frame.truncate(1 + cut % frame.len());
            let Ok(said) = answer(&b, &frame) else { return Ok(()) };
            prop_assert!(said.len() <= FRAME_BYTES);
            let Ok(compared) = compare(&a, &said) else { return Ok(()) };
            let Some(next) = compared.next else { return Ok(()) };
            frame = next;
        }
    }
}

#[test]
fn a_frame_that_is_too_long_is_refused() {
    let mut frame = begin(&index(0..10));
    frame.resize(FRAME_BYTES + 1, 0);
    assert_eq!(answer(&index(0..10), &frame), Err(BadFrame));
    assert_eq!(compare(&index(0..10), &frame), Err(BadFrame));
    assert_eq!(answer(&index(0..10), &[]), Err(BadFrame));
}
