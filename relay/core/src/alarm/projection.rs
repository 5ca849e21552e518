//! An alarm as the sum of what happened to it, and what of that somebody has to be told.
//!
//! Acknowledgement, assignment, snooze, suppression, maintenance and flapping are overlays: they change who is
//! told, never whether the alarm goes on. `told` is what the receivers have heard last; they are told again exactly
//! when that is no longer how the alarm stands. So the end of a snooze or a maintenance window tells what still
//! fires, and nothing of what came and went meanwhile.

use nearhand_proto::alarm::{AlarmEvent, AlarmMeasurement, AlarmTransition, Severity};
use nearhand_proto::id::{DeviceId, Fingerprint};
use nearhand_proto::message::alarms::{
    AlarmAcknowledgement, AlarmAction, AlarmActor, AlarmChange, AlarmEntry, AlarmState,
};
use nearhand_proto::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::AlarmLogEntry;
use super::damping::{AlarmDamping, DampingLimit};

/// How an alarm stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AlarmProjection {
    /// Fingerprint of device, rule and instance.
    pub id: Fingerprint,
    /// On which device; zeros for the relay's own.
    pub device: DeviceId,
    /// The rule that raised it.
    pub rule: String,
    /// Of what. Hostile text.
    pub instance: String,
    /// How it stands.
    pub state: AlarmState,
    /// How bad it is; over: how bad it was last.
    pub severity: Severity,
    /// One sentence. Hostile text.
    pub summary: String,
    /// What was measured last.
    pub value: Option<AlarmMeasurement>,
    /// Its rule's runbook.
    pub runbook: Option<String>,
    /// Its rule's article.
    pub article: Option<String>,
    /// How often it was raised.
    pub count: u64,
    /// When it was raised this time, by the relay's clock.
    pub opened: UnixMillis,
    /// When it was observed last, by the device's clock.
    pub observed: UnixMillis,
    /// When it changed last, by the relay's clock.
    pub changed: UnixMillis,
    /// When it ended.
    pub cleared: Option<UnixMillis>,
    /// It comes and goes too often to be told.
    pub flapping: bool,
    /// Who takes care.
    pub acknowledged: Option<AlarmAcknowledgement>,
    /// Whose business it is.
    pub assigned: Option<AlarmActor>,
    /// Nobody is told before.
    pub snoozed: Option<UnixMillis>,
    /// The alarm that it is a consequence of.
    pub suppressed: Option<Fingerprint>,
    /// The maintenance window it is held in.
    pub held: Option<u64>,
    /// What the receivers have heard last of this time: `None` if nothing, or its end.
    pub told: Option<Severity>,
    /// The worst that they have heard of this time.
    pub told_worst: Option<Severity>,
    /// Whether it changes too often to be told.
    #[serde(default)]
    pub damping: AlarmDamping,
    /// The newest log entry that is in here.
    pub number: u64,
}

/// What somebody is told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// The alarm was raised.
    Raised,
    /// It became worse.
    Worsened,
    /// It became less bad.
    Eased,
    /// Somebody takes care.
    Acknowledged,
    /// Nobody does any more.
    Unacknowledged,
    /// Whether it goes on can't be told.
    SensorLost,
    /// It can again.
    SensorBack,
    /// It comes and goes; no more is said until that ends.
    Flapping,
    /// It is over.
    Resolved,
    /// A test that the operator asked for.
    Test,
}

impl NoticeKind {
    /// Its name in what is sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Worsened => "worsened",
            Self::Eased => "eased",
            Self::Acknowledged => "acknowledged",
            Self::Unacknowledged => "unacknowledged",
            Self::SensorLost => "sensor-lost",
            Self::SensorBack => "sensor-back",
            Self::Flapping => "flapping",
            Self::Resolved => "resolved",
            Self::Test => "test",
        }
    }
}

/// What one log entry did.
#[derive(Clone, PartialEq, Debug)]
pub struct AlarmStep {
    /// The alarm afterwards; `None` if there is still none.
    pub alarm: Option<AlarmProjection>,
    /// What has to be told, and the severity that was told before.
    pub notice: Option<(NoticeKind, Option<Severity>)>,
}

impl AlarmProjection {
    /// What `entry` makes of an alarm. An entry that is in it already changes nothing.
    pub fn step(before: Option<&Self>, entry: &AlarmLogEntry, limit: DampingLimit) -> AlarmStep {
        if before.is_some_and(|alarm| alarm.number >= entry.number) {
            return AlarmStep { alarm: before.cloned(), notice: None };
        }
        let Some(mut alarm) = changed(before.cloned(), entry) else {
            return AlarmStep { alarm: None, notice: None };
        };
        alarm.number = entry.number;
        let told_before = alarm.told;
        let notice = alarm.tell(before, entry, limit).map(|kind| (kind, told_before));
        AlarmStep { alarm: Some(alarm), notice }
    }

