//! Rules about memory.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{Area, FindingStatus};

use super::check::{CheckVerdict, DiagnosticCheck, FindingDraft, ladder};
use super::show::{bytes, percent, share};
use crate::facts::{FactSource, MachineFacts, MissingFact};

/// Percent that is still available (alarm rules: warning below 10, critical below 5).
const AVAILABLE_WARN_PERCENT: f64 = 10.0;
const AVAILABLE_FAIL_PERCENT: f64 = 5.0;

/// Percent of swap in use (alarm rules: warning 90, critical 98).
const SWAP_WARN_PERCENT: f64 = 90.0;
const SWAP_FAIL_PERCENT: f64 = 98.0;

/// Percent of the last minute in which all tasks stood for memory (alarm rules: 10).
const PRESSURE_WARN_PERCENT: f64 = 10.0;
const PRESSURE_FAIL_PERCENT: f64 = 40.0;

pub(super) const CHECKS: &[DiagnosticCheck] = &[
    DiagnosticCheck {
        id: "memory.available",
        area: Area::Memory,
        set: CheckSet::Quick,
        needs: &[FactSource::Memory],
        what: "Memory that is available to programs.",
        source: "/proc/meminfo",
        thresholds: "warn below 10 %, fail below 5 %",
        judge: available,
    },
    DiagnosticCheck {
        id: "memory.swap",
        area: Area::Memory,
        set: CheckSet::Quick,
        needs: &[FactSource::Memory],
        what: "Swap usage: a full swap and full memory end in out of memory.",
        source: "/proc/meminfo",
        thresholds: "warn from 90 % in use, fail from 98 %",
        judge: swap,
    },
    DiagnosticCheck {
        id: "memory.pressure",
        area: Area::Memory,
        set: CheckSet::Quick,
        needs: &[FactSource::Pressure],
        what: "Memory pressure: how long all work stalled waiting for memory.",
        source: "/proc/pressure/memory",
        thresholds: "warn from 10 % of the last minute, fail from 40 %",
        judge: pressure,
    },
    DiagnosticCheck {
        id: "memory.oom",
        area: Area::Memory,
        set: CheckSet::Quick,
        needs: &[FactSource::Memory],
        what: "Out of memory (OOM): the kernel kills programs when memory runs out.",
        source: "/proc/vmstat (oom_kill)",
        thresholds: "warn from 1 since the start",
        judge: oom,
    },
    DiagnosticCheck {
        id: "memory.ecc",
        area: Area::Memory,
        set: CheckSet::Quick,
        needs: &[FactSource::Ecc],
        what: "ECC memory counts the errors it corrects, and those it can't.",
        source: "/sys/devices/system/edac",
        thresholds: "warn for corrected errors, fail for uncorrected",
        judge: ecc,
    },
];

fn available(facts: &MachineFacts) -> CheckVerdict {
    let memory = facts.memory.as_ref()?;
    let left = percent(memory.available, memory.total);
    let status = if left < AVAILABLE_FAIL_PERCENT {
        FindingStatus::Fail
    } else if left < AVAILABLE_WARN_PERCENT {
        FindingStatus::Warn
    } else {
        FindingStatus::Ok
    };
    let title = match status {
        FindingStatus::Ok => format!("Memory is sufficient: {} available", bytes(memory.available)),
        _ => format!("Low memory: {} available", bytes(memory.available)),
    };
    FindingDraft::new(status, title)
        .fact("Available", share(left))
        .fact("Available bytes", bytes(memory.available))
        .fact("Total", bytes(memory.total))
        .fix("See which programs take most (check processes.memory); close or restart them. If it comes back, add memory.")
        .alone()
}

fn swap(facts: &MachineFacts) -> CheckVerdict {
    let memory = facts.memory.as_ref()?;
    if memory.swap_total == 0 {
        return FindingDraft::info("No swap configured")
            .because("Without swap the kernel kills programs as soon as memory runs out (out of memory).")
            .alone();
    }
    let used = percent(memory.swap_total.saturating_sub(memory.swap_free), memory.swap_total);
    let status = ladder(used, SWAP_WARN_PERCENT, SWAP_FAIL_PERCENT);
    let title = if status == FindingStatus::Ok { "Swap usage is normal" } else { "Swap is almost full" };
    FindingDraft::new(status, title)
        .fact("In use", share(used))
        .fact("Size", bytes(memory.swap_total))
        .fix("Close or restart the programs that take most memory (check processes.memory), or add memory.")
        .alone()
}

fn pressure(facts: &MachineFacts) -> CheckVerdict {
    let [ten, minute, five_minutes] = facts.pressure.as_ref()?.memory.full;
    let status = ladder(minute, PRESSURE_WARN_PERCENT, PRESSURE_FAIL_PERCENT);
    let title = if status == FindingStatus::Ok {
        "No memory pressure"
    } else {
        "Memory pressure: all work stalls waiting for memory"
    };
    FindingDraft::new(status, title)
        .fact("Stalled, last 10 s", share(ten))
        .fact("last minute", share(minute))
        .fact("last 5 minutes", share(five_minutes))
        .fix("Close the programs that take most memory (check processes.memory), or add memory.")
        .alone()
}

fn oom(facts: &MachineFacts) -> CheckVerdict {
    let Some(kills) = facts.memory.as_ref()?.oom_kills else {
        return Err(MissingFact::Absent("/proc/vmstat's count oom_kill".to_owned()));
    };
    let draft = match kills {
        0 => FindingDraft::ok("No program was killed out of memory (OOM)"),
        _ => FindingDraft::warn("Programs were killed out of memory (OOM)"),
    };
    draft
        .fact("Since the start", kills)
        .fix("See which: journalctl -k -b | grep -i 'killed process'. Limit that program, or add memory.")
        .alone()
}

fn ecc(facts: &MachineFacts) -> CheckVerdict {
    Ok(facts
        .ecc
        .as_ref()?
        .iter()
        .map(|controller| {
            let draft = if controller.uncorrected > 0 {
                FindingDraft::fail("Memory has uncorrected ECC errors")
            } else if controller.corrected > 0 {
                FindingDraft::warn("Memory has ECC errors, all corrected so far")
            } else {
                FindingDraft::ok("No ECC memory errors")
            };
            draft
                .on(&controller.name)
                .fact("Corrected", controller.corrected)
                .fact("Not corrected", controller.uncorrected)
                .fix("Find the module (edac-util -v, or the firmware's log) and replace it.")
        })
        .collect())
}
