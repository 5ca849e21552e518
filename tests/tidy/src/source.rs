//! Rust files as text, and what of them is code.
//!
//! The rules search text, so text that isn't code has to go first: comments, the insides of string and character
//! literals, and test modules are blanked with spaces. Positions and line numbers stay what they were.

use std::fs;
use std::io;
use std::path::Path;

/// One Rust file.
pub struct SourceFile {
    /// Its path from the repository's root, with `/` on every system.
    pub path: String,
    /// All of it.
    pub raw: String,
    /// Without comments and the insides of literals.
    pub code: String,
    /// `code` without `#[cfg(test)]` items; nothing at all of a file that is a test.
    pub production: String,
    /// The comments alone.
    pub comments: String,
    /// `comments` without those of `#[cfg(test)]` items; nothing at all of a file that is a test.
    pub production_comments: String,
}

impl SourceFile {
    /// The file at `path`, counted from the root, with this text.
    pub fn new(path: &str, raw: String) -> Self {
        let (code, comments) = code_and_comments(&raw);
        let (production, production_comments) = match is_test_file(path) {
            true => (String::new(), String::new()),
            false => {
                let tests = test_items(&code);
                (without(&code, &tests), without(&comments, &tests))
            }
        };
        Self { path: path.to_owned(), raw, code, production, comments, production_comments }
    }

    /// Every Rust file below `root`, in order of path, leaving out what is built, fetched or hidden.
    ///
    /// # Errors
    /// A directory or a file can't be read.
    pub fn all_under(root: &Path) -> io::Result<Vec<Self>> {
        let rust = files_under(root)?.into_iter().filter(|path| path.ends_with(".rs"));
        rust.map(|path| fs::read_to_string(root.join(&path)).map(|raw| Self::new(&path, raw))).collect()
    }

    /// The module header: the `//!` lines at the head of the file.
    pub fn header(&self) -> String {
        self.raw.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join("\n")
    }

    /// How many lines it has.
    pub fn lines(&self) -> usize {
        self.raw.lines().count()
    }
}

/// Every file below `root` by its path from there, in order, leaving out what is built, fetched or hidden.
///
/// # Errors
/// A directory can't be read.
pub fn files_under(root: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if !name.starts_with('.') && name != "target" && name != "node_modules" {
                    pending.push(path);
                }
            } else {
                let path = path.strip_prefix(root).unwrap_or(&path);
                files.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// `true` where `path` fits `pattern`. `a/b/**` stands for all below `a/b` and for `a/b.rs`; `**/x/**` for all
/// below any directory `x` and for any `x.rs`; anything else is a whole path.
pub fn matches(pattern: &str, path: &str) -> bool {
    let Some(stem) = pattern.strip_suffix("/**") else { return pattern == path };
    match stem.strip_prefix("**/") {
        Some(name) => {
            let directories = path.split('/').rev().skip(1);
            directories.into_iter().any(|part| part == name) || path.ends_with(&format!("/{name}.rs"))
        }
        None => path.strip_prefix(stem).is_some_and(|rest| rest == ".rs" || rest.starts_with('/')),
    }
}

/// A file that is compiled into tests only.
fn is_test_file(path: &str) -> bool {
    path.split('/')
        .any(|part| matches!(part, "tests" | "benches" | "tests.rs") || part.ends_with("_tests.rs"))
}

/// The line, counted from 1, of a position in `text`.
pub fn line_of(text: &str, position: usize) -> usize {
    text.bytes().take(position).filter(|b| *b == b'\n').count() + 1
}

/// Where `word` stands in `text` with no letter, digit or underscore at either of its ends that is one itself.
pub fn positions<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let (first, last) = (is_word(word.as_bytes().first()), is_word(word.as_bytes().last()));
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = at.checked_sub(1).and_then(|i| text.as_bytes().get(i));
        let after = text.as_bytes().get(at + word.len());
        let inside_longer_word = (first && is_word(before)) || (last && is_word(after));
        !inside_longer_word
    })
}

