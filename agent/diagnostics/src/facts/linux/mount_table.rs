//! What is mounted and what should be: the lines of `/proc/self/mountinfo` and `/etc/fstab`. Pure.
//!
//! Lives here: parsing both and sorting file systems by kind. Must not live here: asking them for anything.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::storage::WriteState;

/// File systems on a local disk whose room can run out.
const LOCAL: [&str; 22] = [
    "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "vfat", "msdos", "exfat", "ntfs", "ntfs3",
    "fuseblk", "bcachefs", "jfs", "reiserfs", "nilfs2", "hfs", "hfsplus", "ubifs", "minix", "ufs",
];

/// File systems over a network. Those of other programs (`fuse`, `fuse.*`) count as such, too: a program answers.
const REMOTE: [&str; 14] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ceph",
    "9p",
    "afs",
    "lustre",
    "glusterfs",
    "beegfs",
    "davfs",
    "ncpfs",
    "coda",
];

/// How a file system is dealt with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum MountClass {
    /// On a disk of this machine.
    Disk,
    /// Layers over others: the root of a container or of a live system.
    Overlay,
    /// In memory.
    Memory,
    /// Over a network, or of a program.
    Remote,
    /// The kernel's own, and images that can't fill up.
    Other,
}

/// One line of mountinfo.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct MountEntry {
    pub(super) device_number: String,
    /// What of the file system is mounted: `/` for all of it.
    pub(super) root: String,
    pub(super) target: String,
    pub(super) kind: String,
    pub(super) device: String,
    /// Options of the mount and of the file system, in that order.
    pub(super) options: (String, String),
}

impl MountEntry {
    pub(super) fn class(&self) -> MountClass {
        match self.kind.as_str() {
            kind if LOCAL.contains(&kind) => MountClass::Disk,
            "overlay" => MountClass::Overlay,
            "tmpfs" | "ramfs" => MountClass::Memory,
            kind if REMOTE.contains(&kind) || kind == "fuse" || kind.starts_with("fuse.") => {
                MountClass::Remote
            }
            _ => MountClass::Other,
        }
    }

    /// What says that two mounts show the same file system. A subvolume of btrfs has a device number of its own.
    fn identity(&self) -> String {
        match self.kind.as_str() {
            "btrfs" => format!("btrfs {}", self.device),
            _ => self.device_number.clone(),
        }
    }

    fn has(&self, option: &str) -> bool {
        let (mount, system) = &self.options;
        mount.split(',').chain(system.split(',')).any(|one| one == option)
    }

    /// Read-only as a whole. A read-only bind mount of a healthy file system is somebody's choice.
    fn is_read_only(&self) -> bool {
        let (mount, system) = &self.options;
        let deciding = if system.is_empty() { mount } else { system };
        deciding.split(',').any(|option| option == "ro")
    }
}

/// One line: `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue` (proc(5)).
fn entry(line: &str) -> Option<MountEntry> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let (device_number, root, target, options) = (left.next()?, left.next()?, left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (kind, device, system_options) = (right.next()?, right.next()?, right.next().unwrap_or(""));
    Some(MountEntry {
        device_number: device_number.to_owned(),
        root: unescape(root),
        target: unescape(target),
        kind: kind.to_owned(),
        device: unescape(device),
        options: (options.to_owned(), system_options.to_owned()),
    })
}

/// All mounts that a path leads to: of several on one point, the uppermost.
pub(super) fn mounted(mountinfo: &str) -> Vec<MountEntry> {
    let mut entries: Vec<MountEntry> = mountinfo.lines().filter_map(entry).collect();
    let mut covered = BTreeSet::new();
    entries.reverse();
    entries.retain(|entry| covered.insert(entry.target.clone()));
    entries.reverse();
    entries
}

