// The keyboard's logic: what browsers report on layouts of the technician's side, and what the device is told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHORDS, CODES, Keyboard, chord } from '../../technician/src/viewer/page/keys.js';

/// A keyboard event as browsers make it. `mods`: a letter each for Ctrl, Shift, Alt, Meta, and G for AltGr.
function event(code, key, mods = '', more = {}) {
  return {
    code, key, repeat: false, isComposing: false, ctrlKey: mods.includes('C'), shiftKey: mods.includes('S'), altKey: mods.includes('A'),
    metaKey: mods.includes('M'), getModifierState: (name) => name === 'AltGraph' && mods.includes('G'), ...more,
  };
}

/// Plays steps: ['down' | 'up', code, key, mods, more] or ['text', characters]. Messages in short: '+Control' and '-c'
/// are keys, '"x"' is text.
function play(steps, options = {}, place = false) {
  const keyboard = new Keyboard(options);
  keyboard.setPlace(place);
  const short = (message) => {
    if (message === 'release') return 'release';
    if ('text' in message) return JSON.stringify(message.text);
    const { key, symbol, down, place: byPlace } = message.key;
    return `${down ? '+' : '-'}${byPlace ? `#${key}` : symbol}`;
  };
  const out = [];
  for (const [what, code, key, mods, more] of steps) {
    const messages = what === 'text' ? keyboard.text(code)
      : what === 'release' ? keyboard.release()
        : keyboard[what](event(code, key, mods, more)).messages;
    out.push(...messages.map(short));
  }
  return out.join(' ');
}

/// A key that makes a character: the browser reports it, then puts it into the field.
const types = (code, key, mods = '') => [['down', code, key, mods], ['text', key], ['up', code, key, mods]];
const shift = (...inner) => [['down', 'ShiftLeft', 'Shift', 'S'], ...inner, ['up', 'ShiftLeft', 'Shift']];
const altGr = (...inner) => [['down', 'AltRight', 'AltGraph', 'G'], ...inner, ['up', 'AltRight', 'AltGraph']];
/// As Windows reports AltGr.
const altGrWindows = (...inner) => [['down', 'ControlLeft', 'Control', 'C'], ['down', 'AltRight', 'AltGraph', 'CAG'], ...inner, ['up', 'ControlLeft', 'Control'], ['up', 'AltRight', 'AltGraph']];
const dead = (code, mods = '') => [['down', code, 'Dead', mods], ['up', code, 'Dead', mods]];

