//! The rules, and for each a sample that breaks it and one that doesn't.

use std::fmt;

use super::layers::{Ability, CODEC, PLATFORM, SECRET_FILES, UNSAFE, may};
use super::source::{Source, block_end, line_of, matches, positions};

/// Lines a file may have before its header must say why it has more.
const FILE_LINES: usize = 800;
/// Lines a function may have before its file's header must say why it has more.
const FUNCTION_LINES: usize = 100;

/// Something to put right.
#[derive(Debug)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    rule: &'static str,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.what)
    }
}

/// A rule: looks at a file, returns lines and what is wrong there.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    check: fn(&Source) -> Vec<(usize, String)>,
}

impl Rule {
    pub(crate) fn findings(&self, source: &Source) -> Vec<Finding> {
        let found = (self.check)(source).into_iter();
        found.map(|(line, what)| Finding { path: source.path.clone(), line, rule: self.name, what }).collect()
    }
}

pub(crate) const RULES: &[Rule] = &[
    Rule { name: "async", check: knows_no_runtime },
    Rule { name: "clock", check: reads_no_clock },
    Rule { name: "random", check: draws_no_randomness },
    Rule { name: "platform", check: is_portable },
    Rule { name: "unsafe", check: is_safe },
    Rule { name: "codec", check: leaves_encoding_to_the_codec },
    Rule { name: "file-size", check: is_short },
    Rule { name: "function-size", check: has_short_functions },
    Rule { name: "header", check: has_a_header },
    Rule { name: "unfinished", check: is_finished },
    Rule { name: "names", check: names_say_something },
    Rule { name: "ignored-test", check: ignores_tests_with_a_reason },
    Rule { name: "secrets", check: prints_no_secrets },
];

/// Lines of `text` where one of the words stands.
fn words(text: &str, words: &[&str], what: &str) -> Vec<(usize, String)> {
    let found = words.iter().flat_map(|word| positions(text, word).map(move |at| (at, *word)));
    found.map(|(at, word)| (line_of(text, at), format!("`{word}` {what}"))).collect()
}

fn knows_no_runtime(source: &Source) -> Vec<(usize, String)> {
    if may(&source.path, Ability::Async) {
        return Vec::new();
    }
    words(
        &source.production,
        &["quinn::", "tokio::"],
        "belongs to a driver; make this a state machine, or list it in DRIVERS",
    )
}

fn reads_no_clock(source: &Source) -> Vec<(usize, String)> {
    if may(&source.path, Ability::Clock) {
        return Vec::new();
    }
    const CLOCKS: &[&str] =
        &["Instant::now", "SystemTime::now", ".elapsed()", "now_utc", "now_local", "clock_gettime"];
    words(&source.production, CLOCKS, "reads a clock; take `now` as an argument")
}

fn draws_no_randomness(source: &Source) -> Vec<(usize, String)> {
    if may(&source.path, Ability::Random) {
        return Vec::new();
    }
    const SOURCES: &[&str] =
        &["OsRng", "thread_rng", "getrandom", "rand::rng", "from_entropy", "SystemRandom"];
    words(&source.production, SOURCES, "draws randomness; take the generator as an argument")
}

fn is_portable(source: &Source) -> Vec<(usize, String)> {
    if PLATFORM.iter().any(|(at, _)| matches(at, &source.path)) {
        return Vec::new();
    }
    const WORDS: &[&str] = &["target_os", "target_family", "cfg(unix)", "cfg(windows)"];
    words(&source.code, WORDS, "belongs to a platform module")
}

fn is_safe(source: &Source) -> Vec<(usize, String)> {
    if UNSAFE.iter().any(|(at, _)| matches(at, &source.path)) {
        return Vec::new();
    }
    words(&source.code, &["unsafe"], "belongs to a platform module")
}

fn leaves_encoding_to_the_codec(source: &Source) -> Vec<(usize, String)> {
    if source.path == CODEC {
        return Vec::new();
    }
    words(&source.code, &["bincode"], "is known to shared/proto/src/wire.rs alone")
}

