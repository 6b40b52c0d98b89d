// What charts are drawn over: the trainer's step, or where a step is in epochs, tokens or time. See studio/ui/chart.py.
(() => {
  const { append, number, place, tick } = window.tsSeries;
  const NAMES = ["step", "epoch", "tokens", "time"];
  // Seconds between two marks that people read as such.
  const ROUND = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 604800];

  // The place in `to` of each of the ascending `values`, between the ascending points of `from`; beyond them, the ends.
  const mapped = (values, from, to) => {
    let i = 0;
    return values.map((value) => {
      while (i < from.length - 2 && from[i + 1] <= value) i += 1;
      if (from.length < 2 || value <= from[0]) return to[0];
      if (value >= from[from.length - 1]) return to[to.length - 1];
      return to[i] + ((value - from[i]) / (from[i + 1] - from[i])) * (to[i + 1] - to[i]);
    });
  };

  // A run that was resumed may count from nothing again: it goes on from where it was.
  const rising = (values) => {
    let lost = 0;
    return values.map((value, i) => {
      if (i && value < values[i - 1]) lost += values[i - 1];
      return value + lost;
    });
  };

  const clock = (seconds) => {
    const whole = Math.round(seconds), two = (value) => String(value).padStart(2, "0");
    if (whole < 3600) return `${Math.floor(whole / 60)}:${two(whole % 60)}`;
    return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  };

  class Axes {
    constructor() { this.clear(); }

    clear() { this.known = new Map(); }

    take(axes) {
      for (const { name, of, x, y } of axes) {
        const key = `${name} ${of}`;
        if (!this.known.has(key)) this.known.set(key, { x: [], y: [] });
        const axis = this.known.get(key);
        append(axis, x, y);
        axis.rising = null;
      }
    }

    // The names to choose from: only those of which there is more than a point.
    names() {
      return NAMES.filter((name) => name === "step" || [...this.known].some(([key, { x }]) => key.startsWith(`${name} `) && x.length > 1));
    }

    of(name, series) {
      const axis = this.known.get(`${name} ${series.name}`) ?? this.known.get(`${name} `);
      if (!axis || !axis.x.length) return null;
      axis.rising ??= name === "time" ? axis.y.map((value) => value - axis.y[0]) : rising(axis.y);
      return axis;
    }

    // The x of a series over `name`; null where that cannot be said.
    over(name, series) {
      const time = series.over === "time" ? this.of("time", series) : null;
      if (series.over === "time" && !time) return null;
      if (name === "time" && time) return series.x.map((moment) => moment - time.y[0]);
      const steps = time ? mapped(series.x, time.y, time.x) : series.x;
      if (name === "step") return steps;
      const axis = this.of(name, series);
      return axis && mapped(steps, axis.x, axis.rising);
    }

    // How a place on the axis is said, in the corner and below the chart.
    place(name, value) { return name === "time" ? clock(value) : name === "tokens" ? tick(Math.round(value)) : name === "epoch" ? number(value) : place(value); }

    mark(name, value) {
      if (name === "time") return clock(value);
      return name === "epoch" || Number.isInteger(value) ? tick(value) : "";
    }

    steps(name) { return name === "time" ? { incrs: ROUND } : {}; }
  }

  window.tsAxes = Axes;
})();
