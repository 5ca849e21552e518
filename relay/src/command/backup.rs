//! `nearhand-relay backup`: a copy of the database as of one moment, and of the key.

use std::path::Path;

use anyhow::{Context, bail};
use nearhand_transport::platform;

use crate::config::RelayConfig;
use crate::data::{self, DataDir};
use crate::store::Store;

pub(super) async fn backup(config: &RelayConfig, file: &Path) -> anyhow::Result<()> {
    if config.database_url.is_some() {
        bail!("the database is PostgreSQL: back it up with pg_dump, and copy {}", key_file(config).display());
    }
    let mut key_copy = file.as_os_str().to_owned();
    key_copy.push(".key");
    let key_copy = Path::new(&key_copy);
    if file.exists() || key_copy.exists() {
        bail!("{} or {} exists: choose another name", file.display(), key_copy.display());
    }
    let Some(target) = file.to_str() else { bail!("the name of the copy must be valid UTF-8") };
    // Made first, so that SQLite writes into a file that only its owner can read.
    drop(platform::open_private_append(file).with_context(|| format!("can't make {}", file.display()))?);
    let reader = Store::open_for_reading(&data::existing_database(config)?).await?;
    reader.copy_into(target).await.context("can't copy the database")?;
    let key = std::fs::read(key_file(config)).context("can't read the relay's key")?;
    platform::write_private(key_copy, &key).context("can't copy the relay's key")?;
    println!("Database: {}", file.display());
    println!("Key:      {}", key_copy.display());
    println!("Together they are the relay: keep them where only you can read them.");
    Ok(())
}

fn key_file(config: &RelayConfig) -> std::path::PathBuf {
    DataDir::new(config.data()).key_file()
}
