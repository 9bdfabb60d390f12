//! `quintes review show`: everything that a decision rests on, as text that cannot pretend to be anything else.

use super::list::stands;
use super::said;
use crate::catalogue;
use crate::cli::date::utc;
use crate::cli::desk::FederationOptions;
use crate::cli::link::{Link, LinkOptions, online};
use crate::cli::speak::{Speak, plain};
use crate::door::{Answer, Ask, EarlierOutput, Review};
use crate::review::compare::{compare, nearest};
use crate::review::words::in_words;
use crate::review::{ExamineError, Examined, examine, grouped};
use protocol::disclosure::canonical::{print, read_csv};
use protocol::disclosure::policy::Policy;
use protocol::disclosure::rules::{Finding, Verdict};
use protocol::disclosure::table::{Role, Tier};
use protocol::lifecycle::Phase;
use protocol::safes::outputs::{Context, HeldOutput};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The rows of a table that are shown without `--all-rows`.
const ROWS: usize = 40;

/// The earlier figures that are listed for an output; `--json` has all.
const MEETINGS: usize = 5;

/// How many earlier releases are looked at for one with the same columns.
const LOOKED_AT: usize = 5;

/// Which review.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Where a project asks for two or more persons, what others decided is hidden until you have decided yourself: give your key.

Example:
  quintes review show 3fa8 --key carol --node ./london")]
pub(super) struct Args {
    /// The beginning of the task's id.
    id: String,
    /// Show this output only.
    #[arg(long = "output", value_name = "NAME")]
    outputs: Vec<String>,
    /// Show every row, not only the first 40.
    #[arg(long)]
    all_rows: bool,
    /// Your key; only its public half is read.
    #[arg(long, value_name = "FILE|agent:FILE.pub")]
    key: Option<String>,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
}

/// Which part of a review is shown.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    /// Only these outputs; all when none is named.
    pub(super) outputs: &'a [String],
    /// Every row.
    pub(super) all_rows: bool,
}

/// Shows.
pub(super) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let (review, earlier, known) = online(async {
        let mut link = args.link.open(None).await?;
        let (review, known) = super::open(&mut link, &args.id, &args.federation).await?;
        let earlier = earlier_outputs(&mut link, &review).await?;
        Ok((review, earlier, known))
    })?;
    if review.waiting.phase == Phase::Failed || review.outputs.is_empty() {
        return failed(&review, speak);
    }
    let believed = super::believed(&review, &known);
    let viewer = args.key.as_deref().map(|key| super::viewer(key, &known.now().roster)).transpose()?;
    let note = review.note.clone();
    let examined = examine(review, &believed)?.blind(viewer.as_deref());
    let told = show(&examined, &earlier, Part { outputs: &args.outputs, all_rows: args.all_rows }, speak);
    if let Some(note) = note {
        note.lines().for_each(|line| speak.line(&plain(line)));
    }
    speak.answer(told);
    Ok(())
}

/// For each output, the nearest that left before under the same name with the same columns.
pub(super) async fn earlier_outputs(link: &mut Link, review: &Review) -> anyhow::Result<Vec<EarlierOutput>> {
    let mut found = Vec::new();
    for output in &review.outputs {
        for earlier in nearest(review, output).into_iter().take(LOOKED_AT) {
            let ask = Ask::Earlier { task: earlier.task, output: output.name.clone() };
            // What custody lost since is no reason to show nothing.
            if let Ok(Answer::Earlier(one)) = link.ask_at_door(&ask).await
                && one.schema == output.schema
            {
                found.push(*one);
                break;
            }
        }
    }
    Ok(found)
}

/// A run that left a note and no outputs.
fn failed(review: &Review, speak: &Speak) -> anyhow::Result<()> {
    let waiting = &review.waiting;
    speak.line(&format!(
        "task {} `{}` by {}: {}",
        waiting.task.short(),
        plain(&waiting.title),
        waiting.submitter,
        waiting.phase
    ));
    match &review.note {
        Some(note) => {
            speak.line("what the run left, for your eyes only:");
            note.lines().for_each(|line| speak.line(&format!("  {}", plain(line))));
        }
        None => speak.line(&ExamineError::NothingHeld.to_string()),
    }
    speak.answer(json!({ "task": waiting.task, "phase": waiting.phase, "note": review.note }));
    Ok(())
}

