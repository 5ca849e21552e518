//! The control plane: agents and clients with their relay.

use nearhand_machines::golden::{AT, KeyOwner};
use nearhand_proto::alarm::{
    Batch, Deed, DeviceReport, Entry, Event, Leaving, Measured, Monitoring, Profile, Record, Severity,
    Transition,
};
use nearhand_proto::audit::Head;
use nearhand_proto::credential::{Retirement, Role};
use nearhand_proto::id::{DeviceId, Fingerprint, StreamId};
use nearhand_proto::identity::Signed;
use nearhand_proto::message::alarms::{
    Acknowledgement, Act, Actor, AlarmEntry, AlarmFilter, AlarmState, Happening, HistoryEntry, NewWindow,
    Window,
};
use nearhand_proto::message::control::{
    CloseCode, DeviceEntry, Hello, Offer, OfferRefusal, Opened, Outcome, PersonEntry, Push, PushReply,
    Refusal, Reply, Request, SessionEntry, Target, Welcome,
};
use nearhand_proto::message::help::{HelpEntry, HelpWanted, Opinion, OpinionEntry, Place, Urgency};
use nearhand_proto::support_code::Routing;
use nearhand_proto::time::UnixMillis;
use nearhand_proto::wire;

use super::fixed::{
    SESSION, bind_grant, credential, device_id, facts, one_time, program, revocations, rotated_credential,
    routing, technician_id,
};
use super::local::wanted;
use super::{Table, audit, variants};

pub(crate) fn fill(table: &mut Table) {
    hello(table);
    requests(table);
    replies(table);
    refusals(table);
    pushes(table);
    small(table);
    close_codes(table);
}

fn hello(table: &mut Table) {
    variants!(
        table,
        "control-hello",
        Hello {
            Device: [Hello::Device {
                program: program(),
                credential: credential(Role::Device),
                facts: facts()
            }],
            Guest: [Hello::Guest { program: program(), facts: facts() }],
            Person: [
                Hello::Person { program: program(), credential: credential(Role::Admin) },
                Hello::Person { program: program(), credential: rotated_credential() },
            ],
            Newcomer: [Hello::Newcomer { program: program() }],
        }
    );
    let empty = Welcome { program: program(), now: AT, revocations: None, retirements: vec![] };
    let full = Welcome {
        revocations: Some(KeyOwner::Organisation.secret().sign(&revocations()).unwrap()),
        retirements: vec![retirement()],
        ..empty.clone()
    };
    table.wire("control-welcome", "empty", &empty);
    table.wire("control-welcome", "full", &full);
}

fn retirement() -> Signed<Retirement> {
    let key = KeyOwner::Technician.secret();
    key.sign(&Retirement { key: key.public(), issued: AT }).unwrap()
}

fn head() -> Signed<Head> {
    KeyOwner::Device.secret().sign(&audit::head()).unwrap()
}

