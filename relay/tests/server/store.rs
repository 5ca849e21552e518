//! The store: survives crashes and full disks. What it does on PostgreSQL as well, `postgres.rs` checks.

use std::path::Path;
use std::sync::Arc;

use crate::harness::{TestOrganisation, facts, key, now, session_id};
use nearhand_proto::alarm::{
    AlarmBatch, AlarmEvent, AlarmTransition, DeviceProfile, Severity, ShutdownNotice, SpoolEntry, SpoolRecord,
};
use nearhand_proto::audit::{AuditEvent, AuditHead, AuditRow, LogVerifier};
use nearhand_proto::credential::{Credential, Retirement, Revocations, Role};
use nearhand_proto::forward::{BindGrant, RateLimits};
use nearhand_proto::id::{DeviceId, Fingerprint, StreamId};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::message::alarms::{AlarmAction, AlarmActor, AlarmFilter, NewMaintenanceWindow};
use nearhand_proto::message::control::{
    CloseOutcome, RelayPushReply, RelayRefusal, RelayReply, RelayRequest, SessionTarget,
};
use nearhand_proto::time::UnixMillis;
use nearhand_relay::store::{
    AlarmWrite, Database, NewSession, ReceiverOutlet, SeenPeer, Store, StoreReader, StoreWrite, StoredMember,
    WriteOutcome,
};
use nearhand_relay_core::alarm::NoticeKind;
use nearhand_relay_core::alarm::absence::{Absence, OfflineAlarm, SilenceLimits};
use nearhand_relay_core::caller::PeerId;
use nearhand_relay_core::notify::schedule::{DeliveryFate, PendingDelivery, SettledDelivery};
use nearhand_relay_core::registry::sessions::RelaySession;
use rand_core::OsRng;

pub(super) fn event(detail: &str) -> AuditEvent {
    AuditEvent { actor: "test".into(), action: "test".into(), session: None, detail: detail.into() }
}

fn member(org: &TestOrganisation, role: Role) -> (StoredMember, SecretKey) {
    let own = key();
    let (invite, one_time) = org.invite(role, "Name");
    let credential = Credential::join(invite, &one_time, &own.public(), now()).unwrap();
    let who = Arc::new(credential.verify(&org.key.public(), now()).unwrap());
    let facts = (role == Role::Device).then(facts);
    (StoredMember { who, credential, facts, version: "1".into(), at: now() }, own)
}

fn session(technician: &StoredMember, device: &StoredMember) -> NewSession {
    NewSession {
        session: RelaySession {
            id: session_id(),
            technician: technician.who.technician_id().unwrap(),
            technician_name: "Grace".into(),
            device: PeerId::Device(device.who.device_id().unwrap()),
            device_name: "till".into(),
            attended: true,
            opened: now(),
            bytes_before: 0,
        },
        grants: [(); 2].map(|()| BindGrant::random(&mut OsRng, RateLimits::default())),
    }
}

/// What `all_statements` has stored, in the lists that are read a page at a time.
async fn lists_are_complete(
    read: &StoreReader,
    admin: &StoredMember,
    device_id: DeviceId,
    longer: &Credential,
) {
    let row = read.device(&device_id).await.unwrap().unwrap();
    assert_eq!((row.credential, row.version.as_str(), row.last_seen), (longer.clone(), "2", UnixMillis(77)));
    assert_eq!(read.devices(None, 10).await.unwrap().len(), 1);
    assert!(read.devices(Some(device_id), 10).await.unwrap().is_empty());
    assert_eq!(read.people(None, 10).await.unwrap().rows.len(), 1);
    assert_eq!(read.sessions(None, None, 10).await.unwrap().rows.len(), 2);
    assert_eq!(read.sessions(admin.who.technician_id(), None, 1).await.unwrap().rows.len(), 1);
}

