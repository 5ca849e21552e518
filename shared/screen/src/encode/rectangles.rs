//! Blocks joined to rectangles.

use crate::format::TileGrid;
use crate::geometry::Rect;

/// Rectangles, disjoint and of at most so many pixels in each direction, that cover all blocks which are `wanted`
/// and none that isn't `allowed`; every wanted block counts as allowed.
pub(super) fn cover(
    grid: &TileGrid,
    (most_wide, most_high): (u16, u16),
    wanted: impl Fn(u16, u16) -> bool,
    allowed: impl Fn(u16, u16) -> bool,
) -> Vec<Rect> {
    let mut taken = vec![false; grid.count()];
    let mut found = Vec::new();
    for row in 0..grid.rows {
        for column in 0..grid.columns {
            let free = |taken: &[bool], x: u16, y: u16| taken.get(grid.index(x, y)) == Some(&false);
            if !wanted(column, row) || !free(&taken, column, row) {
                continue;
            }
            let joins = |x: u16, y: u16| wanted(x, y) || allowed(x, y);
            // To the right as far as there is something wanted.
            let right = (column..grid.columns.min(column.saturating_add(most_wide)))
                .take_while(|x| joins(*x, row) && free(&taken, *x, row))
                .filter(|x| wanted(*x, row))
                .last()
                .unwrap_or(column);
            // Down as long as half of a row is wanted.
            let lower = (row..grid.rows.min(row.saturating_add(most_high)))
                .take_while(|y| {
                    (column..=right).all(|x| joins(x, *y) && free(&taken, x, *y))
                        && (column..=right).filter(|x| wanted(*x, *y)).count() * 2
                            > usize::from(right - column)
                })
                .last()
                .unwrap_or(row);
            for y in row..=lower {
                for x in column..=right {
                    if let Some(place) = taken.get_mut(grid.index(x, y)) {
                        *place = true;
                    }
                }
            }
            found.push(grid.tile(column, row).union(grid.tile(right, lower)));
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
        let wanted = |x: u16, y: u16| (x * 7 + y * 13) % 5 < 3;
        let allowed = |x: u16, y: u16| (x + y).is_multiple_of(2);
        let mut seen = vec![0; grid.count()];
        for rect in cover(&grid, (4, 3), wanted, allowed) {
            assert!(rect.within(grid.size).is_some() && rect.width <= 64 && rect.height <= 48);
            for (x, y) in grid.touched(rect) {
                assert!(wanted(x, y) || allowed(x, y));
                seen[grid.index(x, y)] += 1;
            }
        }
        for (x, y) in grid.touched(grid.size.rect()) {
            let count = seen[grid.index(x, y)];
            assert!(if wanted(x, y) { count == 1 } else { count <= 1 }, "{x} {y} {count}");
        }
    }
}
