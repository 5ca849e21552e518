//! The ledger: every run that was begun here, on disk before anything of it happens.
//!
//! It is what makes a run that is ordered twice run once, and what a restarted agent undoes an unfinished one by. One
//! SQLite file, `runbooks.db`, synced at each commit.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use nearhand_proto::id::RunId;
use nearhand_proto::runbook::{RunMode, RunOutcome, RunRefusal, RunbookAction};
use nearhand_proto::time::UnixMillis;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::off_loop::off_loop;

use nearhand_agent_core::gate::PastRun;

/// Runs that are kept; older ones are forgotten, long after their deadline.
const MAX_RUNS: i64 = 10_000;
/// Version of the tables.
const SCHEMA: i64 = 1;

/// Why the ledger can't be used; nothing runs without it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// The database refused.
    #[error("the ledger of runbooks (runbooks.db): {0}")]
    Database(#[from] rusqlite::Error),
    /// A row holds something else.
    #[error("the ledger of runbooks (runbooks.db): {0}")]
    Content(#[from] serde_json::Error),
    /// The file system refused.
    #[error("the ledger of runbooks (runbooks.db): {0}")]
    Io(#[from] std::io::Error),
    /// A newer program wrote it.
    #[error("the ledger of runbooks was written by a newer version of this program: update it")]
    Newer,
}

/// What undoing a step needs to know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UndoStep {
    /// A process's priority was another.
    Nice {
        /// The process whose priority was changed.
        pid: i32,
        /// When it started, in the kernel's ticks since the machine did: another process has another.
        started: u64,
        /// The priority it had.
        nice: i32,
    },
    /// An adapter is to be up.
    Adapter {
        /// The name of the network interface.
        interface: String,
    },
}

/// What is known of a run when it begins.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct BegunRun {
    pub(crate) run: RunId,
    pub(crate) runbook: String,
    pub(crate) version: u32,
    pub(crate) mode: RunMode,
    pub(crate) by_rule: bool,
    /// For whom, in words.
    pub(crate) actor: String,
    pub(crate) at: UnixMillis,
}

/// A run that was under way when the agent ended.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct UnfinishedRun {
    pub(crate) begun: BegunRun,
    /// What of it is to be undone, the first first.
    pub(crate) undo: Vec<(u32, RunbookAction, UndoStep)>,
    /// Something of it was begun to be applied.
    pub(crate) applied: bool,
}

/// A run as people are told of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct LedgerRow {
    pub(crate) run: String,
    pub(crate) runbook: String,
    pub(crate) version: u32,
    pub(crate) mode: RunMode,
    pub(crate) by: String,
    pub(crate) began: String,
    /// `None` while it is under way.
    pub(crate) outcome: Option<RunOutcome>,
}

/// The ledger as all runs share it. One that can't be opened refuses every run.
#[derive(Clone)]
pub(crate) struct SharedLedger(Arc<Mutex<Option<RunLedger>>>);

impl SharedLedger {
    /// Opens the agent's ledger; says in the log why if it can't.
    pub(crate) fn open(dir: &Path) -> Self {
        let ledger = RunLedger::open(dir)
            .inspect_err(|error| tracing::error!(%error, "no runbook runs until this is mended"));
        Self(Arc::new(Mutex::new(ledger.ok())))
    }

    /// Does something with the ledger, off the event loop, since it syncs. A failure is in the log, and refuses the run.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut RunLedger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, RunRefusal> {
        let shared = self.0.clone();
        let acted = off_loop(move || {
            let mut ledger = shared.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.as_mut().map(act)
        });
        acted.await.ok_or(RunRefusal::Storage)?.map_err(|error| {
            tracing::error!(%error, "a runbook could not be written down");
            RunRefusal::Storage
        })
    }
}

/// The open ledger.
pub(crate) struct RunLedger(Connection);

