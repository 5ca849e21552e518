//! The local interface: the agent with the programs of the person at the device.

use nearhand_machines::golden::AT;
use nearhand_proto::alarm::Severity;
use nearhand_proto::grant::Capability;
use nearhand_proto::id::StreamId;
use nearhand_proto::message::local::{
    Activity, ActivityEntry, AgentNotice, AgentStatus, ChatLine, ConsentChoice, ConsentRequest, DeliveryMark,
    FixableFinding, HelpRequest, HelpStatus, ListedWindow, LocalAlarm, LocalAlarms, LocalEvent, LocalMessage,
    LocalReply, LocalRequest, LocalSession, LocalVerb, PauseReason, SessionEnded, SessionRecord, SpokenCode,
    Urgency,
};
use nearhand_proto::message::session::GrantedCapability;
use nearhand_proto::runbook::{self, RunEnding, RunMode};

use super::fixed::{SESSION, some_capabilities};
use super::{Table, variants};

pub(crate) fn fill(table: &mut Table) {
    requests(table);
    replies(table);
    events(table);
    deeds(table);
    said(table);
}

fn requests(table: &mut Table) {
    let (session, capabilities) = (SESSION, some_capabilities());
    let allow = ConsentChoice::Allow { capabilities, seconds: 900, window: None };
    let one = ConsentChoice::Allow {
        capabilities: Capability::Window.into(),
        seconds: 900,
        window: Some(0x0140_0007),
    };
    variants!(table, "local-choice", ConsentChoice { Allow: [allow, one], Deny: [ConsentChoice::Deny] });
    variants!(
        table,
        "local-verb",
        LocalVerb {
            Status: [LocalVerb::Status],
            Watch: [LocalVerb::Watch],
            NewCode: [LocalVerb::NewCode],
            CancelCode: [LocalVerb::CancelCode],
            Decide: [
                LocalVerb::Decide { request: 3, choice: ConsentChoice::Deny },
                LocalVerb::Decide { request: 1 << 40, choice: allow },
            ],
            Extend: [LocalVerb::Extend { session, capabilities, seconds: 600 }],
            Revoke: [LocalVerb::Revoke { session, capabilities }],
            Stop: [LocalVerb::Stop { session }],
            StopAll: [LocalVerb::StopAll],
            Say: [LocalVerb::Say { session, text: "one moment".into() }],
            Seen: [LocalVerb::Seen { session, number: 12 }],
            RotateKey: [LocalVerb::RotateKey],
            Windows: [LocalVerb::Windows],
            Alarms: [LocalVerb::Alarms],
            WatchAsWindow: [LocalVerb::WatchAsWindow],
            Heartbeat: [LocalVerb::Heartbeat { number: 7 }],
            LeaveWindow: [LocalVerb::LeaveWindow],
            Pause: [LocalVerb::Pause { session }],
            Resume: [LocalVerb::Resume { session }],
            Record: [LocalVerb::Record { session }],
            Fixes: [LocalVerb::Fixes],
            AskForHelp: [LocalVerb::AskForHelp(wanted())],
            WithdrawHelp: [LocalVerb::WithdrawHelp],
            Rate: [LocalVerb::Rate { session, stars: 5, comment: "quick".into() }],
            ReportSession: [LocalVerb::ReportSession { session, text: "asked for my bank".into() }],
            Help: [LocalVerb::Help],
        }
    );
    table.wire("local-request", "Request", &LocalRequest { number: 9, verb: LocalVerb::Stop { session } });
}

fn record() -> SessionRecord {
    let done = vec![Activity::SeesScreen, Activity::Told(AgentNotice::PathLost)];
    SessionRecord {
        session: SESSION,
        organisation: "Acme Support GmbH".into(),
        technician: "Ada".into(),
        began: AT,
        ended: Some(SessionEnded { at: AT, why: AgentNotice::Stopped }),
        activity: done.into_iter().map(|activity| ActivityEntry { at: AT, activity }).collect(),
    }
}

