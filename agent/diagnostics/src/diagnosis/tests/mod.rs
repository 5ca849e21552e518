//! Tests of the rules: facts on both sides of each threshold, and what holds for all rules.

mod machine;
mod network;
mod system;

use std::collections::BTreeSet;

use nearhand_proto::time::UnixMillis;
use nearhand_report::model::FindingStatus::{self, Skipped};

use super::*;
use crate::facts::FactSource;

/// 2026-06-15, seconds since 1970.
const NOW: u64 = 1_781_481_600;

fn nothing() -> MachineFacts {
    MachineFacts::none(UnixMillis(NOW * 1000))
}

fn findings(id: &str, fill: impl FnOnce(&mut MachineFacts)) -> Vec<Finding> {
    let mut facts = nothing();
    fill(&mut facts);
    let check = checks().find(|check| check.id == id).unwrap_or_else(|| panic!("no check {id}"));
    judge(check, &facts, 7)
}

/// The worst status that check `id` gives.
fn worst(id: &str, fill: impl FnOnce(&mut MachineFacts)) -> FindingStatus {
    findings(id, fill).iter().map(|finding| finding.status).min().unwrap()
}

#[test]
fn there_are_at_least_fifty_checks_with_unique_well_formed_ids() {
    let ids: BTreeSet<&str> = checks().map(|check| check.id).collect();
    assert_eq!(ids.len(), checks().count());
    assert!(ids.len() >= 50, "{}", ids.len());
    for check in checks() {
        let (area, name) = check.id.split_once('.').unwrap();
        assert_eq!(area, format!("{:?}", check.area).to_lowercase(), "{}", check.id);
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'));
        assert!(
            !check.needs.is_empty() && !check.what.is_empty() && !check.source.is_empty(),
            "{}",
            check.id
        );
        assert!(!check.thresholds.is_empty(), "{}", check.id);
    }
}

#[test]
fn every_source_serves_a_check() {
    let used: Vec<FactSource> = checks().flat_map(|check| check.needs).copied().collect();
    for source in FactSource::ALL {
        assert!(used.contains(source), "{source:?}");
    }
}

#[test]
fn without_its_facts_every_check_is_skipped_and_says_why() {
    let facts = nothing();
    for check in checks() {
        let found = judge(check, &facts, 3);
        assert_eq!(found.len(), 1, "{}", check.id);
        assert_eq!((found[0].status, found[0].ms), (Skipped, 3), "{}", check.id);
        assert_eq!(found[0].reason.as_deref(), Some("was not asked for in this run"), "{}", check.id);
    }
}

#[test]
fn a_rule_needs_no_other_source_than_it_names() {
    // With every fact there but those that it names a check must say that those are missing.
    let full = system::everything();
    for check in checks() {
        let mut facts = full.clone();
        for source in check.needs {
            facts.miss(*source, MissingFact::Absent("the source".to_owned()));
        }
        assert_eq!(judge(check, &facts, 0)[0].status, Skipped, "{}", check.id);
    }
}

#[test]
fn the_same_facts_give_the_same_findings_even_after_a_journey_as_json() {
    let facts = system::everything();
    let journey: MachineFacts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
    for check in checks() {
        let found = judge(check, &facts, 1);
        assert_eq!(found, judge(check, &facts, 1), "{}", check.id);
        assert_eq!(found, judge(check, &journey, 1), "{}", check.id);
    }
}

#[test]
fn whatever_facts_hold_findings_are_safe_to_show_and_bounded() {
    let evil = "\u{1b}[2J\u{202e}\u{0}\r\n".repeat(10_000);
    let facts = system::with_text(system::everything(), &evil);
    for finding in checks().flat_map(|check| judge(check, &facts, 1)) {
        let json = serde_json::to_string(&finding).unwrap();
        assert!(
            !json.contains("\\u001b") && !json.contains("\\u0000") && !json.contains('\u{202e}'),
            "{}",
            finding.id
        );
        assert!(json.len() < 60_000, "{}: {}", finding.id, json.len());
    }
}

#[test]
fn what_fails_or_warns_says_what_to_do() {
    let facts = system::everything();
    for finding in checks().flat_map(|check| judge(check, &facts, 1)) {
        let needs_fix = matches!(finding.status, FindingStatus::Fail | FindingStatus::Warn);
        assert!(!needs_fix || !finding.fix.is_empty(), "{} {}", finding.id, finding.title);
        assert!(!finding.explanation.is_empty(), "{}", finding.id);
    }
}

#[test]
fn too_many_findings_keep_the_worst() {
    let found = findings("services.failed", |facts| {
        let unit = |number| crate::facts::service::FailedUnit {
            name: format!("u{number}.service"),
            description: String::new(),
        };
        let failed = (0..500).map(unit).collect();
        facts.units = Ok(crate::facts::service::UnitStates { failed, ..Default::default() });
    });
    assert_eq!(found.len(), FINDING_LIMIT);
}
