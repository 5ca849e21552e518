//! A binary range coder with adaptive probabilities: the bytes under everything but photographs.
//!
//! Coding and decoding are one trait, [`RangeCoder`], so that a model is written once and can't differ between the ends:
//! a call takes the bit to code and returns the bit that was coded; a decoder ignores what it is given.
//! As in LZMA (carry into what was written already), with probabilities that are the mean of a fast and a slow
//! estimate, and without LZMA's first byte, which is always zero.

/// Bits of a probability that take part in coding.
const PRECISION: u32 = 15;
/// The range is made larger when it is below this.
const LEAST_RANGE: u32 = 1 << 24;
/// How fast the two estimates follow: each bit moves them by 1/2^n of the way.
const FAST: u32 = 4;
const SLOW: u32 = 7;
/// Bytes that an encoder leaves off at the end when they are zero, so most that a decoder reads past the end.
const TRIMMED: usize = 4;

/// The adaptive probability that a bit is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BitModel {
    fast: u16,
    slow: u16,
}

impl BitModel {
    /// Both values are equally likely.
    pub(crate) const EVEN: Self = Self { fast: 0x8000, slow: 0x8000 };

    #[inline(always)]
    fn scaled(self) -> u32 {
        // Never 0 and never all: the estimates stop at 15 and 127 from either end.
        (u32::from(self.fast) + u32::from(self.slow)) >> (17 - PRECISION)
    }

    #[inline(always)]
    fn learn(&mut self, bit: bool) {
        if bit {
            self.fast += (u16::MAX - self.fast) >> FAST;
            self.slow += (u16::MAX - self.slow) >> SLOW;
        } else {
            self.fast -= self.fast >> FAST;
            self.slow -= self.slow >> SLOW;
        }
    }
}

/// One direction of coding.
pub(crate) trait RangeCoder {
    /// Whether values come from the bytes rather than from the caller.
    const READS: bool;
    /// A bit with that probability, which learns it.
    fn bit(&mut self, prob: &mut BitModel, bit: bool) -> bool;
    /// Up to 16 bits without a model.
    fn raw(&mut self, count: u32, value: u32) -> u32;
    /// Whether more was read than was there: what is returned from then on means nothing.
    fn spent(&self) -> bool;
}

/// Writes bits into bytes.
#[derive(Debug)]
pub(crate) struct RangeEncoder {
    low: u64,
    range: u32,
    cache: u8,
    pending: usize,
    bytes: Vec<u8>,
    first: bool,
}

impl RangeEncoder {
    pub(crate) fn new() -> Self {
        Self { low: 0, range: u32::MAX, cache: 0, pending: 0, bytes: Vec::new(), first: true }
    }

    /// Bytes so far, but for the few that the end takes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.pending
    }

    /// The bytes, whole.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        // The number within the range that has most zeros at its end, which then needn't be written.
        let end = self.low + u64::from(self.range);
        for zeros in (0..32).rev() {
            let mask = (1_u64 << zeros) - 1;
            let value = (self.low + mask) & !mask;
            if value < end {
                self.low = value;
                break;
            }
        }
        for _ in 0..5 {
            self.shift();
        }
        for _ in 0..TRIMMED {
            if self.bytes.last() == Some(&0) {
                self.bytes.pop();
            }
        }
        self.bytes
    }

    #[allow(clippy::cast_possible_truncation, reason = "the upper bits go where they belong first")]
    fn shift(&mut self) {
        let carry = (self.low >> 32) as u8;
        if self.low < 0xff00_0000 || carry != 0 {
            if self.first {
                self.first = false;
            } else {
                self.bytes.push(self.cache.wrapping_add(carry));
            }
            for _ in 0..self.pending {
                self.bytes.push(0xff_u8.wrapping_add(carry));
            }
            self.pending = 0;
            self.cache = (self.low >> 24) as u8;
        } else {
            self.pending += 1;
        }
        self.low = (self.low & 0x00ff_ffff) << 8;
    }
}

impl RangeCoder for RangeEncoder {
    const READS: bool = false;

