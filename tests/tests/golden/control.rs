//! The control plane: agents and clients with their relay.

use nearhand_machines::golden::{AT, KeyOwner};
use nearhand_proto::alarm::{
    AlarmBatch, AlarmEvent, AlarmMeasurement, AlarmResponse, AlarmTransition, DeviceProfile, DeviceReport,
    MonitoringHello, Severity, ShutdownNotice, SpoolEntry, SpoolRecord,
};
use nearhand_proto::audit::AuditHead;
use nearhand_proto::credential::{Retirement, Role};
use nearhand_proto::id::{DeviceId, Fingerprint, StreamId};
use nearhand_proto::identity::Signed;
use nearhand_proto::message::alarms::{
    AlarmAcknowledgement, AlarmAction, AlarmActor, AlarmChange, AlarmEntry, AlarmFilter, AlarmHistoryEntry,
    AlarmState, MaintenanceWindow, NewMaintenanceWindow,
};
use nearhand_proto::message::control::{
    CloseCode, CloseOutcome, DeviceEntry, ListPage, OfferRefusal, OpenedSession, PersonEntry, RelayHello,
    RelayPush, RelayPushReply, RelayRefusal, RelayReply, RelayRequest, RelayWelcome, SessionClosing,
    SessionEntry, SessionOffer, SessionTarget,
};
use nearhand_proto::message::help::{
    FeedbackEntry, HelpEntry, HelpProgress, HelpRequest, HelpTaken, SessionFeedback, Urgency,
};
use nearhand_proto::support_code::RoutingDigits;
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
        RelayHello {
            Device: [RelayHello::Device {
                program: program(),
                credential: credential(Role::Device),
                facts: facts()
            }],
            Guest: [RelayHello::Guest { program: program(), facts: facts() }],
            Person: [
                RelayHello::Person { program: program(), credential: credential(Role::Admin) },
                RelayHello::Person { program: program(), credential: rotated_credential() },
            ],
            Newcomer: [RelayHello::Newcomer { program: program() }],
        }
    );
    let empty = RelayWelcome { program: program(), now: AT, revocations: None, retirements: vec![] };
    let full = RelayWelcome {
        revocations: Some(KeyOwner::Organisation.secret().sign(&revocations()).unwrap()),
        retirements: vec![retirement()],
        ..empty.clone()
    };
    table.wire("control-welcome", "empty", &empty);
    table.wire("control-welcome", "full", &full);
}

fn retirement() -> Signed<Retirement> {
    let key = KeyOwner::Technician.secret();
    let retired = Retirement { key: key.public(), successor: KeyOwner::Successor.public(), issued: AT };
    key.sign(&retired).unwrap()
}

fn head() -> Signed<AuditHead> {
    KeyOwner::Device.secret().sign(&audit::head()).unwrap()
}

/// Alarms of one device, closed ones too, from errors upwards.
fn serious_alarms() -> AlarmFilter {
    AlarmFilter { closed_too: true, device: Some(device_id()), at_least: Some(Severity::Error) }
}

/// A maintenance window for every device and every rule.
fn maintenance_everywhere() -> NewMaintenanceWindow {
    NewMaintenanceWindow { device: None, rule: None, ..window().what }
}

