// The picture: reads the operations that `ops.rs` writes, and carries them out on pixels in memory.
// Pure but for JPEG, which the browser decodes: whoever makes a Reader says how. Knows no page and no canvas.

/// The longest operation without a JPEG is a strip of 48 KiB and its head.
const MAX_SIDE = 16384;
const MAX_PIXELS = 4 * 3840 * 2160;

/// Bytes that come in pieces, read as one stream.
class Bytes {
  constructor() { this.pieces = []; this.held = 0; this.at = 0; }
  put(piece) { this.pieces.push(piece); this.held += piece.length; }
  /// `length` bytes at the front without taking them, or null while they aren't there.
  peek(length) {
    if (this.held < length) return null;
    const first = this.pieces[0];
    if (first.length - this.at >= length) return first.subarray(this.at, this.at + length);
    // Over the edge of a piece: the pieces that are needed become one.
    const joined = new Uint8Array(this.pieces.slice(0, this.reach(length)).reduce((sum, p) => sum + p.length, 0) - this.at);
    let to = 0, used = 0;
    for (const piece of this.pieces) {
      if (to >= length) break;
      const part = used === 0 ? piece.subarray(this.at) : piece;
      joined.set(part, to);
      to += part.length;
      used += 1;
    }
    this.pieces.splice(0, used, joined);
    this.at = 0;
    return joined.subarray(0, length);
  }
  reach(length) {
    let sum = -this.at, count = 0;
    for (const piece of this.pieces) { sum += piece.length; count += 1; if (sum >= length) break; }
    return count;
  }
  take(length) {
    const bytes = this.peek(length);
    if (bytes === null) return null;
    this.at += length;
    this.held -= length;
    if (this.at === this.pieces[0].length) { this.pieces.shift(); this.at = 0; }
    return bytes;
  }
}

const u16 = (b, at) => b[at] | b[at + 1] << 8;
const u32 = (b, at) => (b[at] | b[at + 1] << 8 | b[at + 2] << 16 | b[at + 3] << 24) >>> 0;
/// A pixel as an ImageData's memory holds it on little-endian machines, which all are that run a browser.
const pixel = (r, g, b) => (0xff000000 | b << 16 | g << 8 | r) >>> 0;

const HEADS = { 1: 5, 2: 13, 3: 12, 4: 11, 5: 9, 6: 13, 7: 34, 8: 13 };

/// Cuts the stream into operations. `decodeJpeg(bytes, width, height)` gives a promise of its RGBA bytes, and is begun as
/// soon as the bytes are there, so that several are decoded beside each other.
export class Reader {
  constructor(decodeJpeg) { this.bytes = new Bytes(); this.decodeJpeg = decodeJpeg; }
  put(piece) { this.bytes.put(piece); }

  /// The next operation, or null until more bytes have come. Throws on nonsense.
  next() {
    const first = this.bytes.peek(1);
    if (first === null) return null;
    const kind = first[0];
    const head = HEADS[kind];
    if (head === undefined) throw new Error(`operation ${kind}`);
    const h = this.bytes.peek(head);
    if (h === null) return null;
    const length = head + Reader.more(kind, h);
    const b = this.bytes.take(length);
    return b === null ? null : this.made(kind, b);
  }

  /// Bytes after the head.
  static more(kind, h) {
    const width = u16(h, 5), height = u16(h, 7);
    if (kind === 4) {
      if (![1, 2, 4, 8].includes(h[9])) throw new Error('bits of an index');
      return (h[10] + 1) * 3 + Math.ceil(width / (8 / h[9])) * height;
    }
    if (kind === 5) return width * height * 3;
    if (kind === 6 || kind === 8) return u32(h, 9);
    return 0;
  }

  made(kind, b) {
    if (kind === 1) return { kind, width: u16(b, 1), height: u16(b, 3) };
    if (kind === 7) {
      const names = ['epoch', 'frame', 'waited', 'capture', 'encode', 'arrival', 'decode', 'bytes'];
      const end = { kind, exact: b[1] === 1 };
      names.forEach((name, i) => { end[name] = u32(b, 2 + 4 * i); });
      return end;
    }
    const op = { kind, x: u16(b, 1), y: u16(b, 3), width: u16(b, 5), height: u16(b, 7) };
    if (kind === 2) { op.toX = u16(b, 9); op.toY = u16(b, 11); }
    if (kind === 3) op.color = pixel(b[9], b[10], b[11]);
    if (kind === 4) { op.bits = b[9]; op.colors = b[10] + 1; op.data = b.slice(11); }
    if (kind === 5) op.data = b.slice(9);
    if (kind === 8) op.data = b.slice(13);
    if (kind === 6) {
      op.rgba = this.decodeJpeg(b.slice(13), op.width, op.height);
      // Looked at later; a failure meanwhile is no unhandled one.
      op.rgba.catch(() => {});
    }
    return op;
  }
}

