//! Services, logs, updates, security, printers, processes; and facts of everything at once.

use std::collections::BTreeMap;

use nearhand_report::model::FindingStatus::{Fail, Info, Ok as Good, Skipped, Warn};

use super::{NOW, findings, nothing, worst};
use crate::facts::hardware::{BatteryState, GraphicsAdapter, HardwareModel, OsRelease, TemperatureSensor};
use crate::facts::load::{CpuThrottling, DiskUse, EccController, MemoryUse, PressureStalls, SystemActivity};
use crate::facts::log::{JournalErrors, JournalGroup, ProgramCrash, UncleanBoots};
use crate::facts::network::{
    DefaultRoute, DefaultRoutes, DnsServer, EchoRun, GatewayReach, Ipv6Reach, NetworkInterface, PortalAnswer,
    ProxySettings, ResolverConfig, TcpCounters, TlsPeer, UdpTarget,
};
use crate::facts::printer::{PrintQueue, PrintQueues};
use crate::facts::process::{DescriptorUse, ProcessList, ProcessUse};
use crate::facts::security::{
    DiskEncryption, FileModes, FirewallState, OpenPort, PasswordState, PlatformSecurity, PrivilegedAccounts,
    SshdSettings,
};
use crate::facts::service::{AutostartPrograms, BootTimes, FailedUnit, RestartingService, UnitStates};
use crate::facts::storage::{
    ErrorCount, MountedFileSystem, MountedFileSystems, RaidArray, SmartDisk, SmartReports, WriteState,
};
use crate::facts::update::{AvailableUpdates, ClockOffset, InstalledPackages, TimeSync, UpkeepState};
use crate::facts::{MachineFacts, MissingFact};
use nearhand_proto::time::UnixMillis;

#[test]
fn services_fail_loop_and_start_slowly() {
    let failed =
        |failed| worst("services.failed", |f| f.units = Ok(UnitStates { failed, ..UnitStates::default() }));
    assert_eq!([failed(vec![]), failed(vec![FailedUnit::default()])], [Good, Fail]);
    let loops = |restarts, changed_seconds, waiting| {
        worst("services.restart_loops", |f| {
            let restarting = vec![RestartingService { name: "x".into(), restarts, changed_seconds, waiting }];
            f.units = Ok(UnitStates { restarting, ..UnitStates::default() });
        })
    };
    assert_eq!([loops(2, 1, true), loops(3, 601, false), loops(3, 600, false)], [Info, Info, Fail]);
    let boot = |services_ms| {
        worst("services.boot_time", |f| {
            f.boot = Ok(BootTimes { kernel_ms: 10_000, services_ms, ..BootTimes::default() });
        })
    };
    assert_eq!([boot(Some(109_999)), boot(Some(110_000)), boot(None)], [Good, Warn, Info]);
    let autostart = |number| {
        worst("services.autostart", |f| {
            f.autostart = Ok(AutostartPrograms { users: vec!["x".into(); number], system: vec![] });
        })
    };
    assert_eq!([autostart(24), autostart(25)], [Good, Info]);
}

#[test]
fn printers_stop_and_jam() {
    let of = |id, enabled, jobs| {
        worst(id, |f| {
            let queue = PrintQueue { name: "HP".into(), enabled, jobs, message: String::new() };
            f.printers = Ok(PrintQueues { queues: vec![queue] });
        })
    };
    let queues = |enabled, jobs| of("printers.queues", enabled, jobs);
    assert_eq!([queues(true, 3), queues(false, 0), queues(false, 1)], [Good, Warn, Fail]);
    assert_eq!([of("printers.jobs", true, 9), of("printers.jobs", true, 10)], [Good, Warn]);
    assert_eq!(worst("printers.queues", |f| f.printers = Ok(PrintQueues::default())), Info);
}

#[test]
fn crashes_are_counted_by_program_and_time() {
    let crash = |hours: u64| ProgramCrash { program: "app".into(), at: NOW - hours * 3600 };
    let of = |hours: &[u64]| {
        worst("logs.crashes", |f| f.crashes = Ok(hours.iter().map(|hours| crash(*hours)).collect()))
    };
    assert_eq!([of(&[]), of(&[169]), of(&[168])], [Good, Good, Warn]);
    assert_eq!([of(&[1, 2, 25]), of(&[1, 2, 24])], [Warn, Fail]);
    let unclean =
        |number| worst("logs.unclean_boots", |f| f.unclean = Ok(UncleanBoots { at: vec![NOW - 60; number] }));
    assert_eq!([unclean(0), unclean(1), unclean(2), unclean(3)], [Good, Warn, Warn, Fail]);
}

