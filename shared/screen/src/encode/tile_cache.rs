//! Which tiles the viewer keeps: their hashes only, in the order in which it forgets them.

use std::collections::HashMap;

use crate::format::CACHED_TILES;
use crate::geometry::Rect;
use crate::picture::Picture;

/// A tile's content, in 128 bits: two tiles never have the same by chance.
pub(super) type TileHash = u128;

/// Mirrors what a decoder keeps.
#[derive(Debug, Default)]
pub(super) struct TileCache {
    slots: HashMap<TileHash, usize>,
    order: Vec<TileHash>,
    next: usize,
}

impl TileCache {
    /// Where a tile is kept.
    pub(super) fn slot(&self, hash: TileHash) -> Option<usize> {
        self.slots.get(&hash).copied()
    }

    /// The viewer keeps this one from now on, and forgets the oldest.
    pub(super) fn keep(&mut self, hash: TileHash) {
        match self.order.get_mut(self.next) {
            Some(old) => {
                self.slots.remove(old);
                *old = hash;
            }
            None => self.order.push(hash),
        }
        self.slots.insert(hash, self.next);
        self.next = (self.next + 1) % CACHED_TILES;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

/// Hashes a tile, its size included. `None`: it is of one colour, which costs nothing to draw again.
pub(super) fn hash(picture: &Picture, tile: Rect) -> Option<TileHash> {
    const A: u64 = 0x9e37_79b9_7f4a_7c15;
    const B: u64 = 0xd6e8_feb8_6659_fd93;
    let (mut one, mut two) = (u64::from(tile.width) ^ A, u64::from(tile.height) ^ B);
    let first = picture.row(tile.x, tile.y, 1).first().copied().unwrap_or_default();
    let mut differs = 0;
    #[allow(clippy::cast_possible_truncation, reason = "both halves are taken")]
    let fold = |a: u64, b: u64| {
        let wide = u128::from(a) * u128::from(b);
        (wide >> 64) as u64 ^ wide as u64
    };
    for y in tile.y..tile.y.saturating_add(tile.height) {
        let row = picture.row(tile.x, y, tile.width);
        let (fours, rest) = row.as_chunks::<4>();
        for [a, b, c, d] in fours {
            differs |= (a ^ first) | (b ^ first) | (c ^ first) | (d ^ first);
            let (left, right) = (u64::from(*a) << 32 | u64::from(*b), u64::from(*c) << 32 | u64::from(*d));
            one = fold(one ^ left, right ^ A);
            two = fold(two ^ right, left ^ B).rotate_left(23);
        }
        for pixel in rest {
            differs |= pixel ^ first;
            one = fold(one ^ u64::from(*pixel), A);
            two = fold(two ^ u64::from(*pixel), B).rotate_left(23);
        }
    }
    (differs != 0).then_some(u128::from(one) << 64 | u128::from(two))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten() {
        let mut kept = TileCache::default();
        for hash in 0..CACHED_TILES as u128 + 3 {
            kept.keep(hash);
        }
        assert_eq!([0, 2, 3].map(|c| kept.slot(c)), [None, None, Some(3)]);
        assert_eq!(kept.slot(CACHED_TILES as u128 + 2), Some(2));
    }

    #[test]
    fn one_changed_pixel_is_another_tile() {
        let size = crate::Size { width: 70, height: 64 };
        let mut picture = Picture::black(size);
        let tile = Rect::new(3, 0, 64, 64);
        assert_eq!(hash(&picture, tile), None);
        let mut seen = std::collections::HashSet::new();
        for place in 0..64_u16 {
            picture.put(Rect::new(3 + place, place, 1, 1), &[1]);
            assert!(seen.insert(hash(&picture, tile).unwrap()));
        }
    }
}
