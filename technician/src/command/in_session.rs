//! What the commands have in common that work in a session: it is opened, its updates are shown, what it needs is
//! asked for, and how it ended is said.
//!
//! Stands below those commands; each of them knows this, and this knows none of them.

use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::local::{ChatLine, DeliveryMark};
use nearhand_proto::message::session::{GrantedCapability, SessionRefusal};
use tokio::sync::mpsc;

use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::session::{SessionEnd, SessionUpdate, TechnicianSession};

/// Opens a session with the target that the technician typed, and shows which device it is.
///
/// # Errors
/// [`CommandFailure`] with the exit code.
pub(super) async fn open(
    ctx: &CommandContext,
    target: &str,
    reason: &str,
) -> Result<(TechnicianSession, mpsc::Receiver<SessionUpdate>), CommandFailure> {
    let relay = Arc::new(ctx.connect().await?);
    let resolved = relay.resolve_target(target).await?;
    let busy = ctx.output.busy("connecting to the device");
    let opened = TechnicianSession::open(relay, resolved, reason).await;
    busy.finish_and_clear();
    let (session, updates) = opened?;
    let device = session.device();
    if ctx.output.is_json() {
        ctx.output.json(&serde_json::json!({
            "event": "connected", "session": session.id().to_string(), "device": device.name,
            "os": device.os, "offers": capability_names(device.offers), "enrolled": device.enrolled,
        }))?;
    } else {
        let how = if device.enrolled { "its enrolled key" } else { "the support code" };
        ctx.output.note(&format!("Connected to {} ({}), proved by {how}.", device.name, device.os));
    }
    Ok((session, updates))
}

fn capability_names(capabilities: Capabilities) -> Vec<&'static str> {
    capabilities.iter().map(Capability::name).collect()
}

/// Asks for capabilities and waits for the decision. Returns those that are granted; the first one is always among
/// them.
pub(super) async fn ask(
    ctx: &CommandContext,
    session: &TechnicianSession,
    updates: &mut mpsc::Receiver<SessionUpdate>,
    wanted: Capabilities,
    duration: Duration,
) -> Result<Capabilities, CommandFailure> {
    let mut number = session.ask(wanted, duration).await;
    let mut now = Vec::new();
    loop {
        let update = tokio::select! {
            update = updates.recv() => update,
            () = interrupted() => return Err(CommandFailure::new(ExitCode::Unexpected, "interrupted")),
        };
        match update {
            Some(SessionUpdate::Decided(n, Ok(granted))) if n == number => {
                return granted_part(wanted, &granted);
            }
            Some(SessionUpdate::Decided(n, Err(refusal))) if n == number => return Err(refusal.into()),
            Some(SessionUpdate::Ended(end)) => {
                report_end(ctx, &end)?;
                return Err(CommandFailure::new(
                    ExitCode::SessionLost,
                    "the session ended before anything was granted",
                ));
            }
            // The connection broke while the question was open: it may never have arrived, or its answer was lost. So
            // it is asked again, unless the grants say that it was answered.
            Some(SessionUpdate::Grants(granted, why)) => {
                let has_it = granted_part(wanted, &granted);
                show_update(ctx, &SessionUpdate::Grants(granted, why), &mut now)?;
                if has_it.is_ok() {
                    return has_it;
                }
                number = session.ask(wanted, duration).await;
            }
            Some(update) => {
                mark_seen(session, &update);
                show_update(ctx, &update, &mut now)?;
            }
            None => return Err(task_gone()),
        }
    }
}

/// The capabilities of `wanted` that are granted. Without the first one the command can't do its work.
fn granted_part(wanted: Capabilities, granted: &[GrantedCapability]) -> Result<Capabilities, CommandFailure> {
    let granted: Capabilities = granted.iter().map(|granted| granted.capability).collect();
    match wanted.iter().next().filter(|first| !granted.contains(*first)) {
        Some(missing) => Err(SessionRefusal::NotGranted(missing).into()),
        None => Ok(granted.intersection(wanted)),
    }
}

/// Waits for `work` while the session's updates are shown. `unfinished` says what is not there yet when the session
/// ends before it; `interruption` breaks it off.
pub(super) async fn while_updated<T>(
    ctx: &CommandContext,
    session: &TechnicianSession,
    updates: &mut mpsc::Receiver<SessionUpdate>,
    unfinished: &str,
    interruption: impl Future<Output = ()>,
    work: impl Future<Output = Result<T, CommandFailure>>,
) -> Result<T, CommandFailure> {
    tokio::pin!(work, interruption);
    let mut granted = Vec::new();
    loop {
        tokio::select! {
            outcome = &mut work => return outcome,
            update = updates.recv() => match update {
                Some(SessionUpdate::Ended(end)) => {
                    report_end(ctx, &end)?;
                    return Err(CommandFailure::new(ExitCode::SessionLost, format!("the session ended before {unfinished}")));
                }
                Some(update) => {
                    mark_seen(session, &update);
                    show_update(ctx, &update, &mut granted)?;
                }
                None => return Err(task_gone()),
            },
            () = &mut interruption => return Err(CommandFailure::new(ExitCode::Unexpected, "interrupted")),
        }
    }
}

/// The session's task ended without a word: a fault of this program.
pub(super) fn task_gone() -> CommandFailure {
    CommandFailure::new(ExitCode::Unexpected, "the session's task ended without a word: please report this")
}

