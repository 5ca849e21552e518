//! Rectangles of text, windows and other drawn things, exactly: what colour a pixel has, given its neighbours.
//!
//! A hash of six neighbours finds the colours last seen in that situation, and how well that guess has done; what
//! isn't guessed falls through to a smaller neighbourhood, the neighbours themselves, a palette and at last to the
//! bare colour. The tables outlive the rectangle and the frame: shapes of letters are learned once. Neighbours are
//! looked for only in the rectangle itself, so nothing depends on what is around it.
//! Flat ground and repeated rows cost one bit a run.
//!
//! Why it looks like this. Drawn text is no noise: the same few shapes return everywhere, so "what came last time in this
//! situation" is right nearly always and costs a small fraction of a bit. The first table knows the situation exactly (six
//! neighbours); where it has not seen it, three neighbours are a coarser guess. Each guess has its own probability
//! that depends on how often it was right lately, so a bad guess costs little. A colour that a failed guess has ruled out
//! is not offered again at the next level. Both ends update all tables from decoded pixels only, so they stay equal; one
//! step that only one end takes would garble every later frame, which is why coding and decoding are the same code.

use crate::range_coder::{BitModel, BitTree, RangeCoder};
use crate::table::{FixedTable, HashTable};

/// Slots for neighbourhoods of six and of three pixels, as powers of two: 1 MiB and 128 KiB.
const WIDE: u32 = 17;
const NARROW: u32 = 14;
/// Margin left and right of a row, so that every pixel has all its neighbours.
const PAD: usize = 2;
const COLOUR: u32 = 0x00ff_ffff;
/// A guess that was right this often in a row is kept after one miss.
const FIRM: u32 = 2;

/// Two guesses for one neighbourhood. The upper byte of `first` is its history, that of `second` a check value of the
/// neighbourhood, since several share a slot.
#[derive(Clone, Copy, Default)]
struct ColourSlot {
    first: u32,
    second: u32,
}

/// How likely the guesses of one table are right, by their history.
struct GuessTrust {
    first: FixedTable<BitModel, 1024>,
    second: FixedTable<BitModel, 256>,
}

impl GuessTrust {
    fn new() -> Self {
        Self { first: FixedTable([BitModel::EVEN; 1024]), second: FixedTable([BitModel::EVEN; 256]) }
    }
}

/// The model of colours; the same at both ends after the same calls.
pub(crate) struct ColourModel {
    wide: HashTable<ColourSlot, WIDE>,
    narrow: HashTable<ColourSlot, NARROW>,
    wide_trust: GuessTrust,
    narrow_trust: GuessTrust,
    neighbours: [BitModel; 4],
    palette: FixedTable<u32, 256>,
    places: FixedTable<BitTree<256>, 16>,
    known: BitModel,
    literal: [BitTree<256>; 3],
    row_again: FixedTable<BitModel, 4>,
    run_whole: FixedTable<BitModel, 32>,
    run_length: FixedTable<BitTree<8>, 16>,
    ground: u32,
    ground_again: BitModel,
    buffer: Vec<u32>,
}

impl core::fmt::Debug for ColourModel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ColourModel")
    }
}

/// Neighbours of a pixel.
#[derive(Clone, Copy)]
struct Neighbours {
    w: u32,
    n: u32,
    nw: u32,
    ne: u32,
    ww: u32,
    nn: u32,
}

impl Neighbours {
    #[inline(always)]
    fn wide(self) -> u32 {
        let a = self.w.wrapping_mul(0x9e37_79b1) ^ self.n.wrapping_mul(0x85eb_ca6b).rotate_left(7);
        let b = self.nw.wrapping_mul(0xc2b2_ae35).rotate_left(13) ^ self.ne.wrapping_mul(0x27d4_eb2f);
        let c = self.ww.wrapping_mul(0x1656_67b1).rotate_left(19) ^ self.nn.wrapping_mul(0xd3a2_646d);
        mix(a.wrapping_add(b).wrapping_add(c.rotate_left(5)))
    }

    #[inline(always)]
    fn narrow(self) -> u32 {
        mix(self.w.wrapping_mul(0x9e37_79b1)
            ^ self.n.wrapping_mul(0x85eb_ca6b).rotate_left(11)
            ^ self.ne.wrapping_mul(0xc2b2_ae35).rotate_left(21))
    }
}

#[inline(always)]
fn mix(hash: u32) -> u32 {
    let hash = (hash ^ hash >> 15).wrapping_mul(0x2c1b_3c6d);
    hash ^ hash >> 13
}

/// Colours that failed guesses have ruled out for this pixel.
struct ExcludedColours {
    colours: [u32; 10],
    count: usize,
}

impl ExcludedColours {
    #[inline(always)]
    fn has(&self, colour: u32) -> bool {
        self.colours.iter().take(self.count).any(|other| *other == colour)
    }

