//! Points, sizes and rectangles in pixels of a picture whose origin is its upper left corner.

/// Longest side of a picture, in pixels: two 8K screens side by side and some more. Larger ones are refused before
/// memory is taken for them.
pub const MAX_SIDE: u16 = 16_384;
/// Most pixels of a picture: four 4K screens.
pub const MAX_PIXELS: usize = 4 * 3840 * 2160;

/// A pixel's position.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, PartialOrd, Ord, Hash)]
pub struct Point {
    /// Pixels from the left edge.
    pub x: u16,
    /// Pixels from the upper edge.
    pub y: u16,
}

/// The size of a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, PartialOrd, Ord, Hash)]
pub struct Size {
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
}

impl Size {
    /// A size that pictures may have: neither empty, nor above [`MAX_SIDE`] and [`MAX_PIXELS`].
    pub fn checked(width: u16, height: u16) -> Option<Self> {
        let size = Self { width, height };
        (width > 0 && height > 0 && width <= MAX_SIDE && height <= MAX_SIDE && size.pixels() <= MAX_PIXELS)
            .then_some(size)
    }

    /// Number of pixels.
    pub fn pixels(self) -> usize {
        usize::from(self.width) * usize::from(self.height)
    }

    /// The rectangle that covers the whole picture.
    pub fn rect(self) -> Rect {
        Rect { x: 0, y: 0, width: self.width, height: self.height }
    }
}

/// A rectangle. One made by [`Rect::within`] or [`Rect::intersect`] ends inside of its picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, PartialOrd, Ord, Hash)]
pub struct Rect {
    /// Left edge, in pixels.
    pub x: u16,
    /// Upper edge, in pixels.
    pub y: u16,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
}

impl Rect {
    /// A rectangle by its upper left corner and its size.
    pub fn new(x: u16, y: u16, width: u16, height: u16) -> Self {
        Self { x, y, width, height }
    }

    /// `true` without a pixel.
    pub fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Number of pixels.
    pub fn pixels(self) -> usize {
        usize::from(self.width) * usize::from(self.height)
    }

    /// One past the right edge.
    pub fn right(self) -> u32 {
        u32::from(self.x) + u32::from(self.width)
    }

    /// One past the lower edge.
    pub fn bottom(self) -> u32 {
        u32::from(self.y) + u32::from(self.height)
    }

    /// This rectangle if it isn't empty and lies wholly inside of a picture of that size.
    pub fn within(self, size: Size) -> Option<Self> {
        let inside = self.right() <= u32::from(size.width) && self.bottom() <= u32::from(size.height);
        (inside && !self.is_empty()).then_some(self)
    }

    /// What both have in common; empty if nothing.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let width = self.right().min(other.right()).saturating_sub(u32::from(x));
        let height = self.bottom().min(other.bottom()).saturating_sub(u32::from(y));
        if width == 0 || height == 0 {
            return Self::default();
        }
        Self { x, y, width: clip(width), height: clip(height) }
    }

    /// The smallest rectangle around both; an empty one counts for nothing.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let width = self.right().max(other.right()) - u32::from(x);
        let height = self.bottom().max(other.bottom()) - u32::from(y);
        Self { x, y, width: clip(width), height: clip(height) }
    }

    /// Whether the other lies wholly in this one.
    pub fn contains(self, other: Self) -> bool {
        self.intersect(other) == other
    }
}

/// A length; the largest there is if it doesn't fit.
fn clip(length: u32) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intersections_unions_and_limits() {
        let (a, b) = (Rect::new(2, 2, 4, 4), Rect::new(4, 0, 10, 3));
        assert_eq!(a.intersect(b), Rect::new(4, 2, 2, 1));
        assert_eq!(a.union(b), Rect::new(2, 0, 12, 6));
        assert!(a.intersect(Rect::new(6, 2, 1, 1)).is_empty());
        assert_eq!(a.union(Rect::default()), a);
        assert!(a.union(b).contains(a) && !a.contains(b));
        assert_eq!(a.within(Size { width: 6, height: 6 }), Some(a));
        assert_eq!(a.within(Size { width: 5, height: 6 }), None);
        assert_eq!(Rect::new(u16::MAX, 0, u16::MAX, 1).within(Size { width: u16::MAX, height: 1 }), None);
        assert!(Size::checked(0, 1).is_none() && Size::checked(u16::MAX, 1).is_none());
        assert!(Size::checked(16_384, 16_384).is_none() && Size::checked(7680, 4320).is_some());
    }
}
