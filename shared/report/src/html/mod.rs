//! The report as one HTML page that needs nothing else: no network, no script, no font. It can be mailed,
//! printed, archived and opened in ten years.
//!
//! Lives here: the page's order. Its parts are in [`parts`], [`chart`] and [`changes`], its looks in
//! `style.css`, escaping in [`markup`]. The page forbids itself everything (Content-Security-Policy), so that
//! even a mistake in here could load and run nothing. Must not live here: other renderings.

mod changes;
mod chart;
mod markup;
mod parts;
#[cfg(test)]
mod tests;

use markup::HtmlMarkup;
use parts::{finding, icon, quiet, tone};

use super::compare::Comparison;
use super::model::{FindingStatus, Report};
use super::screenshot::{Screenshot, ScreenshotPng};
use super::view;

const STYLE: &str = include_str!("style.css");

/// Shapes of the marks, drawn once and used by reference within the page.
const ICONS: &str = include_str!("icons.svg");

/// The report as a page, with what changed since an older one and what became of the picture of the screen where those are
/// given.
pub fn page(report: &Report, since: Option<&Comparison>, screenshot: Option<&Screenshot>) -> String {
    let mut out = HtmlMarkup::default();
    open(&mut out, &report.subject.hostname, &view::verdict(&report.counts));
    hero(&mut out, report);
    first_steps(&mut out, report);
    if let Some(since) = since {
        out.raw("<section>");
        changes::changes(&mut out, since);
        out.raw("</section>");
    }
    for (status, heading, anchor) in [
        (FindingStatus::Fail, "Needs action now", "fail"),
        (FindingStatus::Warn, "Needs attention soon", "warn"),
        (FindingStatus::Info, "Worth knowing", "info"),
    ] {
        findings(&mut out, report, status, heading, anchor);
    }
    charts(&mut out, report);
    if let Some(screenshot) = screenshot {
        screen(&mut out, screenshot);
    }
    folded(&mut out, report);
    foot(&mut out, report);
    out.finish()
}

/// A comparison alone, as a page.
pub fn comparison_page(comparison: &Comparison) -> String {
    let mut out = HtmlMarkup::default();
    open(&mut out, &comparison.new.hostname, &view::change_verdict(comparison));
    let worst = view::sections(comparison).map(|section| section.tone).min().unwrap_or(FindingStatus::Ok);
    out.raw("<div class=\"hero ").raw(tone(worst)).raw("\"><h1><bdi>").text(&comparison.new.hostname);
    out.raw("</bdi></h1><div class=\"facts\"><span>").text(&view::when(&comparison.new.started_at));
    out.raw("</span><span>").text(&comparison.new.device).raw("</span></div></div><section>");
    changes::changes(&mut out, comparison);
    out.raw("</section></main><footer class=\"wrap\"><span>").text(&comparison.new.generator);
    out.raw("</span></footer></body></html>\n");
    out.finish()
}

fn open(out: &mut HtmlMarkup, hostname: &str, verdict: &str) {
    out.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    out.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">");
    out.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">");
    out.raw("<meta name=\"referrer\" content=\"no-referrer\"><meta name=\"robots\" content=\"noindex\"><link rel=\"icon\" href=\"data:,\"><title>");
    out.text(hostname)
        .raw(": ")
        .text(verdict)
        .raw("</title><style>")
        .raw(STYLE)
        .raw("</style></head><body>")
        .raw(ICONS);
    out.raw("<header class=\"wrap top\"><span class=\"brand\"><svg aria-hidden=\"true\"><use href=\"#i-brand\"/></svg>Nearhand</span><span>Diagnostics report</span></header><main class=\"wrap\">");
}

