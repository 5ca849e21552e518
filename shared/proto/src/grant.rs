//! Capabilities and grants as both ends speak of them.
//!
//! Not here: the decision and its enforcement (the agent's `consent`).

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, SessionId, TechnicianId};
use crate::identity::Statement;
use crate::time::UnixMillis;

/// Longest time anything can be granted for at once.
pub const MAX_DURATION: Duration = Duration::from_secs(12 * 3600);
/// Time granted when nobody says otherwise.
pub const DEFAULT_DURATION: Duration = Duration::from_secs(15 * 60);

/// A kind of act on a device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Capability {
    /// See the screen.
    View,
    /// Use pointer and keyboard.
    Control,
    /// Exchange the clipboard's text and pictures.
    Clipboard,
    /// Send and fetch files.
    Files,
    /// Type commands in a terminal.
    Terminal,
    /// Check how the machine is doing.
    Diagnostics,
    /// Run built-in corrective actions.
    Actions,
    /// Restart the machine.
    Reboot,
    /// See one window, which the person at the device chooses. Says nothing about [`Self::View`], nor that about this.
    Window,
    /// Take one picture of the whole screen, for a report. One grant is one picture, and says nothing about
    /// [`Self::View`].
    Screenshot,
    /// Run a runbook: a repair from the list that the device's owner allows.
    Runbook,
}

impl Capability {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::View,
        Self::Control,
        Self::Clipboard,
        Self::Files,
        Self::Terminal,
        Self::Diagnostics,
        Self::Actions,
        Self::Reboot,
        Self::Window,
        Self::Screenshot,
        Self::Runbook,
    ];

    /// Its name in commands and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Control => "control",
            Self::Clipboard => "clipboard",
            Self::Files => "files",
            Self::Terminal => "terminal",
            Self::Diagnostics => "diagnostics",
            Self::Actions => "actions",
            Self::Reboot => "reboot",
            Self::Window => "window",
            Self::Screenshot => "screenshot",
            Self::Runbook => "runbook",
        }
    }

    /// What granting it means, in words for the customer.
    pub const fn in_plain_words(self) -> &'static str {
        match self {
            Self::View => "see your screen",
            Self::Control => "use your mouse and keyboard",
            Self::Clipboard => "read and fill your clipboard",
            Self::Files => "send and fetch files",
            Self::Terminal => "type commands",
            Self::Diagnostics => "check how your machine is doing (no personal files are read)",
            Self::Actions => "run repairs from a fixed list",
            Self::Reboot => "restart your machine",
            Self::Window => "see one window that you choose",
            Self::Screenshot => {
                "take ONE picture of your screen for the report (whatever is open on it then is in the picture and stays in \
                 the report)"
            }
            Self::Runbook => {
                "run repairs that this machine's owner allows: they change things, such as deleting old temporary \
                 files; you see each, and Stop ends it"
            }
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no such capability; there are view, control, clipboard, files, terminal, diagnostics, actions, reboot, \
     window, screenshot and runbook"
)]
pub struct UnknownCapability;

impl FromStr for Capability {
    type Err = UnknownCapability;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|c| c.name() == text).ok_or(UnknownCapability)
    }
}

/// A set of capabilities.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities(u32);

impl Capabilities {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Whether it holds `capability`.
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// This set and one more.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | capability.bit())
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is here and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether nothing is in it. Bits that no capability has (from a newer peer) count as nothing.
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// Its members in order.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().filter(move |c| self.contains(*c))
    }
}

impl From<Capability> for Capabilities {
    fn from(one: Capability) -> Self {
        Self::NONE.with(one)
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(iter: I) -> Self {
        iter.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Capability::name).collect();
        f.write_str(if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }.as_str())
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Capabilities({self})")
    }
}

/// Who decided on a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum DecidedBy {
    /// The person at the device.
    Person,
    /// The policy file of the device's owner.
    Policy,
}

/// What the device granted, signed by its key: evidence that both ends keep. What may be done is decided by
/// the agent's own clock and state at each request, never by this record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GrantRecord {
    /// The device that grants.
    pub device: DeviceId,
    /// The session it is for.
    pub session: SessionId,
    /// The technician it is for.
    pub technician: TechnicianId,
    /// What may be done.
    pub capabilities: Capabilities,
    /// For how long, in seconds from `at`.
    pub seconds: u32,
    /// When, by the device's clock.
    pub at: UnixMillis,
    /// Who decided on it.
    pub by: DecidedBy,
}

impl Statement for GrantRecord {
    const CONTEXT: &'static str = "grant";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_sets_add_up() {
        for c in Capability::ALL {
            assert_eq!(c.name().parse(), Ok(c));
        }
        assert_eq!("View".parse::<Capability>(), Err(UnknownCapability));
        let set: Capabilities = [Capability::View, Capability::Diagnostics].into_iter().collect();
        assert_eq!(set.to_string(), "view, diagnostics");
        assert_eq!(set.without(Capabilities::NONE.with(Capability::View)).to_string(), "diagnostics");
        assert!(Capabilities(0x8000).is_empty());
    }
}
