//! The relay's memory: SQLite in the data directory, or PostgreSQL, by one set of SQL.
//!
//! All writes go through one writer (see [`writer`]), which also continues the audit chain in the same
//! transaction: what is decided and the record of it are stored together or not at all. Must not live here:
//! decisions.

mod alarms;
mod codec;
mod error;
mod help;
mod outcome;
mod read;
mod reader;
pub mod schema;
mod tokens;
pub mod writer;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use nearhand_proto::id::StreamId;
use nearhand_proto::identity::SecretKey;
use rand_core::OsRng;
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AnyPool, Connection, Executor};
use tokio::sync::{mpsc, watch};

pub use alarms::{
    AlarmCounts, AlarmWrite, DeadLetter, DueDeliveries, MAX_OPEN, MAX_WINDOWS, OutboxState, ReceiverOutlet,
};
pub use error::StoreError;
pub use help::{HelpWrite, NewHelpRequest};
pub use outcome::WriteOutcome;
pub use read::{DeviceRow, SessionRow, StoredState};
pub use reader::StoreReader;
pub use writer::{NewSession, SeenPeer, StoreWrite, StoredMember};
use writer::{WriteJob, WriterContext, WriterHealth};

/// Connections for reading; each is a thread under SQLite.
const READERS: u32 = 2;
/// Writes that may wait for the writer; above it, callers wait to hand theirs over.
const QUEUE: usize = 1024;
/// How long a connection of the pool is waited for.
const ACQUIRE: Duration = Duration::from_secs(5);
/// What makes SQLite durable and small, once per connection. 512 KiB of cache: the working set is an index.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; \
                       PRAGMA cache_size = -512; PRAGMA journal_size_limit = 16777216;";
/// The writer's own: up to 16 MiB of cache, since what a full transaction changes should fit (a page that does not is
/// written and read again), and a log of up to 16 MiB before it is copied into the file. Copying takes syncs, and each
/// caller that waits for a commit would wait for them, too.
const WRITER_PRAGMAS: &str = "PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 4096;";

/// The database that holds the relay's state.
#[derive(Clone, PartialEq, Eq)]
pub struct Database {
    url: String,
}

impl Database {
    /// The SQLite file; it is made, for its owner only, if there is none.
    ///
    /// # Errors
    /// The file can't be made or opened for writing, or its rights can't be set.
    pub fn file(path: &Path) -> std::io::Result<Self> {
        // SQLite takes over the rights of the file for its journals.
        drop(nearhand_transport::platform::open_private_append(path)?);
        let mut url = String::from("sqlite://");
        for byte in path.as_os_str().as_encoded_bytes() {
            match byte {
                b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                    url.push(char::from(*byte));
                }
                other => url.push_str(&format!("%{other:02X}")),
            }
        }
        Ok(Self { url })
    }

    /// A PostgreSQL database by its URL.
    pub fn url(url: &str) -> Self {
        Self { url: url.to_owned() }
    }

    fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }
}

impl core::fmt::Debug for Database {
    /// Without the URL: it may hold a password.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if self.is_sqlite() { "Database(SQLite)" } else { "Database(PostgreSQL)" })
    }
}

/// The open store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
    /// The writer's one connection: what it keeps of the database in memory stays true as long as nobody else writes.
    writer: AnyPool,
    writes: mpsc::Sender<WriteJob>,
    health: Arc<WriterHealth>,
    outlets: Arc<RwLock<Vec<ReceiverOutlet>>>,
    newest: watch::Receiver<u64>,
}

