// Results of queries: a table that sorts by a click on its heads, comes down as CSV, and becomes a chart where it fits.
const NUMBERS = new Set(["integer", "decimal"]);
const MOST_BARS = 40;
const MOST_POINTS = 400;
const APART = 20; // series of which one is so many times another can't be read off one scale
const SERIES = ["var(--chart-1)", "var(--chart-2)", "var(--chart-3)"];
const SVG = "http://www.w3.org/2000/svg";

/** Every [data-result] below `root` that was not taken in hand yet. */
export function enhance(root = document) {
  for (const block of root.querySelectorAll("[data-result]:not([data-ready])")) take(block);
}

/** A result as the server's template makes it, from what an event carries: {columns: [{name, type}], rows, truncated}. */
export function resultBlock(result, name) {
  const block = element("div", "result");
  block.dataset.result = "";
  block.dataset.name = name || "result";
  if (result.truncated) block.dataset.truncated = "";
  const bar = block.appendChild(element("div", "row spread result-bar"));
  const count = result.rows.length;
  bar.append(element("span", "small soft num", `${result.truncated ? "The first " : ""}${count} row${count === 1 ? "" : "s"}`));
  const tools = bar.appendChild(element("span", "row"));
  tools.dataset.resultTools = "";
  if (!count) block.append(element("p", "soft small", "No row fits."));
  else block.append(grid(result));
  take(block);
  return block;
}

function grid(result) {
  const box = element("div", "table-box grid-box");
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "Result");
  const table = box.appendChild(element("table", "table data-grid"));
  const head = table.createTHead().insertRow();
  for (const column of result.columns) {
    const th = head.appendChild(element("th", NUMBERS.has(column.type) ? "num" : "", column.name));
    th.scope = "col";
    th.dataset.type = column.type;
  }
  const body = table.createTBody();
  for (const row of result.rows) {
    const line = body.insertRow();
    row.forEach((cell, at) => {
      const td = line.insertCell();
      td.textContent = cell === null ? "" : String(cell).replace(/ 00:00:00$/, "");
      td.className = NUMBERS.has(result.columns[at].type) ? "num" : td.textContent.length > 40 ? "long" : "";
    });
  }
  return box;
}

function take(block) {
  block.asServed = block.cloneNode(true); // by it patch knows that nothing new came: order and chart are the reader's
  block.dataset.ready = "";
  const table = block.querySelector("table");
  const tools = block.querySelector("[data-result-tools]");
  if (!table || !tools) return;
  sortable(table);
  const chart = chartOf(table);
  if (chart) tools.append(toggle(block, table, chart));
  const save = element("button", "btn btn-small", "CSV");
  save.type = "button";
  save.title = "Download these rows as CSV";
  save.addEventListener("click", () => download(table, block.dataset.name));
  tools.append(save);
}

// ---- Sorting ------------------------------------------------------------------------------------------------------

const textOf = (row, at) => row.cells[at]?.textContent ?? "";

function sortable(table) {
  [...table.tHead.rows[0].cells].forEach((th, at) => {
    const button = element("button", "grid-sort");
    button.type = "button";
    button.append(...th.childNodes);
    th.append(button);
    button.addEventListener("click", () => {
      const down = th.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      th.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].sort((a, b) => compare(textOf(a, at), textOf(b, at), th.dataset.type) * (down ? -1 : 1));
      // What is empty stays below, whichever way.
      rows.sort((a, b) => (textOf(a, at) === "") - (textOf(b, at) === ""));
      table.tBodies[0].append(...rows);
    });
  });
}

function compare(a, b, type) {
  if (NUMBERS.has(type)) return Number(a) - Number(b);
  return a.localeCompare(b, undefined, { numeric: true, sensitivity: "base" });
}

// ---- CSV ----------------------------------------------------------------------------------------------------------