    #[inline(always)]
    fn bit(&mut self, prob: &mut BitModel, bit: bool) -> bool {
        let bound = (self.range >> PRECISION) * prob.scaled();
        if bit {
            self.range = bound;
        } else {
            self.low += u64::from(bound);
            self.range -= bound;
        }
        prob.learn(bit);
        while self.range < LEAST_RANGE {
            self.range <<= 8;
            self.shift();
        }
        bit
    }

    fn raw(&mut self, count: u32, value: u32) -> u32 {
        for place in (0..count).rev() {
            self.range >>= 1;
            if value >> place & 1 == 0 {
                self.low += u64::from(self.range);
            }
            while self.range < LEAST_RANGE {
                self.range <<= 8;
                self.shift();
            }
        }
        value
    }

    fn spent(&self) -> bool {
        false
    }
}

/// Reads, and gives arbitrary bits after the end: see [`RangeCoder::spent`].
#[derive(Debug)]
pub(crate) struct RangeDecoder<'a> {
    bytes: core::slice::Iter<'a, u8>,
    code: u32,
    range: u32,
    missing: usize,
}

impl<'a> RangeDecoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let mut reader = Self { bytes: bytes.iter(), code: 0, range: u32::MAX, missing: 0 };
        for _ in 0..4 {
            reader.code = reader.code << 8 | reader.byte();
        }
        reader
    }

    /// Bytes that weren't needed.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len()
    }

    #[inline(always)]
    fn byte(&mut self) -> u32 {
        if let Some(byte) = self.bytes.next() {
            return u32::from(*byte);
        }
        self.missing += 1;
        0
    }
}

impl RangeCoder for RangeDecoder<'_> {
    const READS: bool = true;

    #[inline(always)]
    fn bit(&mut self, prob: &mut BitModel, _: bool) -> bool {
        let bound = (self.range >> PRECISION) * prob.scaled();
        let bit = self.code < bound;
        if bit {
            self.range = bound;
        } else {
            self.code -= bound;
            self.range -= bound;
        }
        prob.learn(bit);
        while self.range < LEAST_RANGE {
            self.range <<= 8;
            self.code = self.code << 8 | self.byte();
        }
        bit
    }

    fn raw(&mut self, count: u32, _: u32) -> u32 {
        let mut value = 0;
        for _ in 0..count {
            self.range >>= 1;
            let bit = self.code < self.range;
            if !bit {
                self.code -= self.range;
            }
            value = value << 1 | u32::from(bit);
            while self.range < LEAST_RANGE {
                self.range <<= 8;
                self.code = self.code << 8 | self.byte();
            }
        }
        value
    }

    fn spent(&self) -> bool {
        self.missing > TRIMMED
    }
}

/// A binary tree of probabilities for values of some bits.
#[derive(Clone, Debug)]
pub(crate) struct BitTree<const LEAVES: usize>([BitModel; LEAVES]);

impl<const LEAVES: usize> BitTree<LEAVES> {
    pub(crate) const NEW: Self = Self([BitModel::EVEN; LEAVES]);

    /// A value below `LEAVES`, a power of two.
    #[inline]
    pub(crate) fn code<C: RangeCoder>(&mut self, coder: &mut C, value: u32) -> u32 {
        self.upper(coder, LEAVES.trailing_zeros(), value)
    }

    /// A value of that many bits, of which those that don't fit into the tree are coded without a model.
    pub(crate) fn upper<C: RangeCoder>(&mut self, coder: &mut C, bits: u32, value: u32) -> u32 {
        let modelled = bits.min(LEAVES.trailing_zeros());
        let mut node = 1_usize;
        for place in (bits - modelled..bits).rev() {
            let Some(prob) = self.0.get_mut(node) else { break };
            node = node << 1 | usize::from(coder.bit(prob, value >> place & 1 == 1));
        }
        let rest = bits - modelled;
        let upper = u32::try_from(node).unwrap_or_default() & !(1 << modelled);
        let lower = if rest > 0 { coder.raw(rest, value & ((1 << rest) - 1)) } else { 0 };
        upper << rest | lower
    }
}

