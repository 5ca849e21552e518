//! What is excused from a rule that looks at the whole workspace, each with its reason. The tables only shrink: a row that
//! excuses nothing any more is a finding too.

/// Two files, or a file and those below a folder, that may use each other.
#[derive(Debug)]
pub struct CircleException {
    /// One of them.
    pub file: &'static str,
    /// The other: a path, or a pattern as in [`crate::source::matches`].
    pub with: &'static str,
    /// Why that is better than a third module that both use.
    pub because: &'static str,
}

/// Modules that use each other.
pub const CIRCLES: &[CircleException] = &[CircleException {
    file: "agent/window/src/main.rs",
    with: "agent/window/src/**",
    because: "the markup is compiled into the root of the crate, and its types are there",
}];

/// Names of types that are declared more than once: how often at most, and why that confuses nobody.
pub const REPEATED_NAMES: &[(&str, usize, &str)] = &[
    ("BatchSender", 2, "one for each operating system"),
    ("WakeSignal", 2, "one for each operating system"),
];

/// Names that may be declared more than once, in per cent of all.
pub const REPEATED_SHARE: usize = 8;

/// Files that compile code of another crate with `#[path]`.
pub const FOREIGN_PATHS: &[(&str, &str)] = &[];

/// Words in backticks in documents that look like code of ours and aren't.
pub const DOCUMENT_WORDS: &[(&str, &str)] = &[
    ("a_revoked_grant_ends_the_session", "an example of a test name"),
    ("get_", "a prefix that names must not have"),
];
