// Trees that load a level when it is opened, and the picker, whose ticks become knowledge entries in one hidden input.
// Rows are li[data-node]; [data-tree] above them names where levels come from (see templates/datasources/tree_level.html).

async function fetchRows(url) {
  const response = await fetch(url, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (response?.ok) return response.text();
  const words = response?.status === 404 ? "This source is gone, or it is not for you." : "Atrium does not answer. Open it again to retry.";
  return `<li class="tree-row small soft" data-broken>${words}</li>`;
}

function address(row, more = {}) {
  const url = new URL(row.closest("[data-tree]").dataset.tree, location.href);
  const parent = row.dataset.node ?? row.dataset.parent;
  if (parent) url.searchParams.set("parent", parent);
  for (const [name, value] of Object.entries(more)) url.searchParams.set(name, value);
  return url;
}

const say = (row) => row.dispatchEvent(new CustomEvent("tree:loaded", { bubbles: true }));

async function open(row, button) {
  let list = row.querySelector(":scope > ul");
  button.setAttribute("aria-expanded", "true");
  if (list && !list.querySelector("[data-broken]")) { list.hidden = false; return; }
  list?.remove();
  list = document.createElement("ul");
  list.innerHTML = '<li class="tree-row"><span class="skeleton" style="width: 12rem"></span></li>';
  row.append(list);
  list.innerHTML = await fetchRows(address(row));
  globalThis.htmx?.process(list);
  say(row);
  watch(row, list);
}

// ---- Levels that are still being read -----------------------------------------------------------------------------

const PAGE = 200;

/** Rows that are there stay, with what is open below them; new ones come in at their place. */
function merge(list, html) {
  const fresh = document.createElement("ul");
  fresh.innerHTML = html;
  const old = new Map([...list.children].filter((row) => row.dataset.node).map((row) => [row.dataset.node, row]));
  const focused = list.contains(document.activeElement) ? document.activeElement.id : "";
  const rows = [...fresh.children].map((row) => {
    const known = old.get(row.dataset.node);
    old.delete(row.dataset.node);
    return known ?? row;
  });
  if (old.size && rows.length >= PAGE && list.children.length > PAGE + 3) {
    // More pages were asked for already: they stay, and so does the button for the one after them.
    const button = list.querySelector(":scope > li > [data-tree-more]")?.closest("li");
    const last = rows.findIndex((row) => row.querySelector?.("[data-tree-more]"));
    rows.splice(last < 0 ? rows.length : last, last < 0 ? 0 : 1, ...old.values(), ...(button ? [button] : []));
  }
  list.replaceChildren(...rows);
  globalThis.htmx?.process(list);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function watch(row, list, wait = 400) {
  if (!list.querySelector(':scope > [data-tree-state="reading"]')) return;
  setTimeout(async () => {
    if (!list.isConnected) return;
    if (!document.hidden && !list.closest("[hidden]")) {
      merge(list, await fetchRows(address(row)));
      say(row);
    }
    watch(row, list, 1000);
  }, wait);
}

async function anew(button) {
  const list = button.closest("ul");
  const row = list.closest("li") ?? list;
  button.disabled = true;
  merge(list, await fetchRows(address(row, { anew: "1" })));
  say(row);
  watch(row, list);
}

function close(row, button) {
  button.setAttribute("aria-expanded", "false");
  const list = row.querySelector(":scope > ul");
  if (list) list.hidden = true;
}

function toggle(button) {
  const row = button.closest("li");
  if (button.getAttribute("aria-expanded") === "true") close(row, button); else open(row, button);
}

async function more(button) {
  const list = button.closest("ul");
  const row = list.closest("li") ?? list;
  button.disabled = true;
  const rows = await fetchRows(address(row, { first: button.dataset.first }));
  const place = button.closest("li");
  const before = place.previousElementSibling;
  const known = new Set([...list.children].map((child) => child.dataset.node));
  place.insertAdjacentHTML("beforebegin", rows);
  // What came in meanwhile moves the pages: a row that is here already is not shown twice.
  const seen = new Set();
  for (const child of [...list.children]) {
    const { node } = child.dataset;
    if (!node) continue;
    if (seen.has(node) && known.has(node)) child.remove();
    seen.add(node);
  }
  place.remove();
  globalThis.htmx?.process(list);
  before?.nextElementSibling?.querySelector("input, a, button")?.focus();
  say(row);
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-tree-open]");
  if (opener) { toggle(opener); return; }
  const name = event.target.closest("[data-tree-name]");
  if (name && !event.metaKey && !event.ctrlKey) {
    const button = name.closest(".tree-row").querySelector("[data-tree-open]");
    if (button) { event.preventDefault(); toggle(button); }
    return;
  }
  const again = event.target.closest("[data-tree-anew]");
  if (again) { anew(again); return; }
  const next = event.target.closest("[data-tree-more]");
  if (next) more(next);
});

