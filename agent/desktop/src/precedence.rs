//! Who has the pointer and the keyboard: the person at the device comes first.
//!
//! While they use them, and for a moment after, what the technician sends is dropped. Pure: time is an argument.

use std::time::{Duration, Instant};

/// How long after their last movement or key the person at the device keeps the precedence.
const HOLD: Duration = Duration::from_secs(1);

/// Whether the person at the device is using pointer or keyboard.
#[derive(Debug, Default)]
pub(crate) struct LocalPrecedence {
    until: Option<Instant>,
}

impl LocalPrecedence {
    /// They moved or pressed something. `true` if that begins to hold the technician back.
    pub(crate) fn used(&mut self, now: Instant) -> bool {
        self.until.replace(now + HOLD).is_none()
    }

    /// Whether the technician is held back.
    pub(crate) fn holds(&self) -> bool {
        self.until.is_some()
    }

    /// When to ask [`LocalPrecedence::over`] next.
    pub(crate) fn wake(&self) -> Option<Instant> {
        self.until
    }

    /// `true` if the technician is no longer held back from now on.
    pub(crate) fn over(&mut self, now: Instant) -> bool {
        self.until.take_if(|until| *until <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_holds_for_a_second_and_begins_and_ends_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut precedence = LocalPrecedence::default();
        assert!(!precedence.holds() && !precedence.over(at(0)));
        assert!(precedence.used(at(0)));
        assert!(!precedence.used(at(900)));
        assert!(!precedence.over(at(1_000)) && precedence.holds());
        assert_eq!(precedence.wake(), Some(at(1_900)));
        assert!(precedence.over(at(1_900)) && !precedence.holds());
        assert!(!precedence.over(at(3_000)));
        assert!(precedence.used(at(3_000)));
    }
}
