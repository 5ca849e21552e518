// From the browser's keyboard events to what the device is told. Pure: events in, messages out; the tables in
// tests/page/keys.test.mjs are played through it.
//
// Two ways for a key to go. What makes a character goes as text, as the browser composed it (dead keys, AltGr, input
// methods): then it doesn't matter which layouts the two machines have. Everything else goes as a key: with its place
// and its name. Modifiers wait until something needs them, so that Shift before a capital letter, or the Ctrl+Alt that
// Windows makes of AltGr, never reaches the device by itself; tapped alone they go when they are let go of.

/// KeyboardEvent.code → the code of the key in Linux's input-event-codes.h.
export const CODES = {
  Escape: 1, Digit1: 2, Digit2: 3, Digit3: 4, Digit4: 5, Digit5: 6, Digit6: 7, Digit7: 8, Digit8: 9, Digit9: 10, Digit0: 11,
  Minus: 12, Equal: 13, Backspace: 14, Tab: 15, KeyQ: 16, KeyW: 17, KeyE: 18, KeyR: 19, KeyT: 20, KeyY: 21, KeyU: 22, KeyI: 23,
  KeyO: 24, KeyP: 25, BracketLeft: 26, BracketRight: 27, Enter: 28, ControlLeft: 29, KeyA: 30, KeyS: 31, KeyD: 32, KeyF: 33,
  KeyG: 34, KeyH: 35, KeyJ: 36, KeyK: 37, KeyL: 38, Semicolon: 39, Quote: 40, Backquote: 41, ShiftLeft: 42, Backslash: 43,
  KeyZ: 44, KeyX: 45, KeyC: 46, KeyV: 47, KeyB: 48, KeyN: 49, KeyM: 50, Comma: 51, Period: 52, Slash: 53, ShiftRight: 54,
  NumpadMultiply: 55, AltLeft: 56, Space: 57, CapsLock: 58, F1: 59, F2: 60, F3: 61, F4: 62, F5: 63, F6: 64, F7: 65, F8: 66,
  F9: 67, F10: 68, NumLock: 69, ScrollLock: 70, Numpad7: 71, Numpad8: 72, Numpad9: 73, NumpadSubtract: 74, Numpad4: 75,
  Numpad5: 76, Numpad6: 77, NumpadAdd: 78, Numpad1: 79, Numpad2: 80, Numpad3: 81, Numpad0: 82, NumpadDecimal: 83, Lang5: 85,
  IntlBackslash: 86, F11: 87, F12: 88, IntlRo: 89, Lang3: 90, Lang4: 91, Convert: 92, KanaMode: 93, NonConvert: 94,
  NumpadEnter: 96, ControlRight: 97, NumpadDivide: 98, PrintScreen: 99, AltRight: 100, Home: 102, ArrowUp: 103, PageUp: 104,
  ArrowLeft: 105, ArrowRight: 106, End: 107, ArrowDown: 108, PageDown: 109, Insert: 110, Delete: 111, AudioVolumeMute: 113,
  VolumeMute: 113, AudioVolumeDown: 114, VolumeDown: 114, AudioVolumeUp: 115, VolumeUp: 115, Power: 116, NumpadEqual: 117,
  Pause: 119, NumpadComma: 121, Lang1: 122, HangulMode: 122, Lang2: 123, Hanja: 123, IntlYen: 124, MetaLeft: 125, OSLeft: 125,
  MetaRight: 126, OSRight: 126, ContextMenu: 127, BrowserStop: 128, Again: 129, Props: 130, Undo: 131, Select: 353, Copy: 133,
  Open: 134, Paste: 135, Find: 136, Cut: 137, Help: 138, LaunchApp2: 140, Sleep: 142, WakeUp: 143, LaunchApp1: 144, LaunchMail: 155,
  BrowserFavorites: 156, BrowserBack: 158, BrowserForward: 159, Eject: 161, MediaTrackNext: 163, MediaPlayPause: 164,
  MediaTrackPrevious: 165, MediaStop: 166, BrowserHome: 172, BrowserRefresh: 173, NumpadParenLeft: 179, NumpadParenRight: 180,
  F13: 183, F14: 184, F15: 185, F16: 186, F17: 187, F18: 188, F19: 189, F20: 190, F21: 191, F22: 192, F23: 193, F24: 194,
  BrowserSearch: 217, MediaSelect: 226, BrightnessDown: 224, BrightnessUp: 225, Fn: 464,
};

