// The viewer's page in Firefox: that what the technician needs works there, too. All else is tried in Chromium.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { LIMIT, Stage, hashOfScreen } from './stage.mjs';

let firefox, stage, page, complaints;

before(async () => {
  const executablePath = process.env.FIREFOX ?? ['/usr/bin/firefox-esr', '/usr/bin/firefox'].find(existsSync);
  firefox = await puppeteer.launch({ browser: 'firefox', executablePath, headless: true, timeout: 2 * LIMIT });
});
after(() => firefox?.close());
beforeEach(async () => {
  complaints = [];
  stage = await Stage.start();
  page = await firefox.newPage();
  page.setDefaultTimeout(LIMIT);
  await page.setViewport({ width: 1280, height: 760 });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(stage.url);
  await page.waitForFunction(() => document.getElementById('state-title').textContent === 'The screen is not shown');
});
afterEach(async () => {
  await page.close();
  await stage.stop();
  assert.deepEqual(complaints, [], 'the page reported errors');
});

const shows = (hash) => page.waitForFunction(hashOfScreen, { polling: 100 }, hash);

test('what is painted is what the device shows', async () => {
  stage.grant(['view']);
  for (const [name, width, height] of [['text', 1280, 800], ['photo', 500, 301], ['mixed', 1023, 777]]) {
    for (const step of [0, 1, 2]) await shows(await stage.picture(name, width, height, step));
  }
});

test('pointer, keys and text arrive, and chat', async () => {
  const hash = await stage.picture('text', 640, 400);
  stage.grant(['view', 'control']);
  await shows(hash);
  await page.waitForSelector('#keys:not([hidden])');
  const box = await (await page.$('#screen')).boundingBox();
  const from = stage.said.length;
  await page.mouse.click(box.x + 20.5, box.y + 30.5);
  await stage.heard((said) => said.input === 'Button { button: Primary, down: false }', from);
  await page.keyboard.type('Grüße');
  await page.keyboard.press('Enter');
  await page.keyboard.down('Control');
  await page.keyboard.press('c');
  await page.keyboard.up('Control');
  await stage.heard((said) => said.input?.includes('"Control", down: false'), from);
  const inputs = stage.inputs(from);
  // Firefox knows whole pixels of the page only.
  assert.ok(inputs.some((i) => /^Move\(ScreenPoint { x: 2[01], y: 3[01] }\)$/.test(i)), inputs.join('\n'));
  assert.equal(inputs.filter((i) => i.startsWith('Text')).map((i) => JSON.parse(i.slice(5, -1))).join(''), 'Grüße');
  const keys = inputs.filter((i) => i.startsWith('Key')).map((i) => `${i.includes('down: true') ? '+' : '-'}${/symbol: "([^"]*)"/.exec(i)[1]}`);
  assert.equal(keys.join(' '), '+Enter -Enter +Control +c -c -Control');
  await page.focus('#words');
  await page.keyboard.type('done');
  await page.keyboard.press('Enter');
  await stage.heard((said) => said.say === 'done');
});
