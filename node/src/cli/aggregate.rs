//! `quintes aggregate`: the parts of all TREs as one result, with who contributed, who declined and who is missing, and final only when nothing
//! in it tells about a single TRE.

pub(crate) mod derived;

use crate::cli::speak::{Speak, plain};
use crate::cli::verify;
use crate::folder::STATEMENTS;
use crate::plot;
use crate::statements;
use crate::store::{private_directory, write_durably};
use anyhow::{Context as _, anyhow, bail};
use protocol::aggregate::{
    Aggregate, Analysis, Answer, Finding, Merged, Parameters, State, aggregate, blank, check, derive, histogram_of,
    is_final,
};
use protocol::audit::{Report, believe};
use protocol::disclosure::canonical::{print, write_csv};
use protocol::disclosure::policy::Policy;
use protocol::disclosure::rules::Verdict;
use protocol::disclosure::table::{Cell, Role, Table};
use protocol::ingress::Statement;
use protocol::record::submission::{Submission, TaskId};
use protocol::wire::id::NetworkId;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The width of a plot where no terminal says one, in characters.
const WIDTH: usize = 80;

/// The most findings that are told in words; `--json` has all.
const TOLD: usize = 20;

/// What to merge.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Counts and sums add, means, variances and correlations merge exactly, tables of a component's own making stand under each other with their TRE.
What follows from the merged figures stands beside them: intervals, tests, fitted models, survival curves, quantiles.

Each TRE checked its own part. Here the whole is checked by the project's rules, before it is final: what would tell about a single TRE (a group that
it alone has, a small or suppressed count that follows from a total) is named and left blank, with as much more as it takes. The parts stay in the
folder as they were released.

Example:
  quintes aggregate stroke --plot --out merged")]
pub(crate) struct Args {
    /// The folder that `quintes fetch` wrote; several when one task was fetched in parts.
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Write the merged tables: a file (*.csv) for one output, a folder for several.
    #[arg(long, value_name = "FILE.csv|DIR")]
    out: Option<PathBuf>,
    /// When the aggregate is not final, write the tables with every figure too, as NAME.provisional.csv: for your eyes, not for others.
    #[arg(long, requires = "out")]
    provisional: bool,
    /// Draw histograms and survival curves in the terminal.
    #[arg(long)]
    plot: bool,
    /// Draw a histogram or a survival curve into an SVG file.
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// The federation's id.
    #[arg(long, env = "QUINTES_NETWORK", value_name = "ID")]
    network: Option<NetworkId>,
}

/// A task out of one or more folders that hold.
pub(crate) struct Gathered {
    task: TaskId,
    /// What was asked.
    pub(crate) submission: Submission,
    answers: BTreeMap<String, Answer>,
    policy: Policy,
    notes: Vec<Value>,
}

/// A merged task before and after what must not be final is blanked, and what follows from the form that may be final.
pub(crate) struct Outcome {
    whole: Aggregate,
    pub(crate) shown: Aggregate,
    findings: Vec<Finding>,
    pub(crate) analysis: Analysis,
}

/// Merges, checks and shows.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    present(args, &gather(&args.dirs, args.network)?, speak)
}

