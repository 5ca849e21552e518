//! Rules about services, the start, printers.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{Area, FindingStatus};

use super::check::{CheckVerdict, DiagnosticCheck, FindingDraft};
use super::show::{count, duration, milliseconds, names};
use crate::facts::{FactSource, MachineFacts};

/// Automatic restarts that are a loop (alarm rules: 3 in 10 minutes).
const RESTARTS_FAIL: u32 = 3;

/// Seconds since the last change within which restarts are still going on (alarm rules: 10 minutes).
const RESTARTS_RECENT_SECONDS: u64 = 600;

/// Milliseconds from the kernel to the end of the start.
const BOOT_WARN_MS: u64 = 120_000;

/// Milliseconds of one service that make it worth naming.
const UNIT_SLOW_MS: u64 = 10_000;

/// Programs starting with the desktop above which logging in takes long.
const AUTOSTART_INFO: usize = 25;

/// Jobs in a queue that are a jam.
const JOBS_WARN: usize = 10;

pub(super) const CHECKS: &[DiagnosticCheck] = &[
    DiagnosticCheck {
        id: "services.failed",
        area: Area::Services,
        set: CheckSet::Quick,
        needs: &[FactSource::Units],
        what: "Failed services.",
        source: "systemd over D-Bus",
        thresholds: "fail for each failed unit",
        judge: failed,
    },
    DiagnosticCheck {
        id: "services.restart_loops",
        area: Area::Services,
        set: CheckSet::Quick,
        needs: &[FactSource::Units],
        what: "Restart loops: a service that keeps restarting does not do its work and wastes CPU time.",
        source: "systemd over D-Bus (NRestarts)",
        thresholds: "fail from 3 restarts with the last within 10 minutes; info for older ones",
        judge: restart_loops,
    },
    DiagnosticCheck {
        id: "services.boot_time",
        area: Area::Services,
        set: CheckSet::Full,
        needs: &[FactSource::Boot],
        what: "Boot time, and the services that take longest.",
        source: "systemd over D-Bus",
        thresholds: "warn from 120 s; services from 10 s are named",
        judge: boot_time,
    },
    DiagnosticCheck {
        id: "services.autostart",
        area: Area::Services,
        set: CheckSet::Quick,
        needs: &[FactSource::Autostart],
        what: "Autostart: many programs that start with the desktop make logging in slow.",
        source: "/etc/xdg/autostart, ~/.config/autostart (names only)",
        thresholds: "info from 25",
        judge: autostart,
    },
    DiagnosticCheck {
        id: "printers.queues",
        area: Area::Printers,
        set: CheckSet::Quick,
        needs: &[FactSource::Printers],
        what: "Stopped print queues: they accept jobs and print none.",
        source: "lpstat -p",
        thresholds: "fail if stopped with jobs waiting, warn if stopped",
        judge: queues,
    },
    DiagnosticCheck {
        id: "printers.jobs",
        area: Area::Printers,
        set: CheckSet::Quick,
        needs: &[FactSource::Printers],
        what: "Stuck print jobs: when many wait, the first one is usually stuck.",
        source: "lpstat -o",
        thresholds: "warn from 10 in one queue",
        judge: jobs,
    },
];

fn failed(facts: &MachineFacts) -> CheckVerdict {
    let units = facts.units.as_ref()?;
    if units.failed.is_empty() {
        return FindingDraft::ok("No failed services")
            .fact("Units", units.loaded)
            .fact("State", &units.state)
            .alone();
    }
    let one = |unit: &crate::facts::service::FailedUnit| {
        FindingDraft::fail(format!("Service failed: {}", unit.name))
            .on(&unit.name)
            .fact("What it is", &unit.description)
            .fix(format!(
                "See why: systemctl status '{0}'; journalctl -u '{0}' -b. Then: systemctl restart '{0}'",
                unit.name
            ))
            .runbook("restart-service")
    };
    Ok(units.failed.iter().map(one).collect())
}