document.addEventListener("keydown", (event) => {
  const row = event.target.closest?.(".tree .tree-row");
  if (!row || event.target.matches("input:not([type=checkbox])")) return;
  const button = row.querySelector("[data-tree-open]");
  if (event.key === "ArrowRight" && button?.getAttribute("aria-expanded") === "false") { event.preventDefault(); toggle(button); }
  if (event.key === "ArrowLeft" && button?.getAttribute("aria-expanded") === "true") { event.preventDefault(); toggle(button); }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const rows = [...row.closest(".tree").querySelectorAll(".tree-row")].filter((r) => r.offsetParent && r.querySelector("a, button, input"));
  const next = rows[rows.indexOf(row) + (event.key === "ArrowDown" ? 1 : -1)];
  if (!next) return;
  event.preventDefault();
  (next.querySelector("input") ?? next.querySelector("a") ?? next.querySelector("button")).focus();
});

class Picker {
  constructor(element) {
    this.element = element;
    this.input = element.querySelector("[data-picker-value]");
    this.whole = element.dataset.whole === "1";
    this.excludes = element.dataset.excludes === "1";
    this.chains = new Map(Object.entries(JSON.parse(element.querySelector("[data-picker-chains]").textContent)));
    this.chosen = new Map();
    this.list = "lines" in element.dataset ? element.querySelector("[data-picker-lines]") : null;
    this.paths = new Map(this.list ? Object.entries(JSON.parse(element.querySelector("[data-picker-paths]").textContent)) : []);
    for (const entry of JSON.parse(this.input.value || "[]")) {
      const lines = new Map(Object.entries(entry.lines ?? {}));
      this.chosen.set(entry.data_source, { all: entry.parents_in === null, in: new Set(entry.parents_in ?? []), out: new Set(entry.parents_not_in ?? []), lines });
    }
    this.list?.addEventListener("input", (event) => this.changeLine(event.target.closest("[data-line]")));
    this.list?.addEventListener("change", (event) => this.changeLine(event.target.closest("[data-line]")));
    this.list?.addEventListener("click", (event) => { if (event.target.closest("[data-line-remove]")) this.untick(event.target.closest("[data-line]").dataset.line); });
    element.addEventListener("tree:loaded", () => { this.own(); this.show(); });
    element.addEventListener("change", (event) => { if (event.target.matches("[data-tick]")) this.tick(event.target); });
    const search = element.querySelector("[data-picker-search]");
    search.addEventListener("input", () => { clearTimeout(this.timer); this.timer = setTimeout(() => this.search(search.value.trim()), 250); });
    search.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
    this.own();
    this.show();
    const only = element.querySelector("[data-tree-begin]");
    if (only) toggle(only);
  }

  /** Several pickers on a page have rows of the same names: each makes the ids of its boxes its own. */
  own() {
    for (const box of this.element.querySelectorAll(`[data-tick]:not([id^="${this.input.name}-"])`)) {
      const label = this.element.querySelector(`label[for="${box.id}"]`);
      box.id = `${this.input.name}-${box.id}`;
      if (label) label.htmlFor = box.id;
    }
  }

  of(source) {
    if (!this.chosen.has(source)) this.chosen.set(source, { all: false, in: new Set(), out: new Set(), lines: new Map() });
    return this.chosen.get(source);
  }

  ticked(chosen, chain) {
    if (chain.some((id) => chosen.out.has(id))) return false;
    return chosen.all || chain.some((id) => chosen.in.has(id));
  }

  partly(chosen, id, on) {
    const other = on ? chosen.out : chosen.in;
    for (const one of other) {
      if (one !== id && (id === null || (this.chains.get(one) ?? []).includes(id))) return true;
    }
    return false;
  }

