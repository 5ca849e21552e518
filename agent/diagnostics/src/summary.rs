//! The report from facts and findings: head, counts, charts, inventory.
//!
//! Pure, like the diagnosis. Must not live here: judging, and how a report looks.

use std::collections::BTreeMap;

use nearhand_proto::message::session::CheckSet;
use nearhand_proto::text;
use nearhand_report::model::{
    Chart, ChartKind, ChartPoint, Finding, FindingCounts, FindingStatus, Report, ReportSubject,
    SCHEMA_VERSION,
};

use super::diagnosis::bytes;
use super::facts::MachineFacts;
use super::facts::process::ProcessUse;

/// Longest name or version in the inventory, in characters.
const NAME_LIMIT: usize = 120;

/// Most bars of a chart.
const BAR_LIMIT: usize = 12;

/// What the runner knows apart from facts and findings.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunHeader<'a> {
    /// Device id, or empty.
    pub(super) device_id: &'a str,
    /// Which checks ran.
    pub(super) set: CheckSet,
    /// How long it took.
    pub(super) duration_ms: u64,
}

/// Puts the report together.
pub(super) fn report(facts: &MachineFacts, mut findings: Vec<Finding>, head: RunHeader<'_>) -> Report {
    findings.sort_by(|a, b| (a.status, &a.id, &a.instance).cmp(&(b.status, &b.id, &b.instance)));
    Report {
        schema_version: SCHEMA_VERSION,
        generator: concat!("nearhand-agent ", env!("CARGO_PKG_VERSION")).to_owned(),
        subject: subject(facts, head.device_id),
        started_at: facts.taken_at.to_string(),
        duration_ms: head.duration_ms,
        set: head.set,
        pseudonymised: false,
        counts: counts(&findings),
        findings,
        charts: charts(facts),
        software: software(facts),
        hardware: hardware(facts),
    }
}

fn clean(text: &str) -> String {
    text::one_line(text, NAME_LIMIT)
}

fn subject(facts: &MachineFacts, device_id: &str) -> ReportSubject {
    let release = facts.release.as_ref().ok().cloned().unwrap_or_default();
    let machine = facts.machine.as_ref().ok().cloned().unwrap_or_default();
    let model: Vec<String> = [machine.vendor, machine.product].into_iter().flatten().collect();
    ReportSubject {
        device: device_id.to_owned(),
        hostname: clean(&release.hostname),
        os: clean(&release.name),
        kernel: clean(&release.kernel),
        model: clean(&model.join(" ")),
    }
}

fn counts(findings: &[Finding]) -> FindingCounts {
    let mut counts = FindingCounts::default();
    for finding in findings {
        match finding.status {
            FindingStatus::Fail => counts.fail += 1,
            FindingStatus::Warn => counts.warn += 1,
            FindingStatus::Info => counts.info += 1,
            FindingStatus::Ok => counts.ok += 1,
            FindingStatus::Skipped => counts.skipped += 1,
        }
    }
    counts
}

fn software(facts: &MachineFacts) -> BTreeMap<String, String> {
    let packages = facts.packages.as_ref().ok().map(|packages| &packages.installed);
    packages.into_iter().flatten().map(|(name, version)| (clean(name), clean(version))).collect()
}

fn hardware(facts: &MachineFacts) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::new();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            parts.insert(clean(name), clean(&value));
        }
    };
    if let Ok(machine) = &facts.machine {
        add("processor", machine.processor.clone().unwrap_or_default());
        add("processors", machine.processors.to_string());
        add("memory", bytes(machine.memory_bytes));
        add("firmware", machine.firmware.clone().unwrap_or_default());
        add("virtualisation", machine.virtualisation.clone().unwrap_or_default());
    }
    for adapter in facts.graphics.iter().flatten() {
        add(&format!("graphics {}", adapter.address), format!("{} {}", adapter.vendor, adapter.device));
    }
    for disk in facts.smart.iter().flat_map(|reports| &reports.disks) {
        add(&format!("disk {}", disk.device), disk.model.clone());
    }
    for battery in facts.batteries.iter().flatten() {
        add(&format!("battery {}", battery.name), "battery".to_owned());
    }
    for link in facts.links.iter().flatten().filter(|link| link.physical) {
        add(&format!("network {}", link.name), if link.wireless { "Wi-Fi" } else { "wired" }.to_owned());
    }
    parts
}

fn charts(facts: &MachineFacts) -> Vec<Chart> {
    let charts = [
        disk_usage(facts),
        memory(facts),
        pressure(facts),
        load(facts),
        processes(facts, "processes.cpu", "Programs by processor", "%", |p| p.cpu_percent),
        processes(facts, "processes.memory", "Programs by memory", "MB", |p| scaled(p.memory, MEGA)),
        boot(facts),
    ];
    charts.into_iter().flatten().filter(|chart| !chart.points.is_empty()).collect()
}

const MEGA: f64 = 1_000_000.0;
const GIGA: f64 = 1_000_000_000.0;

#[expect(clippy::cast_precision_loss, reason = "a chart shows three digits")]
fn scaled(count: u64, unit: f64) -> f64 {
    (count as f64 / unit * 100.0).round() / 100.0
}

