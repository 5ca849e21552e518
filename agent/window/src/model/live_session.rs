//! One session under way: what is granted until when, what was done, what was said.

use core::time::Duration;
use std::collections::VecDeque;

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::local::{ChatLine, Deed, MAX_DEEDS, Record, Session};

use super::Now;

/// Most chat messages that are kept, as many as the agent keeps.
const CHAT: usize = 100;

/// A session.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) session: Session,
    /// What is granted, and until when.
    pub(crate) until: Vec<(Capability, Now)>,
    pub(crate) done: VecDeque<Deed>,
    /// Paused, and whether because nobody saw it.
    pub(crate) paused: Option<bool>,
    /// Number of the technician's last message that was shown, and of one that wasn't yet.
    pub(crate) seen: u64,
    pub(crate) unseen: Option<u64>,
}

impl Live {
    pub(crate) fn new(session: Session, now: Now) -> Self {
        let unseen = session.chat.iter().filter(|line| line.from_technician).map(|line| line.number).max();
        let until = until(&session, now);
        Self { session, until, done: VecDeque::new(), paused: None, seen: 0, unseen }
    }

    /// The agent says how it stands; what was said is told by events of its own.
    pub(crate) fn stands(&mut self, session: Session, now: Now) {
        self.until = until(&session, now);
        self.session = session;
    }

    pub(crate) fn granted(&self) -> Capabilities {
        self.until.iter().map(|(capability, _)| *capability).collect()
    }

    /// When the last of what is granted ends.
    pub(crate) fn ends(&self) -> Option<Now> {
        self.until.iter().map(|(_, until)| *until).max()
    }

    /// What the agent says was done so far takes the place of what this window saw.
    pub(crate) fn record(&mut self, record: Record) {
        if record.deeds.len() >= self.done.len() {
            self.done = record.deeds.into();
        }
    }

    pub(crate) fn did(&mut self, deed: Deed) {
        if self.done.back() == Some(&deed) {
            return;
        }
        if self.done.len() >= MAX_DEEDS {
            self.done.pop_front();
        }
        self.done.push_back(deed);
    }

    /// A new message, or a new mark on one.
    pub(crate) fn chat(&mut self, line: ChatLine) {
        let chat = &mut self.session.chat;
        let same = |l: &&mut ChatLine| l.from_technician == line.from_technician && l.number == line.number;
        if let Some(known) = chat.iter_mut().find(same) {
            *known = line;
            return;
        }
        if chat.len() >= CHAT {
            chat.remove(0);
        }
        chat.push(line);
    }
}

fn until(session: &Session, now: Now) -> Vec<(Capability, Now)> {
    let left = |seconds: u32| now + Duration::from_secs(seconds.into());
    session.granted.iter().map(|granted| (granted.capability, left(granted.seconds_left))).collect()
}
