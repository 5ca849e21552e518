//! Limits that control groups set on this program and what runs with it: cgroups(7), version 1 and 2.
//!
//! A container's memory and processors are those of its control group, while `/proc/meminfo` and `/proc/stat` go on telling
//! of the whole machine. Each group from our own up to the mount's root can set a limit; the tightest counts.

use crate::facts::load::{CpuQuota, MemoryGroup};
use crate::facts::root::SystemRoot;

/// Groups within groups that are looked at; real ones are less than ten deep.
const DEPTH_LIMIT: usize = 32;

/// A limit on this agent's own service is about the agent, not about the machine.
const OWN_SERVICE: &str = "nearhand-agent.service";

/// Where the groups of one controller are: directories from our own group up to the mount's root.
struct GroupDirectories {
    /// Path of the mount.
    mount: String,
    /// Paths below it, our own first, the root (`/`) last.
    groups: Vec<String>,
}

impl GroupDirectories {
    /// `controller` is one of version 1, or `None` for version 2, which has all in one tree.
    fn find(root: &SystemRoot, controller: Option<&str>) -> Option<Self> {
        let own = own_group(&root.text("/proc/self/cgroup").ok()?, controller)?;
        let (mount, mounted) = group_mount(&root.text("/proc/self/mountinfo").ok()?, controller)?;
        // Without a namespace of its own a container sees its group's whole path, and only that group mounted.
        let own = match own.strip_prefix(mounted.trim_end_matches('/')) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
            _ => "",
        };
        let mut groups = Vec::new();
        // A path out of the namespace (`/../..`) can't be followed.
        let mut group = if own.split('/').any(|part| part == "..") { "" } else { own.trim_end_matches('/') };
        while !group.is_empty() && groups.len() < DEPTH_LIMIT {
            groups.push(group.to_owned());
            group = group.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
        groups.push("/".to_owned());
        groups.retain(|group| !group.ends_with(OWN_SERVICE));
        Some(Self { mount, groups })
    }

    fn file(&self, group: &str, name: &str) -> String {
        format!("{}{}/{name}", self.mount, group.trim_end_matches('/'))
    }
}

/// `0::/user.slice` or `4:memory:/docker/0123`
fn own_group(text: &str, controller: Option<&str>) -> Option<String> {
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let fits = match controller {
            None => number == "0" && controllers.is_empty(),
            Some(wanted) => controllers.split(',').any(|name| name == wanted),
        };
        fits.then(|| path.to_owned())
    })
}

/// Mount point, and the group that is mounted there: fields 5 and 4 of mountinfo, the type after the dash.
fn group_mount(text: &str, controller: Option<&str>) -> Option<(String, String)> {
    text.lines().find_map(|line| {
        let (place, source) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (mounted, target) = (place.next()?, place.next()?);
        let mut source = source.split(' ');
        let (kind, options) = (source.next()?, source.nth(1)?);
        let fits = match controller {
            None => kind == "cgroup2",
            Some(wanted) => kind == "cgroup" && options.split(',').any(|option| option == wanted),
        };
        fits.then(|| (target.to_owned(), mounted.to_owned()))
    })
}

