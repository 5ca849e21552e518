//! `nearhand alarms`, `ack` and `silence`: alarms of the devices, who takes care of them, and when no notification is
//! sent.

mod requests;
mod show;
mod silence;

use std::time::Duration;

use clap::{Args, Subcommand};
use nearhand_proto::alarm::Severity;
use nearhand_proto::message::alarm_json::{alarm_json, happened, happening_json};
use nearhand_proto::message::alarms::{
    AlarmAction, AlarmActor, AlarmEntry, AlarmFilter, AlarmHistoryEntry, MAX_FOLLOW_MS,
};
use nearhand_proto::message::control::{RelayReply, RelayRequest};
use serde_json::{Value, json};

use self::requests::{MAX_PAGES, act, device_id, everything, find, since};
use self::show::{facts, line, row};
pub use self::silence::{SilenceArgs, silence};
use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::output::TableCell;
use crate::relay::{RelayClient, RelayClientError};

/// How long `--follow` tries to reach the relay again.
const COME_BACK: Duration = Duration::from_secs(600);

/// Arguments of `nearhand alarms`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AlarmsArgs {
    #[command(subcommand)]
    command: Option<AlarmsCommand>,
    /// Also alarms that are closed
    #[arg(long)]
    all: bool,
    /// Only alarms of this device: its label, its id, or the beginning of its id
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Only as bad as this or worse: info, warning, error, critical
    #[arg(long, value_name = "SEVERITY")]
    min_severity: Option<Severity>,
    /// Keep running and show every change, also after a lost connection
    #[arg(long)]
    follow: bool,
}

#[derive(Subcommand)]
enum AlarmsCommand {
    /// Show one alarm with its history
    Show {
        /// The alarm's id, or at least its first four digits
        #[arg(value_name = "ID")]
        alarm: String,
    },
    /// Assign an alarm to a person
    Assign {
        /// The alarm's id, or at least its first four digits
        #[arg(value_name = "ID")]
        alarm: String,
        /// The person's name or id; without it the alarm is assigned to nobody
        person: Option<String>,
    },
    /// Add a comment to an alarm
    Comment {
        /// The alarm's id, or at least its first four digits
        #[arg(value_name = "ID")]
        alarm: String,
        /// The text of the comment
        text: String,
    },
}

/// Arguments of `nearhand ack`.
#[derive(Args)]
pub struct AckArgs {
    /// The alarm's id, or at least its first four digits
    #[arg(value_name = "ID")]
    alarm: String,
    /// A comment on it
    #[arg(long, default_value = "")]
    comment: String,
    /// Take the acknowledgement back
    #[arg(long, conflicts_with = "comment")]
    undo: bool,
}

/// Lists alarms, shows one, or follows them.
///
/// # Errors
/// [`CommandFailure`]: the relay can't be reached or refuses, no alarm or person fits what was typed, or the
/// output can't be written.
pub async fn run(ctx: &CommandContext, args: &AlarmsArgs) -> Result<(), CommandFailure> {
    let relay = ctx.connect().await?;
    let done = match &args.command {
        None => list(ctx, &relay, args).await,
        Some(AlarmsCommand::Show { alarm }) => show(ctx, &relay, alarm).await,
        Some(AlarmsCommand::Assign { alarm, person }) => assign(ctx, &relay, alarm, person.as_deref()).await,
        Some(AlarmsCommand::Comment { alarm, text }) => {
            act(ctx, &relay, alarm, AlarmAction::Comment(text.clone())).await
        }
    };
    relay.finish().await;
    done
}

/// Acknowledges an alarm.
///
/// # Errors
/// [`CommandFailure`]: the relay can't be reached or refuses, or no alarm fits what was typed.
pub async fn ack(ctx: &CommandContext, args: &AckArgs) -> Result<(), CommandFailure> {
    let relay = ctx.connect().await?;
    let what = if args.undo {
        AlarmAction::Unacknowledge
    } else {
        AlarmAction::Acknowledge { comment: args.comment.clone() }
    };
    let done = act(ctx, &relay, &args.alarm, what).await;
    relay.finish().await;
    done
}

