//! What moved: scrolled text, dragged windows.
//!
//! Places with some content (a colour that differs from its left neighbour, and a hash that chooses few of them)
//! are looked up by the pixels around them: where the same pixels stood elsewhere before, that displacement gets a
//! vote. The displacements with most votes are compared block by block, and what matches is joined to rectangles.
//!
//! Why not compare everything with everything: a screen of two million pixels can move by millions of displacements. Anchors
//! reduce that to a vote. They must be chosen by content alone, never by position, or the same text would have other anchors
//! after it moved; and content that stands at several places is dropped, since blank rows and repeated icons would vote for
//! every displacement at once. A copy is exact (every pixel is compared before it is used), so a wrong vote costs time only.
//! Copies run in an order in which none overwrites the source of a later one, as `memmove` does.

use std::collections::HashMap;

use crate::format::BLOCK;
use crate::geometry::{Point, Rect};
use crate::grid::{Cell, TileGrid};
use crate::picture::Picture;
use crate::table::CellMap;

/// Width of what is looked up, in pixels.
const WINDOW: usize = 16;
/// Distance of a second row that is hashed too, so that parts of letters aren't mistaken for each other.
const BELOW: u16 = 5;
/// Above this number of changed pixels, fewer anchors are enough.
const MUCH: usize = 1 << 18;

/// How densely places are looked up.
#[derive(Clone, Copy)]
struct SearchDensity {
    /// One in 2^n of all places with content.
    chosen: u32,
    /// Every how many rows of the new picture are searched.
    rows: usize,
}
/// Displacements that are compared.
const CANDIDATES: usize = 4;
/// Votes that a displacement needs: fewer are chance.
const VOTES: u32 = 4;
/// Changed blocks that a copy must bring: below, it costs more than coding them.
const WORTH: usize = 3;
/// Anchors remembered of the old picture, as a power of two. More of them find nothing new.
const TABLE: u32 = 16;

/// A rectangle that was elsewhere before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct MovedRect {
    pub(super) from: Rect,
    pub(super) to: Point,
}

/// Displacements, likeliest first, from what changed.
pub(super) fn displacements(before: &Picture, now: &Picture, changed: &[Rect]) -> Vec<(i32, i32)> {
    let much = changed.iter().map(|area| area.pixels()).sum::<usize>() > MUCH;
    let density =
        if much { SearchDensity { chosen: 6, rows: 5 } } else { SearchDensity { chosen: 3, rows: 2 } };
    let mut table = vec![(0_u32, u32::MAX); 1 << TABLE];
    let mut held = 0_usize;
    for area in changed {
        for y in area.y..u16::try_from(area.bottom()).unwrap_or(u16::MAX) {
            anchors(before, *area, y, density.chosen, |x, hash| {
                held += usize::from(held < 3 << (TABLE - 2) && remember(&mut table, hash, x, y));
            });
        }
    }
    let mut votes = HashMap::<(i32, i32), u32>::new();
    for area in changed {
        for y in (area.y..u16::try_from(area.bottom()).unwrap_or(u16::MAX)).step_by(density.rows) {
            anchors(now, *area, y, density.chosen, |x, hash| {
                if let Some((was_x, was_y)) = recall(&table, hash) {
                    let by = (i32::from(x) - i32::from(was_x), i32::from(y) - i32::from(was_y));
                    *votes.entry(by).or_default() += 1;
                }
            });
        }
    }
    let mut votes: Vec<_> =
        votes.into_iter().filter(|(by, votes)| *by != (0, 0) && *votes >= VOTES).collect();
    votes.sort_by_key(|(by, votes)| (core::cmp::Reverse(*votes), *by));
    votes.into_iter().take(CANDIDATES).map(|(by, _)| by).collect()
}