fn requests(table: &mut Table) {
    let session = SESSION;
    variants!(
        table,
        "control-request",
        RelayRequest {
            Hello: [RelayRequest::Hello(RelayHello::Newcomer { program: program() })],
            Claim: [RelayRequest::Claim {
                secret: one_time(),
                organisation: KeyOwner::Organisation.public(),
                credential: credential(Role::Admin),
            }],
            Join: [
                RelayRequest::Join { credential: credential(Role::Technician), facts: None },
                RelayRequest::Join { credential: credential(Role::Device), facts: Some(facts()) },
            ],
            Rotate: [RelayRequest::Rotate { credential: rotated_credential(), retirement: retirement() }],
            AllocateDigits: [
                RelayRequest::AllocateDigits { wanted: None },
                RelayRequest::AllocateDigits { wanted: Some(routing()) },
            ],
            FreeDigits: [RelayRequest::FreeDigits],
            AuditHead: [RelayRequest::AuditHead(head())],
            Devices: [
                RelayRequest::Devices { after: None },
                RelayRequest::Devices { after: Some(device_id()) }
            ],
            People: [RelayRequest::People { after: Some(technician_id()) }],
            Open: [
                RelayRequest::Open { session: SESSION, target: SessionTarget::Code(routing()) },
                RelayRequest::Open { session: SESSION, target: SessionTarget::Device(device_id()) },
            ],
            Reopen: [RelayRequest::Reopen { session: SESSION }],
            Close: [
                RelayRequest::Close { session: SESSION, outcome: CloseOutcome::Lost, audit: None },
                RelayRequest::Close { session: SESSION, outcome: CloseOutcome::Stopped, audit: Some(head()) },
            ],
            Sessions: [RelayRequest::Sessions { before: Some(SESSION) }],
            Audit: [RelayRequest::Audit { after: 0 }, RelayRequest::Audit { after: u64::MAX }],
            Revoke: [RelayRequest::Revoke(KeyOwner::Organisation.secret().sign(&revocations()).unwrap())],
            Ping: [RelayRequest::Ping],
            Monitoring: [
                RelayRequest::Monitoring(MonitoringHello { stream: STREAM, profile: DeviceProfile::Server }),
                RelayRequest::Monitoring(MonitoringHello { stream: STREAM, profile: DeviceProfile::Desktop }),
            ],
            Alarms: [
                RelayRequest::Alarms(AlarmBatch { stream: STREAM, records: alarm_records() }),
                RelayRequest::Alarms(AlarmBatch {
                    stream: STREAM,
                    records: (1..)
                        .zip(device_reports())
                        .map(|(seq, report)| SpoolRecord { seq, entry: SpoolEntry::Report(report) })
                        .collect(),
                }),
            ],
            ShuttingDown: [
                RelayRequest::ShuttingDown(ShutdownNotice::AgentStops),
                RelayRequest::ShuttingDown(ShutdownNotice::Sleep)
            ],
            AlarmsSince: [
                RelayRequest::AlarmsSince { filter: AlarmFilter::default(), after: 0, wait_ms: 0 },
                RelayRequest::AlarmsSince { filter: serious_alarms(), after: 7, wait_ms: 10_000 },
            ],
            AlarmHistory: [RelayRequest::AlarmHistory { alarm: ALARM, after: 3 }],
            ActOnAlarm: [
                act(AlarmAction::Acknowledge { comment: "on it".into() }),
                act(AlarmAction::Unacknowledge),
                act(AlarmAction::Assign(ada())),
                act(AlarmAction::Unassign),
                act(AlarmAction::Snooze { until: AT }),
                act(AlarmAction::Unsnooze),
                act(AlarmAction::Comment("a disk is ordered".into())),
            ],
            OpenMaintenance: [
                RelayRequest::OpenMaintenance(window().what),
                RelayRequest::OpenMaintenance(maintenance_everywhere())
            ],
            CloseMaintenance: [RelayRequest::CloseMaintenance { window: 4 }],
            MaintenanceWindows: [RelayRequest::MaintenanceWindows],
            AskForHelp: [RelayRequest::AskForHelp { wish: 1 << 60, wanted: wanted() }],
            WithdrawHelp: [RelayRequest::WithdrawHelp],
            GiveFeedback: [
                RelayRequest::GiveFeedback {
                    session,
                    feedback: SessionFeedback::Rating { stars: 5, comment: "quick".into() }
                },
                RelayRequest::GiveFeedback {
                    session,
                    feedback: SessionFeedback::Report { text: "asked for my bank".into() }
                },
            ],
            HelpQueue: [RelayRequest::HelpQueue { closed: true, skip: 200 }],
            TakeHelp: [RelayRequest::TakeHelp { number: 7 }],
            CloseHelp: [RelayRequest::CloseHelp { number: 7 }],
            Feedback: [RelayRequest::Feedback { skip: 3 }],
        }
    );
}

