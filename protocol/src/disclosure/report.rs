//! What the rules say, in words that a data owner reads and records keep: findings, tallies, a verdict, and which rules said it.
//!
//! Reasons name rules, thresholds and places, never evidence and never a cell.

use crate::disclosure::canonical::Place;
use crate::disclosure::table::{Column, Tier};
use crate::wire::id::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The version of the rules; it changes whenever a verdict could (SATRE 3.3.09: the checks made are part of the record).
pub const RULES_VERSION: &str = "3";

/// The rules in words: what [`checker_digest`] stands for. A change of a rule changes these words.
const DESCRIPTION: &str = "\
quintes disclosure rules 3
canonical: columns as declared; rows sorted; numbers but keys to the policy's significant digits in RFC 8785 form; moments to the second; \
text in NFC with dashes, quotes and spaces in ASCII; NaN and infinities to null; opaque columns of whole numbers are integers; RFC 4180 with LF
suppression, when the policy asks: witnessed figures that fail minimum-threshold, dominance or degrees-of-freedom are null, all of a row \
where its count or subjects fail; then rows, smallest first, until complementary-suppression holds
rounding, when the policy asks: witnessed counts to the nearest multiple of rounding-base, halves up, or to the middle of their bin; a sum \
beside its mean is the mean times the rounded count
witnessed minimum-threshold: distinct subjects of every figure < threshold fails; of a column of zeros and ones, fewer than threshold that \
have one of the two and not none fails, of two such columns fewer in one of their four combinations; fewer than threshold subjects or rows between count and \
count-of, or between count and a sum divided by its mean, review; a total that differs from its parts by fewer than threshold review; \
no row, no figure or no evidence review
witnessed dominance-p-ratio: (sum - largest - second) / largest < p-ratio-percent / 100 fails; sums and means
witnessed dominance-nk: (largest + second) / sum >= nk-share-percent / 100 fails; sums and means
witnessed dominance: negatives, special values, evidence that contradicts itself review; all zero not applicable
witnessed degrees-of-freedom: variances and covariances < minimum-degrees-of-freedom fails; where three columns or more have covariances, \
rows less columns count
witnessed class-disclosure, while zeros are disclosive, two keys or more: along each key, with all others held, a value that occurs elsewhere \
and not here fails; a key that the others determine, in 10 lines or more and twice its values, review instead
witnessed row-level-data: more than 9 in 10 rows with one row or one subject fails
witnessed complementary-suppression: a null count that can have fewer than minimum-interval values given every total, rounding and that \
somebody stands behind it, or a null sum that is known to p-ratio-percent, fails; neither shown review
witnessed not-finite: special values or a figure that is none review
witnessed keys and opaque columns direct-identifiers: names of identifiers; NHS and CHI numbers, postcodes, e-mail addresses, telephone and \
National Insurance numbers, UUIDs: 3 and half of what has the shape fails, 1 and a key of the source fails, 1 of e-mail, National Insurance \
number or UUID review; days named as birth, or half of them distinct over 25 years and no series, fails; 3 and half of a column keys of the \
source fails, fewer or short numbers review
opaque minimum-threshold, dominance, degrees-of-freedom, class-disclosure, differencing: always review; marked: whole numbers between 1 and \
threshold, largest and smallest values, shares and parts of a whole that imply such numbers, zeros and wholes while zeros are disclosive, \
few degrees of freedom named or beside a spread
opaque row-level-data: rows equal to the source's, more than 9 in 10 counts of 1, a column of distinct values with as many rows as subjects \
read within a tenth fail; as many as rows read, or never compared, review
opaque complementary-suppression: counts left out review; the only one beside a total fails
opaque rounding: counts that are not rounded as the policy asks review
differencing: what the node's ledger finds
type-and-size: bytes, rows, columns, outputs over the policy's maximum refused; what has no canonical form refused
payload: over 32 characters of a base64 or hexadecimal alphabet refused
formula: text that begins with = + - @ tab or return refused
";

/// The digest that stands in every attestation beside [`RULES_VERSION`]: SHA-256 over the description of the rules.
#[must_use]
pub fn checker_digest() -> Digest {
    Digest::of(DESCRIPTION.as_bytes())
}

/// The most findings for single figures that one rule lists; [`Tally`] counts all.
pub const LISTED_FINDINGS: usize = 1_000;

