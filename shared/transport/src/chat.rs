//! Carries a [`ChatLog`] over one stream: the same driver at both ends.

use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

use crate::framed::{self, FrameError};
use crate::lock::locked;
use nearhand_proto::chat::{ChatChange, ChatError, ChatLog, ChatStream};
use nearhand_proto::message::session::FRAME_LIMIT;

/// A chat log that a stream's driver and other tasks share. A task that writes into it calls
/// [`SharedChat::changed`].
#[derive(Debug)]
pub struct SharedChat {
    log: Mutex<ChatLog>,
    notify: Notify,
}

/// Why a chat stream ended.
#[derive(Debug, thiserror::Error)]
pub enum ChatEnd {
    /// The stream broke or was closed; a resumed session opens another.
    #[error("the chat stream ended")]
    Stream(#[from] FrameError),
    /// The peer broke the chat's rules.
    #[error(transparent)]
    Rules(#[from] ChatError),
}

impl SharedChat {
    /// Shares a log.
    pub fn new(log: ChatLog) -> Self {
        Self { log: Mutex::new(log), notify: Notify::new() }
    }

    /// Looks at or changes the log; follow a change by [`SharedChat::changed`].
    pub fn with<R>(&self, f: impl FnOnce(&mut ChatLog) -> R) -> R {
        f(&mut locked(&self.log))
    }

    /// Something was written or seen: the stream, if there is one, has something to send.
    pub fn changed(&self) {
        self.notify.notify_one();
    }

    /// Carries the chat until the stream ends. `on` is told of every change that the peer brings, and says how long nothing
    /// more is read: a peer that floods waits at its own end.
    ///
    /// # Errors
    /// [`ChatEnd`], always: a chat stream only ends by breaking or being closed.
    pub async fn carry(
        &self,
        mut to: impl AsyncWrite + Unpin,
        mut from: impl AsyncRead + Unpin,
        mut on: impl FnMut(ChatChange) -> Duration,
    ) -> Result<core::convert::Infallible, ChatEnd> {
        let read = async {
            loop {
                let change = self.with_frame(framed::read(&mut from, FRAME_LIMIT).await?)?;
                let wait = on(change);
                self.changed();
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
            }
        };
        let write = async {
            let mut link = ChatStream::default();
            loop {
                while let Some(frame) = self.with(|log| link.next_frame(log)) {
                    framed::write(&mut to, &frame, FRAME_LIMIT).await?;
                }
                self.notify.notified().await;
            }
        };
        tokio::select! { end = read => end, end = write => end }
    }

    fn with_frame(
        &self,
        frame: nearhand_proto::message::session::ChatFrame,
    ) -> Result<ChatChange, ChatError> {
        self.with(|log| log.take(frame))
    }
}
