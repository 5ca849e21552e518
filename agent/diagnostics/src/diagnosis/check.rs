//! What a check is, and how its rule says what it found.
//!
//! Lives here: the types that the areas' tables and rules are made of. Must not live here: any check.

use core::fmt::Display;

use nearhand_proto::message::session::CheckSet;
use nearhand_proto::text;
use nearhand_report::model::{Area, Evidence, Finding, FindingStatus};

use crate::facts::{FactSource, MachineFacts, MissingFact};

/// Longest title, label, instance, in characters.
const LINE_LIMIT: usize = 200;

/// Longest evidence value, explanation, fix, in characters.
pub(super) const TEXT_LIMIT: usize = 1_000;

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
    pub(super) instance: String,
    pub(super) status: FindingStatus,
    title: String,
    evidence: Vec<(String, String)>,
    explanation: String,
    fix: String,
    runbook: Option<&'static str>,
    reason: Option<String>,
}

impl FindingDraft {
    pub(super) fn new(status: FindingStatus, title: impl Into<String>) -> Self {
        Self {
            instance: String::new(),
            status,
            title: title.into(),
            evidence: Vec::new(),
            explanation: String::new(),
            fix: String::new(),
            runbook: None,
            reason: None,
        }
    }

    /// One thing of several that was not checked, and why.
    pub(super) fn skipped(title: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::new(FindingStatus::Skipped, title) }
    }

    pub(super) fn ok(title: impl Into<String>) -> Self {
        Self::new(FindingStatus::Ok, title)
    }

    pub(super) fn info(title: impl Into<String>) -> Self {
        Self::new(FindingStatus::Info, title)
    }

    pub(super) fn warn(title: impl Into<String>) -> Self {
        Self::new(FindingStatus::Warn, title)
    }

    pub(super) fn fail(title: impl Into<String>) -> Self {
        Self::new(FindingStatus::Fail, title)
    }

    /// What it was checked on.
    pub(super) fn on(mut self, instance: impl Into<String>) -> Self {
        self.instance = instance.into();
        self
    }

    /// A fact that it rests on.
    pub(super) fn fact(mut self, label: impl Into<String>, value: impl Display) -> Self {
        self.evidence.push((label.into(), value.to_string()));
        self
    }

    /// A fact that may not be known.
    pub(super) fn maybe(self, label: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.fact(label, value),
            None => self,
        }
    }

    /// What it means.
    pub(super) fn because(mut self, explanation: impl Into<String>) -> Self {
        self.explanation = explanation.into();
        self
    }

    /// What to do; kept only where there is something to do.
    pub(super) fn fix(mut self, fix: impl Into<String>) -> Self {
        if matches!(self.status, FindingStatus::Fail | FindingStatus::Warn | FindingStatus::Info) {
            self.fix = fix.into();
        }
        self
    }

    /// The runbook that mends it; kept only where there is something to mend.
    pub(super) fn runbook(mut self, name: &'static str) -> Self {
        if matches!(self.status, FindingStatus::Fail | FindingStatus::Warn) {
            self.runbook = Some(name);
        }
        self
    }

    pub(super) fn alone(self) -> CheckVerdict {
        Ok(vec![self])
    }

    /// The finding, with all text made safe to show: facts hold what anybody wrote.
    pub(super) fn seal(self, check: &DiagnosticCheck, ms: u64) -> Finding {
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
            reason: self.reason.map(|reason| text::one_line(&reason, TEXT_LIMIT)),
            runbook: self.runbook.map(str::to_owned),
            article: None,
            ms,
        }
    }
}

/// The status of a value on a ladder of thresholds: `warn` or more warns, `fail` or more fails.
pub(super) fn ladder(value: f64, warn: f64, fail: f64) -> FindingStatus {
    if value >= fail {
        FindingStatus::Fail
    } else if value >= warn {
        FindingStatus::Warn
    } else {
        FindingStatus::Ok
    }
}
