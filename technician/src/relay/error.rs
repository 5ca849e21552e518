//! What can go wrong between the client and its relay: on the way to it, or in the technician's directory.

use nearhand_proto::message::control::RelayRefusal;
use nearhand_transport::control::RelayError as ControlError;

use crate::home::ClientHomeError;

/// Why a request to the relay failed.
#[derive(Debug, thiserror::Error)]
pub enum RelayClientError {
    /// The relay can't be reached, refused, or sent what makes no sense.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The technician's directory can't be used.
    #[error(transparent)]
    Home(#[from] ClientHomeError),
}

impl RelayClientError {
    /// It says what makes no sense.
    pub(crate) fn nonsense(what: &'static str) -> Self {
        Self::Control(ControlError::Protocol(what))
    }

    /// The relay's refusal, if it refused.
    pub fn refusal(&self) -> Option<&RelayRefusal> {
        match self {
            Self::Control(ControlError::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    /// `true` if trying again makes sense, because the cause may go away by itself.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Control(error) if error.is_passing())
    }

    /// `true` if the relay may have done what it was asked for, although no answer came.
    pub fn leaves_open(&self) -> bool {
        matches!(self, Self::Control(error) if error.leaves_open())
    }
}
