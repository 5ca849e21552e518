//! The report on a terminal: for `nearhand diagnose` and the agent's `doctor`.
//!
//! Lives here: layout, wrapping and the optional ANSI colours. Every text is neutralised once more on its way
//! out, so that no field can control the terminal, even if an attacker filled it. Must not live here: asking whether there is
//! a terminal and how wide it is (the caller's [`TextStyle`]).

mod lines;
mod style;
#[cfg(test)]
mod tests;

use self::lines::TextLines;
use self::style::INDENT;
pub use self::style::TextStyle;

use super::compare::{Comparison, FindingChange, InventoryChanges};
use super::model::{Finding, FindingStatus, Report};
use super::view;

/// The report, with what changed since an older one where that is given.
pub fn render(report: &Report, since: Option<&Comparison>, style: TextStyle) -> String {
    let mut out = TextLines::new(style);
    head(&mut out, report);
    for finding in report.findings.iter().filter(|f| f.status <= FindingStatus::Info) {
        problem(&mut out, finding);
    }
    quiet(&mut out, report, style);
    if let Some(since) = since {
        out.blank();
        changes(&mut out, since);
    }
    out.finish()
}

/// A comparison alone.
pub fn comparison(comparison: &Comparison, style: TextStyle) -> String {
    let mut out = TextLines::new(style);
    changes(&mut out, comparison);
    out.finish()
}

fn badge(status: FindingStatus) -> &'static str {
    match status {
        FindingStatus::Fail => "FAIL",
        FindingStatus::Warn => "WARN",
        FindingStatus::Info => "NOTE",
        FindingStatus::Ok => "OK",
        FindingStatus::Skipped => "SKIP",
    }
}

fn head(out: &mut TextLines, report: &Report) {
    let subject = &report.subject;
    out.strong(if subject.hostname.is_empty() { "This device" } else { &subject.hostname });
    let about = [subject.model.as_str(), &subject.os, &subject.kernel];
    out.wrapped(0, &about.into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" · "));
    out.faint(&format!(
        "{} · {} in {} · {}",
        view::when(&report.started_at),
        view::set_words(report.set),
        view::duration(report.duration_ms),
        report.generator
    ));
    out.blank();
    out.strong(&view::verdict(&report.counts));
    let counted = FindingStatus::ALL.into_iter().map(|status| (status, report.counts.number(status)));
    let counts: Vec<_> = counted
        .filter(|(_, number)| *number > 0)
        .map(|(status, number)| (status, format!("{number} {}", view::status_plural(status, number))))
        .collect();
    out.coloured_list(&counts);
}

fn problem(out: &mut TextLines, finding: &Finding) {
    out.blank();
    out.titled(badge(finding.status), finding.status, &finding.title, &name(&finding.id, &finding.instance));
    let widest = finding.evidence.iter().map(|e| e.label.chars().count()).max().unwrap_or(0).min(24);
    for evidence in &finding.evidence {
        out.pair(INDENT, &evidence.label, widest, &evidence.value);
    }
    out.wrapped(INDENT, &finding.explanation);
    if !finding.fix.is_empty() {
        out.marked(INDENT, "→", &finding.fix);
    }
    if let Some(runbook) = &finding.runbook {
        out.marked(INDENT, "→", &format!("Nearhand can do this: runbook {runbook}"));
    }
}

fn name(id: &str, instance: &str) -> String {
    if instance.is_empty() { id.to_owned() } else { format!("{id} {instance}") }
}

fn quiet(out: &mut TextLines, report: &Report, style: TextStyle) {
    let quiet: Vec<_> = report.findings.iter().filter(|f| f.status > FindingStatus::Info).collect();
    if quiet.is_empty() || !style.verbose {
        return;
    }
    out.blank();
    for finding in quiet {
        let mut title = finding.title.clone();
        if let Some(reason) = finding.reason.as_ref().filter(|_| finding.status == FindingStatus::Skipped) {
            title = format!("{title}: {reason}");
        }
        out.titled(badge(finding.status), finding.status, &title, &name(&finding.id, &finding.instance));
    }
}

fn changes(out: &mut TextLines, comparison: &Comparison) {
    out.strong(&format!(
        "Changes from {} to {}",
        view::when(&comparison.old.started_at),
        view::when(&comparison.new.started_at)
    ));
    out.wrapped(0, &view::change_verdict(comparison));
    for note in &comparison.notes {
        out.marked(0, "!", note);
    }
    for section in view::sections(comparison) {
        out.blank();
        out.heading(section.heading, section.tone);
        for change in section.changes {
            one_change(out, change);
        }
    }
    inventory(out, "Software", &comparison.software);
    inventory(out, "Hardware", &comparison.hardware);
}

fn one_change(out: &mut TextLines, change: &FindingChange) {
    out.marked(
        2,
        "-",
        &format!("{} [{}] ({})", change.title, view::transition(change), name(&change.id, &change.instance)),
    );
    for evidence in &change.evidence {
        let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".into());
        out.pair(4, &evidence.label, 0, &format!("{} → {}", side(&evidence.old), side(&evidence.new)));
    }
}

fn inventory(out: &mut TextLines, heading: &str, inventory: &InventoryChanges) {
    if inventory.is_empty() {
        return;
    }
    out.blank();
    out.heading(heading, FindingStatus::Info);
    for row in view::rows(inventory) {
        let versions = match (row.old, row.new) {
            (old, "") => old.to_owned(),
            ("", new) => new.to_owned(),
            (old, new) => format!("{old} → {new}"),
        };
        let mark = match row.what {
            "Added" => "+",
            "Removed" => "-",
            _ => "~",
        };
        out.marked(2, mark, &format!("{} {versions}", row.name));
    }
}
