//! What strangers can use up, and what expires: shares of networks, places of guests, rows of the audit log, memory.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::{
    ControlClient, TestOrganisation, TestRelay, eventually, facts, invite_until, key, limits, now,
};
use nearhand_proto::audit::AuditRow;
use nearhand_proto::credential::{Credential, FOR_EVER, Revocations, Role};
use nearhand_proto::id::TechnicianId;
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::alarms::AlarmFilter;
use nearhand_proto::message::control::{
    CloseCode, DeviceFacts, ListPage, RelayHello, RelayPushReply, RelayRefusal, RelayReply, RelayRequest,
};
use nearhand_proto::message::help::{HelpEntry, HelpRequest, Urgency};
use nearhand_relay::control::ControlLimits;
use nearhand_relay::store::{StoreWrite, StoredMember};

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn many_guests() -> ControlLimits {
    ControlLimits { max_guests: 400, ..limits() }
}

fn from(n: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 7, n, 1))
}

fn wish(number: u64) -> RelayRequest {
    let wanted =
        HelpRequest { what: "it does not print".into(), urgency: Urgency::Stopped, reach: String::new() };
    RelayRequest::AskForHelp { wish: number, wanted }
}

async fn guest_called(relay: &TestRelay, from: IpAddr, name: &str) -> Result<ControlClient, RelayRefusal> {
    let client = ControlClient::connect_from(from, relay.address, relay.key, &key()).await;
    let facts = DeviceFacts { hostname: name.into(), os: "Linux".into() };
    match client.ask(&RelayRequest::Hello(RelayHello::Guest { program: ProgramInfo::this(), facts })).await {
        RelayReply::Welcome(_) => Ok(client),
        RelayReply::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

async fn queue(client: &ControlClient, skip: u32) -> ListPage<HelpEntry> {
    match client.ask(&RelayRequest::HelpQueue { closed: false, skip }).await {
        RelayReply::HelpQueue(page) => page,
        other => panic!("{other:?}"),
    }
}

async fn audited(admin: &ControlClient, action: &str) -> Vec<AuditRow> {
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let RelayReply::Audit { rows, .. } = admin.ask(&RelayRequest::Audit { after }).await else {
            panic!()
        };
        let Some(last) = rows.last() else { return found };
        after = last.number;
        found.extend(rows.into_iter().filter(|row| row.event.action == action));
    }
}

/// Catches lists that ended after a page: the one who came after the 200th couldn't be seen or revoked.
#[tokio::test]
async fn people_behind_the_first_page_are_listed_and_revoked_by_their_id_alone() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let admin = org.first_admin().online(&relay).await;
    let eve = org.member(&relay, Role::Technician, "Eve").await;
    let store = relay.relay.control().store().clone();
    for n in 0..250 {
        let own = key();
        let (invite, one_time) = org.invite(Role::Technician, &format!("Grace {n}"));
        let credential = Credential::join(invite, &one_time, &own.public(), now()).unwrap();
        let who = Arc::new(credential.verify(&org.key.public(), now()).unwrap());
        let member = StoredMember { who, credential, facts: None, version: String::new(), at: now() };
        store.write(StoreWrite::Join(Box::new(member))).await.unwrap();
    }
    let mut seen: BTreeSet<TechnicianId> = BTreeSet::new();
    let (mut after, mut pages) = (None, 0);
    loop {
        let RelayReply::People(page) = admin.ask(&RelayRequest::People { after }).await else { panic!() };
        let before = seen.len();
        seen.extend(page.entries.iter().map(|person| person.id));
        assert_eq!(seen.len() - before, page.entries.len(), "nobody comes twice");
        assert_eq!(usize::try_from(page.left).unwrap(), 252 - seen.len(), "how many follow is said");
        (after, pages) = (page.entries.last().map(|person| person.id), pages + 1);
        if page.left == 0 {
            break;
        }
    }
    assert_eq!((seen.len(), pages > 1), (252, true));

    // The administrator knows an id and nothing else.
    let connected = eve.online(&relay).await;
    let mut list = Revocations::default().next_list(org.key.public().organisation_id(), now(), [], []);
    list.people.insert(eve.technician_id(), FOR_EVER);
    let list = org.key.sign(&list).unwrap();
    assert!(matches!(admin.ask(&RelayRequest::Revoke(list)).await, RelayReply::Done));
    assert_eq!(connected.closed().await, Some(CloseCode::Revoked));
    let again = relay.connect(&eve.key).await;
    assert_eq!(again.refusal(&eve.hello()).await, RelayRefusal::Revoked);
}

