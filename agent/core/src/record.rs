//! The record as the agent's decisions see it: a change is decided, its row is written, then it is in force.
//!
//! [`Recorded`] is the proof of the middle step. Nothing but a [`RecordLog`] makes one, and only after its [`RowStore`]
//! has said that the row is on the disk, so a change that takes a `Recorded` can't come into force before its row.
//! Rows that wait are written together and synced once. Must not live here: files, threads and queues.

use std::io;
use std::sync::Arc;

use nearhand_proto::audit::{AuditEvent, AuditHead, AuditRow, MAX_DETAIL, next_row};
use nearhand_proto::identity::{SecretKey, Signed};
use nearhand_proto::text;
use nearhand_proto::time::UnixMillis;

/// Where rows are kept.
pub trait RowStore {
    /// Appends rows and returns once all of them are on the disk.
    ///
    /// # Errors
    /// The system's error; none of the rows is in the record then.
    fn append(&mut self, rows: &[AuditRow]) -> io::Result<()>;

    /// Keeps the newest head next to the rows, so that a record whose end was cut off shows. It may lag behind by a
    /// crash; it never claims a row that isn't on the disk.
    fn keep_head(&mut self, _head: &Signed<AuditHead>) {}
}

/// A row is not in the record, so nothing that depends on it happens.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RecordError {
    /// The disk refused it.
    #[error("the audit log can't be written: {0}")]
    Disk(Arc<io::Error>),
    /// Too many rows wait for a disk that doesn't answer.
    #[error("the audit log can't be written: the disk does not answer, and too many rows wait for it")]
    QueueFull,
    /// The event is too large to be encoded.
    #[error("the audit log can't be written: {0}")]
    Encoding(String),
    /// The agent is stopping.
    #[error("the audit log can't be written: its writer has stopped")]
    Stopped,
}

/// Something whose row is on the disk.
#[derive(Debug)]
pub struct Recorded<T>(T);

impl<T> Recorded<T> {
    /// What the row was written for.
    pub fn subject(&self) -> &T {
        &self.0
    }

    /// Gives the proof up for what the row was written for.
    pub fn into_subject(self) -> T {
        self.0
    }
}

type Answer = Box<dyn FnOnce(Result<(), RecordError>) + Send>;

/// A row that waits to be written, with what depends on it.
pub struct RecordEntry {
    at: UnixMillis,
    event: AuditEvent,
    answer: Answer,
}

impl RecordEntry {
    /// A row about `subject`. `answer` is called on the writer's thread, with the subject once the row is on the disk.
    pub fn new<T: Send + 'static>(
        at: UnixMillis,
        event: AuditEvent,
        subject: T,
        answer: impl FnOnce(Result<Recorded<T>, RecordError>) + Send + 'static,
    ) -> Self {
        let answer = Box::new(move |written: Result<(), RecordError>| {
            answer(written.map(|()| Recorded(subject)));
        });
        Self { at, event, answer }
    }

    /// The row can't even wait.
    pub fn refuse(self, error: RecordError) {
        (self.answer)(Err(error));
    }
}

/// Rows that were tried to be written, before those who wait for them are told.
#[must_use = "those who wait for these rows are not told yet"]
pub struct CommittedEntries(Vec<(Answer, Result<(), RecordError>)>);

impl CommittedEntries {
    /// Tells those who wait, in the order of the rows.
    pub fn acknowledge(self) {
        for (answer, outcome) in self.0 {
            answer(outcome);
        }
    }
}

/// The chain of rows and the key that signs it.
pub struct RecordLog<S> {
    store: S,
    key: SecretKey,
    head: AuditHead,
    signed: Signed<AuditHead>,
}

impl<S: RowStore> RecordLog<S> {
    /// Goes on after the newest row of a store.
    pub fn new(store: S, key: SecretKey, head: AuditHead, signed: Signed<AuditHead>) -> Self {
        Self { store, key, head, signed }
    }

    /// Where the rows stand that are on the disk, and the witness of it by the key that signed the newest of them.
    pub fn head(&self) -> (AuditHead, &Signed<AuditHead>) {
        (self.head, &self.signed)
    }

    /// Rows from now on are signed with another key.
    pub fn set_key(&mut self, key: SecretKey) {
        self.key = key;
    }

