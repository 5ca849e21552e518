//! What differs between the screen and the viewer's picture becomes a frame.
//!
//! In order: tiles that differ are found; those about to be covered are kept by the viewer; what moved is copied;
//! the rest is restored from what is kept, filled, painted, or sent as natural pictures; at rest, what was lossy is
//! sent exactly. Each step changes the shadow, which is what the viewer has (where a lossy picture was sent: what
//! it stands for), so that the next compares with the truth.
//!
//! The order matters. Tiles are kept before anything covers them, because the viewer can only keep what it still shows.
//! Copies come before painting, because their source is the old picture. What does not fit into the budget stays owed: its
//! tile is compared again in the next frame, so the viewer never waits for something that has meanwhile disappeared.
//! A lossy picture is entered into the shadow as if it were exact; [`lossy_blocks`] remembers where that is untrue.

mod block_content;
mod lossy_blocks;
mod motion;
mod plan;
mod rectangles;
mod state;
mod tile_cache;

use crate::canvas::Canvas as _;
use crate::format::{
    BLOCK, FrameModel, HAS_SIDE_DATA, IS_FIRST, Operation, OperationHead, SEAL, TILE, VERSION, put_length,
};
use crate::geometry::{Point, Rect, Size};
use crate::grid::Cell;
use crate::jpeg::JpegEncoder;
use crate::photo;
use crate::picture::Picture;
use crate::range_coder::{RangeCoder as _, RangeEncoder};
use crate::table::CellMap;

use lossy_blocks::LossyBlocks;
use plan::{SendJob, SendMethod};
use state::{ChangedTile, SETTLED, difference};
pub use state::{EncodedFrame, FrameSettings, PendingUpdates, PhotoQuality, ScreenEncoder};
use tile_cache::TileCache;

/// A lossy tile must stay unchanged for this many frames to be sent exactly while others change.
const RESTED: u32 = 12;
/// With fewer changed pixels than this, the search for moved content isn't worth its time.
const MOTION: usize = 3000;

/// A frame as it grows.
struct FrameBuilder {
    writer: RangeEncoder,
    side_data: Vec<u8>,
    operations: usize,
    pixels: usize,
}

impl FrameBuilder {
    /// Whether it has as much as it may have; at least one operation.
    fn is_full(&self, settings: FrameSettings) -> bool {
        let bytes = self.writer.len() + self.side_data.len();
        self.operations > 0 && (bytes >= settings.budget || self.pixels >= settings.pixels)
    }
}

impl ScreenEncoder {
    /// An encoder for pictures of that size. Its first frame shows the whole picture.
    pub fn new(size: Size) -> Self {
        let model = FrameModel::new(size);
        let tiles = model.grid;
        Self {
            shadow: Picture::black(size),
            model,
            fresh: true,
            owed: CellMap::new(tiles, true),
            touched: CellMap::new(tiles, 0),
            settled: CellMap::new(tiles, 0),
            sent: CellMap::new(tiles, 0),
            frame: 0,
            lossy_blocks: LossyBlocks::new(size),
            tile_cache: TileCache::default(),
            jpeg: JpegEncoder::new(80),
        }
    }

    /// The pictures' size.
    pub fn size(&self) -> Size {
        self.shadow.size()
    }

    /// What the viewer doesn't have yet, as far as was told.
    pub fn pending(&self) -> PendingUpdates {
        PendingUpdates { changed: self.owed.values().contains(&true), lossy: self.lossy_blocks.any() }
    }

    /// Codes what differs between the picture and the viewer's, as far as it lies in tiles that are damaged or still
    /// owed. `None`: there is nothing to send, or the picture has another size (which takes a new encoder).
    pub fn encode(
        &mut self,
        now: &Picture,
        damage: &[Rect],
        settings: FrameSettings,
    ) -> Option<EncodedFrame> {
        if now.size() != self.size() {
            return None;
        }
        self.frame = self.frame.wrapping_add(1);
        let mut changed = self.changed(now, damage);
        let mut frame =
            FrameBuilder { writer: RangeEncoder::new(), side_data: Vec::new(), operations: 0, pixels: 0 };
        if !self.fresh {
            self.keep(&mut frame, &changed);
            if area_of(&changed) >= MOTION {
                changed = self.move_what_moved(&mut frame, now, changed);
            }
        }
        let at_rest = changed.is_empty();
        let jobs = self.plan(now, &changed, settings);
        for tile in &changed {
            self.owe(tile.within, false);
        }
        self.send_jobs(&mut frame, now, jobs, settings);
        if settings.refine || settings.photos == PhotoQuality::Exact {
            self.refine(&mut frame, now, settings, at_rest);
        }
        self.finish(frame)
    }

