//! What the technician sees: captures when there is credit, has it coded, cuts frames into parts.
//!
//! Damage gathers until the viewer can take a frame; then what is captured is the newest state. Nothing is captured,
//! and no timer set, while nothing changes or no frame is wanted.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nearhand_proto::message::screen::{FRAME_PART, FrameEnd, FromScreen, ScreenQuality};
use nearhand_screen::pace::{FramePacer, QualityMode, SentFrame};
use nearhand_screen::{FrameSettings, PendingUpdates, PhotoQuality, Picture, Point, Rect, Size};

use super::coder::{CoderThread, EncodeJob, FinishedEncoding};
use super::damage;
use super::error::ChildError;
use super::outgoing::OutgoingMessages;
use super::protocol::FromDesktop;
use super::source::{ScreenSource, micros};

/// A screen that refuses to be captured is being resized: how long until it is tried again, unless news come before.
const RESIZING: Duration = Duration::from_millis(200);

/// The view, on or off.
pub(super) struct ScreenView {
    coder: CoderThread,
    /// When the pace's time began.
    epoch: Instant,
    generation: u64,
    watching: Option<ActiveView>,
    /// A job is with the coder.
    coding: bool,
}

struct ActiveView {
    quality_mode: QualityMode,
    hidden: bool,
    /// What of the screen is shown; `None`: nothing that could be.
    area: Option<Rect>,
    /// What was captured last; with the coder while it works.
    picture: Option<Picture>,
    /// All of it has to be captured.
    whole: bool,
    /// Since when something has changed that is not captured.
    dirty: Option<Instant>,
    last_change: Duration,
    retry: Option<Instant>,
    pace: FramePacer,
    frame: u32,
    pending: PendingUpdates,
    end: FrameEnd,
    /// The job that the coder has refines what was lossy.
    refining: bool,
}

impl ScreenView {
    pub(super) fn new() -> io::Result<Self> {
        let (coder, epoch) = (CoderThread::start()?, Instant::now());
        Ok(Self { coder, epoch, generation: 0, watching: None, coding: false })
    }

