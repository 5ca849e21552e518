//! Rules about memory.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{Area, FindingStatus};

use super::check::{CheckVerdict, DiagnosticCheck, FindingDraft, ladder};
use super::show::{bytes, share};
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
        source: "/proc/meminfo, ZFS's arcstats, limits of control groups",
        thresholds: "warn below 10 % of the machine's or of a control group's limit, fail below 5 %",
        judge: available,
    },
    DiagnosticCheck {
        id: "memory.swap",
        area: Area::Memory,
        set: CheckSet::Quick,
        needs: &[FactSource::Memory, FactSource::Pressure],
        what: "Swap usage: a full swap and full memory end in out of memory.",
        source: "/proc/meminfo, /proc/pressure/memory",
        thresholds: "warn from 90 % in use, fail from 98 %, while memory is short (below 10 % available, or pressure from 10 %); info otherwise",
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
    let mut drafts = Vec::new();
    // The group at the root is the container's own; what its host has is not for it.
    let is_container = memory.group.as_ref().is_some_and(|group| group.path == "/");
    if !is_container {
        let (Some(available), Some(left)) = (memory.available, memory.available_percent()) else {
            return Err(MissingFact::Absent("the line MemAvailable or MemFree of /proc/meminfo".to_owned()));
        };
        let draft = room(left, available, "")
            .fact("Total", bytes(memory.total))
            .maybe("Cache of ZFS, given back when needed", some_bytes(memory.reclaimable_arc))
            .maybe("Set aside as huge pages", some_bytes(memory.huge_pages))
            .maybe("Estimated", memory.estimated.then_some("the kernel doesn't tell what is available"));
        drafts.push(draft.fix("See which programs take most (check processes.memory); close or restart them. If it comes back, add memory."));
    }
    if let Some(group) = &memory.group {
        let place = if group.path == "/" {
            "this container".to_owned()
        } else {
            format!("control group {}", group.path)
        };
        let draft = room(group.available_percent(), group.available(), &format!(" in {place}"))
            .on(place)
            .fact("Limit", bytes(group.limit))
            .fact("In use", bytes(group.used))
            .fact("Memory of the machine", bytes(memory.total));
        drafts.push(draft.fix("See which programs take most (check processes.memory), or raise the limit where the container or service is set up."));
    }
    Ok(drafts)
}

fn room(left: f64, available: u64, place: &str) -> FindingDraft {
    let status = if left < AVAILABLE_FAIL_PERCENT {
        FindingStatus::Fail
    } else if left < AVAILABLE_WARN_PERCENT {
        FindingStatus::Warn
    } else {
        FindingStatus::Ok
    };
    let title = match status {
        FindingStatus::Ok => format!("Memory is sufficient: {} available{place}", bytes(available)),
        _ => format!("Low memory: {} available{place}", bytes(available)),
    };
    FindingDraft::new(status, title).fact("Available", share(left)).fact("Available bytes", bytes(available))
}

fn some_bytes(count: u64) -> Option<String> {
    (count > 0).then(|| bytes(count))
}

/// A full swap alone is no harm: what nobody has asked for in weeks lies there. It is, where memory is short as well.
fn swap(facts: &MachineFacts) -> CheckVerdict {
    let memory = facts.memory.as_ref()?;
    let Some(used) = memory.swap_percent() else {
        return FindingDraft::info("No swap configured")
            .because("Without swap the kernel kills programs as soon as memory runs out (out of memory).")
            .alone();
    };
    let stalled = facts.pressure.as_ref().ok().map(|pressure| {
        let [_, minute, _] = pressure.memory.full;
        minute
    });
    let left = memory.available_percent();
    let is_short = left.is_some_and(|left| left < AVAILABLE_WARN_PERCENT)
        || stalled.is_some_and(|minute| minute >= PRESSURE_WARN_PERCENT)
        // Nothing tells: a full swap is then the only sign.
        || (left.is_none() && stalled.is_none());
    let draft = match ladder(used, SWAP_WARN_PERCENT, SWAP_FAIL_PERCENT) {
        FindingStatus::Ok => FindingDraft::ok("Swap usage is normal"),
        status if is_short => FindingDraft::new(status, "Swap is almost full and memory is short"),
        _ => FindingDraft::info("Swap is almost full, and memory is not short").because(
            "What lies in swap isn't asked for now. If memory becomes short, there is no room to move more.",
        ),
    };
    draft
        .fact("In use", share(used))
        .fact("Size", bytes(memory.swap_total))
        .maybe("Memory available", left.map(share))
        .maybe("All work stalled for memory, last minute", stalled.map(share))
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
