//! Input on its way to the device. A move is left out when a later one follows at once, unless a button is held; all
//! else keeps its order. Pure.

use std::collections::VecDeque;

use nearhand_proto::message::screen::{InputEvent, MouseButton};

/// Most inputs that wait: some seconds of fast typing. More of them means that the stream has stood still.
const MOST: usize = 512;

/// While fewer inputs than this wait, a path that is drawn with a button held keeps each of its points.
const PATH: usize = 256;

/// Inputs that wait to be sent.
#[derive(Debug, Default)]
pub struct InputOutbox {
    waiting: VecDeque<InputEvent>,
    /// Which buttons are down once all that waits has been sent, a bit each.
    held: u8,
}

impl InputOutbox {
    /// Adds an input. When too many wait, all are dropped and everything that is held is released: keys pressed into a
    /// screen that has stood still for seconds would do something else than was meant.
    pub fn put(&mut self, input: InputEvent) {
        let full = self.waiting.len() >= MOST;
        match &input {
            InputEvent::Button { button, down: true } => self.held |= bit(*button),
            InputEvent::Button { button, down: false } => self.held &= !bit(*button),
            InputEvent::ReleaseAll => self.held = 0,
            InputEvent::Move(_)
            | InputEvent::Scroll { .. }
            | InputEvent::Key { .. }
            | InputEvent::Text(_) => {}
        }
        // A window manager takes a press, one move and a release for a click; and a stroke is its points.
        let drawn = self.held != 0 && self.waiting.len() < PATH;
        match (&input, self.waiting.back_mut()) {
            (InputEvent::Move(_), Some(last @ InputEvent::Move(_))) if !drawn => *last = input,
            (InputEvent::Scroll { x, y }, Some(InputEvent::Scroll { x: sum_x, y: sum_y })) => {
                *sum_x = sum_x.saturating_add(*x);
                *sum_y = sum_y.saturating_add(*y);
            }
            _ if full => {
                self.waiting.clear();
                self.held = 0;
                self.waiting.push_back(InputEvent::ReleaseAll);
            }
            _ => self.waiting.push_back(input),
        }
    }

    /// The next to send.
    pub fn take(&mut self) -> Option<InputEvent> {
        self.waiting.pop_front()
    }
}

const fn bit(button: MouseButton) -> u8 {
    match button {
        MouseButton::Primary => 1,
        MouseButton::Middle => 2,
        MouseButton::Secondary => 4,
        MouseButton::Back => 8,
        MouseButton::Forward => 16,
    }
}

#[cfg(test)]
mod tests {
    use nearhand_proto::message::screen::ScreenPoint;

    use super::*;

    fn at(x: u16) -> InputEvent {
        InputEvent::Move(ScreenPoint { x, y: 0 })
    }

    #[test]
    fn moves_melt_together_unless_a_button_is_held_and_nothing_overtakes_it() {
        let mut outbox = InputOutbox::default();
        let button = |down| InputEvent::Button { button: MouseButton::Primary, down };
        for input in [
            at(1),
            at(2),
            button(true),
            at(3),
            at(4),
            button(false),
            at(5),
            at(6),
            InputEvent::Scroll { x: 1, y: i16::MAX },
            InputEvent::Scroll { x: 1, y: 1 },
        ] {
            outbox.put(input);
        }
        let sent: Vec<InputEvent> = core::iter::from_fn(|| outbox.take()).collect();
        let scrolled = InputEvent::Scroll { x: 2, y: i16::MAX };
        assert_eq!(sent, [at(2), button(true), at(3), at(4), button(false), at(6), scrolled]);
    }

    #[test]
    fn a_path_is_bounded_and_forgotten_with_the_button() {
        let mut outbox = InputOutbox::default();
        outbox.put(InputEvent::Button { button: MouseButton::Middle, down: true });
        (0..2_000).for_each(|x| outbox.put(at(x)));
        assert_eq!((outbox.waiting.len(), outbox.waiting.back()), (PATH, Some(&at(1_999))));
        outbox.put(InputEvent::ReleaseAll);
        outbox.put(at(1));
        outbox.put(at(2));
        assert_eq!(outbox.waiting.len(), PATH + 2);
    }

    #[test]
    fn too_much_is_dropped_and_let_go_of() {
        let mut outbox = InputOutbox::default();
        for _ in 0..=MOST {
            outbox.put(InputEvent::Text("x".to_owned()));
        }
        assert_eq!(outbox.take(), Some(InputEvent::ReleaseAll));
        assert_eq!(outbox.take(), None);
    }
}
