//! Messages and raw buffers on the socket: without waiting for the node, which has other tasks; with waiting for the worker, which has none.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, IoSlice, Read, Write};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// How many bytes of a raw buffer are asked for at a time: a length that a worker only claims costs no more memory than this.
const PIECE: usize = 1024 * 1024;

/// Why a message was not understood.
#[derive(Debug, Error)]
pub(crate) enum FrameError {
    /// The other end is gone, or the socket failed.
    #[error("the other end of the socket is gone")]
    Gone(#[from] io::Error),
    /// It is longer than it may be.
    #[error("a message has {0} bytes, more than it may have")]
    TooLong(u64),
    /// It is no message of this place.
    #[error("a message is not of the type that belongs here")]
    Malformed,
}

/// Decodes one message; every byte of it belongs to it.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok(_) | Err(_) => Err(FrameError::Malformed),
    }
}

/// The length and the bytes of one message.
pub(crate) fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    let mut bytes = postcard::to_extend(message, vec![0; 4]).expect("our messages have a serialised form");
    let length = u32::try_from(bytes.len() - 4).expect("our messages are shorter than 4 GiB");
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes
}

fn length(prefix: [u8; 4], most: usize) -> Result<usize, FrameError> {
    let length = u32::from_le_bytes(prefix);
    usize::try_from(length).ok().filter(|length| *length <= most).ok_or(FrameError::TooLong(length.into()))
}

/// Reads one message of at most `most` bytes.
pub(crate) async fn read<T: DeserializeOwned>(
    socket: &mut (impl AsyncRead + Unpin),
    most: usize,
) -> Result<T, FrameError> {
    let mut prefix = [0; 4];
    socket.read_exact(&mut prefix).await?;
    let mut bytes = vec![0; length(prefix, most)?];
    socket.read_exact(&mut bytes).await?;
    decode(&bytes)
}

/// Reads a raw buffer whose length a worker gave, at most `most` bytes.
pub(crate) async fn read_raw(
    socket: &mut (impl AsyncRead + Unpin),
    length: u64,
    most: usize,
) -> Result<Vec<u8>, FrameError> {
    let length = usize::try_from(length).ok().filter(|length| *length <= most).ok_or(FrameError::TooLong(length))?;
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let from = bytes.len();
        bytes.resize(from + PIECE.min(length - from), 0);
        socket.read_exact(&mut bytes[from..]).await?;
    }
    Ok(bytes)
}

/// Writes a message and the raw buffers that belong to it, without copying them.
pub(crate) async fn write<T: Serialize>(
    socket: &mut (impl AsyncWrite + Unpin),
    message: &T,
    raw: &[&[u8]],
) -> io::Result<()> {
    let message = encode(message);
    if raw.is_empty() {
        return socket.write_all(&message).await;
    }
    let mut parts: Vec<IoSlice<'_>> =
        std::iter::once(message.as_slice()).chain(raw.iter().copied()).map(IoSlice::new).collect();
    let mut left = parts.as_mut_slice();
    // Advancing by nothing takes empty parts away.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        let written = socket.write_vectored(left).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut left, written);
    }
    Ok(())
}

/// Reads one message of at most `most` bytes, and waits for it.
pub(crate) fn receive<T: DeserializeOwned>(socket: &mut impl Read, most: usize) -> Result<T, FrameError> {
    let mut prefix = [0; 4];
    socket.read_exact(&mut prefix)?;
    let mut bytes = vec![0; length(prefix, most)?];
    socket.read_exact(&mut bytes)?;
    decode(&bytes)
}

/// Reads a raw buffer, and waits for it.
pub(crate) fn receive_raw(socket: &mut impl Read, length: u64) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| FrameError::TooLong(length))?];
    socket.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Writes a message and a raw buffer that belongs to it, and waits until the socket has both.
pub(crate) fn send<T: Serialize>(socket: &mut impl Write, message: &T, raw: &[u8]) -> io::Result<()> {
    socket.write_all(&encode(message))?;
    socket.write_all(raw)
}
