//! Alarms as people see them: what the relay keeps of one, what happened to it, and what may be done about it.
//!
//! Part of the control plane ([`super::control`]). What a device says of alarms is [`crate::alarm`].

use serde::{Deserialize, Serialize};

use crate::alarm::{AlarmEvent, DeviceReport, MAX_RULE, MeasuredValue, Severity, is_rule_name};
use crate::id::{DeviceId, Fingerprint, TechnicianId};
use crate::time::UnixMillis;

/// Longest comment or reason, in bytes.
pub const MAX_COMMENT: usize = 1000;
/// Longest snooze and longest maintenance window, in milliseconds: 31 days.
pub const MAX_QUIET_MS: u64 = 31 * 86_400_000;
/// Longest wait for news that can be asked for, in milliseconds: shorter than any request may take.
pub const MAX_FOLLOW_MS: u32 = 10_000;

/// How an alarm stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlarmState {
    /// It goes on.
    Firing,
    /// It fired when last heard of; what it is measured by is silent.
    Unknown,
    /// It is over.
    Resolved,
    /// Its rule is gone.
    Expired,
}

impl AlarmState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Firing, Self::Unknown, Self::Resolved, Self::Expired];

    /// Its name in files, commands and what is sent to receivers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Unknown => "unknown",
            Self::Resolved => "resolved",
            Self::Expired => "expired",
        }
    }

    /// Whether it still needs somebody.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Firing | Self::Unknown)
    }
}

/// Somebody, as the relay knows them. Hostile text: shown only through [`crate::text`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AlarmActor {
    /// Their id; `None`: it is no person, but a program or a team.
    pub id: Option<TechnicianId>,
    /// Their name, or its.
    pub name: String,
}

/// Somebody has seen it and takes care.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AlarmAcknowledgement {
    /// Who.
    pub by: AlarmActor,
    /// When.
    pub at: UnixMillis,
    /// What they said.
    pub comment: String,
}

/// An alarm.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AlarmEntry {
    /// Which.
    pub id: Fingerprint,
    /// The number of the newest thing that happened to it.
    pub number: u64,
    /// On which device; zeros for what concerns the relay or several devices.
    pub device: DeviceId,
    /// The device's label.
    pub device_name: String,
    /// Its rule.
    pub rule: String,
    /// Of what.
    pub instance: String,
    /// How it stands.
    pub state: AlarmState,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence. Hostile text.
    pub summary: String,
    /// What was measured last.
    pub value: Option<MeasuredValue>,
    /// How often it has been raised.
    pub count: u64,
    /// When it was raised this time, by the relay's clock.
    pub opened: UnixMillis,
    /// When it changed last, by the relay's clock.
    pub changed: UnixMillis,
    /// When it ended.
    pub cleared: Option<UnixMillis>,
    /// It comes and goes so often that only this is said.
    pub flapping: bool,
    /// Who has acknowledged it.
    pub acknowledged: Option<AlarmAcknowledgement>,
    /// Whose business it is.
    pub assigned: Option<AlarmActor>,
    /// Nobody is told before.
    pub snoozed_until: Option<UnixMillis>,
    /// It is a consequence of that alarm; nobody is told.
    pub suppressed_by: Option<Fingerprint>,
    /// The maintenance window in which nobody is told.
    pub held_by: Option<u64>,
    /// Its runbook.
    pub runbook: Option<String>,
    /// Its article.
    pub article: Option<String>,
}

/// Which alarms are asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AlarmFilter {
    /// Those that are over, too.
    pub closed_too: bool,
    /// Only of this device.
    pub device: Option<DeviceId>,
    /// Only as bad as this or worse.
    pub at_least: Option<Severity>,
}

/// What a person does about an alarm.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmAction {
    /// Has seen it and takes care. Lapses when the alarm worsens or comes back.
    Acknowledge {
        /// At most [`MAX_COMMENT`].
        comment: String,
    },
    /// Takes that back.
    Unacknowledge,
    /// Makes it somebody's business.
    Assign(AlarmActor),
    /// Makes it nobody's.
    Unassign,
    /// Nobody is told for a while; at the end only if it still fires.
    Snooze {
        /// Until when; at most [`MAX_QUIET_MS`] from now.
        until: UnixMillis,
    },
    /// Ends a snooze.
    Unsnooze,
    /// Writes something down.
    Comment(String),
}

impl AlarmAction {
    /// Its name in logs and what is sent to receivers.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Acknowledge { .. } => "acknowledge",
            Self::Unacknowledge => "unacknowledge",
            Self::Assign(_) => "assign",
            Self::Unassign => "unassign",
            Self::Snooze { .. } => "snooze",
            Self::Unsnooze => "unsnooze",
            Self::Comment(_) => "comment",
        }
    }

    /// Whether it is within its limits; else what isn't, in words.
    pub fn check(&self, now: UnixMillis) -> Result<(), &'static str> {
        match self {
            Self::Acknowledge { comment } | Self::Comment(comment) if comment.len() > MAX_COMMENT => {
                Err("a comment has at most 1000 bytes")
            }
            Self::Comment(comment) if comment.trim().is_empty() => Err("the comment is empty"),
            Self::Assign(actor) if actor.name.len() > MAX_COMMENT => Err("that name is too long"),
            Self::Snooze { until } => quiet_span(now, now, *until),
            _ => Ok(()),
        }
    }
}

