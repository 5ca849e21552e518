//! How a display lays pixels out in memory: bytes of a pixel, their order, and which bits are which colour.

/// Largest number of bits that a colour has on any display.
const MOST_BITS: u32 = 16;

/// The layout of a display's pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PixelLayout {
    /// Bytes of a pixel: 2, 3 or 4.
    bytes: usize,
    /// A row begins at a multiple of this many bytes.
    pad: usize,
    order: PixelOrder,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PixelOrder {
    /// Four bytes: blue, green, red, and one that means nothing.
    Bgr,
    /// Four bytes: red, green, blue, and one that means nothing.
    Rgb,
    /// Any other order, by masks.
    Masked { big_endian: bool, red: ColourBits, green: ColourBits, blue: ColourBits },
}

/// Where in a pixel a colour is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct ColourBits {
    shift: u32,
    bits: u32,
}

impl ColourBits {
    fn of(mask: u32) -> Option<Self> {
        let (shift, bits) = (mask.trailing_zeros(), mask.count_ones());
        let is_one_run = mask != 0 && u64::from(mask >> shift) + 1 == 1_u64 << bits;
        (is_one_run && bits <= MOST_BITS).then_some(Self { shift, bits })
    }

    /// The colour of a pixel, from 0 to 255.
    fn of_pixel(self, pixel: u32) -> u32 {
        let value = (pixel >> self.shift) & ((1 << self.bits) - 1);
        match self.bits {
            8.. => value >> (self.bits - 8),
            // The upper bits again below: full stays full.
            4..8 => value << (8 - self.bits) | value >> (2 * self.bits - 8),
            _ => value * 255 / ((1 << self.bits) - 1),
        }
    }
}

impl PixelLayout {
    /// From what X says of a visual and of its images: bits of a pixel, bits that a row is padded to, whether the first
    /// byte is the highest, and the masks of red, green and blue. `None`: its pixels aren't colours but places in a table,
    /// or they are of a size that no display with colours has.
    pub fn new(bits: u8, pad: u8, big_endian: bool, masks: [u32; 3]) -> Option<Self> {
        let (bytes @ 2..=4, 0) = (usize::from(bits / 8), bits % 8) else { return None };
        let (pad @ 1..=8, 0) = (usize::from(pad / 8), pad % 8) else { return None };
        let order = match (bytes, big_endian, masks) {
            (4, false, [0xff_0000, 0xff00, 0xff]) => PixelOrder::Bgr,
            (4, false, [0xff, 0xff00, 0xff_0000]) => PixelOrder::Rgb,
            (_, _, [red, green, blue]) => PixelOrder::Masked {
                big_endian,
                red: ColourBits::of(red)?,
                green: ColourBits::of(green)?,
                blue: ColourBits::of(blue)?,
            },
        };
        Some(Self { bytes, pad, order })
    }

    /// Bytes of a row.
    pub fn row_bytes(self, width: u16) -> usize {
        (usize::from(width) * self.bytes).next_multiple_of(self.pad)
    }

