//! The output is parsed as a browser would: no field may add a construct.

use pulldown_cmark::{Event, Options, Parser, Tag};

use super::*;
use crate::{compare::compare, sample};

/// What a reader of the document would see apart from text: its constructs, in order.
fn constructs(markdown: &str) -> Vec<String> {
    let parser = Parser::new_ext(markdown, Options::all());
    let seen = parser.filter_map(|event| match event {
        Event::Text(_) | Event::SoftBreak | Event::HardBreak | Event::End(_) => None,
        // The only HTML: what keeps "@name" from alerting somebody.
        Event::InlineHtml(html) if &*html == "<!-- -->" => None,
        Event::Start(Tag::Table(columns)) => Some(format!("table of {}", columns.len())),
        Event::Start(tag) => {
            Some(format!("{tag:?}").split([' ', '{', '(']).next().unwrap_or_default().to_owned())
        }
        other => Some(format!("{other:?}")),
    });
    seen.collect()
}

#[test]
fn a_hostile_report_has_the_constructs_of_a_friendly_one() {
    // The same shape of report, once with plain words in every text.
    let mut plain = sample::hostile();
    let mut number = 0;
    crate::visit::texts(&mut plain, &mut |_, text| {
        number += 1;
        *text = format!("word {number:04}");
    });
    let hostile = sample::hostile();
    let plain_lines = constructs(&document(&plain, None, None));
    assert_eq!(constructs(&document(&hostile, None, None)), plain_lines);
    for construct in ["Link", "Image", "Html", "Code", "Rule", "Strikethrough", "Footnote", "Math"] {
        assert!(!plain_lines.iter().any(|seen| seen.contains(construct)), "{construct}");
    }
}

#[test]
fn a_hostile_comparison_stays_text() {
    let markdown = comparison(&compare(&sample::full(), &sample::hostile()));
    for seen in constructs(&markdown) {
        let expected = [
            "Heading",
            "Paragraph",
            "Strong",
            "List",
            "Item",
            "table of 4",
            "TableHead",
            "TableRow",
            "TableCell",
        ];
        assert!(expected.contains(&seen.as_str()), "{seen}");
    }
}

#[test]
fn the_document_holds_everything_failures_first() {
    let since = compare(&sample::older(), &sample::full());
    let markdown = document(&sample::full(), Some(&since), None);
    let at = |part: &str| markdown.find(part).unwrap_or_else(|| panic!("{part:?} is not in\n{markdown}"));
    assert!(
        at("# Diagnostics of anna-desktop")
            < at("**2 problems need action now; 3 more need attention soon.**")
    );
    assert!(at("## What to do first") < at("1. **The disk /dev/sda is failing**"));
    assert!(at("## Needs action now") < at("## Needs attention soon"));
    assert!(at("| Reallocated sectors | 184 |") < at("## Needs attention soon"));
    assert!(at("## In order") < at("## Skipped"));
    at("## Disk space (GB)");
    at("| Lowest | Highest | Last |");
    at("| Changed | openssl | 3.0.13-1\\~deb12u1 | 3.0.14-1\\~deb12u2 |");
    at("| passwd | 1:4.13+dfsg1-1+b1 |");
}
