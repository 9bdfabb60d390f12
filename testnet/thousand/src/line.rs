//! A line between two members: what is written at one end is there at the other after a while, in order.

use clock::{Delay, Instant};
use futures::io::{AsyncRead, AsyncWrite};
use libp2p::core::transport::memory::Channel;
use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// What is taken off the channel at once, in bytes.
const PIECE: usize = 16 * 1024;

/// One end of a line.
pub(crate) struct Line {
    channel: Channel<Vec<u8>>,
    delay: Duration,
    /// What is on its way, by when it is there.
    arriving: VecDeque<(Instant, Vec<u8>)>,
    /// How much of the first of them was read.
    read: usize,
    waiting: Option<Delay>,
    closed: bool,
    sent: Arc<AtomicU64>,
}

impl Line {
    /// What comes here takes `delay`; what is written here is counted in `sent`, in bytes.
    pub(crate) fn new(channel: Channel<Vec<u8>>, delay: Duration, sent: Arc<AtomicU64>) -> Self {
        Self { channel, delay, arriving: VecDeque::new(), read: 0, waiting: None, closed: false, sent }
    }

    /// Stamps what has been written at the other end. The clock stands still meanwhile, so that no stamp is late.
    fn take_in(&mut self, context: &mut Context<'_>) {
        while !self.closed {
            let mut piece = vec![0; PIECE];
            match Pin::new(&mut self.channel).poll_read(context, &mut piece) {
                Poll::Ready(Ok(length)) if length > 0 => {
                    piece.truncate(length);
                    self.arriving.push_back((Instant::now() + self.delay, piece));
                }
                Poll::Ready(_) => self.closed = true,
                Poll::Pending => return,
            }
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        self.take_in(context);
        loop {
            let read = self.read;
            let Some((at, piece)) = self.arriving.front() else {
                return if self.closed { Poll::Ready(Ok(0)) } else { Poll::Pending };
            };
            if *at <= Instant::now() {
                let rest = &piece[read..];
                let length = rest.len().min(bytes.len());
                bytes[..length].copy_from_slice(&rest[..length]);
                if length == rest.len() {
                    self.arriving.pop_front();
                    self.read = 0;
                } else {
                    self.read += length;
                }
                self.waiting = None;
                return Poll::Ready(Ok(length));
            }
            let left = at.duration_since(Instant::now());
            let waiting = self.waiting.get_or_insert_with(|| Delay::new(left));
            match Pin::new(waiting).poll(context) {
                Poll::Ready(()) => self.waiting = None,
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.channel).poll_write(context, bytes);
        if let Poll::Ready(Ok(length)) = written {
            self.sent.fetch_add(u64::try_from(length).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.channel).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.channel).poll_close(context)
    }
}