    /// Keeps the newest head next to the rows ([`RowStore::keep_head`]).
    pub fn keep_head(&mut self) {
        self.store.keep_head(&self.signed);
    }

    /// Writes rows that wait, all of them in one go: either each is in the record afterwards, or none.
    pub fn commit(&mut self, entries: Vec<RecordEntry>) -> CommittedEntries {
        let (mut rows, mut waiting, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        let mut head = self.head;
        for RecordEntry { at, event, answer } in entries {
            let detail = text::one_line(&event.detail, MAX_DETAIL);
            match next_row(head, at, AuditEvent { detail, ..event }, &self.key) {
                Ok(row) => {
                    head = AuditHead { number: row.number, hash: row.hash };
                    rows.push(row);
                    waiting.push(answer);
                }
                Err(error) => settled.push((answer, Err(RecordError::Encoding(error.to_string())))),
            }
        }
        let outcome = if rows.is_empty() { Ok(()) } else { self.store.append(&rows) };
        if outcome.is_ok()
            && let Some(last) = rows.pop()
        {
            self.head = head;
            self.signed = last.head;
        }
        let outcome = outcome.map_err(|error| RecordError::Disk(Arc::new(error)));
        settled.extend(waiting.into_iter().map(|answer| (answer, outcome.clone())));
        CommittedEntries(settled)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::mpsc;

    use super::*;
    use nearhand_proto::audit::LogVerifier;
    use rand_core::OsRng;

    /// A disk in memory, which can be full.
    #[derive(Default)]
    pub(crate) struct MemoryDisk {
        pub(crate) rows: Vec<AuditRow>,
        pub(crate) is_full: bool,
        syncs: usize,
    }

    impl RowStore for MemoryDisk {
        fn append(&mut self, rows: &[AuditRow]) -> io::Result<()> {
            self.syncs += 1;
            if self.is_full {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.rows.extend_from_slice(rows);
            Ok(())
        }
    }

    impl RecordLog<MemoryDisk> {
        pub(crate) fn disk(&mut self) -> &mut MemoryDisk {
            &mut self.store
        }

        pub(crate) fn rows(&self) -> &[AuditRow] {
            &self.store.rows
        }
    }

    pub(crate) fn log() -> RecordLog<MemoryDisk> {
        let key = SecretKey::generate(&mut OsRng);
        let signed = key.sign(&AuditHead::EMPTY).unwrap();
        RecordLog::new(MemoryDisk::default(), key, AuditHead::EMPTY, signed)
    }

    pub(crate) fn event(action: &str) -> AuditEvent {
        AuditEvent { actor: "test".into(), action: action.into(), session: None, detail: String::new() }
    }

    /// What a disk that works acknowledges.
    pub(crate) fn recorded<T: Send + 'static>(subject: T) -> Recorded<T> {
        let (tell, told) = mpsc::channel();
        let entry = RecordEntry::new(UnixMillis(0), event("test"), subject, move |outcome| {
            tell.send(outcome).unwrap();
        });
        log().commit(vec![entry]).acknowledge();
        told.recv().unwrap().unwrap()
    }

    #[test]
    fn rows_that_wait_are_written_together_and_acknowledged_in_order() {
        let mut log = log();
        let (tell, told) = mpsc::channel();
        let entry = |number: u32| {
            let tell = tell.clone();
            RecordEntry::new(UnixMillis(0), event("test"), number, move |outcome| {
                tell.send(outcome.map(Recorded::into_subject).ok()).unwrap();
            })
        };
        let committed = log.commit((0..10).map(entry).collect());
        assert!(told.try_recv().is_err(), "nobody is told before the rows are on the disk");
        committed.acknowledge();
        assert_eq!(told.try_iter().collect::<Vec<_>>(), (0..10).map(Some).collect::<Vec<_>>());
        assert_eq!((log.store.syncs, log.store.rows.len()), (1, 10));
        log.store.is_full = true;
        log.commit(vec![entry(10), entry(11)]).acknowledge();
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [None, None]);
        log.store.is_full = false;
        log.commit(vec![entry(12)]).acknowledge();
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [Some(12)]);
        let mut verifier = LogVerifier::new(vec![log.key.public()], vec![log.head]);
        for row in &log.store.rows {
            verifier.row(Some(row)).unwrap();
        }
        assert_eq!(verifier.finish().unwrap().number, 11, "the chain has no gap where the disk was full");
    }
}
