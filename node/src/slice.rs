//! Slices of released files: a stretch of bytes with the hashes that prove where it belongs (the Bao encoding of BLAKE3's tree, in groups of 16 KiB).

use bao_tree::blake3::Hash;
use bao_tree::io::outboard::PreOrderOutboard;
use bao_tree::io::sync::{DecodeResponseIter, encode_ranges_validated, outboard};
use bao_tree::io::{BaoContentItem, EncodeError};
use bao_tree::{BaoTree, BlockSize, ChunkNum, ChunkRanges};
use protocol::record::release::Sealed;
use protocol::wire::id::Digest;
use protocol::wire::message::SLICE_BYTES;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use thiserror::Error;

/// Hashes are kept for groups of 16 KiB: 4 MiB for a gibibyte.
const GROUP: BlockSize = BlockSize::from_chunk_log(4);

/// Slices begin at multiples of this.
pub const ALIGNED: u64 = 16 * CHUNK;

/// The size of BLAKE3's chunks, in bytes.
const CHUNK: u64 = 1024;

/// The largest file that is sent, in bytes: a terabyte.
pub const LARGEST: u64 = 1 << 40;

/// Why bytes were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the bytes are not those that were released")]
pub struct OtherBytes;

/// The bytes of the slice that begins at `offset`; none when no slice begins there.
#[must_use]
pub fn range(file: &Sealed, offset: u64) -> Option<Range<u64>> {
    let begins = file.bytes <= LARGEST && offset < file.bytes && offset.is_multiple_of(ALIGNED);
    begins.then(|| offset..offset.saturating_add(SLICE_BYTES).min(file.bytes))
}

fn shape(file: &Sealed) -> BaoTree {
    BaoTree::new(file.bytes, GROUP)
}

fn chunks(range: &Range<u64>) -> ChunkRanges {
    ChunkRanges::from(ChunkNum(range.start / CHUNK)..ChunkNum(range.end.div_ceil(CHUNK)))
}

