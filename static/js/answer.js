// One answer while it comes: steps in a line, text as growing Markdown, chips where passages are cited. What the server
// renders at the end takes the place of what was built here, and differs only where it has to.
import { chip } from "atrium/citations";
import { GrowingMarkdown, patch } from "atrium/markdown";
import { enhance, resultBlock } from "atrium/results";

const part = (article, name) => article.querySelector(`[data-part=${name}]`);

/** The server's own rendering of the answer, as an element. */
export async function fetchArticle(url) {
  const response = await fetch(url, { headers: { "HX-Request": "true" } });
  if (!response.ok) throw new Error(`${response.status}`);
  const box = document.createElement("template");
  box.innerHTML = await response.text(); // our own page, its Markdown cleaned by the server
  box.content.querySelectorAll(".prose").forEach(dropBlanks);
  return box.content.querySelector("article");
}

/** Blanks between blocks, which the server's Markdown has and ours has not. */
export function dropBlanks(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT, (text) =>
    text.data.trim() || text.parentElement.closest("pre") || !text.data.includes("\n") ? NodeFilter.FILTER_SKIP : NodeFilter.FILTER_ACCEPT);
  const blanks = [];
  while (walker.nextNode()) blanks.push(walker.currentNode);
  blanks.filter((text) => !isInline(text.previousSibling) && !isInline(text.nextSibling)).forEach((text) => text.remove());
}
const INLINE = new Set(["A", "B", "BR", "CODE", "EM", "S", "SPAN", "STRONG"]);
const isInline = (node) => node && (node.nodeType === Node.TEXT_NODE || INLINE.has(node.nodeName));

export class LiveAnswer {
  #drawing = 0;
  #ended = false;

  /** ``changed()`` is called after each drawing; ``said(text)`` for each block that is finished; 
   * ``found(sources)`` when it knows what it reads; ``ended(type, data)`` once. */
  constructor(article, { changed = () => {}, said = () => {}, ended = () => {}, found = () => {} } = {}) {
    Object.assign(this, { article, changed, said, ended, found });
    this.id = article.dataset.message;
    this.sources = new Map();
    this.body = part(article, "body");
    this.steps = [];
    this.text = new GrowingMarkdown(this.body, {
      knows: (n) => this.sources.has(n),
      chip: (n) => chip(this.sources.get(n)),
      addresses: () => new Set([...this.sources.values()].map((source) => source.document?.url?.split("#")[0]).filter(Boolean)),
    });
    this.text.finished = (nodes) => nodes.forEach((node) => this.said(node.textContent));
    this.fresh = true;
  }

  /** One event {seq, type, data}; drawn with the next frame. */
  take(event) {
    if (this.fresh) { // what the server had rendered comes again, from the first event on
      this.body.replaceChildren();
      part(this.article, "results")?.replaceChildren();
    }
    this.fresh = false;
    const act = this[`on_${event.type}`];
    if (act) act.call(this, event.data ?? {});
    this.#draw();
  }

  on_step(data) {
    this.steps.push(data.text);
    const box = part(this.article, "steps");
    box.hidden = false;
    box.dataset.busy = "";
    part(box, "step").textContent = `${data.text}…`;
    const line = document.createElement("li");
    line.textContent = data.text;
    part(box, "step-list").append(line);
  }

  /** All steps in one line, once they are over; assistants/thread.py does the same. */
  get line() {
    const over = { Searching: "Searched", Reading: "Read", Looking: "Looked", Taking: "Took", Writing: "Wrote", Asking: "Asked", Correcting: "Corrected" };
    return this.steps.map((step, at) => {
      const words = step.replace(/^\w+/, (verb) => over[verb] ?? verb);
      return at ? words[0].toLowerCase() + words.slice(1) : words;
    }).join(", ");
  }

  on_started() {
    this.article.dataset.status = "running";
  }

  on_passages(data) {
    for (const source of data.passages ?? []) this.sources.set(source.n, source);
    this.found(data.passages ?? []);
  }

  /** What tables gave; templates/assistants/_table_result.html has the links besides. */
  on_table(data) {
    const box = part(this.article, "results");
    if (!box) return;
    box.hidden = false;
    const make = (kind, classes, words = "") => Object.assign(document.createElement(kind), { className: classes, textContent: words });
    if (data.withheld) { box.append(make("div", "callout small", data.note)); return; }
    const section = box.appendChild(make("section", "table-answer"));
    section.append(make("p", "row small soft table-answer-head", data.tables.map((table) => table.title).join(", ")));
    if (data.error) section.append(make("div", "callout small", data.error));
    else section.append(resultBlock(data, "answer"));
    const sql = section.appendChild(make("details", "small table-answer-sql"));
    sql.append(make("summary", "soft", "The SQL"));
    sql.appendChild(document.createElement("pre")).append(make("code", "", data.sql));
  }

  on_token(data) {
    this.text.append(data.text);
  }

  /** What of the passage fits what was said; the chip's card shows it. */
  on_citation(data) {
    const source = this.sources.get(data.n);
    if (source && data.sentence) source.sentence = data.sentence;
  }

  on_completed(data) {
    this.#end("completed", data);
  }

  on_stopped(data) {
    this.#end("stopped", data);
  }

  on_error(data) {
    this.#end("error", data);
  }

  #draw() {
    this.#drawing ||= requestAnimationFrame(() => {
      this.#drawing = 0;
      this.text.render(this.#ended);
      this.changed();
    });
  }

  async #end(type, data) {
    if (this.#ended) return;
    this.#ended = true;
    delete part(this.article, "steps").dataset.busy;
    this.text.render(true);
    this.said(this.text.rest);
    this.article.dataset.status = type;
    if (this.article.dataset.url) await this.settle();
    this.ended(type, data);
  }

  /** Take the server's rendering: actions, sources, errors, and the text where it differs. */
  async settle(tries = 3) {
    try {
      patch(this.article, await fetchArticle(this.article.dataset.url));
      enhance(this.article);
      window.htmx?.process(this.article);
      this.changed();
    } catch (error) {
      if (tries > 1) {
        await new Promise((resolve) => setTimeout(resolve, 600));
        return this.settle(tries - 1);
      }
      this.article.removeAttribute("aria-busy");
    }
    return undefined;
  }
}
