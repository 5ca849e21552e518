//! Frames as the last release wrote them: `golden.hex`, a line for each, in order. What is in the file is decoded for
//! ever, or the version in a frame's first byte changes.
#![allow(clippy::unwrap_used, reason = "all of this file is a test")]

use std::fs;
use std::path::PathBuf;

use nearhand_screen::{
    Canvas as _, FrameSettings, PhotoQuality, Picture, Rect, ScreenDecoder, ScreenEncoder, Size,
};

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden.hex")
}

const SIZE: Size = Size { width: 160, height: 130 };

/// The pictures that the frames show: text, a letter more, a scroll, a photograph, the text again.
fn pictures() -> Vec<Picture> {
    let text = |x: u32, y: u32| {
        let shape = ((x / 8) * 31 + (y / 12) * 17 + 5).wrapping_mul(0x9e37_79b1);
        if x % 8 < 6 && y % 12 < 9 && shape >> ((x % 8 + y % 12 * 3) % 29) & 1 == 1 {
            0x20_3040
        } else {
            0xff_fff0
        }
    };
    let photo = |x: u32, y: u32| {
        let (red, green) = ((x * 2 + y) % 256, (y * 3 + (x * y) % 11) % 256);
        red << 16 | green << 8 | ((x * 5 + (y * 7) % 13) % 256)
    };
    let drawn = |rect: Rect, f: &dyn Fn(u32, u32) -> u32| -> Vec<u32> {
        let width = u32::from(rect.width);
        (0..width * u32::from(rect.height)).map(|i| f(i % width, i / width)).collect()
    };
    let mut now = Picture::black(SIZE);
    now.put(SIZE.rect(), &drawn(SIZE.rect(), &text));
    let mut all = vec![now.clone()];
    now.put(Rect::new(40, 24, 8, 9), &drawn(Rect::new(0, 0, 8, 9), &|x, y| text(x + 3, y + 1)));
    all.push(now.clone());
    now.copy(Rect::new(0, 24, 160, 106), nearhand_screen::Point { x: 0, y: 0 });
    now.fill(Rect::new(0, 106, 160, 24), 0xff_fff0);
    all.push(now.clone());
    // Six frames in which nothing but a corner changes: then the rest has settled, and is kept.
    for n in 0..6 {
        now.fill(Rect::new(150, 120, 4, 4), n);
        all.push(now.clone());
    }
    let settled = now.clone();
    let area = Rect::new(0, 0, 80, 64);
    now.put(area, &drawn(area, &photo));
    all.push(now.clone());
    all.push(now);
    all.push(settled);
    all
}

/// Frames of all pictures by today's encoder.
fn coded() -> Vec<Vec<u8>> {
    let mut encoder = ScreenEncoder::new(SIZE);
    let settings = FrameSettings {
        budget: usize::MAX,
        pixels: usize::MAX,
        photos: PhotoQuality::Lossy { quality: 70 },
        refine: true,
        focus: None,
    };
    pictures()
        .iter()
        .filter_map(|now| encoder.encode(now, &[SIZE.rect()], settings))
        .map(|coded| coded.bytes)
        .collect()
}

fn golden() -> Vec<Vec<u8>> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let text = fs::read_to_string(path()).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.as_bytes().chunks_exact(2).map(byte).collect())
        .collect()
}

/// Rewrites the file: only when the format's version changes.
fn rewrite() {
    let hex = |frame: &Vec<u8>| frame.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    let lines: String = coded().iter().map(hex).collect();
    let head = "# Frames of tests/golden.rs in order; written by it with NEARHAND_REGENERATE_GOLDEN set.\n";
    fs::write(path(), format!("{head}{lines}")).unwrap();
}

#[test]
fn released_frames_show_what_they_did() {
    if std::env::var_os("NEARHAND_REGENERATE_GOLDEN").is_some() {
        rewrite();
    }
    let (mut decoder, mut viewer) = (ScreenDecoder::new(), Picture::black(Size { width: 1, height: 1 }));
    let (frames, pictures) = (golden(), pictures());
    assert_eq!(frames.len(), pictures.len());
    for (number, (frame, picture)) in frames.iter().zip(&pictures).enumerate() {
        decoder.decode(frame, &mut viewer).unwrap();
        // One before the last but one is lossy.
        assert!((viewer == *picture) == (number + 3 != pictures.len()), "frame {number}");
    }
}
