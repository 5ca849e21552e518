//! File systems that share their room: datasets of a ZFS pool, and how btrfs divides its disks.
//!
//! A pool that runs full is one thing, not one for each of its datasets. Btrfs gives out its disks in large pieces, to
//! data or to metadata: with nothing left to give out and full metadata, writing fails though much looks free.

use crate::facts::root::SystemRoot;
use crate::facts::storage::{BtrfsAllocation, MountedFileSystem};

/// A dataset with less room than this share of its pool's has a quota of its own.
const SAME_ROOM: f64 = 0.99;

/// Puts the datasets of each pool together, under its shortest mount point. Those with a quota stay alone.
pub(super) fn by_pool(mounts: &[MountedFileSystem]) -> Vec<MountedFileSystem> {
    let pool = |mount: &MountedFileSystem| -> Option<String> {
        let of_zfs = mount.kind == "zfs" && mount.size > 0 && mount.silent.is_none();
        of_zfs.then(|| mount.device.split('/').next().unwrap_or_default().to_owned())
    };
    let room_of = |name: &str| {
        mounts.iter().filter(|m| pool(m).as_deref() == Some(name)).map(|m| m.available).max().unwrap_or(0)
    };
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let shares =
        |mount: &MountedFileSystem, name: &str| mount.available as f64 >= room_of(name) as f64 * SAME_ROOM;
    let mut together: Vec<MountedFileSystem> = Vec::new();
    for mount in mounts {
        let Some(name) = pool(mount).filter(|name| shares(mount, name)) else {
            together.push(mount.clone());
            continue;
        };
        let same = together.iter_mut().find(|other| other.kind == "zfs" && other.device == name);
        match same {
            Some(whole) => {
                whole.used = whole.used.saturating_add(mount.used);
                whole.size = whole.used.saturating_add(whole.available);
                whole.shared_by += 1;
                if mount.target.len() < whole.target.len() {
                    whole.target.clone_from(&mount.target);
                    whole.writing.clone_from(&mount.writing);
                }
            }
            None => together.push(MountedFileSystem { device: name, ..mount.clone() }),
        }
    }
    together
}

/// The name that `/sys` has for a device: `dm-0` for `/dev/mapper/vg-root`.
pub(super) fn kernel_name(root: &SystemRoot, device: &str) -> Option<String> {
    let plain = device.strip_prefix("/dev/")?;
    match root.link_name(device) {
        Some(name) => Some(name),
        None => plain.rsplit('/').next().map(str::to_owned),
    }
}

/// How the btrfs file system on `device` has divided its disks.
pub(super) fn btrfs(root: &SystemRoot, device: &str) -> Option<BtrfsAllocation> {
    let name = kernel_name(root, device)?;
    let volumes = root.names("/sys/fs/btrfs").ok()?;
    let volume = volumes.into_iter().find(|id| root.has(&format!("/sys/fs/btrfs/{id}/devices/{name}")))?;
    let base = format!("/sys/fs/btrfs/{volume}");
    let members = root.names(&format!("{base}/devices")).ok()?;
    let sectors = |member: &String| root.number::<u64>(&format!("{base}/devices/{member}/size"));
    let size = members.iter().filter_map(sectors).fold(0_u64, u64::saturating_add).saturating_mul(512);
    let number = |of: &str| root.number::<u64>(&format!("{base}/allocation/{of}"));
    let kinds = ["data", "metadata", "system", "mixed"];
    let given_out = kinds.iter().filter_map(|kind| number(&format!("{kind}/disk_total")));
    let metadata = if root.has(&format!("{base}/allocation/metadata")) { "metadata" } else { "mixed" };
    let room = number(&format!("{metadata}/total_bytes"))?;
    let on_disk = number(&format!("{metadata}/disk_total")).unwrap_or(room);
    Some(BtrfsAllocation {
        unallocated: size.saturating_sub(given_out.fold(0, u64::saturating_add)),
        metadata: room,
        metadata_used: number(&format!("{metadata}/bytes_used"))?
            .saturating_add(number("global_rsv_size").unwrap_or(0)),
        metadata_copies: on_disk.checked_div(room).unwrap_or(1).max(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    fn dataset(device: &str, target: &str, used: u64, available: u64) -> MountedFileSystem {
        MountedFileSystem {
            device: device.into(),
            target: target.into(),
            kind: "zfs".into(),
            used,
            available,
            size: used + available,
            ..MountedFileSystem::default()
        }
    }

    #[test]
    fn a_pool_is_one_and_a_dataset_with_a_quota_another() {
        let found = by_pool(&[
            dataset("tank/vm/1", "/tank/vm/1", 400, 1_000),
            dataset("tank", "/tank", 100, 1_001),
            dataset("tank/home", "/home", 500, 999),
            dataset("tank/small", "/small", 99, 1),
            dataset("other", "/other", 5, 5),
        ]);
        let seen: Vec<(&str, &str, u64, usize)> =
            found.iter().map(|m| (m.device.as_str(), m.target.as_str(), m.used, m.shared_by)).collect();
        let expected =
            [("tank", "/tank", 1_000, 2), ("tank/small", "/small", 99, 0), ("other", "/other", 5, 0)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn btrfs_tells_what_is_left_to_give_out() {
        let (_dir, root) = tree(&[
            ("/sys/fs/btrfs/features/x", ""),
            ("/sys/fs/btrfs/id/devices/sda2/size", "20480\n"),
            ("/sys/fs/btrfs/id/allocation/data/disk_total", "8388608\n"),
            ("/sys/fs/btrfs/id/allocation/metadata/disk_total", "2097152\n"),
            ("/sys/fs/btrfs/id/allocation/metadata/total_bytes", "1048576\n"),
            ("/sys/fs/btrfs/id/allocation/metadata/bytes_used", "1000000\n"),
            ("/sys/fs/btrfs/id/allocation/global_rsv_size", "48576\n"),
        ]);
        let found = btrfs(&root, "/dev/sda2").unwrap();
        let expected = BtrfsAllocation {
            unallocated: 0,
            metadata: 1_048_576,
            metadata_used: 1_048_576,
            metadata_copies: 2,
        };
        assert_eq!(found, expected);
        assert_eq!(btrfs(&root, "/dev/sdb"), None);
    }
}