fn replies(table: &mut Table) {
    let welcome = RelayWelcome { program: program(), now: AT, revocations: None, retirements: vec![] };
    variants!(
        table,
        "control-reply",
        RelayReply {
            Welcome: [RelayReply::Welcome(welcome)],
            Done: [RelayReply::Done],
            Refused: [RelayReply::Refused(RelayRefusal::NotAllowed)],
            Digits: [RelayReply::Digits(routing()), RelayReply::Digits(RoutingDigits::new(9999).unwrap())],
            Devices: [
                RelayReply::Devices(ListPage::whole(vec![])),
                RelayReply::Devices(ListPage { entries: vec![device_entry()], left: 300 })
            ],
            People: [
                RelayReply::People(ListPage::whole(vec![])),
                RelayReply::People(ListPage { entries: vec![person_entry()], left: 1 })
            ],
            Opened: [
                RelayReply::Opened(OpenedSession { bind: bind_grant(), device: None }),
                RelayReply::Opened(OpenedSession {
                    bind: bind_grant(),
                    device: Some(credential(Role::Device))
                }),
            ],
            Sessions: [
                RelayReply::Sessions(ListPage::whole(vec![])),
                RelayReply::Sessions(ListPage::whole(session_entries()))
            ],
            Audit: [
                RelayReply::Audit { keys: vec![KeyOwner::Relay.public()], rows: vec![] },
                RelayReply::Audit { keys: vec![KeyOwner::Device.public()], rows: audit::rows() },
            ],
            AlarmsStored: [RelayReply::AlarmsStored { stream: STREAM, through: 12 }],
            Alarms: [RelayReply::Alarms { entries: alarm_entries(), cursor: 9 }],
            AlarmHistory: [
                RelayReply::AlarmHistory {
                    alarm: Box::new(alarm_entries().remove(0)),
                    entries: happenings()
                },
                RelayReply::AlarmHistory {
                    alarm: Box::new(alarm_entries().remove(0)),
                    entries: device_reports()
                        .map(|report| AlarmHistoryEntry {
                            number: 9,
                            at: AT,
                            what: AlarmChange::Report(report)
                        })
                        .to_vec(),
                },
            ],
            MaintenanceWindow: [RelayReply::MaintenanceWindow(window())],
            MaintenanceWindows: [
                RelayReply::MaintenanceWindows(vec![]),
                RelayReply::MaintenanceWindows(vec![window()])
            ],
            Help: [
                RelayReply::Help(HelpProgress::Waiting { number: 7, ahead: 2, wait: Some(540) }),
                RelayReply::Help(HelpProgress::Taken { number: 7, technician: "Ada".into() }),
                RelayReply::Help(HelpProgress::Closed { number: 7 }),
            ],
            HelpQueue: [
                RelayReply::HelpQueue(ListPage::whole(vec![])),
                RelayReply::HelpQueue(ListPage { entries: vec![help()], left: 2 })
            ],
            Feedback: [
                RelayReply::Feedback(ListPage::whole(vec![])),
                RelayReply::Feedback(ListPage::whole(vec![thought()]))
            ],
        }
    );
}

fn help() -> HelpEntry {
    HelpEntry {
        number: 7,
        device: Some(device_id()),
        resembles: Some(device_id()),
        name: "Till 3".into(),
        online: true,
        wanted: HelpRequest { urgency: Urgency::Hampered, ..wanted() },
        asked: AT,
        taken: Some(Box::new(HelpTaken { by: "Ada".into(), at: AT })),
        closed: Some(AT),
    }
}