/// What a device once showed of its own log it can't take back.
async fn heads_are_evidence(store: &Store, device_id: DeviceId, next: &SecretKey) {
    let read = store.reader();
    let head = |number, hash| next.sign(&AuditHead { number, hash: [hash; 32] }).unwrap();
    let start = now();
    let witness = |n, h, seconds| {
        let at = start.after(std::time::Duration::from_secs(seconds));
        StoreWrite::Witness(device_id, AuditHead { number: n, hash: [h; 32] }, head(n, h), at)
    };
    for (n, h, seconds, expected) in [
        (5, 1, 0, WriteOutcome::Number(5)),
        (5, 1, 0, WriteOutcome::Done),
        (6, 2, 0, WriteOutcome::Number(6)),
        (5, 1, 60, WriteOutcome::Done),
        (6, 3, 60, WriteOutcome::Conflict),
        // An earlier head stays as good evidence as the newest.
        (5, 9, 60, WriteOutcome::Conflict),
        (4, 1, 1, WriteOutcome::Done),
        (4, 1, 60, WriteOutcome::Conflict),
    ] {
        assert_eq!(store.write(witness(n, h, seconds)).await.unwrap(), expected, "{n} {h}");
    }
    assert_eq!(read.witnesses(&device_id).await.unwrap(), 2);
    assert_eq!(read.witness(&device_id).await.unwrap(), Some(head(6, 2)));
}

