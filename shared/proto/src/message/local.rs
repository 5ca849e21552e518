//! The local interface: the agent with the programs of the person at the device (terminal prompt, window).
//!
//! Over a private Unix socket; the agent knows the caller's user from the kernel. One frame per message both
//! ways. The list of verbs is closed: no paths, no commands, nothing that the agent would run. The agent
//! neutralises everything that came from the other end of a session (names, reasons, chat) before it sends it
//! here, and puts it into separate fields.

use serde::{Deserialize, Serialize};

use crate::alarm::Severity;
pub use crate::chat::{ChatLine, DeliveryMark};
use crate::grant::Capabilities;
use crate::id::{SessionId, StreamId};
pub use crate::message::help::{HelpRequest, MAX_HELP_TEXT, MAX_REACH_TEXT, Urgency};
pub use crate::message::notice::AgentNotice;
use crate::message::session::GrantedCapability;
use crate::time::UnixMillis;
use crate::wire::at_most;

/// Largest frame on this channel, in bytes.
pub const FRAME_LIMIT: usize = 64 * 1024;
/// Most windows listed.
pub const MAX_WINDOWS: usize = 64;
/// Longest title or application of a window, in characters.
pub const MAX_TITLE: usize = 120;

/// What a local program may ask of the agent; each but [`LocalVerb::Heartbeat`] is answered with one [`LocalReply`] of the
/// same number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LocalRequest {
    /// Chosen by the caller.
    pub number: u32,
    /// The request itself.
    pub verb: LocalVerb,
}

/// The closed list of what can be asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LocalVerb {
    /// How things stand.
    Status,
    /// From now on this connection is told of events; it counts as somebody who can be asked for consent.
    Watch,
    /// As [`LocalVerb::Watch`]; the caller is the person's window. If it goes away during a session without
    /// [`LocalVerb::LeaveWindow`], the agent starts it again.
    WatchAsWindow,
    /// The answer to [`LocalEvent::Heartbeat`], from the loop that shows things to the person. It has no answer itself.
    Heartbeat {
        /// The number that was asked with.
        number: u32,
    },
    /// The person closes the window: it is not started again.
    LeaveWindow,
    /// A new support code; the old one is void.
    NewCode,
    /// The support code is void.
    CancelCode,
    /// The person's decision on a request.
    Decide {
        /// Number of the request.
        request: u64,
        /// The person's decision.
        choice: ConsentChoice,
    },
    /// Which windows there are, for [`ConsentChoice::Allow`].
    Windows,
    /// More time for what is granted.
    Extend {
        /// In which session.
        session: SessionId,
        /// The capabilities that get more time.
        capabilities: Capabilities,
        /// By how many seconds.
        seconds: u32,
    },
    /// Takes capabilities back.
    Revoke {
        /// In which session.
        session: SessionId,
        /// The capabilities that are taken back.
        capabilities: Capabilities,
    },
    /// The technician sees and does nothing until [`LocalVerb::Resume`]; the time of what is granted runs on.
    Pause {
        /// Id of the session.
        session: SessionId,
    },
    /// What was granted counts again.
    Resume {
        /// Id of the session.
        session: SessionId,
    },
    /// Ends a session.
    Stop {
        /// Id of the session.
        session: SessionId,
    },
    /// Ends everything at once.
    StopAll,
    /// A chat message to the technician.
    Say {
        /// In which session.
        session: SessionId,
        /// The text of the message.
        text: String,
    },
    /// This connection's person has seen the messages up to a number.
    Seen {
        /// In which session.
        session: SessionId,
        /// Number of the last one.
        number: u64,
    },
    /// What was done in a session: one under way, or one of the last [`MAX_KEPT_RECORDS`] that ended since the agent started.
    Record {
        /// Id of the session.
        session: SessionId,
    },
    /// The person asks the organisation for help. There is one request at a time: a new one replaces the one before.
    AskForHelp(HelpRequest),
    /// Help is no longer wanted.
    WithdrawHelp,
    /// How the help that was asked for stands.
    Help,
    /// The person's rating of one of their sessions, once it is over.
    Rate {
        /// Id of the session.
        session: SessionId,
        /// From 1 (bad) to 5 (good).
        stars: u8,
        /// In their words, at most [`MAX_HELP_TEXT`] characters; may be empty.
        comment: String,
    },
    /// Something was wrong about a session: told to the organisation's administrators, not to the technician.
    ReportSession {
        /// Id of the session.
        session: SessionId,
        /// In their words, at most [`MAX_HELP_TEXT`] characters.
        text: String,
    },
    /// What the quick set of checks found on this device that its person can mend. Takes seconds.
    Fixes,
    /// What alarms there are, and what waits for the relay.
    Alarms,
    /// The device's key is replaced by a new one; sessions end.
    RotateKey,
}