    fn finish(&mut self, mut frame: FrameBuilder) -> Option<EncodedFrame> {
        if frame.operations == 0 && !self.fresh {
            return None;
        }
        self.place(&mut frame, Operation::End, Rect::default());
        frame.writer.raw(8, SEAL);
        let mut bytes = vec![VERSION];
        if self.fresh {
            let Size { width, height } = self.size();
            bytes = vec![VERSION | IS_FIRST];
            bytes.extend_from_slice(&width.to_le_bytes());
            bytes.extend_from_slice(&height.to_le_bytes());
            self.fresh = false;
        }
        let coded = frame.writer.finish();
        if !frame.side_data.is_empty()
            && let Some(flags) = bytes.first_mut()
        {
            *flags |= HAS_SIDE_DATA;
            put_length(&mut bytes, coded.len());
        }
        bytes.extend_from_slice(&coded);
        bytes.extend_from_slice(&frame.side_data);
        Some(EncodedFrame { bytes, exact: self.pending() == PendingUpdates::default(), pixels: frame.pixels })
    }

    /// Tiles that differ, in order. Those that don't are no longer owed.
    fn changed(&mut self, now: &Picture, damage: &[Rect]) -> Vec<ChangedTile> {
        let grid = self.model.grid;
        let mut new = CellMap::new(grid, false);
        for rect in damage {
            grid.touched(rect.intersect(grid.size.rect())).for_each(|cell| new[cell] = true);
        }
        let mut changed = Vec::new();
        for cell in grid.cells() {
            if !self.owed[cell] && !new[cell] {
                continue;
            }
            self.owed[cell] = false;
            if let Some(tile) = self.differs(now, cell) {
                changed.push(tile);
                if new[cell] {
                    self.settled[cell] = core::mem::replace(&mut self.touched[cell], self.frame);
                }
            }
        }
        changed
    }

    /// Where a tile differs from the shadow.
    fn differs(&self, now: &Picture, cell: Cell) -> Option<ChangedTile> {
        let within = difference(&self.shadow, now, self.model.grid.tile(cell))?;
        Some(ChangedTile { cell, within })
    }

    /// Lets the viewer keep what has stood for a while and is about to be covered.
    fn keep(&mut self, frame: &mut FrameBuilder, changed: &[ChangedTile]) {
        for tile in changed {
            let rect = self.model.grid.tile(tile.cell);
            let last = self.settled[tile.cell];
            if tile.within.pixels() * 4 < rect.pixels() || self.frame.wrapping_sub(last) < SETTLED {
                continue;
            }
            if self.lossy_blocks.any_in(rect) {
                continue;
            }
            if let Some(content) = tile_cache::hash(&self.shadow, rect)
                && self.tile_cache.slot(content).is_none()
            {
                self.tile_cache.keep(content);
                self.place(frame, Operation::Keep, rect);
            }
        }
    }

    /// Copies what moved, and returns what differs after that.
    fn move_what_moved(
        &mut self,
        frame: &mut FrameBuilder,
        now: &Picture,
        mut changed: Vec<ChangedTile>,
    ) -> Vec<ChangedTile> {
        let mut candidates = motion::displacements(&self.shadow, now, &joined(&changed));
        let mut copied: Vec<Rect> = Vec::new();
        while area_of(&changed) >= MOTION {
            let Some(moves) = motion::best(&self.shadow, now, &joined(&changed), &mut candidates) else {
                break;
            };
            for found in moves {
                let target = Rect { x: found.to.x, y: found.to.y, ..found.from };
                // An earlier copy may have covered what this one would take.
                let stale = copied.iter().any(|other| !other.intersect(found.from).is_empty());
                if stale && !motion::same(&self.shadow, found.from, now, target) {
                    continue;
                }
                self.place(frame, Operation::Copy, target);
                let from = Point { x: found.from.x, y: found.from.y };
                self.model.source(&mut frame.writer, target, from);
                self.shadow.copy(found.from, found.to);
                self.lossy_blocks.copied(found.from, found.to);
                copied.push(target);
            }
            changed.retain_mut(|tile| {
                let rect = self.model.grid.tile(tile.cell);
                // What was copied as a whole needn't be compared.
                let whole = copied.iter().any(|target| target.contains(rect));
                let left = if whole { None } else { self.differs(now, tile.cell) };
                *tile = left.unwrap_or(*tile);
                left.is_some()
            });
        }
        changed
    }

    /// Does the jobs that fit; what doesn't stays owed.
    fn send_jobs(
        &mut self,
        frame: &mut FrameBuilder,
        now: &Picture,
        jobs: Vec<SendJob>,
        settings: FrameSettings,
    ) {
        for job in jobs {
            if frame.is_full(settings) {
                self.owe(job.rect, true);
                continue;
            }
            self.send(frame, now, job);
        }
    }

