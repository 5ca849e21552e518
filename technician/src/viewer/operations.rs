//! The page's operations as bytes: what the decode process makes of a frame and the page paints.
//!
//! A stream, little-endian, without padding; `page/picture.js` reads it. Each operation begins with its number:
//!
//! | | what | then |
//! |---|---|---|
//! | 1 | resize | width, height |
//! | 2 | copy | rectangle, x and y of the target |
//! | 3 | fill | rectangle, colour |
//! | 4 | indexed | rectangle, bits of an index, number of colours less one, colours, indices (rows begin at a byte) |
//! | 5 | raw | rectangle, colours |
//! | 6 | JPEG | rectangle, length (4 bytes), data |
//! | 7 | end of a frame | [`FrameDone`] |
//! | 8 | indexed in runs | rectangle, length (4 bytes) of what follows, number of colours less one, colours, runs |
//!
//! A run is a byte n and then, up to 127, n + 1 indices, or, from 128, one index that stands n - 126 times; runs go
//! on from one row to the next. Text is mostly background, so runs take a third of the bytes; with a byte for each
//! index, such frames would take most of the throughput of the browser's socket.
//!
//! A rectangle is x, y, width, height with 2 bytes each, a colour red, green, blue with 1 byte each. Large ones are
//! cut into strips, so that the page begins before the last of it has come. Pure; no process, no socket.

use nearhand_screen::{Canvas, Point, Rect, Size};

/// Most bytes of a stream's piece: with what goes before it, one message of the page's WebSocket (64 KiB).
pub const PIECE: usize = 60 * 1024;
/// Most bytes of pixels in one operation.
const STRIP: usize = 48 * 1024;

/// Indices of one run, or of one stretch without runs, at most; and of a run at least.
const LONGEST_RUN: usize = 129;
const LONGEST_SINGLE: usize = 128;
const SHORTEST_RUN: usize = 3;

/// The measurements of a frame, sent after its last operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FrameDone {
    /// Of which beginning of the screen's stream (see [`super::epoch`]).
    pub epoch: u32,
    /// The frame's number.
    pub frame: u32,
    /// Whether the picture is now exactly the captured one.
    pub exact: bool,
    /// From the first change it shows to its capture, in microseconds.
    pub waited: u32,
    /// Time of the capture, in microseconds.
    pub capture: u32,
    /// Time of the coding, in microseconds.
    pub encode: u32,
    /// From its first part to its last, in microseconds.
    pub arrival: u32,
    /// Time of the decoding, in microseconds.
    pub decode: u32,
    /// Its coded size in bytes.
    pub bytes: u32,
}

impl FrameDone {
    /// Its numbers in their order on the wire.
    fn numbers(&self) -> [u32; 8] {
        let Self { epoch, frame, waited, capture, encode, arrival, decode, bytes, .. } = *self;
        [epoch, frame, waited, capture, encode, arrival, decode, bytes]
    }
}

/// Writes operations as bytes.
#[derive(Debug, Default)]
pub struct PageOperations {
    bytes: Vec<u8>,
}

