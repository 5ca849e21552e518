//! From facts about the machine to readings of sensors. Pure.

use std::collections::BTreeSet;

use nearhand_rules::SensorReading;

use nearhand_diagnostics::facts::SourceFacts;
use nearhand_diagnostics::facts::hang::SilentThing;
use nearhand_diagnostics::facts::load::{MemoryGroup, MemoryUse, SystemActivity};
use nearhand_diagnostics::facts::network::DnsServer;
use nearhand_diagnostics::facts::storage::{MountedFileSystem, SmartDisk, WriteState};
use nearhand_diagnostics::{disk_is_failing, filled_percent};

#[expect(clippy::cast_precision_loss, reason = "percentages and counts need no more than 52 bits")]
fn number(value: u64) -> f64 {
    value as f64
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| number(part) * 100.0 / number(whole))
}

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn of(sensor: &str, values: Vec<(String, f64)>) -> SensorReading {
    SensorReading { sensor: sensor.to_owned(), values }
}

/// Processors and load.
pub(crate) fn activity(activity: &SystemActivity) -> Vec<SensorReading> {
    let cores = u64::try_from(activity.processors.max(1)).unwrap_or(1);
    let [_, _, quarter] = activity.load;
    vec![
        SensorReading::one("cpu.busy", activity.busy_percent),
        SensorReading::one("cpu.iowait", activity.iowait_percent),
        SensorReading::one("load.per-core", quarter / number(cores)),
    ]
}

/// What a source told, as readings. Occurrences (crashes, unclean starts) need to know what was told before and are
/// not made here.
pub(crate) fn readings(gathered: &SourceFacts) -> Vec<SensorReading> {
    match gathered {
        SourceFacts::Memory(found) => memory(found),
        SourceFacts::Pressure(found) => {
            let [_, minute, _] = found.memory.full;
            vec![SensorReading::one("memory.pressure", minute)]
        }
        SourceFacts::Mounts(found) => mounts(&found.local),
        SourceFacts::Raid(found) => {
            let missing = found.iter().map(|array| {
                let missing = if array.active { array.wanted.saturating_sub(array.working) } else { 1 };
                (array.name.clone(), number(missing.max(array.faulty)))
            });
            vec![of("raid.missing", missing.collect())]
        }
        SourceFacts::Dns(found) => {
            // RFC 1035, 4.1.1: it can't (2), or doesn't want to (5), which one that is for a VPN's names may.
            let can_not = |server: &DnsServer| {
                let refuses = |code| (code == 2 || code == 5) && server.only_for.is_none();
                server.code.is_none_or(refuses)
            };
            let silent = found.iter().map(|server| (server.address.clone(), truth(can_not(server))));
            vec![of("dns.silent", silent.collect())]
        }
        SourceFacts::Ecc(found) => {
            let corrected = found.iter().map(|c| (c.name.clone(), number(c.corrected))).collect();
            let not = found.iter().map(|c| (c.name.clone(), number(c.uncorrected))).collect();
            vec![of("ecc.corrected", corrected), of("ecc.uncorrectable", not)]
        }
        SourceFacts::Sensors(found) => {
            let margins = found.iter().filter_map(|s| Some((s.name.clone(), s.critical? - s.celsius)));
            vec![of("temperature.margin", margins.collect())]
        }
        SourceFacts::Smart(found) => smart(&found.disks),
        SourceFacts::Upkeep(found) => vec![SensorReading::one("updates.reboot", truth(found.reboot_asked))],
        SourceFacts::Firewall(found) => {
            let off = found.switched_off.iter().filter(|_| found.active.is_empty());
            vec![of("protection.off", off.map(|name| (name.clone(), 1.0)).collect())]
        }
        _ => Vec::new(),
    }
}

/// Percent of available memory below which swap matters, as in the check `memory.swap`.
const MEMORY_SHORT_PERCENT: f64 = 10.0;

fn memory(memory: &MemoryUse) -> Vec<SensorReading> {
    // The tighter of the machine and of the control group that this program is in.
    let group = memory.group.as_ref().map(MemoryGroup::available_percent);
    let left = [memory.available_percent(), group].into_iter().flatten().reduce(f64::min);
    let used = memory.swap_percent();
    let is_short = left.is_none_or(|left| left < MEMORY_SHORT_PERCENT);
    let one = |sensor: &str, value: Option<f64>| value.map(|value| SensorReading::one(sensor, value));
    let told = [
        one("memory.available", left),
        one("swap.used", used),
        one("swap.short", used.map(|used| if is_short { used } else { 0.0 })),
        one("oom.kills", memory.oom_kills.map(number)),
    ];
    told.into_iter().flatten().collect()
}

