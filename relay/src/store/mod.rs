//! The relay's memory: SQLite in the data directory, or PostgreSQL, by one set of SQL.
//!
//! All writes go through one writer (see [`writer`]), which also continues the audit chain in the same
//! transaction: what is decided and the record of it are stored together or not at all. Must not live here:
//! decisions.

mod alarms;
mod codec;
mod database;
mod error;
mod heads;
mod help;
mod names;
mod outcome;
mod pages;
mod read;
mod reader;
pub mod schema;
mod tokens;
mod write;
mod writer;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use nearhand_proto::id::StreamId;
use nearhand_proto::identity::SecretKey;
use nearhand_relay_core::alarm::damping::DampingLimit;
use rand_core::{OsRng, RngCore};
use sqlx::AnyPool;
use tokio::sync::{mpsc, watch};

pub use alarms::{
    AlarmCounts, AlarmWrite, DeadLetter, DueDeliveries, MAX_OPEN, MAX_WINDOWS, OutboxState, ReceiverOutlet,
};
pub use database::Database;
use database::WriterConnection;
pub use error::StoreError;
pub use help::{HelpWrite, NewHelpRequest};
pub use outcome::WriteOutcome;
pub use pages::{PersonRow, StoredPage};
pub use read::{DeviceRow, StoredState};
pub use reader::StoreReader;
pub use write::{NewSession, SeenPeer, StoreWrite, StoredMember};
use writer::{WriteJob, WriterContext, WriterHealth};

/// Connections for reading; each is a thread under SQLite.
const READERS: u32 = 2;
/// Writes that may wait for the writer; above it, callers wait to hand theirs over.
const QUEUE: usize = 1024;
/// Most transactions of one clean-up: more is left to the next one.
const PRUNE_ROUNDS: usize = 10_000;
/// The open store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
    writes: mpsc::Sender<WriteJob>,
    health: Arc<WriterHealth>,
    outlets: Arc<RwLock<Vec<ReceiverOutlet>>>,
    newest: watch::Receiver<u64>,
    damping: Arc<AtomicU32>,
}

impl Store {
    /// Opens the database, brings its tables up to date and starts the writer, which signs with `key`.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be opened, is damaged, of a newer version or another relay's, or its tables
    /// can't be brought up to date.
    pub async fn open(database: &Database, key: SecretKey) -> Result<Self, StoreError> {
        let mut writer = WriterConnection::open(database, OsRng.next_u64()).await?;
        let head = read::audit_head(writer.ready().await?).await?;
        let pool = database.pool(READERS).await?;
        let (writes, jobs) = mpsc::channel(QUEUE);
        let health = Arc::new(WriterHealth::default());
        let outlets = Arc::new(RwLock::new(Vec::new()));
        let damping = Arc::new(AtomicU32::new(DampingLimit::default().0));
        let stored = StoreReader::new(pool.clone()).newest_alarm_number().await?;
        let (sender, newest) = watch::channel(stored);
        let desk = WriterContext {
            key,
            outlets: Arc::clone(&outlets),
            newest: sender,
            health: Arc::clone(&health),
            damping: Arc::clone(&damping),
        };
        // The relay's own stream is born with each start: a database that was put back continues none.
        tokio::spawn(writer::run(desk, writer, head, StreamId::random(&mut OsRng), jobs));
        Ok(Self { pool, writes, health, outlets, newest, damping })
    }

    /// How many changes of one alarm receivers hear of within ten minutes, from the next one on.
    pub fn set_damping(&self, limit: DampingLimit) {
        self.damping.store(limit.0, Ordering::Relaxed);
    }

    /// Opens an existing database for reading, and for what the operator's commands change next to a running relay: no
    /// tables are made.
    ///
    /// # Errors
    /// [`StoreError`]: there is no such database, it can't be opened, or a newer relay has changed its tables.
    pub async fn open_for_reading(database: &Database) -> Result<StoreReader, StoreError> {
        Ok(StoreReader::new(database.pool(1).await?))
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
        if write.is_repeated() {
            return self.prune(&write).await;
        }
        self.hand_over(write, events).await
    }

    /// Deletes a part at a time, so that other writes don't wait for the whole.
    async fn prune(&self, write: &StoreWrite) -> Result<WriteOutcome, StoreError> {
        for _ in 0..PRUNE_ROUNDS {
            let Some(again) = write.repeated() else { break };
            if self.hand_over(again, Vec::new()).await? == WriteOutcome::Done {
                break;
            }
        }
        Ok(WriteOutcome::Done)
    }

    async fn hand_over(
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
        let _ = self.write(StoreWrite::Finish).await;
        self.pool.close().await;
    }
}
