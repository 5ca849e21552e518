//! Comments and documents as prose: words that hide who does what, blocks that say nothing, sentences that are too long.

use crate::source::{SourceFile, line_of, positions};

/// Words of a private English. Each hides a subject, or is a longer way to say something plain; here is what to say instead.
pub const PRIVATE_WORDS: &[(&str, &str)] = &[
    ("whatever", "name it, or `any`"),
    ("whoever", "say who: `a technician`, `anybody who`"),
    ("whomever", "say who"),
    ("anew", "again"),
    ("of its own", "its own …, or `separate`"),
    ("of their own", "their own …, or `separate`"),
    ("beside", "next to, with, compared with"),
    ("so many", "a number, or `that many`"),
    ("for want of", "because there is no"),
];

/// Words that a sentence of a document may have.
pub const SENTENCE_WORDS: usize = 35;

/// Where a private word stands in `text`, in any case, and which.
pub fn private_words(text: &str) -> Vec<(usize, &'static str)> {
    // Words of ASCII have the same positions in lower case.
    let lower = text.to_ascii_lowercase();
    let found = PRIVATE_WORDS
        .iter()
        .flat_map(|(word, _)| positions(&lower, word).map(|at| (at, *word)).collect::<Vec<_>>());
    let mut found: Vec<_> = found.map(|(at, word)| (line_of(text, at), word)).collect();
    found.sort_unstable();
    found
}

/// The `///` blocks of `comments`, each with its first line and its text in one.
pub fn doc_blocks(comments: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (index, line) in comments.lines().enumerate() {
        let text = line.trim().strip_prefix("///").filter(|text| !text.starts_with('/'));
        if let Some(text) = text {
            match blocks.last_mut().filter(|_| inside) {
                Some((_, block)) => {
                    block.push('\n');
                    block.push_str(text.trim());
                }
                None => blocks.push((index + 1, text.trim().to_owned())),
            }
        }
        inside = text.is_some();
    }
    blocks
}

/// Whether a block is two words or fewer: "Which.", "Its name."
pub fn says_nothing(block: &str) -> bool {
    block.split_whitespace().count() <= 2
}

/// Phrases that a caller can't act on: an `# Errors` section with nothing else says nothing.
const EMPTY_ERRORS: &[&str] = &[
    "what the system says",
    "what the disk says",
    "what the database says",
    "what the store says",
    "what the file system says",
    "what it says",
    "whatever",
    "see the type",
];

/// Whether a block has an `# Errors` section that is empty or says nothing.
pub fn has_empty_errors(block: &str) -> bool {
    let Some((_, section)) = block.split_once("# Errors") else { return false };
    let section = section.split("\n# ").next().unwrap_or_default().trim();
    let plain = section.trim_end_matches('.').to_lowercase();
    plain.split_whitespace().count() < 3 || EMPTY_ERRORS.contains(&plain.as_str())
}

/// The sentences of a document that have more words than [`SENTENCE_WORDS`], with their lines. Code, tables and headings are
/// no sentences; an item of a list is a paragraph.
pub fn long_sentences(document: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    let mut paragraph: Option<(usize, String)> = None;
    for (index, line) in document.lines().chain([""]).enumerate() {
        let text = line.trim();
        let is_fence = text.starts_with("```");
        fenced ^= is_fence;
        let indented = paragraph.is_none() && line.starts_with("    ");
        let ends = is_fence || fenced || indented || text.is_empty() || text.starts_with(['|', '#', '<']);
        let begins = text.starts_with("- ") || text.starts_with("* ") || numbered(text);
        if (ends || begins)
            && let Some((first, text)) = paragraph.take()
        {
            found.extend(long_in(first, &text));
        }
        if !ends {
            let (_, paragraph) = paragraph.get_or_insert_with(|| (index + 1, String::new()));
            paragraph.push_str(text);
            paragraph.push(' ');
        }
    }
    found
}

/// `12. ` begins an item.
fn numbered(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && text.get(digits..).is_some_and(|rest| rest.starts_with(". "))
}

/// Sentences end with a stop, a colon, a semicolon, a question or an exclamation mark before a space.
fn long_in(line: usize, paragraph: &str) -> Vec<(usize, String)> {
    let mut sentences = vec![Vec::new()];
    for word in paragraph.split_whitespace() {
        if let Some(sentence) = sentences.last_mut() {
            sentence.push(word);
        }
        if word.trim_end_matches([')', '"', '*', '`']).ends_with(['.', ':', ';', '?', '!']) {
            sentences.push(Vec::new());
        }
    }
    let long = sentences.into_iter().filter(|sentence| sentence.len() > SENTENCE_WORDS);
    long.map(|sentence| (line, sentence.join(" "))).collect()
}

/// Lines of code of a file, and of plain comments: whole lines that are neither documentation nor code.
pub fn code_and_plain_comments(source: &SourceFile) -> (usize, usize) {
    let code = source.production.lines().filter(|line| !line.trim().is_empty()).count();
    let plain =
        source.production_comments.lines().zip(source.production.lines()).filter(|(comment, code)| {
            let comment = comment.trim();
            code.trim().is_empty()
                && comment.starts_with("//")
                && !comment.starts_with("///")
                && !comment.starts_with("//!")
        });
    (code, plain.count())
}

#[test]
fn private_words_are_found_with_their_line() {
    assert_eq!(private_words("// Fine.\n// Whoever asks, anew."), [(2, "anew"), (2, "whoever")]);
    assert!(private_words("// besides, renewed").is_empty());
}

#[test]
fn doc_blocks_are_joined_and_short_ones_seen() {
    let blocks = doc_blocks("/// Which.\n\n/// What is known\n/// of it.\n// plain\n//// ruler\n");
    assert_eq!(blocks, [(1, "Which.".to_owned()), (3, "What is known\nof it.".to_owned())]);
    assert!(says_nothing("Its name.") && !says_nothing("Name of the device."));
}

#[test]
fn errors_that_say_nothing_are_seen() {
    assert!(has_empty_errors("Reads it.\n\n# Errors\nWhat the system says."));
    assert!(has_empty_errors("Reads it.\n\n# Errors\n"));
    assert!(!has_empty_errors("Reads it.\n\n# Errors\nThe file is missing or can't be read."));
    assert!(!has_empty_errors("Reads it."));
}

#[test]
fn long_sentences_are_prose_only() {
    let long = "word ".repeat(SENTENCE_WORDS + 1);
    assert_eq!(long_sentences(&format!("# Head\n\nShort one. {long}.\n")).len(), 1);
    assert_eq!(long_sentences(&format!("```\n{long}\n```\n| {long} |\n\n    {long}\n")).len(), 0);
    assert_eq!(long_sentences(&format!("- {}\n- {}\n", "word ".repeat(20), "word ".repeat(20))).len(), 0);
}
