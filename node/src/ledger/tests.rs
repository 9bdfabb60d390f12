//! The ledger on a real disk, beside a real custody: what it finds, what it survives, and what it notices.

use super::file::name;
use super::{Leave, Ledger, LedgerError, Released, Terms, Waiting};
use crate::custody::Custody;
use keys::seal::Identity;
use protocol::disclosure::canonical::canonicalise;
use protocol::disclosure::contributors::{Contributors, Subjects};
use protocol::disclosure::policy::Policy;
use protocol::disclosure::rules::{Checkable, Finding, Report, Rule, Verdict, check};
use protocol::disclosure::table::{Cell, CellType, Column, Evidence, Measure, Role, Table, Witnessed};
use protocol::record::commitment::{Commitment, Salt};
use protocol::record::submission::TaskId;
use protocol::safes::outputs::{Context, Held, HeldOutput};
use protocol::wire::id::StatementId;
use redb::{Database, TableDefinition};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const TERMS: Terms = Terms { threshold: 10, recovered: false };

/// When everything leaves: 2027-01-15.
const NOW: u64 = 1_800_000_000;

/// A state directory, with the custody key that outlives each opening.
struct State {
    folder: TempDir,
    identity: PathBuf,
}

impl State {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity = folder.path().join("identity");
        Identity::generate().create_file(&identity, None, keys::seal::SCRYPT_LOG_N).unwrap();
        Self { folder, identity }
    }

    fn custody(&self) -> Custody {
        let none = || Err(std::io::Error::other("it has no passphrase"));
        Custody::open(self.folder.path().join("custody"), Identity::open_file(&self.identity, none).unwrap()).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.redb")
    }

    fn open(&self, released: &[Released]) -> Ledger {
        Ledger::open(&self.path(), &self.custody(), released).unwrap()
    }
}

/// How `Held` lies at rest, field by field.
#[derive(Serialize)]
struct AtRest<'a> {
    task: TaskId,
    tre: &'a str,
    submitter: &'a str,
    project: StatementId,
    outputs: Vec<HeldOutput>,
    contributors: Vec<serde_bytes::ByteBuf>,
    context: Context,
}

/// Persons from the first number up to the second.
type People = (u32, u32);

fn persons(ledger: &Ledger, dataset: &str, (from, to): People) -> Subjects {
    Subjects::of((from..to).map(|person| ledger.hash(dataset, &person.to_be_bytes())).collect())
}

/// A table with a key and a count, one row for each set of persons, and what every other rule says of it.
fn table(rows: usize) -> (Vec<Column>, Vec<u8>, Report) {
    let columns = vec![
        Column { name: "k".into(), ty: CellType::Integer, role: Role::Key },
        Column { name: "n".into(), ty: CellType::Integer, role: Role::Measure(Measure::Count) },
    ];
    let sound = Evidence {
        rows: 50,
        subjects: 50,
        sum: 50.0,
        largest: 1.0,
        second: 1.0,
        negatives: 0,
        special: 0,
        degrees_of_freedom: 49,
        apart: 0,
    };
    let row = |row: usize| vec![Cell::Integer(i64::try_from(row).unwrap()), Cell::Integer(50)];
    let witnessed = Witnessed {
        table: Table { columns, rows: (0..rows).map(row).collect() },
        evidence: vec![vec![None, Some(sound)]; rows],
        contributors: Contributors::default(),
    };
    let policy = Policy::default();
    let canonical = canonicalise(&witnessed.table, &policy.form(None)).unwrap();
    let report = check(&Checkable::Witnessed { canonical: &canonical, witnessed: &witnessed }, &policy);
    let schema = canonical.schema().to_vec();
    let (_, bytes) = canonical.into_parts();
    (schema, bytes, report)
}

