//! Natural pictures, lossy: baseline JPEG (ITU-T T.81), 4:2:0, with the standard Huffman tables.
//!
//! Only the entropy-coded data crosses the network. Size, quality and with them the whole header are known to both
//! ends, so the decoder writes the header itself: no byte of it is a peer's, and it costs nothing.

mod header;
mod transform;

pub(crate) use header::with_header;

use crate::bit_writer::{BitWriter, JpegBytes};
use transform::{DctBlock, forward};

use header::{CHROMA_AC, CHROMA_DC, HuffmanCodes, LUMA_AC, LUMA_DC, ZIGZAG, quantisation};

/// Fewest bytes of a picture: each block takes at least its two shortest codes.
pub(crate) fn least_bytes(width: u16, height: u16) -> usize {
    4 * usize::from(width.div_ceil(16)) * usize::from(height.div_ceil(16))
}

/// Codes at one quality; keeps the tables.
#[derive(Debug)]
pub(crate) struct JpegEncoder {
    quality: u8,
    luma: [f32; 64],
    chroma: [f32; 64],
    codes: [HuffmanCodes; 4],
}

impl JpegEncoder {
    pub(crate) fn new(quality: u8) -> Self {
        let (luma, chroma) = quantisation(quality);
        Self {
            quality,
            luma: transform::divisors(&luma),
            chroma: transform::divisors(&chroma),
            codes: [
                HuffmanCodes::new(&LUMA_DC),
                HuffmanCodes::new(&LUMA_AC),
                HuffmanCodes::new(&CHROMA_DC),
                HuffmanCodes::new(&CHROMA_AC),
            ],
        }
    }

    pub(crate) fn quality(&self) -> u8 {
        self.quality
    }

    /// Appends the entropy-coded data of a picture whose rows are given.
    pub(crate) fn encode<'a>(
        &self,
        width: u16,
        height: u16,
        row: impl Fn(u16) -> &'a [u32],
        out: &mut Vec<u8>,
    ) {
        let mut bits = BitWriter::new(out);
        let mut last = [0_i32; 3];
        let padded = usize::from(width.div_ceil(16)) * 16;
        let mut planes = ColourPlanes::new(padded);
        for top in (0..height).step_by(16) {
            for line in 0..16_u16 {
                planes.take(line.into(), row((top + line).min(height - 1)));
            }
            planes.halve();
            for left in (0..padded).step_by(16) {
                for (x, y) in [(0, 0), (8, 0), (0, 8), (8, 8)] {
                    let block = forward(&planes.luma, padded, left + x, y);
                    self.block(&mut bits, &block, &self.luma, 0, &mut last[0]);
                }
                let block = forward(&planes.blue, padded / 2, left / 2, 0);
                self.block(&mut bits, &block, &self.chroma, 2, &mut last[1]);
                let block = forward(&planes.red, padded / 2, left / 2, 0);
                self.block(&mut bits, &block, &self.chroma, 2, &mut last[2]);
            }
        }
        bits.finish();
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "coefficients are below 2^11")]
    fn block(
        &self,
        bits: &mut BitWriter<'_, JpegBytes>,
        block: &DctBlock,
        divisors: &[f32; 64],
        table: usize,
        last: &mut i32,
    ) {
        let (Some(dc), Some(ac)) = (self.codes.get(table), self.codes.get(table + 1)) else { return };
        let mut values = [0_i32; 64];
        for ((value, coefficient), divisor) in values.iter_mut().zip(block).zip(divisors) {
            let scaled = coefficient * divisor;
            // To the nearest: faster than round() on every processor.
            *value = (scaled + 16_384.5) as i32 - 16_384;
        }
        let mut ordered = [0_i32; 64];
        let mut present = 0_u64;
        for (place, (to, from)) in ordered.iter_mut().zip(ZIGZAG).enumerate() {
            *to = values.get(usize::from(from)).copied().unwrap_or_default();
            present |= u64::from(*to != 0) << place;
        }
        let difference = ordered[0] - *last;
        *last = ordered[0];
        let (size, extra) = magnitude(difference);
        let (code, length) = dc.of(size as usize);
        bits.put(code << size | extra, length + size);
        let mut rest = present & !1;
        let mut before = 0;
        while rest != 0 {
            let place = rest.trailing_zeros();
            rest &= rest - 1;
            let mut zeros = place - before - 1;
            while zeros > 15 {
                let (code, length) = ac.of(0xf0);
                bits.put(code, length);
                zeros -= 16;
            }
            let value = ordered.get(place as usize).copied().unwrap_or_default().clamp(-1023, 1023);
            let (size, extra) = magnitude(value);
            let (code, length) = ac.of((zeros << 4 | size) as usize);
            bits.put(code << size | extra, length + size);
            before = place;
        }
        if before != 63 {
            let (code, length) = ac.of(0);
            bits.put(code, length);
        }
    }
}

/// Number of bits of a value, and the bits, as the standard has them (F.1.2.1).
#[inline(always)]
fn magnitude(value: i32) -> (u32, u32) {
    let size = 32 - value.unsigned_abs().leading_zeros();
    let bits = (value + (value >> 31)).cast_unsigned();
    (size, bits & ((1 << size) - 1))
}

/// Sixteen rows as luma and halved chroma.
struct ColourPlanes {
    width: usize,
    luma: Vec<f32>,
    full_blue: Vec<f32>,
    full_red: Vec<f32>,
    blue: Vec<f32>,
    red: Vec<f32>,
}

impl ColourPlanes {
    fn new(width: usize) -> Self {
        let full = || vec![0.0; width * 16];
        let half = || vec![0.0; width / 2 * 8];
        Self { width, luma: full(), full_blue: full(), full_red: full(), blue: half(), red: half() }
    }

    /// One row; what is missing at the right repeats the last pixel.
    fn take(&mut self, line: usize, row: &[u32]) {
        let range = line * self.width..(line + 1) * self.width;
        let (Some(luma), Some(blue), Some(red)) = (
            self.luma.get_mut(range.clone()),
            self.full_blue.get_mut(range.clone()),
            self.full_red.get_mut(range),
        ) else {
            return;
        };
        for (((pixel, y), cb), cr) in row.iter().zip(luma.iter_mut()).zip(blue.iter_mut()).zip(red.iter_mut())
        {
            let part = |shift: u32| (pixel >> shift & 0xff).cast_signed() as f32;
            let (r, g, b) = (part(16), part(8), part(0));
            *y = 0.299 * r + 0.587 * g + 0.114 * b - 128.0;
            *cb = -0.168_736 * r - 0.331_264 * g + 0.5 * b;
            *cr = 0.5 * r - 0.418_688 * g - 0.081_312 * b;
        }
        for plane in [luma, blue, red] {
            let last = plane.get(row.len().wrapping_sub(1)).copied().unwrap_or_default();
            plane.iter_mut().skip(row.len()).for_each(|value| *value = last);
        }
    }

    /// The mean of four.
    fn halve(&mut self) {
        for (full, half) in [(&self.full_blue, &mut self.blue), (&self.full_red, &mut self.red)] {
            for (two, out) in full.chunks_exact(2 * self.width).zip(half.chunks_exact_mut(self.width / 2)) {
                let (upper, lower) = two.split_at(self.width);
                for ((a, b), out) in upper.chunks_exact(2).zip(lower.chunks_exact(2)).zip(out) {
                    *out = (a.iter().sum::<f32>() + b.iter().sum::<f32>()) * 0.25;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
