//! The calls of Arrow Flight SQL that the engine makes, and no more of it: one connection, one bearer token.
//!
//! The protocol's own crate has a client too. It panics where a server ends a stream early, so that its generated calls alone are used.

use super::{OpenError, Options};
use crate::database::secret::password;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    Any, CommandStatementQuery, CommandStatementUpdate, ProstMessageExt,
};
use arrow_flight::{Action, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, IpcMessage, Ticket};
use base64ct::{Base64, Encoding as _};
use datafusion::arrow::datatypes::Schema;
use futures::{TryStreamExt as _, stream};
use prost::Message as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;
use std::time::Duration;
use tonic::codegen::{Body as _, Service as _, http};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use zeroize::Zeroizing;

/// How long a server may take to accept.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may take over what is no query.
pub(super) const CALL: Duration = Duration::from_secs(60);
/// The longest message, in bytes: what Ballista sends at most.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// The longest answer of the server's other interface, in bytes.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// What a session of Ballista is set to before anything is asked. While it plans adaptively, version 55 gives the rows of a UNION's branches twice and
/// wrong names to the columns of an aggregate; where one task takes several branches, the query never ends; and an executor with debug assertions
/// cannot take a sort in parts above a UNION. A server that does not know them refuses them, and is left as it is.
const SETTINGS: [&str; 3] = [
    "SET ballista.planner.adaptive.enabled = false",
    "SET ballista.scheduler.max_partitions_per_task = 1",
    "SET datafusion.optimizer.repartition_sorts = false",
];

/// Where the server is and how to become its client. It holds no password: the file is read at each session.
pub(super) struct Server {
    endpoint: Endpoint,
    user: Option<String>,
    password_file: Option<PathBuf>,
    setup: Vec<String>,
}

/// A connection to the server, perhaps with a session there. Copies share it.
#[derive(Clone)]
pub(super) struct Link {
    channel: Channel,
    client: FlightServiceClient<Channel>,
    token: Option<MetadataValue<Ascii>>,
}

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Server {
    pub(super) fn new(options: &Options) -> Result<Self, OpenError> {
        let host = if options.host.contains(':') { format!("[{}]", options.host) } else { options.host.clone() };
        let scheme = if options.ca_file.is_some() { "https" } else { "http" };
        let address = |error: tonic::transport::Error| OpenError::Address(Box::new(error));
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{host}:{}", options.port))
            .map_err(address)?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20));
        if let Some(file) = &options.ca_file {
            let pem = std::fs::read(file).map_err(|_| OpenError::Authorities(file.clone()))?;
            let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
            if !certificates.is_ok_and(|certificates| !certificates.is_empty()) {
                return Err(OpenError::Authorities(file.clone()));
            }
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
            endpoint = endpoint.tls_config(tls).map_err(address)?;
        }
        if options.password_file.is_some() && options.user.is_none() {
            return Err(OpenError::NoUser);
        }
        Ok(Self {
            endpoint,
            user: options.user.clone(),
            password_file: options.password_file.clone(),
            setup: options.setup.clone(),
        })
    }

    /// Connects as nobody.
    pub(super) async fn connect(&self) -> Result<Link, OpenError> {
        let channel = self.endpoint.connect().await.map_err(|error| OpenError::Connect(Box::new(error)))?;
        let client = FlightServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        Ok(Link { channel, client, token: None })
    }

    /// A session of the node's own, set up.
    pub(super) async fn begin(&self, is_ballista: bool) -> Result<Link, OpenError> {
        let mut link = self.connect().await?;
        let password = match &self.password_file {
            Some(file) => password(file).map_err(|source| OpenError::Password { file: file.clone(), source })?,
            None => Zeroizing::new(String::new()),
        };
        let user = self.user.as_deref().unwrap_or("anonymous");
        let token = link.handshake(user, &password).await.map_err(|error| OpenError::Handshake(Box::new(error)))?;
        link.token = Some(token.ok_or(OpenError::NoSession)?);
        for statement in SETTINGS {
            // behind a gateway it may be Ballista all the same
            match link.update(statement).await {
                Err(error) if is_ballista => return Err(OpenError::Settings(Box::new(error))),
                _ => {}
            }
        }
        for (number, statement) in (1..).zip(&self.setup) {
            let done = link.update(statement).await;
            done.map_err(|error| OpenError::Setup { number, source: Box::new(error) })?;
        }
        Ok(link)
    }

    /// Whether the server works for somebody without a token, or with a made-up name and password.
    pub(super) async fn answers_anybody(&self) -> Result<bool, OpenError> {
        let mut link = self.connect().await?;
        if link.prepared("SELECT 1").await.is_ok() {
            return Ok(true);
        }
        match link.handshake("nobody-that-is-known", "no password").await {
            Ok(token) => {
                link.token = token;
                Ok(link.prepared("SELECT 1").await.is_ok())
            }
            Err(_) => Ok(false),
        }
    }
}

impl Link {
    /// What the session's clients know and nobody else.
    pub(super) fn secret(&self) -> [u8; 32] {
        Sha256::digest(self.token.as_ref().map(MetadataValue::as_bytes).unwrap_or_default()).into()
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        request
    }

