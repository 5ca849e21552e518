//! A backup: one file with all that a relay is made of. It is a tar archive that begins with a list of its files and
//! their checksums, so that it can be verified without anything else, and unpacked by hand if it must.
//!
//! Must not live here: which files belong to a relay, and where they go (see `command::backup` and `command::restore`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Name of the list, which comes first.
const LIST: &str = "backup.json";
/// The form of the archive.
const FORMAT: u32 = 1;
/// Longest list, in bytes.
const MAX_LIST: u64 = 4 << 20;
/// Most files.
const MAX_FILES: usize = 1000;

/// Where a file belongs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupPlace {
    /// The configuration.
    Configuration,
    /// The relay's key.
    Key,
    /// The embedded database.
    Database,
    /// A file that the configuration names, as it names it.
    Named(PathBuf),
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFile {
    /// Its name in the archive.
    pub name: String,
    /// Where it belongs.
    pub place: BackupPlace,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupList {
    format: u32,
    /// When it was made.
    pub made: String,
    /// The version of the program that made it.
    pub version: String,
    /// The relay's public key.
    pub relay: String,
    /// Rows of its audit log, if the database is in here.
    pub audit_rows: Option<u64>,
    /// Its files.
    pub files: Vec<BackupFile>,
}

/// Why a backup can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The system says so.
    #[error("the backup can't be read or written")]
    Io(#[from] io::Error),
    /// It is something else, or its beginning is lost.
    #[error("this is no backup of a nearhand-relay: it has no list of its files")]
    NoBackup,
    /// A later version made it.
    #[error(
        "the backup is of a newer nearhand-relay (form {0}, this one knows {FORMAT}): use that version to restore it"
    )]
    Newer(u32),
    /// A file was changed, cut, or replaced.
    #[error("the backup is damaged: {0} is not as it was written")]
    Damaged(String),
    /// A file is missing.
    #[error("the backup is damaged: {0} is missing")]
    Missing(String),
}

/// What goes into a backup.
pub enum BackupSource {
    /// A small file, in memory.
    Bytes(Zeroizing<Vec<u8>>),
    /// A large one.
    File(PathBuf),
}

fn checksum(mut from: impl Read) -> io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let bytes = io::copy(&mut from, &mut HashWriter(&mut hash))?;
    Ok((bytes, HEXLOWER.encode(&hash.finalize())))
}

/// What is written is hashed.
struct HashWriter<'a>(&'a mut Sha256);

impl Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BackupSource {
    fn checksum(&self) -> io::Result<(u64, String)> {
        match self {
            Self::Bytes(bytes) => checksum(bytes.as_slice()),
            Self::File(path) => checksum(File::open(path)?),
        }
    }
}

fn header(bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes);
    header.set_mode(0o600);
    header
}

/// Writes a backup into an empty file.
///
/// # Errors
/// [`BackupError::Io`]: a file can't be read, or the backup can't be written.
pub fn write(
    into: &mut File,
    made: String,
    relay: String,
    audit_rows: Option<u64>,
    sources: &[(String, BackupPlace, BackupSource)],
) -> Result<BackupList, BackupError> {
    let mut files = Vec::with_capacity(sources.len());
    for (name, place, source) in sources {
        let (bytes, sha256) = source.checksum()?;
        files.push(BackupFile { name: name.clone(), place: place.clone(), bytes, sha256 });
    }
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let list = BackupList { format: FORMAT, made, version, relay, audit_rows, files };
    let text = serde_json::to_vec_pretty(&list).map_err(io::Error::other)?;
    let mut archive = tar::Builder::new(&mut *into);
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    archive.append_data(&mut header(length), LIST, text.as_slice())?;
    for ((name, _, source), file) in sources.iter().zip(&list.files) {
        let mut header = header(file.bytes);
        match source {
            BackupSource::Bytes(bytes) => archive.append_data(&mut header, name, bytes.as_slice())?,
            BackupSource::File(path) => archive.append_data(&mut header, name, File::open(path)?)?,
        }
    }
    archive.finish()?;
    drop(archive);
    into.sync_all()?;
    Ok(list)
}

/// Reads a backup from its beginning and compares each file with the list. `each` is given a file's place and where it is
/// to be copied to, if anywhere.
///
/// # Errors
/// [`BackupError`]: it can't be read, is no backup, or is not as it was written; or `each` has failed.
pub fn read(
    from: &mut File,
    mut each: impl FnMut(&BackupFile) -> io::Result<Option<File>>,
) -> Result<BackupList, BackupError> {
    from.seek(SeekFrom::Start(0))?;
    let mut archive = tar::Archive::new(&mut *from);
    let mut entries = archive.entries().map_err(|_| BackupError::NoBackup)?;
    let first = entries.next().ok_or(BackupError::NoBackup)?.map_err(|_| BackupError::NoBackup)?;
    if first.path_bytes().as_ref() != LIST.as_bytes() || first.size() > MAX_LIST {
        return Err(BackupError::NoBackup);
    }
    let list: BackupList =
        serde_json::from_reader(first).map_err(|_| BackupError::Damaged(LIST.to_owned()))?;
    if list.format > FORMAT {
        return Err(BackupError::Newer(list.format));
    }
    let mut left: BTreeMap<&str, &BackupFile> =
        list.files.iter().take(MAX_FILES).map(|file| (file.name.as_str(), file)).collect();
    for entry in entries {
        let mut entry = entry.map_err(|_| BackupError::Damaged("its end".to_owned()))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let damaged = || BackupError::Damaged(name.clone());
        let file = left.remove(name.as_str()).ok_or_else(damaged)?;
        if entry.size() != file.bytes {
            return Err(damaged());
        }
        let mut hash = Sha256::new();
        let mut target = each(file)?;
        let mut buffer = Zeroizing::new(vec![0; 64 * 1024]);
        loop {
            let count = entry.read(&mut buffer).map_err(|_| damaged())?;
            let Some(part) = buffer.get(..count).filter(|part| !part.is_empty()) else { break };
            hash.update(part);
            if let Some(target) = &mut target {
                target.write_all(part)?;
            }
        }
        if HEXLOWER.encode(&hash.finalize()) != file.sha256 {
            return Err(damaged());
        }
        if let Some(target) = target {
            target.sync_all()?;
        }
    }
    let missing = left.into_keys().next().map(str::to_owned);
    match missing {
        Some(name) => Err(BackupError::Missing(name)),
        None => Ok(list),
    }
}

/// A file that is removed again unless it is kept.
pub struct Unfinished(Option<PathBuf>);

impl Unfinished {
    /// For a file that is about to be made.
    pub fn new(path: PathBuf) -> Self {
        Self(Some(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }

    /// Gives the file its name, under which nothing was.
    ///
    /// # Errors
    /// What the system says; the file is removed then.
    pub fn finish(mut self, name: &Path) -> io::Result<()> {
        std::fs::rename(self.path(), name)?;
        self.0 = None;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}