  chainOf(row) {
    const chain = row.dataset.chain ? row.dataset.chain.split(" ") : [];
    if (chain.length) this.chains.set(chain[0], chain);
    return chain;
  }

  tick(box) {
    this.element.closest("form")?.querySelector("[data-until-ticked]")?.remove();
    const row = box.closest("li");
    const chain = this.chainOf(row);
    const chosen = this.of(row.dataset.source);
    const id = chain[0] ?? null;
    for (const set of [chosen.in, chosen.out]) {
      for (const one of [...set]) if (id === null || one === id || (this.chains.get(one) ?? []).includes(id)) set.delete(one);
    }
    if (id === null) chosen.all = box.checked;
    else if (this.ticked(chosen, chain) !== box.checked) (box.checked ? chosen.in : chosen.out).add(id);
    this.show();
    this.write();
  }

  write() {
    this.input.value = JSON.stringify(this.value());
    this.element.dispatchEvent(new CustomEvent("picker:change", { bubbles: true, detail: { value: this.value() } }));
  }

  value() {
    return [...this.chosen].filter(([, c]) => c.all || c.in.size).map(([source, c]) => {
      const entry = { data_source: source, parents_in: c.all ? null : [...c.in], parents_not_in: [...c.out] };
      if (!this.list) return entry;
      const kept = c.all ? ["", ...c.in] : [...c.in];
      if (c.all) entry.parents_in = null;
      return { ...entry, lines: Object.fromEntries(kept.filter((id) => c.lines.has(id)).map((id) => [id, c.lines.get(id)])) };
    });
  }

  // ---- What is ticked, below the tree: whether more comes in later, and which part of it ----------------------------

  showLines() {
    if (!this.list) return;
    const [[source, chosen] = []] = [...this.chosen];
    const wanted = !chosen ? [] : chosen.all ? [""] : [...chosen.in];
    const there = new Map([...this.list.children].map((line) => [line.dataset.line, line]));
    for (const [id, line] of there) if (!wanted.includes(id)) line.remove();
    for (const id of wanted) if (!there.has(id)) this.list.append(this.madeLine(source, chosen, id));
    this.list.hidden = !wanted.length;
  }

  /** As the tree shows it now, with what is above it: many places have parts of the same name. */
  pathOf(id) {
    const names = [];
    for (let row = this.element.querySelector(`li[data-node="${id}"]`); row; row = row.parentElement.closest("li[data-node]")) {
      names.unshift(row.querySelector(":scope > .tree-row > .tree-name").textContent);
    }
    return names.join(" / ");
  }

  madeLine(source, chosen, id) {
    const line = this.element.querySelector("[data-picker-line]").content.cloneNode(true).firstElementChild;
    const whole = this.element.querySelector(`li[data-source="${source}"] > .tree-row > .tree-name`);
    line.dataset.line = id;
    line.querySelector("[data-line-title]").textContent = id ? this.pathOf(id) || this.paths.get(id) || "A place that is not shown now" : `Everything in ${whole?.textContent ?? "it"}`;
    const kept = chosen.lines.get(id);
    line.querySelector("[data-line-later]").checked = kept?.future ?? true;
    let filled = false;
    for (const field of line.querySelectorAll("[data-option] :is(input, select, textarea)")) {
      const name = field.name;
      // Each line has fields of the same names: what labels point to is made its own.
      const label = field.id && line.querySelector(`label[for="${field.id}"]`);
      field.id = `${name}-${id || "all"}`;
      if (label) label.htmlFor = field.id;
      field.removeAttribute("name");
      if (id && field.dataset.offered) field.addEventListener("focus", () => this.offer(line, id));
      field.dataset.name = name;
      field.removeAttribute("required");
      const value = kept?.options?.[name];
      if (value === undefined) continue;
      filled = true;
      if (field.type === "checkbox") field.checked = Boolean(value); else field.value = Array.isArray(value) ? value.join("\n") : value;
    }
    const details = line.querySelector("details");
    if (details && filled) details.open = true;
    return line;
  }

