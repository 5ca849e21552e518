//! Order, width, colours, and that no field steers the terminal.

use super::*;
use crate::{compare::compare, sample};

#[test]
fn failures_come_first_with_evidence_and_fix() {
    let shown = render(&sample::full(), None, TextStyle::default());
    let at = |needle: &str| shown.find(needle).unwrap_or_else(|| panic!("{needle} is not in\n{shown}"));
    assert!(at("2 problems need action now; 3 more need attention soon.") < at("FAIL  The disk /dev/sda"));
    assert!(
        at("FAIL  The disk") < at("Reallocated sectors  184") && at("Reallocated sectors") < at("WARN  ")
    );
    assert!(at("→ Back up `/home`") < at("WARN  /home is 93 % full"));
    assert!(at("NOTE  Running") < at("OK    Enough memory"));
    assert!(at("SKIP  RAID: This machine has no RAID.") > at("OK    Enough memory"));
}

#[test]
fn every_line_fits() {
    for width in [40, 60, 100] {
        let style = TextStyle { width, ..TextStyle::default() };
        let since = compare(&sample::older(), &sample::full());
        for line in render(&sample::full(), Some(&since), style).lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn colour_only_adds_to_the_text() {
    let colour = render(&sample::full(), None, TextStyle { colour: true, ..TextStyle::default() });
    assert!(colour.contains("\u{1b}[1;31mFAIL\u{1b}[0m"));
    let mut plain = String::new();
    let mut parts = colour.split('\u{1b}');
    plain.push_str(parts.next().unwrap());
    for part in parts {
        plain.push_str(part.split_once('m').unwrap().1);
    }
    let plain: Vec<_> = plain.lines().map(str::trim_end).collect();
    let expected = render(&sample::full(), None, TextStyle::default());
    assert_eq!(plain, expected.lines().collect::<Vec<_>>());
}

#[test]
fn no_field_steers_the_terminal() {
    let hostile = sample::hostile();
    let since = compare(&sample::full(), &hostile);
    let shown = render(&hostile, Some(&since), TextStyle::default());
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'));
    assert!(!shown.contains('\u{202e}'));
}

#[test]
fn quiet_checks_can_be_left_out() {
    let shown = render(&sample::full(), None, TextStyle { verbose: false, ..TextStyle::default() });
    assert!(!shown.contains("Enough memory") && shown.contains("9 OK"));
}

#[test]
fn a_comparison_names_every_change() {
    let shown = comparison(&compare(&sample::older(), &sample::full()), TextStyle::default());
    for part in [
        "1 new problem, 1 worse, 1 better, 1 fixed.",
        "New problems\n  - The service cups.service does not stay up [Failed (new)]",
        "[Warning → Failed]",
        "Last update  18 days ago → 41 days ago",
        "~ openssl 3.0.13-1~deb12u1 → 3.0.14-1~deb12u2",
        "- vlc 3.0.21-0+deb12u1",
        "+ thunderbird",
    ] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
}
