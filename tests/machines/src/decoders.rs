//! Everything that reads bytes somebody else wrote, as one table.
//!
//! The fuzz targets (`fuzz/`, one for each [`DecoderFamily`]) and the bounded test on stable Rust (`tests/decoders.rs`)
//! both take their entry points from [`DECODERS`]: a new message or parser is one line there. A decoder with
//! the name of a file in `golden` gets that file's vectors, whole and damaged. An entry must not panic,
//! with any input, and checks what must hold of a success; how much it may allocate is checked by the
//! test.
//!
//! Not reachable from here, because they are inside the agent's program: its policy file, and what its
//! diagnostics read of the machine and the network.

mod entries;

use nearhand_proto::audit::{AuditHead, AuditRow};
use nearhand_proto::credential::{Endorsement, Invite, Revocations, Role};
use nearhand_proto::grant::{Capability, DecidedBy, GrantRecord};
use nearhand_proto::id;
use nearhand_proto::identity::{PublicKey, Statement};
use nearhand_proto::invitation::{ClaimString, EnrolmentString, InviteString, SiteString};
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::message::{self, control, local, screen, session};
use nearhand_proto::pake::Confirmation;
use nearhand_proto::recording_signature::ScreenHead;
use nearhand_proto::runbook;
use nearhand_proto::support_code::RoutingDigits;
use nearhand_report::model::{Finding, Report};
use serde::Serialize;
use serde::de::DeserializeOwned;

use DecoderFamily::{Audit, Bind, Control, Local, Session, Strings, Wire};

/// Decoders that are fuzzed together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecoderFamily {
    /// The codec itself.
    Wire,
    /// Messages with the relay, and the credentials and statements in them.
    Control,
    /// Messages between the ends of a session.
    Session,
    /// Messages with the programs of the person at the device.
    Local,
    /// What people copy, read out and type; keys; text that is shown.
    Strings,
    /// Reports of a diagnosis, as a client reads them.
    Report,
    /// Packets of the forwarding path.
    Bind,
    /// Audit rows and logs.
    Audit,
}

impl DecoderFamily {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Wire,
        Self::Control,
        Self::Session,
        Self::Local,
        Self::Strings,
        Self::Report,
        Self::Bind,
        Self::Audit,
    ];

    /// The name of its fuzz target.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wire => "wire",
            Self::Control => "control",
            Self::Session => "session",
            Self::Local => "local",
            Self::Strings => "strings",
            Self::Report => "report",
            Self::Bind => "bind",
            Self::Audit => "audit",
        }
    }

    /// Its decoders in order: the first byte of a fuzzer's input counts through them.
    pub fn decoders(self) -> impl Iterator<Item = &'static HostileDecoder> {
        DECODERS.iter().filter(move |decoder| decoder.family == self)
    }
}

/// Something that takes hostile bytes.
#[derive(Clone, Copy, Debug)]
pub struct HostileDecoder {
    /// Its name to report; also that of the file in `golden` with bytes that it takes, if there is one.
    pub name: &'static str,
    /// With whom it is fuzzed.
    pub family: DecoderFamily,
    /// Decodes an input and checks what must hold of a success.
    pub decode: fn(&[u8]),
}

const fn entry(family: DecoderFamily, name: &'static str, decode: fn(&[u8])) -> HostileDecoder {
    HostileDecoder { name, family, decode }
}

const fn wire<T: DeserializeOwned + Serialize>(family: DecoderFamily, name: &'static str) -> HostileDecoder {
    entry(family, name, entries::message::<T>)
}

const fn signed<T: Statement + 'static>(name: &'static str) -> HostileDecoder {
    entry(Control, name, entries::signed::<T>)
}

