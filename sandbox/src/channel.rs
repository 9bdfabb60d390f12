//! What a node and its confined worker say to each other over one socket: length-prefixed messages of fixed types, and raw buffers behind them.
//!
//! The node speaks first after the worker's [`Hello`]: one [`Job`], and a worker does one job in its life. The node trusts nothing that a worker
//! says after that: a message has a largest size and one type at each place, and every number in it is checked. The worker trusts the node.
//!
//! | worker → node | node → worker |
//! |---|---|
//! | [`Hello`] | |
//! | | [`Job`], then the component or its code |
//! | [`Compiled`], then the code; or [`Probed`]; or [`Said`] as often as the component calls | |
//! | | [`Answer`] to each call, then its columns or bytes |
//!
//! A message is a length of four bytes, least significant first, and so many bytes of postcard. A raw buffer has the length that the message before it
//! gives; numbers in it are in the machine's own order, because both ends are one machine.

pub(crate) mod columns;
pub(crate) mod frame;

use crate::bindings::quintes::analysis::{database, outputs, types, witness};
use crate::confinement::{Layers, Probe, Refused};
use crate::engine::Unusable;
use serde::{Deserialize, Serialize};

/// The version of these types. Both ends are one program, so a difference is a fault.
pub(crate) const VERSION: u32 = 1;

/// The largest message of a worker, in bytes. What a component writes travels behind its message.
pub(crate) const MESSAGE_BYTES: usize = 1024 * 1024;

/// The most bytes of one write to an output: as many as one call of a component may carry.
pub(crate) const WRITE_BYTES: usize = crate::limits::HOSTCALL_BYTES;

/// The most bytes of compiled code: a JavaScript engine has about 60 MiB.
pub(crate) const CODE_BYTES: usize = 256 * 1024 * 1024;

/// The longest text that a worker says about an end, in bytes.
pub(crate) const TEXT_BYTES: usize = 64 * 1024;

/// A worker that is locked in and ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) version: u32,
    /// What locks it in.
    pub(crate) layers: Layers,
    /// SHA-256 over the engine's version and settings: code for one engine is none for another.
    pub(crate) settings: [u8; 32],
}

/// What a worker is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Job {
    /// Check and compile the component of so many bytes that follows.
    Compile { component: u64 },
    /// Run the compiled code of so many bytes that follows.
    Run { code: u64, memory_bytes: u64, fuel: Option<u64> },
    /// Try what must not succeed.
    Probe(Probe),
}

/// The end of a compilation: so many bytes of code follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Compiled(pub(crate) Result<u64, Unusable>);

/// The end of a probe that the worker survived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Probed(pub(crate) Refused);

/// What the worker of a running component says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Said {
    /// The component calls the host and waits.
    Call(Call),
    /// The component is at its end.
    End(End),
}

/// One call of `wit/analysis.wit`. A `u32` is a handle that the node gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Call {
    Parameter(String),
    Log(String),
    Progress(f32),
    Handles,
    Open(String),
    Tables(u32),
    Query(u32, String, Vec<types::Value>),
    QueryRows(u32, String, Vec<types::Value>),
    Budget(u32),
    DropConnection(u32),
    Schema(u32),
    NextBatch(u32, u32),
    NextArrow(u32, u32),
    DropResult(u32),
    Tabulate(u32, String, Vec<String>),
    Aggregate(u32, String, Vec<String>, Vec<witness::Measure>),
    Columns(u32),
    TableRows(u32),
    DropTable(u32),
    Create(String, String),
    WriteTable(String, u32),
    /// So many bytes for an output follow.
    Write(u32, u64),
    Finish(u32),
    DropOutput(u32),
}

/// The answer to a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Parameter(Option<String>),
    Handles(Vec<database::HandleInfo>),
    /// A new connection, result or table.
    Held(Result<u32, types::Error>),
    Tables(Result<Vec<database::TableInfo>, types::Error>),
    Rows(Result<Rows, types::Error>),
    Budget(types::Budget),
    Columns(Vec<types::ColumnInfo>),
    /// The columns follow.
    Batch(Result<Option<columns::Shape>, types::Error>),
    /// So many bytes of Arrow IPC follow.
    Arrow(Result<Option<u64>, types::Error>),
    TableRows(Vec<Vec<types::Value>>),
    Output(Result<u32, outputs::Error>),
    Taken(Result<(), outputs::Error>),
}

/// A page of typed rows.
pub(crate) type Rows = (Vec<types::ColumnInfo>, Vec<Vec<types::Value>>);

/// The end of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) outcome: Outcome,
    /// The most linear memory at a time, in bytes.
    pub(crate) memory_bytes: u64,
    /// Wasmtime's fuel; `None` where none was counted.
    pub(crate) fuel: Option<u64>,
}

/// How a component ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// It returned.
    Returned(Result<(), String>),
    /// It trapped.
    Trapped(String),
    /// It met the limit on memory.
    Memory(String),
    /// It met the limit on fuel.
    Fuel(String),
    /// The code could not be loaded.
    NotLoaded(String),
}
