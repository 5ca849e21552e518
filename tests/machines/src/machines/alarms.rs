//! An alarm at the relay, from any log: what receivers hear begins, goes on and ends, once each.

use nearhand_proto::alarm::{AlarmEvent, AlarmTransition, Severity};
use nearhand_proto::id::{DeviceId, Fingerprint, StreamId};
use nearhand_proto::message::alarms::{AlarmAction, AlarmActor, AlarmChange};
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::alarm::damping::DampingLimit;
use nearhand_relay_core::alarm::{AlarmLogEntry, AlarmProjection, LoggedHappening, NoticeKind};

use super::InputDraw;

const DEVICE: DeviceId = DeviceId::from_bytes([1; 16]);

fn event(draw: &mut InputDraw<'_>) -> AlarmChange {
    const TRANSITIONS: [AlarmTransition; 9] = [
        AlarmTransition::Raised,
        AlarmTransition::Worsened,
        AlarmTransition::Eased,
        AlarmTransition::Cleared,
        AlarmTransition::Expired,
        AlarmTransition::SensorLost,
        AlarmTransition::SensorBack,
        AlarmTransition::FlappingBegan,
        AlarmTransition::FlappingEnded,
    ];
    const SEVERITIES: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Critical];
    AlarmChange::Event(AlarmEvent {
        rule: "disk-space".to_owned(),
        rule_version: 1,
        instance: "/".to_owned(),
        transition: TRANSITIONS[draw.below(TRANSITIONS.len())],
        severity: SEVERITIES[draw.below(SEVERITIES.len())],
        value: None,
        summary: "full".to_owned(),
        observed_at: UnixMillis(u64::from(draw.number())),
        clock_ahead_ms: None,
        runbook: None,
        article: None,
    })
}

fn happening(draw: &mut InputDraw<'_>) -> AlarmChange {
    let act = |act| AlarmChange::Act { by: AlarmActor { id: None, name: "Ada".to_owned() }, act };
    match draw.byte() % 15 {
        0..=4 => event(draw),
        5 => act(AlarmAction::Acknowledge { comment: "on it".to_owned() }),
        6 => act(AlarmAction::Unacknowledge),
        7 => act(AlarmAction::Snooze { until: UnixMillis(u64::from(draw.number()) * 1000) }),
        8 => AlarmChange::Suppressed { by: Fingerprint::of(DEVICE, "offline", "") },
        9 => AlarmChange::Released,
        10 => AlarmChange::SnoozeEnded,
        11 => AlarmChange::WindowEnded { window: u64::from(draw.byte() % 3) },
        12 => AlarmChange::DeviceSilent,
        13 => AlarmChange::Steady,
        _ => AlarmChange::DeviceBack,
    }
}

pub(super) fn run(input: &[u8]) {
    let mut draw = InputDraw::new(input);
    let mut log: Vec<AlarmLogEntry> = Vec::new();
    let mut alarm: Option<AlarmProjection> = None;
    // What a receiver believes.
    let mut believed = false;
    while draw.operation(1).is_some() {
        let number = u64::try_from(log.len()).unwrap_or(0) + 1;
        let what = happening(&mut draw);
        let held = Some(u64::from(draw.byte())).filter(|window| *window < 3);
        let entry = AlarmLogEntry {
            number,
            stream: StreamId::from_bytes([9; 16]),
            seq: number,
            device: DEVICE,
            alarm: Some(Fingerprint::of(DEVICE, "disk-space", "/")),
            at: UnixMillis(number * 1000),
            what: LoggedHappening { what, held, suppressed: None },
        };
        let step = AlarmProjection::step(alarm.as_ref(), &entry, DampingLimit::default());
        if let Some((kind, before)) = step.notice {
            assert_eq!(before.is_some(), believed, "{kind:?}: what was told before is not what was told");
            match kind {
                NoticeKind::Raised => assert!(!believed, "raised twice"),
                NoticeKind::Resolved => assert!(believed, "over before it began"),
                _ => {}
            }
        }
        let told = step.alarm.as_ref().is_some_and(|alarm| alarm.told.is_some());
        if told != believed {
            let kind = step.notice.map(|(kind, _)| kind);
            assert!(kind.is_some(), "receivers believe something else, and nobody told them");
        }
        believed = told;
        // Taken again, it changes nothing.
        if let Some(after) = &step.alarm {
            let again = AlarmProjection::step(Some(after), &entry, DampingLimit::default());
            assert!(again.notice.is_none() && again.alarm.as_ref() == Some(after), "one entry counted twice");
        }
        alarm = step.alarm;
        log.push(entry);
    }
    // Made again from its log alone, it is the same.
    let again = log.iter().fold(None, |alarm: Option<AlarmProjection>, entry| {
        AlarmProjection::step(alarm.as_ref(), entry, DampingLimit::default()).alarm
    });
    assert_eq!(again, alarm);
}
