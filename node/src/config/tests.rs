//! Each mistake in a node.toml has its sentence, with the place and the nearest right word.

use super::{Config, Engine, NodeKind, Source};
use std::fs;

const NETWORK: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn minimal() -> String {
    format!("name = \"london\"\nkind = \"tre\"\norganisation = \"A\"\nnetwork = \"{NETWORK}\"\nstate = \"state\"\n")
}

#[test]
fn a_minimal_configuration_has_the_defaults_and_refuses_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    fs::write(&path, minimal()).unwrap();
    let config = Config::read(&path).unwrap();
    assert_eq!((config.kind, config.is_hub()), (NodeKind::Tre, false));
    assert_eq!(config.state, folder.path().join("state"));
    assert_eq!(config.door_socket(), folder.path().join("state/door.sock"));
    assert!(!config.tre().is_configured());
    assert_eq!(config.limits.sandbox(), sandbox::limits::Limits::default());
    assert!(config.limits.zeros().is_empty());
}

#[test]
fn each_field_reaches_what_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    let more = "federation = \"/f\"\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\ndata_owners = [\"bob\"]\n\
        [[dataset]]\nname = \"omop\"\npath = \"data\"\nsubject = \"person_id\"\ntables = [\"person\"]\n\
        [limits]\nfuel = 7\nmemory_mb = 64\nwall_seconds = 9\nwaiting = 3\ncomponent_mb = 2\n[door]\nsocket = \"d/s\"\n[log]\njson = true\n";
    fs::write(&path, minimal() + more).unwrap();
    let config = Config::read(&path).unwrap();
    let limits = config.limits.sandbox();
    assert_eq!((limits.fuel, limits.memory_bytes, limits.wall.as_secs()), (Some(7), 64 << 20, 9));
    let tre = config.tre();
    assert!(tre.is_configured() && tre.datasets.contains("omop") && tre.data_owners.contains("bob"));
    assert_eq!((tre.waiting, tre.component_bytes), (3, 2 << 20));
    assert_eq!(config.datasets[0].source, Source::Files { path: folder.path().join("data") });
    assert_eq!(config.door_socket(), folder.path().join("d/s"));
    assert_eq!(config.federation.unwrap().to_str(), Some("/f"));
    assert!(config.log.json);
}

const DATASET: &str = "[[dataset]]\nname = \"a\"\nsubject = \"c\"\ntables = [\"t\"]\n";

#[test]
fn each_engine_has_its_fields() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    let server = "engine = \"postgres\"\nhost = \"db.example.org\"\ndatabase = \"d\"\nuser = \"u\"\npassword_file = \"p\"\nca_file = \"/c\"\n";
    let two = format!("{DATASET}engine = \"sqlite\"\npath = \"a.db\"\n{DATASET}{server}").replacen("\"a\"", "\"b\"", 1);
    fs::write(&path, minimal() + &two).unwrap();
    let datasets = Config::read(&path).unwrap().datasets;
    assert_eq!((datasets[0].engine(), datasets[1].engine()), (Engine::Sqlite, Engine::Postgres));
    assert_eq!(datasets[0].source, Source::Sqlite { path: folder.path().join("a.db") });
    let Source::Postgres(server) = &datasets[1].source else { panic!("the second is a server") };
    assert_eq!((server.port, server.schema.as_str()), (5_432, "public"));
    assert_eq!(server.password_file.as_deref(), Some(folder.path().join("p").as_path()));
    assert_eq!(server.ca_file.as_deref(), Some(std::path::Path::new("/c")));
    let cluster =
        "engine = \"flight\"\nhost = \"h\"\nca_file = \"c\"\naccept_anonymous = true\nsetup = [\"SET x = 1\"]\n";
    fs::write(&path, minimal() + DATASET + cluster).unwrap();
    let datasets = Config::read(&path).unwrap().datasets;
    let Source::Flight(server) = &datasets[0].source else { panic!("it is a cluster") };
    assert_eq!((server.port, server.accept_anonymous, server.accept_plaintext), (50_050, true, false));
    assert_eq!((server.ca_file.as_deref(), server.setup.len()), (Some(folder.path().join("c").as_path()), 1));
}

