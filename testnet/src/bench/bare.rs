//! What the parts cost alone: a durable commit, a round trip, and a process that holds a database and a runtime and does nothing.

use super::Samples;
use anyhow::Context as _;
use redb::{Database, TableDefinition};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// The hidden word by which this program is the bare process of `memory_idle`.
pub const AS_BARE: &str = "bare";

/// What a journal's record or a small message has, in bytes.
const KIB: usize = 1024;

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");

/// One durable commit of 1 KiB, as often as asked.
///
/// # Errors
/// When the disk fails.
pub(super) fn commits(folder: &Path, samples: u32) -> anyhow::Result<Samples> {
    let database = Database::create(folder.join("bare.redb"))?;
    let mut took = Vec::new();
    for number in 0..u64::from(samples) {
        let began = Instant::now();
        let mut write = database.begin_write()?;
        write.set_two_phase_commit(true);
        write.open_table(TABLE)?.insert(number, [7; KIB].as_slice())?;
        write.commit()?;
        took.push(began.elapsed());
    }
    Ok(Samples::new(took))
}

/// 1 KiB to the loopback interface and back, as often as asked.
///
/// # Errors
/// When the network fails.
pub(super) fn round_trips(samples: u32) -> anyhow::Result<Samples> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let echo = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut bytes = [0; KIB];
        while stream.read_exact(&mut bytes).is_ok() {
            stream.write_all(&bytes)?;
        }
        Ok(())
    });
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut took = Vec::new();
    let mut bytes = [7; KIB];
    for _ in 0..samples {
        let began = Instant::now();
        stream.write_all(&bytes)?;
        stream.read_exact(&mut bytes)?;
        took.push(began.elapsed());
    }
    drop(stream);
    echo.join().map_err(|_| anyhow::anyhow!("the echo ended early"))??;
    Ok(Samples::new(took))
}

/// Lives as the bare process: a runtime, an open database, one commit; then nothing until it is killed.
///
/// # Errors
/// When the disk fails.
pub fn live(folder: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    commits(folder, 1).context("the bare process has no database")?;
    let database = Database::open(folder.join("bare.redb"))?;
    runtime.block_on(async { tokio::time::sleep(Duration::from_secs(3_600)).await });
    drop(database);
    Ok(())
}
