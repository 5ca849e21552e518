//! `nearhand-relay backup`: database, key, configuration and the files that it names, as of one moment, in one file.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, bail, ensure};
use nearhand_proto::time::UnixMillis;
use nearhand_transport::platform;
use zeroize::Zeroizing;

use super::{audit, inputs};
use crate::backup::{self, BackupList, BackupPlace, BackupSource, Unfinished};
use crate::config::RelayConfig;
use crate::data::{self, DataDir};
use crate::store::{Database, Store};

/// Largest file next to the database, in bytes.
const MAX_FILE: u64 = 1 << 20;

pub(super) async fn backup(config: &RelayConfig, file: &Path) -> anyhow::Result<()> {
    ensure!(!file.exists(), "{} exists: choose another name", file.display());
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let inside = |path: &Path| path.canonicalize().with_context(|| format!("can't find {}", path.display()));
    if inside(directory)?.starts_with(inside(config.data())?) {
        bail!("{} is in the relay's own directory: a backup belongs on another disk", file.display());
    }
    let key = inputs::load_key(config)?.public();
    let mut sources = vec![
        small("relay.toml", BackupPlace::Configuration, &config.file)?,
        small("relay.key", BackupPlace::Key, &DataDir::new(config.data()).key_file())?,
    ];
    for (number, named) in config.named_files().into_iter().enumerate() {
        let name = format!("files/{number:03}");
        sources.push(small(&name, BackupPlace::Named(named.clone()), &config.data().join(named))?);
    }
    // Next to the backup: there is room for it, and it is gone at the end.
    let copy = Unfinished::new(beside(file, ".database"));
    let mut audit_rows = None;
    if config.database_url.is_none() {
        audit_rows = Some(copy_database(config, copy.path()).await?);
        let database = BackupSource::File(copy.path().to_owned());
        sources.push(("relay.db".to_owned(), BackupPlace::Database, database));
    }
    let part = Unfinished::new(beside(file, ".part"));
    let made = UnixMillis::from_system(SystemTime::now()).to_string();
    let mut written = platform::create_private(part.path())
        .with_context(|| format!("can't make {}", part.path().display()))?;
    let list = backup::write(&mut written, made, key.to_string(), audit_rows, &sources)?;
    drop(written);
    // What is on the disk counts, not what was meant to be written.
    let mut again = std::fs::File::open(part.path())?;
    let found =
        backup::read(&mut again, |_| Ok(None)).context("the backup was not written as it should be")?;
    ensure!(found == list, "the backup was not written as it should be");
    part.finish(file).with_context(|| format!("can't make {}", file.display()))?;
    println!("{} is complete and was verified:", file.display());
    tell(&list);
    if config.database_url.is_some() {
        println!("The database is PostgreSQL and is NOT in it: make a copy with pg_dump at the same time.");
    }
    println!("It is the relay: keep it where only you can read it.");
    Ok(())
}

/// Says what a backup holds.
pub(super) fn tell(list: &BackupList) {
    println!("  of the relay {}, made {} by version {}", list.relay, list.made, list.version);
    for file in &list.files {
        let what = match &file.place {
            BackupPlace::Configuration => "the configuration".to_owned(),
            BackupPlace::Key => "the relay's key".to_owned(),
            BackupPlace::Database => match list.audit_rows {
                Some(rows) => format!("the database, with {rows} rows of the audit log"),
                None => "the database".to_owned(),
            },
            BackupPlace::Named(path) => format!("{}, which the configuration names", path.display()),
        };
        println!("  {what} ({} bytes)", file.bytes);
    }
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn small(name: &str, place: BackupPlace, path: &Path) -> anyhow::Result<(String, BackupPlace, BackupSource)> {
    let length = std::fs::metadata(path).with_context(|| format!("can't read {}", path.display()))?.len();
    ensure!(length <= MAX_FILE, "{} has {length} bytes: more than {MAX_FILE} are no secret", path.display());
    let bytes = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    Ok((name.to_owned(), place, BackupSource::Bytes(Zeroizing::new(bytes))))
}

/// A copy of the database as of one moment, checked. Returns the rows of its audit log.
async fn copy_database(config: &RelayConfig, copy: &Path) -> anyhow::Result<u64> {
    let Some(target) = copy.to_str() else { bail!("the name of the backup must be valid UTF-8") };
    // Made first, so that SQLite writes into a file that only its owner can read.
    drop(platform::create_private(copy).with_context(|| format!("can't make {}", copy.display()))?);
    let reader = Store::open_for_reading(&data::existing_database(config)?).await?;
    reader.copy_into(target).await.context("can't copy the database")?;
    reader.close().await;
    check_database(copy, &inputs::load_key(config)?.public()).await
}

/// Whether a database is whole, and its audit log as it was written. Returns the log's rows.
pub(super) async fn check_database(
    file: &Path,
    key: &nearhand_proto::identity::PublicKey,
) -> anyhow::Result<u64> {
    let reader = Store::open_for_reading(&Database::file(file)?).await?;
    let damage = reader.damage().await?;
    ensure!(damage.is_none(), "the database is damaged: {}", damage.unwrap_or_default());
    let head = audit::verified_head(&reader, *key).await?;
    reader.close().await;
    Ok(head.number)
}
