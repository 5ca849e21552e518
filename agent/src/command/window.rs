//! `nearhand-agent window`: the person's window, and for one-off help the agent that it talks to.
//!
//! With an agent on this machine, this only starts the window. Without one, it is that agent, for as long as the
//! window is open: nothing is installed, and nobody needs to be root.

use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use nearhand_proto::invitation::SiteString;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use super::run::stop_signal;
use crate::home::{AgentHome, Enrolment};
use crate::hub::Hub;
use crate::local;
use crate::local::server::SocketAccess;
use crate::local::window;
use crate::service::AgentService;

/// Longest line that the window says, in bytes.
const LINE: u64 = 4 * 1024;
/// Nobody has watched for this long, longer than a window needs to be started again: nobody comes back.
const NOBODY_COMES_BACK: Duration = Duration::from_secs(12);

/// How the window is opened.
#[derive(Debug, Args)]
pub(crate) struct WindowArgs {
    /// Ask for help at this site although the machine is not enrolled (begins with nearhand-site-); without it, the
    /// window asks for the string
    #[arg(long, value_name = "STRING")]
    site: Option<String>,
    /// The window's language, such as de; else the desktop's
    #[arg(long, value_name = "LANGUAGE")]
    lang: Option<String>,
}

pub(crate) async fn run(dir: PathBuf, args: WindowArgs) -> anyhow::Result<ExitCode> {
    let home = AgentHome::open(dir.clone())?;
    let site: Option<SiteString> = args.site.as_deref().map(str::parse).transpose()?;
    if site.is_none()
        && let Some(socket) = socket(&home).await
    {
        let child = open(&args, |command| command.arg("--socket").arg(&socket))?;
        return Ok(until_closed(child).await?.map_or(ExitCode::SUCCESS, ended));
    }
    one_off(&AgentHome::open(dir.join("one-off"))?, &args, site).await
}

/// Where the agent of this machine is to be reached, if there is one: it may be down right now.
async fn socket(home: &AgentHome) -> Option<PathBuf> {
    let service = AgentHome::service_socket();
    if local::call(home).await.is_ok() {
        let own = home.socket();
        return Some(if own.exists() { own } else { service });
    }
    if home.enrolment().is_ok() {
        return Some(home.socket());
    }
    // The service's, which anybody may see is there. Its directory alone is no sign: it may be left from a service that is
    // no longer installed, and would be waited for in vain.
    service.exists().then_some(service)
}

fn open(args: &WindowArgs, with: impl FnOnce(&mut Command) -> &mut Command) -> anyhow::Result<Child> {
    let program = window::program();
    let mut command = Command::new(&program);
    command.kill_on_drop(true);
    command.args(args.lang.iter().flat_map(|lang| ["--lang", lang.as_str()]));
    with(&mut command).spawn().with_context(|| {
        format!(
            "the window ({}) can't be started: install the package nearhand-window, or use `nearhand-agent attend` \
             in a terminal",
            program.display()
        )
    })
}

/// How the window ended; `None`: we were told to stop first.
async fn until_closed(mut child: Child) -> anyhow::Result<Option<std::process::ExitStatus>> {
    tokio::select! {
        status = child.wait() => Ok(Some(status?)),
        stopped = stop_signal() => {
            stopped?;
            Ok(None)
        }
    }
}

fn ended(status: std::process::ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(super::exit::FAILED))
}

/// The agent, for as long as its window is open.
async fn one_off(home: &AgentHome, args: &WindowArgs, site: Option<SiteString>) -> anyhow::Result<ExitCode> {
    let (service, child) = match site {
        Some(site) => {
            let service = start(home, site).await?;
            let socket = home.socket();
            (service, open(args, |command| command.arg("--socket").arg(socket))?)
        }
        None => {
            let mut child =
                open(args, |command| command.arg("--ask-site").stdin(Stdio::piped()).stdout(Stdio::piped()))?;
            let Some(site) = asked(&mut child).await? else {
                // Closed without an answer.
                return Ok(until_closed(child).await?.map_or(ExitCode::SUCCESS, ended));
            };
            let service = start(home, site).await?;
            if let Some(input) = &mut child.stdin {
                input.write_all(format!("socket {}\n", home.socket().display()).as_bytes()).await?;
            }
            (service, child)
        }
    };
    let status = until_closed(child).await?;
    if status.is_some_and(|status| !status.success()) {
        // Killed during a session, perhaps: then another one was started, and we stay for that.
        tokio::select! {
            () = nobody_watches(&service.hub) => {}
            stopped = stop_signal() => stopped?,
        }
    }
    service.stop().await;
    Ok(status.map_or(ExitCode::SUCCESS, ended))
}

/// Ends once no local program has watched for a while.
async fn nobody_watches(hub: &Hub) {
    let mut programs = hub.watch_watchers();
    loop {
        // The sender is the hub's: it can't be gone.
        let _ = programs.wait_for(|programs| *programs == 0).await;
        let again = programs.wait_for(|programs| *programs > 0);
        if tokio::time::timeout(NOBODY_COMES_BACK, again).await.is_err() {
            return;
        }
    }
}

async fn start(home: &AgentHome, site: SiteString) -> anyhow::Result<AgentService> {
    let enrolment = Enrolment {
        relay: site.relay,
        organisation: site.organisation,
        organisation_name: site.organisation_name,
        credential: None,
    };
    AgentService::start(home.clone(), enrolment, vec![SocketAccess::private(home)]).await
}

/// The site that the person entered in the window: it says `site STRING` once.
async fn asked(child: &mut Child) -> anyhow::Result<Option<SiteString>> {
    let Some(output) = child.stdout.take() else { return Ok(None) };
    let mut lines = BufReader::new(output.take(LINE)).lines();
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line?,
            stopped = stop_signal() => {
                stopped?;
                return Ok(None);
            }
        };
        let Some(line) = line else { return Ok(None) };
        if let Some(site) = line.strip_prefix("site ") {
            return Ok(Some(site.trim().parse()?));
        }
    }
}
