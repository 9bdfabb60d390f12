//! Text with one form: what a reader cannot see or tell apart is folded away or refused, so that it carries nothing.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The longest text in a cell, in characters: an OMOP CDM 5.4 `concept_name` has at most 255.
pub(crate) const MAXIMUM_CHARACTERS: usize = 255;

/// The longest text in an encoding's alphabet that is not taken for a payload, in characters.
const MAXIMUM_ENCODED: usize = 32;

/// Why a text has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A control, zero-width, bidirectional, private or otherwise unseen character.
    Unseen,
    /// A character made to look like another: full width, mathematical, enclosed, a pile of marks.
    Lookalike,
    /// Letters of several scripts that look alike in one word.
    MixedScripts,
    /// Longer than [`MAXIMUM_CHARACTERS`].
    Long,
    /// A spreadsheet would run it.
    Formula,
    /// It looks like encoded bytes.
    Payload,
}

/// The canonical form: NFC (Unicode Standard Annex 15), dashes, quotes and spaces in their ASCII form, single spaces, none at the ends.
pub(crate) fn fold(text: &str) -> Result<String, Flaw> {
    if text.starts_with(['\t', '\r']) {
        return Err(Flaw::Formula);
    }
    let mut folded = String::with_capacity(text.len());
    let mut marks = 0_u32;
    if text.is_ascii() {
        // ASCII is its own normal form, and nothing in it looks like anything else.
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(Flaw::Unseen);
        }
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            folded.push_str(if folded.is_empty() { "" } else { " " });
            folded.push_str(word);
        }
        return sound(folded);
    }
    for character in text.nfc().map(plain) {
        if is_unseen(character) {
            return Err(Flaw::Unseen);
        }
        marks = if is_combining_mark(character) { marks + 1 } else { 0 };
        if is_lookalike(character) || marks > 2 || (marks > 0 && !takes_marks(folded.chars().next_back())) {
            return Err(Flaw::Lookalike);
        }
        if character != ' ' || !(folded.is_empty() || folded.ends_with(' ')) {
            folded.push(character);
        }
    }
    folded.truncate(folded.trim_end_matches(' ').len());
    sound(folded)
}

/// What is wrong with a text as a whole.
fn sound(folded: String) -> Result<String, Flaw> {
    if folded.starts_with(['=', '+', '-', '@']) {
        return Err(Flaw::Formula);
    }
    if has_mixed_word(&folded) {
        return Err(Flaw::MixedScripts);
    }
    if looks_encoded(&folded) {
        return Err(Flaw::Payload);
    }
    if folded.chars().count() > MAXIMUM_CHARACTERS {
        return Err(Flaw::Long);
    }
    Ok(folded)
}

/// Punctuation and spaces that differ only to a machine, in their ASCII form.
fn plain(character: char) -> char {
    match character {
        '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' => '-',
        '\u{2018}'..='\u{201B}' | '\u{2032}' | '\u{2BC}' | '\u{2B9}' => '\'',
        '\u{201C}'..='\u{201F}' | '\u{2033}' => '"',
        '\u{2044}' | '\u{2215}' => '/',
        // The micro sign and the Greek letter are one to a reader.
        '\u{B5}' => '\u{3BC}',
        other => other,
    }
}

/// Characters that leave no mark of their own on the page (Unicode categories Cc, Cf, Co, Zl, Zp, noncharacters, fillers, variation selectors).
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{AD}' | '\u{34F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}' | '\u{890}' | '\u{891}' | '\u{8E2}'
            | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{E000}'..='\u{F8FF}' | '\u{FDD0}'..='\u{FDEF}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFF}' | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1345F}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{10FFFF}')
        || u32::from(character) & 0xFFFE == 0xFFFE
}

