//! Out through an HTTP proxy: where one is configured, every connection begins with CONNECT (RFC 9110 section 9.3.6), and Noise runs inside it.
//!
//! The proxy sees names, ports and ciphertext. What it does wrong is told in sentences, because whoever runs the node often does not run it.

use base64ct::{Base64, Encoding as _};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use libp2p::core::transport::{DialOpts, ListenerId, TransportEvent};
use libp2p::multiaddr::Protocol;
use libp2p::tcp::tokio::TcpStream as Socket;
use libp2p::{Multiaddr, Transport, TransportError};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// How long the proxy may take, from dialling it to the end of its answer. Below the time of a whole handshake, so that the sentence is ours.
const PATIENCE: Duration = Duration::from_secs(8);

/// The longest answer to CONNECT, in bytes.
const ANSWER_BYTES: usize = 8 * 1024;

/// The most header fields in an answer.
const FIELDS: usize = 64;

/// Where a proxy is: `http://proxy.hospital:3128`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyAddress {
    host: String,
    port: u16,
}

/// Why a text is no proxy's address.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NoProxy {
    /// Another scheme, no port, or more than a host and a port.
    #[error("a proxy is named as http://HOST:PORT and nothing more")]
    Form,
    /// A name and a password in it.
    #[error("a proxy's password does not belong into its address: put user:password into a file and name the file")]
    Password,
}

impl FromStr for ProxyAddress {
    type Err = NoProxy;

    fn from_str(text: &str) -> Result<Self, NoProxy> {
        let rest = text.strip_prefix("http://").ok_or(NoProxy::Form)?;
        if rest.contains('@') {
            return Err(NoProxy::Password);
        }
        let (host, port) = rest.strip_suffix('/').unwrap_or(rest).rsplit_once(':').ok_or(NoProxy::Form)?;
        let port = port.parse().map_err(|_| NoProxy::Form)?;
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match inner {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => is_name(host),
        };
        if is_host && port != 0 {
            Ok(Self { host: inner.unwrap_or(host).to_owned(), port })
        } else {
            Err(NoProxy::Form)
        }
    }
}

impl fmt::Display for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", Place { host: self.host.clone(), port: self.port })
    }
}

/// A proxy, and what to say to it.
#[derive(Clone)]
pub struct Proxy {
    address: ProxyAddress,
    /// `user:password` in Base64, as HTTP's Basic scheme wants it (RFC 7617).
    credentials: Option<Arc<Zeroizing<String>>>,
}

/// Without the credentials.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.address)
    }
}

/// Why the proxy gives no way.
#[derive(Debug, Error)]
pub enum ProxyError {
    /// It is not there.
    #[error("the proxy {proxy} cannot be reached: check its address and that it runs")]
    Unreachable {
        /// The proxy.
        proxy: ProxyAddress,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// 407, or 401 as tinyproxy has it.
    #[error(
        "the proxy {0} wants to know who we are, or does not take the password: put user:password into a file with mode 0600 and name it as the proxy's credentials_file"
    )]
    Unauthorised(ProxyAddress),
    /// Another answer than 2xx.
    #[error(
        "the proxy {proxy} does not let us through to {place} (it answers {code}): ask who runs it to allow this host and port"
    )]
    Refused {
        /// The proxy.
        proxy: ProxyAddress,
        /// Where to.
        place: Place,
        /// Its status code.
        code: u16,
    },
    /// No HTTP, or more than an answer has.
    #[error("what answers at {0} is no HTTP proxy: check its address and port")]
    Foreign(ProxyAddress),
    /// Not in time.
    #[error("the proxy {0} did not answer CONNECT within 8 seconds: check that it runs, and that it reaches the hub")]
    Slow(ProxyAddress),
}

impl Proxy {
    /// The proxy at `address`, with `user:password` where it asks for that.
    #[must_use]
    pub fn new(address: ProxyAddress, credentials: Option<&Zeroizing<Vec<u8>>>) -> Self {
        let encoded = |bytes: &Zeroizing<Vec<u8>>| Arc::new(Zeroizing::new(Base64::encode_string(bytes.trim_ascii())));
        Self { address, credentials: credentials.map(encoded) }
    }

