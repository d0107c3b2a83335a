// Citation chips and the panel of sources. A chip is a link to the passage; pointing at it or focusing it shows a card
// (the shell's hover popovers), a click selects the source in the panel, Enter opens the document.

/** A chip for a source as events carry it, the same as the server renders (assistants/rendering.py). */
export function chip(source) {
  const open = source.href && !source.withheld && !source.gone;
  const link = document.createElement(open ? "a" : "span");
  link.className = "cite";
  link.dataset.n = String(source.n);
  if (open) {
    link.href = source.href;
    link.setAttribute("aria-label", `Source ${source.n}: ${source.document.title}`);
  } else {
    link.dataset.withheld = "";
    link.tabIndex = 0;
    link.setAttribute("aria-label", source.gone ? `Source ${source.n}, deleted since` : `Source ${source.n}, withheld: you may not read it`);
  }
  link.textContent = String(source.n);
  return link;
}

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** A passage as one run of words; assistants/templatetags/snippets.py does the same. */
export function plain(text) {
  return text
    .replace(/^[ \t|:=-]{3,}$|^[ \t]*(?:`{3,}|~{3,}).*$/gm, "")
    .replace(/^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+][ \t]+|\|[ \t]*)+/gm, "")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/\*\*|__|`|~~/g, "")
    .replace(/\s*\|\s*/g, " · ")
    .replace(/\s+/g, " ")
    .replace(/^[· ]+|[· ]+$/g, "");
}

/** The icon of a kind of node, where the page brings icons. */
function iconOf(kind) {
  const icons = document.getElementById("node-icons")?.content;
  const found = [...(icons?.children ?? [])].find((icon) => icon.dataset.kind === kind) ?? icons?.lastElementChild;
  return [...(found?.cloneNode(true).childNodes ?? [])];
}

const AGES = [[60, 1, "s"], [3600, 60, "min"], [86_400, 3600, "h"], [86_400 * 14, 86_400, "d"]];

/** How long ago, in words; portal/templatetags/atrium.py does the same. */
function ago(iso) {
  const moment = new Date(iso);
  const seconds = Math.max(0, (Date.now() - moment) / 1000);
  const [, size, unit] = AGES.find(([limit]) => seconds < limit) ?? [];
  const time = document.createElement("time");
  time.dateTime = iso;
  time.title = moment.toLocaleString("en-GB", { dateStyle: "long", timeStyle: "short" });
  time.textContent = unit
    ? (unit === "s" && seconds < 10 ? "just now" : `${Math.floor(seconds / size)} ${unit} ago`)
    : moment.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
  return time;
}

/** A line of the panel for a source as events carry it; templates/assistants/_source.html has the stored one. */
export function sourceRow(source) {
  const row = element("li", "source");
  row.dataset.n = String(source.n);
  const number = element("span", "cite", String(source.n));
  number.setAttribute("aria-hidden", "true");
  if (source.withheld || source.gone) {
    number.dataset.withheld = "";
    const why = source.gone ? "The document is no longer in Atrium." : "You may not read where this comes from.";
    row.append(element("p", "source-title", number, element("span", "faint", source.gone ? "Gone" : "Withheld")), element("p", "small faint", why));
    return row;
  }
  const link = element("a", "cover", source.document.title);
  link.href = source.href;
  const where = `${source.document.data_source.name} / ${source.document.path}`;
  const path = element("p", "small faint source-path", ...iconOf(source.document.kind), element("span", "clip", where));
  path.title = where;
  row.append(element("p", "source-title", number, link), path);
  if (source.snippet) row.append(element("p", "source-text", plain(source.snippet)));
  if (source.why) row.append(element("p", "small faint source-why", source.why));
  const { modified } = source.document;
  if (modified) row.append(element("p", "small faint source-age", "Changed ", ago(modified)));
  return row;
}

/** In a card the sentence that the claim rests on stands in place of the passage's beginning. */
function quote(card, sentence) {
  const said = element("p", "source-said", sentence);
  const text = card.querySelector(".source-text");
  if (text) text.replaceWith(said);
  else card.querySelector(".source-path")?.after(said);
}

/**
 * The one hover card takes what the source's own line says, just before the shell shows it, and the sentence that fits.
 * ``sourceOf(chip)``: the line. ``sentenceOf(chip)``: the sentence while the answer is being written; later chips have it.
 */
export function cards(card, sourceOf, sentenceOf = () => "") {
  const fill = (event) => {
    const link = event.target.closest?.(".answer-body .cite");
    if (!link) return;
    link.dataset.hover = "#citation-card";
    if (link === card.chip && card.matches(":popover-open")) return;
    if (card.matches(":popover-open")) card.hidePopover();
    card.chip = link;
    const row = sourceOf(link);
    if (!row) return;
    card.replaceChildren(...row.cloneNode(true).childNodes);
    const sentence = link.dataset.sentence || sentenceOf(link);
    if (sentence) quote(card, sentence);
  };
  document.addEventListener("pointerover", fill, true);
  document.addEventListener("focusin", fill, true);
}

const narrow = matchMedia("(max-width: 70rem)");

export class SourcesPanel {
  #answer = null;

  constructor(panel, toggle) {
    this.panel = panel;
    this.body = panel.querySelector("[data-sources-body]");
    this.toggle = toggle;
    this.empty = [...this.body.childNodes];
    toggle?.addEventListener("click", () => (this.isOpen ? this.close() : this.open()));
    panel.querySelector("[data-close-sources]").addEventListener("click", () => this.close());
    panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !narrow.matches) return;
      event.stopPropagation();
      this.close();
    });
    narrow.addEventListener("change", () => this.close(false));
  }

  get isOpen() {
    return this.panel.dataset.open === "true";
  }

  /** On a narrow screen the panel is a sheet from below, which has to be opened. */
  open() {
    this.before = document.activeElement;
    this.panel.dataset.open = "true";
    this.toggle?.setAttribute("aria-expanded", "true");
    if (narrow.matches) this.panel.querySelector("[data-close-sources]").focus({ preventScroll: true });
  }

  close(refocus = true) {
    if (!this.isOpen) return;
    delete this.panel.dataset.open;
    this.toggle?.setAttribute("aria-expanded", "false");
    if (refocus) this.before?.focus?.({ preventScroll: true });
  }

  /** Show what this answer read. Its own list, under the answer, is for pages without scripts. */
  show(answer) {
    const list = answer?.querySelector("[data-part=sources]");
    if (!list) {
      if (!answer || answer === this.#answer) this.body.replaceChildren(...this.empty);
      return;
    }
    this.#answer = answer;
    const copy = list.cloneNode(true);
    copy.querySelector("summary")?.remove();
    this.body.replaceChildren(...copy.childNodes);
    document.querySelectorAll(".answer[data-selected]").forEach((other) => delete other.dataset.selected);
    answer.dataset.selected = "";
  }

  /** An answer begins; what it reads is not known yet. */
  clear() {
    this.#answer = null;
    this.body.replaceChildren(...this.empty);
  }

  /** What an answer that streams is reading, before it is stored. */
  showReading(answer, sources) {
    if (!sources.length) return;
    this.#answer = answer;
    const list = document.createElement("ol");
    list.className = "source-list";
    list.append(...sources.map(sourceRow));
    this.body.replaceChildren(list);
  }

  /** Mark source ``n`` of the answer, here and at its chips. */
  select(answer, n) {
    if (answer.querySelector("[data-part=sources]")) this.show(answer);
    for (const marked of document.querySelectorAll(".cite[aria-current], .source[data-current]")) {
      marked.removeAttribute("aria-current");
      delete marked.dataset.current;
    }
    answer.querySelectorAll(`.answer-body .cite[data-n="${n}"]`).forEach((link) => link.setAttribute("aria-current", "true"));
    const row = this.body.querySelector(`.source[data-n="${n}"]`);
    if (!row) return;
    row.dataset.current = "";
    if (narrow.matches && !this.isOpen) this.open();
    row.scrollIntoView({ block: "nearest" });
  }
}

/** Clicks on chips below ``root`` select; the keyboard's Enter (a click without a pointer) follows the link. */
export function listen(root, panel) {
  root.addEventListener("click", (event) => {
    const link = event.target.closest(".answer-body .cite");
    if (!link || event.detail === 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    panel.select(link.closest(".answer"), link.dataset.n);
  });
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-show-sources]");
    if (!button) return;
    panel.show(button.closest(".answer"));
    panel.open();
  });
}