#[test]
fn the_journal_is_judged_by_kind_and_number() {
    let group = |pattern: &str, count| JournalGroup { source: "x".into(), pattern: pattern.into(), count };
    let programs = |programs| {
        worst("logs.errors", |f| f.journal = Ok(JournalErrors { programs, ..JournalErrors::default() }))
    };
    assert_eq!(programs(vec![]), Good);
    assert_eq!([programs(vec![group("p", 99)]), programs(vec![group("p", 100)])], [Info, Warn]);
    let kernel = |kernel| {
        worst("logs.kernel", |f| f.journal = Ok(JournalErrors { kernel, ..JournalErrors::default() }))
    };
    assert_eq!(kernel(vec![]), Good);
    assert_eq!(kernel(vec![group("tasks that hung for minutes", 1)]), Warn);
    assert_eq!(kernel(vec![group("disk read or write errors", 1)]), Fail);
}

#[test]
fn updates_wait() {
    let of = |id, all: usize, security: usize| {
        worst(id, |f| {
            f.pending =
                Ok(AvailableUpdates { all: vec!["p".into(); all], security: vec!["s".into(); security] });
        })
    };
    assert_eq!([0, 1, 99, 100].map(|all| of("updates.pending", all, 0)), [Good, Info, Info, Warn]);
    assert_eq!([0, 1].map(|security| of("updates.security", 9, security)), [Good, Warn]);
    let upkeep = |id, upkeep: UpkeepState| worst(id, |f| f.upkeep = Ok(upkeep));
    let kernels = |newest: &str| UpkeepState {
        running_kernel: "6.1.0-9-amd64".into(),
        newest_kernel: Some(newest.into()),
        ..UpkeepState::default()
    };
    assert_eq!(upkeep("updates.reboot", kernels("6.1.0-9-amd64")), Good);
    assert_eq!(upkeep("updates.reboot", kernels("6.1.0-13-amd64")), Warn);
    assert_eq!(upkeep("updates.reboot", UpkeepState { reboot_asked: true, ..UpkeepState::default() }), Warn);
    let lists = |days: u64| UpkeepState { lists_at: Some(NOW - days * 86_400), ..UpkeepState::default() };
    assert_eq!([13, 14].map(|days| upkeep("updates.sources_age", lists(days))), [Good, Warn]);
    assert_eq!(upkeep("updates.sources_age", UpkeepState::default()), Skipped);
    let automatic =
        |automatic| upkeep("updates.automatic", UpkeepState { automatic, ..UpkeepState::default() });
    assert_eq!([Some(true), Some(false), None].map(automatic), [Good, Info, Skipped]);
}

#[test]
fn packages_break_and_are_held() {
    let broken = |broken| {
        worst("updates.broken", |f| {
            f.packages = Ok(InstalledPackages { broken, ..InstalledPackages::default() });
        })
    };
    assert_eq!([broken(vec![]), broken(vec![("p".into(), "half-installed".into())])], [Good, Fail]);
    let held = |held| {
        worst("updates.held", |f| f.packages = Ok(InstalledPackages { held, ..InstalledPackages::default() }))
    };
    assert_eq!([held(vec![]), held(vec!["p".into()])], [Good, Info]);
}

