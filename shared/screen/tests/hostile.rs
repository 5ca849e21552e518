//! Bytes from anybody: no panic, no success by chance, no work or memory beyond what the bytes can pay for.
#![allow(clippy::unwrap_used, reason = "all of this file is a test")]

use nearhand_screen::{
    Canvas, DecodeError, FrameSettings, PhotoQuality, Picture, Point, Rect, ScreenDecoder, ScreenEncoder,
    Size,
};
use proptest::prelude::*;

/// Checks what it is told, and counts the pixels.
#[derive(Default)]
struct CheckingCanvas {
    size: Option<Size>,
    pixels: usize,
    operations: usize,
}

impl CheckingCanvas {
    fn take(&mut self, rect: Rect, count: usize) {
        assert!(rect.within(self.size.unwrap()).is_some(), "{rect:?}");
        assert_eq!(rect.pixels(), count);
        self.pixels += count;
        self.operations += 1;
    }
}

impl Canvas for CheckingCanvas {
    fn resize(&mut self, size: Size) {
        assert_eq!(Size::checked(size.width, size.height), Some(size));
        self.size = Some(size);
    }

    fn copy(&mut self, from: Rect, to: Point) {
        self.take(from, from.pixels());
        self.take(Rect { x: to.x, y: to.y, ..from }, from.pixels());
    }

    fn fill(&mut self, rect: Rect, color: u32) {
        assert!(color <= 0xff_ffff);
        self.take(rect, rect.pixels());
    }

    fn indexed(&mut self, rect: Rect, palette: &[u32], indices: &[u8]) {
        assert!(palette.len() <= 256 && indices.iter().all(|i| usize::from(*i) < palette.len()));
        self.take(rect, indices.len());
    }

    fn pixels(&mut self, rect: Rect, pixels: &[u32]) {
        assert!(pixels.iter().all(|pixel| *pixel <= 0xff_ffff));
        self.take(rect, pixels.len());
    }
}

/// Frames with every kind of operation.
fn frames() -> Vec<Vec<u8>> {
    static FRAMES: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(coded);
    FRAMES.clone()
}

fn coded() -> Vec<Vec<u8>> {
    let size = Size { width: 200, height: 150 };
    let (mut now, mut encoder, mut frames) = (Picture::black(size), ScreenEncoder::new(size), Vec::new());
    let grain = |x: u32, y: u32, seed: u32| {
        ((x * 3 + seed) << 16) | ((y * 5 + (x * y) % 7) << 8) | ((x * y * seed) % 200)
    };
    for step in 0..12_u32 {
        let at = u16::try_from(step * 9).unwrap();
        let area = Rect::new(at, at / 2, 90, 80);
        for y in area.y..area.y + area.height {
            for x in area.x..area.x + area.width {
                let (dx, dy) = (u32::from(x - area.x), u32::from(y - area.y));
                let text = if (dx * dx + dy * 3) % 17 < 4 && dy % 12 < 9 { 0x11_2233 } else { 0xff_ffff };
                let pixel = if dx < 60 { text } else { grain(dx, dy, step / 6) & 0xff_ffff };
                now.put(Rect::new(x, y, 1, 1), &[pixel]);
            }
        }
        if step % 4 == 3 {
            now.fill(size.rect(), step);
        }
        let settings = FrameSettings {
            budget: 9_000,
            pixels: 30_000,
            photos: PhotoQuality::Lossy { quality: 50 },
            refine: step % 3 == 2,
            focus: None,
        };
        for _ in 0..1 + step % 4 * 2 {
            frames.extend(encoder.encode(&now, &[size.rect()], settings).map(|coded| coded.bytes));
        }
    }
    frames
}

/// Decodes frames up to the first that isn't taken.
fn decode(frames: &[Vec<u8>]) -> (CheckingCanvas, Result<(), DecodeError>) {
    let (mut decoder, mut canvas) = (ScreenDecoder::new(), CheckingCanvas::default());
    let result = frames.iter().try_for_each(|frame| decoder.decode(frame, &mut canvas));
    if result.is_err() {
        // Nothing but a first frame is taken after a failure.
        assert_eq!(decoder.size(), None);
        let next = decoder.decode(&[0x10], &mut canvas);
        assert_eq!(next, Err(DecodeError::Missing));
    }
    (canvas, result)
}

