//! Input on its way to the device: moves that a later one makes needless are left out, everything else keeps
//! its order. Pure.

use std::collections::VecDeque;

use nearhand_shared::message::screen::Input;

/// Most that waits: some seconds of fast typing. More means that nothing has moved for long.
const MOST: usize = 512;

/// What waits to be sent.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Input>,
}

impl Outbox {
    /// Adds one. When too much waits, all of it is dropped and everything that is held let go of: keys pressed
    /// into a screen that has stood still for seconds would do something else than was meant.
    pub fn put(&mut self, input: Input) {
        let full = self.waiting.len() >= MOST;
        match (&input, self.waiting.back_mut()) {
            (Input::Move(_), Some(last @ Input::Move(_))) => *last = input,
            (Input::Scroll { x, y }, Some(Input::Scroll { x: sum_x, y: sum_y })) => {
                *sum_x = sum_x.saturating_add(*x);
                *sum_y = sum_y.saturating_add(*y);
            }
            _ if full => {
                self.waiting.clear();
                self.waiting.push_back(Input::ReleaseAll);
            }
            _ => self.waiting.push_back(input),
        }
    }

    /// The next to send.
    pub fn take(&mut self) -> Option<Input> {
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use nearhand_shared::message::screen::{Button, ScreenPoint};

    use super::*;

    #[test]
    fn moves_melt_together_and_nothing_overtakes_a_button() {
        let mut outbox = Outbox::default();
        let at = |x| Input::Move(ScreenPoint { x, y: 0 });
        let button = |down| Input::Button { button: Button::Primary, down };
        for input in [
            at(1),
            at(2),
            button(true),
            at(3),
            at(4),
            button(false),
            Input::Scroll { x: 1, y: i16::MAX },
            Input::Scroll { x: 1, y: 1 },
        ] {
            outbox.put(input);
        }
        let sent: Vec<Input> = core::iter::from_fn(|| outbox.take()).collect();
        assert_eq!(sent, [at(2), button(true), at(4), button(false), Input::Scroll { x: 2, y: i16::MAX }]);
    }

    #[test]
    fn too_much_is_dropped_and_let_go_of() {
        let mut outbox = Outbox::default();
        for _ in 0..=MOST {
            outbox.put(Input::Text("x".to_owned()));
        }
        assert_eq!(outbox.take(), Some(Input::ReleaseAll));
        assert_eq!(outbox.take(), None);
    }
}
