//! Which moment of a recording shows what. Pure: chunks in, steps and playing times out.
//!
//! Time is the device's: each part has its own clock. Parts follow each other after a short pause, even where the
//! session was interrupted for longer. Each first frame needs a new decoder; frames before the first one of a part
//! belong to an earlier stream and are left out.

use nearhand_proto::message::screen::{
    CursorPicture, FRAME_PART, FrameEnd, FromScreen, MAX_CURSOR, MAX_MONITORS, ScreenPoint,
};

use super::format::RecordingChunk;

/// Pause between two parts, in milliseconds.
pub const PAUSE: u64 = 1000;
/// Longest recording that is shown, in milliseconds: twice the longest grant.
pub const LONGEST: u64 = 24 * 3600 * 1000;

/// What happens on the screen at a moment of a recording.
#[derive(Clone, PartialEq, Debug)]
pub enum PlaybackStep {
    /// Nothing is known of earlier frames from here on.
    Begin,
    /// A part of a frame.
    Frame {
        /// The frame's number.
        frame: u32,
        /// The part's bytes.
        part: Vec<u8>,
        /// Present in its last part.
        last: Option<FrameEnd>,
    },
    /// The pointer has another picture.
    Cursor(CursorPicture),
    /// The pointer was moved.
    CursorAt(Option<ScreenPoint>),
    /// There was nothing to see.
    Gone(String),
    /// Nothing that shows.
    Nothing,
}

/// The device's messages break the rules of the screen's stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the device's messages in this recording make no sense")]
pub struct TimelineError;

/// Follows a recording's chunks.
#[derive(Clone, Debug, Default)]
pub struct PlaybackTimeline {
    /// Where the present part begins.
    base: u64,
    /// The part's clock.
    clock: u32,
    part: u32,
    /// The frame whose parts are coming.
    open: Option<u32>,
    /// A first frame has come in this part.
    began: bool,
}

impl PlaybackTimeline {
    /// Playing time so far, in milliseconds.
    pub fn now(&self) -> u64 {
        self.base + u64::from(self.clock)
    }

    /// Adds the next chunk of a verified recording; returns the steps that it causes, in order.
    ///
    /// # Errors
    /// [`TimelineError`]: the chunk's message makes no sense where it stands; the playback has to stop.
    pub fn add(&mut self, chunk: RecordingChunk) -> Result<[PlaybackStep; 2], TimelineError> {
        let RecordingChunk::Message(message) = chunk else {
            return Ok([PlaybackStep::Nothing, PlaybackStep::Nothing]);
        };
        let act = match message {
            FromScreen::Head(head) => {
                let head = head.peek().map_err(|_| TimelineError)?;
                if head.part != self.part {
                    self.base = if self.part == 0 { 0 } else { self.now() + PAUSE };
                    (self.part, self.clock, self.open, self.began) = (head.part, 0, None, false);
                }
                self.clock = self.clock.max(head.millis);
                PlaybackStep::Nothing
            }
            FromScreen::Clock(millis) => {
                self.clock = self.clock.max(millis);
                PlaybackStep::Nothing
            }
            FromScreen::Frame { frame, part, last } => return self.frame(frame, part, last),
            FromScreen::Cursor(cursor) => {
                let pixels = usize::from(cursor.width) * usize::from(cursor.height);
                if cursor.width.max(cursor.height) > MAX_CURSOR || cursor.rgba.len() != pixels * 4 {
                    return Err(TimelineError);
                }
                PlaybackStep::Cursor(cursor)
            }
            FromScreen::CursorAt(at) => PlaybackStep::CursorAt(at),
            FromScreen::Gone(why) => PlaybackStep::Gone(why),
            FromScreen::Monitors(monitors) if monitors.len() <= MAX_MONITORS => PlaybackStep::Nothing,
            FromScreen::Monitors(_) => return Err(TimelineError),
        };
        if self.now() > LONGEST {
            return Err(TimelineError);
        }
        Ok([act, PlaybackStep::Nothing])
    }

    fn frame(
        &mut self,
        frame: u32,
        part: Vec<u8>,
        last: Option<FrameEnd>,
    ) -> Result<[PlaybackStep; 2], TimelineError> {
        if part.len() > FRAME_PART || self.open.is_some_and(|open| open != frame) {
            return Err(TimelineError);
        }
        let begins = self.open.is_none() && frame == 1;
        self.open = last.is_none().then_some(frame);
        self.began |= begins;
        let act = PlaybackStep::Frame { frame, part, last };
        Ok(match (self.began, begins) {
            (false, _) => [PlaybackStep::Nothing, PlaybackStep::Nothing],
            (true, true) => [PlaybackStep::Begin, act],
            (true, false) => [act, PlaybackStep::Nothing],
        })
    }
}
