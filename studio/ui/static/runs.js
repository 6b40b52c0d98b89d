// The list of runs, the table of a comparison, a run's samples and the card of its notes and files; see
// studio/ui/run_list.py, run_compare.py, run_samples.py and run_keeping.py. Each asks the server for what it shows: no
// answer of the page draws over what one ticks, types or is about to delete.
(() => {
  const EVERY = 3000, PAUSE = 200, STEP = 100;
  const seen = (root) => !document.hidden && root.getClientRects().length > 0;
  const changed = () => document.dispatchEvent(new Event("ts-runs-changed"));

  // Calls `ask` now and then while the root is on the screen, and at once when it comes there. It may answer how many
  // times longer than usual to wait.
  const follow = (root, ask) => {
    new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && ask()).observe(root);
    const loop = async () => {
      let pause = 1;
      while (root.isConnected) {
        await new Promise((wake) => setTimeout(wake, EVERY * pause));
        if (seen(root)) pause = (await ask()) || 1;
      }
    };
    loop();
  };

  class RunList {
    constructor(root, { props, trigger, watch, server }) {
      Object.assign(this, { root, props, trigger, server, turn: 0, drawn: null, picked: new Set() });
      this.query = { text: "", order: "started", down: true, archived: false, limit: STEP };
      for (const name of ["head", "sift", "rows", "bare"]) this[name] = root.querySelector(`.${name}`);
      this.search = root.querySelector("[type=search]");
      this.search.addEventListener("input", () => {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.set({ text: this.search.value, limit: STEP }), PAUSE);
      });
      root.querySelector("[data-archived]").addEventListener("change", ({ target }) => this.set({ archived: target.checked }));
      this.rows.addEventListener("change", ({ target }) => this.pick(target));
      root.addEventListener("click", ({ target }) => this.click(target));
      document.addEventListener("ts-runs-changed", () => this.ask());
      document.addEventListener("ts-runs-group", () => this.together());
      watch("value", () => this.ask());
      follow(root, () => this.ask());
      this.ask();
      this.together();
    }

    // The runs of a sweep that was just started, side by side.
    together() {
      const tag = window.tsRunsGroup;
      if (!tag) return;
      window.tsRunsGroup = null;
      this.search.value = this.awaited = tag;
      this.set({ text: tag, limit: STEP });
    }

    compare(names) {
      this.picked = new Set(names);
      for (const box of this.rows.querySelectorAll("[data-pick]")) box.checked = this.picked.has(box.dataset.pick);
      this.tell();
    }

    set(change) {
      Object.assign(this.query, change);
      return this.ask();
    }

    click(target) {
      const run = target.closest("[data-run]"), sort = target.closest("[data-sort]");
      if (run) this.trigger("click", { run: run.dataset.run });
      if (sort) {
        const { order, down } = this.query, asked = sort.dataset.sort;
        this.set({ order: asked, down: order === asked ? !down : asked === "started" || asked === "step" });
      }
      const tag = target.closest("[data-tag]");
      if (tag) {
        this.search.value = tag.dataset.tag;
        this.set({ text: tag.dataset.tag, limit: STEP });
      }
      if (target.closest("[data-together]")) this.compare(this.found);
      if (target.closest("[data-more]")) this.set({ limit: this.query.limit + STEP });
    }

    pick(box) {
      if (!box.matches("[data-pick]")) return;
      this.picked[box.checked ? "add" : "delete"](box.dataset.pick);
      this.tell();
    }

    tell() { this.trigger("input", { runs: [...this.picked] }); }

    async ask() {
      const turn = ++this.turn;
      let answer;
      try {
        answer = await this.server.rows({ ...this.query, chosen: this.props.value ?? "", picked: [...this.picked] });
      } catch (error) {
        return console.warn(error);  // the server is away: what is drawn stays
      }
      if (turn !== this.turn) return;  // a newer question is on its way
      this.found = answer.found;
      const kept = [...this.picked].filter((name) => answer.picked.includes(name));
      this.head.hidden = this.rows.hidden = answer.bare;
      this.sift.hidden = this.bare.hidden = false;
      this.bare.hidden = !answer.bare;
      this.draw(answer.bare ? this.bare : this.rows, answer.html);
      if (kept.length < this.picked.size) {
        this.picked = new Set(kept);
        this.tell();
      }
      if (this.awaited && this.awaited === this.query.text) {
        this.awaited = null;
        this.compare(this.found);
      }
      return answer.pause;
    }

    draw(into, html) {
      if (html === this.drawn) return;
      this.drawn = html;
      const held = document.activeElement, names = ["run", "pick", "sort"];
      const name = into.contains(held) && names.find((one) => held.dataset[one]);
      const again = name && `[data-${name}="${CSS.escape(held.dataset[name])}"]`;
      const scrolled = into.querySelector(".ts-scroll")?.scrollTop ?? 0;
      into.innerHTML = html;
      for (const box of into.querySelectorAll("[data-pick]")) box.checked = this.picked.has(box.dataset.pick);
      const frame = into.querySelector(".ts-scroll");
      if (frame) frame.scrollTop = scrolled;
      if (again) into.querySelector(again)?.focus({ preventScroll: true });
    }
  }

  class Polled {
    constructor(root, { props, watch, server }) {
      Object.assign(this, { root, props, server, again: true, asked: {} });
      watch("value", () => { this.again = true; this.asked = {}; this.ask(); });
      root.addEventListener("change", ({ target }) => {
        if (!target.dataset.ask) return;
        this.asked[target.dataset.ask] = target.value;
        this.again = true;
        this.ask();
      });
      document.addEventListener("ts-runs-changed", () => { this.again = true; this.ask(); });
      follow(root, () => this.ask());
      this.ask();
    }

    async ask() {
      const value = this.props.value;
      if (!value) return this.root.replaceChildren();
      if (!this.again) return;
      const turn = this.turn = (this.turn ?? 0) + 1;
      try {
        const answer = await this.server.table({ value, ...this.asked });
        if (value !== this.props.value || turn !== this.turn) return;  // something else is asked for by now
        this.again = answer.again;
        if (this.html === answer.html && this.root.firstChild) return;
        const held = this.root.contains(document.activeElement) && document.activeElement.dataset.ask;
        this.root.innerHTML = this.html = answer.html;
        if (held) this.root.querySelector(`[data-ask="${held}"]`)?.focus({ preventScroll: true });
      } catch (error) {
        console.warn(error);
      }
    }
  }

  class Keeping {
    constructor(root, { props, trigger, watch, server }) {
      Object.assign(this, { root, props, trigger, server });
      root.addEventListener("click", ({ target }) => this.click(target.closest("[data-keep]")));
      root.addEventListener("change", ({ target }) => target.dataset.mark && this.mark(target));
      watch("value", () => this.show());
      document.addEventListener("ts-run-ended", ({ detail }) => detail.run === this.run && this.renew());
      this.show();
    }

    // A run that has ended can be deleted, and its model has a size.
    async renew() {
      if (!this.root.querySelector("[data-live]") || this.root.contains(document.activeElement)) return;
      const run = this.run, answer = await this.ask("show");
      if (run !== this.run || !answer.html || answer.html.includes("data-live")) return;
      if (!this.root.contains(document.activeElement)) this.fill(run, answer.html);
    }

    get run() { return this.props.value || ""; }

    async ask(what, more = {}) {
      const run = more.run ?? this.run;
      try {
        const answer = await this.server.keep({ do: what, run, ...more });
        if (answer.error && run === this.run) this.say(answer.error);
        return answer;
      } catch (error) {
        console.warn(error);
        return { error: String(error) };
      }
    }

    say(text) {
      const line = this.root.querySelector(".said");
      if (line) line.textContent = text;
    }

    async show() {
      if (!this.run) return this.root.replaceChildren();
      if (this.root.dataset.run === this.run) return;
      const run = this.run, answer = await this.ask("show");
      if (run === this.run && answer.html) this.fill(run, answer.html);
    }

    fill(run, html) {
      this.root.dataset.run = run;
      this.root.innerHTML = html;
    }

    // What was typed belongs to the run that it was typed for, even where another one is shown by now.
    async mark(field) {
      const run = this.root.dataset.run, answer = await this.ask("mark", { run, [field.dataset.mark]: field.value });
      if (!answer.error) changed();
    }

    async click(button) {
      if (!button) return;
      const what = button.dataset.keep, run = this.root.dataset.run, asked = this.root.querySelector(".asked");
      this.say("");
      if (what === "leave") asked.replaceChildren();
      if (what === "ask") asked.innerHTML = (await this.ask("ask", { run })).html ?? "";
      if (what === "csv" || what === "zip") this.fetch(run, what);
      if (what === "archive") {
        const answer = await this.ask("mark", { run, archived: button.dataset.archived !== "true" });
        if (answer.html) this.fill(run, answer.html);
        changed();
      }
      if (what === "delete") {
        button.disabled = true;
        const answer = await this.ask("delete", { run });
        asked.replaceChildren();
        changed();
        if (answer.gone) this.trigger("click", { gone: run });
      }
    }

    async fetch(run, kind) {
      const output = this.root.querySelector("[data-output]")?.checked ?? false;
      const { job } = await this.ask("export", { run, kind, output });
      for (let known = Boolean(job); known;) {
        const answer = await this.ask("job", { run, job });
        if (answer.error) return this.say(answer.error);
        this.say(`${Math.floor(answer.share * 100)} %`);
        if (answer.ready) {
          const link = document.createElement("a");
          Object.assign(link, { href: answer.url, download: "" });
          link.click();
          known = false;
        } else {
          await new Promise((wake) => setTimeout(wake, 500));
        }
      }
    }
  }

  window.tsRuns = (root, gradio) => new RunList(root, gradio);
  window.tsPolled = (root, gradio) => new Polled(root, gradio);
  window.tsKeeping = (root, gradio) => new Keeping(root, gradio);

  // What can be done with a run; see studio/ui/run_actions.py.
  window.tsRunActions = (element, {trigger, server}) => {
    element.addEventListener('click', (event) => {
      const button = event.target.closest('[data-act]');
      if (!button) return;
      const chosen = element.querySelector('select')?.value ?? '';
      const changes = [...element.querySelectorAll('.ts-changes .line')].map((line) =>
        [...line.querySelectorAll('input')].map((box) => box.value.trim()));
      trigger('click', {act: button.dataset.act, run: button.dataset.of, checkpoint: chosen, changes});
    });
    // What may change is asked for once somebody types; the last line that is filled has an empty one below it.
    let known = {}, of = null;
    element.addEventListener('focusin', async ({target}) => {
      const box = target.closest?.('.ts-changes');
      const list = element.querySelector('.ts-changes datalist');
      if (!box || (of === box.dataset.of && list.childElementCount)) return;
      of = box.dataset.of;
      known = JSON.parse(await server.changeable_now(of));
      list.replaceChildren(
        ...Object.keys(known).map((name) => Object.assign(document.createElement('option'), {value: name})));
    });
    element.addEventListener('input', ({target}) => {
      const line = target.closest('.ts-changes .line');
      if (!line) return;
      const [name, value] = line.querySelectorAll('input');
      if (target === name) value.placeholder = known[name.value.trim()] ?? '';
      if (line.nextElementSibling?.matches('.line') || !target.value) return;
      const next = line.cloneNode(true);
      next.querySelectorAll('input').forEach((box) => { box.value = ''; box.placeholder = ''; });
      line.after(next);
    });
  };
})();
