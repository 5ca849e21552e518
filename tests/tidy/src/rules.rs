//! The rules that look at one file at a time. Each has samples in `tests/tidy/samples.rs`: code that breaks it, and the same
//! code put right.

use std::fmt;

use crate::declarations::{camel_words, declared};
use crate::layers::{Ability, CODEC, PLATFORM, SECRET_FILES, UNSAFE, may};
use crate::source::{SourceFile, block_end, line_of, matches, positions};

/// Lines a file may have before its header must say why it has more.
const FILE_LINES: usize = 800;
/// Lines a function may have before its file's header must say why it has more.
const FUNCTION_LINES: usize = 100;

/// Something to put right.
#[derive(Debug)]
pub struct TidyFinding {
    path: String,
    line: usize,
    rule: &'static str,
    what: String,
}

impl fmt::Display for TidyFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.what)
    }
}

/// A rule: looks at a file, returns lines and what is wrong there.
pub struct TidyRule {
    /// The name it is reported and allowed by.
    pub name: &'static str,
    check: fn(&SourceFile) -> Vec<(usize, String)>,
}

impl TidyRule {
    /// What it has to say about `source`.
    pub fn findings(&self, source: &SourceFile) -> Vec<TidyFinding> {
        let found = (self.check)(source).into_iter();
        found
            .map(|(line, what)| TidyFinding { path: source.path.clone(), line, rule: self.name, what })
            .collect()
    }
}

/// All of them.
pub const RULES: &[TidyRule] = &[
    TidyRule { name: "async", check: knows_no_runtime },
    TidyRule { name: "clock", check: reads_no_clock },
    TidyRule { name: "random", check: draws_no_randomness },
    TidyRule { name: "platform", check: is_portable },
    TidyRule { name: "unsafe", check: is_safe },
    TidyRule { name: "codec", check: leaves_encoding_to_the_codec },
    TidyRule { name: "file-size", check: is_short },
    TidyRule { name: "function-size", check: has_short_functions },
    TidyRule { name: "header", check: has_a_header },
    TidyRule { name: "unfinished", check: is_finished },
    TidyRule { name: "names", check: names_say_something },
    TidyRule { name: "ignored-test", check: ignores_tests_with_a_reason },
    TidyRule { name: "secrets", check: prints_no_secrets },
];

/// Lines of `text` where one of the words stands.
fn words(text: &str, words: &[&str], what: &str) -> Vec<(usize, String)> {
    let found = words.iter().flat_map(|word| positions(text, word).map(move |at| (at, *word)));
    found.map(|(at, word)| (line_of(text, at), format!("`{word}` {what}"))).collect()
}

fn knows_no_runtime(source: &SourceFile) -> Vec<(usize, String)> {
    if may(&source.path, Ability::Async) {
        return Vec::new();
    }
    words(
        &source.production,
        &["quinn::", "tokio::"],
        "belongs to a driver; make this a state machine, or list it in DRIVERS",
    )
}

fn reads_no_clock(source: &SourceFile) -> Vec<(usize, String)> {
    if may(&source.path, Ability::Clock) {
        return Vec::new();
    }
    const CLOCKS: &[&str] =
        &["Instant::now", "SystemTime::now", ".elapsed()", "now_utc", "now_local", "clock_gettime"];
    words(&source.production, CLOCKS, "reads a clock; take `now` as an argument")
}

fn draws_no_randomness(source: &SourceFile) -> Vec<(usize, String)> {
    if may(&source.path, Ability::Random) {
        return Vec::new();
    }
    const SOURCES: &[&str] =
        &["OsRng", "thread_rng", "getrandom", "rand::rng", "from_entropy", "SystemRandom"];
    words(&source.production, SOURCES, "draws randomness; take the generator as an argument")
}

fn is_portable(source: &SourceFile) -> Vec<(usize, String)> {
    if PLATFORM.iter().any(|(at, _)| matches(at, &source.path)) {
        return Vec::new();
    }
    const WORDS: &[&str] = &["target_os", "target_family", "cfg(unix)", "cfg(windows)"];
    words(&source.code, WORDS, "belongs to a platform module")
}

fn is_safe(source: &SourceFile) -> Vec<(usize, String)> {
    if UNSAFE.iter().any(|(at, _)| matches(at, &source.path)) {
        return Vec::new();
    }
    words(&source.code, &["unsafe"], "belongs to a platform module")
}