/// Every statement there is, on either database.
pub(super) async fn all_statements(database: &Database) {
    let (signer, org) = (key(), TestOrganisation::new());
    let store = Store::open(database, signer.clone()).await.unwrap();
    let read = store.reader();
    assert_eq!(read.organisation().await.unwrap(), None);
    store.write(StoreWrite::Meta("claim", "aa".into())).await.unwrap();
    store.write(StoreWrite::Meta("claim", "bb".into())).await.unwrap();
    assert_eq!(read.meta("claim").await.unwrap().as_deref(), Some("bb"));

    let (admin, _) = member(&org, Role::Admin);
    let claim = || StoreWrite::Claim(org.key.public(), Box::new(admin.clone()));
    assert_eq!(store.write_audited(claim(), vec![event("claim")]).await.unwrap(), WriteOutcome::Done);
    assert_eq!(store.write_audited(claim(), vec![event("twice")]).await.unwrap(), WriteOutcome::Conflict);
    assert_eq!(read.meta("claim").await.unwrap(), None, "used up");
    let (device, device_key) = member(&org, Role::Device);
    assert_eq!(store.write(StoreWrite::Join(Box::new(device.clone()))).await.unwrap(), WriteOutcome::Done);
    let joined_again = store.write(StoreWrite::Join(Box::new(device.clone()))).await.unwrap();
    assert_eq!(joined_again, WriteOutcome::Conflict);

    let next = key();
    let longer = device.credential.rotated(&device_key, &next.public(), now()).unwrap();
    let who = Arc::new(longer.verify(&org.key.public(), now()).unwrap());
    let rotated = StoredMember { who, credential: longer.clone(), ..device.clone() };
    let retirement = device_key
        .sign(&Retirement { key: device_key.public(), successor: key().public(), issued: now() })
        .unwrap();
    store.write(StoreWrite::Rotate(Box::new(rotated), Some(retirement.clone()))).await.unwrap();
    let id = org.key.public().organisation_id();
    let list = org.key.sign(&Revocations::default().next_list(id, now(), [], [])).unwrap();
    assert_eq!(store.write(StoreWrite::Revoke(1, list.clone(), now())).await.unwrap(), WriteOutcome::Done);
    let revoked_again = store.write(StoreWrite::Revoke(1, list.clone(), now())).await.unwrap();
    assert_eq!(revoked_again, WriteOutcome::Conflict);

    let (one, two) = (session(&admin, &device), session(&admin, &device));
    for new in [&one, &two] {
        assert_eq!(store.write(StoreWrite::Open(Box::new(new.clone()))).await.unwrap(), WriteOutcome::Done);
    }
    assert_eq!(store.write(StoreWrite::Open(Box::new(one.clone()))).await.unwrap(), WriteOutcome::Conflict);
    let fresh = session(&admin, &device).grants;
    store.write(StoreWrite::Regrant(one.session.id, fresh.clone(), 70)).await.unwrap();
    store.write(StoreWrite::Count(vec![(one.session.id, 80)])).await.unwrap();
    store.write(StoreWrite::Close(two.session.id, UnixMillis(5), CloseOutcome::Lost, 9)).await.unwrap();
    let device_id = device.who.device_id().unwrap();
    let peer = PeerId::Device(device_id);
    let seen = |peer, said| SeenPeer { peer, at: UnixMillis(77), said };
    let person = PeerId::Person(admin.who.technician_id().unwrap());
    let seen_peers = vec![
        seen(peer, Some((Some(facts()), "2".into()))),
        seen(peer, None),
        seen(person, Some((None, "2".into()))),
        seen(person, None),
    ];
    store.write(StoreWrite::Seen(seen_peers)).await.unwrap();
    heads_are_evidence(&store, device_id, &next).await;
    store.write_audited(StoreWrite::Nothing, vec![event("a"), event("b")]).await.unwrap();

    lists_are_complete(&read, &admin, device_id, &longer).await;
    store.clone().close().await;

    // As another process finds it.
    let store = Store::open(database, signer.clone()).await.unwrap();
    let stored = store.reader().everything().await.unwrap();
    assert_eq!(stored.loaded.organisation, Some(org.key.public()));
    assert_eq!(
        (stored.loaded.invites.len(), stored.loaded.lists, stored.loaded.retirements),
        (2, vec![list], vec![retirement])
    );
    let (running, grants) = &stored.running[0];
    assert_eq!((stored.running.len(), running.id, running.bytes_before), (1, one.session.id, 80));
    assert_eq!(grants.as_ref().unwrap()[1].key.as_bytes(), fresh[1].key.as_bytes());
    store.write_audited(StoreWrite::Nothing, vec![event("c")]).await.unwrap();
    let rows = store.reader().audit(0, 100).await.unwrap();
    let mut verifier = LogVerifier::new(vec![signer.public()], vec![]);
    rows.iter().for_each(|r| verifier.row(Some(&serde_json::from_str::<AuditRow>(r).unwrap())).unwrap());
    assert_eq!(verifier.finish().unwrap().number, 4);
    store.write(StoreWrite::Prune(UnixMillis(6))).await.unwrap();
    assert_eq!(store.reader().sessions(None, None, 10).await.unwrap().rows.len(), 1);
    alarm_statements(&store, device_id).await;
    store.write(StoreWrite::ResetOrganisation).await.unwrap();
    assert_eq!(store.reader().organisation().await.unwrap(), None);
    assert_eq!(store.reader().audit(0, 100).await.unwrap().len(), 4, "the log stays");
    store.close().await;
}

pub(super) fn alarm(instance: &str, transition: AlarmTransition, severity: Severity) -> AlarmEvent {
    AlarmEvent {
        rule: "disk-space".into(),
        rule_version: 1,
        instance: instance.into(),
        transition,
        severity,
        value: None,
        summary: "nul \0 and 'quotes'".into(),
        observed_at: now(),
        clock_ahead_ms: None,
        runbook: None,
        article: None,
    }
}

