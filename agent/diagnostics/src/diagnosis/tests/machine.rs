//! Hardware, system, disks, processor, memory.

use nearhand_report::model::FindingStatus::{Fail, Info, Ok as Good, Skipped, Warn};

use super::{findings, worst};
use crate::facts::hardware::{BatteryState, GraphicsAdapter, HardwareModel, OsRelease, TemperatureSensor};
use crate::facts::load::{
    CpuQuota, CpuThrottling, DiskUse, EccController, MemoryGroup, MemoryUse, PressureStalls, StallShare,
    SystemActivity,
};
use crate::facts::storage::{
    BtrfsAllocation, ErrorCount, MountedFileSystem, MountedFileSystems, RaidArray, RemoteFileSystem,
    SilentMount, SmartDisk, SmartProblem, SmartReports, WriteState,
};

#[test]
fn firmware_is_old_from_five_years_on_metal() {
    let of = |date: &str, guest: bool| {
        worst("hardware.firmware_age", |f| {
            f.machine = Ok(HardwareModel {
                firmware_date: Some(date.into()),
                virtualisation: guest.then(|| "kvm".into()),
                ..HardwareModel::default()
            });
        })
    };
    assert_eq!(
        [of("2022-01-01", false), of("2021-01-01", false), of("2014-01-01", true)],
        [Good, Info, Good]
    );
    assert_eq!(worst("hardware.firmware_age", |f| f.machine = Ok(HardwareModel::default())), Skipped);
    assert_eq!(worst("hardware.model", |f| f.machine = Ok(HardwareModel::default())), Info);
    assert_eq!(worst("hardware.virtualisation", |f| f.machine = Ok(HardwareModel::default())), Info);
}

#[test]
fn batteries_wear() {
    let of = |health| {
        worst("hardware.battery", |f| {
            f.batteries = Ok(vec![BatteryState { health_percent: health, ..BatteryState::default() }]);
        })
    };
    assert_eq!([of(Some(60.0)), of(Some(59.9)), of(Some(29.9)), of(None)], [Good, Warn, Fail, Info]);
    assert_eq!(worst("hardware.battery", |f| f.batteries = Ok(vec![])), Skipped);
}

#[test]
fn graphics_need_a_driver() {
    let of = |driver: Option<&str>| {
        worst("hardware.graphics", |f| {
            f.graphics =
                Ok(vec![GraphicsAdapter { driver: driver.map(Into::into), ..GraphicsAdapter::default() }]);
        })
    };
    assert_eq!([of(Some("i915")), of(None)], [Info, Warn]);
}

#[test]
fn heat_is_judged_against_the_critical_temperature() {
    let of = |celsius, critical| {
        worst("hardware.temperature", |f| {
            f.sensors = Ok(vec![TemperatureSensor { name: "x".into(), celsius, critical }]);
        })
    };
    assert_eq!([of(94.9, Some(100.0)), of(95.0, Some(100.0)), of(100.0, Some(100.0))], [Good, Warn, Fail]);
    assert_eq!([of(94.9, None), of(95.0, None)], [Good, Warn]);
}

#[test]
fn releases_end() {
    let of = |id: &str, version: &str| {
        worst("system.end_of_life", |f| {
            f.release = Ok(OsRelease { id: id.into(), version: version.into(), ..OsRelease::default() });
        })
    };
    assert_eq!([of("debian", "12"), of("debian", "11"), of("debian", "10")], [Good, Warn, Fail]);
    assert_eq!([of("arch", ""), of("ubuntu", "99.04")], [Good, Info]);
}

#[test]
fn kernels_and_uptimes() {
    let taint = |taint| {
        worst("system.kernel", |f| f.release = Ok(OsRelease { taint: Some(taint), ..OsRelease::default() }))
    };
    assert_eq!([taint(0), taint(1 << 12), taint(1 << 7)], [Good, Info, Warn]);
    let uptime = |days: u64| {
        worst("system.uptime", |f| {
            f.release = Ok(OsRelease { uptime_seconds: days * 86_400, ..OsRelease::default() });
        })
    };
    assert_eq!([uptime(59), uptime(60)], [Good, Info]);
}

