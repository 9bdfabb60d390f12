//! `large`: what the node and its worker hold together while ten million rows of a file go through a handle.

use super::handle::{columns_component, task, timed};
use super::warm::{component, engine};
use super::{Baseline, Figure};
use crate::cluster::peak_rss_mb;
use crate::narrate::Narrator;
use anyhow::Context as _;
use sandbox::database::Database as _;
use sandbox::database::datafusion::{DataFusionDatabase, Options};
use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The rows of the file.
const ROWS: u64 = 10_000_000;

/// How often memory is looked at: a worker's peak is gone when the worker is.
const LOOK: Duration = Duration::from_millis(5);

/// The figure. The first of a process: what an earlier one has held would count as this one's.
pub(super) async fn measure(narrator: Narrator) -> anyhow::Result<Vec<Figure>> {
    let bar = narrator.progress("ten million rows", None);
    let folder = tempfile::tempdir()?;
    let total = write(&folder.path().join("rows.csv")).context("the file of ten million rows cannot be written")?;
    let engine = engine(None).await?;
    let reading = engine.compile(&columns_component(ROWS, total, 8_192)?).await?;
    let idle = engine.compile(&component("i32.const 0")?).await?;
    let (ended, idle) = watched(timed(&engine, task(&idle, [], &[], &[]))).await;
    ended?;
    let options = Options {
        directory: folder.path().to_owned(),
        tables: vec!["rows".to_owned()],
        subject: None,
        ..Options::default()
    };
    let read = async {
        let database = tokio::task::spawn_blocking(|| DataFusionDatabase::open(options)).await??;
        let session = database.begin(Duration::from_secs(3_600)).await?;
        timed(&engine, task(&reading, [("memory".to_owned(), Arc::clone(&session))], &[], &[])).await
    };
    let (ended, peak) = watched(read).await;
    ended?;
    bar.finish_and_clear();
    let baseline = Baseline { name: "a component that reads nothing", value: idle };
    Ok(vec![Figure::new("large", "rows_10m_peak", peak, "MiB of node and worker", &baseline, 1)])
}

/// Writes the file; the sum of its column `y`.
fn write(path: &Path) -> std::io::Result<i64> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    let mut total = 0;
    writeln!(file, "g,x,y")?;
    for row in 0..ROWS {
        let y = row % 1_000;
        writeln!(file, "{},{}.5,{y}", row * 7 % 20, row % 997)?;
        total += i64::try_from(y).unwrap_or_default();
    }
    file.flush()?;
    Ok(total)
}

/// Does `work`; the most memory that this process and one of its workers held meanwhile, in MiB.
async fn watched<T>(work: impl Future<Output = T>) -> (T, f64) {
    // proc_pid_clear_refs(5): the peak of this process begins anew; where the system does not do it, an earlier peak counts too
    let _ = fs::write("/proc/self/clear_refs", "5");
    let done = Arc::new(AtomicBool::new(false));
    let looking = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let mut workers = 0.0_f64;
            while !done.load(Ordering::Relaxed) {
                workers = children().into_iter().filter_map(peak_rss_mb).fold(workers, f64::max);
                std::thread::sleep(LOOK);
            }
            workers
        }
    });
    let result = work.await;
    done.store(true, Ordering::Relaxed);
    let worker = looking.join().unwrap_or_default();
    (result, worker + peak_rss_mb(std::process::id()).unwrap_or_default())
}

/// The processes that this one started.
fn children() -> Vec<u32> {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let of = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).ok();
    let lists: Vec<String> = threads.filter_map(|thread| of(thread.ok()?)).collect();
    lists.iter().flat_map(|list| list.split_whitespace()).filter_map(|process| process.parse().ok()).collect()
}
