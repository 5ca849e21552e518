//! `nearhand-relay completions` and `nearhand-relay man`, for packagers: made from the command line's own
//! definitions.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use super::arguments::Arguments;

pub(super) fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "nearhand-relay", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}

pub(super) fn man(dir: Option<&Path>) -> anyhow::Result<()> {
    let Some(dir) = dir else {
        return Ok(clap_mangen::Man::new(Arguments::command()).render(&mut std::io::stdout())?);
    };
    std::fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
    clap_mangen::generate_to(Arguments::command(), dir)
        .with_context(|| format!("can't write into {}", dir.display()))
}
