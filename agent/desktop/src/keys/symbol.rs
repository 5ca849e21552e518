//! The names of keys and characters, as browsers and as X call them.
//!
//! A browser's name of a key (`KeyboardEvent.key`) stands for every X symbol that a program takes for it: either
//! Shift is `Shift`. X numbers characters of Latin-1 by themselves, many older alphabets by tables (`xkeysym` has
//! them), all others as Unicode plus 0x01000000.

use xkeysym::{Keysym, key};

/// X's number of what a key gives.
pub(crate) type Symbol = u32;

/// The symbol of the Num Lock key.
pub(crate) const NUM_LOCK: Symbol = key::Num_Lock;
/// Keys other than Shift whose modifier chooses levels.
pub(crate) const LEVEL_SHIFTS: &[Symbol] =
    &[key::ISO_Level3_Shift, key::ISO_Level5_Shift, key::Mode_switch, key::ISO_Level3_Latch];
/// Keys that set their modifier while they are held.
pub(crate) const HELD_MODIFIERS: &[Symbol] = &[
    key::Shift_L,
    key::Shift_R,
    key::ISO_Level3_Shift,
    key::ISO_Level5_Shift,
    key::Mode_switch,
    key::Control_L,
    key::Alt_L,
    key::Super_L,
];
/// Keys that switch something which then stays: pressing and letting go doesn't undo it.
pub(crate) const LOCKS: &[Symbol] = &[
    key::Caps_Lock,
    key::Shift_Lock,
    key::Num_Lock,
    key::Scroll_Lock,
    key::ISO_Lock,
    key::ISO_Level3_Lock,
    key::ISO_Level5_Lock,
    key::ISO_Level3_Latch,
];

/// The character a symbol types; `None` for keys of functions, the number pad, and dead keys.
pub(crate) fn character(symbol: Symbol) -> Option<char> {
    if (0xfe00..=0xffff).contains(&symbol) || symbol == 0 {
        return None;
    }
    Keysym::new(symbol).key_char().filter(|character| !character.is_control())
}

/// The symbol for a character that no key of the layout gives.
pub(crate) fn of_character(character: char) -> Symbol {
    match u32::from(character) {
        latin @ (0x20..=0x7e | 0xa0..=0xff) => latin,
        other => other | 0x0100_0000,
    }
}

/// The key of a control character in a text.
pub(crate) fn of_control(character: char) -> Option<Symbol> {
    match character {
        '\n' | '\r' => Some(key::Return),
        '\t' => Some(key::Tab),
        _ => None,
    }
}

/// The symbols that a browser's name of a key stands for, the likeliest first; empty where it is unknown.
pub(crate) fn named(name: &str) -> Vec<Symbol> {
    if let Some(row) = NAMES.iter().find(|(known, _)| *known == name) {
        return row.1.to_vec();
    }
    let function = name.strip_prefix('F').and_then(|number| number.parse::<u32>().ok());
    function
        .filter(|number| (1..=35).contains(number))
        .map(|number| key::F1 + number - 1)
        .into_iter()
        .collect()
}

/// XF86 symbols that the table of the crate leaves out of `key`.
const XF86: Symbol = 0x1008_ff00;

