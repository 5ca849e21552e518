//! Natural pictures, exactly: after LOCO-I (the algorithm of JPEG-LS), simplified. Each pixel is foretold from its
//! neighbours, red and blue as differences from green; the errors are coded in Golomb-Rice codes whose parameter
//! follows the errors seen at places as lively as this one.

use crate::bit_writer::{BitWriter, PlainBytes};

/// How lively a place is: steps of the sum of three gradients.
const CONTEXTS: usize = 12;
/// Zeros of a code's first half above which the value is written in full.
const ESCAPE: u32 = 23;
/// Halving keeps the statistics fresh.
const RESET: u32 = 64;

/// Fewest bytes that this number of pixels can take: one bit for each of three values.
pub(crate) fn least_bytes(pixels: usize) -> usize {
    pixels.saturating_mul(3) / 8
}

/// The bytes end before the picture is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TruncatedPhoto;

#[derive(Clone, Copy)]
struct PredictionErrors {
    sum: u32,
    bias: i32,
    correction: i32,
    count: u32,
}

impl PredictionErrors {
    const NEW: Self = Self { sum: 4, bias: 0, correction: 0, count: 1 };

    #[inline(always)]
    fn parameter(&self) -> u32 {
        // The least k with count * 2^k >= sum.
        (self.sum.max(1) - 1).checked_div(self.count).map_or(0, |mean| 32 - mean.leading_zeros()).min(8)
    }

    #[inline(always)]
    fn learn(&mut self, error: i32) {
        self.sum += error.unsigned_abs();
        self.bias += error;
        self.count += 1;
        let count = self.count.cast_signed();
        if self.bias <= -count {
            self.correction = (self.correction - 1).max(-127);
            self.bias = (self.bias + count).max(1 - count);
        } else if self.bias > 0 {
            self.correction = (self.correction + 1).min(127);
            self.bias = (self.bias - count).min(0);
        }
        if self.count >= RESET {
            self.count /= 2;
            self.sum /= 2;
            self.bias /= 2;
        }
    }
}

/// Writes a picture's bytes to the end of `out`.
pub(crate) fn encode<'a>(width: usize, rows: impl Iterator<Item = &'a [u32]>, out: &mut Vec<u8>) {
    let mut model = PhotoModel::new(width);
    let mut bits = BitWriter::new(out);
    for row in rows {
        model
            .row(|x, plane, guess, k| {
                let value = row.get(x).copied().map_or([0; 3], split);
                let value = value.get(plane).copied().unwrap_or_default();
                let error = wrap(value - guess);
                put_code(&mut bits, (error << 1 ^ error >> 31).cast_unsigned(), k);
                Ok(error)
            })
            .unwrap_or(());
    }
    bits.finish();
}

/// Reads a picture. `pixels` has its size.
///
/// # Errors
/// The bytes end before it does.
pub(crate) fn decode(width: usize, pixels: &mut [u32], bytes: &[u8]) -> Result<(), TruncatedPhoto> {
    let mut model = PhotoModel::new(width);
    let mut bits = BitReader { bytes: bytes.iter(), held: 0, count: 0, missing: 0 };
    for row in pixels.chunks_exact_mut(width) {
        model.row(|_, _, _, k| {
            let folded = bits.code(k);
            Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
        })?;
        if bits.missing > 8 {
            return Err(TruncatedPhoto);
        }
        for (pixel, values) in row.iter_mut().zip(model.done()) {
            *pixel = join(*values);
        }
    }
    Ok(())
}

#[inline(always)]
fn split(pixel: u32) -> [i32; 3] {
    let part = |shift: u32| (pixel >> shift & 0xff).cast_signed();
    let green = part(8);
    [green, wrap(part(16) - green), wrap(part(0) - green)]
}

#[inline(always)]
fn join([green, red, blue]: [i32; 3]) -> u32 {
    let byte = |value: i32| (value & 0xff).cast_unsigned();
    byte(red + green) << 16 | byte(green) << 8 | byte(blue + green)
}

/// Wraps a difference into -128..128.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "what wraps around is meant to")]
fn wrap(value: i32) -> i32 {
    i32::from(value as i8)
}

struct PhotoModel {
    above: Vec<[i32; 3]>,
    this: Vec<[i32; 3]>,
    width: usize,
    errors: [[PredictionErrors; CONTEXTS]; 3],
}

impl PhotoModel {
    fn new(width: usize) -> Self {
        let row = || vec![[128, 0, 0]; width + 2];
        Self { above: row(), this: row(), width, errors: [[PredictionErrors::NEW; CONTEXTS]; 3] }
    }

    /// The last row.
    fn done(&self) -> &[[i32; 3]] {
        self.above.get(1..=self.width).unwrap_or_default()
    }

