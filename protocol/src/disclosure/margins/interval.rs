//! Numbers that are known, half known or unknown, sums that tie them together, and how far each unknown can be told from them.
//!
//! The interval in which a number can lie is approached from both sides. From outside, bounds are carried through the sums until nothing
//! narrows any more: what is too narrow then is too narrow for certain. From inside, other numbers that fulfil every sum are looked for,
//! by moving a number and following the change along the sums (an augmenting path): what is wide enough then is so for certain, because
//! both ends of the interval stand in numbers that could have been shown. What lies between the two is not proven, and said to be so.

use std::collections::{BTreeMap, VecDeque};

/// No bound.
pub(crate) const ANY: i64 = i64::MAX / 4;

/// The most steps of all searches over one system: beyond, what is left is not proven.
const STEPS: usize = 2_000_000;

/// The most rounds in which bounds are carried through all sums.
const ROUNDS: usize = 12;

/// A number in a system, by its place.
pub(crate) type Number = usize;

/// A number that is the sum of others.
#[derive(Clone)]
pub(crate) struct Sum {
    /// The sum.
    pub whole: Number,
    /// What it is the sum of.
    pub parts: Vec<Number>,
}

/// What was found out about the interval of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// It holds enough values.
    Enough,
    /// It holds too few.
    TooFew,
    /// Neither could be shown.
    Unproven,
}

/// Numbers, what is known of each, and the sums over them.
pub(crate) struct System {
    values: Vec<i64>,
    known: Vec<(i64, i64)>,
    /// The numbers of each sum that are not known exactly, with their signs: −1 for the whole.
    terms: Vec<Vec<(Number, i64)>>,
    /// What the exactly known numbers of each sum come to.
    constants: Vec<i64>,
    /// The sums in which a number that is not known exactly stands.
    sums_of: Vec<Vec<(usize, i64)>>,
}

impl System {
    /// `values` fulfil `sums` and lie within `known`.
    pub(crate) fn new(values: Vec<i64>, known: Vec<(i64, i64)>, sums: &[Sum]) -> Self {
        let mut system = Self {
            terms: Vec::with_capacity(sums.len()),
            constants: Vec::with_capacity(sums.len()),
            sums_of: vec![Vec::new(); values.len()],
            values,
            known,
        };
        for (place, sum) in sums.iter().enumerate() {
            let mut terms = Vec::new();
            let mut constant = 0_i64;
            for (number, sign) in sum.parts.iter().map(|part| (*part, 1)).chain([(sum.whole, -1)]) {
                let (least, most) = system.known[number];
                if least == most {
                    constant = constant.saturating_add(sign * least);
                } else {
                    terms.push((number, sign));
                    system.sums_of[number].push((place, sign));
                }
            }
            system.terms.push(terms);
            system.constants.push(constant);
        }
        // Where a change can end at once, and where it has most room, is where a search begins.
        let Self { terms, known, sums_of, .. } = &mut system;
        for terms in terms {
            terms.sort_by_key(|(number, _)| {
                let (least, most) = known[*number];
                (sums_of[*number].len() > 1, std::cmp::Reverse(most.saturating_sub(least)))
            });
        }
        system
    }

    /// Whether each of these numbers can have as many values as it needs.
    pub(crate) fn widths(&self, needs: &[(Number, i64)]) -> Vec<Width> {
        let outer = self.outer();
        let mut search = Search::new(self);
        let mut widths = Vec::with_capacity(needs.len());
        for (number, need) in needs {
            let (least, most) = outer[*number];
            let width = if self.sums_of[*number].is_empty() {
                Width::Enough
            } else if most.saturating_sub(least).saturating_add(1) < *need {
                Width::TooFew
            } else if search.finds(*number, *need) {
                Width::Enough
            } else {
                Width::Unproven
            };
            widths.push(width);
        }
        widths
    }

    /// Bounds that hold for certain.
    fn outer(&self) -> Vec<(i64, i64)> {
        let mut bounds = self.known.clone();
        for _ in 0..ROUNDS {
            let mut narrowed = false;
            for (terms, constant) in self.terms.iter().zip(&self.constants) {
                narrowed |= narrow(&mut bounds, terms, *constant);
            }
            if !narrowed {
                break;
            }
        }
        bounds
    }
}

