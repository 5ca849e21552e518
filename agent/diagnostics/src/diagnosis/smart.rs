//! Rules about the disks' own reports (SMART).

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{Area, FindingStatus};

use super::check::{CheckVerdict, DiagnosticCheck, FindingDraft};
use crate::facts::storage::{SmartDisk, SmartProblem};
use crate::facts::{FactSource, MachineFacts};

/// Percent of an SSD's intended life (alarm rules: warning from 90).
const WEAR_WARN_PERCENT: u64 = 90;

/// Degrees Celsius above which disks age fast; makers state 60 to 70 as the limit, and of NVMe 75 to 85.
const DISK_HEAT_CELSIUS: i64 = 60;
const NVME_HEAT_CELSIUS: i64 = 75;

pub(super) const CHECKS: &[DiagnosticCheck] = &[DiagnosticCheck {
    id: "disks.smart",
    area: Area::Disks,
    set: CheckSet::Full,
    needs: &[FactSource::Smart],
    what: "SMART: what a disk says about its own health, often before it fails.",
    source: "smartctl -j",
    thresholds: "fail if the disk says so, has unreadable sectors or does not answer; warn for replaced sectors, wear from 90 % (SSDs), too few spare blocks, above 60 °C (NVMe 75 °C)",
    judge: smart,
}];

fn smart(facts: &MachineFacts) -> CheckVerdict {
    let reports = facts.smart.as_ref()?;
    let mut found: Vec<FindingDraft> = reports.disks.iter().map(smart_of).collect();
    if reports.left_out > 0 {
        let reason = "there are more disks than are asked";
        found.push(FindingDraft::skipped(format!("{} disks not checked", reports.left_out), reason));
    }
    Ok(found)
}

/// Whether a disk is about to fail: it says so, it lost data, or it takes none any more. What the alarms call failing.
pub fn is_failing(disk: &SmartDisk) -> bool {
    disk.passed == Some(false)
        || has_lost_data(disk)
        || disk.warnings.iter().any(|warning| !warning.starts_with("temperature"))
}

fn has_lost_data(disk: &SmartDisk) -> bool {
    disk.pending.unwrap_or(0) > 0 || disk.uncorrectable.unwrap_or(0) > 0
}

fn smart_of(disk: &SmartDisk) -> FindingDraft {
    let worn = disk.wear_percent.is_some_and(|wear| wear >= WEAR_WARN_PERCENT);
    let limit = if disk.device.contains("nvme") { NVME_HEAT_CELSIUS } else { DISK_HEAT_CELSIUS };
    let hot = disk.celsius.is_some_and(|celsius| celsius > limit)
        || disk.warnings.iter().any(|warning| warning.starts_with("temperature"));
    let few_spare = disk.spare_percent.is_some_and(|(left, limit)| left < limit);
    let (status, what) = match disk {
        SmartDisk { problem: Some(SmartProblem::Hangs(why)), .. } => {
            return FindingDraft::fail(format!("Disk {} {why} (SMART)", disk.device))
                .on(&disk.device)
                .because("The program that asks the disk hangs. A disk, cable or controller that hangs stops all programs that use it.")
                .fix("Make a backup of what still can be read. See what the kernel says: journalctl -k | tail. Check cable and power, then replace the disk.");
        }
        SmartDisk { problem: Some(SmartProblem::NotAsked(why)), .. } => {
            return FindingDraft::skipped(format!("Disk {} not checked", disk.device), why).on(&disk.device);
        }
        _ if disk.passed == Some(false) => (FindingStatus::Fail, "is failing (SMART)".to_owned()),
        _ if has_lost_data(disk) => (FindingStatus::Fail, "has unreadable sectors".to_owned()),
        _ if is_failing(disk) => {
            (FindingStatus::Fail, format!("is failing (SMART): {}", disk.warnings.join(", ")))
        }
        _ if disk.reallocated.unwrap_or(0) > 0 => {
            (FindingStatus::Warn, "has reallocated bad sectors".to_owned())
        }
        _ if few_spare => (FindingStatus::Warn, "has too few spare blocks left".to_owned()),
        _ if worn => (FindingStatus::Warn, "is almost worn out".to_owned()),
        _ if hot => (FindingStatus::Warn, "is too hot".to_owned()),
        SmartDisk { sleeps: true, .. } if disk.passed.is_none() => {
            (FindingStatus::Info, "sleeps and was not woken".to_owned())
        }
        _ if disk.problem.is_some() => (FindingStatus::Info, "gives no SMART report".to_owned()),
        _ => (FindingStatus::Ok, "is healthy".to_owned()),
    };
    let problem = match &disk.problem {
        Some(SmartProblem::NoReport(why)) => Some(why),
        _ => None,
    };
    FindingDraft::new(status, format!("Disk {} {what}", disk.device))
        .on(&disk.device)
        .fact("Model", &disk.model)
        .maybe("Reallocated sectors", disk.reallocated)
        .maybe("Pending sectors", disk.pending)
        .maybe("Uncorrectable errors", disk.uncorrectable)
        .maybe("Worn", disk.wear_percent.map(|wear| format!("{wear} %")))
        .maybe(
            "Spare blocks left",
            disk.spare_percent.map(|(left, limit)| format!("{left} % (limit {limit} %)")),
        )
        .maybe("Warnings", (!disk.warnings.is_empty()).then(|| disk.warnings.join(", ")))
        .maybe("In use", disk.hours.map(|hours| format!("{hours} h")))
        .maybe("Temperature", disk.celsius.map(|celsius| format!("{celsius} °C")))
        .maybe("Asleep", disk.sleeps.then_some("yes; the report is the last one before it slept"))
        .maybe("Problem", problem)
        .fix(match status {
            FindingStatus::Info if disk.sleeps => {
                "Nothing: its report is read when it is awake, or now with: smartctl -a on the device."
            }
            FindingStatus::Info => {
                "Disks behind some USB bridges and RAID controllers need: smartctl -d … (see smartctl(8))."
            }
            _ => "Make a backup now, then replace the disk. Details: smartctl -x on the device.",
        })
}
