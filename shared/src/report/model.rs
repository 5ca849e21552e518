//! The report's canonical model. Its JSON form is the public, versioned interface (see
//! `docs/report.schema.json`); fields are only ever added.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of the JSON form. Raised when a field changes its meaning; new fields alone don't raise it.
pub const SCHEMA_VERSION: u32 = 1;

/// How a finding came out, worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
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
    pub status: Status,
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
    /// Heading.
    pub title: String,
    /// Unit of the values, for example `GB` or `%`.
    pub unit: String,
    /// How it is drawn.
    pub kind: ChartKind,
    /// The numbers, in order.
    pub points: Vec<ChartPoint>,
}

/// Which checks ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckSet {
    /// Those that need at most 3 s together.
    Quick,
    /// All.
    Full,
}

/// The device that the report is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Subject {
    /// Device id in hexadecimal, or empty for a run without enrolment.
    pub device: String,
    /// Host name.
    pub hostname: String,
    /// Operating system with its version.
    pub os: String,
    /// Kernel version.
    pub kernel: String,
    /// Maker and model of the machine, where known.
    pub model: String,
}

/// Number of findings of each status.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each name says it")]
pub struct Counts {
    pub fail: u32,
    pub warn: u32,
    pub info: u32,
    pub ok: u32,
    pub skipped: u32,
}

/// A whole diagnostics run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`] of the program that wrote it.
    pub schema_version: u32,
    /// Program and version that ran the checks.
    pub generator: String,
    /// The device.
    pub subject: Subject,
    /// When the run began, RFC 3339 in UTC.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Which checks ran.
    pub set: CheckSet,
    /// `true` once names, addresses and serials were replaced by stable tokens.
    pub pseudonymised: bool,
    /// Findings counted by status.
    pub counts: Counts,
    /// Findings, failures first, then by id and instance.
    pub findings: Vec<Finding>,
    /// Numbers worth a picture.
    pub charts: Vec<Chart>,
    /// Installed software and its version, where it was read.
    pub software: BTreeMap<String, String>,
    /// Hardware components and what they are.
    pub hardware: BTreeMap<String, String>,
}
