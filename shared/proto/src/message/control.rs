//! The control plane: an agent or a client with its relay, over one QUIC connection ([`ALPN`]).
//!
//! Each request has its own bidirectional stream: one frame there, one frame back. The first request on
//! a connection is [`RelayRequest::Hello`]; until it is answered with a welcome nothing else is. The relay opens
//! streams the same way for what it has to say ([`RelayPush`]). Both sides know each other's key from the
//! handshake; a credential in a hello must end in that key.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::program::{MAX_VERSION, ProgramInfo};
use crate::alarm::{AlarmBatch, MonitoringHello, ShutdownNotice};
use crate::audit::{AuditHead, AuditRow};
use crate::credential::{Credential, MAX_NAME, Retirement, RevocationList};
use crate::forward::BindGrant;
use crate::id::{DeviceId, Fingerprint, SessionId, StreamId, TechnicianId};
use crate::identity::{PublicKey, Signed};
use crate::invitation::OneTime;
use crate::message::alarms::{
    AlarmAction, AlarmEntry, AlarmFilter, AlarmHistoryEntry, MaintenanceWindow, NewMaintenanceWindow,
};
use crate::message::help::{FeedbackEntry, HelpEntry, HelpProgress, HelpRequest, SessionFeedback};
use crate::peer_text::PeerText;
use crate::support_code::RoutingDigits;
use crate::time::UnixMillis;
use crate::wire::at_most;

/// Application protocol of control connections (RFC 7301); the number is the major version.
pub const ALPN: &[u8] = b"nearhand-relay/1";
/// Largest frame from a peer that has not been welcomed yet, in bytes: a credential of eight links fits.
pub const HELLO_LIMIT: usize = 8 * 1024;
/// Largest frame afterwards, in bytes: a full revocation list fits.
pub const FRAME_LIMIT: usize = 256 * 1024;
/// Most entries in one answer that lists something.
pub const PAGE: usize = 200;
/// Longest host name, operating system or label of a device, in characters.
pub const MAX_FACT: usize = 64;
/// How long one request may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// An idle control connection is lost after this long without a packet.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Agents and clients send a keep-alive this often.
pub const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// First message of a connection: the role that the caller claims.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum RelayHello {
    /// An enrolled device.
    Device {
        /// Version and features of its program.
        program: ProgramInfo,
        /// Proves the enrolment; ends in the handshake's key.
        credential: Credential,
        /// What the console shows of it.
        facts: DeviceFacts,
    },
    /// A machine that asks for help without being enrolled. Can only ask for a support code.
    Guest {
        /// Version and features of its program.
        program: ProgramInfo,
        /// What the technician sees of it.
        facts: DeviceFacts,
    },
    /// A technician or administrator.
    Person {
        /// Version and features of its program.
        program: ProgramInfo,
        /// Proves the membership; ends in the handshake's key.
        credential: Credential,
    },
    /// Somebody who is about to claim the relay or to join.
    Newcomer {
        /// Version and features of its program.
        program: ProgramInfo,
    },
}

/// What a device reports about itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// The device's host name.
    pub hostname: PeerText<MAX_FACT>,
    /// Operating system with version.
    pub os: PeerText<MAX_FACT>,
}

/// The relay's answer to a hello it accepts.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RelayWelcome {
    /// The relay's program.
    pub program: ProgramInfo,
    /// The relay's clock.
    pub now: UnixMillis,
    /// The organisation's newest revocation list. It is signed: the receiver verifies it.
    pub revocations: Option<Signed<RevocationList>>,
    /// Keys that retired themselves, at most [`PAGE`] of the newest.
    pub retirements: Vec<Signed<Retirement>>,
}