/// File systems with room of their own, each once and with the number of its mounts: real disks first. Of several mounts
/// of one file system the one that shows all of it counts, then the shortest path.
pub(super) fn local(entries: &[MountEntry], with_memory: bool) -> Vec<(&MountEntry, usize)> {
    let mut of_system: BTreeMap<String, (usize, &MountEntry, usize)> = BTreeMap::new();
    for (place, entry) in entries.iter().enumerate() {
        let wanted = match entry.class() {
            MountClass::Disk => true,
            // Others show the room of a file system that is in the list itself.
            MountClass::Overlay => entry.target == "/",
            MountClass::Memory => with_memory,
            MountClass::Remote | MountClass::Other => false,
        };
        if !wanted {
            continue;
        }
        let rank = |entry: &MountEntry| (entry.root != "/", entry.target.len());
        of_system
            .entry(entry.identity())
            .and_modify(|(_, best, mounts)| {
                *mounts += 1;
                if rank(entry) < rank(best) {
                    *best = entry;
                }
            })
            .or_insert((place, entry, 1));
    }
    let mut sorted: Vec<_> = of_system.into_values().collect();
    sorted.sort_by_key(|(place, entry, _)| (entry.class(), *place));
    sorted.into_iter().map(|(_, entry, mounts)| (entry, mounts)).collect()
}

/// The mount above `target` that a path to it leads through and that may hang.
pub(super) fn above<'a>(entries: &'a [MountEntry], target: &str, hangs: &[&str]) -> Option<&'a str> {
    let holds = |upper: &str| {
        upper != target && (upper == "/" || target.strip_prefix(upper).is_some_and(|r| r.starts_with('/')))
    };
    let may_hang =
        |entry: &&MountEntry| entry.class() == MountClass::Remote || hangs.contains(&entry.target.as_str());
    let uppers = entries.iter().filter(|entry| holds(&entry.target)).filter(may_hang);
    uppers.map(|entry| entry.target.as_str()).min_by_key(|target| target.len())
}

/// `true` where an automounter has put it there: asking would keep it mounted for ever.
pub(super) fn is_automounted(entries: &str, target: &str) -> bool {
    let automounts = entries.lines().filter_map(entry).filter(|entry| entry.kind == "autofs");
    automounts.into_iter().any(|auto| {
        auto.target == target || target.strip_prefix(&auto.target).is_some_and(|rest| rest.starts_with('/'))
    })
}

/// Whether a file system can be written to. `errors`: how many it has counted, where it counts.
pub(super) fn write_state(entry: &MountEntry, wanted: &[FstabEntry], errors: Option<u64>) -> WriteState {
    let line = wanted.iter().find(|line| line.target == entry.target);
    // The kernel stopped writing, no matter what else the options say (ext4 since 6.13, f2fs).
    if let Some(sign) = ["emergency_ro", "shutdown"].into_iter().find(|option| entry.has(option)) {
        return WriteState::StoppedByErrors(format!("the kernel says {sign}"));
    }
    if !entry.is_read_only() {
        return WriteState::Writable;
    }
    if entry.device.starts_with("/dev/sr") || line.is_some_and(|line| line.read_only) {
        return WriteState::ReadOnlyMeant;
    }
    if entry.class() == MountClass::Memory {
        return WriteState::ReadOnlyMeant;
    }
    if let Some(errors) = errors.filter(|errors| *errors > 0) {
        return WriteState::StoppedByErrors(format!("{errors} errors counted"));
    }
    if line.is_some() {
        return WriteState::StoppedByErrors("/etc/fstab mounts it writable".to_owned());
    }
    // vfat shows this option always; ext only where somebody has set it.
    if entry.kind.starts_with("ext") && entry.has("errors=remount-ro") {
        return WriteState::StoppedByErrors("errors=remount-ro".to_owned());
    }
    WriteState::ReadOnly
}

/// A line of the table of file systems.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FstabEntry {
    /// As it is written, but without escapes.
    pub(super) written: String,
    /// The path as the kernel would show it, but for symbolic links.
    pub(super) target: String,
    pub(super) read_only: bool,
    /// Mounted at the start, and missed if it isn't.
    pub(super) automatic: bool,
}

