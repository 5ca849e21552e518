//! Devices, alarms and maintenance: requests in, the control plane's answers out.

use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use nearhand_proto::alarm::Severity;
use nearhand_proto::id::{DeviceId, Fingerprint, TechnicianId};
use nearhand_proto::message::alarm_json::{alarm_json, happening_json, window_json};
use nearhand_proto::message::alarms::{
    AlarmAction, AlarmActor, AlarmFilter, MAX_FOLLOW_MS, NewMaintenanceWindow,
};
use nearhand_proto::message::control::{ListPage, RelayRefusal, RelayReply};
use nearhand_proto::text;
use nearhand_proto::time::UnixMillis;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{self, Answer, ApiState, TokenHolder, now, ok, parsed};
use super::problem::ApiProblem;

/// Longest label of a device that is passed on, in characters.
const MAX_LABEL: usize = 100;

fn bad(detail: impl Into<String>) -> ApiProblem {
    ApiProblem::new(StatusCode::BAD_REQUEST, detail)
}

/// The control plane answered something else than was asked: that can't be.
fn unexpected() -> ApiProblem {
    ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "the relay made a mistake: see its log")
}

fn queried<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, ApiProblem> {
    query.map(|Query(query)| query).map_err(|error| bad(error.body_text()))
}

fn device_id(text: &str) -> Result<DeviceId, ApiProblem> {
    text.parse().map_err(|_| bad(format!("{text:?} is no device's id: /api/v1/devices lists them")))
}

