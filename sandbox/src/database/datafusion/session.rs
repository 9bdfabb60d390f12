//! The engine's session: it knows the granted relations and the allowed functions, and it can neither write, spill nor look around.

use super::shelf::Shelf;
use super::stop::{Unwanted, stoppable};
use super::{DatabaseError, OpenError, QueryError, Reading, Table};
use crate::statement::{Dialect, STACK_BYTES, Statement, is_allowed_function, parse};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DataFusionError, ParamValues, ScalarValue, TableReference};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig};
#[cfg(feature = "s3")]
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::context::{SQLOptions, SessionContext};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionStateDefaults};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::object_store;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as Parsed;
use futures::StreamExt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// How many rows the engine makes at a time.
const BATCH_ROWS: usize = 8_192;
/// How many batches wait for the component: one is read while the next is made.
const BATCHES_AHEAD: usize = 1;

/// A session over the granted relations.
pub(super) struct Session(SessionContext);

fn engine(error: DataFusionError) -> OpenError {
    OpenError::Engine(Box::new(error))
}

impl Session {
    /// An empty session whose queries may hold `memory_bytes` together.
    pub(super) fn new(memory_bytes: usize) -> Result<Self, OpenError> {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(memory_bytes)))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .build_arc()
            .map_err(engine)?;
        let config = SessionConfig::new()
            .with_target_partitions(1)
            .with_batch_size(BATCH_ROWS)
            .with_information_schema(false)
            .with_repartition_file_scans(false);
        let scalars = SessionStateDefaults::default_scalar_functions().into_iter();
        let aggregates = SessionStateDefaults::default_aggregate_functions().into_iter();
        let windows = SessionStateDefaults::default_window_functions().into_iter();
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_expr_planners(SessionStateDefaults::default_expr_planners())
            .with_scalar_functions(scalars.filter(|f| is_listed(f.name(), f.aliases())).collect())
            .with_aggregate_functions(aggregates.filter(|f| is_listed(f.name(), f.aliases())).collect())
            .with_window_functions(windows.filter(|f| is_listed(f.name(), f.aliases())).collect())
            .build();
        Ok(Self(SessionContext::new_with_state(state)))
    }

    /// The engine itself, to be asked what the parser would deny.
    #[cfg(test)]
    pub(super) fn context(&self) -> &SessionContext {
        &self.0
    }

    /// Makes the store known under which the addresses of its objects begin.
    #[cfg(feature = "s3")]
    pub(super) fn hold(&self, store: &super::bucket::Pinned) -> Result<(), OpenError> {
        let url = ObjectStoreUrl::parse(format!("s3://{}", store.bucket())).map_err(engine)?;
        self.0.register_object_store(url.as_ref(), Arc::new(store.clone()));
        Ok(())
    }

    /// Makes a table known under its name.
    pub(super) fn register(&self, shelf: &Shelf, name: &str, table: &Table) -> Result<(), OpenError> {
        let provider = provider(shelf, name, table).map_err(engine)?;
        self.0.register_table(TableReference::bare(name), provider).map_err(engine)?;
        Ok(())
    }

    /// Plans an admitted statement and runs it on a thread of its own.
    ///
    /// An engine may compute for long between two awaits. On its own thread that holds up nobody else, and its stack is deep enough for
    /// every recursion over a plan. Dropping what this returns ends the thread at the engine's next await.
    pub(super) async fn query(
        &self,
        statement: &Statement,
        parameters: Vec<ScalarValue>,
    ) -> Result<Running, DatabaseError> {
        let context = self.0.clone();
        let sql = statement.sql().to_owned();
        let runtime = Handle::current();
        let unwanted = Unwanted::default();
        let flag = unwanted.flag();
        let (started, start) = oneshot::channel();
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
        std::thread::Builder::new()
            .name("query".into())
            .stack_size(STACK_BYTES)
            .spawn(move || runtime.block_on(run(&context, &sql, parameters, &flag, started, sender)))
            .map_err(|error| DatabaseError::Failed(Box::new(error)))?;
        let schema = start.await.map_err(|_| QueryError::Stopped.failed())??;
        Ok(Running { schema, batches, _unwanted: unwanted })
    }
}

/// A query that runs on its thread.
pub(super) struct Running {
    pub(super) schema: SchemaRef,
    batches: mpsc::Receiver<Result<Option<RecordBatch>, DataFusionError>>,
    _unwanted: Unwanted,
}

impl Running {
    /// The next batch, or `None` when the engine came to its end.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>, DatabaseError> {
        match self.batches.recv().await {
            Some(batch) => batch.map_err(failed),
            // a thread that ended without saying so has panicked: that is not the end of the rows
            None => Err(QueryError::Stopped.failed()),
        }
    }
}