async fn list(ctx: &CommandContext, relay: &RelayClient, args: &AlarmsArgs) -> Result<(), CommandFailure> {
    let device = match &args.device {
        Some(device) => Some(device_id(relay, device).await?),
        None => None,
    };
    let filter = AlarmFilter { closed_too: args.all, device, at_least: args.min_severity };
    let (alarms, cursor) = everything(relay, &filter).await?;
    let mut alarms: Vec<AlarmEntry> = alarms.into_values().collect();
    alarms.sort_by_key(|a| (!a.state.is_open(), core::cmp::Reverse(a.severity), a.opened, a.id));
    if args.follow {
        // The present alarms first, as lines of the same form; changes follow.
        alarms.sort_by_key(|a| a.number);
        for alarm in &alarms {
            line(ctx, alarm)?;
        }
        return follow(ctx, relay, AlarmFilter { closed_too: true, ..filter }, cursor).await;
    }
    if ctx.output.is_json() {
        let alarms: Vec<Value> = alarms.iter().map(alarm_json).collect();
        return Ok(ctx.output.json(&json!({ "alarms": alarms, "cursor": cursor }))?);
    }
    if alarms.is_empty() {
        ctx.output.note(if args.all { "No alarms yet." } else { "No open alarms." });
        return Ok(());
    }
    let rows: Vec<_> = alarms.iter().map(row).collect();
    Ok(ctx.output.table(&["SEVERITY", "STATE", "SINCE", "DEVICE", "RULE", "OF", "ID", "SUMMARY"], &rows)?)
}

/// Shows every change until the program is ended. Changes during a lost connection are shown afterwards.
async fn follow(
    ctx: &CommandContext,
    relay: &RelayClient,
    filter: AlarmFilter,
    mut after: u64,
) -> Result<(), CommandFailure> {
    loop {
        match since(relay, &filter, after, MAX_FOLLOW_MS).await {
            Ok((alarms, cursor)) => {
                for alarm in &alarms {
                    line(ctx, alarm)?;
                }
                after = cursor;
            }
            Err(error) if error.is_passing() => {
                ctx.output.note("The connection to the relay was lost; trying again.");
                relay.reconnect(COME_BACK).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn show(ctx: &CommandContext, relay: &RelayClient, alarm: &str) -> Result<(), CommandFailure> {
    let alarm = find(relay, alarm).await?;
    let mut history: Vec<AlarmHistoryEntry> = Vec::new();
    let mut entry = None;
    for _ in 0..MAX_PAGES {
        let after = history.last().map_or(0, |last| last.number);
        let RelayReply::AlarmHistory { alarm, entries } =
            relay.request(&RelayRequest::AlarmHistory { alarm, after }).await?
        else {
            return Err(RelayClientError::nonsense("no history").into());
        };
        entry = Some(alarm);
        let is_last = entries.is_empty();
        // In order, or paging would never end.
        if entries.iter().any(|entry| entry.number <= after) {
            return Err(RelayClientError::nonsense("its history is out of order").into());
        }
        history.extend(entries);
        if is_last {
            break;
        }
    }
    let Some(entry) = entry else { return Err(RelayClientError::nonsense("no history").into()) };
    if ctx.output.is_json() {
        let history: Vec<Value> = history.iter().map(happening_json).collect();
        return Ok(ctx.output.json(&json!({ "alarm": alarm_json(&entry), "history": history }))?);
    }
    facts(ctx, &entry)?;
    ctx.output.line("")?;
    let rows: Vec<Vec<TableCell>> =
        history.iter().map(|h| vec![h.at.to_string().into(), happened(&h.what).into()]).collect();
    Ok(ctx.output.table(&["WHEN", "WHAT"], &rows)?)
}

async fn assign(
    ctx: &CommandContext,
    relay: &RelayClient,
    alarm: &str,
    person: Option<&str>,
) -> Result<(), CommandFailure> {
    let Some(person) = person else { return act(ctx, relay, alarm, AlarmAction::Unassign).await };
    let people = relay.people().await?;
    let mut found = people.iter().filter(|entry| {
        let name = entry.credential.invite.peek().map(|invite| invite.name).unwrap_or_default();
        entry.id.to_string() == person || name == person
    });
    let (first, second) = (found.next(), found.next());
    match (first, second) {
        (Some(entry), None) => {
            let actor = AlarmActor { id: Some(entry.id), name: person.to_owned() };
            act(ctx, relay, alarm, AlarmAction::Assign(actor)).await
        }
        (None, _) => Err(CommandFailure::new(
            ExitCode::Usage,
            format!("there is no person {person:?}: see `nearhand people`"),
        )),
        (Some(_), Some(_)) => Err(CommandFailure::new(
            ExitCode::Usage,
            format!("several people are called {person:?}: give an id"),
        )),
    }
}