fn alarm_id(text: &str) -> Result<Fingerprint, ApiProblem> {
    text.parse().map_err(|_| RelayRefusal::NoSuchAlarm.into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DevicesQuery {
    after: Option<String>,
}

pub(super) async fn devices(
    State(api): State<ApiState>,
    query: Result<Query<DevicesQuery>, QueryRejection>,
) -> Answer {
    let after = queried(query)?.after.as_deref().map(device_id).transpose()?;
    let RelayReply::Devices(ListPage { entries, .. }) = api.control.devices(after).await? else {
        return Err(unexpected());
    };
    let next = entries.last().map(|entry| entry.id.to_string());
    let devices: Vec<Value> = entries
        .into_iter()
        .map(|entry| {
            let label = entry.credential.invite.peek().map(|invite| invite.name).unwrap_or_default();
            json!({
                "id": entry.id.to_string(),
                "name": text::one_line(&label, MAX_LABEL),
                "hostname": text::one_line(&entry.facts.hostname, MAX_LABEL),
                "os": text::one_line(&entry.facts.os, MAX_LABEL),
                "version": text::one_line(&entry.version, MAX_LABEL),
                "online": entry.online,
                "last_seen": entry.last_seen.to_string(),
            })
        })
        .collect();
    Ok(ok(&json!({ "devices": devices, "next": next })))
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum AlarmSelection {
    Open,
    All,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlarmsQuery {
    state: Option<AlarmSelection>,
    device: Option<String>,
    min_severity: Option<String>,
    #[serde(default)]
    after: u64,
    /// How long to wait for news, in seconds.
    #[serde(default)]
    wait: u32,
}

pub(super) async fn list(
    State(api): State<ApiState>,
    query: Result<Query<AlarmsQuery>, QueryRejection>,
) -> Answer {
    let query = queried(query)?;
    let at_least = query.min_severity.map(|text| {
        text.parse::<Severity>().map_err(|_| bad("min_severity is info, warning, error or critical"))
    });
    let filter = AlarmFilter {
        closed_too: matches!(query.state, Some(AlarmSelection::All)),
        device: query.device.as_deref().map(device_id).transpose()?,
        at_least: at_least.transpose()?,
    };
    let wait_ms = query.wait.saturating_mul(1000).min(MAX_FOLLOW_MS);
    let RelayReply::Alarms { entries, cursor } =
        api.control.alarms_since(&filter, query.after, wait_ms).await?
    else {
        return Err(unexpected());
    };
    let alarms: Vec<Value> = entries.iter().map(alarm_json).collect();
    Ok(ok(&json!({ "alarms": alarms, "cursor": cursor })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryQuery {
    #[serde(default)]
    after: u64,
}

pub(super) async fn show(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Answer {
    let after = queried(query)?.after;
    let RelayReply::AlarmHistory { alarm, entries } =
        api.control.alarm_history(alarm_id(&id)?, after).await?
    else {
        return Err(unexpected());
    };
    let cursor = entries.last().map_or(after, |last| last.number);
    let history: Vec<Value> = entries.iter().map(happening_json).collect();
    Ok(ok(&json!({ "alarm": alarm_json(&alarm), "history": history, "cursor": cursor })))
}

/// What may be done about an alarm, as JSON says it.
#[derive(Deserialize)]
#[serde(tag = "act", rename_all = "lowercase", deny_unknown_fields)]
enum RequestedAct {
    Acknowledge {
        #[serde(default)]
        comment: String,
    },
    Unacknowledge,
    Assign {
        person: String,
    },
    Unassign,
    Snooze {
        seconds: u64,
    },
    Unsnooze,
    Comment {
        text: String,
    },
}

impl RequestedAct {
    fn act(self) -> Result<AlarmAction, ApiProblem> {
        Ok(match self {
            Self::Acknowledge { comment } => AlarmAction::Acknowledge { comment },
            Self::Unacknowledge => AlarmAction::Unacknowledge,
            Self::Assign { person } => {
                // With an id it becomes the name that the organisation knows; without, it is a team or a program.
                let id: Option<TechnicianId> = person.parse().ok();
                AlarmAction::Assign(AlarmActor { id, name: person })
            }
            Self::Unassign => AlarmAction::Unassign,
            Self::Snooze { seconds } => AlarmAction::Snooze { until: after(seconds)? },
            Self::Unsnooze => AlarmAction::Unsnooze,
            Self::Comment { text } => AlarmAction::Comment(text),
        })
    }
}

/// A time that many seconds from now.
fn after(seconds: u64) -> Result<UnixMillis, ApiProblem> {
    // More than a hundred years is a mistake that the control plane's limits needn't tell.
    if seconds > 100 * 366 * 86_400 {
        return Err(bad("that is too long: at most 31 days"));
    }
    Ok(now().after(Duration::from_secs(seconds)))
}

pub(super) async fn act(
    State(api): State<ApiState>,
    Extension(caller): Extension<TokenHolder>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let id = alarm_id(&id)?;
    let act = parsed::<RequestedAct>(&body)?.act()?;
    api.control.alarm_act(&caller.actor(), &caller.name(), id, act).await?;
    let RelayReply::AlarmHistory { alarm, .. } = api.control.alarm_history(id, u64::MAX).await? else {
        return Err(unexpected());
    };
    Ok(ok(&json!({ "alarm": alarm_json(&alarm) })))
}

pub(super) async fn windows(State(api): State<ApiState>) -> Answer {
    let RelayReply::MaintenanceWindows(windows) = api.control.windows().await? else {
        return Err(unexpected());
    };
    let windows: Vec<Value> = windows.iter().map(window_json).collect();
    Ok(ok(&json!({ "maintenance": windows })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedWindow {
    device: Option<String>,
    rule: Option<String>,
    /// From now on.
    seconds: u64,
    #[serde(default)]
    reason: String,
}

pub(super) async fn open_window(
    State(api): State<ApiState>,
    Extension(caller): Extension<TokenHolder>,
    body: Bytes,
) -> Answer {
    let wanted: WantedWindow = parsed(&body)?;
    let what = NewMaintenanceWindow {
        device: wanted.device.as_deref().map(device_id).transpose()?,
        rule: wanted.rule,
        begins: now(),
        ends: after(wanted.seconds)?,
        reason: wanted.reason,
    };
    let RelayReply::MaintenanceWindow(window) =
        api.control.open_window(&caller.actor(), &caller.name(), what).await?
    else {
        return Err(unexpected());
    };
    Ok(answer::cleaned_json(StatusCode::CREATED, &window_json(&window)))
}

pub(super) async fn close_window(
    State(api): State<ApiState>,
    Extension(caller): Extension<TokenHolder>,
    Path(number): Path<String>,
) -> Answer {
    let number = number.parse().map_err(|_| ApiProblem::from(RelayRefusal::NoSuchWindow))?;
    api.control.close_window(&caller.name(), number).await?;
    Ok(ok(&json!({ "window": number, "ended": true })))
}
