//! Figures, each beside a baseline that was measured in the same run on the same machine.

mod attack;
mod bare;
mod batches;
mod gossip;
mod handle;
mod hostile;
mod idle;
mod kill;
mod large;
mod overhead;
mod page;
mod review;
mod start;
mod transfer;
mod warm;

pub use attack::{AS_ATTACKER, live as live_attacker};
pub use bare::{AS_BARE, live as live_bare};

use crate::narrate::{Narrator, Voice};
use serde::Serialize;
use std::time::Duration;

/// An engine whose workers are this program, on whatever this kernel gives; nothing is kept on disk.
///
/// # Errors
/// When no worker starts.
pub(crate) async fn engine() -> anyhow::Result<sandbox::engine::Engine> {
    warm::engine(None).await
}

/// Which benchmark.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which one.
    name: Name,
    /// How many samples of each figure, at least 1.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    samples: u32,
    /// The size of `transfer`'s result, in MiB, at least 1.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=2048))]
    mib: u32,
    /// Print one JSON list.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum Name {
    /// From a submission to outputs held at three TREs.
    TaskOverhead,
    /// The memory of a node in which nothing happens.
    MemoryIdle,
    /// Starting a component that is compiled already.
    WarmStart,
    /// Compiling a component, loading it from disk, starting it.
    Start,
    /// Rows on their way to a component, and witnessed tables.
    Handle,
    /// The memory of node and worker while ten million rows go through a handle.
    Large,
    /// Ending a component that does not end.
    Kill,
    /// The check of a large output, the page that shows one, and the way from a decision to the result.
    Review,
    /// An honest member's wait at a hub that is attacked.
    Hostile,
    /// Announcements among 50 and 200 members behind three hubs and behind one.
    Gossip,
    /// A large result from node to node, beside a Noise stream and a raw TCP copy.
    Transfer,
    /// All of them.
    All,
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    /// The benchmark.
    pub(crate) bench: &'static str,
    /// What was measured.
    pub(crate) figure: &'static str,
    /// How much it is.
    pub(crate) value: f64,
    /// In which unit.
    pub(crate) unit: &'static str,
    /// What it is compared with, and how much that is.
    pub(crate) baseline: String,
    /// The value over the baseline's.
    pub(crate) ratio: f64,
    /// How many times it was measured.
    pub(crate) samples: usize,
}

/// What figures of one kind are compared with.
#[derive(Clone, Debug)]
pub(crate) struct Baseline {
    /// What was done.
    pub(crate) name: &'static str,
    /// How much it is, in the figures' unit.
    pub(crate) value: f64,
}

impl Figure {
    /// A figure beside its baseline.
    pub(crate) fn new(
        bench: &'static str,
        figure: &'static str,
        value: f64,
        unit: &'static str,
        baseline: &Baseline,
        samples: usize,
    ) -> Self {
        Self {
            bench,
            figure,
            value: digits(value),
            unit,
            baseline: format!("{}: {} {unit}", baseline.name, digits(baseline.value)),
            ratio: digits(value / baseline.value),
            samples,
        }
    }
}

/// To four significant digits: more would be noise.
fn digits(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10_f64.powf(3.0 - value.abs().log10().floor());
    (value * scale).round() / scale
}

/// Samples, sorted.
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    /// Sorts.
    pub(crate) fn new(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        Self(samples)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The sample below which this share of them lies (nearest rank); zero when there is none.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// The longest.
    pub(crate) fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

/// Measures and prints.
///
/// # Errors
/// When something could not be measured.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let narrator = Narrator::new(Voice::Stderr);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(async {
        tokio::select! {
            figures = measure(args, narrator) => figures,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        }
    })?;
    if args.json {
        anstream::println!("{}", serde_json::to_string(&figures)?);
    } else {
        table(&figures).iter().for_each(|line| anstream::println!("{line}"));
    }
    Ok(true)
}

async fn measure(args: &Args, narrator: Narrator) -> anyhow::Result<Vec<Figure>> {
    let wants = |name| args.name == name || args.name == Name::All;
    let mut figures = Vec::new();
    // first: what another benchmark has held would count as this one's
    if wants(Name::Large) {
        figures.extend(large::measure(narrator).await?);
    }
    if wants(Name::WarmStart) {
        figures.extend(warm::measure(args.samples.max(200), narrator).await?);
    }
    if wants(Name::Start) {
        figures.extend(start::measure(args.samples, narrator).await?);
    }
    if wants(Name::Handle) {
        figures.extend(handle::measure(args.samples, narrator).await?);
    }
    if wants(Name::Kill) {
        figures.extend(kill::measure(args.samples, narrator).await?);
    }
    if wants(Name::TaskOverhead) {
        figures.extend(overhead::measure(args.samples, narrator).await?);
    }
    if wants(Name::Review) {
        figures.extend(review::measure(args.samples, narrator).await?);
    }
    if wants(Name::Hostile) {
        figures.extend(hostile::measure(args.samples, narrator).await?);
    }
    if wants(Name::Gossip) {
        figures.extend(gossip::measure(narrator).await?);
    }
    if wants(Name::Transfer) {
        figures.extend(transfer::measure(args.mib, narrator).await?);
    }
    if wants(Name::MemoryIdle) {
        figures.extend(idle::measure(narrator).await?);
    }
    Ok(figures)
}

fn table(figures: &[Figure]) -> Vec<String> {
    let heading = ["bench", "figure", "value", "unit", "ratio", "samples", "baseline"].map(ToOwned::to_owned);
    let rows = figures.iter().map(|one| {
        let (value, ratio) = (one.value.to_string(), format!("{} ×", one.ratio));
        [
            one.bench.to_owned(),
            one.figure.to_owned(),
            value,
            one.unit.to_owned(),
            ratio,
            one.samples.to_string(),
            one.baseline.clone(),
        ]
    });
    let rows: Vec<[String; 7]> = std::iter::once(heading).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let line = |row: &[String; 7]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{Samples, digits};
    use std::time::Duration;

    #[test]
    fn percentiles_are_samples() {
        let samples = Samples::new((1..=10).rev().map(Duration::from_millis).collect());
        assert_eq!(samples.percentile(50), Duration::from_millis(5));
        assert_eq!(samples.percentile(99), Duration::from_millis(10));
        assert_eq!(Samples::new(Vec::new()).percentile(50), Duration::ZERO);
    }

    #[test]
    fn four_digits_are_kept() {
        assert_eq!([digits(123_456.0), digits(0.012_345_6), digits(0.0)], [123_500.0, 0.012_35, 0.0]);
    }
}
