//! `nearhand queue` and `nearhand ratings`: requests for help, who has taken them, and how people rated their sessions.
//!
//! What people wrote comes through the relay and is not signed: it is shown in quotes and proves nothing.

use clap::{Args, Subcommand};
use nearhand_proto::message::control::{ListPage, RelayReply, RelayRequest};
use nearhand_proto::message::help::{FeedbackEntry, HelpEntry, Urgency};
use nearhand_proto::text;
use serde_json::{Value, json};

use crate::context::CommandContext;
use crate::exit::CommandFailure;
use crate::output::{TableCell, TextTone};
use crate::relay::{RelayClient, RelayClientError};

/// Longest text in a column, in characters.
const COLUMN: usize = 60;
/// Most pages of the queue that are read: more than the relay keeps requests.
const MAX_QUEUE_PAGES: usize = 100;

/// Arguments of `nearhand queue`.
#[derive(Args)]
pub struct QueueArgs {
    /// Also closed requests
    #[arg(long)]
    all: bool,
    #[command(subcommand)]
    act: Option<QueueAct>,
}

/// What is done with a request.
#[derive(Subcommand)]
enum QueueAct {
    /// Take a request: the person reads your name
    Take {
        /// The request's number
        number: u64,
    },
    /// Close a request that is done
    Close {
        /// The request's number
        number: u64,
    },
}

/// Shows the queue, or takes or closes a request.
///
/// # Errors
/// [`CommandFailure`]: the relay can't be reached or refuses, as when another technician has taken the request or
/// it is closed.
pub async fn run(ctx: &CommandContext, args: &QueueArgs) -> Result<(), CommandFailure> {
    let relay = ctx.connect().await?;
    let done = match args.act {
        None => show(ctx, &relay, args.all).await,
        Some(QueueAct::Take { number }) => take(ctx, &relay, number).await,
        Some(QueueAct::Close { number }) => {
            relay.done(&RelayRequest::CloseHelp { number }).await?;
            say(ctx, number, "closed")
        }
    };
    relay.finish().await;
    done
}

/// Shows what people thought of their sessions.
///
/// # Errors
/// [`CommandFailure`]: the relay can't be reached or refuses, or its answer is no list of ratings.
pub async fn ratings(ctx: &CommandContext) -> Result<(), CommandFailure> {
    let relay = ctx.connect().await?;
    let reply = relay.request(&RelayRequest::Feedback { skip: 0 }).await?;
    relay.finish().await;
    let RelayReply::Feedback(ListPage { entries, left }) = reply else {
        return Err(RelayClientError::nonsense("no list of ratings").into());
    };
    if ctx.output.is_json() {
        let ratings: Vec<Value> = entries.iter().map(rating_json).collect();
        return Ok(ctx.output.json(&json!({ "ratings": ratings, "left": left }))?);
    }
    if entries.is_empty() {
        ctx.output.note("Nobody has rated a session yet.");
        return Ok(());
    }
    if left > 0 {
        ctx.output.note(&format!("{left} earlier ratings are not listed."));
    }
    let rows: Vec<_> = entries.iter().map(rating_row).collect();
    Ok(ctx
        .output
        .table(&["WHEN", "TECHNICIAN", "DEVICE", "STARS", "COMMENT", "REPORTED", "SESSION"], &rows)?)
}

async fn queue(relay: &RelayClient, closed: bool) -> Result<Vec<HelpEntry>, CommandFailure> {
    let (mut all, mut known) = (Vec::<HelpEntry>::new(), std::collections::HashSet::new());
    for _ in 0..MAX_QUEUE_PAGES {
        let skip = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let RelayReply::HelpQueue(page) = relay.request(&RelayRequest::HelpQueue { closed, skip }).await?
        else {
            return Err(RelayClientError::nonsense("no list of requests for help").into());
        };
        let ends = page.entries.is_empty() || page.left == 0;
        // The queue may move between two pages: what comes twice counts once.
        all.extend(page.entries.into_iter().filter(|new| known.insert(new.number)));
        if ends {
            break;
        }
    }
    Ok(all)
}

async fn show(ctx: &CommandContext, relay: &RelayClient, all: bool) -> Result<(), CommandFailure> {
    let entries = queue(relay, all).await?;
    if ctx.output.is_json() {
        let requests: Vec<Value> = entries.iter().map(as_json).collect();
        return Ok(ctx.output.json(&json!({ "requests": requests }))?);
    }
    if entries.is_empty() {
        ctx.output.note("No open requests for help.");
        return Ok(());
    }
    let rows: Vec<_> = entries.iter().map(row).collect();
    Ok(ctx.output.table(&["NO", "URGENCY", "ASKED", "DEVICE", "WHAT", "REACHED BY", "STATE"], &rows)?)
}

