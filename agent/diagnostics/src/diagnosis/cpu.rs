//! Rules about the processor.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{Area, FindingStatus};

use super::check::{CheckVerdict, DiagnosticCheck, FindingDraft, ladder};
use super::show::{count, percent, share};
use crate::facts::{FactSource, MachineFacts};

/// 15-minute load average per processor (alarm rules: warning 2).
const LOAD_WARN: f64 = 2.0;
const LOAD_FAIL: f64 = 5.0;

/// Percent of the time busy (alarm rules: warning 85; a short look never fails).
const USAGE_WARN_PERCENT: f64 = 85.0;

/// Percent of the time waiting for disks (alarm rules: warning 40, critical 50).
const IOWAIT_WARN_PERCENT: f64 = 40.0;
const IOWAIT_FAIL_PERCENT: f64 = 50.0;

/// Percent of the time given to other guests. Above 10 a guest feels slow.
const STEAL_WARN_PERCENT: f64 = 10.0;

/// Percent of the last minute in which at least one task waited for the processor.
const PRESSURE_WARN_PERCENT: f64 = 60.0;

/// Percent of the best frequency below which the ceiling is a throttle and no saving.
const CEILING_WARN_PERCENT: f64 = 50.0;

/// Slow-downs for heat a day that are more than a moment's: a machine that is up for months counts some each day.
const THROTTLE_WARN_A_DAY: u64 = 100;

/// Percent of the periods in which a control group's time was used up (CPUThrottlingHigh of kubernetes-mixin: 25).
const QUOTA_WARN_PERCENT: f64 = 25.0;

/// Periods below which that percentage means nothing.
const QUOTA_PERIODS_ENOUGH: u64 = 4;

const DAY_SECONDS: u64 = 86_400;

pub(super) const CHECKS: &[DiagnosticCheck] = &[
    DiagnosticCheck {
        id: "cpu.load",
        area: Area::Cpu,
        set: CheckSet::Quick,
        needs: &[FactSource::Activity],
        what: "Load average: how many tasks run, wait for a processor or wait for disks.",
        source: "/proc/loadavg",
        thresholds: "warn from 2 per processor over 15 minutes, fail from 5",
        judge: load,
    },
    DiagnosticCheck {
        id: "cpu.usage",
        area: Area::Cpu,
        set: CheckSet::Quick,
        needs: &[FactSource::Activity],
        what: "CPU usage of the whole machine.",
        source: "/proc/stat over 1 s",
        thresholds: "warn from 85 % with a 5-minute load above the number of processors; info from 85 % otherwise",
        judge: usage,
    },
    DiagnosticCheck {
        id: "cpu.iowait",
        area: Area::Cpu,
        set: CheckSet::Quick,
        needs: &[FactSource::Activity],
        what: "CPU time spent waiting for disks (iowait).",
        source: "/proc/stat over 1 s",
        thresholds: "warn from 40 %, fail from 50 %",
        judge: iowait,
    },
    DiagnosticCheck {
        id: "cpu.steal",
        area: Area::Cpu,
        set: CheckSet::Quick,
        needs: &[FactSource::Activity],
        what: "CPU steal: an overloaded host gives a virtual machine less CPU time than it should get.",
        source: "/proc/stat over 1 s",
        thresholds: "warn from 10 %",
        judge: steal,
    },
    DiagnosticCheck {
        id: "cpu.pressure",
        area: Area::Cpu,
        set: CheckSet::Quick,
        needs: &[FactSource::Pressure],
        what: "CPU pressure: how long tasks waited for a processor.",
        source: "/proc/pressure/cpu",
        thresholds: "warn from 60 % of the last minute",
        judge: pressure,
    },
    DiagnosticCheck {
        id: "cpu.throttling",
        area: Area::Cpu,
        set: CheckSet::Quick,
        needs: &[FactSource::Throttling],
        what: "A CPU that is too hot, limited to a low frequency, or limited by a control group, is throttled and slow.",
        source: "/sys/devices/system/cpu/*/thermal_throttle, cpufreq, cpu.max and cpu.stat of control groups, over 1 s",
        thresholds: "warn if the highest allowed frequency is below 50 %, from 100 slow-downs for heat a day since the start, or if a control group's time is used up in 25 % of its periods; info if slowed for heat at this moment",
        judge: throttling,
    },
];

fn load(facts: &MachineFacts) -> CheckVerdict {
    let activity = facts.activity.as_ref()?;
    let [one, five, fifteen] = activity.load;
    #[expect(clippy::cast_precision_loss, reason = "a number of processors")]
    let per_processor = fifteen / activity.processors.max(1) as f64;
    let status = ladder(per_processor, LOAD_WARN, LOAD_FAIL);
    let on = count(activity.processors, "processor", "processors");
    let title = match status {
        FindingStatus::Ok => format!("CPU load is normal: {fifteen:.1} on {on}"),
        _ => format!("CPU overloaded: load {fifteen:.1} on {on}"),
    };
    FindingDraft::new(status, title)
        .fact("Load, 1 minute", format!("{one:.2}"))
        .fact("5 minutes", format!("{five:.2}"))
        .fact("15 minutes", format!("{fifteen:.2}"))
        .fact("Processors", activity.processors)
        .fix("See which programs use the CPU and the disks (checks processes.cpu and processes.io). End or move those that aren't needed.")
        .alone()
}