    #[inline(always)]
    fn add(&mut self, colour: u32) {
        if let Some(place) = self.colours.get_mut(self.count) {
            *place = colour;
            self.count += 1;
        }
    }
}

impl ColourModel {
    pub(crate) fn new() -> Self {
        Self {
            wide: HashTable::new(ColourSlot::default()),
            narrow: HashTable::new(ColourSlot::default()),
            wide_trust: GuessTrust::new(),
            narrow_trust: GuessTrust::new(),
            neighbours: [BitModel::EVEN; 4],
            palette: FixedTable([0; 256]),
            places: FixedTable([const { BitTree::NEW }; 16]),
            known: BitModel::EVEN,
            literal: [const { BitTree::NEW }; 3],
            row_again: FixedTable([BitModel::EVEN; 4]),
            run_whole: FixedTable([BitModel::EVEN; 32]),
            run_length: FixedTable([const { BitTree::NEW }; 16]),
            ground: 0,
            ground_again: BitModel::EVEN,
            buffer: Vec::new(),
        }
    }

    /// A colour by itself.
    pub(crate) fn colour<C: RangeCoder>(&mut self, coder: &mut C, colour: u32) -> u32 {
        self.palette_colour(coder, colour, self.ground)
    }

    /// A rectangle's pixels, row by row. `ground` is the colour that there is most of, roughly. Decoded pixels are
    /// put into `pixels`, which has the rectangle's size. `false`: the bytes ended.
    pub(crate) fn rectangle<C: RangeCoder>(
        &mut self,
        coder: &mut C,
        width: usize,
        pixels: &mut [u32],
        ground: u32,
    ) -> bool {
        if !coder.bit(&mut self.ground_again, ground == self.ground) {
            self.ground = self.palette_colour(coder, ground, self.ground);
        }
        let stride = width + 2 * PAD;
        let mut buffer = core::mem::take(&mut self.buffer);
        buffer.clear();
        buffer.resize(3 * stride, self.ground);
        let mut again = 0_usize;
        for line in pixels.chunks_exact_mut(width) {
            if coder.spent() {
                break;
            }
            // Three rows in turn: this one, the one above, the one above that.
            buffer.copy_within(stride.., 0);
            let (top, rest) = buffer.split_at_mut(stride);
            let (up, this) = rest.split_at_mut(stride);
            self.line(coder, line, [top, up, this], &mut again);
        }
        self.buffer = buffer;
        !coder.spent()
    }

    /// One row. `rows`: two above, one above, this; each with its margins.
    fn line<C: RangeCoder>(
        &mut self,
        coder: &mut C,
        line: &mut [u32],
        rows: [&mut [u32]; 3],
        again: &mut usize,
    ) {
        let [top, up, this] = rows;
        let width = line.len();
        let above = up.get(PAD..PAD + width).unwrap_or_default();
        let same = !C::READS && above == &*line;
        let context = *again & 3;
        let same = coder.bit(&mut self.row_again[context], same);
        *again = *again << 1 | usize::from(same);
        if same {
            line.copy_from_slice(above);
            this.copy_from_slice(up);
            return;
        }
        let edge = up.get(PAD).copied().unwrap_or_default();
        this.iter_mut().take(PAD).for_each(|pixel| *pixel = edge);
        if let Some(inner) = this.get_mut(PAD..PAD + width) {
            inner.copy_from_slice(line);
        }
        self.pixels(coder, width, top, up, this);
        if let Some(inner) = this.get(PAD..PAD + width) {
            line.copy_from_slice(inner);
        }
        let last = line.last().copied().unwrap_or_default();
        this.iter_mut().skip(PAD + width).for_each(|pixel| *pixel = last);
    }

    fn pixels<C: RangeCoder>(
        &mut self,
        coder: &mut C,
        width: usize,
        top: &[u32],
        up: &[u32],
        this: &mut [u32],
    ) {
        let at = |row: &[u32], index: usize| {
            debug_assert!(index < row.len(), "{index} of {}", row.len());
            row.get(index).copied().unwrap_or_default()
        };
        let end = PAD + width;
        let mut x = PAD;
        while x < end {
            let around = Neighbours {
                w: at(this, x - 1),
                n: at(up, x),
                nw: at(up, x - 1),
                ne: at(up, x + 1),
                ww: at(this, x - 2),
                nn: at(top, x),
            };
            let flat = around.w;
            if around.n != flat || around.nw != flat || around.ne != flat {
                let pixel = self.pixel(coder, at(this, x), around, None);
                if let Some(place) = this.get_mut(x) {
                    *place = pixel;
                }
                x += 1;
                continue;
            }
            let run = self.run(
                coder,
                flat,
                up.get(x..end).unwrap_or_default(),
                this.get(x..end).unwrap_or_default(),
            );
            let stop = x + run;
            if let Some(flats) = this.get_mut(x..stop) {
                flats.fill(flat);
            }
            x = stop;
            if x < end && at(up, x) == flat {
                let around =
                    Neighbours { ne: at(up, x + 1), nn: at(top, x), n: flat, nw: flat, w: flat, ww: flat };
                let pixel = self.pixel(coder, at(this, x), around, Some(flat));
                if let Some(place) = this.get_mut(x) {
                    *place = pixel;
                }
                x += 1;
            }
        }
    }

