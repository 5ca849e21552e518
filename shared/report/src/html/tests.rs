//! The page is taken apart into its tags: no field may add one; contrast, links and closing are checked.

use std::collections::BTreeMap;

use super::*;
use crate::{compare::compare, sample, visit};

/// The page's tags without their content, in order; attribute values only where they name something.
fn tags(page: &str) -> Vec<String> {
    let style = page.find("<style>").unwrap()..page.find("</style>").unwrap() + "</style>".len();
    let page = format!("{}{}", &page[..style.start], &page[style.end..]);
    let mut tags = Vec::new();
    for piece in page.split('<').skip(1) {
        let tag = piece.split('>').next().unwrap();
        let mut outside = String::new();
        for (number, part) in tag.split('"').enumerate() {
            outside.push_str(if number % 2 == 0 { part } else { "_" });
        }
        tags.push(outside);
    }
    tags
}

#[test]
fn a_hostile_report_has_the_tags_of_a_friendly_one() {
    let mut plain = sample::hostile();
    let mut number = 0;
    visit::texts(&mut plain, &mut |_, text| {
        number += 1;
        // As many lines and pieces of code, but no character that means anything.
        *text = text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "`\n ".contains(c) { c } else { 'x' })
            .collect();
        text.push_str(&format!(" {number:05}"));
    });
    let hostile = sample::hostile();
    let (plain_page, hostile_page) = (page(&plain, None, None), page(&hostile, None, None));
    assert_eq!(tags(&hostile_page), tags(&plain_page));
    let all = tags(&page(&hostile, Some(&compare(&sample::full(), &hostile)), None));
    for tag in all {
        let name = tag.split_whitespace().next().unwrap();
        assert!(!["script", "img", "iframe", "style", "base", "object"].contains(&name), "{tag}");
        assert!(!tag.contains(" on"), "{tag}");
    }
}

#[test]
fn the_page_loads_nothing() {
    let report = sample::full();
    let page = page(&report, Some(&compare(&sample::older(), &report)), None);
    for part in page.split("href=\"").skip(1) {
        assert!(part.starts_with('#') || part.starts_with("data:,"), "{}", &part[..40]);
    }
    for forbidden in ["http://", "https://", " src=", "url(", "@import", "<script", "<iframe", "javascript:"]
    {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'; img-src data:"));
}

#[test]
fn every_link_within_the_page_has_its_target_once() {
    let report = sample::full();
    let page = page(&report, None, None);
    let targets: Vec<_> = page.split(" id=\"").skip(1).map(|part| part.split('"').next().unwrap()).collect();
    for (at, target) in targets.iter().enumerate() {
        assert!(!targets[at + 1..].contains(target), "{target} twice");
    }
    for part in page.split("href=\"#").skip(1) {
        let link = part.split('"').next().unwrap();
        assert!(targets.contains(&link), "{link}");
    }
}

#[test]
fn everything_is_on_the_page_failures_first_and_the_quiet_folded() {
    let report = sample::full();
    let page = page(&report, None, None);
    let at = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part:?} is missing"));
    assert!(at("2 problems need action now") < at("What to do first"));
    assert!(at("Needs action now") < at("Needs attention soon"));
    assert!(at("Needs attention soon") < at("<details"));
    assert!(at("<details") < at("The clock is right") && at("<details") < at("This machine has no RAID."));
    for finding in &report.findings {
        let mut title = HtmlMarkup::default();
        title.text(&finding.title);
        at(&title.finish());
    }
    at("<code>/home</code>");
    at("437</b> of 470 GB · <b>93 %</b>");
}

#[test]
fn elements_are_closed_in_order() {
    let report = sample::full();
    let since = compare(&sample::older(), &report);
    for page in
        [page(&report, Some(&since), None), page(&sample::hostile(), None, None), comparison_page(&since)]
    {
        let mut open = Vec::new();
        for tag in tags(&page) {
            let name = tag.split([' ', '/']).find(|n| !n.is_empty()).unwrap_or_default().to_owned();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "at {tag}");
            } else if !tag.ends_with('/') && !["!DOCTYPE", "meta", "link", "br"].contains(&name.as_str()) {
                open.push(name);
            }
        }
        assert_eq!(open, Vec::<String>::new());
    }
}