/// The position just behind the brace that closes the first one opened at or after `from`; `None` where a
/// semicolon comes first, or the braces don't match.
pub fn block_end(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    // Brackets count too, so that the `;` of an array type ends nothing.
    let mut brackets = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b';' if depth == 0 && brackets == 0 => return None,
            b'{' => depth += 1,
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(offset + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Where the items with `#[cfg(test)]` stand.
fn test_items(code: &str) -> Vec<(usize, usize)> {
    let marker = "#[cfg(test)]";
    let items = code.match_indices(marker).map(|(start, _)| {
        let end = block_end(code, start + marker.len())
            .or_else(|| code.get(start..)?.find(';').map(|offset| start + offset + 1))
            .unwrap_or(code.len());
        (start, end)
    });
    items.collect()
}

/// `text` with those parts of it blanked: replaced by spaces byte for byte, except for line breaks.
fn without(text: &str, parts: &[(usize, usize)]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (start, end) in parts {
        for byte in bytes.get_mut(*start..*end).unwrap_or_default() {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    // Parts begin and end between characters.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The text without comments and the insides of literals, and the comments alone.
fn code_and_comments(raw: &str) -> (String, String) {
    let (mut hidden, mut code_parts) = (Vec::new(), Vec::new());
    let (mut at, mut code_from) = (0, 0);
    while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
        let (end, blanked) = token(raw, at, rest);
        hidden.extend(blanked);
        if rest.starts_with("//") || rest.starts_with("/*") {
            code_parts.push((code_from, at));
            code_from = end;
        }
        at = end;
    }
    code_parts.push((code_from, raw.len()));
    (without(raw, &hidden), without(raw, &code_parts))
}

/// The end of what begins at `at`, and the part of it to blank.
fn token(raw: &str, at: usize, rest: &str) -> (usize, Option<(usize, usize)>) {
    let all_to = |end: usize| (end, Some((at, end)));
    if rest.starts_with("//") {
        return all_to(rest.find('\n').map_or(raw.len(), |offset| at + offset));
    }
    if rest.starts_with("/*") {
        return all_to(at + block_comment_len(rest));
    }
    let begins_word = !at
        .checked_sub(1)
        .and_then(|i| raw.as_bytes().get(i))
        .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    if begins_word && let Some((open, close)) = raw_string(rest) {
        let body = rest.get(open..).unwrap_or_default();
        let inside = body.find(&close).unwrap_or(body.len());
        return (at + open + (inside + close.len()).min(body.len()), Some((at + open, at + open + inside)));
    }
    if rest.starts_with('"') {
        let inside = literal_len(rest, b'"');
        return ((at + inside + 2).min(raw.len()), Some((at + 1, (at + 1 + inside).min(raw.len()))));
    }
    if rest.starts_with('\'') && is_char_literal(rest) {
        let inside = literal_len(rest, b'\'');
        return ((at + inside + 2).min(raw.len()), Some((at + 1, at + 1 + inside)));
    }
    (at + rest.chars().next().map_or(1, char::len_utf8), None)
}

/// Bytes of the block comment at the head of `rest`, nested ones included.
fn block_comment_len(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// For `r"`, `r#"`, `br##"` and so on: the length of the opening and the text of the closing.
fn raw_string(rest: &str) -> Option<(usize, String)> {
    let prefix =
        if rest.starts_with("br") || rest.starts_with("cr") { 2 } else { usize::from(rest.starts_with('r')) };
    let body = rest.get(prefix..).filter(|_| prefix > 0)?;
    let hashes = body.bytes().take_while(|b| *b == b'#').count();
    (body.as_bytes().get(hashes) == Some(&b'"'))
        .then(|| (prefix + hashes + 1, format!("\"{}", "#".repeat(hashes))))
}

/// Bytes between the quote at the head of `rest` and the next one that isn't escaped.
fn literal_len(rest: &str, quote: u8) -> usize {
    let mut escaped = false;
    for (offset, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return offset - 1,
            _ => {}
        }
    }
    rest.len().saturating_sub(1)
}

/// Tells `'a'` from a lifetime.
fn is_char_literal(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => true,
        (Some(_), Some(next)) => next == '\'',
        _ => false,
    }
}

#[test]
fn comments_literals_and_tests_are_not_code() {
    let raw =
        "a /* x /* y */ z */ b // c\n\"q\\\"{\" r#\"s\"s\"# '{' '\\'' &'life t\n#[cfg(test)]\nmod m { u }\nv";
    let source = SourceFile::new("shared/proto/src/a.rs", raw.to_owned());
    assert_eq!(source.code.len(), raw.len());
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&source.code), words("a b \" \" r#\" \"# ' ' ' ' &'life t #[cfg(test)] mod m { u } v"));
    assert_eq!(words(&source.production), words("a b \" \" r#\" \"# ' ' ' ' &'life t v"));
    assert_eq!(words(&source.comments), words("/* x /* y */ z */ // c"));
    assert_eq!(line_of(raw, raw.len() - 1), 5);
    assert_eq!(SourceFile::new("tests/src/a.rs", "unsafe".to_owned()).production, "");
}

#[test]
fn patterns_match_what_they_say() {
    for (pattern, path, expected) in [
        ("relay/src/store/**", "relay/src/store/mod.rs", true),
        ("relay/src/store/**", "relay/src/store.rs", true),
        ("relay/src/store/**", "relay/src/stores.rs", false),
        ("**/platform/**", "agent/src/platform/linux.rs", true),
        ("**/platform/**", "agent/src/platform.rs", true),
        ("**/platform/**", "agent/src/my_platform.rs", false),
        ("agent/src/main.rs", "agent/src/main.rs", true),
        ("agent/src/main.rs", "agent/src/main.rs.rs", false),
    ] {
        assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
    }
}