    /// Translates as much of a row as both hold to `0x00RRGGBB`.
    pub(crate) fn read_row(self, row: &[u8], pixels: &mut [u32]) {
        match self.order {
            PixelOrder::Bgr => {
                let (bytes, _) = row.as_chunks::<4>();
                for (pixel, [b, g, r, _]) in pixels.iter_mut().zip(bytes) {
                    *pixel = u32::from_le_bytes([*b, *g, *r, 0]);
                }
            }
            PixelOrder::Rgb => {
                let (bytes, _) = row.as_chunks::<4>();
                for (pixel, [r, g, b, _]) in pixels.iter_mut().zip(bytes) {
                    *pixel = u32::from_le_bytes([*b, *g, *r, 0]);
                }
            }
            PixelOrder::Masked { big_endian, red, green, blue } => {
                let add = |sum: u32, byte: &u8| sum << 8 | u32::from(*byte);
                for (pixel, bytes) in pixels.iter_mut().zip(row.chunks_exact(self.bytes)) {
                    let raw = match big_endian {
                        true => bytes.iter().fold(0, add),
                        false => bytes.iter().rev().fold(0, add),
                    };
                    *pixel = red.of_pixel(raw) << 16 | green.of_pixel(raw) << 8 | blue.of_pixel(raw);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it is about; bits of a pixel, whether the highest byte is first, masks; a pixel's bytes; how it is seen.
    type LayoutCase = (&'static str, (u8, bool, [u32; 3]), &'static [u8], u32);

    #[test]
    fn layouts_of_real_displays() {
        let cases: &[LayoutCase] = &[
            ("24", (32, false, [0xff_0000, 0xff00, 0xff]), &[1, 2, 3, 9], 0x0003_0201),
            ("24, red first", (32, false, [0xff, 0xff00, 0xff_0000]), &[1, 2, 3, 9], 0x0001_0203),
            ("24, highest byte first", (32, true, [0xff_0000, 0xff00, 0xff]), &[9, 3, 2, 1], 0x0003_0201),
            ("24 in three bytes", (24, false, [0xff_0000, 0xff00, 0xff]), &[1, 2, 3], 0x0003_0201),
            ("16", (16, false, [0xf800, 0x7e0, 0x1f]), &[0xff, 0xff], 0x00ff_ffff),
            ("16, red", (16, false, [0xf800, 0x7e0, 0x1f]), &[0, 0xf8], 0x00ff_0000),
            ("16, green", (16, false, [0xf800, 0x7e0, 0x1f]), &[0xe0, 0x07], 0x0000_ff00),
            ("16, half", (16, false, [0xf800, 0x7e0, 0x1f]), &[0x10, 0x84], 0x0084_8284),
            ("16, highest byte first", (16, true, [0xf800, 0x7e0, 0x1f]), &[0xf8, 0], 0x00ff_0000),
            ("15", (16, false, [0x7c00, 0x3e0, 0x1f]), &[0, 0x7c], 0x00ff_0000),
            ("30", (32, false, [0x3ff0_0000, 0xf_fc00, 0x3ff]), &[0xff, 0x03, 0, 0], 0x0000_00ff),
            ("30, blue first", (32, false, [0x3ff, 0xf_fc00, 0x3ff0_0000]), &[0xff, 0x03, 0, 0], 0x00ff_0000),
            ("30, half", (32, false, [0x3ff0_0000, 0xf_fc00, 0x3ff]), &[0, 2, 8, 0x20], 0x0080_8080),
        ];
        for (what, (bits, big_endian, masks), bytes, expected) in cases {
            let layout = PixelLayout::new(*bits, 32, *big_endian, *masks).unwrap();
            let mut pixels = [0];
            layout.read_row(bytes, &mut pixels);
            assert_eq!(pixels, [*expected], "{what}");
        }
    }

    #[test]
    fn rows_are_padded() {
        let sixteen = PixelLayout::new(16, 32, false, [0xf800, 0x7e0, 0x1f]).unwrap();
        assert_eq!((sixteen.row_bytes(3), sixteen.row_bytes(4)), (8, 8));
        let three = PixelLayout::new(24, 32, false, [0xff_0000, 0xff00, 0xff]).unwrap();
        assert_eq!((three.row_bytes(1), three.row_bytes(5)), (4, 16));
    }

    #[test]
    fn tables_of_colours_are_refused() {
        for (bits, masks) in [
            (8, [0, 0, 0]),
            (32, [0, 0, 0]),
            (32, [0xff_0000, 0xff00, 0]),
            (32, [0xf0_f000, 0xff, 0xff00]),
            (1, [1, 1, 1]),
            (64, [0xff_0000, 0xff00, 0xff]),
        ] {
            assert_eq!(PixelLayout::new(bits, 32, false, masks), None, "{bits} {masks:x?}");
        }
    }
}