#[test]
fn clocks_go_wrong() {
    let of = |offset_seconds| {
        worst("time.offset", |f| f.clock = Ok(ClockOffset { offset_seconds, ..ClockOffset::default() }))
    };
    assert_eq!([1.9, -1.9, 2.0, -2.0, 60.0, -60.0].map(of), [Good, Good, Warn, Warn, Fail, Fail]);
    let sync = |service: Option<&str>, synchronised_seconds, guest| {
        worst("time.sync", |f| {
            let service = service.map(Into::into);
            f.time_sync = Ok(TimeSync { service, synchronised_seconds, guest, ..TimeSync::default() });
        })
    };
    assert_eq!([sync(Some("chronyd"), None, false), sync(Some("x"), Some(14_399), false)], [Good, Good]);
    assert_eq!(
        [sync(Some("x"), Some(14_400), false), sync(None, None, false), sync(None, None, true)],
        [Warn, Warn, Info]
    );
    assert_eq!(worst("time.zone", |f| f.time_sync = Ok(TimeSync::default())), Info);
    let hidden = |synchronised_seconds, service: Option<&str>| {
        worst("time.sync", |f| {
            f.time_sync = Ok(TimeSync {
                service: service.map(Into::into),
                synchronised_seconds,
                services_hidden: true,
                ..TimeSync::default()
            });
        })
    };
    assert_eq!([hidden(None, None), hidden(Some(9), None), hidden(None, Some("own"))], [Skipped, Good, Good]);
}

#[test]
fn a_clock_that_is_far_off_is_seen_without_asking_anybody() {
    let of = |now: u64, latest_change| {
        worst("time.clock", |f| {
            f.taken_at = UnixMillis(now * 1000);
            f.time_sync = Ok(TimeSync { latest_change, ..TimeSync::default() });
        })
    };
    let day = 86_400;
    assert_eq!([of(NOW, None), of(NOW, Some(NOW + day)), of(NOW, Some(NOW + day + 1))], [Good, Good, Fail]);
    assert_eq!([of(0, None), of(1_767_225_599, None), of(1_767_225_600, None)], [Fail, Fail, Good]);
    assert_eq!([of(NOW + 19 * 366 * day, None), of(4_075_000_000, None)], [Good, Fail], "2099");
}

#[test]
fn firewalls_and_encryption() {
    let firewall = |active: &[&str], off: &[&str], rules_readable| {
        worst("security.firewall", |f| {
            let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let (active, switched_off) = (list(active), list(off));
            f.firewall = Ok(FirewallState { active, switched_off, rules_readable, passing: false });
        })
    };
    assert_eq!([firewall(&["ufw"], &[], false), firewall(&[], &["ufw"], false)], [Good, Warn]);
    assert_eq!([firewall(&[], &[], true), firewall(&[], &[], false)], [Warn, Info]);
    let encryption = |encrypted, portable| {
        worst("security.disk_encryption", |f| {
            let mounts = vec![("/".into(), encrypted), ("/boot".into(), false)];
            f.encryption = Ok(DiskEncryption { mounts, portable });
        })
    };
    assert_eq!(
        [encryption(true, true), encryption(false, true), encryption(false, false)],
        [Good, Warn, Info]
    );
}

#[test]
fn platform_protection() {
    let of = |id, platform: PlatformSecurity| worst(id, |f| f.platform = Ok(platform));
    let boot = |efi, secure_boot| {
        of("security.secure_boot", PlatformSecurity { efi, secure_boot, ..PlatformSecurity::default() })
    };
    assert_eq!(
        [boot(true, Some(true)), boot(true, Some(false)), boot(true, None), boot(false, None)],
        [Good, Info, Info, Skipped]
    );
    let control = |access_control_known, names: Vec<String>| {
        let platform =
            PlatformSecurity { access_control_known, access_control: names, ..PlatformSecurity::default() };
        of("security.access_control", platform)
    };
    assert_eq!(
        [control(true, vec!["AppArmor".into()]), control(true, vec![]), control(false, vec![])],
        [Good, Info, Skipped]
    );
    let flaws = |flaws_known, vulnerable: Vec<String>| {
        of("security.cpu_flaws", PlatformSecurity { flaws_known, vulnerable, ..PlatformSecurity::default() })
    };
    assert_eq!([flaws(9, vec![]), flaws(9, vec!["mds".into()]), flaws(0, vec![])], [Good, Warn, Skipped]);
}

