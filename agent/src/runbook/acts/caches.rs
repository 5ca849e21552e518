//! Clearing: old regular files below fixed directories, and nothing else.
//!
//! Directories are entered one by one by descriptor, never through a symbolic link and never onto another file system;
//! a file is looked at and removed relative to the directory that holds it, so that nobody can lead the walk elsewhere
//! by moving things meanwhile.
//!
//! A file that somebody needs now stays, however old it looks: one that a program has open or mapped, and the small files by
//! which programs lock things (`.X0-lock`, `lock`, `*.pid`), which are closed as soon as they are written.

use std::collections::HashSet;
use std::ffi::CStr;
use std::io::BufRead;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};
use std::time::{Duration, Instant, SystemTime};

use nearhand_agent_core::gate::ClearAge;

use nearhand_proto::runbook::ParameterValues;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, StatxFlags, fstat, openat, statat, unlinkat,
};
use rustix::io::Errno;

use super::context::{ActContext, ActError, ActResult, StopFlag, number, text};

/// What is cleared unless the owner names something else.
const DIRECTORIES: [&str; 3] = ["/tmp", "/var/tmp", "/var/cache/apt/archives"];
/// Directories that hold what programs of this very moment need, by the beginning of their names.
const NOT_ENTERED: [&str; 6] =
    ["systemd-private-", "snap-private-tmp", ".X11-unix", ".ICE-unix", ".font-unix", ".XIM-unix"];
/// Deepest directory below a root.
const DEEPEST: usize = 48;
/// Most entries that are looked at in one run.
const MOST_ENTRIES: u64 = 2_000_000;

/// What is to be removed.
#[derive(Clone, Debug)]
struct CacheSelection {
    roots: Vec<String>,
    /// Only on the file system that is mounted here.
    on: Option<String>,
    /// Used before this, in seconds since 1970.
    before: i64,
    /// What of a file counts as use.
    age: ClearAge,
    /// At most this many bytes.
    bytes: u64,
}

/// What was found, or removed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct CacheTotal {
    files: u64,
    bytes: u64,
    /// Entries that were looked at.
    seen: u64,
    /// Could not be read or removed.
    failed: u64,
    /// Old, but open in a program, or a lock.
    in_use: u64,
    /// Directories that are where they should be.
    roots: u64,
}

impl CacheTotal {
    fn in_words(self) -> String {
        let failed =
            if self.failed > 0 { format!("; {} could not be reached", self.failed) } else { String::new() };
        let in_use =
            if self.in_use > 0 { format!("; {} are in use and stay", self.in_use) } else { String::new() };
        format!("{} old files of {} bytes{in_use}{failed}", self.files, self.bytes)
    }
}

fn wanted(ground: &ActContext, values: &ParameterValues) -> CacheSelection {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let before = now.saturating_sub(number(values, "older-than").saturating_mul(3600));
    let on = text(values, "on");
    CacheSelection {
        roots: match &ground.rules.clear {
            Some(roots) => roots.clone(),
            None => DIRECTORIES.iter().map(|root| (*root).to_owned()).collect(),
        },
        on: (!on.is_empty()).then(|| on.to_owned()),
        before: i64::try_from(before).unwrap_or(i64::MAX),
        age: ground.rules.clear_age,
        bytes: number(values, "at-most").saturating_mul(1_000_000),
    }
}

/// What there is to be removed.
pub(super) async fn look(ground: &ActContext, values: &ParameterValues) -> ActResult {
    let sum = walk(ground, values, false).await?;
    match (sum.roots, sum.files) {
        (0, _) => Err(ActError::Nothing(match text(values, "on") {
            "" => "none of the directories that may be cleared is here".to_owned(),
            on => format!("nothing that may be cleared is on {on}"),
        })),
        (_, 0) => Err(ActError::Nothing("there is no file that is old enough".to_owned())),
        _ => Ok(sum.in_words()),
    }
}

/// Removes the old files of the caches.
pub(super) async fn clear(ground: &ActContext, values: &ParameterValues) -> ActResult {
    let sum = walk(ground, values, true).await?;
    Ok(format!("removed {}", sum.in_words()))
}

