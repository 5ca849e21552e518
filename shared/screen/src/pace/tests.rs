//! Pacing over simulated paths, in virtual time: the same numbers on every machine.

use super::*;

/// A path: bytes a second, delay there and back, and how many in a thousand packets are lost (each holds up all
/// behind it for a round trip).
struct SimulatedPath {
    name: &'static str,
    rate: u64,
    round_trip: u64,
    lost: u64,
    /// Bytes that each state of the screen takes.
    demand: usize,
    /// Frames a second at least; age of what is seen at most, in milliseconds: mean and of 95 in 100 moments.
    expected: (u64, u64, u64),
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn frame_of(frame: u32, bytes: usize, at: Duration) -> SentFrame {
    SentFrame { frame, bytes, pixels: 0, encode: Duration::ZERO, at }
}

/// Frames a second, mean age, age at 95 %, last quality, over twenty seconds after two to settle.
fn run(path: &SimulatedPath) -> (u64, u64, u64, PhotoQuality) {
    let mut pace = FramePacer::new();
    let (mut free, mut shown, mut frame, mut frames) = (0_u64, 0_u64, 0_u32, 0_u64);
    let mut under_way: VecDeque<(u32, u64, u64, u64)> = VecDeque::new();
    let mut ages = Vec::new();
    let mut chance = 1_u64;
    for micros in (0..22_000_000_u64).step_by(1000) {
        while let Some((_, captured, painted, _)) = under_way.iter().find(|u| u.2 <= micros && u.1 > shown) {
            debug_assert!(painted <= &micros);
            shown = *captured;
            frames += u64::from(micros > 2_000_000);
        }
        while under_way.front().is_some_and(|u| u.3 <= micros) {
            let (number, ..) = under_way.pop_front().unwrap();
            pace.painted(number, ms(0), Duration::from_micros(micros));
        }
        if pace.may_send(Duration::from_micros(micros)) {
            frame += 1;
            let bytes = path.demand.min(pace.budget());
            pace.sent(frame_of(frame, bytes, Duration::from_micros(micros)));
            free = free.max(micros) + bytes as u64 * 1_000_000 / path.rate;
            for _ in 0..bytes / 1200 {
                chance =
                    chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                free += if (chance >> 33) % 1000 < path.lost { path.round_trip * 500 } else { 0 };
            }
            let painted = free + path.round_trip * 500 + 5_000;
            under_way.push_back((frame, micros, painted, painted + path.round_trip * 500));
        }
        if micros > 2_000_000 {
            ages.push((micros - shown) / 1000);
        }
    }
    ages.sort_unstable();
    let mean = ages.iter().sum::<u64>() / ages.len() as u64;
    (frames / 20, mean, ages[ages.len() * 95 / 100], pace.photo_quality(QualityMode::Auto))
}

#[test]
fn what_is_seen_is_recent_on_every_path() {
    let paths = [
        SimulatedPath {
            name: "LAN",
            rate: 100_000_000,
            round_trip: 1,
            lost: 0,
            demand: 200_000,
            expected: (60, 25, 40),
        },
        SimulatedPath {
            name: "10 Mbit/s, 40 ms, deep queue",
            rate: 1_250_000,
            round_trip: 40,
            lost: 0,
            demand: 90_000,
            expected: (12, 170, 240),
        },
        SimulatedPath {
            name: "10 Mbit/s, 40 ms, text",
            rate: 1_250_000,
            round_trip: 40,
            lost: 0,
            demand: 5_000,
            expected: (40, 60, 80),
        },
        SimulatedPath {
            name: "1 Mbit/s, 60 ms, 5 % lost",
            rate: 125_000,
            round_trip: 60,
            lost: 50,
            demand: 90_000,
            expected: (6, 350, 500),
        },
        SimulatedPath {
            name: "1 Mbit/s, 60 ms, 5 % lost, typing",
            rate: 125_000,
            round_trip: 60,
            lost: 50,
            demand: 100,
            expected: (30, 70, 100),
        },
        SimulatedPath {
            name: "50 Mbit/s, 300 ms",
            rate: 6_250_000,
            round_trip: 300,
            lost: 0,
            demand: 60_000,
            expected: (7, 350, 480),
        },
    ];
    for path in &paths {
        let (rate, mean, late, natural) = run(path);
        println!("{}: {rate} frames/s, age {mean} ms, at 95 % {late} ms, {natural:?}", path.name);
        let (least, most_mean, most_late) = path.expected;
        assert!(
            rate >= least && mean <= most_mean && late <= most_late,
            "{}: {rate}/s {mean} {late}",
            path.name
        );
    }
}

#[test]
fn a_slow_viewer_gets_fewer_frames_and_not_smaller_ones() {
    let mut pace = FramePacer::new();
    let mut now = ms(0);
    for frame in 1..60 {
        now += ms(100);
        pace.sent(frame_of(frame, 60_000, now));
        pace.painted(frame, ms(200), now + ms(202));
    }
    assert!(pace.budget() > 500_000, "{}", pace.budget());
    assert_eq!(pace.allowed(), 1);
    // It says more than can be.
    pace.sent(frame_of(60, 60_000, now));
    pace.painted(60, ms(u64::MAX / 4), now + ms(5));
    assert!(pace.may_send(now + ms(500)));
}

#[test]
fn slow_ends_get_fewer_pixels_and_quick_ones_all() {
    let mut pace = FramePacer::new();
    assert_eq!(pace.pixels(), usize::MAX);
    let frames = |pace: &mut FramePacer, pixels: usize, millis: u64| {
        for _ in 0..20 {
            pace.sent(SentFrame { pixels, encode: ms(millis), ..frame_of(1, 1_000, ms(0)) });
            pace.painted(1, ms(millis), ms(2 * millis));
        }
    };
    frames(&mut pace, 2_000_000, 10);
    assert!(pace.pixels() > 4_000_000, "{}", pace.pixels());
    frames(&mut pace, 2_000_000, 100);
    let fewer = pace.pixels();
    assert!((400_000..600_000).contains(&fewer), "{fewer}");
    frames(&mut pace, 100, 500);
    assert_eq!(pace.pixels(), fewer, "a small frame's time says nothing");
    frames(&mut pace, 200_000, 5_000);
    assert_eq!(pace.pixels(), LEAST_PIXELS);
}

#[test]
fn credit_comes_back_with_paint_only() {
    let mut pace = FramePacer::new();
    assert!(pace.may_send(ms(0)));
    pace.sent(frame_of(1, 50_000, ms(0)));
    assert!(!pace.may_send(ms(500)), "what the path can take is not known yet");
    pace.painted(7, ms(0), ms(501));
    assert!(!pace.may_send(ms(502)), "that frame was never sent");
    pace.painted(1, ms(0), ms(20));
    for frame in 2..5 {
        assert!(pace.may_send(ms(u64::from(frame) * 20 + 10)));
        pace.sent(frame_of(frame, 100, ms(u64::from(frame) * 20 + 10)));
    }
    assert!(!pace.may_send(ms(9_000)));
    assert_eq!(pace.next_wake(ms(9_000)), None);
    pace.painted(4, ms(0), ms(9_001));
    assert!(pace.may_send(ms(9_001)));
}

#[test]
fn frames_keep_an_interval_and_say_when_it_is_over() {
    let mut pace = FramePacer::new();
    pace.sent(frame_of(1, 100, ms(10)));
    assert!(!pace.may_send(ms(11)));
    let wake = pace.next_wake(ms(11)).unwrap();
    assert!(pace.may_send(wake) && wake <= ms(30));
    assert_eq!(pace.next_wake(wake), None);
}

#[test]
fn refinement_waits_for_rest_and_a_free_path() {
    let mut pace = FramePacer::new();
    pace.sent(frame_of(1, 100, ms(0)));
    assert!(!pace.may_refine(ms(1_000), ms(0)));
    pace.painted(1, ms(0), ms(1_000));
    assert!(pace.may_refine(ms(1_001), ms(0)));
    assert!(!pace.may_refine(ms(1_001), ms(1_000)));
    let wake = pace.next_wake(ms(1_001)).unwrap();
    assert!(pace.may_refine(wake, ms(1_000)));
}

#[test]
fn quality_falls_at_once_and_rises_slowly() {
    let mut pace = FramePacer::new();
    let quality = |pace: &FramePacer| match pace.photo_quality(QualityMode::Auto) {
        PhotoQuality::Lossy { quality } => quality,
        PhotoQuality::Exact => 100,
    };
    assert_eq!(pace.photo_quality(QualityMode::Exact), PhotoQuality::Exact);
    let mut now = ms(0);
    let mut frames = |pace: &mut FramePacer, count: u32, delay: u64| {
        for _ in 0..count {
            now += ms(delay + 50);
            pace.sent(frame_of(1, 20_000, now - ms(delay)));
            pace.painted(1, ms(0), now);
        }
    };
    frames(&mut pace, 3, 5);
    let good = quality(&pace);
    frames(&mut pace, 8, 900);
    let poor = quality(&pace);
    assert!(poor < good && poor <= 45, "{good} {poor}");
    assert!(pace.budget() < 20_000 && pace.budget() >= LEAST_BUDGET);
    frames(&mut pace, 5, 5);
    assert!(quality(&pace) < good);
    frames(&mut pace, 500, 5);
    assert!(quality(&pace) >= good);
    assert!(
        matches!(pace.photo_quality(QualityMode::Lean), PhotoQuality::Lossy { quality } if quality < good)
    );
}
