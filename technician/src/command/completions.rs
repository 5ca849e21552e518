//! `nearhand completions`: what a shell needs to complete commands.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{ClientCli, CommandContext};
use crate::exit::CommandFailure;

/// Arguments of `nearhand completions`.
#[derive(clap::Args)]
pub struct ShellCompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions.
///
/// # Errors
/// [`CommandFailure`] if they can't be written.
pub fn run(ctx: &CommandContext, args: &ShellCompletionsArgs) -> Result<(), CommandFailure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut ClientCli::command(), "nearhand", &mut script);
    Ok(ctx.output.bytes(&script)?)
}
