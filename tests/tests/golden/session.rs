//! The session plane: technician and agent, end to end.

use nearhand_machines::golden::{AT, KeyOwner};
use nearhand_proto::audit::AuditHead;
use nearhand_proto::credential::Role;
use nearhand_proto::grant::{Capabilities, Capability, DecidedBy};
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::message::session::{
    AgentHello, ChatFrame, ConsentDecision, DiagnosticsEvent, FromAgent, FromTechnician, GrantedCapability,
    SessionEndReason, SessionReady, SessionRefusal, StreamAnswer, StreamOpen, TechnicianHello,
    TechnicianProof,
};
use nearhand_proto::time::UnixMillis;

use super::fixed::{
    SESSION, all_capabilities, credential, facts, grant_record, program, rotated_credential,
    some_capabilities,
};
use super::{Table, audit, variants};

pub(crate) fn fill(table: &mut Table) {
    hellos(table);
    streams(table);
    refusals(table);
    control_stream(table);
    conversations(table);
    sets(table);
}

fn technician_hello(proof: TechnicianProof) -> TechnicianHello {
    TechnicianHello { program: program(), session: SESSION, credential: credential(Role::Technician), proof }
}

fn granted() -> Vec<GrantedCapability> {
    let one = |capability, seconds_left| GrantedCapability { capability, seconds_left };
    vec![one(Capability::View, 900), one(Capability::Diagnostics, 43_200)]
}

fn hellos(table: &mut Table) {
    variants!(
        table,
        "session-technician-proof",
        TechnicianProof {
            Code: [TechnicianProof::Code(vec![0x41; 33])],
            Managed: [TechnicianProof::Managed],
            Resume: [TechnicianProof::Resume([0x5a; 32])],
        }
    );
    let managed = technician_hello(TechnicianProof::Managed);
    table.wire("session-technician-hello", "managed", &managed);
    let rotated = TechnicianHello { credential: rotated_credential(), ..managed };
    table.wire("session-technician-hello", "rotated", &rotated);
    let full = SessionReady {
        program: program(),
        confirmation: Some([0xc0; 32]),
        facts: facts(),
        offers: all_capabilities(),
        granted: granted(),
        audit: KeyOwner::Device.secret().sign(&audit::head()).unwrap(),
        key: KeyOwner::Device.public(),
    };
    let bare = SessionReady {
        confirmation: None,
        offers: Capabilities::NONE,
        granted: vec![],
        audit: KeyOwner::Device.secret().sign(&AuditHead::EMPTY).unwrap(),
        ..full.clone()
    };
    variants!(
        table,
        "session-agent-hello",
        AgentHello {
            Code: [AgentHello::Code(vec![0x42; 33])],
            Ready: [AgentHello::Ready(Box::new(full.clone())), AgentHello::Ready(Box::new(bare.clone()))],
            Refused: [AgentHello::Refused(SessionRefusal::WrongCode)],
        }
    );
}

fn streams(table: &mut Table) {
    let hello = technician_hello(TechnicianProof::Code(vec![0x41; 33]));
    variants!(
        table,
        "session-open",
        StreamOpen {
            Control: [StreamOpen::Control(Box::new(hello.clone()))],
            Chat: [StreamOpen::Chat],
            Diagnostics: [
                StreamOpen::Diagnostics { set: CheckSet::Quick },
                StreamOpen::Diagnostics { set: CheckSet::Full },
            ],
            Screen: [StreamOpen::Screen],
            Input: [StreamOpen::Input],
            Clipboard: [StreamOpen::Clipboard],
            File: [StreamOpen::File],
            Terminal: [StreamOpen::Terminal],
            Action: [StreamOpen::Action],
            Window: [StreamOpen::Window],
            Screenshot: [StreamOpen::Screenshot],
            Runbook: [StreamOpen::Runbook],
        }
    );
    variants!(
        table,
        "session-answer",
        StreamAnswer {
            Accepted: [StreamAnswer::Accepted],
            Refused: [StreamAnswer::Refused(SessionRefusal::NotGranted(Capability::View))],
        }
    );
    // The technician's confirmation of a support code, alone in its frame.
    table.wire("session-confirmation", "Confirmation", &[0xc0_u8; 32]);
}

