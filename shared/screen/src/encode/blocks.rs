//! Natural or drawn: what may be shown lossy for a while, and what never is.
//!
//! Drawn things (text, windows, icons) repeat their neighbours' colours and have few of them, whatever the
//! smoothing of letters; photographs have neither. A block between that has no edge is whatever lies beside it.

use crate::geometry::Rect;
use crate::picture::Picture;

/// What a block holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// Text, lines, icons: always exact.
    Drawn,
    /// One colour or a gentle slope: looks the same either way.
    Soft,
    /// Photographs, video.
    Natural,
}

/// Neighbours differ by no more than this in each part of a colour: no edge, so no letter.
const GENTLE: u32 = 10;

/// Tells what a block of at most 16 × 16 holds.
pub(super) fn content(picture: &Picture, block: Rect) -> Content {
    let (mut repeats, mut steep, mut seen) = (0_u32, 0_u32, 0_u64);
    let mut above: &[u32] = &[];
    for y in block.y..block.y.saturating_add(block.height) {
        let row = picture.row(block.x, y, block.width);
        let up = if above.is_empty() { row } else { above };
        let mut left = row.first().copied().unwrap_or_default();
        for (pixel, upper) in row.iter().zip(up) {
            let first = above.is_empty() && *pixel == *upper && left != *pixel;
            repeats += u32::from(*pixel == left || *pixel == *upper && !first);
            steep += u32::from(distance(*pixel, left) > GENTLE);
            seen |= 1 << (pixel.wrapping_mul(0x9e37_79b1) >> 26);
            left = *pixel;
        }
        above = row;
    }
    let pixels = u32::from(block.width) * u32::from(block.height);
    let colours = seen.count_ones();
    if repeats * 5 < pixels * 2 && colours >= 24.min(pixels / 4).max(4) {
        Content::Natural
    } else if steep == 0 || repeats * 5 < pixels * 3 && steep * 32 < pixels {
        Content::Soft
    } else {
        Content::Drawn
    }
}

/// The largest difference of one part.
#[inline(always)]
fn distance(a: u32, b: u32) -> u32 {
    let part = |shift: u32| (a >> shift & 0xff).abs_diff(b >> shift & 0xff);
    part(0).max(part(8)).max(part(16))
}
