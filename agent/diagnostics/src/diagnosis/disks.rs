//! Rules about disks and file systems.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{Area, FindingStatus};

use super::check::{CheckVerdict, DiagnosticCheck, FindingDraft, ladder};
use super::show::{bytes, milliseconds, names, percent, share};
use crate::facts::storage::{
    BtrfsAllocation, MountedFileSystem, MountedFileSystems, SilentMount, WriteState,
};
use crate::facts::{FactSource, MachineFacts};

/// Percent in use (alarm rules: warning 90, critical 98).
const SPACE_WARN_PERCENT: f64 = 90.0;
const SPACE_FAIL_PERCENT: f64 = 98.0;

/// Bytes free above which a file system isn't full at any percentage (alarm rules: critical needs less than
/// 5 GB free).
const SPACE_FAIL_FREE: u64 = 5_000_000_000;

/// Percent of the inodes in use (alarm rules: warning 90, critical 98).
const INODES_WARN_PERCENT: f64 = 90.0;
const INODES_FAIL_PERCENT: f64 = 98.0;

/// Percent of the time that a disk was busy, while its answers took longer than this.
const BUSY_WARN_PERCENT: f64 = 90.0;
const BUSY_WAIT_MS: f64 = 50.0;

/// Percent of the time, over a minute, that all tasks stood for disks (10 as the alarm rule for memory).
const PRESSURE_WARN_PERCENT: f64 = 10.0;
const PRESSURE_FAIL_PERCENT: f64 = 40.0;

pub(super) const CHECKS: &[DiagnosticCheck] = &[
    DiagnosticCheck {
        id: "disks.space",
        area: Area::Disks,
        set: CheckSet::Quick,
        needs: &[FactSource::Mounts],
        what: "Without free space programs fail, updates break and mail is lost.",
        source: "/proc/self/mountinfo, statvfs, /sys/fs/btrfs",
        thresholds: "warn from 90 % in use, fail from 98 % with less than 5 GB free; the same for the metadata of btrfs with nothing left to give out",
        judge: space,
    },
    DiagnosticCheck {
        id: "disks.inodes",
        area: Area::Disks,
        set: CheckSet::Quick,
        needs: &[FactSource::Mounts],
        what: "A file system without free inodes takes no new file, however much space it has.",
        source: "statvfs",
        thresholds: "warn from 90 % in use, fail from 98 %",
        judge: inodes,
    },
    DiagnosticCheck {
        id: "disks.read_only",
        area: Area::Disks,
        set: CheckSet::Quick,
        needs: &[FactSource::Mounts],
        what: "The kernel makes a file system read-only when it finds it damaged.",
        source: "/proc/self/mountinfo, /etc/fstab, /sys/fs/ext4",
        thresholds: "fail if errors or the kernel have stopped writing, or /etc/fstab wants it writable; info for others that are read-only",
        judge: read_only,
    },
    DiagnosticCheck {
        id: "disks.mounts",
        area: Area::Disks,
        set: CheckSet::Quick,
        needs: &[FactSource::Mounts],
        what: "File systems of /etc/fstab that are not mounted: a backup into an empty mount point fills the root disk.",
        source: "/etc/fstab, /proc/self/mountinfo",
        thresholds: "warn for each that is missing",
        judge: mounts,
    },
    DiagnosticCheck {
        id: "disks.answers",
        area: Area::Disks,
        set: CheckSet::Quick,
        needs: &[FactSource::Mounts],
        what: "Programs that touch a file system that does not answer hang with it, and can't even be killed.",
        source: "statvfs of each mounted file system, those of networks included",
        thresholds: "fail without an answer within 1.5 s, or with an error as the answer",
        judge: answers,
    },
    DiagnosticCheck {
        id: "disks.raid",
        area: Area::Disks,
        set: CheckSet::Quick,
        needs: &[FactSource::Raid],
        what: "A degraded RAID (a disk is missing) still works, but the next failure loses data.",
        source: "/proc/mdstat",
        thresholds: "fail if a member is missing or the array inactive; info while rebuilding",
        judge: raid,
    },
    DiagnosticCheck {
        id: "disks.errors",
        area: Area::Disks,
        set: CheckSet::Quick,
        needs: &[FactSource::DiskErrors],
        what: "I/O errors that file systems and disks have counted.",
        source: "/sys/fs/ext4, /sys/fs/btrfs, /sys/block/*/device/ioerr_cnt",
        thresholds: "fail for file system errors; info for errors that the disk's driver counted",
        judge: errors,
    },
    DiagnosticCheck {
        id: "disks.busy",
        area: Area::Disks,
        set: CheckSet::Quick,
        needs: &[FactSource::Activity],
        what: "A disk that is always busy and slow to answer makes everything slow.",
        source: "/proc/diskstats over 1 s",
        thresholds: "warn from 90 % busy with answers slower than 50 ms",
        judge: busy,
    },
    DiagnosticCheck {
        id: "disks.pressure",
        area: Area::Disks,
        set: CheckSet::Quick,
        needs: &[FactSource::Pressure],
        what: "I/O pressure: how long all work stalled waiting for disks.",
        source: "/proc/pressure/io",
        thresholds: "warn from 10 % of the last minute, fail from 40 %",
        judge: pressure,
    },
];

