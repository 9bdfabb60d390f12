//! `quintes new`: an analysis to begin with, in the researcher's language, written out of the program: no checkout is needed.

mod files;

use crate::cli::speak::Speak;
use anyhow::{Context as _, bail};
use files::{JAVASCRIPT, PYTHON, RUST};
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// In which language, and where.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Writes a whole analysis (mean and spread by group, witnessed and computed), the interfaces that it may use, and a README with the commands that build
it. Nothing is ever overwritten.

Example:
  quintes new --language python spread")]
pub(crate) struct Args {
    /// The language.
    #[arg(long)]
    language: Language,
    /// The folder to write into; it is made when it is not there.
    dir: PathBuf,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Language {
    Python,
    Rust,
    Javascript,
}

/// A file of a template: its place and its text.
type File = (&'static str, &'static str);

impl Language {
    fn files(self) -> &'static [File] {
        match self {
            Self::Python => &PYTHON,
            Self::Rust => &RUST,
            Self::Javascript => &JAVASCRIPT,
        }
    }
}

/// Writes the files, or none where one of them is there.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let files = args.language.files();
    for (place, _) in files {
        let path = args.dir.join(place);
        if path.symlink_metadata().is_ok() {
            bail!("`{}` is already there and is never overwritten; choose another folder", path.display());
        }
    }
    for (place, text) in files {
        write(&args.dir.join(place), &files::adapted(place, text))?;
    }
    let written: Vec<&str> = files.iter().map(|(place, _)| *place).collect();
    speak.say(&format!("  → {} files in {}; README.md says how to build and try it", files.len(), args.dir.display()));
    speak.line(&args.dir.join("README.md").display().to_string());
    speak.answer(json!({ "folder": args.dir.display().to_string(), "files": written }));
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let failed = || format!("cannot write `{}`; check that its folder is yours", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(failed)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)
}
