//! The comparison on the page. Must not live here: comparing.

use super::markup::HtmlMarkup;
use super::parts::{icon, place, tone};
use crate::compare::{Comparison, FindingChange, InventoryChanges};
use crate::view;

/// What changed, as the inside of a section.
pub(super) fn changes(out: &mut HtmlMarkup, comparison: &Comparison) {
    out.raw("<h2>What changed <small>since ")
        .text(&view::when(&comparison.old.started_at))
        .raw("</small></h2>");
    out.raw("<div class=\"card since\"><p><strong>")
        .text(&view::change_verdict(comparison))
        .raw("</strong></p>");
    for note in &comparison.notes {
        out.raw("<p class=\"note\">").text(note).raw("</p>");
    }
    out.raw("<div class=\"groups\">");
    for section in view::sections(comparison) {
        out.raw("<div class=\"").raw(tone(section.tone)).raw("\"><h3>");
        icon(out, section.tone);
        out.raw(section.heading).raw("</h3><ul>");
        section.changes.iter().for_each(|change| one_change(out, change));
        out.raw("</ul></div>");
    }
    out.raw("</div>");
    let lists = [("Software", &comparison.software), ("Hardware", &comparison.hardware)];
    if lists.iter().any(|(_, inventory)| !inventory.is_empty()) {
        out.raw("<div>");
        for (heading, changed) in lists {
            inventory(out, heading, changed);
        }
        out.raw("</div>");
    }
    out.raw("</div>");
}

fn one_change(out: &mut HtmlMarkup, change: &FindingChange) {
    out.raw("<li><bdi>").text(&change.title).raw("</bdi> <span class=\"where\">");
    place(out, change.area, &change.instance);
    out.raw(" · ").text(&view::transition(change)).raw("</span>");
    if !change.evidence.is_empty() {
        out.raw("<dl>");
        for evidence in &change.evidence {
            out.raw("<div><dt><bdi>").text(&evidence.label).raw("</bdi></dt><dd>");
            before_and_now(
                out,
                evidence.old.as_deref().unwrap_or_default(),
                evidence.new.as_deref().unwrap_or_default(),
            );
            out.raw("</dd></div>");
        }
        out.raw("</dl>");
    }
    out.raw("</li>");
}

fn before_and_now(out: &mut HtmlMarkup, old: &str, new: &str) {
    if !old.is_empty() {
        out.raw("<del>").text(old).raw("</del>");
    }
    if !old.is_empty() && !new.is_empty() {
        out.raw(" → ");
    }
    if !new.is_empty() {
        out.raw("<ins>").text(new).raw("</ins>");
    }
}

fn inventory(out: &mut HtmlMarkup, heading: &'static str, inventory: &InventoryChanges) {
    if inventory.is_empty() {
        return;
    }
    out.raw("<details><summary>").raw(heading).raw(" <small>");
    out.int(view::rows(inventory).count()).raw(" changed</small><svg class=\"icon turn\" aria-hidden=\"true\"><use href=\"#i-turn\"/></svg></summary>");
    out.raw("<table><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Change</th></tr></thead><tbody>");
    for row in view::rows(inventory) {
        out.raw("<tr><th scope=\"row\"><bdi>").text(row.name).raw("</bdi></th><td>");
        out.raw(row.what).raw(": ");
        before_and_now(out, row.old, row.new);
        out.raw("</td></tr>");
    }
    out.raw("</tbody></table></details>");
}
