//! `nearhand connect`: help at a device, in the browser or in a terminal.
//!
//! The browser shows the viewer ([`crate::viewer`]); this terminal shows the session's events. With `--terminal`,
//! typed lines are sent to the person as chat, and lines that begin with `/` are commands. It reads lines, so a
//! script can drive it.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::duration::DurationError;
use nearhand_proto::grant::{Capabilities, Capability, UnknownCapability};
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::message::session::GrantedCapability;
use nearhand_report::shareable::ShareableReport;
use nearhand_transport::lines;
use tokio::sync::mpsc;

use super::browser::{self, BrowserHandOver};
use super::diagnose::{self, ReportOptions};
use super::in_session::{
    interrupted, mark_seen, open, report_end, show_chat, show_granted, show_update, task_gone,
};
use super::record;
use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::recording::recorder::RecordingFile;
use crate::session::{SessionUpdate, TechnicianSession};
use crate::viewer::decoder_process::DecoderProgram;
use crate::viewer::{self, PageServer, ViewerSettings};

/// Arguments of `nearhand connect`.
#[derive(clap::Args)]
pub struct ConnectArgs {
    /// Support code, or an enrolled device's label, id or the beginning of its id
    #[arg(required = true, num_args = 1.., value_name = "TARGET")]
    pub target: Vec<String>,
    /// Why you help, for the person at the device
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Capabilities to ask for at once, such as diagnostics
    #[arg(long, value_name = "CAP,CAP", value_delimiter = ',')]
    pub ask: Vec<Capability>,
    /// How long the capabilities are asked for
    #[arg(long = "for", value_name = "TIME", default_value = "15m", value_parser = super::parse::duration)]
    pub duration: Duration,
    /// Stay in this terminal: no screen, you type commands
    #[arg(long, conflicts_with_all = ["no_open", "view_only"])]
    pub terminal: bool,
    /// Print the address of the viewer's page instead of opening it
    #[arg(long)]
    pub no_open: bool,
    /// Only look: your mouse and keyboard are not sent
    #[arg(long)]
    pub view_only: bool,
    /// Record the screen in this file; the person at the device is told
    #[arg(long, value_name = "FILE", conflicts_with = "terminal")]
    pub record: Option<PathBuf>,
}

const HELP: &str = "\
  /ask CAPABILITY[,…] [15m]   ask for capabilities
  /drop CAPABILITY[,…]        give capabilities back
  /diagnose [quick]           run diagnostics; the report is saved with the session
  /granted                    what is granted, and for how long
  /end                        end the session
  anything else               is sent to the person at the device";

/// Connects, and serves the session in the browser or in this terminal until it ends.
///
/// # Errors
/// [`CommandFailure`] with the exit code.
pub async fn run(ctx: &CommandContext, args: ConnectArgs) -> Result<(), CommandFailure> {
    let place = args.record.as_deref().map(RecordingFile::make).transpose()?;
    let (session, updates) =
        open(ctx, &args.target.join(" "), args.reason.as_deref().unwrap_or_default()).await?;
    let page = match shows_page(ctx, &args) {
        true => page(ctx, args.no_open).await?,
        false => None,
    };
    let wanted: Capabilities = match page {
        // A viewer without a picture is of no use. What the device can't do isn't asked for.
        Some(_) if args.ask.is_empty() => {
            let usual = Capabilities::NONE.with(Capability::View);
            let usual = if args.view_only { usual } else { usual.with(Capability::Control) };
            usual.iter().filter(|c| session.device().offers.contains(*c)).collect()
        }
        _ => args.ask.iter().copied().collect(),
    };
    if !wanted.is_empty() {
        session.ask(wanted, args.duration).await;
    }
    match page {
        Some(page) => view(ctx, session, updates, page, &args, place).await,
        None if place.is_some() => {
            session.end().await;
            Err(CommandFailure::new(
                ExitCode::Usage,
                "only what the viewer's page shows can be recorded, and there is no page here",
            ))
        }
        None => converse(ctx, session, updates, args.duration).await,
    }
}

/// Whether to show the viewer: an option asks for it, or a person sits at a terminal. A script that pipes lines in, and
/// `--json`, stay in the terminal.
fn shows_page(ctx: &CommandContext, args: &ConnectArgs) -> bool {
    let person = std::io::stdin().is_terminal() && !ctx.output.is_json();
    !args.terminal && (args.no_open || args.view_only || args.record.is_some() || person)
}

/// The page's server, and what leads a browser to it.
struct OpenedPage {
    server: PageServer,
    /// Goes when the session ends.
    _hand_over: Option<BrowserHandOver>,
}

/// Starts the page's server and opens the page. `None`: there is no browser here, so the session stays in the terminal.
async fn page(ctx: &CommandContext, no_open: bool) -> Result<Option<OpenedPage>, CommandFailure> {
    let server = PageServer::start().await.map_err(|e| {
        CommandFailure::new(ExitCode::Local, format!("the viewer's page can't be served: {e}"))
    })?;
    let hand_over = if no_open { None } else { browser::open(ctx, &server).await };
    if !no_open && hand_over.is_none() {
        ctx.output.note(
            "No browser could be opened here, so this stays in the terminal. \
             With --no-open the address of the viewer's page is printed.",
        );
        return Ok(None);
    }
    if ctx.output.is_json() {
        ctx.output.json(&serde_json::json!({"event": "viewer", "url": server.url()}))?;
    } else if no_open {
        ctx.output.line(server.url())?;
        ctx.output.note("Open this address in a browser on this machine; it works once.");
    } else {
        ctx.output.note("The viewer was opened in your browser. Ctrl-C here ends the session.");
    }
    Ok(Some(OpenedPage { server, _hand_over: hand_over }))
}

