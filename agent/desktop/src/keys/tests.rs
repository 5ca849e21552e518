//! Layouts made by hand, and what is pressed on them. Real layouts are tried on a real server, in `tests/desktop`.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use nearhand_proto::message::screen::PhysicalKey;
use proptest::prelude::*;
use xkeysym::{Keysym, key};

use super::map::{LOCK, Modifiers, SHIFT};
use super::plan::{self, KeyPress, KeyboardView, TypedText};
use super::spare::SpareKeys;
use super::symbol::{self, Symbol};
use super::*;

/// Mod5, which AltGr sets here.
const LEVEL3: Modifiers = 0x80;
const CONTROL: Modifiers = 4;
const NUM: Modifiers = 0x10;

const SHIFT_KEY: Keycode = 50;
const ALT_GRAPH: Keycode = 108;
const LEVEL3_KEY: Keycode = 92;
const CONTROL_KEY: Keycode = 37;

/// One level; two by Shift; two by Shift or Lock; four by Shift and AltGr.
fn types() -> Vec<KeyType> {
    vec![
        KeyType::default(),
        KeyType { mods: SHIFT, levels: vec![(SHIFT, 1)] },
        KeyType { mods: SHIFT | LOCK, levels: vec![(SHIFT, 1), (LOCK, 1)] },
        KeyType { mods: SHIFT | LEVEL3, levels: vec![(SHIFT, 1), (LEVEL3, 2), (SHIFT | LEVEL3, 3)] },
        KeyType { mods: CONTROL | SHIFT, levels: vec![(CONTROL | SHIFT, 1)] },
    ]
}

fn row(kind: usize, symbols: &[Symbol]) -> KeyGroup {
    KeyGroup { kind, symbols: symbols.to_vec() }
}

/// A row from the characters it gives.
fn chars(kind: usize, symbols: &str) -> KeyGroup {
    row(kind, &symbols.chars().map(|c| Keysym::from_char(c).raw()).collect::<Vec<_>>())
}

fn layout(keys: &[(Keycode, Vec<KeyGroup>)]) -> KeyboardMap {
    let fixed = [
        (SHIFT_KEY, key::Shift_L),
        (CONTROL_KEY, key::Control_L),
        (66, key::Caps_Lock),
        (77, key::Num_Lock),
        (LEVEL3_KEY, key::ISO_Level3_Shift),
        (ALT_GRAPH, key::ISO_Level3_Shift),
        (36, key::Return),
        (23, key::Tab),
        (104, key::KP_Enter),
    ];
    let mut all: BTreeMap<Keycode, MappedKey> = fixed
        .iter()
        .map(|(code, symbol)| {
            (*code, MappedKey { rows: vec![row(0, &[*symbol])], beyond: GroupOverflow::Wrap })
        })
        .collect();
    all.extend(
        keys.iter()
            .map(|(code, rows)| (*code, MappedKey { rows: rows.clone(), beyond: GroupOverflow::Wrap })),
    );
    // AltGr sets its modifier by its action: the server's list doesn't have it.
    let modifiers = [(SHIFT_KEY, SHIFT), (CONTROL_KEY, CONTROL), (66, LOCK), (77, NUM), (LEVEL3_KEY, LEVEL3)];
    KeyboardMap::new(all, types(), modifiers.into())
}

fn german() -> KeyboardMap {
    layout(&[
        (16, vec![chars(3, "7/{")]),
        (24, vec![chars(3, "qQ@")]),
        (26, vec![chars(3, "eE€")]),
        (29, vec![chars(2, "zZ")]),
        (34, vec![chars(2, "üÜ")]),
        (35, vec![chars(3, "+*~")]),
        (52, vec![chars(2, "yY")]),
        (54, vec![chars(2, "cC")]),
        (49, vec![row(1, &[key::dead_circumflex, key::degree])]),
        (67, vec![row(4, &[key::F1, 0x1008_fe01])]),
    ])
}

fn latin_and_russian() -> KeyboardMap {
    layout(&[
        (54, vec![chars(2, "cC"), chars(2, "сС")]),
        (59, vec![chars(1, ",<"), chars(2, "бБ")]),
        (61, vec![chars(1, "/?"), chars(1, ".,")]),
    ])
}

struct TestKeyboard {
    map: KeyboardMap,
    spares: SpareKeys,
    state: KeyState,
    held: Vec<Keycode>,
}

fn hand(map: KeyboardMap) -> TestKeyboard {
    let mut spares = SpareKeys::default();
    spares.refresh(&map, 200, 203);
    TestKeyboard { map, spares, state: KeyState::default(), held: Vec::new() }
}

impl TestKeyboard {
    fn holding(mut self, keycode: Keycode, mods: Modifiers) -> Self {
        self.held.push(keycode);
        self.state.base |= mods;
        self
    }

