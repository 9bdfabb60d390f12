//! A line between two nodes that can be cut, held up and mended: it carries TCP and reads nothing.
//!
//! TCP mends loss, doubling and order by itself or ends the connection; what is left to try between real nodes is a line that is cut, stalls or is
//! slow. Messages that are lost, doubled and out of order are the simulator's part.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
    passed: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A whole line to `target`.
    ///
    /// # Errors
    /// When the system gives no port.
    pub async fn to(target: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (line, state) = watch::channel(Line::Whole);
        let passed = Arc::new(AtomicU64::new(0));
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
        self.passed.load(Ordering::Relaxed)
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

async fn carry(near: TcpStream, target: SocketAddr, mut state: watch::Receiver<Line>, passed: Arc<AtomicU64>) {
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
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<Line>, passed: &AtomicU64) {
    let mut buffer = vec![0; BUFFER];
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
        passed.fetch_add(u64::try_from(length).unwrap_or(0), Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_passes_stalls_goes_on_and_is_cut() {
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::to(echo.local_addr().unwrap()).await.unwrap();
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
        proxy.set(Line::Cut);
        assert!(matches!(stream.read(&mut answer).await, Ok(0) | Err(_)));
    }
}
