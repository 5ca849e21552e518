//! Blocks joined to rectangles.

use crate::geometry::Rect;
use crate::grid::{Cell, TileGrid};
use crate::table::CellMap;

/// Rectangles, disjoint and of at most this many blocks in each direction, that cover all blocks which are `wanted`
/// and none that isn't `allowed`; every wanted block counts as allowed.
pub(super) fn cover(
    grid: &TileGrid,
    (most_wide, most_high): (u16, u16),
    wanted: impl Fn(Cell) -> bool,
    allowed: impl Fn(Cell) -> bool,
) -> Vec<Rect> {
    let mut taken = CellMap::new(*grid, false);
    let mut found = Vec::new();
    for row in 0..grid.rows {
        for column in 0..grid.columns {
            let first = Cell { column, row };
            if !wanted(first) || taken[first] {
                continue;
            }
            let wanted = |column, row| wanted(Cell { column, row });
            let joins = |taken: &CellMap<bool>, column, row| {
                let cell = Cell { column, row };
                !taken[cell] && (wanted(column, row) || allowed(cell))
            };
            // To the right as far as there is something wanted.
            let right = (column..grid.columns.min(column.saturating_add(most_wide)))
                .take_while(|x| joins(&taken, *x, row))
                .filter(|x| wanted(*x, row))
                .last()
                .unwrap_or(column);
            // Down as long as half of a row is wanted.
            let lower = (row..grid.rows.min(row.saturating_add(most_high)))
                .take_while(|y| {
                    (column..=right).all(|x| joins(&taken, x, *y))
                        && (column..=right).filter(|x| wanted(*x, *y)).count() * 2
                            > usize::from(right - column)
                })
                .last()
                .unwrap_or(row);
            for y in row..=lower {
                for x in column..=right {
                    taken[Cell { column: x, row: y }] = true;
                }
            }
            found.push(grid.tile(first).union(grid.tile(Cell { column: right, row: lower })));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    #[test]
    fn everything_wanted_is_covered_once() {
        let grid = TileGrid::new(Size { width: 330, height: 200 }, 16);
        let wanted = |cell: Cell| (cell.column * 7 + cell.row * 13) % 5 < 3;
        let allowed = |cell: Cell| (cell.column + cell.row).is_multiple_of(2);
        let mut seen = CellMap::new(grid, 0);
        for rect in cover(&grid, (4, 3), wanted, allowed) {
            assert!(rect.within(grid.size).is_some() && rect.width <= 64 && rect.height <= 48);
            for cell in grid.touched(rect) {
                assert!(wanted(cell) || allowed(cell));
                seen[cell] += 1;
            }
        }
        for cell in grid.cells() {
            let count = seen[cell];
            assert!(if wanted(cell) { count == 1 } else { count <= 1 }, "{cell:?} {count}");
        }
    }
}
