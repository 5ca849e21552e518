//! Why there is no session.

use nearhand_proto::message::session::{SessionEndReason, SessionRefusal};
use nearhand_transport::framed::FrameError;
use nearhand_transport::tls::TlsConfigError;

use super::update::SessionEnd;
use crate::exit::{ExitCode, HasExitCode};
use crate::home::ClientHomeError;
use crate::relay::{DeviceError, RelayClientError};

/// Why a session could not be opened or resumed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The relay could not help.
    #[error(transparent)]
    Relay(#[from] RelayClientError),
    /// Another device than the one that was meant.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The relay named no device for one that was asked for by name.
    #[error("the relay did not say which device it found: nothing was sent. Tell the relay's operator")]
    NoCredential,
    /// The agent refused.
    #[error("{0}")]
    Refused(SessionRefusal),
    /// The other end doesn't hold the support code, or isn't the device that was meant.
    #[error(
        "the other end could not prove that it is the device with this code: either the code was typed wrong, \
         or somebody stands between you. Nothing was sent. Ask for a new code"
    )]
    NotProved,
    /// Somebody answered with another key than the device's.
    #[error(
        "what answered is not the device (its key is another): nothing was sent. Tell the relay's operator, \
         and don't continue by another way until it is explained"
    )]
    WrongKey,
    /// Nobody came on the path.
    #[error("the device did not come to the path that the relay opened: check that UDP passes at both ends")]
    NoAnswer,
    /// The connection broke on the way.
    #[error("the connection to the device broke: {0}")]
    Broken(String),
    /// The agent speaks another version.
    #[error("the agent on the device speaks another version: update it or this program")]
    Version,
    /// No socket could be opened.
    #[error("no path can be opened on this machine: {0}")]
    Socket(#[from] std::io::Error),
    /// This build is broken.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
    /// Evidence can't be kept.
    #[error(transparent)]
    Home(#[from] ClientHomeError),
}

impl From<FrameError> for SessionError {
    fn from(error: FrameError) -> Self {
        if error.is_hostile() { Self::Version } else { Self::Broken(error.to_string()) }
    }
}

impl SessionError {
    /// Whether there is no use in trying again.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Relay(error) => match error.refusal() {
                Some(refusal) => {
                    use nearhand_proto::message::control::{OfferRefusal, RelayRefusal as R};
                    matches!(
                        refusal,
                        R::NoSuchSession
                            | R::Revoked
                            | R::Unknown
                            | R::DeviceRefused(OfferRefusal::NoSuchSession)
                    )
                }
                None => !error.is_passing(),
            },
            Self::Refused(_) | Self::NotProved | Self::WrongKey | Self::Version | Self::Device(_) => true,
            _ => false,
        }
    }

    /// How a session ends that could not be resumed because of this error.
    pub(super) fn into_end(self) -> SessionEnd {
        use nearhand_proto::message::control::RelayRefusal as R;
        // The relay had cut the connection before it could say so.
        let by_relay = matches!(&self, Self::Relay(error) if error.refusal() == Some(&R::Revoked));
        if by_relay || matches!(self, Self::Refused(SessionRefusal::Revoked)) {
            return SessionEnd::ByAgent(SessionEndReason::Revoked);
        }
        SessionEnd::Lost(self.to_string())
    }
}

impl HasExitCode for SessionError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Relay(error) => error.exit_code(),
            Self::Device(error) => error.exit_code(),
            Self::Refused(refusal) => ExitCode::of_refusal(refusal),
            Self::NoCredential | Self::WrongKey => ExitCode::KeyChanged,
            Self::NotProved => ExitCode::WrongCode,
            Self::NoAnswer | Self::Broken(_) => ExitCode::SessionLost,
            Self::Version => ExitCode::Version,
            Self::Socket(_) | Self::Home(_) => ExitCode::Local,
            Self::Tls(_) => ExitCode::Unexpected,
        }
    }
}
