//! The technician's pointer and keyboard: what is held, what is still to be typed, and what to do about each message.
//!
//! Messages take effect in their order; a text that has to wait for spare keycodes holds up what comes after it.
//! Every pressed key and button is remembered, so that it can be let go of. Pure: the keyboard is asked through
//! a trait, time is an argument.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use nearhand_proto::message::screen::{InputEvent, KeyMode, MAX_TEXT, MouseButton, PhysicalKey, ScreenPoint};
use nearhand_screen::Rect;

use super::buttons::ButtonMap;
use super::keys::plan::{self, KeyPress, KeyboardView};
use super::keys::spare::SpareKeys;
use super::keys::{KeyAction, KeyState, KeyboardMap, Keycode};

/// Most messages that wait behind a text; more are dropped and told.
const WAITING: usize = 2_000;
/// Most keys held at the same time.
const MOST_HELD: usize = 32;
/// Longest name of a key, in bytes.
const MAX_SYMBOL: usize = 32;
/// A notch of the wheel.
const NOTCH: i32 = 120;
/// Most notches in one message.
const MOST_NOTCHES: i32 = 20;

/// Something done to the display.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InputAction {
    /// The pointer goes there, in pixels of all monitors.
    Move(u16, u16),
    /// The button, as X counts them, is pressed or let go of.
    Button(u8, bool),
    /// Something done to the keyboard.
    Key(KeyAction),
}

/// Keyboard and pointer as they are now.
pub(crate) trait KeyboardSource {
    /// What can go wrong in asking.
    type Error;
    /// The layout; `spares` has been told if it changed.
    fn layout(&mut self, spares: &mut SpareKeys) -> Result<&KeyboardMap, Self::Error>;
    /// Asks for the state of keys and modifiers.
    fn state(&mut self) -> Result<KeyState, Self::Error>;
    /// Asks what becomes of the pointer's buttons: the person may change it at any time.
    fn buttons(&mut self) -> Result<ButtonMap, Self::Error>;
}

/// The technician's hands.
#[derive(Debug, Default)]
pub(crate) struct InputInjector {
    keys: BTreeMap<PhysicalKey, Keycode>,
    /// The keys that are down, oldest first.
    down: Vec<Keycode>,
    /// The buttons that are down, with the number that was pressed for each.
    buttons: BTreeMap<MouseButton, u8>,
    /// Buttons of X that are switched off, as the technician has been told.
    told_off: BTreeSet<u8>,
    /// Parts of notches not yet scrolled.
    scrolled: (i32, i32),
    spares: SpareKeys,
    waiting: VecDeque<InputEvent>,
    text: VecDeque<char>,
    /// The text goes on then.
    wake: Option<Instant>,
}

/// What came of a step.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct InjectionStep {
    /// To be done, in order.
    pub deeds: Vec<InputAction>,
    /// What could not be typed.
    pub untypable: String,
    /// The button that could not be clicked.
    pub unclickable: Option<&'static str>,
}

impl InputInjector {
    /// Takes a message; [`InputInjector::step`] carries it out.
    pub(crate) fn take(&mut self, input: InputEvent) -> Option<String> {
        if matches!(input, InputEvent::ReleaseAll) {
            // Nothing typed may come after it.
            self.waiting.clear();
            self.text.clear();
        }
        if self.waiting.len() >= WAITING {
            return Some("too much at once: the rest was left out".to_owned());
        }
        match &input {
            InputEvent::Text(text) if text.chars().take(MAX_TEXT + 1).count() > MAX_TEXT => {
                return Some(format!("a text of more than {MAX_TEXT} characters"));
            }
            InputEvent::Key { symbol, .. } if symbol.len() > MAX_SYMBOL => {
                return Some("a key with too long a name".to_owned());
            }
            _ => self.waiting.push_back(input),
        }
        None
    }

    /// When [`InputInjector::step`] has more to do; `None`: only after another message.
    pub(crate) fn wake(&self) -> Option<Instant> {
        self.wake
    }

