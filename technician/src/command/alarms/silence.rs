//! `nearhand silence`: snoozes of one alarm, and maintenance windows.

use core::num::ParseIntError;
use core::str::FromStr;
use std::time::Duration;

use clap::Args;
use nearhand_proto::message::alarm_json::window_json;
use nearhand_proto::message::alarms::{AlarmAction, NewMaintenanceWindow};
use nearhand_proto::message::control::{RelayReply, RelayRequest};
use serde_json::{Value, json};

use super::super::parse;
use super::requests::{act, device_id};
use crate::clock;
use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::output::TableCell;
use crate::relay::{RelayClient, RelayClientError};

/// Arguments of `nearhand silence`.
#[derive(Args)]
pub struct SilenceArgs {
    /// Snooze one alarm: its id, or at least its first four digits
    #[arg(value_name = "ID", conflicts_with_all = ["device", "all_devices", "rule", "list"])]
    alarm: Option<String>,
    /// Or a maintenance window for one device: no notifications of its alarms
    #[arg(long, value_name = "DEVICE", conflicts_with = "all_devices")]
    device: Option<String>,
    /// Or a maintenance window for all devices
    #[arg(long)]
    all_devices: bool,
    /// With --device or --all-devices: only alarms of this rule
    #[arg(long)]
    rule: Option<String>,
    /// For how long, such as 30m or 2h; at most 31 days
    #[arg(long = "for", value_name = "TIME", value_parser = parse::duration)]
    time: Option<Duration>,
    /// The reason, for the other technicians
    #[arg(long, default_value = "")]
    reason: String,
    /// Show the maintenance windows that have not ended
    #[arg(long, conflicts_with_all = ["device", "all_devices", "time", "end"])]
    list: bool,
    /// End a maintenance window now; with an alarm's ID: end its snooze
    #[arg(long, value_name = "NUMBER", num_args = 0..=1, default_missing_value = SNOOZE, conflicts_with_all = ["device", "all_devices", "time"])]
    end: Option<EndedSilence>,
}

/// What `--end` stands for without a number.
const SNOOZE: &str = "snooze";

/// What is ended before its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum EndedSilence {
    /// The snooze of the alarm that is named.
    Snooze,
    /// The maintenance window of this number.
    Window(u64),
}

impl FromStr for EndedSilence {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == SNOOZE { Ok(Self::Snooze) } else { text.parse().map(Self::Window) }
    }
}

/// Snoozes an alarm, or makes, lists and ends maintenance windows.
///
/// # Errors
/// [`CommandFailure`]: the arguments say too little, the relay can't be reached or refuses, or no alarm, device or
/// window fits.
pub async fn silence(ctx: &CommandContext, args: &SilenceArgs) -> Result<(), CommandFailure> {
    let usage = |text: &str| Err(CommandFailure::new(ExitCode::Usage, text));
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
        (Some(alarm), Some(EndedSilence::Snooze)) => act(ctx, &relay, alarm, AlarmAction::Unsnooze).await,
        (None, Some(EndedSilence::Window(window))) => close(ctx, &relay, window).await,
        (_, Some(_)) => {
            usage("say what to end: the number of a maintenance window, or an alarm's ID with --end")
        }
        (Some(alarm), None) => {
            let until = clock::now().after(args.time.unwrap_or_default());
            act(ctx, &relay, alarm, AlarmAction::Snooze { until }).await
        }
        (None, None) => open(ctx, &relay, args).await,
    };
    relay.finish().await;
    done
}

async fn open(ctx: &CommandContext, relay: &RelayClient, args: &SilenceArgs) -> Result<(), CommandFailure> {
    let device = match &args.device {
        Some(device) => Some(device_id(relay, device).await?),
        None => None,
    };
    let now = clock::now();
    let what = NewMaintenanceWindow {
        device,
        rule: args.rule.clone(),
        begins: now,
        ends: now.after(args.time.unwrap_or_default()),
        reason: args.reason.clone(),
    };
    let RelayReply::MaintenanceWindow(window) = relay.request(&RelayRequest::OpenMaintenance(what)).await?
    else {
        return Err(RelayClientError::nonsense("no maintenance window").into());
    };
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&window_json(&window))?);
    }
    ctx.output.note(&format!(
        "Maintenance until {}. Alarms are still recorded; at the end, notifications are sent only of those that still \
         fire. `nearhand silence --end {}` ends it sooner.",
        window.what.ends, window.number
    ));
    Ok(())
}

async fn close(ctx: &CommandContext, relay: &RelayClient, window: u64) -> Result<(), CommandFailure> {
    relay.done(&RelayRequest::CloseMaintenance { window }).await?;
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({ "window": window, "done": "end" }))?);
    }
    ctx.output.note("The maintenance is over; notifications are sent of alarms that still fire.");
    Ok(())
}

async fn windows(ctx: &CommandContext, relay: &RelayClient) -> Result<(), CommandFailure> {
    let RelayReply::MaintenanceWindows(windows) = relay.request(&RelayRequest::MaintenanceWindows).await?
    else {
        return Err(RelayClientError::nonsense("no maintenance windows").into());
    };
    if ctx.output.is_json() {
        let windows: Vec<Value> = windows.iter().map(window_json).collect();
        return Ok(ctx.output.json(&json!({ "windows": windows }))?);
    }
    if windows.is_empty() {
        ctx.output.note("No maintenance windows.");
        return Ok(());
    }
    let rows: Vec<Vec<TableCell>> = windows
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
