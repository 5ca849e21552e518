//! The chat between the two people of a session, as both ends keep it.
//!
//! Pure: messages are numbered per direction over the whole session, resent after a resumption until the
//! other end marks them received, and doubles are dropped. A [`ChatStream`] is what one stream has carried so far.
//! Text from the peer is neutralised here, before anybody sees or stores it.

use serde::{Deserialize, Serialize};

use crate::message::session::{ChatFrame, MAX_CHAT};
pub use crate::session_side::SessionSide;
use crate::text;
use crate::time::UnixMillis;

/// Most messages of one direction in one session; beyond it a peer is cut off.
pub const MAX_MESSAGES: u64 = 10_000;

/// Most bytes of text of the peer that one session's chat keeps: a book's worth. Beyond it a peer is cut off.
pub const MAX_PEER_TEXT: usize = 1024 * 1024;

/// A chat message as shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChatLine {
    /// From the technician; else from this device.
    pub from_technician: bool,
    /// Its number in its direction.
    pub number: u64,
    /// When it was written.
    pub at: UnixMillis,
    /// The text of the message.
    pub text: String,
    /// How far it has come.
    pub mark: DeliveryMark,
}

/// How far a chat message has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum DeliveryMark {
    /// Written at this end, not yet received at the other.
    Sent,
    /// Arrived at the other end.
    Received,
    /// Put before the other person's eyes.
    Shown,
}

/// Why the other end's frames are no chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChatError {
    /// A number was left out: messages would be missing.
    #[error("the other end left out a chat message")]
    Gap,
    /// More than [`MAX_MESSAGES`] or [`MAX_PEER_TEXT`].
    #[error("this session's chat is full")]
    TooMany,
}

/// What changed by a frame of the peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChatChange {
    /// A new message of the peer.
    New(ChatLine),
    /// Own messages have a new mark.
    Marked(Vec<ChatLine>),
    /// Nothing: a double or an old mark.
    Nothing,
}

/// The whole chat of a session.
#[derive(Clone, Debug)]
pub struct ChatLog {
    side: SessionSide,
    lines: Vec<ChatLine>,
    written: u64,
    got: u64,
    /// Bytes of the peer's messages.
    peer_text: usize,
    seen: u64,
}

impl ChatLog {
    /// An empty chat.
    pub fn new(side: SessionSide) -> Self {
        Self { side, lines: Vec::new(), written: 0, got: 0, peer_text: 0, seen: 0 }
    }

    /// All messages in the order in which they came or were written.
    pub fn lines(&self) -> &[ChatLine] {
        &self.lines
    }

    /// Number of the peer's last message.
    pub fn got(&self) -> u64 {
        self.got
    }

    /// Writes a message; it goes out with the next stream. Returns `None` for an empty text or a full chat.
    pub fn say(&mut self, text: &str, at: UnixMillis) -> Option<ChatLine> {
        let text = text::multi_line(text.trim_end(), MAX_CHAT);
        if text.is_empty() || self.written >= MAX_MESSAGES {
            return None;
        }
        self.written += 1;
        let from_technician = self.side == SessionSide::Technician;
        let line = ChatLine { from_technician, number: self.written, at, text, mark: DeliveryMark::Sent };
        self.lines.push(line.clone());
        Some(line)
    }

    /// This end's person has seen the peer's messages up to `number`.
    pub fn saw(&mut self, number: u64) {
        self.seen = self.seen.max(number.min(self.got));
    }

    /// Takes a frame of the peer.
    ///
    /// # Errors
    /// [`ChatError`]: end the conversation.
    pub fn take(&mut self, frame: ChatFrame) -> Result<ChatChange, ChatError> {
        match frame {
            ChatFrame::Message { number, .. } if number <= self.got => Ok(ChatChange::Nothing),
            ChatFrame::Message { number, .. } if number > MAX_MESSAGES => Err(ChatError::TooMany),
            ChatFrame::Message { number, .. } if number != self.got + 1 => Err(ChatError::Gap),
            ChatFrame::Message { number, at, text } => {
                let from_technician = self.side == SessionSide::Device;
                let text = text::multi_line(&text, MAX_CHAT);
                let peer_text = self.peer_text.saturating_add(text.len());
                if peer_text > MAX_PEER_TEXT {
                    return Err(ChatError::TooMany);
                }
                self.peer_text = peer_text;
                self.got = number;
                let line = ChatLine { from_technician, number, at, text, mark: DeliveryMark::Received };
                self.lines.push(line.clone());
                Ok(ChatChange::New(line))
            }
            ChatFrame::Received(number) => Ok(self.mark(number, DeliveryMark::Received)),
            ChatFrame::Shown(number) => Ok(self.mark(number, DeliveryMark::Shown)),
        }
    }

    fn mark(&mut self, up_to: u64, mark: DeliveryMark) -> ChatChange {
        let own = self.side == SessionSide::Technician;
        let mut marked = Vec::new();
        for line in &mut self.lines {
            if line.from_technician == own && line.number <= up_to && line.mark < mark {
                line.mark = mark;
                marked.push(line.clone());
            }
        }
        if marked.is_empty() { ChatChange::Nothing } else { ChatChange::Marked(marked) }
    }
}

/// What of a chat outlives the process of one end: its numbers, and what the other end may not have yet.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct KeptChat {
    written: u64,
    got: u64,
    peer_text: u64,
    seen: u64,
    /// Own messages that the other end has not received.
    unsent: Vec<ChatLine>,
}

