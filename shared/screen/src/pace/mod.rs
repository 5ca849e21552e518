//! When the next frame is captured, how large it may be and how good: decided by what the viewer has painted.
//!
//! A frame is captured only on credit, so it shows the newest state when it is sent, and what queues on the way is
//! bounded. From when frames were sent, and when they arrived and were painted, follow the least delay of the path, the
//! rate at which it delivers, and how long the last frames queued. A viewer that is slow to paint says nothing about the
//! path: it gets fewer frames, not smaller ones. Time is an argument, counted from any fixed moment.
//!
//! Few frames unpainted keep a near path from queueing, and would leave a far one empty most of the time: what follows
//! would wait for a round trip. So a far path may hold more of them, evenly spaced and no closer than the viewer paints; what
//! keeps it from queueing is that no more bytes are under way than it delivers in its delay. What somebody did goes before
//! that spacing, since they wait for what comes of it.
//!
//! The rate can't be read off directly, because a frame's delay is the path's own delay, its transfer and the queue before
//! it. Frames that follow each other closely show the rate (the path was busy between them), and so do large ones compared
//! with the smallest delay seen. Where neither is at hand, a higher rate is tried now and then and given up when delays
//! rise. The mean of transfer times, not of rates, is kept, so the estimate falls faster than it rises.
//!
//! Degrades in this order: frame rate, then quality of natural pictures, then refinement; drawn things stay exact.

use std::collections::VecDeque;
use std::time::Duration;

use crate::encode::PhotoQuality;

/// Most frames that are sent and not painted yet, on a near path.
pub const MAX_UNPAINTED: usize = 3;
/// Most unpainted frames on any path, urgent ones included.
pub const MOST_UNPAINTED: usize = 14;
/// A path whose delay there and back is beyond this is far: it may hold one frame more for each [`SPACING`].
const FAR: Duration = Duration::from_millis(80);
/// Beyond [`MAX_UNPAINTED`], frames don't follow each other more closely than this.
const SPACING: Duration = Duration::from_millis(25);
/// After input, this many frames skip the spacing, within [`URGENT`].
const URGENT_FRAMES: usize = 2;
/// See [`URGENT_FRAMES`]. Programs answer a key within a few milliseconds.
const URGENT: Duration = Duration::from_millis(100);
/// Least and most bytes of a frame; and of the first, when nothing is known of the path.
pub const LEAST_BUDGET: usize = 4 << 10;
/// Most bytes of a frame on any path.
pub const MOST_BUDGET: usize = 8 << 20;
const FIRST_BUDGET: usize = 64 << 10;

/// How long a frame may take on the path by itself.
const FRAME_TIME: Duration = Duration::from_millis(60);
/// How long coding and painting a frame may take.
const WORK_TIME: Duration = Duration::from_millis(50);
/// Least pixels that a frame may have coded; of fewer than half of it, most of the time isn't spent on pixels.
const LEAST_PIXELS: usize = 1 << 17;
/// Queueing above which one frame less is under way, and two less.
const QUEUED: Duration = Duration::from_millis(80);
const QUEUED_LONG: Duration = Duration::from_millis(140);
/// Bytes under way may take that long beyond the path's own delay.
const BACKLOG: Duration = Duration::from_millis(30);
/// A viewer may take so long for a frame before that counts as queueing.
const PAINTING: Duration = Duration::from_millis(25);
/// Frames don't follow each other more closely: no display shows more.
const INTERVAL: Duration = Duration::from_millis(15);
/// The least delay is that of the last two of these periods: paths change.
const PERIOD: Duration = Duration::from_secs(15);
/// Smaller frames say nothing about the rate.
const TELLING: usize = 3 << 10;
/// What passes faster than this passes at once, as far as clocks can tell.
const AT_ONCE: Duration = Duration::from_millis(2);
/// A better quality is tried after so long without a reason against it.
const PATIENCE: Duration = Duration::from_secs(2);
/// The screen is at rest when nothing changed for that long; on a slow path, that long.
const REST: Duration = Duration::from_millis(200);
const REST_SLOW: Duration = Duration::from_millis(800);

