//! The control protocol against a whole relay: who is let in, what they may ask, what is refused.

use std::time::{Duration, Instant};

use crate::harness::{
    ControlClient, TestMember, TestOrganisation, TestRelay, facts, key, limits, now, session_id,
};
use nearhand_proto::audit::{AuditHead, AuditRow, LogVerifier};
use nearhand_proto::credential::{Credential, Retirement, Revocations, Role};
use nearhand_proto::id::DeviceId;
use nearhand_proto::invitation::OneTime;
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{
    CloseCode, CloseOutcome, ListPage, OfferRefusal, RelayHello, RelayPush, RelayPushReply, RelayRefusal,
    RelayReply, RelayRequest, SessionClosing, SessionTarget,
};
use nearhand_proto::support_code::RoutingDigits;
use tokio::io::AsyncWriteExt;

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn a_relay_is_claimed_once_and_only_with_its_string() {
    let dir = dir();
    let relay = TestRelay::start(dir.path()).await;
    let org = TestOrganisation::new();
    let client = relay.connect(&org.admin).await;
    client.newcomer().await;
    assert_eq!(client.refusal(&org.claim()).await, RelayRefusal::WrongClaim, "no string was made yet");
    relay.open_claim().await;
    let wrong = RelayRequest::Claim {
        secret: OneTime::new([8; 32]),
        organisation: org.key.public(),
        credential: org.admin_credential.clone(),
    };
    assert_eq!(client.refusal(&wrong).await, RelayRefusal::WrongClaim);
    // Somebody else's credential under this handshake's key.
    let eve = relay.connect(&key()).await;
    eve.newcomer().await;
    assert!(matches!(eve.refusal(&org.claim()).await, RelayRefusal::Credential(_)));
    // Before the claim there is nobody to let in.
    let early = relay.connect(&org.admin).await;
    assert_eq!(early.refusal(&org.first_admin().hello()).await, RelayRefusal::Unclaimed);
    assert_eq!(early.closed().await, Some(CloseCode::Refused));

    assert!(matches!(client.ask(&org.claim()).await, RelayReply::Done));
    assert_eq!(client.refusal(&org.claim()).await, RelayRefusal::Claimed);
    let other = TestOrganisation::new();
    let late = relay.connect(&other.admin).await;
    late.newcomer().await;
    assert_eq!(late.refusal(&other.claim()).await, RelayRefusal::Claimed);
    org.first_admin().online(&relay).await;
}

#[tokio::test]
async fn an_invite_works_once_and_a_lost_reply_does_not_burn_it() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let (invite, one_time) = org.invite(Role::Technician, "Grace");
    let (first, second) = (key(), key());
    let join = |own: &nearhand_proto::identity::SecretKey, facts| {
        let credential = Credential::join(invite.clone(), &one_time, &own.public(), now()).unwrap();
        RelayRequest::Join { credential, facts }
    };
    let client = relay.connect(&first).await;
    client.newcomer().await;
    assert_eq!(
        client.refusal(&join(&first, Some(facts()))).await,
        RelayRefusal::NotAllowed,
        "people have no facts"
    );
    assert!(matches!(client.ask(&join(&first, None)).await, RelayReply::Done));
    assert!(matches!(client.ask(&join(&first, None)).await, RelayReply::Done), "sent again");
    let thief = relay.connect(&second).await;
    thief.newcomer().await;
    assert_eq!(thief.refusal(&join(&second, None)).await, RelayRefusal::InviteUsed);
    assert!(matches!(thief.refusal(&join(&first, None)).await, RelayRefusal::Credential(_)), "another's key");
}