    /// Sends one rectangle.
    fn send(&mut self, frame: &mut FrameBuilder, now: &Picture, job: SendJob) {
        let SendJob { rect, method } = job;
        let lines = || (rect.y..rect.y.saturating_add(rect.height)).map(|y| now.row(rect.x, y, rect.width));
        match method {
            SendMethod::Fill(colour) => {
                self.place(frame, Operation::Fill, rect);
                self.model.colours.colour(&mut frame.writer, colour);
            }
            SendMethod::Restore(slot) => {
                self.place(frame, Operation::Restore, rect);
                self.model.slot(&mut frame.writer, slot);
            }
            SendMethod::Paint(ground) => {
                self.place(frame, Operation::Paint, rect);
                let mut pixels = Vec::with_capacity(rect.pixels());
                lines().for_each(|line| pixels.extend_from_slice(line));
                self.model.colours.rectangle(&mut frame.writer, rect.width.into(), &mut pixels, ground);
            }
            SendMethod::Lossy(quality) => {
                if self.jpeg.quality() != quality {
                    self.jpeg = JpegEncoder::new(quality);
                }
                let before = frame.side_data.len();
                let row = |y: u16| now.row(rect.x, rect.y + y, rect.width);
                self.jpeg.encode(rect.width, rect.height, row, &mut frame.side_data);
                self.place(frame, Operation::Jpeg, rect);
                self.model.quality(&mut frame.writer, quality);
                self.model.length(&mut frame.writer, frame.side_data.len() - before);
            }
            SendMethod::Photo => {
                let before = frame.side_data.len();
                photo::encode(rect.width.into(), lines(), &mut frame.side_data);
                self.place(frame, Operation::Photo, rect);
                self.model.length(&mut frame.writer, frame.side_data.len() - before);
            }
        }
        if !matches!(method, SendMethod::Fill(_) | SendMethod::Restore(_)) {
            frame.pixels += rect.pixels();
        }
        for y in rect.y..rect.y.saturating_add(rect.height) {
            self.shadow.row_mut(rect.x, y, rect.width).copy_from_slice(now.row(rect.x, y, rect.width));
        }
        let grid = self.model.grid;
        grid.touched(rect).for_each(|cell| self.sent[cell] = self.frame);
        self.lossy_blocks.sent(rect, !matches!(method, SendMethod::Lossy(_)));
    }

    /// Sends lossy regions exactly, as far as the budget goes.
    fn refine(&mut self, frame: &mut FrameBuilder, now: &Picture, settings: FrameSettings, at_rest: bool) {
        if !self.lossy_blocks.any() {
            return;
        }
        /// Blocks along a tile's side.
        const BLOCKS: u16 = TILE / BLOCK;
        let rest = if at_rest || settings.photos == PhotoQuality::Exact { 1 } else { RESTED };
        let rests = |block: Cell| {
            let tile = Cell { column: block.column / BLOCKS, row: block.row / BLOCKS };
            !self.owed[tile] && self.frame.wrapping_sub(self.touched[tile]) >= rest
        };
        let blocks = self.lossy_blocks.grid;
        let wanted = |block| self.lossy_blocks.is_lossy(block) && rests(block);
        let rects = rectangles::cover(&blocks, plan::PHOTO_BLOCKS, wanted, |_| false);
        for rect in rects {
            if frame.is_full(settings) {
                break;
            }
            self.send(frame, now, SendJob { rect, method: SendMethod::Photo });
        }
    }

    fn place(&mut self, frame: &mut FrameBuilder, kind: Operation, rect: Rect) {
        frame.operations += usize::from(kind != Operation::End);
        self.model.place(&mut frame.writer, OperationHead { kind, rect });
    }

    fn owe(&mut self, rect: Rect, owed: bool) {
        let grid = self.model.grid;
        grid.touched(rect).for_each(|cell| self.owed[cell] = owed);
    }
}

fn area_of(changed: &[ChangedTile]) -> usize {
    changed.iter().map(|tile| tile.within.pixels()).sum()
}

/// What differs in one row of tiles as one area: what is between moved along, most likely.
fn joined(changed: &[ChangedTile]) -> Vec<Rect> {
    let mut areas: Vec<(u16, Rect)> = Vec::new();
    for tile in changed {
        match areas.last_mut() {
            Some((row, area)) if *row == tile.cell.row => *area = area.union(tile.within),
            _ => areas.push((tile.cell.row, tile.within)),
        }
    }
    areas.into_iter().map(|(_, area)| area).collect()
}

#[cfg(test)]
mod tests;
