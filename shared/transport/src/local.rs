//! A program of the person at the device as a caller of the agent's private local socket.
//!
//! Lives here: one connection, requests and events on it. Must not live here: where the socket is (the agent's home
//! says that), what the messages mean.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;

use crate::framed::{self, FrameError};
use nearhand_proto::message::local::{
    AgentNotice, FRAME_LIMIT, LocalEvent, LocalMessage, LocalReply, LocalRequest, LocalVerb,
};

/// Why the agent can't be asked.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It doesn't run.
    #[error("no agent is running here ({path}: {source}): start it with `nearhand-agent run`")]
    NotRunning {
        /// Path of the socket.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// It went away.
    #[error("the agent went away, or does not let this user in (see `nearhand-agent run --attended-by`)")]
    Gone(#[from] FrameError),
    /// It said no.
    #[error("{0}")]
    Refused(AgentNotice),
}

/// A connection to the agent.
#[derive(Debug)]
pub struct LocalClient {
    write: OwnedWriteHalf,
    messages: mpsc::Receiver<Result<LocalMessage, FrameError>>,
    /// Events that came while a reply was waited for.
    waiting: VecDeque<LocalEvent>,
    number: u32,
    /// Heartbeats are answered while a reply is waited for.
    shows_itself: bool,
}

impl LocalClient {
    /// Connects to the first of these sockets that an agent answers at.
    ///
    /// # Errors
    /// [`CallError::NotRunning`], with the first path.
    pub async fn connect(first: &Path, others: &[&Path]) -> Result<Self, CallError> {
        let mut stream = UnixStream::connect(first).await;
        for other in others {
            if stream.is_ok() {
                break;
            }
            if let Ok(answered) = UnixStream::connect(other).await {
                stream = Ok(answered);
            }
        }
        let stream = stream.map_err(|source| CallError::NotRunning { path: first.to_owned(), source })?;
        let (mut read, write) = stream.into_split();
        let (to, messages) = mpsc::channel(64);
        // Reading is not cancel-safe, so a separate task reads.
        tokio::spawn(async move {
            loop {
                let message = framed::read(&mut read, FRAME_LIMIT).await;
                let over = message.is_err();
                if to.send(message).await.is_err() || over {
                    return;
                }
            }
        });
        Ok(Self { write, messages, waiting: VecDeque::new(), number: 0, shows_itself: false })
    }

    /// The loop that calls this connection is the one that shows things to the person: while it waits in
    /// [`LocalClient::ask`], heartbeats are answered there.
    pub fn shows_itself(&mut self) {
        self.shows_itself = true;
    }

    /// Answers a heartbeat ([`LocalEvent::Heartbeat`]).
    ///
    /// # Errors
    /// [`CallError::Gone`] if the connection broke.
    pub async fn answer_heartbeat(&mut self, number: u32) -> Result<(), CallError> {
        let request = LocalRequest { number: 0, verb: LocalVerb::Heartbeat { number } };
        Ok(framed::write(&mut self.write, &request, FRAME_LIMIT).await?)
    }

    /// Asks, and waits for the answer. A refusal is an error.
    ///
    /// # Errors
    /// [`CallError::Refused`] with the agent's reason; [`CallError::Gone`] if the connection broke or a frame is too
    /// long or can't be read.
    pub async fn ask(&mut self, verb: LocalVerb) -> Result<LocalReply, CallError> {
        self.number = self.number.wrapping_add(1);
        let request = LocalRequest { number: self.number, verb };
        framed::write(&mut self.write, &request, FRAME_LIMIT).await?;
        loop {
            match self.message().await? {
                LocalMessage::Event(LocalEvent::Heartbeat { number }) if self.shows_itself => {
                    self.answer_heartbeat(number).await?;
                }
                LocalMessage::Event(event) => self.waiting.push_back(event),
                LocalMessage::Reply { number, reply } if number == self.number => {
                    return match reply {
                        LocalReply::Refused(why) => Err(CallError::Refused(why)),
                        reply => Ok(reply),
                    };
                }
                LocalMessage::Reply { .. } => {}
            }
        }
    }

    /// The next event, once [`LocalVerb::Watch`] was asked. Cancel-safe.
    ///
    /// # Errors
    /// [`CallError::Gone`] if the agent closed the connection, or sent a frame that can't be read.
    pub async fn event(&mut self) -> Result<LocalEvent, CallError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(event);
            }
            if let LocalMessage::Event(event) = self.message().await? {
                return Ok(event);
            }
        }
    }

    async fn message(&mut self) -> Result<LocalMessage, CallError> {
        Ok(self.messages.recv().await.unwrap_or(Err(FrameError::Closed))?)
    }
}