#[test]
fn a_guest_is_not_blamed_for_its_host() {
    let on = |virtualisation: Option<&str>| {
        let virtualisation = virtualisation.map(str::to_owned);
        ["security.cpu_flaws", "security.firewall"].map(|id| {
            worst(id, |f| {
                let platform = PlatformSecurity {
                    flaws_known: 9,
                    vulnerable: vec!["mds".into()],
                    ..PlatformSecurity::default()
                };
                f.platform = Ok(platform);
                f.firewall = Ok(FirewallState { rules_readable: true, ..FirewallState::default() });
                let container = virtualisation.clone().filter(|name| name == "docker");
                f.machine = Ok(HardwareModel {
                    virtualisation: virtualisation.clone(),
                    container,
                    ..HardwareModel::default()
                });
            })
        })
    };
    assert_eq!([on(None), on(Some("kvm")), on(Some("docker"))], [[Warn, Warn], [Info, Warn], [Info, Info]]);
}

#[test]
fn in_a_container_what_its_host_decides_is_skipped_with_the_reason() {
    let of = |id: &str, container: Option<&str>| {
        let found = findings(id, |f| {
            *f = everything();
            f.machine = Ok(HardwareModel {
                firmware_date: Some("2015-01-01".into()),
                virtualisation: container.map(Into::into),
                container: container.map(Into::into),
                ..HardwareModel::default()
            });
        });
        (found[0].status, found[0].reason.clone().unwrap_or_default())
    };
    let lxc = |id| of(id, Some("lxc"));
    assert_eq!(
        lxc("time.sync"),
        (Skipped, "this is a container (lxc): its host keeps the clock right".into())
    );
    for id in ["hardware.firmware_age", "security.disk_encryption", "security.secure_boot"] {
        assert_eq!((lxc(id).0, of(id, None).0 == Skipped), (Skipped, false), "{id}");
    }
    assert_eq!([lxc("security.firewall").0, lxc("security.cpu_flaws").0], [Info, Info]);
    assert!(of("security.access_control", Some("container")).1.starts_with("this is a container: "));
    // A service that is seen is one, and so is a kernel's error; not to see them means nothing.
    assert_eq!(lxc("logs.kernel").0, Fail);
    let seen = |service: Option<&str>, errors: Vec<JournalGroup>| {
        ["time.sync", "logs.kernel"].map(|id| {
            worst(id, |f| {
                f.machine = Ok(HardwareModel { container: Some("lxc".into()), ..HardwareModel::default() });
                f.time_sync = Ok(TimeSync { service: service.map(Into::into), ..TimeSync::default() });
                f.journal = Ok(JournalErrors { kernel: errors.clone(), ..JournalErrors::default() });
            })
        })
    };
    assert_eq!(seen(Some("chronyd"), vec![]), [Good, Skipped]);
    let errors = vec![JournalGroup { pattern: "x".into(), ..JournalGroup::default() }];
    assert_eq!(seen(None, errors), [Skipped, Fail]);
    // What lies inside is judged as anywhere.
    assert_eq!(lxc("services.failed").0, Fail);
}

#[test]
fn accounts_passwords_and_files() {
    let of = |id, accounts: PrivilegedAccounts| worst(id, |f| f.accounts = Ok(accounts));
    let admins =
        |number| PrivilegedAccounts { admins: vec!["a".into(); number], ..PrivilegedAccounts::default() };
    assert_eq!([4, 5].map(|number| of("security.admins", admins(number))), [Info, Info]);
    let hint = |number| findings("security.admins", |f| f.accounts = Ok(admins(number)))[0].fix.is_empty();
    assert_eq!([4, 5].map(hint), [true, false]);
    let extra = |names: Vec<String>| {
        of(
            "security.root_accounts",
            PrivilegedAccounts { extra_root: names, ..PrivilegedAccounts::default() },
        )
    };
    assert_eq!([extra(vec![]), extra(vec!["toor".into()])], [Good, Fail]);
    let empty = |empty| worst("security.empty_passwords", |f| f.passwords = Ok(PasswordState { empty }));
    assert_eq!([empty(vec![]), empty(vec!["guest".into()])], [Good, Fail]);
    let modes = |world_writable| {
        worst("security.file_modes", |f| f.file_modes = Ok(FileModes { looked_at: 9, world_writable }))
    };
    assert_eq!([modes(vec![]), modes(vec!["/etc/passwd".into()])], [Good, Fail]);
}

