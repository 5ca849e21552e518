//! What is asked of the relay about alarms: all of a filter, one by the beginning of its id, and acts on one.

use std::collections::BTreeMap;

use nearhand_proto::id::{DeviceId, Fingerprint};
use nearhand_proto::message::alarms::{AlarmAction, AlarmEntry, AlarmFilter};
use nearhand_proto::message::control::{RelayRefusal, RelayReply, RelayRequest};
use serde_json::json;

use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::relay::{RelayClient, RelayClientError};

/// Fewest digits of the beginning of an alarm's id.
const MIN_PREFIX: usize = 4;
/// Most pages that are fetched: 200,000 alarms.
pub(super) const MAX_PAGES: usize = 1000;

/// All alarms of a filter, and the cursor after which changes come.
pub(super) async fn everything(
    relay: &RelayClient,
    filter: &AlarmFilter,
) -> Result<(BTreeMap<Fingerprint, AlarmEntry>, u64), CommandFailure> {
    let mut alarms = BTreeMap::new();
    let mut after = 0;
    for _ in 0..MAX_PAGES {
        let (page, cursor) = since(relay, filter, after, 0).await?;
        let is_last = page.is_empty();
        // An alarm that changes meanwhile comes again in a later page.
        alarms.extend(page.into_iter().map(|alarm| (alarm.id, alarm)));
        after = cursor;
        if is_last {
            break;
        }
    }
    Ok((alarms, after))
}

pub(super) async fn since(
    relay: &RelayClient,
    filter: &AlarmFilter,
    after: u64,
    wait_ms: u32,
) -> Result<(Vec<AlarmEntry>, u64), RelayClientError> {
    let request = RelayRequest::AlarmsSince { filter: filter.clone(), after, wait_ms };
    match relay.request(&request).await? {
        // A cursor that goes back would fetch everything again.
        RelayReply::Alarms { entries, cursor } if cursor >= after => Ok((entries, cursor)),
        _ => Err(RelayClientError::nonsense("no list of alarms")),
    }
}

pub(super) async fn act(
    ctx: &CommandContext,
    relay: &RelayClient,
    alarm: &str,
    act: AlarmAction,
) -> Result<(), CommandFailure> {
    let alarm = find(relay, alarm).await?;
    relay.done(&RelayRequest::ActOnAlarm { alarm, act: act.clone() }).await?;
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({ "alarm": alarm.to_string(), "done": act.name() }))?);
    }
    ctx.output.note(match act {
        AlarmAction::Acknowledge { .. } => "Acknowledged. It lapses if the alarm worsens or comes back.",
        AlarmAction::Unacknowledge => "The acknowledgement was taken back.",
        AlarmAction::Assign(_) => "Assigned.",
        AlarmAction::Unassign => "It is assigned to nobody now.",
        AlarmAction::Snooze { .. } => "No notifications until then; afterwards only if it still fires.",
        AlarmAction::Unsnooze => "Notifications are sent again.",
        AlarmAction::Comment(_) => "The comment was added.",
    });
    Ok(())
}

/// The alarm with that id, or the only one whose id begins so.
pub(super) async fn find(relay: &RelayClient, text: &str) -> Result<Fingerprint, CommandFailure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let text = text.to_ascii_lowercase();
    if text.len() < MIN_PREFIX || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        let problem = "an alarm's id, or at least its first four digits, is expected";
        return Err(CommandFailure::new(ExitCode::Usage, problem));
    }
    let all = AlarmFilter { closed_too: true, ..AlarmFilter::default() };
    let (alarms, _) = everything(relay, &all).await?;
    let mut found = alarms.keys().filter(|id| id.to_string().starts_with(&text));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(*id),
        (None, _) => Err(CommandFailure::new(
            ExitCode::of_relay_refusal(&RelayRefusal::NoSuchAlarm),
            RelayRefusal::NoSuchAlarm.to_string(),
        )),
        (Some(_), Some(_)) => Err(CommandFailure::new(
            ExitCode::Usage,
            format!("several alarms begin with {text}: give more digits"),
        )),
    }
}

pub(super) async fn device_id(relay: &RelayClient, text: &str) -> Result<DeviceId, CommandFailure> {
    let resolved = relay.resolve_target(text).await?;
    resolved.device.map(|device| device.id).ok_or_else(|| {
        CommandFailure::new(
            ExitCode::Usage,
            "a support code says nothing about alarms: name an enrolled device",
        )
    })
}
