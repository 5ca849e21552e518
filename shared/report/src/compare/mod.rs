//! What changed between two reports of a device: problems that came, went, grew or shrank, evidence, software
//! and hardware.
//!
//! Lives here: the comparison as a value that serialises to JSON; which differences are noise is in [`noise`].
//! Its renderings are with those of the report ([`super::text_view::comparison`],
//! [`super::markdown::comparison`], [`super::html::comparison_page`]). Must not live here: choosing which
//! reports to compare.

mod noise;
#[cfg(test)]
mod tests;

use nearhand_proto::message::session::CheckSet;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::model::{Area, Evidence, Finding, FindingCounts, FindingStatus, Report, SCHEMA_VERSION};

/// One of the two reports, enough to tell which.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ComparedReport {
    /// Device id; empty for a run without enrolment.
    pub device: String,
    /// The device's host name.
    pub hostname: String,
    /// When the run began, RFC 3339 in UTC.
    pub started_at: String,
    /// Program and version that ran the checks.
    pub generator: String,
    /// Which checks ran.
    pub set: CheckSet,
    /// Findings counted by status.
    pub counts: FindingCounts,
}

/// Evidence with one label in both reports.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EvidenceChange {
    /// What was observed.
    pub label: String,
    /// Its value in the older report; `null` where it is new.
    pub old: Option<String>,
    /// Its value in the newer report; `null` where it is gone.
    pub new: Option<String>,
}

/// How one finding changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FindingChange {
    /// The check's stable name.
    pub id: String,
    /// What it was checked on.
    pub instance: String,
    /// The part of the machine.
    pub area: Area,
    /// The newer title, or the older where there is no newer.
    pub title: String,
    /// Status in the older report; `null` where it was not there.
    pub old: Option<FindingStatus>,
    /// Status in the newer report; `null` where it is gone.
    pub new: Option<FindingStatus>,
    /// Evidence that differs by more than noise.
    pub evidence: Vec<EvidenceChange>,
}

/// A component or package in two versions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VersionChange {
    /// The older version or description.
    pub old: String,
    /// The newer version or description.
    pub new: String,
}

/// Changes of a list of components or packages, by name.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct InventoryChanges {
    /// Only in the newer report.
    pub added: BTreeMap<String, String>,
    /// Only in the older report.
    pub removed: BTreeMap<String, String>,
    /// In both, but different.
    pub updated: BTreeMap<String, VersionChange>,
}

impl InventoryChanges {
    /// `true` when nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.updated.is_empty()
    }
}

/// What changed from an older to a newer report. A finding is in at most one of the lists.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// [`SCHEMA_VERSION`] of the program that compared.
    pub schema_version: u32,
    /// The older report.
    pub old: ComparedReport,
    /// The newer report.
    pub new: ComparedReport,
    /// What limits the comparison, in plain words: other devices, other sets of checks.
    pub notes: Vec<String>,
    /// Problems that were none before.
    pub new_problems: Vec<FindingChange>,
    /// Problems that were checked again and are none any more.
    pub fixed: Vec<FindingChange>,
    /// Warnings that became failures.
    pub worse: Vec<FindingChange>,
    /// Failures that became warnings.
    pub better: Vec<FindingChange>,
    /// As good or bad as before, but on other evidence.
    pub changed: Vec<FindingChange>,
    /// Not in the newer report, or skipped there: nobody knows how they are now.
    pub disappeared: Vec<FindingChange>,
    /// Changes of installed software.
    pub software: InventoryChanges,
    /// Changes of hardware components.
    pub hardware: InventoryChanges,
}

impl Comparison {
    /// `true` when the reports say the same.
    pub fn is_empty(&self) -> bool {
        let lists =
            [&self.new_problems, &self.fixed, &self.worse, &self.better, &self.changed, &self.disappeared];
        lists.iter().all(|list| list.is_empty()) && self.software.is_empty() && self.hardware.is_empty()
    }
}

/// Compares two reports by check and instance.
pub fn compare(old: &Report, new: &Report) -> Comparison {
    let mut result = Comparison {
        schema_version: SCHEMA_VERSION,
        old: side(old),
        new: side(new),
        notes: notes(old, new),
        new_problems: Vec::new(),
        fixed: Vec::new(),
        worse: Vec::new(),
        better: Vec::new(),
        changed: Vec::new(),
        disappeared: Vec::new(),
        software: inventory(&old.software, &new.software),
        hardware: inventory(&old.hardware, &new.hardware),
    };
    let (before, mut after) = (by_key(old), by_key(new));
    let looked_at = areas(new);
    for (key, was) in &before {
        let is = after.remove(key);
        file(&mut result, &looked_at, Some(was), is);
    }
    for is in after.into_values() {
        file(&mut result, &looked_at, None, Some(is));
    }
    let lists = [
        &mut result.new_problems,
        &mut result.fixed,
        &mut result.worse,
        &mut result.better,
        &mut result.changed,
        &mut result.disappeared,
    ];
    for list in lists {
        list.sort_by(|a, b| {
            (a.new.or(a.old), &a.id, &a.instance).cmp(&(b.new.or(b.old), &b.id, &b.instance))
        });
    }
    result
}

