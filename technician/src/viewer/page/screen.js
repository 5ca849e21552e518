// The device's screen on this page: operations into pixels, pixels onto the canvas, the pointer, what is drawn.

import { Picture, Reader } from '/picture.js';

const scratch = document.createElement('canvas');
const scratchContext = scratch.getContext('2d', { willReadFrequently: true });

async function decodeJpeg(bytes, width, height) {
  const blob = new Blob([bytes], { type: 'image/jpeg' });
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  try {
    if (bitmap.width !== width || bitmap.height !== height) throw new Error('size of a JPEG');
    if (scratch.width < width || scratch.height < height) {
      scratch.width = Math.max(scratch.width, width);
      scratch.height = Math.max(scratch.height, height);
    }
    scratchContext.drawImage(bitmap, 0, 0);
    return scratchContext.getImageData(0, 0, width, height).data;
  } finally {
    bitmap.close();
  }
}

export class Screen {
  /// `painted(end, micros)` is told of each frame that is on the canvas; `broken()` of operations that make no sense.
  constructor({ painted, broken, resized }) {
    this.on = { painted, broken, resized };
    this.frame = document.getElementById('frame');
    this.canvas = document.getElementById('screen');
    this.context = this.canvas.getContext('2d', { willReadFrequently: true, alpha: false });
    this.ink = document.getElementById('ink');
    this.pointer = document.getElementById('remote-pointer');
    this.scale = 'fit';
    this.hot = [0, 0];
    this.at = null;
    this.ownMove = -Infinity;
    this.clear();
    new ResizeObserver(() => this.layout()).observe(document.getElementById('stage'));
  }

  /// Nothing is shown and nothing taken until `begin`.
  clear() {
    this.generation = (this.generation ?? 0) + 1;
    this.accepting = false;
    this.reader = new Reader(decodeJpeg);
    this.picture = new Picture();
    this.queue = [];
    this.ends = [];
    this.working = false;
    this.asked = false;
    this.canvas.width = 1;
    this.canvas.height = 1;
    this.frame.hidden = true;
    this.pointer.hidden = true;
    this.wipe();
  }

  /// A new beginning: what was shown stays until the first new frame.
  begin() {
    this.generation += 1;
    this.accepting = true;
    this.reader = new Reader(decodeJpeg);
    this.queue = [];
    this.ends = [];
    this.working = false;
  }

  operations(bytes) {
    if (!this.accepting) return;
    try {
      this.reader.put(bytes);
      for (let op = this.reader.next(); op !== null; op = this.reader.next()) this.queue.push(op);
    } catch { this.fail(); return; }
    if (!this.working) this.work(this.generation);
  }

  async work(generation) {
    this.working = true;
    try {
      while (this.queue.length > 0) {
        const op = this.queue.shift();
        if (op.kind === 7) { this.ends.push({ ...op, at: performance.now() }); this.askToPaint(); continue; }
        const wait = this.picture.apply(op);
        if (wait !== undefined) {
          await wait;
          if (generation !== this.generation) return;
        }
        if (op.kind === 1) this.resized();
      }
    } catch {
      if (generation === this.generation) this.fail();
      return;
    }
    this.working = false;
  }

  fail() {
    this.accepting = false;
    this.on.broken();
  }

  resized() {
    const { width, height } = this.picture;
    this.image = new ImageData(this.picture.rgba, width, height);
    for (const canvas of [this.canvas, this.ink]) { canvas.width = width; canvas.height = height; }
    this.frame.hidden = false;
    this.layout();
    this.on.resized();
  }

  askToPaint() {
    if (document.hidden) { this.paint(); return; }
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.paint(); });
  }

  paint() {
    const dirty = this.picture.dirty;
    if (dirty !== null) {
      this.picture.dirty = null;
      const { left, top, right, bottom } = dirty;
      this.context.putImageData(this.image, 0, 0, left, top, right - left, bottom - top);
    }
    const now = performance.now();
    for (const end of this.ends.splice(0)) this.on.painted(end, Math.round((now - end.at) * 1000));
  }

  setScale(scale) { this.scale = scale; this.layout(); }

  layout() {
    const { width, height } = this.picture;
    if (width === 0) return;
    const stage = document.getElementById('stage');
    const scale = this.scale === 'fit'
      ? Math.min(1, stage.clientWidth / width, stage.clientHeight / height)
      : Number(this.scale) / (this.scale === '1' ? devicePixelRatio : 1);
    this.factor = scale;
    this.canvas.style.width = `${width * scale}px`;
    this.canvas.style.height = `${height * scale}px`;
    this.canvas.style.imageRendering = scale >= 2 ? 'pixelated' : 'auto';
    this.movePointer();
  }

  /// Where on the picture an event happened.
  spot({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    const within = (at, size) => Math.max(0, Math.min(size - 1, Math.floor(at * size)));
    return [within((clientX - box.left) / box.width, this.picture.width), within((clientY - box.top) / box.height, this.picture.height)];
  }

  /// The device's pointer looks like this.
  cursor({ width, height, hot, rgba }) {
    this.hot = hot;
    if (width < 1 || height < 1) { this.look = null; this.looks(); return; }
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    const bytes = Uint8ClampedArray.from(atob(rgba), (c) => c.charCodeAt(0));
    canvas.getContext('2d').putImageData(new ImageData(bytes, width, height), 0, 0);
    this.look = canvas.toDataURL();
    this.pointer.src = this.look;
    this.looks();
  }

  /// `own`: the technician's pointer is the device's.
  looks(own = this.own) {
    this.own = own;
    const [x, y] = this.hot;
    this.canvas.style.cursor = !own ? 'default' : this.look ? `url(${this.look}) ${x} ${y}, default` : this.look === null ? 'none' : 'default';
    this.movePointer();
  }

  cursorAt(at) { this.at = at; this.movePointer(); }

  /// The technician moved it: it is where their own pointer is, and no longer where the device said that it was.
  moved() { this.ownMove = performance.now(); this.at = null; this.pointer.hidden = true; }

  movePointer() {
    const byOther = !this.own || performance.now() - this.ownMove > 500;
    this.pointer.hidden = this.at === null || !byOther || !this.look || this.frame.hidden;
    if (this.pointer.hidden) return;
    const [x, y] = this.at, [hotX, hotY] = this.hot;
    this.pointer.style.left = `${x * this.factor - hotX}px`;
    this.pointer.style.top = `${y * this.factor - hotY}px`;
  }

  /// A line that the technician draws.
  stroke(points) {
    const context = this.ink.getContext('2d');
    context.strokeStyle = '#ff2d2d';
    context.lineWidth = Math.max(2, 3 / this.factor);
    context.lineCap = 'round';
    context.beginPath();
    points.forEach(([x, y], i) => (i === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
    context.stroke();
  }

  wipe() { this.ink.getContext('2d').clearRect(0, 0, this.ink.width, this.ink.height); }
}