/// Every statement about alarms.
async fn alarm_statements(store: &Store, device: DeviceId) {
    let read = store.reader();
    store.set_outlets(vec![ReceiverOutlet { name: "ops".into(), at_least: Severity::Warning }]);
    let stream = StreamId::from_bytes([3; 16]);
    let batch = |from: u64, events: Vec<AlarmEvent>| {
        let records = (from..)
            .zip(events)
            .map(|(seq, event)| SpoolRecord { seq, entry: SpoolEntry::Event(event) })
            .collect();
        AlarmWrite::Batch(device, AlarmBatch { stream, records }, now())
    };
    // More than one statement's rows.
    let many = (0..90).map(|n| alarm(&format!("/{n}"), AlarmTransition::Raised, Severity::Error)).collect();
    assert_eq!(store.write_alarm(batch(1, many)).await.unwrap(), WriteOutcome::Number(90));
    let foreign = AlarmWrite::Batch(
        DeviceId::from_bytes([8; 16]),
        AlarmBatch {
            stream,
            records: vec![SpoolRecord {
                seq: 99,
                entry: SpoolEntry::Gap { lost: 1, from: now(), to: now() },
            }],
        },
        now(),
    );
    assert_eq!(store.write_alarm(foreign).await.unwrap(), WriteOutcome::Conflict);
    let gap = AlarmBatch {
        stream,
        records: vec![SpoolRecord { seq: 91, entry: SpoolEntry::Gap { lost: 1, from: now(), to: now() } }],
    };
    assert_eq!(
        store.write_alarm(AlarmWrite::Batch(device, gap, now())).await.unwrap(),
        WriteOutcome::Number(91)
    );
    assert_eq!(read.stream(&stream).await.unwrap(), Some((device, 91)));

    let id = Fingerprint::of(device, "disk-space", "/7");
    let by = || AlarmActor { id: None, name: "ci".into() };
    let snooze = AlarmAction::Snooze { until: UnixMillis(now().0 + 5) };
    assert_eq!(
        store.write_alarm(AlarmWrite::Act(id, by(), snooze, now())).await.unwrap(),
        WriteOutcome::Done
    );
    let none = AlarmWrite::Act(Fingerprint::from_bytes([1; 16]), by(), AlarmAction::Unacknowledge, now());
    assert_eq!(store.write_alarm(none).await.unwrap(), WriteOutcome::Conflict);
    let window = NewMaintenanceWindow {
        device: Some(device),
        rule: None,
        begins: UnixMillis(0),
        ends: UnixMillis(now().0 + 60_000),
        reason: "'".into(),
    };
    assert_eq!(
        store.write_alarm(AlarmWrite::OpenWindow(window, by(), now())).await.unwrap(),
        WriteOutcome::Number(1)
    );
    store
        .write_alarm(batch(92, vec![alarm("/held", AlarmTransition::Raised, Severity::Error)]))
        .await
        .unwrap();
    assert_eq!(read.maintenance(now(), 10).await.unwrap().len(), 1);
    assert_eq!(store.write_alarm(AlarmWrite::CloseWindow(1, now())).await.unwrap(), WriteOutcome::Done);
    assert_eq!(store.write_alarm(AlarmWrite::CloseWindow(1, now())).await.unwrap(), WriteOutcome::Conflict);
    store.write_alarm(AlarmWrite::Wake(UnixMillis(now().0 + 10_000))).await.unwrap();

    store.write_alarm(AlarmWrite::Monitor(device, DeviceProfile::Server, "a".into())).await.unwrap();
    store.write_alarm(AlarmWrite::Leaving(device, ShutdownNotice::Restart)).await.unwrap();
    let mut absence = Absence::new(
        SilenceLimits { server: 0, grace: 0, ..SilenceLimits::default() },
        vec![],
        vec![],
        now(),
    );
    absence.here(device, DeviceProfile::Server, "a", now());
    absence.gone(&device, now());
    let found = absence.tick(UnixMillis(now().0 + 60_000));
    store.write_alarm(AlarmWrite::Found(found, now())).await.unwrap();
    let (watched, outages) = read.watched().await.unwrap();
    assert_eq!(
        (watched.len(), watched[0].leaving, watched[0].alarm, outages.len()),
        (1, Some(ShutdownNotice::Restart), OfflineAlarm::Open, 0)
    );

    alarm_reads(store, device, id).await;
}