fn mounted(mount: MountedFileSystem) -> MountedFileSystems {
    MountedFileSystems {
        local: vec![MountedFileSystem { target: "/".into(), ..mount }],
        ..MountedFileSystems::default()
    }
}

#[test]
fn space_and_inodes_run_out() {
    let space = |used: u64, available: u64| {
        worst("disks.space", |f| {
            f.mounts = Ok(mounted(MountedFileSystem {
                size: used + available,
                used,
                available,
                ..MountedFileSystem::default()
            }));
        })
    };
    let gigabyte = 1_000_000_000;
    assert_eq!(space(899 * gigabyte / 10, 101 * gigabyte / 10), Good);
    assert_eq!(space(90 * gigabyte, 10 * gigabyte), Warn);
    assert_eq!(space(98 * gigabyte, 2 * gigabyte), Fail);
    // A large disk with 98 % in use still has room for days.
    assert_eq!(space(980 * gigabyte, 20 * gigabyte), Warn);
    let inodes = |free: u64| {
        worst("disks.inodes", |f| {
            f.mounts = Ok(mounted(MountedFileSystem {
                size: 1,
                inodes: 1000,
                inodes_free: free,
                ..MountedFileSystem::default()
            }));
        })
    };
    assert_eq!([inodes(101), inodes(100), inodes(20)], [Good, Warn, Fail]);
}

#[test]
fn mounts_are_writable_and_there() {
    let of = |writing: WriteState| {
        worst("disks.read_only", |f| {
            f.mounts = Ok(mounted(MountedFileSystem { writing, ..MountedFileSystem::default() }));
        })
    };
    assert_eq!([of(WriteState::Writable), of(WriteState::ReadOnlyMeant)], [Good, Good]);
    assert_eq!(of(WriteState::ReadOnly), Info, "on purpose, as far as anybody can tell");
    assert_eq!(of(WriteState::StoppedByErrors("emergency_ro".into())), Fail);
    let absent = |absent: Vec<String>| {
        worst("disks.mounts", |f| {
            f.mounts = Ok(MountedFileSystems { absent, ..MountedFileSystems::default() });
        })
    };
    assert_eq!([absent(vec![]), absent(vec!["/backup".into()])], [Good, Warn]);
}

#[test]
fn disks_report_their_health() {
    let of = |disk: SmartDisk| {
        worst("disks.smart", |f| f.smart = Ok(SmartReports { disks: vec![disk], left_out: 0 }))
    };
    let healthy = SmartDisk { passed: Some(true), ..SmartDisk::default() };
    assert_eq!(of(healthy.clone()), Good);
    assert_eq!(of(SmartDisk { passed: Some(false), ..SmartDisk::default() }), Fail);
    assert_eq!(of(SmartDisk { pending: Some(1), ..healthy.clone() }), Fail);
    assert_eq!(of(SmartDisk { uncorrectable: Some(1), ..healthy.clone() }), Fail);
    assert_eq!(of(SmartDisk { reallocated: Some(1), ..healthy.clone() }), Warn);
    assert_eq!(of(SmartDisk { wear_percent: Some(89), ..healthy.clone() }), Good);
    assert_eq!(of(SmartDisk { wear_percent: Some(90), ..healthy.clone() }), Warn);
    assert_eq!(of(SmartDisk { spare_percent: Some((9, 10)), ..healthy.clone() }), Warn);
    assert_eq!(of(SmartDisk { celsius: Some(61), ..healthy.clone() }), Warn);
    let nvme =
        |celsius| SmartDisk { device: "/dev/nvme0n1".into(), celsius: Some(celsius), ..healthy.clone() };
    assert_eq!([of(nvme(70)), of(nvme(76))], [Good, Warn]);
    let warns = |words: &str| SmartDisk { warnings: vec![words.into()], ..healthy.clone() };
    assert_eq!([of(warns("temperature outside of the limits")), of(warns("read-only"))], [Warn, Fail]);
    let asleep = SmartDisk { sleeps: true, ..SmartDisk::default() };
    assert_eq!([of(asleep.clone()), of(SmartDisk { sleeps: true, ..healthy })], [Info, Good]);
    let found = findings("disks.smart", |f| f.smart = Ok(SmartReports { disks: vec![asleep], left_out: 3 }));
    assert!(found[0].fix.starts_with("Nothing") && !found[0].fix.contains("USB"));
    assert!(found[1].status == Skipped && found[1].title.starts_with("3 disks"));
    let problem = |problem| of(SmartDisk { problem: Some(problem), ..SmartDisk::default() });
    assert_eq!(problem(SmartProblem::NoReport("USB bridge".into())), Info);
    assert_eq!(problem(SmartProblem::Hangs("does not answer for 8.0 s".into())), Fail);
    assert_eq!(problem(SmartProblem::NotAsked("was not asked".into())), Skipped);
}

