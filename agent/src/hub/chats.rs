//! The hub's part about chat: kept with the session on disk, told to those who watch.

use std::io::Write;

use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{ChatLine, Event, Said};
use nearhand_transport::platform::open_private_append;

use super::Hub;

/// Why a chat message was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SayError {
    /// No such session.
    #[error("that session is over")]
    NoSession,
    /// Empty, or the chat is full.
    #[error("the message is empty, or the chat of this session is full")]
    NotTaken,
}

impl SayError {
    /// As the person is told.
    pub(crate) const fn said(&self) -> Said {
        match self {
            Self::NoSession => Said::SessionOver,
            Self::NotTaken => Said::ChatFull,
        }
    }
}

impl Hub {
    /// The person says something.
    pub(crate) fn say(&self, session: SessionId, text: &str) -> Result<ChatLine, SayError> {
        let chat = self.chat(session).ok_or(SayError::NoSession)?;
        let line = chat.with(|log| log.say(text, Self::now())).ok_or(SayError::NotTaken)?;
        chat.changed();
        self.chat_line(session, &line);
        Ok(line)
    }

    /// The person has seen the technician's messages up to `number`.
    pub(crate) fn saw(&self, session: SessionId, number: u64) -> Result<(), SayError> {
        let chat = self.chat(session).ok_or(SayError::NoSession)?;
        chat.with(|log| log.saw(number));
        chat.changed();
        Ok(())
    }

    /// A new message, from either side: kept, then shown.
    pub(crate) fn chat_line(&self, session: SessionId, line: &ChatLine) {
        if let Err(error) = self.keep(session, line) {
            // The conversation matters more than its record.
            tracing::warn!(%session, %error, "a chat message could not be kept");
        }
        self.tell_chat(session, line.clone());
    }

    /// Our own message has a new mark.
    pub(crate) fn tell_chat(&self, session: SessionId, line: ChatLine) {
        let person = self.state().person(session);
        self.tell_to(person, Event::Chat { session, line });
    }

    fn keep(&self, session: SessionId, line: &ChatLine) -> std::io::Result<()> {
        let path = self.home.session_dir(session)?.join("chat.jsonl");
        let mut json = serde_json::to_vec(line)?;
        json.push(b'\n');
        open_private_append(&path)?.write_all(&json)
    }
}
