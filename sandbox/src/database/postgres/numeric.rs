//! PostgreSQL's `numeric` on the wire (`src/backend/utils/adt/numeric.c`, `numeric_send`): digits in base 10,000, as exact base-10 text.

/// The bits of a sign that is neither plus nor minus: NaN and the infinities.
const NEGATIVE: u16 = 0x4000;

/// The number as `-?digits[.digits]`; `None` for NaN, an infinity, or bytes that are none.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let mut words = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let (count, weight, sign, scale) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let digits: Vec<u16> = words.collect();
    let well_formed = digits.len() == usize::from(count) && digits.iter().all(|digit| *digit < 10_000);
    if !well_formed || !matches!(sign, 0 | NEGATIVE) {
        return None;
    }
    // the place of the first digit group, before the point where it is positive
    let weight = i32::from(i16::from_be_bytes(weight.to_be_bytes()));
    let group = |place: i32| {
        let index = usize::try_from(weight - place).ok();
        index.and_then(|index| digits.get(index)).copied().unwrap_or(0)
    };
    let mut text = String::new();
    if sign == NEGATIVE {
        text.push('-');
    }
    let whole: String = (0..=weight.max(0)).rev().map(|place| format!("{:04}", group(place))).collect();
    let whole = whole.trim_start_matches('0');
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let scale = usize::from(scale);
        let groups = i32::try_from(scale.div_ceil(4)).ok()?;
        let fraction: String = (1..=groups).map(|place| format!("{:04}", group(-place))).collect();
        text.push('.');
        text.push_str(&fraction[..scale]);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::text;

    fn number(weight: i16, sign: u16, scale: u16, digits: &[u16]) -> Option<String> {
        let mut bytes = u16::try_from(digits.len()).ok()?.to_be_bytes().to_vec();
        bytes.extend(weight.to_be_bytes());
        bytes.extend([sign, scale].iter().chain(digits).flat_map(|word| word.to_be_bytes()));
        text(&bytes)
    }

    #[test]
    fn groups_of_four_digits_become_text() {
        let cases = [
            (number(0, 0, 0, &[]), Some("0")),
            (number(0, 0, 2, &[]), Some("0.00")),
            (number(0, 0, 0, &[7]), Some("7")),
            (number(1, 0, 0, &[1, 2]), Some("10002")),
            (number(1, 0, 0, &[3]), Some("30000")),
            (number(0, 0x4000, 3, &[12, 3_400]), Some("-12.340")),
            (number(-1, 0, 2, &[500]), Some("0.05")),
            (number(-2, 0, 5, &[5_000]), Some("0.00005")),
            (number(0, 0xC000, 0, &[]), None),
            (number(0, 0xD000, 0, &[]), None),
            (number(0, 0, 0, &[10_000]), None),
            (text(&[0, 1, 0]), None),
        ];
        for (found, expected) in cases {
            assert_eq!(found.as_deref(), expected);
        }
    }
}