/// Free pieces below which btrfs can't be sure to find another one for metadata, in bytes for each copy.
const BTRFS_PIECE: u64 = 1 << 30;

/// Findings about the file systems that could be asked, and for each other one that it could not.
fn of_each(
    mounts: &MountedFileSystems,
    wanted: impl Fn(&MountedFileSystem) -> bool,
    judge: impl Fn(&MountedFileSystem) -> FindingDraft,
) -> Vec<FindingDraft> {
    let mut drafts = Vec::new();
    for mount in &mounts.local {
        match &mount.silent {
            Some(silent) => drafts.push(not_checked(&mount.target, silent)),
            None if wanted(mount) => drafts.push(judge(mount)),
            None => {}
        }
    }
    if mounts.left_out > 0 {
        let reason = "there are more file systems than are asked; disks come before those in memory";
        drafts.push(FindingDraft::skipped(format!("{} file systems not checked", mounts.left_out), reason));
    }
    drafts
}

fn not_checked(target: &str, silent: &SilentMount) -> FindingDraft {
    let below = silent.below.as_ref().map(|upper| format!("; it lies below {upper}")).unwrap_or_default();
    FindingDraft::skipped(format!("{target} not checked"), format!("{}{below}", silent.why)).on(target)
}

fn space(facts: &MachineFacts) -> CheckVerdict {
    let can_fill = |mount: &MountedFileSystem| {
        mount.size > 0 && !matches!(mount.writing, WriteState::ReadOnlyMeant | WriteState::ReadOnly)
    };
    Ok(of_each(facts.mounts.as_ref()?, can_fill, space_of))
}

/// How full a file system is, in percent: of the space that users have, or of btrfs's metadata where that ends first.
pub fn filled_percent(mount: &MountedFileSystem) -> f64 {
    // As df reckons: what is reserved for root counts neither as used nor as available.
    let space = percent(mount.used, mount.used.saturating_add(mount.available));
    mount.btrfs.and_then(metadata_filled).map_or(space, |metadata| metadata.max(space))
}

/// How full the metadata of btrfs is, once it can't get more room.
fn metadata_filled(btrfs: BtrfsAllocation) -> Option<f64> {
    let given_out = btrfs.unallocated < BTRFS_PIECE.saturating_mul(btrfs.metadata_copies);
    (given_out && btrfs.metadata > 0).then(|| percent(btrfs.metadata_used, btrfs.metadata))
}

