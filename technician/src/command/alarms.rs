//! `nearhand alarms`, `ack` and `silence`: what is wrong on the devices, who takes care, and when nobody is told.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, Subcommand};
use nearhand_shared::alarm::{Measured, Severity};
use nearhand_shared::id::{DeviceId, Fingerprint};
use nearhand_shared::message::alarms::{
    Act, Actor, AlarmEntry, AlarmFilter, AlarmState, Happening, HistoryEntry, MAX_FOLLOW_MS, NewWindow,
    Window,
};
use nearhand_shared::message::control::{Refusal, Reply, Request};
use nearhand_shared::time::UnixMillis;
use serde_json::{Value, json};

use super::{Context, parse};
use crate::clock;
use crate::exit::{ExitCode, Failure};
use crate::output::{Cell, Tone};
use crate::relay::{RelayConnection, RelayError};

/// Fewest digits of the beginning of an alarm's id.
const MIN_PREFIX: usize = 4;
/// Most pages that are fetched: 200,000 alarms.
const MAX_PAGES: usize = 1000;
/// How long a follower tries to come back.
const COME_BACK: Duration = Duration::from_secs(600);

/// Arguments of `nearhand alarms`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AlarmsArgs {
    #[command(subcommand)]
    command: Option<AlarmsCommand>,
    /// Those that are over, too
    #[arg(long)]
    all: bool,
    /// Only of this device: its label, its id, or the beginning of its id
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Only as bad as this or worse: info, warning, error, critical
    #[arg(long, value_name = "SEVERITY")]
    min_severity: Option<Severity>,
    /// Go on and show every change, also after the connection was lost
    #[arg(long)]
    follow: bool,
}

#[derive(Subcommand)]
enum AlarmsCommand {
    /// Show one alarm and what happened to it
    Show {
        /// Its id, or at least four digits of its beginning
        #[arg(value_name = "ID")]
        alarm: String,
    },
    /// Make it somebody's business
    Assign {
        /// Its id, or at least four digits of its beginning
        #[arg(value_name = "ID")]
        alarm: String,
        /// A person's name or id; nobody's if it is left out
        person: Option<String>,
    },
    /// Write something down about it
    Comment {
        /// Its id, or at least four digits of its beginning
        #[arg(value_name = "ID")]
        alarm: String,
        /// What
        text: String,
    },
}

/// Arguments of `nearhand ack`.
#[derive(Args)]
pub struct AckArgs {
    /// The alarm's id, or at least four digits of its beginning
    #[arg(value_name = "ID")]
    alarm: String,
    /// What to say about it
    #[arg(long, default_value = "")]
    comment: String,
    /// Take the acknowledgement back
    #[arg(long, conflicts_with = "comment")]
    undo: bool,
}

/// Arguments of `nearhand silence`.
#[derive(Args)]
pub struct SilenceArgs {
    /// One alarm: its id, or at least four digits of its beginning
    #[arg(value_name = "ID", conflicts_with_all = ["device", "all_devices", "rule", "list"])]
    alarm: Option<String>,
    /// Or maintenance of one device: nobody is told of its alarms
    #[arg(long, value_name = "DEVICE", conflicts_with = "all_devices")]
    device: Option<String>,
    /// Or of all devices
    #[arg(long)]
    all_devices: bool,
    /// With --device or --all-devices: only of this rule
    #[arg(long)]
    rule: Option<String>,
    /// For how long, such as 30m or 2h; at most 31 days
    #[arg(long = "for", value_name = "TIME", value_parser = parse::duration)]
    time: Option<Duration>,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
    /// Show the maintenance windows that have not ended
    #[arg(long, conflicts_with_all = ["device", "all_devices", "time", "end"])]
    list: bool,
    /// End a maintenance window now; with an alarm's ID: end its snooze
    #[arg(long, value_name = "NUMBER", num_args = 0..=1, conflicts_with_all = ["device", "all_devices", "time"])]
    end: Option<Option<u64>>,
}

