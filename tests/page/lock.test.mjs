// Full screen with Keyboard Lock, in a Chromium with a window, on keys that an X server makes: those that browsers and
// window managers keep for themselves go to the device, and holding Escape gives the keyboard back.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { LIMIT, Stage, browser, shows } from './stage.mjs';

let server, manager, display, chromium, stage;

before(async () => {
  server = spawn('Xvfb', ['-displayfd', '1', '-screen', '0', '1280x800x24', '-nolisten', 'tcp'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [number] = await new Promise((resolve, reject) => {
    createInterface({ input: server.stdout }).once('line', (line) => resolve([line]));
    server.once('exit', () => reject(new Error('Xvfb has ended')));
  });
  display = `:${number}`;
  manager = spawn('openbox', ['--sm-disable'], { env: { ...process.env, DISPLAY: display }, stdio: 'ignore' });
  chromium = await browser({ headless: false, env: { ...process.env, DISPLAY: display } });
  stage = await Stage.start();
});
after(async () => {
  await chromium?.close();
  await stage?.stop();
  manager?.kill();
  server?.kill();
});

const press = (...words) => execFileSync('xdotool', words, { env: { ...process.env, DISPLAY: display } });

test('in full screen the keys that a browser keeps go to the device', async () => {
  const page = await (await chromium.newContext({ viewport: null })).newPage();
  page.setDefaultTimeout(LIMIT);
  await page.goto(stage.url);
  await page.waitForFunction(() => document.getElementById('state-title').textContent === 'The screen is not shown');
  const hash = await stage.picture('text', 640, 400);
  stage.grant(['view', 'control']);
  await shows(page, hash);
  await page.waitForSelector('#keys:not([hidden])', { state: 'attached' });
  await page.click('#full');
  await page.waitForFunction(() => document.fullscreenElement !== null && document.activeElement.id === 'keys');
  const from = stage.said.length;
  press('key', 'Escape', 'key', 'ctrl+w', 'key', 'ctrl+t', 'key', 'F11');
  await stage.heard((said) => said.input?.includes('"F11", down: false'), from);
  const keys = stage.inputs(from).filter((i) => i.startsWith('Key')).map((i) => `${i.includes('down: true') ? '+' : '-'}${/symbol: "([^"]*)"/.exec(i)[1]}`);
  assert.equal(keys.join(' '), '+Escape -Escape +Control +w -Control -w +Control +t -Control -t +F11 -F11');
  assert.ok(await page.evaluate(() => document.fullscreenElement !== null), 'Escape went to the device only');
  press('keydown', 'Escape', 'sleep', '2.5', 'keyup', 'Escape');
  await page.waitForFunction(() => document.fullscreenElement === null);
});
