//! Signing through ssh-agent: the private key stays with the agent, and what it signs is checked before it is believed.

use crate::key::PublicKey;
use crate::signer::{SignError, Signer};
use ssh_agent_client_rs::{Client, Error as AgentError, Identity};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// How long an agent may take to answer: its owner may have to confirm (`ssh-add -c`) or touch something.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// Why an agent cannot be used.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Nobody answers on the socket.
    #[error("the ssh-agent at `{}` does not answer; start one with `eval $(ssh-agent)` or use a key file", socket.display())]
    Unreachable {
        /// The agent's socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody answers who is no ssh-agent, or one that refuses to list its keys.
    #[error("what answers at `{}` is not an ssh-agent that lists its keys; check SSH_AUTH_SOCK", socket.display())]
    NotAnAgent {
        /// The socket.
        socket: PathBuf,
        /// What was wrong with the answer.
        source: AgentError,
    },
    /// The agent works and does not hold the key.
    #[error("the ssh-agent does not hold {fingerprint}; load it with `ssh-add FILE`")]
    NoSuchKey {
        /// The key, as `ssh-add -l` prints it.
        fingerprint: String,
    },
}

/// The Ed25519 keys that an agent holds, each with its comment, in the agent's order. Certificates and other kinds are left out.
///
/// # Errors
/// [`ConnectError`] when there is no agent.
pub fn identities(socket: &Path) -> Result<Vec<(PublicKey, String)>, ConnectError> {
    let known = list(socket)?.into_iter().map(|(key, identity)| match identity {
        Identity::PublicKey(stated) => (key, stated.comment().to_owned()),
        Identity::Certificate(_) => (key, String::new()),
    });
    Ok(known.collect())
}

/// A key that an agent holds for us. Each signature takes a connection of its own, so the agent may be restarted between two.
#[derive(Debug)]
pub struct AgentKey {
    socket: PathBuf,
    public: PublicKey,
    identity: Identity<'static>,
}

impl AgentKey {
    /// Finds the key among those the agent holds.
    ///
    /// # Errors
    /// [`ConnectError`] when there is no agent or it does not hold the key.
    pub fn connect(socket: &Path, public: PublicKey) -> Result<Self, ConnectError> {
        let identity = list(socket)?
            .into_iter()
            .find_map(|(key, identity)| (key == public).then_some(identity))
            .ok_or_else(|| ConnectError::NoSuchKey { fingerprint: public.fingerprint() })?;
        Ok(Self { socket: socket.to_owned(), public, identity })
    }
}

impl Signer for AgentKey {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let fingerprint = || self.public.fingerprint();
        let unreachable = |source| SignError::Unreachable { socket: self.socket.clone(), source };
        let mut client = client(&self.socket).map_err(unreachable)?;
        let signed = client.sign_with_ref(&self.identity, message).map_err(|error| match error {
            AgentError::RemoteFailure => SignError::Refused { fingerprint: fingerprint() },
            AgentError::AgentCommunicationError(source) => unreachable(source),
            _ => SignError::NotASignature { fingerprint: fingerprint() },
        })?;
        let not_a_signature = || SignError::NotASignature { fingerprint: fingerprint() };
        let signature = <[u8; 64]>::try_from(signed.as_bytes()).map_err(|_| not_a_signature())?;
        // A statement with a bad signature would be refused far from here, where nobody could say why.
        self.public.verify(message, &signature).map_err(|_| not_a_signature())?;
        Ok(signature)
    }
}

/// A connection that does not wait for ever.
fn client(socket: &Path) -> io::Result<Client> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    Ok(Client::with_read_write(Box::new(stream)))
}

