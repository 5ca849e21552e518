//! The device's audit log on disk: `audit.jsonl`, one row a line, and the thread that writes it.
//!
//! The thread owns the file. Rows that wait are written together and synced once. A task that waits for one is told by
//! a channel, so that no task of the agent ever waits for the disk itself. Next to the log, `audit.head` witnesses the
//! newest row. The order of a change, its row and its being in force is `nearhand_agent_core::record`'s; the chain is
//! `nearhand_proto::audit`'s.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use nearhand_agent_core::record::{RecordEntry, RecordError, RecordLog, RowStore};
use nearhand_proto::audit::{AuditEvent, AuditHead, AuditRow, BrokenLog, LogVerifier};
use nearhand_proto::identity::{PublicKey, SecretKey, Signed};
use nearhand_proto::time::UnixMillis;
use nearhand_proto::wire;
use nearhand_transport::platform::{open_private_append, write_private};

use crate::home::AgentHome;

/// Longest line read back, in bytes: a row of the longest detail fits several times.
const MAX_LINE: u64 = 64 * 1024;
/// Rows that may wait for the disk. A disk that hangs for a minute while a technician is refused at every try fills a part
/// of it; at some 500 bytes each they are 2 MB.
const MAX_WAITING: usize = 4096;
/// Other files that may wait behind them. Only a chat writes many, one for each message, and a disk that hangs must not
/// cost memory without an end.
const MAX_WAITING_FILES: usize = 1024;
/// Rows that are written and synced together at most.
const MAX_COMMIT: usize = 256;

/// The log's file, open for appending.
#[derive(Debug)]
pub(crate) struct RecordFile {
    file: File,
    home: AgentHome,
    /// Bytes of whole rows.
    length: u64,
    /// The last write failed, and what it left behind could not be cut off.
    is_torn: bool,
}

/// What the record's witness ([`AgentHome::audit_head`]) says that the record doesn't.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum RecordCut {
    /// Rows are missing at the end.
    #[error("the record was cut: it ends at row {rows}, and its witness stands for {witnessed} rows")]
    Shorter {
        /// Rows that there are.
        rows: u64,
        /// Rows that the witness stands for.
        witnessed: u64,
    },
    /// It is another record.
    #[error("the record was rewritten: its row {row} is not the one that its witness stands for")]
    Other {
        /// The witnessed row.
        row: u64,
    },
    /// There is no witness.
    #[error("the record's witness is gone: whether rows after row {rows} are missing can't be told")]
    NoWitness {
        /// Rows that there are.
        rows: u64,
    },
    /// The witness isn't one.
    #[error(
        "the record's witness is damaged or not this device's: whether rows after row {rows} are missing can't be told"
    )]
    BadWitness {
        /// Rows that there are.
        rows: u64,
    },
}

/// An opened record.
pub(crate) struct OpenedRecord {
    pub(crate) log: RecordLog<RecordFile>,
    /// What its witness contradicts. The next row hides that from the witness, so it must be written down.
    pub(crate) cut: Option<RecordCut>,
}

/// Opens the log, finds its end and compares it with the witness, which is signed by one of `keys`, the device's. A last line
/// that a crash cut short is removed: its act was not allowed yet.
///
/// # Errors
/// The system's error: the directory is not ours, or its disk can't be written.
pub(crate) fn open(home: &AgentHome, key: SecretKey, keys: &[PublicKey]) -> io::Result<OpenedRecord> {
    let witness = stored_head(home, keys);
    let witnessed = witness.as_ref().ok().copied().flatten();
    let mut hash_there = witnessed.filter(|head| *head == AuditHead::EMPTY).map(|head| head.hash);
    let mut file = open_private_append(&home.audit_log())?;
    let (mut head, mut length) = (AuditHead::EMPTY, 0_u64);
    let mut signed = key.sign(&AuditHead::EMPTY).map_err(io::Error::other)?;
    let mut reader = BufReader::new(&file);
    let mut line = Vec::new();
    while read_line(&mut reader, &mut line)? {
        let whole = line.last() == Some(&b'\n');
        match serde_json::from_slice::<AuditRow>(&line) {
            Ok(row) if whole => {
                head = AuditHead { number: row.number, hash: row.hash };
                if witnessed.is_some_and(|witnessed| witnessed.number == row.number) {
                    hash_there = Some(row.hash);
                }
                signed = row.head;
            }
            _ if !whole => break,
            // A damaged row in the middle stays for `audit verify` to name; appending goes on after it.
            _ => {}
        }
        length += line.len() as u64;
    }
    if file.metadata()?.len() > length {
        file.set_len(length)?;
    }
    file.seek(SeekFrom::End(0))?;
    let file = RecordFile { file, home: home.clone(), length, is_torn: false };
    let rows = head.number;
    let cut = match witness {
        Ok(Some(AuditHead { number, .. })) if number > rows => {
            Some(RecordCut::Shorter { rows, witnessed: number })
        }
        Ok(Some(AuditHead { number, hash })) => {
            (hash_there != Some(hash)).then_some(RecordCut::Other { row: number })
        }
        // A crash may come between the first row and its witness.
        Ok(None) => (rows > 1).then_some(RecordCut::NoWitness { rows }),
        Err(_) => Some(RecordCut::BadWitness { rows }),
    };
    Ok(OpenedRecord { log: RecordLog::new(file, key, head, signed), cut })
}