const MODIFIERS = ['ControlLeft', 'ControlRight', 'ShiftLeft', 'ShiftRight', 'AltLeft', 'AltRight', 'MetaLeft', 'MetaRight', 'OSLeft', 'OSRight'];
const SYMBOLS = {
  ControlLeft: 'Control', ControlRight: 'Control', ShiftLeft: 'Shift', ShiftRight: 'Shift', AltLeft: 'Alt', AltRight: 'Alt',
  MetaLeft: 'Meta', MetaRight: 'Meta', OSLeft: 'Meta', OSRight: 'Meta',
};
/// They change what is typed here; what was typed already shows it.
const LOCKS = ['CapsLock', 'NumLock', 'ScrollLock'];

const isCharacter = (key) => [...key].length === 1 || (key.length <= 8 && !/^[A-Z][A-Za-z0-9]+$/.test(key) && key.length > 0);

/// What the keyboard does, and what of it the device was told.
export class Keyboard {
  /// `mac`: the technician sits at a Mac, where Cmd is what Ctrl is elsewhere and Option makes characters.
  constructor({ mac = false, windows = false } = {}) {
    this.mac = mac;
    this.windows = windows;
    this.place = false;
    this.reset();
  }

  reset() {
    /// Modifiers that are pressed: code → 'waiting' (the device doesn't know), 'sent', 'used' (not told and not to be).
    this.modifiers = new Map();
    /// Other keys that the device holds: code → the message that pressed it.
    this.held = new Map();
    this.composing = false;
  }

  /// All by place, as games and some full-screen programs need it.
  setPlace(place) {
    const out = this.release();
    this.place = place;
    return out;
  }

  /// Everything is let go of: focus lost, page hidden, control gone.
  release() {
    const anything = this.held.size > 0 || [...this.modifiers.values()].includes('sent');
    this.reset();
    return anything ? ['release'] : [];
  }

  /// A key goes down. `prevent`: the browser must not act on it; `paste`: let it paste, then `chord` what it meant.
  down(event) {
    const { code, key } = event;
    if (event.isComposing || this.composing || key === 'Dead' || key === 'Process' || event.keyCode === 229) return { messages: [], prevent: false };
    if (MODIFIERS.includes(code)) return this.modifierDown(event);
    if (this.place) return this.keyDown(event);
    if (LOCKS.includes(key)) return { messages: [], prevent: false };
    if (isCharacter(key) && !this.isShortcut(event)) {
      // The text field gets it, and tells what it became.
      this.useUp();
      return { messages: [], prevent: false };
    }
    return this.keyDown(event);
  }

  modifierDown(event) {
    const { code, repeat } = event;
    if (!this.modifiers.has(code)) this.modifiers.set(code, 'waiting');
    // AltGr makes characters. Windows puts a left Ctrl before it that nobody pressed.
    if (event.key === 'AltGraph' && !this.place) {
      this.modifiers.set(code, 'used');
      if (this.windows && this.modifiers.get('ControlLeft') === 'waiting') this.modifiers.set('ControlLeft', 'used');
    }
    if (!this.place) return { messages: [], prevent: event.key !== 'AltGraph' };
    const messages = this.modifiers.get(code) === 'waiting' ? this.needed() : [];
    return { messages: repeat ? [] : messages, prevent: true };
  }

  keyDown(event) {
    const { code } = event;
    const down = { key: CODES[code] ?? 0, symbol: this.symbol(event), down: true, place: this.place };
    if (down.key === 0 && !down.symbol) return { messages: [], prevent: true };
    const messages = [...this.needed(), { key: down }];
    this.held.set(code || down.symbol, down);
    return { messages, prevent: true };
  }

  /// A key goes up.
  up(event) {
    const { code } = event;
    if (MODIFIERS.includes(code)) return this.modifierUp(code);
    const id = code || this.symbol(event);
    const held = this.held.get(id);
    if (!held) return { messages: [], prevent: false };
    this.held.delete(id);
    return { messages: [{ key: { ...held, down: false } }], prevent: true };
  }

