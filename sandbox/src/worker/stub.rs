//! The host functions of `wit/analysis.wit` as a component meets them: each sends its call to the node and waits for the answer.

use super::ahead::{Ahead, Found, Question};
use super::ear::{Ear, Heard};
use super::held::{Connection, Output, ResultSet, Table};
use super::meter::Meter;
use crate::bindings::quintes::analysis::{database, job, outputs, types, witness};
use crate::channel::frame::encode;
use crate::channel::{Answer, Call, MESSAGE_BYTES, Rows, Said};
use crate::host::slice;
use crate::limits::LOG_LINE_BYTES;
use std::fs::File;
use std::io::{self, Write as _};
use wasmtime::component::Resource;

/// The state of one store: the socket, and the meter of the component's memory.
pub(super) struct Stub {
    ear: Ear,
    out: File,
    ahead: Ahead,
    meter: Meter,
}

type Wasm<T> = wasmtime::Result<T>;

impl Stub {
    pub(super) fn new(ear: Ear, out: File, meter: Meter) -> Self {
        Self { ear, out, ahead: Ahead::default(), meter }
    }

    pub(super) fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    /// Says something to the node.
    pub(super) fn say(&mut self, said: &Said) -> io::Result<()> {
        self.out.write_all(&encode(said))
    }

    fn ask(&mut self, call: Call) -> Wasm<Answer> {
        self.ask_with(call, &[])
    }

    fn ask_with(&mut self, call: Call, raw: &[u8]) -> Wasm<Answer> {
        match self.hear(call, raw)? {
            Heard::Answer(answer) => Ok(answer),
            Heard::Batch(_) | Heard::Arrow(_) => Err(another()),
        }
    }

    /// Sends a call and hears its answer.
    fn hear(&mut self, call: Call, raw: &[u8]) -> Wasm<Heard> {
        self.hear_before(None)?;
        let message = encode(&Said::Call(call));
        if message.len() > MESSAGE_BYTES {
            return Err(wasmtime::Error::msg("a call carries more than one MiB"));
        }
        self.out.write_all(&message).map_err(wasmtime::Error::new)?;
        self.out.write_all(raw).map_err(wasmtime::Error::new)?;
        self.next()
    }

    /// Hears what was asked ahead, where it comes before what is asked now.
    fn hear_before(&mut self, question: Option<Question>) -> Wasm<()> {
        if self.ahead.is_before(question) {
            let early = self.next()?;
            self.ahead.keep(early);
        }
        Ok(())
    }

    fn next(&mut self) -> Wasm<Heard> {
        self.ear.next().map_err(wasmtime::Error::new)
    }

    fn done(&mut self, call: Call) -> Wasm<()> {
        let Answer::Done = self.ask(call)? else { return Err(another()) };
        Ok(())
    }

    fn columns(&mut self, call: Call) -> Wasm<Vec<types::ColumnInfo>> {
        let Answer::Columns(columns) = self.ask(call)? else { return Err(another()) };
        Ok(columns)
    }

    fn held<T: 'static>(&mut self, call: Call) -> Wasm<Result<Resource<T>, types::Error>> {
        let Answer::Held(held) = self.ask(call)? else { return Err(another()) };
        Ok(held.map(Resource::new_own))
    }

    fn taken(&mut self, call: Call, raw: &[u8]) -> Wasm<Result<(), outputs::Error>> {
        let Answer::Taken(taken) = self.ask_with(call, raw)? else { return Err(another()) };
        Ok(taken)
    }
}

/// The node and this worker are one program, so this is a fault of ours.
fn another() -> wasmtime::Error {
    wasmtime::Error::msg("the node answered another question")
}

impl types::Host for Stub {}

impl job::Host for Stub {
    fn parameter(&mut self, name: String) -> Wasm<Option<String>> {
        let Answer::Parameter(parameter) = self.ask(Call::Parameter(name))? else { return Err(another()) };
        Ok(parameter)
    }

    fn log(&mut self, mut line: String) -> Wasm<()> {
        line.truncate(line.floor_char_boundary(LOG_LINE_BYTES));
        self.done(Call::Log(line))
    }

    fn progress(&mut self, fraction: f32) -> Wasm<()> {
        self.done(Call::Progress(fraction))
    }
}

impl database::Host for Stub {
    fn handles(&mut self) -> Wasm<Vec<database::HandleInfo>> {
        let Answer::Handles(handles) = self.ask(Call::Handles)? else { return Err(another()) };
        Ok(handles)
    }

    fn open(&mut self, name: String) -> Wasm<Result<Resource<Connection>, types::Error>> {
        self.held(Call::Open(name))
    }
}

impl database::HostConnection for Stub {
    fn tables(&mut self, connection: Resource<Connection>) -> Wasm<Result<Vec<database::TableInfo>, types::Error>> {
        let Answer::Tables(tables) = self.ask(Call::Tables(connection.rep()))? else { return Err(another()) };
        Ok(tables)
    }

    fn query(
        &mut self,
        connection: Resource<Connection>,
        sql: String,
        params: Vec<types::Value>,
    ) -> Wasm<Result<Resource<ResultSet>, types::Error>> {
        self.held(Call::Query(connection.rep(), sql, params))
    }

    fn query_rows(
        &mut self,
        connection: Resource<Connection>,
        sql: String,
        params: Vec<types::Value>,
    ) -> Wasm<Result<Rows, types::Error>> {
        let call = Call::QueryRows(connection.rep(), sql, params);
        let Answer::Rows(rows) = self.ask(call)? else { return Err(another()) };
        Ok(rows)
    }