/// A request to the relay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RelayRequest {
    /// First on every connection.
    Hello(RelayHello),
    /// Newcomer: makes the caller the relay's first administrator and fixes its organisation.
    Claim {
        /// From the claim string.
        secret: OneTime,
        /// The organisation's key, made on the caller's workstation.
        organisation: PublicKey,
        /// The caller's own credential, of role `Admin`.
        credential: Credential,
    },
    /// Newcomer: uses an invite (of a person or a device).
    Join {
        /// The new credential; ends in the handshake's key.
        credential: Credential,
        /// A device's facts; `None` for a person.
        facts: Option<DeviceFacts>,
    },
    /// Device, person: today's key is replaced by another.
    Rotate {
        /// The longer chain, ending in the new key.
        credential: Credential,
        /// The old key's retirement.
        retirement: Signed<Retirement>,
    },
    /// Device or guest: routing digits for a support code, the same as before if they are free.
    AllocateDigits {
        /// After a reconnect: the digits that the shown code has.
        wanted: Option<RoutingDigits>,
    },
    /// Device or guest: the code is used, burnt or expired.
    FreeDigits,
    /// Device: its audit log's head, for the relay to keep as a checkpoint.
    AuditHead(Signed<AuditHead>),
    /// Person: the organisation's devices after `after`, at most [`PAGE`].
    Devices {
        /// Last id of the page before.
        after: Option<DeviceId>,
    },
    /// Person: the organisation's people after `after` in the order of their ids, at most [`PAGE`].
    People {
        /// Last id of the page before.
        after: Option<TechnicianId>,
    },
    /// Person: a session with a device.
    Open {
        /// Its id, made by the client.
        session: SessionId,
        /// The device, by its support code or its id.
        target: SessionTarget,
    },
    /// Person: a path for a session that lost its connection.
    Reopen {
        /// Which; must be the caller's.
        session: SessionId,
    },
    /// Either end: the session is over.
    Close {
        /// Which; must be the caller's.
        session: SessionId,
        /// How it ended.
        outcome: CloseOutcome,
        /// The caller's audit head, for the relay's log.
        audit: Option<Signed<AuditHead>>,
    },
    /// Person: their sessions (administrators: all), newest first, at most [`PAGE`].
    Sessions {
        /// Last id of the page before: those that were opened earlier follow.
        before: Option<SessionId>,
    },
    /// Administrator: the relay's audit rows after a number, at most [`PAGE`].
    Audit {
        /// Last number already had.
        after: u64,
    },
    /// Administrator: hands on the organisation's newest revocation list.
    Revoke(Signed<RevocationList>),
    /// Device, person: measures the round trip; answered with [`RelayReply::Done`].
    Ping,
    /// Device: what its monitoring is, once on each connection before the first [`RelayRequest::Alarms`]. Answered with
    /// [`RelayReply::AlarmsStored`]: how far the relay has the stream (0: not at all). A spool that can't have sent that
    /// much was restored from a copy, and begins another stream.
    Monitoring(MonitoringHello),
    /// Device: what its rules found. Answered with [`RelayReply::AlarmsStored`] once it is on the relay's disk; sent again
    /// until then, and taken once.
    Alarms(AlarmBatch),
    /// Device: announces that it is about to be silent on purpose.
    ShuttingDown(ShutdownNotice),
    /// Person: alarms that changed after a number, those that changed first at the beginning, at most [`PAGE`].
    AlarmsSince {
        /// The alarms asked for.
        filter: AlarmFilter,
        /// The cursor of the answer before; 0 for all.
        after: u64,
        /// How long to wait if there are none, in milliseconds, at most
        /// [`MAX_FOLLOW_MS`](super::alarms::MAX_FOLLOW_MS).
        wait_ms: u32,
    },
    /// Person: one alarm and what happened to it after a number, at most [`PAGE`].
    AlarmHistory {
        /// Fingerprint of the alarm.
        alarm: Fingerprint,
        /// Last number already had.
        after: u64,
    },
    /// Person: does something about an alarm.
    ActOnAlarm {
        /// Fingerprint of the alarm.
        alarm: Fingerprint,
        /// What the person does about it.
        act: AlarmAction,
    },
    /// Person: opens a maintenance window.
    OpenMaintenance(NewMaintenanceWindow),
    /// Person: ends a maintenance window before its time.
    CloseMaintenance {
        /// Number of the maintenance window.
        window: u64,
    },
    /// Person: lists the maintenance windows that have not ended, at most [`PAGE`].
    MaintenanceWindows,
    /// Device or guest: its person asks for help; a new request replaces the one before. Answered with
    /// [`RelayReply::Help`].
    AskForHelp {
        /// A random number that the device chose: a request that is sent again keeps it.
        wish: u64,
        /// The problem, and how the person is reached.
        wanted: HelpRequest,
    },
    /// Device or guest: help is no longer wanted.
    WithdrawHelp,
    /// Device or guest: its person's feedback on one of its sessions.
    GiveFeedback {
        /// Id of the session.
        session: SessionId,
        /// What the person says of the session.
        feedback: SessionFeedback,
    },
    /// Person: lists the requests for help, the most urgent first, at most [`PAGE`].
    HelpQueue {
        /// Whether closed requests are listed too.
        closed: bool,
        /// How many of the first requests to leave out: those of the pages before.
        skip: u32,
    },
    /// Person: takes a request for help.
    TakeHelp {
        /// Number of the request in the relay's queue.
        number: u64,
    },
    /// Person: closes a request for help.
    CloseHelp {
        /// Number of the request in the relay's queue.
        number: u64,
    },
    /// Person: lists the feedback on their sessions (administrators: on all), newest first, at most [`PAGE`].
    Feedback {
        /// How many of the first entries to leave out: those of the pages before.
        skip: u32,
    },
}

