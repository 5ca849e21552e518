//! `nearhand-relay restore`: puts a backup back, where no relay is.

use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail, ensure};
use nearhand_proto::identity::PublicKey;
use nearhand_transport::platform;

use super::backup::{check_database, tell};
use crate::backup::{self, BackupFile, BackupList, BackupPlace, Unfinished};
use crate::config::{self, RelayConfig};
use crate::data::DataDir;

/// Verifies a backup, without anything else.
pub(super) fn check(file: &Path) -> anyhow::Result<()> {
    let list = verified(file)?.1;
    println!("{} is complete and as it was written:", file.display());
    tell(&list);
    Ok(())
}

pub(super) async fn restore(file: &Path, data: &Path, outside: bool) -> anyhow::Result<()> {
    // All of it is read before anything is written.
    let (mut source, list) = verified(file)?;
    let dir = DataDir::new(data);
    if let Some(stranger) = list.files.iter().filter_map(outside_of_data).next()
        && !outside
    {
        // The one who could change the backup could have a file written anywhere.
        bail!(
            "the backup holds files for places outside of the data directory, such as {}: see what they are with --check, then \
             add --outside",
            stranger.display()
        );
    }
    let places = places(&list, &dir)?;
    dir.create().with_context(|| format!("can't make {}", data.display()))?;
    let _lock =
        dir.lock().with_context(|| format!("can't take {}: is a relay running on it?", data.display()))?;
    for parent in places.iter().filter_map(|(_, target)| target.parent()) {
        if parent.starts_with(dir.path()) {
            platform::create_private_dir(parent)
                .with_context(|| format!("can't make {}", parent.display()))?;
        }
    }
    let mut parts: Vec<(Unfinished, PathBuf, BackupPlace)> = Vec::new();
    let unpacked = backup::read(&mut source, |file| {
        let Some(target) = places.iter().find(|(of, _)| of.name == file.name).map(|(_, target)| target)
        else {
            return Ok(None);
        };
        let part = part_of(target);
        let written = platform::create_private(&part)?;
        parts.push((Unfinished::new(part), target.clone(), file.place.clone()));
        Ok::<Option<File>, io::Error>(Some(written))
    });
    ensure!(unpacked? == list, "{} was changed while it was read", file.display());
    let key: PublicKey = list.relay.parse().context("the backup's list holds no valid key")?;
    for (part, _, place) in &parts {
        match place {
            BackupPlace::Database => {
                let rows = check_database(part.path(), &key).await.context("the database in the backup")?;
                ensure!(
                    Some(rows) == list.audit_rows,
                    "the database in the backup has {rows} rows of its audit log"
                );
            }
            BackupPlace::Configuration => configuration(part.path(), &dir)?,
            BackupPlace::Key | BackupPlace::Named(_) => {}
        }
    }
    // The configuration last: it says that the relay is complete.
    parts.sort_by_key(|(_, _, place)| *place == BackupPlace::Configuration);
    for (part, target, _) in parts {
        part.finish(&target).with_context(|| format!("can't make {}", target.display()))?;
        println!("{}", target.display());
    }
    println!("The relay of {} is back, as it was then.", list.made);
    if list.files.iter().all(|file| file.place != BackupPlace::Database) {
        println!("Its database is PostgreSQL: put that back from its own copy before the relay is started.");
    }
    println!(
        "What joined, was revoked or used up since is unknown to it: administrators should run `nearhand sync`. Let the files \
         belong to the service's user, then start it: nearhand-relay run --data {}",
        data.display()
    );
    Ok(())
}

fn verified(file: &Path) -> anyhow::Result<(File, BackupList)> {
    let mut source = File::open(file).with_context(|| format!("can't read {}", file.display()))?;
    let list = backup::read(&mut source, |_| Ok(None)).with_context(|| format!("{}", file.display()))?;
    let key = list.files.iter().filter(|file| file.place == BackupPlace::Key).count();
    let configuration = list.files.iter().filter(|file| file.place == BackupPlace::Configuration).count();
    ensure!((key, configuration) == (1, 1), "{} does not hold a whole relay", file.display());
    Ok((source, list))
}

/// Where a file belongs, if that isn't in the data directory.
fn outside_of_data(file: &BackupFile) -> Option<&Path> {
    let BackupPlace::Named(path) = &file.place else { return None };
    let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    (!inside).then_some(path.as_path())
}

fn part_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".restored");
    PathBuf::from(name)
}

/// Where each file goes. Nothing is overwritten.
fn places(list: &BackupList, dir: &DataDir) -> anyhow::Result<Vec<(BackupFile, PathBuf)>> {
    let mut places = Vec::new();
    let taken: Vec<PathBuf> = [dir.config_file(), dir.key_file(), dir.database_file()]
        .into_iter()
        .filter(|file| file.exists())
        .collect();
    if let Some(file) = taken.first() {
        bail!("{} is there already: a backup is put back into an empty directory", file.display());
    }
    for file in &list.files {
        let target = match &file.place {
            BackupPlace::Configuration => dir.config_file(),
            BackupPlace::Key => dir.key_file(),
            BackupPlace::Database => dir.database_file(),
            BackupPlace::Named(path) => dir.path().join(path),
        };
        ensure!(!target.exists(), "{} is there already: move it away first", target.display());
        // In the data directory, directories are made.
        if let Some(parent) = target.parent()
            && !parent.starts_with(dir.path())
        {
            ensure!(parent.is_dir(), "there is no directory {}: make it first", parent.display());
        }
        places.push((file.clone(), target));
    }
    Ok(places)
}

/// Lets the configuration mean the directory in which it lies now.
fn configuration(file: &Path, dir: &DataDir) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).context("the configuration in the backup")?;
    let mut in_section = false;
    let mut changed = String::with_capacity(text.len());
    for line in text.lines() {
        in_section |= line.trim_start().starts_with('[');
        let is_data =
            line.trim_start().strip_prefix("data").is_some_and(|rest| rest.trim_start().starts_with('='));
        if is_data && !in_section {
            changed.push_str("# Restored: the data directory is the one of this file. Before: ");
        }
        changed.push_str(line);
        changed.push('\n');
    }
    let parsed =
        RelayConfig::parse(&changed, &dir.config_file()).context("the configuration in the backup")?;
    ensure!(
        parsed.data() == dir.path(),
        "the configuration in the backup names the data directory {}: take that line out of {} by hand",
        parsed.data().display(),
        config::FILE
    );
    std::fs::write(file, changed).context("can't write the configuration")
}
