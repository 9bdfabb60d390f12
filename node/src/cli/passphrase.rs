//! Passphrases: from the terminal or from a private file, never from the command line.

use crate::cli::speak::Speak;
use anyhow::{Context as _, bail};
use keys::at_rest;
use std::io;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The most bytes in a passphrase file.
const FILE_BYTES: u64 = 4_096;

/// Where a passphrase comes from when there is no terminal to ask at.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PassphraseOption {
    /// A file with the passphrase on its first line, readable by you alone (0600). Without it the terminal is asked.
    #[arg(long, env = "QUINTES_PASSPHRASE_FILE", value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseOption {
    /// The passphrase of something that exists, asked for as `of`.
    ///
    /// # Errors
    /// When there is neither a file nor a terminal.
    pub(crate) fn get(&self, of: &str, speak: &Speak) -> io::Result<Zeroizing<String>> {
        match &self.passphrase_file {
            Some(_) => self.read_file(),
            None => ask(&format!("Passphrase of {of}: "), speak),
        }
    }

    /// A new passphrase; at a terminal it is typed twice.
    ///
    /// # Errors
    /// When there is neither a file nor a terminal, or the two differ.
    pub(crate) fn choose(&self, of: &str, speak: &Speak) -> anyhow::Result<Zeroizing<String>> {
        let what_to_do = "no passphrase was chosen; give --passphrase-file FILE, or run this in a terminal";
        if self.passphrase_file.is_some() {
            return self.read_file().context(what_to_do);
        }
        let first = ask(&format!("New passphrase of {of}: "), speak).context(what_to_do)?;
        if first.is_empty() {
            bail!("the passphrase is empty; choose one of several words, or give --no-passphrase");
        }
        if ask("The same again: ", speak).context(what_to_do)? != first {
            bail!("the two passphrases differ; nothing was made, try again");
        }
        Ok(first)
    }

    fn read_file(&self) -> io::Result<Zeroizing<String>> {
        let path = self.passphrase_file.as_deref().expect("the callers ask only when a file was given");
        let bytes = at_rest::read_private(path, FILE_BYTES).map_err(io::Error::other)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| {
            io::Error::other(format!("`{}` is not UTF-8 text; write the passphrase again", path.display()))
        })?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            return Err(io::Error::other(format!(
                "`{}` is empty; write the passphrase on its first line",
                path.display()
            )));
        }
        Ok(Zeroizing::new(line.to_owned()))
    }
}

/// Asks at the terminal, without an echo.
fn ask(prompt: &str, speak: &Speak) -> io::Result<Zeroizing<String>> {
    if speak.is_interactive() {
        rpassword::prompt_password(prompt).map(Zeroizing::new)
    } else {
        Err(io::Error::other("there is no terminal to ask at; give --passphrase-file FILE"))
    }
}
