//! The data directory: what lies where, and that only one relay runs on it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use hkdf::Hkdf;
use nearhand_proto::identity::SecretKey;
use nearhand_transport::platform;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::config::{self, RelayConfig};
use crate::store::Database;

/// The data directory of one relay.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// Names the directory; nothing is read.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it, for its owner only, if there is none.
    ///
    /// # Errors
    /// The directory can't be made, or its rights can't be set.
    pub fn create(&self) -> io::Result<()> {
        platform::create_private_dir(&self.0)
    }

    /// The relay's key.
    pub fn key_file(&self) -> PathBuf {
        self.0.join("relay.key")
    }

    /// The embedded database.
    pub fn database_file(&self) -> PathBuf {
        self.0.join("relay.db")
    }

    /// The configuration that `init` writes.
    pub fn config_file(&self) -> PathBuf {
        self.0.join(config::FILE)
    }

    /// Takes the directory for one program until the lock is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another has it.
    pub fn lock(&self) -> io::Result<DataLock> {
        let file = platform::open_private_append(&self.0.join("lock"))?;
        crate::platform::try_lock(&file)?;
        Ok(DataLock { _file: file })
    }
}

/// While it lives, no other relay uses the directory.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

/// The database that a configuration names.
///
/// # Errors
/// What the system says about the file.
pub fn database(config: &RelayConfig) -> io::Result<Database> {
    match &config.database_url {
        Some(url) => Ok(Database::url(url)),
        None => Database::file(&DataDir::new(config.data()).database_file()),
    }
}

/// As [`database`], of a relay that has run `init`: an embedded database must be there already, since an
/// empty one in its place would be a relay that has forgotten everybody.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] if it is missing or empty, else what the system says about the file.
pub fn existing_database(config: &RelayConfig) -> io::Result<Database> {
    let file = DataDir::new(config.data()).database_file();
    if config.database_url.is_none() && std::fs::metadata(&file).map_or(0, |file| file.len()) == 0 {
        let text = format!("{} is missing or empty: {RESTORE}", file.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    database(config)
}

/// What to do about a database that is lost or damaged.
pub const RESTORE: &str =
    "put a backup back with `nearhand-relay restore` (docs/relay.md, \"Backup and restore\")";

/// Keys for other purposes, derived from the relay's own (HKDF-SHA256, RFC 5869): the same after a restart,
/// so that peers of before are told at once that their connection is gone.
pub fn derived(key: &SecretKey, purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut output = Zeroizing::new([0; 32]);
    let hkdf = Hkdf::<Sha256>::new(Some(b"nearhand relay 1"), key.seed().as_slice());
    // Fails only for outputs above 8,160 bytes.
    let _ = hkdf.expand(purpose.as_bytes(), output.as_mut());
    output
}