fn present(args: &Args, gathered: &Gathered, speak: &Speak) -> anyhow::Result<()> {
    let outcome = judge(gathered)?;
    let mut plotted = false;
    tell(&outcome, speak);
    for (name, output) in &outcome.shown.outputs {
        speak.line(&format!("{name}: {} from {}", rows(&output.table), output.contributors.join(", ")));
        show(&outcome, name, output, speak);
        if let Some(bins) = histogram_of(&output.table).filter(|_| args.plot) {
            plot::bars(&bins, width()).iter().for_each(|line| speak.line(line));
            plotted = true;
        }
        speak.line("");
    }
    plotted |= derived::show(&outcome.analysis, args.plot.then(width), speak);
    if args.plot && !plotted {
        speak.warn(
            "none of the outputs is a histogram (one numeric column to group by, and a count) or a survival curve",
        );
    }
    let states = outcome.shown.contributions.iter().map(|one| vec![one.tre.clone(), state(&one.state)]);
    speak.table(&["TRE", "share"], &states.collect::<Vec<_>>());
    if args.provisional && outcome.is_final() {
        speak.say("the aggregate is final: there is nothing provisional to write");
    }
    let mut files = Vec::new();
    if let Some(out) = &args.out {
        files = write(out, &outcome, args.provisional, &gathered.submission.parameters)?;
    }
    if let Some(svg) = &args.svg {
        draw(svg, &gathered.submission.title, &outcome)?;
        files.push(svg.clone());
    }
    for file in &files {
        speak.say(&format!("  → {}", file.display()));
    }
    let outputs: BTreeMap<&String, Value> =
        outcome.shown.outputs.iter().map(|(name, output)| (name, told(&outcome, name, output))).collect();
    speak.answer(json!({
        "task": gathered.task, "final": outcome.is_final(), "findings": outcome.findings, "outputs": outputs,
        "derived": derived::told(&outcome.analysis), "round": outcome.analysis.round,
        "contributions": outcome.shown.contributions, "notes": gathered.notes,
        "files": files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
    }));
    if outcome.whole.outputs.is_empty() {
        bail!("no TRE released anything that could be merged; `quintes status` says why");
    }
    Ok(())
}

/// Merges and checks; nothing is shown before that.
pub(crate) fn judge(gathered: &Gathered) -> anyhow::Result<Outcome> {
    let whole = aggregate(gathered.answers.clone()).context("the parts cannot be merged")?;
    let findings = check(&whole, &gathered.answers, &gathered.policy);
    let shown = blank(&whole, &gathered.answers, &findings, &gathered.policy);
    // What follows is worked out of what may be shown: it tells nothing that is blank.
    let analysis = derive(&shown.outputs, &gathered.submission.parameters);
    Ok(Outcome { whole, shown, findings, analysis })
}

impl Outcome {
    pub(crate) fn is_final(&self) -> bool {
        is_final(&self.findings)
    }

    /// Whether a figure is blank because of a finding.
    fn is_blanked(&self, output: &str, row: usize, column: usize) -> bool {
        let cell = |aggregate: &Aggregate| {
            Some(aggregate.outputs.get(output)?.table.rows.get(row)?.get(column)? == &Cell::Null)
        };
        cell(&self.shown) == Some(true) && cell(&self.whole) == Some(false)
    }

    /// Where a finding is, in words.
    fn place(&self, finding: &Finding) -> String {
        let keys = finding.row.and_then(|row| {
            let table = &self.whole.outputs.get(&finding.output)?.table;
            let cells = table.columns.iter().zip(table.rows.get(row)?).filter(|(column, _)| column.role == Role::Key);
            Some(cells.map(|(column, cell)| format!(" {}={}", column.name, print(cell))).collect::<String>())
        });
        let column = finding.column.as_ref().map(|column| format!(" {column}"));
        plain(&format!("{}{}{}", finding.output, keys.unwrap_or_default(), column.unwrap_or_default()))
    }
}

/// Says whether the aggregate is final, and what stands against it.
pub(crate) fn tell(outcome: &Outcome, speak: &Speak) {
    if outcome.whole.outputs.is_empty() {
        return;
    }
    let grave = |finding: &&Finding| finding.verdict >= Verdict::Fail;
    let tres: BTreeSet<&str> = outcome.findings.iter().filter(grave).map(|finding| finding.tre.as_str()).collect();
    if tres.is_empty() {
        speak.line("final: nothing that was merged tells about a single TRE");
    } else {
        let tres = tres.into_iter().collect::<Vec<_>>().join(", ");
        speak.line(&format!("NOT FINAL: it would tell about a single TRE ({tres}); the figures in question are blank"));
    }
    let mut findings: Vec<&Finding> = outcome.findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
    for finding in findings.iter().take(TOLD) {
        let mark = if grave(finding) { "✗" } else { "· note:" };
        speak.line(&format!("  {mark} {}: {}", outcome.place(finding), plain(&finding.reason)));
    }
    if findings.len() > TOLD {
        speak.line(&format!("  … and {} more; --json lists all", findings.len() - TOLD));
    }
    speak.line("");
}

