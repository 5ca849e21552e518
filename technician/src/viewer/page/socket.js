// The conversation with the program that serves this page.

/// What lets this page in, for the tabs of this address alone: a browser would send a cookie to every port of this machine.
const PASS = 'pass';
let pass = '';

function stored() {
  try { return localStorage.getItem(PASS) ?? ''; } catch { return ''; }
}

/// Exchanges the token of the address for the pass, and takes it out of the address bar and the history.
export async function enter() {
  const token = location.hash.slice(1);
  pass = stored();
  if (token === '') return true;
  history.replaceState(null, '', '/');
  const answer = await fetch('/enter', { method: 'POST', body: token, credentials: 'omit' });
  if (!answer.ok) return false;
  pass = await answer.text();
  // A browser that keeps nothing has to stay in this tab.
  try { localStorage.setItem(PASS, pass); } catch { /* nothing is kept */ }
  return true;
}

/// Talks until either end is gone. `on` has: say(message), operations(bytes), copied(part), closed(opened).
export class Socket {
  constructor(on) {
    this.on = on;
    this.opened = false;
    this.socket = new WebSocket(`ws://${location.host}/socket`);
    this.socket.binaryType = 'arraybuffer';
    this.socket.addEventListener('open', () => { this.socket.send(pass); });
    this.socket.addEventListener('close', () => on.closed(this.opened));
    this.socket.addEventListener('message', ({ data }) => {
      // Whom the program doesn't know hears nothing of it.
      this.opened = true;
      if (typeof data === 'string') on.say(JSON.parse(data));
      else this.binary(new Uint8Array(data));
    });
  }

  binary(bytes) {
    if (bytes[0] === 1) this.on.operations(bytes.subarray(1));
    else if (bytes[0] === 2) {
      const serial = new DataView(bytes.buffer).getUint32(3, true);
      this.on.copied({ form: bytes[1] === 1 ? 'png' : 'text', last: bytes[2] === 1, serial, bytes: bytes.subarray(7) });
    }
  }

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /// A part of what this clipboard holds.
  paste(form, last, bytes) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    const part = new Uint8Array(bytes.length + 2);
    part[0] = form === 'png' ? 1 : 0;
    part[1] = last ? 1 : 0;
    part.set(bytes, 2);
    this.socket.send(part);
  }
}
