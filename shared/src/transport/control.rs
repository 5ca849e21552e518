//! A connection to the relay, as agents and clients make and use it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use quinn::{Connection, ConnectionError, Endpoint, TransportErrorCode, VarInt};
use tokio::time::timeout;

use crate::identity::SecretKey;
use crate::invitation::RelayAddress;
use crate::message::control::{
    ALPN, FRAME_LIMIT, HELLO_LIMIT, Hello, KEEP_ALIVE, Push, PushReply, REQUEST_TIMEOUT, Refusal, Reply,
    Request, Welcome,
};
use crate::transport::framed::{self, FrameError};
use crate::transport::tls::{self, Expect, Purpose};

/// How long one address of the relay is tried.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no connection to the relay, or a request on it failed.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The relay's name can't be resolved.
    #[error("{relay} can't be found: check its name and this machine's DNS")]
    Resolve {
        /// Where it should be.
        relay: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Nothing answers there.
    #[error("the relay at {relay} does not answer: check the network, that it runs, and that UDP passes")]
    Unreachable {
        /// Where it should be.
        relay: String,
    },
    /// Something answers with another key.
    #[error(
        "what answers at {relay} is not the relay that this machine knows (its key differs): not connected"
    )]
    WrongKey {
        /// Where it should be.
        relay: String,
    },
    /// The relay doesn't speak this protocol's version.
    #[error("the relay at {relay} speaks another version: update this program or the relay")]
    Version {
        /// Where it is.
        relay: String,
    },
    /// The relay said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The connection was lost on the way.
    #[error("the connection to the relay was lost")]
    Lost(#[source] ConnectionError),
    /// The relay answered what makes no sense, or not in time.
    #[error("the relay's answer makes no sense")]
    Protocol(#[source] FrameError),
    /// No answer in time.
    #[error("the relay did not answer within {} s", REQUEST_TIMEOUT.as_secs())]
    Silent,
    /// This machine refuses to open a socket or TLS.
    #[error("this machine can't open a connection: {0}")]
    Local(String),
}

/// An open connection to the relay.
#[derive(Clone, Debug)]
pub struct RelayConnection {
    connection: Connection,
    // Held so that the socket lives as long as the connection is used.
    _endpoint: Endpoint,
}

impl RelayConnection {
    /// Dials the relay at each of its addresses in turn until one answers with the expected key.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn dial(relay: &RelayAddress, key: &SecretKey) -> Result<Self, RelayError> {
        let name = relay.to_string();
        let addresses = timeout(DIAL_TIMEOUT, tokio::net::lookup_host((relay.host.as_str(), relay.port)))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|source| RelayError::Resolve { relay: name.clone(), source })?;
        let mut last = RelayError::Unreachable { relay: name.clone() };
        for address in addresses.take(8) {
            match Self::dial_one(relay, key, address).await {
                Ok(open) => return Ok(open),
                Err(error @ (RelayError::WrongKey { .. } | RelayError::Version { .. })) => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn dial_one(relay: &RelayAddress, key: &SecretKey, to: SocketAddr) -> Result<Self, RelayError> {
        let local = |e: &dyn std::error::Error| RelayError::Local(e.to_string());
        let config = tls::client(key, Expect::Key(relay.key), ALPN, Purpose::Control, KEEP_ALIVE)
            .map_err(|e| local(&e))?;
        let any: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let endpoint = Endpoint::client(any).map_err(|e| local(&e))?;
        let connecting = endpoint.connect_with(config, to, tls::SERVER_NAME).map_err(|e| local(&e))?;
        let unreachable = || RelayError::Unreachable { relay: relay.to_string() };
        match timeout(DIAL_TIMEOUT, connecting).await {
            Ok(Ok(connection)) => Ok(Self { connection, _endpoint: endpoint }),
            Ok(Err(error)) => Err(judge(error, relay)),
            Err(_) => Err(unreachable()),
        }
    }

    /// Says hello; the connection can then be used.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn hello(&self, hello: Hello) -> Result<Welcome, RelayError> {
        match self.ask(&Request::Hello(hello)).await? {
            Reply::Welcome(welcome) => Ok(welcome),
            _ => Err(RelayError::Silent),
        }
    }

    /// One request and its answer; a refusal is an error.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn ask(&self, request: &Request) -> Result<Reply, RelayError> {
        let limit = if matches!(request, Request::Hello(_)) { HELLO_LIMIT } else { FRAME_LIMIT };
        let exchange = async {
            let (mut send, mut recv) = self.connection.open_bi().await.map_err(RelayError::Lost)?;
            framed::write(&mut send, request, limit).await.map_err(|e| self.broken(e))?;
            // A peer that was refused may have stopped reading: its answer still counts.
            let _ = send.finish();
            framed::read::<Reply>(&mut recv, FRAME_LIMIT).await.map_err(|e| self.broken(e))
        };
        match timeout(REQUEST_TIMEOUT, exchange).await.map_err(|_| RelayError::Silent)?? {
            Reply::Refused(refusal) => Err(refusal.into()),
            reply => Ok(reply),
        }
    }

    fn broken(&self, error: FrameError) -> RelayError {
        match self.connection.close_reason() {
            Some(reason) => RelayError::Lost(reason),
            None => RelayError::Protocol(error),
        }
    }

    /// The next thing that the relay says unasked, and where to answer it.
    ///
    /// # Errors
    /// [`RelayError`]: the connection is of no more use.
    pub async fn next_push(&self) -> Result<(Push, Answer), RelayError> {
        let (send, mut recv) = self.connection.accept_bi().await.map_err(RelayError::Lost)?;
        let push = timeout(REQUEST_TIMEOUT, framed::read(&mut recv, FRAME_LIMIT))
            .await
            .map_err(|_| RelayError::Silent)?
            .map_err(|e| self.broken(e))?;
        Ok((push, Answer(send)))
    }

    /// The address that the relay answers at.
    pub fn relay_addr(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    /// Waits until the connection is gone.
    pub async fn closed(&self) -> RelayError {
        RelayError::Lost(self.connection.closed().await)
    }

    /// Leaves in order.
    pub fn close(&self) {
        self.connection.close(VarInt::from_u32(0), b"bye");
    }
}

/// Where to answer a push.
#[derive(Debug)]
pub struct Answer(quinn::SendStream);

impl Answer {
    /// Answers. A relay that no longer listens is no error: the connection's end tells.
    pub async fn send(mut self, reply: PushReply) {
        let _ = framed::write(&mut self.0, &reply, FRAME_LIMIT).await;
        let _ = self.0.finish();
    }
}

/// What a failed handshake means.
fn judge(error: ConnectionError, relay: &RelayAddress) -> RelayError {
    let relay = relay.to_string();
    match &error {
        // TLS alert 120: no application protocol in common (RFC 7301 §3.2).
        ConnectionError::ConnectionClosed(close) if close.error_code == TransportErrorCode::crypto(120) => {
            RelayError::Version { relay }
        }
        ConnectionError::VersionMismatch => RelayError::Version { relay },
        // Raised by our own verifier: access denied or a bad certificate.
        ConnectionError::TransportError(e) if e.reason.contains("ApplicationVerificationFailure") => {
            RelayError::WrongKey { relay }
        }
        ConnectionError::TransportError(e) if u64::from(e.code) & 0xff00 == 0x100 => {
            RelayError::WrongKey { relay }
        }
        ConnectionError::TimedOut | ConnectionError::Reset => RelayError::Unreachable { relay },
        _ => RelayError::Lost(error),
    }
}

/// Full-jitter exponential backoff: how long to wait before try number `attempt` (counted from 0), given a
/// random number.
pub fn backoff(attempt: u32, random: u32) -> Duration {
    /// First wait at most, in milliseconds.
    const BASE: u64 = 500;
    /// Longest wait at most, in milliseconds; so a restarted relay has everybody back within a minute.
    const CAP: u64 = 30_000;
    let ceiling = BASE.saturating_mul(1 << attempt.min(10)).min(CAP);
    Duration::from_millis(50 + ceiling * u64::from(random) / u64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_cap_and_spread() {
        assert_eq!(backoff(0, 0), Duration::from_millis(50));
        assert_eq!(backoff(0, u32::MAX), Duration::from_millis(550));
        assert_eq!(backoff(u32::MAX, u32::MAX), Duration::from_millis(30_050));
    }
}
