//! The local interface: the agent with the programs of the person at the device (terminal prompt, window).
//!
//! Over a private Unix socket; the agent knows the caller's user from the kernel. One frame per message both
//! ways. A closed list of verbs: no paths, no commands, nothing that the agent would run. Everything that
//! came from the other end of a session (names, reasons, chat) is neutralised by the agent before it is sent
//! here, and stands in fields of its own.

use serde::{Deserialize, Serialize};

use crate::alarm::Severity;
use crate::grant::Capabilities;
use crate::id::{SessionId, StreamId};
use crate::message::session::Granted;
use crate::time::UnixMillis;

/// Largest frame on this channel, in bytes.
pub const FRAME_LIMIT: usize = 64 * 1024;
/// Most windows listed.
pub const MAX_WINDOWS: usize = 64;
/// Longest title or application of a window, in characters.
pub const MAX_TITLE: usize = 120;

/// What a local program may ask of the agent; each is answered with one [`Reply`] of the same number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the caller.
    pub number: u32,
    /// What.
    pub verb: Verb,
}

/// The closed list of what can be asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Verb {
    /// How things stand.
    Status,
    /// From now on this connection is told of events; it counts as somebody who can be asked for consent.
    Watch,
    /// A new support code; the old one is void.
    NewCode,
    /// The support code is void.
    CancelCode,
    /// The person's decision on a request.
    Decide {
        /// Which request.
        request: u64,
        /// The decision.
        choice: Choice,
    },
    /// More time for what is granted.
    Extend {
        /// In which session.
        session: SessionId,
        /// What.
        capabilities: Capabilities,
        /// By how many seconds.
        seconds: u32,
    },
    /// Takes capabilities back.
    Revoke {
        /// In which session.
        session: SessionId,
        /// What.
        capabilities: Capabilities,
    },
    /// Ends a session.
    Stop {
        /// Which.
        session: SessionId,
    },
    /// Ends everything at once.
    StopAll,
    /// A chat message to the technician.
    Say {
        /// In which session.
        session: SessionId,
        /// What.
        text: String,
    },
    /// This connection's person has seen the messages up to a number.
    Seen {
        /// In which session.
        session: SessionId,
        /// Number of the last one.
        number: u64,
    },
    /// The device's key is replaced by a new one; sessions end.
    RotateKey,
    /// Which windows there are, for [`Choice::AllowWindow`].
    Windows,
    /// What alarms there are, and what waits for the relay.
    Alarms,
}

/// The person's choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Choice {
    /// Allow some of what is asked.
    Allow {
        /// What (never more than was asked for).
        capabilities: Capabilities,
        /// For how long.
        seconds: u32,
    },
    /// Deny all.
    Deny,
    /// Allow some of what is asked, among it to see one window.
    AllowWindow {
        /// What (never more than was asked for).
        capabilities: Capabilities,
        /// For how long.
        seconds: u32,
        /// Which window: its id in the newest [`Reply::Windows`].
        window: u32,
    },
}

/// A window of the person's, as they know it. Both texts were written by whatever program owns it; boxed, so
/// that a list of empty ones takes little memory for its bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Window {
    /// Its id.
    pub id: u32,
    /// What its application is called, at most [`MAX_TITLE`] characters.
    pub application: Box<str>,
    /// Its title, at most [`MAX_TITLE`] characters.
    pub title: Box<str>,
}

/// The agent to a local program.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Message {
    /// The answer to a request.
    Reply {
        /// The request's number.
        number: u32,
        /// What came of it.
        reply: Reply,
    },
    /// To those who watch.
    Event(Event),
}

/// The answer to a [`Verb`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// It is done.
    Done,
    /// How things stand.
    Status(Box<Status>),
    /// A new code.
    Code(Code),
    /// No, for this reason in words.
    Refused(String),
    /// The windows there are now, the uppermost first, at most [`MAX_WINDOWS`].
    Windows(Vec<Window>),
    /// What alarms there are.
    Alarms(Box<Alarms>),
}

/// How things stand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The agent's version.
    pub version: String,
    /// This device's label or host name.
    pub device: String,
    /// The organisation it belongs to or asks for help.
    pub organisation: String,
    /// The relay, and whether it is connected.
    pub relay: String,
    /// Whether the relay is connected.
    pub connected: bool,
    /// What went wrong with the relay last, if it isn't connected.
    pub problem: Option<String>,
    /// The support code shown now.
    pub code: Option<Code>,
    /// Requests that wait for a decision.
    pub requests: Vec<ConsentRequest>,
    /// Sessions under way.
    pub sessions: Vec<Session>,
}

