//! Connections to the server: who it is, over what, and how each one is set before anything is asked.

use super::{OLDEST, OpenError, Options};
use crate::database::secret::password;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a server may take to accept.
const CONNECT: Duration = Duration::from_secs(10);

/// Where the server is and how to become its client. It holds no password: the file is read at each connection.
pub(super) struct Server {
    host: String,
    port: u16,
    database: String,
    user: String,
    password_file: Option<PathBuf>,
    /// `None` = over the socket.
    tls: Option<MakeRustlsConnect>,
}

/// A connection; it ends when it is dropped.
pub(super) struct Link {
    pub(super) client: Client,
    /// The server's process.
    pub(super) process: i32,
    _connection: AbortOnDrop,
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Server {
    pub(super) fn new(options: &Options) -> Result<Self, OpenError> {
        let tls = if options.host.starts_with('/') {
            None
        } else {
            Some(trusting(options.ca_file.as_deref().ok_or(OpenError::NoAuthorities)?)?)
        };
        Ok(Self {
            host: options.host.clone(),
            port: options.port,
            database: options.database.clone(),
            user: options.user.clone(),
            password_file: options.password_file.clone(),
            tls,
        })
    }

    /// Connects for at most `most`.
    pub(super) async fn open(&self, most: Duration) -> Result<Link, OpenError> {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .dbname(&self.database)
            .user(&self.user)
            .application_name("quintes")
            .connect_timeout(CONNECT);
        if let Some(file) = &self.password_file {
            let password = password(file).map_err(|source| OpenError::Password { file: file.clone(), source })?;
            config.password(password.as_bytes());
        }
        let (client, connection) = match &self.tls {
            None => {
                config.ssl_mode(SslMode::Disable);
                let (client, connection) = config.connect(NoTls).await.map_err(OpenError::Connect)?;
                // the client hears of every error itself
                (client, tokio::spawn(async move { drop(connection.await) }))
            }
            Some(tls) => {
                config.ssl_mode(SslMode::Require);
                let (client, connection) = config.connect(tls.clone()).await.map_err(OpenError::Connect)?;
                (client, tokio::spawn(async move { drop(connection.await) }))
            }
        };
        let connection = AbortOnDrop(connection);
        client.batch_execute(&settings(most)).await.map_err(OpenError::Engine)?;
        let about = client
            .query_one("SELECT pg_backend_pid(), current_setting('server_version_num')::int, current_setting('server_version')", &[])
            .await
            .map_err(OpenError::Engine)?;
        if about.get::<_, i32>(1) < OLDEST {
            return Err(OpenError::TooOld(about.get(2)));
        }
        Ok(Link { process: about.get(0), client, _connection: connection })
    }
}

/// What every connection is set to. Names are looked up in the catalogue alone: granted relations are always written with their schema.
fn settings(most: Duration) -> String {
    let millis = most.as_millis().clamp(1, 2_000_000_000);
    format!(
        "SET search_path = pg_catalog; SET default_transaction_read_only = on; SET standard_conforming_strings = on; \
         SET client_min_messages = error; SET bytea_output = hex; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = postgres; \
         SET TimeZone = 'UTC'; SET extra_float_digits = 1; SET row_security = on; SET jit = off; \
         SET max_parallel_workers_per_gather = 0; SET synchronize_seqscans = off; SET work_mem = '32MB'; \
         SET lock_timeout = '10s'; SET client_connection_check_interval = '2s'; \
         SET statement_timeout = {millis}; SET idle_in_transaction_session_timeout = {millis};"
    )
}

/// TLS that trusts the authorities of a file and nobody else.
fn trusting(file: &Path) -> Result<MakeRustlsConnect, OpenError> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(|_| OpenError::Authorities(file.to_owned()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|_| OpenError::Authorities(file.to_owned()))?;
        roots.add(certificate).map_err(|error| OpenError::Tls(Box::new(error)))?;
    }
    if roots.is_empty() {
        return Err(OpenError::Authorities(file.to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError::Tls(Box::new(error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