const LAYOUTS = [
  ['us: a letter', types('KeyA', 'a'), '"a"'],
  ['us: a capital', shift(...types('KeyA', 'A', 'S')), '"A"'],
  ['us: a shortcut', [['down', 'ControlLeft', 'Control', 'C'], ['down', 'KeyC', 'c', 'C'], ['up', 'KeyC', 'c', 'C'], ['up', 'ControlLeft', 'Control']], '+Control +c -c -Control'],
  ['us: Ctrl+Shift+T', [['down', 'ControlLeft', 'Control', 'C'], ['down', 'ShiftLeft', 'Shift', 'CS'], ['down', 'KeyT', 'T', 'CS'], ['up', 'KeyT', 'T', 'CS'], ['up', 'ShiftLeft', 'Shift', 'C'], ['up', 'ControlLeft', 'Control']], '+Control +Shift +T -T -Shift -Control'],
  ['us: Enter, Tab, arrows', [['down', 'Enter', 'Enter'], ['up', 'Enter', 'Enter'], ['down', 'Tab', 'Tab'], ['up', 'Tab', 'Tab'], ['down', 'ArrowUp', 'ArrowUp'], ['up', 'ArrowUp', 'ArrowUp']], '+Enter -Enter +Tab -Tab +ArrowUp -ArrowUp'],
  ['us: Shift+Home marks', shift(['down', 'Home', 'Home', 'S'], ['up', 'Home', 'Home', 'S']), '+Shift +Home -Home -Shift'],
  ['us: Super alone', [['down', 'MetaLeft', 'Meta', 'M'], ['up', 'MetaLeft', 'Meta']], '+Meta -Meta'],
  ['us: Alt alone opens a menu', [['down', 'AltLeft', 'Alt', 'A'], ['up', 'AltLeft', 'Alt']], '+Alt -Alt'],
  ['us: Shift alone, after a capital, is not tapped', shift(...types('Digit1', '!', 'S')), '"!"'],
  ['us: a held letter repeats', [['down', 'KeyA', 'a'], ['text', 'a'], ['down', 'KeyA', 'a', '', { repeat: true }], ['text', 'a'], ['up', 'KeyA', 'a']], '"a" "a"'],
  ['us: the lock of capitals stays here', [['down', 'CapsLock', 'CapsLock'], ['up', 'CapsLock', 'CapsLock'], ...types('KeyA', 'A')], '"A"'],
  ['de: z where us has y', types('KeyY', 'z'), '"z"'],
  ['de: Ctrl+Z by name', [['down', 'ControlLeft', 'Control', 'C'], ['down', 'KeyY', 'z', 'C'], ['up', 'KeyY', 'z', 'C'], ['up', 'ControlLeft', 'Control']], '+Control +z -z -Control'],
  ['de: an umlaut', types('Semicolon', 'ö'), '"ö"'],
  ['de: @ by AltGr', altGr(...types('KeyQ', '@', 'G')), '"@"'],
  ['de: @ by AltGr on Windows', altGrWindows(...types('KeyQ', '@', 'CAG')), '"@"', { windows: true }],
  ['de: @ by Ctrl+Alt on Windows', [['down', 'ControlLeft', 'Control', 'C'], ['down', 'AltLeft', 'Alt', 'CA'], ...types('KeyQ', '@', 'CA'), ['up', 'AltLeft', 'Alt', 'C'], ['up', 'ControlLeft', 'Control']], '"@"', { windows: true }],
  ['de: Ctrl+Alt+T on Windows is a shortcut', [['down', 'ControlLeft', 'Control', 'C'], ['down', 'AltLeft', 'Alt', 'CA'], ['down', 'KeyT', 't', 'CA'], ['up', 'KeyT', 't', 'CA'], ['up', 'AltLeft', 'Alt', 'C'], ['up', 'ControlLeft', 'Control']], '+Control +Alt +t -t -Alt -Control', { windows: true }],
  ['fr: a where us has q', types('KeyQ', 'a'), '"a"'],
  ['fr: Ctrl+A by name', [['down', 'ControlLeft', 'Control', 'C'], ['down', 'KeyQ', 'a', 'C'], ['up', 'KeyQ', 'a', 'C'], ['up', 'ControlLeft', 'Control']], '+Control +a -a -Control'],
  ['fr: a digit needs Shift', shift(...types('Digit1', '1', 'S')), '"1"'],
  ['fr: ê of two keys', [...dead('BracketLeft'), ['down', 'KeyE', 'ê', '', { isComposing: true }], ['text', 'ê'], ['up', 'KeyE', 'e']], '"ê"'],
  ['es: ñ', types('Semicolon', 'ñ'), '"ñ"'],
  ['es: á of two keys, the second reported whole', [...dead('Quote'), ...types('KeyA', 'á')], '"á"'],
  ['es: ¿ with Shift', shift(...types('Equal', '¿', 'S')), '"¿"'],
  ['se: å', types('BracketLeft', 'å'), '"å"'],
  ['se: { by AltGr', altGr(...types('Digit7', '{', 'G')), '"{"'],
  ['pl: ą by AltGr', altGr(...types('KeyA', 'ą', 'G')), '"ą"'],
  ['pl: ą by AltGr on Windows', altGrWindows(...types('KeyA', 'ą', 'CAG')), '"ą"', { windows: true }],
  ['pl: Ż with both', shift(...altGr(...types('KeyZ', 'Ż', 'SG'))), '"Ż"'],
  ['ru: a letter', types('KeyF', 'а'), '"а"'],
  ['ru: Ctrl+С is taken for Ctrl+C', [['down', 'ControlLeft', 'Control', 'C'], ['down', 'KeyC', 'с', 'C'], ['up', 'KeyC', 'с', 'C'], ['up', 'ControlLeft', 'Control']], '+Control +c -c -Control'],
  ['jp: what the input method made', [['down', 'KeyK', 'Process', '', { keyCode: 229 }], ['down', 'KeyA', 'Process', '', { keyCode: 229, isComposing: true }], ['up', 'KeyA', 'a'], ['text', '漢字']], '"漢字"'],
  ['jp: Convert goes as a key', [['down', 'Convert', 'Convert'], ['up', 'Convert', 'Convert']], '+Convert -Convert'],
  ['mac: Cmd+C is Ctrl+C there', [['down', 'MetaLeft', 'Meta', 'M'], ['down', 'KeyC', 'c', 'M'], ['up', 'MetaLeft', 'Meta']], '+Control +c -c -Control', { mac: true }],
  ['mac: @ by Option', [['down', 'AltLeft', 'Alt', 'A'], ...types('KeyL', '@', 'A'), ['up', 'AltLeft', 'Alt']], '"@"', { mac: true }],
];