#[test]
fn ports_and_ssh() {
    let ports = |numbers: &[u16]| {
        worst("security.listening_ports", |f| {
            let port = |number: &u16| OpenPort { protocol: "tcp".into(), number: *number, program: None };
            f.ports = Ok(numbers.iter().map(port).collect());
        })
    };
    assert_eq!([ports(&[]), ports(&[22, 443]), ports(&[22, 6379])], [Good, Info, Warn]);
    let asking = OpenPort { protocol: "udp".into(), number: 45_678, program: Some("firefox".into()) };
    assert_eq!(worst("security.listening_ports", |f| f.ports = Ok(vec![asking.clone()])), Good);
    let ssh = |root: Option<&str>, passwords: Option<&str>, empty: Option<&str>| {
        worst("security.sshd", |f| {
            f.sshd = Ok(SshdSettings {
                root_login: root.map(Into::into),
                passwords: passwords.map(Into::into),
                empty_passwords: empty.map(Into::into),
                ..SshdSettings::default()
            });
        })
    };
    assert_eq!([ssh(None, None, None), ssh(Some("yes"), None, None)], [Info, Warn]);
    assert_eq!([ssh(Some("yes"), Some("no"), None), ssh(None, Some("yes"), Some("yes"))], [Good, Fail]);
    let with = |settings: SshdSettings| worst("security.sshd", |f| f.sshd = Ok(settings));
    let keys_only = || SshdSettings { passwords: Some("no".into()), ..SshdSettings::default() };
    // PAM asks for passwords as well, unless it or that method is off.
    let pam = || SshdSettings { pam: Some("yes".into()), ..keys_only() };
    assert_eq!([with(keys_only()), with(pam())], [Good, Info]);
    assert_eq!(with(SshdSettings { keyboard_interactive: Some("no".into()), ..pam() }), Good);
    let methods = |list: &str| SshdSettings { methods: Some(list.into()), ..SshdSettings::default() };
    assert_eq!([with(methods("publickey")), with(methods("publickey,password"))], [Good, Good]);
    assert_eq!([with(methods("publickey password")), with(methods("any"))], [Info, Info]);
    let block = |key: &str| SshdSettings {
        conditional: vec![("User guest".into(), key.into(), "yes".into())],
        ..keys_only()
    };
    assert_eq!([with(block("permitemptypasswords")), with(block("usepam"))], [Warn, Good]);
}

#[test]
fn processes_are_judged() {
    let program = |cpu_percent, memory, io| {
        let process = ProcessUse { name: "app".into(), pid: 1, cpu_percent, memory, io };
        let list = vec![process];
        ProcessList {
            count: 10,
            limit: Some(100),
            memory_bytes: 1000,
            by_cpu: list.clone(),
            by_memory: list.clone(),
            by_io: list,
            ..ProcessList::default()
        }
    };
    let of = |id, processes: ProcessList| worst(id, |f| f.processes = Ok(processes));
    assert_eq!([49.9, 50.0].map(|cpu| of("processes.cpu", program(cpu, 0, 0))), [Good, Info]);
    assert_eq!([249, 250, 600].map(|m| of("processes.memory", program(0.0, m, 0))), [Good, Info, Warn]);
    assert_eq!([49_999_999, 50_000_000].map(|io| of("processes.io", program(0.0, 0, io))), [Good, Info]);
    let zombies = |number| ProcessList { zombies: vec![("x".into(), number)], ..program(0.0, 0, 0) };
    assert_eq!([0, 19, 20].map(|number| of("processes.zombies", zombies(number))), [Good, Info, Warn]);
    let blocked = |number| ProcessList { blocked: vec!["x".into(); number], ..program(0.0, 0, 0) };
    assert_eq!([0, 4, 5].map(|number| of("processes.blocked", blocked(number))), [Good, Good, Warn]);
    let count = |count| ProcessList { count, ..program(0.0, 0, 0) };
    assert_eq!([79, 80].map(|number| of("processes.count", count(number))), [Good, Warn]);
    let open = |open, near| {
        worst("processes.descriptors", |f| {
            f.descriptors = Ok(DescriptorUse { open, limit: 100, near, counted: 1, unseen: 0 });
        })
    };
    assert_eq!([open(79, vec![]), open(80, vec![]), open(1, vec![("x".into(), 9, 10)])], [Good, Warn, Warn]);
}