/// Value of a line `KEY NUMBER`.
fn counter(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The group that leaves least memory, where one has a limit below `total` bytes.
pub(super) fn memory(root: &SystemRoot, total: u64) -> Option<MemoryGroup> {
    let limited = |version_2: bool| {
        let directories = GroupDirectories::find(root, (!version_2).then_some("memory"))?;
        let groups = directories.groups.iter();
        let limits = groups.filter_map(|group| match version_2 {
            true => memory_v2(root, &directories, group),
            false => memory_v1(root, &directories, group),
        });
        limits.filter(|group| group.limit < total).min_by_key(MemoryGroup::available)
    };
    limited(true).or_else(|| limited(false))
}

/// `memory.high` is where the kernel slows a group down, `memory.max` where it kills. What files only cache counts as
/// free, as for the kubelet: <https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction>.
fn memory_v2(root: &SystemRoot, directories: &GroupDirectories, group: &str) -> Option<MemoryGroup> {
    let number = |name: &str| root.number::<u64>(&directories.file(group, name));
    let limit = [number("memory.max"), number("memory.high")].into_iter().flatten().min()?;
    let stat = root.text(&directories.file(group, "memory.stat")).unwrap_or_default();
    let events = root.text(&directories.file(group, "memory.events")).unwrap_or_default();
    Some(MemoryGroup {
        path: group.to_owned(),
        limit,
        used: number("memory.current")?.saturating_sub(counter(&stat, "inactive_file").unwrap_or(0)),
        oom_kills: counter(&events, "oom_kill"),
    })
}

/// Without a limit the file holds a number close to 2^63.
fn memory_v1(root: &SystemRoot, directories: &GroupDirectories, group: &str) -> Option<MemoryGroup> {
    let number = |name: &str| root.number::<u64>(&directories.file(group, name));
    let stat = root.text(&directories.file(group, "memory.stat")).unwrap_or_default();
    let control = root.text(&directories.file(group, "memory.oom_control")).unwrap_or_default();
    let cached = counter(&stat, "total_inactive_file").or_else(|| counter(&stat, "inactive_file"));
    Some(MemoryGroup {
        path: group.to_owned(),
        limit: number("memory.limit_in_bytes")?,
        used: number("memory.usage_in_bytes")?.saturating_sub(cached.unwrap_or(0)),
        oom_kills: counter(&control, "oom_kill"),
    })
}

/// The tightest limit on processor time, and how often it was reached since the group began.
pub(super) fn cpu(root: &SystemRoot) -> Option<CpuQuota> {
    let tightest = |version_2: bool| {
        let directories = GroupDirectories::find(root, (!version_2).then_some("cpu"))?;
        let groups = directories.groups.iter();
        let quotas = groups.filter_map(|group| cpu_quota(root, &directories, group, version_2));
        quotas.min_by(|a, b| a.processors.total_cmp(&b.processors))
    };
    tightest(true).or_else(|| tightest(false))
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a period")]
fn cpu_quota(
    root: &SystemRoot,
    directories: &GroupDirectories,
    group: &str,
    version_2: bool,
) -> Option<CpuQuota> {
    // `50000 100000`, or `max 100000` without a limit; version 1 has -1 for that.
    let (quota, period): (u64, u64) = match version_2 {
        true => {
            let line = root.line(&directories.file(group, "cpu.max"))?;
            let (quota, period) = line.split_once(' ')?;
            (quota.parse().ok()?, period.trim().parse().ok()?)
        }
        false => (
            root.number(&directories.file(group, "cpu.cfs_quota_us"))?,
            root.number(&directories.file(group, "cpu.cfs_period_us"))?,
        ),
    };
    let stat = root.text(&directories.file(group, "cpu.stat")).unwrap_or_default();
    (period > 0).then(|| CpuQuota {
        path: group.to_owned(),
        processors: quota as f64 / period as f64,
        periods: counter(&stat, "nr_periods").unwrap_or(0),
        throttled: counter(&stat, "nr_throttled").unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    const V2: (&str, &str) =
        ("/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n");

    #[test]
    fn the_tightest_group_above_us_counts() {
        let (_dir, root) = tree(&[
            V2,
            ("/proc/self/cgroup", "0::/system.slice/shop.service\n"),
            ("/sys/fs/cgroup/system.slice/memory.max", "67108864\n"),
            ("/sys/fs/cgroup/system.slice/memory.high", "max\n"),
            ("/sys/fs/cgroup/system.slice/memory.current", "60000000\n"),
            ("/sys/fs/cgroup/system.slice/memory.stat", "anon 1\ninactive_file 4000000\nactive_file 7\n"),
            ("/sys/fs/cgroup/system.slice/memory.events", "low 0\noom 3\noom_kill 2\n"),
            ("/sys/fs/cgroup/system.slice/shop.service/memory.max", "max\n"),
            ("/sys/fs/cgroup/system.slice/shop.service/cpu.max", "50000 100000\n"),
            (
                "/sys/fs/cgroup/system.slice/shop.service/cpu.stat",
                "usage_usec 9\nnr_periods 100\nnr_throttled 40\n",
            ),
            ("/sys/fs/cgroup/system.slice/cpu.max", "max 100000\n"),
        ]);
        let group = memory(&root, 8_000_000_000).unwrap();
        assert_eq!((group.path.as_str(), group.limit, group.used), ("/system.slice", 67_108_864, 56_000_000));
        assert_eq!((group.available(), group.oom_kills), (11_108_864, Some(2)));
        assert_eq!(memory(&root, 67_108_864), None, "a limit above the machine's memory limits nothing");
        let quota = cpu(&root).unwrap();
        assert_eq!((quota.processors, quota.periods, quota.throttled), (0.5, 100, 40));
    }

    #[test]
    fn a_container_has_its_limit_at_the_root_of_what_it_sees() {
        let (_dir, root) = tree(&[
            V2,
            ("/proc/self/cgroup", "0::/\n"),
            ("/sys/fs/cgroup/memory.max", "1000\n"),
            ("/sys/fs/cgroup/memory.high", "800\n"),
            ("/sys/fs/cgroup/memory.current", "500\n"),
        ]);
        let group = memory(&root, 8_000).unwrap();
        assert_eq!((group.path.as_str(), group.limit, group.available()), ("/", 800, 300));
    }

    #[test]
    fn version_1_with_and_without_a_namespace() {
        let mounts = "31 30 0:27 /docker/01ab /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
            32 30 0:28 /docker/01ab /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n\
            33 30 0:29 / /sys/fs/cgroup/unified ro - cgroup2 cgroup2 rw\n";
        let (_dir, root) = tree(&[
            ("/proc/self/mountinfo", mounts),
            ("/proc/self/cgroup", "7:cpu,cpuacct:/docker/01ab\n4:memory:/docker/01ab\n0::/docker/01ab\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "64000000\n"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "60000000\n"),
            ("/sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 4000000\n"),
            ("/sys/fs/cgroup/memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000\n"),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.stat", "nr_periods 10\nnr_throttled 1\n"),
        ]);
        let group = memory(&root, 8_000_000_000).unwrap();
        assert_eq!((group.path.as_str(), group.available(), group.oom_kills), ("/", 8_000_000, Some(1)));
        assert_eq!(cpu(&root).unwrap().processors, 1.5);
        // Version 1 has a number where there is no limit, and -1 for processors.
        let (_dir, root) = tree(&[
            ("/proc/self/mountinfo", "31 30 0:27 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"),
            ("/proc/self/cgroup", "4:memory:/\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "60000000\n"),
            ("/sys/fs/cgroup/memory/cpu.cfs_quota_us", "-1\n"),
        ]);
        assert_eq!((memory(&root, 8_000_000_000), cpu(&root)), (None, None));
    }

    #[test]
    fn the_agents_own_limit_is_not_the_machines() {
        let (_dir, root) = tree(&[
            V2,
            ("/proc/self/cgroup", "0::/system.slice/nearhand-agent.service\n"),
            ("/sys/fs/cgroup/system.slice/nearhand-agent.service/memory.max", "1000\n"),
            ("/sys/fs/cgroup/system.slice/nearhand-agent.service/memory.current", "900\n"),
        ]);
        assert_eq!(memory(&root, 8_000), None);
    }
}
