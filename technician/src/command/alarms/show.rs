//! How alarms look in a terminal: a line, a row of a table, a page of facts. Nothing is asked of the relay here.

use nearhand_proto::alarm::Severity;
use nearhand_proto::id::Fingerprint;
use nearhand_proto::message::alarm_json::{alarm_json, device, value};
use nearhand_proto::message::alarms::{AlarmEntry, AlarmState};

use crate::context::CommandContext;
use crate::exit::CommandFailure;
use crate::output::{TableCell, TextTone};

/// One alarm on one line.
pub(super) fn line(ctx: &CommandContext, alarm: &AlarmEntry) -> Result<(), CommandFailure> {
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&alarm_json(alarm))?);
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
    Ok(ctx.output.line(&nearhand_proto::text::one_line(&text, 1000))?)
}

pub(super) fn facts(ctx: &CommandContext, alarm: &AlarmEntry) -> Result<(), CommandFailure> {
    let mut facts: Vec<(&str, TableCell)> = vec![
        ("Alarm", alarm.id.to_string().into()),
        ("Device", format!("{} ({})", device(alarm), alarm.device).into()),
        ("Rule", alarm.rule.clone().into()),
        ("Of", alarm.instance.clone().into()),
        ("State", TableCell::toned(alarm.state.name(), state_tone(alarm.state))),
        ("Severity", TableCell::toned(alarm.severity.name(), tone(alarm.severity))),
        ("Summary", alarm.summary.clone().into()),
        ("Value", value(alarm.value.as_ref()).into()),
        ("Raised", format!("{} time(s), last at {}", alarm.count, alarm.opened).into()),
    ];
    let mut more = |name, text: Option<String>| facts.extend(text.map(|text| (name, TableCell::from(text))));
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

fn short(id: &Fingerprint) -> String {
    id.to_string().chars().take(8).collect()
}

pub(super) fn row(alarm: &AlarmEntry) -> Vec<TableCell> {
    vec![
        TableCell::toned(
            alarm.severity.name(),
            if alarm.state.is_open() { tone(alarm.severity) } else { TextTone::Faint },
        ),
        TableCell::toned(alarm.state.name(), state_tone(alarm.state)),
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

const fn tone(severity: Severity) -> TextTone {
    match severity {
        Severity::Critical | Severity::Error => TextTone::Bad,
        Severity::Warning => TextTone::Warning,
        Severity::Info => TextTone::Faint,
    }
}

const fn state_tone(state: AlarmState) -> TextTone {
    match state {
        AlarmState::Firing => TextTone::Bad,
        AlarmState::Unknown => TextTone::Warning,
        AlarmState::Resolved => TextTone::Good,
        AlarmState::Expired => TextTone::Faint,
    }
}