/// Held outputs: for each its dataset and, row by row, who stands behind it.
fn held(ledger: &Ledger, task: &str, outputs: &[(&str, &str, &[People])]) -> Held {
    let mut kept = Vec::new();
    let mut contributors = Vec::new();
    for (output, dataset, rows) in outputs {
        let (schema, bytes, report) = table(rows.len());
        kept.push(HeldOutput {
            name: (*output).to_owned(),
            schema,
            bytes,
            salt: Salt::derive(&[7; 32], output),
            report,
        });
        let sets = rows.iter().map(|range| persons(ledger, dataset, *range)).collect();
        let of = (0..u32::try_from(rows.len()).unwrap()).map(|set| vec![None, Some(set)]).collect();
        let of_output = Contributors { dataset: (*dataset).to_owned(), sets, of };
        contributors.push(serde_bytes::ByteBuf::from(of_output.to_bytes()));
    }
    let leaves: BTreeMap<_, _> = kept.iter().map(|output| (output.name.clone(), output.leaf())).collect();
    let task = TaskId::of(task.as_bytes());
    let (tre, submitter, context) = ("north", "ruth", Context::default());
    let at_rest = AtRest { task, tre, submitter, project: task, outputs: kept, contributors, context };
    let mut bytes = Vec::new();
    ciborium::into_writer(&at_rest, &mut bytes).unwrap();
    Held::restore(&bytes, &task, &Commitment::to(&leaves)).unwrap()
}

fn one(ledger: &Ledger, task: &str, rows: &[People]) -> Held {
    held(ledger, task, &[("count", "omop", rows)])
}

fn names(held: &Held) -> BTreeSet<String> {
    held.names()
}

fn released(held: &Held) -> Released {
    let known = Some((held.commitment(), held.contributors_digest()));
    Released { task: held.task(), known, outputs: names(held), at: NOW }
}

/// As the core knows it once it was checked and held.
fn wait(ledger: &Ledger, custody: &Custody, held: Held) -> Waiting {
    let reports = ledger.check(&held, TERMS).unwrap();
    let held = held.with_reports(reports);
    custody.keep(&held).unwrap();
    Waiting {
        task: held.task(),
        commitment: held.commitment(),
        contributors: held.contributors_digest(),
        checks: held.checks(),
    }
}

/// What the rule doubts in each output.
fn doubts(ledger: &Ledger, held: &Held, terms: Terms) -> Vec<Vec<Finding>> {
    let doubted = |report: Report| {
        assert!(report.tallies.contains_key(&Rule::Differencing));
        let doubts = |finding: &Finding| finding.rule == Rule::Differencing && finding.verdict >= Verdict::Review;
        report.findings.into_iter().filter(doubts).collect()
    };
    ledger.check(held, terms).unwrap().into_iter().map(doubted).collect()
}

fn is_quiet(ledger: &Ledger, held: &Held) -> bool {
    doubts(ledger, held, TERMS).iter().all(Vec::is_empty)
}

#[test]
fn threat_44_a_figure_that_isolates_a_few_names_the_release_that_it_meets() {
    let state = State::new();
    let ledger = state.open(&[]);
    let first = one(&ledger, "first", &[(0, 50), (50, 120)]);
    assert!(is_quiet(&ledger, &first));
    ledger.add(&first, &names(&first), NOW).unwrap();
    let found = doubts(&ledger, &one(&ledger, "second", &[(200, 300), (0, 49)]), TERMS).remove(0);
    let places: Vec<_> =
        found.iter().map(|finding| (finding.verdict, finding.row, finding.column.as_deref())).collect();
    assert_eq!(places, [(Verdict::Fail, Some(1), Some("n"))]);
    let sentence = format!(
        "This figure and `n` in row 1 of `count`, which was released on 2027-01-15 (task {}), are about the same people but for fewer than 10: \
         who takes one from the other learns about those few.",
        first.task().short()
    );
    assert_eq!(found[0].reason, sentence);
    // Everybody in the table is 119 persons of 120.
    let found = doubts(&ledger, &one(&ledger, "third", &[(0, 30), (30, 119)]), TERMS).remove(0);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].row, None);
    assert!(found[0].reason.starts_with("The total of this table and the total of `count`, which was released"));
}