/// Puts a pair of findings into the list where it belongs, if it changed.
fn file(result: &mut Comparison, looked_at: &BTreeSet<Area>, was: Option<&Finding>, is: Option<&Finding>) {
    let Some(shown) = is.or(was) else { return };
    let evidence = match (was, is) {
        (Some(was), Some(is)) => evidence_changes(&was.evidence, &is.evidence),
        _ => Vec::new(),
    };
    let (old, new) = (was.map(|f| f.status), is.map(|f| f.status));
    // A quick run leaves out most checks, and one of some areas all others: that says nothing.
    let quick = result.old.set == CheckSet::Full && result.new.set == CheckSet::Quick;
    let left_out = new.is_none() && (quick || !looked_at.contains(&shown.area));
    let is_problem = |status: Option<FindingStatus>| status.is_some_and(FindingStatus::is_problem);
    let list = match (old, new) {
        (_, Some(now)) if now.is_problem() && !is_problem(old) => &mut result.new_problems,
        (Some(before), Some(now)) if before.is_problem() && now.is_problem() && now < before => {
            &mut result.worse
        }
        (Some(before), Some(now)) if before.is_problem() && now.is_problem() && now > before => {
            &mut result.better
        }
        (Some(before), Some(FindingStatus::Skipped)) if before.is_problem() => &mut result.disappeared,
        (Some(before), Some(now)) if before.is_problem() && !now.is_problem() => &mut result.fixed,
        (Some(before), None) if before != FindingStatus::Skipped && !left_out => &mut result.disappeared,
        (Some(_), Some(_)) if !evidence.is_empty() => &mut result.changed,
        _ => return,
    };
    list.push(FindingChange {
        id: shown.id.clone(),
        instance: shown.instance.clone(),
        area: shown.area,
        title: shown.title.clone(),
        old,
        new,
        evidence,
    });
}

fn areas(report: &Report) -> BTreeSet<Area> {
    report.findings.iter().map(|finding| finding.area).collect()
}

/// Findings by check, instance and, for a report that names one twice, their number.
fn by_key(report: &Report) -> BTreeMap<(&str, &str, usize), &Finding> {
    let mut found = BTreeMap::new();
    for finding in &report.findings {
        let mut key = (finding.id.as_str(), finding.instance.as_str(), 0);
        while found.contains_key(&key) {
            key.2 += 1;
        }
        found.insert(key, finding);
    }
    found
}

fn evidence_changes(old: &[Evidence], new: &[Evidence]) -> Vec<EvidenceChange> {
    let mut left: Vec<&Evidence> = old.iter().collect();
    let mut changes = Vec::new();
    for is in new {
        let at = left.iter().position(|was| was.label == is.label);
        let was = at.map(|at| left.remove(at));
        if was.is_none_or(|was| !noise::is_same(&was.value, &is.value)) {
            let old = was.map(|was| was.value.clone());
            changes.push(EvidenceChange { label: is.label.clone(), old, new: Some(is.value.clone()) });
        }
    }
    changes.extend(left.into_iter().map(|was| EvidenceChange {
        label: was.label.clone(),
        old: Some(was.value.clone()),
        new: None,
    }));
    changes
}

/// Changes between two lists; none where one of them was not read at all.
fn inventory(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> InventoryChanges {
    if old.is_empty() || new.is_empty() {
        return InventoryChanges::default();
    }
    let missing_in = |from: &BTreeMap<String, String>, other: &BTreeMap<String, String>| {
        let missing = from.iter().filter(|(name, _)| !other.contains_key(*name));
        missing.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let both = old.iter().filter_map(|(name, was)| Some((name, was, new.get(name)?)));
    let updated = both
        .filter(|(_, was, is)| was != is)
        .map(|(name, was, is)| (name.clone(), VersionChange { old: was.clone(), new: is.clone() }));
    InventoryChanges {
        added: missing_in(new, old),
        removed: missing_in(old, new),
        updated: updated.collect(),
    }
}

fn side(report: &Report) -> ComparedReport {
    ComparedReport {
        device: report.subject.device.clone(),
        hostname: report.subject.hostname.clone(),
        started_at: report.started_at.clone(),
        generator: report.generator.clone(),
        set: report.set,
        counts: report.counts,
    }
}

fn notes(old: &Report, new: &Report) -> Vec<String> {
    let same_device = match (old.subject.device.as_str(), new.subject.device.as_str()) {
        ("", _) | (_, "") => old.subject.hostname == new.subject.hostname,
        (old, new) => old == new,
    };
    let one_list = |old: &BTreeMap<_, _>, new: &BTreeMap<_, _>| old.is_empty() != new.is_empty();
    [
        (!same_device, "The reports are about different devices."),
        (
            old.pseudonymised != new.pseudonymised,
            "Only one of the reports is pseudonymised, so names do not match.",
        ),
        (
            old.set != new.set,
            "The reports come from different sets of checks; only what both checked is comparable.",
        ),
        (
            !areas(old).is_subset(&areas(new)),
            "The newer run did not look at all parts of the machine; only what both looked at is compared.",
        ),
        (one_list(&old.software, &new.software), "Only one of the reports lists the installed software."),
        (one_list(&old.hardware, &new.hardware), "Only one of the reports lists the hardware."),
    ]
    .into_iter()
    .filter(|(applies, _)| *applies)
    .map(|(_, note)| note.to_owned())
    .collect()
}
