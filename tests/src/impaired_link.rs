//! A cable between two network namespaces that is as bad as it is told to be: slow, far, lossy, with a deep queue, out of
//! order, doubling. In user space, on two TAP devices, so that it works where the kernel has no netem, and the same
//! everywhere.
//!
//! [`LinkShaper`] decides, purely: when a frame leaves, if it does. Two threads, one for each direction, carry frames.
//! Precise to about a tenth of a millisecond, and good for some hundreds of Mbit/s.

use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::platform;

/// Largest Ethernet frame of a TAP device without offloads.
const FRAME: usize = 1_600;

/// How bad one direction is.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkImpairment {
    /// How long a frame is under way, beyond the queue and its own length.
    pub delay: Duration,
    /// Up to so much more, differently for each frame: they arrive out of order.
    pub jitter: Duration,
    /// Frames lost of 1,000.
    pub loss: u32,
    /// Frames doubled of 1,000.
    pub doubled: u32,
    /// Bits a second; 0: as fast as it goes.
    pub rate: u64,
    /// Bytes that the queue in front of the rate holds; more are lost. 0: no end.
    pub queue: u64,
}

/// Decides when frames leave.
#[derive(Debug)]
pub struct LinkShaper {
    impairment: LinkImpairment,
    /// When the last frame will have been put on the wire.
    free: Duration,
    seed: u64,
}

impl LinkShaper {
    /// With a seed for its losses; time is counted from any moment.
    pub fn new(impairment: LinkImpairment, seed: u64) -> Self {
        Self { impairment, free: Duration::ZERO, seed: seed | 1 }
    }

    /// When the frame arrives at the other end: never, once, or twice.
    pub fn send(&mut self, now: Duration, bytes: usize) -> Vec<Duration> {
        let LinkImpairment { rate, queue, .. } = self.impairment;
        let begins = self.free.max(now);
        if rate > 0 {
            let waiting =
                (begins - now).as_secs_f64() * f64::from(u32::try_from(rate / 8).unwrap_or(u32::MAX));
            #[allow(clippy::cast_precision_loss, reason = "a queue of less than 2^53 bytes")]
            if queue > 0 && waiting + bytes as f64 > queue as f64 {
                return vec![];
            }
            self.free = begins + Duration::from_nanos(bytes as u64 * 8 * 1_000_000_000 / rate);
        } else {
            self.free = now;
        }
        if self.happens(self.impairment.loss) {
            return vec![];
        }
        let copies = 1 + usize::from(self.happens(self.impairment.doubled));
        (0..copies).map(|_| self.free + self.impairment.delay + self.jitter()).collect()
    }

    fn jitter(&mut self) -> Duration {
        let jitter = u64::try_from(self.impairment.jitter.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(if jitter == 0 { 0 } else { self.random() % jitter })
    }

    fn happens(&mut self, of_thousand: u32) -> bool {
        of_thousand > 0 && self.random() % 1000 < u64::from(of_thousand)
    }

    /// Xorshift: its losses look like losses, and are the same for the same seed.
    fn random(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed >> 11
    }
}

/// A frame under way; the earliest is the greatest.
#[derive(PartialEq, Eq)]
struct UnderWay {
    due: Duration,
    number: u64,
    frame: Vec<u8>,
}

impl Ord for UnderWay {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (other.due, other.number).cmp(&(self.due, self.number))
    }
}

impl PartialOrd for UnderWay {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Lays the cable: a device `device.0` in the namespace `here.0` and one in the other, each as bad as it is told in the
/// direction away from it. It is there until either namespace goes.
///
/// # Errors
/// There are no TAP devices here, or no such namespace.
pub fn lay(here: (&str, &str), there: (&str, &str), up: LinkImpairment, down: LinkImpairment) -> Result<()> {
    let one = platform::tap(here.0, here.1).context("a TAP device")?;
    let other = platform::tap(there.0, there.1).context("a TAP device")?;
    carry(one.try_clone()?, other.try_clone()?, LinkShaper::new(up, 0x5eed_0001));
    carry(other, one, LinkShaper::new(down, 0x5eed_0002));
    Ok(())
}

/// Carries frames one way. Both threads end when a device has gone with its namespace.
fn carry(mut from: File, to: File, mut shaper: LinkShaper) {
    let began = Instant::now();
    let (frames, due) = channel::<UnderWay>();
    thread::spawn(move || deliver(to, began, &due));
    thread::spawn(move || {
        let mut buffer = [0; FRAME];
        let mut number = 0;
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let Some(frame) = buffer.get(..read) else { return };
            for due in shaper.send(began.elapsed(), read) {
                number += 1;
                if push(&frames, UnderWay { due, number, frame: frame.to_vec() }).is_err() {
                    return;
                }
            }
        }
    });
}

fn push(frames: &Sender<UnderWay>, frame: UnderWay) -> Result<(), ()> {
    frames.send(frame).map_err(|_| ())
}

fn deliver(mut to: File, began: Instant, frames: &std::sync::mpsc::Receiver<UnderWay>) {
    let mut waiting: BinaryHeap<UnderWay> = BinaryHeap::new();
    let mut open = true;
    while open || !waiting.is_empty() {
        let next = waiting.peek().map(|frame| frame.due.saturating_sub(began.elapsed()));
        let came = match next {
            Some(Duration::ZERO) => {
                // What can't be written is lost, as on any cable whose end is down.
                let _ = waiting.pop().map(|frame| to.write_all(&frame.frame));
                continue;
            }
            Some(wait) => frames.recv_timeout(wait),
            None => frames.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match came {
            Ok(frame) => waiting.push(frame),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                open = false;
                if let Some(wait) = next {
                    thread::park_timeout(wait);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_rate_makes_frames_wait_for_each_other_and_a_full_queue_loses_them() {
        // 1 Mbit/s: 1,000 bytes take 8 ms.
        let impairment =
            LinkImpairment { delay: MS(40), rate: 1_000_000, queue: 3_000, ..LinkImpairment::default() };
        let mut shaper = LinkShaper::new(impairment, 1);
        let arrivals: Vec<_> = (0..5).map(|_| shaper.send(MS(100), 1_000)).collect();
        assert_eq!(arrivals[..3], [vec![MS(148)], vec![MS(156)], vec![MS(164)]]);
        assert!(arrivals[3].is_empty() && arrivals[4].is_empty());
        assert_eq!(shaper.send(MS(300), 500), [MS(344)]);
    }

    #[test]
    fn losses_and_doubles_come_about_as_often_as_they_are_told_to() {
        let impairment = LinkImpairment { loss: 50, doubled: 20, ..LinkImpairment::default() };
        let mut shaper = LinkShaper::new(impairment, 7);
        let counts: Vec<_> = (0..20_000).map(|_| shaper.send(Duration::ZERO, 100).len()).collect();
        let of = |n| counts.iter().filter(|count| **count == n).count();
        assert!((800..1200).contains(&of(0)) && (300..460).contains(&of(2)), "{} {}", of(0), of(2));
    }
}
