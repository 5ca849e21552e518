//! Tables whose entries are looked up by a dedicated type or a limited range rather than by any number.
//!
//! A place outside of a table is a mistake in this crate, never something that bytes of a peer can ask for. Tests stop
//! there (`debug_assert`). A release doesn't end the program for it: it uses the last entry, or a spare one.

use core::ops::{Index, IndexMut};

use crate::grid::{Cell, TileGrid};

/// One value for each cell of a grid.
#[derive(Clone, Debug)]
pub(crate) struct CellMap<T> {
    grid: TileGrid,
    values: Vec<T>,
    spare: T,
}

impl<T: Clone> CellMap<T> {
    /// The same value everywhere.
    pub(crate) fn new(grid: TileGrid, value: T) -> Self {
        Self { grid, values: vec![value.clone(); grid.count()], spare: value }
    }
}

impl<T> CellMap<T> {
    /// The grid whose cells have values.
    pub(crate) fn grid(&self) -> TileGrid {
        self.grid
    }

    /// All values, row by row.
    pub(crate) fn values(&self) -> &[T] {
        &self.values
    }
}

impl<T> Index<Cell> for CellMap<T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, cell: Cell) -> &T {
        debug_assert!(self.grid.has(cell), "{cell:?} in {:?}", self.grid);
        self.values.get(self.grid.position(cell)).unwrap_or(&self.spare)
    }
}

impl<T> IndexMut<Cell> for CellMap<T> {
    #[inline(always)]
    fn index_mut(&mut self, cell: Cell) -> &mut T {
        debug_assert!(self.grid.has(cell), "{cell:?} in {:?}", self.grid);
        self.values.get_mut(self.grid.position(cell)).unwrap_or(&mut self.spare)
    }
}

/// A table whose size is known when the program is built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FixedTable<T, const SIZE: usize>(pub(crate) [T; SIZE]);

impl<T, const SIZE: usize> Index<usize> for FixedTable<T, SIZE> {
    type Output = T;

    #[inline(always)]
    #[allow(clippy::indexing_slicing, reason = "below the size, always")]
    fn index(&self, place: usize) -> &T {
        debug_assert!(place < SIZE, "{place} of {SIZE}");
        &self.0[place.min(SIZE - 1)]
    }
}

impl<T, const SIZE: usize> IndexMut<usize> for FixedTable<T, SIZE> {
    #[inline(always)]
    #[allow(clippy::indexing_slicing, reason = "below the size, always")]
    fn index_mut(&mut self, place: usize) -> &mut T {
        debug_assert!(place < SIZE, "{place} of {SIZE}");
        &mut self.0[place.min(SIZE - 1)]
    }
}

/// A table of 2^n entries on the heap, looked up by the upper bits of a hash.
#[derive(Clone, Debug)]
pub(crate) struct HashTable<T, const BITS: u32> {
    entries: Vec<T>,
    spare: T,
}

impl<T: Clone, const BITS: u32> HashTable<T, BITS> {
    /// The same entry everywhere.
    pub(crate) fn new(entry: T) -> Self {
        Self { entries: vec![entry.clone(); 1 << BITS], spare: entry }
    }
}

impl<T, const BITS: u32> HashTable<T, BITS> {
    /// The entry of a hash.
    #[inline(always)]
    pub(crate) fn at(&mut self, hash: u32) -> &mut T {
        let entry = self.entries.get_mut((hash >> (32 - BITS)) as usize);
        debug_assert!(entry.is_some(), "{BITS} bits of a hash are outside of its table");
        entry.unwrap_or(&mut self.spare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    #[test]
    fn each_cell_has_a_value() {
        let grid = TileGrid::new(Size { width: 130, height: 70 }, 64);
        let mut map = CellMap::new(grid, 0);
        for (number, cell) in grid.cells().enumerate() {
            map[cell] = number;
        }
        assert_eq!(map.values(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(map[Cell { column: 1, row: 1 }], 4);
    }

    #[test]
    #[should_panic(expected = "column: 3")]
    #[cfg(debug_assertions)]
    fn a_cell_outside_stops_a_test() {
        let map = CellMap::new(TileGrid::new(Size { width: 130, height: 70 }, 64), 0);
        let _ = map[Cell { column: 3, row: 0 }];
    }
}
