// The panel beside the screen: chat, access, diagnostics, facts and numbers. What comes from the device is shown as
// text and never as anything else.

const byId = (id) => document.getElementById(id);

/// An element with text and attributes.
export function element(name, text = '', attributes = {}) {
  const made = document.createElement(name);
  if (text !== '') made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/// Seconds as a person says them.
export function time(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
}

export class Panel {
  constructor({ say }) {
    this.say = say;
    this.tabs = [...byId('tabs').children];
    this.lines = new Map();
    this.seen = 0;
    this.latest = 0;
    this.rights = new Map();
    this.granted = new Map();
    this.offers = [];
    this.figures = new Map();
    this.listen();
    setInterval(() => this.tick(), 1000);
  }

  listen() {
    this.tabs.forEach((tab, i) => {
      tab.addEventListener('click', () => this.show(tab));
      tab.addEventListener('keydown', (event) => {
        const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: this.tabs.length - 1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        const next = this.tabs.at(to % this.tabs.length);
        this.show(next);
        next.focus();
      });
    });
    byId('say').addEventListener('submit', (event) => { event.preventDefault(); this.speak(); });
    byId('words').addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); this.speak(); }
    });
    byId('quick').addEventListener('click', () => this.say({ diagnose: 'quick' }));
    byId('whole').addEventListener('click', () => this.say({ diagnose: 'full' }));
    document.addEventListener('visibilitychange', () => this.see());
    for (const minutes of [5, 15, 30, 60, 240]) byId('minutes').append(element('option', time(minutes * 60).replace(' 0 s', '').replace(' 0 min', ''), { value: minutes }));
  }

  show(tab) {
    for (const one of this.tabs) {
      const selected = one === tab;
      one.setAttribute('aria-selected', String(selected));
      one.tabIndex = selected ? 0 : -1;
      byId(one.getAttribute('aria-controls')).hidden = !selected;
    }
    this.see();
  }

  speak() {
    const words = byId('words');
    if (words.value.trim() === '') return;
    this.say({ say: words.value });
    words.value = '';
  }

  /// A new session, or the same told anew.
  session({ device, os, enrolled, id, offers, viewOnly, minutes, since }) {
    this.began = Date.now() - since * 1000;
    this.offers = offers;
    this.viewOnly = viewOnly;
    this.lines.clear();
    byId('lines').replaceChildren();
    byId('findings').replaceChildren();
    this.seen = 0;
    this.latest = 0;
    byId('device').textContent = device;
    document.title = `${device} – Nearhand`;
    this.clock = element('dd', '');
    const facts = [['Device', device], ['System', os], ['Proved by', enrolled ? 'its enrolled key' : 'the support code'], ['Session', id]];
    byId('facts').replaceChildren(...facts.flatMap(([name, value]) => [element('dt', name), element('dd', value)]), element('dt', 'Lasts'), this.clock);
    const choice = byId('minutes');
    if (![...choice.options].some((option) => Number(option.value) === minutes)) choice.append(element('option', time(minutes * 60), { value: minutes }));
    choice.value = String(minutes);
    this.buildRights();
    this.tick();
  }

  chat({ mine, number, at, text, mark }) {
    const key = `${mine}-${number}`;
    const marks = { sent: 'sent', received: 'arrived', shown: 'read' };
    const when = new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    const note = mine ? `You, ${when}, ${marks[mark]}` : `Person at the device, ${when}`;
    const known = this.lines.get(key);
    if (known) { known.lastChild.textContent = note; return; }
    const line = element('li', '', { class: mine ? 'mine' : 'theirs' });
    line.append(element('span', text), element('small', note));
    this.lines.set(key, line);
    byId('lines').append(line);
    line.scrollIntoView({ block: 'nearest' });
    if (!mine) { this.latest = Math.max(this.latest, number); this.see(); }
  }

  /// Messages count as seen when they are on a page that is looked at.
  see() {
    const looking = !document.hidden && !byId('chat').hidden;
    if (looking && this.latest > this.seen) { this.seen = this.latest; this.say({ saw: this.latest }); }
    const unread = this.latest - this.seen;
    byId('unread').hidden = unread === 0;
    byId('unread').textContent = unread === 0 ? '' : `${unread} new`;
  }

  buildRights() {
    this.rights.clear();
    byId('rights').replaceChildren(...this.offers.map(({ name, meaning }) => {
      const item = element('li');
      const state = element('span');
      const button = element('button', '', { type: 'button' });
      button.addEventListener('click', () => (this.granted.has(name) ? this.say({ drop: [name] }) : this.ask([name])));
      const title = element('span');
      title.append(element('strong', name), ' ', state);
      item.append(title, element('small', meaning.replace('your', 'their')), button);
      this.rights.set(name, { state, button });
      return item;
    }));
    if (this.offers.length === 0) byId('rights').append(element('li', 'This device offers nothing.'));
    this.showRights();
  }

  ask(names) { this.say({ ask: { capabilities: names, minutes: Number(byId('minutes').value) } }); }

  grants({ granted, why }) {
    this.granted = new Map(granted.map(({ name, seconds }) => [name, Date.now() + seconds * 1000]));
    byId('access-why').textContent = why === '' ? '' : `Changed: ${why}.`;
    this.showRights();
  }

  has(name) { return this.granted.has(name); }

  showRights() {
    for (const [name, { state, button }] of this.rights) {
      const until = this.granted.get(name);
      state.className = until ? 'good' : '';
      const left = until ? `granted, ${time((until - Date.now()) / 1000)} left` : 'not granted';
      if (state.textContent !== left) state.textContent = left;
      const act = until ? 'Give back' : 'Ask';
      if (button.textContent !== act) {
        button.textContent = act;
        button.setAttribute('aria-label', until ? `Give back ${name}` : `Ask for ${name}`);
      }
    }
    const may = this.has('diagnostics');
    byId('checks-none').hidden = may;
    for (const id of ['quick', 'whole']) byId(id).disabled = !may || this.running === true;
  }

  running_({ total, done, checking }) {
    if (this.running !== true) byId('findings').replaceChildren();
    this.running = true;
    byId('report').hidden = true;
    const bar = byId('progress');
    bar.hidden = false;
    bar.max = Math.max(1, total);
    bar.value = done;
    byId('progress-text').textContent = total === 0 ? `Beginning … ${checking}` : `${done} of ${total} checks. ${checking}`;
    this.showRights();
  }

  finding(finding) { byId('findings').append(this.findingItem(finding)); }

  findingItem({ status, title, instance, explanation, fix }) {
    const item = element('li');
    const words = { fail: 'Fails', warn: 'Warns', info: 'Note', ok: 'OK', skipped: 'Skipped' };
    const head = element('span', words[status] ?? status, { class: `status ${status}` });
    if (explanation === '' && fix === '') { item.append(head, ' ', `${title} ${instance}`); return item; }
    const details = element('details');
    const summary = element('summary');
    summary.append(head, ' ', `${title} ${instance}`);
    details.append(summary);
    if (explanation !== '') details.append(element('p', explanation));
    if (fix !== '') details.append(element('p', `What to do: ${fix}`));
    item.append(details);
    return item;
  }

  report({ path, counts, findings, file }) {
    this.over(`${counts.fail} fail, ${counts.warn} warn, ${counts.info} notes, ${counts.ok} fine, ${counts.skipped} skipped.`);
    byId('findings').replaceChildren(...findings.map((finding) => this.findingItem(finding)));
    byId('report').hidden = false;
    byId('report-link').href = path;
    byId('report-file').textContent = `Also in ${file}`;
  }

  noReport({ why }) { this.over(`No report: ${why}`); }

  over(text) {
    this.running = false;
    byId('progress').hidden = true;
    byId('progress-text').textContent = text;
    this.showRights();
  }

  /// Names and values under Numbers.
  setFigures(list) {
    for (const [name, value] of list) {
      let shown = this.figures.get(name);
      if (!shown) {
        shown = element('dd');
        this.figures.set(name, shown);
        byId('figures').append(element('dt', name), shown);
      }
      shown.textContent = value;
    }
  }

  tick() {
    if (this.stopped) return;
    if (this.clock) this.clock.textContent = time((Date.now() - this.began) / 1000);
    this.showRights();
  }

  /// The session is over: nothing here does anything any more.
  stop() {
    this.granted.clear();
    this.showRights();
    this.stopped = true;
    for (const control of document.querySelectorAll('#panel button:not([role=tab]), #panel textarea, #panel select, #panel input')) control.disabled = true;
    // The program that served the report is gone; its file stays.
    byId('report-link').removeAttribute('href');
  }
}
