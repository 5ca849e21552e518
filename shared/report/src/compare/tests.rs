//! Each change is in its list and only there; noise is in none.

use super::*;
use crate::sample;

fn keys(changes: &[FindingChange]) -> Vec<(&str, &str)> {
    changes.iter().map(|c| (c.id.as_str(), c.instance.as_str())).collect()
}

#[test]
fn a_report_equals_itself() {
    let result = compare(&sample::full(), &sample::full());
    assert!(result.is_empty() && result.notes.is_empty(), "{result:?}");
}

#[test]
fn durations_and_order_are_noise() {
    let mut other = sample::full();
    other.duration_ms += 999;
    for finding in &mut other.findings {
        finding.ms += 77;
    }
    other.findings.reverse();
    assert!(compare(&sample::full(), &other).is_empty());
}

#[test]
fn each_change_is_in_its_list_and_only_there() {
    let result = compare(&sample::older(), &sample::full());
    assert_eq!(keys(&result.new_problems), [("services.failed", "cups.service")]);
    assert_eq!(keys(&result.worse), [("disks.smart", "/dev/sda")]);
    assert_eq!(keys(&result.better), [("disks.space", "/home")]);
    assert_eq!(keys(&result.fixed), [("memory.available", "")]);
    assert_eq!(keys(&result.changed), [("updates.pending", "")]);
    assert_eq!(keys(&result.disappeared), [("printers.jobs", "Office")]);
    assert_eq!(
        result.changed[0].evidence,
        [EvidenceChange {
            label: "Last update".into(),
            old: Some("18 days ago".into()),
            new: Some("41 days ago".into()),
        }]
    );
    let software = &result.software;
    assert_eq!(software.added.keys().collect::<Vec<_>>(), ["thunderbird"]);
    assert_eq!(software.removed.keys().collect::<Vec<_>>(), ["vlc"]);
    assert_eq!(software.updated["openssl"].new, "3.0.14-1~deb12u2");
    assert_eq!(result.hardware.updated.keys().collect::<Vec<_>>(), ["Memory"]);
}

#[test]
fn what_was_not_checked_again_is_not_fixed() {
    let mut new = sample::full();
    let skipped = new.findings.iter_mut().find(|f| f.id == "disks.smart").unwrap();
    skipped.status = FindingStatus::Skipped;
    let result = compare(&sample::full(), &new);
    assert_eq!(keys(&result.disappeared), [("disks.smart", "/dev/sda")]);
    assert!(result.fixed.is_empty());
}

#[test]
fn a_quick_run_after_a_full_one_makes_nothing_disappear() {
    let mut quick = sample::full();
    quick.set = CheckSet::Quick;
    quick.findings.clear();
    quick.software.clear();
    let result = compare(&sample::full(), &quick);
    assert!(result.is_empty());
    assert_eq!(result.notes.len(), 3);
}

#[test]
fn a_run_of_some_areas_makes_nothing_of_the_others_disappear() {
    let mut disks = sample::full();
    disks.findings.retain(|finding| finding.area == Area::Disks && finding.id != "disks.smart");
    let result = compare(&sample::full(), &disks);
    assert_eq!(keys(&result.disappeared), [("disks.smart", "/dev/sda")]);
    assert_eq!(result.notes.len(), 1);
}

#[test]
fn other_devices_are_pointed_out() {
    let mut other = sample::full();
    other.subject.device = "00".repeat(16);
    assert_eq!(compare(&sample::full(), &other).notes, ["The reports are about different devices."]);
}

#[test]
fn a_finding_named_twice_is_compared_in_order() {
    let mut twice = sample::full();
    twice.findings.push(twice.findings[0].clone());
    assert_eq!(keys(&compare(&sample::full(), &twice).new_problems), [("disks.smart", "/dev/sda")]);
    assert_eq!(keys(&compare(&twice, &sample::full()).disappeared), [("disks.smart", "/dev/sda")]);
}

#[test]
fn it_travels_as_json() {
    let result = compare(&sample::older(), &sample::full());
    let json = serde_json::to_string(&result).unwrap();
    assert_eq!(serde_json::from_str::<Comparison>(&json).unwrap(), result);
}
