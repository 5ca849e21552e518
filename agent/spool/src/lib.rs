//! The spool: events that the relay hasn't confirmed yet, and what the rules know, in one SQLite file.
//!
//! What is written here is there after a crash or a power cut (write-ahead log, synced at each commit): an alarm is
//! told to nobody before. Numbers are never used twice in a stream, the stream's id is born with the file, and only
//! what the relay has confirmed is deleted. A file that can't be read, or that belongs to another machine, is set
//! aside and named in the log, never deleted. Blocks while it writes, so it belongs on a separate thread.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nearhand_proto::alarm::{
    AlarmBatch, AlarmEvent, AlarmTransition, DeviceReport, MAX_BATCH, MAX_BATCH_BYTES, SpoolEntry,
    SpoolRecord,
};
use nearhand_proto::id::StreamId;
use nearhand_proto::time::UnixMillis;
use nearhand_proto::wire;
use nearhand_rules::StateRow;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};

/// Most entries that wait. A day without the relay is some hundred on a bad machine.
pub const MAX_ENTRIES: u64 = 20_000;
/// Most alarms whose newest state survives when there is no more room.
const MAX_KEPT: usize = 2_000;
/// Room kept back for alarms on a full disk, in bytes.
const RESERVE: u64 = 2 * 1024 * 1024;
/// The reserve is made again once this much is free, in bytes.
const ROOM_AGAIN: u64 = 64 * 1024 * 1024;
/// Spools set aside that are kept; the one after that is not made, so that a loop can't fill the disk.
const MAX_ASIDE: usize = 20;
/// Where [`Spool::sent`] is kept.
const SENT: &str = "sent";
/// Version of the tables.
const SCHEMA: i64 = 1;

