//! Who sits at the other end of a loopback connection: only the accounts that were named may talk to the page (`threat 70`).
//!
//! A cookie is sent to every port of a host, so another person's program on this machine could be given ours. It is of no use there: the
//! system says which account owns a connection, and connections of other accounts are closed before a byte is read.

use axum::serve::Listener;
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long to wait after the system could not accept, for example because of too many open files.
const PAUSE: Duration = Duration::from_millis(200);

/// A listener that hears only certain accounts of this machine, where it listens on the loopback interface.
#[derive(Debug)]
pub struct Neighbours {
    listener: TcpListener,
    /// None: whoever reaches the address, which is then not a loopback address.
    accounts: Option<BTreeSet<u32>>,
}

impl Neighbours {
    /// Hears these accounts only. Elsewhere than on the loopback interface the system knows no accounts, and everybody is heard.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn new(listener: TcpListener, accounts: BTreeSet<u32>) -> io::Result<Self> {
        let accounts = listener.local_addr()?.ip().is_loopback().then_some(accounts);
        Ok(Self { listener, accounts })
    }

    /// Whether the account at the other end is one of those that are heard; otherwise which it is, where the system says so.
    fn hears(&self, from: SocketAddr) -> Result<(), Option<u32>> {
        let Some(accounts) = &self.accounts else { return Ok(()) };
        let to = self.listener.local_addr().map_err(|_| None)?;
        match account_of(from, to) {
            Ok(Some(account)) if accounts.contains(&account) => Ok(()),
            Ok(account) => Err(account),
            // Where the system has no such table, the token and the cookie stand alone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(_) => Err(None),
        }
    }
}

impl Listener for Neighbours {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => match self.hears(from) {
                    Ok(()) => return (stream, from),
                    Err(account) => {
                        tracing::warn!(account, "another account's browser was turned away; `--account` lets it in")
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// The account of this process.
///
/// # Errors
/// When the system does not say.
pub fn own_account() -> io::Result<u32> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(std::fs::metadata("/proc/self")?.uid())
}

/// The account that owns the socket at `from`, which is connected to `to`, from the system's table of connections (`proc(5)`, `/proc/net/tcp`).
fn account_of(from: SocketAddr, to: SocketAddr) -> io::Result<Option<u32>> {
    let table = if from.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    Ok(account_in(&std::fs::read_to_string(table)?, from, to))
}

fn account_in(table: &str, from: SocketAddr, to: SocketAddr) -> Option<u32> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (local, remote) = (end(fields.nth(1)?)?, end(fields.next()?)?);
        // After the state: queues, timer, retransmissions, account.
        let account = fields.nth(4)?;
        (local == from && remote == to).then(|| account.parse().ok()).flatten()
    })
}

/// An address as the kernel prints it: 32-bit words in the machine's own order, and the port.
fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let words: Option<Vec<[u8; 4]>> = (0..address.len() / 8)
        .map(|word| u32::from_str_radix(address.get(word * 8..word * 8 + 8)?, 16).ok().map(u32::to_ne_bytes))
        .collect();
    let bytes = words?.concat();
    let address = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{account_of, own_account};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn threat_70_the_system_says_whose_a_connection_is() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let to = listener.local_addr().unwrap();
            let stream = TcpStream::connect(to).unwrap();
            let from = stream.local_addr().unwrap();
            assert_eq!(account_of(from, to).unwrap(), Some(own_account().unwrap()), "{address}");
            let mut other = from;
            other.set_port(from.port() ^ 1);
            assert_eq!(account_of(other, to).unwrap(), None, "nobody has that connection");
        }
    }
}