/// A rule, by its name in `disclosure.md` and in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Enough distinct subjects behind every figure, shown or implied.
    MinimumThreshold,
    /// What remains without the two largest contributions hides the largest.
    DominancePRatio,
    /// The two largest contributions are not most of the sum.
    DominanceNk,
    /// A fitted figure does not nearly retell its data.
    DegreesOfFreedom,
    /// Nobody, or everybody, of a group in one cell tells something about all of the group.
    ClassDisclosure,
    /// Rows about groups, not about persons.
    RowLevelData,
    /// No names that the world outside knows a person by.
    DirectIdentifiers,
    /// No figure that another one, already released, turns into a figure about few.
    Differencing,
    /// What is hidden cannot be computed from what is shown.
    ComplementarySuppression,
    /// Counts as coarse as the policy asks.
    Rounding,
    /// No NaN and no infinity behind a figure.
    NotFinite,
    /// A table of a size that a person can review, in its canonical form.
    TypeAndSize,
    /// No encoded bytes in text.
    Payload,
    /// No text that a spreadsheet would run.
    Formula,
}

impl Rule {
    const ALL: [Self; 14] = [
        Self::MinimumThreshold,
        Self::DominancePRatio,
        Self::DominanceNk,
        Self::DegreesOfFreedom,
        Self::ClassDisclosure,
        Self::RowLevelData,
        Self::DirectIdentifiers,
        Self::Differencing,
        Self::ComplementarySuppression,
        Self::Rounding,
        Self::NotFinite,
        Self::TypeAndSize,
        Self::Payload,
        Self::Formula,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::MinimumThreshold => "minimum-threshold",
            Self::DominancePRatio => "dominance-p-ratio",
            Self::DominanceNk => "dominance-nk",
            Self::DegreesOfFreedom => "degrees-of-freedom",
            Self::ClassDisclosure => "class-disclosure",
            Self::RowLevelData => "row-level-data",
            Self::DirectIdentifiers => "direct-identifiers",
            Self::Differencing => "differencing",
            Self::ComplementarySuppression => "complementary-suppression",
            Self::Rounding => "rounding",
            Self::NotFinite => "not-finite",
            Self::TypeAndSize => "type-and-size",
            Self::Payload => "payload",
            Self::Formula => "formula",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a rule says, from mild to grave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The rule has nothing to look at here.
    NotApplicable,
    /// The rule holds.
    Pass,
    /// The rule cannot tell: a person must.
    Review,
    /// The rule is broken. A person may still release it, and has to say why.
    Fail,
    /// The output cannot be released in this form by anybody.
    Refused,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotApplicable => "not applicable",
            Self::Pass => "pass",
            Self::Review => "review",
            Self::Fail => "fail",
            Self::Refused => "refused",
        })
    }
}

/// What one rule says about an output, a column or a figure. It holds no evidence and no cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What it says.
    pub verdict: Verdict,
    /// The row of the canonical table, counted from 0; `None` for the whole column or output.
    pub row: Option<usize>,
    /// The column's name; `None` for the whole output.
    pub column: Option<String>,
    /// Why, in a sentence for a data owner.
    pub reason: String,
}

/// How often a rule said what, over all figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tally {
    /// Nothing to look at.
    pub not_applicable: u64,
    /// The rule holds.
    pub pass: u64,
    /// A person must tell.
    pub review: u64,
    /// The rule is broken.
    pub fail: u64,
    /// Not in this form.
    pub refused: u64,
}

impl Tally {
    fn of(&mut self, verdict: Verdict) -> &mut u64 {
        match verdict {
            Verdict::NotApplicable => &mut self.not_applicable,
            Verdict::Pass => &mut self.pass,
            Verdict::Review => &mut self.review,
            Verdict::Fail => &mut self.fail,
            Verdict::Refused => &mut self.refused,
        }
    }
}

/// All that the rules say about one output. It is for the reviewer and stays in the TRE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Report {
    /// [`RULES_VERSION`] of the rules that made it.
    pub rules_version: String,
    /// [`checker_digest`] of these rules.
    pub checker: Digest,
    /// Who vouches for the figures.
    pub tier: Tier,
    /// The gravest verdict of all findings.
    pub verdict: Verdict,
    /// One finding for each rule that holds or does not apply, and one for each figure that a rule doubts (at most [`LISTED_FINDINGS`] a rule).
    pub findings: Vec<Finding>,
    /// How many figures each rule looked at.
    pub tallies: BTreeMap<Rule, Tally>,
    /// The report in one sentence.
    pub summary: String,
}

impl Report {
    /// The report with other findings of one rule, as the node makes them when it learns more: none means that the rule holds. What the
    /// report says about every other rule stays.
    #[must_use]
    pub fn amended(&self, rule: Rule, findings: Vec<Finding>) -> Self {
        let mut tally = Tally::default();
        for finding in &findings {
            *tally.of(finding.verdict) += 1;
        }
        if findings.is_empty() {
            tally.pass = 1;
        }
        let mut tallies = self.tallies.clone();
        tallies.insert(rule, tally);
        let doubts = |finding: &Finding| finding.verdict >= Verdict::Review;
        let kept = self.findings.iter().filter(|finding| finding.rule != rule && doubts(finding)).cloned();
        let new = findings.iter().filter(|finding| doubts(finding)).take(LISTED_FINDINGS).cloned();
        let findings = kept.chain(new.map(|finding| Finding { rule, ..finding })).collect();
        let report = Self::of(self.tier, findings, tallies);
        Self { rules_version: self.rules_version.clone(), checker: self.checker, ..report }
    }