/// Every statement that reads alarms, and those of deliveries.
async fn alarm_reads(store: &Store, device: DeviceId, id: Fingerprint) {
    let read = store.reader();
    let (page, cursor) = read.alarms_since(&AlarmFilter::default(), 0, 10).await.unwrap();
    assert_eq!((page.len(), page.last().unwrap().number), (10, cursor));
    let filter = AlarmFilter { closed_too: true, device: Some(device), at_least: Some(Severity::Error) };
    assert_eq!(read.alarms_since(&filter, 0, 1000).await.unwrap().0.len(), 92);
    assert_eq!(read.alarm(&id).await.unwrap().unwrap().device_name, "Name");
    assert_eq!(read.alarm_history(&id, 0, 10).await.unwrap().len(), 4, "raised, snoozed, woken, silent");
    assert_eq!(read.told_alarms(Severity::Info, 1000).await.unwrap().len(), 92);
    assert_eq!(read.alarm_counts().await.unwrap().iter().map(|c| c.count).sum::<u64>(), 93);

    let due = read.due("ops", UnixMillis(u64::MAX), false, 1000).await.unwrap();
    assert!(read.due("ops", UnixMillis(u64::MAX), true, 1000).await.unwrap().now.len() < due.now.len());
    let settled = |waiting: &PendingDelivery, fate| SettledDelivery {
        receiver: "ops".into(),
        number: waiting.notice.number,
        attempts: 1,
        fate,
        answer: "'".into(),
    };
    let later = UnixMillis(now().0 + 60_000);
    let done = vec![
        settled(&due.now[0], DeliveryFate::Delivered),
        settled(&due.now[1], DeliveryFate::Dead),
        settled(&due.now[2], DeliveryFate::Again(later)),
    ];
    assert!(!read.has_heard("ops", &due.now[0].notice).await.unwrap());
    store.write_alarm(AlarmWrite::Settle(done, now())).await.unwrap();
    assert_eq!(read.due("ops", now(), false, 1).await.unwrap().next, Some(later));
    store.write_alarm(AlarmWrite::Disable("ops".into(), "410".into(), now())).await.unwrap();
    assert_eq!(read.disabled("ops").await.unwrap().as_deref(), Some("410"));
    let state = read.outbox().await.unwrap().remove(0);
    assert_eq!((state.dead, state.waiting), (1, u64::try_from(due.now.len()).unwrap() - 2));
    assert_eq!(read.dead_letters(5).await.unwrap().len(), 1);
    assert_eq!(read.replay("ops", Some(due.now[1].notice.number)).await.unwrap(), 1);
    assert!(read.enable("ops").await.unwrap());
    assert!(
        !read
            .notices_since(UnixMillis(0), [NoticeKind::Raised, NoticeKind::Resolved, NoticeKind::Eased], 100)
            .await
            .unwrap()
            .is_empty()
    );
    store.write_alarm(AlarmWrite::Forget(device)).await.unwrap();
    let newest = read.newest_alarm_number().await.unwrap();
    store.write_alarm(AlarmWrite::Prune(UnixMillis(now().0 + 60_000))).await.unwrap();
    assert_eq!(read.newest_alarm_number().await.unwrap(), newest, "no number is given out twice");
    assert!(read.alarms_since(&filter, 0, 1000).await.unwrap().0.iter().all(|a| a.state.is_open()));
    assert!(store.trouble().is_none());
}

/// Brings the tables up to date as a later version of the relay would: with one migration more.
async fn migrate_as_a_later_version(store: &Store, directory: &Path) {
    let released = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/0001_initial.sql");
    std::fs::copy(released, directory.join("0001_initial.sql")).unwrap();
    let added = "ALTER TABLE people ADD COLUMN pager TEXT NOT NULL DEFAULT '';";
    std::fs::write(directory.join("0002_pagers.sql"), added).unwrap();
    sqlx::migrate::Migrator::new(directory).await.unwrap().run(store.pool()).await.unwrap();
}

