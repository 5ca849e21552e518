//! Mounted file systems: `/proc/self/mountinfo`, `/etc/fstab`, statvfs.
//!
//! Each file system is asked by itself, through [`crate::facts::hang`]: one whose disk or server hangs is named, and the
//! others are judged. What needs no asking (read-only, not mounted) is read from the kernel's own list.

use core::time::Duration;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::mount_table::{self, FstabEntry, MountClass, MountEntry};
use super::pool;
use crate::facts::hang::{HangGuard, Unanswered};
use crate::facts::root::SystemRoot;
use crate::facts::storage::{
    MountedFileSystem, MountedFileSystems, RemoteFileSystem, SilentMount, WriteState,
};
use crate::facts::{CollectContext, Fact};

/// Most file systems that are asked, real disks first.
const ASKED_LIMIT: usize = 1_000;

/// Most bytes of the kernel's list: a machine with many containers has thousands of mounts.
const TABLE_LIMIT: u64 = 16 * 1024 * 1024;

/// Time for all file systems together. What hasn't answered then does not answer: statvfs is told from memory.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Reads the mounted file systems and their room, and asks those of networks whether they answer.
pub(super) fn mounts(context: &CollectContext) -> Fact<MountedFileSystems> {
    measured(context, false, true)
}

/// The same with file systems in memory, which fill up as well (`/run`, `/tmp`, `/dev/shm`), and without those of networks:
/// for reading again and again.
pub(super) fn mounts_and_memory(context: &CollectContext) -> Fact<MountedFileSystems> {
    measured(context, true, false)
}

fn measured(context: &CollectContext, with_memory: bool, with_remote: bool) -> Fact<MountedFileSystems> {
    let root = &context.root;
    let table = mount_table::fstab(&root.text("/etc/fstab").unwrap_or_default());
    let info = root.text_up_to("/proc/self/mountinfo", TABLE_LIMIT)?;
    let entries = mount_table::mounted(&info);
    let mut local = mount_table::local(&entries, with_memory);
    let left_out = local.len().saturating_sub(ASKED_LIMIT);
    local.truncate(ASKED_LIMIT);
    let remote: Vec<&MountEntry> =
        entries.iter().filter(|entry| entry.class() == MountClass::Remote).take(ASKED_LIMIT).collect();
    let asked_remote: Vec<&MountEntry> = remote
        .iter()
        .filter(|entry| with_remote && !mount_table::is_automounted(&info, &entry.target))
        .copied()
        .collect();
    let all = local.iter().map(|(entry, _)| *entry).chain(asked_remote.iter().copied());
    let mut answers = ask(root, &context.hangs, all).into_iter();
    let mut found = MountedFileSystems { left_out, ..MountedFileSystems::default() };
    for (entry, mounts) in local {
        let answer = answers.next().unwrap_or_else(|| Err(Unanswered::NoWorker("no answer".to_owned())));
        found.local.extend(file_system(root, entry, mounts, answer, &table));
    }
    found.remote = remote_of(&remote, &asked_remote, answers);
    name_the_cause(&mut found, &entries);
    found.local = pool::by_pool(&found.local);
    (found.absent, found.untold) = missing(root, &context.hangs, &table, &entries);
    Ok(found)
}

/// Asks the file systems of networks and programs whether they answer, for [`HangGuard::silent`]. Not those that an
/// automounter has mounted: asking would keep them mounted.
///
/// # Errors
/// The kernel's list can't be read.
pub fn ask_remote_mounts(context: &CollectContext) -> Fact<()> {
    let info = context.root.text_up_to("/proc/self/mountinfo", TABLE_LIMIT)?;
    let entries = mount_table::mounted(&info);
    let remote = entries.iter().filter(|entry| entry.class() == MountClass::Remote).take(ASKED_LIMIT);
    let asked = remote.filter(|entry| !mount_table::is_automounted(&info, &entry.target));
    // Only whether there are answers matters, and the guard knows that.
    let _answers = ask(&context.root, &context.hangs, asked);
    Ok(())
}

/// What one file system said.
struct MountAnswer {
    room: Result<rustix::fs::StatVfs, Errno>,
    /// The path is a file: a single one that is mounted over another, for example `/etc/resolv.conf` of a container.
    is_file: bool,
    /// Opening its root fails with an input/output error: the file system has shut itself down (XFS, ext4).
    is_shut_down: bool,
}

fn ask<'a>(
    root: &SystemRoot,
    hangs: &HangGuard,
    entries: impl Iterator<Item = &'a MountEntry>,
) -> Vec<Result<MountAnswer, Unanswered>> {
    let question = |entry: &MountEntry| {
        let place: PathBuf = root.place(&entry.target);
        let opened = entry.class() == MountClass::Disk;
        (entry.target.clone(), move || ask_one(&place, opened))
    };
    hangs.ask_each(PATIENCE, entries.map(question).collect())
}

