//! Notices as they arrive: through a real program, a real listener, a real mail program; and what never stands in them.

use super::deliver::Channel;
use super::watch::{look, news, summary};
use super::{Event, Notice};
use crate::config::{Config, Notices};
use crate::review::Choice;
use crate::review::tests::world::World;
use protocol::record::comment::{Comment, Readers};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

fn config(lines: &str) -> Notices {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    let network = "00".repeat(32);
    let text = format!(
        "name = \"london\"\nkind = \"tre\"\norganisation = \"A\"\nnetwork = \"{network}\"\nstate = \"s\"\n{lines}"
    );
    fs::write(&path, text).unwrap();
    Config::read(&path).unwrap().notices
}

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
}

fn decided() -> Notice {
    Notice {
        event: Event::Decided,
        tre: "london".to_owned(),
        task: Some("3fa8".to_owned()),
        project: Some("stroke".to_owned()),
        submitter: Some("carol".to_owned()),
    }
}

fn waiting() -> Notice {
    Notice { event: Event::Waiting, submitter: None, ..decided() }
}

fn events(told: &[Notice]) -> Vec<String> {
    told.iter().map(|one| format!("{} {}", one.event, one.submitter.as_deref().unwrap_or("reviewers"))).collect()
}

#[test]
fn each_turn_of_a_task_is_told_once_and_to_whom_it_concerns() {
    let mut world = World::new(1);
    let mut seen = look(&world.core);
    assert!(summary(&seen, "north").is_empty(), "nothing waits");
    let mut turn = |world: &World| {
        let now = look(&world.core);
        let told = news(&seen, &now, "north");
        assert!(news(&now, &look(&world.core), "north").is_empty(), "a second look tells nothing");
        seen = now;
        events(&told)
    };
    let task = world.submit("How many rare cases");
    assert_eq!(turn(&world), ["waiting reviewers"]);
    let tre = "north".to_owned();
    let text = "which?".to_owned();
    let mut said = Comment { task, tre, output: None, text, to: Readers::Members, question: true, answers: None };
    let asked = world.say(&said, "olga");
    assert_eq!(turn(&world), ["returned ruth"]);
    world.say(&said, "otto");
    assert!(turn(&world).is_empty(), "it is returned already");
    (said.question, said.answers) = (false, Some(asked));
    world.say(&said, "ruth");
    assert!(turn(&world).is_empty(), "one question is still open");
    let otto = world.core.tasks()[&task].comments()[1].id();
    said.answers = Some(otto);
    world.say(&said, "ruth");
    assert_eq!(turn(&world), ["answered reviewers"]);
    let yes = Choice { others: Some(true), ..Choice::default() };
    for one in world.seen_by(&task, "olga").attest(&yes, "olga").unwrap() {
        world.say(&one, "olga");
    }
    assert_eq!(turn(&world), ["decided ruth"]);

    // Yes or no: the notice is the same.
    let other = world.submit("Another");
    assert_eq!(turn(&world), ["waiting reviewers"]);
    let no = Choice { others: Some(false), reason: "rare".to_owned(), ..Choice::default() };
    for one in world.seen_by(&other, "olga").attest(&no, "olga").unwrap() {
        world.say(&one, "olga");
    }
    assert_eq!(turn(&world), ["decided ruth"]);
}

#[test]
fn a_restart_tells_how_much_waits_and_nothing_twice() {
    let mut world = World::new(1);
    for title in ["one", "two", "three"] {
        world.submit(title);
    }
    let told = summary(&look(&world.core), "north");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].sentence(), "3 tasks wait for review at north.");
    assert_eq!((told[0].task.as_ref(), told[0].project.as_ref()), (None, None));
}

