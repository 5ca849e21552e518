//! The paths in a file's code: what its `use` statements bring in, and what it names outside them. Enough of Rust's grammar
//! to tell which module uses which, and no more.

use std::collections::BTreeMap;

use crate::source::line_of;

/// A path as it is written: `crate`, `store`, `Database`.
pub type PathSegments = Vec<String>;

/// A path that code names, or one leaf of a `use` statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedPath {
    /// Its segments; the last is `*` where a `use` takes everything.
    pub segments: PathSegments,
    /// The modules inside the file that it stands in, outermost first.
    pub inline: PathSegments,
    /// The name that a `use` gives it; `None` for other paths.
    pub alias: Option<String>,
    /// Whether a `use` hands it on: `pub use`.
    pub is_handed_on: bool,
    /// The line, counted from 1.
    pub line: usize,
}

/// A word, `::`, or another character.
type CodeToken<'a> = (usize, &'a str);

/// All paths of `code`, those of `use` statements first.
pub fn paths(code: &str) -> Vec<NamedPath> {
    let tokens = tokens(code);
    let mut reader =
        PathReader { code, tokens: &tokens, at: 0, inline: Vec::new(), depth: 0, found: Vec::new() };
    reader.read();
    let (uses, others): (Vec<_>, Vec<_>) = reader.found.into_iter().partition(|path| path.alias.is_some());
    uses.into_iter().chain(others).collect()
}

fn tokens(code: &str) -> Vec<CodeToken<'_>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = code.get(at..).filter(|rest| !rest.is_empty()) {
        let len = match rest.chars().next() {
            Some(c) if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            Some(_) if rest.starts_with("::") => 2,
            Some(c) => c.len_utf8(),
            None => break,
        };
        if let Some(token) = rest.get(..len).filter(|token| !token.trim().is_empty()) {
            tokens.push((at, token));
        }
        at += len;
    }
    tokens
}

struct PathReader<'a> {
    code: &'a str,
    tokens: &'a [CodeToken<'a>],
    at: usize,
    /// Modules inside the file that are open, each with the depth of braces outside it.
    inline: Vec<(String, usize)>,
    depth: usize,
    found: Vec<NamedPath>,
}

impl<'a> PathReader<'a> {
    fn peek(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.at + ahead).map_or("", |(_, token)| token)
    }

    fn before(&self, back: usize) -> &'a str {
        self.at.checked_sub(back).and_then(|at| self.tokens.get(at)).map_or("", |(_, token)| token)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |(at, _)| line_of(self.code, *at))
    }

    fn read(&mut self) {
        while self.at < self.tokens.len() {
            match self.peek(0) {
                "use" if self.before(1) != "." => self.use_statement(),
                "mod" if self.peek(2) == "{" => {
                    self.inline.push((self.peek(1).to_owned(), self.depth));
                    self.at += 2;
                }
                "{" => {
                    self.depth += 1;
                    self.at += 1;
                }
                "}" => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.inline.last().is_some_and(|(_, depth)| *depth == self.depth) {
                        self.inline.pop();
                    }
                    self.at += 1;
                }
                word if is_name(word) && self.peek(1) == "::" && self.before(1) != "::" => self.path(),
                _ => self.at += 1,
            }
        }
    }

    fn add(&mut self, line: usize, segments: PathSegments, alias: Option<String>, is_handed_on: bool) {
        let inline = self.inline.iter().map(|(name, _)| name.clone()).collect();
        self.found.push(NamedPath { segments, inline, alias, is_handed_on, line });
    }

    fn path(&mut self) {
        let line = self.line();
        let mut segments = vec![self.peek(0).to_owned()];
        self.at += 1;
        while self.peek(0) == "::" && is_name(self.peek(1)) {
            segments.push(self.peek(1).to_owned());
            self.at += 2;
        }
        self.add(line, segments, None, false);
    }

    fn use_statement(&mut self) {
        // `pub use` or `pub(crate) use`.
        let is_handed_on = self.before(1) == "pub" || self.before(1) == ")";
        self.at += 1;
        self.use_tree(&Vec::new(), is_handed_on);
    }

    /// One tree, up to the comma, brace or semicolon that ends it.
    fn use_tree(&mut self, prefix: &PathSegments, is_handed_on: bool) {
        let line = self.line();
        let mut segments = prefix.clone();
        loop {
            match self.peek(0) {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    while !matches!(self.peek(0), "}" | ";" | "") {
                        self.use_tree(&segments, is_handed_on);
                        if self.peek(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "*" => {
                    self.at += 1;
                    segments.push("*".to_owned());
                    self.add(line, segments, Some("*".to_owned()), is_handed_on);
                    return;
                }
                "as" => {
                    let alias = self.peek(1).to_owned();
                    self.at += 2;
                    self.add(line, segments, Some(alias), is_handed_on);
                    return;
                }
                word if is_name(word) => {
                    self.at += 1;
                    // `use a::{self}` is `use a`.
                    if word != "self" || segments.is_empty() {
                        segments.push(word.to_owned());
                    }
                }
                _ => {
                    let alias = segments.last().cloned();
                    if alias.is_some() {
                        self.add(line, segments, alias, is_handed_on);
                    } else {
                        self.at += 1;
                    }
                    return;
                }
            }
        }
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// What each name that a file's `use` statements bring in stands for.
pub fn imports(paths: &[NamedPath]) -> BTreeMap<&str, &NamedPath> {
    let named = paths.iter().filter(|path| path.segments.last().is_some_and(|last| last != "*"));
    named.filter_map(|path| Some((path.alias.as_deref()?, path))).collect()
}

#[test]
fn paths_are_read_from_use_trees_and_from_code() {
    let code = "use crate::{a::{B, self}, c as d};\npub use e::*;\nmod m { fn f() { super::g(); } }\nfn h() -> x::Y { B::new::<u8>() }";
    let written: Vec<String> = paths(code)
        .iter()
        .map(|path| {
            let alias = path.alias.as_ref().map_or(String::new(), |alias| format!(" as {alias}"));
            format!("{}:{}{}{alias}", path.line, path.inline.join("/"), path.segments.join("::"))
        })
        .collect();
    assert_eq!(
        written,
        [
            "1:crate::a::B as B",
            "1:crate::a as a",
            "1:crate::c as d",
            "2:e::* as *",
            "3:msuper::g",
            "4:x::Y",
            "4:B::new"
        ]
    );
    assert!(paths(code).iter().filter(|path| path.is_handed_on).all(|path| path.line == 2));
}