/// Lists alarms, shows one, or follows them.
///
/// # Errors
/// [`Failure`].
pub async fn run(ctx: &Context, args: &AlarmsArgs) -> Result<(), Failure> {
    let relay = ctx.connect().await?;
    let done = match &args.command {
        None => list(ctx, &relay, args).await,
        Some(AlarmsCommand::Show { alarm }) => show(ctx, &relay, alarm).await,
        Some(AlarmsCommand::Assign { alarm, person }) => assign(ctx, &relay, alarm, person.as_deref()).await,
        Some(AlarmsCommand::Comment { alarm, text }) => {
            act(ctx, &relay, alarm, Act::Comment(text.clone())).await
        }
    };
    relay.finish().await;
    done
}

/// Acknowledges an alarm.
///
/// # Errors
/// [`Failure`].
pub async fn ack(ctx: &Context, args: &AckArgs) -> Result<(), Failure> {
    let relay = ctx.connect().await?;
    let what =
        if args.undo { Act::Unacknowledge } else { Act::Acknowledge { comment: args.comment.clone() } };
    let done = act(ctx, &relay, &args.alarm, what).await;
    relay.finish().await;
    done
}

/// Snoozes an alarm, or makes, lists and ends maintenance windows.
///
/// # Errors
/// [`Failure`].
pub async fn silence(ctx: &Context, args: &SilenceArgs) -> Result<(), Failure> {
    let usage = |text: &str| Err(Failure::new(ExitCode::Usage, text));
    if args.alarm.is_none() && args.device.is_none() && !args.all_devices && !args.list && args.end.is_none()
    {
        return usage("say what to silence: an alarm's ID, --device DEVICE or --all-devices");
    }
    if !args.list && args.end.is_none() && args.time.is_none() {
        return usage("say for how long: --for 2h");
    }
    let relay = ctx.connect().await?;
    let done = match (&args.alarm, args.end) {
        _ if args.list => windows(ctx, &relay).await,
        (Some(alarm), Some(None)) => act(ctx, &relay, alarm, Act::Unsnooze).await,
        (None, Some(Some(window))) => close(ctx, &relay, window).await,
        (_, Some(_)) => usage("say what to end: a window's number, or an alarm's ID with --end"),
        (Some(alarm), None) => {
            let until = clock::now().after(args.time.unwrap_or_default());
            act(ctx, &relay, alarm, Act::Snooze { until }).await
        }
        (None, None) => open(ctx, &relay, args).await,
    };
    relay.finish().await;
    done
}

async fn list(ctx: &Context, relay: &RelayConnection, args: &AlarmsArgs) -> Result<(), Failure> {
    let device = match &args.device {
        Some(device) => Some(device_id(relay, device).await?),
        None => None,
    };
    let filter = AlarmFilter { closed_too: args.all, device, at_least: args.min_severity };
    let (alarms, cursor) = everything(relay, &filter).await?;
    let mut alarms: Vec<AlarmEntry> = alarms.into_values().collect();
    alarms.sort_by_key(|a| (!a.state.is_open(), core::cmp::Reverse(a.severity), a.opened, a.id));
    if args.follow {
        // Changes come from here on; what was there is shown first, as lines of the same form.
        alarms.sort_by_key(|a| a.number);
        for alarm in &alarms {
            line(ctx, alarm)?;
        }
        return follow(ctx, relay, AlarmFilter { closed_too: true, ..filter }, cursor).await;
    }
    if ctx.output.is_json() {
        let alarms: Vec<Value> = alarms.iter().map(as_json).collect();
        return Ok(ctx.output.json(&json!({ "alarms": alarms, "cursor": cursor }))?);
    }
    if alarms.is_empty() {
        ctx.output.note(if args.all { "No alarms yet." } else { "No open alarms." });
        return Ok(());
    }
    let rows: Vec<_> = alarms.iter().map(row).collect();
    Ok(ctx.output.table(&["SEVERITY", "STATE", "SINCE", "DEVICE", "RULE", "OF", "ID", "SUMMARY"], &rows)?)
}