/// The witness next to the rows, if it is signed by one of the device's keys.
fn stored_head(home: &AgentHome, keys: &[PublicKey]) -> io::Result<Option<AuditHead>> {
    let bytes = match nearhand_transport::platform::read_private(&home.audit_head()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let signed: Signed<AuditHead> = wire::decode(&bytes).map_err(io::Error::other)?;
    let head = keys.iter().find_map(|key| signed.open(key).ok());
    head.map(Some).ok_or_else(|| io::Error::other("signed by another key"))
}

impl RowStore for RecordFile {
    fn append(&mut self, rows: &[AuditRow]) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.length)?;
            self.is_torn = false;
        }
        let mut lines = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut lines, row).map_err(io::Error::other)?;
            lines.push(b'\n');
        }
        if let Err(error) = self.file.write_all(&lines).and_then(|()| self.file.sync_data()) {
            // Half a row must not stand before the next one.
            self.is_torn = self.file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    fn keep_head(&mut self, head: &Signed<AuditHead>) {
        let written = wire::encode(head).map_err(io::Error::other);
        if let Err(error) = written.and_then(|bytes| write_private(&self.home.audit_head(), &bytes)) {
            tracing::warn!(%error, "the newest row's witness could not be written; the row itself is in the log");
        }
    }
}

/// What the writer's thread has to do, in order.
enum WriterTask {
    Row(RecordEntry),
    /// Rows from here on are signed with this key.
    Key(SecretKey),
    /// Another file that must not hold up the agent's tasks.
    File(Box<dyn FnOnce() + Send>),
}

#[derive(Default)]
struct WriterQueue {
    tasks: VecDeque<WriterTask>,
    rows: usize,
    files: usize,
    /// Rows for which there was no room since the last that was written.
    lost: u64,
    is_closed: bool,
}

struct SharedQueue {
    queue: Mutex<WriterQueue>,
    has_work: Condvar,
    head: Mutex<(AuditHead, Signed<AuditHead>)>,
}

