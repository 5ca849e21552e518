//! Which keys to press, and which modifiers around them. Pure.
//!
//! A text is typed with exactly the modifiers that each character needs: held ones are lifted meanwhile, Caps Lock
//! is off meanwhile. A single key with a name is pressed as it is; with a character, so that it gives that character,
//! but Control, Alt and their kin stay: they make a shortcut of it. Dead keys are never pressed: their symbols are no
//! characters, so a character that only they would give is lent a spare key.

use std::collections::VecDeque;
use std::time::Instant;

use nearhand_proto::message::screen::PhysicalKey;

use super::map::{KeyAction, KeyLevel, KeyState, KeyboardMap, Keycode, Modifiers, each};
use super::spare::{SpareKeys, SymbolLoan};
use super::symbol::{self, Symbol};

/// How much is typed before other things get their turn, in characters.
const BATCH: usize = 64;

/// What is known of the keyboard when something is to be typed.
pub(crate) struct KeyboardView<'a> {
    /// The layout as the server has it.
    pub map: &'a KeyboardMap,
    /// Keycodes to lend.
    pub spares: &'a mut SpareKeys,
    /// Which keys and modifiers are held.
    pub state: KeyState,
    /// The keys that we hold, oldest first.
    pub held: &'a [Keycode],
}

/// A piece of a text, planned.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TypedText {
    /// What to do now.
    pub acts: Vec<KeyAction>,
    /// Characters that can't be typed at all; they are left out.
    pub untypable: String,
    /// Keys that were held and had to be struck: they are up now.
    pub freed: Vec<Keycode>,
    /// The next character has to wait until then.
    pub wait: Option<Instant>,
}

/// How one key press is made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KeyPress {
    /// By pressing one key, with modifiers.
    Key {
        /// What to do before.
        before: Vec<KeyAction>,
        /// The key that goes down.
        keycode: Keycode,
        /// What to do after, while it is still down.
        after: Vec<KeyAction>,
    },
    /// Such a key has nothing to do here.
    Nothing,
    /// There is no such key.
    Unknown,
}

impl KeyPress {
    fn plain(keycode: Keycode) -> Self {
        Self::Key { before: Vec::new(), keycode, after: Vec::new() }
    }
}

/// The key in a place: its Linux code plus 8.
pub(crate) fn place(key: PhysicalKey) -> Option<Keycode> {
    Keycode::try_from(key.0).ok().filter(|code| *code > 0)?.checked_add(8)
}

/// A key, a level of it and the modifiers for that.
struct KeyCombination {
    keycode: Keycode,
    /// The group to change to, where the present one won't do.
    group: Option<u8>,
    /// The modifiers that choose the level.
    mods: Modifiers,
}

/// Plans as much of the text as can be typed at once, and takes that from it.
pub(crate) fn text(board: &mut KeyboardView<'_>, text: &mut VecDeque<char>, now: Instant) -> TypedText {
    let mut typed = TypedText::default();
    let mut remaps = Vec::new();
    let mut hand = TypingHand::lift_all(board);
    for _ in 0..BATCH {
        let Some(&character) = text.front() else { break };
        match way_to(board, hand.group, hand.residual, character) {
            Some(way) => hand.strike(board, &way),
            None if character.is_control() => typed.untypable.push(char::REPLACEMENT_CHARACTER),
            None => match board.spares.lend(symbol::of_character(character), now) {
                SymbolLoan::Key(keycode, remap) => {
                    remaps.extend(remap);
                    hand.strike(board, &KeyCombination { keycode, group: None, mods: 0 });
                }
                SymbolLoan::NotBefore(at) => {
                    typed.wait = Some(at);
                    break;
                }
                SymbolLoan::Never => typed.untypable.push(character),
            },
        }
        text.pop_front();
    }
    // A program that learns of the new symbols reads the whole layout: let it find all of them at once.
    typed.acts = remaps;
    typed.freed = std::mem::take(&mut hand.freed);
    if hand.struck {
        typed.acts.extend(hand.put_back(board));
    }
    typed
}

/// The hand that types a text: what it has lifted and what it holds.
struct TypingHand {
    acts: Vec<KeyAction>,
    lifted: Vec<Keycode>,
    freed: Vec<Keycode>,
    unlocked: Modifiers,
    /// Modifiers that somebody else holds.
    residual: Modifiers,
    holding: Vec<(Modifiers, Keycode)>,
    group: u8,
    struck: bool,
}

impl TypingHand {
    fn lift_all(board: &KeyboardView<'_>) -> Self {
        let map = board.map;
        let lifted: Vec<Keycode> = board.held.iter().copied().filter(|k| map.modifiers_of(*k) != 0).collect();
        let lifted_mods = lifted.iter().fold(0, |all, keycode| all | map.modifiers_of(*keycode));
        let unlocked = board.state.locked & !map.num_lock;
        let mut acts: Vec<KeyAction> =
            lifted.iter().rev().map(|keycode| KeyAction::Release(*keycode)).collect();
        if unlocked != 0 {
            acts.push(KeyAction::Lock { affect: unlocked, locked: 0 });
        }
        Self {
            acts,
            lifted,
            freed: Vec::new(),
            unlocked,
            residual: (board.state.base & !lifted_mods) | (board.state.locked & map.num_lock),
            holding: Vec::new(),
            group: board.state.group,
            struck: false,
        }
    }