/// The bounds of a number times a sign; `None` is no bound.
fn reach((least, most): (i64, i64), sign: i64) -> [Option<i64>; 2] {
    let [least, most] = [(least > -ANY).then_some(least), (most < ANY).then_some(most)];
    if sign > 0 { [least, most] } else { [most.map(|most| -most), least.map(|least| -least)] }
}

/// Carries the bounds of all other terms of a sum into each of them.
fn narrow(bounds: &mut [(i64, i64)], terms: &[(Number, i64)], constant: i64) -> bool {
    // On each side: what the bounded terms come to, and how many are open.
    let mut sides = [(constant, 0_usize); 2];
    for (number, sign) in terms {
        for (side, bound) in sides.iter_mut().zip(reach(bounds[*number], *sign)) {
            match bound {
                Some(bound) => side.0 = side.0.saturating_add(bound),
                None => side.1 += 1,
            }
        }
    }
    let mut narrowed = false;
    for (number, sign) in terms {
        let before = bounds[*number];
        let own = reach(before, *sign);
        // All terms come to 0, so that this one is what the others leave: at most the negative of their least.
        let [most, least] = [0, 1].map(|side: usize| match (sides[side], own[side]) {
            ((sum, 0), Some(own)) => Some(own - sum),
            ((sum, 1), None) => Some(-sum),
            _ => None,
        });
        let [least, most] = reach((least.unwrap_or(-ANY), most.unwrap_or(ANY)), *sign);
        bounds[*number] = (before.0.max(least.unwrap_or(-ANY)), before.1.min(most.unwrap_or(ANY)));
        narrowed |= bounds[*number] != before;
    }
    narrowed
}

/// A sum with one too much (2s + 1) or one too little (2s).
fn node(sum: usize, change: i64) -> usize {
    2 * sum + usize::from(change > 0)
}

/// The search for other numbers that fulfil every sum.
struct Search<'a> {
    system: &'a System,
    /// The numbers of the candidate at hand.
    now: Vec<i64>,
    /// The least and the most that each number had in any candidate.
    seen: Vec<(i64, i64)>,
    /// Which nodes this walk has come to, by its number.
    came: Vec<usize>,
    from: Vec<(usize, Number, i64)>,
    walk: usize,
    steps: usize,
}

impl<'a> Search<'a> {
    fn new(system: &'a System) -> Self {
        let nodes = 2 * system.terms.len() + 1;
        Self {
            now: system.values.clone(),
            seen: system.values.iter().map(|value| (*value, *value)).collect(),
            came: vec![0; nodes],
            from: vec![(0, 0, 0); nodes],
            walk: 0,
            steps: 0,
            system,
        }
    }

    fn finds(&mut self, number: Number, need: i64) -> bool {
        for direction in [1, -1] {
            while self.values_seen(number) < need {
                if !self.moves(number, direction, need) {
                    break;
                }
            }
            self.now.clone_from(&self.system.values);
        }
        self.values_seen(number) >= need
    }

    fn values_seen(&self, number: Number) -> i64 {
        let (least, most) = self.seen[number];
        most.saturating_sub(least).saturating_add(1)
    }

    /// How far a number can still go.
    fn room(&self, number: Number, direction: i64) -> i64 {
        let (least, most) = self.system.known[number];
        if direction > 0 { most.saturating_sub(self.now[number]) } else { self.now[number].saturating_sub(least) }
    }

    /// Moves a number, and others so that every sum still holds.
    fn moves(&mut self, number: Number, direction: i64, need: i64) -> bool {
        if self.room(number, direction) <= 0 || self.steps > STEPS {
            return false;
        }
        let Some(path) = self.path(number, direction) else { return false };
        let mut changes: BTreeMap<Number, i64> = BTreeMap::from([(number, direction)]);
        for (other, change) in path {
            *changes.entry(other).or_default() += change;
        }
        changes.retain(|_, change| *change != 0);
        let far = changes.iter().map(|(other, change)| self.room(*other, *change) / change.abs()).min().unwrap_or(0);
        let far = far.min(need);
        if far <= 0 || !changes.contains_key(&number) {
            return false;
        }
        for (other, change) in changes {
            self.now[other] += change * far;
            let (least, most) = self.seen[other];
            self.seen[other] = (least.min(self.now[other]), most.max(self.now[other]));
        }
        true
    }

