// The viewer's page in a browser, with the real server, coder and decode process behind it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { LIMIT, Stage, browser, isAccessible, shows } from './stage.mjs';

let chromium, context, stage, page, complaints;

before(async () => { chromium = await browser(); });
after(() => chromium.close());
beforeEach(() => begin());
afterEach(async () => {
  await context.close();
  await stage.stop();
  assert.deepEqual(complaints, [], 'the page reported errors');
});

async function begin(...args) {
  complaints = [];
  stage = await Stage.start(...args);
  context = await chromium.newContext({ viewport: { width: 1280, height: 760 } });
  context.setDefaultTimeout(LIMIT);
  page = await open(stage.url);
  // What happens at the device before is told to nobody.
  await title('The screen is not shown');
}

async function open(url) {
  const opened = await context.newPage();
  opened.on('pageerror', (error) => complaints.push(error.message));
  opened.on('console', (message) => { if (message.type() === 'error' && !message.text().includes('403')) complaints.push(message.text()); });
  await opened.goto(url);
  return opened;
}

const title = (wanted, on = page) => on.waitForFunction((text) => document.getElementById('state-title').textContent === text
  && !document.getElementById('state').hidden, wanted);

/// A picture on the screen, and the keyboard on it.
async function inControl() {
  const hash = await stage.picture('text', 640, 400);
  stage.grant(['view', 'control']);
  await shows(page, hash);
  await page.waitForSelector('#keys:not([hidden])', { state: 'attached' });
  await page.locator('#screen').click({ position: { x: 5, y: 5 } });
  await stage.heard((said) => said.input?.startsWith('Button') && said.input.includes('false'));
  return stage.said.length;
}

const accessible = (what) => isAccessible(context, page, what);

test('what is painted is what the device shows, drawn things and photographs, whatever changes', async () => {
  stage.grant(['view']);
  for (const [name, width, height] of [['text', 1280, 800], ['photo', 500, 301], ['mixed', 1023, 777]]) {
    for (const step of [0, 1, 2, 7]) await shows(page, await stage.picture(name, width, height, step));
  }
  const painted = stage.said.filter((said) => said.painted !== undefined).length;
  const frames = stage.said.filter((said) => said.frame !== undefined);
  assert.ok(painted > 0 && frames.some(({ exact }) => !exact), 'photographs are lossy before they are exact');
});

test('characters go as text, keys as keys, and everything is let go of when the focus goes', async () => {
  const from = await inControl();
  await page.keyboard.type('Grüße! 漢字');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Control+c');
  await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.down('ArrowDown');
  await page.locator('#words').focus();
  await stage.heard((said) => said.input === 'ReleaseAll', from);
  const inputs = stage.inputs(from);
  assert.equal(inputs.filter((i) => i.startsWith('Text')).map((i) => JSON.parse(i.slice(5, -1))).join(''), 'Grüße! 漢字');
  const keys = inputs.filter((i) => i.startsWith('Key')).map((i) => `${i.includes('down: true') ? '+' : '-'}${/symbol: "([^"]*)"/.exec(i)[1]}`);
  assert.equal(keys.join(' '), '+Enter -Enter +Control +c -c -Control +Shift +ArrowLeft -ArrowLeft -Shift +ArrowDown');
  assert.match(inputs.find((i) => i.includes('Enter')), /PhysicalKey\(28\).*mode: Symbol/);
});

test('the pointer goes where it is, with its buttons and its wheel', async () => {
  const from = await inControl();
  const box = await page.locator('#screen').boundingBox();
  await page.mouse.move(box.x + 100.5, box.y + 50.5);
  await page.mouse.down({ button: 'right' });
  await page.mouse.move(box.x + 200.5, box.y + 80.5);
  await page.mouse.up({ button: 'right' });
  await page.mouse.wheel(0, 250);
  await stage.heard((said) => said.input?.startsWith('Scroll'), from);
  const inputs = stage.inputs(from);
  const at = inputs.findIndex((i) => i === 'Button { button: Secondary, down: true }');
  assert.equal(inputs[at - 1], 'Move(ScreenPoint { x: 100, y: 50 })');
  const up = inputs.findIndex((i) => i === 'Button { button: Secondary, down: false }');
  assert.equal(inputs[up - 1], 'Move(ScreenPoint { x: 200, y: 80 })');
  assert.equal(inputs.at(-1), 'Scroll { x: 0, y: 300 }');
});