    fn strike(&mut self, board: &KeyboardView<'_>, way: &KeyCombination) {
        self.struck = true;
        let map = board.map;
        let gone = self.lifted.contains(&way.keycode) || self.freed.contains(&way.keycode);
        if board.held.contains(&way.keycode) && !gone {
            self.acts.push(KeyAction::Release(way.keycode));
            self.freed.push(way.keycode);
        }
        let group = way.group.unwrap_or(self.group);
        if group != self.group {
            self.group = group;
            self.acts.push(KeyAction::Group(group));
        }
        self.hold(map, way.mods & !self.residual);
        self.acts.extend([KeyAction::Press(way.keycode), KeyAction::Release(way.keycode)]);
    }

    /// Holds exactly those modifiers.
    fn hold(&mut self, map: &KeyboardMap, mods: Modifiers) {
        let (keep, release): (Vec<_>, Vec<_>) = self.holding.drain(..).partition(|(m, _)| mods & m != 0);
        self.acts.extend(release.into_iter().rev().map(|(_, keycode)| KeyAction::Release(keycode)));
        self.holding = keep;
        for modifier in each(mods) {
            let held = self.holding.iter().any(|(m, _)| *m == modifier);
            if let Some(keycode) = map.modifier_key(modifier).filter(|_| !held) {
                self.acts.push(KeyAction::Press(keycode));
                self.holding.push((modifier, keycode));
            }
        }
    }

    fn put_back(mut self, board: &KeyboardView<'_>) -> Vec<KeyAction> {
        self.hold(board.map, 0);
        if self.group != board.state.group {
            self.acts.push(KeyAction::Group(board.state.group));
        }
        if self.unlocked != 0 {
            self.acts.push(KeyAction::Lock { affect: self.unlocked, locked: self.unlocked });
        }
        self.acts.extend(self.lifted.iter().map(|keycode| KeyAction::Press(*keycode)));
        self.acts
    }
}

/// The easiest way to a character of a text, in that group and with no modifier in force but `residual`.
fn way_to(
    board: &KeyboardView<'_>,
    present: u8,
    residual: Modifiers,
    character: char,
) -> Option<KeyCombination> {
    let map = board.map;
    if let Some(symbol) = symbol::of_control(character) {
        let keycode = with_symbol(map, present, &[symbol])?;
        return Some(KeyCombination { keycode, group: None, mods: 0 });
    }
    let spots = map.characters.get(&character)?.iter().filter(|spot| !board.spares.is_lent(spot.keycode));
    let ways = spots.flat_map(|spot| {
        let (kind, group) = kind_of(map, spot, present)?;
        let possible = move |mods: &Modifiers| {
            let reachable = each(mods & !residual).all(|m| map.modifier_key(m).is_some());
            reachable && residual & kind.mods & !mods == 0
        };
        Some(kind.ways(spot.level).filter(possible).map(move |mods| KeyCombination {
            keycode: spot.keycode,
            group,
            mods,
        }))
    });
    ways.flatten().min_by_key(|way| (way.group.is_some(), way.mods.count_ones(), way.keycode))
}

/// The kind of the key in a spot, and the group to change to where the present one doesn't lead there.
fn kind_of<'a>(map: &'a KeyboardMap, spot: &KeyLevel, group: u8) -> Option<(&'a super::KeyType, Option<u8>)> {
    let key = map.keys.get(&spot.keycode)?;
    let row = key.rows.get(usize::from(spot.group))?;
    let here = key.row(group).is_some_and(|present| std::ptr::eq(present, row));
    Some((map.types.get(row.kind)?, (!here).then_some(spot.group)))
}

/// A key that gives one of the symbols in that group, at its lowest level first.
fn with_symbol(map: &KeyboardMap, group: u8, symbols: &[Symbol]) -> Option<Keycode> {
    let found = symbols.iter().flat_map(|symbol| {
        map.keys.keys().filter_map(move |keycode| {
            let level = map.row(*keycode, group)?.0.symbols.iter().position(|s| s == symbol)?;
            Some((level, *keycode))
        })
    });
    // Of equal levels the first: the symbols are in the order of their likelihood.
    found.min_by_key(|(level, _)| *level).map(|(_, keycode)| keycode)
}

/// Plans the press of the key in `at` that is called `name` on the technician's keyboard.
pub(crate) fn key(board: &mut KeyboardView<'_>, at: PhysicalKey, name: &str, now: Instant) -> KeyPress {
    let mut characters = name.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => character_key(board, at, character, now),
        _ => named_key(board, at, name),
    }
}

