// What charts are made with: elements, numbers for people, smoothing, appending, thinning.
(() => {
  const MAX_POINTS = 10000;

  const make = (tag, attributes = {}, text) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };

  const exponent = (text) => text.replace(/e([+-])(\d)$/, "e$10$2");

  // Three significant digits, always as many, so that the corner does not twitch.
  const number = (value) => {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e7)) return exponent(value.toExponential(2));
    if (size === 0 || size >= 1000) return Math.round(value).toLocaleString("en-US");
    return value.toPrecision(3);
  };

  const place = (x) => (Number.isInteger(x) ? x.toLocaleString("en-US") : number(x));

  const tick = (value) => {
    const size = Math.abs(value);
    if (size !== 0 && size < 1e-3) return exponent(value.toExponential(1).replace(".0e", "e"));
    if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
    if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
    return Number(value.toPrecision(4)).toString();
  };

  // Exponential mean without the pull towards the first value; gaps stay gaps.
  const smoothed = (values, weight) => {
    let mean = 0, seen = 0;
    return values.map((value) => {
      if (value === null) return null;
      seen += 1;
      mean = weight * mean + (1 - weight) * value;
      return mean / (1 - weight ** seen);
    });
  };

  // A page left open for days keeps the shape of the older half: lowest and highest of each bucket.
  const thin = (series) => {
    if (series.x.length <= MAX_POINTS) return;
    const half = series.x.length >> 1, bucket = 8, x = [], y = [];
    for (let start = 0; start < half; start += bucket) {
      let low = start, high = start;
      for (let i = start; i < Math.min(start + bucket, half); i++) {
        if (series.y[i] === null) continue;
        if (series.y[low] === null || series.y[i] < series.y[low]) low = i;
        if (series.y[high] === null || series.y[i] > series.y[high]) high = i;
      }
      for (const i of low === high ? [low] : [Math.min(low, high), Math.max(low, high)]) {
        x.push(series.x[i]);
        y.push(series.y[i]);
      }
    }
    series.x = x.concat(series.x.slice(half));
    series.y = y.concat(series.y.slice(half));
  };

  const append = (series, x, y) => {
    while (series.x.length && x.length && series.x[series.x.length - 1] >= x[0]) {
      series.x.pop();
      series.y.pop();
    }
    for (let i = 0; i < x.length; i++) {
      const last = series.x.length - 1;
      if (last >= 0 && series.x[last] >= x[i]) series.y[last] = y[i];
      else series.x.push(x[i]), series.y.push(y[i]);
    }
    thin(series);
  };

  const lastIndex = (values, from = values.length - 1) => {
    for (let i = from; i >= 0; i--) if (values[i] !== null && values[i] !== undefined) return i;
    return -1;
  };

  // Ticks of a logarithmic axis: 1, 2 and 5 of each decade, plain round steps where it spans less than one.
  const logTicks = (low, high) => {
    if (high / low < 8) {
      const rough = (high - low) / 4, unit = 10 ** Math.floor(Math.log10(rough));
      const step = unit * [1, 2, 5, 10].find((factor) => factor * unit >= rough);
      const first = Math.ceil(low / step);
      return Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(6)));
    }
    const factors = high / low > 1000 ? [1] : [1, 2, 5], ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      for (const factor of factors) ticks.push(Number((factor * 10 ** power).toPrecision(6)));
    }
    return ticks.filter((value) => value >= low && value <= high);
  };

  // The last fifth of the smoothed line against what came before it.
  const trend = (values) => {
    const line = smoothed(values, 0.8).filter((value) => value !== null);
    const now = line[line.length - 1], before = line[Math.floor(line.length * 0.8) - 1] ?? now;
    const range = line.reduce((most, value) => Math.max(most, Math.abs(value - line[0])), 0);
    if (Math.abs(now - before) <= Math.max(range * 0.02, Math.abs(now) * 1e-6)) return "level";
    return now > before ? "rising" : "falling";
  };

  // Newest first, evenly thinned to about `most` rows, every evaluation kept.
  const tableRows = (lines, most) => {
    const rows = new Map();
    lines.forEach((series, column) => series.x.forEach((x, i) => {
      if (!rows.has(x)) rows.set(x, Array(lines.length).fill(null));
      rows.get(x)[column] = series.y[i];
    }));
    const places = [...rows.keys()].sort((a, b) => b - a), every = Math.ceil(places.length / most);
    const evaluated = (x) => rows.get(x).some((value, column) => value !== null && lines[column].kind === "eval");
    return places.filter((x, i) => i % every === 0 || evaluated(x)).map((x) => [x, ...rows.get(x)]);
  };

  window.tsSeries = { make, number, place, tick, smoothed, append, lastIndex, logTicks, trend, tableRows };
})();
