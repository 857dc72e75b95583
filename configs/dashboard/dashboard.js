// Draws the dashboards of dashboards.js from Prometheus queries. Sends requests to this host only.
"use strict";

const RANGES = { "15m": 900, "1h": 3600, "6h": 21600, "1d": 86400, "7d": 604800 };
const EVERY = 5; // seconds between two scrapes, and between two refreshes of the page
const POINTS = 360; // points of a curve: about one for two pixels of a small graph
const COLOURS = {
  light: ["#0b62a8", "#b85c00", "#1b7f5c", "#8a3ea8", "#a8352b", "#5d6a00", "#0a7d8c", "#6b4f3a"],
  dark: ["#6fb7f2", "#f0a35e", "#62cfa5", "#cf97ea", "#f08d84", "#c2cf5a", "#5ecfdf", "#c9a98f"],
};

const dark = matchMedia("(prefers-color-scheme: dark)");
const byId = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
let shown = { page: "", range: "", graphs: [], zoom: null };
let running = 0; // number of the newest refresh; older refreshes stop

// ---- format numbers

function withUnit(value, unit) {
  if (value === null || !isFinite(value)) return "–";
  const size = Math.abs(value);
  if (unit === "%") return `${short(value * 100)} %`;
  if (unit === "s") {
    if (size >= 7200) return `${short(value / 3600)} h`;
    if (size >= 120) return `${short(value / 60)} min`;
    return size >= 1 || size === 0 ? `${short(value)} s` : `${short(value * 1000)} ms`;
  }
  if (unit === "B") {
    const steps = ["B", "kB", "MB", "GB", "TB"];
    let step = 0;
    let rest = value;
    while (Math.abs(rest) >= 1024 && step < steps.length - 1) { rest /= 1024; step += 1; }
    return `${short(rest)} ${steps[step]}`;
  }
  return `${short(value)}${unit}`.replace(/d$/, " d");
}

function short(value) {
  const size = Math.abs(value);
  if (size >= 10000) return `${(value / 1000).toFixed(0)}k`;
  return size >= 100 || Number.isInteger(value) ? value.toFixed(0)
    : size >= 10 ? value.toFixed(1) : Number(value.toPrecision(2)).toString();
}

function named(legend, labels) {
  return legend.replace(/\{\{(\w+)\}\}/g, (_, label) => labels[label] ?? "").trim() || "value";
}

// ---- query Prometheus

async function ask(path, parameters) {
  const answer = await fetch(`api/v1/${path}?${new URLSearchParams(parameters)}`);
  const body = await answer.json();
  if (body.status !== "success") throw new Error(body.error || `status ${answer.status}`);
  return body.data;
}

function span() {
  const end = shown.zoom ? shown.zoom[1] / 1000 : Date.now() / 1000;
  const start = shown.zoom ? shown.zoom[0] / 1000 : end - RANGES[shown.range];
  const step = Math.max(EVERY, Math.ceil((end - start) / POINTS / EVERY) * EVERY);
  return { start: Math.floor(start / step) * step, end, step };
}

async function askRange(query, time) {
  // A rate needs a few scrapes, and its window must cover the gap between two points.
  const text = query.replaceAll("$window", `${Math.max(4 * EVERY, time.step)}s`);
  const data = await ask("query_range", { query: text, ...time });
  return data.result;
}

// ---- draw

function asTable(graph, answers, time) {
  const labels = ["time"];
  const rows = new Map();
  for (let at = time.start; at <= time.end; at += time.step) rows.set(at, [new Date(at * 1000)]);
  answers.forEach((result, number) => {
    for (const one of result) {
      let name = named(graph.series[number].legend, one.metric);
      while (labels.includes(name)) name += " ";
      const column = labels.push(name) - 1;
      for (const [at, value] of one.values) {
        const row = rows.get(Number(at));
        if (row) row[column] = isFinite(value) ? Number(value) : null;
      }
    }
  });
  const table = [...rows.values()];
  for (const row of table) {
    for (let column = 1; column < labels.length; column += 1) row[column] ??= null;
  }
  return { labels, table };
}

