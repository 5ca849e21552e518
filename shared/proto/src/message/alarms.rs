//! Alarms as people see them: what the relay keeps of one, what happened to it, and what may be done about it.
//!
//! Part of the control plane ([`super::control`]). What a device says of alarms is [`crate::alarm`].

use serde::{Deserialize, Serialize};

use crate::alarm::{AlarmEvent, AlarmMeasurement, DeviceReport, MAX_RULE, Severity, is_rule_name};
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
    /// The person or program that did it.
    pub by: AlarmActor,
    /// Time of the entry.
    pub at: UnixMillis,
    /// What they said.
    pub comment: String,
}

/// An alarm as the relay keeps it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AlarmEntry {
    /// Its fingerprint: device, rule and instance.
    pub id: Fingerprint,
    /// The number of the newest thing that happened to it.
    pub number: u64,
    /// On which device; zeros for what concerns the relay or several devices.
    pub device: DeviceId,
    /// The device's label.
    pub device_name: String,
    /// The rule's name.
    pub rule: String,
    /// The instance: a mount point, a service; empty where the rule has only one.
    pub instance: String,
    /// How it stands.
    pub state: AlarmState,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence. Hostile text.
    pub summary: String,
    /// What was measured last.
    pub value: Option<AlarmMeasurement>,
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
    /// The runbook that the rule names.
    pub runbook: Option<String>,
    /// The article that the rule names.
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

/// What is outside its limits in a request about alarms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AlarmLimitError {
    /// The comment is over [`MAX_COMMENT`].
    #[error("a comment has at most {MAX_COMMENT} bytes")]
    LongComment,
    /// A comment without text.
    #[error("the comment is empty")]
    EmptyComment,
    /// The name of the person or team is over [`MAX_COMMENT`].
    #[error("that name is too long")]
    LongName,
    /// The name of the rule is none.
    #[error("there can be no such rule")]
    NoSuchRule,
    /// The reason is over [`MAX_COMMENT`].
    #[error("a reason has at most {MAX_COMMENT} bytes")]
    LongReason,
    /// It would be over already.
    #[error("its end is not in the future")]
    EndsInThePast,
    /// It would last longer than [`MAX_QUIET_MS`].
    #[error("it lasts longer than 31 days")]
    TooLong,
    /// More than a year ahead.
    #[error("it begins more than a year from now")]
    TooFarAhead,
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

    /// Checks that it is within its limits.
    ///
    /// # Errors
    /// [`AlarmLimitError::LongComment`], [`AlarmLimitError::EmptyComment`] or [`AlarmLimitError::LongName`] for a text;
    /// [`AlarmLimitError::EndsInThePast`] or [`AlarmLimitError::TooLong`] for the end of a snooze.
    pub fn check(&self, now: UnixMillis) -> Result<(), AlarmLimitError> {
        match self {
            Self::Acknowledge { comment } | Self::Comment(comment) if comment.len() > MAX_COMMENT => {
                Err(AlarmLimitError::LongComment)
            }
            Self::Comment(comment) if comment.trim().is_empty() => Err(AlarmLimitError::EmptyComment),
            Self::Assign(actor) if actor.name.len() > MAX_COMMENT => Err(AlarmLimitError::LongName),
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
    /// Time of its beginning.
    pub begins: UnixMillis,
    /// Until when; at most [`MAX_QUIET_MS`] after it begins.
    pub ends: UnixMillis,
    /// Why, at most [`MAX_COMMENT`].
    pub reason: String,
}

impl NewMaintenanceWindow {
    /// Checks that it is within its limits.
    ///
    /// # Errors
    /// [`AlarmLimitError::NoSuchRule`] or [`AlarmLimitError::LongReason`] for a text;
    /// [`AlarmLimitError::EndsInThePast`], [`AlarmLimitError::TooLong`] or [`AlarmLimitError::TooFarAhead`] for its
    /// times.
    pub fn check(&self, now: UnixMillis) -> Result<(), AlarmLimitError> {
        if self.rule.as_ref().is_some_and(|rule| rule.len() > MAX_RULE || !is_rule_name(rule)) {
            return Err(AlarmLimitError::NoSuchRule);
        }
        if self.reason.len() > MAX_COMMENT {
            return Err(AlarmLimitError::LongReason);
        }
        quiet_span(now, self.begins, self.ends)
    }
}

fn quiet_span(now: UnixMillis, begins: UnixMillis, ends: UnixMillis) -> Result<(), AlarmLimitError> {
    if ends <= now || ends <= begins {
        return Err(AlarmLimitError::EndsInThePast);
    }
    if ends.0.saturating_sub(begins.0.max(now.0)) > MAX_QUIET_MS {
        return Err(AlarmLimitError::TooLong);
    }
    if begins.0.saturating_sub(now.0) > 12 * MAX_QUIET_MS {
        return Err(AlarmLimitError::TooFarAhead);
    }
    Ok(())
}

/// A maintenance window.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MaintenanceWindow {
    /// Its number at the relay.
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
    /// A device dropped events because its spool was full.
    Gap {
        /// Number of lost events.
        lost: u64,
        /// When the first of them was observed.
        from: UnixMillis,
        /// When the last of them was observed.
        to: UnixMillis,
    },
    /// Somebody did something.
    Act {
        /// The person or program that did it.
        by: AlarmActor,
        /// What the actor did.
        act: AlarmAction,
    },
    /// It is a consequence of another alarm.
    Suppressed {
        /// Fingerprint of that alarm.
        by: Fingerprint,
    },
    /// It isn't any more.
    Released,
    /// A snooze ran out.
    SnoozeEnded,
    /// A maintenance window ended.
    WindowEnded {
        /// Number of the maintenance window.
        window: u64,
    },
    /// Its device can't be reached, so whether it goes on can't be told.
    DeviceSilent,
    /// Its device is back.
    DeviceBack,
    /// Its device found out or did something because of it.
    Report(DeviceReport),
    /// It came and went too often to be told of, and has been steady for a while.
    Steady,
}

/// A line of an alarm's history.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AlarmHistoryEntry {
    /// Its number, among all that happened to all alarms.
    pub number: u64,
    /// When the relay took it.
    pub at: UnixMillis,
    /// What happened to the alarm.
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
