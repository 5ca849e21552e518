//! The session plane: technician and agent end to end, over one QUIC connection ([`ALPN`]), technician =
//! client, agent = server.
//!
//! Streams by conversation: the technician opens a bidirectional stream and says what it is for
//! ([`StreamOpen`]); the agent answers [`StreamAnswer`] and, if accepted, the conversation's own messages follow. The
//! first stream is `Control` and settles who is who before anything else is looked at. A stream whose
//! capability isn't granted is refused with a typed [`SessionRefusal`] and audited.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::program::ProgramInfo;
use crate::audit::AuditHead;
use crate::credential::Credential;
use crate::grant::{Capabilities, Capability, GrantRecord};
use crate::id::SessionId;
use crate::identity::{PublicKey, Signed};
use crate::message::control::DeviceFacts;
use crate::pake::Confirmation;
use crate::time::UnixMillis;

/// Application protocol of session connections; the number is the major version.
pub const ALPN: &[u8] = b"nearhand-session/1";
/// Largest frame before both ends know who they talk to, in bytes.
pub const HELLO_LIMIT: usize = 8 * 1024;
/// Code with which the agent resets a stream because the display that it works on has ended or is another user's now, with
/// its grant still in force.
pub const DISPLAY_GONE: u32 = 4;
/// Largest frame afterwards, in bytes.
pub const FRAME_LIMIT: usize = 64 * 1024;
/// Most bytes of a report in one [`DiagnosticsEvent::Report`] part.
pub const REPORT_PART: usize = 48 * 1024;
/// Largest report taken from a device, in bytes.
pub const REPORT_LIMIT: usize = 4 * 1024 * 1024;
/// Longest reason of a session, in characters.
pub const MAX_REASON: usize = 200;
/// Longest chat message, in characters.
pub const MAX_CHAT: usize = 4000;
/// How long both ends wait for the other before they know who it is.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a session outlives its connection.
pub const RESUME_WITHIN: Duration = Duration::from_secs(60);
/// The connection is given up after this long without a packet; a path that is re-bound sooner (relay
/// restarted, address changed) keeps it.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// The technician's end sends a keep-alive this often.
pub const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// What a stream is for: its first frame.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum StreamOpen {
    /// Who is who, capabilities, the session's end. Exactly one, first.
    Control(Box<TechnicianHello>),
    /// Messages between the two people. Needs no capability.
    Chat,
    /// A diagnostics run.
    Diagnostics {
        /// The checks to run.
        set: CheckSet,
    },
    /// Pictures of the screen.
    Screen,
    /// Pointer and keyboard.
    Input,
    /// Exchange of clipboard contents.
    Clipboard,
    /// Transfer of a file.
    File,
    /// A terminal on the device.
    Terminal,
    /// A corrective action or a reboot.
    Action,
    /// One window: the same messages as on [`StreamOpen::Screen`], in which the window is the only monitor and a monitor's
    /// number means nothing.
    Window,
    /// One picture of the whole screen, for a report. The technician says nothing on it; the device answers with the
    /// parts of one exact [`FromScreen::Frame`] of number 1, or [`FromScreen::Gone`], and ends the stream. It uses up the
    /// grant.
    ///
    /// [`FromScreen::Frame`]: super::screen::FromScreen::Frame
    /// [`FromScreen::Gone`]: super::screen::FromScreen::Gone
    Screenshot,
    /// A runbook: see [`super::runbook`].
    Runbook,
}

impl StreamOpen {
    /// The capability that a stream needs; `None` for those that need none.
    pub fn needs(&self) -> Option<Capability> {
        match self {
            Self::Control(_) | Self::Chat => None,
            Self::Diagnostics { .. } => Some(Capability::Diagnostics),
            Self::Screen => Some(Capability::View),
            Self::Input => Some(Capability::Control),
            Self::Clipboard => Some(Capability::Clipboard),
            Self::File => Some(Capability::Files),
            Self::Terminal => Some(Capability::Terminal),
            Self::Action => Some(Capability::Actions),
            Self::Window => Some(Capability::Window),
            Self::Screenshot => Some(Capability::Screenshot),
            Self::Runbook => Some(Capability::Runbook),
        }
    }
}