fn bars(
    id: &str,
    title: &str,
    unit: &str,
    points: impl Iterator<Item = (String, f64, Option<f64>)>,
) -> Option<Chart> {
    let point =
        |(label, value, limit): (String, f64, Option<f64>)| ChartPoint { label: clean(&label), value, limit };
    Some(Chart {
        id: id.to_owned(),
        title: title.to_owned(),
        unit: unit.to_owned(),
        kind: ChartKind::Bars,
        points: points.take(BAR_LIMIT).map(point).collect(),
    })
}

fn disk_usage(facts: &MachineFacts) -> Option<Chart> {
    let mounts = facts.mounts.as_ref().ok()?;
    let known = mounts.local.iter().filter(|m| m.size > 0);
    let points = known.map(|m| (m.target.clone(), scaled(m.used, GIGA), Some(scaled(m.size, GIGA))));
    bars("disks.usage", "Disk space in use", "GB", points)
}

fn memory(facts: &MachineFacts) -> Option<Chart> {
    let memory = facts.memory.as_ref().ok()?;
    let used = |total: u64, free: u64| scaled(total.saturating_sub(free), GIGA);
    let available = memory.available.into_iter();
    let mut points: Vec<_> = available
        .map(|free| ("Memory".to_owned(), used(memory.total, free), Some(scaled(memory.total, GIGA))))
        .collect();
    if let Some(group) = &memory.group {
        let limit = Some(scaled(group.limit, GIGA));
        points.push((format!("Control group {}", group.path), scaled(group.used, GIGA), limit));
    }
    if memory.swap_total > 0 {
        let limit = Some(scaled(memory.swap_total, GIGA));
        points.push(("Swap".to_owned(), used(memory.swap_total, memory.swap_free), limit));
    }
    bars("memory.usage", "Memory in use", "GB", points.into_iter())
}

fn pressure(facts: &MachineFacts) -> Option<Chart> {
    let pressure = facts.pressure.as_ref().ok()?;
    let named = [("Processor", pressure.cpu), ("Memory", pressure.memory), ("Disks", pressure.io)];
    let points = named.into_iter().map(|(name, stall)| {
        let [_, minute, _] = stall.some;
        (name.to_owned(), minute, Some(100.0))
    });
    bars("system.pressure", "Some work waited, last minute", "%", points)
}

fn load(facts: &MachineFacts) -> Option<Chart> {
    let activity = facts.activity.as_ref().ok()?;
    let limit = u32::try_from(activity.processors).ok().map(f64::from);
    let names = ["1 min", "5 min", "15 min"];
    let points = names.into_iter().zip(activity.load).map(|(name, load)| (name.to_owned(), load, limit));
    bars("cpu.load", "Load against processors", "tasks", points)
}

fn processes(
    facts: &MachineFacts,
    id: &str,
    title: &str,
    unit: &str,
    value: fn(&ProcessUse) -> f64,
) -> Option<Chart> {
    let processes = facts.processes.as_ref().ok()?;
    let by_memory = id == "processes.memory";
    let list = if by_memory { &processes.by_memory } else { &processes.by_cpu };
    let limit = by_memory.then(|| scaled(processes.memory_bytes, MEGA));
    let points = list
        .iter()
        .map(|p| (format!("{} ({})", p.name, p.pid), (value(p) * 10.0).round() / 10.0, limit))
        .filter(|(_, value, _)| *value > 0.0);
    bars(id, title, unit, points)
}

fn boot(facts: &MachineFacts) -> Option<Chart> {
    let boot = facts.boot.as_ref().ok()?;
    let points = boot.units.iter().map(|(name, ms)| (name.clone(), scaled(*ms, 1000.0), None));
    bars("services.boot", "Start of the slowest services", "s", points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::load::MemoryUse;
    use crate::facts::storage::{MountedFileSystem, MountedFileSystems};
    use crate::facts::update::InstalledPackages;
    use nearhand_proto::time::UnixMillis;

    #[test]
    fn the_report_is_counted_sorted_charted_and_clean() {
        let mut facts = MachineFacts::none(UnixMillis(1_700_000_000_000));
        let mount = MountedFileSystem {
            target: "/\u{1b}[2J".into(),
            size: 10_000_000_000,
            used: 9_990_000_000,
            available: 10_000_000,
            ..MountedFileSystem::default()
        };
        facts.mounts = Ok(MountedFileSystems { local: vec![mount], ..MountedFileSystems::default() });
        facts.memory =
            Ok(MemoryUse { total: 8_000_000_000, available: Some(4_000_000_000), ..MemoryUse::default() });
        facts.packages = Ok(InstalledPackages {
            installed: BTreeMap::from([("bash\u{202e}".to_owned(), "5.2".to_owned())]),
            ..InstalledPackages::default()
        });
        let findings: Vec<Finding> = super::super::checks()
            .flat_map(|check| super::super::diagnosis::judge(check, &facts, 1))
            .collect();
        let head = RunHeader { device_id: "ab", set: CheckSet::Full, duration_ms: 5 };
        let report = report(&facts, findings, head);
        assert_eq!(report.findings[0].id, "disks.space");
        assert_eq!(report.counts.fail, 1);
        assert!(report.counts.skipped > 50);
        assert_eq!(report.started_at, "2023-11-14T22:13:20Z");
        let charts: Vec<&str> = report.charts.iter().map(|chart| chart.id.as_str()).collect();
        assert_eq!(charts, ["disks.usage", "memory.usage"]);
        let json = serde_json::to_string(&report).unwrap();
        assert!(!json.contains("\\u001b") && !json.contains('\u{202e}'));
    }
}
