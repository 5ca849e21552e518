//! Whatever happens on a screen, the viewer ends up with the same pixels.

use proptest::prelude::*;

use super::*;
use crate::decode::Decoder;

const SIZE: Size = Size { width: 300, height: 200 };

pub(crate) const EXACT: How = How { budget: usize::MAX, natural: Natural::Exact, refine: false, focus: None };
const LOSSY: How = How { natural: Natural::Lossy { quality: 60 }, ..EXACT };

/// Both ends.
pub(crate) struct Pair {
    pub(crate) encoder: Encoder,
    pub(crate) decoder: Decoder,
    pub(crate) viewer: Picture,
}

impl Pair {
    pub(crate) fn new(size: Size) -> Self {
        let viewer = Picture::black(Size { width: 1, height: 1 });
        Self { encoder: Encoder::new(size), decoder: Decoder::new(), viewer }
    }

    pub(crate) fn show(&mut self, now: &Picture, damage: &[Rect], how: How) -> Option<Coded> {
        let coded = self.encoder.encode(now, damage, how)?;
        self.decoder.decode(&coded.bytes, &mut self.viewer).unwrap();
        if coded.exact {
            assert!(self.viewer == *now, "said to be exact and isn't");
        }
        Some(coded)
    }
}

#[derive(Clone, Debug)]
enum Edit {
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

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (rect(), 0..6_u32).prop_map(|(r, c)| Edit::Fill(r, c * 0x2a_3b1c)),
        (rect(), any::<u8>()).prop_map(|(r, s)| Edit::Text(r, s)),
        (rect(), 0..SIZE.width, 0..SIZE.height).prop_map(|(r, x, y)| Edit::Copy(
            r,
            Point { x: x.min(SIZE.width - r.width), y: y.min(SIZE.height - r.height) }
        )),
        (rect(), any::<u8>()).prop_map(|(r, s)| Edit::Photo(r, s)),
        (rect(), any::<u32>()).prop_map(|(r, s)| Edit::Noise(r, s)),
    ]
}

fn draw(picture: &mut Picture, edit: &Edit) -> Rect {
    let mut each = |rect: Rect, f: &dyn Fn(u32, u32) -> u32| {
        let pixels: Vec<u32> = (0..u32::from(rect.height))
            .flat_map(|y| (0..u32::from(rect.width)).map(move |x| f(x, y) & 0xff_ffff))
            .collect();
        picture.put(rect, &pixels);
        rect
    };
    match *edit {
        Edit::Fill(rect, colour) => {
            picture.fill(rect, colour);
            rect
        }
        Edit::Text(rect, seed) => {
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
        Edit::Copy(from, to) => {
            picture.copy(from, to);
            Rect { x: to.x, y: to.y, ..from }
        }
        Edit::Photo(rect, seed) => {
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
        Edit::Noise(rect, seed) => each(rect, &|x, y| {
            (x.wrapping_mul(0x85eb_ca6b) ^ y.wrapping_mul(0xc2b2_ae35) ^ seed).wrapping_mul(0x9e37_79b1) >> 7
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn exact_frames_are_exact(edits in proptest::collection::vec(proptest::collection::vec(edit(), 1..4), 1..12)) {
        let (mut now, mut pair) = (Picture::black(SIZE), Pair::new(SIZE));
        for step in &edits {
            let damage: Vec<Rect> = step.iter().map(|edit| draw(&mut now, edit)).collect();
            if let Some(coded) = pair.show(&now, &damage, EXACT) {
                prop_assert!(coded.exact);
            }
            prop_assert!(pair.viewer == now);
            prop_assert_eq!(pair.encoder.owes(), Owes::default());
        }
    }

    #[test]
    fn lossy_and_late_frames_end_exact(
        edits in proptest::collection::vec((proptest::collection::vec(edit(), 1..4), 0..9000_usize, 1..100_u8, any::<bool>()), 1..12),
    ) {
        let (mut now, mut pair) = (Picture::black(SIZE), Pair::new(SIZE));
        for (step, budget, quality, refine) in &edits {
            let damage: Vec<Rect> = step.iter().map(|edit| draw(&mut now, edit)).collect();
            let focus = refine.then_some(Point { x: u16::from(*quality), y: 50 });
            pair.show(&now, &damage, How { budget: *budget, natural: Natural::Lossy { quality: *quality }, refine: *refine, focus });
        }
        let mut calls = 0;
        while pair.encoder.owes() != Owes::default() {
            let sent = pair.show(&now, &[], How { budget: 4000, refine: true, ..LOSSY });
            prop_assert!(sent.is_some());
            calls += 1;
            prop_assert!(calls < 500);
        }
        prop_assert!(pair.viewer == now);
        let more = pair.show(&now, &[SIZE.rect()], How { refine: true, ..LOSSY });
        prop_assert!(more.is_none());
    }
}

#[test]
fn the_first_frame_is_whole_and_the_next_is_none() {
    let now = Picture::black(SIZE);
    let mut pair = Pair::new(SIZE);
    assert!(pair.encoder.owes().changed);
    assert!(pair.show(&now, &[], EXACT).unwrap().exact);
    assert_eq!(pair.viewer.size(), SIZE);
    assert_eq!(pair.show(&now, &[SIZE.rect()], EXACT), None);
    assert_eq!(pair.encoder.encode(&Picture::black(Size { width: 1, height: 1 }), &[], EXACT), None);
}
