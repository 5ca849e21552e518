//! What can go wrong between a program and its relay, and what to do about it.

use core::fmt;
use std::io;
use std::net::SocketAddr;

use quinn::ConnectionError;

use crate::tls::TlsConfigError;
use nearhand_proto::message::control::{CloseCode, REQUEST_TIMEOUT, RelayRefusal};

/// One address that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriedAddress {
    /// The address that was tried.
    pub addr: SocketAddr,
    /// What came of it.
    pub why: String,
}

/// All addresses that were tried, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriedAddresses(pub Vec<TriedAddress>);

impl fmt::Display for TriedAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, tried) in self.0.iter().enumerate() {
            write!(f, "{}{}: {}", if i == 0 { "" } else { "; " }, tried.addr, tried.why)?;
        }
        Ok(())
    }
}

/// Why the relay could not be asked, or what it said.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// Its name leads nowhere.
    #[error("can't find the address of the relay {relay}: check the network and the name")]
    NoAddress {
        /// The relay, as this machine knows it.
        relay: String,
        /// What the resolver says.
        #[source]
        source: io::Error,
    },
    /// Nobody answers at any of its addresses.
    #[error(
        "the relay {relay} does not answer ({tried}): is it running, and does the network let UDP through?"
    )]
    Unreachable {
        /// The relay, as this machine knows it.
        relay: String,
        /// Each address and what came of it.
        tried: TriedAddresses,
    },
    /// Somebody answers there who doesn't have the relay's key.
    #[error(
        "what answers at {addr} is not the relay {relay}: its key differs, so nothing was sent. If the relay was \
         set up anew ask its administrator for a new invitation or enrolment string"
    )]
    WrongKey {
        /// The relay, as this machine knows it.
        relay: String,
        /// Where it answered.
        addr: SocketAddr,
    },
    /// Another program, or an incompatible version of it.
    #[error(
        "what runs at {addr} does not speak this version's protocol: are the port and the relay's version right?"
    )]
    Version {
        /// The address that answered.
        addr: SocketAddr,
    },
    /// It said no.
    #[error("the relay said no: {0}")]
    Refused(RelayRefusal),
    /// It ended the connection and said why.
    #[error("{0}")]
    Closed(CloseCode),
    /// The connection broke.
    #[error("the connection to the relay was lost: try again")]
    Lost(#[source] ConnectionError),
    /// It is connected but doesn't answer.
    #[error("the relay did not answer within {} s: try again", REQUEST_TIMEOUT.as_secs())]
    Silent,
    /// It says what makes no sense.
    #[error("the relay's answer makes no sense ({0}): are this program and the relay of the same version?")]
    Protocol(&'static str),
    /// This build is broken.
    #[error("can't set up the encryption")]
    Tls(#[from] TlsConfigError),
}

impl RelayError {
    /// What the end of a connection means: the relay's own reason, where it gave one.
    pub(super) fn ended(reason: ConnectionError) -> Self {
        let code = match &reason {
            ConnectionError::ApplicationClosed(close) => {
                CloseCode::from_number(close.error_code.into_inner())
            }
            _ => None,
        };
        code.map_or(Self::Lost(reason), Self::Closed)
    }

    /// `true` if it may go away by itself, so that trying again makes sense.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NoAddress { .. } | Self::Unreachable { .. } | Self::Lost(_) | Self::Silent => true,
            Self::Refused(refusal) => matches!(
                refusal,
                RelayRefusal::ShuttingDown
                    | RelayRefusal::TooMany { .. }
                    | RelayRefusal::Storage
                    | RelayRefusal::Full { .. }
            ),
            Self::Closed(code) => matches!(
                code,
                CloseCode::Normal | CloseCode::TimedOut | CloseCode::ShuttingDown | CloseCode::Overloaded
            ),
            Self::WrongKey { .. } | Self::Version { .. } | Self::Protocol(_) | Self::Tls(_) => false,
        }
    }

    /// `true` if the relay won't have this key: withdrawn, unknown, or in use elsewhere. Asking again soon only
    /// costs both.
    pub fn is_unwelcome(&self) -> bool {
        matches!(
            self,
            Self::Refused(RelayRefusal::Revoked | RelayRefusal::Unknown)
                | Self::Closed(CloseCode::Revoked | CloseCode::Expired | CloseCode::Replaced)
        )
    }

    /// `true` if the relay may have done what it was asked for, though it did not say so.
    pub fn leaves_open(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Closed(_) | Self::Silent | Self::Protocol(_))
    }
}

#[cfg(test)]
mod tests {
    use quinn::{ApplicationClose, VarInt};

    use super::*;

    fn closed(number: u32) -> RelayError {
        let close = ApplicationClose { error_code: VarInt::from_u32(number), reason: Vec::new().into() };
        RelayError::ended(ConnectionError::ApplicationClosed(close))
    }

    #[test]
    fn the_relays_own_reason_is_told() {
        let revoked = closed(CloseCode::Revoked.number());
        assert!(matches!(revoked, RelayError::Closed(CloseCode::Revoked)));
        assert!(revoked.to_string().contains("withdrawn"), "{revoked}");
        assert!(revoked.is_unwelcome() && !revoked.is_passing());
        let stopping = closed(CloseCode::ShuttingDown.number());
        assert!(stopping.is_passing() && !stopping.is_unwelcome() && stopping.to_string().contains("stop"));
        assert!(!closed(CloseCode::Replaced.number()).is_passing(), "two programs must not fight");
    }

    #[test]
    fn a_reason_that_this_version_does_not_know_is_a_loss() {
        assert!(matches!(closed(4_000), RelayError::Lost(_)));
        assert!(matches!(RelayError::ended(ConnectionError::TimedOut), RelayError::Lost(_)));
    }
}
