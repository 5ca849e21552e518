//! Where a record is kept: a new file in the person's documents.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

/// Names tried before giving up.
const TRIES: u32 = 100;

/// Writes a new file; its path.
pub(crate) fn keep(text: &str, stamp: &str) -> io::Result<PathBuf> {
    let directory = documents().ok_or_else(|| io::Error::other("there is no home directory"))?;
    for number in 1..=TRIES {
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
    Err(io::Error::other("there are too many records of this time"))
}

/// The person's documents, as their desktop says (xdg-user-dirs), else their home.
fn documents() -> Option<PathBuf> {
    let home = PathBuf::from(std::env::var_os("HOME")?);
    let config = std::env::var_os("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let said = fs::read_to_string(config.join("user-dirs.dirs")).unwrap_or_default();
    let said = said.lines().find_map(|line| line.trim().strip_prefix("XDG_DOCUMENTS_DIR="));
    let said = said.map(|value| value.trim_matches('"')).map(|value| match value.strip_prefix("$HOME/") {
        Some(inside) => home.join(inside),
        None => PathBuf::from(value),
    });
    [said, Some(home.join("Documents")), Some(home)].into_iter().flatten().find(|path| path.is_dir())
}