/// The plain Ed25519 keys of an agent.
fn list(socket: &Path) -> Result<Vec<(PublicKey, Identity<'static>)>, ConnectError> {
    let unreachable = |source| ConnectError::Unreachable { socket: socket.to_owned(), source };
    let found = client(socket).map_err(unreachable)?.list_all_identities().map_err(|error| match error {
        AgentError::AgentCommunicationError(source) => unreachable(source),
        source => ConnectError::NotAnAgent { socket: socket.to_owned(), source },
    })?;
    let known = found.into_iter().filter_map(|identity| {
        let bytes = match &identity {
            Identity::PublicKey(stated) => stated.key_data().ed25519()?.0,
            Identity::Certificate(_) => return None,
        };
        Some((PublicKey::from_bytes(bytes).ok()?, identity))
    });
    Ok(known.collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use crate::keyfile;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;
    use std::process::{Child, Command, Stdio};
    use std::time::Instant;

    /// A real ssh-agent, stopped when dropped.
    struct Agent {
        process: Child,
        socket: PathBuf,
    }

    impl Agent {
        fn start(folder: &Path) -> Self {
            let socket = folder.join("agent");
            let process = Command::new("ssh-agent")
                .arg("-D")
                .arg("-a")
                .arg(&socket)
                .stdout(Stdio::null())
                .spawn()
                .expect("install ssh-agent (openssh-client)");
            let started = Instant::now();
            while UnixStream::connect(&socket).is_err() {
                assert!(started.elapsed() < Duration::from_secs(20), "ssh-agent did not open its socket");
                std::thread::sleep(Duration::from_millis(5));
            }
            Self { process, socket }
        }

        fn add(&self, arguments: &[&str]) {
            let output = Command::new("ssh-add")
                .env("SSH_AUTH_SOCK", &self.socket)
                .args(arguments)
                .output()
                .expect("install ssh-add (openssh-client)");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    impl Drop for Agent {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    #[test]
    fn a_real_agent_signs_with_the_key_it_holds_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let agent = Agent::start(folder.path());
        let (ours, other) = (folder.path().join("ours"), folder.path().join("other"));
        let public = keyfile::create(&ours, "ada@example.org", None).unwrap();
        let absent = keyfile::create(&other, "", None).unwrap();
        let rsa = folder.path().join("rsa");
        let made = Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-N", "", "-f"]).arg(&rsa).status();
        assert!(made.expect("install ssh-keygen (openssh-client)").success());

        agent.add(&["-q", rsa.to_str().unwrap()]);
        let missing = AgentKey::connect(&agent.socket, public).unwrap_err();
        assert!(matches!(&missing, ConnectError::NoSuchKey { fingerprint } if *fingerprint == public.fingerprint()));

        agent.add(&["-q", ours.to_str().unwrap()]);
        assert_eq!(identities(&agent.socket).unwrap(), [(public, "ada@example.org".to_owned())]);
        assert!(AgentKey::connect(&agent.socket, absent).is_err());
        let key = AgentKey::connect(&agent.socket, public).unwrap();
        let message = vec![0x5a; 65_536];
        let signature = key.sign(&message).unwrap();
        assert_eq!(public.verify(&message, &signature), Ok(()));
        // Ed25519 is deterministic: the key file signs the same bytes.
        let file = keyfile::open(&ours, || Err(io::Error::other("not asked"))).unwrap();
        assert_eq!(file.sign(&message).unwrap(), signature);

        agent.add(&["-q", "-D"]);
        assert!(matches!(key.sign(b"late"), Err(SignError::Refused { .. })));
        drop(agent);
        assert!(matches!(key.sign(b"later"), Err(SignError::Unreachable { .. })));
    }

    /// Reads one message of the agent protocol (draft-ietf-sshm-ssh-agent section 3) and answers with `answer`.
    fn answer(listener: &UnixListener, answer: &[u8]) {
        let (mut stream, _) = listener.accept().unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut message = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        stream.read_exact(&mut message).unwrap();
        stream.write_all(&u32::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
        stream.write_all(answer).unwrap();
    }

    fn text(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    #[test]
    fn an_agent_that_signs_something_else_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        let key = crate::signer::SoftKey::from_seed([3; 32]);
        let blob = [text(b"ssh-ed25519"), text(key.public().as_bytes())].concat();
        let listed = [&[12, 0, 0, 0, 1][..], &text(&blob), &text(b"ada")].concat();
        let forged = [text(b"ssh-ed25519"), text(&key.sign(b"another message").unwrap())].concat();
        let signed = [&[14][..], &text(&forged)].concat();
        let server = std::thread::spawn(move || {
            answer(&listener, &listed);
            answer(&listener, &signed);
            answer(&listener, &[5]);
            answer(&listener, &[99, 1, 2]);
        });
        let agent = AgentKey::connect(&socket, key.public()).unwrap();
        assert!(matches!(agent.sign(b"message"), Err(SignError::NotASignature { .. })));
        assert!(matches!(agent.sign(b"message"), Err(SignError::Refused { .. })));
        assert!(matches!(identities(&socket), Err(ConnectError::NotAnAgent { .. })));
        server.join().unwrap();
        assert!(matches!(identities(&folder.path().join("none")), Err(ConnectError::Unreachable { .. })));
    }
}
