//! Alarms that come and go: how often an alarm may be told of, and when it is quiet again.
//!
//! A device damps its own flapping; this is for one that doesn't, by mistake or on purpose. Its receivers hear "flapping"
//! once, then nothing until the alarm has been steady for a while, and then how it stands. What becomes worse than
//! anything it was before is told at once.

use nearhand_proto::alarm::Severity;
use nearhand_proto::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Changes are counted for so long, in milliseconds.
pub const WINDOW: u64 = 10 * 60_000;
/// How many changes of one alarm within [`WINDOW`] are told; 0: all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DampingLimit(pub u32);

impl Default for DampingLimit {
    fn default() -> Self {
        Self(8)
    }
}

/// Without a change for so long, it is steady, in milliseconds.
pub const STEADY: u64 = 10 * 60_000;

/// How often an alarm was told of lately.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AlarmDamping {
    /// When counting began, in milliseconds.
    began: u64,
    /// Changes since then.
    count: u32,
    /// Set while it changes too often.
    quiet: Option<QuietSpell>,
}

/// An alarm that changes too often.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct QuietSpell {
    /// It is steady if nothing happens until then.
    until: UnixMillis,
    /// The worst that it was; what is worse is news.
    worst: Severity,
}

impl AlarmDamping {
    /// When it counts as steady, if it changes too often now.
    pub fn until(&self) -> Option<UnixMillis> {
        self.quiet.map(|quiet| quiet.until)
    }

    /// Whether a change to `severity` is kept from receivers.
    pub fn hides(&self, severity: Severity) -> bool {
        self.quiet.is_some_and(|quiet| severity <= quiet.worst)
    }

    /// A device's event happened: a quiet alarm has to be steady from now on.
    pub(super) fn happened(&mut self, at: UnixMillis) {
        if let Some(quiet) = &mut self.quiet {
            quiet.until = UnixMillis(at.0.saturating_add(STEADY));
        }
    }

    /// A device's event is about to be told. `false`: it changes too often, and this is the last that is told.
    pub(super) fn may_tell(&mut self, severity: Severity, at: UnixMillis, limit: DampingLimit) -> bool {
        if at.0.saturating_sub(self.began) > WINDOW {
            (self.began, self.count) = (at.0, 0);
        }
        self.count = self.count.saturating_add(1);
        if limit.0 == 0 || self.count <= limit.0 {
            return true;
        }
        let worst = self.quiet.map_or(severity, |quiet| quiet.worst.max(severity));
        self.quiet = Some(QuietSpell { until: UnixMillis(at.0.saturating_add(STEADY)), worst });
        false
    }

    /// The clock says that it is steady.
    pub(super) fn steady(&mut self, at: UnixMillis) {
        if self.quiet.is_some_and(|quiet| quiet.until <= at) {
            *self = Self::default();
        }
    }
}