for (const [name, steps, wanted, options] of LAYOUTS) test(name, () => assert.equal(play(steps, options), wanted));

test('by place, everything goes as a key at once', () => {
  const steps = [...shift(['down', 'KeyW', 'W', 'S'], ['up', 'KeyW', 'W', 'S']), ['down', 'CapsLock', 'CapsLock'], ['up', 'CapsLock', 'CapsLock']];
  assert.equal(play(steps, {}, true), '+#42 +#17 -#17 -#42 +#58 -#58');
});

test('what is held is let go of when the focus goes, and only then', () => {
  const held = [['down', 'ControlLeft', 'Control', 'C'], ['down', 'ArrowUp', 'ArrowUp', 'C']];
  assert.equal(play([...held, ['release'], ['release'], ['up', 'ArrowUp', 'ArrowUp']]), '+Control +ArrowUp release');
  assert.equal(play([['down', 'ControlLeft', 'Control', 'C'], ['release'], ['up', 'ControlLeft', 'Control']]), '');
});

test('a modifier waits for the button or the wheel that needs it', () => {
  const keyboard = new Keyboard();
  keyboard.down(event('ControlLeft', 'Control', 'C'));
  assert.deepEqual(keyboard.needed(), [{ key: { key: 29, symbol: 'Control', down: true, place: false } }]);
  assert.deepEqual(keyboard.needed(), []);
  assert.equal(keyboard.up(event('ControlLeft', 'Control')).messages.length, 1);
});

test('long text goes in pieces', () => {
  const messages = new Keyboard().text('😀'.repeat(2500));
  assert.deepEqual(messages.map(({ text }) => [...text].length), [1000, 1000, 500]);
});

test('the browser keeps what makes a character and gives up the rest', () => {
  const keyboard = new Keyboard();
  assert.equal(keyboard.down(event('KeyA', 'a')).prevent, false);
  assert.equal(keyboard.down(event('F5', 'F5')).prevent, true);
  assert.equal(keyboard.down(event('KeyW', 'w', 'C')).prevent, true);
  assert.equal(keyboard.down(event('Quote', 'Dead')).prevent, false);
});

test('every chord is of keys that have a code, and lets go of all of them', () => {
  for (const [name, codes] of CHORDS) {
    const messages = chord(codes);
    assert.equal(messages.length, 2 * codes.length, name);
    for (const { key } of messages) assert.ok(key.key > 0 && key.symbol !== '', `${name}: ${JSON.stringify(key)}`);
    for (const code of codes) assert.ok(code in CODES, `${name}: ${code}`);
  }
});