#[tokio::test]
async fn a_hello_must_end_in_the_handshakes_key_and_be_known() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let device = org.member(&relay, Role::Device, "till 3").await;
    let stranger = relay.connect(&key()).await;
    assert!(matches!(stranger.refusal(&device.hello()).await, RelayRefusal::Credential(_)));
    assert_eq!(stranger.closed().await, Some(CloseCode::Refused));
    // Signed by the organisation, but never joined here.
    let own = key();
    let (invite, one_time) = org.invite(Role::Device, "x");
    let credential = Credential::join(invite, &one_time, &own.public(), now()).unwrap();
    let unknown = TestMember { key: own, credential, role: Role::Device };
    let client = relay.connect(&unknown.key).await;
    assert_eq!(client.refusal(&unknown.hello()).await, RelayRefusal::Unknown);
    // A device that says it is a person.
    let client = relay.connect(&device.key).await;
    let lie = TestMember { role: Role::Technician, ..device.clone() };
    assert!(matches!(client.refusal(&lie.hello()).await, RelayRefusal::Credential(_)));
    // Something else first.
    let client = relay.connect(&device.key).await;
    assert_eq!(client.refusal(&RelayRequest::Ping).await, RelayRefusal::NotAllowed);
    // A second hello.
    let client = device.online(&relay).await;
    assert_eq!(client.refusal(&device.hello()).await, RelayRefusal::NotAllowed);
}

#[tokio::test]
async fn nobody_asks_for_what_is_not_theirs() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let device = org.member(&relay, Role::Device, "till").await.online(&relay).await;
    let technician = org.member(&relay, Role::Technician, "Grace").await.online(&relay).await;
    let guest = relay.connect(&key()).await;
    let hello = RelayRequest::Hello(RelayHello::Guest { program: ProgramInfo::this(), facts: facts() });
    assert!(matches!(guest.ask(&hello).await, RelayReply::Welcome(_)));
    let newcomer = relay.connect(&key()).await;
    newcomer.newcomer().await;

    let open = RelayRequest::Open {
        session: session_id(),
        target: SessionTarget::Device(DeviceId::from_bytes([1; 16])),
    };
    let persons = [
        RelayRequest::Devices { after: None },
        RelayRequest::People { after: None },
        RelayRequest::Sessions { before: None },
        open,
    ];
    for client in [&device, &guest, &newcomer] {
        for request in &persons {
            assert_eq!(client.refusal(request).await, RelayRefusal::NotAllowed, "{request:?}");
        }
    }
    assert_eq!(technician.refusal(&RelayRequest::Audit { after: 0 }).await, RelayRefusal::NotAllowed);
    assert_eq!(
        technician.refusal(&RelayRequest::AllocateDigits { wanted: None }).await,
        RelayRefusal::NotAllowed
    );
    assert_eq!(
        newcomer.refusal(&RelayRequest::AllocateDigits { wanted: None }).await,
        RelayRefusal::NotAllowed
    );
    assert_eq!(technician.refusal(&org.claim()).await, RelayRefusal::NotAllowed);
    let id = org.key.public().organisation_id();
    let list = org.key.sign(&Revocations::default().next_list(id, now(), [], [])).unwrap();
    assert_eq!(technician.refusal(&RelayRequest::Revoke(list)).await, RelayRefusal::NotAllowed);
    assert!(matches!(guest.ask(&RelayRequest::AllocateDigits { wanted: None }).await, RelayReply::Digits(_)));
    assert!(matches!(guest.ask(&RelayRequest::FreeDigits).await, RelayReply::Done));
    assert!(matches!(guest.ask(&RelayRequest::Ping).await, RelayReply::Done));
}