impl RunLedger {
    /// Opens it, or makes one.
    pub(crate) fn open(dir: &Path) -> Result<Self, LedgerError> {
        let path = dir.join("runbooks.db");
        let database = Connection::open(&path)?;
        private(&path)?;
        database.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -256;
             PRAGMA busy_timeout = 2000; PRAGMA temp_store = MEMORY;",
        )?;
        match database.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))? {
            0 => database.execute_batch(
                "BEGIN;
                 CREATE TABLE run (
                     id TEXT PRIMARY KEY, runbook TEXT NOT NULL, version INTEGER NOT NULL, mode TEXT NOT NULL,
                     by_rule INTEGER NOT NULL, actor TEXT NOT NULL, began INTEGER NOT NULL,
                     applied INTEGER NOT NULL DEFAULT 0, outcome TEXT);
                 CREATE INDEX run_began ON run (began);
                 CREATE TABLE undo (run TEXT NOT NULL, step INTEGER NOT NULL, what TEXT NOT NULL);
                 CREATE TABLE newest (runbook TEXT PRIMARY KEY, version INTEGER NOT NULL);
                 PRAGMA user_version = 1;
                 COMMIT;",
            )?,
            SCHEMA => {}
            _ => return Err(LedgerError::Newer),
        }
        Ok(Self(database))
    }

    /// Opens it to look only; `None` if there is none yet.
    pub(crate) fn look(dir: &Path) -> Result<Option<Self>, LedgerError> {
        let path = dir.join("runbooks.db");
        if !path.exists() {
            return Ok(None);
        }
        Ok(Some(Self(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)))
    }

    /// What came of a run that was begun: `None` for one that wasn't, `Some(None)` while it is under way.
    pub(crate) fn find(&self, run: RunId) -> Result<Option<Option<RunOutcome>>, LedgerError> {
        let found: Option<Option<String>> = self
            .0
            .query_row("SELECT outcome FROM run WHERE id = ?1", [run.to_string()], |row| row.get(0))
            .optional()?;
        Ok(match found {
            None => None,
            Some(None) => Some(None),
            Some(Some(json)) => Some(Some(serde_json::from_str(&json)?)),
        })
    }

    /// A run begins. Written before anything of it happens; an id that is there already is an error.
    pub(crate) fn begin(&mut self, begun: &BegunRun) -> Result<(), LedgerError> {
        let transaction = self.0.transaction()?;
        transaction.execute(
            "INSERT INTO run (id, runbook, version, mode, by_rule, actor, began) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                begun.run.to_string(),
                begun.runbook,
                begun.version,
                serde_json::to_string(&begun.mode)?,
                begun.by_rule,
                begun.actor,
                i64::try_from(begun.at.0).unwrap_or(i64::MAX),
            ],
        )?;
        transaction.execute(
            "DELETE FROM run WHERE outcome IS NOT NULL AND rowid <= (SELECT max(rowid) FROM run) - ?1",
            [MAX_RUNS],
        )?;
        Ok(transaction.commit()?)
    }

    /// A step is about to be applied; what undoing it needs.
    pub(crate) fn applying(
        &mut self,
        run: RunId,
        step: u32,
        act: RunbookAction,
        undo: &[UndoStep],
    ) -> Result<(), LedgerError> {
        let transaction = self.0.transaction()?;
        transaction.execute("UPDATE run SET applied = 1 WHERE id = ?1", [run.to_string()])?;
        for one in undo {
            let what = serde_json::to_string(&(act, one))?;
            transaction.execute(
                "INSERT INTO undo (run, step, what) VALUES (?1, ?2, ?3)",
                params![run.to_string(), step, what],
            )?;
        }
        Ok(transaction.commit()?)
    }

    /// A run is over.
    pub(crate) fn end(&mut self, outcome: &RunOutcome) -> Result<(), LedgerError> {
        let transaction = self.0.transaction()?;
        let run = outcome.run.to_string();
        transaction.execute(
            "UPDATE run SET outcome = ?2 WHERE id = ?1",
            params![run, serde_json::to_string(outcome)?],
        )?;
        transaction.execute("DELETE FROM undo WHERE run = ?1", [run])?;
        Ok(transaction.commit()?)
    }

    /// Runs that were under way when the agent ended.
    pub(crate) fn unfinished(&self) -> Result<Vec<UnfinishedRun>, LedgerError> {
        let mut rows = self.0.prepare(
            "SELECT id, runbook, version, mode, by_rule, actor, began, applied FROM run WHERE outcome IS NULL ORDER BY rowid",
        )?;
        let rows = rows.query_map([], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, u32>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, bool>(4)?,
                row.get::<_, String>(5)?,
                row.get::<_, i64>(6)?,
                row.get::<_, bool>(7)?,
            ))
        })?;
        let mut all = Vec::new();
        for row in rows {
            let (id, runbook, version, mode, by_rule, actor, at, applied) = row?;
            let Ok(run) = id.parse() else { continue };
            let at = UnixMillis(u64::try_from(at).unwrap_or(0));
            let mode = serde_json::from_str(&mode)?;
            let begun = BegunRun { run, runbook, version, mode, by_rule, actor, at };
            all.push(UnfinishedRun { begun, undo: self.undo_of(run)?, applied });
        }
        Ok(all)
    }

    fn undo_of(&self, run: RunId) -> Result<Vec<(u32, RunbookAction, UndoStep)>, LedgerError> {
        let mut rows = self.0.prepare("SELECT step, what FROM undo WHERE run = ?1 ORDER BY rowid")?;
        let rows =
            rows.query_map([run.to_string()], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?)))?;
        let mut all = Vec::new();
        for row in rows {
            let (step, what) = row?;
            let (act, undo) = serde_json::from_str(&what)?;
            all.push((step, act, undo));
        }
        Ok(all)
    }

    /// Runs that began since.
    pub(crate) fn past(&self, since: UnixMillis) -> Result<Vec<PastRun>, LedgerError> {
        let mut rows = self
            .0
            .prepare("SELECT runbook, began, by_rule, mode FROM run WHERE began >= ?1 ORDER BY began")?;
        let apply = serde_json::to_string(&RunMode::Apply)?;
        let rows = rows.query_map([i64::try_from(since.0).unwrap_or(i64::MAX)], |row| {
            Ok(PastRun {
                runbook: row.get(0)?,
                began: UnixMillis(u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0)),
                by_rule: row.get(2)?,
                applied: row.get::<_, String>(3)? == apply,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The newest version of an organisation's runbook that was ever here.
    pub(crate) fn newest(&self, runbook: &str) -> Result<u32, LedgerError> {
        let found = self
            .0
            .query_row("SELECT version FROM newest WHERE runbook = ?1", [runbook], |row| row.get(0))
            .optional()?;
        Ok(found.unwrap_or(0))
    }

    /// This version of an organisation's runbook is here.
    pub(crate) fn seen(&mut self, runbook: &str, version: u32) -> Result<(), LedgerError> {
        self.0.execute(
            "INSERT INTO newest (runbook, version) VALUES (?1, ?2)
             ON CONFLICT (runbook) DO UPDATE SET version = max(version, excluded.version)",
            params![runbook, version],
        )?;
        Ok(())
    }

    /// The last runs, the newest first.
    pub(crate) fn runs(&self, most: u32) -> Result<Vec<LedgerRow>, LedgerError> {
        let mut rows = self.0.prepare(
            "SELECT id, runbook, version, mode, actor, began, outcome FROM run ORDER BY rowid DESC LIMIT ?1",
        )?;
        let rows = rows.query_map([most], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, u32>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, String>(4)?,
                row.get::<_, i64>(5)?,
                row.get::<_, Option<String>>(6)?,
            ))
        })?;
        let mut all = Vec::new();
        for row in rows {
            let (run, runbook, version, mode, by, began, outcome) = row?;
            let began = UnixMillis(u64::try_from(began).unwrap_or(0)).to_string();
            let outcome = outcome.map(|json| serde_json::from_str(&json)).transpose()?;
            let mode = serde_json::from_str(&mode)?;
            all.push(LedgerRow { run, runbook, version, mode, by, began, outcome });
        }
        Ok(all)
    }
}

