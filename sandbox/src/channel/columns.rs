//! A batch on the socket: its shape as a message, and each column as the very buffer that it is in memory.

use super::frame::FrameError;
use crate::value::{Batch, Column, ColumnData};
use bytemuck::{AnyBitPattern, NoUninit, Zeroable};
use serde::{Deserialize, Serialize};
use std::io::Read;

/// The shape of a batch whose buffers follow: for each column its validity, then its lengths (texts alone), then its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    rows: u32,
    columns: Vec<ColumnShape>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ColumnShape {
    /// Bytes of the validity bitmap.
    validity: Option<u32>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Boolean,
    Int64,
    Float64,
    /// Bytes of all texts together.
    Decimal(u64),
    Text(u64),
    Bytes(u64),
    Date,
    Timestamp,
}

/// A batch's shape and, in their order, the buffers that follow it.
pub(crate) struct Sent {
    pub(crate) shape: Shape,
    batch: Batch,
    /// Lengths and joined texts, by column.
    joined: Vec<Option<(Vec<u32>, Vec<u8>)>>,
}

impl Sent {
    /// Takes a batch for sending: numbers stay where they are, texts are joined.
    pub(crate) fn new(batch: Batch) -> Self {
        let mut columns = Vec::with_capacity(batch.columns.len());
        let mut joined = Vec::with_capacity(batch.columns.len());
        for column in &batch.columns {
            let texts = match &column.data {
                ColumnData::Decimal(values) | ColumnData::Text(values) => Some(join(values)),
                ColumnData::Bytes(values) => Some(join(values)),
                _ => None,
            };
            let size =
                texts.as_ref().map_or(0, |(_, bytes)| u64::try_from(bytes.len()).expect("a usize fits into a u64"));
            let kind = match &column.data {
                ColumnData::Boolean(_) => Kind::Boolean,
                ColumnData::Int64(_) => Kind::Int64,
                ColumnData::Float64(_) => Kind::Float64,
                ColumnData::Decimal(_) => Kind::Decimal(size),
                ColumnData::Text(_) => Kind::Text(size),
                ColumnData::Bytes(_) => Kind::Bytes(size),
                ColumnData::Date(_) => Kind::Date,
                ColumnData::Timestamp(_) => Kind::Timestamp,
            };
            let validity = column
                .validity
                .as_ref()
                .map(|bits| u32::try_from(bits.len()).expect("a bitmap has fewer bytes than its batch has rows"));
            columns.push(ColumnShape { validity, kind });
            joined.push(texts);
        }
        Self { shape: Shape { rows: batch.rows, columns }, batch, joined }
    }

    /// The buffers, as they go over the socket.
    pub(crate) fn buffers(&self) -> Vec<&[u8]> {
        let mut buffers = Vec::new();
        for (column, joined) in self.batch.columns.iter().zip(&self.joined) {
            buffers.extend(column.validity.as_deref());
            match (&column.data, joined) {
                (_, Some((lengths, bytes))) => buffers.extend([bytemuck::cast_slice(lengths), bytes.as_slice()]),
                (ColumnData::Boolean(values), _) => buffers.push(values),
                (ColumnData::Int64(values) | ColumnData::Timestamp(values), _) => buffers.push(raw(values)),
                (ColumnData::Float64(values), _) => buffers.push(raw(values)),
                (ColumnData::Date(values), _) => buffers.push(raw(values)),
                (ColumnData::Decimal(_) | ColumnData::Text(_) | ColumnData::Bytes(_), None) => {}
            }
        }
        buffers
    }
}

fn raw<T: NoUninit>(values: &[T]) -> &[u8] {
    bytemuck::cast_slice(values)
}

fn join(values: &[impl AsRef<[u8]>]) -> (Vec<u32>, Vec<u8>) {
    let size = values.iter().map(|value| value.as_ref().len()).sum();
    let (mut lengths, mut bytes) = (Vec::with_capacity(values.len()), Vec::with_capacity(size));
    for value in values {
        let value = value.as_ref();
        lengths.push(u32::try_from(value.len()).expect("a batch is smaller than 4 GiB"));
        bytes.extend_from_slice(value);
    }
    (lengths, bytes)
}