  modifierUp(code) {
    const state = this.modifiers.get(code);
    this.modifiers.delete(code);
    const messages = [];
    if (state === 'sent') {
      // On a Mac no key that went down with Cmd is ever seen to go up.
      if (this.mac && SYMBOLS[code] === 'Meta') messages.push(...this.allUp());
      messages.push({ key: this.modifier(code, false) });
    } else if (state === 'waiting' && !(this.mac && SYMBOLS[code] === 'Meta')) {
      messages.push({ key: this.modifier(code, true) }, { key: this.modifier(code, false) });
    }
    return { messages, prevent: true };
  }

  allUp() {
    const messages = [...this.held.values()].map((held) => ({ key: { ...held, down: false } }));
    this.held.clear();
    return messages;
  }

  /// Characters as the browser made them.
  text(text) {
    this.useUp();
    const characters = [...text.replaceAll('\r\n', '\n')];
    const messages = [];
    for (let at = 0; at < characters.length; at += 1000) messages.push({ text: characters.slice(at, at + 1000).join('') });
    return messages;
  }

  /// The modifiers that wait go before whatever needs them: a key, a button, the wheel.
  needed() {
    const messages = [];
    for (const [code, state] of this.modifiers) {
      if (state !== 'waiting') continue;
      this.modifiers.set(code, 'sent');
      messages.push({ key: this.modifier(code, true) });
    }
    return messages;
  }

  /// Whoever holds Shift and types a capital has not tapped Shift.
  useUp() {
    for (const [code, state] of this.modifiers) if (state === 'waiting') this.modifiers.set(code, 'used');
  }

  modifier(code, down) {
    // Cmd+C at a Mac means what Ctrl+C means elsewhere.
    const as = this.mac && !this.place && SYMBOLS[code] === 'Meta' ? 'ControlLeft' : code;
    return { key: CODES[as], symbol: SYMBOLS[as], down, place: this.place };
  }

  isShortcut(event) {
    const altGr = typeof event.getModifierState === 'function' && event.getModifierState('AltGraph');
    if (altGr) return false;
    if (event.metaKey) return true;
    if (this.mac && event.altKey && !event.ctrlKey) return false;
    // Ctrl+Alt is AltGr by other keys on Windows: what isn't a plain letter or digit was made by it.
    if (this.windows && event.ctrlKey && event.altKey) return /^[a-z0-9]$/i.test(event.key);
    return event.ctrlKey || event.altKey;
  }

  /// The key's name; of a letter that isn't Latin, the Latin letter in its place, as programs take it for shortcuts.
  symbol(event) {
    const { key, code } = event;
    const place = /^Key([A-Z])$/.exec(code ?? '');
    if (place && isCharacter(key) && !/^[\x21-\x7e]$/.test(key) && /\p{L}/u.test(key) && !/\p{Script=Latin}/u.test(key)) {
      return event.shiftKey ? place[1] : place[1].toLowerCase();
    }
    if (key === 'Unidentified') return '';
    return new TextEncoder().encode(key).length <= 32 ? key : '';
  }
}

/// Keys that the browser or the system keeps for itself, to be sent by hand: names and their keys in order.
export const CHORDS = [
  ['Ctrl+Alt+Del', ['ControlLeft', 'AltLeft', 'Delete']],
  ['Super', ['MetaLeft']],
  ['Alt+Tab', ['AltLeft', 'Tab']],
  ['Alt+F4', ['AltLeft', 'F4']],
  ['Print', ['PrintScreen']],
  ['Esc', ['Escape']],
  ['Ctrl+W', ['ControlLeft', 'KeyW']],
  ['Ctrl+T', ['ControlLeft', 'KeyT']],
  ['Ctrl+Alt+F1', ['ControlLeft', 'AltLeft', 'F1']],
  ['Ctrl+Alt+F2', ['ControlLeft', 'AltLeft', 'F2']],
  ['Ctrl+Alt+F7', ['ControlLeft', 'AltLeft', 'F7']],
];

/// A chord's messages: down in order, up in the reverse.
export function chord(codes) {
  const message = (code, down) => {
    const letter = /^Key([A-Z])$/.exec(code);
    const symbol = SYMBOLS[code] ?? (letter ? letter[1].toLowerCase() : code);
    return { key: { key: CODES[code], symbol, down, place: false } };
  };
  return [...codes.map((code) => message(code, true)), ...codes.toReversed().map((code) => message(code, false))];
}