impl ChatLog {
    /// What is needed to go on in another process.
    pub fn kept(&self) -> KeptChat {
        let own = self.side == SessionSide::Technician;
        let is_unsent = |line: &&ChatLine| line.from_technician == own && line.mark == DeliveryMark::Sent;
        let unsent = self.lines.iter().filter(is_unsent).cloned().collect();
        let peer_text = self.peer_text as u64;
        KeptChat { written: self.written, got: self.got, peer_text, seen: self.seen, unsent }
    }

    /// Goes on after another process of this end.
    pub fn resumed(side: SessionSide, kept: KeptChat) -> Self {
        let KeptChat { written, got, peer_text, seen, unsent } = kept;
        let peer_text = usize::try_from(peer_text).unwrap_or(usize::MAX);
        Self { side, lines: unsent, written, got, peer_text, seen }
    }
}

/// What one stream has carried so far.
#[derive(Clone, Debug, Default)]
pub struct ChatStream {
    sent: u64,
    told_received: u64,
    told_shown: u64,
}

impl ChatStream {
    /// The next frame to send on this stream; `None` when everything is said.
    pub fn next_frame(&mut self, log: &ChatLog) -> Option<ChatFrame> {
        if self.told_received < log.got {
            self.told_received = log.got;
            return Some(ChatFrame::Received(log.got));
        }
        if self.told_shown < log.seen {
            self.told_shown = log.seen;
            return Some(ChatFrame::Shown(log.seen));
        }
        let own = log.side == SessionSide::Technician;
        let next = log.lines.iter().find(|line| {
            line.from_technician == own && line.number > self.sent && line.mark == DeliveryMark::Sent
        })?;
        self.sent = next.number;
        Some(ChatFrame::Message { number: next.number, at: next.at, text: next.text.clone() })
    }
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixMillis = UnixMillis(5);

    fn pump(link: &mut ChatStream, from: &ChatLog, to: &mut ChatLog) -> Vec<ChatChange> {
        std::iter::from_fn(|| link.next_frame(from)).map(|f| to.take(f).unwrap()).collect()
    }

    #[test]
    fn messages_cross_with_their_marks() {
        let (mut t, mut d) = (ChatLog::new(SessionSide::Technician), ChatLog::new(SessionSide::Device));
        let (mut t_link, mut d_link) = (ChatStream::default(), ChatStream::default());
        t.say("hello\u{1b}[2J\n", AT).unwrap();
        assert!(
            matches!(&pump(&mut t_link, &t, &mut d)[..], [ChatChange::New(l)] if l.text == "hello\u{fffd}[2J")
        );
        pump(&mut d_link, &d, &mut t);
        assert_eq!(t.lines()[0].mark, DeliveryMark::Received);
        d.saw(99);
        pump(&mut d_link, &d, &mut t);
        assert_eq!(t.lines()[0].mark, DeliveryMark::Shown);
        assert!(t.say(" \n", AT).is_none());
    }

    #[test]
    fn a_lost_connection_loses_and_doubles_nothing() {
        let (mut t, mut d) = (ChatLog::new(SessionSide::Technician), ChatLog::new(SessionSide::Device));
        t.say("one", AT);
        t.say("two", AT);
        let mut lost = ChatStream::default();
        d.take(lost.next_frame(&t).unwrap()).unwrap();
        // "two" was sent and lost, and so were all marks: a new link sends both again.
        lost.next_frame(&t);
        pump(&mut ChatStream::default(), &t, &mut d);
        pump(&mut ChatStream::default(), &d, &mut t);
        let texts: Vec<_> = d.lines().iter().map(|l| l.text.as_str()).collect();
        assert_eq!(texts, ["one", "two"]);
        assert!(t.lines().iter().all(|l| l.mark == DeliveryMark::Received));
        assert_eq!(ChatStream::default().next_frame(&t), None, "nothing is sent a third time");
    }

    #[test]
    fn an_end_that_was_started_again_goes_on_where_it_was() {
        let (mut t, mut d) = (ChatLog::new(SessionSide::Technician), ChatLog::new(SessionSide::Device));
        t.say("one", AT);
        pump(&mut ChatStream::default(), &t, &mut d);
        d.say("received", AT);
        pump(&mut ChatStream::default(), &d, &mut t);
        pump(&mut ChatStream::default(), &t, &mut d);
        d.say("not received", AT);
        let mut d = ChatLog::resumed(SessionSide::Device, d.kept());
        assert_eq!(d.lines().len(), 1);
        t.say("two", AT);
        pump(&mut ChatStream::default(), &t, &mut d);
        d.say("after", AT);
        pump(&mut ChatStream::default(), &d, &mut t);
        let texts: Vec<_> = t.lines().iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["one", "received", "two", "not received", "after"]);
    }

    #[test]
    fn a_peer_that_leaves_out_or_floods_is_an_error() {
        let mut d = ChatLog::new(SessionSide::Device);
        let m = |number| ChatFrame::Message { number, at: AT, text: "x".into() };
        assert_eq!(d.take(m(2)), Err(ChatError::Gap));
        assert_eq!(d.take(m(u64::MAX)), Err(ChatError::TooMany));
        assert_eq!(d.take(ChatFrame::Shown(u64::MAX)), Ok(ChatChange::Nothing));
        let long = |number| ChatFrame::Message { number, at: AT, text: "\u{20ac}".repeat(MAX_CHAT) };
        let taken = (1..).take_while(|number| d.take(long(*number)).is_ok()).count();
        let kept: usize = d.lines().iter().map(|line| line.text.len()).sum();
        assert!(taken > 50 && kept <= MAX_PEER_TEXT, "{taken} messages, {kept} bytes");
        assert_eq!(d.take(m(taken as u64 + 1)).is_ok(), kept < MAX_PEER_TEXT, "a short one may still fit");
    }
}