#[test]
fn a_file_system_that_hangs_is_named_and_the_others_are_judged() {
    let silent =
        SilentMount { why: "does not answer for 40 s".into(), hangs: true, below: Some("/net".into()) };
    let full = MountedFileSystem {
        target: "/data".into(),
        size: 100,
        used: 100,
        inodes: 10,
        inodes_free: 0,
        ..MountedFileSystem::default()
    };
    let hung = MountedFileSystem {
        target: "/mnt/x".into(),
        silent: Some(silent.clone()),
        ..MountedFileSystem::default()
    };
    let share = RemoteFileSystem { target: "/net".into(), kind: "nfs4".into(), silent: Some(silent) };
    let mounts = MountedFileSystems {
        local: vec![full, hung],
        remote: vec![share],
        left_out: 2,
        ..Default::default()
    };
    let of = |id| findings(id, |f| f.mounts = Ok(mounts.clone()));
    for id in ["disks.space", "disks.inodes"] {
        let found = of(id);
        let seen: Vec<(&str, _)> = found.iter().map(|f| (f.instance.as_str(), f.status)).collect();
        assert_eq!(seen, [("/data", Fail), ("", Skipped), ("/mnt/x", Skipped)], "{id}");
        assert_eq!(found[2].reason.as_deref(), Some("does not answer for 40 s; it lies below /net"));
        assert!(found[1].title.starts_with("2 file systems"));
    }
    for id in ["disks.read_only", "disks.mounts"] {
        let found = of(id);
        assert_eq!(found[0].status, Good, "{id}");
        assert!(found[0].evidence.iter().any(|fact| fact.value.contains("/mnt/x")), "{id}");
    }
    let found = of("disks.answers");
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|f| f.status == Fail && f.title.ends_with("does not answer for 40 s")));
}

#[test]
fn btrfs_is_full_with_space_left_when_its_metadata_is() {
    let of = |unallocated, metadata_used| {
        worst("disks.space", |f| {
            let btrfs = BtrfsAllocation { unallocated, metadata: 1_000, metadata_used, metadata_copies: 2 };
            f.mounts = Ok(mounted(MountedFileSystem {
                kind: "btrfs".into(),
                size: 100_000_000_000,
                used: 50_000_000_000,
                available: 50_000_000_000,
                btrfs: Some(btrfs),
                ..MountedFileSystem::default()
            }));
        })
    };
    assert_eq!([of(3 << 30, 1_000), of(0, 899)], [Good, Good]);
    assert_eq!([of(1 << 30, 900), of(0, 980)], [Warn, Fail]);
}

#[test]
fn arrays_lose_members() {
    let of = |active, working, activity: Option<&str>| {
        worst("disks.raid", |f| {
            f.raid = Ok(vec![RaidArray {
                active,
                wanted: 2,
                working,
                activity: activity.map(Into::into),
                ..RaidArray::default()
            }]);
        })
    };
    assert_eq!([of(true, 2, None), of(true, 2, Some("check 3%"))], [Good, Info]);
    assert_eq!([of(true, 1, None), of(false, 2, None)], [Fail, Fail]);
}

