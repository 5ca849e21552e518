//! Rules about running programs.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{Area, FindingStatus};

use super::check::{CheckVerdict, DiagnosticCheck, FindingDraft};
use super::show::{bytes, count, names, percent, share};
use crate::facts::process::ProcessUse;
use crate::facts::{FactSource, MachineFacts};

/// Percent of one processor that is worth naming.
const CPU_INFO_PERCENT: f64 = 50.0;

/// Percent of the memory taken by one program.
const MEMORY_INFO_PERCENT: f64 = 25.0;
const MEMORY_WARN_PERCENT: f64 = 60.0;

/// Bytes per second that keep a disk busy.
const IO_INFO_BYTES: u64 = 50_000_000;

/// Zombies that are no passing thing.
const ZOMBIES_WARN: usize = 20;

/// Programs in an uninterruptible wait at once that mean a hanging disk or network share.
const BLOCKED_WARN: usize = 5;

/// Percent of all files that the system can open; of all processes that there can be.
const FILES_WARN_PERCENT: f64 = 80.0;
const COUNT_WARN_PERCENT: f64 = 80.0;

pub(super) const CHECKS: &[DiagnosticCheck] = &[
    DiagnosticCheck {
        id: "processes.cpu",
        area: Area::Processes,
        set: CheckSet::Quick,
        needs: &[FactSource::Processes],
        what: "Programs with high CPU usage.",
        source: "sysinfo over 1 s",
        thresholds: "info from 50 % of one processor",
        judge: cpu,
    },
    DiagnosticCheck {
        id: "processes.memory",
        area: Area::Processes,
        set: CheckSet::Quick,
        needs: &[FactSource::Processes],
        what: "Programs with high memory usage.",
        source: "sysinfo",
        thresholds: "info from 25 % of the memory, warn from 60 %",
        judge: memory,
    },
    DiagnosticCheck {
        id: "processes.io",
        area: Area::Processes,
        set: CheckSet::Quick,
        needs: &[FactSource::Processes],
        what: "Programs with high disk usage.",
        source: "sysinfo over 1 s",
        thresholds: "info from 50 MB/s",
        judge: io,
    },
    DiagnosticCheck {
        id: "processes.zombies",
        area: Area::Processes,
        set: CheckSet::Quick,
        needs: &[FactSource::Processes],
        what: "Zombie processes: programs that have ended and that their parent doesn't collect fill the process table.",
        source: "sysinfo",
        thresholds: "warn from 20; info below",
        judge: zombies,
    },
    DiagnosticCheck {
        id: "processes.blocked",
        area: Area::Processes,
        set: CheckSet::Quick,
        needs: &[FactSource::Processes],
        what: "Programs that hang waiting for a disk or network share; they can't even be killed.",
        source: "sysinfo",
        thresholds: "warn from 5",
        judge: blocked,
    },
    DiagnosticCheck {
        id: "processes.count",
        area: Area::Processes,
        set: CheckSet::Quick,
        needs: &[FactSource::Processes],
        what: "Number of processes against the limit.",
        source: "sysinfo, /proc/sys/kernel/pid_max",
        thresholds: "warn from 80 % of the limit",
        judge: number,
    },
    DiagnosticCheck {
        id: "processes.descriptors",
        area: Area::Processes,
        set: CheckSet::Quick,
        needs: &[FactSource::Descriptors],
        what: "A program at its limit of open files (\"too many open files\") fails in unexpected ways.",
        source: "/proc/*/fd, /proc/*/limits, /proc/sys/fs/file-nr",
        thresholds: "warn from 80 % of a limit",
        judge: descriptors,
    },
];

/// Evidence of the first five: name, number and value.
fn listed(
    mut draft: FindingDraft,
    programs: &[ProcessUse],
    show: impl Fn(&ProcessUse) -> String,
) -> FindingDraft {
    for program in programs.iter().take(5) {
        draft = draft.fact(format!("{} ({})", program.name, program.pid), show(program));
    }
    draft
}

fn cpu(facts: &MachineFacts) -> CheckVerdict {
    let processes = facts.processes.as_ref()?;
    let draft = match processes.by_cpu.first() {
        Some(top) if top.cpu_percent >= CPU_INFO_PERCENT => FindingDraft::info(format!(
            "High CPU usage: {} uses {} of a processor",
            top.name,
            share(top.cpu_percent)
        )),
        _ => FindingDraft::ok("No program with high CPU usage"),
    };
    listed(draft, &processes.by_cpu, |p| share(p.cpu_percent))
        .fix("If it is not wanted: close it, or end it with kill PID.")
        .alone()
}

