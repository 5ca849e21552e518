//! One exact picture of the whole screen, in one frame: a screenshot.
//!
//! Nothing is watched for it, and there is no pace: the frame is coded at once and waits in the process for the pipe.

use std::time::{Duration, Instant};

use nearhand_proto::message::screen::{FRAME_PART, FrameEnd, FromScreen};
use nearhand_screen::{FrameSettings, PhotoQuality, Picture, ScreenEncoder};

use super::monitor_choice;
use super::outgoing::OutgoingMessages;
use super::protocol::FromDesktop;
use super::source::{DisplayError, ScreenSource};

/// A screen that refuses to be captured is being resized: how long until it is tried again.
const RESIZING: Duration = Duration::from_millis(200);
/// The whole picture without loss, without a limit on time or bytes.
const WHOLE: FrameSettings = FrameSettings {
    budget: usize::MAX,
    pixels: usize::MAX,
    photos: PhotoQuality::Exact,
    refine: true,
    focus: None,
};

/// Whether a picture is wanted.
#[derive(Debug, Default)]
pub(super) struct ScreenSnapshot {
    due: Option<Instant>,
}

impl ScreenSnapshot {
    /// One is wanted.
    pub(super) fn want(&mut self, now: Instant) {
        self.due = Some(now);
    }

    /// When [`ScreenSnapshot::work`] has something to do although nothing happens.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.due
    }

    /// Takes the picture, if one is wanted and can be taken now.
    pub(super) fn work(
        &mut self,
        display: &mut impl ScreenSource,
        now: Instant,
        out: &mut OutgoingMessages,
    ) -> Result<(), DisplayError> {
        if self.due.is_none_or(|due| due > now) {
            return Ok(());
        }
        let size = display.size();
        if let Err(why) = monitor_choice::choose(size, display.monitors(), None) {
            self.due = None;
            out.push(&gone(&why.to_string()));
            return Ok(());
        }
        let mut picture = Picture::black(size);
        if !display.capture(size.rect(), &[size.rect()], &mut picture)? {
            self.due = Some(now + RESIZING);
            return Ok(());
        }
        self.due = None;
        for message in frame(&picture) {
            out.push(&message);
        }
        Ok(())
    }
}

fn gone(why: &str) -> FromDesktop {
    FromDesktop::Screen(FromScreen::Gone(why.to_owned()))
}

/// The picture as the parts of frame 1.
fn frame(picture: &Picture) -> Vec<FromDesktop> {
    let coded = ScreenEncoder::new(picture.size()).encode(picture, &[picture.size().rect()], WHOLE);
    let Some(coded) = coded else { return vec![gone("the picture could not be coded")] };
    let end = FrameEnd { exact: coded.exact, ..FrameEnd::default() };
    let mut parts = coded.bytes.chunks(FRAME_PART).peekable();
    let mut messages = Vec::new();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none().then_some(end);
        let frame = FromScreen::Frame { frame: 1, part: part.to_vec(), last };
        messages.push(FromDesktop::Screen(frame));
    }
    messages
}

#[cfg(test)]
mod tests {
    use nearhand_screen::{Rect, ScreenDecoder, Size};

    use super::*;

    /// Pixels that look drawn in one half and like a photograph in the other.
    fn mixed(size: Size) -> Picture {
        let mut picture = Picture::black(size);
        let mut chance = 1_u32;
        for y in 0..size.height {
            let row: Vec<u32> = (0..size.width)
                .map(|x| {
                    chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if x < size.width / 2 { u32::from(x / 8 % 2) * 0xff_ffff } else { chance >> 8 }
                })
                .collect();
            picture.put(Rect::new(0, y, size.width, 1), &row);
        }
        picture
    }

    #[test]
    fn the_frame_alone_is_the_whole_picture_exactly() {
        let picture = mixed(Size { width: 700, height: 300 });
        let (mut bytes, mut ended) = (Vec::new(), None);
        for message in frame(&picture) {
            assert!(message.is_sound() && ended.is_none());
            let FromDesktop::Screen(FromScreen::Frame { frame: 1, part, last }) = message else {
                panic!("{message:?}");
            };
            bytes.extend(part);
            ended = last;
        }
        assert!(bytes.len() > 2 * FRAME_PART);
        assert!(ended.unwrap().exact);
        let mut seen = Picture::black(Size { width: 1, height: 1 });
        ScreenDecoder::new().decode(&bytes, &mut seen).unwrap();
        assert_eq!(seen.pixels(), picture.pixels());
    }
}
