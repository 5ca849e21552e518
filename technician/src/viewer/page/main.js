// The viewer's page: what the program says goes to the screen, the panel and the clipboard; what the technician does
// goes back.

import { Clipboard } from '/clipboard.js';
import { Input } from '/input.js';
import { CHORDS } from '/keys.js';
import { Panel, element } from '/panel.js';
import { Screen } from '/screen.js';
import { Socket, enter } from '/socket.js';

const byId = (id) => document.getElementById(id);
/// The page's own round trip may break; then it comes back by itself, this often, in milliseconds.
const AGAIN = 1500;
const TRIES = 3;

let socket = null;
const say = (message) => socket?.say(message);

/// What the stage says while there is no picture, or over it.
const facts = { link: 'up', screen: 'off', why: '', denied: '', askingUntil: 0, over: null, device: 'the device', offersView: true, first: false, told: false };

const screen = new Screen({
  painted: (end, micros) => {
    say({ painted: { epoch: end.epoch, frame: end.frame, decode: end.decode, paint: Math.min(micros, 4294967295) } });
    count(end, micros);
    if (!facts.first) { facts.first = true; show(); }
  },
  broken: () => say('again'),
  resized: () => {},
});
const panel = new Panel({ say });
const input = new Input({
  screen,
  say,
  paste: (data) => clipboard.pasted(data),
  wantsPaste: () => clipboard.wantsPaste(),
  leave: () => byId('monitor').focus(),
  numbers: () => toggleNumbers(),
});
const clipboard = new Clipboard({
  socket: { say, paste: (...part) => socket?.paste(...part) },
  sendKeys: () => input.sendPaste(),
  notice,
});

let noticeTimer = 0;
function notice(text) {
  byId('notice').textContent = text;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { byId('notice').textContent = ''; }, 8000);
}

// ---- What the program says ----

const hear = {
  session(message) {
    Object.assign(facts, { told: true, device: message.device, offersView: message.offers.some(({ name }) => name === 'view'), over: null, denied: '' });
    tries = 0;
    if (document.hidden) say({ hidden: true });
    panel.session(message);
  },
  granted(message) {
    panel.grants(message);
    facts.askingUntil = 0;
    facts.denied = '';
    if (message.why !== '') notice(`Access changed: ${message.why}.`);
  },
  asking({ seconds }) { Object.assign(facts, { askingUntil: Date.now() + seconds * 1000, denied: '' }); },
  denied({ why }) { Object.assign(facts, { askingUntil: 0, denied: why }); notice(`Not granted: ${why}.`); },
  link({ state }) { facts.link = state; if (state === 'interrupted') input.release(); },
  chat(message) { panel.chat(message); },
  screen({ state, why }) {
    facts.screen = state;
    facts.why = why;
    if (state === 'on') screen.begin();
    if (state === 'off' || state === 'failed') { screen.clear(); facts.first = false; }
    if (state === 'opening' && why !== '') notice(sentence(`${why}.`));
  },
  monitors({ monitors, shown }) {
    const choice = byId('monitor');
    const options = monitors.map(({ number, name, width, height, primary }) =>
      element('option', `${number}: ${name} (${width} × ${height}${primary ? ', main' : ''})`, { value: number }));
    choice.replaceChildren(element('option', 'All', { value: '' }), ...options);
    choice.value = shown === null ? '' : String(shown);
  },
  cursor(message) { screen.cursor(message); },
  cursorAt({ at }) { screen.cursorAt(at); },
  control({ state, why }) {
    input.setActive(state === 'on');
    byId('chords-label').hidden = state !== 'on';
    if (state === 'failed') notice(`No pointer and keyboard: ${why}.`);
    byId('held').hidden = true;
  },
  heldBack({ held }) { byId('held').hidden = !held; if (held) input.release(); },
  clipboard({ state, why }) {
    clipboard.setOn(false);
    clipboard.setOn(state === 'on');
    if (state === 'failed') notice(`No clipboard: ${why}.`);
  },
  copied(message) { clipboard.copied(message); },
  offered() { clipboard.isOut(); },
  taken() { clipboard.taken(); },
  noCopy({ why }) { clipboard.noCopy(why); },
  running(message) { panel.running_(message); },
  finding({ finding }) { panel.finding(finding); },
  report(message) { panel.report(message); },
  noReport(message) { panel.noReport(message); },
  trip({ ms }) { numbers.trip = ms; },
  notice({ text }) { notice(text); },
  elsewhere() { facts.over = 'elsewhere'; },
  ended({ why }) { facts.over = 'ended'; facts.why = why; },
};