/// Catches a help desk that strangers close: 2,000 requests from one address left no place for anybody.
#[tokio::test]
async fn strangers_fill_their_own_places_in_the_queue_and_few_rows_of_the_log() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed_with(dir.path(), many_guests()).await;
    let admin = org.first_admin().online(&relay).await;
    let device = org.member(&relay, Role::Device, "till 3").await.online(&relay).await;
    let mut taken = 0;
    let mut held = Vec::new();
    for n in 0..60 {
        let guest = guest_called(&relay, from(1), &format!("pc-{n}")).await.unwrap();
        match guest.ask(&wish(n)).await {
            RelayReply::Help(_) => taken += 1,
            RelayReply::Refused(RelayRefusal::TooMany { .. } | RelayRefusal::Full { .. }) => {}
            other => panic!("{other:?}"),
        }
        held.push(guest);
    }
    assert_eq!(taken, 20, "one network's share");
    // Others have their places, devices always.
    let honest = guest_called(&relay, from(2), "laptop").await.unwrap();
    assert!(matches!(honest.ask(&wish(1)).await, RelayReply::Help(_)));
    assert!(matches!(device.ask(&wish(1)).await, RelayReply::Help(_)));
    let page = queue(&admin, 0).await;
    assert_eq!((page.entries.len(), page.left), (22, 0));
    assert_eq!(queue(&admin, 20).await.entries.len(), 2);
    let rows = audited(&admin, "help.asked").await;
    assert!(rows.len() <= 7, "{} rows of 22 requests", rows.len());
    relay.relay.control().clone().record_tally().await;
    let rows = audited(&admin, "help.asked").await;
    let counted = rows.last().unwrap();
    assert!(
        counted.event.detail.contains("15 more") && counted.event.detail.contains("127.7.1.0/24"),
        "{counted:?}"
    );
    // What was withdrawn and never taken leaves nothing behind.
    assert!(matches!(honest.ask(&RelayRequest::WithdrawHelp).await, RelayReply::Done));
    assert_eq!(queue(&admin, 0).await.entries.len(), 21);
}

/// A guest chooses its name: it may be that of a device that a technician knows.
#[tokio::test]
async fn a_guest_that_is_named_like_a_device_is_marked() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed_with(dir.path(), many_guests()).await;
    let admin = org.first_admin().online(&relay).await;
    let till = org.member(&relay, Role::Device, "till-3").await;
    for (n, name) in (1..).zip(["Till 3", "ti11_З".replace('З', "3").as_str(), "printer"]) {
        let guest = guest_called(&relay, from(n), name).await.unwrap();
        assert!(matches!(guest.ask(&wish(u64::from(n))).await, RelayReply::Help(_)));
        std::mem::forget(guest);
    }
    let entries = queue(&admin, 0).await.entries;
    let marked: Vec<_> = entries.iter().map(|entry| (entry.device, entry.resembles)).collect();
    assert_eq!(marked, [(None, Some(till.device_id())), (None, Some(till.device_id())), (None, None)]);
}