fn space_of(mount: &MountedFileSystem) -> FindingDraft {
    let space = percent(mount.used, mount.used.saturating_add(mount.available));
    let status = match ladder(space, SPACE_WARN_PERCENT, SPACE_FAIL_PERCENT) {
        FindingStatus::Fail if mount.available >= SPACE_FAIL_FREE => FindingStatus::Warn,
        status => status,
    };
    if let Some(metadata) = mount.btrfs.and_then(metadata_filled) {
        let of_metadata = ladder(metadata, SPACE_WARN_PERCENT, SPACE_FAIL_PERCENT);
        // Worse statuses are the smaller ones.
        if of_metadata < status {
            return metadata_of(mount, of_metadata, metadata);
        }
    }
    let title = match status {
        FindingStatus::Fail => format!("Disk full: {} has {} left", mount.target, bytes(mount.available)),
        FindingStatus::Warn => {
            format!("Disk almost full: {} has {} left", mount.target, bytes(mount.available))
        }
        _ => format!("Disk space is sufficient: {} has {} left", mount.target, bytes(mount.available)),
    };
    let draft = FindingDraft::new(status, title)
        .on(&mount.target)
        .fact("In use", share(space))
        .fact("Free", bytes(mount.available))
        .fact("Size", bytes(mount.size))
        .fact("File system", &mount.kind)
        .maybe("Pool", (mount.kind == "zfs").then_some(&mount.device))
        .maybe("Mounts that share it", (mount.shared_by > 0).then_some(mount.shared_by));
    draft
        .fix(format!(
            "Find what uses the space: du -xh --max-depth=2 '{}' | sort -h | tail. Clear the package cache (apt-get clean), old logs (journalctl --vacuum-size=200M) and temporary files, or enlarge the disk.",
            mount.target
        ))
        .runbook("clear-temp")
}

fn metadata_of(mount: &MountedFileSystem, status: FindingStatus, metadata: f64) -> FindingDraft {
    let left = bytes(mount.available);
    let title = match status {
        FindingStatus::Fail => {
            format!("Disk full: {} has no room for metadata (btrfs), with {left} free", mount.target)
        }
        _ => format!("Disk almost full: the metadata of {} (btrfs), with {left} free", mount.target),
    };
    FindingDraft::new(status, title)
        .on(&mount.target)
        .fact("Metadata in use", share(metadata))
        .fact("Not given out yet", bytes(mount.btrfs.map_or(0, |btrfs| btrfs.unallocated)))
        .fact("Free for data", &left)
        .because("btrfs gives out its disks in pieces, to data or to metadata. With nothing left to give out, writing fails with \"No space left on device\" as soon as the metadata is full, however much room the data has.")
        .fix(format!(
            "Give pieces back that are almost empty: btrfs balance start -dusage=10 '{0}', then with 30 and 50. See: btrfs filesystem usage '{0}'. Delete old snapshots.",
            mount.target
        ))
}

fn inodes(facts: &MachineFacts) -> CheckVerdict {
    let counted = |mount: &MountedFileSystem| mount.inodes > 0 && mount.writing == WriteState::Writable;
    Ok(of_each(facts.mounts.as_ref()?, counted, |mount| {
        let used = percent(mount.inodes.saturating_sub(mount.inodes_free), mount.inodes);
        let status = ladder(used, INODES_WARN_PERCENT, INODES_FAIL_PERCENT);
        let title = match status {
            FindingStatus::Ok => format!("{} has enough free inodes", mount.target),
            _ => format!("{} is running out of inodes: {} left", mount.target, mount.inodes_free),
        };
        FindingDraft::new(status, title)
            .on(&mount.target)
            .fact("Inodes in use", share(used))
            .fact("Inodes free", mount.inodes_free)
            .fix(format!(
                "Find directories with many small files: du --inodes -x '{}' | sort -n | tail",
                mount.target
            ))
    }))
}

