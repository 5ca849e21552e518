//! The book of running sessions: whose they are, who may reopen or close them, and when they are lost.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use nearhand_proto::id::{SessionId, TechnicianId};
use nearhand_proto::message::control::RelayRefusal;
use nearhand_proto::message::session::RESUME_WITHIN;
use nearhand_proto::time::UnixMillis;

use crate::caller::PeerId;

/// Most sessions that run with one device at once.
pub const PER_DEVICE: usize = 8;
/// A session may be reopened this much later than its ends give it up: their clocks started later.
const REOPEN_GRACE: Duration = Duration::from_secs(30);
/// A session nobody closed is over when its path has been unbound this long.
pub const LOST_AFTER: Duration = Duration::from_secs(120);

/// A running session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelaySession {
    /// The session's id.
    pub id: SessionId,
    /// The technician who opened it.
    pub technician: TechnicianId,
    /// Their name, made safe.
    pub technician_name: String,
    /// The device's end.
    pub device: PeerId,
    /// The device's label or host name, made safe.
    pub device_name: String,
    /// By support code.
    pub attended: bool,
    /// When it was opened.
    pub opened: UnixMillis,
    /// Bytes forwarded over earlier paths of this session.
    pub bytes_before: u64,
}

#[derive(Debug)]
struct SessionSlot {
    session: RelaySession,
    alive: Instant,
}

/// All running sessions.
#[derive(Debug)]
pub struct SessionTable {
    entries: HashMap<SessionId, SessionSlot>,
    max: usize,
}

impl SessionTable {
    /// For at most `max` sessions at once.
    pub fn new(max: usize) -> Self {
        Self { entries: HashMap::new(), max }
    }

