//! The forms of what a person in the United Kingdom is known by, as total functions over single cells.

/// A kind of identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// NHS number: ten digits, the last of them modulo 11 (NHS Data Dictionary, NHS NUMBER).
    Nhs,
    /// Community Health Index of Scotland: six digits of the day of birth, four more, the last of them modulo 11.
    Chi,
    /// Full postcode (BS 7666).
    Postcode,
    /// Address of electronic mail (RFC 5321).
    Email,
    /// Telephone number of the United Kingdom.
    Phone,
    /// National Insurance number (HMRC NIM39110).
    Nino,
    /// UUID (RFC 9562), with or without its dashes.
    Uuid,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] =
        [Self::Nhs, Self::Chi, Self::Postcode, Self::Email, Self::Phone, Self::Nino, Self::Uuid];

    /// As a reviewer reads it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Nhs => "NHS numbers",
            Self::Chi => "CHI numbers",
            Self::Postcode => "full postcodes",
            Self::Email => "e-mail addresses",
            Self::Phone => "telephone numbers",
            Self::Nino => "National Insurance numbers",
            Self::Uuid => "UUIDs",
        }
    }

    /// Whether chance does not make one: a single one is worth a look.
    pub(crate) fn is_unmistakable(self) -> bool {
        matches!(self, Self::Email | Self::Nino | Self::Uuid)
    }
}

/// What a cell looks like to a kind: something of its length and letters at all, and then the thing itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The kind.
    pub kind: Kind,
    /// Whether everything about it is right.
    pub valid: bool,
}

/// Everything in a text that has the shape of an identifier.
pub(crate) fn look(text: &str, mut seen: impl FnMut(Seen)) {
    let mut note = |kind, valid| seen(Seen { kind, valid });
    if text.bytes().filter(u8::is_ascii_digit).count() >= 9 {
        look_at_digits(text, &mut note);
    }
    if text.contains('@') {
        note(Kind::Email, text.split(|end: char| end.is_whitespace() || "<>(),;:\"".contains(end)).any(is_email));
    }
    if text.bytes().any(|byte| byte.is_ascii_digit()) && text.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        look_at_codes(text, &mut note);
    }
}

/// Runs of digits with single spaces or dashes between them.
fn look_at_digits(text: &str, note: &mut impl FnMut(Kind, bool)) {
    let digit_or_joint = |character: char| character.is_ascii_digit() || matches!(character, ' ' | '-');
    for run in text.split(|character: char| !digit_or_joint(character)) {
        let groups: Vec<&str> = run.split([' ', '-']).filter(|group| !group.is_empty()).collect();
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        let digits: Vec<u32> =
            groups.iter().flat_map(|group| group.bytes()).map(|byte| u32::from(byte - b'0')).collect();
        match lengths.as_slice() {
            [10] | [3, 3, 4] | [6, 4] => {
                note(Kind::Nhs, has_check_digit(&digits) && digits[0] != 0);
                note(Kind::Chi, has_check_digit(&digits) && begins_with_a_day(&digits));
            }
            // Read as a number, a CHI of somebody born on one of the first nine days has lost its zero.
            [9] => {
                let full: Vec<u32> = std::iter::once(0).chain(digits.iter().copied()).collect();
                note(Kind::Chi, has_check_digit(&full) && begins_with_a_day(&full));
            }
            _ => {}
        }
        let national = match digits.as_slice() {
            [0, 0, 4, 4, rest @ ..] => Some(rest),
            [4, 4, rest @ ..] if rest.len() == 10 => Some(rest),
            [0, rest @ ..] if lengths[0] >= 3 => Some(rest),
            _ => None,
        };
        if let Some(national) = national.filter(|rest| rest.len() == 10) {
            note(Kind::Phone, matches!(national[0], 1 | 2 | 3 | 7 | 8));
        }
    }
}

/// Ten digits: weights 10 to 2, 11 minus the remainder, 11 becomes 0 and 10 is never given.
fn has_check_digit(digits: &[u32]) -> bool {
    let [first @ .., last] = digits else { return false };
    let sum: u32 = first.iter().zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
    // Ten equal digits pass the arithmetic and were never given to anybody.
    (11 - sum % 11) % 11 == *last && first.iter().any(|digit| digit != last)
}

/// DDMMYY.
fn begins_with_a_day(digits: &[u32]) -> bool {
    let (day, month) = (digits[0] * 10 + digits[1], digits[2] * 10 + digits[3]);
    let longest = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=longest).contains(&day)
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.trim_end_matches('.').rsplit_once('@') else { return false };
    let labels: Vec<&str> = domain.split('.').collect();
    let plain =
        |label: &&str| !label.is_empty() && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-');
    !local.is_empty()
        && labels.len() >= 2
        && labels.iter().all(plain)
        && labels.last().is_some_and(|top| top.len() >= 2 && top.chars().all(char::is_alphabetic))
}