/// Most alarms in one answer; what is open comes first.
pub const MAX_ALARMS: usize = 64;

/// What alarms there are on this device, and what waits for the relay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Alarms {
    /// Alarms, and what may become one; at most [`MAX_ALARMS`].
    pub alarms: Vec<Alarm>,
    /// How many rules are in force.
    pub rules: u32,
    /// Events that wait for the relay.
    pub waiting: u64,
    /// When the oldest of them was written.
    pub oldest: Option<UnixMillis>,
    /// The spool they wait in.
    pub stream: StreamId,
    /// Why nothing gets to the relay, if so.
    pub delivery: Option<String>,
    /// What is wrong with the rules file or the spool.
    pub problems: Vec<String>,
}

/// How one rule stands on one instance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Alarm {
    /// The rule.
    pub rule: String,
    /// Of what; empty where there is only one.
    pub instance: String,
    /// `ok`, `pending`, `firing` or `recovering`.
    pub phase: String,
    /// How bad, once it is raised.
    pub severity: Option<Severity>,
    /// What it is measured by is silent.
    pub unknown: bool,
    /// It comes and goes.
    pub flapping: bool,
    /// What was measured, with its unit.
    pub value: String,
    /// For how many seconds it is raised.
    pub seconds: Option<u64>,
    /// One sentence.
    pub summary: String,
}

/// A support code for the customer's eyes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// As it is read out.
    pub spoken: String,
    /// For how many seconds it is good.
    pub seconds_left: u32,
}

impl core::fmt::Debug for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Code(good for {} s)", self.seconds_left)
    }
}

/// Somebody asks for something; a person has to decide.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConsentRequest {
    /// Its number.
    pub request: u64,
    /// In which session.
    pub session: SessionId,
    /// The technician's organisation, verified.
    pub organisation: String,
    /// The technician's name, verified.
    pub technician: String,
    /// Why, in the technician's words.
    pub reason: String,
    /// What is asked for.
    pub capabilities: Capabilities,
    /// For how long.
    pub seconds: u32,
    /// The first time that this technician asks on this device.
    pub first_contact: bool,
    /// For how many seconds the answer is waited for.
    pub seconds_left: u32,
}

/// A session under way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub session: SessionId,
    /// The technician's organisation, verified.
    pub organisation: String,
    /// The technician's name, verified.
    pub technician: String,
    /// Why, in the technician's words.
    pub reason: String,
    /// What is granted now.
    pub granted: Vec<Granted>,
    /// Whether the connection stands; otherwise it is waited for.
    pub connected: bool,
    /// When it began.
    pub began: UnixMillis,
    /// The chat so far, the newest last, at most the last 100 messages.
    pub chat: Vec<ChatLine>,
}

/// A chat message as shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChatLine {
    /// From the technician; else from this device.
    pub from_technician: bool,
    /// Its number in its direction.
    pub number: u64,
    /// When it was written.
    pub at: UnixMillis,
    /// What.
    pub text: String,
    /// How far it has come.
    pub mark: Mark,
}

/// How far a chat message has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Mark {
    /// Written here.
    Sent,
    /// Arrived at the other end.
    Received,
    /// Put before the other person's eyes.
    Shown,
}

/// Told to those who watch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Event {
    /// The relay is connected, or not and why.
    Relay {
        /// Connected.
        connected: bool,
        /// What went wrong.
        problem: Option<String>,
    },
    /// The support code was used, burnt, cancelled or expired; in words.
    CodeGone {
        /// Why.
        why: String,
    },
    /// A decision is wanted.
    Asked(ConsentRequest),
    /// A request was decided (here or elsewhere) or withdrawn.
    Settled {
        /// Which.
        request: u64,
        /// How, in words.
        how: String,
    },
    /// A session began, or its grants or its connection changed: how it stands now.
    Session(Session),
    /// What just happened in a session, in words.
    Activity {
        /// In which session.
        session: SessionId,
        /// What.
        text: String,
    },
    /// A chat message, or a new mark on one.
    Chat {
        /// In which session.
        session: SessionId,
        /// The message.
        line: ChatLine,
    },
    /// A session ended.
    Ended {
        /// Which.
        session: SessionId,
        /// Why, in words.
        why: String,
    },
    /// Something the person should know: attempts with wrong codes, a full disk.
    Notice(String),
}