/// A page of a list that may be longer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct ListPage<T> {
    /// The entries of this page, at most [`PAGE`].
    #[serde(deserialize_with = "at_most::<_, _, PAGE>")]
    pub entries: Vec<T>,
    /// How many entries follow behind this page; 0: it is the last one.
    pub left: u32,
}

impl<T> ListPage<T> {
    /// All entries in one page.
    pub const fn whole(entries: Vec<T>) -> Self {
        Self { entries, left: 0 }
    }
}

/// The device that a session is opened with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SessionTarget {
    /// The device that shows a support code with these routing digits.
    Code(RoutingDigits),
    /// An enrolled device.
    Device(DeviceId),
}

/// The relay's answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RelayReply {
    /// To a hello.
    Welcome(RelayWelcome),
    /// The request was carried out.
    Done,
    /// The relay refuses the request.
    Refused(RelayRefusal),
    /// To [`RelayRequest::AllocateDigits`]: the digits that the device now has.
    Digits(RoutingDigits),
    /// To [`RelayRequest::Devices`]: a page of devices.
    Devices(ListPage<DeviceEntry>),
    /// To [`RelayRequest::People`]: a page of people.
    People(ListPage<PersonEntry>),
    /// To [`RelayRequest::Open`] and [`RelayRequest::Reopen`].
    Opened(OpenedSession),
    /// To [`RelayRequest::Sessions`]: the sessions, newest first.
    Sessions(ListPage<SessionEntry>),
    /// To [`RelayRequest::Audit`]: a page of the relay's log.
    Audit {
        /// The key that signs the relay's log: the one of the handshake, and any it had before.
        keys: Vec<PublicKey>,
        /// The rows, by rising number.
        rows: Vec<AuditRow>,
    },
    /// To [`RelayRequest::Alarms`] and [`RelayRequest::Monitoring`]: these are stored, and may be forgotten by the device.
    AlarmsStored {
        /// Of which stream.
        stream: StreamId,
        /// All up to this number.
        through: u64,
    },
    /// To [`RelayRequest::AlarmsSince`]: the alarms that changed.
    Alarms {
        /// The alarms, those that changed first at the beginning.
        entries: Vec<AlarmEntry>,
        /// What to ask after next time.
        cursor: u64,
    },
    /// To [`RelayRequest::AlarmHistory`]: the alarm and its history.
    AlarmHistory {
        /// How it stands.
        alarm: Box<AlarmEntry>,
        /// What happened to it.
        entries: Vec<AlarmHistoryEntry>,
    },
    /// To [`RelayRequest::OpenMaintenance`]: the new window and its number.
    MaintenanceWindow(MaintenanceWindow),
    /// To [`RelayRequest::MaintenanceWindows`]: the windows that have not ended.
    MaintenanceWindows(Vec<MaintenanceWindow>),
    /// To [`RelayRequest::AskForHelp`]: how the request stands.
    Help(HelpProgress),
    /// To [`RelayRequest::HelpQueue`]: the requests, the most urgent first.
    HelpQueue(ListPage<HelpEntry>),
    /// To [`RelayRequest::Feedback`]: the feedback, newest first.
    Feedback(ListPage<FeedbackEntry>),
}

