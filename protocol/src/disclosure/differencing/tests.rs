//! Nothing is missed: against brute force, in every size, with every threshold, with even and with crowded hashes; and against a tracker.

use super::reason::{Figure, Met, reason};
use super::{INDEXED, Index, among, difference_below, whole};
use crate::disclosure::contributors::{Contributors, Subjects};
use crate::record::submission::TaskId;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A person's hash, as even as a keyed one (SplitMix64).
fn hash(person: u64) -> u64 {
    let mut x = person.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn subjects(persons: impl IntoIterator<Item = u64>) -> Subjects {
    Subjects::of(persons.into_iter().map(hash).collect())
}

fn apart(a: &Subjects, b: &Subjects) -> u64 {
    let [a, b] = [a, b].map(|set| set.hashes().iter().collect::<BTreeSet<_>>());
    a.symmetric_difference(&b).count() as u64
}

/// Sets in families: a base, and variants in which some persons are changed. `crowded` hashes all lie in one part of their range.
fn families() -> impl Strategy<Value = Vec<Subjects>> {
    let base = (1_usize..400, 0_u64..4).prop_flat_map(|(size, seed)| {
        let change = proptest::collection::vec(0_u64..600, 0..25);
        (Just((size, seed)), proptest::collection::vec(change, 1..6))
    });
    (proptest::collection::vec(base, 1..8), any::<bool>()).prop_map(|(families, crowded)| {
        let place = |person: u64| if crowded { hash(person) >> 40 } else { hash(person) };
        let variant = |size: usize, seed: u64, changed: &Vec<u64>| {
            let mut persons: BTreeSet<u64> = (0..size as u64).map(|n| seed * 150 + n).collect();
            for person in changed {
                if !persons.remove(person) {
                    persons.insert(*person);
                }
            }
            Subjects::of(persons.into_iter().map(place).collect())
        };
        let sets = families
            .iter()
            .flat_map(|((size, seed), variants)| variants.iter().map(move |changed| variant(*size, *seed, changed)));
        sets.collect()
    })
}

fn by_hand(sets: &[Subjects], threshold: u64) -> Vec<(usize, usize, u64)> {
    let mut found = Vec::new();
    for (i, a) in sets.iter().enumerate().filter(|(_, a)| a.len() as u64 >= threshold) {
        for (j, b) in sets.iter().enumerate().filter(|(j, _)| *j != i) {
            let difference = apart(a, b);
            if difference > 0 && difference < threshold {
                found.push((i, j, difference));
            }
        }
    }
    found
}

/// `whole` as its documentation says it.
fn totals_by_hand(table: &Contributors, threshold: u64) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for row in 0..table.of.len() {
        let others = (0..table.of.len()).filter(|other| *other != row);
        let others = others.flat_map(|other| (0..table.of[other].len()).map(move |column| (other, column)));
        let others = others.filter_map(|(row, column)| table.behind(row, column));
        let others = Subjects::of(others.flat_map(|set| set.hashes().iter().copied()).collect());
        let mut seen = BTreeSet::new();
        for (column, number) in table.of[row].iter().enumerate() {
            let Some(set) = table.behind(row, column).filter(|set| !set.is_empty()) else { continue };
            let difference = apart(set, &others);
            if seen.insert(number) && set.len() as u64 >= threshold && difference > 0 && difference < threshold {
                found.push((row, column));
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_close_pair_is_found_and_no_other(sets in families(), threshold in 1_u64..40) {
        let asked: Vec<&Subjects> = sets.iter().collect();
        prop_assert_eq!(among(&asked, threshold, |_, _| true), by_hand(&sets, threshold));
    }

    #[test]
    fn sets_may_come_one_by_one_between_questions(sets in families(), threshold in 1_u64..25) {
        let mut index = Index::default();
        let mut found = Vec::new();
        for (number, set) in sets.iter().enumerate() {
            for (_, known) in index.candidates(&[set], threshold, |_, _| true) {
                let known = usize::try_from(known).unwrap();
                if let Some(difference) = difference_below(set, &sets[known], threshold).filter(|found| *found > 0) {
                    found.push((number, known, difference));
                }
            }
            index.push(set);
        }
        prop_assert_eq!(index.len(), sets.len());
        let mut expected = by_hand(&sets, threshold);
        expected.retain(|(i, j, _)| j < i);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn the_difference_is_the_symmetric_one(sets in families(), threshold in 0_u64..600) {
        for pair in sets.windows(2) {
            let difference = apart(&pair[0], &pair[1]);
            let below = (difference < threshold).then_some(difference);
            prop_assert_eq!(difference_below(&pair[0], &pair[1], threshold), below);
        }
    }

    #[test]
    fn totals_are_those_of_the_other_rows(
        sets in families(),
        of in proptest::collection::vec(proptest::collection::vec(proptest::option::of(0_u32..8), 3), 1..7),
        threshold in 1_u64..30,
    ) {
        let known = |set: &u32| (*set as usize) < sets.len();
        let row = |row: Vec<Option<u32>>| row.into_iter().map(|set| set.filter(known)).collect();
        let of = of.into_iter().map(row).collect();
        let table = Contributors { dataset: "omop".to_owned(), sets, of };
        let whole = whole(&table, threshold);
        prop_assert_eq!(&whole.everybody, &table.union());
        // Equal sets under two numbers in one row are told twice by hand.
        let expected: BTreeSet<(usize, usize)> = totals_by_hand(&table, threshold).into_iter().collect();
        prop_assert_eq!(whole.totals.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

#[test]
fn threat_44_one_person_more_or_less_is_always_found() {
    for size in (10_u64..90).chain([127, 128, 129, 500, 5_000]) {
        for start in (0..4).map(|start| start * 1_000_003) {
            let before = subjects(start..start + size);
            let mut index = Index::default();
            (0..50).for_each(|other| index.push(&subjects(other * 31..other * 31 + size)));
            index.push(&before);
            for (what, after) in [
                ("first one less", subjects(start + 1..start + size)),
                ("last one less", subjects(start..start + size - 1)),
                ("one more", subjects(start..=start + size)),
                ("another one", subjects((start + 1..start + size).chain([start + 999_999]))),
            ] {
                for threshold in
                    [3, 5, 10, 15, INDEXED as u64].into_iter().filter(|threshold| after.len() as u64 >= *threshold)
                {
                    let found = index.candidates(&[&after], threshold, |_, _| true).contains(&(0, 50));
                    assert!(found, "{what}: size {size}, start {start}, threshold {threshold}");
                    assert!(difference_below(&before, &after, threshold).is_some_and(|difference| difference > 0));
                }
            }
        }
    }
}

/// A tracker asks for many overlapping predicates over a small population and gets what no rule doubts. No two figures that it ends up with
/// differ in fewer persons than the threshold, and it was refused nothing that would have been safe by that measure.
#[test]
fn threat_44_a_tracker_gets_no_two_figures_about_nearly_the_same_people() {
    const THRESHOLD: u64 = 10;
    let mut dice = 7;
    let mut roll = |sides: u64| {
        dice = hash(dice);
        dice % sides
    };
    let (mut flagged, mut released, mut index) = (0, Vec::<(u128, Subjects)>::new(), Index::default());
    // Eight facts about each of 120 persons, some of them rare.
    let fact = |roll: &mut dyn FnMut(u64) -> u64, fact: u64| u64::from(roll(fact + 2) == 0) << fact;
    let facts: Vec<u64> = (0..120).map(|_| (0..8).fold(0, |facts, each| facts | fact(&mut roll, each))).collect();
    for _ in 0..2_000 {
        let (with, without, either) = (roll(256) & roll(256), roll(256) & roll(256) & roll(256), roll(2) == 0);
        let spared = (roll(4) == 0).then(|| roll(120));
        let fits = |person: &u64| {
            let facts = facts[usize::try_from(*person).unwrap()];
            let any = either && facts & with != 0;
            (any || facts & with == with && facts & without == 0) && Some(*person) != spared
        };
        let persons = (0..120).filter(fits).fold(0, |persons, person| persons | 1_u128 << person);
        if u64::from(persons.count_ones()) < THRESHOLD {
            continue;
        }
        let asked = subjects((0..120).filter(fits));
        let candidates = index.candidates(&[&asked], THRESHOLD, |_, _| true);
        let meets = candidates.into_iter().any(|(_, known)| {
            let (_, known) = &released[usize::try_from(known).unwrap()];
            difference_below(&asked, known, THRESHOLD).is_some_and(|found| found > 0)
        });
        let close = |known: u128| (1..THRESHOLD).contains(&u64::from((known ^ persons).count_ones()));
        assert_eq!(meets, released.iter().any(|(known, _)| close(*known)));
        if meets {
            flagged += 1;
        } else {
            index.push(&asked);
            released.push((persons, asked));
        }
    }
    assert!(flagged > 500 && released.len() > 50, "{flagged} flagged, {} released", released.len());
}

#[test]
fn a_total_beside_its_parts_gives_away_the_part_that_is_hidden() {
    let table = |parts: &[Subjects]| {
        let mut sets = parts.to_vec();
        sets.push(subjects(0..100));
        let numbers = 0..u32::try_from(sets.len()).unwrap();
        let of = numbers.map(|set| vec![None, Some(set), Some(set)]).collect();
        Contributors { dataset: "omop".to_owned(), sets, of }
    };
    assert_eq!(whole(&table(&[subjects(0..50), subjects(50..95)]), 10).totals, [(2, 1)]);
    assert_eq!(whole(&table(&[subjects(0..50), subjects(50..90)]), 10).totals, []);
    assert_eq!(whole(&table(&[subjects(0..50), subjects(50..100)]), 10).totals, []);
}

#[test]
fn a_sentence_names_the_figure_and_the_day_and_not_how_many() {
    let (this, task) = (Figure::Cell { row: 4, column: "n" }, TaskId::of(b"task"));
    let there = Figure::Cell { row: 0, column: "mean_x" };
    let met = Met::Earlier { task, output: "by_sex", figure: there, released_at: 1_800_000_000 };
    let sentence = format!(
        "This figure and `mean_x` in row 1 of `by_sex`, which was released on 2027-01-15 (task {}), are about the same people but for fewer than 10: \
         who takes one from the other learns about those few.",
        task.short()
    );
    assert_eq!(reason(this, &met, 10), sentence);
    assert!(
        reason(Figure::Total, &Met::Others, 5)
            .starts_with("The total of this table and the total of the other rows are about")
    );
    assert!(
        reason(this, &Met::Beside { output: "all", figure: Figure::Total }, 5)
            .contains("the total of `all`, which would leave with it")
    );
    assert!(reason(this, &Met::Within(there), 5).contains("`mean_x` in row 1 of this table"));
}
