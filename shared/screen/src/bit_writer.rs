//! Bits that become bytes, the highest first: for exact pictures as they are, for JPEG with its stuffing.

use core::marker::PhantomData;

/// What happens to bytes on their way out.
pub(crate) trait ByteStuffing {
    /// The bit that fills the last byte.
    const FILL: u32;
    /// Appends bytes to the output.
    fn append(out: &mut Vec<u8>, bytes: &[u8]);
}

/// Bytes as they are; the last one is filled with zeros.
#[derive(Debug)]
pub(crate) struct PlainBytes;

impl ByteStuffing for PlainBytes {
    const FILL: u32 = 0;

    #[inline(always)]
    fn append(out: &mut Vec<u8>, bytes: &[u8]) {
        out.extend_from_slice(bytes);
    }
}

/// A zero after each 0xff, so that no marker stands in the data; the last byte is filled with ones (ITU-T T.81, F.1.2.3).
#[derive(Debug)]
pub(crate) struct JpegBytes;

impl ByteStuffing for JpegBytes {
    const FILL: u32 = 1;

    #[inline(always)]
    fn append(out: &mut Vec<u8>, bytes: &[u8]) {
        if bytes.contains(&0xff) {
            for byte in bytes {
                out.push(*byte);
                if *byte == 0xff {
                    out.push(0);
                }
            }
        } else {
            out.extend_from_slice(bytes);
        }
    }
}

/// Collects bits and writes whole bytes.
#[derive(Debug)]
pub(crate) struct BitWriter<'a, S> {
    out: &'a mut Vec<u8>,
    held: u64,
    count: u32,
    stuffing: PhantomData<S>,
}

impl<'a, S: ByteStuffing> BitWriter<'a, S> {
    /// Appends to `out`.
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, held: 0, count: 0, stuffing: PhantomData }
    }

    /// The lowest `count` bits, at most 32; the others must be zero.
    #[inline(always)]
    pub(crate) fn put(&mut self, bits: u32, count: u32) {
        self.held = self.held << count | u64::from(bits);
        self.count += count;
        if self.count >= 32 {
            self.count -= 32;
            #[allow(clippy::cast_possible_truncation, reason = "the 32 bits above those that stay")]
            let word = (self.held >> self.count) as u32;
            S::append(self.out, &word.to_be_bytes());
        }
    }

    /// Fills the last byte.
    pub(crate) fn finish(mut self) {
        while !self.count.is_multiple_of(8) {
            self.put(S::FILL, 1);
        }
        while self.count > 0 {
            self.count -= 8;
            S::append(self.out, &[(self.held >> self.count & 0xff) as u8]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written<S: ByteStuffing>(parts: &[(u32, u32)]) -> Vec<u8> {
        let mut out = vec![9];
        let mut bits = BitWriter::<S>::new(&mut out);
        parts.iter().for_each(|(value, count)| bits.put(*value, *count));
        bits.finish();
        out
    }

    #[test]
    fn bits_are_written_from_the_highest_on() {
        let parts = [(1, 1), (0, 2), (0x1f, 5), (0xabcd, 16), (0xff, 8), (0xff, 8), (0b101, 3)];
        assert_eq!(written::<PlainBytes>(&parts), [9, 0x9f, 0xab, 0xcd, 0xff, 0xff, 0xa0]);
        assert_eq!(written::<JpegBytes>(&parts), [9, 0x9f, 0xab, 0xcd, 0xff, 0, 0xff, 0, 0xbf]);
        assert_eq!(written::<JpegBytes>(&[(0x7f, 7)]), [9, 0xff, 0]);
        assert_eq!(written::<PlainBytes>(&[]), [9]);
    }
}
