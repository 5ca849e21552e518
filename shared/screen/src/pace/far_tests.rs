//! Answers to keys over a simulated far path, while something else changes the screen all the time; in virtual time.

use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A path and the two ends of it. Times in milliseconds.
#[derive(Clone, Copy)]
struct FarPath {
    /// Bytes a second.
    rate: u64,
    round_trip: u64,
    /// The screen changes this often, independently of keys.
    redraw: u64,
    /// Bytes of a frame, or as many as it may have.
    bytes: Option<usize>,
    encode: u64,
    /// The viewer works on one frame after the other, so long.
    paint: u64,
    /// Whether the pace is told of keys.
    urged: bool,
}

/// What came of it.
#[derive(Debug)]
struct FarPathResult {
    /// From a key's being pressed at the device to the frame that shows what came of it: until it is sent, and until it is
    /// painted. Sorted, in milliseconds.
    sent: Vec<u64>,
    painted: Vec<u64>,
    /// The age of what is seen, sorted.
    age: Vec<u64>,
    /// How long frames waited behind others, on the path and at the viewer. Sorted.
    waited: Vec<u64>,
    /// Most frames unpainted.
    most: usize,
}

impl FarPathResult {
    fn at(sorted: &[u64], percent: usize) -> u64 {
        sorted[sorted.len() * percent / 100]
    }
}

struct FrameInFlight {
    frame: u32,
    captured: u64,
    arrives: u64,
    painted: u64,
}

/// A minute after five seconds to settle; a key at every 700 ms or so, answered by the program after 4 ms.
fn simulate(path: FarPath) -> FarPathResult {
    let half = path.round_trip / 2;
    let mut pace = FramePacer::new();
    let (mut frame, mut path_free, mut viewer_free, mut coder_free) = (0, 0_u64, 0, 0);
    let (mut dirty, mut shown) = (true, 0);
    let mut coding: Option<(u64, usize)> = None;
    let mut flying: VecDeque<FrameInFlight> = VecDeque::new();
    let (mut keys, mut unsent) = (Vec::<u64>::new(), Vec::<u64>::new());
    let mut seen = FarPathResult { sent: vec![], painted: vec![], age: vec![], waited: vec![], most: 0 };
    for now in 0..65_000_u64 {
        let time = ms(now);
        let settled = now >= 5_000;
        while flying.front().is_some_and(|one| one.painted + half <= now) {
            let one = flying.pop_front().unwrap();
            pace.painted(one.frame, ms(one.painted - one.arrives), time);
        }
        for one in flying.iter().filter(|one| one.painted == now) {
            shown = one.captured;
            seen.painted.extend(keys.iter().filter(|key| **key + 4 <= one.captured).map(|key| now - key));
            keys.retain(|key| key + 4 > one.captured);
        }
        dirty |= now % path.redraw == 0 || keys.iter().any(|key| key + 4 == now);
        if settled && now % 701 == 0 && now < 64_000 {
            keys.push(now);
            unsent.push(now);
            if path.urged {
                pace.urge(time);
            }
        }
        if let Some((captured, bytes)) = coding.take_if(|_| now >= coder_free) {
            frame += 1;
            let sent = SentFrame { frame, bytes, pixels: 0, encode: ms(path.encode), at: time };
            pace.sent(sent);
            let free = path_free.max(now * 1_000);
            path_free = free + bytes as u64 * 1_000_000 / path.rate;
            let arrives = path_free.div_ceil(1_000) + half;
            let begins = arrives.max(viewer_free);
            viewer_free = begins + path.paint;
            if settled {
                seen.waited.push((free / 1_000 - now) + (begins - arrives));
                seen.sent.extend(unsent.iter().filter(|key| **key + 4 <= captured).map(|key| now - key));
                unsent.retain(|key| key + 4 > captured);
            }
            flying.push_back(FrameInFlight { frame, captured, arrives, painted: viewer_free });
            seen.most = seen.most.max(flying.len());
        }
        if dirty && coding.is_none() && pace.may_send(time) {
            dirty = false;
            coding = Some((now, path.bytes.unwrap_or(usize::MAX).min(pace.budget())));
            coder_free = now + path.encode;
        }
        if settled {
            seen.age.push(now - shown);
        }
    }
    for sorted in [&mut seen.sent, &mut seen.painted, &mut seen.age, &mut seen.waited] {
        sorted.sort_unstable();
    }
    assert!(seen.painted.len() > 80, "{} keys were answered", seen.painted.len());
    seen
}

