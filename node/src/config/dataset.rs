//! `[[dataset]]`: where the data lies, what it is called, and which of its tables tasks may read.

use sandbox::database::datafusion::Bucket;
use sandbox::database::postgres::MOST_COST;
use serde::Deserialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What holds the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// A folder of CSV, TSV or Parquet files, one for each table.
    #[default]
    Files,
    /// A SQLite file.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
    /// A cluster behind Arrow Flight SQL.
    Flight,
}

impl Engine {
    /// The word in node.toml.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Flight => "flight",
        }
    }

    /// The port that its servers have by themselves; 0 where there is none.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Files | Self::Sqlite => 0,
            Self::Postgres => 5_432,
            Self::Flight => sandbox::database::flight::PORT,
        }
    }
}

/// A dataset.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Dataset {
    /// Its name, as projects use it.
    pub name: String,
    /// Where it lies.
    pub source: Source,
    /// The column that names the subject (person) of a row, for example `person_id`; tables without it are reference data.
    pub subject: String,
    /// The tables that tasks may read; anything else does not exist for them.
    pub tables: Vec<String>,
    /// Whether every member may know the names and types of its tables and columns. Nothing says more than a person has decided to say: a
    /// table's name alone can tell what people here suffer from.
    pub publish_schema: bool,
}

/// Where a dataset lies.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A folder of files.
    Files {
        /// The folder.
        path: PathBuf,
    },
    /// A folder of files in an object store.
    Bucket(Bucket),
    /// A SQLite file.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A PostgreSQL server.
    Postgres(Postgres),
    /// A cluster behind Arrow Flight SQL.
    Flight(Flight),
}

/// A PostgreSQL server and how to be its client.
#[derive(Clone, Debug, PartialEq)]
pub struct Postgres {
    /// A host's name or address, over TLS, or the folder of a Unix socket.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The role.
    pub user: String,
    /// The file that holds the role's password; none where the socket's peer is enough.
    pub password_file: Option<PathBuf>,
    /// The certificates of the authorities for TLS.
    pub ca_file: Option<PathBuf>,
    /// The schema of the tables.
    pub schema: String,
    /// The most that the server's planner may estimate for a statement, in its own units.
    pub max_cost: f64,
}

/// A cluster behind Arrow Flight SQL and how to be its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// A host's name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The certificates of the authorities for TLS; without them, plain text.
    pub ca_file: Option<PathBuf>,
    /// Whether plain text may leave this machine.
    pub accept_plaintext: bool,
    /// Who the node is to the server.
    pub user: Option<String>,
    /// The file that holds the user's password.
    pub password_file: Option<PathBuf>,
    /// Whether the server may answer anybody.
    pub accept_anonymous: bool,
    /// What makes the tables known to a session, statement by statement.
    pub setup: Vec<String>,
}

/// The table as it is written: every field of every engine.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    engine: Engine,
    path: Option<PathBuf>,
    bucket: Option<String>,
    endpoint: Option<String>,
    region: Option<String>,
    prefix: Option<String>,
    key_file: Option<PathBuf>,
    host: Option<String>,
    port: Option<u16>,
    database: Option<String>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    schema: Option<String>,
    max_cost: Option<f64>,
    accept_plaintext: Option<bool>,
    accept_anonymous: Option<bool>,
    setup: Option<Vec<String>>,
    subject: String,
    tables: Vec<String>,
    #[serde(default)]
    publish_schema: bool,
}

