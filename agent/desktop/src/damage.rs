//! Which rectangles to capture, of those that were reported as changed. Pure.

use nearhand_screen::{Rect, Size};

/// Most rectangles captured one by one: each is a request and a reply.
const MOST: usize = 24;

/// What changed since the last capture, in few rectangles that lie within `size`.
///
/// Two become one where that captures little more than both: a request costs about as much as 4,000 pixels.
pub(crate) fn merged(rects: impl IntoIterator<Item = Rect>, size: Size) -> Vec<Rect> {
    let mut few: Vec<Rect> = Vec::new();
    for rect in rects {
        let rect = rect.intersect(size.rect());
        if !rect.is_empty() {
            add(&mut few, rect);
        }
    }
    while few.len() > MOST {
        join_two(&mut few);
    }
    if few.iter().map(|rect| rect.pixels()).sum::<usize>() >= size.pixels() {
        return vec![size.rect()];
    }
    few
}

/// Pixels that may be captured in vain to save a request.
const WASTE: usize = 4_096;

fn add(few: &mut Vec<Rect>, mut rect: Rect) {
    // A union may reach what neither of both reached: start again with it.
    while let Some(at) = few.iter().position(|other| {
        let union = rect.union(*other);
        union.pixels() <= rect.pixels() + other.pixels() + WASTE
    }) {
        rect = rect.union(few.swap_remove(at));
    }
    few.push(rect);
}

/// Joins the last one with whichever costs least.
fn join_two(few: &mut Vec<Rect>) {
    let Some(last) = few.pop() else { return };
    let cheapest =
        few.iter_mut().min_by_key(|other| last.union(**other).pixels().saturating_sub(other.pixels()));
    match cheapest {
        Some(other) => *other = last.union(*other),
        None => few.push(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: Size = Size { width: 1000, height: 800 };

    #[test]
    fn neighbours_join_and_strangers_do_not() {
        let line = (0..100).map(|i| Rect::new(i * 8, 10, 8, 16));
        assert_eq!(merged(line, SIZE), [Rect::new(0, 10, 800, 16)]);
        assert_eq!(merged([Rect::new(0, 0, 8, 8), Rect::new(900, 700, 8, 8)], SIZE).len(), 2);
        assert!(merged([Rect::new(1000, 0, 8, 8)], SIZE).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_that_changed_is_left_out(
            rects in prop::collection::vec((0_u16..1100, 0_u16..900, 1_u16..300, 1_u16..300), 0..80)
        ) {
            let rects: Vec<Rect> = rects.into_iter().map(|(x, y, w, h)| Rect::new(x, y, w, h)).collect();
            let few = merged(rects.iter().copied(), SIZE);
            prop_assert!(few.len() <= MOST);
            prop_assert!(few.iter().map(|rect| rect.pixels()).sum::<usize>() <= SIZE.pixels());
            for rect in rects {
                let inside = rect.intersect(SIZE.rect());
                prop_assert!(inside.is_empty() || few.iter().any(|one| one.contains(inside)));
            }
        }
    }
}