fn deeds(table: &mut Table) {
    let capabilities = some_capabilities();
    let window = || String::from("the window \"Till\" of \"Ledger\"");
    variants!(
        table,
        "local-act",
        Activity {
            SeesScreen: [Activity::SeesScreen],
            LeavesScreen: [Activity::LeavesScreen],
            SeesWindow: [Activity::SeesWindow { window: window() }],
            LeavesWindow: [Activity::LeavesWindow { window: window() }],
            Controls: [Activity::Controls],
            LeavesControl: [Activity::LeavesControl],
            TakesClipboard: [Activity::TakesClipboard],
            TakesPicture: [Activity::TakesPicture],
            Records: [Activity::Records],
            StopsRecording: [Activity::StopsRecording],
            Diagnoses: [Activity::Diagnoses],
            Diagnosed: [Activity::Diagnosed],
            DiagnosisBroken: [Activity::DiagnosisBroken],
            Granted: [Activity::Granted { capabilities, seconds: 900 }],
            TakenBack: [Activity::TakenBack(capabilities)],
            Expired: [Activity::Expired(capabilities)],
            Extended: [Activity::Extended(capabilities)],
            Refused: [Activity::Refused(AgentNotice::NotGranted(Capability::View))],
            Interrupted: [Activity::Interrupted],
            Reconnected: [Activity::Reconnected],
            Paused: [Activity::Paused],
            PausedUnseen: [Activity::PausedUnseen],
            PausedOtherUser: [Activity::PausedOtherUser],
            Resumed: [Activity::Resumed],
            Told: [Activity::Told(AgentNotice::PathLost)],
        }
    );
    variants!(
        table,
        "local-help",
        HelpStatus {
            None: [HelpStatus::None],
            Sending: [HelpStatus::Sending],
            Waiting: [
                HelpStatus::Waiting { number: 7, ahead: 2, wait: Some(540) },
                HelpStatus::Waiting { number: 7, ahead: 0, wait: None },
            ],
            Taken: [HelpStatus::Taken { number: 7, technician: "Ada".into() }],
            Closed: [HelpStatus::Closed { number: 7 }],
            Refused: [HelpStatus::Refused(AgentNotice::Words("the relay is at its limit".into()))],
        }
    );
}

pub(super) fn wanted() -> HelpRequest {
    HelpRequest {
        what: "the till does not print".into(),
        urgency: Urgency::Stopped,
        reach: "+49 30 1234".into(),
    }
}

fn alarms() -> LocalAlarms {
    LocalAlarms {
        alarms: vec![LocalAlarm {
            rule: "disk-space".into(),
            instance: "/".into(),
            phase: "firing".into(),
            severity: Some(Severity::Critical),
            unknown: false,
            flapping: true,
            value: "99.1 %".into(),
            seconds: Some(3600),
            summary: "/ is 99.1 % full".into(),
        }],
        rules: 29,
        waiting: 2,
        oldest: Some(AT),
        stream: StreamId::from_bytes([5; 16]),
        delivery: Some("the relay takes no alarms".into()),
        problems: vec!["line 3: unknown field `colour`".into()],
    }
}

fn code() -> SpokenCode {
    SpokenCode { spoken: "0042 1234 5674".into(), seconds_left: 600 }
}

fn asked() -> ConsentRequest {
    ConsentRequest {
        request: 3,
        session: SESSION,
        organisation: "Acme Support GmbH".into(),
        technician: "Ada".into(),
        reason: "the till does not print".into(),
        capabilities: some_capabilities(),
        seconds: 900,
        first_contact: true,
        seconds_left: 60,
    }
}

fn line(mark: DeliveryMark) -> ChatLine {
    ChatLine {
        from_technician: mark == DeliveryMark::Received,
        number: 1,
        at: AT,
        text: "hello".into(),
        mark,
    }
}