    /// One row. `error` is given column, plane, what is foretold and the parameter, and returns by how much that
    /// is wrong.
    #[inline(always)]
    #[allow(clippy::indexing_slicing, reason = "arrays of three, counted to three")]
    fn row(
        &mut self,
        mut error: impl FnMut(usize, usize, i32, u32) -> Result<i32, TruncatedPhoto>,
    ) -> Result<(), TruncatedPhoto> {
        let first = self.above.get(1).copied().unwrap_or_default();
        let (mut west, mut corner) = (first, first);
        let rows = self.above.windows(3).zip(self.this.iter_mut().skip(1));
        for (x, (up, out)) in rows.enumerate() {
            let [_, north, east] = up else { break };
            let mut values = [0; 3];
            for plane in 0..3 {
                let (w, n, nw, ne) = (west[plane], north[plane], corner[plane], east[plane]);
                let lively = (n - nw).unsigned_abs() + (w - nw).unsigned_abs() + (ne - n).unsigned_abs();
                let context =
                    (2 * (32 - (lively + 1).leading_zeros()) - u32::from(lively < 3)).min(11) as usize;
                let Some(errors) = self.errors.get_mut(plane).and_then(|e| e.get_mut(context)) else {
                    continue;
                };
                let (low, high) = (w.min(n), w.max(n));
                let guess = (w + n - nw).clamp(low, high) + errors.correction;
                let wrong = error(x, plane, guess, errors.parameter())?;
                errors.learn(wrong);
                let value = guess + wrong;
                // Green is a byte, the differences are signed ones.
                values[plane] = if plane == 0 { value & 0xff } else { wrap(value) };
            }
            *out = values;
            (west, corner) = (values, *north);
        }
        let last = self.this.get(self.width).copied().unwrap_or_default();
        if let Some(end) = self.this.last_mut() {
            *end = last;
        }
        core::mem::swap(&mut self.above, &mut self.this);
        Ok(())
    }
}

/// A folded error in the code of Golomb and Rice with `k` low bits.
#[inline(always)]
fn put_code(bits: &mut BitWriter<'_, PlainBytes>, value: u32, k: u32) {
    let zeros = value >> k;
    if zeros < ESCAPE {
        bits.put(1, zeros + 1);
        bits.put(value & ((1 << k) - 1), k);
    } else {
        bits.put(1, ESCAPE + 1);
        bits.put(value & 0xff, 8);
    }
}

struct BitReader<'a> {
    bytes: core::slice::Iter<'a, u8>,
    held: u64,
    count: u32,
    missing: usize,
}

impl BitReader<'_> {
    /// So that there are at least 32 bits; ones after the end, so that no code is endless.
    #[inline(always)]
    fn fill(&mut self) {
        while self.count <= 56 {
            let byte = self.bytes.next().copied().unwrap_or_else(|| {
                self.missing += 1;
                0xff
            });
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    #[inline(always)]
    fn take(&mut self, count: u32) -> u32 {
        #[allow(clippy::cast_possible_truncation, reason = "at most 32 bits are asked for")]
        let bits = if count == 0 { 0 } else { (self.held >> (64 - count)) as u32 };
        self.held <<= count;
        self.count -= count;
        bits
    }

    #[inline(always)]
    fn code(&mut self, k: u32) -> u32 {
        self.fill();
        let zeros = self.held.leading_zeros().min(ESCAPE);
        self.take(zeros + 1);
        if zeros == ESCAPE { self.take(8) } else { zeros << k | self.take(k) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(width: usize, pixels: &[u32]) -> usize {
        let mut bytes = Vec::new();
        encode(width, pixels.chunks_exact(width), &mut bytes);
        let mut read = vec![0; pixels.len()];
        decode(width, &mut read, &bytes).unwrap();
        assert_eq!(read, pixels);
        assert!(bytes.len() >= least_bytes(pixels.len()));
        for end in 0..bytes.len().saturating_sub(17) {
            if end % 37 == 0 {
                assert_eq!(decode(width, &mut read, &bytes[..end]), Err(TruncatedPhoto));
            }
        }
        bytes.len()
    }

    #[test]
    fn pictures_come_back_and_smooth_ones_small() {
        let smooth: Vec<u32> = (0..64 * 64_u32)
            .map(|i| (i % 64 * 2 + i / 64) << 16 | (i % 64 + i / 64 * 2) << 8 | (255 - i % 64))
            .collect();
        assert!(there_and_back(64, &smooth) < 64 * 64);
        let noise: Vec<u32> =
            (0..40 * 30_u32).map(|i| i.wrapping_mul(2_654_435_761).rotate_left(i) & 0xff_ffff).collect();
        there_and_back(40, &noise);
        there_and_back(1, &noise);
        there_and_back(1200, &noise);
        let extremes: Vec<u32> =
            (0..33 * 9_u32).map(|i| [0, 0xff_ffff, 0xff_0000, 0xff][i as usize % 4]).collect();
        there_and_back(33, &extremes);
        there_and_back(5, &[7; 25]);
    }
}