/// Calls with column and hash of each place of a row that has content.
fn anchors(picture: &Picture, area: Rect, y: u16, chosen: u32, mut found: impl FnMut(u16, u32)) {
    let row = picture.row(area.x, y, area.width);
    let below = picture.row(area.x, y.saturating_add(BELOW), area.width);
    let below = if below.is_empty() { row } else { below };
    let mut left = row.first().copied().unwrap_or_default();
    for (number, part) in row.chunks(WINDOW).enumerate() {
        // Flat ground, which is most of a screen, is passed over sixteen pixels at a time.
        if part.iter().fold(0, |bits, pixel| bits | (pixel ^ left)) == 0 {
            continue;
        }
        for (x, pixel) in part.iter().enumerate() {
            if core::mem::replace(&mut left, *pixel) == *pixel {
                continue;
            }
            let x = number * WINDOW + x;
            let next = row.get(x + 1).copied().unwrap_or_default();
            let mixed = pixel.wrapping_mul(0x9e37_79b1) ^ next.wrapping_mul(0x85eb_ca6b);
            if mixed.wrapping_mul(0xc2b2_ae35) >> (32 - chosen) != 0 {
                continue;
            }
            if let (Some(here), Some(there)) = (row.get(x..x + WINDOW), below.get(x..x + WINDOW)) {
                let column = u16::try_from(x).unwrap_or(u16::MAX);
                found(area.x.saturating_add(column), content(here, there));
            }
        }
    }
}

/// A hash of pixels.
fn content(here: &[u32], there: &[u32]) -> u32 {
    let mut hash = 0_u64;
    for (one, two) in here.iter().zip(there) {
        hash = (hash ^ u64::from(*one) ^ u64::from(*two) << 24).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    }
    u32::try_from(hash >> 32).unwrap_or_default()
}

/// Marks content that stands at more than one place and therefore says nothing.
const TWICE: u32 = u32::MAX - 1;

/// Takes a place into the table; `true` if it is new.
fn remember(table: &mut [(u32, u32)], hash: u32, x: u16, y: u16) -> bool {
    let mut at = (hash >> (32 - TABLE)) as usize;
    while let Some((known, place)) = table.get_mut(at) {
        if *place == u32::MAX {
            (*known, *place) = (hash, u32::from(y) << 16 | u32::from(x));
            return true;
        }
        if *known == hash {
            *place = TWICE;
            return false;
        }
        at = (at + 1) & ((1 << TABLE) - 1);
    }
    false
}

fn recall(table: &[(u32, u32)], hash: u32) -> Option<(u16, u16)> {
    let mut at = (hash >> (32 - TABLE)) as usize;
    loop {
        let (known, place) = *table.get(at)?;
        if place == u32::MAX || known == hash && place == TWICE {
            return None;
        }
        if known == hash {
            return Some(((place & 0xffff) as u16, (place >> 16) as u16));
        }
        at = (at + 1) & ((1 << TABLE) - 1);
    }
}

/// The rectangles of the displacement that explains most; takes it from the candidates.
pub(super) fn best(
    before: &Picture,
    now: &Picture,
    changed: &[Rect],
    candidates: &mut Vec<(i32, i32)>,
) -> Option<Vec<MovedRect>> {
    let total: usize = changed.iter().map(|area| area.pixels()).sum();
    let mut best: Option<(usize, usize, Vec<MovedRect>)> = None;
    for (place, by) in candidates.iter().enumerate() {
        let found = moves(before, now, changed, *by);
        let gained = found.iter().map(|found| found.from.pixels()).sum();
        if gained > best.as_ref().map_or(0, |best| best.0) {
            best = Some((gained, place, found));
        }
        // Nothing will be much better.
        if gained * 5 >= total * 4 {
            break;
        }
    }
    let (_, place, found) = best?;
    candidates.remove(place);
    Some(found)
}

/// Rectangles that a displacement explains, in an order in which none overwrites what a later one needs.
fn moves(before: &Picture, now: &Picture, changed: &[Rect], (dx, dy): (i32, i32)) -> Vec<MovedRect> {
    let grid = TileGrid::new(now.size(), BLOCK);
    // Whether there is something to gain in each block, if it is as it was over there.
    let mut gain: CellMap<Option<bool>> = CellMap::new(grid, None);
    let all = changed.iter().fold(Rect::default(), |all, area| all.union(*area));
    for area in changed {
        // Lines of text end raggedly: the space after them moved too, if only from blank to blank.
        let wide = area.width >= all.width / 2;
        let area = if wide { Rect { x: all.x, width: all.width, ..*area } } else { *area };
        for cell in grid.touched(area) {
            let block = grid.tile(cell);
            if gain[cell].is_none()
                && let Some(from) = shifted(block, (dx, dy), now)
                && same(before, from, now, block)
            {
                gain[cell] = Some(!same(before, block, now, block));
            }
        }
    }
    let mut areas = Vec::new();
    for cell in grid.cells() {
        if gain[cell].is_some() {
            areas.extend(grown(&mut gain, cell));
        }
    }
    let stretched = areas.iter().map(|area| stretched(before, now, (*area, &areas), (dx, dy)));
    let mut found: Vec<MovedRect> = stretched
        .filter_map(|area| {
            Some(MovedRect { from: shifted(area, (dx, dy), now)?, to: Point { x: area.x, y: area.y } })
        })
        .collect();
    match (dx, dy) {
        (_, 1..) => found.sort_by_key(|m| core::cmp::Reverse((m.to.y, m.to.x))),
        (_, ..0) => found.sort_by_key(|m| (m.to.y, m.to.x)),
        (1.., 0) => found.sort_by_key(|m| core::cmp::Reverse((m.to.x, m.to.y))),
        (_, 0) => found.sort_by_key(|m| (m.to.x, m.to.y)),
    }
    found
}

