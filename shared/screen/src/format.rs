//! What a frame consists of, for both ends.
//!
//! A frame is: a byte of version and flags; for a first frame the size, 2 × 16 bits; with side data, the length of
//! the coded part (LEB128); the coded part: operations, each a kind and its arguments, through one range coder;
//! then the side data, in order of the operations it belongs to. Nothing of a frame is understood without all
//! frames before it, from a first one on.

use crate::colour_model::ColourModel;
use crate::geometry::{Point, Rect, Size};
use crate::grid::{Cell, TileGrid};
use crate::range_coder::{BitModel, BitTree, NumberModel, RangeCoder, SignedModel};
use crate::table::FixedTable;

/// In the upper half of the first byte.
pub(crate) const VERSION: u8 = 1 << 4;
/// The first frame of an encoder: a size follows, and what was before is forgotten.
pub(crate) const IS_FIRST: u8 = 1;
/// The coded part's length follows, and data after it.
pub(crate) const HAS_SIDE_DATA: u8 = 2;

/// Side of a tile in pixels.
pub(crate) const TILE: u16 = 64;
/// Side of a block in pixels: what is natural and what is drawn are told apart so finely. Blocks of JPEG at 4:2:0.
pub(crate) const BLOCK: u16 = 16;
/// Tiles that the viewer keeps for when they are shown again. 16 MiB of it.
pub(crate) const CACHED_TILES: usize = 1024;

/// Eight bits after the last operation: bytes that were cut or damaged don't end with them.
pub(crate) const SEAL: u32 = 0xa5;

/// Pixels that all operations of a frame may cover, in units of the picture: a frame in honest use copies, keeps,
/// paints and refines each place once at most.
pub(crate) const COVER: usize = 8;
/// What an operation counts for in addition to its pixels.
pub(crate) const OPERATION: usize = 64;

/// Kinds of operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Operation {
    /// The frame has no further operation.
    End,
    /// A rectangle moves.
    Copy,
    /// A tile as it is is kept.
    Keep,
    /// A part of a tile is what it was when it was kept.
    Restore,
    /// A rectangle gets one colour.
    Fill,
    /// Drawn things: [`ColourModel`].
    Paint,
    /// A lossy picture in the side data.
    Jpeg,
    /// An exact picture in the side data.
    Photo,
}

impl Operation {
    const ALL: [Self; 8] =
        [Self::End, Self::Copy, Self::Keep, Self::Restore, Self::Fill, Self::Paint, Self::Jpeg, Self::Photo];
}

/// An operation's arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OperationHead {
    pub(crate) kind: Operation,
    pub(crate) rect: Rect,
}

/// How one kind of rectangle tends to lie.
#[derive(Clone, Debug)]
struct RectModel {
    tile: SignedModel,
    axes: [AxisModel; 2],
}

/// The same, along one axis: where a rectangle begins in its tile, and how long it is.
#[derive(Clone, Debug)]
struct AxisModel {
    at_edge: BitModel,
    inside: BitTree<64>,
    to_edge: BitModel,
    length: NumberModel,
}

impl AxisModel {
    const NEW: Self = Self {
        at_edge: BitModel::EVEN,
        inside: BitTree::NEW,
        to_edge: BitModel::EVEN,
        length: NumberModel::NEW,
    };

    /// Beginning and length; `room` is the tile's own length.
    fn code<C: RangeCoder>(&mut self, coder: &mut C, (begin, length, room): (u16, u16, u32)) -> (u32, u32) {
        let begin = u32::from(begin);
        let begin = if coder.bit(&mut self.at_edge, begin == 0) { 0 } else { self.inside.code(coder, begin) };
        let rest = room.saturating_sub(begin);
        if coder.bit(&mut self.to_edge, u32::from(length) == rest) {
            return (begin, rest);
        }
        (begin, self.length.code(coder, u32::from(length).wrapping_sub(1)) + 1)
    }
}

impl RectModel {
    const NEW: Self = Self { tile: SignedModel::NEW, axes: [AxisModel::NEW, AxisModel::NEW] };
}

/// The state that both ends have in common.
#[derive(Debug)]
pub(crate) struct FrameModel {
    pub(crate) grid: TileGrid,
    kinds: FixedTable<BitTree<8>, 8>,
    last_kind: u8,
    last_tile: i32,
    rect_models: FixedTable<RectModel, 8>,
    moved: [SignedModel; 2],
    last_move: (i32, i32),
    move_again: BitModel,
    slots: BitTree<CACHED_TILES>,
    quality: BitTree<128>,
    side_data: NumberModel,
    side_data_upper: NumberModel,
    pub(crate) colours: ColourModel,
}