#[test]
fn strange_numbers_draw_nothing_strange() {
    let mut report = sample::full();
    for (at, value) in [f64::NAN, f64::INFINITY, -1e308, 1e308, 0.0].into_iter().enumerate() {
        for chart in &mut report.charts {
            if let Some(point) = chart.points.get_mut(at) {
                (point.value, point.limit) = (value, Some(value));
            }
        }
    }
    let page = page(&report, None, None);
    for part in page.split("points=\"").skip(1).chain(page.split("width=\"").skip(1)) {
        let numbers = part.split('"').next().unwrap();
        assert!(!numbers.contains("NaN") && !numbers.contains("inf"), "{numbers}");
    }
}

/// The colours of a block of the style sheet, by name.
fn colours(block: &str) -> BTreeMap<String, [f64; 3]> {
    let mut found = BTreeMap::new();
    for part in block.split("--").skip(1) {
        let Some((name, value)) = part.split_once(": #") else { continue };
        let Some(hex) = value.get(..6).filter(|hex| hex.chars().all(|c| c.is_ascii_hexdigit())) else {
            continue;
        };
        let channel = |at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        found.insert(name.to_owned(), [channel(0), channel(2), channel(4)]);
    }
    found
}

/// WCAG 2.2, contrast ratio of relative luminances.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let luminance = |colour: [f64; 3]| {
        let linear = colour.map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn contrast_is_enough_in_light_dark_and_print() {
    let roots: Vec<_> =
        STYLE.split(":root {").skip(1).map(|block| colours(block.split('}').next().unwrap())).collect();
    assert_eq!(roots.len(), 3, "light, dark, print");
    for (which, root) in roots.iter().enumerate() {
        let check = |front: &str, back: &str, least: f64| {
            let ratio = contrast(root[front], root[back]);
            assert!(ratio >= least, "{front} on {back} in sheet {which}: {ratio:.2}");
        };
        // WCAG AA: 4.5 for text, 3 for what only shows something.
        for back in ["page", "card", "sunk"] {
            for front in ["text", "muted", "accent", "fail", "warn", "info", "ok", "skip"] {
                check(front, back, 4.5);
            }
        }
        check("text", "code", 4.5);
        for status in ["fail", "warn", "info", "ok", "skip"] {
            check(status, &format!("{status}-tint"), 4.5);
            check(status, "track", 3.0);
        }
        check("accent", "track", 3.0);
    }
    assert!((contrast([0.0; 3], [1.0; 3]) - 21.0).abs() < 0.01);
}

/// To look at them: `NEARHAND_REPORT_SAMPLES=DIR` keeps the pages.
#[test]
fn every_page_is_whole_and_names_nothing_outside_itself() {
    let keep = std::env::var_os("NEARHAND_REPORT_SAMPLES").map(std::path::PathBuf::from);
    let report = sample::full();
    let since = compare(&sample::older(), &report);
    let mut healthy = sample::full();
    healthy.findings.retain(|f| !f.status.is_problem());
    healthy.sort_and_count();
    for (name, page) in [
        ("full", page(&report, Some(&since), None)),
        ("healthy", page(&healthy, None, None)),
        ("hostile", page(&sample::hostile(), None, None)),
        ("comparison", comparison_page(&since)),
    ] {
        assert!(
            page.to_lowercase().starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"),
            "{name}"
        );
        assert!(page.contains("Content-Security-Policy"), "{name}");
        for element in ["main", "section", "footer", "style", "svg"] {
            let (open, close) = (format!("<{element}"), format!("</{element}>"));
            assert_eq!(page.matches(&open).count(), page.matches(&close).count(), "{name}: {element}");
        }
        for outside in
            ["<script", "<link rel=\"stylesheet", "<iframe", "<img", "<object", "href=\"http", "@import"]
        {
            assert!(!page.contains(outside), "{name}: {outside}");
        }
        if let Some(dir) = &keep {
            std::fs::write(dir.join(name).with_extension("html"), page).unwrap();
        }
    }
}
