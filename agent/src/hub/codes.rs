//! Making a support code: its digits come from the relay.

use std::time::Instant;

use nearhand_agent_core::code::LockedOut;
use nearhand_agent_core::sessions::LocalUser;
use nearhand_proto::message::control::{RelayReply, RelayRequest};
use nearhand_proto::message::local::{AgentNotice, SpokenCode};
use nearhand_proto::support_code::SupportCode;
use nearhand_transport::control::RelayError;
use rand_core::OsRng;

use super::driver::Hub;

/// Why there is no new support code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewCodeError {
    /// After too many wrong ones.
    #[error(transparent)]
    LockedOut(#[from] LockedOut),
    /// The relay isn't connected.
    #[error("there is no connection to the relay: {0}")]
    NoRelay(String),
    /// The relay gave no digits.
    #[error("the relay gave no support code: {0}")]
    Relay(#[from] RelayError),
}

impl NewCodeError {
    /// As the person is told.
    pub(crate) fn notice(&self) -> AgentNotice {
        match self {
            Self::LockedOut(locked) => AgentNotice::CodesLocked { seconds: locked.seconds },
            Self::NoRelay(_) => AgentNotice::NoRelay,
            Self::Relay(_) => AgentNotice::Words(self.to_string()),
        }
    }
}

impl Hub {
    /// Makes and shows a new support code; the one before is void, also if it was somebody else's.
    ///
    /// # Errors
    /// [`NewCodeError::LockedOut`] after too many wrong codes; [`NewCodeError::NoRelay`] without a connection to the
    /// relay or if the code expired on its way; [`NewCodeError::Relay`] if the relay gives no digits.
    pub(crate) async fn new_code(&self, user: LocalUser) -> Result<SpokenCode, NewCodeError> {
        self.update(|sessions, now| sessions.may_make_code(now.instant))?;
        let relay = self.relay.connection().ok_or_else(|| {
            NewCodeError::NoRelay(self.relay.problem().unwrap_or_else(|| "try again".to_owned()))
        })?;
        let RelayReply::Digits(routing) = relay.ask(&RelayRequest::AllocateDigits { wanted: None }).await?
        else {
            return Err(NewCodeError::Relay(RelayError::Protocol("no digits")));
        };
        let code = SupportCode::generate(routing, &mut OsRng);
        let shown = self.update(|sessions, _| sessions.show_code(Instant::now(), user, code));
        shown.ok_or_else(|| NewCodeError::NoRelay("the code has expired already".to_owned()))
    }
}
