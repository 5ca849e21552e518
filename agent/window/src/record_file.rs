//! Saves a session's record as a new file among the person's documents.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use nearhand_proto::time::UnixMillis;

use crate::model::phrases;

/// How many file names to try.
const MAX_TRIES: u32 = 100;

/// Writes the record to a new file named after the time, and returns its path.
///
/// # Errors
/// Where there is no home directory, or the directory takes no new file.
pub(crate) fn save(text: &str, offset: time::UtcOffset) -> io::Result<PathBuf> {
    let now = UnixMillis::from_system(std::time::SystemTime::now());
    let stamp = phrases::date_and_time(now, offset).replace(' ', "-").replace(':', "");
    let directory = documents_directory().ok_or_else(|| io::Error::other("there is no home directory"))?;
    for number in 1..=MAX_TRIES {
        let name = match number {
            1 => format!("nearhand-{stamp}.txt"),
            _ => format!("nearhand-{stamp}-{number}.txt"),
        };
        let path = directory.join(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("there are already {MAX_TRIES} records of this minute")))
}

/// The person's documents directory, as the desktop names it (xdg-user-dirs), else their home.
fn documents_directory() -> Option<PathBuf> {
    let home = PathBuf::from(std::env::var_os("HOME")?);
    let config = std::env::var_os("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let configured = fs::read_to_string(config.join("user-dirs.dirs")).unwrap_or_default();
    let configured = configured.lines().find_map(|line| line.trim().strip_prefix("XDG_DOCUMENTS_DIR="));
    let configured =
        configured.map(|value| value.trim_matches('"')).map(|value| match value.strip_prefix("$HOME/") {
            Some(inside) => home.join(inside),
            None => PathBuf::from(value),
        });
    [configured, Some(home.join("Documents")), Some(home)].into_iter().flatten().find(|path| path.is_dir())
}
