//! What a statement says, in words: shown before it is signed, and wherever people look statements up.

use crate::cli::date::utc;
use protocol::ingress::Statement;
use protocol::record::grant::Grant;
use protocol::record::key_record::{HolderKind, KeyRecord};
use protocol::record::project::Project;
use protocol::record::revocation::Revocation;
use protocol::record::root::Root;
use protocol::record::status::Status;
use protocol::wire::id::NetworkId;

/// Labelled lines.
pub(crate) type Words = Vec<(&'static str, String)>;

/// A root, with the federation's id.
pub(crate) fn root(root: &Root, network: &NetworkId) -> Words {
    let mut words = vec![
        ("federation", format!("{} (version {} of its root)", root.network, root.version)),
        ("id", network.to_string()),
        ("threshold", format!("{} of {} root persons must sign the next root", root.threshold, root.persons().len())),
        ("clocks", format!("may differ by {} seconds", root.clock_skew_seconds)),
    ];
    words.extend(root.keys.iter().map(|key| {
        ("root person", format!("{} of {}, key {}", key.person, named(&key.organisation), key.key.fingerprint()))
    }));
    words
}

/// A key record.
pub(crate) fn key_record(record: &KeyRecord) -> Words {
    let mut words = vec![
        ("holder", format!("the {} {} of {}", record.kind, record.name, named(&record.organisation))),
        ("signs with", record.key.fingerprint()),
    ];
    if record.kind == HolderKind::Person {
        words.push(("device", named(&record.device).to_owned()));
    }
    if let Some(recipient) = &record.recipient {
        words.push(("results to", recipient.clone()));
    }
    if let Some(peer) = &record.peer {
        words.push(("connects with", peer.fingerprint()));
    }
    words
}

/// A grant that ends at `expires`.
pub(crate) fn grant(grant: &Grant, expires: u64) -> Words {
    let every =
        |name: &Option<String>, what: &str| name.clone().unwrap_or_else(|| format!("every {what} where it may count"));
    let mut words = vec![
        ("person", grant.person.clone()),
        ("role", grant.role.to_string()),
        ("project", every(&grant.project, "project")),
        ("TRE", every(&grant.tre, "TRE")),
        ("datasets", grant.datasets.as_ref().map_or_else(|| "all of the project's".to_owned(), |names| listed(names))),
        ("until", utc(expires)),
        ("delegation", if grant.may_delegate { "may grant a part of it to others" } else { "none" }.to_owned()),
    ];
    if let Some(parent) = &grant.parent {
        words.push(("out of", format!("grant {}", parent.short())));
    }
    words
}

/// A revocation, with what it revokes where that is known.
pub(crate) fn revocation(revocation: &Revocation, target: Option<&Statement>) -> Words {
    let what = target.map_or_else(|| "not known here".to_owned(), title);
    vec![
        ("revokes", format!("{} ({what})", revocation.target.short())),
        ("reason", revocation.reason.clone()),
        ("for ever", "a revocation is never taken back".to_owned()),
    ]
}

/// A status that ends at `expires`.
pub(crate) fn status(status: &Status, expires: u64) -> Words {
    vec![
        ("epoch", status.epoch.to_string()),
        ("root version", status.root_version.to_string()),
        ("revocations", status.revocations.len().to_string()),
        ("until", format!("{}; after that nothing starts and nothing is released", utc(expires))),
    ]
}

/// A project.
pub(crate) fn project(project: &Project) -> Words {
    let policy = &project.disclosure;
    let egress = &project.egress;
    let who = if egress.checkers_count { "data owners or output checkers" } else { "data owners" };
    let mut words = vec![
        ("project", format!("{} (version {})", project.name, project.version)),
        ("title", project.title.clone()),
        ("TREs", listed(&project.tres)),
        ("datasets", listed(&project.datasets)),
        ("admins", listed(&project.admins)),
        ("components", if project.components.is_empty() { "any".to_owned() } else { String::new() }),
    ];
    if !project.components.is_empty() {
        words.pop();
        let components = project.components.iter();
        words.extend(
            components.map(|component| ("component", format!("{}, SHA-256 {}", component.name, component.digest))),
        );
    }
    words.push((
        "leaves when",
        format!("{} distinct {who} of the TRE approve; the submitter never counts", egress.approvals),
    ));
    if !egress.excluded.is_empty() {
        words.push(("never count", listed(&egress.excluded)));
    }
    words.push((
        "disclosure",
        format!(
            "at least {} subjects behind a figure, p-ratio {} %, n-k share {} %, {} degrees of freedom, {} significant digits",
            policy.threshold,
            policy.p_ratio_percent,
            policy.nk_share_percent,
            policy.minimum_degrees_of_freedom,
            policy.significant_digits,
        ),
    ));
    let failing = if policy.suppress { "blanked before review" } else { "shown to the reviewer as failing" };
    let zeros = if policy.zeros_are_disclosive { "marked" } else { "not marked" };
    words.push((
        "suppression",
        format!(
            "figures that fail are {failing}; a hidden count could have at least {} values; empty and full cells are {zeros}",
            policy.minimum_interval,
        ),
    ));
    words.push((
        "rounding",
        match (policy.rounding_base, policy.rounding_midpoint) {
            (1, _) => "counts are not rounded".to_owned(),
            (base, false) => format!("counts to multiples of {base}"),
            (base, true) => format!("counts to the middle of their bin of {base}"),
        },
    ));
    words.push((
        "sizes",
        format!(
            "at most {} outputs of {} bytes, {} rows and {} columns each",
            policy.maximum_outputs, policy.maximum_bytes, policy.maximum_rows, policy.maximum_columns,
        ),
    ));
    words
}

/// A statement in one line.
pub(crate) fn title(statement: &Statement) -> String {
    let by = &statement.signer().name;
    match statement {
        Statement::Root(root) => {
            format!("root {} of {}, signed by {by}", root.payload().version, root.payload().network)
        }
        Statement::KeyRecord(record) => {
            let record = record.payload();
            format!("key of the {} {} ({}), signed by {by}", record.kind, record.name, named(&record.device))
        }
        Statement::Grant(grant) => format!("grant: {}, signed by {by}", granted(grant.payload())),
        Statement::Revocation(revocation) => {
            format!("revocation of {}, signed by {by}", revocation.payload().target.short())
        }
        Statement::Status(status) => format!("status of epoch {}, signed by {by}", status.payload().epoch),
        Statement::Project(project) => {
            format!("project {} version {}, signed by {by}", project.payload().name, project.payload().version)
        }
        Statement::Submission(submission) => format!("task of {by} in {}", submission.payload().project),
        Statement::Cancellation(cancellation) => {
            format!("cancellation of {} by {by}", cancellation.payload().task.short())
        }
        Statement::Phase(phase) => format!("phase of {} at {by}", phase.payload().task.short()),
        Statement::Run(run) => format!("run of {} at {by}", run.payload().task.short()),
        Statement::Attestation(attestation) => {
            format!("attestation on {} at {} by {by}", attestation.payload().task.short(), attestation.payload().tre)
        }
        Statement::Release(release) => format!("release of {} at {by}", release.payload().task.short()),
        Statement::StandingApproval(approval) => {
            format!("standing approval {} at {}, signed by {by}", approval.payload().name, approval.payload().tre)
        }
        Statement::Recovery(recovery) => {
            format!("recovery {} of {}, signed by {by}", recovery.payload().epoch, recovery.payload().tre)
        }
        Statement::Dataset(dataset) => {
            let said = dataset.payload();
            format!("schema of {}/{} version {}, signed by {by}", said.tre, said.name, said.version)
        }
        Statement::Comment(comment) => format!("comment on {} by {by}", comment.payload().task.short()),
        Statement::Checkpoint(checkpoint) => format!("checkpoint at {} of the log of {by}", checkpoint.payload().size),
        Statement::Cosignature(cosignature) => {
            format!("cosignature under the log of {} by {by}", cosignature.payload().tre)
        }
    }
}

/// Who is what, where.
pub(crate) fn granted(grant: &Grant) -> String {
    let mut words = format!("{} is {}", grant.person, grant.role);
    if let Some(project) = &grant.project {
        words.push_str(&format!(" in {project}"));
    }
    if let Some(tre) = &grant.tre {
        words.push_str(&format!(" at {tre}"));
    }
    if let Some(datasets) = &grant.datasets {
        words.push_str(&format!(" over {}", listed(datasets)));
    }
    words
}

/// The name of a statement's file, without its ending: it tells what the statement is, and names by different people never collide.
pub(crate) fn file_stem(statement: &Statement) -> String {
    let by = &statement.signer().name;
    match statement {
        Statement::Root(root) => format!("root-{}-by-{by}", root.payload().version),
        Statement::KeyRecord(record) => format!("key-{}-by-{by}", record.payload().name),
        Statement::Grant(grant) => {
            format!("grant-{}-{}-{}", grant.payload().person, grant.payload().role, grant.id().short())
        }
        Statement::Status(status) => format!("status-{:04}-by-{by}", status.payload().epoch),
        Statement::Project(project) => {
            format!("project-{}-{}-by-{by}", project.payload().name, project.payload().version)
        }
        Statement::StandingApproval(approval) => {
            format!("standing-{}-{}-by-{by}", approval.payload().name, approval.id().short())
        }
        Statement::Recovery(recovery) => {
            format!("recovery-{}-{}-by-{by}", recovery.payload().tre, recovery.payload().epoch)
        }
        Statement::Dataset(dataset) => {
            let said = dataset.payload();
            format!("dataset-{}-{}-{}", said.tre, said.name, said.version)
        }
        Statement::Comment(_)
        | Statement::Checkpoint(_)
        | Statement::Cosignature(_)
        | Statement::Revocation(_)
        | Statement::Submission(_)
        | Statement::Cancellation(_)
        | Statement::Phase(_)
        | Statement::Run(_)
        | Statement::Attestation(_)
        | Statement::Release(_) => format!("{}-{}", statement.kind(), statement.id().short()),
    }
}

/// Names with commas, or `none`.
pub(crate) fn listed<T: AsRef<str>>(names: &[T]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

fn named(text: &str) -> &str {
    if text.is_empty() { "(not named)" } else { text }
}
