// One live chart: its lines, its corner, its table. The protocol is in studio/ui/chart.py; the drawing is uPlot's.
(() => {
  const HEIGHT = 172, TABLE_ROWS = 100;
  const LINES = ["acc", "c3", "c4", "warn", "c5"], DASHES = [[], [5, 4], [2, 3]];

  const { make, number, tick, smoothed, append, lastIndex, logTicks, trend, tableRows } = window.tsSeries;

  class Chart {
    static HEIGHT = HEIGHT;

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
      for (const { name, label, kind, x, y, tone, over } of spec.series) {
        let series = this.series.find((one) => one.name === name);
        if (!series) {
          this.series.push((series = { name, label, kind, tone: tone ?? null, over: over ?? "step", x: [], y: [], at: [] }));
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

    // Where its points are on the axis that is shown: `at` beside each series' own x.
    place() {
      for (const series of this.series) series.at = this.board.axes.over(this.board.x, series) ?? [];
    }

    // uPlot wants one x for all lines: `join` aligns them, leaving undefined (skipped) apart from null (a gap).
    lines() {
      const { smoothing, log } = this.board.settings;
      const any = (test) => this.series.some((one) => one.y.some(test));
      this.log = log && any((value) => value > 0) && !any((value) => value < 0);
      const shown = (values) => (this.log ? values.map((value) => (value > 0 ? value : null)) : values);
      const tables = [], options = [];
      for (const series of this.series) {
        if (!series.at.length) continue;
        const stroke = () => this.board.colour(this.colour(series)), dash = DASHES[Math.floor(series.tone / LINES.length) % DASHES.length];
        const few = (u, index) => lastIndex(u.data[index]) >= 0 && series.x.length <= (series.kind === "eval" ? 40 : 2);
        const points = { show: few, size: 5, fill: stroke, width: 0 };
        const table = [series.at, shown(series.y)];
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
          { ...axis, grid: { show: false }, size: 26, gap: 6, space: 72, ...board.axes.steps(board.x),
            values: (u, ticks) => ticks.map((v) => (v === null ? "" : board.axes.mark(board.x, v))) },
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
      this.place();
      this.describe();
      this.label(this.plot);
      if (this.board.settings.table) return this.table();
      // Far below the fold the next drawing waits until it is scrolled to.
      if (this.plot && !this.near) return void (this.dirty = true);
      if (!this.series.some((one) => one.at.length)) return this.body.replaceChildren(make("p", { class: "ts-hint" }, "No points yet"));
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
          let low = 0, high = series.at.length;
          while (low < high) series.at[(low + high) >> 1] <= x ? (low = ((low + high) >> 1) + 1) : (high = (low + high) >> 1);
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
      if (x !== null) nodes.unshift(make("span", { class: "at" }, `${this.board.x} ${this.board.axes.place(this.board.x, x)}`));
      this.corner.replaceChildren(...nodes);
    }

    describe() {
      const said = this.series.filter((one) => one.x.length).map((series) => {
        const last = lastIndex(series.y);
        if (last < 0) return `${series.label}: no number`;
        return `${series.label} ${number(series.y[last])} at ${this.board.x} ${this.board.axes.place(this.board.x, series.at[last])}, ${trend(series.y)}`;
      });
      const first = this.series.find((one) => lastIndex(one.y) >= 0);
      this.card.dataset.last = first ? first.y[lastIndex(first.y)] : "";
      if (this.board.settings.table) ["role", "aria-label"].forEach((name) => this.body.removeAttribute(name));
      else this.body.setAttribute("role", "img"), this.body.setAttribute("aria-label", `${this.title}: ${said.join("; ") || "no points yet"}`);
    }

    table() {
      this.plot?.destroy();
      this.plot = null;
      const filled = this.series.filter((one) => one.at.length).map((one) => ({ ...one, x: one.at }));
      const table = make("table", { class: "ts-table" }), head = make("tr"), body = make("tbody");
      for (const name of [this.board.x, ...filled.map((one) => one.label)]) head.append(make("th", { class: "num", scope: "col" }, name));
      for (const [x, ...values] of tableRows(filled, TABLE_ROWS)) {
        const row = make("tr");
        for (const text of [this.board.axes.place(this.board.x, x), ...values.map(number)]) row.append(make("td", { class: "num" }, text));
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

  window.tsChart = Chart;
})();