/// Characters that Unicode keeps as styled copies of others.
fn is_lookalike(character: char) -> bool {
    matches!(character,
        // letterlike symbols but for ℃ and ℉, Roman numerals, enclosed forms
        '\u{2100}'..='\u{2102}' | '\u{2104}'..='\u{2108}' | '\u{210A}'..='\u{214F}' | '\u{2160}'..='\u{2188}' | '\u{2460}'..='\u{24FF}'
        // ligatures, half and full width
        | '\u{FB00}'..='\u{FB06}' | '\u{FB13}'..='\u{FB17}' | '\u{FF01}'..='\u{FFEF}'
        // mathematical alphanumerics, enclosed supplements, legacy digits
        | '\u{1D400}'..='\u{1D7FF}' | '\u{1F100}'..='\u{1F1FF}' | '\u{1FBF0}'..='\u{1FBF9}')
        // modifier letters
        || matches!(character, '\u{2B0}'..='\u{2FF}' | '\u{1D2C}'..='\u{1D6A}' | '\u{A700}'..='\u{A721}')
        // digits of other scripts
        || (character.is_numeric() && !character.is_ascii() && !matches!(character, '²' | '³' | '¹' | '¼' | '½' | '¾') && !character.is_alphabetic())
}

/// Latin, Greek and Cyrillic letters are composed with their marks by NFC; what remains loose there is a decoration.
fn takes_marks(base: Option<char>) -> bool {
    base.is_some_and(|base| (base.is_alphabetic() && script(base).is_none()) || is_combining_mark(base))
}

/// Scripts whose letters look alike.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    Cherokee,
    Coptic,
    Lisu,
}

fn script(letter: char) -> Option<Script> {
    if !letter.is_alphabetic() {
        return None;
    }
    match letter {
        'A'..='Z'
        | 'a'..='z'
        | '\u{C0}'..='\u{2AF}'
        | '\u{1D00}'..='\u{1D25}'
        | '\u{1D6B}'..='\u{1D77}'
        | '\u{1D79}'..='\u{1DBF}'
        | '\u{1E00}'..='\u{1EFF}'
        | '\u{2C60}'..='\u{2C7F}'
        | '\u{A722}'..='\u{A7FF}'
        | '\u{AB30}'..='\u{AB6F}' => Some(Script::Latin),
        // The Greek letters of laboratory and unit names that no Latin letter resembles: IFNγ, μmol, β2.
        'α' | 'β' | 'γ' | 'δ' | 'ε' | 'θ' | 'λ' | 'μ' | 'π' | 'σ' | 'ψ' | 'ω' | 'Γ' | 'Δ' | 'Θ' | 'Λ' | 'Π' | 'Σ'
        | 'Φ' | 'Ψ' | 'Ω' => None,
        '\u{370}'..='\u{3E1}' | '\u{3F0}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' | '\u{1D26}'..='\u{1D2A}' => {
            Some(Script::Greek)
        }
        '\u{400}'..='\u{52F}'
        | '\u{1C80}'..='\u{1C8F}'
        | '\u{1D2B}'
        | '\u{1D78}'
        | '\u{2DE0}'..='\u{2DFF}'
        | '\u{A640}'..='\u{A69F}' => Some(Script::Cyrillic),
        '\u{530}'..='\u{58F}' => Some(Script::Armenian),
        '\u{13A0}'..='\u{13FF}' | '\u{AB70}'..='\u{ABBF}' => Some(Script::Cherokee),
        '\u{3E2}'..='\u{3EF}' | '\u{2C80}'..='\u{2CFF}' => Some(Script::Coptic),
        '\u{A4D0}'..='\u{A4FF}' => Some(Script::Lisu),
        _ => None,
    }
}

fn has_mixed_word(text: &str) -> bool {
    text.split(|character: char| !character.is_alphabetic()).any(|word| {
        let mut scripts = word.chars().filter_map(script);
        scripts.next().is_some_and(|first| scripts.any(|other| other != first))
    })
}