    /// Whether it still needs somebody.
    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// Whether nobody is told for now.
    pub fn is_quiet(&self) -> bool {
        self.snoozed.is_some() || self.suppressed.is_some() || self.held.is_some()
    }

    /// As people see it.
    pub fn entry(&self, device_name: String) -> AlarmEntry {
        AlarmEntry {
            id: self.id,
            number: self.number,
            device: self.device,
            device_name,
            rule: self.rule.clone(),
            instance: self.instance.clone(),
            state: self.state,
            severity: self.severity,
            summary: self.summary.clone(),
            value: self.value.clone(),
            count: self.count,
            opened: self.opened,
            changed: self.changed,
            cleared: self.cleared,
            flapping: self.flapping,
            acknowledged: self.acknowledged.clone(),
            assigned: self.assigned.clone(),
            snoozed_until: self.snoozed,
            suppressed_by: self.suppressed,
            held_by: self.held,
            runbook: self.runbook.clone(),
            article: self.article.clone(),
        }
    }

    /// Compares what the receivers have heard with how it stands, and takes note of what they will hear now.
    fn tell(
        &mut self,
        before: Option<&Self>,
        entry: &AlarmLogEntry,
        limit: DampingLimit,
    ) -> Option<NoticeKind> {
        let happened = is_event(entry);
        if happened {
            self.damping.happened(entry.at);
        }
        let damped = self.damping.hides(self.severity);
        let wanted = match (self.is_open(), self.is_quiet()) {
            // What they have heard last stays until it is steady: it comes and goes.
            _ if damped => self.told,
            (false, _) => None,
            (true, true) => self.told,
            (true, false) => Some(self.severity),
        };
        let told = core::mem::replace(&mut self.told, wanted);
        self.told_worst =
            if told.is_none() && wanted.is_some() { wanted } else { self.told_worst.max(wanted) };
        let kind = self.change_told(before, entry, told, wanted, damped)?;
        let was_quiet = self.damping.until().is_some();
        if happened && !self.damping.may_tell(self.severity, entry.at, limit) {
            // It goes on being told as open, as the last word until it is steady.
            self.told = wanted.or(told);
            // What is worse than all before is told as that: it is urgent, and ends what stood under the lower severity.
            return Some(if was_quiet && kind == NoticeKind::Worsened { kind } else { NoticeKind::Flapping });
        }
        if damped && self.is_open() {
            // What people did is told with the alarm as it stands.
            self.told = Some(self.severity);
            self.told_worst = self.told_worst.max(self.told);
        }
        Some(kind)
    }

    /// What kind of news it is that receivers have heard of `told` and should have heard of `wanted`.
    fn change_told(
        &self,
        before: Option<&Self>,
        entry: &AlarmLogEntry,
        told: Option<Severity>,
        wanted: Option<Severity>,
        damped: bool,
    ) -> Option<NoticeKind> {
        match (told, wanted) {
            (None, Some(_)) if self.flapping => Some(NoticeKind::Flapping),
            (None, Some(_)) => Some(NoticeKind::Raised),
            (Some(_), None) => Some(NoticeKind::Resolved),
            (Some(old), Some(new)) if new > old => Some(NoticeKind::Worsened),
            (Some(old), Some(new)) if new < old => Some(NoticeKind::Eased),
            // What an event says of an alarm that comes and goes is kept back; what people do is told.
            (Some(_), Some(_)) if self.is_open() && !self.is_quiet() && !(damped && is_event(entry)) => {
                self.aside(before?, &entry.what.what)
            }
            _ => None,
        }
    }

    /// What is told although state and severity are as before.
    fn aside(&self, before: &Self, what: &AlarmChange) -> Option<NoticeKind> {
        match what {
            AlarmChange::Act { act: AlarmAction::Acknowledge { .. }, .. } => Some(NoticeKind::Acknowledged),
            AlarmChange::Act { act: AlarmAction::Unacknowledge, .. } if before.acknowledged.is_some() => {
                Some(NoticeKind::Unacknowledged)
            }
            AlarmChange::Event(event) => match event.transition {
                AlarmTransition::SensorLost if before.state == AlarmState::Firing => {
                    Some(NoticeKind::SensorLost)
                }
                AlarmTransition::SensorBack if before.state == AlarmState::Unknown => {
                    Some(NoticeKind::SensorBack)
                }
                AlarmTransition::FlappingBegan if !before.flapping => Some(NoticeKind::Flapping),
                _ => None,
            },
            _ => None,
        }
    }
}

fn is_event(entry: &AlarmLogEntry) -> bool {
    matches!(entry.what.what, AlarmChange::Event(_))
}

/// The alarm with an entry in it, before anybody is told.
fn changed(before: Option<AlarmProjection>, entry: &AlarmLogEntry) -> Option<AlarmProjection> {
    match &entry.what.what {
        AlarmChange::Event(event) => with_event(before, event, entry),
        AlarmChange::Gap { .. } => before,
        other => {
            let mut alarm = before?;
            overlay(&mut alarm, other, entry.at);
            alarm.changed = entry.at;
            Some(alarm)
        }
    }
}

