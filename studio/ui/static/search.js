// The list under a box for a model or a dataset: searched on the Hub as one types; see studio/ui/search_list.py.
// `tsSearch(root, gradio)` is called once for each list. The newest question counts: an answer to another one is dropped.
(() => {
const PAUSE = 250;  // ms without a key until the Hub is asked
const REST = 300;  // ms that a hit is looked at until more is asked about it
const SETTLED = 400;  // ms after the last key: what was typed has been told to the server by then
const AT_ONCE = 3;  // questions on their way at most: a Hub that hangs is not asked ever more
const AHEAD = 5;  // hits of which more is found out by itself
let typedIn = null;  // where one has typed last: perhaps before the list was there
const say = (english) => window.tsSay?.(english) ?? english;

document.addEventListener('input', (event) => { typedIn = event.target; }, true);

class SearchList {
  constructor(root, {props, trigger, watch, server}) {
    Object.assign(this, {root, props, trigger, server, number: 0, asking: 0, open: false, current: null, off: false});
    for (const name of ['here', 'hits', 'status', 'filters', 'toggle', 'sift', 'told']) this[name] = root.querySelector(`.${name}`);
    const draw = () => this.keeping(() => { this.here.innerHTML = props.value ?? ''; });
    watch('value', draw);
    draw();
    root.addEventListener('click', (event) => this.click(event));
    // The box keeps the focus while one presses on a hit: leaving it would have what is typed there looked up.
    root.addEventListener('mousedown', (event) => { if (!event.target.closest('select')) event.preventDefault(); });
    root.addEventListener('change', (event) => { if (event.target.closest('[data-filter]')) this.search(0); });
    root.addEventListener('keydown', (event) => { if (event.key === 'Escape' && this.open) { this.close(); this.box?.focus(); event.stopPropagation(); } });
    root.addEventListener('pointerover', (event) => this.rest(event.target.closest('[data-hit], .ts-hit')));
    root.addEventListener('focusout', (event) => this.left(event));
    document.addEventListener('input', (event) => { if (this.isBox(event.target)) this.typed(); }, true);
    document.addEventListener('keydown', (event) => { if (this.isBox(event.target)) this.key(event); }, true);
    document.addEventListener('blur', (event) => this.blur(event), true);
    // Closed by a click elsewhere only once that has been made: what moves under the mouse before would lose it.
    document.addEventListener('pointerdown', () => { this.pressed = true; }, true);
    document.addEventListener('click', (event) => { this.pressed = false; if (!this.isMine(event.target)) this.close(); }, true);
    document.addEventListener('focusin', (event) => { if (!this.pressed && !this.isMine(event.target)) this.close(); });
    if (this.isBox(typedIn) && document.activeElement === typedIn) this.typed();
  }

  get box() { return document.querySelector(`#${CSS.escape(this.root.dataset.box)} :is(input, textarea)`); }
  isBox(target) { return target instanceof Element && target === this.box; }
  isMine(target) { return this.isBox(target) || this.root.contains(target); }
  get rows() { return [...this.root.querySelectorAll('[data-offer]')].filter((one) => one.offsetParent); }

  // Open and closed

  typed() {
    this.browsing = false;
    this.typedAt = performance.now();
    this.mark(null);
    if (!this.box.value.trim()) { this.close(); return; }
    this.unfold();
    this.search(PAUSE);
  }

  unfold() {
    this.open = true;
    this.root.classList.add('open');
    this.toggle.setAttribute('aria-expanded', 'true');
    this.sift.hidden = false;
    this.hits.hidden = this.off;
  }

  close() {
    if (!this.open) return;
    this.open = false;
    this.number += 1;  // what is still on its way is too late
    clearTimeout(this.timer);
    this.root.classList.remove('open', 'old');
    this.toggle.setAttribute('aria-expanded', 'false');
    this.sift.hidden = this.hits.hidden = true;
    this.fold(true);
    this.hits.replaceChildren();
    this.status.replaceChildren();
    this.mark(null);
  }

  fold(folded) {
    this.filters.hidden = folded;
    this.sift.setAttribute('aria-expanded', String(!folded));
  }

  // Questions and answers

  get question() {
    const chosen = {};
    for (const one of this.root.querySelectorAll('[data-filter]')) chosen[one.dataset.filter] = one.value;
    const text = this.browsing ? '' : this.box?.value ?? '';
    // Without words, what most people take is as good a beginning as any.
    if (this.browsing && !chosen.sort) chosen.sort = 'downloads';
    return {text, method: this.here.querySelector('[data-wanted-for]')?.dataset.wantedFor ?? '', ...chosen};
  }

  search(pause, again = false) {
    clearTimeout(this.timer);
    this.number += 1;
    this.timer = setTimeout(() => this.ask(again), pause);
  }

  async ask(again) {
    if (!this.open) return;
    if (this.asking >= AT_ONCE) { this.waiting = true; return; }  // asked once one of them has ended
    const number = this.number, question = {...this.question, again};
    this.waiting = false;
    this.asking += 1;
    this.root.classList.add('old');
    if (!this.off) this.status.textContent = say('Searching the Hub');
    let answer;
    try {
      answer = await this.server.find(question);
    } catch {
      answer = {hits: '', status: say('The studio does not answer.'), off: false};
    }
    this.asking -= 1;
    if (number === this.number && this.open) this.show(answer);
    if (this.waiting) this.ask(false);
  }

  show({hits, status, off}) {
    this.off = off;
    this.keeping(() => { this.hits.innerHTML = hits; });
    this.hits.hidden = off || !hits;
    if (!this.current) this.hits.scrollTop = 0;
    this.status.innerHTML = status;
    this.root.classList.remove('old');
    this.later(this.number, [...this.hits.querySelectorAll('[data-open]')].slice(0, AHEAD));
  }

  // What the keys have led to is still the same after its part of the list was drawn anew.
  keeping(draw) {
    const name = this.current?.dataset.offer;
    draw();
    if (name && !this.current.isConnected) this.mark(this.rows.find((one) => one.dataset.offer === name));
  }

  // One after the other, and no longer than they are on the screen.
  async later(number, rows) {
    for (const row of rows) {
      await new Promise((done) => setTimeout(done, REST));
      if (number !== this.number) return;
      await this.more(row);
    }
  }

  async more(row) {
    if (!row?.isConnected || !('open' in row.dataset)) return;
    delete row.dataset.open;
    const told = await this.server.more({name: row.dataset.offer}).catch(() => '');
    if (!told || !row.isConnected) return;
    row.innerHTML = told;
    row.classList.toggle('unfit', !!row.querySelector('em'));
  }

  rest(row) {
    clearTimeout(this.resting);
    if (row) this.resting = setTimeout(() => this.more(row), REST);
  }

  // Keys: the focus stays in the box, so that one goes on typing.

  key(event) {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
    if (step) {
      if (!this.open && step > 0) this.browse();
      event.preventDefault();
      this.move(step);
    } else if (event.key === 'Enter' && this.current?.isConnected && this.open) {
      event.preventDefault();
      event.stopImmediatePropagation();
      this.choose(this.current);
    } else if (event.key === 'Enter') {
      this.close();
    } else if (event.key === 'Escape' && this.open) {
      event.preventDefault();
      if (this.current) this.mark(null); else this.close();
    }
  }

  move(step) {
    const rows = this.rows, place = rows.indexOf(this.current);
    if (!rows.length) return;
    const next = place + step;
    this.mark(place < 0 && step < 0 ? rows.at(-1) : next < 0 || next >= rows.length ? null : rows[next]);
  }

  mark(row) {
    this.current?.classList.remove('current');
    this.current = row?.isConnected ? row : null;
    this.current?.classList.add('current');
    this.current?.scrollIntoView({block: 'nearest'});
    this.told.textContent = this.current?.innerText ?? '';
    this.rest(this.current?.matches('.ts-hit') ? this.current : null);
  }

  browse() {
    this.browsing = true;
    this.unfold();
    this.search(0);
  }

  click(event) {
    const row = event.target.closest('[data-offer]'), what = event.target.closest('[data-search]')?.dataset.search;
    if (row) this.choose(row);
    else if (what === 'toggle') { if (this.open) this.close(); else this.browse(); this.box?.focus(); }
    else if (what === 'filters') this.fold(!this.filters.hidden);
    else if (what === 'again') this.search(0, true);
  }

  choose(row) {
    const {offer, revision} = row.dataset;
    const early = SETTLED - (performance.now() - (this.typedAt ?? -SETTLED));
    this.close();
    // What was typed just before must not come after the choice, and take it back.
    setTimeout(() => this.trigger('click', {offer, revision, box: this.root.dataset.box}), Math.max(0, early));
  }

  // Who goes from the box to a filter has not left the box yet; who goes on from there to elsewhere has.
  blur(event) {
    if (this.isBox(event.target) && this.filters.contains(event.relatedTarget)) event.stopImmediatePropagation();
  }

  left(event) {
    if (!this.filters.contains(event.target) || this.isMine(event.relatedTarget)) return;
    this.box?.dispatchEvent(new FocusEvent('blur'));
  }
}

window.tsSearch ??= (root, gradio) => { new SearchList(root, gradio); };
})();