#[test]
fn counted_errors_differ_by_who_counts() {
    let of = |counter: &str, errors| {
        worst("disks.errors", |f| {
            f.disk_errors = Ok(vec![ErrorCount { counter: counter.into(), errors, ..ErrorCount::default() }]);
        })
    };
    assert_eq!([of("ext4", 0), of("ext4", 1), of("disk", 1)], [Good, Fail, Info]);
}

fn active(activity: SystemActivity) -> SystemActivity {
    SystemActivity { processors: 4, ..activity }
}

#[test]
fn disks_are_busy_only_if_slow_too() {
    let of = |busy_percent, wait_ms| {
        worst("disks.busy", |f| {
            let disks = vec![DiskUse { name: "sda".into(), busy_percent, wait_ms }];
            f.activity = Ok(active(SystemActivity { disks, ..SystemActivity::default() }));
        })
    };
    assert_eq!([of(89.0, Some(80.0)), of(95.0, Some(49.0)), of(90.0, Some(50.0))], [Good, Good, Warn]);
}

#[test]
fn the_processor_is_judged() {
    let of = |id, activity: SystemActivity| worst(id, |f| f.activity = Ok(active(activity)));
    let load = |load| SystemActivity { load: [load; 3], ..SystemActivity::default() };
    assert_eq!(
        [of("cpu.load", load(7.9)), of("cpu.load", load(8.0)), of("cpu.load", load(20.0))],
        [Good, Warn, Fail]
    );
    let busy =
        |busy_percent, load| SystemActivity { busy_percent, load: [load; 3], ..SystemActivity::default() };
    assert_eq!(of("cpu.usage", busy(84.9, 9.0)), Good);
    assert_eq!(of("cpu.usage", busy(85.0, 4.0)), Info);
    assert_eq!(of("cpu.usage", busy(85.0, 4.1)), Warn);
    let wait = |iowait_percent| SystemActivity { iowait_percent, ..SystemActivity::default() };
    assert_eq!(
        [of("cpu.iowait", wait(39.0)), of("cpu.iowait", wait(40.0)), of("cpu.iowait", wait(50.0))],
        [Good, Warn, Fail]
    );
    let steal = |steal_percent| SystemActivity { steal_percent, ..SystemActivity::default() };
    assert_eq!([of("cpu.steal", steal(9.9)), of("cpu.steal", steal(10.0))], [Good, Warn]);
}

#[test]
fn throttling_by_limit_and_by_heat() {
    let of = |ceiling_percent, thermal_events| {
        worst("cpu.throttling", |f| {
            f.throttling = Ok(CpuThrottling { ceiling_percent, thermal_events, ..CpuThrottling::default() });
        })
    };
    assert_eq!([of(Some(50.0), Some(99)), of(Some(49.0), None), of(None, Some(100))], [Good, Warn, Warn]);
    let after_days = |thermal_events, days: u64, recent_events| {
        worst("cpu.throttling", |f| {
            f.throttling = Ok(CpuThrottling {
                thermal_events: Some(thermal_events),
                recent_events: Some(recent_events),
                uptime_seconds: days * 86_400,
                ..CpuThrottling::default()
            });
        })
    };
    assert_eq!([after_days(19_999, 200, 0), after_days(20_000, 200, 0)], [Good, Warn]);
    assert_eq!(after_days(19_999, 200, 1), Info);
    let quota = |periods, throttled| {
        worst("cpu.throttling", |f| {
            let quota = Some(CpuQuota { path: "/".into(), processors: 0.5, periods, throttled });
            f.throttling = Ok(CpuThrottling { quota, ..CpuThrottling::default() });
        })
    };
    assert_eq!([quota(10, 2), quota(10, 3), quota(3, 3)], [Good, Warn, Good]);
}

#[test]
fn pressure_is_judged_by_the_last_minute() {
    let of = |id, minute: f64| {
        let stall = StallShare { some: [0.0, minute, 0.0], full: [0.0, minute, 0.0] };
        worst(id, |f| f.pressure = Ok(PressureStalls { cpu: stall, memory: stall, io: stall }))
    };
    assert_eq!([of("cpu.pressure", 59.0), of("cpu.pressure", 60.0)], [Good, Warn]);
    for id in ["memory.pressure", "disks.pressure"] {
        assert_eq!([of(id, 9.9), of(id, 10.0), of(id, 40.0)], [Good, Warn, Fail], "{id}");
    }
}