/// The root of a file of so many bytes; the hashes between it and the file go into `hashes`, which is empty.
///
/// # Errors
/// When one of the two cannot be read or written, or the file is shorter.
pub fn hash(data: impl Read, bytes: u64, hashes: &mut Vec<u8>) -> io::Result<Digest> {
    let tree = BaoTree::new(bytes, GROUP);
    let room = usize::try_from(tree.outboard_size()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    hashes.resize(room, 0);
    let mut between = PreOrderOutboard { root: Hash::from([0; 32]), tree, data: hashes.as_mut_slice() };
    Ok(Digest(*outboard(data, tree, &mut between)?.as_bytes()))
}

/// The slice that begins at `offset`, out of a file and its hashes; none when no slice begins there.
///
/// # Errors
/// When the disk fails, or has changed one of the two ([`io::ErrorKind::InvalidData`]).
pub fn encode(data: &File, hashes: &File, file: &Sealed, offset: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(range) = range(file, offset) else { return Ok(None) };
    let between = PreOrderOutboard { root: Hash::from(file.root.0), tree: shape(file), data: hashes };
    let mut slice = Vec::with_capacity(usize::try_from(range.end - range.start).unwrap_or(0));
    encode_ranges_validated(data, &between, &chunks(&range), &mut slice).map_err(|error| match error {
        // What ends too early was changed too.
        EncodeError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => error,
        _ => io::ErrorKind::InvalidData.into(),
    })?;
    Ok(Some(slice))
}

/// The bytes of the slice that begins at `offset`, each of them proven to be the file's.
///
/// # Errors
/// [`OtherBytes`].
pub fn decode(file: &Sealed, offset: u64, slice: &[u8]) -> Result<Vec<u8>, OtherBytes> {
    let range = range(file, offset).ok_or(OtherBytes)?;
    let (mut rest, chunks) = (slice, chunks(&range));
    let mut bytes = Vec::with_capacity(usize::try_from(range.end - range.start).unwrap_or(0));
    for item in DecodeResponseIter::new(Hash::from(file.root.0), shape(file), &mut rest, &chunks) {
        match item {
            Ok(BaoContentItem::Leaf(leaf)) => bytes.extend_from_slice(&leaf.data),
            Ok(BaoContentItem::Parent(_)) => {}
            Err(_) => return Err(OtherBytes),
        }
    }
    // A truncated slice is never taken for a whole one, and nothing travels beside it.
    let whole = u64::try_from(bytes.len()).is_ok_and(|length| length == range.end - range.start);
    if whole && rest.is_empty() { Ok(bytes) } else { Err(OtherBytes) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// A file of so many bytes, its hashes, and what a release says of it.
    fn file(bytes: usize) -> (Vec<u8>, File, File, Sealed) {
        let data: Vec<u8> = (0..bytes).map(|place| (place * 31 % 251).to_be_bytes()[7]).collect();
        let mut between = Vec::new();
        let root = hash(data.as_slice(), data.len() as u64, &mut between).unwrap();
        assert_eq!(root.0, *blake3::hash(&data).as_bytes(), "the root is BLAKE3's of the whole");
        let (mut stored, mut hashes) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        stored.write_all(&data).unwrap();
        hashes.write_all(&between).unwrap();
        let sealed = Sealed { root, bytes: data.len() as u64 };
        (data, stored, hashes, sealed)
    }

    #[test]
    fn slices_make_up_the_file_at_every_size() {
        let slice = usize::try_from(SLICE_BYTES).unwrap();
        for bytes in [1, 1023, 1024, 16_384, 16_385, slice - 1, slice, slice + 1, 3 * slice + 20_000] {
            let (data, stored, hashes, sealed) = file(bytes);
            let mut got = Vec::new();
            while got.len() < bytes {
                let offset = got.len() as u64;
                let slice = encode(&stored, &hashes, &sealed, offset).unwrap().unwrap();
                got.extend(decode(&sealed, offset, &slice).unwrap());
            }
            assert_eq!(got, data);
            assert!(encode(&stored, &hashes, &sealed, bytes as u64).unwrap().is_none());
            assert!(encode(&stored, &hashes, &sealed, 1).unwrap().is_none(), "slices begin at groups");
        }
    }

    #[test]
    fn threat_18_a_changed_longer_or_truncated_slice_is_never_taken() {
        let (_, stored, hashes, sealed) = file(600_000);
        let offset = SLICE_BYTES;
        let slice = encode(&stored, &hashes, &sealed, offset).unwrap().unwrap();
        assert!(decode(&sealed, offset, &slice).is_ok());
        for place in (0..slice.len()).step_by(997).chain([slice.len() - 1]) {
            let mut changed = slice.clone();
            changed[place] ^= 1;
            assert_eq!(decode(&sealed, offset, &changed), Err(OtherBytes));
            assert_eq!(decode(&sealed, offset, &slice[..place]), Err(OtherBytes));
        }
        assert_eq!(decode(&sealed, offset, &[slice.as_slice(), &[0]].concat()), Err(OtherBytes));
        assert_eq!(decode(&sealed, 0, &slice), Err(OtherBytes), "another place");
        // The last slice proves the size.
        let last = 2 * SLICE_BYTES;
        let slice = encode(&stored, &hashes, &sealed, last).unwrap().unwrap();
        assert!(decode(&sealed, last, &slice).is_ok());
        for bytes in [0, 599_999, 600_001, 1 << 20, 1 << 50] {
            assert!(decode(&Sealed { bytes, ..sealed }, last, &slice).is_err(), "another size");
        }
    }

    #[test]
    fn what_the_disk_has_changed_is_not_sent() {
        let (_, mut stored, hashes, sealed) = file(600_000);
        stored.write_all(b"!").unwrap();
        use std::os::unix::fs::FileExt as _;
        stored.write_all_at(b"changed", 300_000).unwrap();
        assert!(encode(&stored, &hashes, &sealed, 0).is_ok());
        let refused = encode(&stored, &hashes, &sealed, SLICE_BYTES).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }
}
