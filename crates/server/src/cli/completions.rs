//! `serinus completions`: the shell's knowledge of every verb, made from the verbs themselves.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, print};

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  serinus completions bash > /etc/bash_completion.d/serinus
  serinus completions zsh > \"${fpath[1]}/_serinus\"
  serinus completions fish > ~/.config/fish/completions/serinus.fish")]
pub struct CompletionsArgs {
    /// Which
    pub shell: Shell,
}

/// Runs it.
pub fn run(args: &CompletionsArgs) -> u8 {
    // Into memory first: a reader that has seen enough closes the pipe, and that is no failure.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "serinus", &mut script);
    print::line(String::from_utf8_lossy(&script).trim_end());
    0
}
