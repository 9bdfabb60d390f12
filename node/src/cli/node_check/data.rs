//! The data's part of the check: datasets, their tables and the column that names persons.

use crate::cli::node_check::{Findings, missing};
use crate::config::{Config, Dataset, Flight, NodeKind, Postgres, Source, tables_in};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

/// The longest heading of a CSV file that is looked at, in bytes.
const HEADING_BYTES: u64 = 256 * 1024;

pub(super) fn check(config: &Config, findings: &mut Findings) {
    if config.kind == NodeKind::Hub {
        if !config.datasets.is_empty() {
            findings.warning(
                "dataset",
                "a hub runs nothing and needs no data",
                "remove the datasets, or set kind = \"tre\"",
            );
        }
        return;
    }
    if config.datasets.is_empty() {
        findings.error(
            "dataset",
            "there is no dataset, so that every task is refused",
            "add a [[dataset]] with name, path, subject and tables",
        );
    }
    if config.data_owners.is_empty() {
        findings.error(
            "data_owners",
            "there is no data owner, so that every task is refused",
            "name the persons who answer for the data",
        );
    }
    for dataset in &config.datasets {
        check_dataset(dataset, findings);
    }
}

fn check_dataset(dataset: &Dataset, findings: &mut Findings) {
    match &dataset.source {
        Source::Files { path } => check_files(dataset, path, findings),
        Source::Bucket(bucket) => {
            check_secrets("dataset.key_file", Some(&bucket.key_file), bucket.ca_file.as_deref(), findings);
        }
        Source::Sqlite { path } => match fs::metadata(path) {
            Ok(found) if found.is_file() => {}
            Ok(_) => findings.error("dataset.path", format!("`{}` is no file", path.display()), "give the SQLite file"),
            Err(error) => missing("dataset.path", path, &error, "give the SQLite file", findings),
        },
        Source::Postgres(server) => check_server(server, findings),
        Source::Flight(server) => check_cluster(server, findings),
    }
    if dataset.tables.is_empty() {
        findings.error(
            "dataset.tables",
            format!("no table of {} is granted", dataset.name),
            "name those that tasks may read",
        );
    }
}

/// What can be told without asking the server; `quintes dataset check` asks it.
fn check_server(server: &Postgres, findings: &mut Findings) {
    check_secrets("dataset.password_file", server.password_file.as_deref(), server.ca_file.as_deref(), findings);
    if !server.host.starts_with('/') && server.ca_file.is_none() {
        findings.error(
            "dataset.ca_file",
            format!("`{}` is spoken to over TLS, and nobody is named who may vouch for it", server.host),
            "name the file of its authorities' certificates",
        );
    }
}

/// The same of a cluster.
fn check_cluster(server: &Flight, findings: &mut Findings) {
    check_secrets("dataset.password_file", server.password_file.as_deref(), server.ca_file.as_deref(), findings);
    if server.password_file.is_some() && server.user.is_none() {
        findings.error("dataset.user", "there is a password and nobody whose it is", "name the user");
    }
    if server.setup.is_empty() {
        findings.warning(
            "dataset.setup",
            "a session at a cluster begins with no table",
            "say what makes the tables known, unless the server does so itself: setup = [\"CREATE EXTERNAL TABLE …\"]",
        );
    }
}

fn check_secrets(field: &str, secret: Option<&Path>, authorities: Option<&Path>, findings: &mut Findings) {
    for (field, file) in [(field, secret), ("dataset.ca_file", authorities)] {
        if let Some((file, error)) = file.and_then(|file| Some((file, File::open(file).err()?))) {
            missing(field, file, &error, "write it, or correct the path", findings);
        }
    }
}

fn check_files(dataset: &Dataset, path: &Path, findings: &mut Findings) {
    let files = match fs::metadata(path) {
        Ok(found) if !found.is_dir() => {
            return findings.error(
                "dataset.path",
                format!("`{}` is no folder", path.display()),
                "give the folder of the tables",
            );
        }
        Ok(_) => tables_in(path),
        Err(error) => Err(error),
    };
    let files = match files {
        Ok(files) => files,
        Err(error) => return missing("dataset.path", path, &error, "give the folder of the tables", findings),
    };
    if files.is_empty() {
        return findings.error(
            "dataset.path",
            format!("`{}` holds no .csv, .tsv or .parquet file", path.display()),
            "give the folder of the tables",
        );
    }
    let mut subject_seen = false;
    for table in &dataset.tables {
        let found: Vec<&Path> =
            files.iter().filter(|(name, _)| name.eq_ignore_ascii_case(table)).map(|(_, path)| path.as_path()).collect();
        match found.as_slice() {
            [] => {
                let there: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
                findings.error(
                    "dataset.tables",
                    format!("`{}` holds no table {table}", path.display()),
                    format!("name one that it has ({}), or add the file", there.join(", ")),
                );
            }
            [one] => subject_seen |= has_column(one, &dataset.subject, findings),
            _ => findings.error(
                "dataset.tables",
                format!("`{}` holds several files for the table {table}", path.display()),
                "keep one of them",
            ),
        }
    }
    if !subject_seen && !dataset.tables.is_empty() {
        findings.error(
            "dataset.subject",
            format!(
                "no table of {} has the column {}, so that persons cannot be counted",
                dataset.name, dataset.subject
            ),
            "name the column that names the person of a row",
        );
    }
}

/// Whether a file has the column. A Parquet file's columns are its engine's business, so it gets the benefit of the doubt.
fn has_column(file: &Path, column: &str, findings: &mut Findings) -> bool {
    if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet")) {
        return true;
    }
    match heading(file) {
        Ok(heading) if heading.trim().is_empty() => {
            findings.error(
                "dataset.tables",
                format!("`{}` is empty", file.display()),
                "export it again, with its heading",
            );
            false
        }
        Ok(heading) => {
            // The separators that the engine knows; a column's name holds none of them.
            let names = heading.trim_start_matches('\u{feff}').split(['\t', ',', ';', '|']);
            names.map(|name| name.trim().trim_matches('"')).any(|name| name.eq_ignore_ascii_case(column))
        }
        Err(error) => {
            missing("dataset.tables", file, &error, "export it again", findings);
            false
        }
    }
}

/// The first line, without a byte order mark.
fn heading(file: &Path) -> io::Result<String> {
    let mut line = Vec::new();
    BufReader::new(File::open(file)?.take(HEADING_BYTES)).read_until(b'\n', &mut line)?;
    let text = String::from_utf8_lossy(&line);
    Ok(text.trim_start_matches('\u{feff}').trim_end().to_owned())
}