fn is_short(source: &Source) -> Vec<(usize, String)> {
    let reason = format!("Longer than {FILE_LINES} lines because");
    if source.lines() <= FILE_LINES || source.header().contains(&reason) {
        return Vec::new();
    }
    vec![(1, format!("{} lines: split it, or write in its header \"{reason} …\"", source.lines()))]
}

fn has_short_functions(source: &Source) -> Vec<(usize, String)> {
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

fn has_a_header(source: &Source) -> Vec<(usize, String)> {
    if source.raw.starts_with("//! ") {
        return Vec::new();
    }
    vec![(1, "begin with a `//!` header: what the module is for, what must not live in it".to_owned())]
}

/// Written apart, so that this file holds none of them.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

fn is_finished(source: &Source) -> Vec<(usize, String)> {
    words(&source.raw, UNFINISHED, "is no plan: finish it, or write an issue")
}

/// Words in a name that say nothing about the thing.
const EMPTY_WORDS: &[&str] = &["Manager", "Helper", "Helpers", "Util", "Utils", "Common"];

fn names_say_something(source: &Source) -> Vec<(usize, String)> {
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

/// Every declared type with its position.
fn type_names(code: &str) -> impl Iterator<Item = (usize, &str)> {
    ["struct", "enum", "trait", "type", "union"].into_iter().flat_map(move |keyword| {
        positions(code, keyword).filter_map(move |at| {
            let rest = code.get(at + keyword.len()..)?.trim_start();
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let name = rest.get(..end)?;
            name.starts_with(char::is_uppercase).then_some((at, name))
        })
    })
}

/// `AudioInput` as `Audio`, `Input`.
fn camel_words(name: &str) -> impl Iterator<Item = &str> {
    let mut starts: Vec<usize> =
        name.char_indices().filter(|(_, c)| c.is_uppercase()).map(|(i, _)| i).collect();
    starts.push(name.len());
    let ends: Vec<usize> = starts.iter().skip(1).copied().collect();
    starts.into_iter().zip(ends).filter_map(|(start, end)| name.get(start..end))
}

fn ignores_tests_with_a_reason(source: &Source) -> Vec<(usize, String)> {
    let ignore = concat!("#[", "ignore]");
    words(&source.code, &[ignore], "needs a reason: `#[ignore = \"…\"]`")
}

fn prints_no_secrets(source: &Source) -> Vec<(usize, String)> {
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

/// A file that breaks a rule, and what it becomes when put right.
pub(crate) struct Sample {
    pub(crate) rule: &'static str,
    pub(crate) path: &'static str,
    bad: &'static str,
    good: &'static str,
    /// Lines put into the place of `…`, for rules about size.
    filler: usize,
}

impl Sample {
    pub(crate) fn bad(&self) -> String {
        self.bad.replace('…', &"f();\n".repeat(self.filler))
    }

    pub(crate) fn good(&self) -> String {
        self.good.replace('…', &"f();\n".repeat(self.filler))
    }
}

const fn sample(rule: &'static str, path: &'static str, bad: &'static str, good: &'static str) -> Sample {
    Sample { rule, path, bad, good, filler: 0 }
}

const fn sized(rule: &'static str, filler: usize, bad: &'static str, good: &'static str) -> Sample {
    Sample { rule, path: "shared/proto/src/grant.rs", bad, good, filler }
}

pub(crate) const SAMPLES: &[Sample] = &[
    sample("async", "shared/proto/src/grant.rs", "use quinn::Connection;", "// quinn::Connection"),
    sample(
        "async",
        "agent/src/consent/mod.rs",
        "async fn f() { tokio::spawn(g()) }",
        "#[cfg(test)] mod t { use tokio::x; }",
    ),
    sample("async", "relay/src/forward/table.rs", "use tokio::net::UdpSocket;", "use std::net::SocketAddr;"),
    sample("clock", "shared/proto/src/grant.rs", "let t = Instant::now();", "let t = now;"),
    sample(
        "clock",
        "relay/src/registry/mod.rs",
        "if start.elapsed() > LIMIT {}",
        "if now - start > LIMIT {}",
    ),
    sample("clock", "agent/src/diagnostics/diagnosis/disks.rs", "SystemTime::now()", "\"SystemTime::now\""),
    sample("random", "shared/proto/src/pake.rs", "OsRng.fill_bytes(&mut b)", "rng.fill_bytes(&mut b)"),
    sample("random", "relay/src/registry/routing.rs", "rand_core::OsRng", "rng: &mut impl CryptoRng"),
    sample("platform", "agent/src/consent.rs", "#[cfg(target_os = \"linux\")] fn f() {}", "fn f() {}"),
    sample("unsafe", "relay/src/store/mod.rs", "unsafe { f() }", "#![deny(unsafe_code)]"),
    sample(
        "platform",
        "technician/src/main.rs",
        "if cfg!(target_os = \"windows\") {}",
        "if platform::has_tray() {}",
    ),
    sample(
        "codec",
        "shared/report/src/mod.rs",
        "bincode::serde::encode_to_vec(x, c)",
        "/// not bincode\nwire::encode(x)",
    ),
    sized("file-size", 900, "//! Grants.\n…", "//! Grants. Longer than 800 lines because it is a table.\n…"),
    sized(
        "function-size",
        101,
        "//! Grants.\nfn check(a: [u8; 4]) -> bool {\n…}",
        "//! `check` is longer than 100 lines because it is a table.\nfn check(a: [u8; 4]) -> bool {\n…}",
    ),
    sample("header", "shared/proto/src/grant.rs", "use core::fmt;", "//! Grants.\nuse core::fmt;"),
    sample(
        "unfinished",
        "shared/proto/src/grant.rs",
        concat!("// TO", "DO: later"),
        "// Expiry is checked by the caller.",
    ),
    sample("unfinished", "shared/proto/src/grant.rs", concat!("// FIX", "ME"), "// Fixed."),
    sample("names", "shared/proto/src/grant.rs", "pub struct GrantManager;", "pub struct GrantLedger;"),
    sample("names", "shared/proto/src/grant.rs", "enum CommonError {}", "enum Commoner {}"),
    sample("names", "shared/proto/src/grant.rs", "trait PathHelper {}", "fn manager() {}"),
    sample(
        "ignored-test",
        "shared/proto/src/grant.rs",
        concat!("#[", "ignore]\nfn f() {}"),
        "#[ignore = \"needs a screen\"]\nfn f() {}",
    ),
    sample(
        "secrets",
        "shared/proto/src/credential.rs",
        "#[derive(Clone, Debug)]\n/// The seed.\npub struct DeviceKey([u8; 32]);",
        "#[derive(Debug)]\npub struct PublicKey([u8; 32]);\n#[derive(Clone)]\npub struct DeviceKey([u8; 32]);",
    ),
];

#[test]
fn a_file_name_that_says_nothing_is_found() {
    let names = RULES.iter().find(|rule| rule.name == "names").expect("the rule");
    assert_eq!(names.findings(&Source::new("agent/src/utils.rs", String::new())).len(), 1);
    assert_eq!(names.findings(&Source::new("agent/src/common/mod.rs", String::new())).len(), 1);
    assert!(names.findings(&Source::new("agent/src/command/mod.rs", String::new())).is_empty());
}

#[test]
fn findings_name_the_line() {
    let clock = RULES.iter().find(|rule| rule.name == "clock").expect("the rule");
    let found = clock.findings(&Source::new(
        "shared/proto/src/a.rs",
        "//! A.\n\nfn f() {\n    Instant::now();\n}\n".to_owned(),
    ));
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().starts_with("shared/proto/src/a.rs:4: clock: "), "{}", found[0]);
}