    /// How many pixels go on in the colour around them. At most as many as the row above does.
    fn run<C: RangeCoder>(&mut self, coder: &mut C, flat: u32, up: &[u32], this: &[u32]) -> usize {
        let longest = same(up, flat);
        let length = if C::READS { 0 } else { same(this, flat).min(longest) };
        let bucket = longest.max(1).ilog2() as usize;
        let whole = coder.bit(&mut self.run_whole[bucket], length == longest);
        if whole {
            return longest;
        }
        if longest <= 1 {
            return 0;
        }
        let bits = (longest - 1).ilog2() + 1;
        let length =
            self.run_length[bits as usize].upper(coder, bits, u32::try_from(length).unwrap_or_default());
        // Longer than there is room for only in hostile bytes.
        (length as usize).min(longest - 1)
    }

    /// One pixel, which isn't `not`.
    #[inline]
    fn pixel<C: RangeCoder>(
        &mut self,
        coder: &mut C,
        pixel: u32,
        around: Neighbours,
        not: Option<u32>,
    ) -> u32 {
        let mut excluded = ExcludedColours { colours: [u32::MAX; 10], count: 0 };
        if let Some(not) = not {
            excluded.add(not);
        }
        let (wide, narrow) = (around.wide(), around.narrow());
        let slot = self.wide.at(wide);
        let (mark, old) = (wide & 0xff, *slot);
        let found = if old.second >> 24 == mark {
            guess(coder, pixel, around, old, &mut self.wide_trust, &mut excluded)
        } else {
            None
        };
        if let Some(found) = found {
            *slot = old.after(found, mark);
            return found;
        }
        let found = self.fallback(coder, pixel, around, narrow, &mut excluded);
        *self.wide.at(wide) = old.after(found, mark);
        found
    }

    /// One pixel of which the six neighbours knew nothing.
    fn fallback<C: RangeCoder>(
        &mut self,
        coder: &mut C,
        pixel: u32,
        around: Neighbours,
        hash: u32,
        excluded: &mut ExcludedColours,
    ) -> u32 {
        let (mark, old) = (hash & 0xff, *self.narrow.at(hash));
        let mut found = None;
        if old.second >> 24 == mark {
            found = guess(coder, pixel, around, old, &mut self.narrow_trust, excluded);
        }
        if found.is_none() {
            for (neighbour, prob) in
                [around.w, around.n, around.ne, around.nw].into_iter().zip(&mut self.neighbours)
            {
                if excluded.has(neighbour) {
                    continue;
                }
                if coder.bit(prob, pixel == neighbour) {
                    found = Some(neighbour);
                    break;
                }
                excluded.add(neighbour);
            }
        }
        let found = found.unwrap_or_else(|| self.palette_colour(coder, pixel, around.w));
        *self.narrow.at(hash) = old.after(found, mark);
        found
    }

    /// A colour by its place among 256 that were seen lately, or in full, as the difference from one near it.
    fn palette_colour<C: RangeCoder>(&mut self, coder: &mut C, colour: u32, near: u32) -> u32 {
        let place = mix(colour.wrapping_mul(0x9e37_79b1)) >> 24;
        let known = self.palette[place as usize] == colour;
        if coder.bit(&mut self.known, known) {
            let context = (mix(near.wrapping_mul(0x85eb_ca6b)) >> 28) as usize;
            let place = self.places[context].code(coder, place);
            return self.palette[place as usize];
        }
        let colour = self.literal(coder, colour, near);
        let place = mix(colour.wrapping_mul(0x9e37_79b1)) >> 24;
        self.palette[place as usize] = colour;
        colour
    }

    fn literal<C: RangeCoder>(&mut self, coder: &mut C, colour: u32, near: u32) -> u32 {
        let part = |colour: u32, shift: u32| colour >> shift & 0xff;
        let [green, red, blue] = &mut self.literal;
        let dg = green.code(coder, part(colour, 8).wrapping_sub(part(near, 8)) & 0xff);
        let g = part(near, 8).wrapping_add(dg) & 0xff;
        let mut other = |tree: &mut BitTree<256>, shift: u32| {
            let base = part(near, shift).wrapping_add(dg);
            let difference = tree.code(coder, part(colour, shift).wrapping_sub(base) & 0xff);
            base.wrapping_add(difference) & 0xff
        };
        let r = other(red, 16);
        let b = other(blue, 0);
        r << 16 | g << 8 | b
    }
}