/// Words of letters and digits: postcodes, National Insurance numbers, UUIDs.
fn look_at_codes(text: &str, note: &mut impl FnMut(Kind, bool)) {
    let words: Vec<&str> =
        text.split(|end: char| !end.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    for (place, word) in words.iter().enumerate() {
        if word.len() == 32 {
            note(Kind::Uuid, word.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
        if (5..=7).contains(&word.len()) && is_inward(&word[word.len() - 3..]) {
            note(Kind::Postcode, is_outward(&word[..word.len() - 3]));
        }
        if place > 0 && word.len() == 3 && is_inward(word) && words[place - 1].len() <= 4 {
            note(Kind::Postcode, is_outward(words[place - 1]));
        }
        if word.len() == 9 && word.as_bytes()[..2].iter().all(u8::is_ascii_alphabetic) {
            note(Kind::Nino, is_nino(word));
        }
    }
    let dashed = words.iter().map(|word| word.len()).eq([8, 4, 4, 4, 12]);
    if dashed {
        note(Kind::Uuid, words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }
    // QQ 12 34 56 C
    if words.len() == 5 && words.iter().map(|word| word.len()).eq([2, 2, 2, 2, 1]) {
        note(Kind::Nino, is_nino(&words.concat()));
    }
}

/// A digit and two letters other than C I K M O V.
fn is_inward(word: &str) -> bool {
    let [digit, letters @ ..] = word.as_bytes() else { return false };
    digit.is_ascii_digit()
        && letters.len() == 2
        && letters
            .iter()
            .all(|letter| letter.is_ascii_alphabetic() && !b"CIKMOV".contains(&letter.to_ascii_uppercase()))
}

/// A9, A99, AA9, AA99, A9A, AA9A.
fn is_outward(word: &str) -> bool {
    let letters = word.bytes().take_while(u8::is_ascii_alphabetic).count();
    let rest = &word.as_bytes()[letters..];
    let area = &word.as_bytes()[..letters];
    let known = area.first().is_some_and(|letter| !b"QVX".contains(&letter.to_ascii_uppercase()))
        && area.get(1).is_none_or(|letter| !b"IJZ".contains(&letter.to_ascii_uppercase()));
    let district = match rest {
        [digit] => digit.is_ascii_digit(),
        [digit, last] => digit.is_ascii_digit() && last.is_ascii_alphanumeric(),
        _ => false,
    };
    (1..=2).contains(&letters) && known && district
}

/// Two letters, six digits and A to D (HMRC NIM39110).
fn is_nino(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    let bytes = upper.as_bytes();
    let prefix = &upper[..2];
    bytes.len() == 9
        && !b"DFIQUV".contains(&bytes[0])
        && !b"DFIOQUV".contains(&bytes[1])
        && bytes[..2].iter().all(u8::is_ascii_alphabetic)
        && !["BG", "GB", "NK", "KN", "TN", "NT", "ZZ"].contains(&prefix)
        && bytes[2..8].iter().all(u8::is_ascii_digit)
        && matches!(bytes[8], b'A'..=b'D')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid(text: &str) -> Vec<Kind> {
        let mut kinds = Vec::new();
        look(text, |seen| {
            if seen.valid {
                kinds.push(seen.kind);
            }
        });
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    #[test]
    fn each_kind_is_seen_in_each_of_its_spellings() {
        for (text, kind) in [
            ("9434765919", Kind::Nhs),
            ("943 476 5919", Kind::Nhs),
            ("NHS no 943-476-5919, seen", Kind::Nhs),
            ("0101010001", Kind::Chi),
            ("101010001", Kind::Chi),
            ("SW1A 1AA", Kind::Postcode),
            ("m11ae", Kind::Postcode),
            ("10 Downing Street, London SW1A 2AA", Kind::Postcode),
            ("jo.bloggs@example.nhs.uk", Kind::Email),
            ("write to <jo@example.org>.", Kind::Email),
            ("07700 900123", Kind::Phone),
            ("020 7946 0018", Kind::Phone),
            ("0044 7700 900123", Kind::Phone),
            ("447700900123", Kind::Phone),
            ("AB123456C", Kind::Nino),
            ("AB 12 34 56 C", Kind::Nino),
            ("123e4567e89b12d3a456426614174000", Kind::Uuid),
            ("123e4567-e89b-12d3-a456-426614174000", Kind::Uuid),
        ] {
            assert!(valid(text).contains(&kind), "{text}: {:?}", valid(text));
        }
    }

    #[test]
    fn what_is_nearly_one_is_none() {
        for text in [
            "9434765918",
            "1111111111",
            "0000000000",
            "943476591",
            "2024-02-03 10:11:12",
            "SW1A",
            "SW1",
            "E11",
            "J45.9",
            "QX1 1AA",
            "AB1 2CM",
            "user@host",
            "@example.org",
            "GB123456C",
            "AB123456E",
            "18-64",
            "concept 4329847",
            "2023-24 Q1",
            "900000000000207008",
        ] {
            assert_eq!(valid(text), [], "{text}");
        }
    }
}