#[test]
fn the_same_people_and_others_are_no_finding_and_are_listed_for_the_reviewer() {
    let state = State::new();
    let ledger = state.open(&[]);
    let first = one(&ledger, "first", &[(0, 50), (50, 120)]);
    ledger.add(&first, &names(&first), NOW).unwrap();
    let again = one(&ledger, "again", &[(0, 50), (50, 120)]);
    assert!(is_quiet(&ledger, &again));
    assert!(is_quiet(&ledger, &one(&ledger, "others", &[(0, 40), (300, 400)])));
    assert!(is_quiet(&ledger, &held(&ledger, "elsewhere", &[("count", "registry", &[(0, 49)])])));
    let near = one(&ledger, "near", &[(0, 48), (50, 120)]);
    let found: Vec<_> = ledger.nearest(&near).unwrap();
    let told: Vec<_> = found.iter().map(|meeting| (meeting.row, meeting.earlier_row, meeting.difference)).collect();
    assert_eq!(told, [(None, None, 2), (Some(0), Some(0), 2), (Some(1), Some(1), 0)]);
    assert!(found.iter().all(|meeting| meeting.task == first.task() && meeting.earlier_output == "count"));
    assert!(ledger.nearest(&first).unwrap().is_empty(), "nobody meets itself");
}

#[test]
fn outputs_that_would_leave_together_are_compared_and_so_are_a_table_s_rows() {
    let state = State::new();
    let ledger = state.open(&[]);
    let both =
        held(&ledger, "both", &[("a", "omop", &[(0, 50)]), ("b", "omop", &[(0, 47)]), ("c", "omop", &[(90, 190)])]);
    let found = doubts(&ledger, &both, TERMS);
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 0]);
    assert!(found[0][0].reason.contains("`n` in row 1 of `b`, which would leave with it,"));
    let rows = one(&ledger, "rows", &[(0, 50), (100, 200), (1, 51)]);
    let found = doubts(&ledger, &rows, TERMS).remove(0);
    assert_eq!(found.iter().map(|finding| finding.row).collect::<Vec<_>>(), [Some(0), Some(2)]);
    assert!(found[0].reason.contains("`n` in row 3 of this table"));
    let total = one(&ledger, "total", &[(0, 50), (50, 95), (0, 100)]);
    let found = doubts(&ledger, &total, TERMS).remove(0);
    assert_eq!(found.iter().map(|finding| finding.row).collect::<Vec<_>>(), [Some(2)]);
    assert!(found[0].reason.contains("the total of the other rows"));
}

#[test]
fn what_left_survives_a_restart_is_added_once_and_only_its_owner_reads_it() {
    let state = State::new();
    let (first, sized) = {
        let ledger = state.open(&[]);
        let first = one(&ledger, "first", &[(0, 50), (50, 120)]);
        ledger.add(&first, &names(&first), NOW).unwrap();
        let version = ledger.version().unwrap();
        ledger.add(&first, &names(&first), NOW + 9).unwrap();
        assert_eq!(ledger.version().unwrap(), version);
        assert!(is_quiet(&ledger, &first), "a task does not meet itself");
        (first, version)
    };
    assert_eq!(std::fs::metadata(state.path()).unwrap().permissions().mode() & 0o777, 0o600);
    let ledger = state.open(&[released(&first)]);
    assert_eq!((ledger.incomplete(TERMS).unwrap(), ledger.version().unwrap()), (None, sized));
    let second = one(&ledger, "second", &[(1, 50)]);
    let found = doubts(&ledger, &second, TERMS).remove(0);
    assert!(found.iter().any(|finding| finding.reason.contains("2027-01-15")), "{found:?}");
    let shown = format!("{ledger:?} {:?}", ledger.nearest(&second).unwrap());
    assert!(!shown.contains("difference"), "{shown}");
}

