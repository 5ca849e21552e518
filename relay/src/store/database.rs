//! Opening the database: what each connection is set to, whether its tables fit this program, and that one relay alone
//! writes.
//!
//! On PostgreSQL the connection that writes holds an advisory lock for as long as it lives. A second relay can't take
//! it, so it does not start; and a relay that has lost its connection has lost the lock with it, so what it writes next
//! goes over a connection that holds the lock again, or not at all. (On SQLite the lock of the data directory does
//! this.) Must not live here: statements about what the relay stores.

use std::path::Path;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AnyPool, Connection, Executor, Row};
use tokio::time::{sleep, timeout};

use super::StoreError;

/// How long a connection is waited for.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// What makes SQLite durable and small, once per connection. 512 KiB of cache: the working set is an index.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; \
                       PRAGMA cache_size = -512; PRAGMA journal_size_limit = 16777216;";
/// The writer's own: up to 16 MiB of cache, since what a full transaction changes should fit (a page that does not is
/// written and read again), and a log of up to 16 MiB before it is copied into the file. Copying takes syncs, and each
/// caller that waits for a commit would wait for them, too.
const WRITER_PRAGMAS: &str = "PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 4096;";
/// PostgreSQL waits without an end for locks, for slow statements and for clients that are gone, unless it is told
/// otherwise. Shorter than the bound around a transaction (`writer`), so that the server's reason is heard first.
const SESSION: &str = "SET statement_timeout = '5s'; SET lock_timeout = '4s'; \
                       SET idle_in_transaction_session_timeout = '3s'; \
                       SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3; \
                       SET tcp_user_timeout = '10s'";
/// Since PostgreSQL 14, and not on every system: a statement whose client is gone is given up.
const NOTICE_GONE_CLIENTS: &str = "SELECT set_config('client_connection_check_interval', '5s', false) \
                                   WHERE current_setting('server_version_num')::int >= 140000";
/// The advisory lock of the relay that writes. A lock belongs to one database of the server.
const WRITER_LOCK: i64 = i64::from_be_bytes(*b"nearhand");
/// Tries for the lock before it counts as another relay's: the server may take a moment to see that a connection is gone.
const LOCK_TRIES: u32 = 20;
/// Between two of them.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

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

    /// A connection with its settings, except for the limits that a migration must not meet.
    async fn connect(&self, name: &str) -> Result<AnyConnection, StoreError> {
        sqlx::any::install_default_drivers();
        let connect = async {
            let mut connection = AnyConnection::connect(&self.url).await?;
            if self.is_sqlite() {
                connection.execute(PRAGMAS).await?;
            } else {
                sqlx::query("SELECT set_config('application_name', $1, false)")
                    .bind(name.to_owned())
                    .execute(&mut connection)
                    .await?;
            }
            Ok::<_, StoreError>(connection)
        };
        timeout(CONNECT, connect).await.map_err(|_| StoreError::TimedOut(CONNECT))?
    }

    /// Connections for reading, to tables that this program knows.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be reached or is of a newer relay.
    pub(super) async fn pool(&self, connections: u32) -> Result<AnyPool, StoreError> {
        // A pool tries again for seconds and then doesn't say what was wrong.
        let mut first = self.connect("nearhand-relay").await?;
        check_tables(&mut first).await?;
        first.close().await?;
        let sqlite = self.is_sqlite();
        AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(CONNECT)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if sqlite {
                        connection.execute(PRAGMAS).await?;
                        return Ok(());
                    }
                    connection.execute("SET application_name = 'nearhand-relay'").await?;
                    limit_session(connection).await
                })
            })
            .connect(&self.url)
            .await
            .map_err(StoreError::from)
    }
}

impl core::fmt::Debug for Database {
    /// Without the URL: it may hold a password.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if self.is_sqlite() { "Database(SQLite)" } else { "Database(PostgreSQL)" })
    }
}

async fn limit_session(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    connection.execute(SESSION).await?;
    if let Err(error) = connection.execute(NOTICE_GONE_CLIENTS).await {
        tracing::debug!(%error, "PostgreSQL does not look for clients that are gone on this system");
    }
    Ok(())
}

