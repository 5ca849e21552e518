//! `nearhand man`: the manual pages, made from the same definitions as the command line.

use std::path::PathBuf;

use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};

/// Arguments of `nearhand man`.
#[derive(clap::Args)]
pub struct ManualPageArgs {
    /// Write the pages of all commands here instead of printing the main one
    dir: Option<PathBuf>,
}

/// Prints or writes the pages.
///
/// # Errors
/// [`CommandFailure`] if they can't be written.
pub fn run(ctx: &CommandContext, args: &ManualPageArgs, cli: clap::Command) -> Result<(), CommandFailure> {
    let unwritten =
        |e: std::io::Error| CommandFailure::new(ExitCode::Local, format!("can't write the pages: {e}"));
    if let Some(dir) = &args.dir {
        std::fs::create_dir_all(dir).map_err(unwritten)?;
        return clap_mangen::generate_to(cli, dir).map_err(unwritten);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(cli).render(&mut page).map_err(unwritten)?;
    Ok(ctx.output.bytes(&page)?)
}