/// Migrations run once each; what is stored survives them; tables of a later version are refused in words.
pub(super) async fn tables_follow_the_version(database: &Database) {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let store = Store::open(database, key()).await.unwrap();
        store.write(StoreWrite::Meta("claim", "cc".into())).await.unwrap();
        store.close().await;
    }
    let store = Store::open(database, key()).await.unwrap();
    for _ in 0..2 {
        migrate_as_a_later_version(&store, directory.path()).await;
    }
    sqlx::query("SELECT pager FROM people").fetch_all(store.pool()).await.unwrap();
    assert_eq!(store.reader().meta("claim").await.unwrap().as_deref(), Some("cc"));
    store.close().await;
    let Err(error) = Store::open(database, key()).await else {
        panic!("tables of a later version were used")
    };
    let words = "made by a newer nearhand-relay: version 2, this one knows up to 1; install the newer";
    assert!(error.to_string().contains(words), "{error}");
    let Err(error) = Store::open_for_reading(database).await else {
        panic!("tables of a later version were read")
    };
    assert!(error.to_string().contains(words), "{error}");
}

/// One device has hundreds of deliveries waiting; others have one each.
pub(super) async fn no_device_keeps_another_waiting(database: &Database) {
    let store = Store::open(database, key()).await.unwrap();
    store.set_outlets(vec![ReceiverOutlet { name: "ops".into(), at_least: Severity::Info }]);
    let say = async |device: u8, seq: u64, events: Vec<AlarmEvent>| {
        let records = (seq..)
            .zip(events)
            .map(|(seq, event)| SpoolRecord { seq, entry: SpoolEntry::Event(event) })
            .collect();
        let batch = AlarmBatch { stream: StreamId::from_bytes([device; 16]), records };
        store.write_alarm(AlarmWrite::Batch(DeviceId::from_bytes([device; 16]), batch, now())).await.unwrap();
    };
    let flood = |severity| move |n: u32| alarm(&format!("/{n}"), AlarmTransition::Raised, severity);
    say(1, 1, (0..400).map(flood(Severity::Error)).collect()).await;
    say(2, 1, vec![alarm("/mild", AlarmTransition::Raised, Severity::Warning)]).await;
    say(3, 1, vec![alarm("/bad", AlarmTransition::Raised, Severity::Critical)]).await;
    // Began as a warning, which waits as well.
    let worse =
        [(AlarmTransition::Raised, Severity::Warning), (AlarmTransition::Worsened, Severity::Critical)];
    say(4, 1, worse.map(|(transition, severity)| alarm("/worse", transition, severity)).to_vec()).await;
    let first = async |in_order| {
        let due = store.reader().due("ops", UnixMillis(u64::MAX), in_order, 12).await.unwrap().now;
        due.into_iter().map(|waiting| waiting.notice.alarm.instance).collect::<Vec<_>>()
    };
    for in_order in [true, false] {
        let due = first(in_order).await;
        assert!(due[..3].contains(&"/bad".to_owned()), "a critical alarm waits behind a flood: {due:?}");
        assert!(due[..3].contains(&"/worse".to_owned()), "it waits behind its own beginning: {due:?}");
        assert!(due.contains(&"/mild".to_owned()), "a device is not heard while another floods: {due:?}");
        assert!(due.len() <= 12, "{due:?}");
    }
    // The flood turns critical: the others still have their turn.
    say(1, 401, (400..490).map(flood(Severity::Critical)).collect()).await;
    let due = first(true).await;
    for instance in ["/bad", "/worse", "/mild"] {
        assert!(due.contains(&instance.to_owned()), "{instance} waits behind a flood: {due:?}");
    }
    store.close().await;
}

#[tokio::test]
async fn a_critical_alarm_is_delivered_while_another_device_floods() {
    let dir = tempfile::tempdir().unwrap();
    no_device_keeps_another_waiting(&Database::file(&dir.path().join("db")).unwrap()).await;
}

#[tokio::test]
async fn everything_on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a strange %41 näme?.db");
    all_statements(&Database::file(&file).unwrap()).await;
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn migrations_run_once_and_tables_of_a_later_version_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    tables_follow_the_version(&Database::file(&dir.path().join("db")).unwrap()).await;
}