#[tokio::test]
async fn a_session_is_opened_reopened_listed_and_closed() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let member = org.member(&relay, Role::Device, "till 3").await;
    let device = member.online(&relay).await;
    device.listen(RelayPushReply::Done);
    let grace = org.member(&relay, Role::Technician, "Grace").await.online(&relay).await;
    grace.listen(RelayPushReply::Done);
    let eve = org.member(&relay, Role::Technician, "Eve").await.online(&relay).await;

    let id = session_id();
    let opened = grace.open(id, SessionTarget::Device(member.device_id())).await.unwrap();
    assert_eq!(opened.device, Some(member.credential.clone()));
    let offer = device.push(|p| if let RelayPush::Offer(o) = p { Some(o.clone()) } else { None }).await;
    assert_eq!((offer.session, offer.code, offer.resume), (id, None, false));
    assert_eq!(relay.path.tokens(id), Some([opened.bind.token, offer.bind.token]));

    assert_eq!(eve.refusal(&RelayRequest::Reopen { session: id }).await, RelayRefusal::NoSuchSession);
    let close = |outcome| RelayRequest::Close { session: id, outcome, audit: None };
    assert_eq!(eve.refusal(&close(CloseOutcome::Technician)).await, RelayRefusal::NoSuchSession);
    let RelayReply::Opened(again) = grace.ask(&RelayRequest::Reopen { session: id }).await else { panic!() };
    assert_ne!(again.bind.token, opened.bind.token);
    device.push(|p| matches!(p, RelayPush::Offer(o) if o.resume).then_some(())).await;

    let RelayReply::Sessions(ListPage { entries: listed, .. }) =
        grace.ask(&RelayRequest::Sessions { before: None }).await
    else {
        panic!()
    };
    assert_eq!((listed.len(), listed[0].id, listed[0].ended), (1, id, None));
    assert_eq!((listed[0].device, listed[0].bytes), (Some(member.device_id()), 2000));
    let RelayReply::Sessions(ListPage { entries: eves, .. }) =
        eve.ask(&RelayRequest::Sessions { before: None }).await
    else {
        panic!()
    };
    assert!(eves.is_empty(), "each sees their own");

    let audit = member.key.sign(&AuditHead { number: 9, hash: [3; 32] }).unwrap();
    let close =
        RelayRequest::Close { session: id, outcome: CloseOutcome::Stopped, audit: Some(audit.clone()) };
    assert!(matches!(device.ask(&close).await, RelayReply::Done));
    grace
        .push(|p| matches!(p, RelayPush::SessionClosed { outcome: CloseOutcome::Stopped, .. }).then_some(()))
        .await;
    assert_eq!(*relay.path.ended.lock().unwrap(), [id]);
    assert_eq!(grace.refusal(&RelayRequest::Reopen { session: id }).await, RelayRefusal::NoSuchSession);
    assert_eq!(
        grace.open(id, SessionTarget::Device(member.device_id())).await.err(),
        Some(RelayRefusal::NotAllowed)
    );
    let witness = relay.relay.control().store().reader().witness(&member.device_id()).await.unwrap();
    assert_eq!(witness, Some(audit));
    let RelayReply::Sessions(ListPage { entries: listed, .. }) =
        grace.ask(&RelayRequest::Sessions { before: None }).await
    else {
        panic!()
    };
    assert!(
        matches!(listed[0].ended, Some(SessionClosing { outcome: CloseOutcome::Stopped, .. })),
        "{listed:?}"
    );

    // All of it is in the log, which verifies.
    let admin = org.first_admin().online(&relay).await;
    let rows = audit_rows(&admin, &relay).await;
    let actions: Vec<_> = rows.iter().map(|r| r.event.action.as_str()).collect();
    assert!(
        actions.starts_with(&[
            "claim",
            "enrol",
            "join",
            "join",
            "session.open",
            "session.reopen",
            "session.close"
        ]),
        "{actions:?}"
    );
    assert!(rows[6].event.detail.contains("2000 bytes"), "{}", rows[6].event.detail);
    assert!(!rows.iter().any(|r| r.event.detail.contains('\u{1b}')));
}

async fn audit_rows(admin: &ControlClient, relay: &TestRelay) -> Vec<AuditRow> {
    let RelayReply::Audit { keys, rows } = admin.ask(&RelayRequest::Audit { after: 0 }).await else {
        panic!()
    };
    assert_eq!(keys, [relay.key]);
    let mut verifier = LogVerifier::new(keys, vec![]);
    rows.iter().for_each(|row| verifier.row(Some(row)).unwrap());
    verifier.finish().unwrap();
    rows
}

