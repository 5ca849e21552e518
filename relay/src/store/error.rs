//! What can go wrong with the store.

/// Why something could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database says no: disk full, locked, unreachable.
    #[error("the database does not work")]
    Database(#[source] Box<sqlx::Error>),
    /// The tables can't be brought up to date.
    #[error("the database's tables can't be brought up to date")]
    Migrate(#[source] Box<sqlx::migrate::MigrateError>),
    /// What is stored can't be understood.
    #[error("the database holds something unreadable in {0}")]
    Unreadable(&'static str),
    /// Something can't be encoded.
    #[error("a record can't be encoded")]
    Encode(#[from] nearhand_shared::wire::WireError),
    /// The writer has ended.
    #[error("the database is closed")]
    Stopped,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Box::new(error))
    }
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
