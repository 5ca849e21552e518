//! Facts about crashes and logs. Types only.

use serde::{Deserialize, Serialize};

/// A program that crashed.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct ProgramCrash {
    /// The program's name.
    pub program: String,
    /// Seconds since 1970.
    pub at: u64,
}

/// Errors in the journal since the start.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct JournalErrors {
    /// Errors of programs, most frequent first.
    pub programs: Vec<JournalGroup>,
    /// Signs of failing hardware in the kernel's messages, by kind.
    pub kernel: Vec<JournalGroup>,
    /// Number of entries that were read.
    pub entries: usize,
    /// `true` where there were more than are read.
    pub cut: bool,
    /// `true` where this user sees only own entries.
    pub restricted: bool,
}

/// Entries that say the same.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct JournalGroup {
    /// Who wrote them.
    pub source: String,
    /// What they say, with numbers and secrets taken out.
    pub pattern: String,
    /// How often the entry was found.
    pub count: usize,
}

/// Starts that followed no orderly stop.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct UncleanBoots {
    /// Seconds since 1970 of each.
    pub at: Vec<u64>,
}