/// Pixels in memory, and the rectangle of them that isn't painted yet.
export class Picture {
  constructor() { this.width = 0; this.height = 0; this.rgba = new Uint8ClampedArray(0); this.pixels = new Uint32Array(0); this.dirty = null; }

  /// Carries out an operation; a promise where it isn't done at once (JPEG). What lies outside is refused.
  apply(op) {
    if (op.kind === 1) return this.resize(op.width, op.height);
    this.check(op.x, op.y, op.width, op.height);
    if (op.kind === 2) this.copy(op);
    else if (op.kind === 3) this.fill(op);
    else if (op.kind === 4) this.indexed(op);
    else if (op.kind === 5) this.raw(op);
    else if (op.kind === 8) this.runs(op);
    else if (op.kind === 6) return op.rgba.then((rgba) => this.put(op, rgba));
    return undefined;
  }

  resize(width, height) {
    if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS) throw new Error('size');
    this.width = width;
    this.height = height;
    this.rgba = new Uint8ClampedArray(width * height * 4);
    this.pixels = new Uint32Array(this.rgba.buffer);
    this.pixels.fill(0xff000000);
    this.dirty = null;
    this.touch(0, 0, width, height);
  }

  check(x, y, width, height) {
    if (width < 1 || height < 1 || x + width > this.width || y + height > this.height) throw new Error('outside');
  }

  touch(x, y, width, height) {
    const d = this.dirty;
    if (d === null) { this.dirty = { left: x, top: y, right: x + width, bottom: y + height }; return; }
    d.left = Math.min(d.left, x);
    d.top = Math.min(d.top, y);
    d.right = Math.max(d.right, x + width);
    d.bottom = Math.max(d.bottom, y + height);
  }

  /// As memmove: rows are read before they are written over.
  copy({ x, y, width, height, toX, toY }) {
    this.check(toX, toY, width, height);
    const down = toY > y;
    for (let i = 0; i < height; i++) {
      const row = down ? height - 1 - i : i;
      const from = (y + row) * this.width + x;
      this.pixels.copyWithin((toY + row) * this.width + toX, from, from + width);
    }
    this.touch(toX, toY, width, height);
  }

  fill({ x, y, width, height, color }) {
    for (let row = y; row < y + height; row++) this.pixels.fill(color, row * this.width + x, row * this.width + x + width);
    this.touch(x, y, width, height);
  }

  indexed({ x, y, width, height, bits, colors, data }) {
    const palette = new Uint32Array(256).fill(0xff000000);
    for (let i = 0; i < colors; i++) palette[i] = pixel(data[3 * i], data[3 * i + 1], data[3 * i + 2]);
    let at = colors * 3;
    const mask = (1 << bits) - 1, pixels = this.pixels;
    for (let row = y; row < y + height; row++) {
      let to = row * this.width + x;
      const end = to + width;
      while (to < end) {
        let byte = data[at++];
        for (let left = 8; left > 0 && to < end; left -= bits) { pixels[to++] = palette[byte & mask]; byte >>= bits; }
      }
    }
    this.touch(x, y, width, height);
  }

  runs({ x, y, width, height, data }) {
    const palette = new Uint32Array(256).fill(0xff000000);
    let at = 1;
    for (let i = 0; i <= data[0]; i++, at += 3) palette[i] = pixel(data[at], data[at + 1], data[at + 2]);
    const pixels = this.pixels, skip = this.width - width, last = (y + height) * this.width;
    // Where the next pixel goes, and where its row ends.
    let to = y * this.width + x, end = to + width;
    const length = data.length;
    while (at < length) {
      const n = data[at++];
      let left = n < 128 ? n + 1 : n - 126;
      const color = n < 128 ? 0 : palette[data[at++]];
      while (left > 0) {
        if (to === end) { to += skip; end = to + width; }
        if (end > last) throw new Error('more pixels than there is room for');
        const stop = Math.min(end, to + left);
        left -= stop - to;
        if (n >= 128) pixels.fill(color, to, stop), to = stop;
        else while (to < stop) pixels[to++] = palette[data[at++]];
      }
    }
    this.touch(x, y, width, height);
  }

  raw({ x, y, width, height, data }) {
    const pixels = this.pixels;
    let at = 0;
    for (let row = y; row < y + height; row++) {
      const end = row * this.width + x + width;
      for (let to = end - width; to < end; to++) { pixels[to] = pixel(data[at], data[at + 1], data[at + 2]); at += 3; }
    }
    this.touch(x, y, width, height);
  }

  put({ x, y, width, height }, rgba) {
    if (rgba.length !== width * height * 4) throw new Error('size of a JPEG');
    // The picture may have become another meanwhile.
    this.check(x, y, width, height);
    for (let row = 0; row < height; row++) {
      this.rgba.set(rgba.subarray(row * width * 4, (row + 1) * width * 4), ((y + row) * this.width + x) * 4);
    }
    this.touch(x, y, width, height);
  }
}
