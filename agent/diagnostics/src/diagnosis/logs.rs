//! Rules about crashes and logs.

use std::collections::BTreeMap;

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{Area, FindingStatus};

use super::check::{CheckVerdict, DiagnosticCheck, FindingDraft};
use super::show::{count, duration};
use crate::facts::log::ProgramCrash;
use crate::facts::{FactSource, MachineFacts};

/// Seconds that crashes are looked back on, and within which 3 of them are a failure (alarm rules: 3 in 24 h).
const CRASH_WINDOW_SECONDS: u64 = 7 * 86_400;
const CRASH_FAIL_WINDOW_SECONDS: u64 = 86_400;
const CRASH_FAIL_COUNT: usize = 3;

/// Unclean starts in 30 days that are no accident any more.
const UNCLEAN_FAIL: usize = 3;

/// Entries of one kind since the start that are too many.
const ERRORS_WARN: usize = 100;

pub(super) const CHECKS: &[DiagnosticCheck] = &[
    DiagnosticCheck {
        id: "logs.crashes",
        area: Area::Logs,
        set: CheckSet::Quick,
        needs: &[FactSource::Crashes],
        what: "Programs that crashed in the last 7 days.",
        source: "/var/lib/systemd/coredump, /var/crash (file names only)",
        thresholds: "warn from 1 in 7 days, fail from 3 of one program in 24 h",
        judge: crashes,
    },
    DiagnosticCheck {
        id: "logs.unclean_boots",
        area: Area::Logs,
        set: CheckSet::Full,
        needs: &[FactSource::Unclean],
        what: "Unclean shutdowns: power cuts, freezes, the power button.",
        source: "journalctl -o json",
        thresholds: "warn from 1 in 30 days, fail from 3",
        judge: unclean_boots,
    },
    DiagnosticCheck {
        id: "logs.errors",
        area: Area::Logs,
        set: CheckSet::Full,
        needs: &[FactSource::Journal],
        what: "Errors in the journal since the start, grouped.",
        source: "journalctl -o json --all -p err (numbers and secrets taken out; of long entries the beginning)",
        thresholds: "warn from 100 of one kind; info below",
        judge: errors,
    },
    DiagnosticCheck {
        id: "logs.kernel",
        area: Area::Logs,
        set: CheckSet::Full,
        needs: &[FactSource::Journal],
        what: "Hardware errors in the kernel log.",
        source: "journalctl -o json -p err",
        thresholds: "fail for signs of failing disks, memory or processors; warn for hung tasks and lack of memory",
        judge: kernel,
    },
];

fn crashes(facts: &MachineFacts) -> CheckVerdict {
    let crashes = facts.crashes.as_ref()?;
    let now = facts.taken_at.0 / 1000;
    let mut by_program: BTreeMap<&str, Vec<&ProgramCrash>> = BTreeMap::new();
    for crash in crashes.iter().filter(|crash| now.saturating_sub(crash.at) <= CRASH_WINDOW_SECONDS) {
        by_program.entry(&crash.program).or_default().push(crash);
    }
    if by_program.is_empty() {
        return FindingDraft::ok("No program crashed in the last 7 days")
            .fact("Older ones kept", crashes.len())
            .alone();
    }
    Ok(by_program
        .into_iter()
        .map(|(program, crashes)| {
            let ages: Vec<u64> = crashes.iter().map(|crash| now.saturating_sub(crash.at)).collect();
            let today = ages.iter().filter(|age| **age <= CRASH_FAIL_WINDOW_SECONDS).count();
            let status = if today >= CRASH_FAIL_COUNT { FindingStatus::Fail } else { FindingStatus::Warn };
            FindingDraft::new(status, format!("{program} crashed {}", count(ages.len(), "time", "times")))
                .on(program)
                .fact("In 7 days", ages.len())
                .fact("In 24 h", today)
                .maybe("Last", ages.iter().min().map(|age| format!("{} ago", duration(*age))))
                .fix(format!("Update the program. Details: coredumpctl info '{program}'"))
        })
        .collect())
}

fn unclean_boots(facts: &MachineFacts) -> CheckVerdict {
    let unclean = facts.unclean.as_ref()?;
    let now = facts.taken_at.0 / 1000;
    let number = unclean.at.len();
    let draft = match number {
        0 => FindingDraft::ok("No unclean shutdown"),
        1..UNCLEAN_FAIL => FindingDraft::warn("Unclean shutdown: power cut, freeze or power button"),
        _ => FindingDraft::fail("Repeated unclean shutdowns"),
    };
    draft
        .fact("In 30 days", number)
        .maybe("Last", unclean.at.iter().max().map(|at| format!("{} ago", duration(now.saturating_sub(*at)))))
        .fix("Ask whether it was the power button or a power cut. If not: check temperature, memory (memtest86+) and power supply; last messages: journalctl -b -1 -e")
        .alone()
}

fn errors(facts: &MachineFacts) -> CheckVerdict {
    let journal = facts.journal.as_ref()?;
    let mut note =
        if journal.restricted { "own entries only; run as root for all" } else { "all entries" }.to_owned();
    if journal.cut {
        note.push_str(&format!(" (only the newest {}; older ones are not counted)", journal.entries));
    }
    if journal.programs.is_empty() {
        return FindingDraft::ok("No errors were logged since the start").fact("Seen", &note).alone();
    }
    Ok(journal
        .programs
        .iter()
        .map(|group| {
            let draft = match group.count >= ERRORS_WARN {
                true => FindingDraft::warn(format!("{} repeats the same error in the log", group.source)),
                false => FindingDraft::info(format!(
                    "{} logged {}",
                    group.source,
                    count(group.count, "error", "errors of a kind")
                )),
            };
            draft
                .on(format!("{}: {}", group.source, group.pattern))
                .fact("Times", group.count)
                .fact("Message", &group.pattern)
                .fact("Seen", &note)
                .fix(format!("See them: journalctl -b -p err -t '{}'", group.source))
        })
        .collect())
}

fn kernel(facts: &MachineFacts) -> CheckVerdict {
    let journal = facts.journal.as_ref()?;
    if journal.kernel.is_empty() {
        return FindingDraft::ok("No hardware errors in the kernel log")
            .fact("Errors read", journal.entries)
            .alone();
    }
    Ok(journal
        .kernel
        .iter()
        .map(|group| {
            let soft = ["hung", "want of memory"].iter().any(|word| group.pattern.contains(word));
            let status = if soft { FindingStatus::Warn } else { FindingStatus::Fail };
            FindingDraft::new(status, format!("Kernel log: {}", group.pattern))
                .on(&group.pattern)
                .fact("Times since the start", group.count)
                .fix("See the messages: journalctl -k -b -p err. Make a backup before anything else.")
        })
        .collect())
}
