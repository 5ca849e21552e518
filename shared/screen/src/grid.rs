//! A picture divided into squares: tiles, which the viewer keeps and restores, or the smaller blocks, in which natural
//! pictures are told from drawn things.

use crate::geometry::{Rect, Size};

/// A square of a grid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cell {
    /// Counted from the left, from 0.
    pub(crate) column: u16,
    /// Counted from the top, from 0.
    pub(crate) row: u16,
}

/// A picture's division into squares of one size; those at the right and lower edge may be smaller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TileGrid {
    pub(crate) size: Size,
    pub(crate) columns: u16,
    pub(crate) rows: u16,
    side: u16,
}

impl TileGrid {
    pub(crate) fn new(size: Size, side: u16) -> Self {
        Self { size, columns: size.width.div_ceil(side), rows: size.height.div_ceil(side), side }
    }

    /// Number of cells.
    pub(crate) fn count(self) -> usize {
        usize::from(self.columns) * usize::from(self.rows)
    }

    /// Whether the cell is one of this grid.
    pub(crate) fn has(self, cell: Cell) -> bool {
        cell.column < self.columns && cell.row < self.rows
    }

    /// Where a cell stands when all are counted row by row.
    pub(crate) fn position(self, cell: Cell) -> usize {
        usize::from(cell.row) * usize::from(self.columns) + usize::from(cell.column)
    }

    /// The cell in which a pixel lies.
    pub(crate) fn cell_at(self, x: u16, y: u16) -> Cell {
        Cell { column: x / self.side, row: y / self.side }
    }

    /// A cell's pixels.
    pub(crate) fn tile(self, cell: Cell) -> Rect {
        let (x, y) = (cell.column.saturating_mul(self.side), cell.row.saturating_mul(self.side));
        Rect::new(x, y, self.side, self.side).intersect(self.size.rect())
    }

    /// All cells, row by row.
    pub(crate) fn cells(self) -> impl Iterator<Item = Cell> + use<> {
        self.touched(self.size.rect())
    }

    /// Cells that a rectangle touches, row by row.
    pub(crate) fn touched(self, rect: Rect) -> impl Iterator<Item = Cell> + use<> {
        let clip =
            |end: u32, most: u16| u16::try_from(end.div_ceil(u32::from(self.side))).unwrap_or(most).min(most);
        let (right, lower) = (clip(rect.right(), self.columns), clip(rect.bottom(), self.rows));
        let (left, upper) = (rect.x / self.side, rect.y / self.side);
        let right = if rect.is_empty() { left } else { right };
        (upper..lower).flat_map(move |row| (left..right).map(move |column| Cell { column, row }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_covers_its_picture() {
        let grid = TileGrid::new(Size { width: 130, height: 64 }, 64);
        assert_eq!((grid.columns, grid.rows), (3, 1));
        assert_eq!(grid.tile(Cell { column: 2, row: 0 }), Rect::new(128, 0, 2, 64));
        let touched = |x, y, w, h| {
            grid.touched(Rect::new(x, y, w, h)).map(|cell| (cell.column, cell.row)).collect::<Vec<_>>()
        };
        assert_eq!(touched(63, 0, 2, 1), [(0, 0), (1, 0)]);
        assert_eq!(touched(128, 3, 2, 1), [(2, 0)]);
        assert_eq!(touched(5, 5, 0, 1), []);
        assert_eq!(touched(0, 0, u16::MAX, u16::MAX).len(), 3);
    }
}
