//! From a text or key to key events, on any layout that the device has.
//!
//! [`map`] is the layout as XKB tells it: which symbol each key gives in which group at which level, and
//! which modifiers choose the level. [`plan`] finds keys and the modifiers they need; [`spare`] lends unused
//! keycodes to characters that the layout lacks; [`symbol`] knows the names of keys. All pure: map, state and time
//! are arguments, events of keys come out.

mod map;
pub(crate) mod plan;
pub(crate) mod spare;
pub(crate) mod symbol;
#[cfg(test)]
mod tests;

pub(crate) use map::{
    GroupOverflow, KeyAction, KeyGroup, KeyState, KeyType, KeyboardMap, Keycode, MappedKey,
};