/// Ends the session and waits until it is over; updates that come meanwhile are dropped.
pub(super) async fn end(session: &TechnicianSession, updates: &mut mpsc::Receiver<SessionUpdate>) {
    session.end().await;
    while let Some(update) = updates.recv().await {
        if matches!(update, SessionUpdate::Ended(_)) {
            return;
        }
    }
}

/// Ctrl-C: leave in order.
pub(super) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        core::future::pending::<()>().await;
    }
}

/// Tells the person that a chat line that is shown here was seen.
pub(super) fn mark_seen(session: &TechnicianSession, update: &SessionUpdate) {
    if let SessionUpdate::Chat(line) = update
        && !line.from_technician
    {
        session.mark_chat_seen(line.number);
    }
}

/// Shows an update, and notes in `granted` what is granted now.
pub(super) fn show_update(
    ctx: &CommandContext,
    update: &SessionUpdate,
    granted: &mut Vec<GrantedCapability>,
) -> Result<(), CommandFailure> {
    let plain = |event: &str, text: &str| -> Result<(), CommandFailure> {
        if ctx.output.is_json() {
            ctx.output.json(&serde_json::json!({"event": event}))?;
        } else {
            ctx.output.note(text);
        }
        Ok(())
    };
    match update {
        SessionUpdate::Interrupted => {
            plain("interrupted", "The connection was lost; trying again for up to a minute …")
        }
        SessionUpdate::Resumed => plain("resumed", "The connection is back; the session goes on."),
        SessionUpdate::PathStalled => plain("path-lost", "The path through the relay is interrupted …"),
        SessionUpdate::PathRestored => plain("path-back", "The path through the relay works again."),
        SessionUpdate::Asking(seconds) => {
            plain("asking", &format!("The person at the device is being asked (up to {seconds} s) …"))
        }
        SessionUpdate::Decided(_, Ok(now)) => {
            granted.clone_from(now);
            show_granted(ctx, granted, "granted")
        }
        SessionUpdate::Decided(_, Err(refusal)) => {
            if ctx.output.is_json() {
                let kind = ExitCode::of_refusal(refusal).name();
                ctx.output.json(
                    &serde_json::json!({"event": "refused", "kind": kind, "why": refusal.to_string()}),
                )?;
            } else {
                ctx.output.warn(&format!("not granted: {refusal}"));
            }
            Ok(())
        }
        SessionUpdate::Grants(now, why) => {
            granted.clone_from(now);
            show_granted(ctx, granted, why)
        }
        SessionUpdate::Chat(line) => show_chat(ctx, line),
        SessionUpdate::Remark(text) => {
            if ctx.output.is_json() {
                ctx.output.json(&serde_json::json!({"event": "remark", "text": text}))?;
            } else {
                ctx.output.note(text);
            }
            Ok(())
        }
        SessionUpdate::Ended(_) => Ok(()),
    }
}

pub(super) fn show_granted(
    ctx: &CommandContext,
    granted: &[GrantedCapability],
    why: &str,
) -> Result<(), CommandFailure> {
    if ctx.output.is_json() {
        let list: Vec<_> = granted
            .iter()
            .map(|g| serde_json::json!({"capability": g.capability.name(), "seconds": g.seconds_left}))
            .collect();
        ctx.output.json(&serde_json::json!({"event": "granted", "granted": list, "why": why}))?;
        return Ok(());
    }
    let list: Vec<_> =
        granted.iter().map(|g| format!("{} ({} min)", g.capability, g.seconds_left.div_ceil(60))).collect();
    let list = if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
    ctx.output.note(&format!(
        "GrantedCapability now: {list}{}",
        if why.is_empty() { String::new() } else { format!(" ({why})") }
    ));
    Ok(())
}

pub(super) fn show_chat(ctx: &CommandContext, line: &ChatLine) -> Result<(), CommandFailure> {
    if ctx.output.is_json() {
        let mark = match line.mark {
            DeliveryMark::Sent => "sent",
            DeliveryMark::Received => "received",
            DeliveryMark::Shown => "shown",
        };
        ctx.output.json(&serde_json::json!({
            "event": "chat", "from": if line.from_technician { "technician" } else { "device" },
            "number": line.number, "at": line.at.to_string(), "text": line.text, "mark": mark,
        }))?;
        return Ok(());
    }
    match (line.from_technician, line.mark) {
        (false, _) => line.text.lines().try_for_each(|text| ctx.output.line(&format!("│ {text}")))?,
        (true, DeliveryMark::Sent) => {}
        (true, DeliveryMark::Received) => ctx.output.note(&format!("  (arrived) {}", line.text)),
        (true, DeliveryMark::Shown) => ctx.output.note(&format!("  (read) {}", line.text)),
    }
    Ok(())
}

/// Says how the session ended; an end that this side did not ask for is a failure with its own exit code.
pub(super) fn report_end(ctx: &CommandContext, end: &SessionEnd) -> Result<(), CommandFailure> {
    let (code, why) = match end {
        SessionEnd::Here => (ExitCode::Ok, "ended here".to_owned()),
        SessionEnd::ByAgent(ended) => (ExitCode::of_ended(ended), ended.to_string()),
        SessionEnd::Lost(why) => (ExitCode::SessionLost, format!("the session was lost: {why}")),
    };
    if ctx.output.is_json() {
        ctx.output.json(&serde_json::json!({"event": "ended", "kind": code.name(), "why": why}))?;
    }
    if code == ExitCode::Ok {
        if !ctx.output.is_json() {
            ctx.output.note("The session is over.");
        }
        return Ok(());
    }
    Err(CommandFailure::new(code, why))
}
