//! What a researcher does before anything is signed: see the catalogue, begin an analysis, and try it at home.

use super::journey::{PATIENCE, Running};
use super::{Paper, Said, ceremony, files};
use crate::cli::run_with;
use crate::cli::speak::Speak;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// A command line in a folder: words are split at spaces, `@` begins a path in the folder, `~` in a word is a space.
fn ask(home: &Path, line: &str) -> Said {
    let word = |word: &str| word.replace('~', " ").replace('@', &format!("{}/", home.display())).into();
    let args = std::iter::once("quintes".into()).chain(line.split(' ').map(word)).collect();
    let (out, talk) = (Paper::default(), Paper::default());
    let code = run_with(args, |json| Speak::into(Box::new(out.clone()), Box::new(talk.clone()), json));
    Said { code, out: out.text(), talk: talk.text() }
}

fn done(home: &Path, line: &str) -> Said {
    let said = ask(home, line);
    assert_eq!(said.code, 0, "{line}\n{}{}", said.out, said.talk);
    said
}

fn fails(home: &Path, line: &str, code: u8, words: &str) {
    let said = ask(home, line);
    assert_eq!(said.code, code, "{line}\n{}{}", said.out, said.talk);
    assert!(said.talk.contains(words), "{line}\n{}\ndoes not say: {words}", said.talk);
}

/// 120 persons of 30 ages in two groups.
fn data(home: &Path) {
    let mut rows = "person_id,sex,age\n".to_owned();
    for person in 0..120 {
        let sex = if person % 3 == 0 { "f" } else { "m" };
        writeln!(rows, "{},{sex},{}", 100_001 + person, 20 + person % 30).unwrap();
    }
    fs::create_dir_all(home.join("own")).unwrap();
    fs::write(home.join("own/person.csv"), rows).unwrap();
}

fn schema(home: &Path) {
    let column = |name: &str, ty: &str| serde_json::json!({ "name": name, "type": ty, "nullable": false });
    let relation = |name: &str, subject: Option<&str>, columns: Vec<Value>| serde_json::json!({ "name": name, "subject": subject, "columns": columns });
    let saved = serde_json::json!({ "datasets": [{ "tre": "london", "name": "omop", "version": 1, "schema": {
        "dialect": "datafusion", "left_out": 0, "relations": [
            relation("concept", None, vec![column("concept_id", "int64"), column("concept_name", "text")]),
            relation("person", Some("person_id"), vec![column("person_id", "int64"), column("sex_concept_id", "int64"), column("age", "int64")]),
        ],
    } }] });
    fs::write(home.join("omop.json"), saved.to_string()).unwrap();
}

#[test]
fn a_trial_shows_what_a_reviewer_would_see() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    data(home);
    let line = "try --component statistics --data @own --param table=person --param analysis=mean --param column=age --param by=sex";
    let said = done(home, line);
    for words in [
        "SQL that ran",
        "sex [group]",
        "computed every figure and checked it against its evidence (T1)",
        "minimum-threshold",
        "10 subjects, p-ratio 10 %",
        "a TRE would run it and every rule passes",
    ] {
        assert!(said.out.contains(words), "{words}\n{}", said.out);
    }
    let told = done(home, &format!("{line} --json")).json();
    // By hand: every third person from 0 has the ages 20, 23, …, 47, the others what is left of 20 to 49.
    assert_eq!(told["outputs"][0]["csv"], "sex,n_age,mean_age\nf,40,33.5\nm,80,35\n");
    assert_eq!((&told["ok"], &told["used"]["queries"]), (&true.into(), &1.into()));
    // Numbers of the component's own are for a person to judge.
    let said =
        done(home, "try --component sql --data @own --param query=SELECT~sex,~count(*)~AS~n~FROM~person~GROUP~BY~sex");
    assert!(said.out.contains("(T2)") && said.out.contains("a data owner would look at it"), "{}", said.out);
}