fn thought() -> FeedbackEntry {
    FeedbackEntry {
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

fn alarm_records() -> Vec<SpoolRecord> {
    let full = AlarmEvent {
        rule: "disk-space".into(),
        rule_version: 3,
        instance: "/home".into(),
        transition: AlarmTransition::Worsened,
        severity: Severity::Critical,
        value: Some(AlarmMeasurement { value: 98.5, unit: "%".into() }),
        summary: "/home is 98.5 % full".into(),
        observed_at: AT,
        clock_ahead_ms: Some(-1500),
        runbook: Some("clear-caches".into()),
        article: Some("https://example.org/disk".into()),
    };
    let gap = SpoolEntry::Gap { lost: 4, from: AT, to: UnixMillis(AT.0 + 1) };
    let plain = |(transition, severity)| AlarmEvent {
        transition,
        severity,
        instance: String::new(),
        value: None,
        clock_ahead_ms: None,
        runbook: None,
        article: None,
        ..full.clone()
    };
    let all = AlarmTransition::ALL.into_iter().zip(Severity::ALL.into_iter().cycle()).map(plain);
    let entries = [SpoolEntry::Event(full.clone()), gap].into_iter().chain(all.map(SpoolEntry::Event));
    (1..).zip(entries).map(|(seq, entry)| SpoolRecord { seq, entry }).collect()
}

fn device_reports() -> [DeviceReport; 2] {
    let report = DeviceReport {
        rule: "disk-space".into(),
        instance: "/home".into(),
        deed: AlarmResponse::Diagnosis,
        good: false,
        title: "2 problems found".into(),
        lines: vec!["fail disk-space: /home is 98.5 % full".into(), String::new()],
        at: AT,
    };
    let ran = DeviceReport { deed: AlarmResponse::Runbook, good: true, lines: Vec::new(), ..report.clone() };
    [report, ran]
}

const ALARM: Fingerprint = Fingerprint::from_bytes([7; 16]);

fn ada() -> AlarmActor {
    AlarmActor { id: Some(technician_id()), name: "Ada".into() }
}

fn act(act: AlarmAction) -> RelayRequest {
    RelayRequest::ActOnAlarm { alarm: ALARM, act }
}

fn window() -> MaintenanceWindow {
    let what = NewMaintenanceWindow {
        device: Some(device_id()),
        rule: Some("disk-space".into()),
        begins: AT,
        ends: UnixMillis(AT.0 + 3_600_000),
        reason: "new disk".into(),
    };
    MaintenanceWindow { number: 4, what, by: AlarmActor { id: None, name: "ci".into() }, closed: Some(AT) }
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
        value: Some(AlarmMeasurement { value: 98.5, unit: "%".into() }),
        count: 2,
        opened: AT,
        changed: AT,
        cleared: Some(AT),
        flapping: true,
        acknowledged: Some(AlarmAcknowledgement { by: ada(), at: AT, comment: "on it".into() }),
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

fn happenings() -> Vec<AlarmHistoryEntry> {
    let event = match alarm_records().remove(0).entry {
        SpoolEntry::Event(event) => event,
        SpoolEntry::Gap { .. } | SpoolEntry::Report(_) => unreachable!("the first is an event"),
    };
    let all = [
        AlarmChange::Event(event),
        AlarmChange::Gap { lost: 4, from: AT, to: AT },
        AlarmChange::Act { by: ada(), act: AlarmAction::Unacknowledge },
        AlarmChange::Suppressed { by: ALARM },
        AlarmChange::Released,
        AlarmChange::SnoozeEnded,
        AlarmChange::WindowEnded { window: 4 },
        AlarmChange::DeviceSilent,
        AlarmChange::DeviceBack,
        AlarmChange::Steady,
    ];
    (1..).zip(all).map(|(number, what)| AlarmHistoryEntry { number, at: AT, what }).collect()
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
        ended: Some(SessionClosing { at: UnixMillis(AT.0 + 60_000), outcome: CloseOutcome::Technician }),
        bytes: 1 << 40,
        ..running.clone()
    };
    vec![running, over]
}

fn refusals(table: &mut Table) {
    variants!(
        table,
        "control-refusal",
        RelayRefusal {
            NotAllowed: [RelayRefusal::NotAllowed],
            Unclaimed: [RelayRefusal::Unclaimed],
            Claimed: [RelayRefusal::Claimed],
            WrongClaim: [RelayRefusal::WrongClaim],
            Credential: [RelayRefusal::Credential("it was revoked".into())],
            Revoked: [RelayRefusal::Revoked],
            InviteUsed: [RelayRefusal::InviteUsed],
            Unknown: [RelayRefusal::Unknown],
            NoSuchDevice: [RelayRefusal::NoSuchDevice],
            DeviceOffline: [RelayRefusal::DeviceOffline { last_seen: AT }],
            NoSuchCode: [RelayRefusal::NoSuchCode],
            NoSuchSession: [RelayRefusal::NoSuchSession],
            DeviceRefused: [RelayRefusal::DeviceRefused(OfferRefusal::Busy)],
            DeviceSilent: [RelayRefusal::DeviceSilent],
            TooMany: [RelayRefusal::TooMany { seconds: 60 }],
            Full: [RelayRefusal::Full { what: "sessions".into() }],
            Storage: [RelayRefusal::Storage],
            OldList: [RelayRefusal::OldList],
            Version: [RelayRefusal::Version { relay: "0.1.0".into() }],
            ShuttingDown: [RelayRefusal::ShuttingDown],
            NoSuchAlarm: [RelayRefusal::NoSuchAlarm],
            NoSuchWindow: [RelayRefusal::NoSuchWindow],
            ForeignStream: [RelayRefusal::ForeignStream],
            Invalid: [RelayRefusal::Invalid { what: "its end is not in the future".into() }],
            NoSuchHelp: [RelayRefusal::NoSuchHelp],
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
    let offer = SessionOffer { session: SESSION, code: None, resume: true, bind: bind_grant() };
    let list = KeyOwner::Organisation.secret().sign(&revocations()).unwrap();
    variants!(
        table,
        "control-push",
        RelayPush {
            Offer: [
                RelayPush::Offer(SessionOffer { code: Some(routing()), resume: false, ..offer.clone() }),
                RelayPush::Offer(offer.clone()),
            ],
            Revocations: [
                RelayPush::Revocations { list: Some(list.clone()), retirements: vec![retirement()] },
                RelayPush::Revocations { list: None, retirements: vec![] },
            ],
            SessionClosed: [RelayPush::SessionClosed { session: SESSION, outcome: CloseOutcome::Revoked }],
            Goodbye: [RelayPush::Goodbye { within_ms: 30_000 }],
            Help: [RelayPush::Help(HelpProgress::Waiting { number: 7, ahead: 0, wait: None })],
        }
    );
    variants!(
        table,
        "control-push-reply",
        RelayPushReply {
            Done: [RelayPushReply::Done],
            Refused: [RelayPushReply::Refused(OfferRefusal::NoSuchCode)]
        }
    );
}

fn small(table: &mut Table) {
    variants!(
        table,
        "control-outcome",
        CloseOutcome {
            Technician: [CloseOutcome::Technician],
            Stopped: [CloseOutcome::Stopped],
            NotGranted: [CloseOutcome::NotGranted],
            Lost: [CloseOutcome::Lost],
            Revoked: [CloseOutcome::Revoked],
            Expired: [CloseOutcome::Expired],
            Failed: [CloseOutcome::Failed],
        }
    );
    variants!(
        table,
        "control-target",
        SessionTarget {
            Code: [SessionTarget::Code(routing())],
            Device: [SessionTarget::Device(device_id())]
        }
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
        CloseCode::Expired => "Expired",
    };
    let known: Vec<CloseCode> = (0..1000).filter_map(CloseCode::from_number).collect();
    assert_eq!(known.len(), 10, "a code without a number, or a new one without a vector");
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