#[tokio::test]
async fn a_foreign_device_an_unknown_one_and_an_offline_one() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let member = org.member(&relay, Role::Device, "till").await;
    let grace = org.member(&relay, Role::Technician, "Grace").await.online(&relay).await;
    let target = SessionTarget::Device(member.device_id());
    assert!(matches!(grace.open(session_id(), target).await, Err(RelayRefusal::DeviceOffline { .. })));
    let nowhere = SessionTarget::Device(DeviceId::from_bytes([0; 16]));
    assert_eq!(grace.open(session_id(), nowhere).await.err(), Some(RelayRefusal::NoSuchDevice));
    // A guest has a key and so an id, but is nobody's device.
    let (guest, hello) = (key(), RelayHello::Guest { program: ProgramInfo::this(), facts: facts() });
    let client = relay.connect(&guest).await;
    client.ask(&RelayRequest::Hello(hello)).await;
    let foreign = SessionTarget::Device(guest.public().device_id());
    assert_eq!(grace.open(session_id(), foreign).await.err(), Some(RelayRefusal::NoSuchDevice));
    // One that goes away instead of answering is offline, not merely silent.
    let leaving = member.online(&relay).await;
    let gone = leaving.connection.clone();
    tokio::spawn(async move {
        let offered = gone.accept_bi().await.unwrap();
        gone.close(0_u32.into(), b"");
        drop(offered);
    });
    assert!(matches!(grace.open(session_id(), target).await, Err(RelayRefusal::DeviceOffline { .. })));
    // A device that says no, and what becomes of the path.
    let device = member.online(&relay).await;
    device.listen(RelayPushReply::Refused(OfferRefusal::Busy));
    let id = session_id();
    let refused = grace.open(id, target).await.err();
    assert_eq!(refused, Some(RelayRefusal::DeviceRefused(OfferRefusal::Busy)));
    assert_eq!(relay.path.tokens(id), None);
}

#[tokio::test]
async fn a_guest_is_found_by_its_code_and_lookups_are_limited() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let guest_key = key();
    let hello = RelayRequest::Hello(RelayHello::Guest { program: ProgramInfo::this(), facts: facts() });
    let guest = relay.connect(&guest_key).await;
    guest.ask(&hello).await;
    guest.listen(RelayPushReply::Done);
    let RelayReply::Digits(code) = guest.ask(&RelayRequest::AllocateDigits { wanted: None }).await else {
        panic!()
    };
    let grace = org.member(&relay, Role::Technician, "Grace").await.online(&relay).await;
    let id = session_id();
    let opened = grace.open(id, SessionTarget::Code(code)).await.unwrap();
    assert_eq!(opened.device, None);
    let offer = guest.push(|p| if let RelayPush::Offer(o) = p { Some(o.clone()) } else { None }).await;
    assert_eq!(offer.code, Some(code));
    let RelayReply::Sessions(ListPage { entries: listed, .. }) =
        grace.ask(&RelayRequest::Sessions { before: None }).await
    else {
        panic!()
    };
    assert_eq!(listed[0].device_name, "till\u{fffd}[2J-3");
    assert!(listed[0].attended && listed[0].device.is_none());

    // The code survives a reconnect of the same key.
    guest.connection.close(0_u32.into(), b"");
    let guest = relay.connect(&guest_key).await;
    guest.ask(&hello).await;
    let wanted = RelayRequest::AllocateDigits { wanted: Some(code) };
    assert!(matches!(guest.ask(&wanted).await, RelayReply::Digits(same) if same == code));

    let free = RoutingDigits::new((u16::from(code) + 1) % 10_000).unwrap();
    let mut misses = 0;
    let limited = loop {
        match grace.open(session_id(), SessionTarget::Code(free)).await {
            Err(RelayRefusal::NoSuchCode) => misses += 1,
            other => break other,
        }
    };
    assert!(matches!(limited, Err(RelayRefusal::TooMany { seconds: 6 })), "{limited:?}");
    assert_eq!(misses, 9, "ten lookups, one of which hit");
    // Guests who show a code are bounded; one who wants nothing gives way.
    let idle = relay.connect(&key()).await;
    assert!(matches!(idle.ask(&hello).await, RelayReply::Welcome(_)));
    let mut kept = Vec::new();
    let refused = loop {
        let more = relay.connect(&key()).await;
        match more.ask(&hello).await {
            RelayReply::Welcome(_) => {
                let digits = more.ask(&RelayRequest::AllocateDigits { wanted: None }).await;
                assert!(matches!(digits, RelayReply::Digits(_)));
                kept.push(more);
            }
            other => break other,
        }
    };
    assert_eq!(idle.closed().await, Some(CloseCode::Overloaded));
    assert!(matches!(refused, RelayReply::Refused(RelayRefusal::Full { .. })));
    assert_eq!(kept.len(), limits().max_guests - 1);
    // One leaves, and there is room again.
    kept.pop().unwrap().connection.close(0_u32.into(), b"");
    let start = Instant::now();
    while !matches!(relay.connect(&key()).await.ask(&hello).await, RelayReply::Welcome(_)) {
        assert!(start.elapsed() < Duration::from_secs(5), "the place stays taken");
    }
}