    /// Asks for a session; the bearer token that names it, where the server gives one.
    async fn handshake(&self, user: &str, password: &str) -> Result<Option<MetadataValue<Ascii>>, Status> {
        let credentials = Zeroizing::new(format!("{user}:{password}"));
        let basic = Zeroizing::new(format!("Basic {}", Base64::encode_string(credentials.as_bytes())));
        let mut basic = MetadataValue::<Ascii>::try_from(basic.as_str())
            .map_err(|_| Status::invalid_argument("the password cannot be sent"))?;
        // not to be shown by whoever shows a request
        basic.set_sensitive(true);
        let mut request = Request::new(stream::iter([HandshakeRequest::default()]));
        request.metadata_mut().insert("authorization", basic);
        let mut client = self.client.clone();
        timely(async move {
            let response = client.handshake(request).await?;
            let token = response.metadata().get("authorization").cloned();
            // a server may refuse in the stream
            response.into_inner().try_collect::<Vec<_>>().await?;
            Ok(token.filter(|token| token.as_bytes().starts_with(b"Bearer ")).map(|mut token| {
                token.set_sensitive(true);
                token
            }))
        })
        .await
    }

    /// Runs a statement that gives no rows.
    async fn update(&self, sql: &str) -> Result<(), Status> {
        let command = CommandStatementUpdate { query: sql.to_owned(), transaction_id: None };
        let data = FlightData { flight_descriptor: Some(descriptor(&command)), ..FlightData::default() };
        let (mut client, request) = (self.client.clone(), self.request(stream::iter([data])));
        timely(async move { client.do_put(request).await?.into_inner().try_collect::<Vec<_>>().await.map(drop) }).await
    }

    /// The columns that a query would have, without running it.
    pub(super) async fn prepared(&self, sql: &str) -> Result<Schema, Status> {
        let command = ActionCreatePreparedStatementRequest { query: sql.to_owned(), transaction_id: None };
        let answer = self.act("CreatePreparedStatement", &command).await?;
        let odd = |_| Status::internal("the server's answer cannot be read");
        let answer = Any::decode(&*answer.unwrap_or_default()).map_err(odd)?;
        let answer: Option<ActionCreatePreparedStatementResult> =
            answer.unpack().map_err(|error| Status::internal(error.to_string()))?;
        let answer = answer.ok_or_else(|| Status::internal("the server's answer is another one"))?;
        let schema =
            Schema::try_from(IpcMessage(answer.dataset_schema)).map_err(|error| Status::internal(error.to_string()))?;
        let prepared_statement_handle = answer.prepared_statement_handle;
        // what is not closed now goes with the session
        drop(
            self.act("ClosePreparedStatement", &ActionClosePreparedStatementRequest { prepared_statement_handle })
                .await,
        );
        Ok(schema)
    }

    /// The first answer to an action, if there is one.
    async fn act<M: ProstMessageExt>(&self, name: &str, command: &M) -> Result<Option<prost::bytes::Bytes>, Status> {
        let action = Action { r#type: name.to_owned(), body: command.as_any().encode_to_vec().into() };
        let (mut client, request) = (self.client.clone(), self.request(action));
        timely(async move {
            let answers = client.do_action(request).await?.into_inner().try_collect::<Vec<_>>().await?;
            Ok(answers.into_iter().next().map(|answer| answer.body))
        })
        .await
    }

    /// Runs a query and tells where its rows are; it takes as long as the query does.
    pub(super) async fn run(&self, sql: String) -> Result<FlightInfo, Status> {
        let command = CommandStatementQuery { query: sql, transaction_id: None };
        let request = self.request(descriptor(&command));
        Ok(self.client.clone().get_flight_info(request).await?.into_inner())
    }

    /// The rows behind a ticket; dropping them ends the call.
    pub(super) async fn rows(&self, ticket: Ticket) -> Result<FlightRecordBatchStream, Status> {
        let stream = self.client.clone().do_get(self.request(ticket)).await?.into_inner();
        Ok(FlightRecordBatchStream::new_from_flight_data(stream.map_err(FlightError::from)))
    }

    /// Asks what else the server speaks on the same port: HTTP without a body, and the answer's status, program and body.
    pub(super) async fn http(&self, method: http::Method, path: &str) -> Result<Answer, BoxError> {
        let request = http::Request::builder().method(method).uri(path).body(tonic::body::Body::empty())?;
        let mut channel = self.channel.clone();
        let answer = async move {
            std::future::poll_fn(|context| channel.poll_ready(context)).await?;
            let response = channel.call(request).await?;
            let server = response.headers().get("server").and_then(|server| server.to_str().ok());
            let (status, server) = (response.status(), server.unwrap_or_default().to_owned());
            let mut read = Vec::new();
            let mut body = std::pin::pin!(response.into_body());
            while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
                if let Ok(data) = frame?.into_data() {
                    if read.len() + data.len() > MAX_BODY {
                        return Err("the answer is too long".into());
                    }
                    read.extend_from_slice(&data);
                }
            }
            Ok::<_, BoxError>(Answer { is_ok: status.is_success(), server, body: read })
        };
        tokio::time::timeout(CALL, answer).await.unwrap_or_else(|late| Err(late.into()))
    }
}

/// An answer over plain HTTP.
pub(super) struct Answer {
    pub(super) is_ok: bool,
    /// The program, as it calls itself.
    pub(super) server: String,
    pub(super) body: Vec<u8>,
}

fn descriptor<M: ProstMessageExt>(command: &M) -> FlightDescriptor {
    FlightDescriptor::new_cmd(command.as_any().encode_to_vec())
}

async fn timely<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = |_| Err(Status::new(Code::DeadlineExceeded, "the server does not answer"));
    tokio::time::timeout(CALL, call).await.unwrap_or_else(late)
}
