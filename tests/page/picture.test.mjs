// The picture in memory, without a browser: operations as bytes, and what they make of the pixels.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Picture, Reader } from '../../technician/src/viewer/page/picture.js';

const u16 = (n) => [n & 255, n >> 8];
const u32 = (n) => [n & 255, n >> 8 & 255, n >> 16 & 255, n >>> 24];
const rect = (x, y, width, height) => [...u16(x), ...u16(y), ...u16(width), ...u16(height)];
const RED = 0xff0000ff, GREEN = 0xff00ff00, BLACK = 0xff000000;

/// What the operations make of a black picture, the bytes put in one by one.
function painted(width, height, ...operations) {
  const reader = new Reader(() => Promise.reject(new Error('no JPEG here')));
  const picture = new Picture();
  for (const byte of [1, ...u16(width), ...u16(height), ...operations.flat()]) {
    reader.put(Uint8Array.of(byte));
    for (let op = reader.next(); op !== null; op = reader.next()) picture.apply(op);
  }
  return [...picture.pixels];
}

/// Two colours, red and green, as runs.
const runs = (where, ...data) => [8, ...where, ...u32(7 + data.length), 1, 255, 0, 0, 0, 255, 0, ...data];

test('runs go on from row to row, within their rectangle', () => {
  const pixels = painted(4, 3, runs(rect(1, 0, 3, 3), 126 + 5, 0, 1, 1, 0, 126 + 2, 1));
  assert.deepEqual(pixels, [
    BLACK, RED, RED, RED,
    BLACK, RED, RED, GREEN,
    BLACK, RED, GREEN, GREEN,
  ]);
});

test('a run beyond the last row is refused, and so is a rectangle outside', () => {
  assert.throws(() => painted(4, 3, runs(rect(1, 0, 3, 3), 126 + 10, 0)), /more pixels/);
  assert.throws(() => painted(4, 3, runs(rect(2, 0, 3, 3), 126 + 9, 0)), /outside/);
});

test('fewer pixels than there is room for leave the rest as it was', () => {
  assert.deepEqual(painted(2, 2, runs(rect(0, 0, 2, 2), 126 + 3, 1)), [GREEN, GREEN, GREEN, BLACK]);
});
