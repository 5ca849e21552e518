//! Which parts of the screen's stream belong to the present beginning, and when its frames arrived. Pure.
//!
//! After `Start` is said anew, frames of the former beginning are still under way. The device counts from 1
//! again, so what comes is of the new one from the next first part of a frame 1 on.

use std::collections::VecDeque;
use std::time::Instant;

use nearhand_proto::message::screen::FRAME_PART;

/// Frames whose arrival is remembered; a device that keeps to its credit has fewer unpainted.
const MOST_ARRIVED: usize = 16;

/// Follows the stream's parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEpoch {
    number: u32,
    /// The frame whose parts are coming, until its last; `None` between two frames.
    open: Option<u32>,
    /// Nothing has come of this beginning yet.
    waiting: bool,
}

/// A part that can't be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the device's frames are out of order or too large")]
pub struct MisplacedPart;

impl StreamEpoch {
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
    /// [`MisplacedPart`] for parts of two frames mixed, or larger than they may be.
    pub fn takes(&mut self, frame: u32, length: usize, last: bool) -> Result<bool, MisplacedPart> {
        if length > FRAME_PART || self.open.is_some_and(|open| open != frame) {
            return Err(MisplacedPart);
        }
        let begins = self.open.is_none();
        self.open = (!last).then_some(frame);
        if self.waiting && begins && frame == 1 {
            self.waiting = false;
        }
        Ok(!self.waiting)
    }
}

/// When frames arrived that are not painted yet.
#[derive(Debug, Default)]
pub struct FrameArrivals(VecDeque<(u32, Instant)>);

impl FrameArrivals {
    /// A frame is there whole.
    pub fn arrived(&mut self, frame: u32, now: Instant) {
        if self.0.len() >= MOST_ARRIVED {
            self.0.pop_front();
        }
        self.0.push_back((frame, now));
    }

    /// A frame is on the screen: for how long it was here, in microseconds. All before it are forgotten.
    pub fn painted(&mut self, frame: u32, now: Instant) -> Option<u32> {
        let place = self.0.iter().position(|(arrived, _)| *arrived == frame)?;
        let (_, at) = self.0.drain(..=place).next_back()?;
        Some(u32::try_from(now.saturating_duration_since(at).as_micros()).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_restart_the_rest_of_the_former_beginning_is_left_out() {
        let mut round = StreamEpoch::first(1);
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
    fn a_frame_was_here_from_its_last_part_to_its_painting() {
        let (mut arrivals, began) = (FrameArrivals::default(), Instant::now());
        let at = |millis| began + std::time::Duration::from_millis(millis);
        for frame in 1..=20 {
            arrivals.arrived(frame, at(frame.into()));
        }
        assert_eq!(arrivals.painted(4, at(40)), None, "forgotten: too many");
        assert_eq!(arrivals.painted(8, at(40)), Some(32_000));
        assert_eq!(arrivals.painted(8, at(41)), None);
        assert_eq!(arrivals.painted(6, at(41)), None);
        assert_eq!(arrivals.painted(20, at(21)), Some(1_000));
    }

    #[test]
    fn parts_of_two_frames_are_not_mixed_and_none_is_too_large() {
        let mut round = StreamEpoch::first(0);
        assert_eq!(round.takes(1, 9, false), Ok(true));
        assert_eq!(round.takes(2, 9, false), Err(MisplacedPart));
        assert_eq!(round.takes(1, FRAME_PART + 1, true), Err(MisplacedPart));
    }
}
