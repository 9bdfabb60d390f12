//! What is said around a review, through running nodes: questions, answers, comments, withdrawals, and comparing with what left before.

use super::ceremony;
use super::journey::Running;
use std::time::{Duration, Instant};

/// Repeats a command line until it says these words.
fn until_it_says(nodes: &Running, line: &str, words: &str) -> String {
    let begun = Instant::now();
    loop {
        let said = nodes.done(line).out;
        if said.contains(words) {
            return said;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{line}\n{said}\nnever says: {words}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn reviewers_and_the_submitter_speak_before_anything_leaves() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    let nodes = Running::start(home);
    let task = nodes.submit(" --title How_old");
    nodes.until(&task, "held");

    question_and_answer(&nodes, &task);
    between_reviewers(&nodes, &task);
    withdrawal(&nodes, &task);
    withdrawal_without_a_network(&nodes, &task);
    reasons_and_what_left_before(&nodes, &task);
}

const ALICE: &str = "--node @london --federation @federation --key @alice --passphrase-file @secret";

fn question_and_answer(nodes: &Running, task: &str) {
    nodes.fails(&format!("review return {task} --output sum --question why {ALICE}"), 1, "there is no output `sum`");
    nodes.fails(
        &format!("review return {task} --question why --node @london --federation @federation --key @bob"),
        1,
        "bob reviews nothing at london",
    );
    let asked = nodes.done(&format!("review return {task} --output count --question which_codes? {ALICE}"));
    assert!(asked.talk.contains("every member of the federation"), "{}", asked.talk);
    let listed = nodes.done("review list --returned --node @london");
    assert!(listed.out.contains("went back to carol with a question about count"), "{}", listed.out);
    assert!(
        !nodes.done("review list --returned --node @leeds").out.contains("carol"),
        "london's question is not leeds'"
    );

    let status = format!("status {task} --node % --key @carol --federation @federation");
    let seen = until_it_says(nodes, &status, "alice asks, no answer yet");
    assert!(seen.contains("which codes?") && seen.contains("answer with `quintes answer`"), "{seen}");
    let told = nodes.done(&format!("{status} --json")).json();
    assert_eq!((&told["comments"][0]["open"], &told["tres"]["london"]["asked"]), (&true.into(), &true.into()));
    let answer = format!("answer {task} SNOMED --node % --federation @federation");
    nodes.fails(&format!("{answer} --tre london --key @bob"), 1, "carol submitted this task and answers for it");
    nodes.fails(&format!("{answer} --tre leeds --key @carol"), 1, "no such question is open at leeds");
    let answered = nodes.done(&format!("{answer} --tre london --key @carol"));
    assert!(answered.talk.contains("every member of the federation"), "{}", answered.talk);
    until_it_says(nodes, &format!("review show {task} --node @london --federation @federation"), "carol answers");
    assert!(
        nodes.done("review list --returned --node @london --json").json()["reviews"].as_array().unwrap().is_empty()
    );
    nodes.fails(&format!("{answer} --tre london --key @carol"), 1, "no such question is open");
}

fn between_reviewers(nodes: &Running, task: &str) {
    nodes.fails(
        &format!("review comment {task} hello --node @london --federation @federation --key @carol"),
        1,
        "`quintes answer`",
    );
    let said = nodes.done(&format!("review comment {task} between_us --output count {ALICE}"));
    assert!(said.talk.contains("the reviewers at london alone") && !said.talk.contains("warning"), "{}", said.talk);
    nodes.done(&format!("review comment {task} thank_you --shared {ALICE}"));
    let shown = nodes.done(&format!("review show {task} --key @alice --node @london --federation @federation"));
    assert!(shown.out.contains("between us") && shown.out.contains("alice says to reviewers"), "{}", shown.out);
    let status = format!("status {task} --federation @federation");
    let hub = until_it_says(nodes, &format!("{status} --node % --key @carol"), "thank you");
    let own = nodes.done(&format!("{status} --node @london"));
    assert!(!hub.contains("between us") && !own.out.contains("between us"), "it never leaves the reviewers");
}

fn withdrawal(nodes: &Running, task: &str) {
    nodes.fails(&format!("review withdraw {task} {ALICE}"), 1, "alice has no decision on this task");
    nodes.done(&format!("review approve {task} --output count {ALICE}"));
    let mine = "review list --mine --key @alice --node @london --federation @federation";
    assert!(nodes.done(mine).out.contains("yours: waits for histogram (1 more); so far alice"));
    let back = nodes.done(&format!("review withdraw {task} {ALICE}"));
    assert!(back.talk.contains("counts no more") && back.talk.contains("instead of"), "{}", back.talk);
    let listed = nodes.done(&format!("{mine} --project stroke")).out;
    assert!(listed.contains("waits for count (1 more), histogram (1 more)") && !listed.contains("so far"), "{listed}");
    assert!(!nodes.done(&format!("{mine} --project heart")).out.contains("carol"));
}

fn withdrawal_without_a_network(nodes: &Running, task: &str) {
    let step = |name: &str, decision: &str| {
        nodes.done(&format!("review export {task} @{name}.sealed --for bob --node @leeds --federation @federation"));
        let sign = format!("review sign @{name}.sealed --federation @federation --key @bob --out @{name}.quintes");
        let signed = nodes.done(&format!("{sign} {decision}"));
        nodes.done(&format!("review import @{name}.quintes --node @leeds"));
        signed.talk
    };
    let said = step("first", "--approve count=rounded_enough");
    assert!(said.contains("✓ count MAY LEAVE (rounded enough)"), "{said}");
    assert!(nodes.done("review list --node @leeds").out.contains("so far bob"));
    let said = step("second", "--withdraw");
    assert!(said.contains("counts no more"), "{said}");
    assert!(!nodes.done("review list --node @leeds").out.contains("so far bob"));
    let said = step("third", "--approve --reject count=one_ward");
    assert!(said.contains("✗ count stays (one ward)"), "{said}");
}

fn reasons_and_what_left_before(nodes: &Running, task: &str) {
    nodes.fails(&format!("review reject {task} {ALICE}"), 1, "is rejected without a reason");
    let decided = nodes.done(&format!("review approve {task} --reason fine --reject histogram=a_rare_age {ALICE}"));
    assert!(decided.talk.contains("✓ count MAY LEAVE (fine)"), "{}", decided.talk);
    assert!(decided.talk.contains("✗ histogram stays (a rare age)"), "{}", decided.talk);
    let status = format!("status {task} --node @london --federation @federation");
    until_it_says(nodes, &status, "released: count (");
    nodes.fails(&format!("review withdraw {task} {ALICE}"), 1, "released already; nothing can be taken back");

    let again = nodes.submit(" --title Once_more");
    nodes.until(&again, "held");
    let show = format!("review show {again} --node @london --federation @federation");
    let shown = nodes.done(&show);
    assert!(shown.out.contains("`How old`): nothing has changed"), "{}", shown.out);
    assert!(shown.out.contains("the same people"), "the ledger knows who stood behind it: {}", shown.out);
    let told = nodes.done(&format!("{show} --json")).json();
    let count = &told["outputs"].as_array().unwrap().iter().find(|one| one["name"] == "count").unwrap()["since"];
    assert_eq!((&count["compared"], &count["changed"]), (&1.into(), &serde_json::json!([])));
    assert_eq!(told["earlier"].as_array().unwrap().len(), 1, "{:#}", told["earlier"]);
    assert!(told["commitment_in_words"].as_str().unwrap().split(' ').count() >= 8);
}
