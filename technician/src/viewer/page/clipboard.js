// This machine's clipboard and the device's: contents cross when somebody asks for them.

const PART = 48 * 1024;
const MOST = 16 * 1024 * 1024;
/// The device is given so long to take note of what was offered before the keys follow, in milliseconds.
const NOTE = 150;

export class Clipboard {
  /// `sendKeys()` pastes at the device; `notice(text)` says something to the technician.
  constructor({ socket, sendKeys, notice }) {
    Object.assign(this, { socket, sendKeys, notice });
    this.on = false;
    this.remote = null;
    this.remoteAt = -Infinity;
    this.focusedAt = 0;
    this.offered = null;
    this.waiting = null;
    this.parts = [];
    addEventListener('focus', () => { this.focusedAt = performance.now(); });
    document.getElementById('copy').addEventListener('click', () => this.copyHere());
    document.getElementById('paste').addEventListener('click', () => this.pasteThere());
  }

  setOn(on) {
    this.on = on;
    document.getElementById('paste').hidden = !on;
    if (!on) { this.remote = null; this.show(); }
  }

  /// What was copied there since the technician came back to this page is newer than what is here.
  remoteIsNewer() { return this.remote !== null && this.remoteAt > this.focusedAt; }
  wantsPaste() { return this.on && !this.remoteIsNewer(); }

  /// The device has copied something.
  copied({ serial, forms }) {
    const form = forms.find(([name]) => name === 'text') ?? forms.find(([name]) => name === 'png');
    this.remote = form ? { serial, form: form[0], bytes: form[1] } : null;
    this.remoteAt = performance.now();
    this.show();
  }

  show() {
    const there = this.remote;
    document.getElementById('copied').hidden = there === null;
    if (there === null) return;
    const size = there.bytes === null ? '' : `, ${there.bytes < 2000 ? `${there.bytes} B` : `${Math.round(there.bytes / 1000)} kB`}`;
    document.getElementById('copied-text').textContent = `Copied there: ${there.form === 'png' ? 'picture' : 'text'}${size}`;
  }

  /// Fetches it; the browser is given a promise, since by the time it is here the click is long past.
  async copyHere() {
    const there = this.remote;
    if (there === null) return;
    this.parts = [];
    this.fetched?.reject(new Error('again'));
    const content = new Promise((resolve, reject) => { this.fetched = { ...there, resolve, reject }; });
    content.catch(() => {});
    this.socket.say({ copy: { serial: there.serial, form: there.form } });
    const kind = there.form === 'png' ? 'image/png' : 'text/plain';
    try {
      await navigator.clipboard.write([new ClipboardItem({ [kind]: content.then((bytes) => new Blob([bytes], { type: kind })) })]);
      this.offered = null;
      this.remote = null;
      this.show();
      this.notice('Copied to this machine’s clipboard.');
    } catch (error) {
      if (error?.message !== 'again') this.notice(this.refusal ?? 'The browser did not allow to write the clipboard.');
    }
    this.refusal = null;
  }

  /// A part of what was fetched.
  part({ serial, form, last, bytes }) {
    const fetched = this.fetched;
    if (!fetched || fetched.serial !== serial || fetched.form !== form) return;
    this.parts.push(bytes.slice());
    if (!last) return;
    this.fetched = null;
    const blob = new Blob(this.parts);
    this.parts = [];
    blob.arrayBuffer().then((all) => fetched.resolve(new Uint8Array(all)));
  }

  noCopy(why) {
    this.refusal = `That can't be copied: ${why}`;
    this.fetched?.reject(new Error(why));
    this.fetched = null;
  }

  /// The button: reads this clipboard, if the browser lets it.
  async pasteThere() {
    try {
      const forms = new Map();
      for (const item of await navigator.clipboard.read()) {
        for (const [kind, form] of [['text/plain', 'text'], ['image/png', 'png']]) {
          if (item.types.includes(kind) && !forms.has(form)) forms.set(form, new Uint8Array(await (await item.getType(kind)).arrayBuffer()));
        }
      }
      this.offer(forms);
    } catch {
      this.notice('The browser did not allow to read the clipboard: click the screen and press Ctrl+V instead.');
    }
  }

  /// A paste event on the screen.
  async pasted(data) {
    const forms = new Map();
    const text = data.getData('text/plain');
    if (text !== '') forms.set('text', new TextEncoder().encode(text));
    const picture = [...data.files].find((file) => file.type === 'image/png');
    if (picture) forms.set('png', new Uint8Array(await picture.arrayBuffer()));
    this.offer(forms);
  }

  /// Sends what is new to the device, then the keys that paste it.
  offer(forms) {
    const size = [...forms.values()].reduce((sum, bytes) => sum + bytes.length, 0);
    if (size > MOST) { this.notice('That is too large for the clipboard (16 MiB at most).'); return; }
    if (size === 0 || this.isOffered(forms)) { this.sendKeys(); return; }
    for (const [form, bytes] of forms) {
      for (let at = 0; at < bytes.length; at += PART) this.socket.paste(form, at + PART >= bytes.length, bytes.subarray(at, at + PART));
    }
    this.offered = forms;
    this.waiting = 'offer';
    this.socket.say('offer');
  }

  isOffered(forms) {
    const same = (a, b) => a !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);
    return this.offered !== null && this.offered.size === forms.size && [...forms].every(([form, bytes]) => same(this.offered.get(form), bytes));
  }

  /// The device was told. One that takes the content at once says so sooner.
  isOut() {
    if (this.waiting !== 'offer') return;
    this.waiting = 'note';
    setTimeout(() => this.taken(), NOTE);
  }

  taken() {
    if (this.waiting !== 'note') return;
    this.waiting = null;
    this.sendKeys();
  }
}
