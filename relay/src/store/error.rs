//! What can go wrong with the store.

use std::sync::Arc;
use std::time::Duration;

/// Why something could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database says no: disk full, locked, unreachable.
    #[error("the database does not work")]
    Database(#[source] Arc<sqlx::Error>),
    /// The file of the embedded database isn't one, or not a whole one.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// A newer relay has changed the tables: this one would misread them.
    #[error(
        "this database was made by a newer nearhand-relay: version {found}, this one knows up to {known}; install the \
         newer nearhand-relay again, or restore the backup that was made before the update"
    )]
    Newer {
        /// The newest change to the tables.
        found: i64,
        /// The newest one that this program knows.
        known: i64,
    },
    /// A released migration was changed afterwards: another program made these tables.
    #[error(
        "this database was made by a different build of nearhand-relay: its tables of version {0} are not those of this \
         one; install the build that made it"
    )]
    Foreign(i64),
    /// A change to the tables was begun and did not come to its end.
    #[error(
        "the change of the tables to version {0} did not come to its end: restore the backup made before it"
    )]
    HalfChanged(i64),
    /// Another relay writes into this database.
    #[error(
        "another nearhand-relay uses this database, from {0}: one relay uses one database. Stop the other one first, or \
         give this one a database of its own (database_url)"
    )]
    InUse(String),
    /// It takes longer than anybody should wait.
    #[error("the database did not answer within {seconds} s", seconds = .0.as_secs())]
    TimedOut(Duration),
    /// The tables can't be brought up to date.
    #[error("the database's tables can't be brought up to date")]
    Migrate(#[source] Box<sqlx::migrate::MigrateError>),
    /// What is stored can't be understood.
    #[error("the database holds something unreadable in {0}")]
    Unreadable(&'static str),
    /// Something can't be encoded.
    #[error("a record can't be encoded")]
    Encode(#[from] nearhand_proto::wire::WireError),
    /// The writer has ended.
    #[error("the database is closed")]
    Stopped,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match damage(&error) {
            Some(what) => Self::Damaged(what),
            None => Self::Database(Arc::new(error)),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        let damaged = match &error {
            // Newer tables were told from these before; this is a migration that was taken back.
            sqlx::migrate::MigrateError::VersionMissing(version)
            | sqlx::migrate::MigrateError::VersionMismatch(version) => return Self::Foreign(*version),
            sqlx::migrate::MigrateError::Dirty(version) => return Self::HalfChanged(*version),
            sqlx::migrate::MigrateError::Execute(cause) => damage(cause),
            _ => None,
        };
        damaged.map_or_else(|| Self::Migrate(Box::new(error)), Self::Damaged)
    }
}

/// `SQLITE_CORRUPT` or `SQLITE_NOTADB`, which the lowest byte of SQLite's code tells
/// (<https://sqlite.org/rescode.html>). PostgreSQL's codes have five characters, SQLite's four at most.
fn damage(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error()?;
    let code = error.code().filter(|code| code.len() < 5)?.parse::<u32>().ok()?;
    matches!(code & 0xff, 11 | 26).then(|| error.message().to_owned())
}

/// What PostgreSQL (<https://www.postgresql.org/docs/current/errcodes-appendix.html>) and SQLite say of themselves: no
/// connection, no room, no time, shutting down, a lock that somebody holds.
fn is_about_all(code: &str) -> bool {
    // One statement that took too long (query_canceled), and a read that another program's write has overtaken
    // (SQLITE_BUSY_SNAPSHOT): the other writes needn't fail with it.
    if matches!(code, "57014" | "517") {
        return false;
    }
    let of_postgresql = ["08", "53", "57", "58", "25P03", "55P03"];
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6 | 8 | 10 | 13 | 14),
        _ => of_postgresql.iter().any(|class| code.starts_with(class)),
    }
}

impl StoreError {
    /// Whether the next write would fare the same, as far as anybody can tell: it is about the database, not about what was
    /// to be written.
    pub(super) fn concerns_all(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::InUse(_) | Self::Stopped | Self::Newer { .. } => true,
            Self::Database(error) => match &**error {
                sqlx::Error::Database(said) => said.code().is_some_and(|code| is_about_all(&code)),
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => true,
                _ => false,
            },
            _ => false,
        }
    }

    /// The same error for another caller; what is not about all is told to its own caller alone.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Database(error) => Self::Database(Arc::clone(error)),
            Self::InUse(place) => Self::InUse(place.clone()),
            Self::TimedOut(limit) => Self::TimedOut(*limit),
            Self::Newer { found, known } => Self::Newer { found: *found, known: *known },
            Self::Damaged(what) => Self::Damaged(what.clone()),
            Self::Foreign(version) => Self::Foreign(*version),
            Self::HalfChanged(version) => Self::HalfChanged(*version),
            Self::Unreadable(what) => Self::Unreadable(what),
            Self::Migrate(_) | Self::Encode(_) | Self::Stopped => Self::Stopped,
        }
    }

    /// Whether starting again can't help: somebody has to do something first.
    pub fn needs_somebody(&self) -> bool {
        matches!(
            self,
            Self::Newer { .. }
                | Self::Foreign(_)
                | Self::HalfChanged(_)
                | Self::Damaged(_)
                | Self::Unreadable(_)
        )
    }

    /// The error with its cause, in one line.
    pub fn in_full(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}
