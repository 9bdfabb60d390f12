//! `quintes completion`: a shell's completion script, made from the command line's own description.

use crate::cli::Cli;
use crate::cli::speak::Speak;
use clap::CommandFactory as _;

/// For which shell.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  quintes completion bash > ~/.local/share/bash-completion/completions/quintes")]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "quintes", &mut script);
    let script = String::from_utf8_lossy(&script);
    speak.line(script.trim_end());
    speak.answer(serde_json::json!({ "script": script }));
    Ok(())
}