fn requests(table: &mut Table) {
    let session = SESSION;
    variants!(
        table,
        "control-request",
        Request {
            Hello: [Request::Hello(Hello::Newcomer { program: program() })],
            Claim: [Request::Claim {
                secret: one_time(),
                organisation: KeyOwner::Organisation.public(),
                credential: credential(Role::Admin),
            }],
            Join: [
                Request::Join { credential: credential(Role::Technician), facts: None },
                Request::Join { credential: credential(Role::Device), facts: Some(facts()) },
            ],
            Rotate: [Request::Rotate { credential: rotated_credential(), retirement: retirement() }],
            AllotRouting: [
                Request::AllotRouting { wanted: None },
                Request::AllotRouting { wanted: Some(routing()) },
            ],
            FreeRouting: [Request::FreeRouting],
            AuditHead: [Request::AuditHead(head())],
            Devices: [Request::Devices { after: None }, Request::Devices { after: Some(device_id()) }],
            People: [Request::People],
            Open: [
                Request::Open { session: SESSION, target: Target::Code(routing()) },
                Request::Open { session: SESSION, target: Target::Device(device_id()) },
            ],
            Reopen: [Request::Reopen { session: SESSION }],
            Close: [
                Request::Close { session: SESSION, outcome: Outcome::Lost, audit: None },
                Request::Close { session: SESSION, outcome: Outcome::Stopped, audit: Some(head()) },
            ],
            Sessions: [Request::Sessions],
            Audit: [Request::Audit { after: 0 }, Request::Audit { after: u64::MAX }],
            Revoke: [Request::Revoke(KeyOwner::Organisation.secret().sign(&revocations()).unwrap())],
            Ping: [Request::Ping],
            Monitoring: [
                Request::Monitoring(Monitoring { stream: STREAM, profile: Profile::Server }),
                Request::Monitoring(Monitoring { stream: STREAM, profile: Profile::Desktop }),
            ],
            Alarms: [
                Request::Alarms(Batch { stream: STREAM, records: alarm_records() }),
                Request::Alarms(Batch {
                    stream: STREAM,
                    records: (1..)
                        .zip(device_reports())
                        .map(|(seq, report)| Record { seq, entry: Entry::Report(report) })
                        .collect(),
                }),
            ],
            Leaving: [Request::Leaving(Leaving::AgentStops), Request::Leaving(Leaving::Sleep)],
            AlarmsSince: [
                Request::AlarmsSince { filter: AlarmFilter::default(), after: 0, wait_ms: 0 },
                Request::AlarmsSince {
                    filter: AlarmFilter {
                        closed_too: true,
                        device: Some(device_id()),
                        at_least: Some(Severity::Error),
                    },
                    after: 7,
                    wait_ms: 10_000,
                },
            ],
            AlarmHistory: [Request::AlarmHistory { alarm: ALARM, after: 3 }],
            AlarmAct: [
                act(Act::Acknowledge { comment: "on it".into() }),
                act(Act::Unacknowledge),
                act(Act::Assign(ada())),
                act(Act::Unassign),
                act(Act::Snooze { until: AT }),
                act(Act::Unsnooze),
                act(Act::Comment("a disk is ordered".into())),
            ],
            OpenWindow: [
                Request::OpenWindow(window().what),
                Request::OpenWindow(NewWindow { device: None, rule: None, ..window().what })
            ],
            CloseWindow: [Request::CloseWindow { window: 4 }],
            Windows: [Request::Windows],
            AskForHelp: [Request::AskForHelp { wish: 1 << 60, wanted: wanted() }],
            WithdrawHelp: [Request::WithdrawHelp],
            Opine: [
                Request::Opine { session, opinion: Opinion::Rating { stars: 5, comment: "quick".into() } },
                Request::Opine { session, opinion: Opinion::Report { text: "asked for my bank".into() } },
            ],
            HelpQueue: [Request::HelpQueue { closed: true }],
            TakeHelp: [Request::TakeHelp { number: 7 }],
            CloseHelp: [Request::CloseHelp { number: 7 }],
            Opinions: [Request::Opinions],
        }
    );
}