impl Store {
    /// Opens the database, brings its tables up to date and starts the writer, which signs with `key`.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be opened, is damaged or of a later version, or its tables can't be
    /// brought up to date.
    pub async fn open(database: &Database, key: SecretKey) -> Result<Self, StoreError> {
        let pool = connect(database, READERS, "").await?;
        sqlx::migrate!("./migrations").run(&pool).await?;
        let writer = connect(database, 1, WRITER_PRAGMAS).await?;
        let head = read::audit_head(&pool).await?;
        let (writes, jobs) = mpsc::channel(QUEUE);
        let health = Arc::new(WriterHealth::default());
        let outlets = Arc::new(RwLock::new(Vec::new()));
        let stored = StoreReader::new(pool.clone()).newest_alarm_number().await?;
        let (sender, newest) = watch::channel(stored);
        let desk = WriterContext {
            pool: writer.clone(),
            key,
            outlets: Arc::clone(&outlets),
            newest: sender,
            health: Arc::clone(&health),
        };
        // The relay's own stream is born with each start: a database that was put back continues none.
        tokio::spawn(writer::run(desk, head, StreamId::random(&mut OsRng), jobs));
        Ok(Self { pool, writer, writes, health, outlets, newest })
    }

    /// Opens an existing database for reading only: no tables are made, nothing is written.
    ///
    /// # Errors
    /// [`StoreError`]: there is no such database, or it can't be opened.
    pub async fn open_for_reading(database: &Database) -> Result<StoreReader, StoreError> {
        Ok(StoreReader::new(connect(database, 1, "").await?))
    }

    /// Stores, together with what the audit log says about it.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of it was stored.
    pub async fn write(&self, job: StoreWrite) -> Result<WriteOutcome, StoreError> {
        self.write_audited(job, Vec::new()).await
    }

    /// As [`Store::write`], with rows for the audit log; they are left out if the write turns out a conflict.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of it was stored.
    pub async fn write_audited(
        &self,
        write: StoreWrite,
        events: Vec<nearhand_proto::audit::AuditEvent>,
    ) -> Result<WriteOutcome, StoreError> {
        let (done, wait) = tokio::sync::oneshot::channel();
        self.writes.send(WriteJob { write, events, done }).await.map_err(|_| StoreError::Stopped)?;
        wait.await.map_err(|_| StoreError::Stopped)?
    }

    /// Stores something about alarms.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of it was stored.
    pub async fn write_alarm(&self, write: AlarmWrite) -> Result<WriteOutcome, StoreError> {
        self.write(StoreWrite::Alarm(Box::new(write))).await
    }

    /// Says to whom notices go from now on.
    pub fn set_outlets(&self, outlets: Vec<ReceiverOutlet>) {
        *self.outlets.write().unwrap_or_else(PoisonError::into_inner) = outlets;
    }

    /// The newest number of the alarm log; changes after each commit that adds to it.
    pub fn newest_alarm(&self) -> watch::Receiver<u64> {
        self.newest.clone()
    }

    /// `None` while writing works, else what went wrong last.
    pub fn trouble(&self) -> Option<String> {
        self.health.trouble()
    }

    /// Failed writes since the start.
    pub fn errors(&self) -> u64 {
        self.health.errors()
    }

    /// A handle for reading; cheap to clone.
    pub fn reader(&self) -> StoreReader {
        StoreReader::new(self.pool.clone())
    }

    /// The pool itself, for backups and tests.
    pub fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Waits for writes under way and closes the database.
    pub async fn close(self) {
        let _ = self.write(StoreWrite::Nothing).await;
        self.pool.close().await;
        self.writer.close().await;
    }
}

async fn connect(database: &Database, connections: u32, more: &'static str) -> Result<AnyPool, StoreError> {
    sqlx::any::install_default_drivers();
    let sqlite = database.is_sqlite();
    if sqlite {
        // The pool would try again for seconds and then not say what was wrong.
        let mut first = AnyConnection::connect(&database.url).await?;
        first.execute(PRAGMAS).await?;
        first.close().await?;
    }
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if sqlite {
                    connection.execute(PRAGMAS).await?;
                    if !more.is_empty() {
                        connection.execute(more).await?;
                    }
                }
                Ok(())
            })
        })
        .connect(&database.url)
        .await
        .map_err(StoreError::from)
}