/// How much room there is afterwards.
pub(super) async fn room(ground: &ActContext, values: &ParameterValues) -> ActResult {
    let wanted = wanted(ground, values);
    let place = wanted.on.or_else(|| wanted.roots.into_iter().find(|root| Path::new(root).is_dir()));
    let Some(place) = place else { return Ok("the directories are gone".to_owned()) };
    let free = tokio::task::spawn_blocking(move || {
        let stat = rustix::fs::statvfs(&place).ok()?;
        Some((stat.f_bavail.saturating_mul(stat.f_frsize), place))
    });
    match free.await.ok().flatten() {
        Some((free, place)) => Ok(format!("{free} bytes are free on {place}")),
        None => Ok("how much is free is not known".to_owned()),
    }
}

/// A disk that hangs must not keep the agent: the walk runs on a separate thread, which stops when it is told to.
async fn walk(ground: &ActContext, values: &ParameterValues, remove: bool) -> Result<CacheTotal, ActError> {
    let (wanted, stop) = (wanted(ground, values), ground.stop.clone());
    let walk = tokio::task::spawn_blocking(move || walk_all(&wanted, remove, &stop));
    walk.await.map_err(|_| ActError::Failed("the walk through the directories broke".to_owned()))
}

fn walk_all(wanted: &CacheSelection, remove: bool, stop: &StopFlag) -> CacheTotal {
    let mut sum = CacheTotal::default();
    let device = match &wanted.on {
        None => None,
        Some(on) => match plain_directory(Path::new(on)).and_then(fstat) {
            Ok(stat) => Some(stat.st_dev),
            Err(_) => return sum,
        },
    };
    for root in &wanted.roots {
        let opened = plain_directory(Path::new(root)).and_then(|fd| Ok((fstat(&fd)?, fd)));
        let Ok((stat, fd)) = opened else { continue };
        if device.is_some_and(|device| device != stat.st_dev) {
            continue;
        }
        sum.roots += 1;
        let open = OpenFiles::now();
        let mut walk = CacheWalk { wanted, device: stat.st_dev, remove, stop, sum, open };
        walk.directory(&fd, 0);
        sum = walk.sum;
    }
    sum
}

/// A directory, entered from the root without following any symbolic link.
fn plain_directory(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut fd = openat(CWD, "/", flags, Mode::empty())?;
    for part in path.components() {
        match part {
            Component::RootDir => {}
            Component::Normal(name) => fd = openat(&fd, name, flags, Mode::empty())?,
            _ => return Err(Errno::INVAL),
        }
    }
    Ok(fd)
}

struct CacheWalk<'a> {
    wanted: &'a CacheSelection,
    /// The file system that it stays on.
    device: rustix::fs::Dev,
    remove: bool,
    stop: &'a StopFlag,
    sum: CacheTotal,
    open: OpenFiles,
}

impl CacheWalk<'_> {
    fn is_over(&self) -> bool {
        self.stop.is_set() || self.sum.seen >= MOST_ENTRIES || self.sum.bytes >= self.wanted.bytes
    }

    fn directory(&mut self, fd: &OwnedFd, depth: usize) {
        let Ok(entries) = Dir::read_from(fd) else {
            self.sum.failed += 1;
            return;
        };
        for entry in entries {
            if self.is_over() {
                return;
            }
            let Ok(entry) = entry else {
                self.sum.failed += 1;
                return;
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.sum.seen += 1;
            match statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => self.entry(fd, name, &stat, depth),
                // Gone meanwhile.
                Err(Errno::NOENT) => {}
                Err(_) => self.sum.failed += 1,
            }
        }
    }

    fn entry(&mut self, fd: &OwnedFd, name: &CStr, stat: &Stat, depth: usize) {
        if stat.st_dev != self.device {
            return;
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let kept = NOT_ENTERED.iter().any(|begin| name.to_bytes().starts_with(begin.as_bytes()));
                if depth >= DEEPEST || kept {
                    return;
                }
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let Ok(below) = openat(fd, name, flags, Mode::empty()) else {
                    self.sum.failed += 1;
                    return;
                };
                // What was opened, and not what was looked at, has to be on this file system.
                if fstat(&below).is_ok_and(|stat| stat.st_dev == self.device) {
                    self.directory(&below, depth + 1);
                }
            }
            FileType::RegularFile => self.file(fd, name, stat),
            _ => {}
        }
    }

    fn file(&mut self, fd: &OwnedFd, name: &CStr, stat: &Stat) {
        let content = stat.st_mtime.max(stat.st_atime);
        let used = match self.wanted.age {
            ClearAge::Content => content,
            // A copy or an unpacked archive keeps the old times; when it came here only this one tells.
            ClearAge::File => content.max(stat.st_ctime),
        };
        // A file with another name elsewhere is wanted there, and removing it here frees nothing.
        if used >= self.wanted.before || stat.st_nlink > 1 {
            return;
        }
        let bytes = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
        if self.sum.bytes.saturating_add(bytes) > self.wanted.bytes {
            return;
        }
        if is_lock(name) || self.open.has(stat) {
            self.sum.in_use += 1;
            return;
        }
        if self.remove && unlinkat(fd.as_fd(), name, AtFlags::empty()).is_err() {
            self.sum.failed += 1;
            return;
        }
        self.sum.files += 1;
        self.sum.bytes = self.sum.bytes.saturating_add(bytes);
    }
}