impl SharedQueue {
    fn lock(&self) -> MutexGuard<'_, WriterQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn head(&self) -> MutexGuard<'_, (AuditHead, Signed<AuditHead>)> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, task: WriterTask) {
        self.lock().tasks.push_back(task);
        self.has_work.notify_one();
    }

    /// What is to be done next; `None` once nobody can ask for more.
    fn next(&self) -> Option<NextWork> {
        let mut queue = self.lock();
        loop {
            let mut rows = Vec::new();
            while rows.len() < MAX_COMMIT
                && let Some(WriterTask::Row(_)) = queue.tasks.front()
                && let Some(WriterTask::Row(row)) = queue.tasks.pop_front()
            {
                rows.push(row);
            }
            if !rows.is_empty() {
                queue.rows = queue.rows.saturating_sub(rows.len());
                let lost = core::mem::take(&mut queue.lost);
                return Some(NextWork::Rows { rows, lost });
            }
            match queue.tasks.pop_front() {
                Some(WriterTask::Row(row)) => return Some(NextWork::Rows { rows: vec![row], lost: 0 }),
                Some(WriterTask::Key(key)) => return Some(NextWork::Key(key)),
                Some(WriterTask::File(write)) => {
                    queue.files = queue.files.saturating_sub(1);
                    return Some(NextWork::File(write));
                }
                None if queue.is_closed => return None,
                None => queue = self.has_work.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

enum NextWork {
    Rows { rows: Vec<RecordEntry>, lost: u64 },
    Key(SecretKey),
    File(Box<dyn FnOnce() + Send>),
}

/// The way to the thread that writes the record. Nothing here waits for the disk.
pub(crate) struct RecordWriter {
    shared: Arc<SharedQueue>,
}

impl RecordWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system's error: no thread can be started.
    pub(crate) fn start<S: RowStore + Send + 'static>(log: RecordLog<S>) -> io::Result<Self> {
        let (head, signed) = log.head();
        let head = Mutex::new((head, signed.clone()));
        let shared = Arc::new(SharedQueue { queue: Mutex::default(), has_work: Condvar::new(), head });
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new().name("record".to_owned()).stack_size(512 * 1024);
        thread.spawn(move || write_until_closed(log, &of_thread))?;
        Ok(Self { shared })
    }

    /// Hands a row over. A task that waits for it is told by the row's own answer.
    pub(crate) fn write(&self, row: RecordEntry) {
        let mut queue = self.shared.lock();
        if queue.rows >= MAX_WAITING {
            queue.lost += 1;
            drop(queue);
            return row.refuse(RecordError::QueueFull);
        }
        queue.rows += 1;
        queue.tasks.push_back(WriterTask::Row(row));
        self.shared.has_work.notify_one();
    }

    /// Writes another file behind the rows that wait, on the same thread. It is given up, with a line in the log, where too
    /// many wait already.
    pub(crate) fn write_file(&self, write: impl FnOnce() + Send + 'static) {
        let mut queue = self.shared.lock();
        if queue.files >= MAX_WAITING_FILES {
            drop(queue);
            tracing::error!("a file is not written: the disk does not answer, and too many wait for it");
            return;
        }
        queue.files += 1;
        queue.tasks.push_back(WriterTask::File(Box::new(write)));
        self.shared.has_work.notify_one();
    }

    /// Rows from now on are signed with this key.
    pub(crate) fn set_key(&self, key: SecretKey) {
        self.shared.push(WriterTask::Key(key));
    }

    /// Witness of all rows that are on the disk, by the key that the device has now: the newest row may still be signed with
    /// the one before, which counts nowhere any more.
    pub(crate) fn head(&self, key: &SecretKey) -> Signed<AuditHead> {
        let (head, by_row) = self.shared.head().clone();
        key.sign(&head).unwrap_or(by_row)
    }
}

impl Drop for RecordWriter {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.has_work.notify_one();
    }
}

fn write_until_closed<S: RowStore>(mut log: RecordLog<S>, shared: &SharedQueue) {
    while let Some(work) = shared.next() {
        match work {
            NextWork::Rows { mut rows, lost } => {
                if lost > 0 {
                    rows.insert(0, lost_rows(lost));
                }
                let committed = log.commit(rows);
                let (head, signed) = log.head();
                *shared.head() = (head, signed.clone());
                committed.acknowledge();
                log.keep_head();
            }
            NextWork::Key(key) => log.set_key(key),
            NextWork::File(write) => write(),
        }
    }
}

/// The record says where it has a gap.
fn lost_rows(rows: u64) -> RecordEntry {
    let detail = format!("{rows} rows are missing here: the disk did not answer, and too many waited for it");
    let event = AuditEvent { actor: "agent".into(), action: "record.lost".into(), session: None, detail };
    RecordEntry::new(UnixMillis::from_system(std::time::SystemTime::now()), event, (), |_| {})
}

fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    Ok(io::Read::take(&mut *reader, MAX_LINE).read_until(b'\n', line)? > 0)
}

/// Goes through the log row by row; `None` for a line that can't be read.
pub(crate) fn read(home: &AgentHome, mut each: impl FnMut(Option<AuditRow>)) -> io::Result<()> {
    let file = match File::open(home.audit_log()) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let (mut reader, mut line) = (BufReader::new(file), Vec::new());
    while read_line(&mut reader, &mut line)? {
        each(serde_json::from_slice(&line).ok());
    }
    Ok(())
}

/// The action of the row in which the agent says that the record was cut before it.
pub(crate) const CUT: &str = "audit.cut";

/// What became of a verification.
pub(crate) enum RecordVerdict {
    /// Whole, up to this head.
    Whole(AuditHead),
    /// What is there is whole, and the agent found at its start that rows before this one were cut off or rewritten.
    Cut {
        /// Number of the row that says so.
        row: u64,
        /// What the agent found.
        why: String,
    },
    /// Broken from this row on.
    Broken(BrokenLog),
}