#[test]
fn a_trial_says_what_a_tre_would_refuse() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    data(home);
    fs::write(home.join("core.wasm"), b"\0asm\x01\0\0\0").unwrap();
    fs::write(home.join("empty.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    let sql = "try --component sql --data @own --param";
    let lines: [(&str, u8, &str); 9] = [
        ("try --component core --data @own", 1, "there is no file `core` and no component of that name"),
        ("try --component @core.wasm --data @own --output a", 1, "is no WebAssembly component"),
        (
            "try --component @empty.wasm --data @own --output a",
            1,
            "every TRE would refuse this component before it runs",
        ),
        ("try --component @empty.wasm --data @own", 1, "name each with --output NAME"),
        ("try --component sql --data @nowhere --param query=SELECT~1", 1, "cannot read the folder"),
        (
            "try --component sql --data @own --subject nobody --param query=SELECT~1",
            1,
            "no granted table has the subject column",
        ),
        ("try --component sql --mock @nothing.json --param query=SELECT~1", 1, "there is no file"),
        ("try --component sql --param query=SELECT~1", 2, "<--data <DIR>|--mock <FILE|TRE/DATASET>>"),
        ("try --component sql --data @own --rows 5 --param query=SELECT~1", 2, "cannot be used with"),
    ];
    for (line, code, words) in lines {
        fails(home, line, code, words);
    }
    // The guard before the data is that of a TRE, and the component's own words say what it refused.
    for query in ["DELETE~FROM~person", "SELECT~1;~SELECT~2", "SELECT~*~FROM~information_schema.tables"] {
        let said = ask(home, &format!("{sql} query={query}"));
        assert_eq!(said.code, 1, "{query}: {}", said.out);
        assert!(said.out.contains("✗ a TRE would refuse it: the component returned an error"), "{query}: {}", said.out);
        let told = ask(home, &format!("{sql} query={query} --json")).json();
        assert_eq!((&told["ok"], told["refused"].as_array().unwrap().len()), (&false.into(), 1));
    }
    // And so are the rules behind the component: rows as they are do not pass.
    let said = done(home, &format!("{sql} query=SELECT~person_id,~sex,~age~FROM~person"));
    assert!(said.out.contains("figures that fail a rule stay there"), "{}", said.out);
}

#[test]
fn made_up_rows_are_the_same_for_the_same_seed() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    schema(home);
    let csv = |said: Said| said.json()["outputs"][0]["csv"].clone();
    let line = "try --json --component statistics --mock @omop.json --param table=person --param analysis=mean --param column=age --param by=sex_concept_id";
    let first = csv(done(home, line));
    assert_eq!(first, csv(done(home, line)));
    assert_ne!(first, csv(done(home, &format!("{line} --seed 2"))));
    assert_eq!(first, csv(done(home, &line.replace("omop.json", "omop.json#london/omop"))));
    fails(home, &line.replace("omop.json", "omop.json#leeds/omop"), 1, "has no such dataset; it has london/omop");
    let rows = |said: Said| {
        let text = csv(said).as_str().unwrap().to_owned();
        text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    assert_eq!((rows(done(home, line)), rows(done(home, &format!("{line} --rows 300")))), (1_000, 300));
    let join = "try --component sql --mock @omop.json --param query=SELECT~c.concept_name,~count(*)~AS~n~FROM~person~p~JOIN~concept~c~ON~p.sex_concept_id~=~c.concept_id~GROUP~BY~c.concept_name";
    assert!(done(home, join).out.contains("the rows are made up"));
    // A file that was edited by hand is held to the rules of a published one.
    let text = fs::read_to_string(home.join("omop.json")).unwrap();
    fs::write(home.join("other.json"), text.replace("\"subject\":\"person_id\"", "\"subject\":\"nobody\"")).unwrap();
    fails(home, &line.replace("omop.json", "other.json"), 1, "is not what a TRE could publish");
    fs::write(home.join("other.json"), "{}").unwrap();
    fails(home, &line.replace("omop.json", "other.json"), 1, "is no file of schemas");
}

#[test]
fn a_template_is_written_once_and_over_nothing() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for (language, has) in [("python", "app.py"), ("javascript", "build.mjs"), ("rust", "Cargo.toml")] {
        let told = done(home, &format!("new --json --language {language} @{language}")).json();
        assert!(told["files"].as_array().unwrap().iter().any(|file| file == has), "{told}");
        for file in told["files"].as_array().unwrap() {
            assert!(home.join(language).join(file.as_str().unwrap()).is_file(), "{file}");
        }
        let before = files(&home.join(language));
        fails(home, &format!("new --language {language} @{language}"), 1, "is never overwritten");
        assert_eq!(files(&home.join(language)), before);
    }
    fails(home, "new --language cobol @cobol", 2, "invalid value 'cobol'");
    for shell in ["bash", "zsh", "fish"] {
        let script = done(home, &format!("completion {shell}")).out;
        for word in ["catalogue", "try", "new", "--mock", "javascript", "--publish-schema"] {
            assert!(script.contains(word.trim_start_matches('-')), "{shell} does not know {word}");
        }
    }
}

