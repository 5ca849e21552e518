//! Alarms against a whole relay: taken once, answered when stored, seen and handled by people.

use std::time::Duration;

use crate::harness::{ControlClient, TestMember, TestOrganisation, TestRelay, eventually, limits, now};
use nearhand_proto::alarm::{
    AlarmBatch, AlarmEvent, AlarmTransition, DeviceProfile, MonitoringHello, Severity, ShutdownNotice,
    SpoolEntry, SpoolRecord,
};
use nearhand_proto::credential::Role;
use nearhand_proto::id::{DeviceId, Fingerprint, StreamId};
use nearhand_proto::message::alarms::{
    AlarmAction, AlarmActor, AlarmChange, AlarmEntry, AlarmFilter, AlarmState, NewMaintenanceWindow,
};
use nearhand_proto::message::control::{RelayRefusal, RelayReply, RelayRequest};
use nearhand_proto::time::UnixMillis;
use nearhand_relay::control::SilenceLimits;
use nearhand_relay::store::{AlarmWrite, MAX_OPEN, StoreWrite};
use nearhand_relay_core::alarm::AlarmProjection;
use nearhand_relay_core::alarm::damping::DampingLimit;

const STREAM: StreamId = StreamId::from_bytes([5; 16]);

fn event(instance: &str, transition: AlarmTransition, severity: Severity) -> AlarmEvent {
    AlarmEvent {
        rule: "disk-space".into(),
        rule_version: 1,
        instance: instance.into(),
        transition,
        severity,
        value: None,
        summary: format!("{instance} \u{1b}[2J {transition}"),
        observed_at: now(),
        clock_ahead_ms: None,
        runbook: Some("clear-caches".into()),
        article: None,
    }
}

fn batch(stream: StreamId, records: Vec<(u64, AlarmEvent)>) -> RelayRequest {
    let records = records
        .into_iter()
        .map(|(seq, event)| SpoolRecord { seq, entry: SpoolEntry::Event(event) })
        .collect();
    RelayRequest::Alarms(AlarmBatch { stream, records })
}

fn raised(seq: u64, instance: &str) -> RelayRequest {
    batch(STREAM, vec![(seq, event(instance, AlarmTransition::Raised, Severity::Warning))])
}

async fn stored(client: &ControlClient, request: &RelayRequest) -> u64 {
    match client.ask(request).await {
        RelayReply::AlarmsStored { through, .. } => through,
        other => panic!("{other:?}"),
    }
}

async fn list(
    client: &ControlClient,
    filter: AlarmFilter,
    after: u64,
    wait_ms: u32,
) -> (Vec<AlarmEntry>, u64) {
    match client.ask(&RelayRequest::AlarmsSince { filter, after, wait_ms }).await {
        RelayReply::Alarms { entries, cursor } => (entries, cursor),
        other => panic!("{other:?}"),
    }
}

fn all() -> AlarmFilter {
    AlarmFilter { closed_too: true, ..AlarmFilter::default() }
}

async fn history(client: &ControlClient, alarm: Fingerprint) -> Vec<AlarmChange> {
    match client.ask(&RelayRequest::AlarmHistory { alarm, after: 0 }).await {
        RelayReply::AlarmHistory { entries, .. } => entries.into_iter().map(|e| e.what).collect(),
        other => panic!("{other:?}"),
    }
}

/// A relay with a device and a technician who are connected.
async fn scene(
    dir: &std::path::Path,
) -> (TestRelay, TestOrganisation, TestMember, ControlClient, ControlClient) {
    let (relay, org) = TestOrganisation::claimed(dir).await;
    let device = org.member(&relay, Role::Device, "till 3").await;
    let agent = device.online(&relay).await;
    let technician = org.member(&relay, Role::Technician, "Grace").await.online(&relay).await;
    (relay, org, device, agent, technician)
}

