//! Seeded draws that give the same numbers on every machine: integers and IEEE 754 basic operations alone.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

/// A source of draws for one table.
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    /// Depends on the table's name and on no other table.
    pub(super) fn new(seed: u64, table: &str) -> Self {
        let key = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(table.as_bytes()).finalize();
        Self(ChaCha8Rng::from_seed(key.into()))
    }

    /// Uniform in `0.0..1.0`, 53 bits.
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with probability `p`.
    pub(super) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Uniform in `0..count`; 0 where there is nothing to choose from.
    pub(super) fn below(&mut self, count: u64) -> u64 {
        let high = (u128::from(self.0.next_u64()) * u128::from(count)) >> 64;
        u64::try_from(high).expect("the product of two u64 has 64 bits above the low 64")
    }

    /// Uniform in `low..=high`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        low.saturating_add_unsigned(self.below(high.abs_diff(low).saturating_add(1)))
    }
}

/// A number that belongs to a name: what is made up for a column keeps its character from one seed to the next.
pub(super) fn character(name: &str) -> u64 {
    let hash: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    u64::from_le_bytes(hash[..8].try_into().expect("eight bytes are eight bytes"))
}