/// The agent's answer to every stream but the first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StreamAnswer {
    /// The stream is open.
    Accepted,
    /// The agent refuses.
    Refused(SessionRefusal),
}

/// Why the agent says no. Shown to the technician as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum SessionRefusal {
    /// The support code was not confirmed; it is burnt.
    #[error("wrong support code: it is now used up, ask for a new one")]
    WrongCode,
    /// The code expired or was used.
    #[error("this support code has expired or was used: ask for a new one")]
    NoSuchCode,
    /// The credential doesn't lead to the organisation that this device trusts.
    #[error("the device does not belong to your organisation, or your credential has expired")]
    NotTrusted,
    /// The technician's key was revoked.
    #[error("your key was revoked by the organisation")]
    Revoked,
    /// Resumption: no such session, wrong secret, or too late.
    #[error("the session is over and can't be resumed")]
    NoSuchSession,
    /// Versions don't fit. No agent says so yet: another major version fails in the handshake already (ALPN), where the
    /// client notices it by itself. For features that an agent comes to require of the client's hello.
    #[error("the versions of agent and client do not fit")]
    Version,
    /// The person at the device said no.
    #[error("denied by the person at the device")]
    Denied,
    /// Nobody answered in time, which counts as no.
    #[error("nobody at the device answered in time")]
    TimedOut,
    /// Nobody is there who could be asked, and the owner's policy doesn't cover it.
    #[error("nobody at the device can be asked, and its policy does not allow it unattended")]
    Unattended,
    /// The capability isn't granted.
    #[error("{0} is not granted: ask for it")]
    NotGranted(Capability),
    /// The grant's time is over.
    #[error("the grant for {0} has expired: ask for it again")]
    Expired(Capability),
    /// This device can't do that.
    #[error("this device does not offer {0}")]
    NotOffered(Capability),
    /// A conversation of this kind is open already.
    #[error("that is running already in this session")]
    AlreadyOpen,
    /// Too much at once.
    #[error("too many requests at once")]
    TooMany,
    /// Not what belongs here.
    #[error("the request makes no sense here")]
    Protocol,
    /// The device can't write its audit log, without which nothing is granted.
    #[error("the device can't write its audit log (disk full?), so it allows nothing")]
    Storage,
    /// Nobody is there who could be asked, and the owner's policy doesn't count while the device's clock is wrong.
    #[error(
        "nobody at the device can be asked, and its clock differs from the relay's, so its policy allows nothing: set the \
         clock, or ask the person there"
    )]
    ClockOff,
    /// The credential is the organisation's, and ends in another key than the one that made the connection.
    #[error(
        "the connection reached the device with another key than yours: somebody between you and the device took your \
         place, perhaps the relay; nothing was said. Tell the relay's operator before you try again"
    )]
    OtherKey,
}

/// The technician's first message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TechnicianHello {
    /// Version and features of its program.
    pub program: ProgramInfo,
    /// Id of the session.
    pub session: SessionId,
    /// Proves name and organisation; ends in the handshake's key.
    pub credential: Credential,
    /// How this end proves its right.
    pub proof: TechnicianProof,
}

/// How a technician proves the right to this session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum TechnicianProof {
    /// The first message of the support-code proof (see [`crate::pake`]).
    Code(Vec<u8>),
    /// By the credential alone, on an enrolled device.
    Managed,
    /// By the secret of the session's first connection.
    Resume(Confirmation),
}

/// The agent's answer to [`TechnicianHello`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum AgentHello {
    /// Support code: its own first message; the technician's [`Confirmation`] is next, alone in a frame.
    Code(Vec<u8>),
    /// Both ends know each other.
    Ready(Box<SessionReady>),
    /// The agent refuses.
    Refused(SessionRefusal),
}

/// The session stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionReady {
    /// The agent's program.
    pub program: ProgramInfo,
    /// Support code or resumption: the agent's own proof, to be checked before anything else.
    pub confirmation: Option<Confirmation>,
    /// The device's host name and operating system.
    pub facts: DeviceFacts,
    /// What this device can do at all.
    pub offers: Capabilities,
    /// What is granted now (a resumed session's grants, or the owner's policy).
    pub granted: Vec<GrantedCapability>,
    /// The device's audit head, as evidence for the other end.
    pub audit: Signed<AuditHead>,
    /// The key that signs this device's audit rows and grants: the handshake's.
    pub key: PublicKey,
}

