//! What makes a cluster unsafe to ask: who can listen on the way, who else is let in, and whether a query can be ended.

use super::ending::Ending;
use super::wire::Server;
use super::{OpenError, Options};
use crate::database::{Fault, fault};

/// What is wrong with the way to the server; nothing has been sent yet.
pub(super) fn of_the_way(options: &Options) -> Option<Fault> {
    if options.ca_file.is_some() || options.accept_plaintext || fault::is_this_machine(&options.host) {
        return None;
    }
    Some(Fault::new(
        format!("rows would come from `{}:{}` in plain text, through a network", options.host, options.port),
        "name the authorities of the server's certificate (ca_file), or say accept_plaintext = true where nobody else is on that network",
    ))
}

/// What is wrong with the server.
pub(super) async fn of_the_server(
    options: &Options,
    server: &Server,
    ending: &Ending,
) -> Result<Vec<Fault>, OpenError> {
    let mut faults = Vec::new();
    let place = format!("{}:{}", options.host, options.port);
    if !options.accept_anonymous && server.answers_anybody().await? {
        faults.push(Fault::new(
            format!("`{place}` answers whoever reaches it, without a password"),
            "put a gateway before it that asks for one, or say accept_anonymous = true where only this node reaches it",
        ));
    }
    if matches!(ending, Ending::Impossible) {
        faults.push(Fault::new(
            format!("a query that takes too long cannot be ended at `{place}`"),
            "start the scheduler without --disable-rest-api",
        ));
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_in_plain_text() {
        let with = |host: &str, accept_plaintext| Options { host: host.into(), accept_plaintext, ..Options::default() };
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "::1"] {
            assert_eq!(of_the_way(&with(host, false)), None, "{host}");
        }
        for host in ["10.0.0.1", "0.0.0.0", "localhost.example.org", "127.0.0.1.example.org", "::ffff:10.0.0.1", ""] {
            let fault = of_the_way(&with(host, false)).expect("it is refused");
            assert!(fault.sentence.contains("plain text") && fault.remedy.contains("ca_file"), "{fault}");
            assert_eq!(of_the_way(&with(host, true)), None, "{host}");
        }
    }
}