#[test]
fn the_catalogue_shows_what_is_published_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    let nothing = done(home, "catalogue --federation @federation");
    assert!(
        nothing.out.contains("project stroke (version 1): Stroke") && nothing.out.contains("any component may run")
    );
    assert!(nothing.out.contains("london/omop: its schema is not published"), "{}", nothing.out);
    // london's operator lets it be known, that of leeds does not.
    let config = fs::read_to_string(home.join("london/node.toml")).unwrap();
    assert!(config.contains("\npublish_schema = false\n"), "nothing is published unless the operator says so");
    let config = config.replace("\npublish_schema = false\n", "\npublish_schema = true\n");
    fs::write(home.join("london/node.toml"), config).unwrap();
    let nodes = Running::start(home);
    let line = "catalogue --json --project stroke --node % --key @carol --federation @federation";
    let begun = std::time::Instant::now();
    let told = loop {
        let told = nodes.done(line).json();
        if !told["datasets"].as_array().unwrap().is_empty() {
            break told;
        }
        assert!(begun.elapsed() < PATIENCE, "{told:#}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    let relations = told["datasets"][0]["schema"]["relations"].as_array().unwrap();
    let tables: Vec<&str> = relations.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!((&told["datasets"][0]["tre"], tables), (&"london".into(), vec!["concept", "person"]));
    assert_eq!(told["unpublished"], serde_json::json!(["leeds/omop"]));
    assert!(!told["datasets"].to_string().contains("120"), "how many rows there are is nobody's business");
    let shown = nodes.done("catalogue --node @london --federation @federation --save @omop.json --keep");
    assert!(shown.out.contains("person_id") && shown.out.contains("names the person"), "{}", shown.out);
    nodes.fails("catalogue --node @london --federation @federation --save @omop.json", 1, "not saved");
    nodes.fails("catalogue --node @london --federation @federation --dataset leeds/omop", 1, "has published no schema");
    drop(nodes);
    // From here on without a node: what was kept and what was saved.
    let question = "--component statistics --param table=person --param analysis=count --rows 200";
    for (mock, dataset) in [("london/omop", "--federation @federation"), ("@omop.json", "")] {
        let said = ask(home, format!("try {question} --mock {mock} --project defaults {dataset}").trim_end());
        assert!(said.code == 0 && said.out.contains("the rows are made up"), "{}{}", said.out, said.talk);
    }
    let of_project = "--project stroke --federation @federation";
    done(home, &format!("try {question} --mock london/omop {of_project}"));
    let said = ask(home, &format!("try {question} --mock london/omop --dataset other {of_project}"));
    assert!(said.code == 1 && said.out.contains("is not part of the project stroke"), "{}", said.out);
    fails(
        home,
        &format!("try {question} --mock leeds/omop {of_project}"),
        1,
        "has no schema of leeds/omop; it has london/omop",
    );
}
