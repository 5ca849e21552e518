//! The report's canonical model. Its JSON form is the public, versioned interface (see
//! `docs/report.schema.json`); fields are only ever added.

use std::collections::BTreeMap;

use nearhand_proto::message::session::CheckSet;
use serde::{Deserialize, Serialize};

/// Version of the JSON form. Raised when a field changes its meaning; new fields alone don't raise it.
pub const SCHEMA_VERSION: u32 = 1;

/// How a finding came out, worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingStatus {
    /// Broken, or about to break: act now.
    Fail,
    /// Needs attention soon.
    Warn,
    /// Worth knowing; nothing to do.
    Info,
    /// Checked and in order.
    Ok,
    /// Could not be checked here; `reason` says why. Never a failure.
    Skipped,
}

impl FindingStatus {
    /// Every status, worst first.
    pub const ALL: [Self; 5] = [Self::Fail, Self::Warn, Self::Info, Self::Ok, Self::Skipped];

    /// `true` when somebody has to act, now or soon.
    pub const fn is_problem(self) -> bool {
        matches!(self, Self::Fail | Self::Warn)
    }
}

/// The part of the machine that a finding is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "each name says it")]
pub enum Area {
    Hardware,
    System,
    Disks,
    Cpu,
    Memory,
    Network,
    Services,
    Logs,
    Updates,
    Time,
    Security,
    Printers,
    Processes,
}

/// One observed fact that a finding rests on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Evidence {
    /// What was observed, as a few words.
    pub label: String,
    /// Its value as shown to a person, with unit.
    pub value: String,
}

/// A diagnosed fact: what was checked, how it came out, why, and what to do about it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// The check's stable name, `area.check`, for example `disks.space`.
    pub id: String,
    /// What it was checked on, for example `/home` or `eth0`; empty where there is only one.
    pub instance: String,
    /// The part of the machine.
    pub area: Area,
    /// How it came out.
    pub status: FindingStatus,
    /// One line that says the result in plain words.
    pub title: String,
    /// The facts it rests on.
    pub evidence: Vec<Evidence>,
    /// What it means, in words that a customer's technician understands.
    pub explanation: String,
    /// What to do, concretely; empty when there is nothing to do.
    pub fix: String,
    /// Why it was skipped; `null` otherwise.
    pub reason: Option<String>,
    /// Name of the built-in runbook that can mend it, if there is one.
    pub runbook: Option<String>,
    /// Name of a knowledge-base article, if there is one.
    pub article: Option<String>,
    /// How long the check took, in milliseconds.
    pub ms: u64,
}

/// One bar or point of a chart.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ChartPoint {
    /// The bar's name, or the point's position on the horizontal axis.
    pub label: String,
    /// Its height, in the chart's unit.
    pub value: f64,
    /// The full scale of this bar (for example a disk's size) in the chart's unit, where it has one.
    pub limit: Option<f64>,
}

/// How a chart is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChartKind {
    /// Horizontal bars, one a point.
    Bars,
    /// A line through the points in order.
    Line,
}

/// Numbers worth a picture.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Chart {
    /// Stable name, for example `disks.usage`.
    pub id: String,
    /// Heading of the chart.
    pub title: String,
    /// Unit of the values, for example `GB` or `%`.
    pub unit: String,
    /// How it is drawn.
    pub kind: ChartKind,
    /// The numbers, in order.
    pub points: Vec<ChartPoint>,
}

/// The device that the report is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReportSubject {
    /// Device id in hexadecimal, or empty for a run without enrolment.
    pub device: String,
    /// The machine's host name.
    pub hostname: String,
    /// Operating system with its version.
    pub os: String,
    /// Version of the running kernel.
    pub kernel: String,
    /// Maker and model of the machine, where known.
    pub model: String,
}

/// Number of findings of each status.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each name says it")]
pub struct FindingCounts {
    pub fail: u32,
    pub warn: u32,
    pub info: u32,
    pub ok: u32,
    pub skipped: u32,
}