#[test]
fn whole_frames_are_taken() {
    let (canvas, result) = decode(&frames());
    assert_eq!(result, Ok(()));
    assert!(canvas.operations > 40);
}

#[test]
fn a_frame_cut_anywhere_or_lengthened_is_refused() {
    let frames = frames();
    for (number, frame) in frames.iter().enumerate() {
        for end in (0..frame.len()).filter(|end| *end < 40 || end % 11 == 0 || end + 20 > frame.len()) {
            let mut cut = frames[..=number].to_vec();
            cut[number].truncate(end);
            assert!(decode(&cut).1.is_err(), "frame {number} cut to {end} of {}", frame.len());
        }
        let mut longer = frames[..=number].to_vec();
        // More than the coder may have left off, which nobody misses.
        longer[number].extend_from_slice(&[7; 5]);
        assert!(decode(&longer).1.is_err(), "frame {number}");
    }
}

#[test]
fn a_changed_bit_is_survived() {
    let frames = frames();
    for (number, frame) in frames.iter().enumerate() {
        for at in (0..frame.len()).step_by(1 + frame.len() / 20) {
            let mut changed = frames[..=number].to_vec();
            changed[number][at] ^= 1 << (at % 8);
            drop(decode(&changed));
        }
    }
}

#[test]
fn a_frame_without_a_first_one_is_refused() {
    let frames = frames();
    let mut canvas = CheckingCanvas::default();
    assert_eq!(ScreenDecoder::new().decode(&frames[1], &mut canvas), Err(DecodeError::Missing));
    assert_eq!(ScreenDecoder::new().decode(&[], &mut canvas), Err(DecodeError::Short));
    assert_eq!(ScreenDecoder::new().decode(&[0x21], &mut canvas), Err(DecodeError::Version));
    for [width, height] in [[0, 9], [9, 0], [0xffff, 0xffff], [16_385, 1], [16_384, 16_384]] {
        let bytes = [&[0x11][..], &u16::to_le_bytes(width), &u16::to_le_bytes(height)].concat();
        assert_eq!(ScreenDecoder::new().decode(&bytes, &mut canvas), Err(DecodeError::Size(width, height)));
    }
}

#[test]
fn a_first_frame_starts_over() {
    let frames = frames();
    let (mut decoder, mut viewer) = (ScreenDecoder::new(), Picture::black(Size { width: 1, height: 1 }));
    for frame in frames.iter().chain(&frames) {
        decoder.decode(frame, &mut viewer).unwrap();
    }
    let mut once = Picture::black(Size { width: 1, height: 1 });
    let mut decoder = ScreenDecoder::new();
    frames.iter().for_each(|frame| decoder.decode(frame, &mut once).unwrap());
    assert!(viewer == once);
}

/// A first frame of a size, then bytes.
fn first(width: u16, height: u16, rest: &[u8]) -> Vec<u8> {
    [&[0x11][..], &width.to_le_bytes(), &height.to_le_bytes(), rest].concat()
}

#[test]
fn uniform_bytes_pay_for_little_work() {
    // What a coder reads out of uniform bytes is the likeliest again and again: the most work for a byte.
    for byte in 0..=u8::MAX {
        let frame = first(1000, 1000, &[byte; 1000]);
        let (canvas, _) = decode(&[frame]);
        assert!(canvas.pixels <= 20 * 1_000_000, "{byte} {}", canvas.pixels);
        assert!(canvas.operations < 200_000, "{byte} {}", canvas.operations);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        width in 1..400_u16,
        height in 1..400_u16,
        beside in any::<bool>(),
    ) {
        drop(decode(std::slice::from_ref(&bytes)));
        let mut frame = first(width, height, &bytes);
        frame[0] |= u8::from(beside) << 1;
        let (canvas, _) = decode(&[frame]);
        prop_assert!(canvas.pixels <= 20 * (usize::from(width) * usize::from(height) + (1 << 16)));
    }

    #[test]
    fn spoilt_frames_are_survived(number in 0..30_usize, spoils in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let mut frames = frames();
        let number = number % frames.len();
        for (at, byte) in spoils {
            let length = frames[number].len();
            frames[number][at % length] = byte;
        }
        drop(decode(&frames));
    }
}
