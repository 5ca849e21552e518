//! Held keys and buttons are released after any messages; how messages become input actions.

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;

const AREA: Rect = Rect { x: 100, y: 50, width: 200, height: 100 };

/// A keyboard without any key that has a name, and a pointer.
#[derive(Default)]
struct EmptyKeyboard(KeyboardMap, ButtonMap);

impl KeyboardSource for EmptyKeyboard {
    type Error = Infallible;

    fn layout(&mut self, spares: &mut SpareKeys) -> Result<&KeyboardMap, Infallible> {
        spares.refresh(&self.0, 200, 210);
        Ok(&self.0)
    }

    fn state(&mut self) -> Result<KeyState, Infallible> {
        Ok(KeyState::default())
    }

    fn buttons(&mut self) -> Result<ButtonMap, Infallible> {
        Ok(self.1.clone())
    }
}

fn all(hands: &mut InputInjector, inputs: impl IntoIterator<Item = InputEvent>) -> Vec<InputAction> {
    let (mut board, mut deeds) = (EmptyKeyboard::default(), Vec::new());
    let mut now = Instant::now();
    for input in inputs {
        hands.take(input);
        while hands.is_busy(now) || hands.wake().is_some() {
            now = hands.wake().unwrap_or(now);
            deeds.extend(hands.step(&mut board, AREA, now).unwrap().deeds);
        }
    }
    deeds
}

fn key(place: u16, down: bool) -> InputEvent {
    InputEvent::Key { key: PhysicalKey(place), symbol: String::new(), down, mode: KeyMode::Place }
}

fn press(keycode: u8) -> InputAction {
    InputAction::Key(KeyAction::Press(keycode))
}

fn release(keycode: u8) -> InputAction {
    InputAction::Key(KeyAction::Release(keycode))
}

#[test]
fn positions_are_on_the_monitor_that_is_shown() {
    let at = |x, y| InputEvent::Move(ScreenPoint { x, y });
    let deeds = all(&mut InputInjector::default(), [at(0, 0), at(199, 99), at(5_000, u16::MAX)]);
    assert_eq!(deeds, [InputAction::Move(100, 50), InputAction::Move(299, 149), InputAction::Move(299, 149)]);
}

#[test]
fn parts_of_notches_add_up() {
    let scroll = |x, y| InputEvent::Scroll { x, y };
    let click = |button| [InputAction::Button(button, true), InputAction::Button(button, false)];
    let mut hands = InputInjector::default();
    assert!(all(&mut hands, [scroll(0, 50), scroll(0, 60)]).is_empty());
    assert_eq!(all(&mut hands, [scroll(0, 20)]), click(5));
    assert_eq!(all(&mut hands, [scroll(0, -130)]), click(4));
    assert_eq!(all(&mut hands, [scroll(-240, 0)]), [click(6), click(6)].concat());
    assert_eq!(all(&mut hands, [scroll(120, 0)]), click(7));
    assert_eq!(all(&mut hands, [scroll(0, i16::MAX)]).len(), 40);
}

#[test]
fn the_button_that_was_meant_arrives() {
    let mut hands = InputInjector::default();
    let mut board = EmptyKeyboard::default();
    let now = Instant::now();
    let mut step = |board: &mut EmptyKeyboard, input| {
        hands.take(input);
        hands.step(board, AREA, now).unwrap()
    };
    let primary = |down| InputEvent::Button { button: MouseButton::Primary, down };
    let middle = InputEvent::Button { button: MouseButton::Middle, down: true };
    board.1.shared = vec![3, 0, 1, 5, 4];
    assert_eq!(step(&mut board, primary(true)).deeds, [InputAction::Button(3, true)]);
    // The button that was pressed is let go of, although the map has changed meanwhile.
    board.1.shared = vec![1, 0, 3, 5, 4];
    assert_eq!(step(&mut board, primary(false)).deeds, [InputAction::Button(3, false)]);
    assert_eq!(step(&mut board, primary(true)).deeds, [InputAction::Button(1, true)]);
    let down = step(&mut board, InputEvent::Scroll { x: 0, y: 120 });
    assert_eq!(down.deeds, [InputAction::Button(4, true), InputAction::Button(4, false)]);
    // One that is switched off is told, once.
    assert_eq!(step(&mut board, middle.clone()).unclickable, Some("the middle button"));
    assert_eq!(step(&mut board, middle.clone()), InjectionStep::default());
    board.1.shared = vec![1, 2, 3];
    assert_eq!(step(&mut board, middle).deeds, [InputAction::Button(2, true)]);
}