/// All alarms of a filter, and where news begin.
async fn everything(
    relay: &RelayConnection,
    filter: &AlarmFilter,
) -> Result<(BTreeMap<Fingerprint, AlarmEntry>, u64), Failure> {
    let mut alarms = BTreeMap::new();
    let mut after = 0;
    for _ in 0..MAX_PAGES {
        let (page, cursor) = since(relay, filter, after, 0).await?;
        let is_last = page.is_empty();
        // One that changes meanwhile comes again, newer.
        alarms.extend(page.into_iter().map(|alarm| (alarm.id, alarm)));
        after = cursor;
        if is_last {
            break;
        }
    }
    Ok((alarms, after))
}

async fn since(
    relay: &RelayConnection,
    filter: &AlarmFilter,
    after: u64,
    wait_ms: u32,
) -> Result<(Vec<AlarmEntry>, u64), RelayError> {
    let request = Request::AlarmsSince { filter: filter.clone(), after, wait_ms };
    match relay.request(&request).await? {
        // A cursor that goes back would show everything again.
        Reply::Alarms { entries, cursor } if cursor >= after => Ok((entries, cursor)),
        _ => Err(RelayError::nonsense("no list of alarms")),
    }
}

/// Shows every change until the program is ended. What happens while the connection is lost is shown afterwards.
async fn follow(
    ctx: &Context,
    relay: &RelayConnection,
    filter: AlarmFilter,
    mut after: u64,
) -> Result<(), Failure> {
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

/// One alarm on a line of its own.
fn line(ctx: &Context, alarm: &AlarmEntry) -> Result<(), Failure> {
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&as_json(alarm))?);
    }
    let of = if alarm.instance.is_empty() { String::new() } else { format!(" {}", alarm.instance) };
    let text = format!(
        "{}  {:8} {:8} {} {}{of}: {}  [{}]{}",
        alarm.changed,
        alarm.severity.name(),
        alarm.state.name(),
        device(alarm),
        alarm.rule,
        alarm.summary,
        short(&alarm.id),
        remarks(alarm)
    );
    Ok(ctx.output.line(&nearhand_shared::text::one_line(&text, 1000))?)
}

async fn show(ctx: &Context, relay: &RelayConnection, alarm: &str) -> Result<(), Failure> {
    let alarm = find(relay, alarm).await?;
    let mut history: Vec<HistoryEntry> = Vec::new();
    let mut entry = None;
    for _ in 0..MAX_PAGES {
        let after = history.last().map_or(0, |last| last.number);
        let Reply::AlarmHistory { alarm, entries } =
            relay.request(&Request::AlarmHistory { alarm, after }).await?
        else {
            return Err(RelayError::nonsense("no history").into());
        };
        entry = Some(alarm);
        let is_last = entries.is_empty();
        // In order, or paging would never end.
        if entries.iter().any(|entry| entry.number <= after) {
            return Err(RelayError::nonsense("its history is out of order").into());
        }
        history.extend(entries);
        if is_last {
            break;
        }
    }
    let Some(entry) = entry else { return Err(RelayError::nonsense("no history").into()) };
    if ctx.output.is_json() {
        let history: Vec<Value> = history.iter().map(happening_json).collect();
        return Ok(ctx.output.json(&json!({ "alarm": as_json(&entry), "history": history }))?);
    }
    facts(ctx, &entry)?;
    ctx.output.line("")?;
    let rows: Vec<Vec<Cell>> =
        history.iter().map(|h| vec![h.at.to_string().into(), happened(&h.what).into()]).collect();
    Ok(ctx.output.table(&["WHEN", "WHAT"], &rows)?)
}

