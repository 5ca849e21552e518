//! Diagnosis: facts in, findings out, the same for the same facts.
//!
//! Lives here: the list of all checks, one file an area, and judging facts by them; what a check is made of is in `check`.
//! Must not live here: any reading, clock or randomness. Thresholds are constants with unit and source, next
//! to the rule that uses them; where they are the alarm rules' defaults too, the constant says so, and both agree.

mod check;
mod container;
mod cpu;
mod disks;
mod hardware;
mod logs;
mod memory;
mod network;
mod processes;
mod release_table;
mod security;
mod services;
mod show;
mod smart;
mod updates;

use nearhand_proto::text;
use nearhand_report::model::{Finding, FindingStatus};

use super::facts::{FactSource, MachineFacts, MissingFact};
use check::{FindingDraft, TEXT_LIMIT};

pub use check::DiagnosticCheck;
pub use disks::filled_percent;
pub(crate) use show::bytes;
pub use smart::is_failing as disk_is_failing;

/// Most findings of one check; the worst are kept, and the last says how many there are besides.
const FINDING_LIMIT: usize = 60;

/// Every check, in the order of the report's areas.
pub fn checks() -> impl Iterator<Item = &'static DiagnosticCheck> {
    [
        hardware::CHECKS,
        disks::CHECKS,
        smart::CHECKS,
        cpu::CHECKS,
        memory::CHECKS,
        network::links::CHECKS,
        network::routes::CHECKS,
        network::names::CHECKS,
        network::quality::CHECKS,
        network::reach::CHECKS,
        services::CHECKS,
        logs::CHECKS,
        updates::CHECKS,
        security::CHECKS,
        processes::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// The sources that must have been asked before a check is judged.
pub(crate) fn sources(check: &DiagnosticCheck) -> impl Iterator<Item = FactSource> {
    // Whether this is a container is part of what the machine is.
    let machine = container::is_hosts(check.id).then_some(FactSource::Machine);
    check.needs.iter().copied().chain(machine)
}

/// What a check says about the facts: at least one finding, worst first. `ms` is what finding out took.
pub(crate) fn judge(check: &DiagnosticCheck, facts: &MachineFacts, ms: u64) -> Vec<Finding> {
    let verdict = (check.judge)(facts);
    let worst = verdict.as_ref().ok().and_then(|drafts| drafts.iter().map(|draft| draft.status).min());
    if let Some(missing) = container::not_here(check.id, facts, worst) {
        return vec![skipped(check, &missing, ms)];
    }
    let mut drafts = match verdict {
        Ok(drafts) => drafts,
        Err(missing) => return vec![skipped(check, &missing, ms)],
    };
    if drafts.is_empty() {
        return vec![skipped(
            check,
            &MissingFact::NotApplicable("there is nothing to check here".to_owned()),
            ms,
        )];
    }
    drafts.sort_by(|a, b| (a.status, &a.instance).cmp(&(b.status, &b.instance)));
    if drafts.len() > FINDING_LIMIT {
        let more = drafts.split_off(FINDING_LIMIT - 1).len();
        drafts.push(FindingDraft::info(format!("{more} more findings of this check are not shown")).on("…"));
    }
    drafts.into_iter().map(|draft| draft.seal(check, ms)).collect()
}

fn skipped(check: &DiagnosticCheck, missing: &MissingFact, ms: u64) -> Finding {
    let draft = FindingDraft::new(FindingStatus::Skipped, "Not checked");
    Finding { reason: Some(text::one_line(&missing.to_string(), TEXT_LIMIT)), ..draft.seal(check, ms) }
}

#[cfg(test)]
mod tests;
