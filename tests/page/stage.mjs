// What the page's tests have in common: the stage (technician/examples/stage) behind the page, a browser before it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const target = process.env.CARGO_TARGET_DIR ?? `${root}/target`;
/// Longest wait for anything, in milliseconds: a loaded machine is slow, a hanging page never comes.
export const LIMIT = 30_000;

export async function browser(more = {}) {
  const path = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
  return chromium.launch({ executablePath: path, headless: true, args, ...more });
}

/// The program behind the page, whose device does what `cue` says.
export class Stage {
  static async start(...args) {
    const stage = new Stage();
    stage.said = [];
    stage.waiting = new Set();
    stage.child = spawn(`${target}/debug/examples/stage`, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    stage.exited = new Promise((resolve) => stage.child.on('exit', resolve));
    createInterface({ input: stage.child.stdout }).on('line', (line) => {
      stage.said.push(JSON.parse(line));
      for (const wake of stage.waiting) wake();
    });
    stage.url = (await stage.heard((said) => said.url)).url;
    return stage;
  }

  cue(what) { this.child.stdin.write(`${JSON.stringify(what)}\n`); }

  grant(what, why = '', seconds = 900) { this.cue({ grant: { what, seconds, why } }); }

  /// The first thing said from `from` on that `is` what is waited for.
  async heard(is, from = 0) {
    const deadline = Date.now() + LIMIT;
    for (;;) {
      const found = this.said.slice(from).find(is);
      if (found !== undefined) return found;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`not said in time: ${is}; last: ${JSON.stringify(this.said.slice(-5))}`);
      await new Promise((resolve) => {
        const wake = () => { clearTimeout(timer); this.waiting.delete(wake); resolve(); };
        const timer = setTimeout(wake, left);
        this.waiting.add(wake);
      });
    }
  }

  /// Shows a picture; its hash.
  async picture(name, width, height, step = 0) {
    const from = this.said.length;
    this.cue({ picture: { name, width, height, step } });
    return (await this.heard((said) => said.picture !== undefined, from)).picture;
  }

  inputs(from = 0) { return this.said.slice(from).filter((said) => said.input !== undefined).map((said) => said.input); }

  async stop() {
    this.child.stdin.end();
    await this.exited;
  }
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/// No violation of WCAG 2.2 AA that axe can find. It runs in a world of its own, which the page's policy leaves alone.
export async function isAccessible(context, page, what) {
  const cdp = await context.newCDPSession(page);
  const { frameTree } = await cdp.send('Page.getFrameTree');
  const { executionContextId } = await cdp.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' });
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await cdp.send('Runtime.evaluate', { expression, contextId: executionContextId, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  await evaluate(`${axe};undefined`);
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const found = await evaluate(`axe.run(document, { runOnly: ${JSON.stringify(tags)} }).then((r) => r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html + ' ' + n.failureSummary).join(' | ')))`);
  assert.deepEqual(found, [], what);
  await cdp.detach();
}

/// Whether the canvas shows exactly the picture with this hash. Runs in the page.
export function hashOfScreen(wanted) {
  const canvas = document.getElementById('screen');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let hash = 0x811c9dc5;
  for (let i = 0; i < data.length; i += 4) {
    for (let c = 0; c < 3; c += 1) hash = Math.imul(hash ^ data[i + c], 0x01000193);
  }
  return (hash >>> 0) === wanted;
}

/// Waits until the canvas shows exactly the picture with this hash.
export async function shows(page, hash) {
  await page.waitForFunction(hashOfScreen, hash, { timeout: LIMIT, polling: 100 });
}