/// Asks one file system. May hang for as long as its disk or server does.
fn ask_one(place: &std::path::Path, opened: bool) -> MountAnswer {
    let room = rustix::fs::statvfs(place);
    let is_file = std::fs::metadata(place).is_ok_and(|meta| !meta.is_dir());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let is_shut_down = opened && rustix::fs::open(place, flags, Mode::empty()).err() == Some(Errno::IO);
    MountAnswer { room, is_file, is_shut_down }
}

fn file_system(
    root: &SystemRoot,
    entry: &MountEntry,
    mounts: usize,
    answer: Result<MountAnswer, Unanswered>,
    table: &[FstabEntry],
) -> Option<MountedFileSystem> {
    let errors = pool::kernel_name(root, &entry.device)
        .and_then(|name| root.number::<u64>(&format!("/sys/fs/ext4/{name}/errors_count")));
    let mut mount = MountedFileSystem {
        target: entry.target.clone(),
        device: entry.device.clone(),
        kind: entry.kind.clone(),
        writing: mount_table::write_state(entry, table, errors),
        shared_by: mounts.saturating_sub(1),
        ..MountedFileSystem::default()
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => {
            mount.silent = Some(silence(&why));
            return Some(mount);
        }
    };
    if answer.is_file && entry.root != "/" {
        return None;
    }
    let shut_down = answer.is_shut_down || answer.room.as_ref().err() == Some(&Errno::IO);
    if shut_down && !matches!(mount.writing, WriteState::StoppedByErrors(_)) {
        mount.writing = WriteState::StoppedByErrors("opening it fails with an input/output error".to_owned());
    }
    match answer.room {
        Ok(room) => {
            mount.size = room.f_blocks.saturating_mul(room.f_frsize);
            mount.available = room.f_bavail.saturating_mul(room.f_frsize);
            mount.used = room.f_blocks.saturating_sub(room.f_bfree).saturating_mul(room.f_frsize);
            mount.inodes = room.f_files;
            mount.inodes_free = room.f_ffree;
        }
        // A dead FUSE program, a pulled disk: it answers, but with an error.
        Err(error) if matches!(error, Errno::NOTCONN | Errno::IO | Errno::STALE | Errno::NODEV) => {
            let why = format!("answers with an error: {error}");
            mount.silent = Some(SilentMount { why, hangs: false, below: None });
        }
        // Not to be seen by this user: others of the machine can tell.
        Err(_) => return None,
    }
    if entry.kind == "btrfs" {
        mount.btrfs = pool::btrfs(root, &entry.device);
    }
    // Size 0 is one of the kernel's own, or of a file system without room.
    (mount.size > 0 || mount.silent.is_some()).then_some(mount)
}

fn silence(why: &Unanswered) -> SilentMount {
    SilentMount { why: why.to_string(), hangs: matches!(why, Unanswered::Silent(_)), below: None }
}

fn remote_of(
    remote: &[&MountEntry],
    asked: &[&MountEntry],
    answers: impl Iterator<Item = Result<MountAnswer, Unanswered>>,
) -> Vec<RemoteFileSystem> {
    let mut silent: Vec<(&str, SilentMount)> = Vec::new();
    for (entry, answer) in asked.iter().zip(answers) {
        match answer {
            Err(why) => silent.push((&entry.target, silence(&why))),
            Ok(MountAnswer { room: Err(error), .. })
                if matches!(error, Errno::NOTCONN | Errno::IO | Errno::STALE | Errno::TIMEDOUT) =>
            {
                let why = format!("answers with an error: {error}");
                silent.push((&entry.target, SilentMount { why, hangs: false, below: None }));
            }
            Ok(_) => {}
        }
    }
    let of = |entry: &&MountEntry| RemoteFileSystem {
        target: entry.target.clone(),
        kind: entry.kind.clone(),
        silent: silent.iter().find(|(target, _)| *target == entry.target).map(|(_, why)| why.clone()),
    };
    remote.iter().map(of).collect()
}

/// A mount whose path leads through another that hangs can't be asked either: the other one is the cause.
fn name_the_cause(found: &mut MountedFileSystems, entries: &[MountEntry]) {
    let hanging: Vec<String> = found
        .local
        .iter()
        .map(|mount| (&mount.target, &mount.silent))
        .chain(found.remote.iter().map(|mount| (&mount.target, &mount.silent)))
        .filter(|(_, silent)| silent.as_ref().is_some_and(|silent| silent.hangs))
        .map(|(target, _)| target.clone())
        .collect();
    let hanging: Vec<&str> = hanging.iter().map(String::as_str).collect();
    for mount in &mut found.local {
        if let Some(silent) = &mut mount.silent {
            silent.below = mount_table::above(entries, &mount.target, &hanging).map(str::to_owned);
        }
    }
}