fn facts(ctx: &Context, alarm: &AlarmEntry) -> Result<(), Failure> {
    let mut facts: Vec<(&str, Cell)> = vec![
        ("Alarm", alarm.id.to_string().into()),
        ("Device", format!("{} ({})", device(alarm), alarm.device).into()),
        ("Rule", alarm.rule.clone().into()),
        ("Of", alarm.instance.clone().into()),
        ("State", Cell::toned(alarm.state.name(), state_tone(alarm.state))),
        ("Severity", Cell::toned(alarm.severity.name(), tone(alarm.severity))),
        ("Summary", alarm.summary.clone().into()),
        ("Value", value(alarm.value.as_ref()).into()),
        ("Raised", format!("{} time(s), last at {}", alarm.count, alarm.opened).into()),
    ];
    let mut more = |name, text: Option<String>| facts.extend(text.map(|text| (name, Cell::from(text))));
    more("Over since", alarm.cleared.map(|at| at.to_string()));
    let ack = alarm.acknowledged.as_ref();
    more("Acknowledged", ack.map(|a| format!("by {} at {} {}", a.by.name, a.at, a.comment)));
    more("Assigned to", alarm.assigned.as_ref().map(|to| to.name.clone()));
    more("Snoozed until", alarm.snoozed_until.map(|at| at.to_string()));
    more("Suppressed by", alarm.suppressed_by.map(|by| by.to_string()));
    more("In maintenance", alarm.held_by.map(|window| format!("window {window}")));
    more("Flapping", alarm.flapping.then(|| "it comes and goes".to_owned()));
    more("Runbook", alarm.runbook.clone());
    more("Article", alarm.article.clone());
    Ok(ctx.output.facts(&facts)?)
}

async fn act(ctx: &Context, relay: &RelayConnection, alarm: &str, act: Act) -> Result<(), Failure> {
    let alarm = find(relay, alarm).await?;
    relay.done(&Request::AlarmAct { alarm, act: act.clone() }).await?;
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({ "alarm": alarm.to_string(), "done": act.name() }))?);
    }
    ctx.output.note(match act {
        Act::Acknowledge { .. } => "Acknowledged. It lapses if the alarm worsens or comes back.",
        Act::Unacknowledge => "The acknowledgement is taken back.",
        Act::Assign(_) => "Assigned.",
        Act::Unassign => "It is nobody's business now.",
        Act::Snooze { .. } => "Nobody is told of it before then; afterwards only if it still fires.",
        Act::Unsnooze => "It is told of again.",
        Act::Comment(_) => "Noted.",
    });
    Ok(())
}

async fn assign(
    ctx: &Context,
    relay: &RelayConnection,
    alarm: &str,
    person: Option<&str>,
) -> Result<(), Failure> {
    let Some(person) = person else { return act(ctx, relay, alarm, Act::Unassign).await };
    let people = relay.people().await?;
    let mut found = people.iter().filter(|entry| {
        let name = entry.credential.invite.peek().map(|invite| invite.name).unwrap_or_default();
        entry.id.to_string() == person || name == person
    });
    let (first, second) = (found.next(), found.next());
    match (first, second) {
        (Some(entry), None) => {
            let actor = Actor { id: Some(entry.id), name: person.to_owned() };
            act(ctx, relay, alarm, Act::Assign(actor)).await
        }
        (None, _) => Err(Failure::new(
            ExitCode::Usage,
            format!("there is no person {person:?}: see `nearhand people`"),
        )),
        (Some(_), Some(_)) => {
            Err(Failure::new(ExitCode::Usage, format!("several people are called {person:?}: give an id")))
        }
    }
}

async fn open(ctx: &Context, relay: &RelayConnection, args: &SilenceArgs) -> Result<(), Failure> {
    let device = match &args.device {
        Some(device) => Some(device_id(relay, device).await?),
        None => None,
    };
    let now = clock::now();
    let what = NewWindow {
        device,
        rule: args.rule.clone(),
        begins: now,
        ends: now.after(args.time.unwrap_or_default()),
        reason: args.reason.clone(),
    };
    let Reply::Window(window) = relay.request(&Request::OpenWindow(what)).await? else {
        return Err(RelayError::nonsense("no maintenance window").into());
    };
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&window_json(&window))?);
    }
    ctx.output.note(&format!(
        "Maintenance until {}. Rules go on; at the end, only what still fires is told. `nearhand silence --end {}` \
         ends it sooner.",
        window.what.ends, window.number
    ));
    Ok(())
}

async fn close(ctx: &Context, relay: &RelayConnection, window: u64) -> Result<(), Failure> {
    relay.done(&Request::CloseWindow { window }).await?;
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({ "window": window, "done": "end" }))?);
    }
    ctx.output.note("The maintenance is over; what still fires is told.");
    Ok(())
}

