//! The layout of a keyboard: which symbol each key gives in which group at which level, and which modifiers choose that.

use std::collections::{BTreeMap, HashMap};

use super::symbol::{self, Symbol};

/// X's number of a key.
pub(crate) type Keycode = u8;
/// A set of X's eight modifiers.
pub(crate) type Modifiers = u8;

/// The modifier Shift.
pub(crate) const SHIFT: Modifiers = 1;
/// The modifier Lock, usually of Caps Lock.
pub(crate) const LOCK: Modifiers = 2;

/// Something done to the keyboard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeyAction {
    /// The key goes down.
    Press(Keycode),
    /// The key goes up.
    Release(Keycode),
    /// Of the modifiers `affect`, those in `locked` are locked from now on and the others aren't.
    Lock {
        /// The modifiers that change.
        affect: Modifiers,
        /// What they become.
        locked: Modifiers,
    },
    /// The layout's group is this one from now on.
    Group(u8),
    /// The key gives this symbol from now on, with Shift as without; 0: nothing.
    Remap(Keycode, Symbol),
}

/// A kind of key: how modifiers choose its level.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct KeyType {
    /// The modifiers that matter.
    pub mods: Modifiers,
    /// Exactly which of them choose which level. Anything else is level 0.
    pub levels: Vec<(Modifiers, u8)>,
}

impl KeyType {
    /// The level that these modifiers choose.
    pub(super) fn level(&self, mods: Modifiers) -> u8 {
        let of = |(wanted, level): &(Modifiers, u8)| (*wanted == mods & self.mods).then_some(*level);
        self.levels.iter().find_map(of).unwrap_or(0)
    }

    /// All ways to choose a level.
    pub(super) fn ways(&self, level: u8) -> impl Iterator<Item = Modifiers> {
        let plain = (level == 0 && self.level(0) == 0).then_some(0);
        let listed = self.levels.iter().filter(move |(_, l)| *l == level).map(|(mods, _)| *mods);
        plain.into_iter().chain(listed.filter(move |mods| *mods != 0 || level != 0))
    }
}

/// What a key does in one group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct KeyGroup {
    /// Index of its [`KeyType`].
    pub kind: usize,
    /// Its symbol at each level; 0 where there is none.
    pub symbols: Vec<Symbol>,
}

/// What happens in a group that a key hasn't.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum GroupOverflow {
    /// The group number wraps around.
    #[default]
    Wrap,
    /// The last one.
    Clamp,
    /// This group takes its place.
    Redirect(u8),
}

/// A key of the layout with its groups.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct MappedKey {
    /// One for each group; none if the key does nothing.
    pub rows: Vec<KeyGroup>,
    /// For other groups.
    pub beyond: GroupOverflow,
}

impl MappedKey {
    /// What it does in that group.
    pub(super) fn row(&self, group: u8) -> Option<&KeyGroup> {
        let count = self.rows.len();
        let group = usize::from(group);
        let at = match self.beyond {
            _ if group < count => group,
            GroupOverflow::Wrap => group.checked_rem(count)?,
            GroupOverflow::Clamp => count.checked_sub(1)?,
            GroupOverflow::Redirect(to) if usize::from(to) < count => usize::from(to),
            GroupOverflow::Redirect(_) => 0,
        };
        self.rows.get(at)
    }
}

/// The keyboard's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct KeyState {
    /// Modifiers of keys that are down.
    pub base: Modifiers,
    /// Modifiers for the next key.
    pub latched: Modifiers,
    /// Modifiers until they are unlocked.
    pub locked: Modifiers,
    /// The layout's group that is in force.
    pub group: u8,
}

impl KeyState {
    pub(super) fn mods(self) -> Modifiers {
        self.base | self.latched | self.locked
    }
}

/// A way to a character: key, group, level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct KeyLevel {
    pub(super) keycode: Keycode,
    pub(super) group: u8,
    pub(super) level: u8,
}

/// The device's layout.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyboardMap {
    pub(super) keys: BTreeMap<Keycode, MappedKey>,
    pub(super) types: Vec<KeyType>,
    /// Which modifiers a key sets.
    pub(super) modifiers: BTreeMap<Keycode, Modifiers>,
    /// Where each character is.
    pub(super) characters: HashMap<char, Vec<KeyLevel>>,
    /// Modifiers that choose levels: Shift, Lock, those of AltGr and its kin.
    pub(super) choosing: Modifiers,
    /// The modifier of Num Lock.
    pub(super) num_lock: Modifiers,
}