    fn board(&mut self) -> KeyboardView<'_> {
        KeyboardView { map: &self.map, spares: &mut self.spares, state: self.state, held: &self.held }
    }

    fn text(&mut self, text: &str) -> TypedText {
        plan::text(&mut self.board(), &mut text.chars().collect(), Instant::now())
    }

    fn key(&mut self, place: u16, name: &str) -> KeyPress {
        plan::key(&mut self.board(), PhysicalKey(place), name, Instant::now())
    }
}

use KeyAction::{Group, Lock, Press, Release, Remap};

fn tap(keycode: Keycode) -> [KeyAction; 2] {
    [Press(keycode), Release(keycode)]
}

fn plain(keycode: Keycode) -> KeyPress {
    KeyPress::Key { before: vec![], keycode, after: vec![] }
}

#[test]
fn a_text_takes_just_the_modifiers_that_it_needs() {
    let typed = hand(german()).text("z/Y@\n");
    let mut expected = Vec::new();
    expected.extend(tap(29));
    expected.push(Press(SHIFT_KEY));
    expected.extend(tap(16));
    expected.extend(tap(52));
    expected.extend([Release(SHIFT_KEY), Press(LEVEL3_KEY)]);
    expected.extend(tap(24));
    expected.push(Release(LEVEL3_KEY));
    expected.extend(tap(36));
    assert_eq!(typed, TypedText { acts: expected, ..TypedText::default() });
}

#[test]
fn what_disturbs_is_lifted_meanwhile() {
    let mut hand = hand(german()).holding(CONTROL_KEY, CONTROL).holding(ALT_GRAPH, LEVEL3);
    hand.state.locked = LOCK | NUM;
    let typed = hand.text("c");
    let (before, after) = (
        [Release(ALT_GRAPH), Release(CONTROL_KEY), Lock { affect: LOCK, locked: 0 }],
        [Lock { affect: LOCK, locked: LOCK }, Press(CONTROL_KEY), Press(ALT_GRAPH)],
    );
    assert_eq!(typed.acts, [before.as_slice(), &tap(54), &after].concat());
}

#[test]
fn what_the_layout_lacks_is_lent_all_at_once_before_it_is_typed() {
    let mut hand = hand(german());
    let typed = hand.text("^cж^");
    let (caret, zhe) = (0x5e, 0x0100_0436);
    let mut expected = vec![Remap(200, caret), Remap(201, zhe)];
    for keycode in [200, 54, 201, 200] {
        expected.extend(tap(keycode));
    }
    assert_eq!(typed.acts, expected);
    // Four keycodes: a fifth character has to wait, and no dead key is ever pressed.
    let mut text: VecDeque<char> = "αβγδε".chars().collect();
    let typed = plan::text(&mut hand.board(), &mut text, Instant::now());
    assert!(typed.wait.is_some() && typed.untypable.is_empty());
    assert_eq!(text.len(), 3);
    assert!(!typed.acts.contains(&Press(49)));
}

#[test]
fn without_a_spare_keycode_it_is_said() {
    let mut hand = hand(german());
    hand.spares = SpareKeys::default();
    let typed = hand.text("cжc\u{7}");
    assert_eq!(typed.acts, [tap(54), tap(54)].concat());
    assert_eq!(typed.untypable, "ж\u{fffd}");
}

#[test]
fn another_group_is_used_and_left_again() {
    let typed = hand(latin_and_russian()).text("cс,");
    let mut expected = tap(54).to_vec();
    expected.push(Group(1));
    expected.extend(tap(54));
    // The comma is in both groups: it is typed where we are.
    expected.push(Press(SHIFT_KEY));
    expected.extend(tap(61));
    expected.extend([Release(SHIFT_KEY), Group(0)]);
    assert_eq!(typed.acts, expected);
}

#[test]
fn a_shortcut_is_found_by_its_letter() {
    assert_eq!(hand(german()).holding(CONTROL_KEY, CONTROL).key(44, "z"), plain(29));
    // The technician's Caps Lock makes no other shortcut of it.
    assert_eq!(hand(german()).holding(CONTROL_KEY, CONTROL).key(46, "C"), plain(54));
    let both = hand(german()).holding(CONTROL_KEY, CONTROL).holding(SHIFT_KEY, SHIFT);
    let mut both = both;
    assert_eq!(both.key(46, "C"), plain(54));
    // Where there is no such letter, one is lent.
    let mut russian = hand(latin_and_russian()).holding(CONTROL_KEY, CONTROL);
    russian.state.group = 1;
    let lent = KeyPress::Key { before: vec![Remap(200, 0x63)], keycode: 200, after: vec![] };
    assert_eq!(russian.key(46, "c"), lent);
    // With none to lend: the key that has it in another group, and else the place.
    russian.spares = SpareKeys::default();
    assert_eq!(russian.key(20, "c"), plain(54));
    assert_eq!(russian.key(20, "x"), plain(28));
}

