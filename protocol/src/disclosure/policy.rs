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
        }
    }
}

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
    }

    #[test]
    fn a_signed_policy_says_everything_and_nothing_else() {
        let encode = |fields: &[(&str, u64)]| {
            let map = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            let mut bytes = Vec::new();
            ciborium::into_writer(&ciborium::Value::Map(map), &mut bytes).unwrap();
            ciborium::from_reader::<Policy, _>(bytes.as_slice())
        };
        let mut fields = vec![
            ("threshold", 10),
            ("p-ratio-percent", 10),
            ("nk-share-percent", 90),
            ("minimum-degrees-of-freedom", 10),
            ("maximum-bytes", 16 * 1024 * 1024),
            ("maximum-rows", 5_000),
            ("maximum-columns", 200),
            ("maximum-outputs", 50),
            ("significant-digits", 12),
        ];
        assert_eq!(encode(&fields).unwrap(), Policy::default());
        fields.push(("threshold-for-friends", 1));
        assert!(encode(&fields).is_err());
        fields.truncate(8);
        assert!(encode(&fields).is_err());
    }
}
