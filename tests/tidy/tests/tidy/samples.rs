//! For each rule, code that breaks it and the same code put right: what shows that a rule can fail.

use nearhand_tidy::rules::RULES;
use nearhand_tidy::source::SourceFile;

/// A file that breaks a rule, and what it becomes when put right.
pub(crate) struct RuleSample {
    pub(crate) rule: &'static str,
    pub(crate) path: &'static str,
    bad: &'static str,
    good: &'static str,
    /// Lines put into the place of `…`, for rules about size.
    filler: usize,
}

impl RuleSample {
    pub(crate) fn bad(&self) -> String {
        self.bad.replace('…', &"f();\n".repeat(self.filler))
    }

    pub(crate) fn good(&self) -> String {
        self.good.replace('…', &"f();\n".repeat(self.filler))
    }
}

const fn sample(rule: &'static str, path: &'static str, bad: &'static str, good: &'static str) -> RuleSample {
    RuleSample { rule, path, bad, good, filler: 0 }
}

const fn sized(rule: &'static str, filler: usize, bad: &'static str, good: &'static str) -> RuleSample {
    RuleSample { rule, path: "shared/proto/src/grant.rs", bad, good, filler }
}

pub(crate) const SAMPLES: &[RuleSample] = &[
    sample("async", "shared/proto/src/grant.rs", "use quinn::Connection;", "// quinn::Connection"),
    sample(
        "async",
        "agent/core/src/consent/mod.rs",
        "async fn f() { tokio::spawn(g()) }",
        "#[cfg(test)] mod t { use tokio::x; }",
    ),
    sample(
        "async",
        "relay/core/src/forward/table.rs",
        "use tokio::net::UdpSocket;",
        "use std::net::SocketAddr;",
    ),
    sample("clock", "shared/proto/src/grant.rs", "let t = Instant::now();", "let t = now;"),
    sample(
        "clock",
        "relay/core/src/registry/mod.rs",
        "if start.elapsed() > LIMIT {}",
        "if now - start > LIMIT {}",
    ),
    sample("clock", "agent/diagnostics/src/diagnosis/disks.rs", "SystemTime::now()", "\"SystemTime::now\""),
    sample("random", "shared/proto/src/pake.rs", "OsRng.fill_bytes(&mut b)", "rng.fill_bytes(&mut b)"),
    sample("random", "relay/core/src/registry/routing.rs", "rand_core::OsRng", "rng: &mut impl CryptoRng"),
    sample("platform", "agent/core/src/consent.rs", "#[cfg(target_os = \"linux\")] fn f() {}", "fn f() {}"),
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
    sample(
        "names",
        "shared/proto/src/grant.rs",
        "pub(crate) struct GrantManager;",
        "pub(crate) struct GrantLedger;",
    ),
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
        "#[derive(Clone, Debug)]\n/// The seed.\npub(crate) struct DeviceKey([u8; 32]);",
        "#[derive(Debug)]\npub(crate) struct PublicKey([u8; 32]);\n#[derive(Clone)]\npub(crate) struct DeviceKey([u8; 32]);",
    ),
];

#[test]
fn a_file_name_that_says_nothing_is_found() {
    let names = RULES.iter().find(|rule| rule.name == "names").expect("the rule");
    assert_eq!(names.findings(&SourceFile::new("agent/src/utils.rs", String::new())).len(), 1);
    assert_eq!(names.findings(&SourceFile::new("agent/src/common/mod.rs", String::new())).len(), 1);
    assert!(names.findings(&SourceFile::new("agent/src/command/mod.rs", String::new())).is_empty());
}

#[test]
fn findings_name_the_line() {
    let clock = RULES.iter().find(|rule| rule.name == "clock").expect("the rule");
    let found = clock.findings(&SourceFile::new(
        "shared/proto/src/a.rs",
        "//! A.\n\nfn f() {\n    Instant::now();\n}\n".to_owned(),
    ));
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().starts_with("shared/proto/src/a.rs:4: clock: "), "{}", found[0]);
}