#[test]
fn only_the_outputs_that_left_are_remembered_and_more_may_follow() {
    let state = State::new();
    let ledger = state.open(&[]);
    let both = held(&ledger, "both", &[("a", "omop", &[(0, 50)]), ("b", "omop", &[(100, 200)])]);
    let only = |name: &str| BTreeSet::from([name.to_owned()]);
    ledger.add(&both, &only("a"), NOW).unwrap();
    let near_b = one(&ledger, "near b", &[(100, 199)]);
    assert!(is_quiet(&ledger, &near_b));
    ledger.add(&both, &only("b"), NOW).unwrap();
    let found = doubts(&ledger, &near_b, TERMS).remove(0);
    assert!(found.len() == 1 && found[0].reason.contains("`n` in row 1 of `b`, which was released"), "{found:?}");
    drop(ledger);
    let ledger = state.open(&[released(&both)]);
    assert!(!is_quiet(&ledger, &near_b) && ledger.incomplete(TERMS).unwrap().is_none());
    assert!(!is_quiet(&ledger, &one(&ledger, "near a", &[(0, 49)])));
}

fn overwrite(path: &Path, set: &[u8; 32], bytes: &[u8]) {
    let sets: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("sets");
    let database = Database::open(path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(sets).unwrap().insert(set, bytes).unwrap();
    write.commit().unwrap();
}

#[test]
fn threat_75_a_changed_or_lost_ledger_is_made_again_from_custody() {
    let state = State::new();
    let (first, hidden) = {
        let ledger = state.open(&[]);
        let first = one(&ledger, "first", &[(0, 50), (50, 120)]);
        state.custody().keep(&first).unwrap();
        ledger.add(&first, &names(&first), NOW).unwrap();
        (first, name("omop", &persons(&ledger, "omop", (0, 50))))
    };
    let heals = || {
        let ledger = state.open(&[released(&first)]);
        assert_eq!(ledger.incomplete(TERMS).unwrap(), None);
        assert!(!is_quiet(&ledger, &one(&ledger, "second", &[(0, 49)])));
    };
    overwrite(&state.path(), &hidden, &[0; 16]);
    heals();
    std::fs::remove_file(state.path()).unwrap();
    heals();
    heals();
}

#[test]
fn threat_75_what_cannot_be_made_good_is_told_and_nothing_passes() {
    let state = State::new();
    let (first, hidden) = {
        let ledger = state.open(&[]);
        let first = one(&ledger, "first", &[(0, 50), (50, 120)]);
        ledger.add(&first, &names(&first), NOW).unwrap();
        (first, name("omop", &persons(&ledger, "omop", (0, 50))))
    };
    overwrite(&state.path(), &hidden, &[0; 16]);
    // Custody has it no more; whether or not the journal knows of it, the loss is noticed.
    for known in [vec![released(&first)], vec![]] {
        let ledger = state.open(&known);
        assert!(ledger.incomplete(TERMS).unwrap().unwrap().contains(&first.task().short()));
        let other = one(&ledger, "other", &[(700, 800)]);
        let found = doubts(&ledger, &other, TERMS).remove(0);
        assert_eq!(
            found.iter().map(|finding| (finding.verdict, finding.row)).collect::<Vec<_>>(),
            [(Verdict::Review, None)]
        );
        assert!(!other.with_reports(ledger.check(&one(&ledger, "other", &[(700, 800)]), TERMS).unwrap()).passes());
    }
    // Custody with other people behind the figures is no help.
    let ledger = state.open(&[]);
    let forged = one(&ledger, "first", &[(0, 50), (50, 121)]);
    state.custody().keep(&forged).unwrap();
    drop(ledger);
    assert!(state.open(&[released(&first)]).incomplete(TERMS).unwrap().is_some());
}

#[test]
fn threat_75_another_key_and_a_recovery_leave_a_doubt() {
    let state = State::new();
    let ledger = state.open(&[]);
    let held = one(&ledger, "held", &[(0, 50)]);
    let found = doubts(&ledger, &held, Terms { recovered: true, ..TERMS }).remove(0);
    assert!(found[0].reason.contains("between the backup and the recovery"), "{found:?}");
    drop(ledger);
    std::fs::remove_file(state.folder.path().join("custody/ledger.key")).unwrap();
    let ledger = state.open(&[]);
    assert!(ledger.incomplete(TERMS).unwrap().unwrap().contains("key"));
    assert!(!is_quiet(&ledger, &held));
}

#[test]
fn threat_44_two_tasks_decided_at_one_moment_do_not_both_leave_when_together_they_isolate_somebody() {
    for _ in 0..8 {
        let state = State::new();
        let (ledger, custody) = (state.open(&[]), state.custody());
        let waiting = [(0, 50), (0, 49)].map(|range| {
            let task = format!("{range:?}");
            wait(&ledger, &custody, one(&ledger, &task, &[range]))
        });
        let outputs = BTreeSet::from(["count".to_owned()]);
        let together = std::sync::Barrier::new(2);
        let left: Vec<Leave> = std::thread::scope(|scope| {
            let let_out = |waiting| {
                together.wait();
                ledger.let_out(&custody, waiting, &outputs, TERMS, NOW).unwrap()
            };
            let threads = waiting.each_ref().map(|waiting| scope.spawn(move || let_out(waiting)));
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let granted = left.iter().filter(|leave| matches!(leave, Leave::Granted(_))).count();
        assert_eq!(granted, 1);
        // The other is in custody with what is new about it, as a recheck finds it too; who approves knowing that lets it out.
        for (waiting, leave) in waiting.iter().zip(&left) {
            let Leave::Changed(rechecked) = leave else { continue };
            assert!(!rechecked.passes && rechecked.checks != waiting.checks);
            let shown = custody.show(&waiting.task, &waiting.commitment).unwrap();
            assert_eq!(shown.checks(), rechecked.checks);
            assert_eq!(ledger.recheck(&custody, waiting, TERMS).unwrap(), *rechecked);
            let knowing = Waiting { checks: rechecked.checks.clone(), ..waiting.clone() };
            let leave = ledger.let_out(&custody, &knowing, &outputs, TERMS, NOW).unwrap();
            assert!(matches!(leave, Leave::Granted(_)));
        }
    }
}

#[test]
fn a_release_that_a_crash_cut_short_is_let_out_again_as_it_was() {
    let state = State::new();
    let (ledger, custody) = (state.open(&[]), state.custody());
    let waiting = wait(&ledger, &custody, one(&ledger, "first", &[(0, 50)]));
    let outputs = BTreeSet::from(["count".to_owned()]);
    assert!(matches!(ledger.let_out(&custody, &waiting, &outputs, TERMS, NOW).unwrap(), Leave::Granted(_)));
    drop(ledger);
    let ledger = state.open(&[]);
    assert_eq!(ledger.recheck(&custody, &waiting, TERMS).unwrap().checks, waiting.checks);
    assert!(matches!(ledger.let_out(&custody, &waiting, &outputs, TERMS, NOW + 60).unwrap(), Leave::Granted(_)));
}

#[test]
fn threat_44_custody_with_other_people_behind_the_figures_lets_nothing_out() {
    let state = State::new();
    let (ledger, custody) = (state.open(&[]), state.custody());
    let waiting = wait(&ledger, &custody, one(&ledger, "first", &[(0, 50)]));
    custody.keep(&one(&ledger, "first", &[(400, 450)])).unwrap();
    let outputs = BTreeSet::from(["count".to_owned()]);
    let refused = ledger.let_out(&custody, &waiting, &outputs, TERMS, NOW).unwrap_err();
    assert!(matches!(refused, LedgerError::Contributors));
    assert!(matches!(ledger.recheck(&custody, &waiting, TERMS).unwrap_err(), LedgerError::Contributors));
}
