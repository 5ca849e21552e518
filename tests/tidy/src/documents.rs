//! What documents name in backticks: paths must exist, and identifiers of code must be in the code.

use std::collections::BTreeSet;

use crate::checkout::{Checkout, PageText};
use crate::source::SourceFile;

/// Suffixes by which a word with a slash is known to be a file of the repository.
const SUFFIXES: &[&str] = &[
    "rs", "md", "toml", "sh", "sql", "slint", "ftl", "js", "mjs", "html", "css", "yml", "yaml", "patch",
    "hex", "txt", "py", "service", "desktop", "json",
];

/// Words of code that stand in `sources`, comments left out, and in the other files that are programs or settings.
pub fn known_words(checkout: &Checkout) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    let mut add = |text: &str| known.extend(identifiers(text).map(str::to_owned));
    // Tidy's own samples and excuses name what there is not.
    for source in checkout.sources.iter().filter(|source| !source.path.starts_with("tests/tidy/")) {
        add(&without_comments(source));
    }
    for path in &checkout.files {
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_text = name.rsplit_once('.').is_some_and(|(_, suffix)| {
            suffix != "rs" && suffix != "md" && (SUFFIXES.contains(&suffix) || suffix == "in")
        });
        if is_text || !name.contains('.') {
            add(&std::fs::read_to_string(checkout.root.join(path)).unwrap_or_default());
        }
        add(path);
    }
    known
}

/// The raw text where it is no comment: literals name events, settings and columns.
fn without_comments(source: &SourceFile) -> String {
    let text = source.raw.bytes().zip(source.comments.bytes());
    let text: Vec<u8> =
        text.map(|(raw, comment)| if comment.is_ascii_whitespace() { raw } else { b' ' }).collect();
    String::from_utf8_lossy(&text).into_owned()
}

fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
}

/// What stands in backticks in a document, with its line; blocks of code are left out.
pub fn code_spans(text: &str) -> Vec<(usize, String)> {
    let mut spans = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            // Every second part is inside; a line with an odd number of ticks ends outside.
            let parts: Vec<&str> = line.split('`').collect();
            let inside = parts.iter().skip(1).step_by(2).take(parts.len() / 2);
            spans.extend(inside.map(|span| (index + 1, (*span).to_owned())));
        }
    }
    spans
}

/// What a document names that there is not, with its line. `exceptions` are words of other systems.
pub fn unknown(
    document: &PageText,
    files: &[String],
    known: &BTreeSet<String>,
    exceptions: &[&str],
) -> Vec<(usize, String)> {
    let spans = code_spans(&document.text).into_iter();
    let wrong = spans.filter(|(_, span)| !exceptions.contains(&span.as_str()));
    let wrong = wrong.filter(|(_, span)| {
        if is_path(span, files) {
            !exists(span, &document.path, files)
        } else {
            identifier_parts(span).is_some_and(|mut parts| parts.any(|part| !known.contains(part)))
        }
    });
    wrong.collect()
}

/// A file or folder of the repository, by its look: one word with a slash, no placeholder, not of the machine.
fn is_path(span: &str, files: &[String]) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !span.contains('/') || !span.chars().all(plain) || span.starts_with(['/', '-']) {
        return false;
    }
    let placeholder = |part: &str| part.len() > 1 && part.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    if span.split(['/', '.']).any(placeholder) {
        return false;
    }
    let first = span.split('/').next().unwrap_or_default();
    let is_folder_of_ours =
        files.iter().any(|file| file.strip_prefix(first).is_some_and(|rest| rest.starts_with('/')));
    is_folder_of_ours || span.rsplit_once('.').is_some_and(|(_, suffix)| SUFFIXES.contains(&suffix))
}

/// From the root, from the document's folder, or as the end of a path: `store/writer.rs` in a chapter about the relay.
fn exists(span: &str, document: &str, files: &[String]) -> bool {
    let wanted = span.trim_end_matches('/');
    let mut folder: Vec<&str> = document.split('/').collect();
    folder.pop();
    let mut relative = folder;
    for part in wanted.split('/') {
        match part {
            "." => {}
            ".." => drop(relative.pop()),
            part => relative.push(part),
        }
    }
    let relative = relative.join("/");
    let is_at = |file: &str, path: &str| {
        file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    files.iter().any(|file| {
        is_at(file, &relative)
            || is_at(file, wanted)
            || file.match_indices(wanted).any(|(at, _)| {
                let tail = file.get(at..).unwrap_or_default();
                file.get(..at).is_some_and(|head| head.ends_with('/')) && is_at(tail, wanted)
            })
    })
}

/// The words of what looks like code of ours: `store::Database`, `AlarmRule`, `check_host`, `run()`. `None` for other spans.
fn identifier_parts(span: &str) -> Option<impl Iterator<Item = &str>> {
    let called = span.strip_suffix("()").unwrap_or(span);
    let is_code =
        !called.is_empty() && called.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let humps = called.chars().skip(1).filter(char::is_ascii_uppercase).count();
    let is_camel = called.starts_with(|c: char| c.is_ascii_uppercase())
        && humps > 0
        && called.chars().any(|c| c.is_ascii_lowercase());
    let is_snake = called.contains('_') && called.starts_with(|c: char| c.is_ascii_lowercase());
    let looks_like_code = called.contains("::") || is_camel || is_snake || called.len() < span.len();
    (is_code && looks_like_code && !called.contains(":::"))
        .then(|| called.split("::").filter(|part| !part.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let files = ["relay/src/store/writer.rs".to_owned(), "docs/relay.md".to_owned()];
        let known = ["Database", "store", "check_host"].iter().map(|word| (*word).to_owned()).collect();
        let document = PageText { path: "docs/relay.md".to_owned(), text: text.to_owned() };
        unknown(&document, &files, &known, &["NotifyOnly"]).into_iter().map(|(_, span)| span).collect()
    }

    #[test]
    fn a_path_that_is_not_there_is_found() {
        assert_eq!(
            found("See `relay/src/store/reader.rs` and `relay/nothing`."),
            ["relay/src/store/reader.rs", "relay/nothing"]
        );
        assert!(
            found("See `relay/src/store/writer.rs`, `store/writer.rs`, `relay/src/store/`, `relay.md`.")
                .is_empty()
        );
        assert!(
            found("`/etc/nearhand/agent.toml`, `GROUP/NAME.patch`, `and/or`, `relay/src/*.rs`").is_empty()
        );
    }

    #[test]
    fn an_identifier_that_is_not_there_is_found() {
        assert_eq!(
            found("`Database::open`, `AlarmKind`, `check_hosts`"),
            ["Database::open", "AlarmKind", "check_hosts"]
        );
        assert!(found("`store::Database`, `check_host()`, `--json`, `NotifyOnly`, `plain`").is_empty());
        assert!(found("```\n`AlarmKind`\n```\n").is_empty());
    }
}