fn named_key(board: &KeyboardView<'_>, at: PhysicalKey, name: &str) -> KeyPress {
    let names = symbol::named(name);
    let group = board.state.group;
    let there = place(at).filter(|keycode| {
        board.map.row(*keycode, group).is_some_and(|(row, _)| row.symbols.iter().any(|s| names.contains(s)))
    });
    let found = there.or_else(|| with_symbol(board.map, group, &names));
    match (found, name) {
        (Some(keycode), _) => KeyPress::plain(keycode),
        // What these make of the next key comes as text; AltGr has no meaning on a layout without it.
        (None, "Dead" | "Process" | "AltGraph") => KeyPress::Nothing,
        (None, _) => by_place(at),
    }
}

fn by_place(at: PhysicalKey) -> KeyPress {
    place(at).map_or(KeyPress::Unknown, KeyPress::plain)
}

fn character_key(board: &mut KeyboardView<'_>, at: PhysicalKey, character: char, now: Instant) -> KeyPress {
    let map = board.map;
    let shortcut = board.state.mods() & !map.choosing & !map.num_lock != 0;
    let spots = |wanted| {
        let all = map.characters.get(&wanted).into_iter().flatten();
        all.filter(|spot| !board.spares.is_lent(spot.keycode))
    };
    // Ctrl+C is the same shortcut with and without Caps Lock at the technician's end.
    let other_case = other_case(character).filter(|_| shortcut);
    let as_it_is = spots(character).chain(other_case.into_iter().flat_map(spots)).filter(|spot| {
        let present = kind_of(map, spot, board.state.group);
        present.is_some_and(|(kind, group)| group.is_none() && kind.level(board.state.mods()) == spot.level)
    });
    let preferred = |spot: &&KeyLevel| (Some(spot.keycode) != place(at), spot.keycode);
    if let Some(spot) = as_it_is.min_by_key(preferred) {
        return KeyPress::plain(spot.keycode);
    }
    let changed = spots(character).filter_map(|spot| with_changes(board, spot));
    if let Some((_, pressed)) = changed.min_by_key(|(cost, _)| *cost) {
        return pressed;
    }
    match board.spares.lend(symbol::of_character(character), now) {
        SymbolLoan::Key(keycode, remap) => {
            KeyPress::Key { before: remap.into_iter().collect(), keycode, after: Vec::new() }
        }
        // Many programs look for shortcuts in the layout's other groups, too.
        SymbolLoan::NotBefore(_) | SymbolLoan::Never => {
            let elsewhere = map.characters.get(&character).and_then(|spots| spots.first());
            elsewhere.filter(|_| shortcut).map_or_else(|| by_place(at), |spot| KeyPress::plain(spot.keycode))
        }
    }
}

fn other_case(character: char) -> Option<char> {
    let other = if character.is_lowercase() {
        character.to_uppercase().next()
    } else {
        character.to_lowercase().next()
    };
    other.filter(|other| *other != character)
}

/// The press of that key with the modifiers changed that choose its level, and how many changes that takes.
fn with_changes(board: &KeyboardView<'_>, spot: &KeyLevel) -> Option<(u32, KeyPress)> {
    let (map, state) = (board.map, board.state);
    let (kind, None) = kind_of(map, spot, state.group)? else { return None };
    let changeable = kind.mods & map.choosing;
    let present = state.mods() & kind.mods;
    let ways = kind.ways(spot.level).filter(|mods| mods & !changeable == present & !changeable);
    let planned = ways.filter_map(|mods| {
        let (press, lift) = (mods & !present, present & !mods);
        let (mut before, mut after) = lifts(board, lift)?;
        for modifier in each(press) {
            let keycode = map.modifier_key(modifier)?;
            before.push(KeyAction::Press(keycode));
            after.insert(0, KeyAction::Release(keycode));
        }
        let cost = press.count_ones() + lift.count_ones();
        Some((cost, KeyPress::Key { before, keycode: spot.keycode, after }))
    });
    planned.min_by_key(|(cost, _)| *cost)
}

/// How to be rid of modifiers for a moment: what to do before and after; `None` if somebody else holds one.
fn lifts(board: &KeyboardView<'_>, lift: Modifiers) -> Option<(Vec<KeyAction>, Vec<KeyAction>)> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let locked = lift & board.state.locked;
    if locked != 0 {
        before.push(KeyAction::Lock { affect: locked, locked: 0 });
        after.push(KeyAction::Lock { affect: locked, locked });
    }
    for modifier in each(lift & board.state.base) {
        let mut ours = board.held.iter().filter(|k| board.map.modifiers_of(**k) & modifier != 0).peekable();
        ours.peek()?;
        for keycode in ours {
            before.push(KeyAction::Release(*keycode));
            after.push(KeyAction::Press(*keycode));
        }
    }
    Some((before, after))
}
