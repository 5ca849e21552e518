//! What is still to be said to the technician, and how long others may take.

use std::collections::VecDeque;
use std::time::Duration;

use nearhand_proto::message::screen::{CLIPBOARD_PART, ClipboardForm, ClipboardMessage};

/// How long the application that owns the content may be silent.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Messages to the technician, content cut into parts when they are taken.
#[derive(Default)]
pub(super) struct ClipboardMessages {
    messages: VecDeque<ClipboardMessage>,
    content: Option<(u32, ClipboardForm, Vec<u8>, usize)>,
}

impl ClipboardMessages {
    pub(super) fn say(&mut self, message: ClipboardMessage) {
        self.messages.push_back(message);
    }

    pub(super) fn refuse(&mut self, serial: u32, why: &str) {
        self.say(ClipboardMessage::Refused { serial, why: why.to_owned() });
    }

    /// Content to be sent; only when [`ClipboardMessages::is_sending`] is not.
    pub(super) fn send(&mut self, serial: u32, form: ClipboardForm, content: Vec<u8>) {
        self.content = Some((serial, form, content, 0));
    }

    /// Whether content is still being sent.
    pub(super) fn is_sending(&self) -> bool {
        self.content.is_some()
    }

    pub(super) fn next(&mut self) -> Option<ClipboardMessage> {
        if let Some(message) = self.messages.pop_front() {
            return Some(message);
        }
        let (serial, form, content, sent) = self.content.as_mut()?;
        let rest = content.get(*sent..).unwrap_or_default();
        let bytes = rest.get(..CLIPBOARD_PART).unwrap_or(rest).to_vec();
        *sent += bytes.len();
        let part =
            ClipboardMessage::Part { serial: *serial, form: *form, bytes, last: *sent >= content.len() };
        if *sent >= content.len() {
            self.content = None;
        }
        Some(part)
    }
}
