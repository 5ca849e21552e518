//! What is waiting for a restart, age of package lists, time service.

use nearhand_proto::time::UnixMillis;

use crate::facts::Fact;
use crate::facts::root::SystemRoot;
use crate::facts::update::{TimeSync, UpkeepState};

use super::{kernel, process};

/// Programs that keep the clock right, as the kernel names them (15 characters).
const TIME_SERVICES: [&str; 6] = ["chronyd", "ntpd", "systemd-timesyn", "openntpd", "ptp4l", "VBoxService"];

/// Places whose change tells when the package lists were renewed: apt, dnf, zypper.
const LISTS: [&str; 5] = [
    "/var/lib/apt/periodic/update-success-stamp",
    "/var/cache/apt/pkgcache.bin",
    "/var/lib/apt/lists/partial",
    "/var/cache/dnf/last_makecache",
    "/var/cache/zypp/solv",
];

/// Files that a running system writes again and again, by which a clock that went back is seen.
const WRITTEN: [&str; 9] = [
    "/var/lib/systemd/timesync/clock",
    "/var/lib/systemd/random-seed",
    "/var/lib/dpkg/status",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/pacman/local",
    "/var/log/wtmp",
    "/var/log/lastlog",
    "/etc/ld.so.cache",
    "/etc/passwd",
];

/// Reads restarts that are asked for, kernels, lists.
pub(super) fn upkeep(root: &SystemRoot) -> Fact<UpkeepState> {
    let packages = root.text("/run/reboot-required.pkgs").unwrap_or_default();
    let mut reboot_packages: Vec<String> = packages.lines().map(str::to_owned).collect();
    reboot_packages.sort();
    reboot_packages.dedup();
    let running_kernel = root.line("/proc/sys/kernel/osrelease").unwrap_or_default();
    Ok(UpkeepState {
        reboot_asked: root.has("/run/reboot-required") || root.has("/var/run/reboot-required"),
        reboot_packages,
        newest_kernel: kernel::newest_kernel(root, &running_kernel),
        running_kernel,
        lists_at: LISTS.iter().filter_map(|path| root.changed_at(path)).max(),
        automatic: automatic(root),
    })
}

/// Debian's unattended upgrades or dnf-automatic.
fn automatic(root: &SystemRoot) -> Option<bool> {
    if root.has("/etc/apt") {
        let mut on = false;
        for file in root.names("/etc/apt/apt.conf.d").ok()? {
            let text = root.text(&format!("/etc/apt/apt.conf.d/{file}")).unwrap_or_default();
            let line = text
                .lines()
                .map(str::trim)
                .rfind(|line| line.starts_with("APT::Periodic::Unattended-Upgrade"));
            if let Some(line) = line {
                on = !line.contains("\"0\"");
            }
        }
        return Some(on && root.has("/usr/bin/unattended-upgrade"));
    }
    let timer = "/etc/systemd/system/timers.target.wants";
    root.has("/etc/dnf").then(|| {
        root.names(timer)
            .unwrap_or_default()
            .iter()
            .any(|name| name.starts_with("dnf") && name.contains("automatic"))
    })
}

/// Reads what keeps the clock right.
pub(super) fn time_sync(root: &SystemRoot, now: UnixMillis) -> Fact<TimeSync> {
    let running = process::running(root);
    let service = TIME_SERVICES.iter().find(|name| running.contains(**name)).map(|name| (*name).to_owned());
    // systemd-timesyncd touches this file at each success.
    let synchronised_at = root.changed_at("/run/systemd/timesync/synchronized");
    let cpuinfo = root.text("/proc/cpuinfo").unwrap_or_default();
    Ok(TimeSync {
        services_hidden: process::hidden_programs(root).is_some(),
        latest_change: latest_change(root),
        has_rtc: root
            .names("/sys/class")
            .is_ok()
            .then(|| root.names("/sys/class/rtc").is_ok_and(|clocks| !clocks.is_empty())),
        service,
        synchronised_seconds: synchronised_at.map(|at| (now.0 / 1000).saturating_sub(at)),
        zone: zone(root),
        guest: cpuinfo.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor")),
    })
}

/// The second latest change of files that a running system writes: one alone may have been made while a clock was wrong.
fn latest_change(root: &SystemRoot) -> Option<u64> {
    let mut changes: Vec<u64> = WRITTEN.iter().filter_map(|path| root.changed_at(path)).collect();
    changes.sort_unstable();
    changes.len().checked_sub(2).and_then(|at| changes.get(at).copied())
}

fn zone(root: &SystemRoot) -> Option<String> {
    let link = std::fs::read_link(root.place("/etc/localtime")).ok();
    let name =
        link.and_then(|target| target.to_str()?.split_once("zoneinfo/").map(|(_, name)| name.to_owned()));
    name.or_else(|| root.line("/etc/timezone"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    #[test]
    fn finds_the_newest_kernel_of_the_running_flavour() {
        let (_dir, root) = tree(&[
            ("/lib/modules/6.1.0-9-amd64/x", ""),
            ("/lib/modules/6.1.0-13-amd64/x", ""),
            ("/lib/modules/6.5.0-1-rt-amd64/x", ""),
            ("/proc/sys/kernel/osrelease", "6.1.0-9-amd64\n"),
            ("/run/reboot-required", ""),
            ("/run/reboot-required.pkgs", "linux-image\nlibc6\nlibc6\n"),
        ]);
        let upkeep = upkeep(&root).unwrap();
        assert_eq!(upkeep.newest_kernel.as_deref(), Some("6.1.0-13-amd64"));
        assert_eq!(upkeep.reboot_packages, ["libc6", "linux-image"]);
        assert!(upkeep.reboot_asked);
    }

    #[test]
    fn automatic_updates_need_setting_and_program() {
        let setting = "APT::Periodic::Unattended-Upgrade \"1\";\n";
        let (_dir, root) = tree(&[("/etc/apt/apt.conf.d/20auto-upgrades", setting)]);
        assert_eq!(automatic(&root), Some(false));
        let (_dir, root) =
            tree(&[("/etc/apt/apt.conf.d/20auto-upgrades", setting), ("/usr/bin/unattended-upgrade", "")]);
        assert_eq!(automatic(&root), Some(true));
        let (_dir, root) = tree(&[]);
        assert_eq!(automatic(&root), None);
    }

    #[test]
    fn two_files_must_agree_on_how_late_it_was() {
        let at = |dir: &tempfile::TempDir, path: &str, seconds: u64| {
            let file = std::fs::File::options().append(true).open(dir.path().join(path)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
        };
        let (dir, root) = tree(&[("/var/log/wtmp", ""), ("/etc/passwd", ""), ("/etc/ld.so.cache", "")]);
        at(&dir, "var/log/wtmp", 4_000_000_000);
        at(&dir, "etc/passwd", 1_700_000_000);
        at(&dir, "etc/ld.so.cache", 1_600_000_000);
        assert_eq!(latest_change(&root), Some(1_700_000_000));
        let (_dir, root) = tree(&[("/etc/passwd", "")]);
        assert_eq!(latest_change(&root), None);
    }

    #[test]
    fn finds_time_service_and_zone() {
        let (_dir, root) = tree(&[("/proc/44/comm", "chronyd\n"), ("/etc/timezone", "Europe/Berlin\n")]);
        let sync = time_sync(&root, UnixMillis(0)).unwrap();
        assert_eq!((sync.service.as_deref(), sync.zone.as_deref()), (Some("chronyd"), Some("Europe/Berlin")));
    }
}