/// Qualities of natural pictures, each with the bytes a second that it takes to use it.
const QUALITIES: [(u8, u64); 5] = [(85, 1_500_000), (75, 500_000), (60, 180_000), (45, 70_000), (30, 0)];

/// The quality that the technician has chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum QualityMode {
    /// Lossy while it moves or the link is slow, exact once at rest.
    #[default]
    Auto,
    /// Exact at once.
    Exact,
    /// As few bytes as possible.
    Lean,
}

/// What is known of a frame when it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SentFrame {
    /// Number of the frame; the viewer reports it when painted.
    pub frame: u32,
    /// Length of the coded frame in bytes.
    pub bytes: usize,
    /// Pixels that were coded: [`EncodedFrame::pixels`](crate::EncodedFrame::pixels).
    pub pixels: usize,
    /// How long coding them took.
    pub encode: Duration,
    /// When it was sent.
    pub at: Duration,
}

/// The pacing of one viewer's frames.
#[derive(Debug, Default)]
pub struct FramePacer {
    unpainted: VecDeque<SentFrame>,
    last_sent: Option<Duration>,
    /// When the last frame arrived, as far as the news of it tell.
    last_arrived: Duration,
    /// Least delay from sending to the news of its arrival: in this period, and in the one before.
    least: Option<(Duration, usize)>,
    least_before: Option<(Duration, usize)>,
    period_began: Duration,
    /// Bytes a second.
    rate: Option<u64>,
    /// When the rate was last raised on trial with news of it to come, and how often since.
    trial: (Duration, usize),
    /// Nanoseconds that a coded pixel takes, at both ends together.
    pixel: Option<u64>,
    /// Delay of the last frames beyond the least, of the path and the viewer.
    queued: Duration,
    /// How long the viewer had the last frames.
    viewer: Duration,
    /// Until when how many frames may go before the spacing.
    urgent: Option<(Duration, usize)>,
    /// Place among [`QUALITIES`], and since when.
    quality: usize,
    quality_since: Duration,
    rest_over: Option<Duration>,
}

impl FramePacer {
    /// One that knows nothing of the path.
    pub fn new() -> Self {
        Self { quality: 1, ..Self::default() }
    }

    /// Whether a frame may be captured and sent now.
    pub fn may_send(&self, now: Duration) -> bool {
        self.has_credit(now) && self.last_sent.is_none_or(|last| now >= last + self.interval(now))
    }

    /// Somebody did something with the screen: what comes of it is waited for.
    pub fn urge(&mut self, now: Duration) {
        self.urgent = Some((now + URGENT, URGENT_FRAMES));
    }

    /// Frames that may go before the spacing now.
    fn urgent_frames(&self, now: Duration) -> usize {
        self.urgent.filter(|(until, _)| now < *until).map_or(0, |(_, frames)| frames)
    }

    /// How closely the next frame may follow the last one.
    fn interval(&self, now: Duration) -> Duration {
        if self.unpainted.len() < MAX_UNPAINTED || self.urgent_frames(now) > 0 {
            INTERVAL
        } else {
            SPACING.max(self.viewer)
        }
    }

    fn has_credit(&self, now: Duration) -> bool {
        let Some(newest) = self.unpainted.back() else { return true };
        let (full, allowed) = (self.full(), self.allowed());
        // Only a far path that isn't queueing has room for them: on a near one, credit is back soon.
        let more = if full > MAX_UNPAINTED && allowed == full { self.urgent_frames(now) } else { 0 };
        if self.unpainted.len() >= allowed + more {
            return false;
        }
        // The first frame tells what the path can take.
        let Some(rate) = self.rate else { return newest.bytes < TELLING };
        let under_way: usize = self.unpainted.iter().map(|sent| sent.bytes).sum();
        let least = self.least_delay().0;
        // News of a far path are old, and the rate may be less than is thought: many frames fill two thirds of it at most.
        let room = if self.unpainted.len() < MAX_UNPAINTED { least + BACKLOG } else { least * 2 / 3 };
        time_of(under_way, rate) <= room
    }

    /// Frames that may be unpainted at once.
    fn allowed(&self) -> usize {
        let full = self.full();
        match self.queued {
            queued if queued > QUEUED_LONG => full / 3,
            queued if queued > QUEUED => full * 2 / 3,
            _ => full,
        }
    }

