//! A dataset of the configuration, opened by its engine; what cannot be made safe is not opened.

use crate::config::{Config, Dataset, Source};
use sandbox::database::datafusion::{self, DataFusionDatabase};
use sandbox::database::flight::{self, FlightDatabase};
use sandbox::database::postgres::{self, PostgresDatabase};
use sandbox::database::sqlite::{self, SqliteDatabase};
use sandbox::database::{Database, Fault};
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;

/// Why a dataset was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Files.
    #[error(transparent)]
    Files(#[from] datafusion::OpenError),
    /// SQLite.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    /// PostgreSQL.
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
    /// Arrow Flight SQL.
    #[error(transparent)]
    Flight(#[from] flight::OpenError),
    /// The program was interrupted.
    #[error("opening was interrupted; try again")]
    Interrupted,
}

impl OpenError {
    /// What makes the dataset unsafe, each with what mends it; none where something else is wrong.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        match self {
            Self::Files(datafusion::OpenError::Unsafe(found))
            | Self::Sqlite(sqlite::OpenError::Unsafe(found))
            | Self::Postgres(postgres::OpenError::Unsafe(found))
            | Self::Flight(flight::OpenError::Unsafe(found)) => &found.0,
            _ => &[],
        }
    }
}

/// Opens one dataset. Files and SQLite are read once from end to end.
///
/// # Errors
/// [`OpenError`]
pub async fn open(dataset: &Dataset) -> Result<Arc<dyn Database>, OpenError> {
    let (tables, subject) = (dataset.tables.clone(), Some(dataset.subject.clone()));
    match &dataset.source {
        Source::Files { path } => {
            let options = datafusion::Options {
                directory: path.clone(),
                tables,
                subject,
                refuse_open_files: true,
                ..datafusion::Options::default()
            };
            let opened = tokio::task::spawn_blocking(|| DataFusionDatabase::open(options));
            Ok(Arc::new(opened.await.map_err(|_| OpenError::Interrupted)??))
        }
        Source::Bucket(bucket) => {
            let options =
                datafusion::Options { bucket: Some(bucket.clone()), tables, subject, ..datafusion::Options::default() };
            let opened = tokio::task::spawn_blocking(|| DataFusionDatabase::open(options));
            Ok(Arc::new(opened.await.map_err(|_| OpenError::Interrupted)??))
        }
        Source::Sqlite { path } => {
            let options = sqlite::Options {
                file: path.clone(),
                tables,
                subject,
                refuse_open_files: true,
                ..sqlite::Options::default()
            };
            let opened = tokio::task::spawn_blocking(|| SqliteDatabase::open(options));
            Ok(Arc::new(opened.await.map_err(|_| OpenError::Interrupted)??))
        }
        Source::Postgres(server) => {
            let server = server.clone();
            let options = postgres::Options {
                host: server.host,
                port: server.port,
                database: server.database,
                user: server.user,
                password_file: server.password_file,
                ca_file: server.ca_file,
                schema: server.schema,
                tables,
                subject,
                most_cost: server.max_cost,
            };
            Ok(Arc::new(PostgresDatabase::open(options).await?))
        }
        Source::Flight(server) => {
            let server = server.clone();
            let options = flight::Options {
                host: server.host,
                port: server.port,
                ca_file: server.ca_file,
                accept_plaintext: server.accept_plaintext,
                user: server.user,
                password_file: server.password_file,
                accept_anonymous: server.accept_anonymous,
                setup: server.setup,
                tables,
                subject,
            };
            Ok(Arc::new(FlightDatabase::open(options).await?))
        }
    }
}

/// Opens every dataset of a configuration.
///
/// # Errors
/// The first that cannot be opened, and why.
pub async fn open_all(config: &Config) -> anyhow::Result<BTreeMap<String, Arc<dyn Database>>> {
    use anyhow::{Context as _, bail};
    let mut open: BTreeMap<String, Arc<dyn Database>> = BTreeMap::new();
    for dataset in &config.datasets {
        let database = self::open(dataset)
            .await
            .with_context(|| format!("the dataset {} cannot be opened; see `quintes dataset check`", dataset.name))?;
        if open.insert(dataset.name.clone(), database).is_some() {
            bail!("two datasets are called {}; rename one", dataset.name);
        }
    }
    Ok(open)
}