/// Takes the largest rectangle of matching blocks that begins there, if it is worth it.
fn grown(gain: &mut CellMap<Option<bool>>, first: Cell) -> Option<Rect> {
    let (grid, Cell { column, row }) = (gain.grid(), first);
    let matches = |column, row| gain[Cell { column, row }].is_some();
    let right = (column..grid.columns).take_while(|x| matches(*x, row)).last()? + 1;
    let lower = (row..grid.rows).take_while(|y| (column..right).all(|x| matches(x, *y))).last()? + 1;
    let mut blocks = 0;
    for row in row..lower {
        for column in column..right {
            blocks += usize::from(gain[Cell { column, row }].take() == Some(true));
        }
    }
    let area = grid.tile(first).union(grid.tile(Cell { column: right - 1, row: lower - 1 }));
    (blocks >= WORTH).then_some(area)
}

/// Where a rectangle came from, if that is in the picture.
fn shifted(to: Rect, (dx, dy): (i32, i32), picture: &Picture) -> Option<Rect> {
    let x = u16::try_from(i32::from(to.x) - dx).ok()?;
    let y = u16::try_from(i32::from(to.y) - dy).ok()?;
    Rect { x, y, ..to }.within(picture.size())
}

/// Larger by less than a block in each direction, as far as the pixels match: nothing moves in whole blocks.
/// Not into others, which would then find their source overwritten.
fn stretched(before: &Picture, now: &Picture, (own, others): (Rect, &[Rect]), by: (i32, i32)) -> Rect {
    let mut area = own;
    let matches = |strip: Rect| {
        others.iter().all(|other| *other == own || other.intersect(strip).is_empty())
            && shifted(strip, by, now).is_some_and(|from| same(before, from, now, strip))
    };
    let size = now.size();
    for _ in 1..BLOCK {
        let upper = Rect { y: area.y.wrapping_sub(1), height: 1, ..area };
        if area.y == 0 || !matches(upper) {
            break;
        }
        area = area.union(upper);
    }
    for _ in 1..BLOCK {
        let lower = Rect { y: area.y + area.height, height: 1, ..area };
        if lower.y >= size.height || !matches(lower) {
            break;
        }
        area = area.union(lower);
    }
    for _ in 1..BLOCK {
        let left = Rect { x: area.x.wrapping_sub(1), width: 1, ..area };
        if area.x == 0 || !matches(left) {
            break;
        }
        area = area.union(left);
    }
    for _ in 1..BLOCK {
        let right = Rect { x: area.x + area.width, width: 1, ..area };
        if right.x >= size.width || !matches(right) {
            break;
        }
        area = area.union(right);
    }
    area
}

/// Whether a rectangle of one picture is one of another.
pub(super) fn same(before: &Picture, from: Rect, now: &Picture, to: Rect) -> bool {
    (0..to.height).all(|line| {
        same_row(before.row(from.x, from.y + line, from.width), now.row(to.x, to.y + line, to.width))
    })
}

/// Compares two rows; quickly, if they are a block's.
#[inline(always)]
pub(super) fn same_row(a: &[u32], b: &[u32]) -> bool {
    match (<&[u32; BLOCK as usize]>::try_from(a), <&[u32; BLOCK as usize]>::try_from(b)) {
        (Ok(a), Ok(b)) => a.iter().zip(b).fold(0, |bits, (a, b)| bits | (a ^ b)) == 0,
        _ => a == b,
    }
}