fn hero(out: &mut HtmlMarkup, report: &Report) {
    let worst = FindingStatus::ALL.into_iter().find(|status| report.counts.number(*status) > 0);
    // Notes alone are nothing to worry about.
    let shown = worst
        .filter(|status| status.is_problem() || *status == FindingStatus::Skipped)
        .unwrap_or(FindingStatus::Ok);
    let subject = &report.subject;
    out.raw("<div class=\"hero ").raw(tone(shown)).raw("\"><h1><bdi>");
    out.text(if subject.hostname.is_empty() { "This device" } else { &subject.hostname }).raw("</bdi></h1>");
    out.raw("<div class=\"facts\">");
    let ran = format!("{} in {}", view::set_words(report.set), view::duration(report.duration_ms));
    let time = view::when(&report.started_at);
    for fact in
        [&subject.model, &subject.os, &subject.kernel, &time, &ran].into_iter().filter(|f| !f.is_empty())
    {
        out.raw("<bdi>").text(fact).raw("</bdi>");
    }
    out.raw("</div><div class=\"verdict\">");
    icon(out, shown);
    out.raw("<p>").text(&view::verdict(&report.counts)).raw("</p></div><ul class=\"counts\">");
    for status in FindingStatus::ALL {
        count_tile(out, report, status);
    }
    out.raw("</ul>");
    share(out, report);
    out.raw("</div>");
}

fn count_tile(out: &mut HtmlMarkup, report: &Report, status: FindingStatus) {
    let number = report.counts.number(status);
    out.raw("<li class=\"").raw(tone(status)).raw("\">");
    if number == 0 {
        out.raw("<span class=\"tile none\">");
    } else {
        out.raw("<a class=\"tile\" href=\"#");
        out.raw(match status {
            FindingStatus::Fail => "fail",
            FindingStatus::Warn => "warn",
            FindingStatus::Info => "info",
            FindingStatus::Ok => "ok",
            FindingStatus::Skipped => "skipped",
        });
        out.raw("\">");
    }
    icon(out, status);
    out.raw("<b>").text(&number.to_string()).raw("</b><i>").raw(view::status_plural(status, number));
    out.raw(if number == 0 { "</i></span></li>" } else { "</i></a></li>" });
}

