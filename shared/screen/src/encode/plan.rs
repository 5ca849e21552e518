//! Which rectangle is sent in which way, and in which order.

use core::cmp::Reverse;

use crate::format::{BLOCK, TILE};
use crate::geometry::{Point, Rect};
use crate::grid::Cell;
use crate::picture::Picture;
use crate::table::CellMap;

use super::block_content::{self, BlockContent};
use super::state::{ChangedTile, FrameSettings, PhotoQuality, SETTLED, ScreenEncoder, difference};
use super::{rectangles, tile_cache};

/// Largest lossy picture, in blocks: large enough for its parts to share what coding them costs the viewer.
const LOSSY_BLOCKS: (u16, u16) = (64, 16);
/// Largest exact natural picture, in blocks: small enough to stop in time when the budget is used up.
pub(super) const PHOTO_BLOCKS: (u16, u16) = (16, 8);
/// Widest painted rectangle.
const PAINT_WIDTH: u16 = 4 * TILE;
/// Bytes that a painted pixel takes at most, in a rough estimate, as a fraction: 1/16.
const PAINT_SHARE: usize = 16;

/// Frames that make a difference in what has waited longer.
const WAITED: u32 = 4;

/// A rectangle to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SendJob {
    pub(super) rect: Rect,
    pub(super) method: SendMethod,
}

/// How to send it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SendMethod {
    Fill(u32),
    Restore(usize),
    /// With the colour that there is most of.
    Paint(u32),
    /// With the quality.
    Lossy(u8),
    Photo,
}

impl ScreenEncoder {
    /// Jobs for all that differs, the most urgent first.
    pub(super) fn plan(
        &self,
        now: &Picture,
        changed: &[ChangedTile],
        settings: FrameSettings,
    ) -> Vec<SendJob> {
        let blocks = self.lossy_blocks.grid;
        let mut contents = CellMap::new(blocks, None);
        let (mut jobs, mut any_natural) = (Vec::new(), false);
        for tile in changed {
            let rect = self.model.grid.tile(tile.cell);
            if let Some(job) = self.whole(now, tile, rect) {
                add(&mut jobs, job);
                continue;
            }
            let mut natural = false;
            for cell in blocks.touched(tile.within) {
                let block = blocks.tile(cell);
                if difference(&self.shadow, now, block).is_some() {
                    let content = block_content::of(now, block);
                    natural |= content == BlockContent::Natural;
                    contents[cell] = Some(content);
                }
            }
            any_natural |= natural;
            if !natural {
                // Not to be taken into a neighbouring tile's natural picture.
                blocks.touched(tile.within).for_each(|cell| contents[cell] = None);
                add(&mut jobs, painted(now, tile.within));
            }
        }
        if any_natural {
            self.mixed(now, settings, &contents, &mut jobs);
        }
        self.urgent_first(&mut jobs, settings);
        jobs
    }

    /// A job for a tile that needs no closer look.
    fn whole(&self, now: &Picture, tile: &ChangedTile, rect: Rect) -> Option<SendJob> {
        if let Some(colour) = one_colour(now, tile.within) {
            return Some(SendJob { rect: tile.within, method: SendMethod::Fill(colour) });
        }
        if self.tile_cache.is_empty() || tile.within.pixels() < 64 {
            return None;
        }
        let slot = self.tile_cache.slot(tile_cache::hash(now, rect)?)?;
        // What is around the difference may be lossy: then all of it is restored.
        let area = if self.lossy_blocks.any_in(rect) { rect } else { tile.within };
        Some(SendJob { rect: area, method: SendMethod::Restore(slot) })
    }