impl FrameModel {
    pub(crate) fn new(size: Size) -> Self {
        Self {
            grid: TileGrid::new(size, TILE),
            kinds: FixedTable([const { BitTree::NEW }; 8]),
            last_kind: 0,
            last_tile: 0,
            rect_models: FixedTable([const { RectModel::NEW }; 8]),
            moved: [SignedModel::NEW, SignedModel::NEW],
            last_move: (0, 0),
            move_again: BitModel::EVEN,
            slots: BitTree::NEW,
            quality: BitTree::NEW,
            side_data: NumberModel::NEW,
            side_data_upper: NumberModel::NEW,
            colours: ColourModel::new(),
        }
    }

    /// The next operation: its kind and, but for the end, a rectangle. `None`: the bytes say no rectangle of
    /// the picture.
    pub(crate) fn place<C: RangeCoder>(
        &mut self,
        coder: &mut C,
        place: OperationHead,
    ) -> Option<OperationHead> {
        let kind = self.kinds[usize::from(self.last_kind)].code(coder, place.kind as u32);
        self.last_kind = u8::try_from(kind).ok()?;
        let kind = *Operation::ALL.get(usize::from(self.last_kind))?;
        let rect = if kind == Operation::End { Rect::default() } else { self.rect(coder, kind, place.rect)? };
        Some(OperationHead { kind, rect })
    }

    fn rect<C: RangeCoder>(&mut self, coder: &mut C, kind: Operation, rect: Rect) -> Option<Rect> {
        let (columns, size) = (i32::from(self.grid.columns), self.grid.size);
        let model = &mut self.rect_models[kind as usize];
        let tile = i32::from(rect.y / TILE) * columns + i32::from(rect.x / TILE);
        let tile = self.last_tile + model.tile.code(coder, tile - self.last_tile);
        if tile < 0 || tile >= columns * i32::from(self.grid.rows) {
            return None;
        }
        self.last_tile = tile;
        let column = u16::try_from(tile % columns).ok()?;
        let row = u16::try_from(tile / columns).ok()?;
        let own = self.grid.tile(Cell { column, row });
        if kind == Operation::Keep {
            return Some(own);
        }
        let [across, down] = &mut model.axes;
        let (x, width) = across.code(coder, (rect.x % TILE, rect.width, u32::from(own.width)));
        let (y, height) = down.code(coder, (rect.y % TILE, rect.height, u32::from(own.height)));
        let fit = |value: u32| u16::try_from(value).ok();
        Rect::new(fit(u32::from(own.x) + x)?, fit(u32::from(own.y) + y)?, fit(width)?, fit(height)?)
            .within(size)
    }

    /// Where a copy's source is. `None`: not in the picture.
    pub(crate) fn source<C: RangeCoder>(&mut self, coder: &mut C, target: Rect, from: Point) -> Option<Rect> {
        let by = (i32::from(from.x) - i32::from(target.x), i32::from(from.y) - i32::from(target.y));
        if !coder.bit(&mut self.move_again, by == self.last_move) {
            let [x, y] = &mut self.moved;
            self.last_move = (x.code(coder, by.0), y.code(coder, by.1));
        }
        let x = u16::try_from(i32::from(target.x) + self.last_move.0).ok()?;
        let y = u16::try_from(i32::from(target.y) + self.last_move.1).ok()?;
        Rect { x, y, ..target }.within(self.grid.size)
    }

    /// The place where a kept tile is.
    pub(crate) fn slot<C: RangeCoder>(&mut self, coder: &mut C, slot: usize) -> usize {
        self.slots.code(coder, u32::try_from(slot).unwrap_or_default()) as usize
    }

    /// A JPEG's quality.
    pub(crate) fn quality<C: RangeCoder>(&mut self, coder: &mut C, quality: u8) -> u8 {
        u8::try_from(self.quality.code(coder, quality.into())).unwrap_or_default()
    }

    /// Length of an operation's side data.
    pub(crate) fn length<C: RangeCoder>(&mut self, coder: &mut C, length: usize) -> usize {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let upper = self.side_data_upper.code(coder, length >> 15);
        let lower = self.side_data.code(coder, length & 0x7fff);
        (upper as usize) << 15 | lower as usize
    }
}

/// A length before data, LEB128.
pub(crate) fn put_length(out: &mut Vec<u8>, mut length: usize) {
    loop {
        let [low, ..] = length.to_le_bytes();
        length >>= 7;
        if length == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// As [`put_length`] wrote it, and what follows.
pub(crate) fn take_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0_usize;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((length, bytes.get(place + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_come_back() {
        for length in [0, 1, 127, 128, 300, 70_000, 0x7fff_ffff] {
            let mut bytes = Vec::new();
            put_length(&mut bytes, length);
            assert!(take_length(&bytes[..bytes.len() - 1]).is_none());
            bytes.push(9);
            assert_eq!(take_length(&bytes), Some((length, &[9][..])));
        }
        assert_eq!(take_length(&[0xff; 9]), None);
    }
}
