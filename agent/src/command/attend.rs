//! `nearhand-agent attend`: the person at the device, in a terminal.
//!
//! Talks to the running agent; with `--site` it runs its own agent for as long as the terminal is open, so
//! that a machine that isn't enrolled can be helped without installing anything.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use nearhand_proto::invitation::SiteString;
use nearhand_proto::message::local::{AgentStatus, ConsentChoice, LocalEvent, LocalReply, LocalVerb};
use nearhand_transport::lines::{self, TypedLine};
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;

use super::console::{AttendConsole, ConsoleStep};
use super::run::stop_signal;
use super::typed_ahead::TypedAhead;
use crate::home::{AgentHome, Enrolment};
use crate::local;
use crate::local::server::SocketAccess;
use crate::platform;
use crate::service::AgentService;
use nearhand_transport::local::{CallError, LocalClient};

/// How long an agent that is gone is waited for: as long as a technician's end tries to resume a session.
const COMES_BACK: Duration = Duration::from_secs(60);
/// Between two tries to reach it.
const RETRY: Duration = Duration::from_millis(250);
/// A line is held so long before it may allow something: that this program was stopped is heard of by then.
const HEARS_OF_STOP: Duration = Duration::from_millis(150);

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
    let mut attendance = Attendance::begin(home).await?;
    if !no_code {
        attendance.ask(LocalVerb::NewCode).await?;
    }
    let stop = stop_signal();
    tokio::pin!(stop);
    let outcome = loop {
        let gone = tokio::select! {
            served = attendance.serve() => served,
            _ = &mut stop => break Ok(()),
        };
        match gone {
            Ok(()) => break Ok(()),
            Err(error) if !is_gone(&error) => break Err(error),
            Err(_) => {}
        }
        println!("! The agent is gone. Waiting up to {} s for it to come back.", COMES_BACK.as_secs());
        tokio::select! {
            back = attendance.wait_for_agent(home) => if let Err(error) = back { break Err(error) },
            _ = &mut stop => break Ok(()),
        }
    };
    // A person who closes this terminal no longer watches: nothing goes on unseen.
    let stopped = attendance.agent.ask(LocalVerb::StopAll).await;
    if stopped.is_ok() {
        println!("All sessions are ended.");
    }
    outcome?;
    stopped?;
    Ok(ExitCode::SUCCESS)
}

fn is_gone(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(CallError::Gone(_) | CallError::NotRunning { .. }))
}

/// The person's terminal, and its connection to the agent.
struct Attendance {
    agent: LocalClient,
    console: AttendConsole,
    lines: mpsc::Receiver<TypedLine>,
    /// Input is not at its end.
    typing: bool,
    /// Since when what is typed may allow something.
    typed_ahead: TypedAhead,
    /// This program was stopped and goes on.
    continued: Signal,
}

impl Attendance {
    async fn begin(home: &AgentHome) -> anyhow::Result<Self> {
        let agent = local::call(home).await?;
        let mut attendance = Self {
            agent,
            console: AttendConsole::default(),
            lines: lines::standard_input(),
            typing: true,
            typed_ahead: TypedAhead::NoTerminal,
            continued: platform::continued()?,
        };
        attendance.forget_typed();
        let status = attendance.watch().await?;
        if let Some(verb) = attendance.console.greet(&status) {
            attendance.ask(verb).await?;
        }
        Ok(attendance)
    }

    /// Counts as somebody who watches from now on.
    async fn watch(&mut self) -> anyhow::Result<Box<AgentStatus>> {
        self.agent.shows_itself();
        self.agent.ask(LocalVerb::Watch).await?;
        match self.agent.ask(LocalVerb::Status).await? {
            LocalReply::Status(status) => Ok(status),
            _ => anyhow::bail!("no status"),
        }
    }

