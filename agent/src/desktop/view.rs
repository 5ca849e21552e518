//! The view: captures when there is credit. (Frames are not coded here yet.)

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nearhand_screen::Rect;
use nearhand_shared::message::screen::Quality;

use super::child::ChildError;
use super::outgoing::Outgoing;
use super::source::ScreenSource;

pub(super) struct View {
    on: bool,
    wakes: io::PipeReader,
    _waker: io::PipeWriter,
}

impl View {
    pub(super) fn new() -> io::Result<Self> {
        let (wakes, waker) = io::pipe()?;
        Ok(Self { on: false, wakes, _waker: waker })
    }
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.wakes.as_fd()
    }
    pub(super) fn is_on(&self) -> bool {
        self.on
    }
    pub(super) fn start(&mut self, _quality: Quality, _now: Instant) {
        self.on = true;
    }
    pub(super) fn stop(&mut self) {
        self.on = false;
    }
    pub(super) fn look_at(&mut self, _area: Option<Rect>, _now: Instant) {}
    pub(super) fn painted(&mut self, _frame: u32, _now: Instant) {}
    pub(super) fn set_quality(&mut self, _quality: Quality, _now: Instant) {}
    pub(super) fn set_hidden(&mut self, _hidden: bool) {}
    pub(super) fn damaged(&mut self, _now: Instant) {}
    pub(super) fn wake(&self) -> Option<Instant> {
        None
    }
    pub(super) fn work(
        &mut self,
        _display: &mut impl ScreenSource,
        _now: Instant,
        _out: &mut Outgoing,
    ) -> Result<(), ChildError> {
        Ok(())
    }
}