/// Why the relay says no. Shown to a person as it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum RelayRefusal {
    /// Hello first, once; or the request isn't for this kind of caller.
    #[error("that request is not open to this caller")]
    NotAllowed,
    /// The relay has no organisation yet.
    #[error(
        "the relay has not been claimed yet: run `nearhand claim` with the string that `nearhand-relay init` printed"
    )]
    Unclaimed,
    /// Somebody claimed it before.
    #[error(
        "the relay was claimed already; if that was not you, run `nearhand-relay init --again` on its host"
    )]
    Claimed,
    /// The claim secret is wrong.
    #[error("this claim string is not the relay's newest one")]
    WrongClaim,
    /// The credential doesn't verify under the organisation's key.
    #[error("the credential does not count here: {0}")]
    Credential(PeerText),
    /// The credential was revoked.
    #[error("this key was revoked by the organisation")]
    Revoked,
    /// The invitation or enrolment string was used before.
    #[error("this string was used already: each works once, ask for a new one")]
    InviteUsed,
    /// Not (or no longer) known to this relay.
    #[error("the relay does not know this credential: join or enrol first")]
    Unknown,
    /// No device with that id, for this caller.
    #[error("there is no such device")]
    NoSuchDevice,
    /// The device isn't connected.
    #[error("the device is offline (last seen {last_seen})")]
    DeviceOffline {
        /// When it was last connected.
        last_seen: UnixMillis,
    },
    /// No device shows a code with these routing digits.
    #[error("no device shows this support code: it may have expired or been used, ask for a new one")]
    NoSuchCode,
    /// Not a session of this caller, or it is over.
    #[error("there is no such session, or it is over")]
    NoSuchSession,
    /// The device said no before a path was made.
    #[error("the device refused: {0}")]
    DeviceRefused(OfferRefusal),
    /// The device didn't answer the offer in time.
    #[error("the device did not answer in time: it may just have gone offline, so try again in a minute")]
    DeviceSilent,
    /// Too many of something by this caller; try later.
    #[error("too many attempts: wait {seconds} s")]
    TooMany {
        /// When it is worth trying again.
        seconds: u32,
    },
    /// A limit of the relay is reached.
    #[error("the relay is at its limit of {what}: tell its operator")]
    Full {
        /// The limit that is reached.
        what: PeerText,
    },
    /// The relay can't write its database, so it takes on nothing new.
    #[error(
        "the relay can't store anything right now (disk full?): tell its operator; running sessions go on"
    )]
    Storage,
    /// The list is not newer than what the relay has.
    #[error("the relay has a newer revocation list: run `nearhand sync` and try again")]
    OldList,
    /// The peer's version can't talk with this relay. No relay says so yet: another major version fails in the
    /// handshake already (ALPN). For features that a relay comes to require of a hello.
    #[error("versions do not fit: the relay runs {relay}")]
    Version {
        /// The relay's version.
        relay: PeerText<MAX_VERSION>,
    },
    /// The relay is about to stop.
    #[error("the relay is shutting down")]
    ShuttingDown,
    /// No alarm with that id.
    #[error("there is no such alarm: `nearhand alarms --all` lists them")]
    NoSuchAlarm,
    /// No maintenance window with that number that has not ended.
    #[error("there is no such maintenance window, or it has ended")]
    NoSuchWindow,
    /// The spool's id belongs to another device.
    #[error("this spool belongs to another device: the disk was copied, so the agent needs a new spool")]
    ForeignStream,
    /// Something in the request is outside its limits.
    #[error("the request is outside its limits: {what}")]
    Invalid {
        /// What, in words.
        what: PeerText,
    },
    /// Nobody waits under that number any more.
    #[error("nobody waits under that number: it is closed, or somebody else has it (`nearhand queue --all`)")]
    NoSuchHelp,
}