/// The table's lines, by fstab(5) and libmount.
pub(super) fn fstab(text: &str) -> Vec<FstabEntry> {
    text.lines().filter_map(wanted).collect()
}

fn wanted(line: &str) -> Option<FstabEntry> {
    // Only here: `//nas/share#1` and `LABEL=x#2` are names.
    if line.trim_start().starts_with('#') {
        return None;
    }
    let mut fields = line.split([' ', '\t']).filter(|field| !field.is_empty());
    let (_device, written, kind) = (fields.next()?, fields.next()?, fields.next()?);
    let options = fields.next().unwrap_or("defaults");
    let has = |option: &str| options.split(',').any(|o| o == option);
    let written = unescape(written);
    let target = plain_path(&written);
    let automatic = target.starts_with('/')
        && kind != "swap"
        && kind != "ignore"
        && !["noauto", "nofail", "x-systemd.automount"].iter().any(|option| has(option));
    Some(FstabEntry { written, target, read_only: has("ro"), automatic })
}

/// Without what means nothing in a path: `/data/`, `//data`, `/data/.`.
pub(super) fn plain_path(path: &str) -> String {
    if !path.starts_with('/') {
        return path.to_owned();
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", parts.join("/"))
}

/// `\040` and the like: three octal digits stand for a byte.
pub(super) fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits =
            after.get(..3).filter(|d| *first == b'\\' && d.iter().all(|d| (b'0'..=b'7').contains(d)));
        let value = digits.map(|d| d.iter().fold(0_u32, |sum, d| sum * 8 + u32::from(d - b'0')));
        match value.and_then(|value| u8::try_from(value).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &str = "\
22 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw
28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
90 28 259:2 /srv /srv rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
91 28 8:1 / /media/my\\040disk rw,relatime shared:50 - ext4 /dev/sda1 ro
92 28 7:1 / /snap/core/1 ro,nodev,relatime shared:51 - squashfs /dev/loop1 ro
93 28 0:50 / /home/shared rw,relatime shared:52 - nfs4 server:/x rw,vers=4.2
94 28 0:24 / /run rw,nosuid,nodev shared:5 - tmpfs tmpfs rw,size=803704k,mode=755
95 28 8:2 / /archive rw,relatime - xfs /dev/sda2 ro,attr2
garbage
";

    fn targets(mountinfo: &str, with_memory: bool) -> Vec<String> {
        local(&mounted(mountinfo), with_memory).iter().map(|(entry, _)| entry.target.clone()).collect()
    }

    #[test]
    fn real_disks_come_first_and_each_once() {
        assert_eq!(targets(MOUNTINFO, false), ["/", "/media/my disk", "/archive"]);
        let memory = "1 2 0:99 / /early rw - tmpfs tmpfs rw\n";
        let all = targets(&format!("{memory}{MOUNTINFO}"), true);
        assert_eq!(all, ["/", "/media/my disk", "/archive", "/early", "/run"]);
    }

    #[test]
    fn the_mount_that_shows_the_whole_file_system_counts() {
        let container = "1 0 0:9 / / rw - overlay overlay rw,upperdir=/x\n\
            2 1 8:1 /var/lib/docker/c/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1 rw\n\
            3 1 8:1 /srv/data /data rw - ext4 /dev/sda1 rw\n\
            4 1 8:1 / /a/long/way/down rw - ext4 /dev/sda1 rw\n\
            5 1 0:77 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw\n";
        assert_eq!(targets(container, false), ["/a/long/way/down", "/"]);
        let subvolumes = "1 0 0:31 /@ / rw - btrfs /dev/sda2 rw,subvol=/@\n\
            2 1 0:32 /@home /home rw - btrfs /dev/sda2 rw,subvol=/@home\n\
            3 1 0:33 / /pool rw - btrfs /dev/sdb rw,subvol=/\n";
        assert_eq!(targets(subvolumes, false), ["/", "/pool"]);
        let covered = "1 0 8:1 / /mnt rw - ext4 /dev/sda1 rw\n2 0 8:2 / /mnt rw - xfs /dev/sda2 rw\n";
        let kinds: Vec<String> = mounted(covered).into_iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, ["xfs"]);
    }

    #[test]
    fn read_only_on_purpose_is_told_from_errors() {
        let state =
            |line: &str, table: &str, errors| write_state(&entry(line).unwrap(), &fstab(table), errors);
        let line = |options: &str| format!("1 0 8:1 / /data rw,relatime - ext4 /dev/sda1 {options}");
        assert_eq!(state(&line("rw,errors=remount-ro"), "", None), WriteState::Writable);
        assert_eq!(state(&line("ro"), "", None), WriteState::ReadOnly);
        assert_eq!(state(&line("ro"), "x /data/ ext4 defaults,ro", None), WriteState::ReadOnlyMeant);
        for (options, table, errors) in [
            ("ro,errors=remount-ro", "", None),
            ("ro", "x /data ext4 defaults", None),
            ("ro", "", Some(2)),
            ("rw,emergency_ro", "", None),
            ("rw,shutdown", "", None),
        ] {
            let state = state(&line(options), table, errors);
            assert!(matches!(state, WriteState::StoppedByErrors(_)), "{options}: {state:?}");
        }
        let card = "1 0 8:1 / /media/card rw - vfat /dev/sdc1 ro,errors=remount-ro";
        assert_eq!(state(card, "", None), WriteState::ReadOnly, "vfat always shows it");
        let bound = "1 0 8:1 / /data ro - ext4 /dev/sda1 rw";
        assert_eq!(state(bound, "", None), WriteState::Writable, "a read-only bind mount is a choice");
    }

    #[test]
    fn the_table_is_read_as_fstab_5_says() {
        let table = "# UUID=0 /comment ext4 defaults\n  \t# too\n//nas/share#1 /a cifs rw\nLABEL=x#2\t/b ext4 defaults\n\
            /dev/sdb1 /data/ ext4\n/dev/sdc /with\\040space/. xfs defaults 0 0\nUUID=2 none swap sw 0 0\n\
            UUID=5 /usb vfat noauto,user 0 0\nUUID=6 /later ext4 nofail\n/dev/sdd /d#e ext4 defaults # no comment\n";
        let automatic: Vec<String> =
            fstab(table).into_iter().filter(|line| line.automatic).map(|line| line.target).collect();
        assert_eq!(automatic, ["/a", "/b", "/data", "/with space", "/d#e"]);
    }

    #[test]
    fn escapes_stand_for_bytes() {
        assert_eq!(unescape("/a\\040b\\134040\\011c"), "/a b\\040\tc");
        assert_eq!(unescape("/\\303\\274ber\\8\\04"), "/über\\8\\04");
    }

    #[test]
    fn a_mount_below_one_that_may_hang_says_so() {
        let table = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / /net rw - nfs4 s:/x rw\n\
            3 2 8:2 / /net/disk rw - ext4 /dev/sdb rw\n4 1 8:3 / /network rw - ext4 /dev/sdc rw\n";
        let entries = mounted(table);
        assert_eq!(above(&entries, "/net/disk", &[]), Some("/net"));
        assert_eq!(above(&entries, "/network", &[]), None);
        assert_eq!(above(&entries, "/network", &["/"]), Some("/"));
        let auto = "1 0 0:5 / /net rw - autofs systemd-1 rw,direct\n2 1 0:9 / /net rw - nfs4 s:/x rw\n";
        assert!(
            is_automounted(auto, "/net") && is_automounted(auto, "/net/a") && !is_automounted(auto, "/netx")
        );
    }
}
