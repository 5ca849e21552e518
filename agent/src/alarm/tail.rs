//! New lines of log files: read on from where it was, through rotation and truncation.
//!
//! A file is followed by its inode: when the name leads to another one, what is left of the old is read first. Each
//! look reads a bounded amount; a file that grows faster is read later, not lost. Lines are matched and forgotten:
//! no line leaves this module.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use nearhand_rules::rule::{AlarmRule, LogSource};

/// Most that is read of one file at one look, in bytes.
const AT_ONCE: u64 = 1024 * 1024;
/// A longer line is matched by its beginning, in bytes.
const LONGEST_LINE: usize = 64 * 1024;

/// One file, watched for one rule.
#[derive(Debug)]
pub(crate) struct LogTail {
    /// The rule's name.
    pub(crate) rule: String,
    path: String,
    pattern: nearhand_rules::rule::LogPattern,
    open: Option<(File, u64)>,
    position: u64,
    /// A line whose end isn't written yet.
    begun: Vec<u8>,
    /// Where an earlier run was: inode and position.
    before: Option<(u64, u64)>,
    /// Lines that fit and weren't taken yet; `None`: the file wasn't there.
    found: Option<u64>,
}

impl LogTail {
    /// For each rule about a file.
    pub(crate) fn of(rules: &[AlarmRule]) -> Vec<Self> {
        let about = |rule: &AlarmRule| {
            let lines = rule.lines.as_ref()?;
            let LogSource::File(path) = &lines.source else { return None };
            Some(Self {
                rule: rule.name.clone(),
                path: path.clone(),
                pattern: lines.pattern.clone(),
                open: None,
                position: 0,
                begun: Vec::new(),
                before: None,
                found: None,
            })
        };
        rules.iter().filter_map(about).collect()
    }

    /// Where it is: inode and position, for going on after a restart.
    pub(crate) fn place(&self) -> Option<[u8; 16]> {
        let (_, inode) = self.open.as_ref()?;
        let mut bytes = [0; 16];
        let at = self.position.saturating_sub(u64::try_from(self.begun.len()).unwrap_or(0));
        let numbers = inode.to_be_bytes().into_iter().chain(at.to_be_bytes());
        bytes.iter_mut().zip(numbers).for_each(|(to, from)| *to = from);
        Some(bytes)
    }

    /// The file.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Takes the place where an earlier run was, for [`Self::begin`].
    pub(crate) fn resume_at(&mut self, place: Option<&[u8]>) {
        let number = |range: core::ops::Range<usize>| {
            place.and_then(|p| p.get(range)?.try_into().ok()).map(u64::from_be_bytes)
        };
        self.before = number(0..8).zip(number(8..16));
    }

    /// Goes to the end of the file, or to the place where an earlier run was.
    pub(crate) fn begin(&mut self) {
        let before = self.before;
        if let Ok(Some((file, inode, length))) = regular(&self.path) {
            self.position = match before {
                Some((same, at)) if same == inode && at <= length => at,
                // Another file by now: all of it is new.
                Some(_) => 0,
                None => length,
            };
            self.open = Some((file, inode));
        }
    }

    /// Counts new lines that fit, for [`Self::take_found`]: the one who asked for it may have stopped waiting.
    pub(crate) fn look(&mut self) {
        if let Some(count) = self.count() {
            self.found = Some(self.found.unwrap_or(0).saturating_add(count));
        }
    }

    /// How many lines fitted since the last call. `None`: the file isn't there or can't be read.
    pub(crate) fn take_found(&mut self) -> Option<u64> {
        self.found.take()
    }

    fn count(&mut self) -> Option<u64> {
        let mut count = 0;
        let now = regular(&self.path);
        if let Some((mut file, inode)) = self.open.take() {
            count += self.read(&mut file).unwrap_or(0);
            match &now {
                // Rotated: what follows is another file.
                Ok(Some((_, other, _))) if *other != inode => count += self.finish(),
                Ok(Some(_)) => {
                    self.open = Some((file, inode));
                    return Some(count);
                }
                // Moved away, and not made again yet: the old one is read on.
                _ => {
                    self.open = Some((file, inode));
                    return if count > 0 { Some(count) } else { None };
                }
            }
        }
        let (mut file, inode, _) = now.ok()??;
        self.position = 0;
        count += self.read(&mut file).unwrap_or(0);
        self.open = Some((file, inode));
        Some(count)
    }

