//! Processor, memory, pressure: `/proc` and `/sys`.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::facts::load::{
    CpuQuota, CpuThrottling, DiskUse, EccController, PressureStalls, StallShare, SystemActivity,
};
use crate::facts::root::SystemRoot;
use crate::facts::{CollectContext, Fact, FactSource, MissingFact, blocking};

use super::cgroup;

/// How long processor and disks are watched. Long enough for 100 Hz counters to tell percents.
const WATCH: Duration = Duration::from_millis(1000);

/// Watches processor and disks for [`WATCH`].
pub(super) async fn activity(context: &Arc<CollectContext>) -> Fact<SystemActivity> {
    let before = CpuCounters::read(&context.root)?;
    tokio::time::sleep(WATCH).await;
    let after = CpuCounters::read(&context.root)?;
    Ok(between(&before, &after, averages(&context.root)?, WATCH))
}

fn averages(root: &SystemRoot) -> Fact<[f64; 3]> {
    let load = root.line("/proc/loadavg").as_deref().and_then(load_averages);
    load.ok_or_else(|| MissingFact::failed("/proc/loadavg", "not three numbers"))
}

/// CPU use since the last call, for callers that measure again and again. Disks are left out.
#[derive(Debug, Default)]
pub struct CpuMeter(Option<CpuCounters>);

impl CpuMeter {
    /// `over` is the time since then, `None` the first time.
    pub fn activity(&mut self, root: &SystemRoot, over: Duration) -> Fact<Option<SystemActivity>> {
        let stat = root.text("/proc/stat")?;
        let now = CpuCounters::parse(&stat, BTreeMap::new());
        let now = now.ok_or_else(|| MissingFact::failed("/proc/stat", "no line for all processors"))?;
        let load = averages(root)?;
        let activity = self.0.as_ref().map(|before| between(before, &now, load, over));
        self.0 = Some(now);
        Ok(activity)
    }
}

fn load_averages(line: &str) -> Option<[f64; 3]> {
    let mut numbers = line.split_whitespace().map(|word| word.parse::<f64>().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

/// Counters that only ever grow.
#[derive(Debug)]
struct CpuCounters {
    processors: usize,
    total: u64,
    idle: u64,
    iowait: u64,
    steal: u64,
    /// Disk: requests, milliseconds spent by requests, milliseconds busy.
    disks: BTreeMap<String, (u64, u64, u64)>,
}

impl CpuCounters {
    fn read(root: &SystemRoot) -> Fact<Self> {
        let stat = root.text("/proc/stat")?;
        let disks = root.text("/proc/diskstats").map(|text| disk_counters(&text)).unwrap_or_default();
        Self::parse(&stat, disks)
            .ok_or_else(|| MissingFact::failed("/proc/stat", "no line for all processors"))
    }

    /// `cpu user nice system idle iowait irq softirq steal guest guest_nice`: proc(5).
    fn parse(stat: &str, disks: BTreeMap<String, (u64, u64, u64)>) -> Option<Self> {
        let line = stat.lines().find(|line| line.starts_with("cpu "))?;
        let fields: Vec<u64> =
            line.split_whitespace().skip(1).take(8).map_while(|w| w.parse().ok()).collect();
        let field = |index: usize| fields.get(index).copied().unwrap_or(0);
        let is_core = |line: &&str| {
            line.strip_prefix("cpu").is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()))
        };
        (fields.len() >= 4).then(|| Self {
            processors: stat.lines().filter(is_core).count().max(1),
            total: fields.iter().fold(0, |sum, value| sum.saturating_add(*value)),
            idle: field(3),
            iowait: field(4),
            steal: field(7),
            disks,
        })
    }
}

/// Whole disks only: partitions would count twice.
fn disk_counters(text: &str) -> BTreeMap<String, (u64, u64, u64)> {
    let whole = |name: &str| {
        ["loop", "ram", "zram", "dm-", "md", "sr"].iter().all(|prefix| !name.starts_with(prefix))
            && match name.starts_with("nvme") || name.starts_with("mmcblk") {
                true => !name.contains('p'),
                false => !name.ends_with(|c: char| c.is_ascii_digit()),
            }
    };
    text.lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |index: usize| words.get(index)?.parse::<u64>().ok();
            let name = words.get(2).filter(|name| whole(name))?;
            let requests = number(3)?.saturating_add(number(7)?);
            let spent = number(6)?.saturating_add(number(10)?);
            Some(((*name).to_owned(), (requests, spent, number(12)?)))
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "percentages need no more than 52 bits")]
fn between(before: &CpuCounters, after: &CpuCounters, load: [f64; 3], over: Duration) -> SystemActivity {
    let total = after.total.saturating_sub(before.total).max(1) as f64;
    let share = |now: u64, then: u64| (now.saturating_sub(then) as f64 * 100.0 / total).min(100.0);
    let iowait = share(after.iowait, before.iowait);
    let over_ms = over.as_millis() as f64;
    let disks = after.disks.iter().filter_map(|(name, now)| {
        let then = before.disks.get(name)?;
        let requests = now.0.saturating_sub(then.0);
        Some(DiskUse {
            name: name.clone(),
            busy_percent: (now.2.saturating_sub(then.2) as f64 * 100.0 / over_ms).min(100.0),
            wait_ms: (requests > 0).then(|| now.1.saturating_sub(then.1) as f64 / requests as f64),
        })
    });
    SystemActivity {
        processors: after.processors,
        load,
        over_ms: u64::try_from(over.as_millis()).unwrap_or(u64::MAX),
        busy_percent: (100.0 - share(after.idle, before.idle) - iowait).max(0.0),
        iowait_percent: iowait,
        steal_percent: share(after.steal, before.steal),
        disks: disks.collect(),
    }
}

