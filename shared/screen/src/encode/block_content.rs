//! Natural or drawn: what may be shown lossy for a while, and what never is.
//!
//! Drawn things (text, windows, icons) repeat their neighbours' colours and have few of them, however letters
//! are smoothed; photographs do neither. A block between the two without an edge counts as what its neighbours are.

use crate::geometry::Rect;
use crate::picture::Picture;

/// What a block holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BlockContent {
    /// Text, lines, icons: always exact.
    Drawn,
    /// One colour or a gentle slope: looks the same either way.
    Soft,
    /// Photographs and video: lossy at first.
    Natural,
}

/// Neighbours differ by no more than this in each part of a colour: no edge, so no letter.
const GENTLE: u32 = 10;

/// Tells what a block of at most 16 × 16 holds.
pub(super) fn of(picture: &Picture, block: Rect) -> BlockContent {
    let row = |y: u16| picture.row(block.x, y, block.width);
    let lines = || block.y..block.y.saturating_add(block.height);
    let pixels = u32::from(block.width) * u32::from(block.height);
    let repeats: u32 = lines().map(|y| repeated(row(y), if y == block.y { &[] } else { row(y - 1) })).sum();
    if repeats * 5 < pixels {
        let colour = |pixel: &u32| 1_u64 << (pixel.wrapping_mul(0x9e37_79b1) >> 26);
        let seen = lines().flat_map(row).fold(0, |seen, pixel| seen | colour(pixel));
        if seen.count_ones() >= 24.min(pixels / 4).max(4) {
            return BlockContent::Natural;
        }
    }
    // A place or two in a picture that hardly repeats; none in one that does.
    let most = if repeats * 5 < pixels * 3 { pixels / 32 } else { 0 };
    let mut steep = 0;
    for y in lines() {
        let row = row(y);
        steep += row
            .iter()
            .zip(row.iter().skip(1))
            .map(|(a, b)| u32::from(distance(*a, *b) > GENTLE))
            .sum::<u32>();
        if steep > most {
            return BlockContent::Drawn;
        }
    }
    BlockContent::Soft
}

/// Pixels that are like the one to the left or the one above. Without a row above: to the left.
#[inline(always)]
fn repeated(row: &[u32], above: &[u32]) -> u32 {
    let left = row.iter().zip(row.iter().skip(1));
    if above.is_empty() {
        return left.map(|(a, b)| u32::from(a == b)).sum();
    }
    left.zip(above.iter().skip(1)).map(|((a, b), up)| u32::from(a == b || up == b)).sum()
}

/// The largest difference of one part.
#[inline(always)]
fn distance(a: u32, b: u32) -> u32 {
    let part = |shift: u32| (a >> shift & 0xff).abs_diff(b >> shift & 0xff);
    part(0).max(part(8)).max(part(16))
}
