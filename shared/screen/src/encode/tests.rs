//! After any changes on a screen, the viewer ends up with the same pixels.

use proptest::prelude::*;

use super::*;
use crate::decode::ScreenDecoder;

const SIZE: Size = Size { width: 300, height: 200 };

pub(crate) const EXACT: FrameSettings = FrameSettings {
    budget: usize::MAX,
    pixels: usize::MAX,
    photos: PhotoQuality::Exact,
    refine: false,
    focus: None,
};
const LOSSY: FrameSettings = FrameSettings { photos: PhotoQuality::Lossy { quality: 60 }, ..EXACT };

/// An encoder, its decoder and the viewer's picture.
pub(crate) struct CoderPair {
    pub(crate) encoder: ScreenEncoder,
    pub(crate) decoder: ScreenDecoder,
    pub(crate) viewer: Picture,
}

impl CoderPair {
    pub(crate) fn new(size: Size) -> Self {
        let viewer = Picture::black(Size { width: 1, height: 1 });
        Self { encoder: ScreenEncoder::new(size), decoder: ScreenDecoder::new(), viewer }
    }

    pub(crate) fn show(
        &mut self,
        now: &Picture,
        damage: &[Rect],
        settings: FrameSettings,
    ) -> Option<EncodedFrame> {
        let coded = self.encoder.encode(now, damage, settings)?;
        self.decoder.decode(&coded.bytes, &mut self.viewer).unwrap();
        if coded.exact {
            assert!(self.viewer == *now, "said to be exact and isn't");
        }
        Some(coded)
    }
}

#[derive(Clone, Debug)]
enum ScreenEdit {
    Fill(Rect, u32),
    Text(Rect, u8),
    Copy(Rect, Point),
    Photo(Rect, u8),
    Noise(Rect, u32),
}

fn rect() -> impl Strategy<Value = Rect> {
    let side = |most: u16| prop_oneof![1..20_u16, 1..most];
    (0..SIZE.width, 0..SIZE.height, side(SIZE.width), side(SIZE.height))
        .prop_map(|(x, y, width, height)| Rect { x, y, width, height }.intersect(SIZE.rect()))
}

fn edit() -> impl Strategy<Value = ScreenEdit> {
    prop_oneof![
        (rect(), 0..6_u32).prop_map(|(r, c)| ScreenEdit::Fill(r, c * 0x2a_3b1c)),
        (rect(), any::<u8>()).prop_map(|(r, s)| ScreenEdit::Text(r, s)),
        (rect(), 0..SIZE.width, 0..SIZE.height).prop_map(|(r, x, y)| ScreenEdit::Copy(
            r,
            Point { x: x.min(SIZE.width - r.width), y: y.min(SIZE.height - r.height) }
        )),
        (rect(), any::<u8>()).prop_map(|(r, s)| ScreenEdit::Photo(r, s)),
        (rect(), any::<u32>()).prop_map(|(r, s)| ScreenEdit::Noise(r, s)),
    ]
}

