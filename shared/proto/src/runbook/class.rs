//! How much a runbook can do to a device, and the hash that names its content.

use core::fmt;

use serde::{Deserialize, Serialize};

/// SHA-256 of a manifest's bytes on the wire: what an order is about.
pub type ContentHash = [u8; 32];

/// How much a run can do to a device. Its number is what owners write in their policy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum RiskClass {
    /// 0: looks only.
    Reads,
    /// 1: can be undone, or removes only what is made to be thrown away.
    Reversible,
    /// 2: somebody may be interrupted: a connection breaks, a job is lost, a program ends.
    Disruptive,
    /// 3: something may be gone for good. Never by itself.
    Destructive,
}

impl RiskClass {
    /// All, the mildest first.
    pub const ALL: [Self; 4] = [Self::Reads, Self::Reversible, Self::Disruptive, Self::Destructive];

    /// 0 to 3.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The class of that number.
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.number() == number)
    }

    /// What it means, for people.
    pub const fn in_plain_words(self) -> &'static str {
        match self {
            Self::Reads => "looks only",
            Self::Reversible => "can be undone, or removes only what is made to be thrown away",
            Self::Disruptive => "may interrupt somebody",
            Self::Destructive => "may remove something for good",
        }
    }
}

impl fmt::Display for RiskClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.number(), self.in_plain_words())
    }
}