async fn windows(ctx: &Context, relay: &RelayConnection) -> Result<(), Failure> {
    let Reply::Windows(windows) = relay.request(&Request::Windows).await? else {
        return Err(RelayError::nonsense("no maintenance windows").into());
    };
    if ctx.output.is_json() {
        let windows: Vec<Value> = windows.iter().map(window_json).collect();
        return Ok(ctx.output.json(&json!({ "windows": windows }))?);
    }
    if windows.is_empty() {
        ctx.output.note("No maintenance.");
        return Ok(());
    }
    let rows: Vec<Vec<Cell>> = windows
        .into_iter()
        .map(|w| {
            vec![
                w.number.to_string().into(),
                w.what.begins.to_string().into(),
                w.what.ends.to_string().into(),
                w.what.device.map_or_else(|| "all".to_owned(), |id| id.to_string()).into(),
                w.what.rule.unwrap_or_else(|| "all".to_owned()).into(),
                w.by.name.into(),
                w.what.reason.into(),
            ]
        })
        .collect();
    Ok(ctx.output.table(&["NUMBER", "FROM", "UNTIL", "DEVICE", "RULE", "BY", "REASON"], &rows)?)
}

/// The alarm with that id, or the only one whose id begins so.
async fn find(relay: &RelayConnection, text: &str) -> Result<Fingerprint, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let text = text.to_ascii_lowercase();
    if text.len() < MIN_PREFIX || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        let problem = "an alarm's id, or at least four digits of its beginning, is expected";
        return Err(Failure::new(ExitCode::Usage, problem));
    }
    let all = AlarmFilter { closed_too: true, ..AlarmFilter::default() };
    let (alarms, _) = everything(relay, &all).await?;
    let mut found = alarms.keys().filter(|id| id.to_string().starts_with(&text));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(*id),
        (None, _) => Err(Failure::new(
            ExitCode::of_relay_refusal(&Refusal::NoSuchAlarm),
            Refusal::NoSuchAlarm.to_string(),
        )),
        (Some(_), Some(_)) => {
            Err(Failure::new(ExitCode::Usage, format!("several alarms begin with {text}: give more digits")))
        }
    }
}

async fn device_id(relay: &RelayConnection, text: &str) -> Result<DeviceId, Failure> {
    let resolved = relay.resolve_target(text).await?;
    resolved.device.map(|device| device.id).ok_or_else(|| {
        Failure::new(ExitCode::Usage, "a support code says nothing about alarms: name an enrolled device")
    })
}

fn device(alarm: &AlarmEntry) -> String {
    match (alarm.device.as_bytes() == &[0; 16], alarm.device_name.is_empty()) {
        (true, _) => "relay".to_owned(),
        (false, true) => alarm.device.to_string().chars().take(8).collect(),
        (false, false) => alarm.device_name.clone(),
    }
}

fn short(id: &Fingerprint) -> String {
    id.to_string().chars().take(8).collect()
}

fn row(alarm: &AlarmEntry) -> Vec<Cell> {
    vec![
        Cell::toned(
            alarm.severity.name(),
            if alarm.state.is_open() { tone(alarm.severity) } else { Tone::Faint },
        ),
        Cell::toned(alarm.state.name(), state_tone(alarm.state)),
        alarm.opened.to_string().into(),
        device(alarm).into(),
        alarm.rule.clone().into(),
        alarm.instance.clone().into(),
        short(&alarm.id).into(),
        format!("{}{}", alarm.summary, remarks(alarm)).into(),
    ]
}

/// What else is to be known, in brackets.
fn remarks(alarm: &AlarmEntry) -> String {
    let mut remarks = Vec::new();
    if let Some(ack) = &alarm.acknowledged {
        remarks.push(format!("acknowledged by {}", ack.by.name));
    }
    if let Some(to) = &alarm.assigned {
        remarks.push(format!("assigned to {}", to.name));
    }
    if alarm.flapping {
        remarks.push("flapping".to_owned());
    }
    if let Some(until) = alarm.snoozed_until {
        remarks.push(format!("snoozed until {until}"));
    }
    if alarm.suppressed_by.is_some() {
        remarks.push("suppressed".to_owned());
    }
    if alarm.held_by.is_some() {
        remarks.push("maintenance".to_owned());
    }
    if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join(", ")) }
}

const fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Critical | Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Warning,
        Severity::Info => Tone::Faint,
    }
}

const fn state_tone(state: AlarmState) -> Tone {
    match state {
        AlarmState::Firing => Tone::Bad,
        AlarmState::Unknown => Tone::Warning,
        AlarmState::Resolved => Tone::Good,
        AlarmState::Expired => Tone::Faint,
    }
}

fn value(measured: Option<&Measured>) -> String {
    measured.map(|m| format!("{} {}", m.value, m.unit)).unwrap_or_default()
}

fn actor_json(actor: &Actor) -> Value {
    json!({ "id": actor.id.map(|id| id.to_string()), "name": actor.name })
}

fn as_json(alarm: &AlarmEntry) -> Value {
    let at = |at: Option<UnixMillis>| at.map(|at| at.to_string());
    json!({
        "id": alarm.id.to_string(),
        "number": alarm.number,
        "device": { "id": alarm.device.to_string(), "name": device(alarm) },
        "rule": alarm.rule,
        "instance": alarm.instance,
        "state": alarm.state.name(),
        "severity": alarm.severity.name(),
        "summary": alarm.summary,
        "value": alarm.value.as_ref().map(|m| json!({ "value": m.value, "unit": m.unit })),
        "count": alarm.count,
        "opened": alarm.opened.to_string(),
        "changed": alarm.changed.to_string(),
        "cleared": at(alarm.cleared),
        "flapping": alarm.flapping,
        "acknowledged": alarm.acknowledged.as_ref().map(|ack| json!({
            "by": actor_json(&ack.by), "at": ack.at.to_string(), "comment": ack.comment,
        })),
        "assigned": alarm.assigned.as_ref().map(actor_json),
        "snoozed_until": at(alarm.snoozed_until),
        "suppressed_by": alarm.suppressed_by.map(|by| by.to_string()),
        "maintenance": alarm.held_by,
        "runbook": alarm.runbook,
        "article": alarm.article,
    })
}

fn window_json(window: &Window) -> Value {
    json!({
        "window": window.number,
        "device": window.what.device.map(|id| id.to_string()),
        "rule": window.what.rule,
        "begins": window.what.begins.to_string(),
        "ends": window.what.ends.to_string(),
        "reason": window.what.reason,
        "by": actor_json(&window.by),
    })
}

fn happening_json(entry: &HistoryEntry) -> Value {
    json!({ "number": entry.number, "at": entry.at.to_string(), "what": entry.what, "text": happened(&entry.what) })
}

/// What happened, in a sentence.
fn happened(what: &Happening) -> String {
    match what {
        Happening::Event(event) => {
            format!(
                "{} ({}): {} {}",
                event.transition,
                event.severity,
                event.summary,
                value(event.value.as_ref())
            )
        }
        Happening::Gap { lost, from, to } => format!("{lost} events were given up, from {from} to {to}"),
        Happening::Act { by, act } => {
            let what = match act {
                Act::Acknowledge { comment } => format!("acknowledged: {comment}"),
                Act::Unacknowledge => "took the acknowledgement back".to_owned(),
                Act::Assign(to) => format!("assigned it to {}", to.name),
                Act::Unassign => "took the assignment back".to_owned(),
                Act::Snooze { until } => format!("snoozed it until {until}"),
                Act::Unsnooze => "ended the snooze".to_owned(),
                Act::Comment(text) => format!("noted: {text}"),
            };
            format!("{} {what}", by.name)
        }
        Happening::Suppressed { by } => format!("suppressed: a consequence of {by}"),
        Happening::Released => "stands for itself again".to_owned(),
        Happening::SnoozeEnded => "the snooze ended".to_owned(),
        Happening::WindowEnded { window } => format!("maintenance window {window} ended"),
        Happening::DeviceSilent => "its device fell silent".to_owned(),
        Happening::DeviceBack => "its device is back".to_owned(),
    }
}
