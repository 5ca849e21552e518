//! Pixels in memory.

use crate::canvas::Canvas;
use crate::geometry::{Point, Rect, Size};
use crate::pixel_layout::PixelLayout;

/// A picture: rows from the top, each pixel `0x00RRGGBB`; the upper byte is always zero.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    size: Size,
    pixels: Vec<u32>,
}

impl core::fmt::Debug for Picture {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Picture({} x {})", self.size.width, self.size.height)
    }
}

impl Picture {
    /// A black picture.
    pub fn black(size: Size) -> Self {
        Self { size, pixels: vec![0; size.pixels()] }
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// All pixels, row by row.
    pub fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    /// A part of one row; empty where it isn't in the picture.
    pub fn row(&self, x: u16, y: u16, width: u16) -> &[u32] {
        let start = usize::from(y) * usize::from(self.size.width) + usize::from(x);
        let fits = u32::from(x) + u32::from(width) <= u32::from(self.size.width) && y < self.size.height;
        self.pixels.get(start..start + usize::from(width)).filter(|_| fits).unwrap_or_default()
    }

    /// A part of one row, to write; empty where it isn't in the picture.
    pub fn row_mut(&mut self, x: u16, y: u16, width: u16) -> &mut [u32] {
        let start = usize::from(y) * usize::from(self.size.width) + usize::from(x);
        let fits = u32::from(x) + u32::from(width) <= u32::from(self.size.width) && y < self.size.height;
        self.pixels.get_mut(start..start + usize::from(width)).filter(|_| fits).unwrap_or_default()
    }

    /// Writes rows of a rectangle, from its row `first` on, as a display lays them out. What is outside is left out.
    pub fn put_bytes(&mut self, rect: Rect, first: u16, bytes: &[u8], layout: PixelLayout) {
        let lines = bytes.chunks_exact(layout.row_bytes(rect.width).max(1));
        for (y, line) in (first..rect.height).zip(lines) {
            layout.read_row(line, self.row_mut(rect.x, rect.y.saturating_add(y), rect.width));
        }
    }

    /// Writes a rectangle of pixels, row by row; what is outside or missing is left as it was.
    pub fn put(&mut self, rect: Rect, pixels: &[u32]) {
        if rect.within(self.size).is_none() {
            return;
        }
        for (y, line) in (rect.y..).zip(pixels.chunks_exact(usize::from(rect.width))).take(rect.height.into())
        {
            self.row_mut(rect.x, y, rect.width).copy_from_slice(line);
        }
    }
}

impl Canvas for Picture {
    fn resize(&mut self, size: Size) {
        *self = Self::black(size);
    }

    fn copy(&mut self, from: Rect, to: Point) {
        let target = Rect { x: to.x, y: to.y, ..from };
        if from.within(self.size).is_none() || target.within(self.size).is_none() {
            return;
        }
        let width = usize::from(self.size.width);
        let at = |x: u16, y: u16| usize::from(y) * width + usize::from(x);
        let mut line = |row: u16| {
            let start = at(from.x, from.y + row);
            self.pixels.copy_within(start..start + usize::from(from.width), at(to.x, to.y + row));
        };
        // As memmove: a row is read before it is written over.
        if to.y > from.y {
            (0..from.height).rev().for_each(&mut line);
        } else {
            (0..from.height).for_each(&mut line);
        }
    }

    fn fill(&mut self, rect: Rect, color: u32) {
        for y in rect.y..rect.y.saturating_add(rect.height) {
            self.row_mut(rect.x, y, rect.width).fill(color);
        }
    }

    fn indexed(&mut self, rect: Rect, palette: &[u32], indices: &[u8]) {
        if rect.within(self.size).is_none() {
            return;
        }
        for (y, line) in
            (rect.y..).zip(indices.chunks_exact(usize::from(rect.width))).take(rect.height.into())
        {
            for (pixel, index) in self.row_mut(rect.x, y, rect.width).iter_mut().zip(line) {
                *pixel = palette.get(usize::from(*index)).copied().unwrap_or_default();
            }
        }
    }

    fn pixels(&mut self, rect: Rect, pixels: &[u32]) {
        self.put(rect, pixels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(width: u16, height: u16) -> Picture {
        let size = Size { width, height };
        let mut picture = Picture::black(size);
        picture.put(size.rect(), &(0..).take(size.pixels()).collect::<Vec<u32>>());
        picture
    }

    #[test]
    fn a_copy_onto_itself_reads_before_it_writes() {
        for (from, to) in [
            (Rect::new(0, 0, 4, 3), Point { x: 0, y: 1 }),
            (Rect::new(0, 1, 4, 3), Point { x: 0, y: 0 }),
            (Rect::new(0, 0, 3, 4), Point { x: 1, y: 0 }),
            (Rect::new(1, 1, 3, 3), Point { x: 0, y: 0 }),
        ] {
            let before = counted(4, 4);
            let mut after = before.clone();
            after.copy(from, to);
            for y in 0..from.height {
                assert_eq!(
                    after.row(to.x, to.y + y, from.width),
                    before.row(from.x, from.y + y, from.width),
                    "{from:?} {to:?}"
                );
            }
        }
    }

    #[test]
    fn bytes_become_pixels_in_either_order() {
        let (bgr, rgb) = ([0xff_0000, 0xff00, 0xff], [0xff, 0xff00, 0xff_0000]);
        let [bgr, rgb] = [bgr, rgb].map(|masks| PixelLayout::new(32, 32, false, masks).unwrap());
        let mut picture = counted(4, 4);
        let rect = Rect::new(1, 1, 2, 2);
        picture.put_bytes(rect, 1, &[1, 2, 3, 255, 4, 5, 6, 255, 9, 9, 9, 9], bgr);
        assert_eq!(picture.row(0, 2, 4), [8, 0x0003_0201, 0x0006_0504, 11]);
        assert_eq!((picture.row(0, 1, 4), picture.row(0, 3, 4)), (&[4, 5, 6, 7][..], &[12, 13, 14, 15][..]));
        picture.put_bytes(rect, 0, &[1, 2, 3, 255], rgb);
        assert_eq!(picture.row(1, 1, 1), [5]);
        picture.put_bytes(Rect::new(3, 3, 1, 9), 0, &[1, 2, 3, 0, 1, 2, 3, 0], rgb);
        assert_eq!(picture.row(3, 3, 1), [0x0001_0203]);
    }

    #[test]
    fn what_is_outside_is_not_touched() {
        let mut picture = counted(4, 4);
        let before = picture.clone();
        picture.put(Rect::new(2, 0, 3, 1), &[9, 9, 9]);
        picture.copy(Rect::new(0, 0, 4, 4), Point { x: 1, y: 0 });
        picture.indexed(Rect::new(0, 4, 1, 1), &[9], &[0]);
        picture.fill(Rect::new(3, 3, 2, 2), 9);
        assert_eq!(picture, before);
        assert!(picture.row(3, 0, 2).is_empty() && picture.row(0, 4, 1).is_empty());
        picture.indexed(Rect::new(0, 0, 2, 1), &[7], &[0, 5]);
        assert_eq!(picture.row(0, 0, 2), [7, 0]);
    }
}
