//! What is coded is what a decoder of somebody else's makes of it.

use super::*;
use crate::decode::jpeg_pixels;

fn picture(width: u16, height: u16) -> Vec<u32> {
    let at = |x: u16, y: u16| {
        let (x, y) = (f32::from(x), f32::from(y));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 28 and 228")]
        let wave = |phase: f32| ((x / 17.0 + phase).sin() * (y / 23.0 - phase).cos() * 100.0 + 128.0) as u32;
        wave(0.0) << 16 | wave(1.0) << 8 | wave(2.5)
    };
    (0..height).flat_map(|y| (0..width).map(move |x| at(x, y))).collect()
}

#[test]
fn a_picture_is_recognised_at_every_size_and_quality() {
    for (width, height) in [(64, 64), (1, 1), (16, 16), (17, 33), (250, 9)] {
        for (quality, most) in [(95, 4.0), (75, 8.0), (30, 20.0)] {
            let pixels = picture(width, height);
            let mut data = Vec::new();
            let row = |y: u16| &pixels[usize::from(y) * usize::from(width)..][..usize::from(width)];
            JpegEncoder::new(quality).encode(width, height, row, &mut data);
            assert!(data.len() >= least_bytes(width, height), "{width}x{height}");
            let read = jpeg_pixels(&with_header(quality, width, height, &data), width, height).unwrap();
            let error: i64 = pixels
                .iter()
                .zip(&read)
                .flat_map(|(a, b)| [0, 8, 16].map(|s| i64::from(a >> s & 255) - i64::from(b >> s & 255)))
                .map(i64::abs)
                .sum();
            let mean = error as f64 / (pixels.len() * 3) as f64;
            assert!(mean < most, "{width}x{height} at {quality}: off by {mean}");
        }
    }
}

#[test]
fn a_flat_picture_takes_the_fewest_bytes() {
    let mut data = Vec::new();
    let row = [0x80_8080; 64];
    JpegEncoder::new(80).encode(64, 64, |_| &row, &mut data);
    assert_eq!(data.len(), least_bytes(64, 64));
}