/// Verifies the log with the device's keys, its own witness and those that others gave.
pub(crate) fn verify(
    home: &AgentHome,
    keys: Vec<PublicKey>,
    mut witnesses: Vec<AuditHead>,
) -> io::Result<RecordVerdict> {
    witnesses.extend(stored_head(home, &keys).ok().flatten());
    let mut verifier = LogVerifier::new(keys, witnesses);
    let (mut broken, mut cut) = (None, None);
    read(home, |row| {
        if broken.is_none() {
            broken = verifier.row(row.as_ref()).err();
        }
        if let Some(row) = row.filter(|row| row.event.action == CUT) {
            cut.get_or_insert(RecordVerdict::Cut { row: row.number, why: row.event.detail });
        }
    })?;
    Ok(match broken {
        Some(broken) => RecordVerdict::Broken(broken),
        None => match verifier.finish() {
            Ok(head) => cut.unwrap_or(RecordVerdict::Whole(head)),
            Err(broken) => RecordVerdict::Broken(broken),
        },
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use nearhand_agent_core::record::Recorded;
    use nearhand_proto::audit::LogDefect;
    use rand_core::OsRng;

    fn event(detail: &str) -> AuditEvent {
        AuditEvent { actor: "test".into(), action: "test".into(), session: None, detail: detail.into() }
    }

    fn filled(rows: u64) -> (tempfile::TempDir, AgentHome, SecretKey) {
        let dir = tempfile::tempdir().unwrap();
        let home = AgentHome::open(dir.path().join("home")).unwrap();
        let key = SecretKey::generate(&mut OsRng);
        let mut log = open(&home, key.clone(), &[]).unwrap().log;
        for i in 0..rows {
            append(&mut log, UnixMillis(i), &format!("row {i}"));
        }
        (dir, home, key)
    }

    fn append(log: &mut RecordLog<RecordFile>, at: UnixMillis, detail: &str) {
        let (tell, told) = mpsc::channel();
        let row = RecordEntry::new(at, event(detail), (), move |outcome| tell.send(outcome.is_ok()).unwrap());
        log.commit(vec![row]).acknowledge();
        log.keep_head();
        assert!(told.recv().unwrap());
    }

    fn verdict(home: &AgentHome, key: &SecretKey) -> Result<u64, (u64, LogDefect)> {
        match verify(home, vec![key.public()], vec![]).unwrap() {
            RecordVerdict::Whole(head) => Ok(head.number),
            RecordVerdict::Broken(broken) => Err((broken.row, broken.why)),
            RecordVerdict::Cut { .. } => panic!("no row says so"),
        }
    }

    #[test]
    fn the_log_goes_on_after_a_restart_and_a_torn_last_line() {
        let (_dir, home, key) = filled(3);
        let mut log = std::fs::OpenOptions::new().append(true).open(home.audit_log()).unwrap();
        log.write_all(b"{\"number\":4,\"at\":").unwrap();
        let OpenedRecord { mut log, cut } = open(&home, key.clone(), &[key.public()]).unwrap();
        assert_eq!(cut, None);
        append(&mut log, UnixMillis(9), "after");
        assert_eq!(verdict(&home, &key), Ok(4));
    }

    #[test]
    fn a_record_that_was_cut_is_noticed_at_the_start_and_never_forgotten() {
        let (_dir, home, key) = filled(4);
        let keys = [key.public()];
        let cut = || open(&home, key.clone(), &keys).unwrap().cut;
        let text = std::fs::read_to_string(home.audit_log()).unwrap();
        let kept =
            |lines: usize| text.lines().take(lines).map(|line| format!("{line}\n")).collect::<String>();
        assert_eq!(cut(), None);
        std::fs::write(home.audit_log(), kept(2)).unwrap();
        assert_eq!(cut(), Some(RecordCut::Shorter { rows: 2, witnessed: 4 }));
        // Other rows in their place, as many or more.
        let mut log = open(&home, key.clone(), &keys).unwrap().log;
        let head = std::fs::read(home.audit_head()).unwrap();
        (0..4).for_each(|row| append(&mut log, UnixMillis(row), "another"));
        std::fs::write(home.audit_head(), &head).unwrap();
        assert_eq!(cut(), Some(RecordCut::Other { row: 4 }));
        std::fs::remove_file(home.audit_log()).unwrap();
        assert_eq!(cut(), Some(RecordCut::Shorter { rows: 0, witnessed: 4 }));
        std::fs::write(home.audit_log(), &text).unwrap();
        assert_eq!(cut(), None);
        std::fs::remove_file(home.audit_head()).unwrap();
        assert_eq!(cut(), Some(RecordCut::NoWitness { rows: 4 }));
        nearhand_transport::platform::write_private(&home.audit_head(), b"nonsense").unwrap();
        assert_eq!(cut(), Some(RecordCut::BadWitness { rows: 4 }));
        // Once it is written down, the record itself says so.
        let mut log = open(&home, key.clone(), &keys).unwrap().log;
        let row =
            AuditEvent { actor: "agent".into(), action: CUT.into(), session: None, detail: "cut".into() };
        log.commit(vec![RecordEntry::new(UnixMillis(9), row, (), |_| {})]).acknowledge();
        log.keep_head();
        append(&mut log, UnixMillis(10), "and on");
        assert_eq!(cut(), None);
        let verdict = verify(&home, keys.to_vec(), vec![]).unwrap();
        assert!(matches!(verdict, RecordVerdict::Cut { row: 5, .. }));
    }

    #[test]
    fn edits_and_cuts_are_named() {
        let (_dir, home, key) = filled(4);
        let text = std::fs::read_to_string(home.audit_log()).unwrap();
        std::fs::write(home.audit_log(), text.replace("row 1", "row x")).unwrap();
        assert_eq!(verdict(&home, &key), Err((2, LogDefect::Content)));
        std::fs::write(home.audit_log(), text.replacen("row 2", "\u{1}", 1)).unwrap();
        assert_eq!(verdict(&home, &key), Err((3, LogDefect::Unreadable)));
        let cut: Vec<_> = text.lines().take(3).map(|l| format!("{l}\n")).collect();
        std::fs::write(home.audit_log(), cut.concat()).unwrap();
        assert_eq!(verdict(&home, &key), Err((4, LogDefect::Checkpoint)));
        std::fs::remove_file(home.audit_log()).unwrap();
        assert_eq!(verdict(&home, &key), Err((1, LogDefect::Checkpoint)));
    }

    /// A disk that hangs until it is let go on.
    struct StalledDisk {
        goes_on: mpsc::Receiver<()>,
        commits: mpsc::Sender<usize>,
    }

    impl RowStore for StalledDisk {
        fn append(&mut self, rows: &[AuditRow]) -> io::Result<()> {
            let _ = self.goes_on.recv();
            let _ = self.commits.send(rows.len());
            Ok(())
        }
    }

    #[test]
    fn a_hanging_disk_holds_up_nobody_and_what_waits_is_written_in_one_go() {
        let (go_on, goes_on) = mpsc::channel();
        let (commits, committed) = mpsc::channel();
        let key = SecretKey::generate(&mut OsRng);
        let signed = key.sign(&AuditHead::EMPTY).unwrap();
        let disk = StalledDisk { goes_on, commits };
        let writer = RecordWriter::start(RecordLog::new(disk, key, AuditHead::EMPTY, signed)).unwrap();
        let (tell, told) = mpsc::channel();
        let row = |number: usize| {
            let tell = tell.clone();
            RecordEntry::new(UnixMillis(0), event("x"), number, move |outcome| {
                tell.send(outcome.map(Recorded::into_subject).ok()).unwrap();
            })
        };
        // None of these waits, however many the disk leaves waiting.
        (0..MAX_WAITING + 300).for_each(|number| writer.write(row(number)));
        let refused = told.try_iter().collect::<Vec<_>>();
        assert!(!refused.is_empty() && refused.iter().all(Option::is_none), "no room, so no row");
        let (wrote, written) = mpsc::channel();
        for _ in 0..MAX_WAITING_FILES + 5 {
            let wrote = wrote.clone();
            writer.write_file(move || wrote.send(()).unwrap());
        }
        drop(wrote);
        drop(go_on);
        let kept = MAX_WAITING + 300 - refused.len();
        let answers: Vec<_> = (0..kept).map(|_| told.recv().unwrap()).collect();
        assert_eq!(answers, (0..kept).map(Some).collect::<Vec<_>>());
        let commits: Vec<_> = (0..kept.div_ceil(MAX_COMMIT)).map_while(|_| committed.recv().ok()).collect();
        assert!(commits.iter().any(|rows| *rows >= MAX_COMMIT), "{commits:?}");
        assert_eq!(written.iter().count(), MAX_WAITING_FILES, "and no more files than there was room for");
    }
}