impl PageOperations {
    /// The bytes so far, which are then no longer here.
    pub fn take(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.bytes)
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A frame is complete.
    pub fn end(&mut self, done: &FrameDone) {
        self.bytes.push(7);
        self.bytes.push(u8::from(done.exact));
        for number in done.numbers() {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn begin(&mut self, kind: u8, numbers: &[u16]) {
        self.bytes.push(kind);
        for number in numbers {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn rect(&mut self, kind: u8, rect: Rect) {
        self.begin(kind, &[rect.x, rect.y, rect.width, rect.height]);
    }

    /// Indices as runs, unless that takes more bytes than each by itself. `false`: nothing was written.
    fn runs(&mut self, rect: Rect, palette: &[u32], (last, indices): (u8, &[u8])) -> bool {
        let begin = self.bytes.len();
        self.rect(8, rect);
        let length_at = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0, 0, 0, last]);
        palette.iter().for_each(|color| self.color(*color));
        let most = self.bytes.len() + indices.len();
        let mut rest = indices;
        while !rest.is_empty() {
            let (single, run) = next_run(rest);
            let (now, later) = rest.split_at(single + run);
            let (single, run) = now.split_at(single);
            if let Some(more) = single.len().checked_sub(1).and_then(|more| u8::try_from(more).ok()) {
                self.bytes.push(more);
                self.bytes.extend_from_slice(single);
            }
            if let Some(index) = run.first() {
                self.bytes.extend_from_slice(&[u8::try_from(run.len() + 126).unwrap_or(u8::MAX), *index]);
            }
            if self.bytes.len() >= most {
                self.bytes.truncate(begin);
                return false;
            }
            rest = later;
        }
        let length = self.bytes.len() - length_at - 4;
        if let (Ok(length), Some(place)) =
            (u32::try_from(length), self.bytes.get_mut(length_at..length_at + 4))
        {
            place.copy_from_slice(&length.to_le_bytes());
        }
        true
    }

    fn color(&mut self, color: u32) {
        let [_, red, green, blue] = color.to_be_bytes();
        self.bytes.extend_from_slice(&[red, green, blue]);
    }
}

impl Canvas for PageOperations {
    fn resize(&mut self, size: Size) {
        self.begin(1, &[size.width, size.height]);
    }

    fn copy(&mut self, from: Rect, to: Point) {
        self.begin(2, &[from.x, from.y, from.width, from.height, to.x, to.y]);
    }

    fn fill(&mut self, rect: Rect, color: u32) {
        self.rect(3, rect);
        self.color(color);
    }

    fn indexed(&mut self, rect: Rect, palette: &[u32], indices: &[u8]) {
        // A palette of no colour or more than an index can name is no picture; the decoder makes none.
        let Some(last) = palette.len().checked_sub(1).and_then(|last| u8::try_from(last).ok()) else {
            return;
        };
        let bits: u8 = match last {
            0..=1 => 1,
            2..=3 => 2,
            4..=15 => 4,
            _ => 8,
        };
        let row = usize::from(rect.width).div_ceil(usize::from(8 / bits));
        for (strip, rows) in strips(rect, row, indices) {
            if bits == 8 && self.runs(strip, palette, (last, rows)) {
                continue;
            }
            self.rect(4, strip);
            self.bytes.extend_from_slice(&[bits, last]);
            palette.iter().for_each(|color| self.color(*color));
            for line in rows.chunks_exact(usize::from(rect.width)) {
                for packed in line.chunks(usize::from(8 / bits)) {
                    let byte = (0_u8..)
                        .zip(packed)
                        .fold(0, |byte, (i, index)| byte | (index & mask(bits)) << (i * bits));
                    self.bytes.push(byte);
                }
            }
        }
    }

    fn pixels(&mut self, rect: Rect, pixels: &[u32]) {
        for (strip, rows) in strips(rect, usize::from(rect.width) * 3, pixels) {
            self.rect(5, strip);
            rows.iter().for_each(|color| self.color(*color));
        }
    }

    fn jpeg(&mut self, rect: Rect, data: &[u8]) -> bool {
        let Ok(length) = u32::try_from(data.len()) else { return false };
        self.rect(6, rect);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(data);
        true
    }
}

/// How many indices stand alone, and how long the run after them is, either of which may be none.
fn next_run(indices: &[u8]) -> (usize, usize) {
    let mut single = 0;
    while let Some(rest) = indices.get(single..).filter(|rest| !rest.is_empty() && single < LONGEST_SINGLE) {
        let run = rest.iter().take(LONGEST_RUN).take_while(|index| rest.first() == Some(*index)).count();
        if run >= SHORTEST_RUN {
            return (single, run);
        }
        single += run;
    }
    (single.min(LONGEST_SINGLE), 0)
}

fn mask(bits: u8) -> u8 {
    u8::MAX >> (8 - bits.clamp(1, 8))
}

/// Cuts a rectangle and its pixels into strips of at most [`STRIP`] bytes, given the bytes of a row.
fn strips<T>(rect: Rect, row: usize, pixels: &[T]) -> impl Iterator<Item = (Rect, &[T])> {
    let height = u16::try_from((STRIP / row.max(1)).max(1)).unwrap_or(u16::MAX);
    let each = usize::from(height) * usize::from(rect.width);
    (0_u16..).zip(pixels.chunks(each.max(1))).filter_map(move |(i, rows)| {
        let y = i.checked_mul(height)?;
        let height = height.min(rect.height.checked_sub(y)?);
        (height > 0).then_some((Rect { y: rect.y.checked_add(y)?, height, ..rect }, rows))
    })
}

#[cfg(test)]
mod tests {
    use nearhand_screen::Picture;

    use super::*;

    /// Reads operations as the page does.
    fn painted(mut bytes: &[u8], picture: &mut Picture) -> Vec<FrameDone> {
        fn number<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
            let (number, rest) = bytes.split_first_chunk().unwrap();
            *bytes = rest;
            *number
        }
        let u16 = |bytes: &mut &[u8]| u16::from_le_bytes(number(bytes));
        let color = |bytes: &mut &[u8]| {
            let [r, g, b] = number(bytes);
            u32::from_be_bytes([0, r, g, b])
        };
        let rect = |b: &mut &[u8]| Rect::new(u16(b), u16(b), u16(b), u16(b));
        let mut done = Vec::new();
        while !bytes.is_empty() {
            let [kind] = number(&mut bytes);
            let b = &mut bytes;
            match kind {
                1 => picture.resize(Size { width: u16(b), height: u16(b) }),
                2 => picture.copy(rect(b), Point { x: u16(b), y: u16(b) }),
                3 => {
                    let rect = rect(b);
                    picture.fill(rect, color(b));
                }
                4 => {
                    let (rect, [bits, last]) = (rect(b), number(b));
                    let palette: Vec<u32> = (0..=last).map(|_| color(b)).collect();
                    let mut indices = Vec::new();
                    for _ in 0..rect.height {
                        let mut line = Vec::new();
                        while line.len() < rect.width.into() {
                            let [byte] = number(b);
                            line.extend((0..8 / bits).map(|i| byte >> (i * bits) & mask(bits)));
                        }
                        indices.extend_from_slice(&line[..rect.width.into()]);
                    }
                    picture.indexed(rect, &palette, &indices);
                }
                8 => {
                    let (rect, length) = (rect(b), u32::from_le_bytes(number(b)));
                    let (mut data, rest) = b.split_at(length.try_into().unwrap());
                    *b = rest;
                    let [last] = number(&mut data);
                    let palette: Vec<u32> = (0..=last).map(|_| color(&mut data)).collect();
                    let mut indices = Vec::new();
                    while !data.is_empty() {
                        match number(&mut data) {
                            [run @ 128..=255] => {
                                let [index] = number(&mut data);
                                indices.extend(std::iter::repeat_n(index, usize::from(run) - 126));
                            }
                            [single] => {
                                let (some, rest) = data.split_at(usize::from(single) + 1);
                                indices.extend_from_slice(some);
                                data = rest;
                            }
                        }
                    }
                    assert_eq!(indices.len(), rect.pixels());
                    picture.indexed(rect, &palette, &indices);
                }
                5 => {
                    let rect = rect(b);
                    let pixels: Vec<u32> = (0..rect.pixels()).map(|_| color(b)).collect();
                    picture.pixels(rect, &pixels);
                }
                7 => {
                    let [exact] = number(b);
                    let mut next = || u32::from_le_bytes(number(&mut bytes));
                    done.push(FrameDone {
                        epoch: next(),
                        frame: next(),
                        exact: exact == 1,
                        waited: next(),
                        capture: next(),
                        encode: next(),
                        arrival: next(),
                        decode: next(),
                        bytes: next(),
                    });
                }
                other => panic!("operation {other}"),
            }
        }
        done
    }

    fn on_both(
        paint: impl Fn(&mut dyn FnMut(&dyn Fn(&mut Picture, &mut PageOperations))),
    ) -> (Picture, Picture, Vec<u8>) {
        let size = Size { width: 700, height: 90 };
        let (mut direct, mut written) = (Picture::black(size), PageOperations::default());
        paint(&mut |step| step(&mut direct, &mut written));
        let bytes = written.take();
        let mut read = Picture::black(size);
        painted(&bytes, &mut read);
        (direct, read, bytes)
    }

    #[test]
    fn what_is_written_is_read_the_same() {
        for colors in [1_usize, 2, 3, 4, 5, 16, 17, 200, 256] {
            let palette: Vec<u32> =
                (0..).map(|i: u32| i.wrapping_mul(65_793) % 0x0100_0000).take(colors).collect();
            let (direct, read, bytes) = on_both(|step| {
                step(&|picture, written| {
                    let rect = Rect::new(3, 5, 651, 81);
                    let indices: Vec<u8> =
                        (0..rect.pixels()).map(|i| (i * 7 % colors).to_le_bytes()[0]).collect();
                    let raw = Rect::new(0, 0, 699, 77);
                    let pixels: Vec<u32> = (0..)
                        .map(|i: u32| i.wrapping_mul(2_654_435_761) % 0x0100_0000)
                        .take(raw.pixels())
                        .collect();
                    fn both(
                        canvas: &mut impl Canvas,
                        rect: Rect,
                        palette: &[u32],
                        indices: &[u8],
                        raw: Rect,
                        pixels: &[u32],
                    ) {
                        canvas.pixels(raw, pixels);
                        canvas.indexed(rect, palette, indices);
                        canvas.fill(Rect::new(600, 80, 100, 10), 0x12_34_56);
                        canvas.copy(Rect::new(0, 0, 300, 40), Point { x: 5, y: 3 });
                    }
                    both(picture, rect, &palette, &indices, raw, &pixels);
                    both(written, rect, &palette, &indices, raw, &pixels);
                });
            });
            assert!(direct == read, "{colors} colours");
            assert!(bytes.len() > STRIP);
        }
    }

    #[test]
    fn what_repeats_takes_runs_and_reads_the_same() {
        let palette: Vec<u32> = (0..200_u32).map(|i| i * 65_793 % 0x0100_0000).collect();
        let rect = Rect::new(3, 5, 651, 81);
        let patterns: [fn(usize) -> usize; 4] =
            [|_| 7, |i| i / 3, |i| i * i / 5_000 % 3 * i, |i| usize::from(i % 640 > 130) * i];
        for (number, pattern) in patterns.into_iter().enumerate() {
            let indices: Vec<u8> = (0..rect.pixels()).map(|i| (pattern(i) % 200).to_le_bytes()[0]).collect();
            let (direct, read, bytes) = on_both(|step| {
                step(&|picture, written| {
                    picture.indexed(rect, &palette, &indices);
                    written.indexed(rect, &palette, &indices);
                });
            });
            assert!(direct == read, "pattern {number}");
            assert!(bytes.len() < rect.pixels(), "pattern {number}: {}", bytes.len());
            assert_eq!(bytes.first(), Some(&8));
        }
    }

    #[test]
    fn the_end_of_a_frame_carries_its_numbers() {
        let mut written = PageOperations::default();
        let done = FrameDone {
            epoch: 1,
            frame: 2,
            exact: true,
            waited: 3,
            capture: 4,
            encode: 5,
            arrival: 6,
            decode: 7,
            bytes: u32::MAX,
        };
        written.end(&done);
        assert_eq!(painted(&written.take(), &mut Picture::black(Size { width: 1, height: 1 })), [done]);
        assert!(written.take().is_empty());
    }

    #[test]
    fn a_jpeg_goes_along_as_it_is() {
        let mut written = PageOperations::default();
        assert!(written.jpeg(Rect::new(1, 2, 3, 4), b"jpeg"));
        assert_eq!(written.take(), [6, 1, 0, 2, 0, 3, 0, 4, 0, 4, 0, 0, 0, b'j', b'p', b'e', b'g']);
    }
}