test('the keys that a browser keeps are sent by hand, and the device gives the keyboard back', async () => {
  const from = await inControl();
  await page.selectOption('#chords', 'Ctrl+Alt+Del');
  await stage.heard((said) => said.input?.includes('"Control", down: false'), from);
  assert.equal(stage.inputs(from).filter((i) => i.startsWith('Key')).length, 6);
  await page.keyboard.press('Tab');
  await page.locator('#keys').focus();
  await page.keyboard.press('Control+Shift+F12');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'monitor', 'no keyboard trap');
});

test('without control nothing goes to the device', async () => {
  const hash = await stage.picture('text', 640, 400);
  stage.grant(['view']);
  await shows(page, hash);
  await page.locator('#screen').click();
  await page.keyboard.type('x');
  await page.mouse.wheel(0, 250);
  await page.fill('#words', 'done');
  await page.keyboard.press('Enter');
  await stage.heard((said) => said.say === 'done');
  assert.deepEqual(stage.inputs(), []);
});

test('a viewer that only looks never touches', async () => {
  await context.close();
  await stage.stop();
  await begin('view-only');
  const hash = await stage.picture('text', 640, 400);
  stage.grant(['view', 'control']);
  await shows(page, hash);
  await page.locator('#screen').click();
  await page.fill('#words', 'done');
  await page.keyboard.press('Enter');
  await stage.heard((said) => said.say === 'done');
  assert.deepEqual(stage.inputs(), []);
});

test('a permission taken back clears the picture at once; given again, it comes back', async () => {
  const hash = await stage.picture('text', 640, 400);
  stage.grant(['view']);
  await shows(page, hash);
  stage.grant([], 'the person took it back');
  await title('The screen is not shown');
  assert.equal(await page.evaluate(() => document.getElementById('screen').width), 1, 'nothing of the picture is left');
  assert.match(await page.textContent('#notice'), /the person took it back/);
  stage.grant(['view']);
  await shows(page, hash);
});

test('a lost connection and a dead decoder cost a new beginning and no more', async () => {
  const hash = await stage.picture('mixed', 640, 400);
  stage.grant(['view']);
  await shows(page, hash);
  const starts = () => stage.said.filter((said) => said.start !== undefined).length;
  stage.cue('interrupt');
  await title('The connection was lost');
  stage.cue('resume');
  await stage.heard(() => starts() === 2);
  await shows(page, hash);
  stage.cue('garbage');
  await stage.heard(() => starts() === 3);
  await page.waitForFunction(() => document.getElementById('notice').textContent.includes('makes no sense'));
  await shows(page, await stage.picture('mixed', 640, 400, 1));
  const decoders = execFileSync('pgrep', ['-P', String(stage.child.pid)], { encoding: 'utf8' }).trim().split('\n');
  assert.equal(decoders.length, 1, 'one decode process');
  process.kill(Number(decoders[0]), 'SIGKILL');
  await stage.heard(() => starts() === 4);
  await shows(page, await stage.picture('mixed', 640, 400, 2));
});

test('the link works once; another tab of the same browser takes over, another browser gets nothing', async () => {
  await title('The screen is not shown');
  assert.equal(new URL(page.url()).hash, '', 'the token is not in the address bar');
  const second = await open(stage.url);
  await title('The screen is not shown', second);
  await title('Shown in another tab');
  const stranger = await chromium.newContext();
  const third = await stranger.newPage();
  await third.goto(stage.url);
  await title('This link was already used', third);
  await stranger.close();
});