/// What is stored of each alarm is what its log adds up to.
async fn assert_rebuildable(relay: &TestRelay) {
    let reader = relay.relay.control().store().reader();
    let (entries, _) = reader.alarms_since(&all(), 0, 100_000).await.unwrap();
    for entry in entries {
        let log = reader.log_of(&entry.id, 0, 100_000).await.unwrap();
        let again = log
            .iter()
            .fold(None, |alarm: Option<AlarmProjection>, e| {
                AlarmProjection::step(alarm.as_ref(), e, DampingLimit::default()).alarm
            })
            .unwrap();
        assert_eq!(again.entry(entry.device_name.clone()), entry);
    }
}

#[tokio::test]
async fn what_is_sent_again_is_taken_once_and_the_answer_comes_when_it_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, org, device, agent, technician) = scene(dir.path()).await;
    let monitoring =
        RelayRequest::Monitoring(MonitoringHello { stream: STREAM, profile: DeviceProfile::Server });
    let has = async |client: &ControlClient| match client.ask(&monitoring).await {
        RelayReply::AlarmsStored { stream: STREAM, through } => through,
        other => panic!("{other:?}"),
    };
    assert_eq!(has(&agent).await, 0);
    assert_eq!(stored(&agent, &raised(1, "/")).await, 1);
    assert_eq!(stored(&agent, &raised(1, "/")).await, 1);
    // Overlapping, with a hole in the numbers; then an old part alone.
    let records = vec![
        (1, event("/", AlarmTransition::Raised, Severity::Warning)),
        (2, event("/", AlarmTransition::Worsened, Severity::Critical)),
        (9, event("/home", AlarmTransition::Raised, Severity::Error)),
    ];
    assert_eq!(stored(&agent, &batch(STREAM, records)).await, 9);
    assert_eq!(stored(&agent, &raised(2, "/var")).await, 9, "a number that was used is not used again");
    // Killed and started again on the same database: as it was.
    relay.kill();
    let relay = TestRelay::start(dir.path()).await;
    let agent = device.online(&relay).await;
    assert_eq!(has(&agent).await, 9);
    assert_eq!(stored(&agent, &raised(9, "/home")).await, 9);
    assert_eq!(
        stored(&agent, &batch(STREAM, vec![(10, event("/", AlarmTransition::Cleared, Severity::Critical))]))
            .await,
        10
    );
    drop(technician);
    let technician = org.first_admin().online(&relay).await;
    let (entries, cursor) = list(&technician, all(), 0, 0).await;
    let seen: Vec<_> = entries.iter().map(|e| (e.instance.as_str(), e.state, e.severity, e.count)).collect();
    assert_eq!(
        seen,
        [
            ("/home", AlarmState::Firing, Severity::Error, 1),
            ("/", AlarmState::Resolved, Severity::Critical, 1),
        ]
    );
    assert!(entries.iter().all(|e| e.device_name == "till 3" && e.device == device.device_id()));
    assert_eq!(list(&technician, all(), cursor, 0).await, (vec![], cursor));
    assert_eq!(list(&technician, AlarmFilter::default(), 0, 0).await.0.len(), 1, "only what is open");
    let bad = AlarmFilter { at_least: Some(Severity::Critical), ..all() };
    assert_eq!(list(&technician, bad, 0, 0).await.0.len(), 1);
    let elsewhere = AlarmFilter { device: Some(DeviceId::from_bytes([1; 16])), ..all() };
    assert_eq!(list(&technician, elsewhere, 0, 0).await.0.len(), 0);
    assert_eq!(history(&technician, Fingerprint::of(device.device_id(), "disk-space", "/")).await.len(), 3);
    assert_rebuildable(&relay).await;
}