    /// Whether [`InputInjector::step`] has something to do now.
    pub(crate) fn is_busy(&self, now: Instant) -> bool {
        let due = self.wake.is_none_or(|wake| wake <= now);
        due && !(self.text.is_empty() && self.waiting.is_empty())
    }

    /// Carries out the next message, or the next piece of a text. Positions count from the upper left of `area`.
    pub(crate) fn step<K: KeyboardSource>(
        &mut self,
        board: &mut K,
        area: Rect,
        now: Instant,
    ) -> Result<InjectionStep, K::Error> {
        self.wake = None;
        if !self.text.is_empty() {
            return self.type_on(board, now);
        }
        let mut step = InjectionStep::default();
        match self.waiting.pop_front() {
            Some(InputEvent::Move(point)) => step.deeds.push(moved(point, area)),
            Some(InputEvent::Button { button, down: true }) => return self.button_down(board, button),
            Some(InputEvent::Button { button, down: false }) => {
                let pressed = self.buttons.remove(&button);
                step.deeds.extend(pressed.map(|number| InputAction::Button(number, false)));
            }
            Some(InputEvent::Scroll { x, y }) => return self.scroll(board, x, y),
            Some(InputEvent::Key { key, down: false, .. }) => step.deeds.extend(self.key_up(key)),
            Some(InputEvent::Key { key, symbol, mode, .. }) => {
                return self.key_down(board, key, &symbol, mode, now);
            }
            Some(InputEvent::Text(text)) => {
                let mut last = ' ';
                let lines =
                    text.chars().filter(|c| !(std::mem::replace(&mut last, *c) == '\r' && *c == '\n'));
                self.text = lines.collect();
            }
            Some(InputEvent::ReleaseAll) => step.deeds = self.release(),
            None => {}
        }
        Ok(step)
    }

    /// Forgets what is waiting and lets go of everything.
    pub(crate) fn stop(&mut self) -> Vec<InputAction> {
        self.waiting.clear();
        self.text.clear();
        self.wake = None;
        self.release()
    }

    /// Gives the lent keycodes back.
    pub(crate) fn give_back(&mut self) -> Vec<InputAction> {
        self.spares.give_back().into_iter().map(InputAction::Key).collect()
    }

    fn release(&mut self) -> Vec<InputAction> {
        self.keys.clear();
        self.scrolled = (0, 0);
        let keys = self.down.drain(..).rev().map(|keycode| InputAction::Key(KeyAction::Release(keycode)));
        let mut deeds: Vec<InputAction> = keys.collect();
        let buttons = std::mem::take(&mut self.buttons).into_values();
        deeds.extend(buttons.map(|number| InputAction::Button(number, false)));
        deeds
    }

    fn button_down<K: KeyboardSource>(
        &mut self,
        board: &mut K,
        button: MouseButton,
    ) -> Result<InjectionStep, K::Error> {
        let mut step = InjectionStep::default();
        if !self.buttons.contains_key(&button) {
            let pressed = self.press_for(&board.buttons()?, number(button), &mut step);
            step.deeds.extend(pressed.map(|number| InputAction::Button(number, true)));
            self.buttons.extend(pressed.map(|number| (button, number)));
        }
        Ok(step)
    }

    /// The number to press for a button; the technician is told once if there is none.
    fn press_for(&mut self, map: &ButtonMap, button: u8, step: &mut InjectionStep) -> Option<u8> {
        let pressed = map.press_for(button);
        if pressed.is_some() {
            self.told_off.remove(&button);
        } else if self.told_off.insert(button) {
            step.unclickable = Some(name(button));
        }
        pressed
    }

    fn scroll<K: KeyboardSource>(
        &mut self,
        board: &mut K,
        x: i16,
        y: i16,
    ) -> Result<InjectionStep, K::Error> {
        let mut step = InjectionStep::default();
        let mut turns = Vec::new();
        let mut turn = |sum: &mut i32, by: i16, towards: u8, away: u8| {
            *sum += i32::from(by);
            let notches = (*sum / NOTCH).clamp(-MOST_NOTCHES, MOST_NOTCHES);
            *sum %= NOTCH;
            if notches != 0 {
                turns.push((if notches > 0 { towards } else { away }, notches.abs()));
            }
        };
        turn(&mut self.scrolled.1, y, 5, 4);
        turn(&mut self.scrolled.0, x, 7, 6);
        if turns.is_empty() {
            return Ok(step);
        }
        let map = board.buttons()?;
        for (button, notches) in turns {
            let Some(number) = self.press_for(&map, button, &mut step) else { continue };
            for _ in 0..notches {
                step.deeds.extend([InputAction::Button(number, true), InputAction::Button(number, false)]);
            }
        }
        Ok(step)
    }

