//! The projection: tables of what happens and what is told, and properties of every history.

use nearhand_proto::alarm::{AlarmEvent, AlarmTransition, Severity};
use nearhand_proto::id::{DeviceId, Fingerprint, StreamId};
use nearhand_proto::message::alarms::{AlarmAction, AlarmActor, AlarmChange, AlarmState};
use nearhand_proto::time::UnixMillis;
use proptest::prelude::*;

use super::damping::{DampingLimit, STEADY};
use super::{AlarmLogEntry, AlarmProjection, LoggedHappening, NoticeKind};

const DEVICE: DeviceId = DeviceId::from_bytes([1; 16]);

fn event(transition: AlarmTransition, severity: Severity) -> AlarmChange {
    AlarmChange::Event(AlarmEvent {
        rule: "disk-space".into(),
        rule_version: 1,
        instance: "/".into(),
        transition,
        severity,
        value: None,
        summary: format!("{transition} {severity}"),
        observed_at: UnixMillis(1),
        clock_ahead_ms: None,
        runbook: None,
        article: None,
    })
}

fn act(act: AlarmAction) -> AlarmChange {
    AlarmChange::Act { by: AlarmActor { id: None, name: "Ada".into() }, act }
}

fn ack() -> AlarmChange {
    act(AlarmAction::Acknowledge { comment: "on it".into() })
}

fn entry(number: u64, what: AlarmChange, held: Option<u64>) -> AlarmLogEntry {
    AlarmLogEntry {
        number,
        stream: StreamId::from_bytes([9; 16]),
        seq: number,
        device: DEVICE,
        alarm: Some(Fingerprint::of(DEVICE, "disk-space", "/")),
        at: UnixMillis(number * 1000),
        what: LoggedHappening { what, held, suppressed: None },
    }
}

/// What is told of a history, and how the alarm stands after it.
fn run(history: Vec<AlarmChange>) -> (Vec<&'static str>, Option<AlarmProjection>) {
    run_held(history.into_iter().map(|what| (what, None)).collect())
}

fn run_held(history: Vec<(AlarmChange, Option<u64>)>) -> (Vec<&'static str>, Option<AlarmProjection>) {
    let mut alarm = None;
    let mut told = Vec::new();
    for (number, (what, held)) in (1..).zip(history) {
        let step = AlarmProjection::step(alarm.as_ref(), &entry(number, what, held), DampingLimit::default());
        told.extend(step.notice.map(|(kind, _)| kind.name()));
        alarm = step.alarm;
    }
    (told, alarm)
}

use AlarmTransition::{
    Cleared, Eased, Expired, FlappingBegan, FlappingEnded, Raised, SensorBack, SensorLost, Worsened,
};
use Severity::{Critical, Error, Warning};

#[test]
fn raise_worsen_acknowledge_ease_resolve_are_told_once_each() {
    let (told, alarm) = run(vec![
        event(Raised, Warning),
        event(Raised, Warning),
        event(Worsened, Critical),
        ack(),
        act(AlarmAction::Comment("a part is ordered".into())),
        event(Eased, Error),
        event(Cleared, Error),
        event(Cleared, Error),
    ]);
    assert_eq!(told, ["raised", "worsened", "acknowledged", "eased", "resolved"]);
    let alarm = alarm.unwrap();
    assert_eq!((alarm.state, alarm.count, alarm.told), (AlarmState::Resolved, 1, None));
    assert_eq!((alarm.opened, alarm.cleared), (UnixMillis(1000), Some(UnixMillis(7000))));
    assert_eq!(alarm.told_worst, Some(Critical), "who hears only of the worst hears of the end");
}

#[test]
fn an_acknowledgement_lapses_when_it_worsens_or_comes_back() {
    let acknowledged = |history| run(history).1.unwrap().acknowledged.is_some();
    assert!(acknowledged(vec![event(Raised, Warning), ack()]));
    assert!(acknowledged(vec![event(Raised, Error), ack(), event(Eased, Warning)]));
    assert!(!acknowledged(vec![event(Raised, Warning), ack(), event(Worsened, Error)]));
    let back = vec![event(Raised, Warning), ack(), event(Cleared, Warning), event(Raised, Warning)];
    assert!(!acknowledged(back.clone()));
    let (told, alarm) = run(back);
    assert_eq!(told, ["raised", "acknowledged", "resolved", "raised"]);
    assert_eq!(alarm.unwrap().count, 2);
    assert!(!acknowledged(vec![event(Raised, Warning), event(Cleared, Warning), ack()]), "it is over");
}

#[test]
fn an_end_of_what_never_began_is_nothing_and_a_beginning_that_was_lost_is_made_up_for() {
    assert_eq!(run(vec![event(Cleared, Warning), event(Expired, Warning), ack()]), (vec![], None));
    assert_eq!(run(vec![event(Worsened, Critical)]).0, ["raised"]);
}