impl KeyboardMap {
    /// A layout of these keys; `modifiers` says which modifiers each key sets.
    pub(crate) fn new(
        keys: BTreeMap<Keycode, MappedKey>,
        types: Vec<KeyType>,
        modifiers: BTreeMap<Keycode, Modifiers>,
    ) -> Self {
        let mut map = Self { keys, types, modifiers, ..Self::default() };
        map.add_level_shifts();
        map.num_lock = map.set_by(&[symbol::NUM_LOCK]);
        map.choosing = (SHIFT | LOCK | map.set_by(symbol::LEVEL_SHIFTS)) & !map.num_lock;
        for (keycode, key) in &map.keys {
            for (group, row) in (0..).zip(&key.rows) {
                for (level, symbol) in (0..).zip(&row.symbols) {
                    if let Some(character) = symbol::character(*symbol) {
                        let spot = KeyLevel { keycode: *keycode, group, level };
                        map.characters.entry(character).or_default().push(spot);
                    }
                }
            }
        }
        map
    }

    /// A key may choose levels by its action alone (AltGr does, on most layouts): it sets the modifier that the
    /// keys of the same symbol are known for.
    fn add_level_shifts(&mut self) {
        for symbol in symbol::LEVEL_SHIFTS {
            let mods = self.set_by(&[*symbol]);
            let same = self.keys.keys().filter(|key| self.gives_any(**key, &[*symbol]));
            let missing: Vec<Keycode> =
                same.filter(|key| !self.modifiers.contains_key(key)).copied().collect();
            self.modifiers.extend(missing.into_iter().filter(|_| mods != 0).map(|key| (key, mods)));
        }
    }

    /// The keys that do nothing, so that other symbols can be lent to them.
    pub(crate) fn unused(&self, first: Keycode, last: Keycode) -> impl Iterator<Item = Keycode> {
        (first..=last).filter(|keycode| {
            let empty = self
                .keys
                .get(keycode)
                .is_none_or(|key| key.rows.iter().all(|row| row.symbols.iter().all(|s| *s == 0)));
            empty && !self.modifiers.contains_key(keycode)
        })
    }

    /// The only symbol of a key, if it has one alone.
    pub(crate) fn sole(&self, keycode: Keycode) -> Option<Symbol> {
        let mut symbols = self.keys.get(&keycode)?.rows.iter().flat_map(|row| &row.symbols);
        let first = symbols.next()?;
        symbols.all(|symbol| symbol == first).then_some(*first)
    }

    /// The modifiers that keys of these symbols set.
    fn set_by(&self, names: &[Symbol]) -> Modifiers {
        let keys = self.modifiers.iter().filter(|(key, _)| self.gives_any(**key, names));
        keys.fold(0, |all, (_, mods)| all | mods)
    }

    fn gives_any(&self, keycode: Keycode, names: &[Symbol]) -> bool {
        let Some(key) = self.keys.get(&keycode) else { return false };
        key.rows.iter().any(|row| row.symbols.first().is_some_and(|symbol| names.contains(symbol)))
    }

    pub(super) fn row(&self, keycode: Keycode, group: u8) -> Option<(&KeyGroup, &KeyType)> {
        let row = self.keys.get(&keycode)?.row(group)?;
        Some((row, self.types.get(row.kind)?))
    }

    /// A key that, held, sets that one modifier and nothing else.
    pub(super) fn modifier_key(&self, modifier: Modifiers) -> Option<Keycode> {
        let keys = || self.modifiers.iter().filter(|(_, mods)| **mods == modifier).map(|(key, _)| *key);
        keys()
            .find(|key| self.gives_any(*key, symbol::HELD_MODIFIERS))
            .or_else(|| keys().find(|key| !self.gives_any(*key, symbol::LOCKS)))
            .filter(|_| modifier != LOCK)
    }

    /// The modifiers a key sets while it is down.
    pub(crate) fn modifiers_of(&self, keycode: Keycode) -> Modifiers {
        self.modifiers.get(&keycode).copied().unwrap_or(0)
    }
}

/// The single modifiers in a set.
pub(super) fn each(mods: Modifiers) -> impl Iterator<Item = Modifiers> {
    (0..8).map(|bit| 1 << bit).filter(move |bit| mods & bit != 0)
}