fn leaves_encoding_to_the_codec(source: &SourceFile) -> Vec<(usize, String)> {
    if source.path == CODEC {
        return Vec::new();
    }
    words(&source.code, &["bincode"], "is known to shared/proto/src/wire.rs alone")
}

fn is_short(source: &SourceFile) -> Vec<(usize, String)> {
    let reason = format!("Longer than {FILE_LINES} lines because");
    if source.lines() <= FILE_LINES || source.header().contains(&reason) {
        return Vec::new();
    }
    vec![(1, format!("{} lines: split it, or write in its header \"{reason} …\"", source.lines()))]
}

fn has_short_functions(source: &SourceFile) -> Vec<(usize, String)> {
    let header = source.header();
    let long = positions(&source.code, "fn").filter_map(|at| {
        let lines = source.code.get(at..block_end(&source.code, at)?)?.lines().count();
        let name: String = source
            .code
            .get(at + 2..)?
            .trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        // `fn(` is a type, not a function.
        let reason = format!("`{name}` is longer than {FUNCTION_LINES} lines because");
        (!name.is_empty() && lines > FUNCTION_LINES && !header.contains(&reason)).then(|| {
            let what =
                format!("`{name}` has {lines} lines: split it, or write in the file's header \"{reason} …\"");
            (line_of(&source.code, at), what)
        })
    });
    long.collect()
}

fn has_a_header(source: &SourceFile) -> Vec<(usize, String)> {
    if source.raw.starts_with("//! ") {
        return Vec::new();
    }
    vec![(1, "begin with a `//!` header: what the module is for, what must not live in it".to_owned())]
}

/// Written apart, so that this file holds none of them.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

fn is_finished(source: &SourceFile) -> Vec<(usize, String)> {
    words(&source.raw, UNFINISHED, "is no plan: finish it, or write an issue")
}

/// Words in a name that say nothing about the thing.
const EMPTY_WORDS: &[&str] = &["Manager", "Helper", "Helpers", "Util", "Utils", "Common"];

fn names_say_something(source: &SourceFile) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = type_names(&source.code)
        .filter(|(_, name)| camel_words(name).any(|word| EMPTY_WORDS.contains(&word)))
        .map(|(at, name)| (line_of(&source.code, at), format!("`{name}`: name it after what it does")))
        .collect();
    let is_empty_word = |part: &str| EMPTY_WORDS.iter().any(|word| part.eq_ignore_ascii_case(word));
    if source.path.trim_end_matches(".rs").split('/').any(is_empty_word) {
        found.push((1, "name the file after what is in it".to_owned()));
    }
    found
}

/// Every declared type with its position, aliases too.
fn type_names(code: &str) -> impl Iterator<Item = (usize, &str)> {
    declared(code, &["struct", "enum", "trait", "type", "union"])
        .filter(|(_, name)| name.starts_with(char::is_uppercase))
}

fn ignores_tests_with_a_reason(source: &SourceFile) -> Vec<(usize, String)> {
    let ignore = concat!("#[", "ignore]");
    words(&source.code, &[ignore], "needs a reason: `#[ignore = \"…\"]`")
}

fn prints_no_secrets(source: &SourceFile) -> Vec<(usize, String)> {
    if !SECRET_FILES.iter().any(|at| matches(at, &source.path)) {
        return Vec::new();
    }
    let code = &source.code;
    let secret = type_names(code).filter(|(_, name)| {
        let word = |wanted: &[&str]| camel_words(name).any(|word| wanted.contains(&word));
        word(&["Secret", "Secrets", "Key", "Keys", "Password", "Seed"])
            && !word(&["Public", "Verifying", "Fingerprint", "Id", "Error"])
    });
    let derives_debug = |at: usize| {
        // The item's attributes stand between the end of the item before it and its keyword.
        let head = code.get(..at).unwrap_or_default();
        let start = head.rfind(['}', ';']).map_or(0, |end| end + 1);
        let attributes = head.get(start..).unwrap_or_default();
        attributes.match_indices("derive(").any(|(i, _)| {
            attributes[i..].split(')').next().is_some_and(|list| positions(list, "Debug").next().is_some())
        })
    };
    secret
        .filter(|(at, _)| derives_debug(*at))
        .map(|(at, name)| {
            (line_of(code, at), format!("`{name}` must not derive Debug: write one that hides it"))
        })
        .collect()
}