async fn take(ctx: &CommandContext, relay: &RelayClient, number: u64) -> Result<(), CommandFailure> {
    relay.done(&RelayRequest::TakeHelp { number }).await?;
    let entry = queue(relay, false).await?.into_iter().find(|entry| entry.number == number);
    if let Some(entry) = entry.filter(|_| !ctx.output.is_json()) {
        let how = match entry.device {
            Some(_) if entry.online => format!("connect with: nearhand connect {:?}", shown(&entry.name)),
            Some(_) => "its agent is not connected right now".to_owned(),
            None => "it is not enrolled: ask them for the support code in their window".to_owned(),
        };
        ctx.output
            .line(&format!("Request {number} is yours: {:?}", text::multi_line(&entry.wanted.what, 2000)))?;
        if !entry.wanted.reach.is_empty() {
            ctx.output.line(&format!("Reached by: {:?}", shown(&entry.wanted.reach)))?;
        }
        return Ok(ctx.output.line(&format!("{}: {how}", shown(&entry.name)))?);
    }
    say(ctx, number, "taken")
}

fn say(ctx: &CommandContext, number: u64, what: &str) -> Result<(), CommandFailure> {
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({ "number": number, "state": what }))?);
    }
    Ok(ctx.output.line(&format!("Request {number} is {what}."))?)
}

fn shown(theirs: &str) -> String {
    text::one_line(theirs, COLUMN)
}

/// The urgency's name in JSON.
const fn word(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::CanWait => "can_wait",
        Urgency::Hampered => "hampered",
        Urgency::Stopped => "stopped",
    }
}

fn as_json(entry: &HelpEntry) -> Value {
    json!({
        "number": entry.number,
        "device": {"id": entry.device.map(|id| id.to_string()), "name": entry.name, "online": entry.online},
        "enrolled": entry.device.is_some(),
        "resembles": entry.resembles.map(|id| id.to_string()),
        "what": entry.wanted.what,
        "urgency": word(entry.wanted.urgency),
        "reach": entry.wanted.reach,
        "asked": entry.asked.to_string(),
        "taken": entry.taken.as_ref().map(|taken| json!({"by": taken.by, "at": taken.at.to_string()})),
        "closed": entry.closed.map(|at| at.to_string()),
    })
}

fn row(entry: &HelpEntry) -> Vec<TableCell> {
    let tone = match entry.wanted.urgency {
        Urgency::Stopped => TextTone::Bad,
        Urgency::Hampered => TextTone::Warning,
        Urgency::CanWait => TextTone::Faint,
    };
    let state = match (&entry.closed, &entry.taken) {
        (Some(_), _) => TableCell::toned("closed", TextTone::Faint),
        (None, Some(taken)) => TableCell::from(format!("taken by {}", shown(&taken.by))),
        (None, None) if entry.online => TableCell::toned("waits", TextTone::Good),
        (None, None) => TableCell::toned("waits, not connected", TextTone::Faint),
    };
    vec![
        entry.number.to_string().into(),
        TableCell::toned(entry.wanted.urgency.in_words(), tone),
        entry.asked.to_string().into(),
        name(entry),
        shown(&entry.wanted.what).into(),
        shown(&entry.wanted.reach).into(),
        state,
    ]
}

/// The name, and what it is worth: a machine that isn't enrolled calls itself what it likes.
fn name(entry: &HelpEntry) -> TableCell {
    let name = shown(&entry.name);
    match (entry.device, entry.resembles) {
        (Some(_), _) => name.into(),
        (None, None) => format!("{name} (not enrolled)").into(),
        (None, Some(_)) => {
            TableCell::toned(format!("{name} (NOT the enrolled device of this name)"), TextTone::Bad)
        }
    }
}

fn rating_json(entry: &FeedbackEntry) -> Value {
    json!({
        "session": entry.session.to_string(),
        "technician": {"id": entry.technician.to_string(), "name": entry.technician_name},
        "device": entry.device_name,
        "at": entry.at.to_string(),
        "stars": entry.stars,
        "comment": entry.comment,
        "report": (!entry.report.is_empty()).then_some(entry.report.as_str()),
    })
}

fn rating_row(entry: &FeedbackEntry) -> Vec<TableCell> {
    let reported = if entry.report.is_empty() {
        TableCell::from("")
    } else {
        TableCell::toned(shown(&entry.report), TextTone::Bad)
    };
    vec![
        entry.at.to_string().into(),
        shown(&entry.technician_name).into(),
        shown(&entry.device_name).into(),
        entry.stars.map(|stars| stars.to_string()).unwrap_or_default().into(),
        shown(&entry.comment).into(),
        reported,
        entry.session.to_string().into(),
    ]
}
