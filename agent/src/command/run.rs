//! `nearhand-agent run`: the agent as a service.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use nearhand_transport::platform::ReadinessNotifier;
use tokio::signal::unix::{SignalKind, signal};

use crate::home::{AgentHome, AgentHomeError};
use crate::local::server::SocketAccess;
use crate::platform;
use crate::service::AgentService;

/// How often a copy looks whether its owner has decided.
const COPY_LOOKS: Duration = Duration::from_secs(2);

/// Runs in the foreground; a service manager or a terminal stops it.
#[derive(Debug, Args)]
pub(crate) struct AgentRunArgs {
    /// Let this desktop user answer requests and ask for help (`nearhand-agent attend`); may be repeated.
    /// Their socket is /run/nearhand-agent/agent.sock
    #[arg(long, value_name = "USER")]
    attended_by: Vec<String>,
}

pub(crate) async fn run(home: AgentHome, args: AgentRunArgs) -> anyhow::Result<ExitCode> {
    let enrolment = home.enrolment()?;
    if let Err(error) = home.refuse_copy() {
        return wait_as_copy(&home, error).await;
    }
    let let_in: Vec<u32> = args
        .attended_by
        .iter()
        .map(|name| platform::user_number(name).with_context(|| format!("there is no user {name:?} here")))
        .collect::<anyhow::Result<_>>()?;
    let mut doors = vec![SocketAccess::private(&home)];
    if !let_in.is_empty() {
        doors.push(SocketAccess { path: AgentHome::service_socket(), let_in });
    }
    // From the first moment on, or the signal would end the program.
    let mut again = signal(SignalKind::hangup())?;
    let service = AgentService::start(home, enrolment, doors).await?;
    let manager = ReadinessNotifier::of_environment();
    manager.ready();
    tokio::select! {
        stopped = stop_signal() => stopped?,
        () = async { while again.recv().await.is_some() { reload(&service) } } => {}
        () = keep_watchdog(&manager, &service) => {}
    }
    manager.stopping();
    tracing::info!("stopping");
    service.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// A copy does nothing under the original's name. It waits until its owner has decided, and says so meanwhile; then it ends, to
/// be started again.
async fn wait_as_copy(home: &AgentHome, error: AgentHomeError) -> anyhow::Result<ExitCode> {
    let notifier = ReadinessNotifier::of_environment();
    // Started by hand, the words are for the one who did.
    let Some(every) = notifier.watchdog() else { return Err(error.into()) };
    tracing::error!(%error, "nothing is done under the other machine's name");
    notifier.ready();
    notifier.status(&error.to_string());
    loop {
        tokio::select! {
            stopped = stop_signal() => {
                stopped?;
                return Ok(ExitCode::SUCCESS);
            }
            () = tokio::time::sleep(every.min(COPY_LOOKS)) => {}
        }
        if !matches!(home.refuse_copy(), Err(AgentHomeError::Copied)) {
            tracing::info!("its owner has decided; starting anew");
            return Ok(ExitCode::SUCCESS);
        }
        notifier.alive();
    }
}

/// SIGHUP: files that are otherwise read when they change are read now.
fn reload(service: &AgentService) {
    tracing::info!("reading the rules again");
    if let Some(alarms) = &service.alarms {
        alarms.reload();
    }
}

/// Tells the service manager that the agent's loop goes round, as often as it wants to hear it. The loop itself answers
/// for that, so an agent that hangs stops saying so.
async fn keep_watchdog(manager: &ReadinessNotifier, service: &AgentService) {
    let Some(every) = manager.watchdog() else { return core::future::pending().await };
    loop {
        tokio::time::sleep(every).await;
        service.hub.goes_round().await;
        manager.alive();
    }
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
