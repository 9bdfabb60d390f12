//! `quintes aggregate`: the parts of all TREs as one result, with who contributed, who declined and who is missing.

use crate::cli::speak::{Speak, plain};
use crate::cli::verify;
use crate::plot;
use crate::store::{private_directory, write_durably};
use anyhow::{Context as _, anyhow, bail};
use protocol::aggregate::{Aggregate, Answer, Merged, State, aggregate, histogram_of};
use protocol::disclosure::canonical::{print, write_csv};
use protocol::disclosure::table::{Cell, Role, Table};
use protocol::record::submission::TaskId;
use protocol::wire::id::NetworkId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The width of a plot where no terminal says one, in characters.
const WIDTH: usize = 80;

/// What to merge.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Counts and sums add, means, variances and correlations merge exactly, tables of a component's own making stand under each other with their TRE.

Example:
  quintes aggregate stroke --plot --out merged")]
pub(crate) struct Args {
    /// The folder that `quintes fetch` wrote; several when one task was fetched in parts.
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Write the merged tables: a file (*.csv) for one output, a folder for several.
    #[arg(long, value_name = "FILE.csv|DIR")]
    out: Option<PathBuf>,
    /// Draw histograms in the terminal.
    #[arg(long)]
    plot: bool,
    /// Draw a histogram into an SVG file.
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// The federation's id.
    #[arg(long, env = "QUINTES_NETWORK", value_name = "ID")]
    network: Option<NetworkId>,
}

/// A task out of one or more folders that hold.
struct Gathered {
    task: TaskId,
    title: String,
    answers: BTreeMap<String, Answer>,
    notes: Vec<Value>,
}

/// Merges.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let gathered = gather(args)?;
    let merged = aggregate(gathered.answers).context("the parts cannot be merged")?;
    let mut plotted = false;
    for (name, output) in &merged.outputs {
        speak.line(&format!("{name}: {} from {}", rows(&output.table), output.contributors.join(", ")));
        show(&output.table, speak);
        if let Some(bins) = histogram_of(&output.table).filter(|_| args.plot) {
            plot::bars(&bins, width()).iter().for_each(|line| speak.line(line));
            plotted = true;
        }
        speak.line("");
    }
    if args.plot && !plotted {
        speak.warn("none of the outputs is a histogram: one numeric column to group by, and a count");
    }
    let states = merged.contributions.iter().map(|one| vec![one.tre.clone(), state(&one.state)]);
    speak.table(&["TRE", "share"], &states.collect::<Vec<_>>());
    let mut files = Vec::new();
    if let Some(out) = &args.out {
        files = write(out, &merged)?;
    }
    if let Some(svg) = &args.svg {
        draw(svg, &gathered.title, &merged)?;
        files.push(svg.clone());
    }
    for file in &files {
        speak.say(&format!("  → {}", file.display()));
    }
    let outputs: BTreeMap<&String, Value> = merged.outputs.iter().map(|(name, output)| (name, told(output))).collect();
    speak.answer(json!({
        "task": gathered.task, "outputs": outputs, "contributions": merged.contributions, "notes": gathered.notes,
        "files": files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
    }));
    if merged.outputs.is_empty() {
        bail!("no TRE released anything that could be merged; `quintes status` says why");
    }
    Ok(())
}

/// Every folder must hold, and be of the same task; a part that is in one of them is in.
fn gather(args: &Args) -> anyhow::Result<Gathered> {
    let mut gathered: Option<Gathered> = None;
    for dir in &args.dirs {
        let mut report = verify::sound(dir, args.network)?;
        let answers = report.answers();
        if !report.ok() {
            bail!("`{}` holds a table that cannot be read back; fetch it again", dir.display());
        }
        let submission =
            report.submission.as_ref().ok_or_else(|| anyhow!("`{}` names no task; fetch it again", dir.display()))?;
        let Some(so_far) = &mut gathered else {
            let (task, title) = (submission.id(), submission.payload().title.clone());
            gathered = Some(Gathered { task, title, answers, notes: verify::notes(&report) });
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
        for (tre, answer) in answers {
            let held = so_far.answers.entry(tre).or_insert(Answer::Missing);
            if *held == Answer::Missing {
                *held = answer;
            }
        }
    }
    gathered.ok_or_else(|| anyhow!("no folder was named; name what `quintes fetch` wrote"))
}

fn rows(table: &Table) -> String {
    if table.rows.len() == 1 { "1 row".to_owned() } else { format!("{} rows", table.rows.len()) }
}

fn show(table: &Table, speak: &Speak) {
    let heading: Vec<String> = table.columns.iter().map(|column| plain(&column.name)).collect();
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    let cells = table.rows.iter().map(|row| row.iter().map(|cell| plain(&print(cell))).collect());
    speak.table(&heading, &cells.collect::<Vec<Vec<String>>>());
}

fn state(state: &State) -> String {
    match state {
        State::Contributed => "✓ contributed".to_owned(),
        State::Declined(reason) => format!("✗ declined: {}", plain(reason)),
        State::Missing => "… missing".to_owned(),
    }
}

fn told(output: &Merged) -> Value {
    let rows: Vec<Vec<Value>> = output.table.rows.iter().map(|row| row.iter().map(value).collect()).collect();
    json!({
        "columns": output.table.columns, "rows": rows, "contributors": output.contributors, "row_contributors": output.row_contributors,
        "histogram": histogram_of(&output.table),
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

fn write(out: &Path, merged: &Aggregate) -> anyhow::Result<Vec<PathBuf>> {
    let unwritable =
        |path: &Path| format!("cannot write `{}`; check that its folder is there and yours", path.display());
    let one_file = out.extension().is_some_and(|extension| extension == "csv");
    let mut outputs = merged.outputs.iter();
    if one_file {
        let (Some((_, output)), None) = (outputs.next(), outputs.next()) else {
            bail!("there are {} outputs; name a folder with --out instead of a file", merged.outputs.len());
        };
        write_durably(out, write_csv(&output.table).as_bytes()).with_context(|| unwritable(out))?;
        return Ok(vec![out.to_owned()]);
    }
    private_directory(out).with_context(|| unwritable(out))?;
    let mut files = Vec::new();
    for (name, output) in outputs {
        let path = out.join(format!("{name}.csv"));
        write_durably(&path, write_csv(&output.table).as_bytes()).with_context(|| unwritable(&path))?;
        files.push(path);
    }
    Ok(files)
}

fn draw(path: &Path, title: &str, merged: &Aggregate) -> anyhow::Result<()> {
    let found =
        merged.outputs.iter().find_map(|(name, output)| Some((name, &output.table, histogram_of(&output.table)?)));
    let Some((name, table, bins)) = found else {
        bail!("none of the outputs is a histogram (one numeric column to group by, and a count); leave out --svg");
    };
    let key = table.columns.iter().find(|column| column.role == Role::Key).map_or("", |column| column.name.as_str());
    let svg = plot::svg(&format!("{title}: {name}"), key, &bins);
    write_durably(path, svg.as_bytes())
        .with_context(|| format!("cannot write `{}`; check that its folder is there and yours", path.display()))
}

/// The terminal's width, in characters.
fn width() -> usize {
    terminal_size::terminal_size().map_or(WIDTH, |(width, _)| usize::from(width.0))
}
