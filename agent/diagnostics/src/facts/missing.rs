//! A fact, or why it isn't known.

use serde::{Deserialize, Serialize};

/// Why a fact isn't known. Shown to a person as a skipped finding's reason.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum MissingFact {
    /// The file, program or device that would tell isn't on this system.
    #[error("{0} is not on this system")]
    Absent(String),
    /// It is there, and this user may not read it.
    #[error("{0}: permission denied; run as root to check this")]
    Denied(String),
    /// The source gave no answer in its time.
    #[error("no answer within {0} ms")]
    TimedOut(u64),
    /// The question has no meaning here, for example without a network.
    #[error("{0}")]
    NotApplicable(String),
    /// The source answered with something that can't be used.
    #[error("{what}: {why}")]
    Failed {
        /// The source that failed.
        what: String,
        /// What was wrong, in the system's words.
        why: String,
    },
}

impl MissingFact {
    /// The source `what` failed with an input/output error.
    pub fn from_io(what: &str, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Absent(what.to_owned()),
            std::io::ErrorKind::PermissionDenied => Self::Denied(what.to_owned()),
            _ => Self::failed(what, error),
        }
    }

    /// The source `what` gave something that can't be used.
    pub fn failed(what: &str, why: impl core::fmt::Display) -> Self {
        Self::Failed { what: what.to_owned(), why: why.to_string() }
    }
}

impl From<&MissingFact> for MissingFact {
    fn from(missing: &MissingFact) -> Self {
        missing.clone()
    }
}

/// A fact, or why it isn't known.
pub type Fact<T> = Result<T, MissingFact>;