#[test]
fn a_silent_sensor_neither_fires_nor_resolves() {
    let (told, alarm) = run(vec![event(Raised, Warning), event(SensorLost, Warning)]);
    assert_eq!(told, ["raised", "sensor-lost"]);
    assert_eq!(alarm.unwrap().state, AlarmState::Unknown);
    let (told, alarm) =
        run(vec![event(Raised, Warning), event(SensorLost, Warning), event(SensorBack, Warning)]);
    assert_eq!(told, ["raised", "sensor-lost", "sensor-back"]);
    assert_eq!(alarm.unwrap().state, AlarmState::Firing);
    assert_eq!(
        run(vec![event(Raised, Warning), event(Expired, Warning)]).1.unwrap().state,
        AlarmState::Expired
    );
}

#[test]
fn flapping_is_told_once_and_its_end_tells_how_it_stands() {
    let began = vec![event(Raised, Warning), event(FlappingBegan, Warning), event(FlappingBegan, Warning)];
    assert_eq!(run(began.clone()).0, ["raised", "flapping"]);
    let ended = [began, vec![event(FlappingEnded, Warning), event(Cleared, Warning)]].concat();
    let (told, alarm) = run(ended);
    assert_eq!(told, ["raised", "flapping", "resolved"]);
    assert!(!alarm.unwrap().flapping);
}

/// A device that says "raised" and "cleared" again and again, `every` milliseconds, and what receivers hear of it.
fn comes_and_goes(changes: u64, every: u64) -> (Vec<NoticeKind>, AlarmProjection, UnixMillis) {
    let (mut alarm, mut told, mut at) = (None, Vec::new(), UnixMillis(5_000_000));
    for number in 1..=changes {
        let transition = if number % 2 == 1 { Raised } else { Cleared };
        at = UnixMillis(at.0 + every);
        let step = AlarmProjection::step(
            alarm.as_ref(),
            &AlarmLogEntry { at, ..entry(number, event(transition, Warning), None) },
            DampingLimit::default(),
        );
        told.extend(step.notice.map(|(kind, _)| kind));
        alarm = step.alarm;
    }
    (told, alarm.unwrap(), at)
}

#[test]
fn what_comes_and_goes_too_often_is_told_as_flapping_once_and_then_how_it_stands() {
    let (told, alarm, at) = comes_and_goes(2_000, 1_000);
    assert_eq!(told.len(), 9, "{told:?}");
    assert_eq!(told.last(), Some(&NoticeKind::Flapping));
    assert!(!alarm.is_open() && alarm.told == Some(Warning), "as far as receivers know, it goes on");
    let after = |number, what, at| AlarmLogEntry { at, ..entry(number, what, None) };
    // Too early, it is not steady.
    let early =
        AlarmProjection::step(Some(&alarm), &after(2_001, AlarmChange::Steady, at), DampingLimit::default());
    assert_eq!(early.notice, None);
    let until = alarm.damping.until().unwrap();
    assert_eq!(until.0 - at.0, STEADY);
    let steady = AlarmProjection::step(
        Some(&alarm),
        &after(2_001, AlarmChange::Steady, until),
        DampingLimit::default(),
    );
    assert_eq!(steady.notice, Some((NoticeKind::Resolved, Some(Warning))), "its end is told");
    let again = AlarmProjection::step(
        steady.alarm.as_ref(),
        &after(2_002, event(Raised, Warning), until),
        DampingLimit::default(),
    );
    assert_eq!(
        again.notice.map(|(kind, _)| kind),
        Some(NoticeKind::Raised),
        "and then it is an alarm like any other"
    );
}

#[test]
fn what_becomes_critical_is_told_however_often_it_came_and_went_before() {
    let (_, alarm, at) = comes_and_goes(101, 1_000);
    let worse = AlarmLogEntry { at, ..entry(102, event(Worsened, Critical), None) };
    let step = AlarmProjection::step(Some(&alarm), &worse, DampingLimit::default());
    let alarm = step.alarm.unwrap();
    assert!(matches!(step.notice, Some((NoticeKind::Worsened, _))), "{:?}", step.notice);
    assert_eq!(alarm.told, Some(Critical));
}

#[test]
fn a_change_now_and_then_is_always_told() {
    assert_eq!(comes_and_goes(200, 2 * 60_000).0.len(), 200);
}

