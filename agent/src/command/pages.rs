//! `nearhand-agent completions` and `nearhand-agent man`, for packagers: made from the command line's own
//! definitions.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

/// For which shell.
#[derive(Debug, Args)]
pub(crate) struct AgentCompletionsArgs {
    /// The shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

/// Where the pages go.
#[derive(Debug, Args)]
pub(crate) struct AgentManArgs {
    /// Write the pages of all commands here instead of printing the main one
    dir: Option<PathBuf>,
}

pub(crate) fn completions(args: &AgentCompletionsArgs, mut whole: Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut whole, "nearhand-agent", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn man(args: &AgentManArgs, whole: Command) -> anyhow::Result<ExitCode> {
    match &args.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
            clap_mangen::generate_to(whole, dir)
                .with_context(|| format!("can't write into {}", dir.display()))?;
        }
        None => clap_mangen::Man::new(whole).render(&mut std::io::stdout())?,
    }
    Ok(ExitCode::SUCCESS)
}