    /// A connection to `place` through the proxy.
    ///
    /// # Errors
    /// [`ProxyError`], after eight seconds at the latest.
    pub async fn connect(&self, place: &Place) -> Result<TcpStream, ProxyError> {
        let slow = || ProxyError::Slow(self.address.clone());
        tokio::time::timeout(PATIENCE, self.open(place)).await.map_err(|_| slow())?
    }

    async fn open(&self, place: &Place) -> Result<TcpStream, ProxyError> {
        let unreachable = |cause| ProxyError::Unreachable { proxy: self.address.clone(), cause };
        let mut stream =
            TcpStream::connect((self.address.host.as_str(), self.address.port)).await.map_err(unreachable)?;
        let mut question = Zeroizing::new(format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n"));
        if let Some(credentials) = &self.credentials {
            question.push_str("Proxy-Authorization: Basic ");
            question.push_str(credentials);
            question.push_str("\r\n");
        }
        question.push_str("\r\n");
        stream.write_all(question.as_bytes()).await.map_err(unreachable)?;
        let foreign = || ProxyError::Foreign(self.address.clone());
        let mut answer = Vec::new();
        // Byte by byte: what follows the answer is the other node's.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= ANSWER_BYTES {
                return Err(foreign());
            }
            answer.push(stream.read_u8().await.map_err(|_| foreign())?);
        }
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut read = httparse::Response::new(&mut fields);
        match read.parse(&answer).map(|_| read.code) {
            Ok(Some(200..=299)) => Ok(stream),
            Ok(Some(401 | 407)) => Err(ProxyError::Unauthorised(self.address.clone())),
            Ok(Some(code)) => Err(ProxyError::Refused { proxy: self.address.clone(), place: place.clone(), code }),
            Ok(None) | Err(_) => Err(foreign()),
        }
    }
}

/// A host and a port, as CONNECT names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Place {
    /// The place at the beginning of a TCP address; none where it is no such address, or its name could be more than a name.
    #[must_use]
    pub fn of(address: &Multiaddr) -> Option<Self> {
        let mut parts = address.iter();
        let host = match parts.next()? {
            Protocol::Ip4(ip) => ip.to_string(),
            Protocol::Ip6(ip) => ip.to_string(),
            Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) if is_name(&name) => name.into_owned(),
            _ => return None,
        };
        match (parts.next(), parts.next()) {
            (Some(Protocol::Tcp(port)), None | Some(Protocol::P2p(_))) => Some(Self { host, port }),
            _ => None,
        }
    }
}

/// Names are written into a header: letters, digits, dots, hyphens and underscores alone.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 253 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// TCP that dials through a proxy where there is one; it listens as before.
pub(super) struct Outward<T> {
    direct: T,
    proxy: Option<Proxy>,
}

impl<T> Outward<T> {
    pub(super) fn new(direct: T, proxy: Option<Proxy>) -> Self {
        Self { direct, proxy }
    }
}

