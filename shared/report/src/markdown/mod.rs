//! The report as Markdown (CommonMark with GitHub's tables), for tickets and chats.
//!
//! Lives here: the document's parts; escaping is in [`escape`] and happens to every text of the report, so that
//! no field can add a heading, a link, an image or HTML. Must not live here: other renderings.

mod escape;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use escape::{line, lines};

use super::compare::{Comparison, FindingChange, InventoryChanges};
use super::model::{Chart, ChartKind, Finding, FindingStatus, Report};
use super::screenshot::{FILE, Screenshot};
use super::view;

/// The report, with what changed since an older one and what became of the picture of the screen where those are given.
pub fn document(report: &Report, since: Option<&Comparison>, screenshot: Option<&Screenshot>) -> String {
    let mut out = String::new();
    head(&mut out, report);
    first_steps(&mut out, report);
    if let Some(since) = since {
        changes(&mut out, since, "##");
    }
    for (status, heading) in [
        (FindingStatus::Fail, "Needs action now"),
        (FindingStatus::Warn, "Needs attention soon"),
        (FindingStatus::Info, "Worth knowing"),
    ] {
        let mut found = report.findings.iter().filter(|f| f.status == status).peekable();
        if found.peek().is_some() {
            block(&mut out, &format!("## {heading}"));
        }
        found.for_each(|finding| problem(&mut out, finding));
    }
    quiet(&mut out, report);
    report.charts.iter().for_each(|chart| numbers(&mut out, chart));
    if let Some(screenshot) = screenshot {
        screen(&mut out, screenshot);
    }
    for (heading, entries) in [("Hardware", &report.hardware), ("Software", &report.software)] {
        if !entries.is_empty() {
            block(&mut out, &format!("## {heading}"));
            table(
                &mut out,
                &["Name", "Value"],
                entries.iter().map(|(name, value)| vec![line(name), line(value)]),
            );
        }
    }
    finish(&out)
}

/// The picture is a file next to this one; a document that is pasted into a ticket goes without it.
fn screen(out: &mut String, screenshot: &Screenshot) {
    block(out, "## The screen");
    match screenshot {
        Screenshot::Taken(picture) => {
            let ((width, height), hash) = (picture.size(), picture.sha256());
            let file = format!("In the file `{FILE}` next to this one: {width} × {height} pixels");
            block(out, &format!("{file}, taken before the checks ran. SHA-256 `{hash}`."));
        }
        Screenshot::Missing(why) => block(out, &format!("No picture of the screen: {}", line(why))),
    }
}

/// A comparison alone.
pub fn comparison(comparison: &Comparison) -> String {
    let mut out = String::new();
    changes(&mut out, comparison, "#");
    finish(&out)
}

fn finish(out: &str) -> String {
    format!("{}\n", out.trim_end())
}

/// Text with a blank line after it.
fn block(out: &mut String, markdown: &str) {
    out.push_str(markdown);
    out.push_str("\n\n");
}

/// Cells are escaped already.
fn table(out: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(out, "| {} |", heads.join(" | "));
    let _ = writeln!(out, "|{}", " --- |".repeat(heads.len()));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out.push('\n');
}

fn head(out: &mut String, report: &Report) {
    let subject = &report.subject;
    let host = if subject.hostname.is_empty() { "this device" } else { &subject.hostname };
    block(out, &format!("# Diagnostics of {}", line(host)));
    block(out, &format!("**{}**", view::verdict(&report.counts)));
    let counted = FindingStatus::ALL.iter().map(|status| report.counts.number(*status).to_string());
    let heads: Vec<_> = FindingStatus::ALL.iter().map(|status| view::status_word(*status)).collect();
    table(out, &heads, std::iter::once(counted.collect()));
    let about = [
        ("System", subject.os.clone()),
        ("Kernel", subject.kernel.clone()),
        ("Model", subject.model.clone()),
        ("Device", subject.device.clone()),
        ("Checked", view::when(&report.started_at)),
        ("Checks", format!("{} in {}", view::set_words(report.set), view::duration(report.duration_ms))),
        ("Written by", report.generator.clone()),
    ];
    for (label, value) in about.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(out, "- {label}: {}", line(value));
    }
    if report.pseudonymised {
        out.push_str("- Names, addresses and serial numbers are replaced by tokens.\n");
    }
    out.push('\n');
}

fn first_steps(out: &mut String, report: &Report) {
    let mut steps = view::first_steps(report).peekable();
    if steps.peek().is_none() {
        return;
    }
    block(out, "## What to do first");
    for (number, (_, finding)) in steps.enumerate() {
        let first = finding.fix.lines().next().unwrap_or_default();
        let _ = writeln!(out, "{}. **{}**: {}", number + 1, line(&finding.title), line(first));
    }
    out.push('\n');
}