function drawLines(context, area, plot) {
  const { bound, marks } = plot.ours;
  context.save();
  context.lineWidth = 1;
  context.strokeStyle = css("--mark");
  context.setLineDash([2, 3]);
  for (const mark of marks) {
    const x = Math.round(plot.toDomXCoord(mark.at * 1000)) + 0.5;
    if (x < area.x || x > area.x + area.w) continue;
    context.beginPath();
    context.moveTo(x, area.y);
    context.lineTo(x, area.y + area.h);
    context.stroke();
  }
  if (bound !== null) {
    const y = Math.round(plot.toDomYCoord(bound)) + 0.5;
    context.strokeStyle = css("--bad");
    context.setLineDash([6, 4]);
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(area.x, y);
    context.lineTo(area.x + area.w, y);
    context.stroke();
  }
  context.restore();
}

function legendText(unit, marks) {
  return (data) => {
    const near = data.x === undefined ? [] : marks.filter((mark) => {
      return Math.abs(mark.at * 1000 - data.x) <= 1500 * span().step;
    });
    const when = data.x === undefined ? "" : `${new Date(data.x).toLocaleTimeString([], { hour12: false })} `;
    const curves = data.series.filter((one) => one.isVisible).map((one) => {
      const value = data.x === undefined ? "" : ` ${withUnit(one.y ?? null, unit)}`;
      return `<span style="color:${one.color}">━ ${safe(one.label.trim())}${value}</span>`;
    });
    const words = near.map((mark) => `<span style="color:${css("--mark")}">┆ ${safe(mark.text)}</span>`);
    return when + [...curves, ...words].join(" &nbsp; ");
  };
}

function safe(text) {
  const element = document.createElement("span");
  element.textContent = text;
  return element.innerHTML;
}

function yRange(graph, table) {
  if (graph.most !== null) return [0, graph.most * 1.05];
  let top = graph.bound === null ? 0 : graph.bound * 1.15;
  for (const row of table) for (const value of row.slice(1)) top = Math.max(top, (value ?? 0) * 1.1);
  return [0, top || 1];
}

async function drawGraph(box, graph, marks, time, current) {
  const answers = await Promise.all(graph.series.map((one) => askRange(one.query, time)));
  if (current !== running) return;
  const { labels, table } = asTable(graph, answers, time);
  const plot = box.querySelector(".plot");
  plot.classList.toggle("empty", labels.length === 1);
  if (labels.length === 1) {
    box.dygraph?.destroy();
    box.dygraph = null;
    plot.textContent = "no figures in this time";
    box.querySelector(".legend").textContent = "";
    return;
  }
  const ours = { bound: graph.bound, marks };
  const options = {
    labels,
    valueRange: yRange(graph, table),
    dateWindow: [time.start * 1000, time.end * 1000],
    colors: COLOURS[dark.matches ? "dark" : "light"],
    legendFormatter: legendText(graph.unit, marks),
  };
  if (box.dygraph && box.columns === labels.join()) {
    box.dygraph.ours = ours;
    box.dygraph.updateOptions({ ...options, file: table });
    return;
  }
  box.dygraph?.destroy();
  if (!box.dygraph) plot.textContent = "";
  box.columns = labels.join();
  box.dygraph = new Dygraph(plot, table, {
    ...options,
    labelsDiv: box.querySelector(".legend"),
    legend: "always",
    strokeWidth: 2,
    stepPlot: graph.steps,
    gridLineColor: css("--line"),
    axisLineColor: css("--line"),
    axes: {
      y: { axisLabelFormatter: (value) => withUnit(value, graph.unit), axisLabelWidth: 58 },
    },
    underlayCallback: (context, area, plotted) => {
      plotted.ours ??= ours;
      drawLines(context, area, plotted);
    },
    zoomCallback: (from, to) => { shown.zoom = [from, to]; refresh(); },
    interactionModel: {
      ...Dygraph.defaultInteractionModel,
      dblclick: () => { shown.zoom = null; refresh(); },
    },
  });
}

async function findMarks(time) {
  const found = [];
  // A deploy changes its figure again and again; only its first change gets a line.
  const apart = Math.max(60, 4 * time.step);
  for (const kind of MARKS) {
    for (const one of await askRange(kind.query, time)) {
      let before = -Infinity;
      one.values.forEach(([at, value], number) => {
        if (!number || value === one.values[number - 1][1]) return;
        if (at - before > apart) found.push({ at: Number(at), text: named(kind.legend, one.metric) });
        before = at;
      });
    }
  }
  return found;
}