/// Reads pressure stall information (kernel 4.20 and later).
pub(super) fn pressure(root: &SystemRoot) -> Fact<PressureStalls> {
    let stall = |name: &str| {
        let path = format!("/proc/pressure/{name}");
        root.text(&path).map(|text| parse_stall(&text))
    };
    Ok(PressureStalls { cpu: stall("cpu")?, memory: stall("memory")?, io: stall("io")? })
}

/// `some avg10=0.43 avg60=0.86 avg300=1.65 total=19232182`, then the same with `full`.
fn parse_stall(text: &str) -> StallShare {
    let averages = |kind: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(kind)).unwrap_or("");
        ["avg10=", "avg60=", "avg300="].map(|key| {
            let word = line.split_whitespace().find_map(|word| word.strip_prefix(key));
            word.and_then(|number| number.parse().ok()).filter(|value: &f64| value.is_finite()).unwrap_or(0.0)
        })
    };
    StallShare { some: averages("some "), full: averages("full ") }
}

/// Watches for [`WATCH`] how the processor is held back: counters that go on for months say little about now.
pub(super) async fn throttling(context: &Arc<CollectContext>) -> Fact<CpuThrottling> {
    let read = |context: &Arc<CollectContext>| {
        let context = Arc::clone(context);
        async move {
            let root = context.root.clone();
            blocking(&context, FactSource::Throttling, move || throttle_counters(&root)).await
        }
    };
    let before = read(context).await?;
    tokio::time::sleep(WATCH).await;
    Ok(throttled_between(&before, read(context).await?))
}

/// The state of `now`, with what was counted since `before`.
fn throttled_between(before: &CpuThrottling, mut now: CpuThrottling) -> CpuThrottling {
    let events = now.thermal_events.zip(before.thermal_events);
    now.recent_events = events.map(|(now, before)| now.saturating_sub(before));
    now.quota = now.quota.map(|quota| {
        let then = before.quota.as_ref().filter(|then| then.path == quota.path).unwrap_or(&quota);
        CpuQuota {
            periods: quota.periods.saturating_sub(then.periods),
            throttled: quota.throttled.saturating_sub(then.throttled),
            ..quota.clone()
        }
    });
    now
}

fn throttle_counters(root: &SystemRoot) -> Fact<CpuThrottling> {
    let base = "/sys/devices/system/cpu";
    let mut cores = root.names(base).unwrap_or_default();
    cores.retain(|name| name.strip_prefix("cpu").is_some_and(|rest| rest.parse::<u16>().is_ok()));
    let number = |core: &str, file: &str| root.number::<u64>(&format!("{base}/{core}/{file}"));
    let events: Vec<u64> =
        cores.iter().filter_map(|core| number(core, "thermal_throttle/core_throttle_count")).collect();
    let ceiling = cores
        .iter()
        .filter_map(|core| {
            let now = number(core, "cpufreq/scaling_max_freq")?;
            let best = number(core, "cpufreq/cpuinfo_max_freq").filter(|best| *best > 0)?;
            #[expect(clippy::cast_precision_loss, reason = "kilohertz fit")]
            Some(now as f64 * 100.0 / best as f64)
        })
        .min_by(f64::total_cmp);
    let governor = root.line(&format!("{base}/cpu0/cpufreq/scaling_governor"));
    let quota = cgroup::cpu(root);
    if events.is_empty() && ceiling.is_none() && governor.is_none() && quota.is_none() {
        return Err(MissingFact::Absent(
            "a frequency or throttling counter of the processor, or a limit on its time".to_owned(),
        ));
    }
    let sum = events.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let uptime = root.line("/proc/uptime").unwrap_or_default();
    Ok(CpuThrottling {
        thermal_events: (!events.is_empty()).then_some(sum),
        recent_events: None,
        uptime_seconds: uptime.split(['.', ' ']).next().and_then(|text| text.parse().ok()).unwrap_or(0),
        ceiling_percent: ceiling,
        governor,
        quota,
    })
}