/// The counts as one bar.
fn share(out: &mut HtmlMarkup, report: &Report) {
    let total: f64 = FindingStatus::ALL.iter().map(|status| f64::from(report.counts.number(*status))).sum();
    out.raw("<svg class=\"share\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    let mut from = 0.0;
    for status in FindingStatus::ALL {
        let width = f64::from(report.counts.number(status)) / total.max(1.0) * 100.0;
        out.raw("<rect class=\"").raw(tone(status)).raw("\" height=\"1\" x=\"").coord(from);
        out.raw("\" width=\"").coord((width - 0.3).max(0.0)).raw("\"/>");
        from += width;
    }
    out.raw("</svg>");
}

fn first_steps(out: &mut HtmlMarkup, report: &Report) {
    let mut steps = view::first_steps(report).peekable();
    if steps.peek().is_none() {
        return;
    }
    out.raw("<section><h2>What to do first</h2><ol class=\"card steps\">");
    for (number, finding) in steps {
        out.raw("<li class=\"").raw(tone(finding.status)).raw("\"><span><a href=\"#f").int(number).raw("\">");
        out.text(&finding.title).raw("</a></span><p dir=\"auto\">");
        out.prose(finding.fix.lines().next().unwrap_or_default()).raw("</p></li>");
    }
    out.raw("</ol></section>");
}

fn findings(
    out: &mut HtmlMarkup,
    report: &Report,
    status: FindingStatus,
    heading: &'static str,
    anchor: &'static str,
) {
    let number = report.counts.number(status);
    let mut found = report.findings.iter().enumerate().filter(|(_, f)| f.status == status).peekable();
    if found.peek().is_none() {
        return;
    }
    out.raw("<section id=\"").raw(anchor).raw("\"><h2>").raw(heading).raw(" <small>");
    out.text(&number.to_string()).raw("</small></h2><div class=\"stack\">");
    for (number, one) in found {
        finding(out, number, one);
    }
    out.raw("</div></section>");
}

fn charts(out: &mut HtmlMarkup, report: &Report) {
    let mut shown = report.charts.iter().filter(|chart| !chart.points.is_empty()).peekable();
    if shown.peek().is_none() {
        return;
    }
    out.raw("<section><h2>Measurements</h2><div class=\"charts\">");
    shown.for_each(|one| chart::chart(out, one));
    out.raw("</div></section>");
}

fn screen(out: &mut HtmlMarkup, screenshot: &Screenshot) {
    out.raw("<section id=\"screen\"><h2>The screen</h2>");
    match screenshot {
        Screenshot::Taken(picture) => shown(out, picture),
        Screenshot::Missing(why) => {
            out.raw("<p class=\"card screen\" dir=\"auto\">No picture of the screen: ").text(why).raw("</p>");
        }
    }
    out.raw("</section>");
}

fn shown(out: &mut HtmlMarkup, picture: &ScreenshotPng) {
    let (width, height) = picture.size();
    let (width, height) = (width.to_string(), height.to_string());
    out.raw("<figure class=\"card screen\"><img alt=\"The device's screen before the checks ran\" width=\"");
    out.text(&width).raw("\" height=\"").text(&height).raw("\" src=\"data:image/png;base64,");
    out.base64(picture.png()).raw("\"><figcaption>").text(&width).raw(" × ").text(&height);
    out.raw(" pixels, taken before the checks ran. SHA-256 of the file <span class=\"mono\">");
    out.text(&picture.sha256()).raw("</span></figcaption></figure>");
}

/// What a reader rarely needs: folded, but on the page.
fn folded(out: &mut HtmlMarkup, report: &Report) {
    out.raw("<section><h2>Everything else</h2>");
    for (status, heading, id) in
        [(FindingStatus::Ok, "In order", "ok"), (FindingStatus::Skipped, "Skipped", "skipped")]
    {
        let found: Vec<_> = report.findings.iter().filter(|f| f.status == status).collect();
        if found.is_empty() {
            continue;
        }
        out.raw("<details class=\"card ").raw(tone(status)).raw("\" id=\"").raw(id).raw("\"><summary>");
        icon(out, status);
        summary_end(out, heading, found.len());
        out.raw("<ul class=\"quiet\">");
        found.into_iter().for_each(|one| quiet(out, one));
        out.raw("</ul></details>");
    }
    for (heading, entries) in [("Hardware", &report.hardware), ("Software", &report.software)] {
        if entries.is_empty() {
            continue;
        }
        out.raw("<details class=\"card\"><summary><svg class=\"icon\" aria-hidden=\"true\"><use href=\"#i-list\"/></svg>");
        summary_end(out, heading, entries.len());
        out.raw("<table><tbody>");
        for (name, value) in entries {
            out.raw("<tr><th scope=\"row\"><bdi>").text(name).raw("</bdi></th><td><bdi>").text(value);
            out.raw("</bdi></td></tr>");
        }
        out.raw("</tbody></table></details>");
    }
    out.raw("</section>");
}

fn summary_end(out: &mut HtmlMarkup, heading: &'static str, number: usize) {
    out.raw(heading).raw(" <small>").int(number);
    out.raw("</small><svg class=\"icon turn\" aria-hidden=\"true\"><use href=\"#i-turn\"/></svg></summary>");
}

fn foot(out: &mut HtmlMarkup, report: &Report) {
    out.raw("</main><footer class=\"wrap\"><span>Written by ").text(&report.generator).raw("</span>");
    if !report.subject.device.is_empty() {
        out.raw("<span>Device <span class=\"mono\">").text(&report.subject.device).raw("</span></span>");
    }
    out.raw("<span>Report format ").text(&report.schema_version.to_string()).raw("</span>");
    if report.pseudonymised {
        out.raw("<span>Names, addresses and serial numbers are replaced by tokens.</span>");
    }
    out.raw("</footer></body></html>\n");
}