/// All of them.
pub const DECODERS: &[HostileDecoder] = &[
    entry(Wire, "frame", entries::frame),
    wire::<u64>(Wire, "u64"),
    wire::<String>(Wire, "string"),
    wire::<Vec<(String, u64)>>(Wire, "pairs"),
    wire::<Vec<Vec<Vec<u8>>>>(Wire, "nested"),
    wire::<id::SessionId>(Wire, "session-id"),
    wire::<PublicKey>(Wire, "public-key"),
    wire::<control::RelayRequest>(Control, "control-request"),
    wire::<control::RelayReply>(Control, "control-reply"),
    wire::<control::RelayPush>(Control, "control-push"),
    wire::<control::RelayPushReply>(Control, "control-push-reply"),
    wire::<control::RelayHello>(Control, "control-hello"),
    wire::<control::RelayWelcome>(Control, "control-welcome"),
    wire::<control::RelayRefusal>(Control, "control-refusal"),
    wire::<control::OfferRefusal>(Control, "control-offer-refusal"),
    wire::<control::CloseOutcome>(Control, "control-outcome"),
    wire::<control::SessionTarget>(Control, "control-target"),
    entry(Control, "control-close-code", entries::close_code),
    wire::<Role>(Control, "role"),
    wire::<DecidedBy>(Control, "decided-by"),
    wire::<RoutingDigits>(Control, "routing"),
    wire::<Revocations>(Control, "known-revocations"),
    entry(Control, "credential", entries::credential),
    signed::<Invite>("signed-invite"),
    signed::<Endorsement>("signed-endorsement"),
    entry(Control, "signed-retirement", entries::retirement),
    entry(Control, "signed-revocations", entries::revocations),
    signed::<AuditHead>("signed-head"),
    signed::<GrantRecord>("signed-grant"),
    signed::<ScreenHead>("signed-screen-head"),
    wire::<session::StreamOpen>(Session, "session-open"),
    wire::<session::StreamAnswer>(Session, "session-answer"),
    wire::<session::SessionRefusal>(Session, "session-refusal"),
    wire::<session::TechnicianHello>(Session, "session-technician-hello"),
    wire::<session::TechnicianProof>(Session, "session-technician-proof"),
    wire::<session::AgentHello>(Session, "session-agent-hello"),
    wire::<Confirmation>(Session, "session-confirmation"),
    wire::<session::FromTechnician>(Session, "session-from-technician"),
    wire::<session::FromAgent>(Session, "session-from-agent"),
    wire::<session::ConsentDecision>(Session, "session-decision"),
    wire::<session::SessionEndReason>(Session, "session-ended"),
    entry(Session, "session-chat", entries::chat),
    wire::<session::DiagnosticsEvent>(Session, "session-diagnostics-event"),
    wire::<screen::FromViewer>(Session, "screen-from-viewer"),
    wire::<screen::ScreenQuality>(Session, "screen-quality"),
    wire::<screen::FromScreen>(Session, "screen-from-screen"),
    wire::<screen::InputEvent>(Session, "screen-input"),
    wire::<screen::MouseButton>(Session, "screen-button"),
    wire::<screen::InputNotice>(Session, "screen-input-notice"),
    wire::<screen::ClipboardMessage>(Session, "screen-clipboard"),
    wire::<message::runbook::RunbookRequest>(Session, "runbook-from-technician"),
    wire::<message::runbook::RunbookMessage>(Session, "runbook-from-device"),
    wire::<runbook::ParameterKind>(Session, "runbook-kind"),
    wire::<runbook::RunbookAction>(Session, "runbook-act"),
    wire::<runbook::RiskClass>(Session, "runbook-class"),
    wire::<runbook::RunEnding>(Session, "runbook-ending"),
    wire::<runbook::RunMode>(Session, "runbook-mode"),
    wire::<runbook::StepPhase>(Session, "runbook-phase"),
    wire::<runbook::ParameterUnit>(Session, "runbook-unit"),
    wire::<runbook::RunRefusal>(Session, "runbook-refused"),
    entry(Session, "signed-runbook", entries::runbook),
    entry(Session, "signed-order", entries::signed::<runbook::RunOrder>),
    wire::<Capability>(Session, "capability"),
    entry(Session, "capabilities", entries::capabilities),
    wire::<CheckSet>(Session, "check-set"),
    entry(Session, "proof", entries::proof),
    wire::<local::LocalRequest>(Local, "local-request"),
    wire::<local::LocalVerb>(Local, "local-verb"),
    wire::<local::ConsentChoice>(Local, "local-choice"),
    wire::<local::LocalMessage>(Local, "local-message"),
    wire::<local::LocalReply>(Local, "local-reply"),
    wire::<local::LocalEvent>(Local, "local-event"),
    wire::<local::SpokenCode>(Local, "local-code"),
    wire::<local::DeliveryMark>(Local, "local-mark"),
    wire::<local::Activity>(Local, "local-act"),
    wire::<local::HelpStatus>(Local, "local-help"),
    wire::<local::AgentNotice>(Local, "local-said"),
    entry(Strings, "string-claim", entries::invitation::<ClaimString>),
    entry(Strings, "string-invite", entries::invitation::<InviteString>),
    entry(Strings, "string-enrol", entries::invitation::<EnrolmentString>),
    entry(Strings, "string-site", entries::invitation::<SiteString>),
    entry(Strings, "support-code", entries::support_code),
    entry(Strings, "text-device-id", entries::parsed::<id::DeviceId>),
    entry(Strings, "text-technician-id", entries::parsed::<id::TechnicianId>),
    entry(Strings, "text-organisation-id", entries::parsed::<id::OrganisationId>),
    entry(Strings, "text-session-id", entries::parsed::<id::SessionId>),
    entry(Strings, "text-invite-id", entries::parsed::<id::InviteId>),
    entry(Strings, "text-bind-token", entries::parsed::<id::BindToken>),
    entry(Strings, "text-public-key", entries::parsed::<PublicKey>),
    entry(Strings, "text-capability", entries::parsed::<Capability>),
    entry(Strings, "spki", entries::spki),
    entry(Strings, "key-file", entries::key_file),
    entry(Strings, "text::one_line", entries::one_line),
    entry(Strings, "text::multi_line", entries::multi_line),
    entry(DecoderFamily::Report, "report", entries::report),
    entry(DecoderFamily::Report, "finding", entries::json::<Finding>),
    wire::<Finding>(DecoderFamily::Report, "wire: finding"),
    wire::<Report>(DecoderFamily::Report, "wire: report"),
    entry(Bind, "bind-packet", entries::bind_packet),
    wire::<AuditRow>(Audit, "audit-row"),
    entry(Audit, "audit-row-json", entries::json::<AuditRow>),
    entry(Audit, "audit-log", entries::audit_log),
];

/// Runs the decoder of a family that the first byte chooses on the rest: how a fuzzer, which knows only bytes,
/// reaches them all.
pub fn run(family: DecoderFamily, input: &[u8]) {
    let count = family.decoders().count().max(1);
    if let Some((choice, rest)) = input.split_first()
        && let Some(decoder) = family.decoders().nth(usize::from(*choice) % count)
    {
        (decoder.decode)(rest);
    }
}
