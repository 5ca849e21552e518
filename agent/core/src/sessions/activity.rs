//! What was done in a session, for the person's eyes: told as it is done, kept until a while after the end.
//!
//! The audit log is the record that counts; this is what a window shows of it.

use std::collections::VecDeque;

use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{
    Activity, ActivityEntry, AgentNotice, ChatLine, FRAME_LIMIT, LocalEvent, MAX_ACTIVITY, MAX_KEPT_RECORDS,
    PauseReason, SessionEnded, SessionRecord,
};
use nearhand_proto::time::UnixMillis;

use super::effect::SessionEffect;
use super::live_session::{EndedSession, LiveSession, ScreenRecordingState};
use super::state::Sessions;
use super::timestamp::Timestamp;
use super::watchers::LocalUser;

/// Bytes of a record's entries in one answer.
const SHOWN: usize = FRAME_LIMIT - 4 * 1024;
/// Bytes of an entry besides its texts, at most.
const ENTRY_OVERHEAD: usize = 32;

impl Sessions {
    /// Something is done in a session: told to its person and kept.
    pub fn did(&mut self, now: Timestamp, session: SessionId, activity: Activity) {
        let entry = ActivityEntry { at: now.wall, activity };
        let person = self.person(session);
        if let Some(live) = self.live.get_mut(&session) {
            if live.activity.len() >= MAX_ACTIVITY {
                live.activity.pop_front();
            }
            live.activity.push_back(entry.clone());
        }
        self.tell(person, LocalEvent::Activity { session, entry });
    }

    /// A new chat message, from either side: kept, then shown.
    pub fn chat_line(&mut self, session: SessionId, line: ChatLine) {
        self.push(SessionEffect::KeepChat(session, line.clone()));
        self.chat_mark(session, line);
    }

    /// Our own message has a new mark.
    pub fn chat_mark(&mut self, session: SessionId, line: ChatLine) {
        let person = self.person(session);
        self.tell(person, LocalEvent::Chat { session, line });
    }

    /// What was done in a session of theirs.
    pub fn activity_record(&self, user: LocalUser, session: SessionId) -> Option<SessionRecord> {
        if let Some(live) = self.live.get(&session).filter(|live| user.sees(live.person)) {
            return Some(fitting(&record(session, live, None)));
        }
        let kept = self.ended.iter().find(|kept| kept.record.session == session);
        kept.filter(|kept| user.sees(kept.person)).map(|kept| fitting(&kept.record))
    }

    /// What somebody who joins the watchers has to know: who records, what is paused, and whether anything new can be
    /// allowed.
    pub fn under_way(&self, now: Timestamp, user: LocalUser) -> Vec<LocalEvent> {
        let mut events: Vec<_> = self.record.notice().into_iter().map(LocalEvent::Notice).collect();
        for (id, live) in self.live.iter().filter(|(_, live)| user.sees(live.person)) {
            if let ScreenRecordingState::Running { .. } = live.recording {
                events.push(LocalEvent::Activity {
                    session: *id,
                    entry: ActivityEntry { at: now.wall, activity: Activity::Records },
                });
            }
            if live.pause.is_on() {
                events.push(LocalEvent::Paused { session: *id, reason: PauseReason::ByPerson });
            }
        }
        events
    }

    /// Keeps what was done in a session that is over.
    pub(super) fn keep_record(
        &mut self,
        session: SessionId,
        live: &LiveSession,
        at: UnixMillis,
        why: &AgentNotice,
    ) {
        if self.ended.len() >= MAX_KEPT_RECORDS {
            self.ended.pop_front();
        }
        let record = record(session, live, Some(SessionEnded { at, why: why.clone() }));
        self.ended.push_back(EndedSession { person: live.person, record });
    }

    /// Whether that person's session is over and remembered.
    pub fn was_theirs(&self, user: LocalUser, session: SessionId) -> bool {
        self.ended.iter().any(|kept| kept.record.session == session && user.sees(kept.person))
    }
}

fn record(session: SessionId, live: &LiveSession, ended: Option<SessionEnded>) -> SessionRecord {
    SessionRecord {
        session,
        organisation: live.technician.organisation.clone(),
        technician: live.technician.name.clone(),
        began: live.began,
        ended,
        activity: live.activity.iter().cloned().collect(),
    }
}

/// With as many of the newest entries as fit a frame.
fn fitting(record: &SessionRecord) -> SessionRecord {
    let mut room = SHOWN;
    let mut newest: VecDeque<ActivityEntry> = VecDeque::new();
    for entry in record.activity.iter().rev() {
        let size = ENTRY_OVERHEAD + entry.activity.texts();
        if size > room {
            break;
        }
        room -= size;
        newest.push_front(entry.clone());
    }
    SessionRecord { activity: newest.into(), ..record.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_fits_its_frame_with_the_newest() {
        let entry = |n: usize| ActivityEntry {
            at: UnixMillis(n as u64),
            activity: Activity::Told(AgentNotice::Words("\u{e9}".repeat(400))),
        };
        let record = SessionRecord {
            session: SessionId::from_bytes([1; 16]),
            organisation: "Acme".to_owned(),
            technician: "Ada".to_owned(),
            began: UnixMillis(0),
            ended: None,
            activity: (0..MAX_ACTIVITY).map(entry).collect(),
        };
        let shown = fitting(&record);
        assert_eq!(shown.activity.last(), record.activity.last());
        assert!(shown.activity.len() > 50);
        let bytes = nearhand_proto::wire::encode(&shown).unwrap();
        assert!(bytes.len() < FRAME_LIMIT, "{}", bytes.len());
    }
}