function download(table, name) {
  const types = [...table.tHead.rows[0].cells].map((th) => th.dataset.type);
  const line = (cells, heads) => cells.map((cell, at) => quoted(cell.textContent, !heads && NUMBERS.has(types[at]))).join(",");
  const lines = [line([...table.tHead.rows[0].cells], true), ...[...table.tBodies[0].rows].map((row) => line([...row.cells], false))];
  const link = element("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", lines.join("\r\n"), "\r\n"], { type: "text/csv" }));
  link.download = `${name.replace(/[^\w-]+/g, "_").slice(0, 60) || "result"}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** What a spreadsheet would take for a formula is marked as text; numbers are none. */
function quoted(text, number) {
  if (!(number && Number.isFinite(Number(text))) && /^[=+\-@\t\r\n]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// ---- The chart ----------------------------------------------------------------------------------------------------

/** What can be drawn of the table: one column that names, up to three of numbers; null where it does not fit. */
function chartOf(table) {
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies[0].rows];
  const numbers = heads.flatMap((th, at) => (NUMBERS.has(th.dataset.type) ? [at] : []));
  const names = heads.flatMap((th, at) => (NUMBERS.has(th.dataset.type) ? [] : [at]));
  let label = names[0];
  if (names.length === 0 && numbers.length === 2 && yearLike(rows, numbers[0])) label = numbers.shift();
  if (label === undefined || names.length > 1 || !numbers.length || numbers.length > SERIES.length) return null;
  const size = (at) => Math.max(...rows.map((row) => Math.abs(Number(textOf(row, at))) || 0));
  const alike = numbers.filter((at) => size(at) <= size(numbers[0]) * APART && size(at) * APART >= size(numbers[0]));
  const dated = ["date", "timestamp"].includes(heads[label].dataset.type) || names.length === 0;
  if (rows.length < 2 || rows.length > (dated ? MOST_POINTS : MOST_BARS)) return null;
  return { label, numbers: alike, dated: dated && rows.length > 2, titles: alike.map((at) => heads[at].textContent.trim()) };
}

const yearLike = (rows, at) => rows.every((row) => /^(1[89]|20)\d\d$/.test(textOf(row, at)));

function toggle(block, table, chart) {
  const button = element("button", "btn btn-small", "Chart");
  button.type = "button";
  button.setAttribute("aria-pressed", "false");
  const box = element("figure", "chart");
  box.hidden = true;
  const observer = new ResizeObserver(() => { if (!box.hidden) draw(box, table, chart); });
  button.addEventListener("click", () => {
    const on = box.hidden;
    box.hidden = !on;
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Rows" : "Chart";
    table.closest(".grid-box").hidden = on;
    if (on) { draw(box, table, chart); observer.observe(box); } else observer.disconnect();
  });
  block.append(box);
  return button;
}

function draw(box, table, chart) {
  const data = [...table.tBodies[0].rows].map((row) => ({
    label: textOf(row, chart.label),
    values: chart.numbers.map((at) => (textOf(row, at) === "" ? null : Number(textOf(row, at)))),
  }));
  const width = Math.max(240, box.clientWidth);
  const svg = chart.dated ? lines([...data].sort((a, b) => compare(a.label, b.label)), chart, width) : bars(data, chart, width);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `Chart of ${chart.titles.join(", ")} by ${table.tHead.rows[0].cells[chart.label].textContent.trim()}`);
  const legend = element("figcaption", "legend");
  chart.titles.forEach((title, at) => {
    const item = legend.appendChild(element("span", "chart-key", title));
    item.style.setProperty("--key", SERIES[at]);
  });
  box.replaceChildren(legend, svg);
}

function extent(data) {
  const values = data.flatMap((row) => row.values).filter((value) => Number.isFinite(value));
  return { low: Math.min(0, ...values), high: Math.max(0, ...values) };
}

const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 2 });
const clip = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function bars(data, chart, width) {
  const thick = chart.numbers.length > 1 ? 10 : 16;
  const step = thick * chart.numbers.length + 10;
  const left = Math.min(Math.max(...data.map((row) => Math.min(row.label.length, 28))) * 7 + 12, width * 0.4);
  const { low, high } = extent(data);
  const room = width - left - 64;
  const at = (value) => left + (low < 0 ? 40 : 0) + ((value - low) / (high - low || 1)) * (room - (low < 0 ? 40 : 0));
  const svg = canvas(width, data.length * step + 4);
  data.forEach((row, index) => {
    const top = index * step + 5;
    text(svg, left - 8, top + (step - 10) / 2, clip(row.label || "(empty)", Math.floor(left / 7)), "end");
    row.values.forEach((value, series) => {
      if (!Number.isFinite(value) || value === null) return;
      const [x, end] = [Math.min(at(0), at(value)), Math.max(at(0), at(value))];
      const bar = shape(svg, "rect", { x, y: top + series * thick, width: Math.max(1, end - x), height: thick - 2, rx: 2, fill: SERIES[series] });
      bar.append(shape(null, "title", {}, `${row.label}: ${value}`));
      text(svg, value < 0 ? x - 4 : end + 4, top + series * thick + (thick - 2) / 2, short.format(value), value < 0 ? "end" : "start");
    });
  });
  shape(svg, "line", { x1: at(0), x2: at(0), y1: 0, y2: data.length * step, stroke: "var(--line-strong)" });
  return svg;
}

function lines(data, chart, width) {
  const [height, left, bottom] = [220, 52, 26];
  const { low, high } = extent(data);
  const x = (index) => left + (index / (data.length - 1 || 1)) * (width - left - 14);
  const y = (value) => 10 + (1 - (value - low) / (high - low || 1)) * (height - bottom - 10);
  const svg = canvas(width, height);
  for (let tick = 0; tick <= 4; tick += 1) {
    const value = low + ((high - low) * tick) / 4;
    shape(svg, "line", { x1: left, x2: width - 14, y1: y(value), y2: y(value), stroke: "var(--line)" });
    text(svg, left - 6, y(value), short.format(value), "end");
  }
  chart.numbers.forEach((_, series) => {
    const points = data.flatMap((row, index) => (Number.isFinite(row.values[series]) && row.values[series] !== null ? [[x(index), y(row.values[series]), row]] : []));
    shape(svg, "polyline", { points: points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(" "), fill: "none", stroke: SERIES[series], "stroke-width": 2, "stroke-linejoin": "round" });
    for (const [px, py, row] of points.length <= 60 ? points : []) {
      shape(svg, "circle", { cx: px, cy: py, r: 3, fill: SERIES[series] }).append(shape(null, "title", {}, `${row.label}: ${row.values[series]}`));
    }
  });
  const shown = Math.max(2, Math.min(data.length, Math.floor((width - left) / 100)));
  for (let mark = 0; mark < shown; mark += 1) {
    const index = Math.round((mark * (data.length - 1)) / (shown - 1));
    text(svg, x(index), height - 10, clip(data[index].label, 12), mark === 0 ? "start" : mark === shown - 1 ? "end" : "middle");
  }
  return svg;
}

function canvas(width, height) {
  return shape(null, "svg", { viewBox: `0 0 ${width} ${height}`, width, height });
}

function shape(parent, kind, attributes, words) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (words !== undefined) made.textContent = words;
  parent?.append(made);
  return made;
}

function text(svg, x, y, words, anchor) {
  return shape(svg, "text", { x, y, "text-anchor": anchor, "dominant-baseline": "central" }, words);
}

function element(kind, classes = "", words = "") {
  const made = document.createElement(kind);
  if (classes) made.className = classes;
  if (words) made.textContent = words;
  return made;
}
