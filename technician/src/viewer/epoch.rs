//! Which parts of the screen's stream belong to the present epoch, and when its frames arrived. Pure.
//!
//! Each `Start` begins an epoch. After it, frames of the former epoch are still under way. The device counts frames
//! from 1 again, so the new epoch begins with the next first part of a frame 1.

use std::collections::VecDeque;
use std::time::Instant;

use nearhand_proto::message::screen::FRAME_PART;

/// Frames whose arrival is remembered; a device that keeps to its credit has fewer unpainted.
const MOST_ARRIVED: usize = 16;

/// The present epoch, followed part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEpoch {
    number: u32,
    /// The frame whose parts are coming, until its last; `None` between two frames.
    open: Option<u32>,
    /// No frame of this epoch has come yet.
    waiting: bool,
}

/// A part that breaks the order of the stream or its limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the device's frames are out of order or too large")]
pub struct MisplacedPart;

impl StreamEpoch {
    /// The first epoch of a stream.
    pub fn first(number: u32) -> Self {
        Self { number, open: None, waiting: true }
    }

    /// The epoch's number: what the page says of other epochs is dropped.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// `Start` is sent again: the next epoch begins.
    pub fn restart(&mut self) {
        self.number = self.number.wrapping_add(1);
        self.waiting = true;
    }

    /// Whether a part belongs to this epoch; if not, it is left out.
    ///
    /// # Errors
    /// [`MisplacedPart`] for parts of two frames mixed, or larger than they may be.
    pub fn accepts(&mut self, frame: u32, length: usize, last: bool) -> Result<bool, MisplacedPart> {
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

/// Arrival times of frames that are not painted yet.
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
    fn after_a_restart_the_rest_of_the_former_epoch_is_left_out() {
        let mut epoch = StreamEpoch::first(1);
        assert_eq!(epoch.accepts(1, 9, false), Ok(true));
        epoch.restart();
        assert_eq!(epoch.number(), 2);
        assert_eq!(epoch.accepts(1, 9, true), Ok(false), "the rest of the old frame 1");
        assert_eq!(epoch.accepts(2, 9, true), Ok(false));
        assert_eq!(epoch.accepts(1, 9, false), Ok(true));
        assert_eq!(epoch.accepts(1, 9, true), Ok(true));
        assert_eq!(epoch.accepts(2, 9, true), Ok(true));
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
        let mut epoch = StreamEpoch::first(0);
        assert_eq!(epoch.accepts(1, 9, false), Ok(true));
        assert_eq!(epoch.accepts(2, 9, false), Err(MisplacedPart));
        assert_eq!(epoch.accepts(1, FRAME_PART + 1, true), Err(MisplacedPart));
    }
}
