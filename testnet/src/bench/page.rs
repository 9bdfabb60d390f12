//! `page_p50`: from asking for the review of a large output until the last byte of the page, over the socket that a browser uses.

use crate::cluster::{Cluster, PROJECT, RESEARCHER, TRES};
use crate::narrate::{Narrator, Show};
use anyhow::{Context as _, anyhow};
use protocol::lifecycle::Phase;
use protocol::record::submission::TaskId;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use ureq::http::header::{COOKIE, LOCATION, SET_COOKIE};

/// Rows of the output that is shown: the most that a policy allows by default.
const ROWS: u32 = 5_000;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The times of so many views of one review, and of as many views of the page's help, which looks at nothing.
pub(super) async fn views(
    cluster: &Cluster,
    samples: u32,
    narrator: Narrator,
) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let (tre, ..) = TRES[0];
    let task = hold(cluster, tre).await?;
    let (mut page, address) = serve(cluster, tre).await?;
    let bar = narrator.progress("views of a review of 5,000 rows", Some(u64::from(samples)));
    let viewed = tokio::task::spawn_blocking(move || {
        let browser = Browser::enter(&address)?;
        let (mut took, mut bare) = (Vec::new(), Vec::new());
        for round in 0..=samples {
            let (review, shown) = browser.view(&format!("/task/{task}"))?;
            let (help, _) = browser.view("/help")?;
            anyhow::ensure!(shown.contains("5\u{202f}000 rows"), "the page does not show {ROWS} rows");
            // The first round warms up.
            if round > 0 {
                took.push(review);
                bare.push(help);
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok((took, bare))
    });
    let viewed = viewed.await?;
    page.kill().await?;
    viewed
}

/// A task of one TRE whose output has [`ROWS`] rows, held.
async fn hold(cluster: &Cluster, tre: &str) -> anyhow::Result<TaskId> {
    let query = format!(
        "query=SELECT measurement_id, measurement_concept_id, value_as_number FROM measurement ORDER BY measurement_id LIMIT {ROWS}"
    );
    let key = format!("people/{RESEARCHER}");
    let submit = ["submit", "--component", "sql", "--project", PROJECT, "--tre", tre, "--title", "large"];
    let with = ["--output", "result", "--param", &query, "--key", &key, "--node", &cluster.hub, "--yes"];
    let said = cluster.runner.must(&[submit.as_slice(), &with].concat(), Show::Command).await?;
    let task = said.stdout.trim();
    let task: TaskId =
        task.parse().with_context(|| format!("`quintes submit` printed `{task}`, which is no task id"))?;
    cluster.watch(tre).until_phase(&task, Phase::Held, PATIENCE).await?;
    Ok(task)
}

/// `quintes review serve` of a TRE, and the address that opens it once.
async fn serve(cluster: &Cluster, tre: &str) -> anyhow::Result<(Child, String)> {
    let mut command = cluster.runner.program.command(&cluster.runner.folder);
    command.args(["review", "serve", "--listen", "127.0.0.1:0", "--node"]).arg(cluster.layout.node(tre));
    let mut page = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let told = page.stdout.take().ok_or_else(|| anyhow!("the page's process has no stdout"))?;
    let address = tokio::time::timeout(PATIENCE, BufReader::new(told).lines().next_line()).await??;
    Ok((page, address.ok_or_else(|| anyhow!("`quintes review serve` ended without an address"))?))
}

/// Whoever has entered the page.
struct Browser {
    agent: ureq::Agent,
    base: String,
    cookie: String,
}

impl Browser {
    /// Opens the address that `quintes review serve` has printed.
    fn enter(address: &str) -> anyhow::Result<Self> {
        let settings = ureq::Agent::config_builder().max_redirects(0).timeout_global(Some(PATIENCE));
        let agent: ureq::Agent = settings.build().into();
        let base = address.split("/enter?").next().unwrap_or_default().to_owned();
        let answer = agent.get(address).call()?;
        let cookie = answer.headers().get(SET_COOKIE).and_then(|cookie| cookie.to_str().ok()?.split(';').next());
        let cookie = cookie.filter(|_| answer.headers().contains_key(LOCATION));
        let cookie = cookie.ok_or_else(|| anyhow!("the page let nobody in: {}", answer.status()))?.to_owned();
        Ok(Self { agent, base, cookie })
    }

    /// How long it took to get a page, and the page.
    fn view(&self, path: &str) -> anyhow::Result<(Duration, String)> {
        let began = Instant::now();
        let mut answer = self.agent.get(format!("{}{path}", self.base)).header(COOKIE, &self.cookie).call()?;
        let shown = answer.body_mut().read_to_string()?;
        Ok((began.elapsed(), shown))
    }
}
