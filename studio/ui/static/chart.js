// Live charts of one run. The protocol is in studio/ui/chart.py; the drawing is uPlot's.
(() => {
  const POLL = 1000, RETRY = 5000, HEIGHT = 172, TABLE_ROWS = 100, STORE = "ts-charts";
  const DEFAULTS = { smoothing: 0.8, log: false, clip: false, table: false };
  const LINES = ["acc", "c3", "c4", "warn", "c5"], DASHES = [[], [5, 4], [2, 3]];
  let counter = 0;

  const make = (tag, attributes = {}, text) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const { number, place, tick, smoothed, append, lastIndex, logTicks, trend, tableRows } = window.tsSeries;

  class Chart {
    constructor(board, spec) {
      this.board = board;
      Object.assign(this, { key: spec.key, title: spec.title, unit: spec.unit, group: spec.group, smooth: spec.smooth });
      this.series = [];
      this.plot = null;
      this.dirty = true;
      this.card = make("figure", { class: "ts-chart", "data-chart": spec.key, "data-points": 0, "data-draws": 0 });
      const head = make("figcaption");
      this.corner = make("span", { class: "ts-last" });
      head.append(make("b", { title: spec.title }, spec.title), this.corner);
      this.body = make("div", { class: "ts-plot" });
      this.card.append(head, this.body);
      this.card.chart = this;
      board.sight.observe(this.card);
      this.take(spec);
    }

    take(spec) {
      for (const { name, label, kind, x, y, tone } of spec.series) {
        let series = this.series.find((one) => one.name === name);
        if (!series) {
          this.series.push((series = { name, label, kind, tone: tone ?? null, x: [], y: [] }));
          this.drop();
        }
        if (x.length) append(series, x, y);
        this.dirty ||= x.length > 0;
      }
    }

    colour(series) {
      const train = this.series.filter((one) => one.kind === "train");
      if (series.tone !== null) return LINES[series.tone % LINES.length];
      if (series.kind === "eval" && train.length <= 1) return "warn";
      const same = this.series.filter((one) => one.kind === series.kind);
      return LINES[same.indexOf(series) % LINES.length];
    }

    // uPlot wants one x for all lines: `join` aligns them, leaving undefined (skipped) apart from null (a gap).
    lines() {
      const { smoothing, log } = this.board.settings;
      const any = (test) => this.series.some((one) => one.y.some(test));
      this.log = log && any((value) => value > 0) && !any((value) => value < 0);
      const shown = (values) => (this.log ? values.map((value) => (value > 0 ? value : null)) : values);
      const tables = [], options = [];
      for (const series of this.series) {
        if (!series.x.length) continue;
        const stroke = () => this.board.colour(this.colour(series)), dash = DASHES[Math.floor(series.tone / LINES.length) % DASHES.length];
        const few = (u, index) => lastIndex(u.data[index]) >= 0 && series.x.length <= (series.kind === "eval" ? 40 : 2);
        const points = { show: few, size: 5, fill: stroke, width: 0 };
        const table = [series.x, shown(series.y)];
        if (series.kind === "eval") {
          options.push({ stroke, width: 1.5, dash: [5, 4], points, source: series });
        } else if (smoothing > 0 && this.smooth && series.x.length > 2) {
          options.push({ stroke, width: 1, alpha: 0.32, points: { show: false }, source: null });
          options.push({ stroke, width: 1.75, dash, points: { show: false }, source: series });
          table.push(smoothed(table[1], smoothing));
        } else {
          options.push({ stroke, width: 1.5, dash, points, source: series });
        }
        tables.push(table);
      }
      return { options, data: tables.length ? uPlot.join(tables) : [[]] };
    }

    span(u) {
      const { zoom } = this.board;
      if (zoom) return zoom;
      const x = u.data[0];
      if (!x.length) return [0, 1];
      return x[0] === x[x.length - 1] ? [x[0] - 1, x[0] + 1] : [x[0], x[x.length - 1]];
    }

    height(u, low, high) {
      if (low === null || high === null) return this.log ? [0.1, 1] : [0, 1];
      if (this.board.settings.clip) {
        const values = [], [left, right] = this.span(u);
        for (const line of u.data.slice(1)) {
          line.forEach((value, i) => value != null && u.data[0][i] >= left && u.data[0][i] <= right && values.push(value));
        }
        values.sort((a, b) => a - b);
        if (values.length > 20) [low, high] = [0.02, 0.98].map((part) => values[Math.round(part * (values.length - 1))]);
      }
      if (this.log) return low === high ? [low / 2, high * 2] : [low / 1.1, high * 1.1];
      const pad = (high - low) * 0.06 || Math.abs(low) * 0.1 || 1;
      return [low - pad, high + pad];
    }

    options(lines) {
      const board = this.board;
      const axis = { stroke: () => board.colour("faint"), font: `11.5px ${board.font()}`, ticks: { show: false } };
      return {
        width: Math.max(this.body.clientWidth, 80), height: HEIGHT, legend: { show: false }, padding: [8, 8, 0, 0],
        series: [{}, ...lines],
        scales: {
          x: { time: false, range: (u) => this.span(u) },
          y: { distr: this.log ? 3 : 1, range: (u, low, high) => this.height(u, low, high) },
        },
        axes: [
          { ...axis, grid: { show: false }, size: 26, gap: 6, space: 72, values: (u, ticks) => ticks.map((v) => v === null ? "" : Number.isInteger(v) ? tick(v) : "") },
          { ...axis, grid: { stroke: () => board.colour("line"), width: 1 }, size: 50, gap: 8, space: 34,
            ...(this.log ? { splits: (u, index, low, high) => logTicks(low, high), filter: (u, ticks) => ticks } : {}),
            values: (u, ticks) => ticks.map((v) => (v === null ? "" : tick(v))) },
        ],
        cursor: {
          y: false, points: { show: false },
          drag: { x: true, y: false, setScale: false },
          bind: { dblclick: () => () => board.zoomTo(null) },
          sync: { key: board.key, scales: ["x", null], filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
        },
        hooks: {
          setCursor: [(u) => this.label(u)],
          draw: [() => (this.card.dataset.draws = Number(this.card.dataset.draws) + 1)],
          setSelect: [(u) => {
            const { left, width } = u.select;
            if (width < 4) return;
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            board.zoomTo([u.posToVal(left, "x"), u.posToVal(left + width, "x")]);
          }],
        },
      };
    }

    drop() {
      this.plot?.destroy();
      this.plot = null;
      this.dirty = true;
    }

    draw() {
      if (!this.dirty) return;
      this.dirty = false;
      const count = this.series.reduce((sum, one) => sum + one.x.length, 0);
      this.card.dataset.points = count;
      this.describe();
      this.label(this.plot);
      if (this.board.settings.table) return this.table();
      // Far below the fold the next drawing waits until it is scrolled to.
      if (this.plot && !this.near) return void (this.dirty = true);
      if (!count) return this.body.replaceChildren(make("p", { class: "ts-hint" }, "No points yet"));
      const { options, data } = this.lines();
      if (this.plot && this.plot.series.length === options.length + 1 && this.plot.distr === this.log) {
        this.plot.setData(data);
      } else {
        this.plot?.destroy();
        this.body.replaceChildren();
        this.plot = new uPlot(this.options(options), data, this.body);
        this.plot.distr = this.log;
      }
    }

    // The corner says the last values, or those under the cursor.
    label(u) {
      const at = u?.cursor.left >= 0 ? u.cursor.idx : null;
      const x = at === null || at === undefined ? null : u.data[0][at];
      const parts = this.series.filter((one) => one.x.length).map((series) => {
        let index = lastIndex(series.y);
        if (x !== null) {
          let low = 0, high = series.x.length;
          while (low < high) series.x[(low + high) >> 1] <= x ? (low = ((low + high) >> 1) + 1) : (high = (low + high) >> 1);
          index = lastIndex(series.y, low - 1);
        }
        return { series, value: `${number(series.y[index])}${this.unit ? ` ${this.unit}` : ""}` };
      });
      const nodes = parts.flatMap(({ series, value }) => {
        if (parts.length === 1) return [make("span", {}, value)];
        const sign = make("i", { class: series.kind, style: `color:var(--ts-${this.colour(series)})` });
        const part = make("span");
        part.append(sign, `${series.label} ${value}`);
        return [part];
      });
      if (x !== null) nodes.unshift(make("span", { class: "at" }, `${this.board.x} ${place(x)}`));
      this.corner.replaceChildren(...nodes);
    }

    describe() {
      const said = this.series.filter((one) => one.x.length).map((series) => {
        const last = lastIndex(series.y);
        if (last < 0) return `${series.label}: no number`;
        return `${series.label} ${number(series.y[last])} at ${this.board.x} ${place(series.x[last])}, ${trend(series.y)}`;
      });
      const first = this.series.find((one) => lastIndex(one.y) >= 0);
      this.card.dataset.last = first ? first.y[lastIndex(first.y)] : "";
      if (this.board.settings.table) ["role", "aria-label"].forEach((name) => this.body.removeAttribute(name));
      else this.body.setAttribute("role", "img"), this.body.setAttribute("aria-label", `${this.title}: ${said.join("; ") || "no points yet"}`);
    }

    table() {
      this.plot?.destroy();
      this.plot = null;
      const filled = this.series.filter((one) => one.x.length);
      const table = make("table", { class: "ts-table" }), head = make("tr"), body = make("tbody");
      for (const name of [this.board.x, ...filled.map((one) => one.label)]) head.append(make("th", { class: "num", scope: "col" }, name));
      for (const [x, ...values] of tableRows(filled, TABLE_ROWS)) {
        const row = make("tr");
        for (const text of [place(x), ...values.map(number)]) row.append(make("td", { class: "num" }, text));
        body.append(row);
      }
      const top = make("thead");
      top.append(head);
      table.append(make("caption", { class: "ts-sr" }, this.title), top, body);
      const frame = make("div", { class: "ts-rows", tabindex: 0, role: "region", "aria-label": `${this.title}, table` });
      frame.append(table);
      const scrolled = this.body.querySelector(".ts-rows")?.scrollTop ?? 0;
      this.body.replaceChildren(frame);
      frame.scrollTop = scrolled;
    }
  }

  class Board {
    constructor(root, props, ask, watch) {
      Object.assign(this, { root, props, ask, key: `ts-charts-${++counter}`, charts: [], zoom: null, x: "step", group: null, turn: 0 });
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
      this.reset = make("button", { type: "button", class: "ts-toggle", hidden: "" }, "Reset zoom");
      this.reset.onclick = () => this.zoomTo(null);
      this.bar.append(this.reset);
    }

    segments() {
      const names = [...new Set(this.charts.map((chart) => chart.group))];
      if (!names.includes(this.group) && this.group !== "") this.group = names[0] ?? null;
      const entries = names.length > 1 ? [...names.map((name) => [name, name]), ["", `All ${this.charts.length}`]] : [];
      const said = JSON.stringify([entries, this.group]);
      if (this.groups.dataset.said === said) return;
      this.groups.dataset.said = said;
      this.groups.hidden = !entries.length;
      this.groups.replaceChildren(...entries.map(([name, text]) => {
        const button = make("button", { type: "button", "aria-pressed": name === this.group }, text);
        button.onclick = () => { this.group = name; this.show(); };
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
      Object.assign(this, { cursor: null, done: false, busy: false, retryAt: 0 });
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
        await new Promise((wake) => setTimeout(wake, POLL));
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
        if (turn === this.turn) this.take(reply);
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
      Object.assign(this, { cursor: reply.cursor, done: reply.done, x: reply.x });
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
        if (plot && body.clientWidth && plot.width !== body.clientWidth) plot.setSize({ width: body.clientWidth, height: HEIGHT });
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
