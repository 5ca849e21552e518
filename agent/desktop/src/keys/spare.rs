//! Keycodes that the layout leaves unused, lent to characters that it lacks.
//!
//! All of them in turn and not one: a program that is slow to read the layout after a key was pressed must find
//! the symbol that the key had then. So a keycode rests before another symbol is lent to it. Pure.

use std::time::{Duration, Instant};

use super::map::{KeyAction, KeyboardMap, Keycode};
use super::symbol::Symbol;

/// How long a keycode keeps its symbol after it was pressed. A program reads the layout when it comes to the
/// notice that it changed: under load that is tens of milliseconds.
const REST: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug)]
struct SpareKey {
    keycode: Keycode,
    /// What is lent to it; 0: nothing.
    symbol: Symbol,
    used: Option<Instant>,
}

/// The unused keycodes of the layout.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpareKeys {
    spares: Vec<SpareKey>,
}

/// Where a symbol is to be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SymbolLoan {
    /// On that key, once it has been remapped if that is told.
    Key(Keycode, Option<KeyAction>),
    /// On none before that time.
    NotBefore(Instant),
    /// The layout uses every keycode.
    Never,
}

impl SpareKeys {
    /// The layout has changed, perhaps by what we did: what of our keycodes somebody else gave a symbol is no longer
    /// ours.
    pub(crate) fn refresh(&mut self, map: &KeyboardMap, first: Keycode, last: Keycode) {
        let known = |keycode| self.spares.iter().find(move |spare| spare.keycode == keycode);
        let ours =
            self.spares.iter().filter(|s| s.symbol != 0 && map.sole(s.keycode) == Some(s.symbol)).copied();
        let unused = map.unused(first, last).map(|keycode| SpareKey {
            keycode,
            symbol: 0,
            used: known(keycode).and_then(|spare| spare.used),
        });
        let mut spares: Vec<SpareKey> = ours.chain(unused).collect();
        spares.sort_by_key(|spare| spare.keycode);
        self.spares = spares;
    }

    /// Lends a keycode to a symbol that is about to be pressed.
    pub(crate) fn lend(&mut self, symbol: Symbol, now: Instant) -> SymbolLoan {
        if let Some(spare) = self.spares.iter_mut().find(|spare| spare.symbol == symbol) {
            spare.used = Some(now);
            return SymbolLoan::Key(spare.keycode, None);
        }
        let Some(spare) = self.spares.iter_mut().min_by_key(|spare| spare.used) else {
            return SymbolLoan::Never;
        };
        if let Some(free) = spare.used.map(|used| used + REST).filter(|free| *free > now) {
            return SymbolLoan::NotBefore(free);
        }
        (spare.symbol, spare.used) = (symbol, Some(now));
        SymbolLoan::Key(spare.keycode, Some(KeyAction::Remap(spare.keycode, symbol)))
    }

    /// Whether a keycode is one of them and lent.
    pub(crate) fn is_lent(&self, keycode: Keycode) -> bool {
        self.spares.iter().any(|spare| spare.keycode == keycode && spare.symbol != 0)
    }

    /// Gives all keycodes back to the layout.
    pub(crate) fn give_back(&mut self) -> Vec<KeyAction> {
        let lent = self.spares.iter_mut().filter(|spare| spare.symbol != 0);
        lent.map(|spare| {
            spare.symbol = 0;
            KeyAction::Remap(spare.keycode, 0)
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keycodes_are_lent_in_turn_and_rest() {
        let mut spares = SpareKeys::default();
        spares.refresh(&KeyboardMap::default(), 100, 101);
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let remapped = |keycode, symbol| SymbolLoan::Key(keycode, Some(KeyAction::Remap(keycode, symbol)));
        assert_eq!(spares.lend(1, at(0)), remapped(100, 1));
        assert_eq!(spares.lend(2, at(1)), remapped(101, 2));
        assert_eq!(spares.lend(1, at(2)), SymbolLoan::Key(100, None));
        assert_eq!(spares.lend(3, at(3)), SymbolLoan::NotBefore(at(501)));
        assert_eq!(spares.lend(3, at(501)), remapped(101, 3));
        assert!(spares.is_lent(100) && !spares.is_lent(102));
        assert_eq!(spares.give_back(), [KeyAction::Remap(100, 0), KeyAction::Remap(101, 0)]);
        assert!(spares.give_back().is_empty());
        assert_eq!(SpareKeys::default().lend(1, start), SymbolLoan::Never);
    }
}
