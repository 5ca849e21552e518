//! `nearhand-agent desktop`: the process that the agent starts for a session to see and use a display. It speaks the
//! agent's own protocol on its standard input and output. `--check` is for people: whether there is a display that
//! could be seen, tried as a session would.

use std::process::ExitCode;

use clap::Args;
use nearhand_proto::text;

use nearhand_desktop::child;
use nearhand_desktop::find;
use nearhand_desktop::process::{DesktopEnd, DesktopProcess};
use nearhand_desktop::protocol::FromDesktop;

/// What to do.
#[derive(Debug, Args)]
pub(crate) struct DesktopArgs {
    /// Only say which display a session would see, and whether it can
    #[arg(long)]
    pub(crate) check: bool,
}

/// Serves the agent until it closes the pipe.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    child::run()?;
    Ok(ExitCode::SUCCESS)
}

/// Says what there is to see.
pub(crate) async fn check() -> anyhow::Result<ExitCode> {
    let reach = find::display().await?;
    let (desktop, mut from) = DesktopProcess::start(&reach).await?;
    let first = from.recv().await;
    let ended = desktop.ended().await;
    let name = reach.display.to_string_lossy().into_owned();
    match (first, ended) {
        (Some(FromDesktop::Ready { monitors }), DesktopEnd::Told) => {
            println!(
                "The display {} of user {} can be seen and used.",
                text::one_line(&name, 80),
                reach.user
            );
            for monitor in monitors {
                let at = if monitor.primary { ", the main one" } else { "" };
                let name = text::one_line(&monitor.name, 80);
                println!("  monitor {}: {name}, {} × {}{at}", monitor.number, monitor.width, monitor.height);
            }
            Ok(ExitCode::SUCCESS)
        }
        (Some(FromDesktop::Failed(why)), _) => anyhow::bail!(text::multi_line(&why, 2_000)),
        (_, ended) => anyhow::bail!("the desktop process ended without a word ({ended:?})"),
    }
}
