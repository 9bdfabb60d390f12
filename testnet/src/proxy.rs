//! A line between two nodes that can be cut, held up and mended, and keeps a copy of what passes where a test asks for it.
//!
//! TCP mends loss, doubling and order by itself or ends the connection; what is left to try between real nodes is a line that is cut, stalls or is
//! slow. Messages that are lost, doubled and out of order are the simulator's part.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes on their way at once in each direction of a connection.
const BUFFER: usize = 64 * 1024;

/// How the line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Line {
    /// Everything passes.
    #[default]
    Whole,
    /// Everything passes, each piece so much later.
    Slow(Duration),
    /// Connections stand, and nothing passes.
    Stalled,
    /// Connections end at once.
    Cut,
}

/// A running line. It ends when it is dropped.
pub struct Proxy {
    /// Where to dial instead of the target.
    pub address: SocketAddr,
    line: watch::Sender<Line>,
    passed: Arc<Passed>,
    task: JoinHandle<()>,
}

/// What has passed, both ways together.
#[derive(Default)]
struct Passed {
    bytes: AtomicU64,
    /// Each direction of each connection for itself, so that nothing stands between the pieces of one.
    copies: Option<Mutex<Vec<Vec<u8>>>>,
}

impl Passed {
    fn note(&self, copy: &mut Option<usize>, piece: &[u8]) {
        self.bytes.fetch_add(u64::try_from(piece.len()).unwrap_or(0), Ordering::Relaxed);
        let Some(copies) = &self.copies else { return };
        let mut copies = copies.lock().unwrap_or_else(PoisonError::into_inner);
        let place = *copy.get_or_insert(copies.len());
        if place == copies.len() {
            copies.push(Vec::new());
        }
        copies[place].extend(piece);
    }
}

impl Proxy {
    /// A whole line to `target`.
    ///
    /// # Errors
    /// When the system gives no port.
    pub async fn to(target: SocketAddr) -> std::io::Result<Self> {
        Self::between(target, Passed::default()).await
    }

    /// As [`Proxy::to`], and keeps a copy of all that passes.
    ///
    /// # Errors
    /// When the system gives no port.
    pub async fn recording(target: SocketAddr) -> std::io::Result<Self> {
        Self::between(target, Passed { copies: Some(Mutex::default()), ..Passed::default() }).await
    }

    async fn between(target: SocketAddr, passed: Passed) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (line, state) = watch::channel(Line::Whole);
        let passed = Arc::new(passed);
        let counted = passed.clone();
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, target, state.clone(), counted.clone()));
            }
        });
        Ok(Self { address, line, passed, task })
    }

    /// How many bytes have passed, both ways together.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed.bytes.load(Ordering::Relaxed)
    }

    /// What has passed, each direction of each connection for itself; nothing where no copy is kept.
    #[must_use]
    pub fn recorded(&self) -> Vec<Vec<u8>> {
        let copies = self.passed.copies.as_ref();
        copies.map_or_else(Vec::new, |copies| copies.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Changes how the line is, also for the connections that stand.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.line.send_replace(Line::Cut);
    }
}

async fn carry(near: TcpStream, target: SocketAddr, mut state: watch::Receiver<Line>, passed: Arc<Passed>) {
    if *state.borrow() == Line::Cut {
        return;
    }
    let Ok(far) = TcpStream::connect(target).await else { return };
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    let (there, back) = (state.clone(), state.clone());
    let cut = async {
        // An error means that the line is gone.
        state.wait_for(|line| *line == Line::Cut).await.ok();
    };
    tokio::select! {
        () = cut => {}
        () = pass(from_near, to_far, there, &passed) => {}
        () = pass(from_far, to_near, back, &passed) => {}
    }
}

/// One direction, until its end.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<Line>, passed: &Passed) {
    let mut buffer = vec![0; BUFFER];
    let mut copy = None;
    loop {
        let Ok(length) = from.read(&mut buffer).await else { return };
        if length == 0 {
            return;
        }
        let line = *state.borrow_and_update();
        match line {
            Line::Whole => {}
            Line::Slow(by) => tokio::time::sleep(by).await,
            Line::Stalled | Line::Cut => {
                if state.wait_for(|line| !matches!(line, Line::Stalled | Line::Cut)).await.is_err() {
                    return;
                }
            }
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
        passed.note(&mut copy, &buffer[..length]);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_passes_stalls_goes_on_and_is_cut() {
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::recording(echo.local_addr().unwrap()).await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = echo.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await.ok();
                });
            }
        });
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        let mut answer = [0; 4];
        stream.write_all(b"once").await.unwrap();
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"once");
        proxy.set(Line::Stalled);
        stream.write_all(b"held").await.unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(200), stream.read_exact(&mut answer)).await;
        assert!(waited.is_err(), "nothing passes");
        proxy.set(Line::Slow(Duration::from_millis(1)));
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"held");
        assert_eq!(proxy.recorded(), [b"onceheld", b"onceheld"]);
        proxy.set(Line::Cut);
        assert!(matches!(stream.read(&mut answer).await, Ok(0) | Err(_)));
    }
}