#[tokio::test]
async fn a_devices_second_connection_replaces_its_first() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let member = org.member(&relay, Role::Device, "till").await;
    let first = member.online(&relay).await;
    let second = member.online(&relay).await;
    assert_eq!(first.closed().await, Some(CloseCode::Replaced));
    assert!(matches!(second.ask(&RelayRequest::Ping).await, RelayReply::Done));
    let grace = org.member(&relay, Role::Technician, "Grace").await;
    let (one, two) = (grace.online(&relay).await, grace.online(&relay).await);
    assert!(matches!(one.ask(&RelayRequest::Ping).await, RelayReply::Done), "a person runs several commands");
    assert!(matches!(two.ask(&RelayRequest::Ping).await, RelayReply::Done));
}

#[tokio::test]
async fn revocation_ends_connections_and_sessions_within_five_seconds() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let member = org.member(&relay, Role::Device, "till").await;
    let device = member.online(&relay).await;
    device.listen(RelayPushReply::Done);
    let eve = org.member(&relay, Role::Technician, "Eve").await;
    let client = eve.online(&relay).await;
    let id = session_id();
    client.open(id, SessionTarget::Device(member.device_id())).await.unwrap();

    let admin = org.first_admin().online(&relay).await;
    let organisation = org.key.public().organisation_id();
    let known = Revocations::default();
    let list = org.key.sign(&known.next_list(organisation, now(), [eve.key.public()], [])).unwrap();
    let forged = key().sign(&known.next_list(organisation, now(), [member.key.public()], [])).unwrap();
    assert!(matches!(admin.refusal(&RelayRequest::Revoke(forged)).await, RelayRefusal::Credential(_)));
    let start = Instant::now();
    assert!(matches!(admin.ask(&RelayRequest::Revoke(list.clone())).await, RelayReply::Done));
    assert_eq!(client.closed().await, Some(CloseCode::Revoked));
    device
        .push(|p| {
            matches!(p, RelayPush::SessionClosed { outcome: CloseOutcome::Revoked, session } if *session == id)
                .then_some(())
        })
        .await;
    device
        .push(|p| matches!(p, RelayPush::Revocations { list: Some(l), .. } if *l == list).then_some(()))
        .await;
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(relay.path.tokens(id), None);
    assert!(
        matches!(admin.ask(&RelayRequest::Revoke(list)).await, RelayReply::Done),
        "the same again is no news"
    );
    let back = relay.connect(&eve.key).await;
    assert_eq!(back.refusal(&eve.hello()).await, RelayRefusal::Revoked);
    let old = org.key.sign(&known.next_list(organisation, now(), [], [])).unwrap();
    assert_eq!(admin.refusal(&RelayRequest::Revoke(old)).await, RelayRefusal::OldList);
}