/// Serves the viewer until the session ends.
async fn view(
    ctx: &CommandContext,
    session: TechnicianSession,
    updates: mpsc::Receiver<SessionUpdate>,
    page: OpenedPage,
    args: &ConnectArgs,
    place: Option<RecordingFile>,
) -> Result<(), CommandFailure> {
    let recording = place.map(|place| record::begin(ctx, &session, place)).transpose()?;
    let session = Arc::new(session);
    let decoder = DecoderProgram::this()
        .map_err(|e| CommandFailure::new(ExitCode::Local, format!("this program can't find itself: {e}")))?;
    let (home, id) = (ctx.home()?, session.id());
    let keep = move |edition: &ShareableReport| -> Result<String, CommandFailure> {
        let [html, ..] = diagnose::write(&home.session_dir(id)?, edition)?;
        Ok(html.display().to_string())
    };
    let settings =
        ViewerSettings { view_only: args.view_only, duration: args.duration, decoder, keep: Box::new(keep) };
    let (mut granted, mut broken) = (Vec::new(), None);
    let hear = |update: &SessionUpdate| {
        // A chat line counts as seen when the page shows it, not when this terminal does.
        if let Err(failure) = show_update(ctx, update, &mut granted) {
            broken.get_or_insert(failure);
        }
    };
    let end = match recording {
        Some(recording) => {
            let (link, updates, recorder) = recording.around(session, updates);
            let end = viewer::serve(link, updates, page.server, settings, hear, interrupted()).await;
            record::finish(ctx, recorder).await?;
            end
        }
        None => viewer::serve(session, updates, page.server, settings, hear, interrupted()).await,
    };
    match (end, broken) {
        (_, Some(failure)) => Err(failure),
        (Some(end), None) => report_end(ctx, &end),
        (None, None) => Err(task_gone()),
    }
}

/// Serves the session in the terminal until it ends.
pub(super) async fn converse(
    ctx: &CommandContext,
    session: TechnicianSession,
    mut updates: mpsc::Receiver<SessionUpdate>,
    duration: Duration,
) -> Result<(), CommandFailure> {
    if !ctx.output.is_json() {
        ctx.output.note("Type to chat; ? for help; /end to leave.");
    }
    let session = Arc::new(session);
    let mut typed = lines::standard_input();
    let mut typing = true;
    let mut granted = Vec::new();
    let mut running = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            update = updates.recv() => match update {
                Some(SessionUpdate::Ended(end)) => {
                    // Runs that are under way write their reports, or say that they were cut off.
                    while running.join_next().await.is_some() {}
                    return report_end(ctx, &end);
                }
                Some(update) => {
                    mark_seen(&session, &update);
                    show_update(ctx, &update, &mut granted)?;
                }
                None => return Err(task_gone()),
            },
            line = typed.recv(), if typing => match line {
                Some(line) => act(ctx, &session, &line.text, duration, &granted, &mut running).await?,
                None => {
                    // A script's input has ended: leave once the runs that it started are done.
                    typing = false;
                    if running.is_empty() {
                        session.end().await;
                    }
                }
            },
            Some(_) = running.join_next() => {
                if !typing && running.is_empty() {
                    session.end().await;
                }
            }
            () = interrupted() => session.end().await,
        }
    }
}

async fn act(
    ctx: &CommandContext,
    session: &Arc<TechnicianSession>,
    line: &str,
    duration: Duration,
    granted: &[GrantedCapability],
    running: &mut tokio::task::JoinSet<()>,
) -> Result<(), CommandFailure> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match word {
        "" => {}
        "?" | "/help" => ctx.output.note(HELP),
        "/end" => session.end().await,
        "/granted" => show_granted(ctx, granted, "")?,
        "/ask" => match parse_ask(rest, duration) {
            Ok((what, duration)) => {
                session.ask(what, duration).await;
            }
            Err(error) => ctx.output.warn(&error.to_string()),
        },
        "/drop" => match parse_capabilities(rest) {
            Ok(what) => session.give_up(what).await,
            Err(error) => ctx.output.warn(&error.to_string()),
        },
        "/diagnose" => {
            let set = if rest.trim() == "quick" { CheckSet::Quick } else { CheckSet::Full };
            let (session, ctx) = (Arc::clone(session), CommandContext::clone(ctx));
            running.spawn(async move {
                let reporting = ReportOptions { out: None, compare: None, pseudonymise: false };
                if let Err(failure) = diagnose::report(&ctx, &session, set, &reporting, None).await {
                    ctx.output.failure(&failure);
                }
            });
        }
        _ if word.starts_with('/') => ctx.output.warn(&format!("there is no command {word}; ? for help")),
        _ => match session.send_chat(line) {
            Some(said) => show_chat(ctx, &said)?,
            None => ctx.output.warn("that was not sent: it is empty, or the chat is full"),
        },
    }
    Ok(())
}

/// What is wrong with a command that was typed.
#[derive(Debug, thiserror::Error)]
enum TypedCommandError {
    /// Not a list of capabilities.
    #[error(transparent)]
    Capability(#[from] UnknownCapability),
    /// Not a duration.
    #[error(transparent)]
    Duration(#[from] DurationError),
}

fn parse_ask(typed: &str, duration: Duration) -> Result<(Capabilities, Duration), TypedCommandError> {
    let mut parts = typed.split_whitespace().filter(|part| *part != "for");
    let what = parse_capabilities(parts.next().unwrap_or_default())?;
    match parts.next() {
        Some(time) => Ok((what, super::parse::duration(time)?)),
        None => Ok((what, duration)),
    }
}

fn parse_capabilities(list: &str) -> Result<Capabilities, UnknownCapability> {
    list.trim().split(',').map(str::parse::<Capability>).collect()
}