fn read_only(facts: &MachineFacts) -> CheckVerdict {
    let mounts = facts.mounts.as_ref()?;
    let of = |mount: &MountedFileSystem| {
        let draft = match &mount.writing {
            WriteState::Writable | WriteState::ReadOnlyMeant => return None,
            WriteState::ReadOnly => FindingDraft::info(format!("File system {} is mounted read-only", mount.target))
                .because("Nothing says that it was ever meant to be written to: no errors are counted, and /etc/fstab doesn't name it.")
                .fix(format!("Nothing, if that is on purpose. Otherwise look for errors (journalctl -k) before: mount -o remount,rw '{}'", mount.target)),
            WriteState::StoppedByErrors(sign) => FindingDraft::fail(format!("File system {} is read-only", mount.target))
                .fact("Sign", sign)
                .because("The kernel makes a file system read-only when it finds it damaged or its disk failing.")
                .fix("Save the data first. See what happened: journalctl -k | grep -iE 'error|remount'. Check the disk (smartctl -a), then the file system (fsck) while it is not mounted."),
        };
        Some(draft.on(&mount.target).fact("Device", &mount.device).fact("File system", &mount.kind))
    };
    let mut found: Vec<FindingDraft> = mounts.local.iter().filter_map(of).collect();
    if found.is_empty() && !mounts.local.is_empty() {
        found.push(with_silent(
            FindingDraft::ok("All file systems are writable").fact("File systems", mounts.local.len()),
            mounts,
        ));
    }
    Ok(found)
}

/// Names those that don't answer: what the kernel's list says of them is all that is known.
fn with_silent(draft: FindingDraft, mounts: &MountedFileSystems) -> FindingDraft {
    let silent: Vec<String> =
        silent(mounts).filter(|(_, _, silent)| silent.hangs).map(|(target, ..)| target.to_owned()).collect();
    draft.maybe("Mounted, but not answering", (!silent.is_empty()).then(|| names(&silent, 6)))
}

fn silent(mounts: &MountedFileSystems) -> impl Iterator<Item = (&str, &str, &SilentMount)> {
    let local = mounts.local.iter().map(|m| (m.target.as_str(), m.kind.as_str(), &m.silent));
    let remote = mounts.remote.iter().map(|m| (m.target.as_str(), m.kind.as_str(), &m.silent));
    local.chain(remote).filter_map(|(target, kind, silent)| Some((target, kind, silent.as_ref()?)))
}

fn mounts(facts: &MachineFacts) -> CheckVerdict {
    let mounts = facts.mounts.as_ref()?;
    let missing = |target: &String| {
        FindingDraft::warn(format!("{target} is not mounted"))
            .on(target)
            .fix(format!("Try: mount '{target}', and read its error. Remove the line from /etc/fstab if it isn't needed any more."))
    };
    let mut found: Vec<FindingDraft> = mounts.absent.iter().map(missing).collect();
    found.extend(mounts.untold.iter().map(|(target, why)| {
        FindingDraft::skipped(format!("{target} not checked"), format!("following its path: {why}"))
            .on(target)
    }));
    if mounts.absent.is_empty() {
        let ok = FindingDraft::ok("All file systems of /etc/fstab are mounted")
            .fact("Network mounts", mounts.remote.len());
        found.push(with_silent(ok, mounts));
    }
    Ok(found)
}

fn answers(facts: &MachineFacts) -> CheckVerdict {
    let mounts = facts.mounts.as_ref()?;
    let of = |(target, kind, silent): (&str, &str, &SilentMount)| {
        if !silent.hangs && silent.why.starts_with("was not asked") {
            return not_checked(target, silent);
        }
        FindingDraft::fail(format!("{target} {}", silent.why))
            .on(target)
            .fact("File system", kind)
            .maybe("Its path leads through", silent.below.as_ref())
            .fix(match &silent.below {
                Some(upper) => format!("Look at {upper} first, which the path leads through."),
                None => format!("See what its disk, server or program does: journalctl -k | tail; ping the server; systemctl status of its service. Let go of it without waiting: umount -l '{target}' (umount -f for NFS)."),
            })
    };
    let found: Vec<FindingDraft> = silent(mounts).map(of).collect();
    match found.is_empty() {
        true => FindingDraft::ok("All file systems answer")
            .fact("File systems", mounts.local.len() + mounts.remote.len())
            .alone(),
        false => Ok(found),
    }
}