/// Every folder must hold, and be of the same task; a part that is in one of them is in.
pub(crate) fn gather(dirs: &[PathBuf], network: Option<NetworkId>) -> anyhow::Result<Gathered> {
    let mut gathered: Option<Gathered> = None;
    for dir in dirs {
        let mut report = verify::sound(dir, network)?;
        let answers = report.answers();
        let policy = policy(dir, &report)?;
        if !report.ok() {
            bail!("`{}` holds a table that cannot be read back; fetch it again", dir.display());
        }
        let submission =
            report.submission.as_ref().ok_or_else(|| anyhow!("`{}` names no task; fetch it again", dir.display()))?;
        let Some(so_far) = &mut gathered else {
            let (task, submission) = (submission.id(), submission.payload().clone());
            gathered = Some(Gathered { task, submission, answers, policy, notes: verify::notes(&report) });
            continue;
        };
        if so_far.task != submission.id() {
            bail!(
                "`{}` is of the task {}, the others of {}; merge parts of one task",
                dir.display(),
                submission.id().short(),
                so_far.task.short()
            );
        }
        so_far.policy = stricter(so_far.policy, policy);
        for (tre, answer) in answers {
            let held = so_far.answers.entry(tre).or_insert(Answer::Missing);
            if *held == Answer::Missing {
                *held = answer;
            }
        }
    }
    gathered.ok_or_else(|| anyhow!("no folder was named; name what `quintes fetch` wrote"))
}

/// The disclosure rules of the projects under which the parts were released; the strictest, where TREs hold to different versions.
fn policy(dir: &Path, report: &Report) -> anyhow::Result<Policy> {
    let chain = statements::read(&dir.join(STATEMENTS))?;
    let network = report.network.ok_or_else(|| anyhow!("`{}` names no federation; fetch it again", dir.display()))?;
    let believed = believe(chain.iter().map(Vec::as_slice), network);
    let released: BTreeSet<_> = believed
        .statements
        .iter()
        .filter_map(|one| if let Statement::Release(release) = one { Some(release.payload().project) } else { None })
        .collect();
    let policies = believed.statements.iter().filter_map(|one| match one {
        Statement::Project(project) if released.contains(&project.id()) => Some(project.payload().disclosure),
        _ => None,
    });
    Ok(policies.reduce(stricter).unwrap_or_default())
}

/// What both policies ask for in an aggregate.
fn stricter(one: Policy, other: Policy) -> Policy {
    Policy {
        threshold: one.threshold.max(other.threshold),
        p_ratio_percent: one.p_ratio_percent.max(other.p_ratio_percent),
        minimum_interval: one.minimum_interval.max(other.minimum_interval),
        // Coarser counts agree with finer ones only within the coarser's rounding.
        rounding_base: one.rounding_base.max(other.rounding_base),
        ..one
    }
}

fn rows(table: &Table) -> String {
    if table.rows.len() == 1 { "1 row".to_owned() } else { format!("{} rows", table.rows.len()) }
}

fn show(outcome: &Outcome, name: &str, output: &Merged, speak: &Speak) {
    let heading: Vec<String> = output.table.columns.iter().map(|column| plain(&column.name)).collect();
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    let cell = |row: usize, column: usize, cell: &Cell| match output.partial.get(&(row, column)) {
        _ if outcome.is_blanked(name, row, column) => "(blank)".to_owned(),
        Some(missing) => format!("(without {})", named(output, missing).join(", ")),
        None => plain(&print(cell)),
    };
    let cells = output
        .table
        .rows
        .iter()
        .enumerate()
        .map(|(row, cells)| cells.iter().enumerate().map(|(column, found)| cell(row, column, found)).collect());
    speak.table(&heading, &cells.collect::<Vec<Vec<String>>>());
}

fn named<'a>(output: &'a Merged, places: &[usize]) -> Vec<&'a str> {
    places.iter().filter_map(|place| output.contributors.get(*place)).map(String::as_str).collect()
}

fn state(state: &State) -> String {
    match state {
        State::Contributed => "✓ contributed".to_owned(),
        State::Declined(reason) => format!("✗ declined: {}", plain(reason)),
        State::Missing => "… missing".to_owned(),
    }
}