/// Facts of a machine on which everything is there and much is wrong.
pub(super) fn everything() -> MachineFacts {
    let mut facts = nothing();
    facts.machine =
        Ok(HardwareModel { firmware_date: Some("2015-01-01".into()), ..HardwareModel::default() });
    facts.batteries = Ok(vec![BatteryState { health_percent: Some(20.0), ..BatteryState::default() }]);
    facts.graphics = Ok(vec![GraphicsAdapter::default()]);
    facts.sensors = Ok(vec![TemperatureSensor { celsius: 99.0, ..TemperatureSensor::default() }]);
    facts.release =
        Ok(OsRelease { id: "debian".into(), version: "10".into(), taint: Some(128), ..OsRelease::default() });
    let mount = MountedFileSystem {
        size: 100,
        used: 99,
        available: 1,
        inodes: 100,
        writing: WriteState::StoppedByErrors("2 errors counted".into()),
        ..MountedFileSystem::default()
    };
    facts.mounts = Ok(MountedFileSystems {
        local: vec![mount],
        absent: vec!["/backup".into()],
        ..MountedFileSystems::default()
    });
    facts.smart = Ok(SmartReports {
        disks: vec![SmartDisk { passed: Some(false), ..SmartDisk::default() }],
        left_out: 0,
    });
    facts.raid = Ok(vec![RaidArray::default()]);
    facts.disk_errors = Ok(vec![ErrorCount { errors: 1, ..ErrorCount::default() }]);
    let disks = vec![DiskUse { busy_percent: 100.0, wait_ms: Some(99.0), ..DiskUse::default() }];
    facts.activity = Ok(SystemActivity {
        load: [99.0; 3],
        busy_percent: 99.0,
        iowait_percent: 60.0,
        disks,
        ..SystemActivity::default()
    });
    facts.pressure = Ok(PressureStalls::default());
    facts.throttling = Ok(CpuThrottling { ceiling_percent: Some(10.0), ..CpuThrottling::default() });
    facts.memory = Ok(MemoryUse {
        total: 100,
        available: Some(1),
        swap_total: 100,
        oom_kills: Some(1),
        ..MemoryUse::default()
    });
    facts.ecc = Ok(vec![EccController { uncorrected: 1, ..EccController::default() }]);
    network(&mut facts);
    software(&mut facts);
    protection(&mut facts);
    facts
}

fn network(facts: &mut MachineFacts) {
    let link = NetworkInterface {
        physical: true,
        wireless: true,
        enabled: true,
        state: "up".into(),
        packets: 2000,
        errors: 2000,
        signal_dbm: Some(-90),
        ..NetworkInterface::default()
    };
    facts.links = Ok(vec![
        link,
        NetworkInterface {
            physical: true,
            state: "up".into(),
            speed: Some(10),
            ..NetworkInterface::default()
        },
    ]);
    facts.routes = Ok(DefaultRoutes { v4: vec![DefaultRoute::default()], v6: vec![] });
    facts.resolver = Ok(ResolverConfig { redirected: vec!["x".into()], ..ResolverConfig::default() });
    facts.tcp = Ok(TcpCounters { sent: 10_000, resent: 9_000, tracked: Some((99, 100)) });
    facts.proxy = Ok(ProxySettings {
        settings: vec![("a".into(), "b".into())],
        unreachable: vec!["b".into()],
        automatic: true,
    });
    facts.gateway = Ok(GatewayReach::default());
    facts.dns = Ok(vec![DnsServer::default()]);
    facts.echo = Ok(vec![EchoRun { sent: 20, ..EchoRun::default() }]);
    facts.portal = Ok(PortalAnswer { expected: 204, status: Some(302), ..PortalAnswer::default() });
    facts.tls = Ok(vec![TlsPeer { issuer: Some("x".into()), ..TlsPeer::default() }]);
    facts.ipv6 = Ok(Ipv6Reach { global_address: true, routed: true, ..Ipv6Reach::default() });
    facts.udp = Ok(vec![UdpTarget { found: true, ..UdpTarget::default() }]);
}

