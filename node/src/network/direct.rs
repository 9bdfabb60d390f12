//! The codec of `/quintes/direct/1` (`WIRE.md`, section "Direct streams"): one CBOR item each way, bounded before it is decoded.

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p::StreamProtocol;
use libp2p::request_response::{self, ProtocolSupport};
use protocol::wire::message::{Request, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::time::Duration;

/// The protocol's name; another version has another name, so that an older one is never spoken by accident.
const NAME: StreamProtocol = StreamProtocol::new("/quintes/direct/1");

/// The largest question, in bytes: a part of [`protocol::wire::message::PART_BYTES`] and what surrounds it.
pub const QUESTION_BYTES: usize = 1_153_433;

/// The largest answer, in bytes. Who answers with many statements stops before this.
pub const ANSWER_BYTES: usize = 2 * 1024 * 1024;

/// How long a question and its answer may take together.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Direct streams of one connection at once, both directions together; each may hold one message in memory.
const STREAMS: usize = 32;

/// Questions on their way to one peer at once; the rest wait. Leaves the peer's own questions as much room.
pub(super) const IN_FLIGHT: usize = 8;

/// The protocol as libp2p runs it.
pub(super) type Direct = request_response::Behaviour<DirectCodec>;

/// Questions and answers over one stream each.
pub(super) fn behaviour(support: ProtocolSupport) -> Direct {
    let settings =
        request_response::Config::default().with_request_timeout(TIMEOUT).with_max_concurrent_streams(STREAMS);
    request_response::Behaviour::with_codec(DirectCodec, [(NAME, support)], settings)
}

/// Reads and writes the messages; it has no state.
#[derive(Clone, Copy, Debug)]
pub(super) struct DirectCodec;

impl request_response::Codec for DirectCodec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, QUESTION_BYTES).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, ANSWER_BYTES).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Request) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &request, QUESTION_BYTES).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Response) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &response, ANSWER_BYTES).await
    }
}

/// One message from a stream that ends with it: `UnexpectedEof` for none at all, `FileTooLarge` beyond `limit` bytes,
/// `InvalidData` for anything that is not exactly one message.
async fn read<T, M>(io: &mut T, limit: usize) -> io::Result<M>
where
    T: AsyncRead + Unpin + Send,
    M: DeserializeOwned,
{
    let mut bytes = Vec::new();
    // One more than may be, so that too much is told from just enough.
    let enough = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    match io.take(enough).read_to_end(&mut bytes).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        length if length > limit => Err(io::ErrorKind::FileTooLarge.into()),
        _ => decode(&bytes),
    }
}

/// Exactly one message. The decoder's own words are dropped: they may quote what was sent.
fn decode<M: DeserializeOwned>(bytes: &[u8]) -> io::Result<M> {
    let mut rest = bytes;
    let message = ciborium::from_reader(&mut rest).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    if rest.is_empty() { Ok(message) } else { Err(io::ErrorKind::InvalidData.into()) }
}

async fn write<T, M>(io: &mut T, message: &M, limit: usize) -> io::Result<()>
where
    T: AsyncWrite + Unpin + Send,
    M: Serialize,
{
    let mut bytes = Vec::new();
    ciborium::into_writer(message, &mut bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    if bytes.len() > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    io.write_all(&bytes).await
}

/// How many bytes `message` takes on the wire.
pub(super) fn size<M: Serialize>(message: &M) -> usize {
    let mut counter = Counter(0);
    ciborium::into_writer(message, &mut counter).expect("counting cannot fail");
    counter.0
}

/// Counts what is written and keeps nothing.
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use protocol::wire::id::{Digest, StatementId};
    use protocol::wire::message::{IDS_PER_MESSAGE, PART_BYTES};

    fn bytes_of<M: Serialize>(message: &M) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(message, &mut bytes).unwrap();
        bytes
    }

    fn kind<M: DeserializeOwned + std::fmt::Debug>(bytes: &[u8], limit: usize) -> io::ErrorKind {
        let mut stream = bytes;
        block_on(read::<_, M>(&mut stream, limit)).unwrap_err().kind()
    }

    #[test]
    fn the_largest_part_and_the_longest_inventory_fit() {
        let store =
            Request::Store { digest: Digest([1; 32]), offset: u64::MAX, total: u64::MAX, part: vec![0xff; PART_BYTES] };
        assert!(size(&store) <= QUESTION_BYTES);
        let part = Response::Part { total: u64::MAX, part: vec![0xff; PART_BYTES] };
        assert!(size(&part) <= ANSWER_BYTES);
        let ids = Response::Inventory { ids: vec![StatementId([9; 32]); IDS_PER_MESSAGE], more: true };
        assert!(size(&ids) <= ANSWER_BYTES);
        assert_eq!(size(&ids), bytes_of(&ids).len());
        let bytes = bytes_of(&store);
        let again: Request = block_on(read(&mut bytes.as_slice(), QUESTION_BYTES)).unwrap();
        assert_eq!(again, store);
    }

    #[test]
    fn what_is_not_one_whole_message_is_an_error_and_never_a_panic() {
        let request = Request::Inventory { after: Some(StatementId([3; 32])), kinds: Vec::new() };
        let bytes = bytes_of(&request);
        assert_eq!(kind::<Request>(&[], 100), io::ErrorKind::UnexpectedEof);
        // a truncated message looks like a clean end of the stream
        for end in 1..bytes.len() {
            assert_eq!(kind::<Request>(&bytes[..end], 100), io::ErrorKind::InvalidData);
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(kind::<Request>(&longer, 100), io::ErrorKind::InvalidData);
        assert_eq!(kind::<Request>(&bytes, bytes.len() - 1), io::ErrorKind::FileTooLarge);
        assert_eq!(kind::<Request>(&vec![0x81; 100_000], 200_000), io::ErrorKind::InvalidData);
        // a byte string that claims 2^62 bytes
        let claim = [0x5b, 0x40, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(kind::<Response>(&claim, 100), io::ErrorKind::InvalidData);
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut forged = bytes.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = usize::try_from(state >> 33).unwrap() % forged.len();
                forged[at] = state.to_be_bytes()[0];
            }
            let _: io::Result<Request> = decode(&forged);
            let _: io::Result<Response> = decode(&forged);
        }
    }

    #[test]
    fn a_message_over_the_limit_is_not_written() {
        let request = Request::Offer { statement: vec![0; 2 * QUESTION_BYTES] };
        let mut out = Vec::new();
        let refused = block_on(write(&mut out, &request, QUESTION_BYTES)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        assert!(out.is_empty());
    }
}