    fn budget(&mut self, connection: Resource<Connection>) -> Wasm<types::Budget> {
        let Answer::Budget(budget) = self.ask(Call::Budget(connection.rep()))? else { return Err(another()) };
        Ok(budget)
    }

    fn drop(&mut self, connection: Resource<Connection>) -> Wasm<()> {
        self.done(Call::DropConnection(connection.rep()))
    }
}

impl database::HostResultSet for Stub {
    fn schema(&mut self, result: Resource<ResultSet>) -> Wasm<Vec<types::ColumnInfo>> {
        self.columns(Call::Schema(result.rep()))
    }

    fn next_batch(
        &mut self,
        result: Resource<ResultSet>,
        max_rows: u32,
    ) -> Wasm<Result<Option<types::Batch>, types::Error>> {
        let question = (result.rep(), max_rows);
        self.hear_before(Some(question))?;
        let heard = match self.ahead.find(question) {
            Found::Next => self.next()?,
            Found::Here(heard) => heard,
            Found::Nowhere => self.hear(Call::NextBatch(question.0, question.1), &[])?,
        };
        match heard {
            Heard::Batch(mut batch) => {
                let most = usize::try_from(max_rows.max(1)).expect("a u32 fits into a usize here");
                let rows = slice::rows(&batch);
                if rows > most {
                    // It was asked for ahead, by a component that wants less at a time now.
                    let part = slice::take(&mut batch, 0, most);
                    let rest = slice::take(&mut batch, most, rows);
                    self.ahead.keep_rest(question, rest);
                    return Ok(Ok(Some(part.into())));
                }
                if let Some((result, rows)) = self.ahead.next(question) {
                    let call = encode(&Said::Call(Call::NextBatch(result, rows)));
                    self.out.write_all(&call).map_err(wasmtime::Error::new)?;
                }
                Ok(Ok(Some(batch.into())))
            }
            Heard::Answer(Answer::Batch(Ok(None))) => Ok(Ok(None)),
            Heard::Answer(Answer::Batch(Err(error))) => Ok(Err(error)),
            Heard::Answer(_) | Heard::Arrow(_) => Err(another()),
        }
    }

    fn next_arrow(
        &mut self,
        result: Resource<ResultSet>,
        max_rows: u32,
    ) -> Wasm<Result<Option<Vec<u8>>, types::Error>> {
        if self.ahead.holds(result.rep()) {
            return Err(wasmtime::Error::msg("a result is read as columns or as Arrow, and not as both"));
        }
        match self.hear(Call::NextArrow(result.rep(), max_rows), &[])? {
            Heard::Arrow(bytes) => Ok(Ok(Some(bytes))),
            Heard::Answer(Answer::Arrow(Ok(None))) => Ok(Ok(None)),
            Heard::Answer(Answer::Arrow(Err(error))) => Ok(Err(error)),
            Heard::Answer(_) | Heard::Batch(_) => Err(another()),
        }
    }

    fn drop(&mut self, result: Resource<ResultSet>) -> Wasm<()> {
        self.done(Call::DropResult(result.rep()))?;
        self.ahead.forget(result.rep());
        Ok(())
    }
}

impl witness::Host for Stub {
    fn tabulate(
        &mut self,
        connection: Resource<Connection>,
        relation: String,
        by: Vec<String>,
    ) -> Wasm<Result<Resource<Table>, types::Error>> {
        self.held(Call::Tabulate(connection.rep(), relation, by))
    }

    fn aggregate(
        &mut self,
        connection: Resource<Connection>,
        relation: String,
        by: Vec<String>,
        measures: Vec<witness::Measure>,
    ) -> Wasm<Result<Resource<Table>, types::Error>> {
        self.held(Call::Aggregate(connection.rep(), relation, by, measures))
    }
}

impl witness::HostTable for Stub {
    fn columns(&mut self, table: Resource<Table>) -> Wasm<Vec<types::ColumnInfo>> {
        self.columns(Call::Columns(table.rep()))
    }

    fn rows(&mut self, table: Resource<Table>) -> Wasm<Vec<Vec<types::Value>>> {
        let Answer::TableRows(rows) = self.ask(Call::TableRows(table.rep()))? else { return Err(another()) };
        Ok(rows)
    }

    fn drop(&mut self, table: Resource<Table>) -> Wasm<()> {
        self.done(Call::DropTable(table.rep()))
    }
}

impl outputs::Host for Stub {
    fn create(&mut self, name: String, media_type: String) -> Wasm<Result<Resource<Output>, outputs::Error>> {
        let Answer::Output(output) = self.ask(Call::Create(name, media_type))? else { return Err(another()) };
        Ok(output.map(Resource::new_own))
    }

    fn write_table(&mut self, name: String, table: Resource<Table>) -> Wasm<Result<(), outputs::Error>> {
        self.taken(Call::WriteTable(name, table.rep()), &[])
    }
}

impl outputs::HostOutput for Stub {
    fn write(&mut self, output: Resource<Output>, bytes: Vec<u8>) -> Wasm<Result<(), outputs::Error>> {
        let length = u64::try_from(bytes.len()).expect("a usize fits into a u64");
        self.taken(Call::Write(output.rep(), length), &bytes)
    }

    fn finish(&mut self, output: Resource<Output>) -> Wasm<Result<(), outputs::Error>> {
        self.taken(Call::Finish(output.rep()), &[])
    }

    fn drop(&mut self, output: Resource<Output>) -> Wasm<()> {
        self.done(Call::DropOutput(output.rep()))
    }
}