fn software(facts: &mut MachineFacts) {
    let restarting = vec![RestartingService { restarts: 9, waiting: true, ..RestartingService::default() }];
    facts.units = Ok(UnitStates { failed: vec![FailedUnit::default()], restarting, ..UnitStates::default() });
    facts.boot = Ok(BootTimes {
        services_ms: Some(999_999),
        units: vec![("x".into(), 99_999)],
        ..BootTimes::default()
    });
    facts.autostart = Ok(AutostartPrograms { system: vec!["x".into(); 30], users: vec![] });
    facts.crashes = Ok(vec![ProgramCrash { program: "x".into(), at: NOW }; 3]);
    let group = vec![JournalGroup { source: "x".into(), pattern: "x".into(), count: 1000 }];
    facts.journal = Ok(JournalErrors { programs: group.clone(), kernel: group, ..JournalErrors::default() });
    facts.unclean = Ok(UncleanBoots { at: vec![NOW; 3] });
    facts.packages = Ok(InstalledPackages {
        installed: BTreeMap::new(),
        count: 1,
        broken: vec![("x".into(), "y".into())],
        held: vec!["x".into()],
    });
    facts.pending = Ok(AvailableUpdates { all: vec!["x".into(); 200], security: vec!["x".into()] });
    facts.upkeep = Ok(UpkeepState {
        reboot_asked: true,
        lists_at: Some(0),
        automatic: Some(false),
        ..UpkeepState::default()
    });
    facts.clock = Ok(ClockOffset { offset_seconds: 99.0, ..ClockOffset::default() });
    facts.time_sync = Ok(TimeSync::default());
    facts.printers = Ok(PrintQueues { queues: vec![PrintQueue { jobs: 99, ..PrintQueue::default() }] });
    let list = vec![ProcessUse { cpu_percent: 99.0, memory: 99, io: 99_000_000, ..ProcessUse::default() }];
    facts.processes = Ok(ProcessList {
        count: 99,
        limit: Some(100),
        memory_bytes: 100,
        by_cpu: list.clone(),
        by_memory: list.clone(),
        by_io: list,
        zombies: vec![("x".into(), 99)],
        blocked: vec!["x".into(); 9],
        ..ProcessList::default()
    });
    facts.descriptors =
        Ok(DescriptorUse { open: 99, limit: 100, near: vec![("x".into(), 9, 10)], counted: 1, unseen: 0 });
}

fn protection(facts: &mut MachineFacts) {
    facts.firewall = Ok(FirewallState { switched_off: vec!["ufw".into()], ..FirewallState::default() });
    facts.encryption = Ok(DiskEncryption { mounts: vec![("/".into(), false)], portable: true });
    facts.platform = Ok(PlatformSecurity {
        efi: true,
        secure_boot: Some(false),
        access_control_known: true,
        vulnerable: vec!["x".into()],
        flaws_known: 1,
        ..PlatformSecurity::default()
    });
    facts.accounts =
        Ok(PrivilegedAccounts { admins: vec!["x".into(); 9], extra_root: vec!["x".into()], people: 9 });
    facts.passwords = Ok(PasswordState { empty: vec!["x".into()] });
    facts.ports = Ok(vec![OpenPort { protocol: "tcp".into(), number: 23, program: Some("x".into()) }]);
    facts.sshd = Ok(SshdSettings { root_login: Some("yes".into()), ..SshdSettings::default() });
    facts.file_modes = Ok(FileModes { looked_at: 1, world_writable: vec!["/etc/passwd".into()] });
}

/// The same facts with `text` appended to every text in them.
pub(super) fn with_text(facts: MachineFacts, text: &str) -> MachineFacts {
    fn spread(value: &mut serde_json::Value, text: &str) {
        match value {
            serde_json::Value::String(old) => old.push_str(text),
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| spread(item, text)),
            // A shape is one of a closed list, not a text.
            serde_json::Value::Object(items) => {
                items.iter_mut().filter(|(key, _)| *key != "shape").for_each(|(_, item)| spread(item, text));
            }
            _ => {}
        }
    }
    let mut value = serde_json::to_value(facts).unwrap();
    spread(&mut value, text);
    serde_json::from_value(value).unwrap()
}

#[test]
fn missing_facts_keep_their_reason() {
    let found = findings("disks.smart", |f| f.smart = Err(MissingFact::Absent("smartctl".into())));
    assert_eq!(found[0].reason.as_deref(), Some("smartctl is not on this system"));
}
