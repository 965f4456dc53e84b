//! `serinus completions`: the shell's knowledge of every verb, made from the verbs themselves.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;

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
    clap_complete::generate(args.shell, &mut Cli::command(), "serinus", &mut std::io::stdout());
    0
}
