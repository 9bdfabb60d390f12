//! The thresholds of disclosure control: a project's choice, signed in its record, without a float in it.

use crate::disclosure::canonical::{Form, MAXIMUM_BYTES, MAXIMUM_CELLS, MAXIMUM_COLUMNS, MAXIMUM_SIGNIFICANT_DIGITS};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the rules compare with. The default is that of ACRO 1.0.2, with the sizes that a person can review.
/// Every field stands in a signed policy: none has a silent default there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// The fewest distinct subjects behind a figure.
    pub threshold: u64,
    /// The least share of the largest contribution, in percent, that all but the two largest must come to (p-ratio).
    pub p_ratio_percent: u16,
    /// The share of a sum, in percent, that its two largest contributions must stay under (n-k, n = 2).
    pub nk_share_percent: u16,
    /// The fewest residual degrees of freedom behind a fitted figure.
    pub minimum_degrees_of_freedom: i64,
    /// The most bytes in one output's canonical form.
    pub maximum_bytes: u64,
    /// The most rows in one output.
    pub maximum_rows: u64,
    /// The most columns in one output.
    pub maximum_columns: u64,
    /// The most outputs of one task.
    pub maximum_outputs: u64,
    /// The digits that a figure keeps.
    pub significant_digits: u8,
    /// Whether it tells too much that nobody, or everybody, of a group is in one cell of a crossed table (class disclosure).
    pub zeros_are_disclosive: bool,
    /// Whether figures that fail a rule are blanked before review, with as many more as it takes that nobody can compute them from totals.
    /// Without it they are shown to the reviewer as failing.
    pub suppress: bool,
    /// What witnessed counts are rounded to before review: the nearest multiple of 5, 6, 10, …; 1 rounds nothing.
    pub rounding_base: u64,
    /// Whether counts are rounded to the middle of their bin of `rounding_base` instead of to a multiple of it (OpenSAFELY's midpoint
    /// rounding: with 6, counts of 1 to 6 become 3, of 7 to 12 become 9).
    pub rounding_midpoint: bool,
    /// How many values a hidden count must at least be able to have for somebody who knows every figure that is shown.
    pub minimum_interval: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            threshold: 10,
            p_ratio_percent: 10,
            nk_share_percent: 90,
            minimum_degrees_of_freedom: 10,
            maximum_bytes: 16 * 1024 * 1024,
            maximum_rows: 5_000,
            maximum_columns: 200,
            maximum_outputs: 50,
            significant_digits: 12,
            zeros_are_disclosive: true,
            suppress: false,
            rounding_base: 1,
            rounding_midpoint: false,
            // ACRO hides counts below 10: what is hidden must be as uncertain as the ten counts 0 to 9 are.
            minimum_interval: 10,
        }
    }
}

/// The largest `rounding_base` and `minimum_interval`: beyond, no figure of a clinical study would be left.
const MAXIMUM_COARSENESS: u64 = 1_000;

/// Why a policy cannot be applied.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum UnsoundPolicy {
    /// A threshold of 0 protects nobody.
    #[error("the policy's threshold must be at least 1")]
    Threshold,
    /// A share beyond the whole.
    #[error("the policy's p-ratio-percent and nk-share-percent must lie between 1 and 100")]
    Percent,
    /// A count that every figure has.
    #[error("the policy's minimum-degrees-of-freedom must be at least 1")]
    DegreesOfFreedom,
    /// A bound of 0, or beyond what the canonical form takes.
    #[error(
        "the policy's maximum-bytes, -rows, -columns and -outputs must lie between 1 and 16777216, 1000000, 1000 and 1000"
    )]
    Maximum,
    /// Digits that a double does not hold.
    #[error("the policy's significant-digits must lie between 1 and 15")]
    Digits,
    /// Rounding to nothing, to the middle of a bin of one, or coarser than any study.
    #[error(
        "the policy's rounding-base must lie between 1 and 1000, and be at least 2 when rounding-midpoint is asked for"
    )]
    Rounding,
    /// An interval without a value, or wider than any study.
    #[error("the policy's minimum-interval must lie between 1 and 1000")]
    Interval,
}