fn check(id: &str, instance: &str) -> String {
    if instance.is_empty() { line(id) } else { format!("{} on {}", line(id), line(instance)) }
}

fn problem(out: &mut String, finding: &Finding) {
    block(out, &format!("### {}: {}", view::status_word(finding.status), line(&finding.title)));
    block(out, &format!("{}: {}", view::area_word(finding.area), check(&finding.id, &finding.instance)));
    if !finding.evidence.is_empty() {
        let rows = finding.evidence.iter().map(|e| vec![line(&e.label), line(&e.value)]);
        table(out, &["Evidence", "Value"], rows);
    }
    if !finding.explanation.is_empty() {
        block(out, &lines(&finding.explanation));
    }
    if !finding.fix.is_empty() {
        block(out, &format!("**What to do:** {}", lines(&finding.fix)));
    }
    if let Some(runbook) = &finding.runbook {
        block(out, &format!("**Nearhand can do this:** runbook {}", line(runbook)));
    }
    if let Some(article) = &finding.article {
        block(out, &format!("**Article:** {}", line(article)));
    }
}

fn quiet(out: &mut String, report: &Report) {
    for (status, heading) in [(FindingStatus::Ok, "In order"), (FindingStatus::Skipped, "Skipped")] {
        let found: Vec<_> = report.findings.iter().filter(|f| f.status == status).collect();
        if found.is_empty() {
            continue;
        }
        block(out, &format!("## {heading}"));
        for finding in found {
            let _ = write!(out, "- {} ({})", line(&finding.title), check(&finding.id, &finding.instance));
            if let Some(reason) = &finding.reason {
                let _ = write!(out, ": {}", line(reason));
            }
            out.push('\n');
        }
        out.push('\n');
    }
}

fn numbers(out: &mut String, chart: &Chart) {
    if chart.points.is_empty() {
        return;
    }
    block(out, &format!("## {} ({})", line(&chart.title), line(&chart.unit)));
    let limit = |limit: Option<f64>| limit.map(view::number).unwrap_or_default();
    if chart.kind == ChartKind::Line {
        let extreme = |pick: fn(f64, f64) -> f64, from| {
            view::number(chart.points.iter().map(|p| p.value).fold(from, pick))
        };
        let last = chart.points.last().map(|p| view::number(p.value)).unwrap_or_default();
        let row = vec![extreme(f64::min, f64::INFINITY), extreme(f64::max, f64::NEG_INFINITY), last];
        table(out, &["Lowest", "Highest", "Last"], std::iter::once(row));
    } else {
        let rows = chart.points.iter().map(|p| vec![line(&p.label), view::number(p.value), limit(p.limit)]);
        table(out, &["Name", "Value", "Of"], rows);
    }
}

fn changes(out: &mut String, comparison: &Comparison, level: &str) {
    let (old, new) = (view::when(&comparison.old.started_at), view::when(&comparison.new.started_at));
    block(out, &format!("{level} Changes from {} to {}", line(&old), line(&new)));
    block(out, &format!("**{}**", view::change_verdict(comparison)));
    for note in &comparison.notes {
        block(out, &format!("Note: {}", line(note)));
    }
    for section in view::sections(comparison) {
        block(out, &format!("{level}# {}", section.heading));
        section.changes.iter().for_each(|change| one_change(out, change));
        out.push('\n');
    }
    for (heading, inventory) in [("Software", &comparison.software), ("Hardware", &comparison.hardware)] {
        inventory_changes(out, &format!("{level}# {heading}"), inventory);
    }
}

fn one_change(out: &mut String, change: &FindingChange) {
    let _ = writeln!(
        out,
        "- **{}**: {} ({})",
        view::transition(change),
        line(&change.title),
        check(&change.id, &change.instance)
    );
    for evidence in &change.evidence {
        let side = |value: &Option<String>| value.as_deref().map_or("none".into(), line);
        let _ =
            writeln!(out, "  - {}: {} → {}", line(&evidence.label), side(&evidence.old), side(&evidence.new));
    }
}

fn inventory_changes(out: &mut String, heading: &str, inventory: &InventoryChanges) {
    if inventory.is_empty() {
        return;
    }
    block(out, heading);
    let rows = view::rows(inventory)
        .map(|row| vec![row.what.to_owned(), line(row.name), line(row.old), line(row.new)]);
    table(out, &["Change", "Name", "Before", "Now"], rows);
}
