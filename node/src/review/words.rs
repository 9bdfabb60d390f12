//! A commitment in eight words, so that two people, or one person before two screens, can compare it by ear.

use protocol::record::commitment::Commitment;

/// The English list of BIP-39: 2,048 words that differ in their first four letters. Taken from the crate `bip39` 3.0.0 (CC0-1.0).
pub const WORDS: &str = include_str!("words.txt");

/// How many words stand for a commitment: 88 of its 256 bits, beyond what anybody can search for while a review waits.
const TOLD: usize = 8;

/// How many bits a word of the list stands for.
const BITS: usize = 11;

/// The first 88 bits of the commitment as eight words, the first bits first.
#[must_use]
pub fn in_words(commitment: &Commitment) -> String {
    let hexadecimal = commitment.to_string();
    let bits: Vec<bool> = hexadecimal
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .flat_map(|digit| (0..4).rev().map(move |bit| digit >> bit & 1 == 1))
        .collect();
    let list: Vec<&str> = WORDS.lines().collect();
    let word = |bits: &[bool]| list[bits.iter().fold(0, |place, bit| place * 2 + usize::from(*bit))];
    bits.chunks_exact(BITS).take(TOLD).map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{BITS, TOLD, WORDS, in_words};
    use protocol::record::commitment::Commitment;
    use protocol::wire::id::Digest;
    use std::collections::BTreeSet;

    fn commitment(hexadecimal: &str) -> Commitment {
        serde_json::from_value(serde_json::json!(hexadecimal)).unwrap()
    }

    #[test]
    fn the_list_is_the_one_that_everybody_has() {
        let known = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda";
        assert_eq!(Digest::of(WORDS.as_bytes()).to_string(), known);
        let heads: BTreeSet<&str> = WORDS.lines().map(|word| &word[..word.len().min(4)]).collect();
        assert_eq!(heads.len(), 1 << BITS, "four letters tell the words apart");
    }

    #[test]
    fn the_words_are_the_first_bits_in_order() {
        assert_eq!(in_words(&commitment(&"00".repeat(32))), ["abandon"; TOLD].join(" "));
        assert_eq!(in_words(&commitment(&"ff".repeat(32))), ["zoo"; TOLD].join(" "));
        // 00000000001 00000000010 and then nothing.
        let second = commitment(&format!("0020080000{}", "00".repeat(27)));
        assert_eq!(in_words(&second), format!("ability able {}", ["abandon"; TOLD - 2].join(" ")));
    }

    #[test]
    fn each_of_the_first_bits_changes_a_word() {
        let base = [0x5a_u8; 32];
        let told = |bytes: [u8; 32]| in_words(&commitment(&Digest(bytes).to_string()));
        for bit in 0..TOLD * BITS {
            let mut other = base;
            other[bit / 8] ^= 0x80 >> (bit % 8);
            assert_ne!(told(other), told(base), "bit {bit}");
        }
    }
}