fn usage(facts: &MachineFacts) -> CheckVerdict {
    let activity = facts.activity.as_ref()?;
    let [_, five, _] = activity.load;
    #[expect(clippy::cast_precision_loss, reason = "a number of processors")]
    let lasting = five > activity.processors as f64;
    let draft = match (activity.busy_percent >= USAGE_WARN_PERCENT, lasting) {
        (true, true) => FindingDraft::warn("CPU usage has been high for minutes"),
        (true, false) => FindingDraft::info("CPU usage is high at this moment"),
        (false, _) => FindingDraft::ok("CPU usage is normal"),
    };
    draft
        .fact("Busy", share(activity.busy_percent))
        .fact("Measured over", format!("{} ms", activity.over_ms))
        .fact("Load, 5 minutes", format!("{five:.2} on {}", count(activity.processors, "processor", "processors")))
        .fix("See which program uses the CPU (check processes.cpu). A browser tab, a search index or an update often explains it.")
        .runbook("end-runaway")
        .alone()
}

fn iowait(facts: &MachineFacts) -> CheckVerdict {
    let percent = facts.activity.as_ref()?.iowait_percent;
    let status = ladder(percent, IOWAIT_WARN_PERCENT, IOWAIT_FAIL_PERCENT);
    let title = if status == FindingStatus::Ok {
        "CPU does not wait for disks (low iowait)"
    } else {
        "CPU waits for disks (high iowait)"
    };
    FindingDraft::new(status, title)
        .fact("Waiting for disks", share(percent))
        .fix("See checks disks.busy, disks.smart and processes.io.")
        .alone()
}

fn steal(facts: &MachineFacts) -> CheckVerdict {
    let percent = facts.activity.as_ref()?.steal_percent;
    let draft = match percent >= STEAL_WARN_PERCENT {
        true => FindingDraft::warn("CPU steal: the host gives this virtual machine too little CPU time"),
        false => FindingDraft::ok("No CPU steal: the host gives this machine its CPU time"),
    };
    draft
        .fact("CPU steal", share(percent))
        .fix("Ask the host's operator to move this guest or others to another host.")
        .alone()
}

fn pressure(facts: &MachineFacts) -> CheckVerdict {
    let [ten, minute, five_minutes] = facts.pressure.as_ref()?.cpu.some;
    let draft = match minute >= PRESSURE_WARN_PERCENT {
        true => FindingDraft::warn("CPU pressure: tasks wait for a processor"),
        false => FindingDraft::ok("No CPU pressure: tasks hardly wait for a processor"),
    };
    draft
        .fact("Some waited, last 10 s", share(ten))
        .fact("last minute", share(minute))
        .fact("last 5 minutes", share(five_minutes))
        .fix("See checks cpu.load and processes.cpu.")
        .alone()
}

fn throttling(facts: &MachineFacts) -> CheckVerdict {
    let throttling = facts.throttling.as_ref()?;
    let low = throttling.ceiling_percent.is_some_and(|percent| percent < CEILING_WARN_PERCENT);
    let heat = throttling.thermal_events.unwrap_or(0);
    let often = heat / (throttling.uptime_seconds / DAY_SECONDS).max(1) >= THROTTLE_WARN_A_DAY;
    let used_up = throttling.quota.as_ref().map(|quota| (quota, percent(quota.throttled, quota.periods)));
    let limited = used_up
        .filter(|(quota, share)| quota.periods >= QUOTA_PERIODS_ENOUGH && *share >= QUOTA_WARN_PERCENT);
    let draft = if low {
        FindingDraft::warn("CPU throttled: the frequency is limited to a low value")
            .fix("Check power profile (powerprofilesctl get), power supply and battery: some machines slow down on a weak charger.")
    } else if often {
        FindingDraft::warn("CPU throttled because of heat")
            .fix("Clean fans and air vents; see the check hardware.temperature under load.")
    } else if let Some((quota, _)) = limited {
        FindingDraft::warn(format!("CPU throttled: its control group may use {:.1} processors", quota.processors))
            .fix("Raise the limit where the container or service is set up (CPUQuota=, --cpus, resources.limits.cpu), or give it less to do.")
    } else if throttling.recent_events.unwrap_or(0) > 0 {
        FindingDraft::info("CPU is slowed for heat at this moment").fix(
            "If the machine stays slow: clean fans and air vents, and see the check hardware.temperature.",
        )
    } else {
        FindingDraft::ok("CPU is not throttled")
    };
    draft
        .maybe("Highest allowed frequency", throttling.ceiling_percent.map(share))
        .maybe("Slow-downs for heat since the start", throttling.thermal_events)
        .maybe("Slow-downs while watched", throttling.recent_events)
        .maybe("Governor", throttling.governor.as_ref())
        .maybe(
            "Limit of the control group",
            used_up.map(|(quota, _)| format!("{:.2} processors", quota.processors)),
        )
        .maybe(
            "Time used up",
            used_up.map(|(quota, part)| format!("in {} of {} periods", share(part), quota.periods)),
        )
        .alone()
}