/// What doesn't answer, and for how long.
pub(crate) fn silence(silent: &[SilentThing]) -> SensorReading {
    let seconds = |one: &SilentThing| (one.thing.clone(), one.silent_for.as_secs_f64());
    of("io.silent", silent.iter().map(seconds).collect())
}

/// Full is when users can write no more: what is kept for root counts neither as free nor as room. Nothing is told of one
/// that doesn't answer, but for whether the kernel still writes to it, which it says without asking the disk.
fn mounts(mounts: &[MountedFileSystem]) -> Vec<SensorReading> {
    // One mount may lie over another; the path leads to the upper one, and both tell the same.
    let mut seen = BTreeSet::new();
    let kernels =
        |mount: &&MountedFileSystem| mount.target.starts_with("/sys/") || mount.target.starts_with("/proc/");
    let mounts: Vec<&MountedFileSystem> =
        mounts.iter().filter(|mount| !kernels(mount) && seen.insert(mount.target.as_str())).collect();
    let writable = || mounts.iter().filter(|m| m.writing == WriteState::Writable && m.silent.is_none());
    let used = writable().filter(|m| m.used.saturating_add(m.available) > 0);
    let used = used.map(|m| (m.target.clone(), filled_percent(m)));
    let free = writable().map(|m| (m.target.clone(), number(m.available)));
    let inodes = writable()
        .filter_map(|m| Some((m.target.clone(), share(m.inodes.saturating_sub(m.inodes_free), m.inodes)?)));
    let broken = mounts
        .iter()
        .filter(|m| m.writing != WriteState::ReadOnlyMeant)
        .map(|m| (m.target.clone(), truth(matches!(m.writing, WriteState::StoppedByErrors(_)))));
    vec![
        of("disk.used", used.collect()),
        of("disk.free", free.collect()),
        of("disk.inodes", inodes.collect()),
        of("disk.read-only", broken.collect()),
    ]
}

