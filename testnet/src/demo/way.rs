//! The way of one task through the federation, verb by verb.

use super::compare::Compared;
use super::question::Question;
use crate::cluster::{Cluster, PROJECT, RESEARCHER, TRES};
use crate::narrate::Show;
use anyhow::Context as _;
use protocol::lifecycle::Phase;
use protocol::record::submission::TaskId;
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long a TRE may take for one task.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the way took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// From the start of `quintes submit` until all TREs hold outputs.
    pub(super) held: Duration,
    /// From the start of `quintes submit` until the merged result is there.
    pub(super) result: Duration,
}

/// A way to go.
pub(super) struct Way<'a> {
    /// The federation.
    pub(super) cluster: &'a Cluster,
    /// Its id.
    pub(super) network: &'a str,
    /// Whether every step is shown at length.
    pub(super) first: bool,
}

impl Way<'_> {
    /// Submit, review, approve, fetch, verify, aggregate; the answer of `quintes aggregate --json`.
    pub(super) async fn go(&self, question: &Question) -> anyhow::Result<(Times, Value)> {
        let runner = &self.cluster.runner;
        let narrator = &runner.narrator;
        let key = format!("people/{RESEARCHER}");
        narrator.heading(&format!("{RESEARCHER} asks: {}", question.title));
        let began = Instant::now();
        let task = self.submit(question, &key).await?;
        let id: TaskId =
            task.parse().with_context(|| format!("`quintes submit` printed `{task}`, which is no task id"))?;
        let waiting = narrator.progress("three TREs decide and run it", None);
        for (tre, ..) in TRES {
            self.cluster.watch(tre).until_phase(&id, Phase::Held, PATIENCE).await?;
        }
        let held = began.elapsed();
        waiting.finish_and_clear();
        narrator.say(&format!("held for review at all three after {:.0} ms", held.as_secs_f64() * 1e3));

        let short = &task[..12];
        let (tre, owner, _) = TRES[0];
        if self.first {
            narrator.heading(&format!("{owner} reviews at {tre}, before anything leaves"));
            runner.must(&["review", "list", "--node", &format!("nodes/{tre}")], Show::Lines(4)).await?;
            runner.must(&["review", "show", short, "--node", &format!("nodes/{tre}")], Show::Lines(70)).await?;
        }
        for (tre, owner, _) in TRES {
            let (node, key) = (format!("nodes/{tre}"), format!("people/{owner}"));
            let approve = [
                "review",
                "approve",
                short,
                "--reason",
                "enough people behind every figure",
                "--key",
                &key,
                "--node",
                &node,
                "--yes",
            ];
            runner.must(&approve, Show::Command).await?;
        }

        if self.first {
            narrator.heading(&format!("{RESEARCHER} fetches, verifies and merges"));
        }
        let out = format!("results/{short}");
        std::fs::create_dir_all(self.cluster.layout.results())?;
        let fetch =
            ["fetch", short, "--out", &out, "--wait", "--timeout", "60", "--key", &key, "--node", &self.cluster.hub];
        runner.must(&fetch, self.lines(8)).await?;
        runner.must(&["verify", &out, "--network", self.network], self.lines(30)).await?;
        let answer = runner.ask(&["aggregate", &out, "--network", self.network]).await?;
        let result = began.elapsed();
        runner.must(&["aggregate", &out, "--plot"], Show::Lines(60)).await?;
        Ok((Times { held, result }, answer))
    }

    async fn submit(&self, question: &Question, key: &str) -> anyhow::Result<String> {
        let parameters: Vec<String> = question.parameters.iter().map(|(name, text)| format!("{name}={text}")).collect();
        let mut args =
            vec!["submit", "--component", "statistics", "--project", PROJECT, "--all-tres", "--title", question.title];
        for parameter in &parameters {
            args.extend(["--param", parameter]);
        }
        args.extend(["--key", key, "--node", &self.cluster.hub, "--yes"]);
        let said = self.cluster.runner.must(&args, Show::Lines(1)).await?;
        Ok(said.stdout.trim().to_owned())
    }

    fn lines(&self, lines: usize) -> Show {
        if self.first { Show::Lines(lines) } else { Show::Command }
    }
}

/// The figures of both sides as lines.
pub(super) fn beside(compared: &[Compared]) -> String {
    let widest = compared.iter().map(|one| one.name.chars().count()).max().unwrap_or(0);
    let mut lines =
        vec![format!("  {:widest$}  {:>20}  {:>20}  relative error", "figure", "federation", "pooled data")];
    for one in compared {
        let federated = one.federated.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
        let mark = if one.holds() { "✓" } else { "✗" };
        lines.push(format!(
            "  {:widest$}  {federated:>20}  {:>20}  {:.1e} {mark}",
            one.name,
            one.pooled.value,
            one.relative_error()
        ));
    }
    lines.join("\n")
}