fn refusals(table: &mut Table) {
    variants!(
        table,
        "session-refusal",
        SessionRefusal {
            WrongCode: [SessionRefusal::WrongCode],
            NoSuchCode: [SessionRefusal::NoSuchCode],
            NotTrusted: [SessionRefusal::NotTrusted],
            Revoked: [SessionRefusal::Revoked],
            NoSuchSession: [SessionRefusal::NoSuchSession],
            Version: [SessionRefusal::Version],
            Denied: [SessionRefusal::Denied],
            TimedOut: [SessionRefusal::TimedOut],
            Unattended: [SessionRefusal::Unattended],
            NotGranted: [SessionRefusal::NotGranted(Capability::Reboot)],
            Expired: [SessionRefusal::Expired(Capability::Control)],
            NotOffered: [SessionRefusal::NotOffered(Capability::Terminal)],
            AlreadyOpen: [SessionRefusal::AlreadyOpen],
            TooMany: [SessionRefusal::TooMany],
            Protocol: [SessionRefusal::Protocol],
            Storage: [SessionRefusal::Storage],
            ClockOff: [SessionRefusal::ClockOff],
            OtherKey: [SessionRefusal::OtherKey],
        }
    );
    variants!(
        table,
        "session-ended",
        SessionEndReason {
            Stopped: [SessionEndReason::Stopped],
            ByTechnician: [SessionEndReason::ByTechnician],
            Revoked: [SessionEndReason::Revoked],
            AgentStopping: [SessionEndReason::AgentStopping],
            Idle: [SessionEndReason::Idle],
            Storage: [SessionEndReason::Storage],
            ByRelay: [SessionEndReason::ByRelay],
        }
    );
}

fn control_stream(table: &mut Table) {
    variants!(
        table,
        "session-from-technician",
        FromTechnician {
            Ask: [FromTechnician::Ask {
                request: 7,
                capabilities: some_capabilities(),
                seconds: 900,
                reason: "the till does not print".into(),
            }],
            GiveUp: [FromTechnician::GiveUp(all_capabilities())],
            Reason: [FromTechnician::Reason("your call of 10:15".into())],
            End: [FromTechnician::End],
        }
    );
    let record = KeyOwner::Device.secret().sign(&grant_record(DecidedBy::Person)).unwrap();
    variants!(
        table,
        "session-decision",
        ConsentDecision {
            Granted: [ConsentDecision::Granted { record: record.clone(), granted: granted() }],
            Refused: [ConsentDecision::Refused(SessionRefusal::Denied)],
        }
    );
    let head = KeyOwner::Device.secret().sign(&audit::head()).unwrap();
    let grants = |granted, why: &str| FromAgent::Grants { granted, why: why.into() };
    variants!(
        table,
        "session-from-agent",
        FromAgent {
            Asking: [FromAgent::Asking { request: 7, seconds: 60 }],
            Decision: [FromAgent::Decision {
                request: 7,
                decision: ConsentDecision::Refused(SessionRefusal::TimedOut)
            }],
            Grants: [grants(granted(), "15 more minutes for view"), grants(vec![], "all taken back")],
            Ended: [FromAgent::Ended(SessionEndReason::Stopped)],
            AuditHead: [FromAgent::AuditHead(head.clone())],
        }
    );
}

fn conversations(table: &mut Table) {
    let text = "Grüße 👋\nzweite Zeile".to_owned();
    variants!(
        table,
        "session-chat",
        ChatFrame {
            Message: [
                ChatFrame::Message { number: 1, at: AT, text: text.clone() },
                ChatFrame::Message { number: u64::MAX, at: UnixMillis(0), text: String::new() },
            ],
            Received: [ChatFrame::Received(300)],
            Shown: [ChatFrame::Shown(70_000)],
        }
    );
    let part = b"{\"schema_version\":1}".to_vec();
    variants!(
        table,
        "session-diagnostics-event",
        DiagnosticsEvent {
            Started: [DiagnosticsEvent::Started { total: 85 }],
            Checking: [DiagnosticsEvent::Checking { id: "disks.space".into() }],
            Finding: [DiagnosticsEvent::Finding("{\"id\":\"disks.space\"}".into())],
            Report: [
                DiagnosticsEvent::Report { part: part.clone(), last: false },
                DiagnosticsEvent::Report { part: vec![], last: true },
            ],
            Failed: [DiagnosticsEvent::Failed("the collector stopped".into())],
        }
    );
}

fn sets(table: &mut Table) {
    variants!(
        table,
        "capability",
        Capability {
            View: [Capability::View],
            Control: [Capability::Control],
            Clipboard: [Capability::Clipboard],
            Files: [Capability::Files],
            Terminal: [Capability::Terminal],
            Diagnostics: [Capability::Diagnostics],
            Actions: [Capability::Actions],
            Reboot: [Capability::Reboot],
            Window: [Capability::Window],
            Screenshot: [Capability::Screenshot],
            Runbook: [Capability::Runbook],
        }
    );
    table.wire("capabilities", "none", &Capabilities::NONE);
    table.wire("capabilities", "all", &all_capabilities());
    for capability in Capability::ALL {
        table.wire("capabilities", capability.name(), &Capabilities::NONE.with(capability));
    }
    variants!(table, "check-set", CheckSet { Quick: [CheckSet::Quick], Full: [CheckSet::Full] });
}