async function drawTile(box, tile) {
  const data = await ask("query", { query: tile.query.replaceAll("$window", "60s") });
  const values = data.result.map((one) => Number(one.value[1])).filter(isFinite);
  const low = tile.bad_below !== null && tile.bad_above === null;
  const value = values.length ? (low ? Math.min(...values) : Math.max(...values)) : null;
  const bad = value !== null && ((tile.bad_above !== null && value > tile.bad_above)
    || (tile.bad_below !== null && value < tile.bad_below));
  const judged = value !== null && (tile.bad_above !== null || tile.bad_below !== null);
  box.className = `tile ${bad ? "bad" : judged ? "good" : ""}`;
  box.querySelector("b").textContent = withUnit(value, tile.unit);
}

// One rule may fire for several time windows: show only the worst alert.
function worstAlerts(alerts) {
  const worst = new Map();
  for (const alert of alerts.filter((one) => one.state === "firing")) {
    const { alertname, endpoint, host, severity } = alert.labels;
    const key = [alertname, endpoint, host].join("/");
    if (!worst.has(key) || severity === "page") worst.set(key, alert);
  }
  const pages = (alert) => (alert.labels.severity === "page" ? 0 : 1);
  return [...worst.values()].sort((one, other) => pages(one) - pages(other));
}

async function drawAlerts() {
  const { alerts } = await ask("alerts", {});
  byId("alerts").replaceChildren(...worstAlerts(alerts).map((alert) => {
    const since = new Date(alert.activeAt).toLocaleString([], {
      weekday: "short", hour: "2-digit", minute: "2-digit", hour12: false,
    });
    const code = document.createElement("code");
    code.textContent = alert.annotations.command ?? "fab status";
    const words = alert.annotations.summary ?? alert.labels.alertname;
    return element("p", alert.labels.severity, `${words}, since ${since}. `, code);
  }));
}

async function refresh() {
  const current = ++running;
  const page = DASHBOARDS.find((one) => one.name === shown.page);
  try {
    const time = span();
    const marks = await findMarks(time);
    await Promise.all([
      drawAlerts(),
      ...page.tiles.map((tile, number) => drawTile(byId("tiles").children[number], tile)),
      ...page.graphs.map((graph, number) => {
        return drawGraph(byId("graphs").children[number], graph, marks, time, current);
      }),
    ]);
    byId("trouble").hidden = true;
    byId("updated").textContent = `Updated ${new Date().toLocaleTimeString([], { hour12: false })}.`;
  } catch (error) {
    byId("trouble").hidden = false;
    byId("trouble").textContent =
      `Prometheus does not answer (${error.message}). The graphs show what was known before.`;
  }
}

// ---- the page

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

function build() {
  const [page, range] = location.hash.slice(1).split("/");
  shown = {
    page: DASHBOARDS.some((one) => one.name === page) ? page : DASHBOARDS[0].name,
    range: range in RANGES ? range : "1h",
    zoom: null,
  };
  const links = (pairs) => pairs.map(([text, hash, here]) => {
    const link = element("a", "", text);
    link.href = `#${hash}`;
    if (here) link.setAttribute("aria-current", "page");
    return link;
  });
  byId("pages").replaceChildren(...links(DASHBOARDS.map((one) => {
    return [one.title, `${one.name}/${shown.range}`, one.name === shown.page];
  })));
  byId("ranges").replaceChildren(...links(Object.keys(RANGES).map((name) => {
    return [name, `${shown.page}/${name}`, name === shown.range];
  })));
  const chosen = DASHBOARDS.find((one) => one.name === shown.page);
  document.title = `${chosen.title} · ${document.querySelector("h1").textContent}`;
  byId("question").textContent = chosen.question;
  byId("tiles").replaceChildren(...chosen.tiles.map((tile) => {
    return element("div", "tile", element("b", "", "…"), element("span", "", tile.title));
  }));
  byId("graphs").replaceChildren(...chosen.graphs.map((graph) => {
    const bound = graph.bound === null ? "" : `bound ${withUnit(graph.bound, graph.unit)}`;
    const caption = element("figcaption", "", graph.title, element("small", "", bound));
    return element("figure", "", caption, element("div", "plot"), element("div", "legend"));
  }));
  refresh();
}

addEventListener("hashchange", build);
dark.addEventListener("change", build);
build();
setInterval(() => { if (!shown.zoom && !document.hidden) refresh(); }, EVERY * 1000);