#[tokio::test]
async fn a_stream_belongs_to_the_device_that_used_it_first_and_limits_hold() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, org, _, agent, technician) = scene(dir.path()).await;
    stored(&agent, &raised(1, "/")).await;
    let other = org.member(&relay, Role::Device, "clone").await.online(&relay).await;
    assert_eq!(other.refusal(&raised(2, "/")).await, RelayRefusal::ForeignStream);
    let monitoring =
        RelayRequest::Monitoring(MonitoringHello { stream: STREAM, profile: DeviceProfile::Server });
    assert_eq!(other.refusal(&monitoring).await, RelayRefusal::ForeignStream);
    let outside = [
        RelayRequest::Alarms(AlarmBatch { stream: STREAM, records: vec![] }),
        batch(STREAM, vec![(u64::MAX, event("/", AlarmTransition::Raised, Severity::Info))]),
        batch(
            STREAM,
            vec![(5, AlarmEvent { rule: "X".into(), ..event("/", AlarmTransition::Raised, Severity::Info) })],
        ),
    ];
    for request in outside {
        assert!(matches!(agent.refusal(&request).await, RelayRefusal::Invalid { .. }));
    }
    // People send no alarms, devices read none.
    assert_eq!(technician.refusal(&raised(2, "/")).await, RelayRefusal::NotAllowed);
    let since = RelayRequest::AlarmsSince { filter: all(), after: 0, wait_ms: 0 };
    assert_eq!(agent.refusal(&since).await, RelayRefusal::NotAllowed);
    assert_eq!(list(&technician, all(), 0, 0).await.0.len(), 1);
    assert!(relay.relay.control().store().trouble().is_none());
}

#[tokio::test]
async fn a_device_has_so_many_open_alarms_and_so_many_events() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, _org, device, agent, technician) = scene(dir.path()).await;
    let mut seq = 0_u64;
    let mut send = async |from: usize, to: usize, transition| {
        for chunk in (from..to).collect::<Vec<_>>().chunks(100) {
            let records = chunk.iter().map(|n| {
                seq += 1;
                (seq, event(&format!("/{n}"), transition, Severity::Warning))
            });
            stored(&agent, &batch(STREAM, records.collect())).await;
        }
    };
    send(0, MAX_OPEN + 50, AlarmTransition::Raised).await;
    let reader = relay.relay.control().store().reader();
    let (open, _) = reader.alarms_since(&AlarmFilter::default(), 0, 10_000).await.unwrap();
    assert_eq!(open.len(), MAX_OPEN + 1, "and the alarm that says so");
    assert_eq!(open.iter().filter(|e| e.rule == "too-many-alarms" && e.count == 1).count(), 1);
    send(0, 100, AlarmTransition::Cleared).await;
    let (open, _) = reader.alarms_since(&AlarmFilter::default(), 0, 10_000).await.unwrap();
    assert_eq!(open.len(), MAX_OPEN - 100);
    assert!(open.iter().all(|e| e.rule != "too-many-alarms"));
    // A gap is kept, and somebody is told.
    let gap = SpoolRecord { seq: seq + 1, entry: SpoolEntry::Gap { lost: 7, from: now(), to: now() } };
    stored(&agent, &RelayRequest::Alarms(AlarmBatch { stream: STREAM, records: vec![gap] })).await;
    let lost = Fingerprint::of(device.device_id(), "events-lost", "");
    assert_eq!(history(&technician, lost).await.len(), 2);
    assert_rebuildable(&relay).await;
    // Far more than a machine in trouble says.
    let mut last = None;
    for n in 0..200_u64 {
        let from = 1_000_000 + n * 100;
        let records =
            (from..from + 100).map(|s| (s, event("/0", AlarmTransition::Raised, Severity::Info))).collect();
        match agent.ask(&batch(STREAM, records)).await {
            RelayReply::AlarmsStored { .. } => {}
            RelayReply::Refused(refusal) => {
                last = Some(refusal);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(last, Some(RelayRefusal::TooMany { .. })), "{last:?}");
}

#[tokio::test]
async fn people_acknowledge_assign_snooze_and_comment_and_each_act_is_audited() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, org, device, agent, technician) = scene(dir.path()).await;
    stored(&agent, &raised(1, "/")).await;
    let id = Fingerprint::of(device.device_id(), "disk-space", "/");
    let (_, cursor) = list(&technician, all(), 0, 0).await;
    let act = |act| RelayRequest::ActOnAlarm { alarm: id, act };
    // A follower hears of it while it waits, not by asking again.
    let follower = technician.clone();
    let follow = tokio::spawn(async move { list(&follower, all(), cursor, 10_000).await });
    let grace = org.member(&relay, Role::Technician, "Grace H").await;
    let someone = AlarmActor { id: Some(grace.key.public().technician_id()), name: "whoever".into() };
    assert!(matches!(
        technician.ask(&act(AlarmAction::Acknowledge { comment: "on it".into() })).await,
        RelayReply::Done
    ));
    let (news, _) = follow.await.unwrap();
    assert_eq!(news.len(), 1);
    assert_eq!(
        news[0].acknowledged.as_ref().map(|a| (a.by.name.as_str(), a.comment.as_str())),
        Some(("Grace", "on it"))
    );
    for one in [
        act(AlarmAction::Assign(someone)),
        act(AlarmAction::Comment("a disk is ordered".into())),
        act(AlarmAction::Snooze { until: UnixMillis(now().0 + 60_000) }),
    ] {
        assert!(matches!(technician.ask(&one).await, RelayReply::Done));
    }
    let (entries, _) = list(&technician, all(), 0, 0).await;
    assert_eq!(
        entries[0].assigned.as_ref().map(|a| a.name.as_str()),
        Some("Grace H"),
        "as the organisation names her"
    );
    assert!(entries[0].snoozed_until.is_some());
    // Worse: the acknowledgement is for what it was.
    stored(&agent, &batch(STREAM, vec![(2, event("/", AlarmTransition::Worsened, Severity::Critical))]))
        .await;
    assert!(list(&technician, all(), 0, 0).await.0[0].acknowledged.is_none());
    assert_eq!(history(&technician, id).await.len(), 6);

    let nobody =
        AlarmActor { id: Some(nearhand_proto::id::TechnicianId::from_bytes([7; 16])), name: String::new() };
    assert!(matches!(
        technician.refusal(&act(AlarmAction::Assign(nobody))).await,
        RelayRefusal::Invalid { .. }
    ));
    assert!(matches!(
        technician.refusal(&act(AlarmAction::Snooze { until: UnixMillis(1) })).await,
        RelayRefusal::Invalid { .. }
    ));
    let other =
        RelayRequest::ActOnAlarm { alarm: Fingerprint::from_bytes([1; 16]), act: AlarmAction::Unacknowledge };
    assert_eq!(technician.refusal(&other).await, RelayRefusal::NoSuchAlarm);
    assert_eq!(agent.refusal(&act(AlarmAction::Unacknowledge)).await, RelayRefusal::NotAllowed);

    let rows = relay.relay.control().store().reader().audit(0, 200).await.unwrap();
    for action in ["alarm.acknowledge", "alarm.assign", "alarm.comment", "alarm.snooze"] {
        assert_eq!(rows.iter().filter(|row| row.contains(&format!("\"{action}\""))).count(), 1, "{action}");
    }
    assert!(rows.iter().all(|row| !row.contains("alarm.unacknowledge")), "what was refused did not happen");
    assert_rebuildable(&relay).await;
}