fn raid(facts: &MachineFacts) -> CheckVerdict {
    Ok(facts
        .raid
        .as_ref()?
        .iter()
        .map(|array| {
            let draft = if !array.active {
                FindingDraft::fail(format!("RAID {} is inactive", array.name))
            } else if array.working < array.wanted || array.faulty > 0 {
                FindingDraft::fail(format!("RAID {} is degraded: {} of {} disks missing", array.name, array.wanted.saturating_sub(array.working).max(array.faulty), array.wanted))
            } else if array.activity.is_some() {
                FindingDraft::info(format!("RAID {} is rebuilding or being checked", array.name))
            } else {
                FindingDraft::ok(format!("RAID {} is complete", array.name))
            };
            draft
                .on(&array.name)
                .fact("Level", &array.level)
                .fact("Disks working", format!("{} of {}", array.working, array.wanted))
                .maybe("Activity", array.activity.as_ref())
                .fix(format!("See: mdadm --detail /dev/{0}. Replace the lost disk, then: mdadm /dev/{0} --add /dev/NEW", array.name))
        })
        .collect())
}

fn errors(facts: &MachineFacts) -> CheckVerdict {
    let counts = facts.disk_errors.as_ref()?;
    let bad: Vec<FindingDraft> = counts
        .iter()
        .filter(|count| count.errors > 0)
        .map(|count| match count.counter.as_str() {
            // Drivers count refused commands too: a number alone proves nothing.
            "disk" => FindingDraft::info(format!("The driver of {} has counted I/O errors", count.device))
                .on(&count.device)
                .fact("Errors", count.errors)
                .because("Drivers also count commands that a disk doesn't know. Together with slowness or a bad health report it means a failing disk or cable.")
                .fix("Compare with the disk's health report (smartctl) and the kernel's messages (journalctl -k)."),
            _ => FindingDraft::fail(format!("The file system on {} is damaged", count.device))
                .on(&count.device)
                .fact("Errors counted", count.errors)
                .fact("File system", &count.counter)
                .fix("Make a backup, check the disk's health, then check the file system while it is not mounted (fsck, btrfs scrub)."),
        })
        .collect();
    match bad.is_empty() {
        true => FindingDraft::ok("No disk or file system errors").fact("Counters read", counts.len()).alone(),
        false => Ok(bad),
    }
}

fn busy(facts: &MachineFacts) -> CheckVerdict {
    let disks = &facts.activity.as_ref()?.disks;
    let slow: Vec<FindingDraft> = disks
        .iter()
        .filter(|disk| disk.busy_percent >= BUSY_WARN_PERCENT && disk.wait_ms.is_some_and(|ms| ms >= BUSY_WAIT_MS))
        .map(|disk| {
            FindingDraft::warn(format!("Disk {} is overloaded: always busy and slow to answer", disk.name))
                .on(&disk.name)
                .fact("Busy", share(disk.busy_percent))
                .maybe("Mean answer", disk.wait_ms.map(milliseconds))
                .fix("See which program reads and writes: check processes.io, or iotop -o. A disk that is slow without load is failing.")
        })
        .collect();
    if !slow.is_empty() || disks.is_empty() {
        return Ok(slow);
    }
    let uses: Vec<String> =
        disks.iter().map(|disk| format!("{} {}", disk.name, share(disk.busy_percent))).collect();
    FindingDraft::ok("Disk load is normal").fact("Busy", names(&uses, 6)).alone()
}

fn pressure(facts: &MachineFacts) -> CheckVerdict {
    let stall = facts.pressure.as_ref()?.io;
    let [ten, minute, five_minutes] = stall.full;
    let status = ladder(minute, PRESSURE_WARN_PERCENT, PRESSURE_FAIL_PERCENT);
    let title = if status == FindingStatus::Ok {
        "No I/O pressure: work does not wait for disks"
    } else {
        "I/O pressure: all work stalls waiting for disks"
    };
    FindingDraft::new(status, title)
        .fact("Stalled, last 10 s", share(ten))
        .fact("last minute", share(minute))
        .fact("last 5 minutes", share(five_minutes))
        .fix("See which program reads and writes (check processes.io). More memory saves reading; an SSD makes it fast.")
        .alone()
}