/// Ended sessions whose record is kept in memory.
pub const MAX_KEPT_RECORDS: usize = 8;
/// Most activity entries kept of one session; the oldest are dropped first.
pub const MAX_ACTIVITY: usize = 500;
/// Most findings in one answer to [`LocalVerb::Fixes`].
pub const MAX_FIXES: usize = 3;
/// How the help that was asked for stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum HelpStatus {
    /// None was asked for.
    None,
    /// The relay hasn't got it yet; it is sent when the relay is connected.
    Sending,
    /// It waits in the queue.
    Waiting {
        /// Its number at the relay.
        number: u64,
        /// How many wait before it.
        ahead: u32,
        /// How long that is expected to take, in seconds, once the relay can tell.
        wait: Option<u32>,
    },
    /// A technician has it.
    Taken {
        /// Its number at the relay.
        number: u64,
        /// Their name, as the relay knows it.
        technician: String,
    },
    /// It is over.
    Closed {
        /// Its number at the relay.
        number: u64,
    },
    /// The relay or this device does not take it.
    Refused(AgentNotice),
}

/// Problems that a person at a device can solve without being an administrator. The list is closed, so that a window
/// has plain words for each [`FixableFinding`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SelfHelpHint {
    /// The processor is overloaded.
    Busy,
    /// The machine is too hot.
    Hot,
    /// A file system is full.
    DiskFull,
    /// The battery is worn.
    Battery,
    /// Memory is short.
    Memory,
    /// There is no network.
    NoNetwork,
    /// The network wants somebody to log in on its page.
    Portal,
    /// The Wi-Fi signal is weak.
    Wifi,
    /// A printer stands.
    Printer,
    /// Print jobs are stuck.
    PrintJobs,
    /// Updates wait for a restart.
    Restart,
}

impl SelfHelpHint {
    /// Every hint that there is.
    pub const ALL: [Self; 11] = [
        Self::Busy,
        Self::Hot,
        Self::DiskFull,
        Self::Battery,
        Self::Memory,
        Self::NoNetwork,
        Self::Portal,
        Self::Wifi,
        Self::Printer,
        Self::PrintJobs,
        Self::Restart,
    ];

    /// The checks whose finding it is.
    pub const fn checks(self) -> &'static [&'static str] {
        match self {
            Self::Busy => &["cpu.load", "cpu.usage", "cpu.pressure", "processes.cpu"],
            Self::Hot => &["hardware.temperature", "cpu.throttling"],
            Self::DiskFull => &["disks.space"],
            Self::Battery => &["hardware.battery"],
            Self::Memory => &["memory.available", "memory.pressure", "processes.memory"],
            Self::NoNetwork => &["network.link", "network.default_route"],
            Self::Portal => &["network.captive_portal"],
            Self::Wifi => &["network.wifi"],
            Self::Printer => &["printers.queues"],
            Self::PrintJobs => &["printers.jobs"],
            Self::Restart => &["updates.reboot"],
        }
    }

    /// What the finding of a check is; `None` if it is an administrator's matter.
    pub fn of_check(check: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mend| mend.checks().contains(&check))
    }
}

/// Something that a check found and the person can do something about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FixableFinding {
    /// The check, one that [`SelfHelpHint`] knows, and after a colon what it found it on, if that has a name: `disks.space:/home`.
    pub check: String,
    /// The finding in one sentence.
    pub title: String,
    /// What to do, in plain words.
    pub advice: String,
}

/// What was done in a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Id of the session.
    pub session: SessionId,
    /// The technician's organisation, verified.
    pub organisation: String,
    /// The technician's name, verified.
    pub technician: String,
    /// When it began.
    pub began: UnixMillis,
    /// When and why it ended; `None` while it is under way.
    pub ended: Option<SessionEnded>,
    /// The oldest first; as many of the newest as fit a frame, at most [`MAX_ACTIVITY`].
    #[serde(deserialize_with = "at_most::<_, _, MAX_ACTIVITY>")]
    pub activity: Vec<ActivityEntry>,
}

/// The end of a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionEnded {
    /// Time of the entry.
    pub at: UnixMillis,
    /// Why it ended.
    pub why: AgentNotice,
}

/// An entry of what was done in a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ActivityEntry {
    /// Time of the entry.
    pub at: UnixMillis,
    /// What was done.
    pub activity: Activity,
}

