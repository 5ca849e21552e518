//! Mounted file systems: `/proc/self/mountinfo`, `/etc/fstab`, statvfs.

use std::collections::HashSet;

use crate::facts::Fact;
use crate::facts::root::SystemRoot;
use crate::facts::storage::{MountedFileSystem, MountedFileSystems};

/// File systems on a local disk whose room can run out.
const LOCAL: [&str; 14] = [
    "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "vfat", "exfat", "ntfs", "ntfs3", "fuseblk",
    "bcachefs", "overlay",
];

/// File systems that are always read-only.
const IMAGES: [&str; 4] = ["squashfs", "iso9660", "udf", "erofs"];

/// File systems over a network, where asking for the size can hang for minutes.
const REMOTE: [&str; 9] =
    ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuse.rclone", "ceph", "9p", "fuse.glusterfs"];

/// Most mounts that are looked at.
const MOUNT_LIMIT: usize = 200;

/// Reads the mounted file systems and their room.
pub(super) fn mounts(root: &SystemRoot) -> Fact<MountedFileSystems> {
    measured(root, &[])
}

/// The same with file systems in memory, which fill up as well (`/run`, `/tmp`, `/dev/shm`).
pub(super) fn mounts_and_memory(root: &SystemRoot) -> Fact<MountedFileSystems> {
    measured(root, &["tmpfs"])
}

fn measured(root: &SystemRoot, besides: &[&str]) -> Fact<MountedFileSystems> {
    let table = root.text("/etc/fstab").unwrap_or_default();
    let info = root.text("/proc/self/mountinfo")?;
    let mut mounts = parse(&info, &table, besides);
    for mount in &mut mounts.local {
        measure(root, mount);
    }
    // An overlay shows the room of the file system below; size 0 is one of the kernel's own.
    mounts.local.retain(|mount| mount.size > 0);
    Ok(mounts)
}

fn measure(root: &SystemRoot, mount: &mut MountedFileSystem) {
    let Ok(stat) = rustix::fs::statvfs(root.place(&mount.target)) else { return };
    mount.size = stat.f_blocks.saturating_mul(stat.f_frsize);
    mount.available = stat.f_bavail.saturating_mul(stat.f_frsize);
    mount.used = stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(stat.f_frsize);
    mount.inodes = stat.f_files;
    mount.inodes_free = stat.f_ffree;
}

/// What is mounted, one entry a device, and what is wanted and isn't.
fn parse(mountinfo: &str, fstab: &str, besides: &[&str]) -> MountedFileSystems {
    let wanted: Vec<FstabEntry> = fstab.lines().filter_map(wanted).collect();
    let mut mounts = MountedFileSystems::default();
    let mut seen_devices = HashSet::new();
    let mut seen_targets = HashSet::new();
    for entry in mountinfo.lines().filter_map(entry).take(MOUNT_LIMIT) {
        seen_targets.insert(entry.mount.target.clone());
        if REMOTE.contains(&entry.mount.kind.as_str()) {
            mounts.remote.push(entry.mount.target);
        } else if (LOCAL.contains(&entry.mount.kind.as_str()) || besides.contains(&entry.mount.kind.as_str()))
            && seen_devices.insert(entry.device_number)
        {
            let asked = wanted.iter().any(|w| w.target == entry.mount.target && w.read_only);
            let image =
                entry.mount.device.starts_with("/dev/loop") || entry.mount.device.starts_with("/dev/sr");
            mounts.local.push(MountedFileSystem { read_only_meant: asked || image, ..entry.mount });
        }
    }
    let images = mountinfo.lines().filter_map(entry).filter(|e| IMAGES.contains(&e.mount.kind.as_str()));
    seen_targets.extend(images.map(|entry| entry.mount.target));
    mounts.absent = wanted
        .into_iter()
        .filter(|w| w.automatic && !seen_targets.contains(&w.target))
        .map(|w| w.target)
        .collect();
    mounts
}

struct MountinfoEntry {
    device_number: String,
    mount: MountedFileSystem,
}

/// One line: `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue` (proc(5)).
fn entry(line: &str) -> Option<MountinfoEntry> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let (device_number, _root, target, options) = (left.next()?, left.next()?, left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (kind, device, super_options) = (right.next()?, right.next()?, right.next().unwrap_or(""));
    let read_only = |options: &str| options.split(',').any(|option| option == "ro");
    Some(MountinfoEntry {
        device_number: device_number.to_owned(),
        mount: MountedFileSystem {
            target: unescape(target),
            device: unescape(device),
            kind: kind.to_owned(),
            // A read-only bind mount of a healthy file system is somebody's choice; a read-only file
            // system is the kernel's answer to errors.
            read_only: read_only(super_options) || (super_options.is_empty() && read_only(options)),
            ..MountedFileSystem::default()
        },
    })
}

/// The kernel writes spaces and the like as `\040`.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

struct FstabEntry {
    target: String,
    read_only: bool,
    automatic: bool,
}

fn wanted(line: &str) -> Option<FstabEntry> {
    let mut fields = line.split('#').next()?.split_whitespace();
    let (_device, target, kind, options) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let has = |option: &str| options.split(',').any(|o| o == option);
    let automatic = target.starts_with('/')
        && kind != "swap"
        && !["noauto", "nofail", "x-systemd.automount"].iter().any(|option| has(option));
    Some(FstabEntry { target: unescape(target), read_only: has("ro"), automatic })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

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
    const FSTAB: &str = "\
# <file system> <mount point> <type> <options> <dump> <pass>
UUID=1 / ext4 errors=remount-ro 0 1
UUID=2 none swap sw 0 0
UUID=3 /archive xfs ro 0 2
UUID=4 /backup ext4 defaults 0 2
UUID=5 /usb vfat noauto,user 0 0
";

    #[test]
    fn sorts_mounts_and_finds_what_is_not_mounted() {
        let mounts = parse(MOUNTINFO, FSTAB, &[]);
        let targets: Vec<_> = mounts.local.iter().map(|m| m.target.as_str()).collect();
        assert_eq!(targets, ["/", "/media/my disk", "/archive"]);
        assert_eq!(mounts.remote, ["/home/shared"]);
        assert_eq!(mounts.absent, ["/backup"]);
        let read_only: Vec<_> = mounts.local.iter().map(|m| (m.read_only, m.read_only_meant)).collect();
        assert_eq!(read_only, [(false, false), (true, false), (true, true)]);
    }

    #[test]
    fn measures_a_real_directory() {
        let (_dir, root) =
            tree(&[("/proc/self/mountinfo", "28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n")]);
        let mounts = mounts(&root).unwrap();
        assert!(mounts.local[0].size > 0);
        assert!(mounts.local[0].available <= mounts.local[0].size);
    }
}