/// Numbers that are mostly small: how many bits, then the bits.
#[derive(Clone, Debug)]
pub(crate) struct NumberModel {
    length: [BitModel; 17],
    bits: [BitTree<8>; 17],
}

impl NumberModel {
    pub(crate) const NEW: Self = Self { length: [BitModel::EVEN; 17], bits: [BitTree::NEW; 17] };

    /// A number below 65,535 (a larger one from hostile bytes is cut).
    pub(crate) fn code<C: RangeCoder>(&mut self, coder: &mut C, value: u32) -> u32 {
        let value = value.min(0xfffe) + 1;
        let length = value.ilog2();
        let mut coded = 0;
        for prob in self.length.iter_mut().take(16) {
            if !coder.bit(prob, coded < length) {
                break;
            }
            coded += 1;
        }
        let coded = coded.min(15);
        if coded == 0 {
            return 0;
        }
        let Some(tree) = self.bits.get_mut(coded as usize) else { return 0 };
        (1 << coded | tree.upper(coder, coded, value & !(1 << coded))) - 1
    }
}

/// Numbers of either sign, mostly near zero.
#[derive(Clone, Debug)]
pub(crate) struct SignedModel {
    negative: BitModel,
    magnitude: NumberModel,
}

impl SignedModel {
    pub(crate) const NEW: Self = Self { negative: BitModel::EVEN, magnitude: NumberModel::NEW };

    /// A number between -65,534 and 65,534.
    pub(crate) fn code<C: RangeCoder>(&mut self, coder: &mut C, value: i32) -> i32 {
        let magnitude = self.magnitude.code(coder, value.unsigned_abs());
        let magnitude = i32::try_from(magnitude).unwrap_or_default();
        if magnitude != 0 && coder.bit(&mut self.negative, value < 0) { -magnitude } else { magnitude }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let values: Vec<u32> =
            (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> (16 + n % 16)) % 0xffff).collect();
        let all = |coder: &mut dyn FnMut(u32) -> u32| values.iter().map(|v| coder(*v)).collect::<Vec<_>>();
        let (mut writer, mut number, mut signed) = (RangeEncoder::new(), NumberModel::NEW, SignedModel::NEW);
        all(&mut |v| {
            signed.code(&mut writer, 77 - i32::try_from(v).unwrap());
            writer.raw(7, v & 127);
            number.code(&mut writer, v)
        });
        let bytes = writer.finish();
        let (mut reader, mut number, mut signed) =
            (RangeDecoder::new(&bytes), NumberModel::NEW, SignedModel::NEW);
        let read = all(&mut |v| {
            assert_eq!(signed.code(&mut reader, 0), 77 - i32::try_from(v).unwrap());
            assert_eq!(reader.raw(7, 0), v & 127);
            number.code(&mut reader, 0)
        });
        assert_eq!(read, values);
        assert!(!reader.spent() && reader.left() == 0);
    }

    #[test]
    fn every_end_is_found_again() {
        // Many short messages: each ends at another place of the range.
        for seed in 0..5_000_u32 {
            let bits: Vec<bool> =
                (0..seed % 60).map(|n| seed.wrapping_mul(n * n + 7) >> 13 & 3 == 0).collect();
            let (mut writer, mut prob) = (RangeEncoder::new(), BitModel::EVEN);
            for bit in &bits {
                writer.bit(&mut prob, *bit);
            }
            let bytes = writer.finish();
            let (mut reader, mut prob) = (RangeDecoder::new(&bytes), BitModel::EVEN);
            assert!(bits.iter().all(|bit| reader.bit(&mut prob, false) == *bit), "{seed}");
            assert!(!reader.spent() && reader.left() == 0, "{seed} {}", reader.left());
        }
    }

    #[test]
    fn reading_past_the_end_is_noticed() {
        let (mut reader, mut prob) = (RangeDecoder::new(&[1, 2, 3]), BitModel::EVEN);
        for _ in 0..100_000 {
            reader.bit(&mut prob, false);
        }
        assert!(reader.spent());
    }
}