fn with_event(
    before: Option<AlarmProjection>,
    event: &AlarmEvent,
    entry: &AlarmLogEntry,
) -> Option<AlarmProjection> {
    let was_open = before.as_ref().is_some_and(AlarmProjection::is_open);
    if event.transition.ends() {
        return before.map(|alarm| if was_open { ended(alarm, event, entry) } else { alarm });
    }
    // Events before it were given up, or it was pruned: it goes on all the same.
    let mut alarm = match before {
        Some(alarm) if was_open => alarm,
        other => opened(other, event, entry)?,
    };
    if was_open && event.severity > alarm.severity {
        alarm.acknowledged = None;
    }
    alarm.severity = event.severity;
    alarm.summary.clone_from(&event.summary);
    alarm.value.clone_from(&event.value);
    alarm.runbook.clone_from(&event.runbook);
    alarm.article.clone_from(&event.article);
    alarm.observed = event.observed_at;
    alarm.changed = entry.at;
    alarm.held = entry.what.held;
    alarm.suppressed = entry.what.suppressed.or(alarm.suppressed);
    match event.transition {
        AlarmTransition::SensorLost => alarm.state = AlarmState::Unknown,
        AlarmTransition::FlappingBegan => alarm.flapping = true,
        AlarmTransition::FlappingEnded => alarm.flapping = false,
        _ => alarm.state = AlarmState::Firing,
    }
    Some(alarm)
}

/// Raised, for the first time or again.
fn opened(
    before: Option<AlarmProjection>,
    event: &AlarmEvent,
    entry: &AlarmLogEntry,
) -> Option<AlarmProjection> {
    let id = entry.alarm?;
    let (count, assigned, snoozed, damping, told) = before.map_or_else(
        || (0, None, None, AlarmDamping::default(), (None, None)),
        |alarm| {
            let told = (alarm.told, alarm.told_worst);
            (alarm.count, alarm.assigned, alarm.snoozed, alarm.damping, told)
        },
    );
    Some(AlarmProjection {
        id,
        device: entry.device,
        rule: event.rule.clone(),
        instance: event.instance.clone(),
        state: AlarmState::Firing,
        severity: event.severity,
        summary: String::new(),
        value: None,
        runbook: None,
        article: None,
        count: count.saturating_add(1),
        opened: entry.at,
        observed: event.observed_at,
        changed: entry.at,
        cleared: None,
        flapping: false,
        acknowledged: None,
        assigned,
        snoozed: snoozed.filter(|until| *until > entry.at),
        suppressed: None,
        held: None,
        // Still told where it comes and goes; else nothing.
        told: told.0,
        told_worst: told.0.and(told.1),
        damping,
        number: 0,
    })
}

fn ended(mut alarm: AlarmProjection, event: &AlarmEvent, entry: &AlarmLogEntry) -> AlarmProjection {
    alarm.state = match event.transition {
        AlarmTransition::Expired => AlarmState::Expired,
        _ => AlarmState::Resolved,
    };
    alarm.summary.clone_from(&event.summary);
    alarm.value.clone_from(&event.value);
    alarm.observed = event.observed_at;
    alarm.changed = entry.at;
    alarm.cleared = Some(entry.at);
    alarm.flapping = false;
    alarm.suppressed = None;
    alarm.held = None;
    alarm
}

fn overlay(alarm: &mut AlarmProjection, what: &AlarmChange, at: UnixMillis) {
    match what {
        AlarmChange::Act { by, act } => match act {
            AlarmAction::Acknowledge { comment } if alarm.is_open() => {
                alarm.acknowledged =
                    Some(AlarmAcknowledgement { by: by.clone(), at, comment: comment.clone() });
            }
            AlarmAction::Unacknowledge => alarm.acknowledged = None,
            AlarmAction::Assign(to) => alarm.assigned = Some(to.clone()),
            AlarmAction::Unassign => alarm.assigned = None,
            AlarmAction::Snooze { until } => alarm.snoozed = Some(*until),
            AlarmAction::Unsnooze => alarm.snoozed = None,
            AlarmAction::Acknowledge { .. } | AlarmAction::Comment(_) => {}
        },
        AlarmChange::Suppressed { by } if alarm.is_open() => alarm.suppressed = Some(*by),
        AlarmChange::Released => alarm.suppressed = None,
        AlarmChange::SnoozeEnded => alarm.snoozed = None,
        AlarmChange::Steady => alarm.damping.steady(at),
        AlarmChange::DeviceSilent if alarm.state == AlarmState::Firing => alarm.state = AlarmState::Unknown,
        AlarmChange::DeviceBack if alarm.state == AlarmState::Unknown => alarm.state = AlarmState::Firing,
        AlarmChange::WindowEnded { window } if alarm.held == Some(*window) => alarm.held = None,
        _ => {}
    }
}
