//! The agent's own commands as callers of the local socket.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use nearhand_shared::message::local::{Event, FRAME_LIMIT, Message, Reply, Request, Verb};
use nearhand_shared::transport::framed::{self, FrameError};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;

use crate::home::Home;

/// Why the agent can't be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// It doesn't run.
    #[error("no agent is running here ({path}: {source}): start it with `nearhand-agent run`")]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It went away.
    #[error("the agent went away, or does not let this user in (see `nearhand-agent run --attended-by`)")]
    Gone(#[from] FrameError),
    /// It said no.
    #[error("{0}")]
    Refused(String),
}

/// A connection to the agent.
pub(crate) struct LocalClient {
    write: OwnedWriteHalf,
    messages: mpsc::Receiver<Result<Message, FrameError>>,
    /// Events that came while a reply was waited for.
    waiting: VecDeque<Event>,
    number: u32,
}

impl LocalClient {
    /// Connects to the agent of this directory, or else to the one that runs as a service and lets this user
    /// in.
    pub(crate) async fn connect(home: &Home) -> Result<Self, CallError> {
        let path = home.socket();
        let stream = match UnixStream::connect(&path).await {
            Ok(stream) => stream,
            Err(source) if home.is_default() => UnixStream::connect(Home::service_socket())
                .await
                .map_err(|_| CallError::NotRunning { path, source })?,
            Err(source) => return Err(CallError::NotRunning { path, source }),
        };
        let (mut read, write) = stream.into_split();
        let (to, messages) = mpsc::channel(64);
        // Reading is not cancel-safe, so it has a task of its own.
        tokio::spawn(async move {
            loop {
                let message = framed::read(&mut read, FRAME_LIMIT).await;
                let over = message.is_err();
                if to.send(message).await.is_err() || over {
                    return;
                }
            }
        });
        Ok(Self { write, messages, waiting: VecDeque::new(), number: 0 })
    }

    /// Asks, and waits for the answer. A refusal is an error.
    pub(crate) async fn ask(&mut self, verb: Verb) -> Result<Reply, CallError> {
        self.number = self.number.wrapping_add(1);
        let request = Request { number: self.number, verb };
        framed::write(&mut self.write, &request, FRAME_LIMIT).await?;
        loop {
            match self.message().await? {
                Message::Event(event) => self.waiting.push_back(event),
                Message::Reply { number, reply } if number == self.number => {
                    return match reply {
                        Reply::Refused(why) => Err(CallError::Refused(why)),
                        reply => Ok(reply),
                    };
                }
                Message::Reply { .. } => {}
            }
        }
    }

    /// The next event, once [`Verb::Watch`] was asked. Cancel-safe.
    pub(crate) async fn event(&mut self) -> Result<Event, CallError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(event);
            }
            if let Message::Event(event) = self.message().await? {
                return Ok(event);
            }
        }
    }

    async fn message(&mut self) -> Result<Message, CallError> {
        Ok(self.messages.recv().await.unwrap_or(Err(FrameError::Closed))?)
    }
}
