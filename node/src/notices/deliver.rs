//! The three ways of a notice out of the node: a command, a webhook, a mail; each tried a few times.

use super::{Event, Notice};
use crate::config::{Mail, Notices};
use anyhow::{Context as _, anyhow, bail};
use serde_json::json;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait before each further attempt.
const AGAIN: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(25)];

/// A way out.
pub(super) enum Channel {
    /// A program and its first arguments.
    Command(Vec<String>),
    /// An address that takes a POST of JSON.
    Webhook(String, Agent),
    /// A mail through `sendmail`.
    Mail(Mail),
}

impl Channel {
    /// Those that are configured.
    pub(super) fn all(config: &Notices) -> Vec<Self> {
        let command = (!config.command.is_empty()).then(|| Self::Command(config.command.clone()));
        let webhook = config.webhook.as_ref().map(|webhook| Self::Webhook(webhook.as_str().to_owned(), agent()));
        let mail = config.mail.clone().map(Self::Mail);
        [command, webhook, mail].into_iter().flatten().collect()
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Webhook(..) => "webhook",
            Self::Mail(_) => "mail",
        }
    }

    pub(super) async fn deliver(&self, notice: &Notice) -> anyhow::Result<()> {
        match self {
            Self::Command(words) => {
                let (program, args) = words.split_first().ok_or_else(|| anyhow!("no program is named"))?;
                let mut command = Command::new(program);
                command.args(args).arg(notice.event.name());
                start(command, &environment(notice), None).await
            }
            Self::Webhook(address, agent) => {
                let (agent, address, body) = (agent.clone(), address.clone(), body(notice));
                tokio::task::spawn_blocking(move || post(&agent, &address, &body)).await?
            }
            Self::Mail(mail) => {
                let to = recipients(mail, notice);
                if to.is_empty() {
                    return Ok(());
                }
                // Addresses stand in the message: a command line is for everybody on the machine to read.
                let mut command = Command::new(&mail.sendmail);
                command.args(["-i", "-t"]);
                start(command, &BTreeMap::new(), Some(&message(mail, &to, notice))).await
            }
        }
    }
}

/// Delivers what comes through the queue, one after the other, until the node stops.
pub(super) async fn work(channel: Channel, mut queue: mpsc::Receiver<Notice>, mut stop: watch::Receiver<bool>) {
    loop {
        let notice = tokio::select! {
            notice = queue.recv() => notice,
            () = crate::clock::stopped(&mut stop) => return,
        };
        let Some(notice) = notice else { return };
        tokio::select! {
            () = attempts(&channel, &notice) => {}
            () = crate::clock::stopped(&mut stop) => return,
        }
    }
}

async fn attempts(channel: &Channel, notice: &Notice) {
    let mut pauses = AGAIN.iter();
    loop {
        let Err(error) = channel.deliver(notice).await else { return };
        match pauses.next() {
            Some(pause) => tokio::time::sleep(*pause).await,
            None => {
                let (channel, event) = (channel.name(), notice.event.name());
                tracing::warn!(
                    channel,
                    event,
                    error = format!("{error:#}"),
                    "a notice was not delivered; check [notices]"
                );
                return;
            }
        }
    }
}

/// Starts a program without a shell, with nothing in its environment but where programs lie and what the notice says, and waits for it.
async fn start(mut command: Command, environment: &BTreeMap<&str, String>, input: Option<&str>) -> anyhow::Result<()> {
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin").envs(environment);
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().context("the program cannot be started")?;
    let ended = async {
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            stdin.write_all(input.as_bytes()).await.context("the program does not read")?;
            drop(stdin);
        }
        child.wait().await.context("the program cannot be waited for")
    };
    let status = tokio::time::timeout(PATIENCE, ended).await.map_err(|_| anyhow!("the program takes too long"))??;
    if !status.success() {
        bail!("the program failed ({status})");
    }
    Ok(())
}

fn environment(notice: &Notice) -> BTreeMap<&'static str, String> {
    let waiting = match notice.event {
        Event::Summary { waiting } => Some(waiting.to_string()),
        Event::Waiting | Event::Answered | Event::Returned | Event::Decided => None,
    };
    let named = [
        ("QUINTES_EVENT", Some(notice.event.name().to_owned())),
        ("QUINTES_TRE", Some(notice.tre.clone())),
        ("QUINTES_TASK", notice.task.clone()),
        ("QUINTES_PROJECT", notice.project.clone()),
        ("QUINTES_SUBMITTER", notice.submitter.clone()),
        ("QUINTES_WAITING", waiting),
    ];
    named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn body(notice: &Notice) -> String {
    let mut body = json!({ "event": notice.event.name(), "tre": notice.tre });
    let named = [("task", &notice.task), ("project", &notice.project), ("submitter", &notice.submitter)];
    for (name, value) in named {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    if let Event::Summary { waiting } = notice.event {
        body["waiting"] = json!(waiting);
    }
    body.to_string()
}

/// Follows no redirect, asks no proxy of the environment, and trusts whom the machine trusts.
fn agent() -> Agent {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let config = Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
        .tls_config(tls)
        .user_agent("quintes");
    config.build().into()
}

fn post(agent: &Agent, address: &str, body: &str) -> anyhow::Result<()> {
    let answer =
        agent.post(address).content_type("application/json").send(body).context("the webhook does not answer")?;
    if !answer.status().is_success() {
        bail!("the webhook answered {}", answer.status().as_u16());
    }
    Ok(())
}

fn recipients(mail: &Mail, notice: &Notice) -> Vec<String> {
    match &notice.submitter {
        Some(submitter) => mail.researchers.get(submitter).map(ToString::to_string).into_iter().collect(),
        None => mail.reviewers.iter().map(ToString::to_string).collect(),
    }
}

/// A message as RFC 5322 has it. Names are those of the roster and addresses were checked: no line can be smuggled in.
fn message(mail: &Mail, to: &[String], notice: &Notice) -> String {
    let subject = match &notice.task {
        Some(task) => format!("Quintes at {}: task {task} {}", notice.tre, notice.event.name()),
        None => format!("Quintes at {}: {}", notice.tre, notice.event.name()),
    };
    format!(
        "From: {}\nTo: {}\nSubject: {subject}\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n{}\n",
        mail.from,
        to.join(", "),
        notice.sentence()
    )
}