    /// Frames that may be unpainted while nothing queues.
    fn full(&self) -> usize {
        let (least, bytes) = self.least_delay();
        // What the frame that had the least delay took by its size is no delay of the path.
        let path = self.rate.map_or(Duration::ZERO, |rate| least.saturating_sub(time_of(bytes, rate)));
        let more = path.saturating_sub(FAR).as_millis() / SPACING.as_millis();
        let more = usize::try_from(more).unwrap_or(usize::MAX);
        MAX_UNPAINTED.saturating_add(more).min(MOST_UNPAINTED - URGENT_FRAMES)
    }

    /// And the bytes of the frame that took it.
    fn least_delay(&self) -> (Duration, usize) {
        match (self.least, self.least_before) {
            (Some(one), Some(other)) => one.min(other),
            (one, other) => one.or(other).unwrap_or_default(),
        }
    }

    /// A frame was sent.
    pub fn sent(&mut self, sent: SentFrame) {
        self.unpainted.push_back(sent);
        self.last_sent = Some(sent.at);
        if let Some((_, frames)) = &mut self.urgent {
            *frames = frames.saturating_sub(1);
        }
        self.rest_over = None;
    }

    /// A frame was painted, and with it all before; one that wasn't sent is ignored. `viewer` is how long the viewer had it
    /// before it was painted.
    pub fn painted(&mut self, frame: u32, viewer: Duration, now: Duration) {
        let Some(place) = self.unpainted.iter().position(|sent| sent.frame == frame) else { return };
        let Some(sent) = self.unpainted.drain(..=place).next_back() else { return };
        // What a viewer claims can't be longer than it took altogether.
        let viewer = viewer.min(now.saturating_sub(sent.at));
        self.viewer = (3 * self.viewer + viewer) / 4;
        self.learn(sent, viewer, now.saturating_sub(viewer));
        self.learn_pixel(sent, viewer);
        self.choose_quality(now);
    }

    fn learn(&mut self, sent: SentFrame, viewer: Duration, arrived: Duration) {
        let delay = arrived.saturating_sub(sent.at);
        let before = self.last_arrived;
        self.last_arrived = before.max(arrived);
        if arrived.saturating_sub(self.period_began) >= PERIOD {
            self.least_before = self.least.take();
            self.period_began = arrived;
        }
        if self.least.is_none_or(|least| delay < least.0) {
            self.least = Some((delay, sent.bytes));
        }
        let (least, least_bytes) = self.least_delay();
        self.queued = (self.queued + delay.saturating_sub(least) + viewer.saturating_sub(PAINTING)) / 2;
        if sent.bytes < TELLING {
            return;
        }
        let Some(known) = self.rate else {
            // A first guess, too low by what the path delays.
            self.rate = Some(rate_of(sent.bytes, delay));
            return;
        };
        let sample = if before > sent.at + least {
            // It came right behind another one.
            rate_of(sent.bytes, arrived.saturating_sub(before))
        } else if sent.bytes >= least_bytes + TELLING && delay > least {
            rate_of(sent.bytes - least_bytes, delay - least)
        } else if delay > least + 2 * time_of(sent.bytes, known) + QUEUED {
            // The path became slower.
            rate_of(sent.bytes, delay - least)
        } else if sent.bytes >= self.budget() / 2
            && delay <= least + time_of(sent.bytes, known) / 4
            && self.may_try(sent.at, arrived)
        {
            // It was as large as it might and took no longer than a small one: the path can take more.
            known.saturating_mul(2)
        } else {
            return;
        };
        // The mean of times, not of rates: it falls faster than it rises.
        let (old, new) = (u128::from(known.max(1)), u128::from(sample.max(1)));
        self.rate = Some(u64::try_from(4 * old * new / (3 * new + old)).unwrap_or(sample));
    }

    /// Whether a higher rate may be tried because of a frame. Those that were sent before the last trial say nothing of it:
    /// on a far path they are many.
    fn may_try(&mut self, sent: Duration, now: Duration) -> bool {
        let (since, times) = self.trial;
        self.trial = if sent >= since { (now, 1) } else { (since, times + 1) };
        self.trial.1 <= MAX_UNPAINTED
    }

