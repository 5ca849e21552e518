//! Diagnosis: facts in, findings out, the same for the same facts.
//!
//! Lives here: what a check is, how its rule says what it found, and the list of all checks, one file an area.
//! Must not live here: any reading, clock or randomness. Thresholds are constants with unit and source, next
//! to the rule that uses them; where they are the alarm rules' defaults too, the constant says so, and both agree.

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
mod updates;

use core::fmt::Display;

use nearhand_proto::message::session::CheckSet;
use nearhand_proto::text;
use nearhand_report::model::{Area, Evidence, Finding, FindingStatus};

use super::facts::{FactSource, MachineFacts, MissingFact};

pub(crate) use show::bytes;

/// Longest title, label, instance, in characters.
const LINE_LIMIT: usize = 200;

/// Longest evidence value, explanation, fix, in characters.
const TEXT_LIMIT: usize = 1_000;

/// Most findings of one check; the worst are kept.
const FINDING_LIMIT: usize = 60;

/// One thing that is checked.
#[derive(Debug)]
pub struct DiagnosticCheck {
    /// Stable name, `area.check`.
    pub id: &'static str,
    /// The part of the machine.
    pub area: Area,
    /// The smallest set that it is part of.
    pub set: CheckSet,
    /// The sources that must have been asked.
    pub needs: &'static [FactSource],
    /// What is checked, as a sentence for the person who reads the report.
    pub what: &'static str,
    /// Where the facts come from, for the documentation.
    pub source: &'static str,
    /// From when on it is a warning or a failure, for the documentation.
    pub thresholds: &'static str,
    /// The function that judges the facts.
    pub judge: fn(&MachineFacts) -> CheckVerdict,
}

/// What a rule found, or which fact it lacks.
pub(crate) type CheckVerdict = Result<Vec<FindingDraft>, MissingFact>;

/// A finding as its rule words it.
#[derive(Clone, PartialEq, Debug)]
pub struct FindingDraft {
    instance: String,
    status: FindingStatus,
    title: String,
    evidence: Vec<(String, String)>,
    explanation: String,
    fix: String,
    runbook: Option<&'static str>,
}

impl FindingDraft {
    fn new(status: FindingStatus, title: impl Into<String>) -> Self {
        Self {
            instance: String::new(),
            status,
            title: title.into(),
            evidence: Vec::new(),
            explanation: String::new(),
            fix: String::new(),
            runbook: None,
        }
    }

    fn ok(title: impl Into<String>) -> Self {
        Self::new(FindingStatus::Ok, title)
    }

    fn info(title: impl Into<String>) -> Self {
        Self::new(FindingStatus::Info, title)
    }

    fn warn(title: impl Into<String>) -> Self {
        Self::new(FindingStatus::Warn, title)
    }

    fn fail(title: impl Into<String>) -> Self {
        Self::new(FindingStatus::Fail, title)
    }

    /// What it was checked on.
    fn on(mut self, instance: impl Into<String>) -> Self {
        self.instance = instance.into();
        self
    }

    /// A fact that it rests on.
    fn fact(mut self, label: impl Into<String>, value: impl Display) -> Self {
        self.evidence.push((label.into(), value.to_string()));
        self
    }

    /// A fact that may not be known.
    fn maybe(self, label: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.fact(label, value),
            None => self,
        }
    }

    /// What it means.
    fn because(mut self, explanation: impl Into<String>) -> Self {
        self.explanation = explanation.into();
        self
    }

    /// What to do; kept only where there is something to do.
    fn fix(mut self, fix: impl Into<String>) -> Self {
        if matches!(self.status, FindingStatus::Fail | FindingStatus::Warn | FindingStatus::Info) {
            self.fix = fix.into();
        }
        self
    }

    /// The runbook that mends it; kept only where there is something to mend.
    fn runbook(mut self, name: &'static str) -> Self {
        if matches!(self.status, FindingStatus::Fail | FindingStatus::Warn) {
            self.runbook = Some(name);
        }
        self
    }

    fn alone(self) -> CheckVerdict {
        Ok(vec![self])
    }

    /// The finding, with all text made safe to show: facts hold what anybody wrote.
    fn seal(self, check: &DiagnosticCheck, ms: u64) -> Finding {
        let explanation = if self.explanation.is_empty() { check.what } else { &self.explanation };
        let evidence = self.evidence.into_iter().map(|(label, value)| Evidence {
            label: text::one_line(&label, LINE_LIMIT),
            value: text::one_line(&value, TEXT_LIMIT),
        });
        Finding {
            id: check.id.to_owned(),
            instance: text::one_line(&self.instance, LINE_LIMIT),
            area: check.area,
            status: self.status,
            title: text::one_line(&self.title, LINE_LIMIT),
            evidence: evidence.collect(),
            explanation: text::multi_line(explanation, TEXT_LIMIT),
            fix: text::multi_line(&self.fix, TEXT_LIMIT),
            reason: None,
            runbook: self.runbook.map(str::to_owned),
            article: None,
            ms,
        }
    }
}

/// The status of a value on a ladder of thresholds: `warn` or more warns, `fail` or more fails.
fn ladder(value: f64, warn: f64, fail: f64) -> FindingStatus {
    if value >= fail {
        FindingStatus::Fail
    } else if value >= warn {
        FindingStatus::Warn
    } else {
        FindingStatus::Ok
    }
}

/// Every check, in the order of the report's areas.
pub fn checks() -> impl Iterator<Item = &'static DiagnosticCheck> {
    [
        hardware::CHECKS,
        disks::CHECKS,
        cpu::CHECKS,
        memory::CHECKS,
        network::CHECKS,
        services::CHECKS,
        logs::CHECKS,
        updates::CHECKS,
        security::CHECKS,
        processes::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// What a check says about the facts: at least one finding, worst first. `ms` is what finding out took.
pub(crate) fn judge(check: &DiagnosticCheck, facts: &MachineFacts, ms: u64) -> Vec<Finding> {
    let mut drafts = match (check.judge)(facts) {
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
    drafts.truncate(FINDING_LIMIT);
    drafts.into_iter().map(|draft| draft.seal(check, ms)).collect()
}

fn skipped(check: &DiagnosticCheck, missing: &MissingFact, ms: u64) -> Finding {
    let draft = FindingDraft::new(FindingStatus::Skipped, "Not checked");
    Finding { reason: Some(text::one_line(&missing.to_string(), TEXT_LIMIT)), ..draft.seal(check, ms) }
}

#[cfg(test)]
mod tests;
