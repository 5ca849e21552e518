//! How the program ends: one documented exit code for each kind of failure, and the way from errors to codes.
//!
//! Must not live here: printing (see `output`). The table in `docs/client.md` is checked against this file.

use core::error::Error;
use core::fmt;

use nearhand_proto::credential::CredentialError;
use nearhand_proto::invitation::StringError;
use nearhand_proto::message::control::CloseCode;
use nearhand_proto::message::{control, session};
use nearhand_proto::text;
use nearhand_proto::wire::WireError;
use nearhand_transport::control::RelayError as ControlError;

use crate::home::ClientHomeError;
use crate::relay::{DeviceError, RelayClientError, TargetError};

/// What the program's exit status says. Released numbers keep their meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// The command succeeded.
    Ok = 0,
    /// A fault that nobody has foreseen; please report it.
    Unexpected = 1,
    /// The command line can't be understood.
    Usage = 2,
    /// There is no profile here yet: claim or join first.
    NotSetUp = 3,
    /// The relay can't be reached.
    Unreachable = 4,
    /// What answers isn't the relay.
    WrongRelayKey = 5,
    /// The relay refused.
    Refused = 6,
    /// There is no device or person of that name.
    NoSuchDevice = 7,
    /// The device is offline.
    DeviceOffline = 8,
    /// The support code is wrong.
    WrongCode = 9,
    /// The support code expired or was used.
    NoSuchCode = 10,
    /// The person at the device or its policy refused, or a passphrase is wrong.
    Denied = 11,
    /// Nobody answered in time.
    TimedOut = 12,
    /// A key or credential was revoked or has expired.
    Revoked = 13,
    /// The device's key changed.
    KeyChanged = 14,
    /// The session was lost.
    SessionLost = 15,
    /// The two programs' versions don't fit.
    Version = 16,
    /// This machine's disk, files or network sockets fail.
    Local = 17,
    /// Stopped by the person at the device.
    Stopped = 18,
    /// An audit log is broken.
    AuditBroken = 19,
    /// The other end can't store, or is full.
    Full = 20,
    /// Not granted, or not offered by the device.
    NotGranted = 21,
    /// A recording was changed, or is none.
    RecordingChanged = 22,
    /// A recording isn't whole.
    RecordingCut = 23,
    /// A runbook did not achieve what it is for.
    RunbookFailed = 24,
    /// A device refuses a runbook.
    RunbookRefused = 25,
}

impl ExitCode {
    /// All exit codes in the order of their numbers.
    pub const ALL: [Self; 26] = [
        Self::Ok,
        Self::Unexpected,
        Self::Usage,
        Self::NotSetUp,
        Self::Unreachable,
        Self::WrongRelayKey,
        Self::Refused,
        Self::NoSuchDevice,
        Self::DeviceOffline,
        Self::WrongCode,
        Self::NoSuchCode,
        Self::Denied,
        Self::TimedOut,
        Self::Revoked,
        Self::KeyChanged,
        Self::SessionLost,
        Self::Version,
        Self::Local,
        Self::Stopped,
        Self::AuditBroken,
        Self::Full,
        Self::NotGranted,
        Self::RecordingChanged,
        Self::RecordingCut,
        Self::RunbookFailed,
        Self::RunbookRefused,
    ];