/// An object that is another one than at opening is the dataset's change, and no failure of the engine.
fn failed(error: DataFusionError) -> DatabaseError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(one) = cause {
        if let Some(object_store::Error::Precondition { .. }) = one.downcast_ref() {
            return QueryError::Changed.failed();
        }
        cause = one.source();
    }
    DatabaseError::Failed(Box::new(error))
}

/// Plans and runs a query until its rows, or the wish for them, end.
async fn run(
    context: &SessionContext,
    sql: &str,
    parameters: Vec<ScalarValue>,
    unwanted: &Arc<AtomicBool>,
    started: oneshot::Sender<Result<SchemaRef, DatabaseError>>,
    batches: mpsc::Sender<Result<Option<RecordBatch>, DataFusionError>>,
) {
    let mut stream = match plan(context, sql, parameters, unwanted).await {
        Ok(stream) => stream,
        Err(error) => {
            // who asked may be gone
            drop(started.send(Err(error)));
            return;
        }
    };
    if started.send(Ok(stream.schema())).is_err() {
        return;
    }
    loop {
        let batch = tokio::select! {
            biased;
            () = batches.closed() => return,
            batch = stream.next() => batch.transpose(),
        };
        let is_last = !matches!(batch, Ok(Some(_)));
        if batches.send(batch).await.is_err() || is_last {
            return;
        }
    }
}

/// From the admitted text to a stream that has not begun.
async fn plan(
    context: &SessionContext,
    sql: &str,
    parameters: Vec<ScalarValue>,
    unwanted: &Arc<AtomicBool>,
) -> Result<SendableRecordBatchStream, DatabaseError> {
    let invalid = |error: DataFusionError| DatabaseError::Invalid(Box::new(error));
    let tree = parse(sql).map_err(|error| DatabaseError::Invalid(Box::new(error)))?;
    let parsed = Parsed::Statement(Box::new(sqlparser::ast::Statement::Query(Box::new(tree))));
    let state = context.state();
    let plan = state.statement_to_plan(parsed).await.map_err(invalid)?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)
        .map_err(invalid)?;
    let plan = if parameters.is_empty() {
        plan
    } else {
        plan.with_param_values(ParamValues::from(parameters)).map_err(invalid)?
    };
    let plan = state.create_physical_plan(&plan).await.map_err(invalid)?;
    let plan = stoppable(plan, unwanted).map_err(invalid)?;
    execute_stream(plan, context.task_ctx()).map_err(|error| DatabaseError::Failed(Box::new(error)))
}

/// Whether a function of the engine is one that a statement may call, under any of its names.
fn is_listed(name: &str, aliases: &[String]) -> bool {
    let is_allowed = |name| is_allowed_function(Dialect::DataFusion, name);
    is_allowed(name) || aliases.iter().any(|alias| is_allowed(alias))
}

/// What the engine reads a table with.
fn provider(shelf: &Shelf, name: &str, table: &Table) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    match &table.reading {
        Reading::Delimited { file, delimiter, newlines, schema } => {
            let format = CsvFormat::default()
                .with_has_header(true)
                .with_delimiter(*delimiter)
                .with_newlines_in_values(*newlines);
            let config = ListingTableConfig::new(shelf.url(file)?)
                .with_listing_options(options(Arc::new(format)))
                .with_schema(Arc::clone(schema));
            Ok(Arc::new(ListingTable::try_new(config)?))
        }
        Reading::Parquet { files, schema, picked } => {
            let urls = files.iter().map(|file| shelf.url(file)).collect::<Result<Vec<_>, _>>()?;
            let config = ListingTableConfig::new_with_multi_paths(urls)
                .with_listing_options(options(Arc::new(ParquetFormat::default())))
                .with_schema(Arc::clone(schema));
            let files = provider_as_source(Arc::new(ListingTable::try_new(config)?));
            // the view gives the columns their names in lower case and leaves out what a query cannot have
            let columns = picked.iter().zip(&table.columns).map(|(i, column)| {
                let own = schema.field(*i).name();
                Expr::Column(Column::new(Some(TableReference::bare(name)), own)).alias(&column.name)
            });
            let plan = LogicalPlanBuilder::scan(TableReference::bare(name), files, None)?.project(columns)?.build()?;
            Ok(Arc::new(ViewTable::new(plan, None)))
        }
    }
}

/// Files by their names alone: no extension, no partition columns.
fn options(format: Arc<dyn FileFormat>) -> ListingOptions {
    ListingOptions::new(format).with_file_extension("")
}
