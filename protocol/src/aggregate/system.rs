//! What follows for hidden figures from the shown ones: equations between them, and the interval in which each must lie.
//!
//! Intervals are narrowed equation by equation until nothing moves (bounds propagation). They are exact where a hidden figure stands in one
//! margin of each table, and never narrower than the truth elsewhere.

use crate::aggregate::layout::{Layout, Share, Spot};
use std::collections::BTreeMap;

/// The most rounds of narrowing; stopping early leaves intervals wider.
const ROUNDS: usize = 64;

/// Below this a bound has not moved, relatively.
const MOVED: f64 = 1e-9;

/// Hidden figures, and what binds them.
#[derive(Default)]
pub(super) struct System {
    places: BTreeMap<Spot, usize>,
    /// Lower and upper bound, by place.
    bounds: Vec<(f64, f64)>,
    equations: Vec<Equation>,
    /// The equations in which a figure stands, by its place.
    standing: Vec<Vec<usize>>,
}

/// The signed sum of hidden figures lies between `low` and `high`.
struct Equation {
    terms: Vec<(f64, usize)>,
    low: f64,
    high: f64,
    /// The figures that are shown and went into it.
    shown: Vec<(Spot, f64)>,
    /// The place of the relation that it comes from.
    relation: usize,
}

impl System {
    /// Binds a holder's figures by every relation between outputs; `hides` says which of the figures that it has are not to be seen.
    ///
    /// A group that a TRE left out counts as nobody there, as a reader would guess, unless what is left of the total can be nowhere else.
    pub(super) fn relate(&mut self, layout: &Layout<'_>, holder: usize, hides: &dyn Fn(Spot, f64) -> bool) {
        for (place, relation) in layout.relations.iter().enumerate() {
            for group in layout.groups(relation) {
                if !layout.binds(relation, holder, group) {
                    continue;
                }
                let (mut hidden, mut absent, mut shown) = (Vec::new(), Vec::new(), Vec::new());
                let (mut sum, mut scale) = (0.0, 0.0);
                for (sign, (grid, column), rows) in [(1.0, relation.left, &group.0), (-1.0, relation.right, &group.1)] {
                    for row in rows {
                        let spot = Spot { holder, grid, row: *row, column };
                        match layout.share(spot) {
                            Share::Absent => absent.push((sign, spot)),
                            Share::Hidden => hidden.push((sign, spot)),
                            Share::Shown(value) if hides(spot, value) => hidden.push((sign, spot)),
                            Share::Shown(value) => {
                                sum += sign * value;
                                scale += value.abs();
                                shown.push((spot, value));
                            }
                        }
                    }
                }
                if hidden.is_empty() {
                    hidden = absent;
                }
                let off = layout.tolerance(relation.is_count, shown.len(), scale);
                self.bind(&hidden, (-sum - off, -sum + off), relation.is_count, shown, place);
            }
        }
    }

    /// Binds the signed sum of hidden figures.
    fn bind(
        &mut self,
        hidden: &[(f64, Spot)],
        (low, high): (f64, f64),
        is_count: bool,
        shown: Vec<(Spot, f64)>,
        relation: usize,
    ) {
        if hidden.is_empty() {
            return;
        }
        let mut terms = Vec::with_capacity(hidden.len());
        for (sign, spot) in hidden {
            let next = self.bounds.len();
            let place = *self.places.entry(*spot).or_insert(next);
            if place == next {
                self.bounds.push((if is_count { 0.0 } else { f64::NEG_INFINITY }, f64::INFINITY));
                self.standing.push(Vec::new());
            }
            self.standing[place].push(self.equations.len());
            terms.push((*sign, place));
        }
        self.equations.push(Equation { terms, low, high, shown, relation });
    }

    /// Narrows all intervals.
    pub(super) fn solve(&mut self) {
        for _ in 0..ROUNDS {
            let mut moved = false;
            for equation in &self.equations {
                moved |= equation.narrow(&mut self.bounds);
            }
            if !moved {
                break;
            }
        }
    }

    /// Every hidden figure that an equation binds, with its interval.
    pub(super) fn intervals(&self) -> impl Iterator<Item = (Spot, (f64, f64))> {
        self.places.iter().map(|(spot, place)| (*spot, self.bounds[*place]))
    }

    /// The interval of one figure; `None` when nothing binds it.
    pub(super) fn interval(&self, spot: Spot) -> Option<(f64, f64)> {
        self.places.get(&spot).map(|place| self.bounds[*place])
    }

    /// The relations that bind a hidden figure.
    pub(super) fn relations_of(&self, spot: Spot) -> impl Iterator<Item = usize> {
        self.equations_of(spot).map(|equation| equation.relation)
    }

    /// The shown figures in the equations that bind a hidden one.
    pub(super) fn shown_beside(&self, spot: Spot) -> impl Iterator<Item = (Spot, f64)> {
        self.equations_of(spot).flat_map(|equation| equation.shown.iter().copied())
    }

    /// The places of the equations in which a hidden figure stands.
    pub(super) fn standing(&self, spot: Spot) -> &[usize] {
        self.places.get(&spot).map_or(&[], |place| &self.standing[*place])
    }

    fn equations_of(&self, spot: Spot) -> impl Iterator<Item = &Equation> {
        self.standing(spot).iter().map(|equation| &self.equations[*equation])
    }
}

impl Equation {
    /// Each term lies between what the others leave. Whether a bound moved.
    fn narrow(&self, bounds: &mut [(f64, f64)]) -> bool {
        let signed = |bounds: &[(f64, f64)], (sign, place): (f64, usize)| {
            let (low, high) = bounds[place];
            if sign > 0.0 { (low, high) } else { (-high, -low) }
        };
        let (mut lows, mut highs) = (Total::default(), Total::default());
        for term in &self.terms {
            let (low, high) = signed(bounds, *term);
            lows.add(low);
            highs.add(high);
        }
        let mut moved = false;
        for term in &self.terms {
            let (low, high) = signed(bounds, *term);
            let least = self.low - highs.without(high, f64::INFINITY);
            let most = self.high - lows.without(low, f64::NEG_INFINITY);
            let (least, most) = if term.0 > 0.0 { (least, most) } else { (-most, -least) };
            let bound = &mut bounds[term.1];
            let significant = |old: f64, new: f64| old.is_infinite() || (new - old).abs() > MOVED * (1.0 + old.abs());
            if least > bound.0 && significant(bound.0, least) {
                bound.0 = least;
                moved = true;
            }
            if most < bound.1 && significant(bound.1, most) {
                bound.1 = most;
                moved = true;
            }
        }
        moved
    }
}

/// A sum in which infinite terms are counted, so that one of them can be taken out again.
#[derive(Default)]
struct Total {
    finite: f64,
    infinite: usize,
}

impl Total {
    fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.finite += value;
        } else {
            self.infinite += 1;
        }
    }

    /// The sum without one of its terms; `infinity` is the sign of infinite terms.
    fn without(&self, value: f64, infinity: f64) -> f64 {
        match (value.is_finite(), self.infinite) {
            (true, 0) => self.finite - value,
            (false, 1) => self.finite,
            _ => infinity,
        }
    }
}