#[tokio::test]
async fn a_rotated_key_keeps_its_identity_and_the_old_one_is_out() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let old = org.member(&relay, Role::Device, "till").await;
    let witness = org.first_admin().online(&relay).await;
    witness.listen(RelayPushReply::Done);
    let client = old.online(&relay).await;
    let next = key();
    let credential = old.credential.rotated(&old.key, &next.public(), now()).unwrap();
    let retirement =
        old.key.sign(&Retirement { key: old.key.public(), successor: next.public(), issued: now() }).unwrap();
    let foreign =
        next.sign(&Retirement { key: old.key.public(), successor: next.public(), issued: now() }).unwrap();
    let rotate = |r| RelayRequest::Rotate { credential: credential.clone(), retirement: r };
    assert!(matches!(client.refusal(&rotate(foreign)).await, RelayRefusal::Credential(_)));
    assert!(matches!(client.ask(&rotate(retirement.clone())).await, RelayReply::Done));
    assert_eq!(client.closed().await, Some(CloseCode::Rotated));
    witness
        .push(|p| {
            matches!(p, RelayPush::Revocations { retirements, .. } if *retirements == [retirement.clone()])
                .then_some(())
        })
        .await;
    let stale = relay.connect(&old.key).await;
    assert_eq!(stale.refusal(&old.hello()).await, RelayRefusal::Revoked);
    let new = TestMember { key: next, credential: credential.clone(), role: Role::Device };
    new.online(&relay).await;
    let RelayReply::Devices(ListPage { entries: devices, .. }) =
        witness.ask(&RelayRequest::Devices { after: None }).await
    else {
        panic!()
    };
    assert_eq!((devices.len(), devices[0].id, &devices[0].credential), (1, old.device_id(), &credential));
    // A rotation whose request never arrived: the longer chain itself is taken.
    let third = key();
    let credential = new.credential.rotated(&new.key, &third.public(), now()).unwrap();
    TestMember { key: third, credential, role: Role::Device }.online(&relay).await;
    let stale = relay.connect(&new.key).await;
    assert_eq!(stale.refusal(&new.hello()).await, RelayRefusal::Revoked);
}

#[tokio::test]
async fn what_breaks_the_protocol_is_closed_with_a_code() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let hostile: [&[u8]; 4] = [
        &[0xff, 0xff, 0xff, 0xff, 1, 2, 3], // a length of 4 GiB
        &[0x01, 0x20, 0x00, 0x00],          // one byte over the limit of a hello
        &[3, 0, 0, 0, 0xfb, 0xff, 0xff],    // no such request
        &[4, 0, 0, 0, 0, 0xfd, 0xff, 0xff], // cut off inside
    ];
    for bytes in hostile {
        let client = relay.connect(&key()).await;
        let (mut send, _recv) = client.connection.open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        assert_eq!(client.closed().await, Some(CloseCode::Protocol), "{bytes:?}");
    }
    // After the welcome the limit is higher, the answer to nonsense and to a variant it doesn't know the same.
    for bytes in [[0xff; 7], [3, 0, 0, 0, 0xfb, 0xff, 0xff]] {
        let client = org.first_admin().online(&relay).await;
        let (mut send, _recv) = client.connection.open_bi().await.unwrap();
        send.write_all(&bytes).await.unwrap();
        assert_eq!(client.closed().await, Some(CloseCode::Protocol), "{bytes:?}");
    }
    // The relay is none the worse for it.
    org.first_admin().online(&relay).await;
}

