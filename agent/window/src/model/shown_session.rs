//! One session under way: what is granted until when, what was done, and the chat.

use core::time::Duration;
use std::collections::VecDeque;

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::local::{
    ActivityEntry, ChatLine, LocalSession, MAX_ACTIVITY, PauseReason, SessionRecord,
};

use super::activity::ActivityLine;
use super::input::Uptime;
use crate::catalog::Catalog;

/// Most chat messages that are kept: as many as the agent keeps.
const MAX_CHAT: usize = 100;

/// A session under way.
#[derive(Clone, Debug)]
pub(crate) struct ShownSession {
    pub(crate) session: LocalSession,
    /// What is granted, and until when.
    pub(crate) until: Vec<(Capability, Uptime)>,
    activity: VecDeque<ActivityEntry>,
    pub(crate) paused: Option<PauseReason>,
    /// Number of the technician's last message that was shown.
    pub(crate) seen: u64,
    /// Number of the technician's newest message that wasn't shown yet.
    pub(crate) unseen: Option<u64>,
}

impl ShownSession {
    pub(crate) fn new(session: LocalSession, now: Uptime) -> Self {
        let unseen = session.chat.iter().filter(|line| line.from_technician).map(|line| line.number).max();
        let until = until(&session, now);
        Self { session, until, activity: VecDeque::new(), paused: None, seen: 0, unseen }
    }

    /// The agent reports the session's state.
    pub(crate) fn update(&mut self, session: LocalSession, now: Uptime) {
        self.until = until(&session, now);
        self.session = session;
    }

    pub(crate) fn granted(&self) -> Capabilities {
        self.until.iter().map(|(capability, _)| *capability).collect()
    }

    /// When the last of what is granted ends.
    pub(crate) fn ends(&self) -> Option<Uptime> {
        self.until.iter().map(|(_, until)| *until).max()
    }

    /// The agent's record of the session replaces what this window saw itself.
    pub(crate) fn set_record(&mut self, record: SessionRecord) {
        if record.activity.len() >= self.activity.len() {
            self.activity = record.activity.into();
        }
    }

    pub(crate) fn add_activity(&mut self, entry: ActivityEntry) {
        if self.activity.back() == Some(&entry) {
            return;
        }
        if self.activity.len() >= MAX_ACTIVITY {
            self.activity.pop_front();
        }
        self.activity.push_back(entry);
    }

    /// What was done, the newest last.
    pub(crate) fn lines(
        &self,
        catalog: &Catalog,
        offset: time::UtcOffset,
    ) -> impl DoubleEndedIterator<Item = ActivityLine> {
        self.activity.iter().map(move |entry| ActivityLine::new(catalog, offset, entry))
    }

    /// A new chat message, or a new mark on one.
    pub(crate) fn add_chat(&mut self, line: ChatLine) {
        let chat = &mut self.session.chat;
        let same = |l: &&mut ChatLine| l.from_technician == line.from_technician && l.number == line.number;
        if let Some(known) = chat.iter_mut().find(same) {
            *known = line;
            return;
        }
        if chat.len() >= MAX_CHAT {
            chat.remove(0);
        }
        chat.push(line);
    }
}

fn until(session: &LocalSession, now: Uptime) -> Vec<(Capability, Uptime)> {
    let left = |seconds: u32| now + Duration::from_secs(seconds.into());
    session.granted.iter().map(|granted| (granted.capability, left(granted.seconds_left))).collect()
}