    /// The other numbers that must change by one each, and how, when a number does.
    fn path(&mut self, number: Number, direction: i64) -> Option<Vec<(Number, i64)>> {
        let outside = self.came.len() - 1;
        match *self.system.sums_of[number].as_slice() {
            [(sum, sign)] => self.walk(number, node(sum, sign * direction), outside).map(|(_, path)| path),
            [(sum, sign), (other, other_sign)] => {
                // The other sum must be out of balance the other way when the change arrives there; or both changes end outside.
                let goal = node(other, -other_sign * direction);
                let (end, mut path) = self.walk(number, node(sum, sign * direction), goal)?;
                if end == outside {
                    let (_, rest) = self.walk(number, node(other, other_sign * direction), outside)?;
                    path.extend(rest);
                }
                Some(path)
            }
            _ => None,
        }
    }

    /// A way from a sum that is out of balance to another one, or to the outside. Breadth first; the outside is the last node.
    fn walk(&mut self, number: Number, start: usize, goal: usize) -> Option<(usize, Vec<(Number, i64)>)> {
        let outside = self.came.len() - 1;
        self.walk += 1;
        self.came[start] = self.walk;
        if start == goal {
            return Some((goal, Vec::new()));
        }
        let system = self.system;
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            let needed = if at % 2 == 1 { -1 } else { 1 };
            for (other, sign) in &system.terms[at / 2] {
                self.steps += 1;
                let change = needed * sign;
                if *other == number || self.room(*other, change) <= 0 {
                    continue;
                }
                let next = match *system.sums_of[*other].as_slice() {
                    [_] => outside,
                    [first, second] => {
                        let (sum, sign) = if first.0 == at / 2 { second } else { first };
                        node(sum, sign * change)
                    }
                    _ => continue,
                };
                if self.came[next] != self.walk {
                    self.came[next] = self.walk;
                    self.from[next] = (at, *other, change);
                    if next == goal || next == outside {
                        return Some((next, self.trace(start, next)));
                    }
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn trace(&self, start: usize, goal: usize) -> Vec<(Number, i64)> {
        let mut path = Vec::new();
        let mut at = goal;
        while at != start {
            let (before, number, change) = self.from[at];
            path.push((number, change));
            at = before;
        }
        path
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A crossed table with its margins: cells row by row, then row totals, column totals and the grand total.
    fn crossed(cells: &[Vec<i64>], hidden: &[(usize, usize)]) -> (System, Vec<Number>) {
        let (rows, columns) = (cells.len(), cells[0].len());
        let mut values: Vec<i64> = cells.concat();
        values.extend(cells.iter().map(|row| row.iter().sum::<i64>()));
        values.extend((0..columns).map(|column| cells.iter().map(|row| row[column]).sum::<i64>()));
        values.push(cells.iter().flatten().sum());
        let whole = |place: usize| rows * columns + place;
        let mut sums: Vec<Sum> = (0..rows)
            .map(|row| Sum { whole: whole(row), parts: (0..columns).map(|column| row * columns + column).collect() })
            .collect();
        sums.extend((0..columns).map(|column| Sum {
            whole: whole(rows + column),
            parts: (0..rows).map(|row| row * columns + column).collect(),
        }));
        sums.push(Sum { whole: whole(rows + columns), parts: (0..rows).map(whole).collect() });
        let hidden: Vec<Number> = hidden.iter().map(|(row, column)| row * columns + column).collect();
        let known = values
            .iter()
            .enumerate()
            .map(|(place, value)| if hidden.contains(&place) { (1, ANY) } else { (*value, *value) })
            .collect();
        (System::new(values, known, &sums), hidden)
    }

    fn widths(cells: &[Vec<i64>], hidden: &[(usize, usize)], need: i64) -> Vec<Width> {
        let (system, hidden) = crossed(cells, hidden);
        system.widths(&hidden.iter().map(|number| (*number, need)).collect::<Vec<_>>())
    }

    #[test]
    fn a_single_blank_beside_its_total_is_known() {
        let cells = vec![vec![3, 20], vec![30, 40]];
        assert_eq!(widths(&cells, &[(0, 0)], 2), [Width::TooFew]);
        // its row has another blank, its column has none
        assert_eq!(widths(&cells, &[(0, 0), (0, 1)], 2), [Width::TooFew; 2]);
    }

    #[test]
    fn a_rectangle_of_blanks_is_as_wide_as_its_smallest_cells() {
        let cells = vec![vec![3, 20], vec![30, 7]];
        let all = [(0, 0), (0, 1), (1, 0), (1, 1)];
        // 3 and 7 may go down by 2 and 6 together: 2; 20 and 30 down by 19: 22 values.
        assert_eq!(widths(&cells, &all, 22), [Width::Enough; 4]);
        assert_eq!(widths(&cells, &all, 23), [Width::TooFew; 4]);
    }

    #[test]
    fn a_rounded_total_hides_as_much_as_it_was_rounded() {
        // 3 + 20 = 23, shown as 3 ± 0 and 20..=24 and 20..=24
        let system =
            |known: Vec<(i64, i64)>| System::new(vec![3, 20, 23], known, &[Sum { whole: 2, parts: vec![0, 1] }]);
        let widths = |known, need| system(known).widths(&[(0, need)]);
        assert_eq!(widths(vec![(1, ANY), (20, 20), (23, 23)], 2), [Width::TooFew]);
        assert_eq!(widths(vec![(1, ANY), (18, 22), (23, 27)], 9), [Width::Enough]);
        assert_eq!(widths(vec![(1, ANY), (18, 22), (23, 27)], 10), [Width::TooFew]);
    }

    #[test]
    fn a_number_in_three_sums_is_never_called_safe_without_proof() {
        // the same unknown pair in three tables
        let sums: Vec<Sum> = (2..5).map(|whole| Sum { whole, parts: vec![0, 1] }).collect();
        let known = vec![(1, ANY), (1, ANY), (10, 10), (10, 10), (10, 10)];
        let system = System::new(vec![4, 6, 10, 10, 10], known, &sums);
        assert_eq!(system.widths(&[(0, 5)]), [Width::Unproven]);
        assert_eq!(system.widths(&[(0, 10)]), [Width::TooFew]);
    }

    /// The true interval of a hidden cell, by trying every table.
    fn tried(cells: &[Vec<i64>], hidden: &[(usize, usize)]) -> Vec<i64> {
        let most = cells.iter().flatten().sum::<i64>();
        let mut seen: Vec<Vec<i64>> = vec![Vec::new(); hidden.len()];
        let mut guess = vec![1_i64; hidden.len()];
        loop {
            let mut other = cells.to_vec();
            for ((row, column), value) in hidden.iter().zip(&guess) {
                other[*row][*column] = *value;
            }
            let same = |one: &[Vec<i64>], two: &[Vec<i64>]| {
                one.iter().zip(two).all(|(one, two)| one.iter().sum::<i64>() == two.iter().sum::<i64>())
                    && (0..one[0].len()).all(|column| {
                        one.iter().map(|row| row[column]).sum::<i64>() == two.iter().map(|row| row[column]).sum::<i64>()
                    })
            };
            if same(&other, cells) {
                seen.iter_mut().zip(&guess).for_each(|(seen, value)| seen.push(*value));
            }
            let Some(place) = guess.iter().position(|value| *value < most) else { break };
            guess[place] += 1;
            guess[..place].fill(1);
        }
        seen.iter().map(|seen| seen.iter().max().unwrap() - seen.iter().min().unwrap() + 1).collect()
    }

    proptest! {
        #[test]
        fn what_is_said_of_crossed_tables_is_true(
            cells in prop::collection::vec(prop::collection::vec(1_i64..4, 3), 2..=3),
            places in prop::collection::btree_set((0_usize..2, 0_usize..3), 1..=4),
            need in 1_i64..6,
        ) {
            let hidden: Vec<(usize, usize)> = places.into_iter().collect();
            let truth = tried(&cells, &hidden);
            for (said, values) in widths(&cells, &hidden, need).into_iter().zip(truth) {
                // Two totals cross in each cell: there both sides meet.
                prop_assert_eq!(said, if values >= need { Width::Enough } else { Width::TooFew });
            }
        }
    }
}