/// Only its owner may read it.
fn private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests {
    use nearhand_proto::runbook::RunEnding;

    use super::*;

    const RUN: RunId = RunId::from_bytes([7; 16]);

    fn begun(run: RunId) -> BegunRun {
        BegunRun {
            run,
            runbook: "tame-process".into(),
            version: 1,
            mode: RunMode::Apply,
            by_rule: true,
            actor: "rule cpu".into(),
            at: UnixMillis(5_000),
        }
    }

    fn outcome(run: RunId) -> RunOutcome {
        RunOutcome {
            run,
            runbook: "tame-process".into(),
            version: 1,
            mode: RunMode::Apply,
            ending: RunEnding::Done,
            why: "well".into(),
            notes: vec![],
            began: UnixMillis(5_000),
            ended: UnixMillis(6_000),
        }
    }

    #[test]
    fn a_run_is_known_from_its_beginning_on_and_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let undo = UndoStep::Nice { pid: 9, started: 77, nice: 3 };
        {
            let mut ledger = RunLedger::open(dir.path()).unwrap();
            assert_eq!(ledger.find(RUN).unwrap(), None);
            ledger.begin(&begun(RUN)).unwrap();
            assert_eq!(ledger.find(RUN).unwrap(), Some(None));
            assert!(ledger.begin(&begun(RUN)).is_err(), "never twice");
            ledger.applying(RUN, 1, RunbookAction::TameProcess, std::slice::from_ref(&undo)).unwrap();
        }
        let mut ledger = RunLedger::open(dir.path()).unwrap();
        let unfinished = ledger.unfinished().unwrap();
        assert_eq!(unfinished.len(), 1);
        assert!(unfinished[0].applied);
        assert_eq!(unfinished[0].begun, begun(RUN));
        assert_eq!(unfinished[0].undo, [(1, RunbookAction::TameProcess, undo)]);
        ledger.end(&outcome(RUN)).unwrap();
        assert_eq!(ledger.unfinished().unwrap(), []);
        assert_eq!(ledger.find(RUN).unwrap(), Some(Some(outcome(RUN))));
        let past = ledger.past(UnixMillis(4_000)).unwrap();
        assert_eq!(past.len(), 1);
        assert!(past[0].applied && past[0].by_rule);
        assert_eq!(ledger.past(UnixMillis(5_001)).unwrap(), []);
        let listed = RunLedger::look(dir.path()).unwrap().unwrap().runs(10).unwrap();
        assert_eq!(listed[0].outcome, Some(outcome(RUN)));
    }

    #[test]
    fn a_newer_version_is_remembered_and_the_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = RunLedger::open(dir.path()).unwrap();
        assert_eq!(ledger.newest("x").unwrap(), 0);
        ledger.seen("x", 4).unwrap();
        ledger.seen("x", 2).unwrap();
        assert_eq!(ledger.newest("x").unwrap(), 4);
        let mode = std::fs::metadata(dir.path().join("runbooks.db")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