/// What is done in sessions: a closed list, so that a window can say it in its person's language.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Activity {
    /// The technician sees the screen.
    SeesScreen,
    /// They no longer do.
    LeavesScreen,
    /// The technician sees one window.
    SeesWindow {
        /// Which; its program wrote that.
        window: String,
    },
    /// They no longer do.
    LeavesWindow {
        /// Its title and application, in the words of its program.
        window: String,
    },
    /// The technician can use pointer and keyboard.
    Controls,
    /// They no longer can.
    LeavesControl,
    /// The technician takes what is on the clipboard.
    TakesClipboard,
    /// One picture of the screen is taken for the report.
    TakesPicture,
    /// The technician records the screen.
    Records,
    /// They no longer do.
    StopsRecording,
    /// Diagnostics are running.
    Diagnoses,
    /// They are done, and the report was sent.
    Diagnosed,
    /// They were broken off.
    DiagnosisBroken,
    /// These were granted.
    Granted {
        /// The capabilities that were granted.
        capabilities: Capabilities,
        /// For how long.
        seconds: u32,
    },
    /// These were taken back.
    TakenBack(Capabilities),
    /// The time for these is over.
    Expired(Capabilities),
    /// More time was given for these.
    Extended(Capabilities),
    /// The technician was refused something.
    Refused(AgentNotice),
    /// The connection was lost and is waited for.
    Interrupted,
    /// It is back.
    Reconnected,
    /// Nothing is seen or done, at the person's wish.
    Paused,
    /// Nothing is seen or done, because nobody at the device sees this session, or their program hangs.
    PausedUnseen,
    /// Nothing is seen or done, because another user or display is at the screen than the one that was granted.
    PausedOtherUser,
    /// What was granted counts again.
    Resumed,
    /// Something else that the agent tells about it.
    Told(AgentNotice),
}

impl Activity {
    /// Bytes of what it holds in words.
    pub fn texts(&self) -> usize {
        match self {
            Self::SeesWindow { window } | Self::LeavesWindow { window } => window.len(),
            Self::Told(said) | Self::Refused(said) => said.texts(),
            _ => 0,
        }
    }
}

impl core::fmt::Display for Activity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let text = match self {
            Self::SeesScreen => "the technician sees the screen",
            Self::LeavesScreen => "the technician no longer sees the screen",
            Self::SeesWindow { window } => return write!(f, "the technician sees {window}"),
            Self::LeavesWindow { window } => return write!(f, "the technician no longer sees {window}"),
            Self::Controls => "the technician can use pointer and keyboard",
            Self::LeavesControl => "the technician no longer uses pointer and keyboard",
            Self::TakesClipboard => "the technician takes the clipboard",
            Self::TakesPicture => "one picture of your screen is taken for the report",
            Self::Records => "the technician records the screen: what they see is kept in a file",
            Self::StopsRecording => "the technician no longer records the screen",
            Self::Diagnoses => "diagnostics are running",
            Self::Diagnosed => "diagnostics are done; the report was sent",
            Self::DiagnosisBroken => "diagnostics were broken off",
            Self::Granted { capabilities, seconds } => {
                return write!(f, "{capabilities} granted for {} min", seconds.div_ceil(60));
            }
            Self::TakenBack(what) => return write!(f, "{what}: taken back"),
            Self::Expired(what) => return write!(f, "the time for {what} is over"),
            Self::Extended(what) => return write!(f, "{what}: more time was given"),
            Self::Refused(why) => return write!(f, "refused: {why}"),
            Self::Interrupted => "the connection was lost; waiting up to a minute for it to come back",
            Self::Reconnected => "the connection is back; the session goes on",
            Self::Paused => "paused: nothing is seen or done",
            Self::PausedUnseen => "nobody can see the session on the device: paused",
            Self::PausedOtherUser => "another user is at the device's screen now: paused until they allow it",
            Self::Resumed => "the session goes on",
            Self::Told(said) => return write!(f, "{said}"),
        };
        f.write_str(text)
    }
}

/// The person's decision on a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ConsentChoice {
    /// Allow some of what is asked.
    Allow {
        /// What (never more than was asked for).
        capabilities: Capabilities,
        /// For how long.
        seconds: u32,
        /// The window that may be seen: its id in the newest [`LocalReply::Windows`]. Without one, the capability
        /// [`ListedWindow`](crate::grant::Capability::Window) is not granted.
        window: Option<u32>,
    },
    /// Grant nothing of what is asked for.
    Deny,
}

/// An open window, as its person knows it. The program that owns it wrote both texts. They are boxed, so that a list of
/// empty ones takes little memory for its bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ListedWindow {
    /// The window's id in this list.
    pub id: u32,
    /// What its application is called, at most [`MAX_TITLE`] characters.
    pub application: Box<str>,
    /// Its title, at most [`MAX_TITLE`] characters.
    pub title: Box<str>,
}

