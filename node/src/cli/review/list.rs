//! `quintes review list`: the queue, with what waits for whom, for how long, and what the rules say.

use super::{open_viewer, reviews};
use crate::cli::desk::FederationOptions;
use crate::cli::link::{LinkOptions, online};
use crate::cli::speak::{Speak, plain};
use crate::clock::now;
use crate::door::Waiting;
use crate::review::blind;
use protocol::lifecycle::Phase;
use protocol::record::attestation::ReportSummary;
use serde_json::{Value, json};

/// What to list.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
With your key, `yours` marks what you have not decided yet. Where a project asks for two or more persons, what others decided is hidden until you
have decided yourself.

Examples:
  quintes review list --node ./london
  quintes review list --mine --key carol --node ./london")]
pub(super) struct Args {
    /// Also what is decided, failed or called back.
    #[arg(long)]
    all: bool,
    /// Only what you have not decided yet.
    #[arg(long, requires = "key")]
    mine: bool,
    /// Only what went back to the submitter with a question.
    #[arg(long)]
    returned: bool,
    /// Only of this project.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Your key; only its public half is read.
    #[arg(long, value_name = "FILE|agent:FILE.pub")]
    key: Option<String>,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
}

pub(super) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let (mut waiting, viewer) = online(async {
        let mut link = args.link.open(None).await?;
        let viewer = open_viewer(args.key.as_deref(), &mut link, &args.federation).await?;
        Ok((reviews(&mut link).await?, viewer))
    })?;
    let viewer = viewer.as_deref();
    waiting.retain(|one| {
        (args.all || one.phase == Phase::Held)
            && (!args.mine || viewer.is_some_and(|person| is_yours(one, person)))
            && (!args.returned || !one.returned.is_empty())
            && args.project.as_ref().is_none_or(|project| *project == one.project)
    });
    // Who waits longest comes first.
    waiting.sort_by_key(|one| (one.phase != Phase::Held, one.received, one.task));
    let now = now();
    let mut rows = Vec::new();
    let mut told: Vec<Value> = Vec::new();
    for mut one in waiting {
        let yours = viewer.is_some_and(|person| is_yours(&one, person));
        let blinded = blind(&mut one, viewer);
        rows.push(vec![
            one.task.short(),
            age(now.saturating_sub(one.received)),
            one.submitter.clone(),
            one.project.clone(),
            plain(&one.title),
            one.phase.to_string(),
            one.checks.as_ref().map(checks).unwrap_or_default(),
            if yours { format!("yours: {}", stands(&one, blinded)) } else { stands(&one, blinded) },
        ]);
        let mut entry = serde_json::to_value(&one)?;
        entry["age_seconds"] = json!(now.saturating_sub(one.received));
        entry["yours"] = json!(viewer.map(|_| yours));
        entry["blinded"] = json!(blinded);
        told.push(entry);
    }
    if rows.is_empty() {
        speak.say("nothing waits for review here; with --all decided and failed tasks are listed too");
    } else {
        speak.table(&["task", "age", "by", "project", "title", "phase", "rules", "decision"], &rows);
    }
    speak.answer(json!({ "reviews": told }));
    Ok(())
}

/// Whether a task waits for this person.
fn is_yours(waiting: &Waiting, person: &str) -> bool {
    if waiting.phase != Phase::Held || waiting.submitter == person {
        return false;
    }
    let Some(missing) = &waiting.missing else { return true };
    let outputs = missing.keys().chain(waiting.decided.keys());
    let mut open =
        outputs.filter(|output| !waiting.decided.get(*output).is_some_and(|persons| persons.contains(person)));
    waiting.stale.iter().any(|of| of == person) || open.next().is_some()
}

/// `5 min`, `3 h`, `2 d`.
fn age(seconds: u64) -> String {
    match seconds {
        0..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// What the rules say of all outputs together, in a few words.
fn checks(checks: &ReportSummary) -> String {
    match (checks.failed, checks.review) {
        (0, 0) => "✓ all hold".to_owned(),
        (0, judge) => format!("? {judge} to judge"),
        (failed, 0) => format!("✗ {failed} fail"),
        (failed, judge) => format!("✗ {failed} fail, {judge} to judge"),
    }
}

/// What is missing for a decision, in words.
pub(super) fn stands(waiting: &Waiting, blinded: bool) -> String {
    let mut said = Vec::new();
    if let Some(blocked) = &waiting.blocked {
        said.push(format!("blocked: {blocked}"));
    }
    if !waiting.conflict.is_empty() {
        said.push(format!(
            "reviewers disagree on {}: nothing leaves until one of them decides anew",
            waiting.conflict.join(", ")
        ));
    }
    if !waiting.returned.is_empty() {
        let about: Vec<&str> = waiting.returned.iter().filter(|one| !one.is_empty()).map(String::as_str).collect();
        let about = if about.is_empty() { String::new() } else { format!(" about {}", about.join(", ")) };
        said.push(format!("went back to {} with a question{about}", waiting.submitter));
    }
    if !waiting.stale.is_empty() {
        said.push(format!(
            "the findings or the project changed after {} approved: look again",
            waiting.stale.join(", ")
        ));
    }
    if let Some(missing) = &waiting.missing {
        let still = |(output, still): (&String, &u64)| {
            let apart = waiting.conflict.contains(output);
            (*still > 0 && !apart).then(|| format!("{output} ({still} more)"))
        };
        let open: Vec<String> = missing.iter().filter_map(still).collect();
        if !open.is_empty() {
            said.push(format!("waits for {}", open.join(", ")));
        } else if waiting.conflict.is_empty() {
            said.push("complete".to_owned());
        }
    }
    if !waiting.attested_by.is_empty() {
        said.push(format!("so far {}", waiting.attested_by.join(", ")));
    }
    if blinded {
        said.push("what others decided is hidden until you have decided on every output".to_owned());
    }
    if waiting.comments > 0 {
        said.push(format!("{} {}", waiting.comments, if waiting.comments == 1 { "comment" } else { "comments" }));
    }
    said.join("; ")
}

#[cfg(test)]
mod tests {
    use super::{age, checks};
    use protocol::record::attestation::ReportSummary;
    use protocol::wire::id::Digest;

    #[test]
    fn ages_and_verdicts_are_short() {
        assert_eq!([59, 3_599, 3_600, 172_799, 172_800].map(age), ["0 min", "59 min", "1 h", "47 h", "2 d"]);
        let say = |failed, review| {
            let none = Digest::of(b"");
            checks(&ReportSummary { rules: String::new(), checker: none, findings: none, failed, review })
        };
        assert_eq!(
            [say(0, 0), say(0, 2), say(1, 0), say(1, 2)],
            ["✓ all hold", "? 2 to judge", "✗ 1 fail", "✗ 1 fail, 2 to judge"]
        );
    }
}
