//! `nearhand-agent attend`: the person at the device, in a terminal.
//!
//! Talks to the running agent; with `--site` it runs its own agent for as long as the terminal is open, so
//! that a machine that isn't enrolled can be helped without installing anything.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use nearhand_proto::invitation::SiteString;
use nearhand_proto::message::local::{LocalEvent, LocalReply, LocalVerb};
use nearhand_transport::lines;

use super::console::{AttendConsole, ConsoleStep};
use super::run::stop_signal;
use crate::home::{AgentHome, Enrolment};
use crate::local;
use crate::local::server::SocketAccess;
use crate::service::AgentService;
use nearhand_transport::local::{CallError, LocalClient};

/// For one-off help.
#[derive(Debug, Args)]
pub(crate) struct AttendArgs {
    /// Ask for help at this site although the machine is not enrolled (begins with nearhand-site-)
    #[arg(long, value_name = "STRING")]
    site: Option<String>,
    /// Don't make a support code, only answer requests
    #[arg(long)]
    no_code: bool,
}

pub(crate) async fn run(dir: PathBuf, args: AttendArgs) -> anyhow::Result<ExitCode> {
    let Some(site) = &args.site else {
        return attend(&AgentHome::open(dir)?, args.no_code).await;
    };
    let site: SiteString = site.parse()?;
    let home = AgentHome::open(dir.join("one-off"))?;
    let enrolment = Enrolment {
        relay: site.relay,
        organisation: site.organisation,
        organisation_name: site.organisation_name,
        credential: None,
    };
    let service = AgentService::start(home.clone(), enrolment, vec![SocketAccess::private(&home)]).await?;
    wait_for_relay(&service).await;
    let outcome = attend(&home, args.no_code).await;
    service.stop().await;
    outcome
}

/// Gives the connection a moment, so that the first thing shown is a code and not an error.
async fn wait_for_relay(service: &AgentService) {
    let mut relay = service.hub.relay.watch();
    let limit = std::time::Duration::from_secs(12);
    let _ = tokio::time::timeout(limit, relay.wait_for(Option::is_some)).await;
}

async fn attend(home: &AgentHome, no_code: bool) -> anyhow::Result<ExitCode> {
    let mut agent = local::call(home).await?;
    agent.shows_itself();
    agent.ask(LocalVerb::Watch).await?;
    let LocalReply::Status(status) = agent.ask(LocalVerb::Status).await? else { anyhow::bail!("no status") };
    let mut console = AttendConsole::default();
    if let Some(verb) = console.greet(&status) {
        ask(&mut agent, &mut console, verb).await?;
    }
    if !no_code {
        let code = agent.ask(LocalVerb::NewCode).await;
        console.code(code);
    }
    let mut lines = lines::standard_input();
    let mut typing = true;
    let stop = stop_signal();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            event = agent.event() => match event {
                // What came before it is on the terminal by now.
                Ok(LocalEvent::Heartbeat { number }) => agent.answer_heartbeat(number).await?,
                Ok(event) => {
                    if let Some(verb) = console.event(event) {
                        ask(&mut agent, &mut console, verb).await?;
                    }
                }
                Err(error) => anyhow::bail!(error),
            },
            line = lines.recv(), if typing => match line {
                Some(line) => match console.line(&line) {
                    ConsoleStep::Ask(verb) => ask(&mut agent, &mut console, verb).await?,
                    ConsoleStep::Wait => {}
                    ConsoleStep::Leave => break,
                },
                // Input is at its end (a script); requests are still shown, and time out.
                None => typing = false,
            },
            _ = &mut stop => break,
        }
    }
    // A person who closes this terminal no longer watches: nothing goes on unseen.
    agent.ask(LocalVerb::StopAll).await?;
    println!("All sessions are ended.");
    Ok(ExitCode::SUCCESS)
}

async fn ask(agent: &mut LocalClient, console: &mut AttendConsole, verb: LocalVerb) -> anyhow::Result<()> {
    let (is_code, is_list) = (verb == LocalVerb::NewCode, verb == LocalVerb::Windows);
    let thanks = matches!(verb, LocalVerb::Rate { .. } | LocalVerb::ReportSession { .. });
    match agent.ask(verb).await {
        reply if is_code => console.code(reply),
        reply if is_list => console.windows(reply),
        Ok(_) if thanks => println!("Thank you; that was passed on."),
        Ok(_) => {}
        Err(CallError::Refused(why)) => println!("! {why}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
