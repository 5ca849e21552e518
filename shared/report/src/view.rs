//! What all renderings say alike: names, the verdict, what to do first, numbers and times in words. Must not
//! live here: anything that depends on the form (HTML, Markdown, terminal).

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::compare::{Comparison, FindingChange, InventoryChanges};
use super::model::{Area, Finding, FindingCounts, FindingStatus, Report};
use nearhand_proto::message::session::CheckSet;

/// Most entries of "what to do first": more than that is no priority.
const FIRST_STEPS: usize = 5;

/// A status as a badge says it.
pub(super) fn status_word(status: FindingStatus) -> &'static str {
    match status {
        FindingStatus::Fail => "Failed",
        FindingStatus::Warn => "Warning",
        FindingStatus::Info => "Note",
        FindingStatus::Ok => "OK",
        FindingStatus::Skipped => "Skipped",
    }
}

/// What a number of findings of one status is called.
pub(super) fn status_plural(status: FindingStatus, number: u32) -> &'static str {
    match (status, number) {
        (FindingStatus::Fail, _) => "failed",
        (FindingStatus::Warn, 1) => "warning",
        (FindingStatus::Warn, _) => "warnings",
        (FindingStatus::Info, 1) => "note",
        (FindingStatus::Info, _) => "notes",
        (FindingStatus::Ok, _) => "OK",
        (FindingStatus::Skipped, _) => "skipped",
    }
}

/// An area as a heading says it.
pub(super) fn area_word(area: Area) -> &'static str {
    match area {
        Area::Hardware => "Hardware",
        Area::System => "System",
        Area::Disks => "Disks",
        Area::Cpu => "Processor",
        Area::Memory => "Memory",
        Area::Network => "Network",
        Area::Services => "Services",
        Area::Logs => "Logs",
        Area::Updates => "Updates",
        Area::Time => "Clock",
        Area::Security => "Security",
        Area::Printers => "Printers",
        Area::Processes => "Programs",
    }
}

/// Which checks ran, in words.
pub(super) fn set_words(set: CheckSet) -> &'static str {
    match set {
        CheckSet::Quick => "quick checks",
        CheckSet::Full => "all checks",
    }
}

/// How the machine is, in one sentence.
pub(super) fn verdict(counts: &FindingCounts) -> String {
    let skipped = match counts.skipped {
        0 => String::new(),
        1 => " One check could not run here.".into(),
        n => format!(" {n} checks could not run here."),
    };
    let judged = counts.ok.saturating_add(counts.info);
    match (counts.fail, counts.warn) {
        (0, 0) if judged == 0 => format!("Nothing was checked.{skipped}"),
        (0, 0) => format!("Everything that was checked is in order.{skipped}"),
        (0, 1) => "Nothing is broken, but one thing needs attention soon.".into(),
        (0, warn) => format!("Nothing is broken, but {warn} things need attention soon."),
        (1, 0) => "One problem needs action now.".into(),
        (fail, 0) => format!("{fail} problems need action now."),
        (1, warn) => format!("One problem needs action now; {warn} more {} attention soon.", need(warn)),
        (fail, warn) => {
            format!("{fail} problems need action now; {warn} more {} attention soon.", need(warn))
        }
    }
}

fn need(number: u32) -> &'static str {
    if number == 1 { "needs" } else { "need" }
}

/// The problems to begin with, the worst first, with their places in [`Report::findings`].
pub(super) fn first_steps(report: &Report) -> impl Iterator<Item = (usize, &Finding)> {
    let urgent = |wanted: FindingStatus| {
        report.findings.iter().enumerate().filter(move |(_, f)| f.status == wanted && !f.fix.is_empty())
    };
    urgent(FindingStatus::Fail).chain(urgent(FindingStatus::Warn)).take(FIRST_STEPS)
}

/// `14 March 2025, 09:12 UTC`, or the text itself where it is no RFC 3339.
pub(super) fn when(rfc3339: &str) -> String {
    let Ok(time) = OffsetDateTime::parse(rfc3339, &Rfc3339) else { return rfc3339.to_owned() };
    let Some(time) = time.checked_to_offset(time::UtcOffset::UTC) else { return rfc3339.to_owned() };
    format!("{} {} {}, {:02}:{:02} UTC", time.day(), time.month(), time.year(), time.hour(), time.minute())
}

/// `8.4 s`, `640 ms`.
pub(super) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// A number as a person writes it: at most one decimal, thousands apart.
pub(super) fn number(value: f64) -> String {
    let rounded = format!("{:.*}", usize::from(value.abs() < 100.0), value);
    let rounded = rounded.strip_suffix(".0").unwrap_or(&rounded);
    let (whole, fraction) = rounded.split_once('.').map_or((rounded, None), |(w, f)| (w, Some(f)));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    if digits.len() > 15 {
        return format!("{value:.1e}");
    }
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match fraction {
        Some(fraction) => format!("{sign}{grouped}.{fraction}"),
        None => format!("{sign}{grouped}"),
    }
}

