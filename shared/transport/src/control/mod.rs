//! A connection to the relay, as agents and clients make and use it: dialled, greeted, asked, listened to.
//!
//! A driver: decisions are the caller's. Must not live here: keeping a connection up, and what a push means.

mod backoff;
mod dial;
mod error;

use std::net::SocketAddr;
use std::time::Duration;

use quinn::{Connection, VarInt};
use tokio::time::timeout;

use crate::framed::{self, FrameError};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::invitation::RelayAddress;
use nearhand_proto::message::control::{
    CloseCode, FRAME_LIMIT, HELLO_LIMIT, REQUEST_TIMEOUT, RelayHello, RelayPush, RelayPushReply, RelayReply,
    RelayRequest, RelayWelcome,
};

pub use backoff::{backoff, random_part};
pub use error::{RelayError, TriedAddress, TriedAddresses};

/// How long a goodbye may take to leave this machine: it is one packet, and a relay that is gone need not hear
/// it.
const GOODBYE: Duration = Duration::from_millis(20);

/// An open connection to the relay. Cheap to clone; all clones are the same connection.
#[derive(Clone, Debug)]
pub struct RelayConnection {
    connection: Connection,
    addr: SocketAddr,
}

impl RelayConnection {
    /// Dials the relay at all of its addresses; the first that answers with the expected key wins.
    ///
    /// # Errors
    /// [`RelayError`], with what came of each address.
    pub async fn dial(relay: &RelayAddress, key: &SecretKey) -> Result<Self, RelayError> {
        let (connection, addr) = dial::dial(relay, key).await?;
        Ok(Self { connection, addr })
    }

    /// Says hello; the connection can then be used.
    ///
    /// # Errors
    /// [`RelayError::Protocol`] if the relay answers without a welcome; otherwise as [`Self::ask`].
    pub async fn hello(&self, hello: RelayHello) -> Result<RelayWelcome, RelayError> {
        match self.ask(&RelayRequest::Hello(hello)).await? {
            RelayReply::Welcome(welcome) => Ok(welcome),
            _ => Err(RelayError::Protocol("no welcome")),
        }
    }

    /// One request and its answer; a refusal is [`RelayError::Refused`].
    ///
    /// # Errors
    /// [`RelayError::Refused`] if the relay says no, [`RelayError::Silent`] after [`REQUEST_TIMEOUT`],
    /// [`RelayError::Closed`] or [`RelayError::Lost`] if the connection ended, [`RelayError::Protocol`] if a frame is
    /// too long or can't be read.
    pub async fn ask(&self, request: &RelayRequest) -> Result<RelayReply, RelayError> {
        match timeout(REQUEST_TIMEOUT, self.exchange(request)).await {
            Err(_) => Err(RelayError::Silent),
            Ok(Ok(RelayReply::Refused(refusal))) => Err(RelayError::Refused(refusal)),
            Ok(outcome) => outcome,
        }
    }

    /// A request that is answered with [`RelayReply::Done`].
    ///
    /// # Errors
    /// [`RelayError::Protocol`] if the relay answers something else; otherwise as [`Self::ask`].
    pub async fn done(&self, request: &RelayRequest) -> Result<(), RelayError> {
        match self.ask(request).await? {
            RelayReply::Done => Ok(()),
            _ => Err(RelayError::Protocol("it answered something else than was asked")),
        }
    }

    async fn exchange(&self, request: &RelayRequest) -> Result<RelayReply, RelayError> {
        let limit = if matches!(request, RelayRequest::Hello(_)) { HELLO_LIMIT } else { FRAME_LIMIT };
        let (mut send, mut recv) = self.connection.open_bi().await.map_err(RelayError::ended)?;
        // A relay that refuses may have stopped reading: its answer still counts.
        if let Err(FrameError::Wire(_)) = framed::write(&mut send, request, limit).await {
            return Err(RelayError::Protocol("the request is too long for it"));
        }
        // Fails only on a stream that is closed already.
        let _ = send.finish();
        framed::read::<RelayReply>(&mut recv, FRAME_LIMIT).await.map_err(|e| self.broken(&e))
    }

    fn broken(&self, error: &FrameError) -> RelayError {
        match self.connection.close_reason() {
            Some(reason) => RelayError::ended(reason),
            None if error.is_hostile() => RelayError::Protocol("a frame can't be read"),
            None => RelayError::Protocol("it broke off in the middle"),
        }
    }

    /// The next thing that the relay says unasked, and where to answer it. What can't be read is passed over.
    ///
    /// # Errors
    /// [`RelayError`]: the connection is of no more use.
    pub async fn next_push(&self) -> Result<(RelayPush, PushAnswer), RelayError> {
        loop {
            let (send, mut recv) = self.connection.accept_bi().await.map_err(RelayError::ended)?;
            match timeout(REQUEST_TIMEOUT, framed::read(&mut recv, FRAME_LIMIT)).await {
                Ok(Ok(push)) => return Ok((push, PushAnswer(send))),
                Ok(Err(error)) => tracing::warn!(%error, "what the relay said can't be read"),
                Err(_) => tracing::warn!("what the relay said did not arrive whole in time"),
            }
        }
    }

    /// The address that the relay answers at.
    pub fn relay_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits until the connection is gone; says why.
    pub async fn closed(&self) -> RelayError {
        RelayError::ended(self.connection.closed().await)
    }

    /// Leaves in order.
    pub fn close(&self) {
        self.connection.close(VarInt::from_u32(CloseCode::Normal.number()), b"");
    }

    /// Leaves in order before the program ends: waits until the goodbye is on its way.
    pub async fn finish(&self) {
        self.close();
        tokio::time::sleep(GOODBYE).await;
    }
}

/// Where to answer a push.
#[derive(Debug)]
pub struct PushAnswer(quinn::SendStream);

impl PushAnswer {
    /// Answers. A relay that no longer listens is no error: the connection's end tells.
    pub async fn send(mut self, reply: RelayPushReply) {
        if framed::write(&mut self.0, &reply, FRAME_LIMIT).await.is_ok() {
            let _ = self.0.finish();
        }
    }
}
