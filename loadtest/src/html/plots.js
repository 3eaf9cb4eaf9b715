"use strict";
// Draws the plots of this report from the data in this page. No library, no request.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { samples, phases, curves, over_time: overTime } = data.plots;
  const SVG = "http://www.w3.org/2000/svg";
  const tip = document.getElementById("tip");
  const spoken = (name) => name.replace(/_(ms|s)$/, "").replaceAll("_", " ");

  function number(value, digits = 3) {
    if (!Number.isFinite(value)) return "";
    const size = Math.abs(value);
    if (size >= 1e6) return `${+(value / 1e6).toPrecision(digits)} M`;
    if (size >= 1e4) return `${+(value / 1e3).toPrecision(digits)} k`;
    return String(+value.toPrecision(digits));
  }

  function element(name, attributes, parent, text) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.appendChild(node);
    return node;
  }

  function html(name, className, parent, text) {
    const node = document.createElement(name);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    if (parent) parent.appendChild(node);
    return node;
  }

  // ---- scales ----

  function steps(from, to, wanted) {
    const rough = (to - from || 1) / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough * 0.999);
    const ticks = [];
    for (let tick = Math.ceil(from / step) * step; tick <= to + step * 1e-6; tick += step) ticks.push(+tick.toPrecision(12));
    return ticks;
  }

  function linear(from, to) {
    return { from, to, at: (value) => (value - from) / (to - from || 1), ticks: (wanted) => steps(from, to, wanted) };
  }

  function logarithmic(from, to) {
    const [low, high] = [Math.log10(from), Math.log10(to)];
    const ticks = () => {
      const all = [];
      for (let power = Math.floor(low); power <= Math.ceil(high); power++)
        for (const n of high - low > 3 ? [1] : [1, 2, 5]) all.push(n * 10 ** power);
      return all.filter((tick) => tick >= from * 0.999 && tick <= to * 1.001);
    };
    return { from, to, at: (value) => (Math.log10(Math.max(value, from)) - low) / (high - low || 1), ticks };
  }

  // ---- one plot ----

  // spec: title, said, series [{name, points [[x, y]], color, dashed, area}], x, y (scales), unit, xTick, xSaid, bands
  function plot(spec) {
    const figure = html("figure", spec.wide ? "plot wide" : "plot", document.getElementById("plots"));
    const caption = html("figcaption", "", figure);
    html("h2", "", caption, spec.title);
    if (spec.said) html("span", "said", caption, spec.said);
    const legend = html("div", "legend", figure);
    for (const series of spec.series) {
      const key = html("span", series.dashed ? "dashed" : "", legend, series.name);
      key.style.setProperty("--c", `var(--s${series.color})`);
    }
    const svg = element("svg", { role: "img", "aria-label": `${spec.title}: ${spec.series.map((s) => s.name).join(", ")}` }, figure);
    const draw = () => drawn(svg, spec, figure.clientWidth - 32);
    new ResizeObserver(draw).observe(figure);
    draw();
  }

  function drawn(svg, spec, width) {
    if (width < 40) return;
    svg.replaceChildren();
    const height = spec.wide ? 250 : 210;
    const bands = spec.bands && width > 300;
    const [left, right, top, bottom] = [46, 10, bands ? 22 : 10, 26];
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    const [across, up] = [width - left - right, height - top - bottom];
    const x = (value) => left + spec.x.at(value) * across;
    const y = (value) => top + (1 - spec.y.at(value)) * up;

    if (bands) {
      // What is measured is shaded; where the other parts begin there is a line.
      let free = left;
      phases.forEach((phase, n) => {
        const to = n + 1 < phases.length ? phases[n + 1].at_s : spec.x.to;
        const [a, b] = [x(Math.max(phase.at_s, spec.x.from)), x(Math.min(to, spec.x.to))];
        const measured = /^(measuring|coming back)/.test(phase.name);
        if (measured) element("rect", { x: a, y: top, width: Math.max(0, b - a), height: up, class: "band" }, svg);
        if (n) element("line", { x1: a, x2: a, y1: top, y2: top + up, class: "part" }, svg);
        const wide = phase.name.length * 5.6 + 8;
        if (a >= free && (measured || b - a > wide) && a + wide < width + 6) {
          element("text", { x: a + 3, y: top - 7, class: measured ? "phase measured" : "phase" }, svg, phase.name);
          free = a + wide;
        }
      });
    }
    for (const tick of spec.y.ticks(4)) {
      element("line", { x1: left, x2: width - right, y1: y(tick), y2: y(tick), class: "grid" }, svg);
      element("text", { x: left - 7, y: y(tick) + 4, "text-anchor": "end" }, svg, number(tick));
    }
    const xTick = spec.xTick || ((value) => number(value));
    let taken = -Infinity;
    for (const tick of spec.x.ticks(Math.max(3, Math.floor(across / 90)))) {
      const text = xTick(tick);
      const half = text.length * 3.4;
      if (x(tick) - half < taken + 8) continue;
      taken = x(tick) + half;
      element("line", { x1: x(tick), x2: x(tick), y1: top + up, y2: top + up + 4, class: "axis" }, svg);
      const anchor = x(tick) + half > width ? "end" : "middle";
      element("text", { x: anchor === "end" ? width : x(tick), y: height - 8, "text-anchor": anchor }, svg, text);
    }
    element("line", { x1: left, x2: width - right, y1: top + up, y2: top + up, class: "axis" }, svg);
    for (const series of spec.series) {
      if (series.points.length === 0) continue;
      const line = series.points.map(([px, py], n) => `${n ? "L" : "M"}${x(px).toFixed(1)} ${y(py).toFixed(1)}`).join("");
      if (series.area) {
        const ends = [series.points[0][0], series.points[series.points.length - 1][0]].map(x);
        element("path", { d: `${line}L${ends[1]} ${top + up}L${ends[0]} ${top + up}Z`, class: "area", style: `fill: var(--s${series.color})` }, svg);
      }
      element("path", { d: line, class: series.dashed ? "dashed" : "", style: `stroke: var(--s${series.color})` }, svg);
      if (series.points.length === 1) element("circle", { cx: x(series.points[0][0]), cy: y(series.points[0][1]), r: 3, style: `fill: var(--s${series.color})` }, svg);
    }
    hover(svg, spec, { x, left, across, top, up, width });
  }

  // The nearest point of each series under the pointer.
  function hover(svg, spec, { x, left, across, top, up, width }) {
    const cross = element("line", { y1: top, y2: top + up, class: "cross", visibility: "hidden" }, svg);
    const over = element("rect", { x: left, y: top, width: across, height: up, fill: "transparent" }, svg);
    const hide = () => { cross.setAttribute("visibility", "hidden"); tip.hidden = true; };
    over.addEventListener("pointerleave", hide);
    over.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const place = ((event.clientX - box.left) * width) / box.width;
      const near = spec.series.filter((series) => series.points.length).map((series) => ({
        series,
        point: series.points.reduce((best, point) => (Math.abs(x(point[0]) - place) < Math.abs(x(best[0]) - place) ? point : best)),
      }));
      if (!near.length) return;
      const at = near.reduce((best, one) => (Math.abs(x(one.point[0]) - place) < Math.abs(x(best.point[0]) - place) ? one : best)).point[0];
      cross.setAttribute("x1", x(at));
      cross.setAttribute("x2", x(at));
      cross.setAttribute("visibility", "visible");
      tip.replaceChildren();
      html("b", "", tip, (spec.xSaid || ((value) => `${number(value)} s`))(at));
      for (const { series, point } of near)
        html("span", "", tip, `${series.name}: ${number(point[1], 4)} ${spec.unit}`).style.setProperty("--c", `var(--s${series.color})`);
      tip.hidden = false;
      const [w, h] = [tip.offsetWidth, tip.offsetHeight];
      tip.style.left = `${Math.min(event.clientX + 14, innerWidth - w - 8)}px`;
      tip.style.top = `${Math.max(8, event.clientY - h - 12)}px`;
    });
  }

  // ---- what is drawn ----

  const highest = (series, least) => Math.max(least, ...series.flatMap((one) => one.points.map((point) => point[1])));
  const end = samples.length ? samples[samples.length - 1].at_s : 1;

  function overRun(title, said, unit, series, least, more = {}) {
    if (series.every((one) => one.points.length === 0)) return;
    const y = linear(0, highest(series, least) * 1.08);
    plot({ title, said, unit, series, y, x: linear(0, end), bands: true, xTick: (value) => `${number(value)} s`, ...more });
  }

  const sampled = (name, color, value, more = {}) => ({ name, color, points: samples.map((sample) => [sample.at_s, value(sample)]), ...more });

  // A rate from totals, over the four samples before: a second.
  function rate(name, color, total, more = {}) {
    const points = samples.slice(1).map((sample, n) => {
      const before = samples[Math.max(0, n - 3)];
      return [sample.at_s, (total(sample) - total(before)) / (sample.at_s - before.at_s || 1)];
    });
    return { name, color, points, ...more };
  }

  function distribution() {
    const names = Object.keys(curves).filter((name) => curves[name].length > 1);
    if (!names.length) return;
    // The share above: 50 % is 2, 99 % is 100. What is the longest of n is drawn at n.
    const inverse = (share) => 1 / Math.max(1e-9, 1 - share);
    const series = names.map((name, n) => {
      const count = data.metrics[name]?.count || 1;
      return { name: spoken(name), color: n % 6, dashed: n > 5, points: curves[name].map(([share, ms]) => [Math.min(inverse(share), count), ms]) };
    });
    const values = series.flatMap((one) => one.points.map((point) => point[1])).filter((value) => value > 0);
    const low = Math.max(0.01, Math.min(...values)), high = Math.max(...values, low * 2);
    const most = Math.max(20, ...series.flatMap((one) => one.points.map((point) => point[0])));
    const x = logarithmic(1, most);
    x.ticks = () => [1, 2, 10, 100, 1e3, 1e4, 1e5, 1e6].filter((tick) => tick <= most);
    const percent = (value) => `${+(100 * (1 - 1 / value)).toFixed(Math.max(0, Math.ceil(Math.log10(value)) - 2))} %`;
    plot({
      title: "Latency distribution", said: "how long the given share took at most, in ms", unit: "ms", series, x, wide: true,
      y: high / low > 20 ? logarithmic(low, high * 1.1) : linear(0, high * 1.08),
      xTick: percent, xSaid: (value) => `${percent(value)} took at most`,
    });
  }

  function latencyOverTime() {
    const series = Object.entries(overTime).flatMap(([name, seconds], n) => {
      const points = (pick) => seconds.map((second) => [Math.min(second.at_s + 0.5, end), second[pick]]);
      return [
        { name: `${spoken(name)}, p99`, color: n % 6, points: points("p99") },
        { name: `${spoken(name)}, p50`, color: n % 6, points: points("p50"), dashed: true },
      ];
    });
    const measured = series.flatMap((one) => one.points.map((point) => point[1])).filter((value) => value > 0);
    if (!measured.length) return;
    const low = Math.max(0.01, Math.min(...measured)), high = Math.max(...measured);
    const y = high / low > 30 ? logarithmic(low / 1.2, high * 1.2) : linear(0, high * 1.08);
    overRun("Latency over time", "ms, by the second in which it began", "ms", series, 1, { wide: true, y });
  }

  distribution();
  latencyOverTime();
  overRun("CPU", "cores, over the last second", "cores", [
    sampled("node", 0, (sample) => sample.node_cores, { area: true }),
    sampled("generator", 1, (sample) => sample.load_cores),
  ], 0.2);
  overRun("Memory", "resident, MB", "MB", [
    sampled("node", 0, (sample) => sample.node_bytes / 1e6, { area: true }),
    sampled("generator", 1, (sample) => sample.load_bytes / 1e6),
  ], 20);
  const delivered = [rate("delivered", 2, (sample) => sample.delivered, { area: true }), rate("sent", 3, (sample) => sample.sent)];
  if (end && samples.some((sample) => sample.sent || sample.delivered)) overRun("Messages", "per second", "/s", delivered, 1);
  overRun("Connected devices", "signed in", "devices", [sampled("connected", 0, (sample) => sample.connected, { area: true })], 1);
  overRun("UDP datagrams", "received per second, node and generator together; dropped at a full buffer", "/s", [
    rate("received", 5, (sample) => sample.datagrams, { area: true }),
    rate("dropped", 4, (sample) => sample.datagrams_dropped),
  ], 10);
  const lost = data.metrics.delivered_ratio;
  if (lost || Object.keys(data.errors).length) losses();

  function losses() {
    const figure = html("figure", "plot", document.getElementById("plots"));
    const caption = html("figcaption", "", figure);
    html("h2", "", caption, "Loss and errors");
    html("span", "said", caption, "in the messages' own accounting, after the last was waited for");
    const table = html("table", "", html("div", "scroll", figure));
    const row = (name, value) => {
      const tr = html("tr", "", table);
      html("th", "", tr, name).scope = "row";
      html("td", "", tr, value);
    };
    if (lost) row("delivered of what was due", `${+(lost.value * 100).toFixed(3)} %`);
    const errors = Object.entries(data.errors);
    errors.forEach(([name, count]) => row(spoken(name), String(count)));
    if (!errors.length) row("errors", "none");
  }
})();
