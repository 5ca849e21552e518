//! What can go wrong with the store.

/// Why something could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database says no: disk full, locked, unreachable.
    #[error("the database does not work")]
    Database(#[source] Box<sqlx::Error>),
    /// The file of the embedded database isn't one, or not a whole one.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// A later version of the relay has changed the tables: this one would misread them.
    #[error(
        "the database is of a later version of the relay (its tables have migration {0}): start that version, or \
         restore the backup that was made before the update"
    )]
    Newer(i64),
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
            None => Self::Database(Box::new(error)),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        let damaged = match &error {
            sqlx::migrate::MigrateError::VersionMissing(version) => return Self::Newer(*version),
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

impl StoreError {
    /// The error with its cause, in one line.
    pub fn in_full(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}