#[tokio::test]
async fn a_maintenance_window_holds_until_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, _org, device, agent, technician) = scene(dir.path()).await;
    let window = |ends: u64| {
        RelayRequest::OpenMaintenance(NewMaintenanceWindow {
            device: Some(device.device_id()),
            rule: None,
            begins: UnixMillis(0),
            ends: UnixMillis(ends),
            reason: "new disk".into(),
        })
    };
    assert!(
        matches!(technician.refusal(&window(now().0)).await, RelayRefusal::Invalid { .. }),
        "expiry is mandatory"
    );
    let RelayReply::MaintenanceWindow(open) = technician.ask(&window(now().0 + 3_600_000)).await else {
        panic!()
    };
    stored(&agent, &raised(1, "/")).await;
    let id = Fingerprint::of(device.device_id(), "disk-space", "/");
    assert_eq!(list(&technician, all(), 0, 0).await.0[0].held_by, Some(open.number));
    let RelayReply::MaintenanceWindows(windows) = technician.ask(&RelayRequest::MaintenanceWindows).await
    else {
        panic!()
    };
    assert_eq!(windows, std::slice::from_ref(&open));
    assert!(matches!(
        technician.ask(&RelayRequest::CloseMaintenance { window: open.number }).await,
        RelayReply::Done
    ));
    assert_eq!(
        technician.refusal(&RelayRequest::CloseMaintenance { window: open.number }).await,
        RelayRefusal::NoSuchWindow
    );
    assert_eq!(list(&technician, all(), 0, 0).await.0[0].held_by, None);
    assert!(matches!(
        history(&technician, id).await[..],
        [AlarmChange::Event(_), AlarmChange::WindowEnded { window: 1 }]
    ));
    // By its own end, and a snooze by its.
    let store = relay.relay.control().store();
    let RelayReply::MaintenanceWindow(second) = technician.ask(&window(now().0 + 60_000)).await else {
        panic!()
    };
    stored(&agent, &batch(STREAM, vec![(2, event("/", AlarmTransition::Raised, Severity::Warning))])).await;
    let snooze = AlarmAction::Snooze { until: UnixMillis(now().0 + 60_000) };
    technician.ask(&RelayRequest::ActOnAlarm { alarm: id, act: snooze }).await;
    let later = UnixMillis(now().0 + 61_000);
    store.write(StoreWrite::Alarm(Box::new(AlarmWrite::Wake(later)))).await.unwrap();
    let alarm = list(&technician, all(), 0, 0).await.0.remove(0);
    assert_eq!((alarm.held_by, alarm.snoozed_until), (None, None));
    assert_eq!(second.number, 2);
    assert_rebuildable(&relay).await;
}

