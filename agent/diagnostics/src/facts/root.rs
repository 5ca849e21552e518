//! Reading small files below a root directory.
//!
//! Lives here: bounded, panic-free reads of files and directories, relative to a root that tests replace.
//! Must not live here: any parsing beyond "a number" and "a line".

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Fact, MissingFact};

/// Most a text file under `/proc`, `/sys` or `/etc` is read. Far above any real one; bounds a hostile one.
const TEXT_LIMIT: u64 = 1024 * 1024;

/// Most entries of a directory that are looked at.
const LIST_LIMIT: usize = 10_000;

/// The directory that stands for `/`.
#[derive(Clone, Debug)]
pub struct SystemRoot(PathBuf);

impl SystemRoot {
    /// Reads below `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The real place of an absolute `path`.
    pub fn place(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// `true` where `path` exists and may be seen.
    pub fn has(&self, path: &str) -> bool {
        self.place(path).exists()
    }

    /// A text file, at most [`TEXT_LIMIT`] bytes; bytes that aren't UTF-8 become U+FFFD.
    pub fn text(&self, path: &str) -> Fact<String> {
        self.text_up_to(path, TEXT_LIMIT)
    }

    /// A text file, at most `limit` bytes; bytes that aren't UTF-8 become U+FFFD.
    pub fn text_up_to(&self, path: &str, limit: u64) -> Fact<String> {
        self.bytes(path, limit).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The first `limit` bytes of a regular or virtual file. Never opens pipes and devices: they could hang.
    pub fn bytes(&self, path: &str, limit: u64) -> Fact<Vec<u8>> {
        let place = self.place(path);
        let kind = fs::metadata(&place).map_err(|error| MissingFact::from_io(path, &error))?;
        if !kind.is_file() {
            return Err(MissingFact::failed(path, "not a regular file"));
        }
        let file = File::open(&place).map_err(|error| MissingFact::from_io(path, &error))?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).map_err(|error| MissingFact::from_io(path, &error))?;
        Ok(bytes)
    }

    /// A file of one line, trimmed; `None` where it is missing, unreadable or empty.
    pub fn line(&self, path: &str) -> Option<String> {
        let text = self.text_up_to(path, 4096).ok()?;
        let line = text.lines().next()?.trim().to_owned();
        (!line.is_empty()).then_some(line)
    }

    /// A file that holds one number; `None` where it doesn't.
    pub fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.line(path)?.parse().ok()
    }

    /// Names in a directory, sorted; bounded.
    pub fn names(&self, path: &str) -> Fact<Vec<String>> {
        let entries = fs::read_dir(self.place(path)).map_err(|error| MissingFact::from_io(path, &error))?;
        let mut names: Vec<String> = entries
            .take(LIST_LIMIT)
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Last part of where a symbolic link points.
    pub fn link_name(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.place(path)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// The absolute path below this root that `place` stands for; `place` itself where it is elsewhere.
    pub fn path_in_it(&self, place: &Path) -> String {
        let base = fs::canonicalize(&self.0).unwrap_or_else(|_| self.0.clone());
        match place.strip_prefix(&base) {
            Ok(rest) => format!("/{}", rest.display()),
            Err(_) => place.display().to_string(),
        }
    }

    /// Seconds since 1970 of the last change of `path`.
    pub fn changed_at(&self, path: &str) -> Option<u64> {
        let changed = fs::metadata(self.place(path)).ok()?.modified().ok()?;
        Some(changed.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
    }
}

impl AsRef<Path> for SystemRoot {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

/// A directory tree for tests: pairs of path and content below a temporary directory.
#[cfg(test)]
pub fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, SystemRoot) {
    let dir = tempfile::tempdir().unwrap();
    let root = SystemRoot::new(dir.path());
    for (path, content) in files {
        let place = root.place(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, content).unwrap();
    }
    (dir, root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_precisely_why_a_file_cannot_be_read() {
        let (_dir, root) = tree(&[("/proc/loadavg", "0.1 0.2 0.3 1/2 3\n")]);
        assert_eq!(root.text("/proc/stat"), Err(MissingFact::Absent("/proc/stat".into())));
        assert!(matches!(root.text("/proc"), Err(MissingFact::Failed { .. })));
        assert_eq!(root.line("/proc/loadavg").as_deref(), Some("0.1 0.2 0.3 1/2 3"));
        assert_eq!(root.number::<u64>("/proc/loadavg"), None);
    }

    #[test]
    fn invalid_utf8_and_huge_files_are_bounded() {
        let (dir, root) = tree(&[]);
        fs::write(dir.path().join("x"), [0xff, b'a', 0xfe]).unwrap();
        assert_eq!(root.text("/x").unwrap(), "\u{fffd}a\u{fffd}");
        fs::write(dir.path().join("big"), vec![b'x'; 9000]).unwrap();
        assert_eq!(root.line("/big").unwrap().len(), 4096);
    }
}