impl TryFrom<Written> for Dataset {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written {
            name,
            engine,
            path,
            bucket,
            endpoint,
            region,
            prefix,
            key_file,
            host,
            port,
            database,
            user,
            password_file,
            ca_file,
            schema,
            max_cost,
            accept_plaintext,
            accept_anonymous,
            setup,
            subject,
            tables,
            publish_schema,
        } = written;
        let (lying, servers) = ([Engine::Files, Engine::Sqlite], [Engine::Postgres, Engine::Flight]);
        let (postgres, flight) = ([Engine::Postgres], [Engine::Flight]);
        let (of_a_bucket, with_authorities): (&[Engine], &[Engine]) = match bucket {
            Some(_) => (&[Engine::Files], &[Engine::Files, Engine::Postgres, Engine::Flight]),
            None => (&[], &servers),
        };
        let given: [(&str, bool, &[Engine]); 17] = [
            ("path", path.is_some() && bucket.is_none(), &lying),
            ("bucket", bucket.is_some(), of_a_bucket),
            ("endpoint", endpoint.is_some(), of_a_bucket),
            ("region", region.is_some(), of_a_bucket),
            ("prefix", prefix.is_some(), of_a_bucket),
            ("key_file", key_file.is_some(), of_a_bucket),
            ("host", host.is_some(), &servers),
            ("port", port.is_some(), &servers),
            ("database", database.is_some(), &postgres),
            ("user", user.is_some(), &servers),
            ("password_file", password_file.is_some(), &servers),
            ("ca_file", ca_file.is_some(), with_authorities),
            ("schema", schema.is_some(), &postgres),
            ("max_cost", max_cost.is_some(), &postgres),
            ("accept_plaintext", accept_plaintext.is_some(), &flight),
            ("accept_anonymous", accept_anonymous.is_some(), &flight),
            ("setup", setup.is_some(), &flight),
        ];
        let stray = given.iter().find(|(_, is_given, of)| *is_given && !of.contains(&engine)).map(|(field, ..)| *field);
        if let Some(field) = stray {
            let but = if engine == Engine::Files { " and no bucket" } else { "" };
            return Err(format!("the field `{field}` means nothing with engine = \"{}\"{but}", engine.name()));
        }
        if path.is_some() && bucket.is_some() {
            return Err("files lie under a `path` or in a `bucket`: remove one of the two".to_owned());
        }
        let missing = |field: &str| format!("missing field `{field}`");
        let source = match (engine, bucket) {
            (Engine::Files, Some(bucket)) => Source::Bucket(Bucket {
                bucket,
                endpoint: endpoint.ok_or_else(|| missing("endpoint"))?,
                region: region.unwrap_or_else(|| "us-east-1".to_owned()),
                prefix: prefix.unwrap_or_default(),
                key_file: key_file.ok_or_else(|| missing("key_file"))?,
                ca_file,
            }),
            (Engine::Files, _) => Source::Files { path: path.ok_or_else(|| missing("path"))? },
            (Engine::Sqlite, _) => Source::Sqlite { path: path.ok_or_else(|| missing("path"))? },
            (Engine::Postgres, _) => Source::Postgres(Postgres {
                host: host.ok_or_else(|| missing("host"))?,
                port: port.unwrap_or(engine.port()),
                database: database.ok_or_else(|| missing("database"))?,
                user: user.ok_or_else(|| missing("user"))?,
                password_file,
                ca_file,
                schema: schema.unwrap_or_else(|| "public".to_owned()),
                max_cost: max_cost.unwrap_or(MOST_COST),
            }),
            (Engine::Flight, _) => Source::Flight(Flight {
                host: host.ok_or_else(|| missing("host"))?,
                port: port.unwrap_or(engine.port()),
                ca_file,
                accept_plaintext: accept_plaintext.unwrap_or_default(),
                user,
                password_file,
                accept_anonymous: accept_anonymous.unwrap_or_default(),
                setup: setup.unwrap_or_default(),
            }),
        };
        Ok(Self { name, source, subject, tables, publish_schema })
    }
}

impl Dataset {
    /// What holds it.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self.source {
            Source::Files { .. } | Source::Bucket(_) => Engine::Files,
            Source::Sqlite { .. } => Engine::Sqlite,
            Source::Postgres(_) => Engine::Postgres,
            Source::Flight(_) => Engine::Flight,
        }
    }

    /// The paths that begin at the configuration's folder.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        match &mut self.source {
            Source::Files { path } | Source::Sqlite { path } => vec![path],
            Source::Bucket(Bucket { key_file, ca_file, .. }) => std::iter::once(key_file).chain(ca_file).collect(),
            Source::Postgres(Postgres { password_file, ca_file, .. })
            | Source::Flight(Flight { password_file, ca_file, .. }) => {
                password_file.iter_mut().chain(ca_file).collect()
            }
        }
    }
}

/// Every table of a folder, in lower case, with its file; in the order of the names.
///
/// # Errors
/// When the folder cannot be read.
pub fn tables_in(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut tables = Vec::new();
    for entry in fs::read_dir(folder)? {
        let mut path = entry?.path();
        let name = path.clone();
        if path.is_dir() {
            // A table in parts is a folder of Parquet files: its first part stands for it.
            let mut parts: Vec<PathBuf> =
                fs::read_dir(&path)?.map(|part| part.map(|part| part.path())).collect::<io::Result<_>>()?;
            parts.retain(|part| part.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet")));
            let Some(first) = parts.into_iter().min() else { continue };
            path = first;
        }
        let is_table = path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
            ["csv", "tsv", "parquet"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        });
        if let (true, Some(stem)) = (is_table, name.file_stem().and_then(|stem| stem.to_str())) {
            tables.push((stem.to_ascii_lowercase(), path));
        }
    }
    tables.sort();
    Ok(tables)
}
