//! Where the viewer has only a lossy picture.

use crate::format::BLOCK;
use crate::geometry::{Point, Rect, Size};
use crate::grid::{Cell, TileGrid};
use crate::table::CellMap;

/// One mark for each block. A block that is marked may be exact; one that isn't is.
#[derive(Debug)]
pub(super) struct LossyBlocks {
    pub(super) grid: TileGrid,
    lossy: CellMap<bool>,
    count: usize,
}

impl LossyBlocks {
    pub(super) fn new(size: Size) -> Self {
        let grid = TileGrid::new(size, BLOCK);
        Self { grid, lossy: CellMap::new(grid, false), count: 0 }
    }

    /// Whether there is any.
    pub(super) fn any(&self) -> bool {
        self.count > 0
    }

    pub(super) fn is_lossy(&self, cell: Cell) -> bool {
        self.lossy[cell]
    }

    /// Whether a part of the rectangle may be lossy.
    pub(super) fn any_in(&self, rect: Rect) -> bool {
        self.any() && self.grid.touched(rect).any(|cell| self.is_lossy(cell))
    }

    fn set(&mut self, cell: Cell, lossy: bool) {
        let before = core::mem::replace(&mut self.lossy[cell], lossy);
        self.count = self.count + usize::from(lossy) - usize::from(before);
    }

    /// The rectangle was sent.
    pub(super) fn sent(&mut self, rect: Rect, exact: bool) {
        if exact && !self.any() {
            return;
        }
        for cell in self.grid.touched(rect) {
            if !exact {
                self.set(cell, true);
            } else if rect.contains(self.grid.tile(cell)) {
                self.set(cell, false);
            }
        }
    }

    /// The rectangle was copied, and its marks go along.
    pub(super) fn copied(&mut self, from: Rect, to: Point) {
        if !self.any() {
            return;
        }
        let target = Rect { x: to.x, y: to.y, ..from };
        let mut marks = Vec::new();
        for cell in self.grid.touched(target) {
            let block = self.grid.tile(cell);
            let part = block.intersect(target);
            let source = Rect { x: part.x - to.x + from.x, y: part.y - to.y + from.y, ..part };
            let stays = part != block && self.is_lossy(cell);
            marks.push((cell, stays || self.any_in(source)));
        }
        for (cell, lossy) in marks {
            self.set(cell, lossy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_move_with_the_pixels_and_go_only_when_all_is_exact() {
        let mut marks = LossyBlocks::new(Size { width: 70, height: 70 });
        marks.sent(Rect::new(0, 0, 16, 16), false);
        marks.sent(Rect::new(0, 0, 15, 16), true);
        assert!(marks.any_in(Rect::new(3, 3, 1, 1)) && !marks.any_in(Rect::new(16, 0, 9, 9)));
        marks.copied(Rect::new(0, 0, 16, 16), Point { x: 24, y: 20 });
        let is_lossy = |marks: &LossyBlocks, column, row| marks.is_lossy(Cell { column, row });
        assert!(
            is_lossy(&marks, 1, 1)
                && is_lossy(&marks, 2, 2)
                && is_lossy(&marks, 0, 0)
                && !is_lossy(&marks, 3, 1)
        );
        marks.copied(Rect::new(48, 48, 16, 16), Point { x: 0, y: 0 });
        assert!(!is_lossy(&marks, 0, 0));
        marks.sent(Rect::new(0, 0, 70, 70), true);
        assert!(!marks.any());
    }
}