/// Text that scrolls eleven times a second, 300 ms there and back.
const SCROLLING: FarPath = FarPath {
    rate: 6_250_000,
    round_trip: 300,
    redraw: 90,
    bytes: Some(5_000),
    encode: 8,
    paint: 30,
    urged: true,
};

#[test]
fn on_a_far_path_an_answer_does_not_wait_for_a_round_trip() {
    let seen = simulate(SCROLLING);
    let painted = [50, 95].map(|percent| FarPathResult::at(&seen.painted, percent));
    println!("painted {painted:?}, most {}", seen.most);
    // Half a round trip, coding and painting; and at most one frame that is being coded and one interval.
    assert!(painted[0] <= 150 + 4 + 8 + 30 + 10 && painted[1] <= 150 + 4 + 2 * 8 + 30 + 40, "{painted:?}");
    // Also where the screen changes faster than anybody can paint.
    for redraw in [1, 16, 33] {
        let seen = simulate(FarPath { redraw, ..SCROLLING });
        let painted = [50, 95].map(|percent| FarPathResult::at(&seen.painted, percent));
        println!("every {redraw} ms: painted {painted:?}, most {}", seen.most);
        assert!(painted[0] <= 150 + 70 && painted[1] <= 150 + 110, "every {redraw} ms: {painted:?}");
        assert!(seen.most <= MOST_UNPAINTED);
    }
}

#[test]
fn what_somebody_did_goes_before_what_changes_by_itself() {
    let path = FarPath { redraw: 1, paint: 60, ..SCROLLING };
    let (urged, not_urged) = (simulate(path), simulate(FarPath { urged: false, ..path }));
    let sent = |seen: &FarPathResult| seen.sent.iter().sum::<u64>() / seen.sent.len() as u64;
    println!("sent after {} ms, without urging {} ms", sent(&urged), sent(&not_urged));
    assert!(sent(&urged) < sent(&not_urged), "{} {}", sent(&urged), sent(&not_urged));
}

#[test]
fn nothing_queues_under_a_flood_however_far_it_is() {
    for (round_trip, rate, paint) in [
        (300, 1_250_000, 20),
        (300, 125_000, 20),
        (300, 6_250_000, 20),
        (300, 6_250_000, 60),
        (40, 1_250_000, 20),
        (600, 1_250_000, 30),
    ] {
        let path = FarPath { rate, round_trip, redraw: 1, bytes: None, encode: 10, paint, urged: true };
        let seen = simulate(path);
        let (mean, late) =
            (seen.age.iter().sum::<u64>() / seen.age.len() as u64, FarPathResult::at(&seen.age, 95));
        let waited = [50, 95, 99].map(|percent| FarPathResult::at(&seen.waited, percent));
        println!(
            "{rate} B/s, {round_trip} ms, {paint} ms: age {mean} ms, at 95 % {late} ms, waited {waited:?} ms, most {}",
            seen.most
        );
        // On the way for half of it, and in a frame that takes its time; the rest is what it waits for.
        let way = round_trip / 2 + 60 + paint;
        assert!(mean <= way + 100 && late <= way + 260, "{round_trip} ms, {rate} B/s: {mean} {late}");
        assert!(waited[1] <= 60, "{round_trip} ms, {rate} B/s: frames waited for {waited:?} ms");
    }
}
