//! `nearhand completions`: what a shell needs to complete commands.

use clap_complete::Shell;

use crate::context::CommandContext;
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
pub fn run(
    ctx: &CommandContext,
    args: &ShellCompletionsArgs,
    cli: &mut clap::Command,
) -> Result<(), CommandFailure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, cli, "nearhand", &mut script);
    Ok(ctx.output.bytes(&script)?)
}