#[test]
fn a_repeated_press_is_one_and_a_shared_key_is_let_go_of_once() {
    let mut hands = InputInjector::default();
    assert_eq!(all(&mut hands, [key(30, true), key(30, true), key(31, false)]), [press(38)]);
    assert_eq!(all(&mut hands, [key(30, false), key(30, false)]), [release(38)]);
    assert!(all(&mut hands, [key(60_000, true), key(60_000, false)]).is_empty());
}

#[test]
fn all_is_let_go_of_and_what_waits_is_forgotten() {
    let mut hands = InputInjector::default();
    let button = |down| InputEvent::Button { button: MouseButton::Secondary, down };
    all(&mut hands, [key(29, true), key(30, true), button(true), button(true)]);
    // Keycodes 200 to 210: the twelfth character has to wait, and so does what follows.
    hands.take(InputEvent::Text("абвгдежзийклмн".to_owned()));
    hands.take(key(31, true));
    let now = Instant::now();
    while hands.is_busy(now) {
        hands.step(&mut EmptyKeyboard::default(), AREA, now).unwrap();
    }
    assert!(hands.wake().is_some());
    hands.take(InputEvent::ReleaseAll);
    let later = now + std::time::Duration::from_secs(1);
    let step = hands.step(&mut EmptyKeyboard::default(), AREA, later).unwrap();
    assert_eq!(step.deeds, [release(38), release(37), InputAction::Button(3, false)]);
    assert!(!hands.is_busy(later) && hands.stop().is_empty());
    assert_eq!(hands.give_back().len(), 11);
}

#[test]
fn what_is_too_much_is_refused() {
    let mut hands = InputInjector::default();
    assert!(hands.take(InputEvent::Text("ä".repeat(MAX_TEXT))).is_none());
    assert!(hands.take(InputEvent::Text("ä".repeat(MAX_TEXT + 1))).is_some());
    let long =
        InputEvent::Key { key: PhysicalKey(1), symbol: "k".repeat(33), down: true, mode: KeyMode::Symbol };
    assert!(hands.take(long).is_some());
    let told = (0..WAITING + 5).filter_map(|_| hands.take(InputEvent::Text("a".to_owned()))).count();
    assert_eq!(told, 6);
}

fn any_input() -> impl Strategy<Value = InputEvent> {
    prop_oneof![
        (any::<u16>(), any::<bool>()).prop_map(|(place, down)| key(place % 300, down)),
        (0_u16..300, "[a-zA-Zäж]{0,2}|Enter|Shift", any::<bool>()).prop_map(|(place, symbol, down)| {
            InputEvent::Key { key: PhysicalKey(place), symbol, down, mode: KeyMode::Symbol }
        }),
        any::<bool>().prop_map(|down| InputEvent::Button { button: MouseButton::Back, down }),
        (any::<i16>(), any::<i16>()).prop_map(|(x, y)| InputEvent::Scroll { x, y }),
        ".{0,20}".prop_map(InputEvent::Text),
        Just(InputEvent::ReleaseAll),
    ]
}

proptest! {
    /// No input makes a key be pressed twice or let go of twice, and at the end none is held.
    #[test]
    fn nothing_stays_held(inputs in prop::collection::vec(any_input(), 0..60)) {
        let mut hands = InputInjector::default();
        let mut deeds = all(&mut hands, inputs);
        deeds.extend(hands.stop());
        let mut down = std::collections::BTreeSet::new();
        for deed in deeds {
            match deed {
                InputAction::Key(KeyAction::Press(code)) => prop_assert!(down.insert(code)),
                InputAction::Key(KeyAction::Release(code)) => prop_assert!(down.remove(&code)),
                InputAction::Button(button, true) => prop_assert!(down.insert(button)),
                InputAction::Button(button, false) => prop_assert!(down.remove(&button)),
                InputAction::Move(..) | InputAction::Key(_) => {}
            }
        }
        prop_assert!(down.is_empty());
    }
}