    /// Shows what happens and passes on what is typed, until the person leaves.
    async fn serve(&mut self) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                event = self.agent.event() => match event? {
                    // What came before it is on the terminal by now.
                    LocalEvent::Heartbeat { number } => self.agent.answer_heartbeat(number).await?,
                    event => {
                        let asked = matches!(event, LocalEvent::Asked(_));
                        let verb = self.console.event(event);
                        if asked {
                            // An answer that is there before its question isn't the person's.
                            self.forget_typed();
                        }
                        if let Some(verb) = verb {
                            self.ask(verb).await?;
                        }
                    }
                },
                _ = self.continued.recv() => self.forget_typed(),
                line = self.lines.recv(), if self.typing => match line {
                    Some(line) => match self.console.line(&line.text) {
                        ConsoleStep::Ask(verb) if widens(&verb) && !self.is_persons(&line).await => {
                            self.forget_typed();
                            println!("! That was typed too early to count. Type it again.");
                            self.console.show_requests();
                        }
                        ConsoleStep::Ask(verb) => self.ask(verb).await?,
                        ConsoleStep::Wait => {}
                        ConsoleStep::Leave => return Ok(()),
                    },
                    // Input is at its end (a script); requests are still shown, and time out.
                    None => self.typing = false,
                },
            }
        }
    }

    /// Whether a line was typed by somebody who sees what it answers.
    async fn is_persons(&mut self, line: &TypedLine) -> bool {
        if self.typed_ahead == TypedAhead::NoTerminal {
            return true;
        }
        // What was typed while this program was stopped may be read before we hear that it goes on.
        let went_on = tokio::time::timeout(HEARS_OF_STOP, self.continued.recv()).await.is_ok();
        !went_on && self.typed_ahead.counts(line.read, Instant::now() - HEARS_OF_STOP)
    }

    fn forget_typed(&mut self) {
        self.typed_ahead = TypedAhead::after(platform::empty_typed_input(), Instant::now());
        if self.typed_ahead != TypedAhead::NoTerminal {
            while self.lines.try_recv().is_ok() {}
        }
    }

    async fn ask(&mut self, verb: LocalVerb) -> anyhow::Result<()> {
        let (is_code, is_list) = (verb == LocalVerb::NewCode, verb == LocalVerb::Windows);
        let thanks = matches!(verb, LocalVerb::Rate { .. } | LocalVerb::ReportSession { .. });
        match self.agent.ask(verb).await {
            Err(CallError::Gone(error)) => return Err(CallError::Gone(error).into()),
            reply if is_code => self.console.code(reply),
            reply if is_list => self.console.windows(reply),
            Ok(_) if thanks => println!("Thank you; that was passed on."),
            Ok(_) => {}
            Err(CallError::Refused(why)) => println!("! {why}"),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Waits until an agent answers again. Sessions that it has kept go on, and this terminal watches them. A Stop that is
    /// typed meanwhile is the first thing it hears.
    async fn wait_for_agent(&mut self, home: &AgentHome) -> anyhow::Result<()> {
        let until = Instant::now() + COMES_BACK;
        let mut stop = false;
        loop {
            // One that is ending may still take the connection, and then be gone.
            let back = match local::call(home).await {
                Ok(agent) => self.stands_again(agent, stop).await,
                Err(error) => Err(error.into()),
            };
            match back {
                Err(error) if is_gone(&error) && Instant::now() < until => {}
                other => return other,
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                line = self.lines.recv(), if self.typing => match line.map(|line| self.console.line(&line.text)) {
                    Some(ConsoleStep::Ask(LocalVerb::StopAll)) => {
                        println!("All sessions end as soon as the agent is back.");
                        stop = true;
                    }
                    Some(ConsoleStep::Leave) => return Err(anyhow::anyhow!("the agent is gone")),
                    Some(_) => println!("! The agent is not there; that was not passed on."),
                    None => self.typing = false,
                },
            }
        }
    }

    /// Watches again, over a connection to the agent that is there now.
    async fn stands_again(&mut self, agent: LocalClient, stop: bool) -> anyhow::Result<()> {
        self.agent = agent;
        if stop {
            self.agent.ask(LocalVerb::StopAll).await?;
        }
        let status = self.watch().await?;
        self.forget_typed();
        if let Some(verb) = self.console.back(&status) {
            self.ask(verb).await?;
        }
        Ok(())
    }
}

/// Whether a verb widens what a technician may do.
fn widens(verb: &LocalVerb) -> bool {
    matches!(
        verb,
        LocalVerb::Decide { choice: ConsentChoice::Allow { .. }, .. }
            | LocalVerb::Extend { .. }
            | LocalVerb::Resume { .. }
            | LocalVerb::NewCode
    )
}