/// Length of the beginning that is all of one colour.
#[inline]
fn same(row: &[u32], colour: u32) -> usize {
    let mut length = 0;
    for eight in row.chunks(8) {
        if eight.iter().fold(0, |bits, pixel| bits | (pixel ^ colour)) != 0 {
            return length + eight.iter().take_while(|pixel| **pixel == colour).count();
        }
        length += eight.len();
    }
    length
}

/// Whether it is one of a slot's colours.
#[inline(always)]
fn guess<C: RangeCoder>(
    coder: &mut C,
    pixel: u32,
    around: Neighbours,
    slot: ColourSlot,
    trust: &mut GuessTrust,
    excluded: &mut ExcludedColours,
) -> Option<u32> {
    let history = (slot.first >> 24) as usize;
    let (first, second) = (slot.first & COLOUR, slot.second & COLOUR);
    if !excluded.has(first) {
        let kind = usize::from(first == around.w) << 8 | usize::from(first == around.n) << 9;
        if coder.bit(&mut trust.first[history | kind], pixel == first) {
            return Some(first);
        }
        excluded.add(first);
    }
    if !excluded.has(second) {
        if coder.bit(&mut trust.second[history], pixel == second) {
            return Some(second);
        }
        excluded.add(second);
    }
    None
}

impl ColourSlot {
    /// As it is when that colour was seen. The history: how often it was guessed in a row (upper half), and whether
    /// it was right the last four times (lower half).
    #[inline(always)]
    fn after(self, seen: u32, mark: u32) -> Self {
        let first = self.first & COLOUR;
        let mark = mark << 24;
        if self.second >> 24 != mark >> 24 {
            return Self { first: seen | 0x1000_0000, second: seen | mark };
        }
        let (count, recent) = (self.first >> 28, self.first >> 24 & 15);
        if seen == first {
            let history = (count + 1).min(15) << 28 | (recent << 1 & 15 | 1) << 24;
            return Self { first: first | history, second: self.second };
        }
        let history = (count / 2) << 28 | (recent << 1 & 15) << 24;
        // One that was right often is not given up for one exception.
        if count >= FIRM {
            return Self { first: first | history, second: seen | mark };
        }
        Self { first: seen | history, second: first | mark }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::range_coder::{RangeDecoder, RangeEncoder};

    fn there_and_back(rectangles: &[(usize, Vec<u32>)]) -> usize {
        let (mut writer, mut model) = (RangeEncoder::new(), ColourModel::new());
        for (width, pixels) in rectangles {
            let mut copy = pixels.clone();
            assert!(model.rectangle(&mut writer, *width, &mut copy, pixels[0]));
            assert_eq!(&copy, pixels);
        }
        let bytes = writer.finish();
        let (mut reader, mut model) = (RangeDecoder::new(&bytes), ColourModel::new());
        for (width, pixels) in rectangles {
            let mut read = vec![0; pixels.len()];
            assert!(model.rectangle(&mut reader, *width, &mut read, 0));
            assert_eq!(&read, pixels);
        }
        assert_eq!(reader.left(), 0);
        bytes.len()
    }

    fn drawn(width: usize, height: usize, f: impl Fn(usize, usize) -> u32) -> (usize, Vec<u32>) {
        (width, (0..width * height).map(|i| f(i % width, i / width)).collect())
    }

    #[test]
    fn flat_grounds_lines_and_repeats_cost_next_to_nothing() {
        assert!(there_and_back(&[drawn(64, 64, |_, _| 0x12_3456)]) < 10);
        assert!(there_and_back(&[drawn(64, 64, |x, _| if x == 20 { 0xff } else { 0xffff })]) < 20);
        let letters = |x: usize, y: usize| if (x * 7 + y * y * 3) % 11 < 3 { 0 } else { 0xff_ffff };
        let one = there_and_back(&[drawn(50, 20, letters)]);
        let twice = there_and_back(&[drawn(50, 20, letters), drawn(50, 20, letters)]);
        assert!(twice - one < one * 3 / 4, "{one} {twice}");
    }

    #[test]
    fn every_shape_and_colour_comes_back() {
        let noise = |x: usize, y: usize| {
            u32::try_from(x * 7919 + y * 104_729).unwrap().wrapping_mul(2_654_435_761) >> 8
        };
        let few = |x: usize, y: usize| noise(x, y) & 0x0001_0101;
        for (width, height) in [(1, 1), (1, 40), (40, 1), (2, 2), (3, 5), (64, 64), (200, 3)] {
            there_and_back(&[
                drawn(width, height, noise),
                drawn(width, height, few),
                drawn(width, height, |_, _| 0),
            ]);
        }
    }
}
