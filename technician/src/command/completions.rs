//! `nearhand completions`: what a shell needs to complete commands.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Context};
use crate::exit::Failure;

/// Arguments of `nearhand completions`.
#[derive(clap::Args)]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions.
///
/// # Errors
/// [`Failure`] if they can't be written.
pub fn run(ctx: &Context, args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "nearhand", &mut script);
    Ok(ctx.output.bytes(&script)?)
}
