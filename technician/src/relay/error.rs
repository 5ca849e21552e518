//! What can go wrong between the client and its relay, and what to do about it.

use core::fmt;
use std::io;
use std::net::SocketAddr;

use nearhand_shared::message::control::Refusal;
use nearhand_shared::transport::tls::TlsConfigError;

use crate::home::HomeError;

/// One address that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The address.
    pub addr: SocketAddr,
    /// What came of it.
    pub why: String,
}

/// All addresses that were tried, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllTried(pub Vec<Tried>);

impl fmt::Display for AllTried {
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
        /// The relay, as in the profile.
        relay: String,
        /// What the resolver says.
        #[source]
        source: io::Error,
    },
    /// Nobody answered at any of its addresses.
    #[error(
        "can't reach the relay {relay} ({tried}): is it running, and does a firewall between you and it let UDP through?"
    )]
    Unreachable {
        /// The relay, as in the profile.
        relay: String,
        /// Where it was looked for.
        tried: AllTried,
    },
    /// Somebody answered who isn't the relay.
    #[error(
        "what answered at {addr} is not the relay {relay}: it has another key. Somebody may be in between; nothing \
         was sent. If the operator says that the relay has a new key, ask the administrator for a new invitation"
    )]
    WrongKey {
        /// The relay, as in the profile.
        relay: String,
        /// Where it answered.
        addr: SocketAddr,
    },
    /// It said no.
    #[error("the relay said no: {0}")]
    Refused(Refusal),
    /// The connection broke.
    #[error("the connection to the relay was lost: try again")]
    Lost,
    /// It is connected but doesn't answer.
    #[error("the relay did not answer in time: try again")]
    Silent,
    /// Another program, or an incompatible version of it.
    #[error(
        "what runs at {addr} does not speak this version's protocol: are the port and the relay's version right?"
    )]
    Version {
        /// Where.
        addr: SocketAddr,
    },
    /// It says what makes no sense.
    #[error("the relay's answer makes no sense ({0}): are client and relay of the same version?")]
    Protocol(&'static str),
    /// The technician's directory can't be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// No socket could be had.
    #[error("can't open a network socket")]
    Socket(#[source] io::Error),
    /// This build is broken.
    #[error("can't set up the encryption")]
    Tls(#[from] TlsConfigError),
}

impl RelayError {
    /// `true` if it may go away by itself, so that trying again makes sense.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NoAddress { .. }
            | Self::Unreachable { .. }
            | Self::Lost
            | Self::Silent
            | Self::Socket(_) => true,
            Self::Refused(refusal) => matches!(
                refusal,
                Refusal::ShuttingDown | Refusal::TooMany { .. } | Refusal::Storage | Refusal::Full { .. }
            ),
            Self::WrongKey { .. }
            | Self::Version { .. }
            | Self::Protocol(_)
            | Self::Home(_)
            | Self::Tls(_) => false,
        }
    }
}