#[test]
fn a_character_gets_other_modifiers_for_a_moment() {
    // `/` has its own key there, and needs Shift here.
    let with_shift =
        KeyPress::Key { before: vec![Press(SHIFT_KEY)], keycode: 16, after: vec![Release(SHIFT_KEY)] };
    assert_eq!(hand(german()).key(53, "/"), with_shift);
    // `+` is with Shift there, and without here.
    let mut shifted = hand(german()).holding(SHIFT_KEY, SHIFT);
    let without =
        KeyPress::Key { before: vec![Release(SHIFT_KEY)], keycode: 35, after: vec![Press(SHIFT_KEY)] };
    assert_eq!(shifted.key(13, "+"), without);
    // Caps Lock here is none of the technician's business.
    let mut locked = hand(german());
    locked.state.locked = LOCK;
    let unlocked = KeyPress::Key {
        before: vec![Lock { affect: LOCK, locked: 0 }],
        keycode: 54,
        after: vec![Lock { affect: LOCK, locked: LOCK }],
    };
    assert_eq!(locked.key(46, "c"), unlocked);
}

#[test]
fn named_keys_keep_their_place_where_it_has_that_name() {
    assert_eq!(hand(german()).key(28, "Enter"), plain(36));
    assert_eq!(hand(german()).key(96, "Enter"), plain(104));
    assert_eq!(hand(german()).key(30, "Enter"), plain(36));
    // Modifiers are left alone, also where they would make another symbol of it.
    let mut held = hand(german()).holding(CONTROL_KEY, CONTROL).holding(SHIFT_KEY, SHIFT);
    assert_eq!(held.key(59, "F1"), plain(67));
    assert_eq!(hand(german()).key(13, "Dead"), KeyPress::Nothing);
    assert_eq!(hand(german()).key(100, "AltGraph"), plain(ALT_GRAPH));
    assert_eq!(hand(german()).key(30, "SomethingNew"), plain(38));
    assert_eq!(hand(german()).key(60_000, "SomethingNew"), KeyPress::Unknown);
}

#[test]
fn lent_keycodes_survive_a_new_layout_unless_it_uses_them() {
    let mut hand = hand(german());
    hand.text("жш");
    let mut keys = vec![(200, vec![row(1, &[0x0100_0436, 0x0100_0436])]), (201, vec![chars(1, "xX")])];
    keys.push((54, vec![chars(2, "cC")]));
    hand.map = layout(&keys);
    hand.spares.refresh(&hand.map, 200, 203);
    assert!(hand.spares.is_lent(200) && !hand.spares.is_lent(201));
    assert_eq!(hand.text("ж").acts, tap(200));
    assert_eq!(hand.text("x").acts, tap(201));
}

proptest! {
    /// Played on a keyboard, a plan gives the text, and leaves everything as it was.
    #[test]
    fn what_is_planned_types_the_text(
        text in "[zyceqüZC@€/7+,. б]{0,20}",
        shift: bool, control: bool, level3: bool, caps: bool, russian: bool,
    ) {
        let mut hand = hand(if russian { latin_and_russian() } else { german() });
        for (held, code, mods) in
            [(shift, SHIFT_KEY, SHIFT), (control, CONTROL_KEY, CONTROL), (level3, ALT_GRAPH, LEVEL3)]
        {
            hand = if held { hand.holding(code, mods) } else { hand };
        }
        hand.state.locked = if caps { LOCK } else { 0 };
        hand.state.group = u8::from(russian);
        let mut now = Instant::now();
        let mut left: VecDeque<char> = text.chars().collect();
        let mut played = String::new();
        while !left.is_empty() {
            let typed = plan::text(&mut hand.board(), &mut left, now);
            prop_assert!(typed.untypable.is_empty());
            played.push_str(&play(&mut hand, &typed.acts));
            now += Duration::from_secs(1);
        }
        prop_assert_eq!(played, text);
    }
}

/// What a program reads of it.
fn play(hand: &mut TestKeyboard, acts: &[KeyAction]) -> String {
    let mut down = hand.held.clone();
    let (mut locked, mut group) = (hand.state.locked, hand.state.group);
    let mut text = String::new();
    for act in acts {
        match *act {
            Press(code) => {
                assert!(!down.contains(&code), "{code} is down already");
                let held = down.iter().fold(0, |all, code| all | hand.map.modifiers_of(*code));
                if hand.map.modifiers_of(code) == 0 {
                    let (row, kind) = hand.map.row(code, group).unwrap();
                    let level = usize::from(kind.level(held | locked));
                    assert_eq!(held & CONTROL, 0, "a shortcut");
                    text.extend(symbol::character(row.symbols[level]));
                }
                down.push(code);
            }
            Release(code) => {
                assert!(down.contains(&code), "{code} is up already");
                down.retain(|other| *other != code);
            }
            Lock { affect, locked: to } => locked = (locked & !affect) | to,
            Group(to) => group = to,
            Remap(code, symbol) => {
                let key = MappedKey { rows: vec![row(1, &[symbol, symbol])], beyond: GroupOverflow::Wrap };
                hand.map.keys.insert(code, key);
            }
        }
    }
    assert_eq!((down, locked, group), (hand.held.clone(), hand.state.locked, hand.state.group));
    text
}