/// Shows a checked review as data, and returns the same for `--json`.
pub(super) fn show(examined: &Examined, earlier: &[EarlierOutput], part: Part<'_>, speak: &Speak) -> Value {
    let (review, said) = (&examined.review, examined.submission.payload());
    let signer = examined.submission.signer();
    let name = examined.project.components.iter().find(|one| one.digest == said.component).map(|one| one.name.as_str());
    let name =
        name.or_else(|| catalogue::with_digest(&said.component).map(|ours| ours.name)).unwrap_or("(no name known)");
    let mut head = vec![
        ("task", format!("{} `{}`", examined.submission.id(), plain(&said.title))),
        ("asked by", format!("{} of {}, key {}", signer.name, plain(&signer.organisation), signer.key.fingerprint())),
        (
            "project",
            format!(
                "{} (version {}): {}",
                examined.project.name,
                examined.project.version,
                plain(&examined.project.title)
            ),
        ),
        ("at", review.tre.clone()),
        ("datasets", said.datasets.join(", ")),
        ("component", format!("{name}, SHA-256 {}", said.component)),
    ];
    let rules = &examined.project.disclosure;
    head.extend(what_ran(&Shown { parameters: &said.parameters, context: &review.context.0, rules }));
    head.push(("decision", stands(&review.waiting, examined.blinded)));
    head.push(("commitment", format!("{} …  ({})", grouped(&examined.commitment.to_string()), examined.commitment)));
    head.push(("in words", in_words(&examined.commitment)));
    let lines: Vec<Vec<String>> = head.into_iter().map(|(label, text)| vec![label.to_owned(), text]).collect();
    speak.table(&["", ""], &lines);
    let mut outputs = Vec::new();
    for output in review.outputs.iter().filter(|output| part.outputs.is_empty() || part.outputs.contains(&output.name))
    {
        speak.line("");
        show_output(output, part.all_rows, speak);
        let mut entry = told(output);
        meetings(examined, output, speak);
        entry["since"] = since(examined, output, earlier, speak);
        outputs.push(entry);
    }
    said::show(examined, speak);
    let mut told = said::told(examined);
    let review = json!({
        "task": examined.submission.id(), "tre": review.tre, "submitter": signer.name, "project": examined.project.name,
        "component": said.component, "component_name": name, "parameters": said.parameters, "datasets": said.datasets,
        "statements": review.context.0.statements, "log": review.context.0.log, "thresholds": rules,
        "commitment": examined.commitment, "commitment_in_words": in_words(&examined.commitment), "waiting": review.waiting,
        "outputs": outputs, "earlier": review.earlier, "meetings": review.meetings,
    });
    if let (Value::Object(told), Value::Object(review)) = (&mut told, review) {
        told.extend(review);
    }
    told
}

/// What a run was told, what it did, and the rules that apply to what it wrote.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// Its parameters.
    pub(crate) parameters: &'a BTreeMap<String, String>,
    /// The SQL that ran and the component's log.
    pub(crate) context: &'a Context,
    /// The thresholds.
    pub(crate) rules: &'a Policy,
}

/// Labelled lines of it.
pub(crate) fn what_ran(shown: &Shown<'_>) -> Vec<(&'static str, String)> {
    let parameters = shown.parameters.iter().map(|(name, text)| ("parameter", format!("{name} = {}", plain(text))));
    let statements = shown.context.statements.iter().map(|sql| ("SQL that ran", plain(sql)));
    let log = shown.context.log.iter().map(|line| ("its log", plain(line)));
    let rules = shown.rules;
    let thresholds = format!(
        "{} subjects, p-ratio {} %, n-k share {} %, {} degrees of freedom",
        rules.threshold, rules.p_ratio_percent, rules.nk_share_percent, rules.minimum_degrees_of_freedom
    );
    parameters.chain(statements).chain(log).chain([("thresholds", thresholds)]).collect()
}

/// The figures that left before about the same people, or nearly: the closest few.
fn meetings(examined: &Examined, output: &HeldOutput, speak: &Speak) {
    let met: Vec<_> = examined.review.meetings.iter().filter(|one| one.output == output.name).collect();
    let place = |row: Option<usize>, column: &Option<String>| match (row, column) {
        (Some(row), Some(column)) => format!("row {}, {}", row + 1, plain(column)),
        (Some(row), None) => format!("row {}", row + 1),
        (None, Some(column)) => plain(column),
        (None, None) => "all of it".to_owned(),
    };
    let rows: Vec<Vec<String>> = met
        .iter()
        .take(MEETINGS)
        .map(|one| {
            let people = match one.difference {
                0 => "the same people".to_owned(),
                1 => "1 person apart".to_owned(),
                apart => format!("{apart} people apart"),
            };
            vec![
                place(one.row, &one.column),
                people,
                format!(
                    "{} of task {}: {}",
                    one.earlier_output,
                    one.task.short(),
                    place(one.earlier_row, &one.earlier_column)
                ),
                utc(one.released_at),
            ]
        })
        .collect();
    if !rows.is_empty() {
        speak.table(&["figure", "stands for", "as did", "which left"], &rows);
        if met.len() > rows.len() {
            speak.line(&format!("… {} further meetings; see all with --json", met.len() - rows.len()));
        }
    }
}