#[tokio::test]
async fn a_silent_server_is_an_alarm_and_its_own_alarms_are_unknown_until_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let patience = SilenceLimits { server: 0, grace: 0, outage_devices: 50, ..SilenceLimits::default() };
    let (relay, org) = TestOrganisation::claimed_with(
        dir.path(),
        nearhand_relay::control::ControlLimits { patience, ..limits() },
    )
    .await;
    let device = org.member(&relay, Role::Device, "db 1").await;
    let polite = org.member(&relay, Role::Device, "db 2").await;
    let technician = org.first_admin().online(&relay).await;
    let agent = device.online(&relay).await;
    let leaver = polite.online(&relay).await;
    for (client, stream) in [(&agent, STREAM), (&leaver, StreamId::from_bytes([6; 16]))] {
        let monitoring = RelayRequest::Monitoring(MonitoringHello { stream, profile: DeviceProfile::Server });
        assert!(matches!(client.ask(&monitoring).await, RelayReply::AlarmsStored { through: 0, .. }));
    }
    stored(&agent, &raised(1, "/")).await;
    assert!(matches!(
        leaver.ask(&RelayRequest::ShuttingDown(ShutdownNotice::PowerOff)).await,
        RelayReply::Done
    ));
    agent.connection.close(0_u32.into(), b"");
    leaver.connection.close(0_u32.into(), b"");
    let (_, mut cursor) = list(&technician, all(), 0, 0).await;
    let disk = Fingerprint::of(device.device_id(), "disk-space", "/");
    let offline = Fingerprint::of(device.device_id(), "offline", "");
    let mut seen = std::collections::HashMap::new();
    while seen.get(&disk) != Some(&AlarmState::Unknown) {
        let (news, next) = list(&technician, all(), cursor, 10_000).await;
        seen.extend(news.iter().map(|e| (e.id, e.state)));
        cursor = next;
    }
    assert_eq!(seen.get(&offline), Some(&AlarmState::Firing));
    assert_eq!(seen.len(), 2, "the other one said goodbye");
    let _agent = device.online(&relay).await;
    tokio::time::timeout(Duration::from_secs(10), async {
        while seen.get(&disk) != Some(&AlarmState::Firing) {
            let (news, next) = list(&technician, all(), cursor, 10_000).await;
            seen.extend(news.iter().map(|e| (e.id, e.state)));
            cursor = next;
        }
    })
    .await
    .unwrap();
    assert_eq!(seen.get(&offline), Some(&AlarmState::Resolved));
    let census = eventually(|| Some(relay.relay.control().census())).await;
    assert_eq!(census.online[0].1, 1);
    assert_rebuildable(&relay).await;
}