fn session() -> LocalSession {
    LocalSession {
        session: SESSION,
        organisation: "Acme Support GmbH".into(),
        technician: "Ada".into(),
        reason: "the till does not print".into(),
        granted: vec![GrantedCapability { capability: Capability::View, seconds_left: 900 }],
        connected: true,
        began: AT,
        chat: vec![line(DeliveryMark::Sent), line(DeliveryMark::Received)],
    }
}

fn window() -> ListedWindow {
    ListedWindow { id: 0x0140_0007, application: "Ledger".into(), title: "Accounts 2026".into() }
}

fn replies(table: &mut Table) {
    let bare = AgentStatus {
        version: "0.1.0".into(),
        device: "kasse-3".into(),
        organisation: "Acme Support GmbH".into(),
        relay: "relay.example:7443".into(),
        connected: false,
        problem: None,
        code: None,
        requests: vec![],
        sessions: vec![],
    };
    let full = AgentStatus {
        connected: true,
        problem: Some("the relay did not answer".into()),
        code: Some(code()),
        requests: vec![asked()],
        sessions: vec![session()],
        ..bare.clone()
    };
    table.wire("local-code", "Code", &code());
    variants!(
        table,
        "local-reply",
        LocalReply {
            Done: [LocalReply::Done],
            Status: [LocalReply::Status(Box::new(bare.clone())), LocalReply::Status(Box::new(full.clone()))],
            Code: [LocalReply::Code(code())],
            Refused: [LocalReply::Refused(AgentNotice::RequestOver)],
            Windows: [LocalReply::Windows(vec![]), LocalReply::Windows(vec![window()])],
            Alarms: [LocalReply::Alarms(Box::new(alarms()))],
            Record: [LocalReply::Record(Box::new(record()))],
            Fixes: [LocalReply::Fixes(vec![FixableFinding {
                check: "disks.space".into(),
                title: "/ is full".into(),
                advice: "Remove what you no longer need.".into(),
            }])],
            Help: [LocalReply::Help(HelpStatus::None)],
        }
    );
    variants!(
        table,
        "local-message",
        LocalMessage {
            Reply: [LocalMessage::Reply { number: 9, reply: LocalReply::Done }],
            Event: [LocalMessage::Event(LocalEvent::Notice(AgentNotice::ClockOff))],
        }
    );
}

fn events(table: &mut Table) {
    variants!(
        table,
        "local-mark",
        DeliveryMark {
            Sent: [DeliveryMark::Sent],
            Received: [DeliveryMark::Received],
            Shown: [DeliveryMark::Shown]
        }
    );
    let relay = |connected, problem| LocalEvent::Relay { connected, problem };
    variants!(
        table,
        "local-event",
        LocalEvent {
            Relay: [relay(true, None), relay(false, Some("no answer".to_owned()))],
            CodeGone: [LocalEvent::CodeGone(AgentNotice::CodeUsed)],
            Asked: [LocalEvent::Asked(asked())],
            Settled: [LocalEvent::Settled { request: 3, how: "denied".into() }],
            Session: [LocalEvent::Session(session())],
            Activity: [LocalEvent::Activity {
                session: SESSION,
                entry: ActivityEntry { at: AT, activity: Activity::Controls }
            }],
            Chat: [LocalEvent::Chat { session: SESSION, line: line(DeliveryMark::Shown) }],
            Ended: [LocalEvent::Ended { session: SESSION, why: AgentNotice::Stopped }],
            Notice: [LocalEvent::Notice(AgentNotice::WrongCode { who: "technician Ada".into() })],
            Paused: [
                LocalEvent::Paused { session: SESSION, reason: PauseReason::Unseen },
                LocalEvent::Paused { session: SESSION, reason: PauseReason::ByPerson },
                LocalEvent::Paused { session: SESSION, reason: PauseReason::OtherUser },
            ],
            Resumed: [LocalEvent::Resumed { session: SESSION }],
            Heartbeat: [LocalEvent::Heartbeat { number: 7 }],
            Help: [LocalEvent::Help(HelpStatus::Sending)],
        }
    );
}