// ---- The stage's states ----

const asksForView = ['Ask to see the screen', () => panel.ask(panel.viewOnly ? ['view'] : ['view', 'control'].filter((name) => panel.rights.has(name)))];
const tryAgain = ['Try again', () => say('again')];
const useHere = ['Use it here', () => location.reload()];

/// Title, text and perhaps a button; null where the picture speaks for itself.
function stage() {
  const left = Math.ceil((facts.askingUntil - Date.now()) / 1000);
  if (facts.over === 'locked') return ['This link was already used', 'It works once, in one browser. If that was not you, end the session in the terminal. Otherwise go back to the page that is open, or connect anew.'];
  if (facts.over === 'gone') return ['The session’s program does not answer', 'It has ended, or this page was closed off. The terminal says more.', useHere];
  if (facts.over === 'elsewhere') return ['Shown in another tab', 'This session is shown in another tab of this browser now.', useHere];
  if (facts.over === 'ended') return ['The session is over', facts.why];
  if (!facts.told) return ['Connecting', 'The page asks the program for the session.'];
  if (facts.link === 'interrupted') return ['The connection was lost', 'A new one is being made, for up to a minute. Nothing has to be asked again.'];
  if (facts.screen === 'off' && left > 0) return ['Waiting for consent', `The person at ${facts.device} is being asked (${left} s).`];
  if (facts.screen === 'off' && facts.denied !== '') return ['Not granted', `${facts.denied}.`, facts.offersView ? asksForView : undefined];
  if (facts.screen === 'off' && !facts.offersView) return ['No screen', `${facts.device} does not offer its screen. Chat and what else it offers are beside this.`];
  if (facts.screen === 'off') return ['The screen is not shown', 'It was not asked for, or the permission has ended.', asksForView];
  if (facts.screen === 'gone') return ['Nothing to see', `${facts.why}. The picture comes back by itself.`];
  if (facts.screen === 'failed') return ['The screen can’t be shown', `${facts.why}.`, tryAgain];
  if (!facts.first) return ['Waiting for the first picture', facts.why];
  return null;
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

let act = null;
function show() {
  const shown = stage();
  byId('state').hidden = shown === null;
  const dim = facts.over !== null || facts.link !== 'up' || facts.screen === 'gone';
  byId('frame').classList.toggle('dim', dim);
  byId('tools').hidden = facts.over !== null || facts.screen === 'off' || facts.screen === 'failed';
  byId('end').disabled = facts.over !== null || !facts.told;
  const words = { up: '', stalled: 'The path is interrupted …', interrupted: 'Reconnecting …' }[facts.link];
  const chip = facts.over === 'ended' ? 'Over' : words;
  if (byId('link').textContent !== chip) byId('link').textContent = chip;
  byId('link').classList.toggle('bad', chip !== '');
  if (shown === null) return;
  const [title, text, button] = shown;
  // The seconds count on without being read out each time.
  if (byId('state-title').textContent !== title) {
    byId('state-title').textContent = title;
    byId('state').setAttribute('role', 'status');
  }
  byId('state-text').textContent = sentence(text);
  byId('state-do').hidden = button === undefined;
  if (button) { byId('state-do').textContent = button[0]; act = button[1]; }
}
byId('state-do').addEventListener('click', () => act?.());
setInterval(show, 1000);

// ---- Numbers ----

const numbers = { trip: null, frames: [], last: null };
function count(end, paint) {
  numbers.last = { ...end, paint };
  numbers.frames.push({ at: performance.now(), bytes: end.bytes });
}

function showNumbers() {
  const now = performance.now();
  numbers.frames = numbers.frames.filter(({ at }) => now - at < 2000);
  const bytes = numbers.frames.reduce((sum, frame) => sum + frame.bytes, 0);
  const ms = (micros) => `${(micros / 1000).toFixed(1)} ms`;
  const last = numbers.last;
  const list = [
    ['Frames', `${(numbers.frames.length / 2).toFixed(1)} /s`],
    ['Data', `${(bytes / 2000).toFixed(1)} kB/s`],
    ['Round trip', numbers.trip === null ? '–' : `${numbers.trip} ms`],
    ['Waited', last ? ms(last.waited) : '–'],
    ['Capture', last ? ms(last.capture) : '–'],
    ['Coding', last ? ms(last.encode) : '–'],
    ['Arrival', last ? ms(last.arrival) : '–'],
    ['Decoding', last ? ms(last.decode) : '–'],
    ['Painting', last ? ms(last.paint) : '–'],
    ['Last frame', last ? `${last.bytes} B, ${last.exact ? 'exact' : 'not exact yet'}` : '–'],
    ['Picture', screen.picture.width ? `${screen.picture.width} × ${screen.picture.height}` : '–'],
  ];
  panel.setFigures(list);
  const shown = byId('numbers');
  if (!shown.hidden) shown.textContent = list.map(([name, value]) => `${name.padEnd(11)}${value}`).join('\n');
}
setInterval(showNumbers, 500);

function toggleNumbers(on = byId('numbers').hidden) {
  byId('numbers').hidden = !on;
  byId('show-numbers').checked = on;
  showNumbers();
}

// ---- What the technician does ----

byId('show-numbers').addEventListener('change', (event) => toggleNumbers(event.target.checked));
byId('monitor').addEventListener('change', ({ target }) => { facts.first = false; say({ monitor: target.value === '' ? null : Number(target.value) }); });
byId('scale').addEventListener('change', ({ target }) => screen.setScale(target.value));
byId('quality').addEventListener('change', ({ target }) => say({ quality: target.value }));
byId('keyboard').addEventListener('change', ({ target }) => input.setPlace(target.value === 'place'));
byId('tool').addEventListener('change', ({ target }) => {
  input.setTool(target.value);
  byId('wipe').hidden = target.value !== 'pen';
});
byId('wipe').addEventListener('click', () => { screen.wipe(); say('wipe'); });
byId('chords').append(...CHORDS.map(([name]) => element('option', name, { value: name })));
byId('chords').addEventListener('change', ({ target }) => { input.sendChord(target.value); target.value = ''; });
byId('chords-label').hidden = true;
byId('end').addEventListener('click', () => say('end'));
byId('keys').addEventListener('focus', () => { byId('keys-hint').hidden = false; });
byId('keys').addEventListener('blur', () => { byId('keys-hint').hidden = true; });
byId('full').addEventListener('click', async () => {
  if (document.fullscreenElement) { await document.exitFullscreen(); return; }
  await byId('stage').requestFullscreen();
  // Where the browser can, Alt+Tab, Ctrl+W and Escape go to the device too.
  await navigator.keyboard?.lock?.().catch(() => {});
  byId('keys').focus();
});
document.addEventListener('fullscreenchange', () => { if (!document.fullscreenElement) navigator.keyboard?.unlock?.(); });
document.addEventListener('visibilitychange', () => say({ hidden: document.hidden }));
document.addEventListener('keydown', (event) => {
  if (event.target === byId('keys') || !event.ctrlKey || !event.shiftKey) return;
  if (event.code === 'F11') { event.preventDefault(); toggleNumbers(); }
  if (event.code === 'F12' && !byId('keys').hidden) { event.preventDefault(); byId('keys').focus(); }
});

// ---- The conversation ----

let tries = 0;
function connect() {
  socket = new Socket({
    say: (message) => { hear[message.t]?.(message); if (message.t !== 'cursorAt' && message.t !== 'cursor') settle(); },
    operations: (bytes) => screen.operations(bytes),
    copied: (part) => clipboard.part(part),
    closed: (opened) => {
      socket = null;
      if (!opened && !entered) facts.over = 'locked';
      if (facts.over === null) {
        tries += 1;
        if (tries > TRIES) facts.over = 'gone';
        else setTimeout(connect, AGAIN);
      }
      settle();
    },
  });
}

/// After everything that was said.
function settle() {
  if (facts.over !== null) { input.setActive(false); clipboard.setOn(false); panel.stop(); }
  show();
}

// A link that was used already may still be this browser's own: then the cookie lets it in.
const entered = await enter();
connect();