/// The agent to a local program.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LocalMessage {
    /// The answer to a request.
    Reply {
        /// The request's number.
        number: u32,
        /// What came of it.
        reply: LocalReply,
    },
    /// An event, for a program that watches.
    Event(LocalEvent),
}

/// The answer to a [`LocalVerb`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LocalReply {
    /// It is done.
    Done,
    /// It isn't done, and why.
    Refused(AgentNotice),
    /// How things stand.
    Status(Box<AgentStatus>),
    /// A new code.
    Code(SpokenCode),
    /// The windows there are now, the uppermost first, at most [`MAX_WINDOWS`].
    Windows(Vec<ListedWindow>),
    /// What was done in a session.
    Record(Box<SessionRecord>),
    /// How the help that was asked for stands.
    Help(HelpStatus),
    /// What was found, at most [`MAX_FIXES`], the worst first.
    Fixes(#[serde(deserialize_with = "at_most::<_, _, MAX_FIXES>")] Vec<FixableFinding>),
    /// What alarms there are.
    Alarms(Box<LocalAlarms>),
}

/// How things stand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AgentStatus {
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
    pub code: Option<SpokenCode>,
    /// Requests that wait for a decision.
    pub requests: Vec<ConsentRequest>,
    /// Sessions under way.
    pub sessions: Vec<LocalSession>,
}

/// Most alarms in one answer; what is open comes first.
pub const MAX_ALARMS: usize = 64;

/// What alarms there are on this device, and what waits for the relay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LocalAlarms {
    /// Alarms, and what may become one; at most [`MAX_ALARMS`].
    pub alarms: Vec<LocalAlarm>,
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
pub struct LocalAlarm {
    /// The rule's name.
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
    /// The alarm in one sentence.
    pub summary: String,
}

/// A support code for the customer's eyes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpokenCode {
    /// As it is read out.
    pub spoken: String,
    /// For how many seconds it is good.
    pub seconds_left: u32,
}

impl core::fmt::Debug for SpokenCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Code(good for {} s)", self.seconds_left)
    }
}

/// Somebody asks for something; a person has to decide.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConsentRequest {
    /// Number of the request.
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
pub struct LocalSession {
    /// Id of the session.
    pub session: SessionId,
    /// The technician's organisation, verified.
    pub organisation: String,
    /// The technician's name, verified.
    pub technician: String,
    /// Why, in the technician's words.
    pub reason: String,
    /// What is granted now.
    pub granted: Vec<GrantedCapability>,
    /// Whether the connection stands; otherwise it is waited for.
    pub connected: bool,
    /// When it began.
    pub began: UnixMillis,
    /// The chat so far, the newest last, at most the last 100 messages.
    pub chat: Vec<ChatLine>,
}

/// Why a session is paused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PauseReason {
    /// The person at the device paused it.
    ByPerson,
    /// Nobody at the device sees it.
    Unseen,
    /// Another user or display is at the screen than the one that was granted.
    OtherUser,
}

/// An event for the programs that watch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LocalEvent {
    /// Asked every second while there is a session. A program that doesn't answer with [`LocalVerb::Heartbeat`] shows nothing,
    /// so its person sees nothing of the session either.
    Heartbeat {
        /// Counts up with each heartbeat.
        number: u32,
    },
    /// The relay is connected, or not and why.
    Relay {
        /// Whether the relay is connected.
        connected: bool,
        /// What went wrong.
        problem: Option<String>,
    },
    /// The support code was used, burnt, cancelled or has expired.
    CodeGone(AgentNotice),
    /// A decision is wanted.
    Asked(ConsentRequest),
    /// A request was decided (here or elsewhere) or withdrawn.
    Settled {
        /// Number of the request.
        request: u64,
        /// How, in words.
        how: String,
    },
    /// A session began, or its grants or its connection changed: how it stands now.
    Session(LocalSession),
    /// Something was done in a session.
    Activity {
        /// In which session.
        session: SessionId,
        /// What, and when.
        entry: ActivityEntry,
    },
    /// A chat message, or a new mark on one.
    Chat {
        /// In which session.
        session: SessionId,
        /// The message, with its delivery mark.
        line: ChatLine,
    },
    /// A session is paused: nothing is seen or done in it.
    Paused {
        /// Id of the session.
        session: SessionId,
        /// Whether the person paused it, or nobody sees it.
        reason: PauseReason,
    },
    /// It goes on.
    Resumed {
        /// Id of the session.
        session: SessionId,
    },
    /// A session ended.
    Ended {
        /// Id of the session.
        session: SessionId,
        /// Why it ended.
        why: AgentNotice,
    },
    /// How the help that was asked for stands now.
    Help(HelpStatus),
    /// Something the person should know: attempts with wrong codes, a full disk.
    Notice(AgentNotice),
}