    /// The exit status.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name in `--json` errors and in the documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unexpected => "unexpected",
            Self::Usage => "usage",
            Self::NotSetUp => "not-set-up",
            Self::Unreachable => "unreachable",
            Self::WrongRelayKey => "wrong-relay-key",
            Self::Refused => "refused",
            Self::NoSuchDevice => "no-such-device",
            Self::DeviceOffline => "device-offline",
            Self::WrongCode => "wrong-code",
            Self::NoSuchCode => "no-such-code",
            Self::Denied => "denied",
            Self::TimedOut => "timed-out",
            Self::Revoked => "revoked",
            Self::KeyChanged => "key-changed",
            Self::SessionLost => "session-lost",
            Self::Version => "version",
            Self::Local => "local",
            Self::Stopped => "stopped",
            Self::AuditBroken => "audit-broken",
            Self::Full => "full",
            Self::NotGranted => "not-granted",
            Self::RecordingChanged => "recording-changed",
            Self::RecordingCut => "recording-cut",
            Self::RunbookFailed => "runbook-failed",
            Self::RunbookRefused => "runbook-refused",
        }
    }

    /// For a refusal by the agent.
    pub const fn of_refusal(refusal: &session::SessionRefusal) -> Self {
        use session::SessionRefusal as R;
        match refusal {
            R::WrongCode => Self::WrongCode,
            R::NoSuchCode => Self::NoSuchCode,
            R::NotTrusted | R::Denied | R::Unattended | R::ClockOff => Self::Denied,
            R::Revoked => Self::Revoked,
            R::NoSuchSession => Self::SessionLost,
            R::Version => Self::Version,
            R::TimedOut => Self::TimedOut,
            R::NotGranted(_) | R::Expired(_) | R::NotOffered(_) | R::AlreadyOpen | R::TooMany => {
                Self::NotGranted
            }
            R::Protocol => Self::Unexpected,
            R::Storage => Self::Full,
            R::OtherKey => Self::KeyChanged,
        }
    }

    /// For a session that the agent ended.
    pub const fn of_ended(ended: &session::SessionEndReason) -> Self {
        use session::SessionEndReason as E;
        match ended {
            E::ByTechnician => Self::Ok,
            E::Stopped => Self::Stopped,
            E::Revoked => Self::Revoked,
            E::AgentStopping | E::ByRelay => Self::SessionLost,
            E::Idle => Self::TimedOut,
            E::Storage => Self::Full,
        }
    }

    /// For a session's outcome as the relay tells it ([`control::RelayPush::SessionClosed`]).
    pub const fn of_outcome(outcome: control::CloseOutcome) -> Self {
        use control::CloseOutcome as O;
        match outcome {
            O::Technician => Self::Ok,
            O::Stopped => Self::Stopped,
            O::NotGranted => Self::NotGranted,
            O::Lost | O::Failed => Self::SessionLost,
            O::Revoked | O::Expired => Self::Revoked,
        }
    }

    /// For a refusal by the relay.
    pub const fn of_relay_refusal(refusal: &control::RelayRefusal) -> Self {
        use control::{OfferRefusal as O, RelayRefusal as R};
        match refusal {
            R::NotAllowed
            | R::Unclaimed
            | R::Claimed
            | R::WrongClaim
            | R::Credential(_)
            | R::InviteUsed
            | R::Unknown
            | R::OldList
            | R::NoSuchAlarm
            | R::NoSuchWindow
            | R::NoSuchHelp
            | R::ForeignStream
            | R::Invalid { .. }
            | R::TooMany { .. } => Self::Refused,
            R::Revoked => Self::Revoked,
            R::NoSuchDevice => Self::NoSuchDevice,
            R::DeviceOffline { .. } => Self::DeviceOffline,
            R::NoSuchCode | R::DeviceRefused(O::NoSuchCode) => Self::NoSuchCode,
            R::NoSuchSession | R::DeviceRefused(O::NoSuchSession) => Self::SessionLost,
            R::DeviceRefused(_) => Self::Denied,
            R::DeviceSilent => Self::TimedOut,
            R::Full { .. } | R::Storage => Self::Full,
            R::Version { .. } => Self::Version,
            R::ShuttingDown => Self::Unreachable,
        }
    }

    const fn of_credential(error: &CredentialError) -> Self {
        match error {
            CredentialError::Revoked | CredentialError::Expired(_) | CredentialError::UsedLate(_) => {
                Self::Revoked
            }
            _ => Self::Denied,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

/// An error that has an exit code.
pub trait HasExitCode: Error {
    /// The exit code of a program that ends with this error.
    fn exit_code(&self) -> ExitCode;
}

impl HasExitCode for ClientHomeError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NotSetUp { .. } | Self::NoOrganisationKey { .. } | Self::NoPlace => ExitCode::NotSetUp,
            Self::OrganisationKeyExists { .. }
            | Self::OtherOrganisationKey { .. }
            | Self::AlreadySetUp { .. } => ExitCode::Usage,
            Self::Unsettled(_) | Self::Exposed { .. } | Self::Damaged { .. } | Self::Io { .. } => {
                ExitCode::Local
            }
        }
    }
}

impl HasExitCode for RelayClientError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Control(e) => e.exit_code(),
            Self::Home(e) => e.exit_code(),
        }
    }
}

impl HasExitCode for ControlError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoAddress { .. } | Self::Unreachable { .. } | Self::Lost(_) | Self::Silent => {
                ExitCode::Unreachable
            }
            Self::WrongKey { .. } => ExitCode::WrongRelayKey,
            Self::Refused(refusal) => ExitCode::of_relay_refusal(refusal),
            Self::Closed(code) => match code {
                CloseCode::Revoked | CloseCode::Expired => ExitCode::Revoked,
                CloseCode::Refused => ExitCode::Refused,
                CloseCode::Protocol => ExitCode::Version,
                _ => ExitCode::Unreachable,
            },
            Self::Version { .. } | Self::Protocol(_) => ExitCode::Version,
            Self::Tls(_) => ExitCode::Unexpected,
        }
    }
}

impl HasExitCode for TargetError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Code(_) => ExitCode::WrongCode,
            Self::NoSuchDevice(_) => ExitCode::NoSuchDevice,
            Self::Ambiguous { .. } => ExitCode::Usage,
            Self::Relay(e) => e.exit_code(),
        }
    }
}

impl HasExitCode for DeviceError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Credential(e) => ExitCode::of_credential(e),
            Self::Other { .. } | Self::Changed(_) => ExitCode::KeyChanged,
            Self::Home(e) => e.exit_code(),
        }
    }
}

impl HasExitCode for session::SessionRefusal {
    fn exit_code(&self) -> ExitCode {
        ExitCode::of_refusal(self)
    }
}

impl HasExitCode for session::SessionEndReason {
    fn exit_code(&self) -> ExitCode {
        ExitCode::of_ended(self)
    }
}

impl HasExitCode for WireError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Unexpected
    }
}

impl HasExitCode for CredentialError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::of_credential(self)
    }
}

impl HasExitCode for StringError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }
}

/// How a command failed: its code and what to tell the person. Any error that is [`HasExitCode`] becomes one by `?`.
pub struct CommandFailure {
    /// The exit code.
    pub code: ExitCode,
    message: String,
}

impl CommandFailure {
    /// A failure with a message of the caller's.
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// What happened, to what, and what to do; with all causes. May hold a peer's words: show it through
    /// `nearhand_proto::text`.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl<E: HasExitCode + 'static> From<E> for CommandFailure {
    fn from(error: E) -> Self {
        Self { code: error.exit_code(), message: text::chain(&error) }
    }
}

impl fmt::Debug for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandFailure({}, {:?})", self.code.name(), self.message)
    }
}