/// What differs from the nearest release of the same name and columns.
fn since(examined: &Examined, output: &HeldOutput, earlier: &[EarlierOutput], speak: &Speak) -> Value {
    let Some(before) = earlier.iter().find(|one| one.name == output.name) else { return Value::Null };
    let Some(release) = examined.review.earlier.iter().find(|one| one.task == before.task) else { return Value::Null };
    let tables = (read_csv(&output.bytes, &output.schema), read_csv(&before.bytes, &before.schema));
    let (Ok(now), Ok(was)) = tables else { return Value::Null };
    let Some(difference) = compare(&now, &was) else { return Value::Null };
    speak.line(&format!(
        "since {} (task {} `{}`): {difference}",
        utc(release.released_at),
        release.task.short(),
        plain(&release.title)
    ));
    let changed = difference
        .changed
        .iter()
        .map(|one| json!({ "row": one.row, "column": now.columns[one.column].name, "before": one.before }));
    json!({
        "task": release.task, "released_at": release.released_at, "compared": difference.compared,
        "changed": changed.collect::<Vec<_>>(), "new_rows": difference.new_rows, "gone_rows": difference.gone_rows,
    })
}

/// An output as it would leave: the table with its marks, and every finding in words.
pub(crate) fn show_output(output: &HeldOutput, all_rows: bool, speak: &Speak) {
    let report = &output.report;
    speak.line(&format!("── {} ── {}", output.name, tier(report.tier)));
    match read_csv(&output.bytes, &output.schema) {
        Ok(table) => {
            let marked = |row: usize, column: &str| {
                report
                    .findings
                    .iter()
                    .filter(|one| one.row == Some(row) && one.column.as_deref() == Some(column))
                    .map(|one| one.verdict)
                    .max()
            };
            let heading: Vec<String> = table
                .columns
                .iter()
                .map(|column| format!("{} [{}]", plain(&column.name), role(&column.role)))
                .collect();
            let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
            let limit = if all_rows { usize::MAX } else { ROWS };
            let rows = table.rows.iter().enumerate().take(limit).map(|(place, row)| {
                let cells = row.iter().zip(&table.columns).map(|(cell, column)| {
                    // A table never bends the terminal: text of components is shown, not sent.
                    let text = plain(&print(cell));
                    match marked(place, &column.name).filter(|verdict| *verdict >= Verdict::Review) {
                        Some(verdict) => format!("{text} {}", symbol(verdict)),
                        None => text,
                    }
                });
                cells.collect::<Vec<String>>()
            });
            speak.table(&heading, &rows.collect::<Vec<_>>());
            if table.rows.len() > limit {
                speak.line(&format!("… {} further rows; see all with --all-rows", table.rows.len() - limit));
            }
        }
        Err(error) => speak.line(&format!("✗ the bytes are not a table ({error}); do not approve them")),
    }
    speak.line(&format!("{} {}", symbol(report.verdict), plain(&report.summary)));
    let rows: Vec<Vec<String>> = report.findings.iter().map(finding).collect();
    speak.table(&["", "rule", "where", "why"], &rows);
}

fn finding(finding: &Finding) -> Vec<String> {
    let place = match (finding.row, &finding.column) {
        (Some(row), Some(column)) => format!("row {}, {}", row + 1, plain(column)),
        (Some(row), None) => format!("row {}", row + 1),
        (None, Some(column)) => plain(column),
        (None, None) => "all of it".to_owned(),
    };
    vec![
        format!("{} {}", symbol(finding.verdict), finding.verdict),
        finding.rule.to_string(),
        place,
        plain(&finding.reason),
    ]
}

fn symbol(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotApplicable => "–",
        Verdict::Pass => "✓",
        Verdict::Review => "?",
        Verdict::Fail | Verdict::Refused => "✗",
    }
}

fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Witnessed => "the host computed every figure and checked it against its evidence (T1)",
        Tier::Opaque => "the component made these figures itself; only their shape can be checked (T2)",
    }
}

fn role(role: &Role) -> String {
    match role {
        Role::Key => "group".to_owned(),
        Role::Measure(_) | Role::Opaque => role.to_string(),
    }
}

/// The same for `--json`.
pub(crate) fn told(output: &HeldOutput) -> Value {
    json!({
        "name": output.name, "columns": output.schema, "csv": String::from_utf8_lossy(&output.bytes), "report": output.report,
    })
}
