//! A gateway with TLS and a password before the cluster, as an operator puts one there: every call goes through to the real server behind it.

use super::*;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse,
    PollInfo, PutResult, SchemaResult, Ticket,
};
use base64ct::{Base64, Encoding as _};
use flight::OpenError;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Identity, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

/// What it lets through, and to whom.
struct Gateway {
    behind: FlightServiceClient<Channel>,
    /// The header of those who know the password.
    basic: String,
}

type Stream<T> = BoxStream<'static, Result<T, Status>>;

impl Gateway {
    fn client(&self) -> FlightServiceClient<Channel> {
        self.behind.clone()
    }
}

/// Only who has a token goes on; whether it is a good one, the server knows.
fn checked<T>(request: Request<T>) -> Result<Request<T>, Status> {
    let header = request.metadata().get("authorization").map(|header| header.as_bytes().starts_with(b"Bearer "));
    if header == Some(true) { Ok(request) } else { Err(Status::unauthenticated("no token")) }
}

fn boxed<T: Send + 'static>(answer: Response<Streaming<T>>) -> Response<Stream<T>> {
    answer.map(|stream| stream.boxed())
}

fn none<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not through here"))
}

#[tonic::async_trait]
impl FlightService for Gateway {
    type HandshakeStream = Stream<HandshakeResponse>;
    type ListFlightsStream = Stream<FlightInfo>;
    type DoGetStream = Stream<FlightData>;
    type DoPutStream = Stream<PutResult>;
    type DoActionStream = Stream<arrow_flight::Result>;
    type ListActionsStream = Stream<ActionType>;
    type DoExchangeStream = Stream<FlightData>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        let header = request.metadata().get("authorization").and_then(|header| header.to_str().ok());
        if header != Some(&self.basic) {
            return Err(Status::unauthenticated("CANARY: another password"));
        }
        self.client().handshake(Request::new(stream::iter([HandshakeRequest::default()]))).await.map(boxed)
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        self.client().get_flight_info(checked(request)?).await
    }

    async fn do_get(&self, request: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        self.client().do_get(checked(request)?).await.map(boxed)
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Result<Response<Self::DoPutStream>, Status> {
        let (metadata, _, mut stream) = checked(request)?.into_parts();
        // a statement is one message
        let messages: Vec<FlightData> = stream.message().await?.into_iter().collect();
        let mut request = Request::new(stream::iter(messages));
        *request.metadata_mut() = metadata;
        self.client().do_put(request).await.map(boxed)
    }

    async fn do_action(&self, request: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        self.client().do_action(checked(request)?).await.map(boxed)
    }

    async fn list_flights(&self, _: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        none()
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        none()
    }

    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        none()
    }

    async fn list_actions(&self, _: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        none()
    }

    async fn do_exchange(&self, _: Request<Streaming<FlightData>>) -> Result<Response<Self::DoExchangeStream>, Status> {
        none()
    }
}

/// Starts a gateway before the cluster, and returns its port.
async fn gateway(user: &str, password: &str) -> u16 {
    let address = Endpoint::from_shared(format!("http://127.0.0.1:{}", cluster().port)).unwrap();
    let behind = FlightServiceClient::new(address.connect().await.unwrap());
    let basic = format!("Basic {}", Base64::encode_string(format!("{user}:{password}").as_bytes()));
    let read = |name: &str| std::fs::read(server().folder.join(name)).unwrap();
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(read("server.crt"), read("server.key")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = FlightServiceServer::new(Gateway { behind, basic });
    let serve = tonic::transport::Server::builder().tls_config(tls).unwrap().add_service(service);
    tokio::spawn(serve.serve_with_incoming(TcpIncoming::from(listener)));
    port
}

#[tokio::test]
async fn threat_62_a_password_goes_over_tls_alone_and_is_seen_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    write_csv(folder.path(), &tables());
    let port = gateway("quintes", "canary-password").await;
    let password = Server::password_file(folder.path(), "canary-password");
    let good = flight::Options {
        host: "localhost".into(),
        port,
        ca_file: Some(server().authority.clone()),
        user: Some("quintes".into()),
        password_file: Some(password.clone()),
        accept_anonymous: false,
        ..flight_options(cluster(), folder.path(), &["person"]).await
    };
    let database = FlightDatabase::open(good.clone()).await;
    let database = database.unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)));
    assert_eq!(lines(&database, "select count(*) as n from person", &[]).await.unwrap(), ["40"]);
    let union = "select 1 as n union all select 2 union all select 3 order by n";
    assert_eq!(
        lines(&database, union, &[]).await.unwrap(),
        ["1", "2", "3"],
        "the server behind it is Ballista all the same"
    );
    let mut seen = format!("{good:?} {database:?}");
    for file in ["cmdline", "environ"] {
        seen += &String::from_utf8_lossy(&std::fs::read(format!("/proc/self/{file}")).unwrap());
    }
    let refused = async |options: flight::Options| FlightDatabase::open(options).await.expect_err("it is refused");
    // by its address too: the certificate names it
    FlightDatabase::open(flight::Options { host: "127.0.0.1".into(), ..good.clone() }).await.unwrap();
    // plain text to a port that wants TLS, and authorities that did not sign the certificate
    assert!(matches!(refused(flight::Options { ca_file: None, ..good.clone() }).await, OpenError::Connect(_)));
    let other = folder.path().join("other.pem");
    let made = std::process::Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=other".split(' '))
        .arg("-keyout")
        .arg(folder.path().join("other.key"))
        .arg("-out")
        .arg(&other)
        .output()
        .unwrap();
    assert!(made.status.success());
    assert!(matches!(refused(flight::Options { ca_file: Some(other), ..good.clone() }).await, OpenError::Connect(_)));
    // no password, a wrong one, and one that changed while the node ran
    let nothing = refused(flight::Options { password_file: None, ..good.clone() }).await;
    assert!(nothing.to_string().contains("check user and password_file"), "{nothing}");
    Server::password_file(folder.path(), "canary-password-wrong");
    let error = refused(good).await;
    assert!(matches!(error, OpenError::Handshake(_)), "{error}");
    seen += &format!("{error} {:?}", error);
    let late = database.begin(MOST).await.err().expect("the password is read at each session");
    seen += &format!("{late} {late:?} {}", late.for_reviewer());
    assert!(!seen.contains("canary-password"), "a password is seen");
    assert!(!seen.contains(&Base64::encode_string(b"quintes:canary-password")), "a password is seen");
}
