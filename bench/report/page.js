"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
// Okabe & Ito 2008: told apart by people of every colour vision; the shape says it a second time.
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#e69f00", "#7a6a00"];
const SHAPES = ["circle", "square", "diamond", "triangle-up", "x", "cross", "star", "triangle-down", "pentagon", "hexagon"];
const DASHES = ["solid", "dash", "dot", "dashdot"];
const COSTS = {
  test_images_per_second: "images/s tested", latency_ms: "latency of one image, ms", gmacs: "GMACs",
  parameters: "parameters", train_seconds: "seconds of training", peak_memory_mb: "peak memory, MB",
};
const LAYOUT = {
  font: { family: "system-ui, DejaVu Sans, sans-serif", size: 13, color: "#1b1f24" },
  margin: { l: 60, r: 20, t: 20, b: 55 }, hovermode: "closest", showlegend: true, height: 460,
  paper_bgcolor: "#fff", plot_bgcolor: "#fff",
};
const CONFIG = { responsive: true, displaylogo: false };
const AXIS = { gridcolor: "#e3e8ed", zeroline: false, linecolor: "#8c959f", automargin: true };
const byId = (id) => document.getElementById(id);
const colour = (i) => COLOURS[i % COLOURS.length];
const clip = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const isPhone = (target) => target.clientWidth < 560;
const isNumber = (x) => typeof x === "number" && Number.isFinite(x);

function chosen() {
  const table = DATA.tables[Number(byId("which").value)];
  const protocol = table.protocols.find((p) => p.id === byId("protocol").value) || table.protocols[0];
  return { table, protocol, cost: byId("cost").value };
}

function option(value, text) {
  const made = document.createElement("option");
  made.value = value; made.textContent = text;
  return made;
}

function fillProtocols() {
  const before = byId("protocol").value;
  const ids = chosen().table.protocols.map((p) => p.id);
  byId("protocol").replaceChildren(...ids.map((id) => option(id, id)));
  byId("protocol").value = ids.includes(before) ? before : ids[0];
}

function library() {  // a second of work that the tables need not wait for
  if (window.Plotly) return;
  const made = document.createElement("script");
  made.textContent = byId("plotly").textContent;
  document.head.append(made);
}

function empty(target, words) {
  window.Plotly?.purge(target);
  target.style.minHeight = "0";
  target.innerHTML = "<p class='soft'></p>";
  target.firstChild.textContent = words;
}

function draw(target, traces, layout) {
  if (target.firstChild && !target.classList.contains("js-plotly-plot")) target.innerHTML = "";
  target.style.minHeight = "";
  const merged = { ...LAYOUT, ...layout };
  if (isPhone(target)) {  // the legend below needs room of its own
    merged.height = layout.height ?? 400 + 22 * traces.length;
    merged.legend = { orientation: "h", y: -0.2 };
    merged.margin = { ...LAYOUT.margin, l: 48, r: 8, ...layout.margin };
    traces.forEach((trace) => { trace.name = clip(trace.name ?? "", 36); });
  }
  library();
  return Plotly.react(target, traces, merged, { ...CONFIG, displayModeBar: !isPhone(target) });
}