/// One granted capability.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GrantedCapability {
    /// What the technician may do.
    pub capability: Capability,
    /// For how many seconds more.
    pub seconds_left: u32,
}

/// Which checks a diagnostics run makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckSet {
    /// Those that need at most 3 s together.
    Quick,
    /// All checks, the slow ones too.
    Full,
}

/// Technician → agent on the control stream, once ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum FromTechnician {
    /// May I? Answered with [`FromAgent::Decision`] of the same number.
    Ask {
        /// Number of the request, chosen by the technician.
        request: u32,
        /// The capabilities asked for.
        capabilities: Capabilities,
        /// For how long, in seconds.
        seconds: u32,
        /// Why, if other than the session's reason.
        reason: String,
    },
    /// Gives up capabilities.
    GiveUp(Capabilities),
    /// Why help is given, for the person at the device. Said only now: before, it was not known who listens.
    Reason(String),
    /// The session is over.
    End,
}

/// Agent → technician on the control stream, once ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum FromAgent {
    /// The person is being asked.
    Asking {
        /// Of which request.
        request: u32,
        /// For how many seconds at most.
        seconds: u32,
    },
    /// The decision on a request.
    Decision {
        /// On which request.
        request: u32,
        /// What came of it.
        decision: ConsentDecision,
    },
    /// Grants changed otherwise: narrowed, extended, revoked, expired. This is all that is granted now.
    Grants {
        /// All that is granted now.
        granted: Vec<GrantedCapability>,
        /// What happened, in words.
        why: String,
    },
    /// The session is over.
    Ended(SessionEndReason),
    /// The device's newest audit head.
    AuditHead(Signed<AuditHead>),
}

/// A decision on a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ConsentDecision {
    /// Granted; perhaps less than was asked for.
    Granted {
        /// The grant, signed by the device's key.
        record: Signed<GrantRecord>,
        /// All that is granted now.
        granted: Vec<GrantedCapability>,
    },
    /// Nothing was granted.
    Refused(SessionRefusal),
}

/// Why the agent ended the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum SessionEndReason {
    /// The person at the device pressed Stop.
    #[error("stopped by the person at the device")]
    Stopped,
    /// The technician ended it.
    #[error("ended by the technician")]
    ByTechnician,
    /// The technician's key was revoked.
    #[error("your key was revoked by the organisation")]
    Revoked,
    /// The agent stops.
    #[error("the agent on the device is stopping")]
    AgentStopping,
    /// Nothing was granted for a long time.
    #[error("nothing has been granted for a long time")]
    Idle,
    /// The device can't write its audit log. No agent ends a session for this reason today: what is granted was written
    /// down and goes on, and new requests are refused ([`SessionRefusal::Storage`]) until there is room again. Reserved
    /// for stricter agents.
    #[error("the device can't write its audit log (disk full?)")]
    Storage,
    /// The relay closed the path.
    #[error("the relay ended the session")]
    ByRelay,
}

/// A frame of the chat, the same both ways.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ChatFrame {
    /// A message. Sent again after a resumption until it is marked received; the other end drops doubles.
    Message {
        /// Counts up from 1 in each direction, over the whole session.
        number: u64,
        /// When it was written, by the writer's clock.
        at: UnixMillis,
        /// At most [`MAX_CHAT`] characters.
        text: String,
    },
    /// All messages up to this number have arrived and are kept.
    Received(u64),
    /// All messages up to this number were put before the person's eyes.
    Shown(u64),
}

/// A frame of a diagnostics run, agent → technician. The technician cancels by closing the stream.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum DiagnosticsEvent {
    /// The run has begun.
    Started {
        /// Number of checks.
        total: u32,
    },
    /// A check is under way.
    Checking {
        /// Id of the check, as `area.check`.
        id: String,
    },
    /// A check has come out; the finding as JSON (see `docs/report.schema.json`).
    Finding(String),
    /// A part of the whole report as JSON, in order.
    Report {
        /// At most [`REPORT_PART`] bytes.
        part: Vec<u8>,
        /// Whether this was the last.
        last: bool,
    },
    /// The run could not be finished.
    Failed(String),
}
