//! A thread that hears what the node answers, so that the next batch is already here while the component still computes on the last one.

use crate::channel::frame::{FrameError, receive, receive_raw};
use crate::channel::{Answer, columns};
use crate::value::Batch;
use std::fs::File;
use std::io::{self, BufReader};
use std::sync::mpsc::{Receiver, sync_channel};

/// How many answers wait beside the one that is being heard: a batch has up to 8 MiB.
const WAITING: usize = 1;

/// An answer, with what travelled behind it.
pub(super) enum Heard {
    /// The message was all.
    Answer(Answer),
    /// Rows as columns.
    Batch(Batch),
    /// Rows as Arrow IPC.
    Arrow(Vec<u8>),
}

/// The end of the socket at which the node is heard.
pub(super) struct Ear(Receiver<Result<Heard, FrameError>>);

impl Ear {
    /// Starts the thread.
    pub(super) fn open(mut socket: BufReader<File>) -> io::Result<Self> {
        let (tell, told) = sync_channel(WAITING);
        let listen = move || {
            loop {
                let heard = hear(&mut socket);
                let last = heard.is_err();
                if tell.send(heard).is_err() || last {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("ear".into()).stack_size(256 * 1024).spawn(listen)?;
        Ok(Self(told))
    }

    /// The next answer.
    pub(super) fn next(&self) -> Result<Heard, FrameError> {
        self.0.recv().unwrap_or_else(|_| Err(FrameError::Gone(io::ErrorKind::UnexpectedEof.into())))
    }
}

fn hear(socket: &mut BufReader<File>) -> Result<Heard, FrameError> {
    match receive(socket, usize::MAX)? {
        Answer::Batch(Ok(Some(shape))) => Ok(Heard::Batch(columns::receive(socket, &shape)?)),
        Answer::Arrow(Ok(Some(length))) => Ok(Heard::Arrow(receive_raw(socket, length)?)),
        answer => Ok(Heard::Answer(answer)),
    }
}