fn said(table: &mut Table) {
    let view = Capability::View;
    let runbook = || String::from("clear-temp");
    variants!(
        table,
        "local-said",
        AgentNotice {
            Words: [AgentNotice::Words("no path could be opened".into())],
            Stopped: [AgentNotice::Stopped],
            ByTechnician: [AgentNotice::ByTechnician],
            TechnicianRevoked: [AgentNotice::TechnicianRevoked],
            AgentStops: [AgentNotice::AgentStops],
            KeyRotated: [AgentNotice::KeyRotated],
            NothingGranted: [AgentNotice::NothingGranted],
            ByRelay: [AgentNotice::ByRelay],
            Unwatched: [AgentNotice::Unwatched],
            OtherUser: [AgentNotice::OtherUser],
            ConnectionLost: [AgentNotice::ConnectionLost],
            CodeUsed: [AgentNotice::CodeUsed],
            CodeBurnt: [AgentNotice::CodeBurnt],
            CodeExpired: [AgentNotice::CodeExpired],
            CodeCancelled: [AgentNotice::CodeCancelled],
            EverythingStopped: [AgentNotice::EverythingStopped],
            CodeLost: [AgentNotice::CodeLost],
            CodeElsewhere: [AgentNotice::CodeElsewhere],
            ClockOff: [AgentNotice::ClockOff],
            WrongCode: [AgentNotice::WrongCode { who: "technician Ada".into() }],
            RecordUnwritable: [AgentNotice::RecordUnwritable {
                why: "the audit log can't be written".into()
            }],
            RecordWritable: [AgentNotice::RecordWritable],
            Missed: [AgentNotice::Missed(300)],
            RequestOver: [AgentNotice::RequestOver],
            ReadFirst: [AgentNotice::ReadFirst { seconds: 3 }],
            HandsOff: [AgentNotice::HandsOff { seconds: 2 }],
            NothingChosen: [AgentNotice::NothingChosen],
            WhichWindow: [AgentNotice::WhichWindow],
            WindowUnlisted: [AgentNotice::WindowUnlisted],
            SessionOver: [AgentNotice::SessionOver],
            NoneGranted: [AgentNotice::NoneGranted],
            ChatFull: [AgentNotice::ChatFull],
            NoCode: [AgentNotice::NoCode],
            CodesLocked: [AgentNotice::CodesLocked { seconds: 600 }],
            NoRelay: [AgentNotice::NoRelay],
            NotTheirScreen: [AgentNotice::NotTheirScreen],
            TooManyPrograms: [AgentNotice::TooManyPrograms],
            NoText: [AgentNotice::NoText],
            NotTheirs: [AgentNotice::NotTheirs],
            NotGranted: [AgentNotice::NotGranted(view)],
            GrantOver: [AgentNotice::GrantOver(view)],
            NotOffered: [AgentNotice::NotOffered(view)],
            NobodySees: [AgentNotice::NobodySees],
            PathLost: [AgentNotice::PathLost],
            PathBack: [AgentNotice::PathBack],
            CantShow: [AgentNotice::CantShow { why: "the screen can't be shown".into() }],
            PictureOver: [AgentNotice::PictureOver { sent: true, how: "one picture was sent".into() }],
            WindowOver: [AgentNotice::WindowOver { why: "the window was closed".into() }],
            RunbookBegins: [AgentNotice::RunbookBegins {
                title: "Clear temporary files".into(),
                mode: RunMode::Apply
            }],
            RunbookStep: [AgentNotice::RunbookStep {
                runbook: runbook(),
                act: runbook::RunbookAction::ClearCaches,
                before: "4 files, 1 MB".into(),
            }],
            RunbookOver: [AgentNotice::RunbookOver {
                runbook: runbook(),
                ending: RunEnding::Done,
                why: "1 MB free".into(),
            }],
            RunbookRefused: [AgentNotice::RunbookRefused { why: "clear-temp: too late".into() }],
        }
    );
}
