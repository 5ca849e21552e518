//! What is read when: each source as often as the most impatient rule about it asks, all on one grid, so that the
//! machine is woken once for all of them.

use std::collections::BTreeMap;

use nearhand_rules::AlarmRule;

/// Something that is read as one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AlarmProbe {
    /// Processors and load.
    Activity,
    /// Memory, swap, programs killed out of memory.
    Memory,
    /// Memory pressure: time that work stalled.
    Pressure,
    /// Space, inodes and state of file systems.
    Mounts,
    /// What does not answer: file systems, files, disks, systemd.
    Answers,
    /// State of software RAID arrays.
    Raid,
    /// Memory errors that ECC has counted.
    Ecc,
    /// Temperatures of chips and disks.
    Sensors,
    /// Crashes of programs.
    Crashes,
    /// Offset and synchronisation of the clock.
    Clock,
    /// Expiry of the watched certificate files.
    Certificates,
    /// Age of the watched backup files.
    Backups,
    /// Restarts and automatic updates.
    Upkeep,
    /// The alarms themselves: spool and rules file.
    Own,
    /// Lines of log files that rules look for.
    LogFiles,
    /// Failed and restarting units of systemd.
    Units,
    /// The disks' own reports.
    Smart,
    /// Starts that followed an unclean shutdown.
    Unclean,
    /// The packet filter.
    Firewall,
    /// Packet loss to the gateway.
    Gateway,
    /// Whether each DNS server answers.
    NameServers,
    /// Journal entries that rules look for.
    Journal,
}

/// Which sensors each probe tells.
const TELLS: [(AlarmProbe, &[&str]); 22] = [
    (AlarmProbe::Activity, &["cpu.busy", "cpu.iowait", "load.per-core"]),
    (AlarmProbe::Memory, &["memory.available", "swap.used", "swap.short", "oom.kills"]),
    (AlarmProbe::Pressure, &["memory.pressure"]),
    (AlarmProbe::Mounts, &["disk.used", "disk.free", "disk.inodes", "disk.read-only"]),
    (AlarmProbe::Answers, &["io.silent"]),
    (AlarmProbe::Raid, &["raid.missing"]),
    (AlarmProbe::Ecc, &["ecc.corrected", "ecc.uncorrectable"]),
    (AlarmProbe::Sensors, &["temperature.margin"]),
    (AlarmProbe::Crashes, &["crash.programs"]),
    (AlarmProbe::Clock, &["clock.offset", "clock.unsynchronised"]),
    (AlarmProbe::Certificates, &["certificate.left"]),
    (AlarmProbe::Backups, &["backup.age"]),
    (AlarmProbe::Upkeep, &["updates.reboot"]),
    (AlarmProbe::Own, &["spool.age", "rules.problem"]),
    (AlarmProbe::LogFiles, &["log.lines"]),
    (AlarmProbe::Units, &["service.failed", "service.restarts"]),
    (AlarmProbe::Smart, &["smart.failing", "smart.reallocated", "smart.wear"]),
    (AlarmProbe::Unclean, &["boot.unclean"]),
    (AlarmProbe::Firewall, &["protection.off"]),
    (AlarmProbe::Gateway, &["gateway.loss"]),
    (AlarmProbe::NameServers, &["dns.silent"]),
    (AlarmProbe::Journal, &["log.lines"]),
];

impl AlarmProbe {
    /// Read by a task, since it waits for a program, the bus or the network.
    pub fn is_outside(self) -> bool {
        matches!(
            self,
            Self::Units
                | Self::Smart
                | Self::Unclean
                | Self::Firewall
                | Self::Gateway
                | Self::NameServers
                | Self::Journal
        )
    }
}

/// When each probe is due.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ProbeSchedule {
    /// Milliseconds between two readings, and when the next is due.
    probes: BTreeMap<AlarmProbe, (u64, u64)>,
}

impl ProbeSchedule {
    /// What those rules need; nothing else is read.
    pub fn of(rules: &[AlarmRule]) -> Self {
        let also = |rule: &AlarmRule| {
            rule.levels.iter().filter_map(|l| l.also.map(|(s, _)| s.name)).collect::<Vec<_>>()
        };
        let mut probes = BTreeMap::new();
        for (probe, sensors) in TELLS {
            let needs = |rule: &&AlarmRule| {
                sensors.contains(&rule.sensor.name) || also(rule).iter().any(|name| sensors.contains(name))
            };
            let every = rules.iter().filter(needs).map(|rule| rule.every).min();
            if let Some(every) = every {
                let ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1000);
                probes.insert(probe, (ms, 0));
            }
        }
        Self { probes }
    }

    /// Milliseconds between two readings, where it is needed at all.
    pub fn every(&self, probe: AlarmProbe) -> Option<u64> {
        self.probes.get(&probe).map(|(every, _)| *every)
    }

    /// Those that are due, with their next time on the grid.
    pub fn due(&mut self, now: u64) -> Vec<AlarmProbe> {
        let mut due = Vec::new();
        for (probe, (every, next)) in self.probes.iter_mut().filter(|(probe, _)| !probe.is_outside()) {
            if *next <= now {
                due.push(*probe);
                *next = (now / *every + 1).saturating_mul(*every);
            }
        }
        due
    }

    /// When something is due next.
    pub fn next(&self) -> Option<u64> {
        self.probes.iter().filter(|(probe, _)| !probe.is_outside()).map(|(_, (_, next))| *next).min()
    }
}

#[cfg(test)]
mod tests {
    use nearhand_proto::alarm::DeviceProfile;
    use nearhand_rules::RuleSet;

    use super::*;

    #[test]
    fn only_what_rules_need_is_read_and_all_on_one_grid() {
        let rules = RuleSet::of_profile(DeviceProfile::Server).rules;
        let mut schedule = ProbeSchedule::of(&rules);
        assert_eq!(schedule.every(AlarmProbe::Mounts), Some(10_000));
        assert_eq!(schedule.every(AlarmProbe::Pressure), None, "only desktops have a rule about it");
        let mut wakes = 0;
        let mut now = 1_234_567;
        schedule.due(now);
        while let Some(next) = schedule.next().filter(|next| *next < 1_234_567 + 3_600_000) {
            assert!(next > now && next.is_multiple_of(10_000), "{next}");
            now = next;
            assert!(!schedule.due(now).is_empty());
            wakes += 1;
        }
        assert!((359..=361).contains(&wakes), "{wakes} wake-ups an hour");
        let mut all = TELLS.iter().flat_map(|(_, sensors)| sensors.iter());
        assert!(rules.iter().all(|rule| all.clone().any(|name| *name == rule.sensor.name)));
        assert!(all.all(|name| nearhand_rules::SensorSpec::named(name).is_some()));
    }
}
