//! What an encoder knows of its viewer, and what a frame is asked for and becomes.
//!
//! Here are only values, which the steps of coding share; what is done with them is in the entrance and in [`super::plan`].

use crate::format::FrameModel;
use crate::geometry::{Point, Rect};
use crate::grid::Cell;
use crate::jpeg::JpegEncoder;
use crate::picture::Picture;
use crate::table::CellMap;

use super::lossy_blocks::LossyBlocks;
use super::motion;
use super::tile_cache::TileCache;

/// A tile must stay unchanged for this many frames before the viewer keeps it: text that scrolls by isn't worth it.
pub(super) const SETTLED: u32 = 4;

/// How to code a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameSettings {
    /// About how many bytes the frame may have. What doesn't fit stays owed.
    pub budget: usize,
    /// About how many pixels may be coded, which bounds the time that both ends take for the frame. What moved, what is
    /// of one colour and what the viewer keeps doesn't count. What doesn't fit stays owed.
    pub pixels: usize,
    /// How natural pictures are coded. Drawn things are always exact.
    pub photos: PhotoQuality,
    /// Whether lossy regions may be sent exactly in this frame: the screen is at rest and the link is free.
    pub refine: bool,
    /// Where somebody looks, most likely: coded first.
    pub focus: Option<Point>,
}

/// How natural pictures (photographs, video) are coded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PhotoQuality {
    /// Exactly, at once.
    Exact,
    /// Lossy, until they rest.
    Lossy {
        /// From 1 to 100, as JPEG counts.
        quality: u8,
    },
}

/// What the viewer doesn't have yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PendingUpdates {
    /// Something changed that wasn't sent at all.
    pub changed: bool,
    /// Something was sent lossy and is to be sent exactly.
    pub lossy: bool,
}

/// A coded frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EncodedFrame {
    /// For a [`ScreenDecoder`](crate::ScreenDecoder).
    pub bytes: Vec<u8>,
    /// The viewer now has the picture exactly, everywhere.
    pub exact: bool,
    /// Pixels that were coded, as [`FrameSettings::pixels`] counts them.
    pub pixels: usize,
}

/// Codes the frames for one [`ScreenDecoder`](crate::ScreenDecoder), each of which must reach it, in order.
#[derive(Debug)]
pub struct ScreenEncoder {
    pub(super) shadow: Picture,
    pub(super) model: FrameModel,
    /// Nothing was coded yet.
    pub(super) fresh: bool,
    /// Tiles that differ from the shadow, or may.
    pub(super) owed: CellMap<bool>,
    /// The frame in which a tile changed last.
    pub(super) touched: CellMap<u32>,
    /// The frame in which it changed before that.
    pub(super) settled: CellMap<u32>,
    /// The frame in which something of a tile was sent last.
    pub(super) sent: CellMap<u32>,
    pub(super) frame: u32,
    pub(super) lossy_blocks: LossyBlocks,
    pub(super) tile_cache: TileCache,
    pub(super) jpeg: JpegEncoder,
}

/// A tile that differs.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChangedTile {
    pub(super) cell: Cell,
    /// The smallest rectangle around all that differs, in pixels of the picture.
    pub(super) within: Rect,
}

/// The smallest rectangle around what differs.
pub(super) fn difference(before: &Picture, now: &Picture, tile: Rect) -> Option<Rect> {
    let rows = |line: u16| {
        let y = tile.y + line;
        (before.row(tile.x, y, tile.width), now.row(tile.x, y, tile.width))
    };
    let differs = |line: &u16| {
        let (a, b) = rows(*line);
        !motion::same_row(a, b)
    };
    let upper = (0..tile.height).find(differs)?;
    let lower = (upper..tile.height).rev().find(differs)?;
    let (mut left, mut right) = (tile.width, 0);
    for line in upper..=lower {
        let (a, b) = rows(line);
        let differs = |x: &u16| a.get(usize::from(*x)) != b.get(usize::from(*x));
        left = (0..left).find(differs).unwrap_or(left);
        right = (right..tile.width).rev().find(differs).map_or(right, |x| x + 1);
        if left == 0 && right == tile.width {
            break;
        }
    }
    Some(Rect::new(tile.x + left, tile.y + upper, right - left, lower - upper + 1))
}