/// A time in which nobody is told of alarms. Rules go on being evaluated.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewMaintenanceWindow {
    /// Of one device; `None`: of all.
    pub device: Option<DeviceId>,
    /// Of one rule; `None`: of all.
    pub rule: Option<String>,
    /// From when.
    pub begins: UnixMillis,
    /// Until when; at most [`MAX_QUIET_MS`] after it begins.
    pub ends: UnixMillis,
    /// Why, at most [`MAX_COMMENT`].
    pub reason: String,
}

impl NewMaintenanceWindow {
    /// Whether it is within its limits; else what isn't, in words.
    pub fn check(&self, now: UnixMillis) -> Result<(), &'static str> {
        if self.rule.as_ref().is_some_and(|rule| rule.len() > MAX_RULE || !is_rule_name(rule)) {
            return Err("there can be no such rule");
        }
        if self.reason.len() > MAX_COMMENT {
            return Err("a reason has at most 1000 bytes");
        }
        quiet_span(now, self.begins, self.ends)
    }
}

fn quiet_span(now: UnixMillis, begins: UnixMillis, ends: UnixMillis) -> Result<(), &'static str> {
    if ends <= now || ends <= begins {
        return Err("its end is not in the future");
    }
    if ends.0.saturating_sub(begins.0.max(now.0)) > MAX_QUIET_MS {
        return Err("it lasts longer than 31 days");
    }
    if begins.0.saturating_sub(now.0) > 12 * MAX_QUIET_MS {
        return Err("it begins more than a year from now");
    }
    Ok(())
}

/// A maintenance window.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MaintenanceWindow {
    /// Its number.
    pub number: u64,
    /// When and for what.
    pub what: NewMaintenanceWindow,
    /// Who made it.
    pub by: AlarmActor,
    /// It was ended before its time.
    pub closed: Option<UnixMillis>,
}

/// What can happen to an alarm at the relay.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmChange {
    /// A rule found something: a device's, or the relay's own.
    Event(AlarmEvent),
    /// A device gave up events for want of room.
    Gap {
        /// How many.
        lost: u64,
        /// When the first of them was observed.
        from: UnixMillis,
        /// When the last of them was observed.
        to: UnixMillis,
    },
    /// Somebody did something.
    Act {
        /// Who.
        by: AlarmActor,
        /// What.
        act: AlarmAction,
    },
    /// It is a consequence of another alarm.
    Suppressed {
        /// Of which.
        by: Fingerprint,
    },
    /// It isn't any more.
    Released,
    /// A snooze ran out.
    SnoozeEnded,
    /// A maintenance window ended.
    WindowEnded {
        /// Which.
        window: u64,
    },
    /// Its device can't be reached, so whether it goes on can't be told.
    DeviceSilent,
    /// Its device is back.
    DeviceBack,
    /// Its device found out or did something because of it.
    Report(DeviceReport),
}

/// A line of an alarm's history.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AlarmHistoryEntry {
    /// Its number, among all that happened to all alarms.
    pub number: u64,
    /// When the relay took it.
    pub at: UnixMillis,
    /// What happened.
    pub what: AlarmChange,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn quiet_times_end_and_texts_are_bounded() {
        let until = |ms| AlarmAction::Snooze { until: UnixMillis(ms) };
        assert_eq!(until(NOW.0 + 1).check(NOW), Ok(()));
        assert!(until(NOW.0).check(NOW).is_err());
        assert_eq!(until(NOW.0 + MAX_QUIET_MS).check(NOW), Ok(()));
        assert!(until(NOW.0 + MAX_QUIET_MS + 1).check(NOW).is_err());
        assert!(AlarmAction::Comment(" ".into()).check(NOW).is_err());
        assert!(AlarmAction::Acknowledge { comment: "x".repeat(MAX_COMMENT + 1) }.check(NOW).is_err());
        let window = |begins, ends| NewMaintenanceWindow {
            device: None,
            rule: None,
            begins: UnixMillis(begins),
            ends: UnixMillis(ends),
            reason: String::new(),
        };
        assert_eq!(window(0, NOW.0 + 5).check(NOW), Ok(()));
        assert!(window(NOW.0 + 5, NOW.0 + 5).check(NOW).is_err());
        assert!(window(0, NOW.0 - 1).check(NOW).is_err());
        assert!(window(NOW.0, u64::MAX).check(NOW).is_err());
        assert!(window(u64::MAX - 1, u64::MAX).check(NOW).is_err());
        let odd = NewMaintenanceWindow { rule: Some("Disk".into()), ..window(0, NOW.0 + 5) };
        assert!(odd.check(NOW).is_err());
    }
}
