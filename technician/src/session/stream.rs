//! A stream of the session with one purpose, that carries messages both ways.

use std::time::Duration;

use nearhand_proto::message::session::{
    DISPLAY_GONE, FRAME_LIMIT, HELLO_LIMIT, SessionRefusal, StreamAnswer, StreamOpen,
};
use nearhand_transport::framed::{self, FrameError};
use quinn::{Connection, ReadError, RecvStream, SendStream, VarInt, WriteError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::handle::TechnicianSession;
use super::task::WRITE_TIMEOUT;
use crate::exit::{ExitCode, HasExitCode};

/// Why a stream can't be opened, or has ended.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The agent refused.
    #[error("{0}")]
    Refused(SessionRefusal),
    /// The grant is gone; the session stands.
    #[error("what it needs is no longer granted")]
    NotGranted,
    /// The display at the device has ended; grant and session stand.
    #[error(
        "the display at the device can't be used any more: the person has logged out, or another one is in front of it"
    )]
    DisplayGone,
    /// The connection was lost; the session may come back.
    #[error("the connection was lost")]
    Lost,
    /// The session is over.
    #[error("the session is over")]
    Over,
    /// The agent's messages make no sense.
    #[error("the agent's message makes no sense")]
    Protocol(#[source] FrameError),
}

impl HasExitCode for StreamError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Refused(refusal) => ExitCode::of_refusal(refusal),
            Self::NotGranted | Self::DisplayGone | Self::Lost | Self::Over => ExitCode::SessionLost,
            Self::Protocol(_) => ExitCode::Unexpected,
        }
    }
}

/// The sending half of a stream. Dropping it ends the stream.
#[derive(Debug)]
pub struct StreamSender {
    connection: Connection,
    send: SendStream,
}

/// The receiving half of a stream.
#[derive(Debug)]
pub struct StreamReceiver {
    connection: Connection,
    recv: RecvStream,
}

impl TechnicianSession {
    /// Opens a stream on the present connection, or on the next one while it is interrupted. A higher `priority` is
    /// sent before a lower one; chat and control have 0.
    ///
    /// # Errors
    /// [`StreamError`]: the agent refuses, the connection is lost before it answers, or the session is over.
    pub async fn open_stream(
        &self,
        open: &StreamOpen,
        priority: i32,
    ) -> Result<(StreamSender, StreamReceiver), StreamError> {
        let connection = self.connection().await.ok_or(StreamError::Over)?;
        let (mut send, mut recv) = connection.open_bi().await.map_err(|_| StreamError::Lost)?;
        // Only a stream that is closed already has no priority; writing to it says so.
        let _ = send.set_priority(priority);
        let opened = async {
            framed::write(&mut send, open, HELLO_LIMIT).await?;
            framed::read::<StreamAnswer>(&mut recv, HELLO_LIMIT).await
        };
        match timeout(WRITE_TIMEOUT, opened).await {
            Ok(Ok(StreamAnswer::Accepted)) => {}
            Ok(Ok(StreamAnswer::Refused(refusal))) => return Err(StreamError::Refused(refusal)),
            Ok(Err(error)) => return Err(broken(&connection, error).await),
            Err(_) => return Err(StreamError::Lost),
        }
        Ok((StreamSender { connection: connection.clone(), send }, StreamReceiver { connection, recv }))
    }
}

impl StreamSender {
    /// Sends a message; waits while the connection is busy.
    ///
    /// # Errors
    /// [`StreamError`]: the connection is lost, the grant for this stream has ended, or the message is too long.
    pub async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), StreamError> {
        match framed::write(&mut self.send, message, FRAME_LIMIT).await {
            Ok(()) => Ok(()),
            Err(error) => Err(broken(&self.connection, error).await),
        }
    }
}

impl StreamReceiver {
    /// The next message. Not cancel-safe: a receiver whose wait was broken off must be dropped.
    ///
    /// # Errors
    /// [`StreamError`]: the connection is lost, the grant for this stream has ended, or the message makes no sense.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<T, StreamError> {
        match framed::read(&mut self.recv, FRAME_LIMIT).await {
            Ok(message) => Ok(message),
            Err(error) => Err(broken(&self.connection, error).await),
        }
    }
}

/// What a stream's end means. A connection that still stands half a second later was not lost, so the grant was taken
/// back.
async fn broken(connection: &Connection, error: FrameError) -> StreamError {
    if error.is_hostile() {
        return StreamError::Protocol(error);
    }
    if reset_code(&error) == Some(DISPLAY_GONE.into()) {
        return StreamError::DisplayGone;
    }
    match timeout(Duration::from_millis(500), connection.closed()).await {
        Ok(_) => StreamError::Lost,
        Err(_) => StreamError::NotGranted,
    }
}

/// The code with which the other end broke a stream off, if it did.
fn reset_code(error: &FrameError) -> Option<VarInt> {
    let FrameError::Io(error) = error else { return None };
    let cause = error.get_ref()?;
    match (cause.downcast_ref::<ReadError>(), cause.downcast_ref::<WriteError>()) {
        (Some(ReadError::Reset(code)), _) | (_, Some(WriteError::Stopped(code))) => Some(*code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_reset_is_known() {
        let of = |error: std::io::Error| reset_code(&FrameError::Io(error));
        let code = VarInt::from_u32(DISPLAY_GONE);
        assert_eq!(of(ReadError::Reset(code).into()), Some(code));
        assert_eq!(of(WriteError::Stopped(code).into()), Some(code));
        assert_eq!(of(WriteError::ClosedStream.into()), None);
        assert_eq!(reset_code(&FrameError::Closed), None);
    }
}