/// A session path, as the client gets it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenedSession {
    /// This side's right to bind the path.
    pub bind: BindGrant,
    /// The device's credential, if it is enrolled; the client verifies it by the organisation's key.
    pub device: Option<Credential>,
}

/// A device in a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DeviceEntry {
    /// Id of the device.
    pub id: DeviceId,
    /// Its credential, which holds its signed label.
    pub credential: Credential,
    /// What it says of itself.
    pub facts: DeviceFacts,
    /// Its program's version.
    pub version: PeerText<MAX_VERSION>,
    /// Whether it is connected.
    pub online: bool,
    /// When it was last connected.
    pub last_seen: UnixMillis,
}

/// A person in a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PersonEntry {
    /// Id of the person.
    pub id: TechnicianId,
    /// Their credential, which holds their signed name and role.
    pub credential: Credential,
    /// Whether they are connected.
    pub online: bool,
    /// When they were last connected.
    pub last_seen: UnixMillis,
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CloseOutcome {
    /// The technician ended it.
    Technician,
    /// The person at the device stopped it.
    Stopped,
    /// It was never granted: wrong code, denied, no answer, refused.
    NotGranted,
    /// The connection was lost and not resumed in time.
    Lost,
    /// A key was revoked.
    Revoked,
    /// The credential of one of its ends expired.
    Expired,
    /// An end of it failed.
    Failed,
}

impl core::fmt::Display for CloseOutcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Technician => "ended by the technician",
            Self::Stopped => "stopped at the device",
            Self::NotGranted => "not granted",
            Self::Lost => "connection lost",
            Self::Revoked => "revoked",
            Self::Expired => "credential expired",
            Self::Failed => "failed",
        })
    }
}

/// The end of a session, in a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionClosing {
    /// When it ended, by the relay's clock.
    pub at: UnixMillis,
    /// How it ended.
    pub outcome: CloseOutcome,
}

/// A session in a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionEntry {
    /// Id of the session.
    pub id: SessionId,
    /// Id of the technician.
    pub technician: TechnicianId,
    /// The technician's name.
    pub technician_name: PeerText<MAX_NAME>,
    /// The device, if it is enrolled.
    pub device: Option<DeviceId>,
    /// The device's label or host name.
    pub device_name: PeerText<MAX_FACT>,
    /// By support code.
    pub attended: bool,
    /// When it was opened.
    pub opened: UnixMillis,
    /// When it ended, and how; `None` while it goes on.
    pub ended: Option<SessionClosing>,
    /// Bytes forwarded, both ways.
    pub bytes: u64,
}

/// What the relay sends without being asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RelayPush {
    /// To a device: somebody wants a session.
    Offer(SessionOffer),
    /// To all: what is withdrawn has grown.
    Revocations {
        /// The organisation's newest list.
        list: Option<Signed<RevocationList>>,
        /// Keys that have just retired themselves.
        retirements: Vec<Signed<Retirement>>,
    },
    /// To either end: the relay has closed the session's path.
    SessionClosed {
        /// Id of the session.
        session: SessionId,
        /// How the session ended.
        outcome: CloseOutcome,
    },
    /// To all: the relay stops; come back after a random part of this time.
    Goodbye {
        /// Longest time to wait before coming back, in milliseconds.
        within_ms: u32,
    },
    /// To a device or guest whose person asked for help: where they stand now.
    Help(HelpProgress),
}

