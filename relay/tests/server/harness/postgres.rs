//! A real PostgreSQL server for one test.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nearhand_relay::store::{Database, Store};
use sqlx::{AnyConnection, Connection, Row};

/// A throw-away PostgreSQL server on a separate socket.
pub struct PostgresServer {
    server: Option<Child>,
    dir: PathBuf,
    user: Option<(u32, u32)>,
    _keep: tempfile::TempDir,
}

impl PostgresServer {
    /// `None` if it isn't installed here or can't be run by this user.
    fn start() -> Option<Self> {
        let keep = tempfile::tempdir().ok()?;
        let dir = keep.path().join("pg");
        // PostgreSQL refuses to run as root: then as its own user.
        let user = if rustix::process::geteuid().is_root() { Some(postgres_user()?) } else { None };
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(keep.path(), Some(uid), Some(gid)).ok()?;
        }
        let made = as_user("initdb", user)?
            .args(["-A", "trust", "-U", "relay", "--no-sync", "-D"])
            .arg(&dir)
            .stdout(Stdio::null())
            .status();
        if !made.ok()?.success() {
            return None;
        }
        let mut this = Self { server: None, dir, user, _keep: keep };
        this.run()?;
        Some(this)
    }

    /// A running server that takes connections; `None` says, on standard error, why the test is skipped.
    pub async fn ready() -> Option<Self> {
        let Some(this) = Self::start() else {
            eprintln!(
                "skipped: PostgreSQL's initdb and postgres are not installed here, or refuse this user"
            );
            return None;
        };
        this.answers().await;
        Some(this)
    }

    /// Waits until it takes connections.
    pub async fn answers(&self) {
        let start = std::time::Instant::now();
        while let Err(error) = Store::open_for_reading(&self.database()).await {
            assert!(start.elapsed() < std::time::Duration::from_secs(30), "{}", error.in_full());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Starts the server on its directory.
    pub fn run(&mut self) -> Option<()> {
        let mut command = as_user("postgres", self.user)?;
        command.args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"]).arg(&self.dir);
        self.server = Some(command.arg("-D").arg(&self.dir).stderr(Stdio::null()).spawn().ok()?);
        Some(())
    }

    /// Kills it, as a crash of its machine would.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
        // The next one starts only where the last one's processes are gone.
        let _ = std::fs::remove_file(self.dir.join("postmaster.pid"));
    }

    pub fn database(&self) -> Database {
        Database::url(&self.url())
    }

    /// A session of somebody else.
    pub async fn session(&self) -> AnyConnection {
        AnyConnection::connect(&self.url()).await.unwrap()
    }

    /// The server's process for the relay's writing connection.
    pub async fn writer(&self) -> Option<i32> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'nearhand-relay writer %'";
        let row = sqlx::query(sql).fetch_optional(&mut self.session().await).await.unwrap()?;
        Some(row.get("pid"))
    }

    pub fn url(&self) -> String {
        let host = self.dir.display().to_string().replace('/', "%2F");
        format!("postgres://relay@{host}/postgres")
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn as_user(name: &str, user: Option<(u32, u32)>) -> Option<Command> {
    let mut command = Command::new(tool(name)?);
    command.current_dir("/");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    Some(command)
}

/// User and group of the system's `postgres`.
fn postgres_user() -> Option<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn tool(name: &str) -> Option<PathBuf> {
    let fixed = (13..=18).rev().map(|v| PathBuf::from(format!("/usr/lib/postgresql/{v}/bin")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(fixed).map(|dir: PathBuf| dir.join(name)).find(|f| Path::is_file(f))
}