test('chat goes both ways with its marks, and what the device says is only ever text', async () => {
  stage.cue({ chat: { number: 1, text: '<img src=x onerror="document.title=1"> & <b>bold</b>' } });
  await stage.heard((said) => said.saw === 1);
  assert.equal(await page.textContent('#lines li span'), '<img src=x onerror="document.title=1"> & <b>bold</b>');
  assert.equal(await page.locator('#lines img, #lines b, h1 b').count(), 0);
  await page.fill('#words', 'hello');
  await page.click('#say button');
  await stage.heard((said) => said.say === 'hello');
  stage.cue({ read: 1 });
  await page.waitForFunction(() => document.querySelector('#lines .mine small')?.textContent.endsWith('read'));
  await page.click('#tab-access');
  stage.cue({ chat: { number: 2, text: 'more' } });
  await page.waitForFunction(() => document.getElementById('unread').textContent === '1 new');
  assert.ok(!stage.said.some((said) => said.saw === 2), 'not seen while another tab is shown');
  await page.click('#tab-chat');
  await stage.heard((said) => said.saw === 2);
});

test('access is asked for and given back in the page', async () => {
  await page.click('#state-do');
  assert.equal((await stage.heard((said) => said.ask)).ask, 'view, control');
  stage.cue({ asking: 60 });
  await title('Waiting for consent');
  stage.cue('deny');
  await title('Not granted');
  await page.click('#tab-access');
  await page.selectOption('#minutes', '30');
  await page.click('[aria-label="Ask for diagnostics"]');
  await stage.heard((said) => said.ask === 'diagnostics' && said.seconds === 1800);
  stage.grant(['diagnostics']);
  await page.click('[aria-label="Give back diagnostics"]');
  await stage.heard((said) => said.drop === 'diagnostics');
});

test('checks run, their findings come failures first, and the report is a page that can do nothing', async () => {
  stage.grant(['diagnostics']);
  await page.click('#tab-checks');
  await page.click('#whole');
  await page.waitForSelector('#report-link:visible');
  const found = await page.locator('#findings .status').allTextContents();
  assert.deepEqual(found, ['Fails', 'Warns', 'OK']);
  const [report] = await Promise.all([context.waitForEvent('page'), page.click('#report-link')]);
  await report.waitForLoadState();
  assert.match(await report.textContent('body'), /98 % full/);
  assert.equal(await report.evaluate(() => self.origin), 'null', 'sandboxed: a page of its own origin');
});

test('clipboards cross on demand, and a copy made there is not overwritten by pasting', async () => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(stage.url).origin });
  let from = await inControl();
  stage.grant(['view', 'control', 'clipboard']);
  await page.waitForSelector('#paste:not([hidden])');
  await page.evaluate(() => navigator.clipboard.writeText('from here'));
  await page.locator('#keys').focus();
  await page.keyboard.press('Control+v');
  assert.equal((await stage.heard((said) => said.pasted)).pasted, 'from here');
  await stage.heard((said) => said.input?.includes('"Control", down: false'), from);
  const keys = stage.inputs(from).filter((i) => i.startsWith('Key')).map((i) => /symbol: "(.*)", down: (.*), mode/.exec(i).slice(1).join(' '));
  assert.deepEqual(keys, ['Control true', 'v true', 'v false', 'Control false'], 'once, after the content');
  stage.cue({ copied: 'from there' });
  await page.waitForSelector('#copied:not([hidden])');
  from = stage.said.length;
  await page.keyboard.press('Control+v');
  await stage.heard((said) => said.input?.includes('"Control", down: false'), from);
  assert.ok(!stage.said.slice(from).some((said) => said.offered), 'what was copied there is newer');
  await page.click('#copy');
  await page.waitForFunction(() => document.getElementById('notice').textContent.startsWith('Copied to'));
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'from there');
});