    /// Readable when a frame is coded.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.coder.descriptor()
    }

    pub(super) fn is_on(&self) -> bool {
        self.watching.is_some()
    }

    /// Begins the view, or restarts it; [`ScreenView::look_at`] says at what.
    pub(super) fn start(&mut self, quality: ScreenQuality, now: Instant) {
        self.watching = Some(ActiveView {
            quality_mode: quality_mode(quality),
            hidden: false,
            area: None,
            picture: None,
            whole: true,
            dirty: None,
            last_change: now.saturating_duration_since(self.epoch),
            retry: None,
            pace: FramePacer::new(),
            frame: 0,
            pending: PendingUpdates::default(),
            end: FrameEnd::default(),
            refining: false,
        });
    }

    pub(super) fn stop(&mut self) {
        self.generation += 1;
        self.watching = None;
    }

    /// Shows that part of the screen from now on, beginning with a whole frame.
    pub(super) fn look_at(&mut self, area: Option<Rect>, now: Instant) {
        self.generation += 1;
        let Some(watching) = &mut self.watching else { return };
        let area = area.filter(|area| Size::checked(area.width, area.height).is_some());
        watching.area = area;
        watching.picture = area.map(|area| Picture::black(Size { width: area.width, height: area.height }));
        watching.whole = true;
        watching.retry = None;
        watching.dirty = Some(now);
        watching.pending = PendingUpdates::default();
    }

    /// `viewer` is how long the viewer had the frame before it was painted.
    pub(super) fn painted(&mut self, frame: u32, viewer: Duration, now: Instant) {
        let now = now.saturating_duration_since(self.epoch);
        if let Some(watching) = &mut self.watching {
            watching.pace.painted(frame, viewer, now);
        }
    }

    pub(super) fn set_quality(&mut self, quality: ScreenQuality) {
        if let Some(watching) = &mut self.watching {
            watching.quality_mode = quality_mode(quality);
        }
    }

    pub(super) fn set_hidden(&mut self, hidden: bool) {
        if let Some(watching) = &mut self.watching {
            watching.hidden = hidden;
        }
    }

    /// The technician did something: what comes of it goes first.
    pub(super) fn urge(&mut self, now: Instant) {
        let now = now.saturating_duration_since(self.epoch);
        if let Some(watching) = &mut self.watching {
            watching.pace.urge(now);
        }
    }

    pub(super) fn damaged(&mut self, now: Instant) {
        if let Some(watching) = &mut self.watching {
            watching.dirty.get_or_insert(now);
        }
    }

    /// When [`ScreenView::work`] has something to do although nothing happens. `now` is the time that it was last given: by a
    /// later one, what fell due in between would never be done.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        let watching = self.watching.as_ref().filter(|watching| watching.wants() && !self.coding)?;
        let now = now.saturating_duration_since(self.epoch);
        let paced = watching.pace.next_wake(now).map(|at| self.epoch + at);
        watching.retry.or(paced)
    }

    /// Sends what is coded and captures what may be. Somebody looks at `focus`, most likely.
    pub(super) fn work(
        &mut self,
        display: &mut impl ScreenSource,
        focus: Option<Point>,
        now: Instant,
        out: &mut OutgoingMessages,
    ) -> Result<(), ChildError> {
        while let Some(done) = self.coder.take()? {
            self.coding = false;
            if done.generation == self.generation {
                self.send(done, now, out);
            }
        }
        if self.coding || !out.has_room() {
            return Ok(());
        }
        let time = now.saturating_duration_since(self.epoch);
        let Some(watching) = &mut self.watching else { return Ok(()) };
        if !watching.wants() || !watching.pace.may_send(time) || watching.retry.is_some_and(|at| at > now) {
            return Ok(());
        }
        let Some(area) = watching.area else { return Ok(()) };
        let damage = if watching.whole || watching.dirty.is_some() {
            watching.capture(display, area, now)?
        } else {
            Some(Vec::new())
        };
        let Some(damage) = damage else { return Ok(()) };
        let still = damage.is_empty() && !watching.pending.changed;
        let refine = still && watching.pace.may_refine(time, watching.last_change);
        if still && !refine {
            return Ok(());
        }
        let Some(picture) = watching.picture.take() else { return Ok(()) };
        let photos = watching.pace.photo_quality(watching.quality_mode);
        watching.refining = refine;
        let refine = refine || photos == PhotoQuality::Exact;
        let settings = FrameSettings {
            budget: watching.pace.budget(),
            pixels: watching.pace.pixels(),
            photos,
            refine,
            focus,
        };
        let job = EncodeJob { generation: self.generation, picture, damage, settings };
        self.coding = self.coder.give(job);
        match self.coding {
            true => Ok(()),
            false => Err(io::Error::other("the coding thread has ended").into()),
        }
    }

    fn send(&mut self, done: FinishedEncoding, now: Instant, out: &mut OutgoingMessages) {
        let Some(watching) = &mut self.watching else { return };
        watching.picture = Some(done.picture);
        watching.pending = done.pending;
        let Some(coded) = done.coded else {
            // Nothing more can be sent of what is owed before something changes.
            watching.pending.changed = false;
            watching.pending.lossy &= !watching.refining;
            return;
        };
        watching.frame = watching.frame.wrapping_add(1);
        let frame = watching.frame;
        let time = now.saturating_duration_since(self.epoch);
        if !watching.refining {
            watching.last_change = time;
        }
        let (bytes, pixels) = (coded.bytes.len(), coded.pixels);
        watching.pace.sent(SentFrame { frame, bytes, pixels, encode: done.took, at: time });
        let end =
            FrameEnd { encode: micros(done.took), exact: coded.exact, ..std::mem::take(&mut watching.end) };
        let mut parts = coded.bytes.chunks(FRAME_PART).peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none().then_some(end);
            out.push(&FromDesktop::Screen(FromScreen::Frame { frame, part: part.to_vec(), last }));
        }
    }
}

impl ActiveView {
    /// Whether there is anything to be sent that the viewer wants.
    fn wants(&self) -> bool {
        let any = self.whole || self.dirty.is_some() || self.pending.changed || self.pending.lossy;
        any && !self.hidden && self.area.is_some()
    }

    /// Captures what has changed, and says where; `None` if the screen can't be captured now.
    fn capture(
        &mut self,
        display: &mut impl ScreenSource,
        area: Rect,
        now: Instant,
    ) -> Result<Option<Vec<Rect>>, ChildError> {
        let Some(picture) = &mut self.picture else { return Ok(None) };
        // First what, then the pixels: what is drawn in between is told again.
        let reported = display.damage()?;
        let size = picture.size();
        let rects = if self.whole {
            vec![size.rect()]
        } else {
            let inside = reported.into_iter().map(|rect| rect.intersect(area));
            let inside = inside.filter(|rect| !rect.is_empty());
            damage::merged(inside.map(|rect| Rect { x: rect.x - area.x, y: rect.y - area.y, ..rect }), size)
        };
        let began = Instant::now();
        if !display.capture(area, &rects, picture)? {
            self.whole = true;
            self.retry = Some(now + RESIZING);
            return Ok(None);
        }
        self.retry = None;
        self.whole = false;
        let waited = self.dirty.take().map_or(Duration::ZERO, |since| began.saturating_duration_since(since));
        self.end =
            FrameEnd { waited: micros(waited), capture: micros(began.elapsed()), ..FrameEnd::default() };
        Ok(Some(rects))
    }
}

fn quality_mode(quality: ScreenQuality) -> QualityMode {
    match quality {
        ScreenQuality::Auto => QualityMode::Auto,
        ScreenQuality::Exact => QualityMode::Exact,
        ScreenQuality::Lean => QualityMode::Lean,
    }
}
