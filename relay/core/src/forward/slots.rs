//! Places in a table that are used again, and the index type by which they are known.
//!
//! Only [`SlotTable::insert`] makes a [`SlotIndex`], so an index always lies within its table. Whether something is still
//! there is another question: who keeps an index after a removal asks by [`SlotTable::get_mut`].

/// A place in a [`SlotTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlotIndex(usize);

/// Values in places whose index stays the same until they are removed.
#[derive(Debug)]
pub(super) struct SlotTable<T> {
    slots: Vec<Option<T>>,
    free: Vec<SlotIndex>,
}

impl<T> Default for SlotTable<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> SlotTable<T> {
    /// Puts a value into a free place.
    pub(super) fn insert(&mut self, value: T) -> SlotIndex {
        if let Some(at) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(at.0)
        {
            debug_assert!(slot.is_none(), "the free place {} is taken", at.0);
            *slot = Some(value);
            return at;
        }
        self.slots.push(Some(value));
        SlotIndex(self.slots.len() - 1)
    }

    /// Empties a place that holds a value.
    pub(super) fn remove(&mut self, at: SlotIndex) -> Option<T> {
        let value = self.slots.get_mut(at.0).and_then(Option::take);
        debug_assert!(value.is_some(), "place {} was removed twice", at.0);
        if value.is_some() {
            self.free.push(at);
        }
        value
    }

    /// The value of a place that may have been emptied since, or be another's.
    pub(super) fn get_mut(&mut self, at: SlotIndex) -> Option<&mut T> {
        self.slots.get_mut(at.0)?.as_mut()
    }

    /// The value of a place that an entry of the table points to. An empty one would be a mistake of the table: tests fail,
    /// and a running relay drops the datagram.
    pub(super) fn held(&self, at: SlotIndex) -> Option<&T> {
        let value = self.slots.get(at.0).and_then(Option::as_ref);
        debug_assert!(value.is_some(), "an entry points to the empty place {}", at.0);
        value
    }

    /// As [`SlotTable::held`], to change it.
    pub(super) fn held_mut(&mut self, at: SlotIndex) -> Option<&mut T> {
        let value = self.slots.get_mut(at.0).and_then(Option::as_mut);
        debug_assert!(value.is_some(), "an entry points to the empty place {}", at.0);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_used_again_and_its_old_index_finds_what_is_there_now() {
        let mut table = SlotTable::default();
        let (first, second) = (table.insert("a"), table.insert("b"));
        assert_eq!(table.remove(first), Some("a"));
        assert_eq!(table.get_mut(first), None);
        assert_eq!(table.insert("c"), first);
        assert_eq!((table.held(first), table.held(second)), (Some(&"c"), Some(&"b")));
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "an entry points to the empty place 0")]
    fn an_entry_that_points_nowhere_fails_in_tests() {
        let mut table = SlotTable::default();
        let at = table.insert(1);
        table.remove(at);
        table.held(at);
    }
}