    /// Whether one more session with `device` fits.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn room(&self, id: &SessionId, device: &PeerId) -> Result<(), RelayRefusal> {
        if self.entries.contains_key(id) {
            return Err(RelayRefusal::NotAllowed);
        }
        if self.entries.len() >= self.max {
            return Err(RelayRefusal::Full { what: "sessions".into() });
        }
        let with_device = self.entries.values().filter(|e| e.session.device == *device).count();
        if with_device >= PER_DEVICE {
            return Err(RelayRefusal::Full { what: "sessions with this device".into() });
        }
        Ok(())
    }

    /// Takes a session in.
    pub fn insert(&mut self, session: RelaySession, now: Instant) {
        self.entries.insert(session.id, SessionSlot { session, alive: now });
    }

    /// The session, if `technician` may have a new path for it.
    ///
    /// # Errors
    /// [`RelayRefusal::NoSuchSession`], the same for somebody else's and for one that is over.
    pub fn may_reopen(
        &self,
        id: &SessionId,
        technician: &TechnicianId,
        now: Instant,
    ) -> Result<&RelaySession, RelayRefusal> {
        let entry = self.entries.get(id).ok_or(RelayRefusal::NoSuchSession)?;
        let in_time = now.saturating_duration_since(entry.alive) <= RESUME_WITHIN + REOPEN_GRACE;
        if entry.session.technician != *technician || !in_time {
            return Err(RelayRefusal::NoSuchSession);
        }
        Ok(&entry.session)
    }

    /// A new path was made; `bytes` went over the one before.
    pub fn reopened(&mut self, id: &SessionId, bytes: u64, now: Instant) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.session.bytes_before = entry.session.bytes_before.saturating_add(bytes);
            entry.alive = now;
        }
    }

    /// Removes the session, if `who` is an end of it.
    ///
    /// # Errors
    /// [`RelayRefusal::NoSuchSession`]: there is no such session, or `who` is no end of it.
    pub fn close(&mut self, id: &SessionId, who: &PeerId) -> Result<RelaySession, RelayRefusal> {
        if !self.entries.get(id).is_some_and(|e| is_end(&e.session, who)) {
            return Err(RelayRefusal::NoSuchSession);
        }
        self.remove(id).ok_or(RelayRefusal::NoSuchSession)
    }

    /// Removes the session without a check of who asks.
    pub fn remove(&mut self, id: &SessionId) -> Option<RelaySession> {
        self.entries.remove(id).map(|e| e.session)
    }

    /// The session with this id, if it runs.
    pub fn find(&self, id: &SessionId) -> Option<&RelaySession> {
        self.entries.get(id).map(|e| &e.session)
    }

    /// The sessions with `who` at one end.
    pub fn of(&self, who: &PeerId) -> Vec<SessionId> {
        self.entries.values().filter(|e| is_end(&e.session, who)).map(|e| e.session.id).collect()
    }

    /// Notes which sessions live, and returns those that have not for [`LOST_AFTER`].
    pub fn sweep(&mut self, now: Instant, lives: impl Fn(&SessionId) -> bool) -> Vec<SessionId> {
        let mut lost = Vec::new();
        for (id, entry) in &mut self.entries {
            if lives(id) {
                entry.alive = now;
            } else if now.saturating_duration_since(entry.alive) >= LOST_AFTER {
                lost.push(*id);
            }
        }
        lost
    }

    /// All running sessions.
    pub fn iter(&self) -> impl Iterator<Item = &RelaySession> {
        self.entries.values().map(|e| &e.session)
    }

    /// How many run.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn is_end(session: &RelaySession, who: &PeerId) -> bool {
    session.device == *who || *who == PeerId::Person(session.technician)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nearhand_proto::id::DeviceId;

    const DEVICE: PeerId = PeerId::Device(DeviceId::from_bytes([1; 16]));
    const ADA: TechnicianId = TechnicianId::from_bytes([2; 16]);
    const EVE: TechnicianId = TechnicianId::from_bytes([3; 16]);

    fn session(n: u8) -> RelaySession {
        RelaySession {
            id: SessionId::from_bytes([n; 16]),
            technician: ADA,
            technician_name: "Ada".into(),
            device: DEVICE,
            device_name: "till 3".into(),
            attended: false,
            opened: UnixMillis(1),
            bytes_before: 0,
        }
    }

    #[test]
    fn only_its_ends_close_it_and_only_its_technician_reopens_it_in_time() {
        let (mut book, start) = (SessionTable::new(10), Instant::now());
        let id = session(1).id;
        book.insert(session(1), start);
        assert!(book.may_reopen(&id, &ADA, start).is_ok());
        assert_eq!(book.may_reopen(&id, &EVE, start), Err(RelayRefusal::NoSuchSession));
        let late = start + RESUME_WITHIN + REOPEN_GRACE + Duration::from_secs(1);
        assert_eq!(book.may_reopen(&id, &ADA, late), Err(RelayRefusal::NoSuchSession));
        assert!(book.sweep(late, |_| true).is_empty());
        assert!(book.may_reopen(&id, &ADA, late).is_ok(), "it was alive until now");
        book.reopened(&id, 70, late);
        assert_eq!(book.find(&id).unwrap().bytes_before, 70);
        assert_eq!(book.close(&id, &PeerId::Person(EVE)), Err(RelayRefusal::NoSuchSession));
        assert!(book.find(&id).is_some(), "a stranger's close changes nothing");
        assert_eq!(book.close(&id, &DEVICE).unwrap().id, id);
        assert_eq!(book.close(&id, &DEVICE), Err(RelayRefusal::NoSuchSession));
    }

    #[test]
    fn limits_per_device_and_in_all() {
        let (mut book, now) = (SessionTable::new(9), Instant::now());
        for n in 0..8 {
            book.room(&session(n).id, &DEVICE).unwrap();
            book.insert(session(n), now);
        }
        assert!(matches!(book.room(&session(8).id, &DEVICE), Err(RelayRefusal::Full { .. })));
        let other = PeerId::Device(DeviceId::from_bytes([9; 16]));
        book.room(&session(8).id, &other).unwrap();
        assert_eq!(book.room(&session(7).id, &other), Err(RelayRefusal::NotAllowed), "ids are not reused");
        book.insert(RelaySession { device: other, ..session(8) }, now);
        let third = PeerId::Device(DeviceId::from_bytes([8; 16]));
        assert_eq!(book.room(&session(9).id, &third), Err(RelayRefusal::Full { what: "sessions".into() }));
    }

    #[test]
    fn a_session_without_a_path_is_lost_after_a_while() {
        let (mut book, start) = (SessionTable::new(9), Instant::now());
        book.insert(session(1), start);
        assert!(book.sweep(start + LOST_AFTER / 2, |_| true).is_empty());
        assert!(book.sweep(start + LOST_AFTER, |_| false).is_empty());
        assert_eq!(book.sweep(start + LOST_AFTER / 2 + LOST_AFTER, |_| false), [session(1).id]);
    }
}
