//! Which lines of a terminal are an answer of the person who sees it now. Pure.
//!
//! A technician at the keyboard could type an answer before its question is asked: stop this program with Ctrl-Z, type
//! `sleep 5; fg` and `allow`, and ask then. So what was typed before a question, while this program was stopped, or while it
//! hung, allows nothing.

use std::time::{Duration, Instant};

use crate::platform::TypedInput;

/// A line that is read so soon after the terminal was emptied was on its way already: nobody reads a question and answers it
/// in this time.
const ON_ITS_WAY: Duration = Duration::from_millis(300);
/// A line that was read so long ago was typed while this program hung.
const STALE: Duration = Duration::from_secs(1);

/// Since when what is typed counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TypedAhead {
    /// Input is no terminal: a keyboard doesn't reach it.
    NoTerminal,
    /// From here on.
    From(Instant),
    /// The terminal is to be emptied first.
    NotEmptied,
}

impl TypedAhead {
    /// The terminal was to be emptied now.
    pub(super) fn after(emptied: TypedInput, now: Instant) -> Self {
        match emptied {
            TypedInput::NoTerminal => Self::NoTerminal,
            TypedInput::Emptied => Self::From(now),
            TypedInput::InBackground => Self::NotEmptied,
        }
    }

    /// Whether a line that was read then is the person's own.
    pub(super) fn counts(self, read: Instant, now: Instant) -> bool {
        match self {
            Self::NoTerminal => true,
            Self::From(emptied) => {
                read >= emptied + ON_ITS_WAY && now.saturating_duration_since(read) < STALE
            }
            Self::NotEmptied => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_before_its_question_or_while_the_program_stood_still_does_not_count() {
        let asked = Instant::now();
        let at = |ms| asked + Duration::from_millis(ms);
        let emptied = TypedAhead::after(TypedInput::Emptied, asked);
        assert!(!emptied.counts(at(0), at(1)), "it was on its way");
        assert!(!emptied.counts(at(299), at(300)));
        assert!(emptied.counts(at(2000), at(2001)));
        assert!(!emptied.counts(at(2000), at(3000)), "the program hung");
        let background = TypedAhead::after(TypedInput::InBackground, asked);
        assert!(!background.counts(at(60_000), at(60_001)), "the terminal was never emptied");
        let piped = TypedAhead::after(TypedInput::NoTerminal, asked);
        assert!(piped.counts(at(0), at(5000)), "a keyboard doesn't reach it");
    }
}
