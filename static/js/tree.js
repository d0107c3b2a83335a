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
  place.insertAdjacentHTML("beforebegin", rows);
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
    for (const entry of JSON.parse(this.input.value || "[]")) {
      this.chosen.set(entry.data_source, { all: entry.parents_in === null, in: new Set(entry.parents_in ?? []), out: new Set(entry.parents_not_in ?? []) });
    }
    element.addEventListener("tree:loaded", () => this.show());
    element.addEventListener("change", (event) => { if (event.target.matches("[data-tick]")) this.tick(event.target); });
    const search = element.querySelector("[data-picker-search]");
    search.addEventListener("input", () => { clearTimeout(this.timer); this.timer = setTimeout(() => this.search(search.value.trim()), 250); });
    search.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
    this.show();
    const only = element.querySelector("[data-tree-begin]");
    if (only) toggle(only);
  }

  of(source) {
    if (!this.chosen.has(source)) this.chosen.set(source, { all: false, in: new Set(), out: new Set() });
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
    this.input.value = JSON.stringify(this.value());
    this.element.dispatchEvent(new CustomEvent("picker:change", { bubbles: true, detail: { value: this.value() } }));
  }

  value() {
    return [...this.chosen].filter(([, c]) => c.all || c.in.size).map(([source, c]) => ({ data_source: source, parents_in: c.all ? null : [...c.in], parents_not_in: [...c.out] }));
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
    const words = this.value().map((entry) => {
      const name = this.element.querySelector(`li[data-source="${entry.data_source}"] > .tree-row > .tree-name`)?.textContent ?? "A source";
      const without = entry.parents_not_in.length ? `, without ${entry.parents_not_in.length}` : "";
      return entry.parents_in === null ? `${name}: everything, and whatever is added later${without}` : `${name}: ${entry.parents_in.length} ticked${without}`;
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
      });
    }
  }
}

const begin = (root) => root.querySelectorAll("[data-picker]:not([data-ready])").forEach((element) => { element.dataset.ready = ""; new Picker(element); });
begin(document);
document.addEventListener("htmx:load", (event) => begin(event.target.parentElement ?? document));