impl<T> Transport for Outward<T>
where
    T: Transport<Output = Socket, Error = io::Error> + Unpin,
    T::Dial: Send + 'static,
{
    type Output = Socket;
    type Error = io::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = BoxFuture<'static, io::Result<Socket>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.direct.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.direct.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some(proxy) = self.proxy.clone() else { return Ok(self.direct.dial(address, options)?.boxed()) };
        let Some(place) = Place::of(&address) else { return Err(TransportError::MultiaddrNotSupported(address)) };
        let through = async move {
            let stream = proxy.connect(&place).await.map_err(io::Error::other)?;
            stream.set_nodelay(true)?;
            Ok(Socket(stream))
        };
        Ok(through.boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.direct).poll(context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn a_proxy_is_a_host_and_a_port() {
        for text in ["http://proxy.hospital:3128", "http://10.0.0.1:80", "http://[::1]:8080"] {
            assert_eq!(text.parse::<ProxyAddress>().unwrap().to_string(), text);
        }
        assert_eq!("http://p:1/".parse::<ProxyAddress>().unwrap().to_string(), "http://p:1");
        for text in [
            "https://p:1",
            "p:1",
            "http://p",
            "http://p:0",
            "http://p:1/x",
            "http://:1",
            "http://[p]:1",
            "http://a b:1",
        ] {
            assert_eq!(text.parse::<ProxyAddress>(), Err(NoProxy::Form), "{text}");
        }
        assert_eq!("http://u:p@p:1".parse::<ProxyAddress>(), Err(NoProxy::Password));
    }

    #[test]
    fn only_a_plain_tcp_address_is_a_place() {
        let place = |text: &str| Place::of(&text.parse().unwrap()).map(|place| place.to_string());
        assert_eq!(place("/dns4/hub.example.org/tcp/4001").as_deref(), Some("hub.example.org:4001"));
        assert_eq!(place("/ip6/::1/tcp/4001").as_deref(), Some("[::1]:4001"));
        assert_eq!(place("/ip4/127.0.0.1/udp/4001"), None);
        assert_eq!(place("/ip4/127.0.0.1/tcp/4001/ws"), None);
        // a name that would write a header of its own
        let forged = Multiaddr::empty().with(Protocol::Dns("a\r\nX: y".into())).with(Protocol::Tcp(1));
        assert_eq!(Place::of(&forged), None);
    }

    /// A proxy that gives one answer, whatever is asked; what it was asked comes back.
    async fn says(answer: &'static [u8], credentials: Option<&str>) -> (Result<TcpStream, ProxyError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            // whoever is answered too much hangs up
            let _ = stream.write_all(answer).await;
            (String::from_utf8(asked).unwrap(), stream)
        });
        let credentials = credentials.map(|text| Zeroizing::new(text.as_bytes().to_vec()));
        let place = Place { host: "hub.example.org".to_owned(), port: 4001 };
        let connected = Proxy::new(address, credentials.as_ref()).connect(&place).await;
        (connected, serving.await.unwrap().0)
    }

    #[tokio::test]
    async fn every_answer_has_its_sentence() {
        let (connected, asked) =
            says(b"HTTP/1.1 200 Connection established\r\nVia: p\r\n\r\nrest", Some("bob:secret\n")).await;
        let mut rest = [0; 4];
        connected.unwrap().read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"rest", "what follows the answer is not the proxy's");
        assert!(
            asked.starts_with("CONNECT hub.example.org:4001 HTTP/1.1\r\nHost: hub.example.org:4001\r\n"),
            "{asked}"
        );
        assert!(asked.contains("\r\nProxy-Authorization: Basic Ym9iOnNlY3JldA==\r\n"), "{asked}");
        let (refused, asked) = says(b"HTTP/1.0 407 Proxy Authentication Required\r\n\r\n", None).await;
        assert!(!asked.contains("Authorization"));
        assert!(matches!(refused, Err(ProxyError::Unauthorised(_))));
        let (refused, _) = says(b"HTTP/1.1 403 Filtered\r\n\r\n", None).await;
        let refused = refused.unwrap_err();
        assert!(matches!(refused, ProxyError::Refused { code: 403, .. }));
        assert!(refused.to_string().contains("hub.example.org:4001 (it answers 403): ask"), "{refused}");
        const LONG: &[u8] = &[b'x'; 20_000];
        for foreign in [b"SSH-2.0-OpenSSH\r\n\r\n".as_slice(), b"\r\n\r\n", LONG] {
            let (answered, _) = says(foreign, None).await;
            assert!(matches!(answered, Err(ProxyError::Foreign(_))), "{answered:?}");
        }
        let gone = "http://127.0.0.1:1".parse().unwrap();
        let place = Place { host: "h".to_owned(), port: 1 };
        let unreachable = Proxy::new(gone, None).connect(&place).await;
        assert!(matches!(unreachable, Err(ProxyError::Unreachable { .. })));
    }

    #[tokio::test]
    async fn threat_14_a_proxy_that_drips_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let dripping = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            while stream.write_all(b"H").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
        let place = Place { host: "h".to_owned(), port: 1 };
        let slow = Proxy::new(address, None).connect(&place).await;
        assert!(matches!(slow, Err(ProxyError::Slow(_))), "{slow:?}");
        dripping.await.unwrap();
    }
}
