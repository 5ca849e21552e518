//! Memory and swap: `/proc/meminfo`, ZFS's cache, control groups.

use super::cgroup;
use crate::facts::load::MemoryUse;
use crate::facts::root::SystemRoot;
use crate::facts::{Fact, MissingFact};

/// Value of a `/proc/meminfo` line in bytes.
pub(super) fn meminfo_bytes(meminfo: &str, key: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()?.saturating_mul(1024))
}

/// Reads memory, swap and the count of programs killed out of memory.
pub(super) fn memory(root: &SystemRoot) -> Fact<MemoryUse> {
    let text = root.text("/proc/meminfo")?;
    let value = |key: &str| meminfo_bytes(&text, key);
    let total = value("MemTotal").filter(|total| *total > 0);
    let total = total.ok_or_else(|| MissingFact::failed("/proc/meminfo", "no line MemTotal"))?;
    // Some container hosts show the line with 0.
    let told = value("MemAvailable").filter(|told| *told > 0 || value("MemFree") == Some(0));
    let watermark = root.number::<u64>("/proc/sys/vm/min_free_kbytes").unwrap_or(0).saturating_mul(1024);
    let available = told.or_else(|| estimate(&text, watermark));
    let cache = root.text("/proc/spl/kstat/zfs/arcstats").map(|text| reclaimable_arc(&text)).unwrap_or(0);
    let vmstat = root.text("/proc/vmstat").unwrap_or_default();
    let group = cgroup::memory(root, total);
    // A container's /proc/vmstat is its host's, and so are the programs killed.
    let killed_here = vmstat.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    let in_group = group.as_ref().filter(|group| group.path == "/").and_then(|group| group.oom_kills);
    Ok(MemoryUse {
        total,
        available: available.map(|bytes| bytes.saturating_add(cache).min(total)),
        estimated: told.is_none(),
        reclaimable_arc: cache,
        huge_pages: value("Hugetlb").unwrap_or(0).min(total),
        swap_total: value("SwapTotal").unwrap_or(0),
        swap_free: value("SwapFree").unwrap_or(0),
        oom_kills: in_group.or(killed_here),
        group,
    })
}

/// What the kernel would tell as `MemAvailable`, for those that don't (before 3.14, WSL 1, OpenVZ): its own formula
/// (`si_mem_available`), as free(1) has it for old kernels. Half of the cache is kept, or the low watermark if that is less.
fn estimate(meminfo: &str, min_free: u64) -> Option<u64> {
    let value = |key: &str| meminfo_bytes(meminfo, key);
    let low_watermark = min_free / 4 * 5;
    let free = value("MemFree")?;
    let kept = |bytes: u64| bytes.saturating_sub((bytes / 2).min(low_watermark));
    let files = match (value("Active(file)"), value("Inactive(file)")) {
        (None, None) => value("Cached").unwrap_or(0).saturating_sub(value("Shmem").unwrap_or(0)),
        (active, inactive) => active.unwrap_or(0).saturating_add(inactive.unwrap_or(0)),
    };
    let slab = value("SReclaimable").unwrap_or(0);
    Some(free.saturating_sub(low_watermark).saturating_add(kept(files)).saturating_add(kept(slab)))
}

/// ZFS's cache (ARC) shrinks to its minimum when programs need memory, and isn't part of the kernel's `MemAvailable`.
/// Lines are `name type value`.
fn reclaimable_arc(arcstats: &str) -> u64 {
    let value = |key: &str| {
        arcstats.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == key).then(|| words.nth(1)?.parse::<u64>().ok())?
        })
    };
    value("size").unwrap_or(0).saturating_sub(value("c_min").unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    fn of(files: &[(&str, &str)]) -> MemoryUse {
        let (_dir, root) = tree(files);
        memory(&root).unwrap()
    }

    #[test]
    fn reads_memory() {
        let memory = of(&[
            ("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 100 kB\nSwapTotal: 50 kB\nSwapFree: 5 kB\n"),
            ("/proc/vmstat", "oom_kill_disable 0\noom_kill 2\n"),
        ]);
        assert_eq!((memory.available, memory.estimated, memory.oom_kills), (Some(102_400), false, Some(2)));
        let (_dir, root) = tree(&[("/proc/meminfo", "MemFree: 5 kB\n")]);
        assert!(matches!(super::memory(&root), Err(MissingFact::Failed { .. })));
    }

    #[test]
    fn kernels_without_memavailable_are_estimated_or_not_known() {
        let old = "MemTotal: 8300000 kB\nMemFree: 4700000 kB\nBuffers: 100 kB\nCached: 900000 kB\nActive(file): 300000 kB\n\
            Inactive(file): 500000 kB\nSReclaimable: 100000 kB\nShmem: 100000 kB\n";
        let memory = of(&[("/proc/meminfo", old), ("/proc/sys/vm/min_free_kbytes", "40000\n")]);
        // 4,700,000 - 50,000 + (800,000 - 50,000) + (100,000 - 50,000)
        assert_eq!((memory.available, memory.estimated), (Some(5_450_000 * 1024), true));
        // WSL 1 has neither file pages nor slabs.
        let wsl = "MemTotal: 8300000 kB\nMemFree: 4700000 kB\nCached: 190000 kB\nShmem: 18000 kB\n";
        assert_eq!(of(&[("/proc/meminfo", wsl)]).available, Some((4_700_000 + 172_000) * 1024));
        assert_eq!(of(&[("/proc/meminfo", "MemTotal: 100 kB\n")]).available, None);
        let zero = "MemTotal: 100 kB\nMemFree: 50 kB\nMemAvailable: 0 kB\n";
        assert_eq!(
            (of(&[("/proc/meminfo", zero)]).available, of(&[("/proc/meminfo", zero)]).estimated),
            (Some(51_200), true)
        );
    }

    #[test]
    fn the_cache_of_zfs_above_its_minimum_is_available() {
        let meminfo = ("/proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable: 640000 kB\nMemFree: 1 kB\n");
        let arc = "13 1 0x01 123 33456 7 8\nname                            type data\nhits 4 9\n\
            c_min                           4    1024000000\nc 4 12288000000\nsize                            4    12288000000\n";
        let memory = of(&[meminfo, ("/proc/spl/kstat/zfs/arcstats", arc)]);
        assert_eq!(memory.available, Some(640_000 * 1024 + 11_264_000_000));
        assert_eq!(memory.reclaimable_arc, 11_264_000_000);
        // Below its minimum it gives nothing; without that line nothing is known to be given.
        assert_eq!(reclaimable_arc("c_min 4 100\nsize 4 50\n"), 0);
        assert_eq!(reclaimable_arc("size 4 50\n"), 0);
    }

    #[test]
    fn huge_pages_are_taken_on_purpose() {
        let memory = of(&[("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 90 kB\nHugetlb: 900 kB\n")]);
        assert_eq!((memory.huge_pages, memory.usable()), (921_600, 102_400));
        assert_eq!(memory.available_percent(), Some(90.0));
    }
}
