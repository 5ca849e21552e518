//! `nearhand-agent run`: the agent as a service.

use std::process::ExitCode;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::home::Home;
use crate::service::Service;

/// Runs in the foreground; a service manager or a terminal stops it.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {}

pub(crate) async fn run(home: Home, _: RunArgs) -> anyhow::Result<ExitCode> {
    let enrolment = home.enrolment()?;
    let service = Service::start(home, enrolment).await?;
    stop_signal().await?;
    tracing::info!("stopping");
    service.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Waits for SIGTERM or SIGINT.
pub(crate) async fn stop_signal() -> std::io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}
