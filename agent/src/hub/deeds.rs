//! The hub's part about what was done in a session, for the person's eyes: told as it is done, kept until a while after
//! the end. The audit log is the record that counts; this is what a window shows of it.

use std::collections::VecDeque;

use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{Act, Deed, Event, FRAME_LIMIT, MAX_DEEDS, MAX_KEPT, Record, Said};
use nearhand_proto::time::UnixMillis;

use super::{Hub, Live, State, Viewer};

/// Bytes of a record's deeds in one answer.
const SHOWN: usize = FRAME_LIMIT - 4 * 1024;
/// What a deed takes beside its texts, in bytes, at most.
const DEED: usize = 32;

/// A session that is over.
#[derive(Debug)]
pub(super) struct Kept {
    person: Option<u32>,
    record: Record,
}

impl Hub {
    /// Something is done: told to its person and kept.
    pub(crate) fn did(&self, session: SessionId, act: Act) {
        let mut state = self.state();
        self.keep_deed(&mut state, session, act);
    }

    /// Something is said of a session.
    pub(crate) fn says(&self, session: SessionId, said: Said) {
        self.did(session, Act::told(said));
    }

    pub(super) fn keep_deed(&self, state: &mut State, session: SessionId, act: Act) {
        let deed = Deed { at: Self::now(), act };
        let person = state.person(session);
        if let Some(live) = state.sessions.get_mut(&session) {
            if live.deeds.len() >= MAX_DEEDS {
                live.deeds.pop_front();
            }
            live.deeds.push_back(deed.clone());
        }
        let event = match deed.act {
            Act::Words(text) => Event::Activity { session, text },
            act => Event::Did { session, deed: Deed { at: deed.at, act } },
        };
        self.tell_to(person, event);
    }

    /// What was done in a session of theirs.
    pub(crate) fn record(&self, viewer: Viewer, session: SessionId) -> Option<Record> {
        let state = self.state();
        if let Some(live) = state.sessions.get(&session).filter(|live| viewer.sees(live.person)) {
            return Some(fitting(&record(session, live, None)));
        }
        let kept = state.ended.iter().find(|kept| kept.record.session == session);
        kept.filter(|kept| viewer.sees(kept.person)).map(|kept| fitting(&kept.record))
    }
}

impl State {
    /// Keeps what was done in a session that is over.
    pub(super) fn keep_record(&mut self, session: SessionId, live: &Live, at: UnixMillis, why: &Said) {
        if self.ended.len() >= MAX_KEPT {
            self.ended.pop_front();
        }
        let record = record(session, live, Some((at, why.to_string())));
        self.ended.push_back(Kept { person: live.person, record });
    }

    /// Whether that person's session is over and remembered.
    pub(super) fn was_theirs(&self, viewer: Viewer, session: SessionId) -> bool {
        self.ended.iter().any(|kept| kept.record.session == session && viewer.sees(kept.person))
    }
}

fn record(session: SessionId, live: &Live, ended: Option<(UnixMillis, String)>) -> Record {
    Record {
        session,
        organisation: live.technician.organisation.clone(),
        technician: live.technician.name.clone(),
        began: live.began,
        ended,
        deeds: live.deeds.iter().cloned().collect(),
    }
}

/// With as many of the newest deeds as fit a frame.
fn fitting(record: &Record) -> Record {
    let mut room = SHOWN;
    let mut deeds: VecDeque<Deed> = VecDeque::new();
    for deed in record.deeds.iter().rev() {
        let size = DEED + deed.act.texts();
        if size > room {
            break;
        }
        room -= size;
        deeds.push_front(deed.clone());
    }
    Record { deeds: deeds.into(), ..record.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_fits_its_frame_with_the_newest() {
        let deed = |n: usize| Deed { at: UnixMillis(n as u64), act: Act::Words("\u{e9}".repeat(400)) };
        let record = Record {
            session: SessionId::from_bytes([1; 16]),
            organisation: "Acme".to_owned(),
            technician: "Ada".to_owned(),
            began: UnixMillis(0),
            ended: None,
            deeds: (0..MAX_DEEDS).map(deed).collect(),
        };
        let shown = fitting(&record);
        assert_eq!(shown.deeds.last(), record.deeds.last());
        assert!(shown.deeds.len() > 50);
        let bytes = nearhand_proto::wire::encode(&shown).unwrap();
        assert!(bytes.len() < FRAME_LIMIT, "{}", bytes.len());
    }
}