/// Reads the buffers of a batch into new columns.
pub(crate) fn receive(socket: &mut impl Read, shape: &Shape) -> Result<Batch, FrameError> {
    let rows = usize::try_from(shape.rows).expect("a u32 fits into a usize here");
    let columns = shape.columns.iter().map(|column| {
        let validity = match column.validity {
            Some(bytes) => Some(numbers(socket, usize::try_from(bytes).expect("a u32 fits into a usize here"))?),
            None => None,
        };
        let data = match column.kind {
            Kind::Boolean => ColumnData::Boolean(numbers(socket, rows)?),
            Kind::Int64 => ColumnData::Int64(numbers(socket, rows)?),
            Kind::Float64 => ColumnData::Float64(numbers(socket, rows)?),
            Kind::Date => ColumnData::Date(numbers(socket, rows)?),
            Kind::Timestamp => ColumnData::Timestamp(numbers(socket, rows)?),
            Kind::Decimal(bytes) => ColumnData::Decimal(texts(socket, rows, bytes)?),
            Kind::Text(bytes) => ColumnData::Text(texts(socket, rows, bytes)?),
            Kind::Bytes(bytes) => ColumnData::Bytes(split(socket, rows, bytes, |part| Some(part.to_vec()))?),
        };
        Ok(Column { validity, data })
    });
    Ok(Batch { rows: shape.rows, columns: columns.collect::<Result<_, FrameError>>()? })
}

fn numbers<T: AnyBitPattern + NoUninit + Zeroable>(socket: &mut impl Read, count: usize) -> Result<Vec<T>, FrameError> {
    let mut values = vec![T::zeroed(); count];
    socket.read_exact(bytemuck::cast_slice_mut(&mut values))?;
    Ok(values)
}

fn texts(socket: &mut impl Read, rows: usize, bytes: u64) -> Result<Vec<String>, FrameError> {
    split(socket, rows, bytes, |part| Some(std::str::from_utf8(part).ok()?.to_owned()))
}

fn split<T>(
    socket: &mut impl Read,
    rows: usize,
    bytes: u64,
    make: impl Fn(&[u8]) -> Option<T>,
) -> Result<Vec<T>, FrameError> {
    let lengths: Vec<u32> = numbers(socket, rows)?;
    let joined: Vec<u8> = super::frame::receive_raw(socket, bytes)?;
    let mut left = joined.as_slice();
    let parts = lengths.into_iter().map(|length| {
        let (part, rest) = left.split_at_checked(usize::try_from(length).ok()?)?;
        left = rest;
        make(part)
    });
    parts.collect::<Option<_>>().ok_or(FrameError::Malformed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_every_type_arrives_as_it_was() {
        let batch = Batch {
            rows: 3,
            columns: vec![
                Column { validity: Some(vec![0b101]), data: ColumnData::Int64(vec![i64::MIN, 0, i64::MAX]) },
                Column { validity: None, data: ColumnData::Float64(vec![-0.0, 1.5, f64::INFINITY]) },
                Column { validity: None, data: ColumnData::Text(vec!["é".into(), String::new(), "abc".into()]) },
                Column { validity: Some(vec![0b11]), data: ColumnData::Bytes(vec![vec![0, 255], vec![1], Vec::new()]) },
                Column { validity: None, data: ColumnData::Decimal(vec!["-1.50".into(), "0".into(), "2".into()]) },
                Column { validity: None, data: ColumnData::Boolean(vec![1, 0, 1]) },
                Column { validity: None, data: ColumnData::Date(vec![-1, 0, 1]) },
                Column { validity: None, data: ColumnData::Timestamp(vec![7, 8, 9]) },
            ],
        };
        let sent = Sent::new(batch.clone());
        let bytes = sent.buffers().concat();
        assert!(receive(&mut bytes.as_slice(), &sent.shape).unwrap() == batch);
        assert!(receive(&mut &bytes[..bytes.len() - 1], &sent.shape).is_err());
        let empty = Sent::new(Batch { rows: 0, columns: Vec::new() });
        assert!(receive(&mut [].as_slice(), &empty.shape).unwrap().columns.is_empty());
    }
}
