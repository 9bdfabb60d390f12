//! Through a real proxy: tinyproxy, which `tests/run` installs.

use super::super::behaviour::Role;
use super::super::client::{Client, ConnectError};
use super::super::*;
use super::member::{ACCEPTS, Heard, Member, PATIENCE, blob, key, seed, settings};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// A running tinyproxy that wants a password; it ends when this is dropped.
struct Tinyproxy {
    child: Child,
    address: ProxyAddress,
    folder: tempfile::TempDir,
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tinyproxy {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = folder.path().join("log");
        let settings = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 50\nBasicAuth bob secret\nLogLevel Connect\nLogFile \"{}\"\n",
            log.display()
        );
        let file = folder.path().join("tinyproxy.conf");
        std::fs::write(&file, settings).unwrap();
        let child = Command::new("tinyproxy")
            .arg("-d")
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tinyproxy is installed: run tests/run, or install the package");
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "tinyproxy does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, address: format!("http://127.0.0.1:{port}").parse().unwrap(), folder }
    }

    fn proxy(&self, credentials: Option<&str>) -> Proxy {
        let credentials = credentials.map(|text| Zeroizing::new(text.as_bytes().to_vec()));
        Proxy::new(self.address.clone(), credentials.as_ref())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_and_a_researcher_behind_a_proxy_take_part() {
    let tinyproxy = Tinyproxy::start();
    let proxy = tinyproxy.proxy(Some("bob:secret"));
    let mut hub = Member::hub(1, &[1, 2, 9]).await;
    let address = hub.network.local_addresses().remove(0);
    let inside = Settings { proxy: Some(proxy.clone()), ..settings(None, vec![address.clone()], false) };
    let mut spoke = Member::start(2, &[1, 2, 9], inside, ACCEPTS).await;
    spoke.hear_exactly(Heard::Connected(key(1), Role::Hub)).await;
    hub.hear_exactly(Heard::Connected(key(2), Role::Node)).await;
    spoke.announce_to(1, b"from inside").await;
    assert_eq!(hub.hear_announced().await, b"from inside");
    assert!(hub.network.ask(key(2), blob(1)).await.is_ok());
    let place = Place::of(&address).unwrap();
    assert!(tinyproxy.log().contains(&format!("CONNECT {place}")), "{}", tinyproxy.log());
    let client = Client::connect(seed(9), address, Some(proxy)).await.unwrap();
    assert!(client.ask(blob(2)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_refuses_is_told_in_words() {
    let tinyproxy = Tinyproxy::start();
    let hub = Member::hub(1, &[1, 9]).await;
    let address = hub.network.local_addresses().remove(0);
    let place = Place::of(&address).unwrap();
    for wrong in [None, Some("bob:guess")] {
        let refused = tinyproxy.proxy(wrong).connect(&place).await;
        assert!(matches!(refused, Err(ProxyError::Unauthorised(_))), "{refused:?}");
        let client = Client::connect(seed(9), address.clone(), Some(tinyproxy.proxy(wrong))).await.err().unwrap();
        let ConnectError::Unreachable { cause, .. } = &client else { panic!("{client}") };
        assert!(cause.to_string().contains("wants to know who we are"), "{cause}");
    }
    let nobody = Place { host: "127.0.0.1".to_owned(), port: 1 };
    let refused = tinyproxy.proxy(Some("bob:secret")).connect(&nobody).await;
    assert!(matches!(refused, Err(ProxyError::Refused { code: 500.., .. })), "{refused:?}");
}