  /** What the place has for the options at this line, asked when somebody is about to type one. */
  async offer(line, id) {
    if (line.dataset.asked) return;
    line.dataset.asked = "1";
    const answer = await fetch(`${this.list.dataset.choices}?node=${id}`, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok) return void delete line.dataset.asked; // asked again with the next focus
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const list of found.querySelectorAll("datalist")) {
      const field = line.querySelector(`[data-offered="${list.id.replace("choices-", "")}"]`);
      // Each line has lists of its own, too.
      list.id = `${list.id}-${id}`;
      if (!field) continue;
      line.append(list);
      field.setAttribute("list", list.id);
    }
  }

  changeLine(line) {
    const [[, chosen]] = [...this.chosen];
    const options = {};
    for (const field of line.querySelectorAll("[data-option] [data-name]")) {
      const value = field.type === "checkbox" ? field.checked : field.value.trim();
      if (value) options[field.dataset.name] = value;
    }
    chosen.lines.set(line.dataset.line, { future: line.querySelector("[data-line-later]").checked, options });
    this.write();
  }

  untick(id) {
    const [[, chosen]] = [...this.chosen];
    if (id) chosen.in.delete(id); else chosen.all = false;
    if (!chosen.all && !chosen.in.size) chosen.out.clear();
    const at = [...this.list.children].findIndex((line) => line.contains(document.activeElement));
    this.show();
    this.write();
    // The line that had the focus is gone.
    if (at >= 0) ([...this.list.querySelectorAll("[data-line-remove]")].slice(0, at + 1).at(-1) ?? this.element.querySelector("[data-picker-search]")).focus();
  }

  show() {
    for (const row of this.element.querySelectorAll("li[data-source]")) {
      const box = row.querySelector(":scope > .tree-row > [data-tick]");
      if (!box) continue;
      const chain = this.chainOf(row);
      const chosen = this.of(row.dataset.source);
      const on = this.ticked(chosen, chain);
      const above = chain.slice(1);
      const lefOut = above.some((id) => chosen.out.has(id));
      box.checked = on;
      box.indeterminate = this.partly(chosen, chain[0] ?? null, on);
      box.disabled = lefOut || (!this.excludes && chain.length > 0 && above.some((id) => chosen.in.has(id)));
      box.title = lefOut ? "Left out with what is above it: tick that first" : box.disabled ? "Comes with what is above it" : "";
    }
    this.showLines();
    const words = this.value().map((entry) => {
      const name = this.element.querySelector(`li[data-source="${entry.data_source}"] > .tree-row > .tree-name`)?.textContent ?? "A source";
      const without = entry.parents_not_in.length ? `, without ${entry.parents_not_in.length}` : "";
      return entry.parents_in === null ? `${name}: everything${this.list ? "" : ", and whatever is added later"}${without}` : `${name}: ${entry.parents_in.length} ticked${without}`;
    });
    this.element.querySelector("[data-picker-words]").textContent = words.join("; ") || "Nothing is ticked yet.";
  }

  async search(text) {
    const asked = (this.asked = (this.asked ?? 0) + 1);
    for (const source of this.element.querySelectorAll(".picker-tree > li[data-tree]")) {
      const button = source.querySelector(":scope > .tree-row > [data-tree-open]");
      source.querySelector(":scope > ul")?.remove();
      if (!text) { close(source, button); if (button.hasAttribute("data-tree-begin")) open(source, button); continue; }
      const url = new URL(source.dataset.tree, location.href);
      url.searchParams.set("q", text);
      fetchRows(url).then((rows) => {
        if (asked !== this.asked) return;
        source.querySelector(":scope > ul")?.remove();
        const list = document.createElement("ul");
        list.innerHTML = rows;
        source.append(list);
        button.setAttribute("aria-expanded", "true");
        say(source);
        this.searchThere(source, list, url, asked);
      });
    }
  }

  /** What the place itself finds, besides what it told of before. */
  async searchThere(source, list, url, asked) {
    const place = list.querySelector(":scope > [data-tree-there]");
    if (!place) return;
    url.searchParams.set("there", "1");
    const rows = await fetchRows(url);
    if (asked !== this.asked || !place.isConnected) return;
    place.insertAdjacentHTML("beforebegin", rows);
    place.remove();
    say(source);
  }
}

const begin = (root) => root.querySelectorAll("[data-picker]:not([data-ready])").forEach((element) => { element.dataset.ready = ""; new Picker(element); });
begin(document);
document.addEventListener("htmx:load", (event) => begin(event.target.parentElement ?? document));