const NAMES: &[(&str, &[Symbol])] = &[
    ("Enter", &[key::Return, key::KP_Enter]),
    ("Tab", &[key::Tab, key::ISO_Left_Tab]),
    ("Backspace", &[key::BackSpace]),
    ("Escape", &[key::Escape]),
    ("Delete", &[key::Delete, key::KP_Delete]),
    ("Insert", &[key::Insert, key::KP_Insert]),
    ("Home", &[key::Home, key::KP_Home]),
    ("End", &[key::End, key::KP_End]),
    ("PageUp", &[key::Page_Up, key::KP_Page_Up]),
    ("PageDown", &[key::Page_Down, key::KP_Page_Down]),
    ("ArrowLeft", &[key::Left, key::KP_Left]),
    ("ArrowRight", &[key::Right, key::KP_Right]),
    ("ArrowUp", &[key::Up, key::KP_Up]),
    ("ArrowDown", &[key::Down, key::KP_Down]),
    ("Clear", &[key::Clear, key::KP_Begin]),
    ("Shift", &[key::Shift_L, key::Shift_R]),
    ("Control", &[key::Control_L, key::Control_R]),
    ("Alt", &[key::Alt_L, key::Alt_R, key::Meta_L, key::Meta_R]),
    ("AltGraph", &[key::ISO_Level3_Shift, key::Mode_switch]),
    ("Meta", &[key::Super_L, key::Super_R, key::Meta_L, key::Meta_R]),
    ("OS", &[key::Super_L, key::Super_R]),
    ("Super", &[key::Super_L, key::Super_R]),
    ("Hyper", &[key::Hyper_L, key::Hyper_R]),
    ("CapsLock", &[key::Caps_Lock, key::Shift_Lock]),
    ("NumLock", &[key::Num_Lock]),
    ("ScrollLock", &[key::Scroll_Lock]),
    ("PrintScreen", &[key::Print, key::Sys_Req]),
    ("Pause", &[key::Pause, key::Break]),
    ("ContextMenu", &[key::Menu]),
    ("Help", &[key::Help]),
    ("Undo", &[key::Undo]),
    ("Redo", &[key::Redo]),
    ("Find", &[key::Find]),
    ("Select", &[key::Select]),
    ("Execute", &[key::Execute]),
    ("Cancel", &[key::Cancel]),
    ("Compose", &[key::Multi_key]),
    ("Convert", &[key::Henkan_Mode]),
    ("NonConvert", &[key::Muhenkan]),
    ("KanaMode", &[key::Hiragana_Katakana, key::Kana_Lock]),
    ("HiraganaKatakana", &[key::Hiragana_Katakana]),
    ("Hiragana", &[key::Hiragana]),
    ("Katakana", &[key::Katakana]),
    ("Romaji", &[key::Romaji]),
    ("ZenkakuHankaku", &[key::Zenkaku_Hankaku]),
    ("Eisu", &[key::Eisu_toggle]),
    ("HangulMode", &[key::Hangul]),
    ("HanjaMode", &[key::Hangul_Hanja]),
    ("AudioVolumeDown", &[XF86 + 0x11]),
    ("AudioVolumeMute", &[XF86 + 0x12]),
    ("AudioVolumeUp", &[XF86 + 0x13]),
    ("MediaPlayPause", &[XF86 + 0x14]),
    ("MediaStop", &[XF86 + 0x15]),
    ("MediaTrackPrevious", &[XF86 + 0x16]),
    ("MediaTrackNext", &[XF86 + 0x17]),
    ("BrowserHome", &[XF86 + 0x18]),
    ("LaunchMail", &[XF86 + 0x19]),
    ("BrowserSearch", &[XF86 + 0x1b]),
    ("LaunchApplication2", &[XF86 + 0x1d]),
    ("BrowserBack", &[XF86 + 0x26]),
    ("BrowserForward", &[XF86 + 0x27]),
    ("BrowserStop", &[XF86 + 0x28]),
    ("BrowserRefresh", &[XF86 + 0x29]),
    ("BrowserFavorites", &[XF86 + 0x30]),
    ("Copy", &[XF86 + 0x57]),
    ("Cut", &[XF86 + 0x58]),
    ("Paste", &[XF86 + 0x6d]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_characters_have_their_symbols() {
        assert_eq!(named("F5"), [key::F5]);
        assert_eq!(named("F12"), [key::F12]);
        assert!(named("F0").is_empty() && named("F99").is_empty() && named("Fn").is_empty());
        assert_eq!(named("Enter").first(), Some(&key::Return));
        assert!(named("Nonsense").is_empty() && named("").is_empty());
        for (symbol, expected) in [
            (key::a, Some('a')),
            (key::adiaeresis, Some('ä')),
            (key::EuroSign, Some('€')),
            (key::Cyrillic_ef, Some('ф')),
            (key::kana_TSU, Some('ツ')),
            (key::lstroke, Some('ł')),
            (0x0101_f600, Some('😀')),
            (key::dead_acute, None),
            (key::KP_1, None),
            (key::Return, None),
            (0, None),
        ] {
            assert_eq!(character(symbol), expected, "{symbol:x}");
        }
        assert_eq!(of_character('ä'), key::adiaeresis);
        assert_eq!(of_character('€'), 0x0100_20ac);
        assert_eq!(of_control('\n'), Some(key::Return));
        assert_eq!(of_control('\u{7}'), None);
    }
}
