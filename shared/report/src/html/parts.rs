//! Pieces that several sections of the page share: marks, badges, one finding. Must not live here: the page's
//! order.

use super::markup::HtmlMarkup;
use crate::model::{Area, Finding, FindingStatus};
use crate::view;

/// The class that sets a status's colours.
pub(super) fn tone(status: FindingStatus) -> &'static str {
    match status {
        FindingStatus::Fail => "t-fail",
        FindingStatus::Warn => "t-warn",
        FindingStatus::Info => "t-info",
        FindingStatus::Ok => "t-ok",
        FindingStatus::Skipped => "t-skip",
    }
}

/// A status's mark: each has its own shape, so that colour is never the only sign.
pub(super) fn icon(out: &mut HtmlMarkup, status: FindingStatus) {
    out.raw("<svg class=\"icon\" aria-hidden=\"true\"><use href=\"#i-");
    out.raw(match status {
        FindingStatus::Fail => "fail",
        FindingStatus::Warn => "warn",
        FindingStatus::Info => "info",
        FindingStatus::Ok => "ok",
        FindingStatus::Skipped => "skip",
    });
    out.raw("\"/></svg>");
}

/// The part of the machine and, where there are several, which.
pub(super) fn place(out: &mut HtmlMarkup, area: Area, instance: &str) {
    out.raw(view::area_word(area));
    if !instance.is_empty() {
        out.raw(" · <bdi class=\"mono\">").text(instance).raw("</bdi>");
    }
}

/// A finding that somebody should read.
pub(super) fn finding(out: &mut HtmlMarkup, number: usize, finding: &Finding) {
    out.raw("<article class=\"card finding ").raw(tone(finding.status)).raw("\" id=\"f").int(number);
    out.raw("\"><div class=\"finding-head\"><span class=\"badge\">");
    icon(out, finding.status);
    out.raw(view::status_word(finding.status)).raw("</span><h3 dir=\"auto\">").text(&finding.title);
    out.raw("</h3><span class=\"where\">");
    place(out, finding.area, &finding.instance);
    out.raw("</span></div>");
    body(out, finding);
    out.raw("<div class=\"foot\"><span>Check <span class=\"mono\">").text(&finding.id).raw("</span></span>");
    for (label, name) in [("Runbook ", &finding.runbook), ("Article ", &finding.article)] {
        if let Some(name) = name {
            out.raw("<span>").raw(label).raw("<span class=\"mono\">").text(name).raw("</span></span>");
        }
    }
    out.raw("<span>").text(&view::duration(finding.ms)).raw("</span></div></article>");
}

fn body(out: &mut HtmlMarkup, finding: &Finding) {
    let says = !finding.explanation.is_empty() || !finding.fix.is_empty();
    if !says && finding.evidence.is_empty() {
        return;
    }
    out.raw("<div class=\"finding-body\">");
    if says {
        out.raw("<div class=\"says\">");
        if !finding.explanation.is_empty() {
            out.raw("<p dir=\"auto\">").prose(&finding.explanation).raw("</p>");
        }
        if !finding.fix.is_empty() {
            out.raw("<div class=\"fix\"><strong><svg class=\"icon\" aria-hidden=\"true\"><use href=\"#i-fix\"/></svg>What to do</strong><p dir=\"auto\">");
            out.prose(&finding.fix).raw("</p></div>");
        }
        out.raw("</div>");
    }
    if !finding.evidence.is_empty() {
        out.raw("<dl class=\"pairs\">");
        for evidence in &finding.evidence {
            out.raw("<div><dt><bdi>").text(&evidence.label).raw("</bdi></dt><dd dir=\"auto\">");
            out.text(&evidence.value).raw("</dd></div>");
        }
        out.raw("</dl>");
    }
    out.raw("</div>");
}

/// A line for a check that is in order or was skipped.
pub(super) fn quiet(out: &mut HtmlMarkup, finding: &Finding) {
    out.raw("<li class=\"").raw(tone(finding.status)).raw("\">");
    icon(out, finding.status);
    out.raw("<bdi>").text(&finding.title).raw("</bdi><span class=\"where\">");
    place(out, finding.area, &finding.instance);
    out.raw("</span>");
    if let Some(reason) = &finding.reason {
        out.raw("<p dir=\"auto\">").prose(reason).raw("</p>");
    } else if !finding.evidence.is_empty() {
        out.raw("<p>");
        for (number, evidence) in finding.evidence.iter().enumerate() {
            out.raw(if number > 0 { " · " } else { "" });
            out.text(&evidence.label).raw(": <bdi>").text(&evidence.value).raw("</bdi>");
        }
        out.raw("</p>");
    }
    out.raw("</li>");
}
