//! The one writer: takes what waits, stores it in one transaction, continues the audit chain.
//!
//! Writes that arrive while one commit is under way share the next one, so a burst costs few syncs. If a
//! shared transaction fails, each of its writes is tried alone, so that one bad write fails alone.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use nearhand_proto::audit::{self, AuditEvent, AuditHead};
use nearhand_proto::id::StreamId;
use nearhand_proto::identity::SecretKey;
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::alarm::damping::DampingLimit;
use sqlx::{Any, AnyConnection, Connection, Transaction};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::alarms::{AlarmTransaction, AlarmWrite, ReceiverOutlet};
use super::codec::to_big;
use super::database::WriterConnection;
use super::outcome::WriteOutcome;
use super::write::{self, StoreWrite};
use super::{StoreError, read};

/// Most writes in one transaction: bounds how long the first waits for the last.
const BATCH: usize = 128;
/// How long a transaction may take, its connection with it. The database's own limits are shorter; this one holds where
/// the database or the disk below it doesn't answer at all.
const TRANSACTION: Duration = Duration::from_secs(8);
/// The same for what an operator's command deletes as a whole.
const LONG_TRANSACTION: Duration = Duration::from_secs(600);

/// A write on its way to the writer.
pub(super) struct WriteJob {
    pub(super) write: StoreWrite,
    pub(super) events: Vec<AuditEvent>,
    pub(super) done: oneshot::Sender<Result<WriteOutcome, StoreError>>,
}

impl WriteJob {
    /// What it adds to the alarm log.
    fn logged(&self) -> Option<&AlarmWrite> {
        match &self.write {
            StoreWrite::Alarm(write) if write.is_logged() => Some(write),
            _ => None,
        }
    }
}

/// Whether writing works.
#[derive(Default)]
pub(super) struct WriterHealth {
    trouble: Mutex<Option<String>>,
    errors: AtomicU64,
}

impl WriterHealth {
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    fn note(&self, result: Result<(), &StoreError>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) if trouble.is_some() => {
                tracing::info!("the database can be written again");
                *trouble = None;
            }
            Ok(()) => {}
            Err(error) => {
                self.errors.fetch_add(1, Ordering::Relaxed);
                let text = error.in_full();
                if trouble.as_deref() != Some(&text) {
                    tracing::error!(error = %text, "the database can't be written");
                    *trouble = Some(text);
                }
            }
        }
    }
}

/// What the writer goes on from.
#[derive(Clone, Copy)]
struct LogHeads {
    /// The audit log's.
    head: AuditHead,
    /// The relay's own alarm stream and its last number.
    own: (StreamId, u64),
    /// The alarm log's, if anything was added to it.
    newest: Option<u64>,
}

/// What the writer needs for each write.
pub(super) struct WriterContext {
    pub(super) key: SecretKey,
    pub(super) outlets: Arc<RwLock<Vec<ReceiverOutlet>>>,
    pub(super) newest: watch::Sender<u64>,
    pub(super) health: Arc<WriterHealth>,
    pub(super) damping: Arc<AtomicU32>,
}

/// Runs until the store is closed. `own` is the relay's own alarm stream, new with each start.
pub(super) async fn run(
    desk: WriterContext,
    connection: WriterConnection,
    head: AuditHead,
    own: StreamId,
    mut jobs: mpsc::Receiver<WriteJob>,
) {
    let mut batch = Vec::new();
    let heads = LogHeads { head, own: (own, 0), newest: None };
    let mut writer = Writer { desk, connection, heads, stale: false };
    while jobs.recv_many(&mut batch, BATCH).await > 0 {
        let last: Vec<WriteJob> =
            batch.extract_if(.., |job| matches!(job.write, StoreWrite::Finish)).collect();
        writer.take(&mut batch, &mut jobs).await;
        if !last.is_empty() {
            writer.connection.close().await;
            for job in last {
                let _ = job.done.send(Ok(WriteOutcome::Done));
            }
            return;
        }
        batch.shrink_to(BATCH);
    }
}

/// The writer's state between two transactions.
struct Writer {
    desk: WriterContext,
    connection: WriterConnection,
    heads: LogHeads,
    /// A commit may have been done and only its answer lost: the heads are read again before the next one.
    stale: bool,
}

impl Writer {
    /// Stores a batch and answers each of its jobs.
    async fn take(&mut self, batch: &mut Vec<WriteJob>, jobs: &mut mpsc::Receiver<WriteJob>) {
        if batch.is_empty() {
            return;
        }
        match self.store(batch).await {
            Ok(applied) => {
                for (job, applied) in batch.drain(..).zip(applied) {
                    let _ = job.done.send(Ok(applied));
                }
            }
            Err(error) => {
                // A write that was alone has failed alone.
                let alone = batch.len() == 1;
                let mut failed = Some(error).filter(|error| alone || error.concerns_all());
                for job in batch.drain(..) {
                    let result = match &failed {
                        Some(error) => Err(error.again()),
                        None => self.store(std::slice::from_ref(&job)).await,
                    };
                    if let Err(error) = &result
                        && error.concerns_all()
                    {
                        failed = Some(error.again());
                    }
                    let result = result.map(|applied| applied.first().copied().unwrap_or(WriteOutcome::Done));
                    let _ = job.done.send(result);
                }
                // Who has waited for a database that does not answer needn't wait for its next silence as well.
                if let Some(error) = failed.filter(StoreError::concerns_all) {
                    while let Ok(job) = jobs.try_recv() {
                        let _ = job.done.send(Err(error.again()));
                    }
                }
            }
        }
    }

