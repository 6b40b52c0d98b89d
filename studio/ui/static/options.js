// All options of a method in one list: drawn from the rows that the server describes, filtered without asking it.
// `tsOptions(root, gradio)` is called once, when the tab is opened first; see studio/ui/tabs/options.py.
(() => {
const PAUSE = 150;  // ms without a key until a text is read
const LONG = 10000;  // characters of which it is asked first whether they can be read
const LOST = 8000;  // ms after which an edit without an answer is given up

const esc = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const code = (text) => esc(text).replace(/&#96;/g, '`').replace(/`([^`]*)`/g, '<code>$1</code>');
// The page's own words, in the browser's language; TRL's help stays as it is.
const say = (english, values = {}) => (window.tsSay?.(english) ?? english).replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
const TYPED = {integer: 'numeric', number: 'decimal', text: 'text', list: 'text', yaml: 'text'};

function firstSentence(help) {
  const end = [...help.matchAll(/(?<!e\.g|i\.e|etc)\.\s|\n/g)].find((one) => one.index > 24);
  const cut = end ? end.index + 1 : help.length;
  if (cut <= 180) return [help.slice(0, cut), help.slice(cut)];
  const blank = help.lastIndexOf(' ', 160);
  return [help.slice(0, blank) + ' …', '… ' + help.slice(blank + 1)];
}

// What a row looks like. Every text goes through `esc` or `code`.
function controlOf(row) {
  const label = `aria-label="${esc(row.label ? `${row.name}, ${say(row.label)}` : row.name)}" aria-describedby="said-${row.name}"`;
  const nothing = row.nullable ? '<option value="null">null</option>' : '';
  if (row.kind === 'switch') return `<label class="check"><input type="checkbox" ${label}><span></span></label>`;
  if (row.kind === 'tristate') {
    return `<select ${label}><option value="">${esc(say('default {value}', {value: row.default === 'none' ? '' : say(row.default)}))}</option>` +
      `<option value="true">${esc(say('on'))}</option><option value="false">${esc(say('off'))}</option></select>`;
  }
  if (row.kind === 'choice') {
    const blank = row.text ? '' : `<option value="">${esc(say('default {value}', {value: ''}))}</option>`;
    return `<select ${label}>${blank}${(row.choices ?? []).map((one) => `<option>${esc(one)}</option>`).join('')}${nothing}</select>`;
  }
  const offered = (row.choices ?? row.offered ?? []).filter(Boolean);
  const hint = row.kind === 'yaml' ? (/mapping/.test(row.type) || row.name === 'datasets' ? '{name: value}' : '[0.5, 2]')
    : offered.length ? offered.slice(0, 4).join(', ') : row.kind === 'list' ? 'one, two' : '';
  const rest = `${label} placeholder="${esc(row.name === 'datasets' ? '[{path: name}]' : hint)}" inputmode="${TYPED[row.kind]}" spellcheck="false" autocapitalize="off"`;
  if (row.kind === 'list' || row.kind === 'yaml') return `<textarea rows="1" ${rest}></textarea>`;
  const list = offered.length ? `<datalist id="offer-${row.name}">${offered.map((one) => `<option value="${esc(one)}">`).join('')}</datalist>` : '';
  return `<input type="${row.secret ? 'password' : 'text'}" autocomplete="${row.secret ? 'new-password' : 'off'}" ${rest}${list ? ` list="offer-${row.name}"` : ''}>${list}`;
}

function rowHtml(row) {
  const {first, rest} = row;
  const old = row.deprecated
    ? `<p class="old">${/^Deprecated/.test(row.deprecated) ? '' : `<b>${esc(say(row.partly ? 'A value is deprecated.' : 'Deprecated.'))}</b> `}${code(row.deprecated).replace(/^Deprecated/, '<b>Deprecated</b>')}` +
      (row.instead ? ` <button type="button" class="jump" data-show="${esc(row.instead)}">${esc(say('Go to {name}', {name: row.instead}))}</button>` : '') + '</p>' : '';
  const more = rest ? `<span class="rest"> ${code(rest)}</span> <button type="button" class="more" aria-expanded="false">${esc(say('more'))}</button>` : '';
  const before = row.formerly ? `<span class="tag">${esc(say('formerly {names}', {names: row.formerly.join(', ')}))}</span>` : '';
  return `<div class="row" data-option="${esc(row.name)}" id="option-${esc(row.name)}">
<div class="what"><div class="name"><code>${esc(row.name)}</code>${row.label ? `<span class="label">${esc(say(row.label))}</span>` : ''}${before}
<span class="tag state"></span></div>${old}<p class="help">${code(first)}${more}</p><p class="idle"></p></div>
<div class="edit">${controlOf(row)}<div class="under"><span class="default" title="${esc(row.type)}">${esc(say('default {value}', {value: row.kind === 'switch' || row.kind === 'tristate' || row.default === 'none' ? say(row.default) : row.default}))}</span>
<button type="button" class="reset" hidden aria-label="${esc(say('Reset'))} ${esc(row.name)}">${esc(say('Reset'))}</button></div><div class="said" id="said-${esc(row.name)}"></div></div></div>`;
}

class List {
  constructor(root, gradio) {
    Object.assign(this, {root, ...gradio, cache: new Map(), rows: new Map(), opened: new Set(['own']), method: '', newest: 0, state: null});
    Object.assign(this, {waiting: new Map(), flying: null, number: 0, filter: 'all', wanted: null});
    root.innerHTML = `<div class="bar"><label class="ts-sr" for="options-search">${esc(say('Search all options'))}</label>
<input id="options-search" type="search" placeholder="${esc(say('Search by name or by what it does'))}" autocomplete="off" spellcheck="false" aria-describedby="options-count">
<div class="ts-seg" role="group" aria-label="${esc(say('Which options'))}"><button type="button" data-filter="all" aria-pressed="true">${esc(say('All'))}</button>
<button type="button" data-filter="set" aria-pressed="false">${esc(say('Non-default'))} <small class="many"></small></button></div>
<button type="button" class="ts-btn" data-fold="open"></button><span class="ts-hint" id="options-count" role="status"></span></div>
<div class="groups"></div><div class="ts-empty" hidden><b>${esc(say('No option found'))}</b><span></span></div>`;
    this.search = root.querySelector('#options-search');
    this.groups = root.querySelector('.groups');
    this.listen();
    this.watch('value', () => this.take());
    this.take();
  }

  // What the server says -------------------------------------------------------------------------------------------

  async take() {
    const text = this.props.value;
    if (!text) return;
    const state = JSON.parse(text);
    document.body.classList.remove('ts-behind');
    this.asked = false;
    if (this.flying && state.echo === this.flying.number) this.landed();
    if (state.drawn < this.newest) return this.send();  // an answer that was overtaken takes nothing back
    Object.assign(this, {newest: state.drawn, state});
    if (state.method !== this.method) await this.load(state.method);
    if (this.state === state) this.apply();
    this.send();
  }

  async load(method) {
    if (!this.cache.has(method)) this.cache.set(method, this.server.rows({method}).then(JSON.parse));
    const rows = await this.cache.get(method);
    if (this.state.method !== method || this.method === method) return;
    for (const row of this.rows.values()) clearTimeout(row.timer);
    this.waiting.clear();
    this.method = method;
    this.draw(rows);
  }

  draw(rows) {
    const groups = new Map();
    for (const row of rows) groups.set(row.group, [...(groups.get(row.group) ?? []), row]);
    this.groups.innerHTML = [...groups].map(([name, inside], at) =>
      `<section class="group"><h3><button type="button" aria-expanded="false" aria-controls="options-group-${at}"><span>${esc(say(name))}</span>
<small class="many"></small></button></h3><div class="rows" id="options-group-${at}" hidden></div></section>`).join('');
    this.rows = new Map();
    this.sections = [...groups].map(([name, inside], at) => {
      // The method's own group is the first, and is called after the method.
      const element = this.groups.children[at], section = {key: at ? name : 'own', element, button: element.querySelector('h3 button'), body: element.querySelector('.rows')};
      section.rows = inside.map((described) => ({text: '', ...described, section}));
      for (const row of section.rows) {
        [row.first, row.rest] = firstSentence((row.help ?? '').replace(row.deprecated ?? '', '').trim());
        const named = [row.name, row.name.replaceAll('_', ' '), row.label ?? '', row.label ? say(row.label) : '', ...(row.formerly ?? [])].join(' ');
        row.brief = `${named} ${row.first} ${row.deprecated ?? ''}`.toLowerCase();
        row.all = `${row.brief} ${row.rest}`.toLowerCase();
        this.rows.set(row.name, row);
      }
      return section;
    });
  }

  // A group's rows are made when it is opened first, or while nothing else is to do.
  fill(section) {
    if (section.filled) return;
    section.filled = true;
    section.body.innerHTML = section.rows.map(rowHtml).join('');
    section.rows.forEach((row, at) => {
      const element = section.body.children[at], find = (selector) => element.querySelector(selector);
      Object.assign(row, {element, control: find('.edit input, .edit select, .edit textarea'), reset: find('.reset'), said: find('.said'),
        tag: find('.tag.state'), idle: find('.idle'), more: find('.more'), key: '|'});
      if (row.deep) this.unfold(row, true);  // found by words that its row was not there for yet
      element.hidden = !row.fits;
      this.write(row, row.text);
      row.shown = row.text;
      this.paint(row);
    });
  }

  fillRest() {
    const next = this.sections.find((section) => !section.filled);
    if (!next) return;
    (window.requestIdleCallback ?? setTimeout)(() => { if (this.sections.includes(next)) { this.fill(next); this.fillRest(); } });
  }

  write(row, text) {
    const {control} = row;
    if (row.kind === 'switch') { control.checked = text === 'true'; row.element.querySelector('.check span').textContent = say(control.checked ? 'on' : 'off'); return; }
    if (control.tagName === 'SELECT' && ![...control.options].some((one) => one.value === text)) control.add(new Option(text || 'unset', text));
    control.value = text;
    this.grow(row);
  }

  grow(row) {
    if (row.control.tagName === 'TEXTAREA') row.control.rows = Math.min(12, Math.max(1, row.control.value.split('\n').length, Math.ceil(row.control.value.length / 34)));
  }

  apply() {
    const {values, said, idle, aside} = this.state;
    for (const row of this.rows.values()) {
      [row.value, row.how, row.here] = values[row.name] ?? [row.text, '', ''];
      row.why = idle[row.name] ? `Has no effect while ${idle[row.name]}.` + (row.name in aside ? ` Your ${aside[row.name]} is kept for then.` : '') : '';
      row.finding = said[row.name];
      if (row.element) this.paint(row);
    }
    this.find();
    if (this.wanted) this.show(this.wanted);
    this.fillRest();
  }

  paint(row) {
    const {value = row.text, how = '', here = '', why = ''} = row;
    if (!this.busy(row)) {
      // What was typed stays as it was typed: 1e-6.
      const own = row.sent !== undefined && row.kind !== 'switch' && row.control.tagName !== 'SELECT';
      if (value !== row.shown && !own) { this.write(row, value); Object.assign(row, {problem: '', meant: '', told: undefined}); }
      Object.assign(row, {shown: value, sent: undefined});
    }
    const look = `${how}|${here}|${why}`;
    if (row.look !== look) {
      row.look = look;
      row.element.classList.toggle('changed', !!how);
      row.element.classList.toggle('off', !!why);
      row.reset.hidden = how !== 'set' && how !== 'held';
      row.tag.textContent = how === 'added' ? say('added for this machine') : how === 'held' ? say('follows other options')
        : here ? say('{value} on this machine', {value: here}) : '';
      row.idle.innerHTML = code(why);
    }
    this.say(row);
  }

  say(row) {
    const [level, message] = row.finding ?? (row.problem ? ['error', `${row.name} ${row.problem}.`] : ['', row.meant ?? '']);
    const key = `${level}|${message}`;
    if (row.key === key) return;
    row.key = key;
    row.said.className = `said ${level}`;
    row.said.innerHTML = (level ? `<span class="ts-sr">${level}: </span>` : '') + code(message);
    row.control.toggleAttribute('aria-invalid', level === 'error');
    if (level === 'error') row.control.setAttribute('aria-invalid', 'true');
  }

  // Edits: one request at a time, each with all that was edited since the last one ----------------------------------

  busy(row) { return row.timer || this.waiting.has(row.name) || (this.flying && this.flying.edits.has(row.name)); }

  typed(row) {
    clearTimeout(row.timer);
    this.grow(row);
    row.timer = setTimeout(() => this.read(row, false), PAUSE);
  }

  async read(row, commit) {
    clearTimeout(row.timer);
    row.timer = null;
    const text = row.control.value;
    const known = commit && text === row.told && !row.looks;  // told while it was typed
    if (row.kind !== 'list' && row.kind !== 'yaml' && text.length < LONG) return known || this.edit(row, {text, commit});
    const asked = row.asked = (row.asked ?? 0) + 1;
    const found = await this.server.check({method: this.method, name: row.name, text});
    if (asked !== row.asked || row.timer) return;  // something else has been typed meanwhile
    Object.assign(row, {problem: found.problem, meant: found.meant, finding: undefined});
    this.say(row);
    if (!known && (commit || !found.unread)) this.edit(row, {text, commit});
  }

  edit(row, what) {
    row.sent = row.told = what.text;
    if (what.reset) {
      clearTimeout(row.timer);
      // What was being read when the button was pressed is not to come after it.
      Object.assign(row, {timer: null, asked: (row.asked ?? 0) + 1, problem: '', meant: '', sent: undefined, told: undefined, shown: null});
    }
    this.waiting.set(row.name, {name: row.name, ...what});
    this.send();
  }

  send() {
    if (this.flying || !this.waiting.size) return;
    const edits = this.waiting;
    this.waiting = new Map();
    this.flying = {number: ++this.number, edits, lost: setTimeout(() => { this.flying = null; this.send(); }, LOST)};
    this.trigger('input', {number: this.flying.number, method: this.method, edits: [...edits.values()]});
  }

  landed() {
    clearTimeout(this.flying.lost);
    const looks = [...this.flying.edits.values()].some((one) => (one.commit || one.reset) && this.rows.get(one.name)?.looks);
    Object.assign(this, {flying: null, behind: true});
    if (looks) this.trigger('submit', {});
    if (!this.root.offsetParent) this.leave(true);
  }

  // The other tabs' controls are drawn again when one goes there, and are not seen before that.
  leave(gone) {
    if (this.behind) { Object.assign(this, {behind: false, asked: true}); this.trigger('blur', {}); }
    if (!gone || !this.asked) return;
    document.body.classList.add('ts-behind');
    setTimeout(() => document.body.classList.remove('ts-behind'), 1500);
  }

  // Search and folding: nothing is asked ---------------------------------------------------------------------------

  find() {
    const words = this.search.value.toLowerCase().replace(/^-+/, '').split(/\s+/).filter(Boolean).map((word) => word.replaceAll('-', '_'));
    const narrowed = words.length > 0 || this.filter === 'set';
    let total = 0, differ = 0;
    for (const section of this.sections ?? []) {
      let inside = 0, changed = 0;
      for (const row of section.rows) {
        const fits = (this.filter === 'all' || row.how || row.finding) && words.every((word) => row.all.includes(word));
        row.fits = !!fits;
        if (fits) inside += 1;
        if (row.how) changed += 1;
        if (row.element && row.element.hidden === row.fits) row.element.hidden = !fits;
        const deep = !!(fits && words.length && row.rest && words.some((word) => !row.brief.includes(word)));
        const turned = !!row.deep !== deep;
        row.deep = deep;
        if (turned && row.element) this.unfold(row, deep);
      }
      total += inside;
      differ += changed;
      const open = inside > 0 && (narrowed || this.opened.has(section.key));
      if (open) this.fill(section);
      if (section.element.hidden !== (inside === 0)) section.element.hidden = inside === 0;
      if (section.body.hidden === open) section.body.hidden = !open;
      section.button.setAttribute('aria-expanded', String(open));
      section.button.querySelector('.many').textContent =
        narrowed ? say('{count} of {all}', {count: inside, all: section.rows.length}) : section.rows.length + (changed ? ` · ${say('{count} set', {count: changed})}` : '');
    }
    const all = this.rows.size, count = narrowed ? say('{count} of {all}', {count: total, all}) : say('{count} options', {count: all});
    const said = this.root.querySelector('#options-count'), empty = this.root.querySelector('.ts-empty');
    if (said.textContent !== count) said.textContent = count;
    this.root.querySelector('[data-filter=set] small').textContent = differ;
    empty.hidden = total > 0 || !all;
    if (!empty.hidden) empty.lastElementChild.textContent = say(words.length ? 'Try another word, or part of a name.' : 'Everything is at its default.');
    const fold = this.root.querySelector('[data-fold]');
    fold.disabled = narrowed;
    fold.dataset.fold = (this.sections ?? []).every((section) => this.opened.has(section.key)) ? 'close' : 'open';
    fold.textContent = say(fold.dataset.fold === 'close' ? 'Close all' : 'Open all');
  }

  unfold(row, open) {
    row.element.classList.toggle('unfolded', open);
    row.more?.setAttribute('aria-expanded', String(open));
    if (row.more) row.more.textContent = say(open ? 'less' : 'more');
  }

  show(name) {
    const row = this.rows.get(name);
    this.wanted = row ? null : name;
    if (!row) return;
    if (!this.root.offsetParent) { requestAnimationFrame(() => this.show(name)); return; }  // the tab is about to open
    this.opened.add(row.section.key);
    if (!row.fits) { this.filter = 'all'; this.search.value = ''; this.press(); }
    this.find();
    row.element.scrollIntoView({block: 'center'});
    row.control.focus({preventScroll: true});
    row.element.classList.add('pointed');
    setTimeout(() => row.element.classList.remove('pointed'), 1600);
  }

  press() {
    for (const button of this.root.querySelectorAll('[data-filter]')) button.setAttribute('aria-pressed', String(button.dataset.filter === this.filter));
  }

  // What people do -------------------------------------------------------------------------------------------------

  listen() {
    const rowOf = (target) => this.rows.get(target.closest?.('[data-option]')?.dataset.option);
    this.root.addEventListener('input', (event) => {
      event.stopPropagation();
      if (event.target === this.search) return this.find();
      const row = rowOf(event.target);
      if (!row || event.target.tagName === 'SELECT' || row.kind === 'switch') return;
      this.typed(row);
    });
    this.root.addEventListener('change', (event) => {
      event.stopPropagation();
      const row = rowOf(event.target);
      if (!row) return;
      if (row.kind === 'switch') { this.write(row, String(event.target.checked)); this.edit(row, {text: String(event.target.checked), commit: true}); }
      else if (event.target.tagName === 'SELECT') this.edit(row, {text: event.target.value, commit: true});
      else this.read(row, true);
    });
    this.root.addEventListener('focusout', (event) => {
      const row = rowOf(event.target);
      if (!row || event.target !== row.control) return;
      row.meant = '';
      // An emptied box means the default, which it shows once it is left.
      if (!row.how && !row.control.value && row.shown) setTimeout(() => this.busy(row) || row.how || row.control.value || this.write(row, row.text), 400);
      this.say(row);
    });
    new IntersectionObserver((seen) => { if (!seen.at(-1).isIntersecting && !this.root.offsetParent) this.leave(true); }).observe(this.root);
    for (const kind of ['pointerover', 'focusin', 'click']) {
      document.addEventListener(kind, (event) => {
        const tab = event.target.closest?.('[role=tab]');
        if (tab && tab.dataset.tabId !== 'options') this.leave(kind === 'click' && this.root.offsetParent !== null);
      }, true);
    }
    this.root.addEventListener('keydown', (event) => {
      if (event.target === this.search && (event.key === 'Enter' || event.key === 'ArrowDown')) {
        event.preventDefault();
        [...this.rows.values()].find((row) => row.control?.offsetParent)?.control.focus();
      }
    });
    this.root.addEventListener('click', (event) => {
      const button = event.target.closest('button');
      if (!button) return;
      event.stopPropagation();
      const row = rowOf(button);
      if (button.dataset.filter) { this.filter = button.dataset.filter; this.press(); this.find(); }
      else if ('fold' in button.dataset) { const close = button.dataset.fold === 'close'; this.opened = new Set(close ? [] : this.sections.map((one) => one.key)); this.find(); }
      else if (button.dataset.show) this.show(button.dataset.show);
      else if (row && button === row.reset) { this.edit(row, {reset: true}); row.control.focus(); }
      else if (row) this.unfold(row, !row.element.classList.contains('unfolded'));
      else this.fold(button);
    });
  }

  fold(button) {
    const section = this.sections.find((one) => one.button === button);
    if (!section) return;
    if (this.opened.has(section.key)) this.opened.delete(section.key); else this.opened.add(section.key);
    this.find();
  }
}

window.tsOptions = (root, gradio) => {
  const list = new List(root, gradio);
  window.tsOptions.show = (name) => { window.tsOptionWanted = null; list.show(name); };
  if (window.tsOptionWanted) window.tsOptions.show(window.tsOptionWanted);
};
})();