/// Catches places for guests and newcomers that one address takes in seconds.
#[tokio::test]
async fn one_network_takes_its_share_of_guests_and_newcomers() {
    let dir = dir();
    let (relay, org) =
        TestOrganisation::claimed_with(dir.path(), ControlLimits { max_guests: 40, ..limits() }).await;
    let mut held = Vec::new();
    let mut refused = 0;
    for n in 0..30 {
        match guest_called(&relay, from(1), &format!("pc-{n}")).await {
            Ok(guest) => held.push(guest),
            Err(RelayRefusal::Full { .. }) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((held.len(), refused), (10, 20), "a quarter");
    assert!(guest_called(&relay, from(2), "laptop").await.is_ok());

    // Newcomers: one who waits keeps others out of nothing, and a flood only hurts itself.
    let honest = ControlClient::connect_from(from(9), relay.address, relay.key, &key()).await;
    honest.newcomer().await;
    let mut flood = Vec::new();
    for _ in 0..100 {
        let client = ControlClient::connect_from(from(1), relay.address, relay.key, &key()).await;
        client.newcomer().await;
        flood.push(client);
    }
    let closed = eventually(|| {
        let closed = flood.iter().filter(|client| client.connection.close_reason().is_some()).count();
        (closed >= 36).then_some(closed)
    })
    .await;
    assert_eq!(closed, 36, "a quarter of the places");
    let own = key();
    drop(honest);
    let late = ControlClient::connect_from(from(9), relay.address, relay.key, &own).await;
    late.newcomer().await;
    let (invite, one_time) = org.invite(Role::Technician, "Grace");
    let credential = Credential::join(invite, &one_time, &own.public(), now()).unwrap();
    assert!(matches!(late.ask(&RelayRequest::Join { credential, facts: None }).await, RelayReply::Done));
}

/// Catches requests that are sent but for their last byte, by many, until the relay has no memory.
#[tokio::test]
async fn a_stranger_may_send_little_before_it_is_read() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed_with(dir.path(), many_guests()).await;
    let guest = guest_called(&relay, from(1), "pc").await.unwrap();
    let sent = half_sent(&guest, 15_000).await;
    assert!((20_000..=4 * 15_003).contains(&sent), "{sent} bytes are held of a guest");
    let member = org.member(&relay, Role::Device, "till").await.online(&relay).await;
    let sent = half_sent(&member, 200_000).await;
    assert_eq!(sent, 4 * 200_003, "a member's requests may be longer");
    // A whole request that is longer than the window arrives.
    let another = org.member(&relay, Role::Device, "till 2").await.online(&relay).await;
    let wanted =
        HelpRequest { what: "\u{1f5a8}".repeat(2_000), urgency: Urgency::CanWait, reach: String::new() };
    assert!(matches!(another.ask(&RelayRequest::AskForHelp { wish: 1, wanted }).await, RelayReply::Help(_)));
    // More than a stranger's requests ever have.
    let greedy = guest_called(&relay, from(2), "pc").await.unwrap();
    half_sent(&greedy, 17_000).await;
    assert_eq!(greedy.closed().await, Some(CloseCode::Protocol));
}

/// Announces frames of `len` bytes on as many streams as the relay takes, and sends all but their last byte: how many bytes
/// it let through.
async fn half_sent(client: &ControlClient, len: u32) -> usize {
    let mut sent = 0;
    for _ in 0..8 {
        let opened = tokio::time::timeout(Duration::from_millis(300), client.connection.open_bi()).await;
        let Ok(Ok((mut send, recv))) = opened else { break };
        let mut frame = len.to_le_bytes().to_vec();
        frame.resize(usize::try_from(len).unwrap() + 3, 0);
        while !frame.is_empty() {
            match tokio::time::timeout(Duration::from_millis(300), send.write(&frame)).await {
                Ok(Ok(n)) => {
                    sent += n;
                    frame.drain(..n);
                }
                _ => break,
            }
        }
        std::mem::forget((send, recv));
    }
    sent
}

/// Catches memberships that are only looked at in the hello.
#[tokio::test]
async fn a_membership_that_expires_ends_its_connections_and_sessions() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let soon = now().after(Duration::from_secs(3));
    let brief = org.member_until(&relay, Role::Technician, "Grace", soon).await;
    let lasting = org.member(&relay, Role::Technician, "Ada").await.online(&relay).await;
    let client = brief.online(&relay).await;
    let closed = tokio::time::timeout(Duration::from_secs(20), client.connection.closed()).await.unwrap();
    let code = match closed {
        quinn::ConnectionError::ApplicationClosed(frame) => {
            CloseCode::from_number(frame.error_code.into_inner())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(code, Some(CloseCode::Expired));
    assert!(now() > soon);
    let again = relay.connect(&brief.key).await;
    assert!(matches!(again.refusal(&brief.hello()).await, RelayRefusal::Credential(_)));
    assert!(matches!(lasting.ask(&RelayRequest::Ping).await, RelayReply::Done));
}

/// By the relay's clock, no matter what the newcomer wrote into the chain.
#[tokio::test]
async fn an_expired_invite_is_refused_though_the_newcomers_clock_was_set_back() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let own = key();
    let past = nearhand_proto::time::UnixMillis(now().0 - 60_000);
    let (invite, one_time) =
        invite_until(&org.key, Role::Technician, "Eve", past, now().after(Duration::from_secs(3600)));
    let written = nearhand_proto::time::UnixMillis(past.0 - 60_000);
    let credential = Credential::join(invite, &one_time, &own.public(), written).unwrap();
    let client = relay.connect(&own).await;
    client.newcomer().await;
    let refusal = client.refusal(&RelayRequest::Join { credential, facts: None }).await;
    assert!(matches!(refusal, RelayRefusal::Credential(_)), "{refusal:?}");
}

/// A copied disk, or a stolen key.
#[tokio::test]
async fn one_identity_on_two_machines_is_an_alarm_that_names_both() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let ada = org.first_admin().online(&relay).await;
    let member = org.member(&relay, Role::Device, "till 3").await;
    let alarms = || async {
        let filter = AlarmFilter::default();
        match ada.ask(&RelayRequest::AlarmsSince { filter, after: 0, wait_ms: 0 }).await {
            RelayReply::Alarms { entries, .. } => entries,
            other => panic!("{other:?}"),
        }
    };
    let connect = |n| {
        let member = member.clone();
        let (address, relay_key) = (relay.address, relay.key);
        async move {
            let client = ControlClient::connect_from(from(n), address, relay_key, &member.key).await;
            client.listen(RelayPushReply::Done);
            assert!(matches!(client.ask(&member.hello()).await, RelayReply::Welcome(_)));
            client
        }
    };
    // An agent that was killed and started again: its old connection answers nothing.
    let dead = ControlClient::connect_from(from(1), relay.address, relay.key, &member.key).await;
    assert!(matches!(dead.ask(&member.hello()).await, RelayReply::Welcome(_)));
    let first = connect(1).await;
    assert_eq!(dead.closed().await, Some(CloseCode::Replaced));
    let second = connect(2).await;
    assert_eq!(first.closed().await, Some(CloseCode::Replaced));
    assert!(alarms().await.is_empty(), "once may be an accident");
    let third = connect(1).await;
    assert_eq!(second.closed().await, Some(CloseCode::Replaced));
    let since = Instant::now();
    let found = loop {
        if let Some(found) = alarms().await.into_iter().next() {
            break found;
        }
        assert!(since.elapsed() < Duration::from_secs(8), "no alarm");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((found.rule.as_str(), found.device), ("duplicate-identity", member.device_id()));
    assert!(found.summary.contains("127.7.1.1") && found.summary.contains("127.7.2.1"), "{}", found.summary);
    drop(third);
}

/// A stolen or foolish device can't speak in the relay's name.
#[tokio::test]
async fn a_device_may_not_use_the_relays_rules() {
    use nearhand_proto::alarm::{
        AlarmBatch, AlarmEvent, AlarmTransition, DeviceProfile, MonitoringHello, Severity, SpoolEntry,
        SpoolRecord,
    };
    use nearhand_proto::id::StreamId;
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let device = org.member(&relay, Role::Device, "till 3").await.online(&relay).await;
    let stream = StreamId::from_bytes([1; 16]);
    let hello = RelayRequest::Monitoring(MonitoringHello { stream, profile: DeviceProfile::Server });
    assert!(matches!(device.ask(&hello).await, RelayReply::AlarmsStored { .. }));
    for rule in nearhand_proto::alarm::RELAY_RULES {
        let event = AlarmEvent {
            rule: rule.into(),
            rule_version: 1,
            instance: String::new(),
            transition: AlarmTransition::Cleared,
            severity: Severity::Critical,
            value: None,
            summary: "all is well".into(),
            observed_at: now(),
            clock_ahead_ms: None,
            runbook: None,
            article: None,
        };
        let records = vec![SpoolRecord { seq: 1, entry: SpoolEntry::Event(event) }];
        let refusal = device.refusal(&RelayRequest::Alarms(AlarmBatch { stream, records })).await;
        assert!(matches!(refusal, RelayRefusal::Invalid { .. }), "{rule}: {refusal:?}");
    }
    let _ = facts();
}