fn replies(table: &mut Table) {
    let welcome = Welcome { program: program(), now: AT, revocations: None, retirements: vec![] };
    variants!(
        table,
        "control-reply",
        Reply {
            Welcome: [Reply::Welcome(welcome)],
            Done: [Reply::Done],
            Refused: [Reply::Refused(Refusal::NotAllowed)],
            Routing: [Reply::Routing(routing()), Reply::Routing(Routing::new(9999).unwrap())],
            Devices: [Reply::Devices(vec![]), Reply::Devices(vec![device_entry()])],
            People: [Reply::People(vec![]), Reply::People(vec![person_entry()])],
            Opened: [
                Reply::Opened(Opened { bind: bind_grant(), device: None }),
                Reply::Opened(Opened { bind: bind_grant(), device: Some(credential(Role::Device)) }),
            ],
            Sessions: [Reply::Sessions(vec![]), Reply::Sessions(session_entries())],
            Audit: [
                Reply::Audit { keys: vec![KeyOwner::Relay.public()], rows: vec![] },
                Reply::Audit { keys: vec![KeyOwner::Device.public()], rows: audit::rows() },
            ],
            AlarmsStored: [Reply::AlarmsStored { stream: STREAM, through: 12 }],
            Alarms: [Reply::Alarms { entries: alarm_entries(), cursor: 9 }],
            AlarmHistory: [
                Reply::AlarmHistory { alarm: Box::new(alarm_entries().remove(0)), entries: happenings() },
                Reply::AlarmHistory {
                    alarm: Box::new(alarm_entries().remove(0)),
                    entries: device_reports()
                        .map(|report| HistoryEntry { number: 9, at: AT, what: Happening::Report(report) })
                        .to_vec(),
                },
            ],
            Window: [Reply::Window(window())],
            Windows: [Reply::Windows(vec![]), Reply::Windows(vec![window()])],
            Help: [
                Reply::Help(Place::Waiting { number: 7, ahead: 2, wait: Some(540) }),
                Reply::Help(Place::Taken { number: 7, technician: "Ada".into() }),
                Reply::Help(Place::Closed { number: 7 }),
            ],
            HelpQueue: [Reply::HelpQueue(vec![]), Reply::HelpQueue(vec![help()])],
            Opinions: [Reply::Opinions(vec![]), Reply::Opinions(vec![thought()])],
        }
    );
}

fn help() -> HelpEntry {
    HelpEntry {
        number: 7,
        device: Some(device_id()),
        name: "Till 3".into(),
        online: true,
        wanted: HelpWanted { urgency: Urgency::Hampered, ..wanted() },
        asked: AT,
        taken: Some(("Ada".into(), AT)),
        closed: Some(AT),
    }
}

fn thought() -> OpinionEntry {
    OpinionEntry {
        session: SESSION,
        technician: technician_id(),
        technician_name: "Ada".into(),
        device_name: "Till 3".into(),
        at: AT,
        stars: Some(4),
        comment: "quick".into(),
        report: String::new(),
    }
}

const STREAM: StreamId = StreamId::from_bytes([6; 16]);

fn alarm_records() -> Vec<Record> {
    let full = Event {
        rule: "disk-space".into(),
        rule_version: 3,
        instance: "/home".into(),
        transition: Transition::Worsened,
        severity: Severity::Critical,
        value: Some(Measured { value: 98.5, unit: "%".into() }),
        summary: "/home is 98.5 % full".into(),
        observed_at: AT,
        clock_ahead_ms: Some(-1500),
        runbook: Some("clear-caches".into()),
        article: Some("https://example.org/disk".into()),
    };
    let gap = Entry::Gap { lost: 4, from: AT, to: UnixMillis(AT.0 + 1) };
    let plain = |(transition, severity)| Event {
        transition,
        severity,
        instance: String::new(),
        value: None,
        clock_ahead_ms: None,
        runbook: None,
        article: None,
        ..full.clone()
    };
    let all = Transition::ALL.into_iter().zip(Severity::ALL.into_iter().cycle()).map(plain);
    let entries = [Entry::Event(full.clone()), gap].into_iter().chain(all.map(Entry::Event));
    (1..).zip(entries).map(|(seq, entry)| Record { seq, entry }).collect()
}

fn device_reports() -> [DeviceReport; 2] {
    let report = DeviceReport {
        rule: "disk-space".into(),
        instance: "/home".into(),
        deed: Deed::Diagnosis,
        good: false,
        title: "2 problems found".into(),
        lines: vec!["fail disk-space: /home is 98.5 % full".into(), String::new()],
        at: AT,
    };
    let ran = DeviceReport { deed: Deed::Runbook, good: true, lines: Vec::new(), ..report.clone() };
    [report, ran]
}

const ALARM: Fingerprint = Fingerprint::from_bytes([7; 16]);

fn ada() -> Actor {
    Actor { id: Some(technician_id()), name: "Ada".into() }
}

fn act(act: Act) -> Request {
    Request::AlarmAct { alarm: ALARM, act }
}

fn window() -> Window {
    let what = NewWindow {
        device: Some(device_id()),
        rule: Some("disk-space".into()),
        begins: AT,
        ends: UnixMillis(AT.0 + 3_600_000),
        reason: "new disk".into(),
    };
    Window { number: 4, what, by: Actor { id: None, name: "ci".into() }, closed: Some(AT) }
}

