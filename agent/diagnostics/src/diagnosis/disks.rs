//! Rules about disks and file systems.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{Area, FindingStatus};

use super::check::{CheckVerdict, DiagnosticCheck, FindingDraft, ladder};
use super::show::{bytes, milliseconds, names, percent, share};
use crate::facts::storage::{MountedFileSystem, SmartDisk};
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

/// Percent of an SSD's intended life (alarm rules: warning from 90).
const WEAR_WARN_PERCENT: u64 = 90;

/// Degrees Celsius above which disks age fast; makers state 60 to 70 as the limit.
const DISK_HEAT_CELSIUS: i64 = 60;

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
        source: "/proc/self/mountinfo, statvfs",
        thresholds: "warn from 90 % in use, fail from 98 % with less than 5 GB free",
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
        source: "/proc/self/mountinfo, /etc/fstab",
        thresholds: "fail if read-only without being meant to be",
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
        id: "disks.smart",
        area: Area::Disks,
        set: CheckSet::Full,
        needs: &[FactSource::Smart],
        what: "SMART: what a disk says about its own health, often before it fails.",
        source: "smartctl -j",
        thresholds: "fail if the disk says so or has unreadable sectors; warn for replaced sectors, wear from 90 %, above 60 °C",
        judge: smart,
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

fn space(facts: &MachineFacts) -> CheckVerdict {
    let mounts = &facts.mounts.as_ref()?.local;
    Ok(mounts
        .iter()
        .filter(|mount| mount.size > 0 && !(mount.read_only && mount.read_only_meant))
        .map(space_of)
        .collect())
}

fn space_of(mount: &MountedFileSystem) -> FindingDraft {
    // As df reckons: what is reserved for root counts neither as used nor as available.
    let full = percent(mount.used, mount.used.saturating_add(mount.available));
    let status = match ladder(full, SPACE_WARN_PERCENT, SPACE_FAIL_PERCENT) {
        FindingStatus::Fail if mount.available >= SPACE_FAIL_FREE => FindingStatus::Warn,
        status => status,
    };
    let title = match status {
        FindingStatus::Fail => format!("Disk full: {} has {} left", mount.target, bytes(mount.available)),
        FindingStatus::Warn => {
            format!("Disk almost full: {} has {} left", mount.target, bytes(mount.available))
        }
        _ => format!("Disk space is sufficient: {} has {} left", mount.target, bytes(mount.available)),
    };
    FindingDraft::new(status, title)
        .on(&mount.target)
        .fact("In use", share(full))
        .fact("Free", bytes(mount.available))
        .fact("Size", bytes(mount.size))
        .fact("File system", &mount.kind)
        .fix(format!(
            "Find what uses the space: du -xh --max-depth=2 '{}' | sort -h | tail. Clear the package cache (apt-get clean), old logs (journalctl --vacuum-size=200M) and temporary files, or enlarge the disk.",
            mount.target
        ))
        .runbook("clear-temp")
}

fn inodes(facts: &MachineFacts) -> CheckVerdict {
    let mounts = &facts.mounts.as_ref()?.local;
    Ok(mounts
        .iter()
        .filter(|mount| mount.inodes > 0 && !mount.read_only)
        .map(|mount| {
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
        })
        .collect())
}

fn read_only(facts: &MachineFacts) -> CheckVerdict {
    let mounts = &facts.mounts.as_ref()?.local;
    let broken: Vec<FindingDraft> = mounts
        .iter()
        .filter(|mount| mount.read_only && !mount.read_only_meant)
        .map(|mount| {
            FindingDraft::fail(format!("File system {} is read-only", mount.target))
                .on(&mount.target)
                .fact("Device", &mount.device)
                .fact("File system", &mount.kind)
                .because("The kernel makes a file system read-only when it finds it damaged or its disk failing.")
                .fix("Save the data first. See what happened: journalctl -k | grep -iE 'error|remount'. Check the disk (smartctl -a), then the file system (fsck) while it is not mounted.")
        })
        .collect();
    if broken.is_empty() && !mounts.is_empty() {
        return FindingDraft::ok("All file systems are writable").fact("File systems", mounts.len()).alone();
    }
    Ok(broken)
}

fn mounts(facts: &MachineFacts) -> CheckVerdict {
    let mounts = facts.mounts.as_ref()?;
    if mounts.absent.is_empty() {
        return FindingDraft::ok("All file systems of /etc/fstab are mounted")
            .fact("Network mounts", mounts.remote.len())
            .alone();
    }
    let missing = |target: &String| {
        FindingDraft::warn(format!("{target} is not mounted"))
            .on(target)
            .fix(format!("Try: mount '{target}', and read its error. Remove the line from /etc/fstab if it isn't needed any more."))
    };
    Ok(mounts.absent.iter().map(missing).collect())
}

fn smart(facts: &MachineFacts) -> CheckVerdict {
    Ok(facts.smart.as_ref()?.iter().map(smart_of).collect())
}

fn smart_of(disk: &SmartDisk) -> FindingDraft {
    let unreadable = disk.pending.unwrap_or(0) > 0 || disk.uncorrectable.unwrap_or(0) > 0;
    let worn = disk.wear_percent.is_some_and(|wear| wear >= WEAR_WARN_PERCENT);
    let hot = disk.celsius.is_some_and(|celsius| celsius > DISK_HEAT_CELSIUS);
    let (status, what) = match disk {
        _ if disk.passed == Some(false) => (FindingStatus::Fail, "is failing (SMART)"),
        _ if unreadable => (FindingStatus::Fail, "has unreadable sectors"),
        _ if disk.reallocated.unwrap_or(0) > 0 => (FindingStatus::Warn, "has reallocated bad sectors"),
        _ if worn => (FindingStatus::Warn, "is almost worn out"),
        _ if hot => (FindingStatus::Warn, "is too hot"),
        _ if disk.problem.is_some() => (FindingStatus::Info, "gives no SMART report"),
        _ => (FindingStatus::Ok, "is healthy"),
    };
    FindingDraft::new(status, format!("Disk {} {what}", disk.device))
        .on(&disk.device)
        .fact("Model", &disk.model)
        .maybe("Reallocated sectors", disk.reallocated)
        .maybe("Pending sectors", disk.pending)
        .maybe("Uncorrectable errors", disk.uncorrectable)
        .maybe("Worn", disk.wear_percent.map(|wear| format!("{wear} %")))
        .maybe("In use", disk.hours.map(|hours| format!("{hours} h")))
        .maybe("Temperature", disk.celsius.map(|celsius| format!("{celsius} °C")))
        .maybe("Problem", disk.problem.as_ref())
        .fix(match status {
            FindingStatus::Info => {
                "Disks behind some USB bridges and RAID controllers need: smartctl -d … (see smartctl(8))."
            }
            _ => "Make a backup now, then replace the disk. Details: smartctl -x on the device.",
        })
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
