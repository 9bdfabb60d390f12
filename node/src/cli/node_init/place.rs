//! Where a new node's dataset lies: its options, and its part of the commented node.toml.

use crate::config::{Engine, tables_in};
use anyhow::{Context as _, anyhow, bail};
use sandbox::database::postgres::MOST_COST;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Where the data lies, and which of it tasks may read.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// What holds the data.
    #[arg(long, value_name = "ENGINE", default_value = "files", requires = "dataset")]
    pub(super) engine: Engine,
    /// The folder with the dataset's CSV or Parquet files, one for each table; with --engine sqlite, the file.
    #[arg(long, value_name = "PATH", requires = "dataset")]
    data: Option<PathBuf>,
    /// The bucket of an object store that holds such a folder, in the place of --data.
    #[arg(long, value_name = "NAME", requires_all = ["dataset", "endpoint", "key_file"], conflicts_with = "data")]
    bucket: Option<String>,
    /// With --bucket: the store's address, https://…
    #[arg(long, value_name = "URL", requires = "bucket")]
    endpoint: Option<String>,
    /// With --bucket: the region that requests are signed for.
    #[arg(long, value_name = "NAME", default_value = "us-east-1")]
    region: String,
    /// With --bucket: the folder in it.
    #[arg(long, value_name = "PATH", default_value = "")]
    prefix: String,
    /// With --bucket: the file that holds the access key, one line ID:SECRET, readable by the node alone.
    #[arg(long, value_name = "FILE", requires = "bucket")]
    key_file: Option<PathBuf>,
    /// The dataset's name, as projects use it.
    #[arg(long, value_name = "NAME")]
    pub(super) dataset: Option<String>,
    /// A host; with --engine postgres it is spoken to over TLS, or it is the folder of a socket (default: /var/run/postgresql).
    #[arg(long, value_name = "HOST|DIR", required_if_eq("engine", "flight"))]
    host: Option<String>,
    /// The server's port (default: 5432 with --engine postgres, 50050 with --engine flight).
    #[arg(long)]
    port: Option<u16>,
    /// With --engine postgres: the database.
    #[arg(long, value_name = "NAME", required_if_eq("engine", "postgres"))]
    database: Option<String>,
    /// Who the node is to the server: with --engine postgres, a role that may read the tables and nothing else.
    #[arg(long, value_name = "ROLE", required_if_eq("engine", "postgres"))]
    user: Option<String>,
    /// The file that holds the password, readable by the node alone; not needed where the socket's peer is enough.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The certificates (PEM) of the authorities that vouch for the host.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// With --engine postgres: the schema of the tables.
    #[arg(long, value_name = "NAME", default_value = "public")]
    schema: String,
    /// With --engine flight: a statement that makes a table known to a session; once for each, in their order.
    #[arg(long, value_name = "SQL")]
    setup: Vec<String>,
    /// With --engine flight: rows may cross a network in plain text.
    #[arg(long)]
    accept_plaintext: bool,
    /// With --engine flight: the server may answer whoever reaches it.
    #[arg(long)]
    accept_anonymous: bool,
    /// The column that names the person of a row.
    #[arg(long, value_name = "COLUMN", default_value = "person_id")]
    pub(super) subject: String,
    /// The tables that tasks may read: names with commas, or `auto` for every file that is in the folder now (--engine files alone).
    #[arg(long, value_name = "auto|TABLE,…", default_value = "auto", value_delimiter = ',')]
    tables: Vec<String>,
}

impl Place {
    /// The tables to be granted, as they are called in the folder.
    pub(super) fn tables(&self) -> anyhow::Result<Vec<String>> {
        if self.dataset.is_none() {
            return Ok(Vec::new());
        }
        if self.bucket.is_some() && self.engine != Engine::Files {
            bail!("--bucket goes with --engine files");
        }
        if self.engine != Engine::Files || self.bucket.is_some() {
            if self.tables == ["auto"] {
                let what =
                    if self.bucket.is_some() { "bucket".to_owned() } else { format!("engine {}", self.engine.name()) };
                bail!("--{what} needs the names of the tables; give --tables person,visit");
            }
            if self.engine == Engine::Sqlite && self.data.is_none() {
                bail!("--engine sqlite needs the database file; give --data FILE");
            }
            return Ok(self.tables.iter().map(|table| table.to_ascii_lowercase()).collect());
        }
        let data = self.data.as_ref().ok_or_else(|| anyhow!("a dataset of files needs its folder; give --data DIR"))?;
        let there = tables_in(data).with_context(|| {
            format!("cannot read the folder `{}`; give the folder of the CSV or Parquet files", data.display())
        })?;
        if there.is_empty() {
            bail!("`{}` holds no .csv, .tsv or .parquet file; give the folder of the tables", data.display());
        }
        if self.tables == ["auto"] {
            return Ok(there.into_iter().map(|(name, _)| name).collect());
        }
        for table in &self.tables {
            if !there.iter().any(|(name, _)| name.eq_ignore_ascii_case(table)) {
                let there: Vec<&str> = there.iter().map(|(name, _)| name.as_str()).collect();
                bail!("`{}` holds no table {table}; it has {}", data.display(), there.join(", "));
            }
        }
        Ok(self.tables.iter().map(|table| table.to_ascii_lowercase()).collect())
    }