fn smart(disks: &[SmartDisk]) -> Vec<SensorReading> {
    let each = |value: fn(&SmartDisk) -> Option<f64>| -> Vec<(String, f64)> {
        disks.iter().filter_map(|disk| Some((disk.device.clone(), value(disk)?))).collect()
    };
    let failing = |disk: &SmartDisk| {
        let failing = disk_is_failing(disk);
        (failing || disk.passed.is_some()).then_some(truth(failing))
    };
    vec![
        of("smart.failing", each(failing)),
        of("smart.reallocated", each(|disk| disk.reallocated.map(number))),
        of("smart.wear", each(|disk| disk.wear_percent.map(number))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use nearhand_diagnostics::facts::hardware::TemperatureSensor;
    use nearhand_diagnostics::facts::security::FirewallState;
    use nearhand_diagnostics::facts::storage::{MountedFileSystems, RaidArray, SilentMount, SmartReports};

    fn value(readings: &[SensorReading], sensor: &str, instance: &str) -> Option<f64> {
        let reading = readings.iter().find(|reading| reading.sensor == sensor)?;
        reading.values.iter().find(|(name, _)| name == instance).map(|(_, value)| *value)
    }

    #[test]
    fn a_full_disk_is_full_for_users() {
        let mount = MountedFileSystem {
            target: "/".into(),
            size: 1000,
            used: 900,
            available: 50,
            inodes: 100,
            inodes_free: 25,
            ..MountedFileSystem::default()
        };
        let with =
            |target: &str, writing| MountedFileSystem { target: target.into(), writing, ..mount.clone() };
        let image = with("/cd", WriteState::ReadOnlyMeant);
        let on_purpose = with("/snapshot", WriteState::ReadOnly);
        let broken = with("/data", WriteState::StoppedByErrors("2 errors counted".into()));
        let hung = MountedFileSystem {
            target: "/hung".into(),
            silent: Some(SilentMount { hangs: true, ..SilentMount::default() }),
            ..MountedFileSystem::default()
        };
        let local = vec![mount, image, on_purpose, broken, hung];
        let found = MountedFileSystems { local, ..MountedFileSystems::default() };
        let told = readings(&SourceFacts::Mounts(Box::new(found)));
        assert!((value(&told, "disk.used", "/").unwrap() - 94.736).abs() < 0.01);
        assert_eq!(value(&told, "disk.inodes", "/"), Some(75.0));
        assert_eq!(value(&told, "disk.used", "/cd"), None);
        assert_eq!(value(&told, "disk.read-only", "/cd"), None);
        assert_eq!(value(&told, "disk.read-only", "/data"), Some(1.0));
        assert_eq!(value(&told, "disk.read-only", "/snapshot"), Some(0.0));
        assert_eq!([value(&told, "disk.used", "/hung"), value(&told, "disk.free", "/hung")], [None, None]);
        assert_eq!(
            value(&told, "disk.read-only", "/hung"),
            Some(0.0),
            "the kernel says so without asking it"
        );
    }

    #[test]
    fn disks_of_all_kinds_tell_the_same_three_sensors() {
        let sas = SmartDisk {
            device: "/dev/sda".into(),
            passed: Some(true),
            reallocated: Some(9),
            uncorrectable: Some(8),
            ..SmartDisk::default()
        };
        let hot = SmartDisk {
            device: "/dev/nvme0n1".into(),
            passed: Some(true),
            warnings: vec!["temperature outside of the limits".into()],
            wear_percent: Some(94),
            ..SmartDisk::default()
        };
        let asleep = SmartDisk { device: "/dev/sdb".into(), sleeps: true, ..SmartDisk::default() };
        let disks = vec![sas, hot, asleep];
        let told = readings(&SourceFacts::Smart(Box::new(SmartReports { disks, left_out: 0 })));
        assert_eq!(value(&told, "smart.failing", "/dev/sda"), Some(1.0));
        assert_eq!(value(&told, "smart.reallocated", "/dev/sda"), Some(9.0));
        assert_eq!(value(&told, "smart.failing", "/dev/nvme0n1"), Some(0.0), "heat goes by");
        assert_eq!(value(&told, "smart.wear", "/dev/nvme0n1"), Some(94.0));
        assert_eq!(value(&told, "smart.failing", "/dev/sdb"), None);
    }

    #[test]
    fn what_is_not_there_gives_no_reading() {
        let told = memory(&MemoryUse { total: 200, available: Some(50), ..MemoryUse::default() });
        assert_eq!(value(&told, "memory.available", ""), Some(25.0));
        assert_eq!((value(&told, "swap.used", ""), value(&told, "swap.short", "")), (None, None));
        let unknown = memory(&MemoryUse { total: 200, available: None, ..MemoryUse::default() });
        assert_eq!(value(&unknown, "memory.available", ""), None);
        let sensors = vec![
            TemperatureSensor { name: "a".into(), celsius: 97.0, critical: Some(100.0) },
            TemperatureSensor { name: "b".into(), celsius: 97.0, critical: None },
        ];
        let told = readings(&SourceFacts::Sensors(Box::new(sensors)));
        assert_eq!(
            (value(&told, "temperature.margin", "a"), value(&told, "temperature.margin", "b")),
            (Some(3.0), None)
        );
    }

    #[test]
    fn a_full_swap_is_read_as_short_only_where_memory_is() {
        let of = |available| MemoryUse {
            total: 1000,
            available: Some(available),
            swap_total: 1000,
            swap_free: 10,
            ..MemoryUse::default()
        };
        let told = memory(&of(660));
        assert_eq!((value(&told, "swap.used", ""), value(&told, "swap.short", "")), (Some(99.0), Some(0.0)));
        assert_eq!(value(&memory(&of(99)), "swap.short", ""), Some(99.0));
        let group = MemoryGroup { path: "/".into(), limit: 100, used: 95, oom_kills: None };
        let told = memory(&MemoryUse { group: Some(group), ..of(660) });
        assert_eq!(
            (value(&told, "memory.available", ""), value(&told, "swap.short", "")),
            (Some(5.0), Some(99.0))
        );
    }

    #[test]
    fn degraded_arrays_and_switched_off_firewalls() {
        let array = |wanted, working, active| RaidArray {
            name: "md0".into(),
            wanted,
            working,
            active,
            ..RaidArray::default()
        };
        for (array, missing) in
            [(array(2, 1, true), 1.0), (array(2, 2, true), 0.0), (array(0, 0, false), 1.0)]
        {
            let told = readings(&SourceFacts::Raid(Box::new(vec![array])));
            assert_eq!(value(&told, "raid.missing", "md0"), Some(missing));
        }
        let off = FirewallState { switched_off: vec!["ufw".into()], ..FirewallState::default() };
        let told = readings(&SourceFacts::Firewall(Box::new(off.clone())));
        assert_eq!(value(&told, "protection.off", "ufw"), Some(1.0));
        let other = FirewallState { active: vec!["nftables".into()], ..off };
        assert_eq!(readings(&SourceFacts::Firewall(Box::new(other)))[0].values, []);
    }
}