    fn read(&mut self, file: &mut File) -> io::Result<u64> {
        if file.metadata()?.len() < self.position {
            // Truncated: it begins again.
            self.position = 0;
            self.begun.clear();
        }
        file.seek(SeekFrom::Start(self.position))?;
        let mut bytes = Vec::new();
        let read = file.take(AT_ONCE).read_to_end(&mut bytes)?;
        self.position = self.position.saturating_add(u64::try_from(read).unwrap_or(0));
        let mut count = 0;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LONGEST_LINE.saturating_sub(self.begun.len());
            self.begun.extend(piece.iter().take(room));
            if piece.ends_with(b"\n") {
                count += self.finish();
            }
        }
        Ok(count)
    }

    /// The line is whole.
    fn finish(&mut self) -> u64 {
        let line = core::mem::take(&mut self.begun);
        let line = String::from_utf8_lossy(&line);
        u64::from(!line.is_empty() && self.pattern.is_match(line.trim_end_matches(['\n', '\r'])))
    }
}

/// Opens a regular file; never waits for a pipe or device.
fn regular(path: &str) -> io::Result<Option<(File, u64, u64)>> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let meta = file.metadata()?;
    Ok(meta.is_file().then_some((file, meta.ino(), meta.len())))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use nearhand_proto::alarm::DeviceProfile;
    use nearhand_rules::RuleSet;

    use super::*;

    fn tail(path: &std::path::Path) -> LogTail {
        let text = format!(
            "profile = \"none\"\n[[rule]]\nname = \"x\"\nkind = \"log\"\nfile = \"{}\"\nmatch = \"bad\"\n",
            path.display()
        );
        LogTail::of(&RuleSet::read(&text, DeviceProfile::Server).unwrap().rules).remove(0)
    }

    fn look(tail: &mut LogTail) -> Option<u64> {
        tail.look();
        tail.take_found()
    }

    fn append(path: &std::path::Path, text: &str) {
        OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn new_lines_count_once_through_rotation_and_truncation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, "bad before we came\n");
        let mut tail = tail(&path);
        tail.begin();
        assert_eq!(look(&mut tail), Some(0));
        append(&path, "good\nbad 1\nba");
        assert_eq!(look(&mut tail), Some(1));
        append(&path, "d 2\n");
        assert_eq!(look(&mut tail), Some(1));
        append(&path, "bad 3\n");
        std::fs::rename(&path, dir.path().join("log.1")).unwrap();
        append(&path, "bad 4\nbad 5\n");
        assert_eq!(look(&mut tail), Some(3), "the rest of the old file and the new one");
        File::create(&path).unwrap();
        assert_eq!(look(&mut tail), Some(0));
        append(&path, "bad 6\n");
        assert_eq!(look(&mut tail), Some(1));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(look(&mut tail), None);
        append(&path, "bad 7\n");
        assert_eq!(look(&mut tail), Some(1));
    }

    #[test]
    fn a_restart_goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, "bad 0\n");
        let mut before = tail(&path);
        before.begin();
        append(&path, "bad 1\nba");
        assert_eq!(look(&mut before), Some(1));
        let place = before.place().unwrap();
        append(&path, "d 2\nbad 3\n");
        let mut after = tail(&path);
        after.resume_at(Some(&place));
        after.begin();
        assert_eq!(look(&mut after), Some(2), "the line that was begun counts, too");
    }

    #[test]
    fn what_is_no_file_and_endless_lines_do_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let mut of_dir = tail(dir.path());
        of_dir.begin();
        assert_eq!(look(&mut of_dir), None);
        let path = dir.path().join("long");
        append(&path, "");
        let mut tail = tail(&path);
        tail.begin();
        append(&path, &"x".repeat(3_000_000));
        for _ in 0..4 {
            look(&mut tail);
        }
        assert_eq!(tail.begun.len(), LONGEST_LINE);
        append(&path, "bad\nbad\n");
        assert_eq!(look(&mut tail), Some(1), "the end of the long line is not looked at");
    }
}
