// Pointer and keyboard of this page, as far as they go to the device.

import { CHORDS, Keyboard, chord } from '/keys.js';

const BUTTONS = ['primary', 'middle', 'secondary', 'back', 'forward'];
/// Pixels of a wheel event that are one notch, and lines.
const PIXELS = 100, LINES = 3;

export class Input {
  /// `say(message)`; `paste(event)` for a paste into the device; `leave()` and `numbers()` for the page's own keys.
  constructor({ screen, say, paste, leave, numbers, wantsPaste }) {
    Object.assign(this, { screen, say, paste, leave, numbers, wantsPaste });
    this.field = document.getElementById('keys');
    const platform = navigator.userAgentData?.platform ?? navigator.platform;
    this.keyboard = new Keyboard({ mac: /mac/i.test(platform), windows: /win/i.test(platform) });
    this.active = false;
    this.tool = 'control';
    this.pending = null;
    this.wheel = [0, 0];
    this.buttons = new Set();
    this.stroke = 0;
    this.line = null;
    this.listenToPointer(screen.canvas);
    this.listenToKeys(this.field);
    addEventListener('blur', () => this.release());
    document.addEventListener('visibilitychange', () => { if (document.hidden) this.release(); });
  }

  /// Whether the device takes pointer and keyboard.
  setActive(active) {
    if (!active) this.release();
    this.active = active;
    this.field.hidden = !active;
    this.screen.looks(active && this.tool === 'control');
  }

  setTool(tool) {
    this.release();
    this.tool = tool;
    this.screen.looks(this.active && tool === 'control');
  }

  setPlace(place) { this.send(this.keyboard.setPlace(place)); }

  send(messages) { if (this.active) for (const message of messages) this.say(message); }

  release() {
    const held = this.keyboard.release();
    if (held.length > 0 || this.buttons.size > 0) this.send(['release']);
    this.buttons.clear();
    this.field.value = '';
  }

  sendChord(name) {
    const found = CHORDS.find(([label]) => label === name);
    if (found) { this.release(); this.send(chord(found[1])); }
  }

  listenToPointer(canvas) {
    canvas.addEventListener('pointermove', (event) => this.move(event));
    canvas.addEventListener('pointerdown', (event) => {
      event.preventDefault();
      try { canvas.setPointerCapture(event.pointerId); } catch { /* A pointer that is gone already. */ }
      if (this.tool === 'pen') { this.stroke += 1; this.line = []; }
      if (this.tool !== 'control') { this.move(event); return; }
      if (!this.active) return;
      this.field.focus({ preventScroll: true });
      this.button(event, true);
    });
    canvas.addEventListener('pointerup', (event) => {
      if (this.tool === 'pen') { this.flush(); this.line = null; }
      this.button(event, false);
    });
    canvas.addEventListener('pointercancel', () => this.release());
    canvas.addEventListener('contextmenu', (event) => event.preventDefault());
    canvas.addEventListener('auxclick', (event) => event.preventDefault());
    canvas.addEventListener('wheel', (event) => this.scroll(event), { passive: false });
  }

  /// At most one move a frame; a button doesn't wait for it, and goes where the pointer is. With a button held all of
  /// the way counts, not where it ended: a window manager takes a press, one move and a release for a click.
  move(event) {
    const spot = this.screen.spot(event);
    if (this.buttons.size > 0) {
      const way = event.getCoalescedEvents?.() ?? [];
      this.screen.moved();
      this.send((way.length > 0 ? way : [event]).map((part) => ({ move: this.screen.spot(part) })));
      return;
    }
    if (this.tool === 'pen') { if (this.line !== null) this.line.push(spot); } else if (this.tool === 'control' && !this.active) return;
    this.pending = spot;
    if (this.tool === 'control') this.screen.moved();
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => { this.scheduled = false; this.flush(); });
  }

  flush() {
    const spot = this.pending;
    this.pending = null;
    if (this.tool === 'pen') {
      if (this.line === null || this.line.length < 1) return;
      this.screen.stroke(this.line);
      for (let at = 0; at < this.line.length; at += 256) this.say({ stroke: { number: this.stroke, points: this.line.slice(at, at + 256) } });
      // The next piece joins on to this one.
      this.line = this.line.slice(-1);
    } else if (spot !== null && this.tool === 'laser') this.say({ laser: spot });
    else if (spot !== null) this.send([{ move: spot }]);
  }

  button(event, down) {
    const button = BUTTONS[event.button];
    if (!this.active || this.tool !== 'control' || button === undefined) return;
    if (!down && !this.buttons.has(button)) return;
    if (down) this.buttons.add(button); else this.buttons.delete(button);
    this.pending = null;
    this.screen.moved();
    this.send([{ move: this.screen.spot(event) }, ...this.keyboard.needed(), { button: { button, down } }]);
  }

  scroll(event) {
    if (!this.active || this.tool !== 'control') return;
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 120 / LINES : event.deltaMode === 2 ? 120 * 3 : 120 / PIXELS;
    const sums = [this.wheel[0] + event.deltaX * unit, this.wheel[1] + event.deltaY * unit];
    const whole = sums.map((sum) => Math.max(-32768, Math.min(32767, Math.trunc(sum))));
    this.wheel = sums.map((sum, i) => sum - whole[i]);
    if (whole[0] !== 0 || whole[1] !== 0) this.send([...this.keyboard.needed(), { scroll: { x: whole[0], y: whole[1] } }]);
  }

  listenToKeys(field) {
    field.addEventListener('keydown', (event) => {
      if (event.ctrlKey && event.shiftKey && (event.code === 'F12' || event.code === 'F11')) {
        event.preventDefault();
        this.release();
        if (event.code === 'F12') this.leave(); else this.numbers();
        return;
      }
      const pastes = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.code === 'KeyV';
      // The browser hands over what it has to paste; what was meant is sent once the device knows of it.
      if (pastes && !this.keyboard.place && this.wantsPaste()) { this.keyboard.useUp(); return; }
      this.took(this.keyboard.down(event), event);
    });
    field.addEventListener('keyup', (event) => this.took(this.keyboard.up(event), event));
    field.addEventListener('compositionstart', () => { this.keyboard.composing = true; });
    field.addEventListener('compositionend', (event) => {
      this.keyboard.composing = false;
      this.send(this.keyboard.text(event.data));
      field.value = '';
    });
    field.addEventListener('input', (event) => {
      if (event.isComposing || this.keyboard.composing || event.inputType === 'insertCompositionText') return;
      if (event.data !== null && event.inputType.startsWith('insert')) this.send(this.keyboard.text(event.data));
      field.value = '';
    });
    field.addEventListener('paste', (event) => { event.preventDefault(); this.paste(event.clipboardData); });
    field.addEventListener('blur', () => this.release());
  }

  took({ messages, prevent }, event) {
    if (prevent) event.preventDefault();
    this.send(messages);
  }

  /// What Ctrl+V meant, after the device was told of the clipboard.
  sendPaste() { this.release(); this.send(chord(['ControlLeft', 'KeyV'])); }
}