impl Policy {
    /// Whether the policy can be applied and means what it says.
    ///
    /// # Errors
    /// [`UnsoundPolicy`] names the first field that cannot.
    pub fn check(&self) -> Result<(), UnsoundPolicy> {
        let percent = 1..=100;
        let within = |value: u64, most: usize| value >= 1 && usize::try_from(value).is_ok_and(|value| value <= most);
        if self.threshold == 0 {
            Err(UnsoundPolicy::Threshold)
        } else if !percent.contains(&self.p_ratio_percent) || !percent.contains(&self.nk_share_percent) {
            Err(UnsoundPolicy::Percent)
        } else if self.minimum_degrees_of_freedom < 1 {
            Err(UnsoundPolicy::DegreesOfFreedom)
        } else if !within(self.maximum_bytes, MAXIMUM_BYTES)
            || !within(self.maximum_rows, MAXIMUM_CELLS)
            || !within(self.maximum_columns, MAXIMUM_COLUMNS)
            || !within(self.maximum_outputs, 1_000)
        {
            Err(UnsoundPolicy::Maximum)
        } else if !(1..=MAXIMUM_SIGNIFICANT_DIGITS).contains(&self.significant_digits) {
            Err(UnsoundPolicy::Digits)
        } else if !(1 + u64::from(self.rounding_midpoint)..=MAXIMUM_COARSENESS).contains(&self.rounding_base) {
            Err(UnsoundPolicy::Rounding)
        } else if !(1..=MAXIMUM_COARSENESS).contains(&self.minimum_interval) {
            Err(UnsoundPolicy::Interval)
        } else {
            Ok(())
        }
    }

    /// The canonical form that this policy asks for; `declared` are the columns that the task declared for an output of its component's own
    /// making.
    #[must_use]
    pub fn form(&self, declared: Option<Vec<String>>) -> Form {
        Form { significant_digits: self.significant_digits, declared }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound() {
        assert_eq!(Policy::default().check(), Ok(()));
    }

    #[test]
    fn each_unsound_field_is_named() {
        let with = |change: fn(&mut Policy)| {
            let mut policy = Policy::default();
            change(&mut policy);
            policy.check()
        };
        assert_eq!(with(|policy| policy.threshold = 0), Err(UnsoundPolicy::Threshold));
        assert_eq!(with(|policy| policy.p_ratio_percent = 0), Err(UnsoundPolicy::Percent));
        assert_eq!(with(|policy| policy.nk_share_percent = 101), Err(UnsoundPolicy::Percent));
        assert_eq!(with(|policy| policy.minimum_degrees_of_freedom = 0), Err(UnsoundPolicy::DegreesOfFreedom));
        for change in [
            (|policy| policy.maximum_bytes = 0) as fn(&mut Policy),
            |policy| policy.maximum_bytes = u64::MAX,
            |policy| policy.maximum_rows = 1_000_001,
            |policy| policy.maximum_columns = 1_001,
            |policy| policy.maximum_outputs = 0,
        ] {
            assert_eq!(with(change), Err(UnsoundPolicy::Maximum));
        }
        for change in
            [(|policy| policy.significant_digits = 0) as fn(&mut Policy), |policy| policy.significant_digits = 16]
        {
            assert_eq!(with(change), Err(UnsoundPolicy::Digits));
        }
        for change in [
            (|policy| policy.rounding_base = 0) as fn(&mut Policy),
            |policy| policy.rounding_base = 1_001,
            |policy| policy.rounding_midpoint = true,
        ] {
            assert_eq!(with(change), Err(UnsoundPolicy::Rounding));
        }
        assert_eq!(with(|policy| policy.minimum_interval = 0), Err(UnsoundPolicy::Interval));
        assert_eq!(with(|policy| policy.minimum_interval = 1_001), Err(UnsoundPolicy::Interval));
        assert_eq!(with(|policy| (policy.rounding_base, policy.rounding_midpoint) = (6, true)), Ok(()));
    }

    #[test]
    fn a_signed_policy_says_everything_and_nothing_else() {
        let encode = |fields: &[(&str, ciborium::Value)]| {
            let map = fields.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
            let mut bytes = Vec::new();
            ciborium::into_writer(&ciborium::Value::Map(map), &mut bytes).unwrap();
            ciborium::from_reader::<Policy, _>(bytes.as_slice())
        };
        let mut fields = vec![
            ("threshold", 10.into()),
            ("p-ratio-percent", 10.into()),
            ("nk-share-percent", 90.into()),
            ("minimum-degrees-of-freedom", 10.into()),
            ("maximum-bytes", (16 * 1024 * 1024).into()),
            ("maximum-rows", 5_000.into()),
            ("maximum-columns", 200.into()),
            ("maximum-outputs", 50.into()),
            ("significant-digits", 12.into()),
            ("zeros-are-disclosive", true.into()),
            ("suppress", false.into()),
            ("rounding-base", 1.into()),
            ("rounding-midpoint", false.into()),
            ("minimum-interval", 10.into()),
        ];
        assert_eq!(encode(&fields).unwrap(), Policy::default());
        fields.push(("threshold-for-friends", 1.into()));
        assert!(encode(&fields).is_err());
        fields.truncate(13);
        assert!(encode(&fields).is_err());
    }
}