fn told(outcome: &Outcome, name: &str, output: &Merged) -> Value {
    let rows: Vec<Vec<Value>> = output.table.rows.iter().map(|row| row.iter().map(value).collect()).collect();
    let places =
        (0..output.table.rows.len()).flat_map(|row| (0..output.table.columns.len()).map(move |column| (row, column)));
    let blanked: Vec<_> = places.filter(|(row, column)| outcome.is_blanked(name, *row, *column)).collect();
    let partial: Vec<Value> = output
        .partial
        .iter()
        .map(|((row, column), missing)| json!({ "row": row, "column": column, "missing": named(output, missing) }))
        .collect();
    json!({
        "columns": output.table.columns, "rows": rows, "contributors": output.contributors, "row_contributors": output.row_contributors,
        "blanked": blanked, "partial": partial, "histogram": histogram_of(&output.table),
    })
}

/// A cell in JSON: numbers as numbers where a double holds them, everything else as it is printed.
fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Boolean(value) => json!(value),
        Cell::Integer(value) => json!(value),
        Cell::Real(value) => json!(value),
        Cell::Decimal(_) | Cell::Text(_) | Cell::Date(_) | Cell::Timestamp(_) => json!(print(cell)),
    }
}

fn write(out: &Path, outcome: &Outcome, provisional: bool, parameters: &Parameters) -> anyhow::Result<Vec<PathBuf>> {
    let unwritable =
        |path: &Path| format!("cannot write `{}`; check that its folder is there and yours", path.display());
    let outputs = &outcome.shown.outputs;
    let one_file = out.extension().is_some_and(|extension| extension == "csv");
    if one_file && outputs.len() != 1 {
        bail!("there are {} outputs; name a folder with --out instead of a file", outputs.len());
    }
    if !one_file {
        private_directory(out).with_context(|| unwritable(out))?;
    }
    let mut files = Vec::new();
    if !one_file {
        let provisional = (provisional && !outcome.is_final()).then(|| derive(&outcome.whole.outputs, parameters));
        for (analysis, ending) in [(Some(&outcome.analysis), "csv"), (provisional.as_ref(), "provisional.csv")] {
            for derived in analysis.into_iter().flat_map(|analysis| &analysis.tables) {
                let path = out.join(format!("{}.{ending}", derived.name));
                write_durably(&path, write_csv(&derived.table).as_bytes()).with_context(|| unwritable(&path))?;
                files.push(path);
            }
        }
    }
    for (name, output) in outputs {
        let path = if one_file { out.to_owned() } else { out.join(format!("{name}.csv")) };
        let mut tables = vec![(path.clone(), &output.table)];
        if let Some(whole) = outcome.whole.outputs.get(name).filter(|_| provisional && !outcome.is_final()) {
            tables.push((path.with_extension("provisional.csv"), &whole.table));
        }
        for (path, table) in tables {
            write_durably(&path, write_csv(table).as_bytes()).with_context(|| unwritable(&path))?;
            files.push(path);
        }
    }
    Ok(files)
}

fn draw(path: &Path, title: &str, outcome: &Outcome) -> anyhow::Result<()> {
    let merged = &outcome.shown;
    let found =
        merged.outputs.iter().find_map(|(name, output)| Some((name, &output.table, histogram_of(&output.table)?)));
    let svg = match (found, derived::curves(&outcome.analysis)) {
        (Some((name, table, bins)), _) => {
            let key = table.columns.iter().find(|column| column.role == Role::Key);
            plot::svg(&format!("{title}: {name}"), key.map_or("", |column| column.name.as_str()), &bins)
        }
        (None, Some(curves)) => plot::curve::svg(title, "time", &curves),
        (None, None) => bail!(
            "none of the outputs is a histogram (one numeric column to group by, and a count) or a survival curve; leave out --svg"
        ),
    };
    write_durably(path, svg.as_bytes())
        .with_context(|| format!("cannot write `{}`; check that its folder is there and yours", path.display()))
}

/// The terminal's width, in characters.
fn width() -> usize {
    terminal_size::terminal_size().map_or(WIDTH, |(width, _)| usize::from(width.0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