    /// A slow processor, or one that others want, takes longer for a pixel.
    fn learn_pixel(&mut self, sent: SentFrame, viewer: Duration) {
        if sent.pixels < LEAST_PIXELS / 2 {
            return;
        }
        let nanos = (sent.encode + viewer).as_nanos() / (sent.pixels as u128);
        let sample = u64::try_from(nanos).unwrap_or(u64::MAX).clamp(1, 10_000);
        self.pixel = Some(self.pixel.map_or(sample, |known| (3 * known + sample) / 4));
    }

    /// Pixels that the next frame may have coded, so that coding and painting it don't take much longer than a look at it
    /// would.
    pub fn pixels(&self) -> usize {
        let Some(pixel) = self.pixel else { return usize::MAX };
        let nanos = u64::try_from(WORK_TIME.as_nanos()).unwrap_or_default();
        usize::try_from(nanos / pixel.max(1)).unwrap_or(usize::MAX).max(LEAST_PIXELS)
    }

    /// Bytes that the next frame may have.
    pub fn budget(&self) -> usize {
        let Some(rate) = self.rate else { return FIRST_BUDGET };
        let millis = u64::try_from(FRAME_TIME.as_millis()).unwrap_or_default();
        usize::try_from(rate.saturating_mul(millis) / 1000)
            .unwrap_or(MOST_BUDGET)
            .clamp(LEAST_BUDGET, MOST_BUDGET)
    }

    /// How natural pictures are coded.
    pub fn photo_quality(&self, wish: QualityMode) -> PhotoQuality {
        let at =
            |place: usize| QUALITIES.get(place.min(QUALITIES.len() - 1)).map_or(30, |(quality, _)| *quality);
        match wish {
            QualityMode::Exact => PhotoQuality::Exact,
            QualityMode::Auto => PhotoQuality::Lossy { quality: at(self.quality) },
            QualityMode::Lean => PhotoQuality::Lossy { quality: at((self.quality + 2).max(3)) },
        }
    }

    /// Worse at once, better one step at a time.
    fn choose_quality(&mut self, now: Duration) {
        let Some(rate) = self.rate else { return };
        let fits = QUALITIES.iter().position(|(_, least)| rate >= *least).unwrap_or(QUALITIES.len() - 1);
        let fits = if self.queued > QUEUED_LONG { (fits + 1).min(QUALITIES.len() - 1) } else { fits };
        if fits > self.quality {
            (self.quality, self.quality_since) = (fits, now);
        } else if fits == self.quality {
            self.quality_since = self.quality_since.max(now.saturating_sub(PATIENCE));
        } else if now.saturating_sub(self.quality_since) >= PATIENCE {
            (self.quality, self.quality_since) = (self.quality - 1, now);
        }
    }

    /// Whether lossy regions may be sent exactly now: nothing changed for a while and nothing is under way.
    /// Remembers when to ask again: see [`FramePacer::next_wake`].
    pub fn may_refine(&mut self, now: Duration, last_change: Duration) -> bool {
        let slow = self.rate.is_some_and(|rate| rate < 180_000);
        let over = last_change + if slow { REST_SLOW } else { REST };
        self.rest_over = (now < over).then_some(over);
        now >= over && self.unpainted.is_empty()
    }

    /// When to ask again, if nothing happens before: a frame that waits for its interval, or a refinement for rest.
    /// `None`: only news (a change, a painted frame) makes a difference.
    pub fn next_wake(&self, now: Duration) -> Option<Duration> {
        let due = self.last_sent.map(|last| last + self.interval(now));
        let interval = due.filter(|at| *at > now && self.has_credit(now));
        let rest = self.rest_over.filter(|at| *at > now);
        match (interval, rest) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
}

/// Bytes a second.
fn rate_of(bytes: usize, time: Duration) -> u64 {
    let micros = u64::try_from(time.max(AT_ONCE).as_micros()).unwrap_or(u64::MAX);
    (bytes as u64).saturating_mul(1_000_000) / micros
}

/// How long this number of bytes takes.
fn time_of(bytes: usize, rate: u64) -> Duration {
    Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / rate.max(1))
}

#[cfg(test)]
mod far_tests;
#[cfg(test)]
mod tests;