/// Whether a run of more than [`MAXIMUM_ENCODED`] characters is in a base64 alphabet (RFC 4648 sections 4 and 5) and is not plain words
/// joined by dashes, or the whole text, without its separators, is that many hexadecimal digits.
fn looks_encoded(text: &str) -> bool {
    let joint = |character: char| matches!(character, '+' | '/' | '-' | '_' | '=');
    let word = |piece: &str| {
        let rest = piece.strip_prefix(|first: char| first.is_ascii_uppercase()).unwrap_or(piece);
        piece.len() <= MAXIMUM_ENCODED && rest.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let number = |piece: &str| piece.len() <= 4 && piece.bytes().all(|byte| byte.is_ascii_digit());
    let base64 = text
        .split(|character: char| !(character.is_ascii_alphanumeric() || joint(character)))
        .any(|run| run.len() > MAXIMUM_ENCODED && !run.split(joint).all(|piece| word(piece) || number(piece)));
    let mut hexadecimal =
        text.chars().filter(|character| !matches!(character, ' ' | ':' | '.' | ',' | '-' | '_' | ';'));
    base64
        || (hexadecimal.clone().count() > MAXIMUM_ENCODED && hexadecimal.all(|character| character.is_ascii_hexdigit()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_clinical_text_stays() {
        for text in [
            "Female",
            "Essential hypertension",
            "Crohn's disease (adult)",
            "25-hydroxyvitamin D3 [Mass/volume] in Serum or Plasma",
            "diphtheria-tetanus-pertussis-poliomyelitis vaccine",
            "IFNγ μmol/L 10 m²",
            "Überempfindlichkeit, naïve Zürich",
            "Гипертония",
            "高血圧",
            "مرض السكري",
            "38.5 °C",
        ] {
            assert_eq!(fold(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn spellings_that_look_alike_become_one() {
        for (text, form) in [
            ("  two   spaces ", "two spaces"),
            ("e\u{301}", "é"),
            ("\u{2126}", "Ω"),
            ("10\u{A0}\u{B5}g", "10 μg"),
            ("18\u{2013}64", "18-64"),
            ("Crohn\u{2019}s", "Crohn's"),
            ("\u{201C}x\u{201D}", "\"x\""),
        ] {
            assert_eq!(fold(text).as_deref(), Ok(form), "{text}");
        }
    }

    #[test]
    fn each_flaw_is_found() {
        let base64 = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0";
        let hexadecimal = "de:ad:be:ef ".repeat(5);
        let long = "long text ".repeat(30);
        for (text, flaw) in [
            ("a\u{0}b", Flaw::Unseen),
            ("a\nb", Flaw::Unseen),
            ("zero\u{200B}width", Flaw::Unseen),
            ("\u{202E}txt.exe", Flaw::Unseen),
            ("tag\u{E0041}", Flaw::Unseen),
            ("x\u{FE0F}", Flaw::Unseen),
            ("\u{E000}", Flaw::Unseen),
            ("\u{FFFF}", Flaw::Unseen),
            ("Ａ", Flaw::Lookalike),
            ("𝐀", Flaw::Lookalike),
            ("①", Flaw::Lookalike),
            ("ﬁ", Flaw::Lookalike),
            ("٣", Flaw::Lookalike),
            ("q\u{301}", Flaw::Lookalike),
            ("\u{301}", Flaw::Lookalike),
            ("pаypal", Flaw::MixedScripts),
            ("Αlpha", Flaw::MixedScripts),
            (long.as_str(), Flaw::Long),
            ("=1+1", Flaw::Formula),
            (" +1 a", Flaw::Formula),
            ("-x", Flaw::Formula),
            ("\u{2212}x", Flaw::Formula),
            ("@SUM(A1)", Flaw::Formula),
            ("\tx", Flaw::Formula),
            ("\rx", Flaw::Formula),
            (base64, Flaw::Payload),
            ("id 123e4567-e89b-12d3-a456-426614174000", Flaw::Payload),
            (hexadecimal.as_str(), Flaw::Payload),
        ] {
            assert_eq!(fold(text), Err(flaw), "{text}");
        }
    }

    #[test]
    fn the_bound_of_an_encoding_is_exact() {
        assert!(fold(&"A1".repeat(16)).is_ok());
        assert_eq!(fold(&format!("{}B", "A1".repeat(16))), Err(Flaw::Payload));
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,40}|[ \\-'“”–µa-zé\u{301}]{0,20}") {
            if let Ok(once) = fold(&text) {
                prop_assert_eq!(fold(&once), Ok(once.clone()));
                prop_assert!(unicode_normalization::is_nfc(&once));
            }
        }
    }
}