/// Reads memory controllers.
pub(super) fn ecc(root: &SystemRoot) -> Fact<Vec<EccController>> {
    let base = "/sys/devices/system/edac/mc";
    let mut controllers = root.names(base).unwrap_or_default();
    controllers.retain(|name| name.strip_prefix("mc").is_some_and(|rest| rest.parse::<u16>().is_ok()));
    if controllers.is_empty() {
        return Err(MissingFact::NotApplicable("this machine counts no memory errors (no ECC)".to_owned()));
    }
    let count = |name: &str, file: &str| root.number(&format!("{base}/{name}/{file}")).unwrap_or(0);
    let read = |name: String| EccController {
        corrected: count(&name, "ce_count"),
        uncorrected: count(&name, "ue_count"),
        name,
    };
    Ok(controllers.into_iter().map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    const DISKSTATS: &str = "\
   8       0 sda 100 5 2000 300 50 1 900 700 0 400 1000 0 0 0 0 0 0
   8       1 sda1 100 5 2000 300 50 1 900 700 0 400 1000 0 0 0 0 0 0
 259       0 nvme0n1 10 0 80 4 0 0 0 0 0 8 4 0 0 0 0 0 0
 259       1 nvme0n1p1 10 0 80 4 0 0 0 0 0 8 4 0 0 0 0 0 0
   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
";

    #[test]
    fn shares_come_from_the_difference() {
        let before = CpuCounters::parse(
            "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1 1 1\ncpu1 1 1 1 1\n",
            disk_counters(DISKSTATS),
        );
        let later = DISKSTATS
            .replace("sda 100 5 2000 300 50 1 900 700 0 400", "sda 110 5 2000 400 50 1 900 700 0 900");
        let after = CpuCounters::parse(
            "cpu  130 0 110 840 15 0 0 5 0 0\ncpu0 1 1 1 1\ncpu1 1 1 1 1\n",
            disk_counters(&later),
        );
        let activity = between(&before.unwrap(), &after.unwrap(), [0.5, 0.4, 0.3], Duration::from_secs(1));
        assert_eq!((activity.processors, activity.busy_percent, activity.iowait_percent), (2, 45.0, 15.0));
        assert_eq!(activity.steal_percent, 5.0);
        let names: Vec<_> = activity.disks.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["nvme0n1", "sda"]);
        assert_eq!((activity.disks[1].busy_percent, activity.disks[1].wait_ms), (50.0, Some(10.0)));
    }

    #[test]
    fn counters_that_run_backwards_do_no_harm() {
        let before = CpuCounters::parse("cpu 9 9 9 9 9\n", BTreeMap::new()).unwrap();
        let after = CpuCounters::parse("cpu 1 1 1 1 1\n", BTreeMap::new()).unwrap();
        let activity = between(&before, &after, [0.0; 3], Duration::from_secs(1));
        assert!((0.0..=100.0).contains(&activity.busy_percent));
        assert!(CpuCounters::parse("cpu x y\n", BTreeMap::new()).is_none());
    }

    #[test]
    fn reads_pressure() {
        let stall = parse_stall(
            "some avg10=0.43 avg60=0.86 avg300=1.65 total=19232182\nfull avg10=0.00 avg60=nan avg300=x total=0\n",
        );
        assert_eq!(stall, StallShare { some: [0.43, 0.86, 1.65], full: [0.0; 3] });
        let (_dir, root) = tree(&[]);
        assert_eq!(pressure(&root), Err(MissingFact::Absent("/proc/pressure/cpu".into())));
    }

    #[test]
    fn reads_throttling() {
        let (_dir, root) = tree(&[
            ("/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "7\n"),
            ("/sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "5\n"),
            ("/sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "800000\n"),
            ("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "3200000\n"),
            ("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"),
            ("/sys/devices/system/cpu/cpufreq/boost", "1\n"),
        ]);
        let throttling = throttle_counters(&root).unwrap();
        assert_eq!((throttling.thermal_events, throttling.ceiling_percent), (Some(12), Some(25.0)));
    }

    #[test]
    fn throttling_is_counted_over_the_moment_watched() {
        let quota = |path: &str, periods, throttled| {
            Some(CpuQuota { path: path.into(), processors: 0.5, periods, throttled })
        };
        let of = |thermal_events, quota| CpuThrottling { thermal_events, quota, ..CpuThrottling::default() };
        let found =
            throttled_between(&of(Some(9000), quota("/a", 100, 40)), of(Some(9003), quota("/a", 110, 49)));
        assert_eq!((found.thermal_events, found.recent_events), (Some(9003), Some(3)));
        assert_eq!(found.quota, quota("/a", 10, 9));
        // Moved to another group in between: its counters have another beginning.
        let moved = throttled_between(&of(None, quota("/a", 100, 40)), of(None, quota("/b", 7, 7)));
        assert_eq!((moved.recent_events, moved.quota), (None, quota("/b", 0, 0)));
    }

    #[test]
    fn reads_ecc() {
        let (_dir, root) = tree(&[
            ("/sys/devices/system/edac/mc/mc0/ce_count", "4\n"),
            ("/sys/devices/system/edac/mc/mc0/ue_count", "0\n"),
        ]);
        assert_eq!(ecc(&root).unwrap()[0].corrected, 4);
    }
}