fn draw(picture: &mut Picture, edit: &ScreenEdit) -> Rect {
    let mut each = |rect: Rect, f: &dyn Fn(u32, u32) -> u32| {
        let pixels: Vec<u32> = (0..u32::from(rect.height))
            .flat_map(|y| (0..u32::from(rect.width)).map(move |x| f(x, y) & 0xff_ffff))
            .collect();
        picture.put(rect, &pixels);
        rect
    };
    match *edit {
        ScreenEdit::Fill(rect, colour) => {
            picture.fill(rect, colour);
            rect
        }
        ScreenEdit::Text(rect, seed) => {
            let seed = u32::from(seed);
            each(rect, &|x, y| {
                let (letter, line) = ((x / 8) ^ seed, y / 14);
                let shape = letter.wrapping_mul(31).wrapping_add(line * 7).wrapping_mul(0x9e37_79b1);
                if y % 14 < 10 && x % 8 < 6 && shape >> ((x % 8 + y % 14 * 3) % 31) & 1 == 1 {
                    0x10_2030
                } else {
                    0xff_fff0
                }
            })
        }
        ScreenEdit::Copy(from, to) => {
            picture.copy(from, to);
            Rect { x: to.x, y: to.y, ..from }
        }
        ScreenEdit::Photo(rect, seed) => {
            let phase = f32::from(seed);
            each(rect, &|x, y| {
                let grain = x * 7 + y * 13;
                let (x, y) = (x as f32, y as f32);
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "between 7 and 247"
                )]
                let wave = |f: f32| (((x / f + phase).sin() + (y / (f + 3.0)).cos()) * 60.0 + 127.0) as u32;
                wave(9.0) << 16 | wave(14.0) << 8 | wave(23.0) ^ grain & 3
            })
        }
        ScreenEdit::Noise(rect, seed) => each(rect, &|x, y| {
            (x.wrapping_mul(0x85eb_ca6b) ^ y.wrapping_mul(0xc2b2_ae35) ^ seed).wrapping_mul(0x9e37_79b1) >> 7
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn exact_frames_are_exact(edits in proptest::collection::vec(proptest::collection::vec(edit(), 1..4), 1..12)) {
        let (mut now, mut pair) = (Picture::black(SIZE), CoderPair::new(SIZE));
        for step in &edits {
            let damage: Vec<Rect> = step.iter().map(|edit| draw(&mut now, edit)).collect();
            if let Some(coded) = pair.show(&now, &damage, EXACT) {
                prop_assert!(coded.exact);
            }
            prop_assert!(pair.viewer == now);
            prop_assert_eq!(pair.encoder.pending(), PendingUpdates::default());
        }
    }

    #[test]
    fn lossy_and_late_frames_end_exact(
        edits in proptest::collection::vec((proptest::collection::vec(edit(), 1..4), 0..9000_usize, 0..40_000_usize, 1..100_u8, any::<bool>()), 1..12),
    ) {
        let (mut now, mut pair) = (Picture::black(SIZE), CoderPair::new(SIZE));
        for (step, budget, pixels, quality, refine) in &edits {
            let damage: Vec<Rect> = step.iter().map(|edit| draw(&mut now, edit)).collect();
            let focus = refine.then_some(Point { x: u16::from(*quality), y: 50 });
            pair.show(&now, &damage, FrameSettings { budget: *budget, pixels: *pixels, photos: PhotoQuality::Lossy { quality: *quality }, refine: *refine, focus });
        }
        let mut calls = 0;
        while pair.encoder.pending() != PendingUpdates::default() {
            let sent = pair.show(&now, &[], FrameSettings { budget: 4000, refine: true, ..LOSSY });
            prop_assert!(sent.is_some());
            calls += 1;
            prop_assert!(calls < 500);
        }
        prop_assert!(pair.viewer == now);
        let more = pair.show(&now, &[SIZE.rect()], FrameSettings { refine: true, ..LOSSY });
        prop_assert!(more.is_none());
    }
}

#[test]
fn the_first_frame_is_whole_and_the_next_is_none() {
    let now = Picture::black(SIZE);
    let mut pair = CoderPair::new(SIZE);
    assert!(pair.encoder.pending().changed);
    assert!(pair.show(&now, &[], EXACT).unwrap().exact);
    assert_eq!(pair.viewer.size(), SIZE);
    assert_eq!(pair.show(&now, &[SIZE.rect()], EXACT), None);
    assert_eq!(pair.encoder.encode(&Picture::black(Size { width: 1, height: 1 }), &[], EXACT), None);
}

/// A picture that is another one everywhere for each number.
fn written(size: Size, number: u8) -> Picture {
    let mut picture = Picture::black(size);
    let pixel = |x: u32, y: u32| {
        let letter =
            (x / 8).wrapping_mul(0x85eb_ca6b) ^ (y / 14).wrapping_mul(0xc2b2_ae35) ^ u32::from(number);
        let shape = (letter ^ letter >> 15).wrapping_mul(0x9e37_79b1);
        if y % 14 < 10 && x % 8 < 6 && shape >> (x % 8 + y % 14 * 2) & 1 == 1 { 0x10_2030 } else { 0xff_fff0 }
    };
    let width = u32::from(size.width);
    let pixels: Vec<u32> = (0..width * u32::from(size.height)).map(|i| pixel(i % width, i / width)).collect();
    picture.put(size.rect(), &pixels);
    picture
}

#[test]
fn both_ends_forget_the_same_tiles() {
    let size = Size { width: 640, height: 640 };
    let mut pair = CoderPair::new(size);
    let tiles = 100;
    let shows = u8::try_from(crate::format::CACHED_TILES / tiles + 6).unwrap();
    let mut bytes = Vec::new();
    // Up and down: the later ones come back out of what is kept, the first ones were forgotten.
    for number in (0..shows).chain((0..shows).rev().skip(1)) {
        let now = written(size, number);
        bytes.push(pair.show(&now, &[size.rect()], EXACT).unwrap().bytes.len());
        assert!(pair.viewer == now, "{number}");
        for _ in 0..SETTLED {
            assert!(pair.show(&now, &[size.rect()], EXACT).is_none());
        }
    }
    let (again, first_again) = (bytes[usize::from(shows)], *bytes.last().unwrap());
    assert!(again < 300 && first_again > 2 * again, "{again} {first_again}");
}

#[test]
fn scrolling_and_dragging_cost_little() {
    let size = Size { width: 640, height: 480 };
    let long = written(Size { width: 640, height: 900 }, 3);
    let mut pair = CoderPair::new(size);
    let mut now = Picture::black(size);
    let mut bytes = Vec::new();
    for top in (0..200).step_by(13).chain((0..200).rev().step_by(9)) {
        for y in 0..size.height {
            now.put(Rect::new(0, y, size.width, 1), long.row(0, top + y, size.width));
        }
        bytes.push(pair.show(&now, &[size.rect()], EXACT).unwrap().bytes.len());
        assert!(pair.viewer == now);
    }
    assert!(bytes[1..].iter().all(|step| step * 4 < bytes[0]), "{bytes:?}");
}

#[test]
fn a_budget_is_kept_and_the_focus_comes_first() {
    let size = Size { width: 1280, height: 720 };
    let mut pair = CoderPair::new(size);
    pair.show(&Picture::black(size), &[], EXACT);
    let mut now = Picture::black(size);
    draw(&mut now, &ScreenEdit::Noise(size.rect(), 5));
    draw(&mut now, &ScreenEdit::Text(Rect::new(0, 0, 1280, 360), 5));
    let focus = Point { x: 1000, y: 200 };
    let settings = FrameSettings { budget: 5_000, focus: Some(focus), ..LOSSY };
    let first = pair.show(&now, &[size.rect()], settings).unwrap();
    assert!(!first.exact && first.bytes.len() < 20_000, "{}", first.bytes.len());
    assert_eq!(pair.viewer.row(1000, 200, 8), now.row(1000, 200, 8), "what is looked at came first");
    assert!(pair.encoder.pending().changed);
}

#[test]
fn while_text_runs_through_what_stood_still_comes_first_and_nothing_waits_forever() {
    let size = Size { width: 1280, height: 720 };
    let mut pair = CoderPair::new(size);
    let mut now = Picture::black(size);
    pair.show(&now, &[], EXACT);
    let settings = FrameSettings { pixels: 100_000, ..LOSSY };
    let corner = Rect::new(1216, 656, 32, 32);
    let mut waiting = vec![0_u32; size.pixels() / 64 / 64 + 32];
    for number in 0..60_u8 {
        draw(&mut now, &ScreenEdit::Text(Rect::new(0, 0, 1280, 640), number.wrapping_mul(7) + 1));
        let mut damage = vec![Rect::new(0, 0, 1280, 640)];
        if number % 15 == 14 {
            draw(&mut now, &ScreenEdit::Text(corner, number));
            damage.push(corner);
        }
        let coded = pair.show(&now, &damage, settings).unwrap();
        assert!(coded.pixels < 100_000 + 4 * 64 * 64, "{}", coded.pixels);
        assert_eq!(pair.viewer.row(1216, 660, 32), now.row(1216, 660, 32), "{number}");
        for (place, waits) in waiting.iter_mut().take(200).enumerate() {
            let (x, y) = (u16::try_from(place % 20).unwrap() * 64, u16::try_from(place / 20).unwrap() * 64);
            let same = (y..y + 64).all(|y| pair.viewer.row(x, y, 64) == now.row(x, y, 64));
            *waits = if same { 0 } else { *waits + 1 };
            assert!(*waits < 25, "{x} {y}");
        }
    }
}

#[test]
fn what_keeps_changing_is_not_refined_while_it_does() {
    let mut pair = CoderPair::new(SIZE);
    let mut now = Picture::black(SIZE);
    let settings = FrameSettings { refine: true, ..LOSSY };
    for number in 0..6 {
        draw(&mut now, &ScreenEdit::Photo(Rect::new(64, 64, 128, 64), number));
        let coded = pair.show(&now, &[SIZE.rect()], settings).unwrap();
        assert!(!coded.exact && pair.encoder.pending().lossy);
    }
    assert!(pair.show(&now, &[], settings).unwrap().exact);
}