#[test]
fn every_bad_configuration_says_where_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    let cases = [
        (minimal() + "lissten = []\n", "unknown field `lissten` at line 6, column 1; did you mean `listen`?"),
        (minimal() + "[limits]\nmemory = 5\n", "unknown field `memory` at line 7, column 1; did you mean `memory_mb`?"),
        (minimal() + "zzzzzzzzzzzz = 1\n", "unknown field `zzzzzzzzzzzz` at line 6, column 1; remove it"),
        (minimal().replace("name = \"london\"\n", ""), "lacks the field `name`; add it"),
        (minimal() + "[[dataset]]\nname = \"a\"\npath = \"b\"\nsubject = \"c\"\n", "lacks the field `tables`"),
        (minimal() + DATASET, "lacks the field `path`"),
        (
            minimal() + DATASET + "path = \"b\"\nhost = \"h\"\n",
            "the field `host` means nothing with engine = \"files\"",
        ),
        (
            minimal() + DATASET + "path = \"b\"\nkey_file = \"k\"\n",
            "the field `key_file` means nothing with engine = \"files\" and no bucket",
        ),
        (minimal() + DATASET + "bucket = \"b\"\npath = \"p\"\n", "remove one of the two"),
        (minimal() + DATASET + "bucket = \"b\"\nendpoint = \"https://s3.example.org\"\n", "lacks the field `key_file`"),
        (
            minimal() + DATASET + "engine = \"sqlite\"\nbucket = \"b\"\n",
            "the field `bucket` means nothing with engine = \"sqlite\"",
        ),
        (minimal() + DATASET + "engine = \"oracle\"\n", "unknown variant `oracle`"),
        (
            minimal() + DATASET + "engine = \"postgres\"\npath = \"b\"\n",
            "the field `path` means nothing with engine = \"postgres\"",
        ),
        (minimal() + DATASET + "engine = \"postgres\"\nhost = \"h\"\nuser = \"u\"\n", "lacks the field `database`"),
        (minimal() + DATASET + "engine = \"postgres\"\npassword = \"p\"\n", "unknown field `password`"),
        (
            minimal() + DATASET + "engine = \"postgres\"\naccept_plaintext = true\n",
            "the field `accept_plaintext` means nothing with engine = \"postgres\"",
        ),
        (
            minimal() + DATASET + "engine = \"flight\"\nhost = \"h\"\nschema = \"s\"\n",
            "the field `schema` means nothing with engine = \"flight\"",
        ),
        (minimal() + "listen = [\"nowhere\"]\n", "is wrong at line 6"),
        (minimal() + "listen = [\n", "is wrong at line"),
        (minimal() + "= 3\n", "is wrong at line 6, column 1"),
        (minimal() + "[limits]\nmemory_mb = -1\n", "is wrong at line 7, column 13"),
        (minimal() + "[limits]\nmemory_mb = \"big\"\n", "is wrong at line 7, column 13"),
        (minimal().replace("tre", "ter"), "unknown variant `ter`"),
        (minimal().replace(NETWORK, "abc"), "is not 64 hexadecimal digits; correct that line"),
        (minimal() + "name = \"again\"\n", "is wrong at line 6"),
        (
            minimal() + "[notices]\nwebhook = \"http://example.org/\"\n",
            "line 7, column 11: a webhook begins with https://",
        ),
        (minimal() + "[notices]\nwebhok = \"https://example.org/\"\n", "did you mean `webhook`?"),
        (minimal() + "[notices.mail]\nfrom = \"Bob <b@c>\"\n", "this is no mail address"),
        (String::new(), "lacks the field `name`"),
    ];
    for (text, sentence) in cases {
        fs::write(&path, &text).unwrap();
        let error = Config::read(&path).unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}\ndoes not say: {sentence}");
        assert!(error.contains("node.toml"), "{error}");
    }
    fs::write(&path, b"name = \"\xff\"").unwrap();
    assert!(Config::read(&path).unwrap_err().to_string().contains("UTF-8"));
    assert!(Config::read(folder.path()).unwrap_err().to_string().contains("not a regular file"));
    assert!(Config::read(&folder.path().join("no.toml")).unwrap_err().to_string().contains("quintes node init"));
}

#[test]
fn nobody_is_told_unless_it_is_said_whom() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    fs::write(&path, minimal()).unwrap();
    assert_eq!(Config::read(&path).unwrap().notices, super::Notices::default());
    let more = "[notices]\ncommand = [\"/bin/tell\", \"x\"]\nwebhook = \"https://example.org/secret\"\n[notices.mail]\nfrom = \"a@b\"\n";
    fs::write(&path, minimal() + more).unwrap();
    let notices = Config::read(&path).unwrap().notices;
    assert!(!format!("{notices:?}").contains("secret"), "an address may hold a secret");
    assert_eq!((notices.command.len(), notices.webhook.unwrap().as_str()), (2, "https://example.org/secret"));
    assert_eq!(notices.mail.unwrap().sendmail.to_str(), Some("/usr/sbin/sendmail"));
}

#[test]
fn tables_are_found_in_upper_and_lower_case() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["PERSON.CSV", "visit.parquet", "drug.tsv", "notes.txt"] {
        fs::write(folder.path().join(name), "person_id\n").unwrap();
    }
    let tables: Vec<String> = super::tables_in(folder.path()).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(tables, ["drug", "person", "visit"]);
}

#[test]
fn a_folder_of_parquet_files_is_a_table_and_an_empty_folder_is_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("Visits")).unwrap();
    std::fs::create_dir_all(folder.path().join("empty")).unwrap();
    for file in ["Visits/b.parquet", "Visits/a.parquet", "Visits/_SUCCESS", "person.csv", "notes.txt"] {
        std::fs::write(folder.path().join(file), b"").unwrap();
    }
    let tables = super::tables_in(folder.path()).unwrap();
    let expected = [("person", "person.csv"), ("visits", "Visits/a.parquet")];
    assert_eq!(tables, expected.map(|(name, file)| (name.to_owned(), folder.path().join(file))));
}

#[test]
fn a_proxy_has_no_password_in_its_address_and_its_file_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    let read = |proxy: &str| {
        fs::write(&path, minimal() + "[proxy]\n" + proxy).unwrap();
        Config::read(&path)
    };
    let refused = read("address = \"http://bob:secret@proxy:3128\"\n").unwrap_err().to_string();
    assert!(refused.contains("put user:password into a file"), "{refused}");
    assert!(!refused.contains("secret"), "{refused}");
    let refused = read("address = \"socks5://proxy:1080\"\n").unwrap_err().to_string();
    assert!(refused.contains("http://HOST:PORT and nothing more"), "{refused}");
    let proxy = read("address = \"http://proxy:3128\"\ncredentials_file = \"p\"\n").unwrap().proxy.unwrap();
    assert_eq!(proxy.credentials_file, Some(folder.path().join("p")));
    fs::write(folder.path().join("p"), "bob:secret\n").unwrap();
    fs::set_permissions(folder.path().join("p"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(proxy.open().is_err(), "others can read it");
    fs::set_permissions(folder.path().join("p"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(format!("{:?}", proxy.open().unwrap()), "Proxy(http://proxy:3128)");
}