/// The relay's offer of a session to a device. Who is behind it is proved end to end, not by this.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionOffer {
    /// Id of the session.
    pub session: SessionId,
    /// By the support code with these digits; `None`: managed.
    pub code: Option<RoutingDigits>,
    /// A path for a session that lost its connection.
    pub resume: bool,
    /// This side's right to bind the path.
    pub bind: BindGrant,
}

/// A device's answer to a push.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RelayPushReply {
    /// Taken note of; to an offer: bound and waiting.
    Done,
    /// To an offer: no.
    Refused(OfferRefusal),
}

/// Why a device refuses an offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum OfferRefusal {
    /// It shows no such code.
    #[error("it shows no such support code")]
    NoSuchCode,
    /// It isn't enrolled, so there are only sessions by code.
    #[error("it only takes sessions by support code")]
    OnlyByCode,
    /// It has as many sessions as it takes.
    #[error("it has as many sessions as it takes")]
    Busy,
    /// It has no such session to resume.
    #[error("it no longer holds that session")]
    NoSuchSession,
    /// It could not open a path.
    #[error("it could not open a path to the relay")]
    NoPath,
    /// After too many wrong codes.
    #[error("it takes no codes for a while, after too many wrong ones")]
    LockedOut,
}

/// Why the relay closes a control connection: the error code of the QUIC close frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseCode {
    /// Nothing is wrong.
    Normal,
    /// A frame was malformed, too long or out of place.
    Protocol,
    /// A hello or a request did not arrive whole in time.
    TimedOut,
    /// The hello was refused; its reply says why.
    Refused,
    /// A newer connection with the same identity took this one's place: don't fight over it.
    Replaced,
    /// The organisation withdrew this key: don't come back with it.
    Revoked,
    /// The key was rotated on this connection: come back with the new one.
    Rotated,
    /// The relay stops: come back after a while.
    ShuttingDown,
    /// The relay needs the room for others: come back after a while.
    Overloaded,
    /// The credential on this connection has expired: don't come back with it.
    Expired,
}

impl core::fmt::Display for CloseCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Normal => "the relay ended the connection: try again",
            Self::Protocol => {
                "the relay ended the connection, since it did not understand what it was sent: are this program and \
                 the relay of the same version?"
            }
            Self::TimedOut => {
                "the relay ended the connection, since what it waited for did not arrive: check the network, try again"
            }
            Self::Refused => "the relay refused the connection: ask its administrator",
            Self::Replaced => {
                "another program connected to the relay with the same key and took this one's place: end one of the \
                 two; if one is on a copied disk, enrol it anew"
            }
            Self::Revoked => {
                "the organisation has withdrawn this key: ask the administrator for a new invitation or enrolment \
                 string"
            }
            Self::Rotated => "the key was replaced on this connection: connect with the new one",
            Self::ShuttingDown => "the relay is stopping: try again in a minute",
            Self::Overloaded => "the relay needs the room for others: try again in some minutes",
            Self::Expired => {
                "the credential has expired: ask the administrator for a new invitation or enrolment string"
            }
        })
    }
}

impl CloseCode {
    const ALL: [Self; 10] = [
        Self::Normal,
        Self::Protocol,
        Self::TimedOut,
        Self::Refused,
        Self::Replaced,
        Self::Revoked,
        Self::Rotated,
        Self::ShuttingDown,
        Self::Overloaded,
        Self::Expired,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The code with this number, if this version knows one.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|code| u64::from(code.number()) == number)
    }
}
