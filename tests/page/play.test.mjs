// The playback page, by the keyboard alone: `nearhand play` as it is, with a recording of which each second has its own
// colour.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { LIMIT, browser, isAccessible, target } from './stage.mjs';

/// Its last second.
const LAST = 29;
let chromium, directory, file, player, context, page, complaints;

before(async () => {
  chromium = await browser();
  directory = mkdtempSync(join(tmpdir(), 'nearhand-play-'));
  file = join(directory, 'till.nearhand');
  execFileSync(`${target}/debug/examples/stage`, ['record', file]);
});
after(async () => {
  await chromium.close();
  rmSync(directory, { recursive: true });
});

beforeEach(async () => {
  complaints = [];
  player = spawn(`${target}/debug/nearhand`, ['--home', join(directory, 'home'), '--json', 'play', file, '--no-open'], { stdio: ['ignore', 'pipe', 'ignore'] });
  player.ended = new Promise((resolve) => player.on('exit', resolve));
  const lines = createInterface({ input: player.stdout });
  const url = await new Promise((resolve, reject) => {
    lines.on('line', (line) => { const said = JSON.parse(line); if (said.event === 'player') resolve(said.url); });
    player.ended.then((code) => reject(new Error(`the player ended with ${code}`)));
  });
  context = await chromium.newContext({ viewport: { width: 1100, height: 760 } });
  context.setDefaultTimeout(LIMIT);
  page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });
  await page.goto(url);
  await page.waitForFunction(() => document.getElementById('state').hidden);
});

afterEach(async () => {
  await context.close();
  player.kill('SIGINT');
  await player.ended;
  assert.deepEqual(complaints, [], 'the page reported errors');
});

const press = (key) => page.keyboard.press(key);
const says = (id, text) => page.waitForFunction(([id, text]) => document.getElementById(id).textContent === text, [id, text]);
const has = (id, value) => page.waitForFunction(([id, value]) => document.getElementById(id).value === value, [id, value]);

/// The second whose colour the screen has, or whether that is at least so much. Runs in the page.
function secondShown(least = null) {
  const canvas = document.getElementById('screen');
  const [red, green, blue] = canvas.getContext('2d').getImageData(10, 10, 1, 1).data;
  const second = blue === 77 && red % 8 === 0 && green === 255 - red ? red / 8 : -1;
  return least === null ? second : second >= least;
}

/// Waits for that second, which is also the player's word.
async function at(second) {
  const deadline = Date.now() + LIMIT;
  const wanted = [second, `00:${String(second === LAST ? LAST + 1 : second).padStart(2, '0')} / 00:30`];
  let now = null;
  while (Date.now() < deadline) {
    now = [await page.evaluate(secondShown), await page.textContent('#time')];
    if (now.every((one, i) => one === wanted[i])) return;
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  assert.deepEqual(now, wanted);
}

/// Stopped, at the beginning.
async function atRest() {
  if (await page.textContent('#pause') === 'Pause') await press('Space');
  await says('pause', 'Play');
  await press('Home');
  await at(0);
}

test('keys play, stop and go to any moment', async () => {
  assert.equal(await page.textContent('#device'), 'till 3');
  assert.match(await page.textContent('#verdict'), /Whole and unchanged, 00:30/);
  await atRest();
  await press('ArrowRight');
  await at(5);
  await press('ArrowRight');
  await at(10);
  await press('ArrowLeft');
  await at(5);
  // Stopped is stopped: what comes next is what is asked for next, not the next second.
  await press('End');
  await at(LAST);
  await press('ArrowRight');
  await at(LAST);
  await press('Home');
  await at(0);
  await press('ArrowLeft');
  await at(0);
  // Playing shows the seconds one after the other.
  await press('8');
  await has('speed', '8');
  await press('Space');
  await says('pause', 'Pause');
  await page.waitForFunction(secondShown, 4);
  await press('Space');
  await says('pause', 'Play');
  const stopped = await page.evaluate(secondShown);
  assert.ok(stopped > 3 && stopped < LAST, `stopped at ${stopped}`);
  await press('1');
  await has('speed', '1');
});

test('each control is reached by Tab, has its name, and works by its keys', async () => {
  await atRest();
  await page.evaluate(() => document.activeElement.blur());
  const reached = [];
  for (let i = 0; i < 5; i += 1) {
    await press('Tab');
    reached.push(await page.evaluate(() => {
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(document.activeElement);
      const visible = (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none';
      return [document.activeElement.id, visible];
    }));
  }
  assert.deepEqual(reached, ['pause', 'place', 'speed', 'skip', 'scale'].map((id) => [id, true]));
  // A button is pressed once by Space, not once by itself and once by the page.
  await page.focus('#pause');
  await press('Space');
  await says('pause', 'Pause');
  await press('Enter');
  await says('pause', 'Play');
  await press('Home');
  await at(0);
  await page.focus('#place');
  await press('ArrowRight');
  await at(5);
  assert.equal(await page.getAttribute('#place', 'aria-valuetext'), '00:05 of 00:30');
  await page.focus('#skip');
  const skips = await page.isChecked('#skip');
  await press('Space');
  await page.waitForFunction((before) => document.getElementById('skip').checked !== before, skips);
  await press('s');
  await page.waitForFunction((before) => document.getElementById('skip').checked === before, skips);
  assert.equal(await page.textContent('#pause'), 'Play', 'Space on the box does not play');
});

test('no violation of WCAG that axe can find, light and dark, wide and narrow, stopped, playing and over', async () => {
  await atRest();
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    for (const [width, height] of [[1100, 760], [400, 700]]) {
      await page.setViewportSize({ width, height });
      await isAccessible(context, page, `stopped, ${colorScheme}, ${width} wide`);
      if (process.env.NEARHAND_SHOTS) await page.screenshot({ path: join(process.env.NEARHAND_SHOTS, `play-${colorScheme}-${width}.png`) });
    }
  }
  await press('Space');
  await says('pause', 'Pause');
  await isAccessible(context, page, 'playing');
  player.kill('SIGINT');
  await says('state-title', 'The player’s program does not answer');
  await isAccessible(context, page, 'over');
  assert.equal(await player.ended, 0);
});