fn alarm_entries() -> Vec<AlarmEntry> {
    let full = AlarmEntry {
        id: ALARM,
        number: 9,
        device: device_id(),
        device_name: "kasse-3".into(),
        rule: "disk-space".into(),
        instance: "/home".into(),
        state: AlarmState::Firing,
        severity: Severity::Critical,
        summary: "/home is 98.5 % full".into(),
        value: Some(Measured { value: 98.5, unit: "%".into() }),
        count: 2,
        opened: AT,
        changed: AT,
        cleared: Some(AT),
        flapping: true,
        acknowledged: Some(Acknowledgement { by: ada(), at: AT, comment: "on it".into() }),
        assigned: Some(ada()),
        snoozed_until: Some(AT),
        suppressed_by: Some(ALARM),
        held_by: Some(4),
        runbook: Some("clear-caches".into()),
        article: Some("https://example.org/disk".into()),
    };
    let plain = |state| AlarmEntry {
        state,
        value: None,
        cleared: None,
        acknowledged: None,
        assigned: None,
        snoozed_until: None,
        suppressed_by: None,
        held_by: None,
        runbook: None,
        article: None,
        ..full.clone()
    };
    [full.clone()].into_iter().chain(AlarmState::ALL.map(plain)).collect()
}

fn happenings() -> Vec<HistoryEntry> {
    let event = match alarm_records().remove(0).entry {
        Entry::Event(event) => event,
        Entry::Gap { .. } | Entry::Report(_) => unreachable!("the first is an event"),
    };
    let all = [
        Happening::Event(event),
        Happening::Gap { lost: 4, from: AT, to: AT },
        Happening::Act { by: ada(), act: Act::Unacknowledge },
        Happening::Suppressed { by: ALARM },
        Happening::Released,
        Happening::SnoozeEnded,
        Happening::WindowEnded { window: 4 },
        Happening::DeviceSilent,
        Happening::DeviceBack,
    ];
    (1..).zip(all).map(|(number, what)| HistoryEntry { number, at: AT, what }).collect()
}

fn device_entry() -> DeviceEntry {
    DeviceEntry {
        id: device_id(),
        credential: credential(Role::Device),
        facts: facts(),
        version: "0.1.0".into(),
        online: true,
        last_seen: AT,
    }
}

fn person_entry() -> PersonEntry {
    PersonEntry { id: technician_id(), credential: credential(Role::Admin), online: false, last_seen: AT }
}

fn session_entries() -> Vec<SessionEntry> {
    let running = SessionEntry {
        id: SESSION,
        technician: technician_id(),
        technician_name: "Ada".into(),
        device: None,
        device_name: "kasse-3".into(),
        attended: true,
        opened: AT,
        ended: None,
        bytes: 0,
    };
    let over = SessionEntry {
        device: Some(DeviceId::from_bytes([9; 16])),
        attended: false,
        ended: Some((UnixMillis(AT.0 + 60_000), Outcome::Technician)),
        bytes: 1 << 40,
        ..running.clone()
    };
    vec![running, over]
}