fn restart_loops(facts: &MachineFacts) -> CheckVerdict {
    let units = facts.units.as_ref()?;
    if units.restarting.is_empty() {
        return FindingDraft::ok("No service was restarted automatically").alone();
    }
    Ok(units
        .restarting
        .iter()
        .map(|service| {
            let recent = service.waiting || service.changed_seconds <= RESTARTS_RECENT_SECONDS;
            let draft = match service.restarts >= RESTARTS_FAIL && recent {
                true => FindingDraft::fail(format!("Restart loop: {} keeps restarting", service.name)),
                false => FindingDraft::info(format!("{} was restarted automatically", service.name)),
            };
            draft
                .on(&service.name)
                .fact("Restarts", service.restarts)
                .fact("Last change", format!("{} ago", duration(service.changed_seconds)))
                .fix(format!("See why it ends: journalctl -u '{}' -n 100", service.name))
        })
        .collect())
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a start")]
fn boot_time(facts: &MachineFacts) -> CheckVerdict {
    let boot = facts.boot.as_ref()?;
    let Some(services) = boot.services_ms else {
        return FindingDraft::info("Boot has not finished")
            .because("Some service hasn't finished its start yet.")
            .fix("See which: systemctl list-jobs")
            .alone();
    };
    let total = boot.kernel_ms.saturating_add(services);
    let status = if total >= BOOT_WARN_MS { FindingStatus::Warn } else { FindingStatus::Ok };
    let show = |ms: u64| milliseconds(ms as f64);
    let mut draft = FindingDraft::new(status, format!("Boot took {}", show(total)))
        .fact("Firmware", show(boot.firmware_ms))
        .fact("Loader", show(boot.loader_ms))
        .fact("Kernel", show(boot.kernel_ms))
        .fact("Services", show(services))
        .fix("See what the others wait for: systemd-analyze critical-chain. Switch off what isn't needed: systemctl disable NAME");
    for (name, ms) in boot.units.iter().filter(|(_, ms)| *ms >= UNIT_SLOW_MS).take(5) {
        draft = draft.fact(name, show(*ms));
    }
    draft.alone()
}

fn autostart(facts: &MachineFacts) -> CheckVerdict {
    let autostart = facts.autostart.as_ref()?;
    let number = autostart.system.len().saturating_add(autostart.users.len());
    let status = if number >= AUTOSTART_INFO { FindingStatus::Info } else { FindingStatus::Ok };
    FindingDraft::new(
        status,
        format!("{} at login (autostart)", count(number, "program starts", "programs start")),
    )
    .maybe("Set by users", (!autostart.users.is_empty()).then(|| names(&autostart.users, 20)))
    .maybe("Set for everybody", (!autostart.system.is_empty()).then(|| names(&autostart.system, 20)))
    .fix("Switch off what isn't needed in the desktop's settings for startup programs.")
    .alone()
}

fn queues(facts: &MachineFacts) -> CheckVerdict {
    let queues = &facts.printers.as_ref()?.queues;
    if queues.is_empty() {
        return FindingDraft::info("No printer is set up").alone();
    }
    Ok(queues
        .iter()
        .map(|queue| {
            let draft = match (queue.enabled, queue.jobs) {
                (true, _) => FindingDraft::ok(format!("Printer {} is ready", queue.name)),
                (false, 0) => FindingDraft::warn(format!("Printer {} is stopped", queue.name)),
                (false, jobs) => FindingDraft::fail(format!(
                    "Printer {} is stopped with {} waiting",
                    queue.name,
                    count(jobs, "job", "jobs")
                )),
            };
            draft
                .on(&queue.name)
                .fact("Jobs", queue.jobs)
                .maybe("It says", (!queue.message.is_empty()).then_some(&queue.message))
                .fix(format!(
                    "Check paper, toner, cable and power of the printer, then: cupsenable '{}'",
                    queue.name
                ))
        })
        .collect())
}

fn jobs(facts: &MachineFacts) -> CheckVerdict {
    let queues = &facts.printers.as_ref()?.queues;
    let stuck: Vec<FindingDraft> = queues
        .iter()
        .filter(|queue| queue.jobs >= JOBS_WARN)
        .map(|queue| {
            FindingDraft::warn(format!(
                "Waiting for printer {}: {}",
                queue.name,
                count(queue.jobs, "job", "jobs")
            ))
            .on(&queue.name)
            .fact("Jobs", queue.jobs)
            .fix(format!(
                "Remove the first job (lpstat -o '{0}', cancel JOB); all: cancel -a '{0}'",
                queue.name
            ))
            .runbook("clear-print-queue")
        })
        .collect();
    match stuck.is_empty() {
        true => FindingDraft::ok("No print jobs are stuck")
            .fact("Waiting", queues.iter().map(|q| q.jobs).sum::<usize>())
            .alone(),
        false => Ok(stuck),
    }
}
