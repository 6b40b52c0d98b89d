// The charts of one run: what they show in common, and the question for new points. See studio/ui/chart.py.
(() => {
  const POLL = 1000, MOST = 3, RETRY = 5000, STORE = "ts-charts";
  const DEFAULTS = { smoothing: 0.8, log: false, clip: false, table: false, x: "step" };
  const FIRST = ["Headline"], LAST = ["More", "Timing", "Hardware"];
  let counter = 0;

  const { make } = window.tsSeries;
  const Chart = window.tsChart;

  class Board {
    constructor(root, props, ask, watch) {
      Object.assign(this, { root, props, ask, key: `ts-charts-${++counter}`, charts: [], zoom: null, x: "step", group: null, turn: 0, axes: new window.tsAxes() });
      this.settings = { ...DEFAULTS, ...this.stored() };
      this.toolbar();
      this.note = make("div", { class: "ts-empty ts-charts-note", role: "status" });
      this.grid = make("div", { class: "ts-grid" });
      root.replaceChildren(this.bar, this.note, this.grid);
      const redraw = () => this.charts.forEach((chart) => chart.plot?.redraw(false));
      this.theme = new MutationObserver(redraw);
      this.theme.observe(document.body, { attributes: true, attributeFilter: ["class"] });
      this.sizes = new ResizeObserver(() => this.resize());
      this.sizes.observe(this.grid);
      this.sight = new IntersectionObserver((entries) => entries.forEach(({ target: { chart }, isIntersecting }) => {
        chart.near = isIntersecting;
        if (isIntersecting) chart.draw();
      }), { rootMargin: "200px" });
      document.fonts?.ready.then(redraw);
      watch("value", () => this.start());
      this.start();
      this.loop();
    }

    stored() { try { return JSON.parse(localStorage.getItem(STORE)) ?? {}; } catch { return {}; } }
    colour(token) { return getComputedStyle(this.root).getPropertyValue(`--ts-${token}`).trim(); }
    font() { return getComputedStyle(this.root).fontFamily; }
    get run() { return this.props.value || null; }

    set(name, value) {
      this.settings[name] = value;
      localStorage.setItem(STORE, JSON.stringify(this.settings));
      this.charts.forEach((chart) => chart.drop());
      this.show();
    }

    toolbar() {
      this.bar = make("div", { class: "ts-charts-bar" });
      this.groups = make("div", { class: "ts-seg", role: "group", "aria-label": "Which charts" });
      const smoothing = make("label"), value = make("output", {}, this.settings.smoothing.toFixed(2));
      const slider = make("input", { type: "range", min: 0, max: 0.98, step: 0.02, value: this.settings.smoothing });
      slider.oninput = () => {
        value.textContent = Number(slider.value).toFixed(2);
        this.set("smoothing", Number(slider.value));
      };
      smoothing.append("Smoothing", slider, value);
      this.bar.append(this.groups, make("span", { class: "ts-spacer" }), smoothing);
      for (const [name, text] of [["log", "Log scale"], ["clip", "Clip outliers"], ["table", "Show as table"]]) {
        const button = make("button", { type: "button", class: "ts-toggle", "data-set": name, "aria-pressed": this.settings[name] }, text);
        button.onclick = () => {
          button.setAttribute("aria-pressed", !this.settings[name]);
          this.set(name, !this.settings[name]);
        };
        this.bar.append(button);
      }
      const by = make("label", { class: "ts-by" }), chosen = make("select", { class: "ts-select", "data-set": "x" });
      chosen.onchange = () => { this.zoomTo(null); this.set("x", chosen.value); };
      by.append("X axis", chosen);
      Object.assign(this, { by, chosen });
      this.bar.insertBefore(by, smoothing);
      this.reset = make("button", { type: "button", class: "ts-toggle", hidden: "" }, "Reset zoom");
      this.reset.onclick = () => this.zoomTo(null);
      this.bar.append(this.reset);
    }

    // What is offered to draw over; what was chosen once is taken again as soon as it is there.
    places() {
      const names = this.axes.names(), x = names.includes(this.settings.x) ? this.settings.x : "step";
      if (this.chosen.options.length !== names.length) this.chosen.replaceChildren(...names.map((name) => make("option", { value: name }, name)));
      this.chosen.value = x;
      this.by.hidden = names.length < 2;
      if (x === this.x) return;
      this.x = x;
      this.charts.forEach((chart) => chart.drop());
    }

    segments() {
      // Whatever came first: what tells most stands first, and is shown until another group is chosen.
      const rank = (name) => (FIRST.includes(name) ? -1 : LAST.indexOf(name) + 1);
      const names = [...new Set(this.charts.map((chart) => chart.group))].sort((a, b) => rank(a) - rank(b));
      if (!this.picked || (!names.includes(this.group) && this.group !== "")) this.group = names[0] ?? null;
      const entries = names.length > 1 ? [...names.map((name) => [name, name]), ["", `All ${this.charts.length}`]] : [];
      const said = JSON.stringify([entries, this.group]);
      if (this.groups.dataset.said === said) return;
      this.groups.dataset.said = said;
      this.groups.hidden = !entries.length;
      this.groups.replaceChildren(...entries.map(([name, text]) => {
        const button = make("button", { type: "button", "aria-pressed": name === this.group }, text);
        button.onclick = () => { Object.assign(this, { group: name, picked: true }); this.show(); };
        return button;
      }));
    }

    state(name, text = "") {
      this.root.dataset.state = name;
      this.note.textContent = text;
      this.note.hidden = !text;
      this.bar.hidden = !this.charts.length && name !== "loading";
    }

    start() {
      this.turn += 1;
      Object.assign(this, { cursor: null, done: false, busy: false, retryAt: 0, idle: 0, pause: 1 });
      this.clear();
      this.root.dataset.run = this.run ?? "";
      this.state(...(this.run ? ["loading", this.grid.offsetHeight ? "" : " "] : ["none", this.props.no_run]));
      this.poll();
    }

    // The height stays while another run's charts are on their way.
    clear() {
      this.grid.style.minHeight = `${this.run ? this.grid.offsetHeight : 0}px`;
      this.charts.forEach((chart) => chart.drop());
      this.charts = [];
      this.axes.clear();
      this.grid.replaceChildren();
      this.zoomTo(null);
    }

    onScreen() {
      const box = this.root.getBoundingClientRect();
      return !document.hidden && this.root.getClientRects().length > 0 && box.bottom > 0 && box.top < innerHeight;
    }

    async loop() {
      while (this.root.isConnected) {
        await this.poll();
        // A run that logs seldom is asked seldom: after each reply without news a second later.
        await new Promise((wake) => setTimeout(wake, POLL * this.pause * Math.min(1 + this.idle, MOST)));
      }
      [this.theme, this.sizes, this.sight].forEach((observer) => observer.disconnect());
      this.charts.forEach((chart) => chart.drop());
    }

    async poll() {
      if (this.busy || this.done || !this.run || Date.now() < this.retryAt || !this.onScreen()) return;
      const turn = this.turn;
      this.busy = true;
      try {
        const reply = JSON.parse(await this.ask({ run: this.run, cursor: this.cursor }));
        if (turn !== this.turn) return;
        this.idle = reply.charts.length ? 0 : this.idle + 1;
        this.take(reply);
      } catch (error) {
        console.error(error);
        if (turn !== this.turn) return;
        this.retryAt = Date.now() + RETRY;
        this.state("error", "The studio does not answer. The run is not touched by this; the charts try again.");
      } finally {
        if (turn === this.turn) this.busy = false;
      }
    }

    take(reply) {
      if (reply.error) {
        this.retryAt = Date.now() + RETRY;
        return this.state("error", reply.error);
      }
      if (reply.reset) this.clear();
      Object.assign(this, { cursor: reply.cursor, done: reply.done, pause: reply.pause });
      this.axes.take(reply.axes);
      for (const spec of reply.charts) {
        const known = this.charts.find((chart) => chart.key === spec.key);
        if (known) known.take(spec);
        else this.charts.push(new Chart(this, spec));
      }
      const points = this.charts.some((chart) => chart.series.some((one) => one.x.length));
      this.state(reply.done ? "done" : points ? "live" : "empty", points ? "" : reply.empty);
      this.show();
      this.grid.style.minHeight = "";
    }

    show() {
      this.places();
      this.segments();
      for (const chart of this.charts) {
        chart.card.hidden = this.group !== "" && chart.group !== this.group;
        if (!chart.card.isConnected) this.grid.append(chart.card);
        if (!chart.card.hidden) chart.draw();
      }
      this.resize();
    }

    resize() {
      for (const { plot, body } of this.charts) {
        if (plot && body.clientWidth && plot.width !== body.clientWidth) plot.setSize({ width: body.clientWidth, height: Chart.HEIGHT });
      }
    }

    zoomTo(zoom) {
      this.zoom = zoom;
      this.root.dataset.zoom = zoom ? zoom.map((value) => Math.round(value)).join("-") : "";
      this.reset.hidden = !zoom;
      for (const { plot } of this.charts) plot?.setScale("x", { min: 0, max: 1 });
    }
  }

  window.tsCharts = (root, props, ask, watch) => {
    root.board = new Board(root, props, ask, watch);
  };
})();