const CHARTS = {
  speed(target) {
    const { table, protocol, cost } = chosen();
    const traces = [];
    table.rows.forEach((row, i) => {
      const n = row.numbers[protocol.id], x = row.costs[cost];
      if (!n || !isNumber(x) || x <= 0) return;
      traces.push({
        x: [x], y: [n[0]], name: row.label, mode: "markers", type: "scatter",
        error_y: { type: "data", symmetric: false, array: [n[2] - n[0]], arrayminus: [n[0] - n[1]], color: colour(i), thickness: 1.2 },
        marker: { color: colour(i), symbol: SHAPES[i % SHAPES.length], size: 12 },
        hovertemplate: `%{fullData.name}<br>${protocol.id} %{y:.1f} ${protocol.unit} (${n[1].toFixed(1)} to ${n[2].toFixed(1)})<br>${COSTS[cost]} %{x:,.3~f}<extra></extra>`,
      });
    });
    if (!traces.length) return empty(target, "No row has both numbers.");
    draw(target, traces, {
      xaxis: { ...AXIS, type: "log", title: { text: `${COSTS[cost]} (logarithmic)` } },
      yaxis: { ...AXIS, title: { text: `${protocol.id}, ${protocol.unit}` }, rangemode: "tozero" },
    });
  },
  joints(target) {
    const { table, protocol } = chosen();
    const rows = table.rows.filter((row) => row.joints[protocol.id] && Object.keys(row.joints[protocol.id]).length);
    if (!rows.length) return empty(target, "These records hold no numbers by joint for this protocol.");
    const names = [...new Set(rows.flatMap((row) => Object.keys(row.joints[protocol.id])))];
    const z = rows.map((row) => names.map((name) => row.joints[protocol.id][name] ?? null));
    const phone = isPhone(target), places = rows.map((_, i) => i);
    draw(target, [{
      type: "heatmap", x: names, y: places, z, colorscale: "Cividis", texttemplate: phone ? "%{z:.0f}" : "%{z:.1f}",
      customdata: rows.map((row) => names.map(() => row.label)), hovertemplate: "%{customdata}<br>%{x}: %{z:.1f}<extra></extra>",
      colorbar: { title: { text: protocol.unit } }, showscale: !phone, xgap: phone ? 1 : 2, ygap: 2, showlegend: false,
    }], {
      yaxis: {
        automargin: true, zeroline: false, showgrid: false, autorange: "reversed", tickfont: { size: phone ? 10 : 12 },
        tickvals: places, ticktext: rows.map((row) => clip(row.label, phone ? 18 : 60)),
      },
      xaxis: { side: "top", tickangle: phone ? -60 : 0 },
      margin: { l: 60, r: 10, t: phone ? 85 : 60, b: 10 }, height: 130 + 34 * rows.length,
    });
  },
  thresholds(target) {
    const found = chosen().table.thresholds;
    if (!found) return empty(target, "No curves: the predictions do not lie beside these records, or the people are several an image.");
    const traces = Object.entries(found.lines).map(([label, y], i) => ({
      x: found.x, y, name: label, mode: "lines", line: { color: colour(i), dash: DASHES[Math.floor(i / COLOURS.length) % 4], width: 2 },
      hovertemplate: "%{fullData.name}<br>within %{x:.2f} of the torso: %{y:.1f} %<extra></extra>",
    }));
    draw(target, traces, {
      xaxis: { ...AXIS, title: { text: "threshold, torso lengths" } }, yaxis: { ...AXIS, title: { text: "PCK, %" }, range: [0, 100] },
    });
  },
  learning(target) {
    const { table, protocol } = chosen();
    const traces = [];
    table.rows.forEach((row, i) => row.curves.forEach((curve, j) => {
      const line = curve.points[`val/${protocol.id}`];
      if (line) traces.push({
        x: line.map((p) => p[0]), y: line.map((p) => p[1]), name: `${row.label}, seed ${curve.seed}`, mode: "lines+markers",
        line: { color: colour(i), dash: DASHES[j % 4] }, marker: { symbol: SHAPES[i % SHAPES.length], size: 6 },
      });
    }));
    if (!traces.length) return empty(target, "No learning curves of this protocol lie beside these records.");
    draw(target, traces, {
      xaxis: { ...AXIS, title: { text: "seconds of training" } },
      yaxis: { ...AXIS, title: { text: `${protocol.id} of people held out, ${protocol.unit}` }, rangemode: "tozero" },
    });
  },
};

const seen = new Set();
function drawSeen() { seen.forEach((id) => CHARTS[id](byId(`chart-${id}`))); }
function drawAll() { Object.keys(CHARTS).forEach((id) => seen.add(id)); drawSeen(); }

function sortBy(button) {
  const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
  const index = [...head.parentNode.children].indexOf(head);
  const down = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : head.dataset.first !== "up";
  head.parentNode.querySelectorAll("th").forEach((th) => th.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = (row) => row.children[index].dataset.value ?? row.children[index].textContent;
  const rows = [...body.rows].map((row, i) => [key(row), i, row]);
  rows.sort(([a, i], [b, j]) => {
    if (a === "" || b === "") return (a === "") - (b === "") || i - j;  // what is missing stays last
    const numbers = !Number.isNaN(Number(a)) && !Number.isNaN(Number(b));
    const order = numbers ? Number(a) - Number(b) : a.localeCompare(b, "en");
    return (down ? -order : order) || i - j;
  });
  body.append(...rows.map(([, , row]) => row));
}

function filterRows() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0, all = 0;
  document.querySelectorAll("#leaderboard tbody tr, #differences tbody tr, #published tbody tr, #runs > details").forEach((row) => {
    const text = (row.dataset.text || row.textContent).toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    if (row.closest("#leaderboard")) { all += 1; shown += !row.hidden; }
  });
  byId("shown").textContent = words.length ? `${shown} of ${all} rows` : `${all} rows`;
}

DATA.tables.forEach((table, i) => byId("which").append(option(String(i), table.title)));
const most = Math.max(...DATA.tables.map((table) => table.rows.length));
byId("which").value = String(DATA.tables.findIndex((table) => table.rows.length === most));  // most to see first
Object.entries(COSTS).forEach(([id, text]) => byId("cost").append(option(id, text)));
fillProtocols();
byId("which").addEventListener("change", () => { fillProtocols(); drawSeen(); });
byId("protocol").addEventListener("change", drawSeen);
byId("cost").addEventListener("change", drawSeen);
byId("filter").addEventListener("input", filterRows);
document.addEventListener("click", (event) => { const b = event.target.closest("th button"); if (b) sortBy(b); });
window.addEventListener("beforeprint", drawAll);
filterRows();
const watcher = new IntersectionObserver((entries) => entries.forEach((entry) => {
  const id = entry.target.id.replace("chart-", "");
  if (!entry.isIntersecting || seen.has(id)) return;
  seen.add(id);
  CHARTS[id](entry.target);
}), { rootMargin: "300px" });
addEventListener("DOMContentLoaded", () => {  // not before the library is there
  Object.keys(CHARTS).forEach((id) => watcher.observe(byId(`chart-${id}`)));
});