async fn limit_writer(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    if connection.backend_name() == "SQLite" {
        connection.execute(WRITER_PRAGMAS).await?;
        return Ok(());
    }
    limit_session(connection).await
}

/// The newest change to the tables that this program knows.
fn known_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Refuses tables that a newer relay has changed: this one would misread them.
async fn check_tables(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let is_there = match connection.backend_name() {
        "SQLite" => "SELECT COUNT(*) AS tables FROM sqlite_master WHERE name = '_sqlx_migrations'",
        _ => "SELECT COUNT(to_regclass('_sqlx_migrations')) AS tables",
    };
    if sqlx::query(is_there).fetch_one(&mut *connection).await?.try_get::<i64, _>("tables")? == 0 {
        return Ok(());
    }
    let found: i64 = sqlx::query("SELECT COALESCE(MAX(version), 0) AS newest FROM _sqlx_migrations")
        .fetch_one(&mut *connection)
        .await?
        .try_get("newest")?;
    let known = known_version();
    if found > known { Err(StoreError::Newer { found, known }) } else { Ok(()) }
}

/// The one connection that writes. It is opened again after a failure.
pub(super) struct WriterConnection {
    database: Database,
    /// Names this relay's connections, so that it can end one that the server still believes in.
    name: String,
    connection: Option<AnyConnection>,
}

impl WriterConnection {
    /// Connects, makes sure that no other relay writes, and brings the tables up to date. `instance` is a random number
    /// of this start.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be reached, is damaged or another relay's, or its tables can't be used.
    pub(super) async fn open(database: &Database, instance: u64) -> Result<Self, StoreError> {
        let name = format!("nearhand-relay writer {instance:016x}");
        let mut connection = database.connect(&name).await?;
        if !database.is_sqlite() {
            take_lock(&mut connection, &name).await?;
        }
        check_tables(&mut connection).await?;
        MIGRATIONS.run_direct(None, &mut connection, false).await?;
        limit_writer(&mut connection).await?;
        Ok(Self { database: database.clone(), name, connection: Some(connection) })
    }

    /// The connection; a new one, if the last failed.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be reached, or another relay has taken it over.
    pub(super) async fn ready(&mut self) -> Result<&mut AnyConnection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let mut connection = self.database.connect(&self.name).await?;
                if !self.database.is_sqlite() {
                    take_lock(&mut connection, &self.name).await?;
                }
                limit_writer(&mut connection).await?;
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }

    /// Leaves a connection that does not answer. What it was doing may still come to its end, before the database
    /// notices.
    pub(super) fn abandon(&mut self) {
        self.connection = None;
    }

    /// Ends the connection in order.
    pub(super) async fn close(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        match timeout(GOODBYE, connection.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a connection was not closed in order"),
            Err(_) => tracing::debug!("a connection did not answer when it was closed"),
        }
    }
}

/// Takes the lock of the relay that writes, for as long as the connection lives.
async fn take_lock(connection: &mut AnyConnection, name: &str) -> Result<(), StoreError> {
    for _ in 0..LOCK_TRIES {
        let taken: bool = sqlx::query("SELECT pg_try_advisory_lock($1) AS taken")
            .bind(WRITER_LOCK)
            .fetch_one(&mut *connection)
            .await?
            .try_get("taken")?;
        if taken {
            return Ok(());
        }
        // A connection of our own that broke off, of which the server doesn't know yet.
        sqlx::query(
            "SELECT COUNT(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity \
             WHERE application_name = $1 AND pid <> pg_backend_pid() AND usename = current_user",
        )
        .bind(name.to_owned())
        .fetch_one(&mut *connection)
        .await?;
        sleep(LOCK_PAUSE).await;
    }
    let holder = sqlx::query(
        "SELECT COALESCE(host(a.client_addr), 'the database''s own machine') AS place FROM pg_locks l \
         JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted \
         AND a.application_name LIKE 'nearhand-relay writer %' AND a.datname = current_database() LIMIT 1",
    )
    .fetch_optional(&mut *connection)
    .await?;
    let place = holder.map(|row| row.try_get("place")).transpose()?;
    Err(StoreError::InUse(place.unwrap_or_else(|| "an unknown place".to_owned())))
}