#[tokio::test]
async fn a_command_gets_the_event_and_its_environment_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (program, out) = (folder.path().join("tell"), folder.path().join("out"));
    script(
        &program,
        &format!(
            "echo \"args: $*\" >> {0}; env | grep -v '^\\(PWD\\|SHLVL\\|_\\|PATH\\|OLDPWD\\)=' | sort >> {0}",
            out.display()
        ),
    );
    let config = config(&format!("[notices]\ncommand = [\"{}\", \"first; rm -rf $HOME\"]\n", program.display()));
    let channels = Channel::all(&config);
    assert_eq!(channels.len(), 1);
    channels[0].deliver(&decided()).await.unwrap();
    let said = fs::read_to_string(&out).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let expected = [
        "args: first; rm -rf $HOME decided",
        "QUINTES_EVENT=decided",
        "QUINTES_PROJECT=stroke",
        "QUINTES_SUBMITTER=carol",
        "QUINTES_TASK=3fa8",
        "QUINTES_TRE=london",
    ];
    assert_eq!(lines, expected);
    script(&program, "exit 3");
    assert!(channels[0].deliver(&waiting()).await.unwrap_err().to_string().contains("failed"));
}

#[tokio::test]
async fn mail_goes_to_those_whom_the_notice_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let (program, out) = (folder.path().join("sendmail"), folder.path().join("out"));
    script(&program, &format!("echo \"$*\" > {0}; cat >> {0}", out.display()));
    let lines = format!(
        "[notices.mail]\nfrom = \"node@london.example\"\nsendmail = \"{}\"\nreviewers = [\"a@x.example\", \"b@x.example\"]\nresearchers = {{ carol = \"carol@u.example\" }}\n",
        program.display()
    );
    let channels = Channel::all(&config(&lines));
    channels[0].deliver(&waiting()).await.unwrap();
    let said = fs::read_to_string(&out).unwrap();
    assert!(said.starts_with("-i -t\nFrom: node@london.example\nTo: a@x.example, b@x.example\nSubject: "), "{said}");
    assert!(said.ends_with("\n\nThe task 3fa8 in stroke waits for review at london.\n"), "{said}");
    channels[0].deliver(&decided()).await.unwrap();
    let said = fs::read_to_string(&out).unwrap();
    assert!(said.contains("To: carol@u.example\n") && !said.contains("x.example"), "{said}");
    fs::remove_file(&out).unwrap();
    channels[0].deliver(&Notice { submitter: Some("dave".to_owned()), ..decided() }).await.unwrap();
    assert!(!out.exists(), "nobody knows dave's address");
}

/// Answers each request with the next of these status lines, and hands over what was asked.
fn listener(answers: &'static [&'static str]) -> (String, mpsc::Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            sender.send((head, String::from_utf8(body).unwrap())).unwrap();
        }
    });
    (address, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_json_and_follows_nowhere() {
    let (address, asked) = listener(&["204 No Content", "302 Found\r\nLocation: http://127.0.0.1:1/", "500 No"]);
    let channels = Channel::all(&config(&format!("[notices]\nwebhook = \"{address}\"\n")));
    channels[0].deliver(&decided()).await.unwrap();
    let (head, body) = asked.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(
        head.starts_with("POST /hook HTTP/1.1\r\n") && head.to_lowercase().contains("content-type: application/json")
    );
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({ "event": "decided", "tre": "london", "task": "3fa8", "project": "stroke", "submitter": "carol" });
    assert_eq!(body, expected);
    assert!(channels[0].deliver(&waiting()).await.unwrap_err().to_string().contains("302"));
    assert!(channels[0].deliver(&waiting()).await.unwrap_err().to_string().contains("500"));
    assert!(channels[0].deliver(&waiting()).await.is_err(), "nobody listens any more");
}

/// What fails is tried again; what works is delivered once.
#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_tried_again_and_delivered_once() {
    let (address, asked) = listener(&["503 Busy", "200 OK", "200 OK"]);
    let mut channels = Channel::all(&config(&format!("[notices]\nwebhook = \"{address}\"\n")));
    let (queue, queued) = tokio::sync::mpsc::channel(4);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let working = tokio::spawn(super::deliver::work(channels.remove(0), queued, stopped));
    queue.send(waiting()).await.unwrap();
    queue.send(decided()).await.unwrap();
    let told = tokio::task::spawn_blocking(move || {
        let next = || asked.recv_timeout(Duration::from_secs(20)).unwrap().1;
        ([next(), next(), next()], asked)
    });
    let (told, _asked) = told.await.unwrap();
    assert!(told[0] == told[1] && told[0].contains("waiting") && told[2].contains("decided"), "{told:?}");
    stop.send_replace(true);
    tokio::time::timeout(Duration::from_secs(5), working).await.unwrap().unwrap();
}