/// Whether a file is there to lock something, by its name: an X server's `.X0-lock`, `.s.PGSQL.5432.lock`, apt's `lock`,
/// `x.pid`, LibreOffice's `.~lock.x#`. Its program runs, and has it closed.
fn is_lock(name: &CStr) -> bool {
    let name = name.to_bytes();
    let ends = [&b"-lock"[..], b".lock", b".lck", b".pid"];
    name == b"lock" || name.starts_with(b".~lock.") || ends.iter().any(|end| name.ends_with(end))
}

/// Files that programs have open or mapped.
struct OpenFiles {
    files: HashSet<(u64, u64)>,
    seen_at: Instant,
}

impl OpenFiles {
    /// How long it is known what is open. Looking takes some milliseconds.
    const KNOWN_FOR: Duration = Duration::from_secs(2);

    fn now() -> Self {
        let mut files = HashSet::new();
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            if process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
                Self::of_process(&process.path(), &mut files);
            }
        }
        Self { files, seen_at: Instant::now() }
    }

    /// Those of one process; of others' processes that can't be read there are none, and their files can't be removed.
    fn of_process(process: &Path, files: &mut HashSet<(u64, u64)>) {
        for fd in std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten() {
            // A file on a disk that hangs is not asked for: what is known of it will do.
            let known = AtFlags::STATX_DONT_SYNC;
            let Ok(of) = rustix::fs::statx(CWD, fd.path(), known, StatxFlags::INO | StatxFlags::TYPE) else {
                continue;
            };
            files.insert((rustix::fs::makedev(of.stx_dev_major, of.stx_dev_minor), of.stx_ino));
        }
        let maps = std::fs::File::open(process.join("maps"));
        let lines =
            maps.into_iter().flat_map(|maps| std::io::BufReader::new(maps).lines().map_while(Result::ok));
        files.extend(lines.filter_map(|line| mapped(&line)));
    }

    fn has(&mut self, stat: &Stat) -> bool {
        if self.seen_at.elapsed() > Self::KNOWN_FOR {
            *self = Self::now();
        }
        self.files.contains(&(stat.st_dev, stat.st_ino))
    }
}

