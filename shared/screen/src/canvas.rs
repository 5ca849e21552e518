//! What a decoded frame is painted on.

use crate::geometry::{Point, Rect, Size};

/// Takes a frame's operations, in order. Each rectangle lies inside of the size that was told last, which the
/// decoder has checked; sources of copies are what the operations before have left there.
pub trait Canvas {
    /// The picture has this size from now on, and is black.
    fn resize(&mut self, size: Size);
    /// Copies a rectangle, which may overlap its target, as it was before the copy.
    fn copy(&mut self, from: Rect, to: Point);
    /// One colour, `0x00RRGGBB`.
    fn fill(&mut self, rect: Rect, color: u32);
    /// Pixels as indices into a palette, row by row.
    fn indexed(&mut self, rect: Rect, palette: &[u32], indices: &[u8]);
    /// Pixels `0x00RRGGBB`, row by row.
    fn pixels(&mut self, rect: Rect, pixels: &[u32]);
    /// A JPEG picture of exactly that size, in case the canvas would rather decode it itself. `false`: it wants
    /// [`Canvas::pixels`].
    fn jpeg(&mut self, _rect: Rect, _data: &[u8]) -> bool {
        false
    }
}