test('the technician points and draws', async () => {
  const hash = await stage.picture('text', 640, 400);
  stage.grant(['view']);
  await shows(page, hash);
  await page.selectOption('#tool', 'pen');
  const box = await page.locator('#screen').boundingBox();
  await page.mouse.move(box.x + 10, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(box.x + 60, box.y + 40, { steps: 5 });
  await page.mouse.up();
  await stage.heard((said) => said.viewer?.startsWith('Stroke'));
  await page.click('#wipe');
  await stage.heard((said) => said.viewer === 'Wipe');
  await page.selectOption('#tool', 'laser');
  await page.mouse.move(box.x + 100.5, box.y + 100.5);
  await stage.heard((said) => said.viewer === 'Laser(ScreenPoint { x: 100, y: 100 })');
});

test('monitor and quality are chosen in the page', async () => {
  const hash = await stage.picture('text', 640, 400);
  stage.grant(['view']);
  await shows(page, hash);
  await page.selectOption('#monitor', '2');
  await stage.heard((said) => said.start === 2);
  await shows(page, hash);
  await page.click('#tab-about');
  await page.selectOption('#quality', 'exact');
  await stage.heard((said) => said.viewer === 'Quality(Exact)');
  await page.keyboard.press('Control+Shift+F11');
  await page.waitForSelector('#numbers:not([hidden])');
  await page.waitForFunction(() => document.getElementById('numbers').textContent.includes('640 × 400'));
});

test('nothing in a panel is wider than the panel, however narrow', async () => {
  for (const width of [1280, 900, 700, 360]) {
    await page.setViewportSize({ width, height: 720 });
    for (const tab of ['chat', 'access', 'checks', 'about']) {
      await page.click(`#tab-${tab}`);
      const wide = await page.evaluate(() => {
        const panel = document.querySelector('[role=tabpanel]:not([hidden])');
        const edge = panel.getBoundingClientRect().left + panel.clientWidth;
        const beyond = [...panel.querySelectorAll('select, button, input, textarea')].filter((e) => e.getBoundingClientRect().right > edge);
        return [panel.scrollWidth - panel.clientWidth, ...beyond.map((e) => e.id)];
      });
      assert.deepEqual(wide, [0], `${tab} at ${width}`);
    }
  }
});

test('one window is shown where the screen is not allowed, and the screen instead of it once it is', async () => {
  const hash = await stage.picture('text', 640, 400);
  stage.grant(['window']);
  await shows(page, hash);
  const from = stage.said.length;
  stage.grant(['view', 'window']);
  await stage.heard((said) => said.start !== undefined, from);
  await shows(page, hash);
  stage.grant([], 'the window was closed; ask again to see another one');
  await title('The screen is not shown');
});

test('the end is said with its reason, and nothing can be done any more', async () => {
  stage.cue('end');
  await title('The session is over');
  assert.match(await page.textContent('#state-text'), /topped by the person/);
  assert.ok(await page.isDisabled('#end') && await page.isDisabled('#words'));
  await stage.heard((said) => said.ended);
});

test('axe finds nothing in any state, light and dark', async () => {
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    stage.grant([]);
    await title('The screen is not shown');
    await accessible(`${scheme}: off`);
    stage.cue({ asking: 60 });
    await title('Waiting for consent');
    await accessible(`${scheme}: asking`);
    const hash = await stage.picture('text', 640, 400);
    stage.grant(['view', 'control', 'clipboard', 'diagnostics'], 'allowed');
    await shows(page, hash);
    stage.cue({ chat: { number: scheme === 'light' ? 1 : 2, text: 'hello' } });
    stage.cue({ heldBack: true });
    stage.cue({ copied: 'text' });
    await page.waitForSelector('#held:not([hidden])');
    await page.waitForSelector('#copied:not([hidden])');
    await page.click('#tab-checks');
    await page.click('#quick');
    await page.waitForSelector('#report-link:visible');
    for (const tab of ['chat', 'access', 'checks', 'about']) {
      await page.click(`#tab-${tab}`);
      await accessible(`${scheme}: ${tab}`);
    }
  }
  stage.cue('end');
  await title('The session is over');
  await accessible('ended');
});