/// Device and inode of a line of `/proc/PID/maps`: `7f00-7f01 r-xp 00000000 08:01 1234 /lib/x`.
fn mapped(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_ascii_whitespace().skip(3);
    let (device, inode) = (words.next()?, words.next()?.parse::<u64>().ok()?);
    let (major, minor) = device.split_once(':')?;
    let part = |text| u32::from_str_radix(text, 16).ok();
    (inode > 0).then_some((rustix::fs::makedev(part(major)?, part(minor)?), inode))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn old(path: &Path, bytes: usize) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![1; bytes]).unwrap();
        let before = SystemTime::now() - 10 * DAY;
        let times = fs::FileTimes::new().set_modified(before).set_accessed(before);
        fs::File::options().write(true).open(path).unwrap().set_times(times).unwrap();
    }

    fn wanted(root: &Path) -> CacheSelection {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        CacheSelection {
            roots: vec![root.display().to_string()],
            on: None,
            before: i64::try_from(now).unwrap() - 7 * 24 * 3600,
            age: ClearAge::Content,
            bytes: u64::MAX,
        }
    }

    #[test]
    fn only_old_regular_files_go_and_nothing_that_a_link_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
        old(&root.join("a"), 5000);
        old(&root.join("deep/er/b"), 10);
        old(&outside.join("secret"), 10);
        fs::write(root.join("new"), "x").unwrap();
        symlink(&outside, root.join("way-out")).unwrap();
        symlink(outside.join("secret"), root.join("file-link")).unwrap();
        old(&root.join("systemd-private-1/x"), 10);
        old(&root.join("linked"), 10);
        fs::hard_link(root.join("linked"), outside.join("other-name")).unwrap();
        let pipe = root.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let stop = StopFlag::default();
        let looked = walk_all(&wanted(&root), false, &stop);
        assert_eq!(looked.files, 2, "{looked:?}");
        assert!(root.join("a").exists(), "looking removes nothing");
        let removed = walk_all(&wanted(&root), true, &stop);
        assert_eq!((removed.files, removed.bytes), (2, looked.bytes));
        assert!(!root.join("a").exists() && !root.join("deep/er/b").exists());
        for kept in ["new", "way-out", "file-link", "systemd-private-1/x", "linked", "pipe", "deep/er"] {
            assert!(fs::symlink_metadata(root.join(kept)).is_ok(), "{kept}");
        }
        assert!(outside.join("secret").exists());
    }

    #[test]
    fn what_was_put_there_lately_stays_however_old_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        old(&root.join("copied"), 10);
        let by_file = CacheSelection { age: ClearAge::File, ..wanted(&root) };
        assert_eq!(walk_all(&by_file, true, &StopFlag::default()).files, 0);
        assert!(root.join("copied").exists());
        // The same a few days later.
        let later = CacheSelection { before: i64::MAX, ..by_file };
        assert_eq!(walk_all(&later, true, &StopFlag::default()).files, 1);
    }

    #[test]
    fn what_is_open_mapped_or_a_lock_stays() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let names = ["open.log", ".X0-lock", ".s.PGSQL.5432.lock", "lock", "app.pid", ".~lock.letter.odt#"];
        for name in names {
            old(&root.join(name), 10);
        }
        old(&root.join("free"), 10);
        old(&root.join("blocks"), 10);
        let open = fs::File::open(root.join("open.log")).unwrap();
        let sum = walk_all(&wanted(&root), true, &StopFlag::default());
        assert_eq!((sum.files, sum.in_use), (2, 6), "{sum:?}");
        assert!(names.iter().all(|name| root.join(name).exists()));
        assert!(sum.in_words().contains("6 are in use and stay"), "{}", sum.in_words());
        drop(open);
        assert_eq!(
            walk_all(&wanted(&root), true, &StopFlag::default()).files,
            1,
            "nobody has it open any more"
        );
        // This test's own program is mapped.
        let program = std::env::current_exe().unwrap();
        let stat = rustix::fs::stat(&program).unwrap();
        assert!(OpenFiles::now().has(&stat));
        assert_eq!(
            mapped("7f00-7f01 r-xp 00000000 08:01 1234 /lib/x"),
            Some((rustix::fs::makedev(8, 1), 1234))
        );
        assert_eq!(mapped("7f00-7f01 rw-p 00000000 00:00 0 [heap]"), None);
    }

    #[test]
    fn a_root_that_is_or_lies_behind_a_link_is_not_entered() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        old(&real.join("sub/a"), 10);
        symlink(&real, dir.path().join("link")).unwrap();
        for root in ["link", "link/sub", "missing", "real/sub/../sub"] {
            let sum = walk_all(&wanted(&dir.path().join(root)), true, &StopFlag::default());
            assert_eq!((sum.roots, sum.files), (0, 0), "{root}");
        }
        assert!(real.join("sub/a").exists());
    }

    #[test]
    fn no_more_is_removed_than_was_said_and_a_stop_is_heard() {
        let dir = tempfile::tempdir().unwrap();
        let root: PathBuf = dir.path().join("root");
        for n in 0..10 {
            old(&root.join(format!("{n}")), 8192);
        }
        let stop = StopFlag::default();
        let few = CacheSelection { bytes: 3 * 8192, ..wanted(&root) };
        assert_eq!(walk_all(&few, true, &stop).files, 3);
        stop.now();
        assert_eq!(walk_all(&wanted(&root), true, &stop).files, 0);
        let elsewhere = CacheSelection { on: Some("/proc".into()), ..wanted(&root) };
        assert_eq!(walk_all(&elsewhere, true, &StopFlag::default()).roots, 0, "another file system");
        let here = CacheSelection { on: Some(root.display().to_string()), ..wanted(&root) };
        assert_eq!(walk_all(&here, true, &StopFlag::default()).files, 7);
    }
}
