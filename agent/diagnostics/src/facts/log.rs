//! Facts about crashes and logs. Types only.

use serde::{Deserialize, Serialize};

/// A program that crashed.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Crash {
    /// The program's name.
    pub(crate) program: String,
    /// Seconds since 1970.
    pub(crate) at: u64,
}

/// Errors in the journal since the start.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Journal {
    /// Errors of programs, most frequent first.
    pub(crate) programs: Vec<Group>,
    /// Signs of failing hardware in the kernel's messages, by kind.
    pub(crate) kernel: Vec<Group>,
    /// Entries read.
    pub(crate) entries: usize,
    /// `true` where there were more than are read.
    pub(crate) cut: bool,
    /// `true` where this user sees only own entries.
    pub(crate) restricted: bool,
}

/// Entries that say the same.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    /// Who wrote them.
    pub(crate) source: String,
    /// What they say, with numbers and secrets taken out.
    pub(crate) pattern: String,
    /// How many.
    pub(crate) count: usize,
}

/// Starts that followed no orderly stop.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct UncleanBoots {
    /// Seconds since 1970 of each.
    pub(crate) at: Vec<u64>,
}