fn memory(facts: &MachineFacts) -> CheckVerdict {
    let processes = facts.processes.as_ref()?;
    let of_all = |p: &ProcessUse| percent(p.memory, processes.memory_bytes);
    let draft = match processes.by_memory.first().map(|top| (top, of_all(top))) {
        Some((top, part)) if part >= MEMORY_INFO_PERCENT => {
            let status = if part >= MEMORY_WARN_PERCENT { FindingStatus::Warn } else { FindingStatus::Info };
            FindingDraft::new(
                status,
                format!("High memory usage: {} uses {} of the memory", top.name, share(part)),
            )
        }
        _ => FindingDraft::ok("No program with high memory usage"),
    };
    listed(draft, &processes.by_memory, |p| bytes(p.memory))
        .fix("Close and start it again; if its use keeps growing, update it or report the leak.")
        .alone()
}

fn io(facts: &MachineFacts) -> CheckVerdict {
    let processes = facts.processes.as_ref()?;
    let draft = match processes.by_io.first() {
        Some(top) if top.io >= IO_INFO_BYTES => {
            FindingDraft::info(format!("High disk usage: {} reads and writes {}/s", top.name, bytes(top.io)))
        }
        _ => FindingDraft::ok("No program with high disk usage"),
    };
    let busy: Vec<ProcessUse> = processes.by_io.iter().filter(|p| p.io > 0).cloned().collect();
    listed(draft, &busy, |p| format!("{}/s", bytes(p.io))).alone()
}

fn zombies(facts: &MachineFacts) -> CheckVerdict {
    let processes = facts.processes.as_ref()?;
    let number: usize = processes.zombies.iter().map(|(_, count)| count).sum();
    let parents: Vec<String> =
        processes.zombies.iter().map(|(name, count)| format!("{name} ({count})")).collect();
    let draft = match number {
        0 => FindingDraft::ok("No zombie processes"),
        1..ZOMBIES_WARN => FindingDraft::info(count(number, "zombie process", "zombie processes")),
        _ => FindingDraft::warn(format!("{number} zombie processes")),
    };
    draft
        .maybe("Parents", (number > 0).then(|| names(&parents, 8)))
        .fix("Restart the parent program or its service; only that clears them.")
        .alone()
}

fn blocked(facts: &MachineFacts) -> CheckVerdict {
    let blocked = &facts.processes.as_ref()?.blocked;
    let draft = match blocked.len() {
        0 => FindingDraft::ok("No program hangs waiting for a disk"),
        1..BLOCKED_WARN => FindingDraft::ok(format!(
            "{} for a disk at this moment",
            count(blocked.len(), "program waits", "programs wait")
        )),
        number => FindingDraft::warn(format!("{number} programs hang waiting for a disk or network share")),
    };
    draft
        .maybe("Programs", (!blocked.is_empty()).then(|| names(blocked, 12)))
        .fix("Check network shares (findmnt -t nfs4,cifs) and the checks disks.smart, disks.busy, logs.kernel.")
        .alone()
}

fn number(facts: &MachineFacts) -> CheckVerdict {
    let processes = facts.processes.as_ref()?;
    let used =
        processes.limit.map(|limit| percent(u64::try_from(processes.count).unwrap_or(u64::MAX), limit));
    let draft = match used {
        Some(used) if used >= COUNT_WARN_PERCENT => FindingDraft::warn("Process limit almost reached"),
        _ => FindingDraft::ok(format!("{} programs run", processes.count)),
    };
    draft
        .fact("Running", processes.count)
        .maybe("Limit", processes.limit)
        .fix("See which program starts so many: ps -eo comm | sort | uniq -c | sort -n | tail")
        .alone()
}

fn descriptors(facts: &MachineFacts) -> CheckVerdict {
    let found = facts.descriptors.as_ref()?;
    let mut drafts: Vec<FindingDraft> = found
        .near
        .iter()
        .map(|(name, open, limit)| {
            FindingDraft::warn(format!("{name} is close to its limit of open files"))
                .on(name)
                .fact("Open", format!("{open} of {limit}"))
                .fix("Restart it; if it comes back, raise LimitNOFILE in its service or report the leak.")
        })
        .collect();
    if percent(found.open, found.limit) >= FILES_WARN_PERCENT {
        drafts.push(
            FindingDraft::warn("The system is close to its limit of open files")
                .on("system")
                .fix("Raise fs.file-max with sysctl."),
        );
    }
    if drafts.is_empty() {
        let title = match found.unseen {
            0 => "No program is close to its limit of open files",
            _ => "No program of this user is close to its limit of open files",
        };
        return FindingDraft::ok(title)
            .fact("Open in the system", found.open)
            .fact("Processes looked at", found.counted)
            .maybe("Not looked at (of other users)", (found.unseen > 0).then_some(found.unseen))
            .alone();
    }
    Ok(drafts)
}