impl FindingCounts {
    /// Counts `findings` by status.
    pub fn of(findings: &[Finding]) -> Self {
        let mut counts = Self::default();
        for finding in findings {
            let count = counts.slot(finding.status);
            *count = count.saturating_add(1);
        }
        counts
    }

    /// The number of findings of one status.
    pub fn number(mut self, status: FindingStatus) -> u32 {
        *self.slot(status)
    }

    fn slot(&mut self, status: FindingStatus) -> &mut u32 {
        match status {
            FindingStatus::Fail => &mut self.fail,
            FindingStatus::Warn => &mut self.warn,
            FindingStatus::Info => &mut self.info,
            FindingStatus::Ok => &mut self.ok,
            FindingStatus::Skipped => &mut self.skipped,
        }
    }
}

/// A whole diagnostics run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`] of the program that wrote it.
    pub schema_version: u32,
    /// Program and version that ran the checks.
    pub generator: String,
    /// The device that was examined.
    pub subject: ReportSubject,
    /// When the run began, RFC 3339 in UTC.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Which checks ran.
    pub set: CheckSet,
    /// `true` once names, addresses and serials were replaced by stable tokens.
    pub pseudonymised: bool,
    /// Findings counted by status.
    pub counts: FindingCounts,
    /// Findings, failures first, then by id and instance.
    pub findings: Vec<Finding>,
    /// Numbers worth a picture.
    pub charts: Vec<Chart>,
    /// Installed software and its version, where it was read.
    pub software: BTreeMap<String, String>,
    /// Hardware components and what they are.
    pub hardware: BTreeMap<String, String>,
}

impl Report {
    /// A report of this schema version without findings; fill it and call [`Self::sort_and_count`].
    /// `started_at` is RFC 3339 in UTC, as [`nearhand_proto::time::UnixMillis`] displays itself.
    pub fn new(generator: String, subject: ReportSubject, started_at: String, set: CheckSet) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            generator,
            subject,
            started_at,
            duration_ms: 0,
            set,
            pseudonymised: false,
            counts: FindingCounts::default(),
            findings: Vec::new(),
            charts: Vec::new(),
            software: BTreeMap::new(),
            hardware: BTreeMap::new(),
        }
    }

    /// Puts the findings in their canonical order (status, worst first, then id, then instance), counts them
    /// and drops chart points that are no finite number, which JSON cannot carry.
    pub fn sort_and_count(&mut self) {
        self.findings.sort_by(|a, b| (a.status, &a.id, &a.instance).cmp(&(b.status, &b.id, &b.instance)));
        self.counts = FindingCounts::of(&self.findings);
        for chart in &mut self.charts {
            chart.points.retain(|point| point.value.is_finite());
            for point in &mut chart.points {
                point.limit = point.limit.filter(|limit| limit.is_finite());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn failures_come_first_and_the_counts_follow() {
        let mut report = sample::full();
        report.findings.reverse();
        report.counts = FindingCounts::default();
        report.sort_and_count();
        let order: Vec<_> =
            report.findings.iter().map(|f| (f.status, f.id.as_str(), f.instance.as_str())).collect();
        assert!(order.is_sorted(), "{order:?}");
        let counted: u32 = FindingStatus::ALL.iter().map(|status| report.counts.number(*status)).sum();
        assert_eq!(counted as usize, report.findings.len());
        assert!(report.counts.fail > 0 && report.counts.skipped > 0);
    }

    #[test]
    fn numbers_that_json_cannot_carry_are_dropped() {
        let mut report = sample::full();
        report.charts[0].points[0].value = f64::NAN;
        report.charts[0].points[1].limit = Some(f64::INFINITY);
        let points = report.charts[0].points.len();
        report.sort_and_count();
        assert_eq!(report.charts[0].points.len(), points - 1);
        assert_eq!(report.charts[0].points[0].limit, None);
        let json = serde_json::to_vec(&report).unwrap();
        assert_eq!(serde_json::from_slice::<Report>(&json).unwrap(), report);
    }
}