fn refusals(table: &mut Table) {
    variants!(
        table,
        "control-refusal",
        Refusal {
            NotAllowed: [Refusal::NotAllowed],
            Unclaimed: [Refusal::Unclaimed],
            Claimed: [Refusal::Claimed],
            WrongClaim: [Refusal::WrongClaim],
            Credential: [Refusal::Credential("it was revoked".into())],
            Revoked: [Refusal::Revoked],
            InviteUsed: [Refusal::InviteUsed],
            Unknown: [Refusal::Unknown],
            NoSuchDevice: [Refusal::NoSuchDevice],
            DeviceOffline: [Refusal::DeviceOffline { last_seen: AT }],
            NoSuchCode: [Refusal::NoSuchCode],
            NoSuchSession: [Refusal::NoSuchSession],
            DeviceRefused: [Refusal::DeviceRefused(OfferRefusal::Busy)],
            DeviceSilent: [Refusal::DeviceSilent],
            TooMany: [Refusal::TooMany { seconds: 60 }],
            Full: [Refusal::Full { what: "sessions".into() }],
            Storage: [Refusal::Storage],
            OldList: [Refusal::OldList],
            Version: [Refusal::Version { relay: "0.1.0".into() }],
            ShuttingDown: [Refusal::ShuttingDown],
            NoSuchAlarm: [Refusal::NoSuchAlarm],
            NoSuchWindow: [Refusal::NoSuchWindow],
            ForeignStream: [Refusal::ForeignStream],
            Invalid: [Refusal::Invalid { what: "its end is not in the future".into() }],
            NoSuchHelp: [Refusal::NoSuchHelp],
        }
    );
    variants!(
        table,
        "control-offer-refusal",
        OfferRefusal {
            NoSuchCode: [OfferRefusal::NoSuchCode],
            OnlyByCode: [OfferRefusal::OnlyByCode],
            Busy: [OfferRefusal::Busy],
            NoSuchSession: [OfferRefusal::NoSuchSession],
            NoPath: [OfferRefusal::NoPath],
            LockedOut: [OfferRefusal::LockedOut],
        }
    );
}

fn pushes(table: &mut Table) {
    let offer = Offer { session: SESSION, code: None, resume: true, bind: bind_grant() };
    let list = KeyOwner::Organisation.secret().sign(&revocations()).unwrap();
    variants!(
        table,
        "control-push",
        Push {
            Offer: [
                Push::Offer(Offer { code: Some(routing()), resume: false, ..offer.clone() }),
                Push::Offer(offer.clone()),
            ],
            Revocations: [
                Push::Revocations { list: Some(list.clone()), retirements: vec![retirement()] },
                Push::Revocations { list: None, retirements: vec![] },
            ],
            SessionClosed: [Push::SessionClosed { session: SESSION, outcome: Outcome::Revoked }],
            Goodbye: [Push::Goodbye { within_ms: 30_000 }],
            Help: [Push::Help(Place::Waiting { number: 7, ahead: 0, wait: None })],
        }
    );
    variants!(
        table,
        "control-push-reply",
        PushReply { Done: [PushReply::Done], Refused: [PushReply::Refused(OfferRefusal::NoSuchCode)] }
    );
}

fn small(table: &mut Table) {
    variants!(
        table,
        "control-outcome",
        Outcome {
            Technician: [Outcome::Technician],
            Stopped: [Outcome::Stopped],
            NotGranted: [Outcome::NotGranted],
            Lost: [Outcome::Lost],
            Revoked: [Outcome::Revoked],
            Failed: [Outcome::Failed],
        }
    );
    variants!(
        table,
        "control-target",
        Target { Code: [Target::Code(routing())], Device: [Target::Device(device_id())] }
    );
}

/// The error codes of the QUIC close frame: a number each, not a message.
fn close_codes(table: &mut Table) {
    let name = |code: CloseCode| match code {
        CloseCode::Normal => "Normal",
        CloseCode::Protocol => "Protocol",
        CloseCode::TimedOut => "TimedOut",
        CloseCode::Refused => "Refused",
        CloseCode::Replaced => "Replaced",
        CloseCode::Revoked => "Revoked",
        CloseCode::Rotated => "Rotated",
        CloseCode::ShuttingDown => "ShuttingDown",
        CloseCode::Overloaded => "Overloaded",
    };
    let known: Vec<CloseCode> = (0..1000).filter_map(CloseCode::from_number).collect();
    assert_eq!(known.len(), 9, "a code without a number, or a new one without a vector");
    for code in known {
        let again = |bytes: &[u8]| {
            let number: u32 = wire::decode(bytes).map_err(|e| e.to_string())?;
            let code = CloseCode::from_number(number.into()).ok_or("no such code")?;
            Ok((wire::encode(&code.number()).unwrap(), format!("{code:?}")))
        };
        let bytes = wire::encode(&code.number()).unwrap();
        table.add("control-close-code", name(code), bytes, format!("{code:?}"), again);
    }
}