/// What the table wants and isn't mounted, and what can't be told.
fn missing(
    root: &SystemRoot,
    hangs: &HangGuard,
    table: &[FstabEntry],
    entries: &[MountEntry],
) -> (Vec<String>, Vec<(String, String)>) {
    let is_mounted = |target: &str| entries.iter().any(|entry| entry.target == target);
    let open: Vec<&FstabEntry> =
        table.iter().filter(|line| line.automatic && !is_mounted(&line.target)).collect();
    // The kernel shows where a symbolic link leads to. Following it may hang, like everything about a path.
    let question = |line: &&FstabEntry| {
        let place = root.place(&line.target);
        (format!("the path {}", line.target), move || std::fs::canonicalize(place).ok())
    };
    let leads_to = hangs.ask_each(PATIENCE, open.iter().map(question).collect());
    let (mut absent, mut untold) = (Vec::new(), Vec::new());
    for (line, leads_to) in open.into_iter().zip(leads_to) {
        match leads_to {
            Ok(Some(path)) if is_mounted(&root.path_in_it(&path)) => {}
            Ok(_) => absent.push(line.written.clone()),
            Err(why) => untold.push((line.written.clone(), why.to_string())),
        }
    }
    (absent, untold)
}

#[cfg(test)]
mod tests {
    use nearhand_proto::time::UnixMillis;

    use super::*;
    use crate::facts::child::SystemPrograms;
    use crate::facts::probe::ProbeTargets;
    use crate::facts::root::tree;

    fn context(root: &SystemRoot) -> CollectContext {
        CollectContext {
            root: root.clone(),
            programs: SystemPrograms::default(),
            targets: ProbeTargets::default(),
            patience: Duration::from_secs(1),
            now: UnixMillis(1_700_000_000_000),
            hangs: HangGuard::default(),
        }
    }

    #[test]
    fn measures_a_real_directory() {
        let (_dir, root) =
            tree(&[("/proc/self/mountinfo", "28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n")]);
        let mounts = mounts(&context(&root)).unwrap();
        assert!(mounts.local[0].size > 0);
        assert!(mounts.local[0].available <= mounts.local[0].size);
    }

    #[test]
    fn a_disk_behind_hundreds_of_others_is_found_and_counts_as_mounted() {
        let memory = |n: u32| format!("{n} 1 0:{n} / /m/{n} rw - tmpfs tmpfs rw\n");
        let mut info: String = (100..400).map(memory).collect();
        info.push_str("500 1 8:1 / /data rw - ext4 /dev/sda1 rw\n");
        let table =
            "/dev/sda1 /data ext4 defaults\n/dev/sdb1 /link/ ext4 defaults\n/dev/sdc /gone ext4 defaults\n";
        let (_dir, root) =
            tree(&[("/proc/self/mountinfo", &info), ("/etc/fstab", table), ("/data/x", ""), ("/m/x", "")]);
        std::os::unix::fs::symlink(root.place("/data"), root.place("/link")).unwrap();
        let found = mounts_and_memory(&context(&root)).unwrap();
        assert_eq!(found.local[0].target, "/data");
        assert!(found.local[0].size > 0);
        assert_eq!(found.absent, ["/gone"]);
    }

    #[test]
    fn a_single_file_of_another_disk_is_no_disk_to_watch() {
        let info = "1 0 8:1 /docker/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1 rw\n";
        let (_dir, root) = tree(&[("/proc/self/mountinfo", info), ("/etc/resolv.conf", "")]);
        assert_eq!(mounts(&context(&root)).unwrap().local, []);
    }

    /// A file system that hangs: its worker is held by the test.
    #[test]
    fn one_that_hangs_is_named_with_its_cause_and_the_others_are_measured() {
        let info = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / /net rw - nfs4 s:/x rw\n\
            3 2 8:2 / /net/disk rw - ext4 /dev/sdb rw\n4 1 8:3 / /other ro - xfs /dev/sdc ro\n";
        let (_dir, root) = tree(&[("/proc/self/mountinfo", info), ("/net/disk/x", ""), ("/other/x", "")]);
        let context = context(&root);
        let (_release, hangs) = std::sync::mpsc::channel::<()>();
        let hung = context.hangs.ask("/net/disk", Duration::from_millis(1), move || hangs.recv().is_ok());
        assert!(hung.is_err());
        let found = mounts(&context).unwrap();
        let [first, below, other] = found.local.as_slice() else { panic!("{found:?}") };
        assert!(first.size > 0 && other.size > 0 && first.silent.is_none() && other.silent.is_none());
        assert_eq!(other.writing, WriteState::ReadOnly, "known without asking");
        let silent = below.silent.as_ref().unwrap();
        assert!(silent.hangs && silent.why.starts_with("does not answer for"), "{silent:?}");
        assert_eq!(silent.below.as_deref(), Some("/net"));
        assert_eq!(found.remote[0].silent, None);
    }
}