#[test]
fn what_is_quiet_is_told_at_the_end_only_if_it_still_fires() {
    let until = UnixMillis(1_000_000);
    let snoozed = |rest: Vec<AlarmChange>| {
        run([vec![event(Raised, Warning), act(AlarmAction::Snooze { until })], rest].concat()).0
    };
    assert_eq!(snoozed(vec![event(Worsened, Critical), AlarmChange::SnoozeEnded]), ["raised", "worsened"]);
    assert_eq!(
        snoozed(vec![event(Worsened, Critical), event(Eased, Warning), AlarmChange::SnoozeEnded]),
        ["raised"]
    );
    assert_eq!(
        snoozed(vec![event(Cleared, Warning)]),
        ["raised", "resolved"],
        "who heard of it hears of its end"
    );
    assert_eq!(
        snoozed(vec![
            event(Cleared, Warning),
            event(Raised, Warning),
            event(Cleared, Warning),
            AlarmChange::SnoozeEnded
        ]),
        ["raised", "resolved"]
    );
    let by = Fingerprint::from_bytes([8; 16]);
    let window = AlarmChange::WindowEnded { window: 4 };
    let held = |what| (what, Some(4));
    let end = (window, None);
    assert_eq!(run_held(vec![held(event(Raised, Error)), end.clone()]).0, ["raised"]);
    assert_eq!(
        run_held(vec![held(event(Raised, Error)), held(event(Cleared, Error)), end.clone()]).0,
        [""; 0]
    );
    let other = (AlarmChange::WindowEnded { window: 5 }, None);
    assert_eq!(run_held(vec![held(event(Raised, Error)), other]).0, [""; 0]);
    let (told, alarm) =
        run(vec![event(Raised, Error), AlarmChange::Suppressed { by }, event(Worsened, Critical)]);
    assert_eq!((told, alarm.unwrap().suppressed), (vec!["raised"], Some(by)));
}

fn any_happening() -> impl Strategy<Value = (AlarmChange, Option<u64>)> {
    let severity = prop::sample::select(Severity::ALL.to_vec());
    let event =
        (prop::sample::select(AlarmTransition::ALL.to_vec()), severity).prop_map(|(t, s)| event(t, s));
    let other = prop::sample::select(vec![
        ack(),
        act(AlarmAction::Unacknowledge),
        act(AlarmAction::Snooze { until: UnixMillis(5000) }),
        act(AlarmAction::Unsnooze),
        act(AlarmAction::Unassign),
        AlarmChange::Suppressed { by: Fingerprint::from_bytes([8; 16]) },
        AlarmChange::Released,
        AlarmChange::SnoozeEnded,
        AlarmChange::WindowEnded { window: 1 },
        AlarmChange::DeviceSilent,
        AlarmChange::DeviceBack,
        AlarmChange::Steady,
        AlarmChange::Gap { lost: 1, from: UnixMillis(0), to: UnixMillis(1) },
    ]);
    (prop_oneof![3 => event, 2 => other], prop::option::weighted(0.2, Just(1)))
}

proptest! {
    /// However a history is cut, and however often parts of it come again, the alarm is the same.
    #[test]
    fn a_replay_in_any_split_gives_the_same_alarm(
        history in prop::collection::vec(any_happening(), 1..40),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let log: Vec<AlarmLogEntry> =
            (1..).zip(history).map(|(number, (what, held))| entry(number, what, held)).collect();
        let whole = log.iter().fold(None, |alarm, e| AlarmProjection::step(alarm.as_ref(), e, DampingLimit::default()).alarm);
        let mut again: Option<AlarmProjection> = None;
        for cut in cuts {
            // Some of it, then from the beginning, as after a crash; kept as the database keeps it.
            for e in log.iter().take(cut.index(log.len())) {
                again = AlarmProjection::step(again.as_ref(), e, DampingLimit::default()).alarm;
            }
            let kept = serde_json::to_string(&again).unwrap();
            again = serde_json::from_str(&kept).unwrap();
        }
        for e in &log {
            again = AlarmProjection::step(again.as_ref(), e, DampingLimit::default()).alarm;
        }
        prop_assert_eq!(again, whole);
    }

    /// Receivers that believe what they are told stand where the alarm stands, unless it is quiet.
    #[test]
    fn what_is_told_adds_up_to_how_it_stands(history in prop::collection::vec(any_happening(), 1..60)) {
        let mut alarm: Option<AlarmProjection> = None;
        let mut heard: Option<Severity> = None;
        for (number, (what, held)) in (1..).zip(history) {
            let step = AlarmProjection::step(alarm.as_ref(), &entry(number, what, held), DampingLimit::default());
            if let Some((kind, before)) = step.notice {
                prop_assert_eq!(before, heard);
                let now = step.alarm.as_ref().unwrap();
                heard = match kind {
                    NoticeKind::Resolved => None,
                    NoticeKind::Raised => {
                        prop_assert_eq!(heard, None);
                        Some(now.severity)
                    }
                    // It may be over at this moment: it is told as going on.
                    NoticeKind::Flapping => now.told,
                    _ => Some(now.severity),
                };
            }
            alarm = step.alarm;
            if let Some(alarm) = &alarm {
                prop_assert_eq!(alarm.told, heard);
                if alarm.damping.hides(alarm.severity) {
                    // What was heard last stays until it is steady.
                    continue;
                }
                if alarm.is_open() && !alarm.is_quiet() {
                    prop_assert_eq!(heard, Some(alarm.severity));
                }
                if !alarm.is_open() {
                    prop_assert_eq!(heard, None);
                }
            } else {
                prop_assert_eq!(heard, None);
            }
        }
    }
}
