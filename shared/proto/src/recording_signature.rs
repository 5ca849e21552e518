//! Signatures of a recorded screen: what the device signs while a technician records what they see.
//!
//! While recording, the agent hashes every message of the screen's stream as it sends it, and from time to time signs the
//! running hash: a [`ScreenHead`]. A player hashes the recorded messages again and compares: a message that was changed,
//! left out or added contradicts the next head. Pure: callers decide when to sign, and where messages are kept.

use sha2::{Digest, Sha256};

use crate::id::SessionId;
use crate::message::screen::FromScreen;
pub use crate::message::screen::ScreenHead;
use crate::time::UnixMillis;
use crate::wire::{self, WireError};

/// The running hash of a part.
#[derive(Clone, Debug)]
pub struct RecordingHash {
    session: SessionId,
    part: u32,
    began: UnixMillis,
    messages: u64,
    hash: Sha256,
}

impl RecordingHash {
    /// The hash of a part that begins.
    pub fn new(session: SessionId, part: u32, began: UnixMillis) -> Self {
        let hash = Sha256::new()
            .chain_update(b"nearhand recorded screen 1")
            .chain_update(session.as_bytes())
            .chain_update(part.to_le_bytes())
            .chain_update(began.0.to_le_bytes());
        Self { session, part, began, messages: 0, hash }
    }

    /// Takes the next message: its number, its length and its bytes as they are sent.
    ///
    /// # Errors
    /// [`WireError`] for a message too large to send.
    pub fn take(&mut self, message: &FromScreen) -> Result<(), WireError> {
        let bytes = wire::encode(message)?;
        self.messages += 1;
        self.hash.update(self.messages.to_le_bytes());
        self.hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.hash.update(&bytes);
        Ok(())
    }

    /// Messages so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The head to sign, `millis` milliseconds after the part began.
    pub fn head(&self, millis: u32, last: bool) -> ScreenHead {
        let hash = self.hash.clone().finalize().into();
        let Self { session, part, began, messages, .. } = *self;
        ScreenHead { session, part, began, messages, millis, hash, last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::screen::ScreenPoint;

    #[test]
    fn a_head_stands_for_every_message_and_their_order() {
        let session = SessionId::from_bytes([7; 16]);
        let at = |x| FromScreen::CursorAt(Some(ScreenPoint { x, y: 0 }));
        let hash = |part, messages: &[FromScreen]| {
            let mut chain = RecordingHash::new(session, part, UnixMillis(5));
            messages.iter().for_each(|message| chain.take(message).unwrap());
            chain.head(9, false).hash
        };
        let (one, two, time) = (at(1), at(2), FromScreen::Clock(3));
        let all = hash(1, &[one.clone(), two.clone(), time.clone()]);
        for other in [
            hash(2, &[one.clone(), two.clone(), time.clone()]),
            hash(1, &[two.clone(), one.clone(), time.clone()]),
            hash(1, &[one.clone(), two.clone()]),
            hash(1, &[one.clone(), two.clone(), FromScreen::Clock(4)]),
            hash(1, &[one.clone(), one.clone(), two.clone(), time.clone()]),
        ] {
            assert_ne!(other, all);
        }
        assert_eq!(hash(1, &[one, two, time]), all);
    }
}
