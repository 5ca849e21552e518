//! What is still to be written to the agent. Writes never wait: input must not stand behind a frame in a full pipe.

use std::collections::VecDeque;
use std::io;

use nearhand_proto::wire;

use super::protocol::{FromDesktop, MAX_DESKTOP_MESSAGE};
use crate::platform;

/// With this many bytes waiting, frames and contents wait until it is less.
const ENOUGH: usize = 192 * 1024;

/// Messages on their way out.
#[derive(Debug, Default)]
pub(super) struct OutgoingMessages {
    frames: VecDeque<Vec<u8>>,
    /// Bytes of the first that are written.
    written: usize,
    bytes: usize,
}

impl OutgoingMessages {
    /// Adds a message.
    pub(super) fn push(&mut self, message: &FromDesktop) {
        match wire::frame(message, MAX_DESKTOP_MESSAGE) {
            Ok(frame) => {
                self.bytes += frame.len();
                self.frames.push_back(frame);
            }
            Err(error) => tracing::warn!(%error, "a message to the agent was left out"),
        }
    }

    /// Whether there is room for what can wait.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < ENOUGH
    }

    /// Whether all is written.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Writes as much as the pipe takes.
    pub(super) fn write(&mut self) -> io::Result<()> {
        while let Some(frame) = self.frames.front() {
            match platform::write_to_standard_output(frame.get(self.written..).unwrap_or_default()) {
                Ok(written) => {
                    self.written += written;
                    self.bytes = self.bytes.saturating_sub(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.written >= frame.len() {
                self.frames.pop_front();
                self.written = 0;
            }
        }
        Ok(())
    }
}