    /// Jobs for tiles in which something is natural.
    fn mixed(
        &self,
        now: &Picture,
        settings: FrameSettings,
        contents: &CellMap<Option<BlockContent>>,
        jobs: &mut Vec<SendJob>,
    ) {
        let blocks = self.lossy_blocks.grid;
        // Alone, or almost, it is rather a small icon or a few crowded letters.
        let is_natural = |cell: Cell| contents[cell] == Some(BlockContent::Natural);
        let natural = |cell: Cell| {
            let Cell { column, row } = cell;
            let right = column.saturating_add(1).min(blocks.columns - 1);
            let lower = row.saturating_add(1).min(blocks.rows - 1);
            let around = (row.saturating_sub(1)..=lower)
                .flat_map(|row| (column.saturating_sub(1)..=right).map(move |column| Cell { column, row }));
            is_natural(cell) && around.filter(|cell| is_natural(*cell)).count() > 3
        };
        let soft = |cell: Cell| contents[cell] == Some(BlockContent::Soft);
        let (method, most) = match settings.photos {
            PhotoQuality::Exact => (SendMethod::Photo, PHOTO_BLOCKS),
            PhotoQuality::Lossy { quality } => {
                let most = if settings.budget < 64 << 10 { PHOTO_BLOCKS } else { LOSSY_BLOCKS };
                (SendMethod::Lossy(quality.clamp(1, 100)), most)
            }
        };
        let mut rects = rectangles::cover(&blocks, most, natural, soft);
        let mut left = contents.clone();
        rects.iter().flat_map(|rect| blocks.touched(*rect)).for_each(|cell| left[cell] = None);
        let drawn = |cell: Cell| left[cell].is_some();
        let per_tile = TILE / BLOCK;
        for rect in rectangles::cover(&blocks, (per_tile, per_tile), drawn, |_| false) {
            if let Some(within) = difference(&self.shadow, now, rect) {
                jobs.push(painted(now, within));
            }
        }
        rects.sort_by_key(|rect| settings.focus.map(|focus| distance(*rect, focus)));
        jobs.extend(rects.into_iter().map(|rect| SendJob { rect, method }));
    }

    /// Orders jobs if not all may fit. First what stood still until it changed: an answer to what somebody did, most likely,
    /// while elsewhere text or pictures run through. Then what has waited longest, so that nothing waits forever; then
    /// what is near to where somebody looks.
    fn urgent_first(&self, jobs: &mut [SendJob], settings: FrameSettings) {
        let pixels: usize = jobs.iter().map(|job| job.rect.pixels()).sum();
        if pixels / PAINT_SHARE <= settings.budget && pixels <= settings.pixels {
            return;
        }
        jobs.sort_by_key(|job| {
            let tile = self.model.grid.cell_at(job.rect.x, job.rect.y);
            let (changed, before) = (self.touched[tile], self.settled[tile]);
            let restless = changed.wrapping_sub(before) < SETTLED;
            let waited = self.frame.wrapping_sub(self.sent[tile]) / WAITED;
            (restless, Reverse(waited), settings.focus.map(|focus| distance(job.rect, focus)))
        });
    }
}

/// Adds a job, joined with the last one if they lie side by side and are alike.
fn add(jobs: &mut Vec<SendJob>, job: SendJob) {
    if let Some(last) = jobs.last_mut()
        && last.rect.right() == u32::from(job.rect.x)
        && (last.rect.y, last.rect.height) == (job.rect.y, job.rect.height)
    {
        let together = last.rect.union(job.rect);
        match (last.method, job.method) {
            (SendMethod::Fill(one), SendMethod::Fill(other)) if one == other => {
                last.rect = together;
                return;
            }
            (SendMethod::Paint(_), SendMethod::Paint(_)) if together.width <= PAINT_WIDTH => {
                last.rect = together;
                return;
            }
            _ => {}
        }
    }
    jobs.push(job);
}

fn painted(now: &Picture, rect: Rect) -> SendJob {
    let method = one_colour(now, rect).map_or_else(|| SendMethod::Paint(ground(now, rect)), SendMethod::Fill);
    SendJob { rect, method }
}

fn one_colour(picture: &Picture, rect: Rect) -> Option<u32> {
    let colour = *picture.row(rect.x, rect.y, 1).first()?;
    let all = (rect.y..rect.y.saturating_add(rect.height)).all(|y| {
        picture.row(rect.x, y, rect.width).iter().fold(0, |bits, pixel| bits | (pixel ^ colour)) == 0
    });
    all.then_some(colour)
}

/// The colour of most pixels at the upper and left edge, or one of the more frequent.
fn ground(picture: &Picture, rect: Rect) -> u32 {
    let left = (rect.y..rect.y.saturating_add(rect.height)).flat_map(|y| picture.row(rect.x, y, 1));
    let (mut colour, mut lead) = (0, 0_u32);
    for pixel in picture.row(rect.x, rect.y, rect.width).iter().chain(left) {
        if lead == 0 {
            (colour, lead) = (*pixel, 1);
        } else if *pixel == colour {
            lead += 1;
        } else {
            lead -= 1;
        }
    }
    colour
}

/// How far a rectangle's middle is from a point, squared.
fn distance(rect: Rect, point: Point) -> u64 {
    let x = u64::from(u32::from(rect.x) + u32::from(rect.width) / 2).abs_diff(point.x.into());
    let y = u64::from(u32::from(rect.y) + u32::from(rect.height) / 2).abs_diff(point.y.into());
    x * x + y * y
}
