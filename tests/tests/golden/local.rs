//! The local interface: the agent with the programs of the person at the device.

use nearhand_machines::golden::AT;
use nearhand_proto::alarm::Severity;
use nearhand_proto::grant::Capability;
use nearhand_proto::id::StreamId;
use nearhand_proto::message::local::{
    Act, Alarm, Alarms, ChatLine, Choice, Code, ConsentRequest, Deed, Event, Fix, Help, HelpWanted, Mark,
    Message, Record, Reply, Request, Said, Session, SessionEnded, Status, Urgency, Verb, Window,
};
use nearhand_proto::message::session::Granted;
use nearhand_proto::runbook::{self, Ending, Mode};

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
    let allow = Choice::Allow { capabilities, seconds: 900, window: None };
    let one =
        Choice::Allow { capabilities: Capability::Window.into(), seconds: 900, window: Some(0x0140_0007) };
    variants!(table, "local-choice", Choice { Allow: [allow, one], Deny: [Choice::Deny] });
    variants!(
        table,
        "local-verb",
        Verb {
            Status: [Verb::Status],
            Watch: [Verb::Watch],
            NewCode: [Verb::NewCode],
            CancelCode: [Verb::CancelCode],
            Decide: [
                Verb::Decide { request: 3, choice: Choice::Deny },
                Verb::Decide { request: 1 << 40, choice: allow },
            ],
            Extend: [Verb::Extend { session, capabilities, seconds: 600 }],
            Revoke: [Verb::Revoke { session, capabilities }],
            Stop: [Verb::Stop { session }],
            StopAll: [Verb::StopAll],
            Say: [Verb::Say { session, text: "one moment".into() }],
            Seen: [Verb::Seen { session, number: 12 }],
            RotateKey: [Verb::RotateKey],
            Windows: [Verb::Windows],
            Alarms: [Verb::Alarms],
            WatchAsWindow: [Verb::WatchAsWindow],
            LeaveWindow: [Verb::LeaveWindow],
            Pause: [Verb::Pause { session }],
            Resume: [Verb::Resume { session }],
            Record: [Verb::Record { session }],
            Fixes: [Verb::Fixes],
            AskForHelp: [Verb::AskForHelp(wanted())],
            WithdrawHelp: [Verb::WithdrawHelp],
            Rate: [Verb::Rate { session, stars: 5, comment: "quick".into() }],
            ReportSession: [Verb::ReportSession { session, text: "asked for my bank".into() }],
            Help: [Verb::Help],
        }
    );
    table.wire("local-request", "Request", &Request { number: 9, verb: Verb::Stop { session } });
}

fn record() -> Record {
    let acts = vec![Act::SeesScreen, Act::Told(Said::PathLost)];
    Record {
        session: SESSION,
        organisation: "Acme Support GmbH".into(),
        technician: "Ada".into(),
        began: AT,
        ended: Some(SessionEnded { at: AT, why: Said::Stopped }),
        deeds: acts.into_iter().map(|act| Deed { at: AT, act }).collect(),
    }
}

fn deeds(table: &mut Table) {
    let capabilities = some_capabilities();
    let window = || String::from("the window \"Till\" of \"Ledger\"");
    variants!(
        table,
        "local-act",
        Act {
            SeesScreen: [Act::SeesScreen],
            LeavesScreen: [Act::LeavesScreen],
            SeesWindow: [Act::SeesWindow { window: window() }],
            LeavesWindow: [Act::LeavesWindow { window: window() }],
            Controls: [Act::Controls],
            LeavesControl: [Act::LeavesControl],
            TakesClipboard: [Act::TakesClipboard],
            TakesPicture: [Act::TakesPicture],
            Records: [Act::Records],
            StopsRecording: [Act::StopsRecording],
            Diagnoses: [Act::Diagnoses],
            Diagnosed: [Act::Diagnosed],
            DiagnosisBroken: [Act::DiagnosisBroken],
            Granted: [Act::Granted { capabilities, seconds: 900 }],
            TakenBack: [Act::TakenBack(capabilities)],
            Expired: [Act::Expired(capabilities)],
            Extended: [Act::Extended(capabilities)],
            Refused: [Act::Refused(Said::NotGranted(Capability::View))],
            Interrupted: [Act::Interrupted],
            Reconnected: [Act::Reconnected],
            Paused: [Act::Paused],
            PausedUnseen: [Act::PausedUnseen],
            Resumed: [Act::Resumed],
            Told: [Act::Told(Said::PathLost)],
        }
    );
    variants!(
        table,
        "local-help",
        Help {
            None: [Help::None],
            Sending: [Help::Sending],
            Waiting: [
                Help::Waiting { number: 7, ahead: 2, wait: Some(540) },
                Help::Waiting { number: 7, ahead: 0, wait: None },
            ],
            Taken: [Help::Taken { number: 7, technician: "Ada".into() }],
            Closed: [Help::Closed { number: 7 }],
            Refused: [Help::Refused(Said::Words("the relay is at its limit".into()))],
        }
    );
}

pub(super) fn wanted() -> HelpWanted {
    HelpWanted {
        what: "the till does not print".into(),
        urgency: Urgency::Stopped,
        reach: "+49 30 1234".into(),
    }
}