#[tokio::test]
async fn a_burst_of_writes_shares_commits_and_loses_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&Database::file(&dir.path().join("db")).unwrap(), key()).await.unwrap();
    let mut writes = tokio::task::JoinSet::new();
    for n in 0..500 {
        let store = store.clone();
        writes.spawn(async move {
            store.write_audited(StoreWrite::Nothing, vec![event(&n.to_string())]).await.unwrap()
        });
    }
    assert_eq!(writes.join_all().await.len(), 500);
    assert_eq!(store.reader().audit(0, 1000).await.unwrap().len(), 500);
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_and_recovers_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let till = org.member(&relay, Role::Device, "till").await;
    let device = till.online(&relay).await;
    device.listen(RelayPushReply::Done);
    let grace = org.member(&relay, Role::Technician, "Grace").await.online(&relay).await;
    let running = session_id();
    grace.open(running, SessionTarget::Device(till.device_id())).await.unwrap();

    let store = relay.relay.control().store().clone();
    fails(&store, "ROLLBACK").await;
    assert!(store.write_audited(StoreWrite::Nothing, vec![event("x")]).await.is_err());
    assert!(store.trouble().is_some());
    let target = SessionTarget::Device(till.device_id());
    assert_eq!(grace.open(session_id(), target).await.err(), Some(RelayRefusal::Storage));
    let (invite, one_time) = org.invite(Role::Technician, "Late");
    let late = key();
    let credential = Credential::join(invite, &one_time, &late.public(), now()).unwrap();
    let newcomer = relay.connect(&late).await;
    newcomer.newcomer().await;
    let join = RelayRequest::Join { credential, facts: None };
    assert_eq!(newcomer.refusal(&join).await, RelayRefusal::Storage);
    // What runs goes on: connections come in, the session lives, and can be ended.
    assert!(relay.path.tokens(running).is_some());
    let close = RelayRequest::Close { session: running, outcome: CloseOutcome::Technician, audit: None };
    assert!(matches!(grace.ask(&close).await, RelayReply::Done));
    assert!(relay.path.tokens(running).is_none());

    works(&store).await;
    let start = std::time::Instant::now();
    while store.trouble().is_some() {
        assert!(start.elapsed() < std::time::Duration::from_secs(30), "it noticed");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(matches!(newcomer.ask(&join).await, RelayReply::Done), "the invite was not burnt");
    grace.open(session_id(), target).await.unwrap();
}

/// After SQLite has rolled a transaction back by itself, as it does when the disk is full, and another has failed
/// otherwise: what is stored next is in the file for each reader.
#[tokio::test]
async fn what_is_stored_after_a_failure_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::file(&dir.path().join("relay.db")).unwrap();
    let store = Store::open(&database, key()).await.unwrap();
    for how in ["ROLLBACK", "ABORT"] {
        fails(&store, how).await;
        assert!(store.write_audited(StoreWrite::Nothing, vec![event(how)]).await.is_err(), "{how}");
        works(&store).await;
    }
    for n in 0..3 {
        store.write_audited(StoreWrite::Nothing, vec![event(&n.to_string())]).await.unwrap();
    }
    let other = Store::open_for_reading(&database).await.unwrap();
    assert_eq!(other.audit(0, 10).await.unwrap().len(), 3, "what was confirmed is there");
}

const FAILING: [&str; 3] = ["audit", "sessions", "used_invites"];

/// From now on what is inserted fails: with `ROLLBACK` as on a full disk, where SQLite rolls back by itself.
async fn fails(store: &Store, how: &str) {
    for table in FAILING {
        let sql = format!(
            "CREATE TRIGGER no_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE({how}, 'database or disk is full'); END"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(store.pool()).await.unwrap();
    }
}

async fn works(store: &Store) {
    for table in FAILING {
        let sql = sqlx::AssertSqlSafe(format!("DROP TRIGGER no_{table}"));
        sqlx::query(sql).execute(store.pool()).await.unwrap();
    }
}
