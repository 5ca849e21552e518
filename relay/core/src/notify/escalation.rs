//! When somebody further up is told: of what fires for a while and nobody takes care of. Pure.
//!
//! A receiver with a delay hears nothing of an alarm until it has stood unattended for that long; from then on it
//! hears everything of it until it is over. What was attended to in time it never hears of.

use std::time::Duration;

use nearhand_proto::message::alarms::AlarmState;
use nearhand_proto::time::UnixMillis;

use crate::alarm::{AlarmNotice, AlarmProjection, NoticeKind};

/// What to do with a notice that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EscalationStep {
    /// Deliver it now.
    Tell,
    /// It is too early.
    Wait(UnixMillis),
    /// Nobody there needs to hear it.
    Pass,
}

/// `told`: the receiver has heard of this alarm since it began; `alarm`: how it stands now, if it is still known.
pub fn step(
    notice: &AlarmNotice,
    told: bool,
    alarm: Option<&AlarmProjection>,
    delay: Duration,
    now: UnixMillis,
) -> EscalationStep {
    if told {
        return EscalationStep::Tell;
    }
    let Some(alarm) = alarm else { return EscalationStep::Pass };
    let unattended = alarm.state == AlarmState::Firing
        && alarm.acknowledged.is_none()
        && alarm.snoozed.is_none()
        && alarm.held.is_none()
        && alarm.suppressed.is_none();
    if !unattended
        || matches!(notice.kind, NoticeKind::Resolved | NoticeKind::Acknowledged | NoticeKind::SensorLost)
    {
        return EscalationStep::Pass;
    }
    let due = notice.at.after(delay);
    if now < due { EscalationStep::Wait(due) } else { EscalationStep::Tell }
}

#[cfg(test)]
mod tests {
    use nearhand_proto::message::alarms::{AlarmAcknowledgement, AlarmActor};

    use super::*;
    use crate::alarm::sample_notice as notice;

    #[test]
    fn what_stands_unattended_is_told_after_its_time_and_everything_after_that() {
        let notice = notice();
        let delay = Duration::from_secs(900);
        let alarm = AlarmProjection { state: AlarmState::Firing, acknowledged: None, ..notice.alarm.clone() };
        let at = |ms: u64| UnixMillis(notice.at.0 + ms);
        let decide = |alarm: Option<&AlarmProjection>, told, now| step(&notice, told, alarm, delay, now);
        assert_eq!(decide(Some(&alarm), false, at(0)), EscalationStep::Wait(at(900_000)));
        assert_eq!(decide(Some(&alarm), false, at(900_000)), EscalationStep::Tell);
        let by = AlarmActor { id: None, name: "eve".into() };
        let seen = AlarmAcknowledgement { by, at: at(5), comment: String::new() };
        for attended in [
            AlarmProjection { acknowledged: Some(seen), ..alarm.clone() },
            AlarmProjection { state: AlarmState::Resolved, ..alarm.clone() },
            AlarmProjection { snoozed: Some(at(1)), ..alarm.clone() },
            AlarmProjection { held: Some(1), ..alarm.clone() },
            AlarmProjection { suppressed: Some(alarm.id), ..alarm.clone() },
        ] {
            assert_eq!(decide(Some(&attended), false, at(900_000)), EscalationStep::Pass);
            assert_eq!(
                decide(Some(&attended), true, at(0)),
                EscalationStep::Tell,
                "who heard of it hears the rest"
            );
        }
        assert_eq!(decide(None, false, at(900_000)), EscalationStep::Pass);
        let over = AlarmNotice { kind: NoticeKind::Resolved, ..notice.clone() };
        assert_eq!(
            step(&over, false, Some(&alarm), delay, at(900_000)),
            EscalationStep::Pass,
            "it came again since"
        );
    }
}