/// Why the spool can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The database refused.
    #[error("the alarms' spool: {0}")]
    Database(#[from] rusqlite::Error),
    /// The file system refused.
    #[error("the alarms' spool {path}: {source}")]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What should be written has no bytes.
    #[error("the alarms' spool: {0}")]
    Wire(#[from] wire::WireError),
    /// A newer program wrote it.
    #[error("the alarms' spool was written by a newer version of this program: update it")]
    Newer,
}

impl SpoolError {
    /// There is no room on the disk.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Database(error) => error.sqlite_error_code() == Some(ErrorCode::DiskFull),
            Self::Io { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    /// The file itself is broken; nothing can be read or written any more.
    pub fn is_damage(&self) -> bool {
        let code = match self {
            Self::Database(error) => error.sqlite_error_code(),
            _ => None,
        };
        matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }
}

/// Whose spool it is: a copied disk has another machine under it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpoolOwner {
    /// The device's id and what is known of the machine, hashed.
    pub mark: [u8; 32],
}

/// The open spool.
pub struct Spool {
    database: Connection,
    path: PathBuf,
    stream: StreamId,
    /// Number of the newest entry that ever was.
    newest: u64,
    /// Number of the newest entry that may have been sent from this file, by this run or an earlier one. On the disk
    /// before the entry is sent: a copy of the file knows what it can't have sent, also after later entries.
    sent: u64,
    waiting: u64,
    reserve: bool,
    limit: u64,
}

impl Spool {
    /// Opens the spool in `dir`, or makes one. `fresh` is the id of a stream that is born now, `now` names files that
    /// are set aside.
    pub fn open(
        dir: &Path,
        owner: &SpoolOwner,
        fresh: StreamId,
        now: UnixMillis,
    ) -> Result<Self, SpoolError> {
        let path = dir.join("alarms.db");
        let opened = match Self::open_as_is(&path, owner, fresh) {
            Err(error) if error.is_damage() => {
                set_aside(&path, "damaged", now)?;
                tracing::error!(%error, "the alarms' spool could not be read: alarms that waited in it are not sent");
                Self::open_as_is(&path, owner, fresh)?
            }
            other => other?,
        };
        let mut spool = match opened {
            Some(spool) => spool,
            None => {
                set_aside(&path, "of-another-machine", now)?;
                tracing::warn!(
                    "the alarms' spool is another machine's or enrolment's: this one begins its own"
                );
                Self::open_as_is(&path, owner, fresh)?.ok_or(SpoolError::Newer)?
            }
        };
        spool.keep_reserve();
        Ok(spool)
    }

    /// `None` if it belongs to somebody else.
    fn open_as_is(path: &Path, owner: &SpoolOwner, fresh: StreamId) -> Result<Option<Self>, SpoolError> {
        let database = Connection::open(path)?;
        private(path)?;
        // Exclusive: one agent has it, and no shared memory is needed. The cache is small: the file is, too.
        database.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             PRAGMA cache_size = -256; PRAGMA wal_autocheckpoint = 200; PRAGMA temp_store = MEMORY;",
        )?;
        let version: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        match version {
            0 => create(&database, owner, fresh)?,
            SCHEMA => check(&database)?,
            _ => return Err(SpoolError::Newer),
        }
        if meta(&database, "owner")?.as_deref() != Some(owner.mark.as_slice()) {
            return Ok(None);
        }
        let stream =
            meta(&database, "stream")?.and_then(|bytes| Some(StreamId::from_bytes(bytes.try_into().ok()?)));
        let Some(stream) = stream else { return Ok(None) };
        let newest = database
            .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'entry'", [], |row| row.get::<_, i64>(0))
            .optional()?;
        let newest = newest.and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0);
        let sent = meta(&database, SENT)?.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)));
        let sent = sent.unwrap_or(0);
        let waiting: i64 = database.query_row("SELECT count(*) FROM entry", [], |row| row.get(0))?;
        Ok(Some(Self {
            database,
            path: path.to_owned(),
            stream,
            newest,
            sent,
            waiting: u64::try_from(waiting).unwrap_or(0),
            reserve: false,
            limit: MAX_ENTRIES,
        }))
    }

    /// The stream that new entries are numbered in.
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// Number of the newest entry that ever was; 0 before the first.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// How many entries wait.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Writes down what was found out or done because of an alarm.
    pub fn report(&mut self, report: DeviceReport) -> Result<(), SpoolError> {
        let transaction = self.database.transaction()?;
        let newest = insert(&transaction, &SpoolEntry::Report(report))?;
        transaction.commit()?;
        (self.newest, self.waiting) = (newest, self.waiting.saturating_add(1));
        Ok(())
    }

    /// Writes events and what the rules know, both or neither. On return it is on the disk.
    pub fn commit(&mut self, events: &[AlarmEvent], rows: &[StateRow]) -> Result<(), SpoolError> {
        match self.commit_once(events, rows) {
            Err(error) if error.is_full() && self.reserve => {
                tracing::warn!("the disk is full: alarms use the room that was kept back for them");
                self.release_reserve();
                self.commit_once(events, rows)
            }
            other => other,
        }
    }

    fn commit_once(&mut self, events: &[AlarmEvent], rows: &[StateRow]) -> Result<(), SpoolError> {
        let transaction = self.database.transaction()?;
        let mut newest = self.newest;
        for event in events {
            newest = insert(&transaction, &SpoolEntry::Event(event.clone()))?;
        }
        for row in rows {
            write_row(&transaction, row)?;
        }
        let mut waiting = self.waiting.saturating_add(u64::try_from(events.len()).unwrap_or(u64::MAX));
        if waiting > self.limit {
            (newest, waiting) = give_up_oldest(&transaction)?;
        }
        transaction.commit()?;
        (self.newest, self.waiting) = (newest, waiting);
        Ok(())
    }

    /// The oldest entries, as they are sent. `None`: nothing waits. What can't be read is sent as a gap.
    pub fn batch(&mut self) -> Result<Option<AlarmBatch>, SpoolError> {
        let mut query = self.database.prepare("SELECT seq, at, body FROM entry ORDER BY seq LIMIT ?1")?;
        let limit = i64::try_from(MAX_BATCH).unwrap_or(i64::MAX);
        let rows = query.query_map([limit], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
        })?;
        let mut records = Vec::new();
        let mut room = MAX_BATCH_BYTES;
        for row in rows {
            let (seq, at, body) = row?;
            room = match room.checked_sub(body.len()) {
                Some(left) => left,
                None if records.is_empty() => 0,
                None => break,
            };
            let seq = u64::try_from(seq).unwrap_or(0);
            let entry = wire::decode(&body).unwrap_or_else(|error| {
                tracing::error!(%error, seq, "an entry of the alarms' spool can't be read");
                let at = UnixMillis(u64::try_from(at).unwrap_or(0));
                SpoolEntry::Gap { lost: 1, from: at, to: at }
            });
            records.push(SpoolRecord { seq, entry });
        }
        drop(query);
        let Some(last) = records.last() else { return Ok(None) };
        if last.seq > self.sent {
            set_meta(&self.database, SENT, &last.seq.to_be_bytes())?;
            self.sent = last.seq;
        }
        Ok(Some(AlarmBatch { stream: self.stream, records }))
    }

    /// How far the relay has this stream, before anything is sent. If that is further than this file can have sent,
    /// the file was restored from a copy, and what is new in it would be taken for what the relay has: another
    /// stream begins, and what waits is sent in that one.
    pub fn relay_has(&mut self, stream: StreamId, through: u64, fresh: StreamId) -> Result<(), SpoolError> {
        if stream != self.stream || through <= self.sent {
            return Ok(());
        }
        let sent = self.sent;
        tracing::warn!(through, sent, "the alarms' spool is an older copy: another stream begins");
        self.renew(fresh)
    }

    /// The relay says that the stream is another device's: this file was copied from there.
    pub fn is_foreign(&mut self, stream: StreamId, fresh: StreamId) -> Result<(), SpoolError> {
        if stream != self.stream {
            return Ok(());
        }
        tracing::warn!("the alarms' spool is a copy of another device's: another stream begins");
        self.renew(fresh)
    }

    /// The relay has all up to this number on its disk: they may go.
    pub fn acknowledged(
        &mut self,
        stream: StreamId,
        through: u64,
        fresh: StreamId,
    ) -> Result<(), SpoolError> {
        if stream != self.stream {
            return Ok(());
        }
        if through > self.sent {
            return self.relay_has(stream, through, fresh);
        }
        let through = i64::try_from(through).unwrap_or(i64::MAX);
        let gone = self.database.execute("DELETE FROM entry WHERE seq <= ?1", [through])?;
        self.waiting = self.waiting.saturating_sub(u64::try_from(gone).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Another stream from here on.
    fn renew(&mut self, fresh: StreamId) -> Result<(), SpoolError> {
        set_meta(&self.database, "stream", fresh.as_bytes())?;
        self.stream = fresh;
        Ok(())
    }

    /// What the rules knew.
    pub fn rows(&self) -> Result<Vec<StateRow>, SpoolError> {
        let mut query = self.database.prepare("SELECT rule, instance, state FROM state")?;
        let rows = query.query_map([], |row| {
            Ok(StateRow { rule: row.get(0)?, instance: row.get(1)?, state: Some(row.get(2)?) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// When the oldest entry that waits was written.
    pub fn oldest(&self) -> Result<Option<UnixMillis>, SpoolError> {
        let at: Option<i64> = self.database.query_row("SELECT min(at) FROM entry", [], |row| row.get(0))?;
        Ok(at.and_then(|at| u64::try_from(at).ok()).map(UnixMillis))
    }

    fn reserve_path(&self) -> PathBuf {
        self.path.with_extension("reserve")
    }

    /// Holds room back for alarms, once there is plenty.
    pub fn keep_reserve(&mut self) {
        let path = self.reserve_path();
        if fs::metadata(&path).is_ok_and(|meta| meta.len() >= RESERVE) {
            self.reserve = true;
            return;
        }
        let free = self.path.parent().and_then(|dir| rustix::fs::statvfs(dir).ok());
        if free.is_none_or(|free| free.f_bavail.saturating_mul(free.f_frsize) < ROOM_AGAIN) {
            return;
        }
        // Written, not only promised: a hole would take no room.
        let zeroes = vec![0; usize::try_from(RESERVE).unwrap_or(0)];
        match fs::write(&path, zeroes).and_then(|()| private_io(&path)) {
            Ok(()) => self.reserve = true,
            Err(error) => tracing::warn!(%error, "no room can be kept back for alarms on a full disk"),
        }
    }

    fn release_reserve(&mut self) {
        self.reserve = false;
        if let Err(error) = fs::remove_file(self.reserve_path()) {
            tracing::warn!(%error, "the room kept back for alarms can't be given free");
        }
    }

    #[cfg(test)]
    fn limit_to(&mut self, entries: u64) {
        self.limit = entries;
    }
}

fn create(database: &Connection, owner: &SpoolOwner, fresh: StreamId) -> Result<(), SpoolError> {
    database.execute_batch("BEGIN IMMEDIATE")?;
    database.execute_batch(
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
         CREATE TABLE entry (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            at INTEGER NOT NULL,
            rule TEXT NOT NULL,
            instance TEXT NOT NULL,
            body BLOB NOT NULL
         ) STRICT;
         CREATE TABLE state (
            rule TEXT NOT NULL,
            instance TEXT NOT NULL,
            state BLOB NOT NULL,
            PRIMARY KEY (rule, instance)
         ) STRICT, WITHOUT ROWID;
         PRAGMA user_version = 1;",
    )?;
    set_meta(database, "owner", &owner.mark)?;
    set_meta(database, "stream", fresh.as_bytes())?;
    database.execute_batch("COMMIT")?;
    Ok(())
}

/// Reads every page once: the file is small, and an alarm must not be the first to find out.
fn check(database: &Connection) -> Result<(), SpoolError> {
    let verdict: String = database.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(SpoolError::Database(rusqlite::Error::SqliteFailure(code, Some(verdict))))
}

fn meta(database: &Connection, key: &str) -> Result<Option<Vec<u8>>, rusqlite::Error> {
    database
        .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get::<_, Vec<u8>>(0))
        .optional()
}

fn set_meta(database: &Connection, key: &str, value: &[u8]) -> Result<(), rusqlite::Error> {
    let statement =
        "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
    database.execute(statement, params![key, value]).map(|_| ())
}

fn insert(transaction: &Transaction<'_>, entry: &SpoolEntry) -> Result<u64, SpoolError> {
    let (at, rule, instance) = match entry {
        SpoolEntry::Event(event) => (event.observed_at, event.rule.as_str(), event.instance.as_str()),
        // Not an alarm's state: it must not stand for one where only the newest is kept.
        SpoolEntry::Gap { to: at, .. } | SpoolEntry::Report(DeviceReport { at, .. }) => (*at, "", ""),
    };
    let at = i64::try_from(at.0).unwrap_or(i64::MAX);
    transaction
        .prepare("INSERT INTO entry (at, rule, instance, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![at, rule, instance, wire::encode(entry)?])?;
    Ok(u64::try_from(transaction.last_insert_rowid()).unwrap_or(0))
}

fn write_row(transaction: &Transaction<'_>, row: &StateRow) -> Result<(), SpoolError> {
    match &row.state {
        Some(state) => transaction
            .prepare(
                "INSERT INTO state (rule, instance, state) VALUES (?1, ?2, ?3)
                 ON CONFLICT (rule, instance) DO UPDATE SET state = ?3",
            )?
            .execute(params![row.rule, row.instance, state])?,
        None => transaction
            .prepare("DELETE FROM state WHERE rule = ?1 AND instance = ?2")?
            .execute(params![row.rule, row.instance])?,
    };
    Ok(())
}

/// No more room: what happened in between is given up and said to be, and the newest state of each alarm stays.
fn give_up_oldest(transaction: &Transaction<'_>) -> Result<(u64, u64), SpoolError> {
    let bodies = |condition: &str| -> Result<Vec<SpoolEntry>, SpoolError> {
        let mut query =
            transaction.prepare(&format!("SELECT body FROM entry WHERE {condition} ORDER BY seq"))?;
        let rows = query.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        let mut entries = Vec::new();
        for body in rows {
            entries.extend(wire::decode(&body?).ok());
        }
        Ok(entries)
    };
    let newest = bodies("rule <> '' AND seq IN (SELECT max(seq) FROM entry GROUP BY rule, instance)")?;
    let before: u64 = bodies("rule = ''")?
        .iter()
        .map(|entry| if let SpoolEntry::Gap { lost, .. } = entry { *lost } else { 0 })
        .fold(0, u64::saturating_add);
    let (count, from, to): (i64, i64, i64) = transaction.query_row(
        "SELECT count(*) FILTER (WHERE rule <> ''), min(at), max(at) FROM entry",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let skip = newest.len().saturating_sub(MAX_KEPT);
    let kept: Vec<SpoolEntry> = newest.into_iter().skip(skip).flat_map(as_state).collect();
    let all = u64::try_from(count).unwrap_or(0);
    let lost = all.saturating_sub(u64::try_from(kept.len()).unwrap_or(0)).saturating_add(before);
    let time = |at: i64| UnixMillis(u64::try_from(at).unwrap_or(0));
    tracing::error!(lost, "too many alarm events wait for the relay: the oldest were given up");
    transaction.execute("DELETE FROM entry", [])?;
    let mut last = insert(transaction, &SpoolEntry::Gap { lost, from: time(from), to: time(to) })?;
    for entry in &kept {
        last = insert(transaction, entry)?;
    }
    Ok((last, u64::try_from(kept.len()).unwrap_or(0).saturating_add(1)))
}

/// An alarm's newest event as one that can be understood without those before it.
fn as_state(entry: SpoolEntry) -> Vec<SpoolEntry> {
    let SpoolEntry::Event(event) = entry else { return Vec::new() };
    let raised = || AlarmEvent { transition: AlarmTransition::Raised, ..event.clone() };
    match event.transition {
        AlarmTransition::Raised | AlarmTransition::Cleared | AlarmTransition::Expired => {
            vec![SpoolEntry::Event(event)]
        }
        AlarmTransition::Worsened
        | AlarmTransition::Eased
        | AlarmTransition::SensorBack
        | AlarmTransition::FlappingEnded => {
            vec![SpoolEntry::Event(raised())]
        }
        AlarmTransition::SensorLost | AlarmTransition::FlappingBegan => {
            vec![SpoolEntry::Event(raised()), SpoolEntry::Event(event)]
        }
    }
}

/// Renames the spool's files, so that nothing is lost and nothing is in the way.
fn set_aside(path: &Path, why: &str, now: UnixMillis) -> Result<(), SpoolError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| SpoolError::Io { path, source }
    };
    let dir = path.parent().unwrap_or(Path::new("."));
    let kept = fs::read_dir(dir).map_err(io(dir))?.flatten();
    if kept.filter(|entry| entry.file_name().to_string_lossy().starts_with("alarms.db.")).count() > MAX_ASIDE
    {
        let source =
            io::Error::other("too many spools were set aside (alarms.db.*): look at them and remove them");
        return Err(SpoolError::Io { path: dir.to_owned(), source });
    }
    for end in ["", "-wal", "-shm"] {
        let from = PathBuf::from(format!("{}{end}", path.display()));
        let to = PathBuf::from(format!("{}.{why}-{}{end}", path.display(), now.0));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(SpoolError::Io { path: from, source }),
            Ok(()) => tracing::warn!(kept_as = %to.display(), "the alarms' spool is set aside"),
        }
    }
    Ok(())
}

/// Only the agent's user may read it.
fn private(path: &Path) -> Result<(), SpoolError> {
    private_io(path).map_err(|source| SpoolError::Io { path: path.to_owned(), source })
}

fn private_io(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests;