/// A group of changes under its heading.
pub(super) struct ChangeSection<'a> {
    pub(super) heading: &'static str,
    /// The status whose colour and mark the group has.
    pub(super) tone: FindingStatus,
    pub(super) changes: &'a [FindingChange],
}

/// The groups of a comparison that hold something, the most urgent first.
pub(super) fn sections(comparison: &Comparison) -> impl Iterator<Item = ChangeSection<'_>> {
    let section = |heading, tone, changes| ChangeSection { heading, tone, changes };
    [
        section("New problems", FindingStatus::Fail, comparison.new_problems.as_slice()),
        section("Worse", FindingStatus::Warn, comparison.worse.as_slice()),
        section("Better", FindingStatus::Info, comparison.better.as_slice()),
        section("Fixed", FindingStatus::Ok, comparison.fixed.as_slice()),
        section("Changed", FindingStatus::Info, comparison.changed.as_slice()),
        section("No longer reported", FindingStatus::Skipped, comparison.disappeared.as_slice()),
    ]
    .into_iter()
    .filter(|section| !section.changes.is_empty())
}

/// What became of the machine between the two reports, in one sentence.
pub(super) fn change_verdict(comparison: &Comparison) -> String {
    let parts: Vec<String> = [
        (comparison.new_problems.len(), "new problem", "new problems"),
        (comparison.worse.len(), "worse", "worse"),
        (comparison.better.len(), "better", "better"),
        (comparison.fixed.len(), "fixed", "fixed"),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, one, many)| format!("{number} {}", if number == 1 { one } else { many }))
    .collect();
    if !parts.is_empty() {
        format!("{}.", parts.join(", "))
    } else if comparison.is_empty() {
        "Nothing changed.".into()
    } else {
        "No problem came or went.".into()
    }
}

/// `Warning → Failed`, or one word where the other side is missing.
pub(super) fn transition(change: &FindingChange) -> String {
    match (change.old, change.new) {
        (Some(old), Some(new)) if old != new => format!("{} → {}", status_word(old), status_word(new)),
        (Some(status), Some(_)) => status_word(status).into(),
        (None, Some(new)) => format!("{} (new)", status_word(new)),
        (Some(old), None) => format!("was {}", status_word(old)),
        (None, None) => String::new(),
    }
}

/// One line of an inventory's changes.
pub(super) struct InventoryRow<'a> {
    pub(super) what: &'static str,
    pub(super) name: &'a str,
    pub(super) old: &'a str,
    pub(super) new: &'a str,
}

/// The changes of an inventory as rows.
pub(super) fn rows(inventory: &InventoryChanges) -> impl Iterator<Item = InventoryRow<'_>> {
    let added = inventory.added.iter().map(|(name, new)| InventoryRow { what: "Added", name, old: "", new });
    let removed =
        inventory.removed.iter().map(|(name, old)| InventoryRow { what: "Removed", name, old, new: "" });
    let updated = inventory.updated.iter();
    added.chain(removed).chain(updated.map(|(name, change)| InventoryRow {
        what: "Changed",
        name,
        old: &change.old,
        new: &change.new,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_speaks_of_what_matters_most() {
        let counts = |fail, warn, ok, skipped| FindingCounts { fail, warn, info: 0, ok, skipped };
        for (counts, sentence) in [
            (counts(0, 0, 0, 2), "Nothing was checked. 2 checks could not run here."),
            (counts(0, 0, 4, 1), "Everything that was checked is in order. One check could not run here."),
            (counts(0, 1, 4, 0), "Nothing is broken, but one thing needs attention soon."),
            (counts(1, 1, 4, 0), "One problem needs action now; 1 more needs attention soon."),
            (counts(3, 2, 4, 0), "3 problems need action now; 2 more need attention soon."),
        ] {
            assert_eq!(verdict(&counts), sentence);
        }
    }

    #[test]
    fn numbers_durations_and_times_read_as_people_write_them() {
        let numbers = [0.0, 12.34, 99.96, 1210.5, 1_234_567.0, -4500.0, 1e300].map(number);
        assert_eq!(numbers, ["0", "12.3", "100", "1,210", "1,234,567", "-4,500", "1.0e300"]);
        assert_eq!([8, 1_240, 65_000].map(duration), ["8 ms", "1.2 s", "1 min 5 s"]);
        assert_eq!(when("2025-03-14T10:12:33+01:00"), "14 March 2025, 09:12 UTC");
        assert_eq!(when("yesterday"), "yesterday");
    }

    #[test]
    fn the_first_steps_are_the_worst_problems() {
        let report = crate::sample::full();
        let steps: Vec<_> = first_steps(&report).map(|(at, f)| (at, f.status)).collect();
        assert_eq!(steps.len(), 5);
        assert_eq!(steps[0], (0, FindingStatus::Fail));
        assert_eq!(steps[4].1, FindingStatus::Warn);
    }
}