fn alarms() -> Alarms {
    Alarms {
        alarms: vec![Alarm {
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

fn code() -> Code {
    Code { spoken: "0042 1234 5674".into(), seconds_left: 600 }
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

fn line(mark: Mark) -> ChatLine {
    ChatLine { from_technician: mark == Mark::Received, number: 1, at: AT, text: "hello".into(), mark }
}

fn session() -> Session {
    Session {
        session: SESSION,
        organisation: "Acme Support GmbH".into(),
        technician: "Ada".into(),
        reason: "the till does not print".into(),
        granted: vec![Granted { capability: Capability::View, seconds_left: 900 }],
        connected: true,
        began: AT,
        chat: vec![line(Mark::Sent), line(Mark::Received)],
    }
}

fn window() -> Window {
    Window { id: 0x0140_0007, application: "Ledger".into(), title: "Accounts 2026".into() }
}

fn replies(table: &mut Table) {
    let bare = Status {
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
    let full = Status {
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
        Reply {
            Done: [Reply::Done],
            Status: [Reply::Status(Box::new(bare.clone())), Reply::Status(Box::new(full.clone()))],
            Code: [Reply::Code(code())],
            Refused: [Reply::Refused(Said::RequestOver)],
            Windows: [Reply::Windows(vec![]), Reply::Windows(vec![window()])],
            Alarms: [Reply::Alarms(Box::new(alarms()))],
            Record: [Reply::Record(Box::new(record()))],
            Fixes: [Reply::Fixes(vec![Fix {
                check: "disks.space".into(),
                title: "/ is full".into(),
                advice: "Remove what you no longer need.".into(),
            }])],
            Help: [Reply::Help(Help::None)],
        }
    );
    variants!(
        table,
        "local-message",
        Message {
            Reply: [Message::Reply { number: 9, reply: Reply::Done }],
            Event: [Message::Event(Event::Notice(Said::ClockOff))],
        }
    );
}

fn events(table: &mut Table) {
    variants!(
        table,
        "local-mark",
        Mark { Sent: [Mark::Sent], Received: [Mark::Received], Shown: [Mark::Shown] }
    );
    let relay = |connected, problem| Event::Relay { connected, problem };
    variants!(
        table,
        "local-event",
        Event {
            Relay: [relay(true, None), relay(false, Some("no answer".to_owned()))],
            CodeGone: [Event::CodeGone(Said::CodeUsed)],
            Asked: [Event::Asked(asked())],
            Settled: [Event::Settled { request: 3, how: "denied".into() }],
            Session: [Event::Session(session())],
            Activity: [Event::Activity { session: SESSION, entry: Deed { at: AT, act: Act::Controls } }],
            Chat: [Event::Chat { session: SESSION, line: line(Mark::Shown) }],
            Ended: [Event::Ended { session: SESSION, why: Said::Stopped }],
            Notice: [Event::Notice(Said::WrongCode { who: "technician Ada".into() })],
            Paused: [
                Event::Paused { session: SESSION, unseen: true },
                Event::Paused { session: SESSION, unseen: false },
            ],
            Resumed: [Event::Resumed { session: SESSION }],
            Help: [Event::Help(Help::Sending)],
        }
    );
}

fn said(table: &mut Table) {
    let view = Capability::View;
    let runbook = || String::from("clear-temp");
    variants!(
        table,
        "local-said",
        Said {
            Words: [Said::Words("no path could be opened".into())],
            Stopped: [Said::Stopped],
            ByTechnician: [Said::ByTechnician],
            TechnicianRevoked: [Said::TechnicianRevoked],
            AgentStops: [Said::AgentStops],
            KeyRotated: [Said::KeyRotated],
            NothingGranted: [Said::NothingGranted],
            ByRelay: [Said::ByRelay],
            Unwatched: [Said::Unwatched],
            ConnectionLost: [Said::ConnectionLost],
            CodeUsed: [Said::CodeUsed],
            CodeBurnt: [Said::CodeBurnt],
            CodeExpired: [Said::CodeExpired],
            CodeCancelled: [Said::CodeCancelled],
            EverythingStopped: [Said::EverythingStopped],
            CodeLost: [Said::CodeLost],
            CodeElsewhere: [Said::CodeElsewhere],
            ClockOff: [Said::ClockOff],
            WrongCode: [Said::WrongCode { who: "technician Ada".into() }],
            NoRoom: [Said::NoRoom { why: "the audit log can't be written".into() }],
            Missed: [Said::Missed(300)],
            RequestOver: [Said::RequestOver],
            ReadFirst: [Said::ReadFirst { seconds: 3 }],
            HandsOff: [Said::HandsOff { seconds: 2 }],
            NothingChosen: [Said::NothingChosen],
            WhichWindow: [Said::WhichWindow],
            WindowUnlisted: [Said::WindowUnlisted],
            SessionOver: [Said::SessionOver],
            NoneGranted: [Said::NoneGranted],
            ChatFull: [Said::ChatFull],
            NoCode: [Said::NoCode],
            CodesLocked: [Said::CodesLocked { seconds: 600 }],
            NoRelay: [Said::NoRelay],
            NoText: [Said::NoText],
            NotTheirs: [Said::NotTheirs],
            NotGranted: [Said::NotGranted(view)],
            GrantOver: [Said::GrantOver(view)],
            NotOffered: [Said::NotOffered(view)],
            NobodySees: [Said::NobodySees],
            PathLost: [Said::PathLost],
            PathBack: [Said::PathBack],
            CantShow: [Said::CantShow { why: "the screen can't be shown".into() }],
            PictureOver: [Said::PictureOver { sent: true, how: "one picture was sent".into() }],
            WindowOver: [Said::WindowOver { why: "the window was closed".into() }],
            RunbookBegins: [Said::RunbookBegins { title: "Clear temporary files".into(), mode: Mode::Apply }],
            RunbookStep: [Said::RunbookStep {
                runbook: runbook(),
                act: runbook::Act::ClearCaches,
                before: "4 files, 1 MB".into(),
            }],
            RunbookOver: [Said::RunbookOver {
                runbook: runbook(),
                ending: Ending::Done,
                why: "1 MB free".into(),
            }],
            RunbookRefused: [Said::RunbookRefused { why: "clear-temp: too late".into() }],
        }
    );
}