#[tokio::test]
async fn a_hello_that_never_comes_is_not_waited_for() {
    let dir = dir();
    let (relay, _org) = TestOrganisation::claimed(dir.path()).await;
    let client = relay.connect(&key()).await;
    let (mut send, _recv) = client.connection.open_bi().await.unwrap();
    let start = Instant::now();
    send.write_all(&[0, 0x10, 0, 0]).await.unwrap();
    // A byte a second, as a slow attacker would.
    let drip = async {
        loop {
            if send.write_all(&[0]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let closed = tokio::select! {
        () = drip => client.connection.closed().await,
        reason = client.connection.closed() => reason,
    };
    let waited = start.elapsed();
    assert!((9..14).contains(&waited.as_secs()), "{waited:?} {closed}");
}

#[tokio::test]
async fn stalled_handshakes_do_not_keep_an_honest_one_out() {
    let dir = dir();
    let mut limits = limits();
    limits.max_handshakes_pending = 16;
    let (relay, org) = TestOrganisation::claimed_with(dir.path(), limits).await;
    let mut stalled = Vec::new();
    for _ in 0..40 {
        stalled.push(relay.connect(&key()).await);
    }
    let start = Instant::now();
    org.first_admin().online(&relay).await;
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(relay.relay.control().census().pending <= 16);
}

#[tokio::test]
async fn a_restarted_relay_knows_everybody_and_offers_the_same_paths() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let member = org.member(&relay, Role::Device, "till").await;
    let device = member.online(&relay).await;
    device.listen(RelayPushReply::Done);
    let grace = org.member(&relay, Role::Technician, "Grace").await;
    let client = grace.online(&relay).await;
    let id = session_id();
    client.open(id, SessionTarget::Device(member.device_id())).await.unwrap();
    let tokens = relay.path.tokens(id).unwrap();
    relay.kill();

    let relay = TestRelay::start(dir.path()).await;
    assert_eq!(relay.path.tokens(id), Some(tokens));
    member.online(&relay).await.listen(RelayPushReply::Done);
    let client = grace.online(&relay).await;
    assert!(matches!(client.ask(&RelayRequest::Reopen { session: id }).await, RelayReply::Opened(_)));
    let close = RelayRequest::Close { session: id, outcome: CloseOutcome::Technician, audit: None };
    assert!(matches!(client.ask(&close).await, RelayReply::Done));
    let admin = org.first_admin().online(&relay).await;
    audit_rows(&admin, &relay).await;
    relay.relay.stop().await;

    let relay = TestRelay::start(dir.path()).await;
    assert_eq!(relay.path.tokens(id), None, "it is over");
}

#[tokio::test]
async fn a_stopping_relay_says_goodbye() {
    let dir = dir();
    let (relay, org) = TestOrganisation::claimed(dir.path()).await;
    let client = org.first_admin().online(&relay).await;
    client.listen(RelayPushReply::Done);
    relay.relay.stop().await;
    client.push(|p| matches!(p, RelayPush::Goodbye { within_ms } if *within_ms >= 1000).then_some(())).await;
    assert_eq!(client.closed().await, Some(CloseCode::ShuttingDown));
}

#[tokio::test]
async fn metrics_and_health_are_served_and_nothing_else() {
    let dir = dir();
    let (mut relay, org) = TestOrganisation::claimed(dir.path()).await;
    let _online = org.first_admin().online(&relay).await;
    let address = relay.relay.serve_http("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let get = |path: &'static str| async move {
        use tokio::io::AsyncReadExt;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    assert!(get("/healthz").await.contains("200 OK"));
    let metrics = get("/metrics").await;
    for line in [
        "nearhand_connected{kind=\"person\"} 1",
        "nearhand_hellos_total{caller=\"person\",result=\"ok\"} 1",
        "nearhand_requests_total{request=\"claim\",result=\"ok\"} 1",
        "nearhand_storage_ok 1",
        "nearhand_claimed 1",
        "# TYPE nearhand_sessions_ended_total counter",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    for path in ["/setup", "/", "/SetupWizard.aspx", "/admin", "/metrics/../setup"] {
        assert!(get(path).await.starts_with("HTTP/1.0 404"), "{path}");
    }
}