    /// The fields that say where the data lies, each explained; `mark` comments them out where there is no dataset.
    pub(super) fn commented(&self, mark: &str) -> anyhow::Result<String> {
        match self.engine {
            Engine::Files if self.bucket.is_some() => self.of_a_bucket(),
            Engine::Files => {
                let path = self.data.as_deref().map_or_else(|| Ok(quoted("/srv/omop")), written_path)?;
                Ok(format!("# The folder.\n{mark}path = {path}\n"))
            }
            Engine::Sqlite => {
                let path = written_path(self.data.as_deref().unwrap_or(Path::new("omop.db")))?;
                Ok(format!("# The file.\npath = {path}\n"))
            }
            Engine::Postgres => self.postgres(),
            Engine::Flight => self.flight(),
        }
    }

    fn postgres(&self) -> anyhow::Result<String> {
        let known = |text: &Option<String>| quoted(text.as_deref().unwrap_or_default());
        Ok(format!(
            "# A host, which is spoken to over TLS, or the folder of a socket.\nhost = {}\nport = {}\ndatabase = {}\n\
             # A role that may read the tables and nothing else; `quintes dataset check` says what is too much.\nuser = {}\n{}\
             # The schema of the tables.\nschema = {}\n\
             # A statement that the server's planner finds dearer is refused before it runs (the cost that EXPLAIN prints).\nmax_cost = {:e}\n",
            quoted(self.host.as_deref().unwrap_or("/var/run/postgresql")),
            self.port.unwrap_or(self.engine.port()),
            known(&self.database),
            known(&self.user),
            self.secrets()?,
            quoted(&self.schema),
            MOST_COST,
        ))
    }

    fn flight(&self) -> anyhow::Result<String> {
        let (mark, user) = self.user.as_ref().map_or(("# ", quoted("quintes")), |user| ("", quoted(user)));
        let mut setup = String::new();
        for statement in &self.setup {
            writeln!(setup, "    {},", quoted(statement))?;
        }
        Ok(format!(
            "# The scheduler, or a gateway before it.\nhost = {}\nport = {}\n\
             # Who the node is there. A session begins with a handshake, whose token is used from then on.\n{mark}user = {user}\n{}\
             # Without ca_file rows come in plain text: to another machine only if you accept that.\naccept_plaintext = {}\n\
             # Whether the server may answer whoever reaches it, without a password. Ballista's own does.\naccept_anonymous = {}\n\
             # What makes the tables known, statement by statement, at the beginning of each session. No secrets: others may see statements there.\n\
             # For example CREATE EXTERNAL TABLE person STORED AS PARQUET LOCATION '/srv/omop/person/'\nsetup = [\n{setup}]\n",
            quoted(self.host.as_deref().unwrap_or("127.0.0.1")),
            self.port.unwrap_or(self.engine.port()),
            self.secrets()?,
            self.accept_plaintext,
            self.accept_anonymous,
        ))
    }

    fn of_a_bucket(&self) -> anyhow::Result<String> {
        let known = |text: &Option<String>| quoted(text.as_deref().unwrap_or_default());
        Ok(format!(
            "# The object store: its address, the region that requests are signed for, the bucket, and the folder in it.\n\
             endpoint = {}\nregion = {}\nbucket = {}\nprefix = {}\n{}{}",
            known(&self.endpoint),
            quoted(&self.region),
            known(&self.bucket),
            quoted(&self.prefix),
            file(
                "key_file",
                "The access key, one line ID:SECRET in a file that only the node can read.",
                &self.key_file
            )?,
            file("ca_file", "Who else may vouch for the store, beside those whom this machine trusts.", &self.ca_file)?,
        ))
    }

    /// The files of a server's client.
    fn secrets(&self) -> anyhow::Result<String> {
        let password = "The password, one line in a file that only the node can read.";
        let authorities = "Who vouches for the host: certificates in PEM form.";
        Ok(file("password_file", password, &self.password_file)? + &file("ca_file", authorities, &self.ca_file)?)
    }
}

/// A field that names a file, commented out where there is none.
fn file(field: &str, what: &str, file: &Option<PathBuf>) -> anyhow::Result<String> {
    let (mark, file) = match file {
        Some(file) => ("", written_path(file)?),
        None => ("# ", quoted(&format!("/etc/quintes/{field}"))),
    };
    Ok(format!("# {what}\n{mark}{field} = {file}\n"))
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A list of texts as TOML writes it.
pub(super) fn list(items: Vec<String>) -> String {
    toml::Value::Array(items.into_iter().map(toml::Value::String).collect()).to_string()
}

/// A path as TOML writes it, from the root on.
pub(super) fn written_path(path: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(path).with_context(|| format!("`{}` is no path; give another", path.display()))?;
    let text = path.to_str().ok_or_else(|| anyhow!("`{}` is not UTF-8; rename it", path.display()))?;
    Ok(quoted(text))
}
