//! Which parts of the screen's stream belong to the present beginning. Pure.
//!
//! After `Start` is said anew, frames of the former beginning are still under way. The device counts from 1
//! again, so what comes is of the new one from the next first part of a frame 1 on.

use nearhand_shared::message::screen::FRAME_PART;

/// Follows the stream's parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    number: u32,
    /// The frame whose parts are coming, until its last; `None` between two frames.
    open: Option<u32>,
    /// Nothing has come of this beginning yet.
    waiting: bool,
}

/// A part that can't be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the device's frames are out of order or too large")]
pub struct Misplaced;

impl Round {
    /// The first beginning of a stream.
    pub fn first(number: u32) -> Self {
        Self { number, open: None, waiting: true }
    }

    /// Its number: what the page says of other rounds is dropped.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// `Start` is said anew.
    pub fn restart(&mut self) {
        self.number = self.number.wrapping_add(1);
        self.waiting = true;
    }

    /// Whether a part is of this beginning; if not, it is left out.
    ///
    /// # Errors
    /// [`Misplaced`] for parts of two frames mixed, or larger than they may be.
    pub fn takes(&mut self, frame: u32, length: usize, last: bool) -> Result<bool, Misplaced> {
        if length > FRAME_PART || self.open.is_some_and(|open| open != frame) {
            return Err(Misplaced);
        }
        let begins = self.open.is_none();
        self.open = (!last).then_some(frame);
        if self.waiting && begins && frame == 1 {
            self.waiting = false;
        }
        Ok(!self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_restart_the_rest_of_the_former_beginning_is_left_out() {
        let mut round = Round::first(1);
        assert_eq!(round.takes(1, 9, false), Ok(true));
        round.restart();
        assert_eq!(round.number(), 2);
        assert_eq!(round.takes(1, 9, true), Ok(false), "the rest of the old frame 1");
        assert_eq!(round.takes(2, 9, true), Ok(false));
        assert_eq!(round.takes(1, 9, false), Ok(true));
        assert_eq!(round.takes(1, 9, true), Ok(true));
        assert_eq!(round.takes(2, 9, true), Ok(true));
    }

    #[test]
    fn parts_of_two_frames_are_not_mixed_and_none_is_too_large() {
        let mut round = Round::first(0);
        assert_eq!(round.takes(1, 9, false), Ok(true));
        assert_eq!(round.takes(2, 9, false), Err(Misplaced));
        assert_eq!(round.takes(1, FRAME_PART + 1, true), Err(Misplaced));
    }
}
