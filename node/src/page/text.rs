//! Words: rules, verdicts, tiers, thresholds and times as a data owner reads them, and the text of others made harmless to the eye.

use crate::cli::date::utc;
use crate::cli::speak::plain;
use protocol::disclosure::rules::{Policy, Rule, Verdict};
use protocol::disclosure::table::{Measure, Role, Tier};
use protocol::lifecycle::Phase;
use protocol::record::project::Project;

/// The text of others: what cannot be seen, or turns the direction of writing, is shown as a sign. Escaping is the template's.
#[must_use]
pub(super) fn shown(text: &str) -> String {
    plain(text)
}

/// The lines of a longer text of others, each shown as [`shown`] does.
#[must_use]
pub(super) fn lines(text: &str) -> Vec<String> {
    text.lines().map(shown).collect()
}

/// Whether a text is shown exactly as it is, so that what a person signs is what the person has read.
#[must_use]
pub(super) fn is_plain(text: &str) -> bool {
    text.lines().all(|line| plain(line) == line) && !text.contains('\r')
}

/// A moment, with what a machine reads of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct When {
    /// `2026-03-01 14:05 UTC`.
    pub(super) utc: String,
    /// `3 hours`.
    pub(super) ago: String,
}

impl When {
    /// A moment as it is seen from another.
    #[must_use]
    pub(super) fn at(seconds: u64, now: u64) -> Self {
        Self { utc: utc(seconds), ago: span(now.saturating_sub(seconds)) }
    }
}

/// A length of time to the coarsest unit that says enough.
fn span(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..=59 => return "less than a minute".to_owned(),
        60..=3_599 => (seconds / 60, "minute"),
        3_600..=172_799 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    counted(number, unit)
}

/// `1 row`, `2 rows`.
#[must_use]
pub(super) fn counted(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{} {thing}s", grouped(number)) }
}

/// `12 345`, with narrow spaces, as numbers are read.
#[must_use]
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A verdict as it is drawn and said: never by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The class of its colour and pattern.
    pub(super) class: &'static str,
    /// Its sign.
    pub(super) sign: &'static str,
    /// Its word.
    pub(super) word: &'static str,
}

impl From<Verdict> for Mark {
    fn from(verdict: Verdict) -> Self {
        let (class, sign, word) = match verdict {
            Verdict::NotApplicable => ("none", "–", "not applicable"),
            Verdict::Pass => ("pass", "✓", "passes"),
            Verdict::Review => ("review", "?", "for you to judge"),
            Verdict::Fail => ("fail", "✗", "fails"),
            Verdict::Refused => ("fail", "✗", "refused"),
        };
        Self { class, sign, word }
    }
}

/// A rule's name for people, and what it asks.
#[must_use]
pub(super) fn rule(rule: Rule) -> (&'static str, &'static str) {
    match rule {
        Rule::MinimumThreshold => {
            ("Too few people", "Are there enough different people behind every figure, shown or implied?")
        }
        Rule::DominancePRatio => ("One person stands out", "Do the others hide the largest contribution (p-ratio)?"),
        Rule::DominanceNk => (
            "Two people make up most of it",
            "Do the two largest contributions stay below their share of the sum (n-k)?",
        ),
        Rule::DegreesOfFreedom => ("Too few degrees of freedom", "Is a fitted figure more than its data retold?"),
        Rule::ClassDisclosure => {
            ("Nobody, or everybody, of a group", "Does an empty or a full cell tell something about all of a group?")
        }
        Rule::RowLevelData => ("Rows about single people", "Are the rows about groups?"),
        Rule::DirectIdentifiers => {
            ("Direct identifiers", "Is there a number or name by which the world outside knows a person?")
        }
        Rule::Differencing => (
            "Difference from earlier releases",
            "Does a figure that left before turn one of these into a figure about few?",
        ),
        Rule::ComplementarySuppression => ("Hidden figures can be computed", "Do totals give away what was hidden?"),
        Rule::Rounding => ("Rounding", "Are counts as coarse as the project asks?"),
        Rule::NotFinite => ("Not a number", "Are there special values behind a figure?"),
        Rule::TypeAndSize => ("Type and size", "Is it a table of a size that a person can review?"),
        Rule::Payload => ("Encoded bytes", "Is there text that could carry other data?"),
        Rule::Formula => ("Formulas", "Is there text that a spreadsheet would run?"),
    }
}