    fn key_up(&mut self, key: PhysicalKey) -> Option<InputAction> {
        let keycode = self.keys.remove(&key)?;
        if self.keys.values().any(|other| *other == keycode) {
            return None;
        }
        self.down.retain(|other| *other != keycode);
        Some(InputAction::Key(KeyAction::Release(keycode)))
    }

    fn key_down<K: KeyboardSource>(
        &mut self,
        board: &mut K,
        key: PhysicalKey,
        symbol: &str,
        mode: KeyMode,
        now: Instant,
    ) -> Result<InjectionStep, K::Error> {
        // The display repeats a held key itself.
        if self.keys.contains_key(&key) || self.keys.len() >= MOST_HELD {
            return Ok(InjectionStep::default());
        }
        let pressed = match mode {
            KeyMode::Place => match plan::place(key) {
                Some(keycode) => KeyPress::Key { before: Vec::new(), keycode, after: Vec::new() },
                None => KeyPress::Unknown,
            },
            KeyMode::Symbol => {
                let state = board.state()?;
                let map = board.layout(&mut self.spares)?;
                let mut board = KeyboardView { map, spares: &mut self.spares, state, held: &self.down };
                plan::key(&mut board, key, symbol, now)
            }
        };
        Ok(match pressed {
            KeyPress::Nothing => InjectionStep::default(),
            KeyPress::Unknown => {
                InjectionStep { untypable: format!("the key {}", key.0), ..InjectionStep::default() }
            }
            KeyPress::Key { before, keycode, after } => {
                self.keys.insert(key, keycode);
                if self.down.contains(&keycode) {
                    return Ok(InjectionStep::default());
                }
                self.down.push(keycode);
                let acts = before.into_iter().chain([KeyAction::Press(keycode)]).chain(after);
                InjectionStep { deeds: acts.map(InputAction::Key).collect(), ..InjectionStep::default() }
            }
        })
    }

    fn type_on<K: KeyboardSource>(&mut self, board: &mut K, now: Instant) -> Result<InjectionStep, K::Error> {
        let state = board.state()?;
        let map = board.layout(&mut self.spares)?;
        let mut board = KeyboardView { map, spares: &mut self.spares, state, held: &self.down };
        let typed = plan::text(&mut board, &mut self.text, now);
        self.wake = typed.wait;
        self.down.retain(|keycode| !typed.freed.contains(keycode));
        self.keys.retain(|_, keycode| !typed.freed.contains(keycode));
        let deeds = typed.acts.into_iter().map(InputAction::Key).collect();
        Ok(InjectionStep { deeds, untypable: typed.untypable, unclickable: None })
    }
}

fn moved(point: ScreenPoint, area: Rect) -> InputAction {
    let within = |at: u16, start: u16, length: u16| start.saturating_add(at.min(length.saturating_sub(1)));
    InputAction::Move(within(point.x, area.x, area.width), within(point.y, area.y, area.height))
}

/// X's number of a button; 4 to 7 are the wheel.
fn number(button: MouseButton) -> u8 {
    match button {
        MouseButton::Primary => 1,
        MouseButton::Middle => 2,
        MouseButton::Secondary => 3,
        MouseButton::Back => 8,
        MouseButton::Forward => 9,
    }
}

/// A button of X in words.
fn name(button: u8) -> &'static str {
    match button {
        1 => "the main button",
        2 => "the middle button",
        3 => "the button for menus",
        4 => "the wheel, upwards",
        5 => "the wheel, downwards",
        6 | 7 => "the wheel, sideways",
        8 => "the button that goes back",
        _ => "the button that goes forward",
    }
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
