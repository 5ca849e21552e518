// The playback page: what the program plays goes to the screen, what the technician wants goes back.

import { Screen } from '/screen.js';
import { Socket, enter } from '/socket.js';

const byId = (id) => document.getElementById(id);
const STEP = 5000;

let socket = null;
const say = (message) => socket?.say(message);
const play = (wish) => say({ play: wish });
const state = { millis: 0, at: 0, paused: true, speed: 1, skips: true, over: null, begun: false };

const screen = new Screen({
  painted: (end, micros) => {
    say({ painted: { epoch: end.epoch, frame: end.frame, decode: end.decode, paint: Math.min(micros, 4294967295) } });
    if (!state.begun) { state.begun = true; show(); }
  },
  broken: () => say('again'),
  resized: () => {},
});

function clock(millis) {
  const seconds = Math.floor(millis / 1000), two = (number) => String(number).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  return `${hours > 0 ? `${hours}:` : ''}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

let noticeTimer = 0;
function notice(text) {
  byId('notice').textContent = text;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { byId('notice').textContent = ''; }, 5000);
}

const hear = {
  recording({ device, technician, organisation, began, millis, verdict, whole }) {
    state.millis = millis;
    byId('device').textContent = device;
    byId('who').textContent = `${new Date(began).toLocaleString()}, recorded by ${technician} (${organisation})`;
    byId('verdict').textContent = verdict;
    byId('verdict').classList.toggle('bad', !whole);
    byId('place').max = String(millis);
  },
  playing({ at, paused, speed, skips }) { Object.assign(state, { at, paused, speed, skips }); },
  screen({ state: how, why }) {
    if (how === 'on') { screen.begin(); state.over = null; }
    else state.over = ['The picture can’t be shown', `${why}.`];
  },
  cursor(message) { screen.cursor(message); screen.looks(false); },
  cursorAt({ at }) { screen.cursorAt(at); },
  notice({ text }) { notice(text); },
  elsewhere() { state.over = ['Shown in another tab', 'This recording is shown in another tab of this browser now.']; },
};

let dragging = false;
function show() {
  const place = byId('place');
  if (!dragging) place.value = String(state.at);
  place.setAttribute('aria-valuetext', `${clock(Number(place.value))} of ${clock(state.millis)}`);
  byId('time').textContent = `${clock(Number(place.value))} / ${clock(state.millis)}`;
  byId('pause').textContent = state.paused ? 'Play' : 'Pause';
  byId('speed').value = String(state.speed);
  byId('skip').checked = state.skips;
  const over = state.over ?? (state.begun ? null : ['Opening', 'Waiting for the first picture.']);
  byId('state').hidden = over === null;
  byId('frame').classList.toggle('dim', state.over !== null);
  if (over !== null) [byId('state-title').textContent, byId('state-text').textContent] = over;
}

const pause = () => play({ pause: !state.paused });
const go = (at) => play({ seek: Math.max(0, Math.min(state.millis, Math.round(at))) });
const run = (speed) => play({ speed });
/// At once here: a second key may come before the program has answered the first.
const skip = (on) => { state.skips = on; play({ skip: on }); show(); };

byId('pause').addEventListener('click', pause);
byId('place').addEventListener('input', () => { dragging = true; show(); });
byId('place').addEventListener('change', ({ target }) => { dragging = false; go(Number(target.value)); });
byId('speed').addEventListener('change', ({ target }) => run(Number(target.value)));
byId('skip').addEventListener('change', ({ target }) => skip(target.checked));
byId('scale').addEventListener('change', ({ target }) => screen.setScale(target.value));

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.('select')) return;
  const keys = {
    ' ': () => (event.target.closest?.('button, input[type=checkbox]') ? null : pause),
    ArrowLeft: () => () => go(state.at - STEP),
    ArrowRight: () => () => go(state.at + STEP),
    Home: () => () => go(0),
    End: () => () => go(state.millis),
    1: () => () => run(1), 2: () => () => run(2), 4: () => () => run(4), 8: () => () => run(8),
    s: () => () => skip(!state.skips),
  };
  const act = keys[event.key]?.();
  if (!act) return;
  event.preventDefault();
  act();
});

const entered = await enter();
socket = new Socket({
  say: (message) => { hear[message.t]?.(message); if (message.t !== 'cursorAt' && message.t !== 'cursor') show(); },
  operations: (bytes) => screen.operations(bytes),
  copied: () => {},
  closed: (opened) => {
    socket = null;
    if (state.over === null) {
      state.over = !opened && !entered
        ? ['This link was already used', 'It works once, in one browser. Start `nearhand play` again.']
        : ['The player’s program does not answer', 'It has ended. The terminal says more.'];
    }
    show();
  },
});
