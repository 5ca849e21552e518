//! `nearhand sessions`: the sessions that the relay has noted.

use nearhand_proto::message::control::{CloseOutcome, SessionEntry};
use serde_json::{Value, json};

use crate::context::CommandContext;
use crate::exit::CommandFailure;
use crate::output::{TableCell, TextTone};

/// Lists sessions.
///
/// # Errors
/// [`CommandFailure`]: the relay can't be reached or refuses, or the output can't be written.
pub async fn run(ctx: &CommandContext) -> Result<(), CommandFailure> {
    let relay = ctx.connect().await?;
    let page = relay.sessions().await?;
    let (sessions, left) = (page.entries, page.left);
    relay.finish().await;
    if ctx.output.is_json() {
        let sessions: Vec<Value> = sessions.iter().map(as_json).collect();
        return Ok(ctx.output.json(&json!({ "sessions": sessions, "left": left }))?);
    }
    if sessions.is_empty() {
        ctx.output.note("No sessions yet.");
        return Ok(());
    }
    if left > 0 {
        ctx.output.note(&format!("{left} earlier sessions are not listed."));
    }
    let rows: Vec<_> = sessions.into_iter().map(row).collect();
    Ok(ctx.output.table(&["OPENED", "TECHNICIAN", "DEVICE", "BY", "ENDED", "HOW", "BYTES", "ID"], &rows)?)
}

/// The outcome's name in JSON.
const fn word(outcome: CloseOutcome) -> &'static str {
    match outcome {
        CloseOutcome::Technician => "technician",
        CloseOutcome::Stopped => "stopped",
        CloseOutcome::NotGranted => "not-granted",
        CloseOutcome::Lost => "lost",
        CloseOutcome::Revoked => "revoked",
        CloseOutcome::Expired => "expired",
        CloseOutcome::Failed => "failed",
    }
}

fn as_json(entry: &SessionEntry) -> Value {
    json!({
        "id": entry.id.to_string(),
        "technician": {"id": entry.technician.to_string(), "name": entry.technician_name},
        "device": {"id": entry.device.map(|id| id.to_string()), "name": entry.device_name},
        "attended": entry.attended,
        "opened": entry.opened.to_string(),
        "ended": entry.ended.map(|end| end.at.to_string()),
        "outcome": entry.ended.map(|end| word(end.outcome)),
        "bytes": entry.bytes,
    })
}

fn row(entry: SessionEntry) -> Vec<TableCell> {
    let (ended, how) = match entry.ended {
        Some(end) => (end.at.to_string().into(), end.outcome.to_string().into()),
        None => (TableCell::toned("going on", TextTone::Good), TableCell::from("")),
    };
    vec![
        entry.opened.to_string().into(),
        entry.technician_name.into(),
        entry.device_name.into(),
        (if entry.attended { "code" } else { "enrolment" }).into(),
        ended,
        how,
        entry.bytes.to_string().into(),
        entry.id.to_string().into(),
    ]
}