    /// Stores some jobs in one transaction, within a limit of time. Returns what became of each.
    async fn store(&mut self, jobs: &[WriteJob]) -> Result<Vec<WriteOutcome>, StoreError> {
        let long = jobs.iter().any(|job| matches!(job.write, StoreWrite::ResetOrganisation));
        let limit = if long { LONG_TRANSACTION } else { TRANSACTION };
        let (desk, connection, heads, stale) = (&self.desk, &mut self.connection, self.heads, self.stale);
        let attempt = async {
            let connection = connection.ready().await?;
            let mut heads = heads;
            if stale {
                heads.head = read::audit_head(connection).await?;
            }
            store_with(connection, desk, heads, jobs).await
        };
        let stored = timeout(limit, attempt).await;
        let answered = stored.is_ok();
        let stored = stored.unwrap_or(Err(StoreError::TimedOut(limit)));
        self.desk.health.note(stored.as_ref().map(|_| ()));
        match stored {
            Ok((applied, heads)) => {
                self.heads = self.desk.go_on(heads);
                self.stale = false;
                Ok(applied)
            }
            Err(error) => {
                // Where SQLite has rolled back by itself (disk full), rolling back fails, and the library counts a
                // transaction that isn't there any more. What is stored over this connection later could end as part of a
                // transaction that nobody commits, and be lost with the process. A fresh connection counts right.
                if answered {
                    self.connection.close().await;
                } else {
                    self.connection.abandon();
                }
                self.stale = true;
                // Numbers of the own stream that may be stored are passed over.
                self.heads.own.1 = self.heads.own.1.saturating_add(u64::from(u32::MAX));
                Err(error)
            }
        }
    }
}

impl WriterContext {
    /// Takes note of a commit, and lets those know who wait for alarms.
    fn go_on(&self, new: LogHeads) -> LogHeads {
        if let Some(newest) = new.newest {
            self.newest.send_replace(newest);
        }
        LogHeads { newest: None, ..new }
    }
}

async fn store_with(
    connection: &mut AnyConnection,
    desk: &WriterContext,
    mut ends: LogHeads,
    jobs: &[WriteJob],
) -> Result<(Vec<WriteOutcome>, LogHeads), StoreError> {
    let mut tx = connection.begin().await?;
    let mut applied = Vec::with_capacity(jobs.len());
    let result = async {
        let limit = DampingLimit(desk.damping.load(Ordering::Relaxed));
        let logged: Vec<&AlarmWrite> = jobs.iter().filter_map(WriteJob::logged).collect();
        let mut book = if logged.is_empty() {
            None
        } else {
            Some(AlarmTransaction::open(&mut tx, &logged, ends.own, limit).await?)
        };
        for job in jobs {
            let outcome = match (&mut book, job.logged()) {
                (Some(book), Some(write)) => book.apply(&mut tx, write).await?,
                _ => write::apply(&mut tx, &job.write).await?,
            };
            if outcome != WriteOutcome::Conflict {
                for event in &job.events {
                    ends.head = append(&mut tx, &desk.key, ends.head, event.clone()).await?;
                }
            }
            applied.push(outcome);
        }
        if let Some(book) = book {
            (ends.own, ends.newest) = (book.own(), Some(book.newest()));
            let outlets = desk.outlets.read().unwrap_or_else(PoisonError::into_inner).clone();
            book.close(&mut tx, &outlets).await?;
        }
        Ok::<_, StoreError>(())
    }
    .await;
    match result {
        Ok(()) => tx.commit().await?,
        Err(error) => {
            // SQLite may have rolled back by itself: then this has nothing to do.
            let _ = tx.rollback().await;
            return Err(error);
        }
    }
    Ok((applied, ends))
}

async fn append(
    tx: &mut Transaction<'_, Any>,
    key: &SecretKey,
    head: AuditHead,
    event: AuditEvent,
) -> Result<AuditHead, StoreError> {
    let row = audit::next_row(head, UnixMillis::from_system(SystemTime::now()), event, key)?;
    let entry = serde_json::to_string(&row).map_err(|_| StoreError::Unreadable("an audit row"))?;
    sqlx::query("INSERT INTO audit (number, entry) VALUES ($1, $2)")
        .bind(to_big(row.number))
        .bind(entry)
        .execute(&mut **tx)
        .await?;
    Ok(AuditHead { number: row.number, hash: row.hash })
}