    /// Whether nobody needs to look: the node computed every figure and no rule doubts one. A standing approval needs this.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.tier == Tier::Witnessed
            && self.verdict <= Verdict::Pass
            && self.findings.iter().all(|finding| finding.verdict <= Verdict::Pass)
    }

    /// The report that these doubts and tallies make.
    fn of(tier: Tier, mut findings: Vec<Finding>, tallies: BTreeMap<Rule, Tally>) -> Self {
        let mut gravest = Verdict::NotApplicable;
        let mut doubts = Vec::new();
        for rule in Rule::ALL {
            let tally = tallies.get(&rule).copied().unwrap_or_default();
            let (verdict, reason) = match tally {
                Tally { refused: 1.., .. } => (Verdict::Refused, None),
                Tally { fail: 1.., .. } => (Verdict::Fail, None),
                Tally { review: 1.., .. } => (Verdict::Review, None),
                Tally { pass: 1.., .. } => (Verdict::Pass, Some("The rule holds for all that it applies to.")),
                _ => (Verdict::NotApplicable, Some("Nothing here falls under the rule.")),
            };
            gravest = gravest.max(verdict);
            match reason {
                Some(reason) => {
                    findings.push(Finding { rule, verdict, row: None, column: None, reason: reason.to_owned() })
                }
                None => doubts.push(format!("{rule}: {verdict}")),
            }
        }
        // The listing runs by rule, so that what belongs together stands together.
        findings.sort_by_key(|finding| (finding.rule, finding.row, std::cmp::Reverse(finding.verdict)));
        let vouched = match tier {
            Tier::Witnessed => "computed by the node",
            Tier::Opaque => "computed by the component, only its shape can be checked",
        };
        let summary = if doubts.is_empty() {
            format!("Every rule holds ({vouched}).")
        } else {
            format!("{} ({vouched}).", sentence(&doubts.join(", ")).trim_end_matches('.'))
        };
        Self {
            rules_version: RULES_VERSION.to_owned(),
            checker: checker_digest(),
            tier,
            verdict: gravest,
            findings,
            tallies,
            summary,
        }
    }
}

/// What a finding is about.
#[derive(Clone, Copy)]
pub(crate) enum About {
    /// The output.
    Output,
    /// A column, by its place.
    Column(usize),
    /// A row.
    Row(usize),
    /// A figure.
    Cell(Place),
}

/// Findings about one output as they are made.
pub(crate) struct Book<'a> {
    columns: &'a [Column],
    findings: Vec<Finding>,
    /// In the order of [`Rule::ALL`].
    tallies: [Tally; Rule::ALL.len()],
}

impl<'a> Book<'a> {
    /// An empty book about an output with these columns.
    pub(crate) fn new(columns: &'a [Column]) -> Self {
        Self { columns, findings: Vec::new(), tallies: [Tally::default(); Rule::ALL.len()] }
    }

    /// Counts a verdict, and lists it when it is a doubt and there is room. `reason` is asked for only then.
    pub(crate) fn note(&mut self, rule: Rule, verdict: Verdict, about: About, reason: impl FnOnce() -> String) {
        let tally = &mut self.tallies[rule as usize];
        let doubts = tally.review + tally.fail + tally.refused;
        *tally.of(verdict) += 1;
        if verdict >= Verdict::Review && doubts < u64::try_from(LISTED_FINDINGS).unwrap_or(u64::MAX) {
            let (row, column) = match about {
                About::Output => (None, None),
                About::Column(column) => (None, Some(column)),
                About::Row(row) => (Some(row), None),
                About::Cell(Place { row, column }) => (Some(row), Some(column)),
            };
            let column = column.and_then(|column| self.columns.get(column)).map(|column| column.name.clone());
            self.findings.push(Finding { rule, verdict, row, column, reason: reason() });
        }
    }

    /// Counts that a rule holds.
    pub(crate) fn pass(&mut self, rule: Rule) {
        self.note(rule, Verdict::Pass, About::Output, String::new);
    }

    pub(crate) fn close(self, tier: Tier) -> Report {
        let noted = Rule::ALL.into_iter().zip(self.tallies).filter(|(_, tally)| *tally != Tally::default());
        Report::of(tier, self.findings, noted.collect())
    }
}

/// A clause as a sentence: a capital and a full stop.
pub(crate) fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str())
}