#[test]
fn memory_runs_out() {
    let of = |id, memory: MemoryUse| worst(id, |f| f.memory = Ok(memory));
    let available = |available| MemoryUse { total: 1000, available: Some(available), ..MemoryUse::default() };
    let statuses = [100, 99, 50, 49].map(|bytes| of("memory.available", available(bytes)));
    assert_eq!(statuses, [Good, Warn, Warn, Fail]);
    let unknown = || MemoryUse { available: None, ..available(1) };
    assert_eq!(of("memory.available", unknown()), Skipped);
    assert_eq!(of("memory.available", MemoryUse { huge_pages: 900, ..available(50) }), Good);
    assert_eq!(of("memory.swap", available(1)), Info);
    let kills = |oom_kills| MemoryUse { total: 1, oom_kills, ..MemoryUse::default() };
    assert_eq!([Some(0), Some(1), None].map(|count| of("memory.oom", kills(count))), [Good, Warn, Skipped]);
}

#[test]
fn a_full_swap_is_a_fault_only_where_memory_is_short() {
    let of = |swap_free, available: Option<u64>, minute: Option<f64>| {
        worst("memory.swap", |f| {
            f.memory =
                Ok(MemoryUse { total: 1000, available, swap_total: 1000, swap_free, ..MemoryUse::default() });
            if let Some(minute) = minute {
                let memory = StallShare { full: [0.0, minute, 0.0], ..StallShare::default() };
                f.pressure = Ok(PressureStalls { memory, ..PressureStalls::default() });
            }
        })
    };
    let short = Some(99);
    assert_eq!([101, 100, 20].map(|free| of(free, short, None)), [Good, Warn, Fail]);
    assert_eq!([101, 100, 0].map(|free| of(free, Some(660), Some(0.0))), [Good, Info, Info]);
    assert_eq!(of(0, Some(660), None), Info, "a kernel without pressure information");
    assert_eq!([9.9, 10.0].map(|minute| of(0, Some(660), Some(minute))), [Info, Fail]);
    assert_eq!([of(0, None, None), of(0, None, Some(0.0))], [Fail, Info]);
}

#[test]
fn a_container_is_judged_by_its_own_limit() {
    let of = |path: &str, used| {
        findings("memory.available", |f| {
            let group = MemoryGroup { path: path.into(), limit: 64_000_000, used, oom_kills: None };
            f.memory = Ok(MemoryUse {
                total: 24_000_000_000,
                available: Some(22_000_000_000),
                group: Some(group),
                ..MemoryUse::default()
            });
        })
    };
    let inside = of("/", 56_000_000);
    assert_eq!((inside.len(), inside[0].status, inside[0].instance.as_str()), (1, Good, "this container"));
    assert_eq!([of("/", 58_000_000)[0].status, of("/", 62_000_000)[0].status], [Warn, Fail]);
    // On the machine itself both are told.
    let service = of("/system.slice/shop.service", 62_000_000);
    assert_eq!((service.len(), service[0].status, service[1].status), (2, Fail, Good));
    assert_eq!(service[0].instance, "control group /system.slice/shop.service");
}

#[test]
fn memory_errors_by_whether_they_were_corrected() {
    let of = |corrected, uncorrected| {
        worst("memory.ecc", |f| {
            f.ecc = Ok(vec![EccController { name: "mc0".into(), corrected, uncorrected }]);
        })
    };
    assert_eq!([of(0, 0), of(1, 0), of(1, 1)], [Good, Warn, Fail]);
}

#[test]
fn evidence_has_units() {
    let found = findings("memory.available", |f| {
        f.memory =
            Ok(MemoryUse { total: 8_000_000_000, available: Some(4_000_000_000), ..MemoryUse::default() });
    });
    let values: Vec<&str> = found[0].evidence.iter().map(|evidence| evidence.value.as_str()).collect();
    assert_eq!(values, ["50 %", "4.0 GB", "8.0 GB"]);
    assert_eq!(found[0].ms, 7);
}