/// Who vouches for the figures: a short name, and what it means for the reviewer.
#[must_use]
pub(super) fn tier(tier: Tier) -> (&'static str, &'static str) {
    match tier {
        Tier::Witnessed => (
            "Computed by this TRE (T1)",
            "This TRE computed every figure itself and checked it against its own evidence. The rules are exact.",
        ),
        Tier::Opaque => (
            "Computed by the component (T2)",
            "The researcher's component computed these figures. Only their shape could be checked: nothing here says how many people stand behind a figure.",
        ),
    }
}

/// What a column holds.
#[must_use]
pub(super) fn role(role: &Role) -> String {
    match role {
        Role::Key => "group".to_owned(),
        Role::Opaque => "from the component".to_owned(),
        Role::Measure(measure) => match measure {
            Measure::Count => "records".to_owned(),
            Measure::Subjects => "people".to_owned(),
            Measure::CountOf(x) => format!("records with {x}"),
            Measure::Sum(x) => format!("sum of {x}"),
            Measure::Mean(x) => format!("mean of {x}"),
            Measure::Variance(x) => format!("variance of {x}"),
            Measure::Covariance(x, y) => format!("covariance of {x} and {y}"),
        },
    }
}

/// Where a task stands.
#[must_use]
pub(super) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Received => "received",
        Phase::Refused => "refused",
        Phase::Admitted => "waits to run",
        Phase::Running => "running",
        Phase::Failed => "failed",
        Phase::Held => "waits for review",
        Phase::Withheld => "withheld",
        Phase::Released => "released",
        Phase::Cancelled => "called back",
    }
}

/// The project's policy in sentences.
#[must_use]
pub(super) fn thresholds(project: &Project) -> Vec<String> {
    let Policy {
        threshold,
        p_ratio_percent,
        nk_share_percent,
        minimum_degrees_of_freedom,
        significant_digits,
        zeros_are_disclosive,
        suppress,
        rounding_base,
        rounding_midpoint,
        minimum_interval,
        ..
    } = project.disclosure;
    let who = if project.egress.checkers_count { "data owners or output checkers" } else { "data owners" };
    let persons = match project.egress.approvals {
        1 => format!("One of the {who} of this TRE has to approve; one rejection is enough to withhold."),
        several => {
            format!("{several} different {who} of this TRE have to approve; one rejection is enough to withhold.")
        }
    };
    let mut sentences = vec![
        persons,
        format!("At least {threshold} different people stand behind every figure."),
        format!(
            "The largest contribution to a sum is hidden by at least {p_ratio_percent} % of its own size, and the two largest make up less than {nk_share_percent} % of it."
        ),
        format!(
            "A fitted figure has at least {minimum_degrees_of_freedom} degrees of freedom, and every figure {significant_digits} significant digits at most."
        ),
        if zeros_are_disclosive {
            "Empty and full cells of a crossed table are marked.".to_owned()
        } else {
            "Empty and full cells are not marked.".to_owned()
        },
        if suppress {
            format!(
                "Figures that fail were blanked before this review, and as many more that nobody can compute them: a hidden count could have at least {minimum_interval} values."
            )
        } else {
            "Figures that fail are shown to you as failing; nothing was blanked.".to_owned()
        },
    ];
    if rounding_base > 1 {
        let to = if rounding_midpoint { "the middle of their bin" } else { "a multiple" };
        sentences.push(format!("Counts were rounded to {to} of {rounding_base} before this review."));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::{When, grouped, is_plain, lines, shown};

    #[test]
    fn threat_60_the_text_of_others_cannot_move_the_eye() {
        assert_eq!(shown("a\u{202e}b\u{7}\u{1b}[2J"), "a\u{fffd}b\u{fffd}\u{fffd}[2J");
        assert_eq!(lines("SELECT 1\n-- \u{200b}x"), ["SELECT 1", "-- \u{fffd}x"]);
        assert!(is_plain("nothing rare\nin it, “really”") && !is_plain("ok\u{202e}") && !is_plain("a\r\nb"));
    }

    #[test]
    fn times_are_told_to_the_unit_that_matters() {
        assert_eq!(When::at(0, 59).ago, "less than a minute");
        assert_eq!(When::at(0, 60).ago, "1 minute");
        assert_eq!(When::at(0, 7_200).ago, "2 hours");
        assert_eq!(When::at(0, 200_000).ago, "2 days");
        assert_eq!(When::at(5, 0).ago, "less than a minute", "clocks differ");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
    }
}
