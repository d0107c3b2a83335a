// Markdown to DOM nodes, while it is still being written.
//
// markdown-it parses, and this file builds elements from its tokens, one by one: no text of a model ever goes through
// innerHTML. It makes the same elements as assistants/rendering.py makes on the server, so that a stored answer looks
// like a streamed one: headings one level down, links live only into the sources and this portal, no pictures.

import MarkdownIt from "atrium/markdown-it";

const parser = new MarkdownIt("commonmark", { html: false }).enable(["table", "strikethrough"]).disable("reference");

/** ``[n]`` of a passage that the answer read; ``[n](…)`` is a link. */
parser.inline.ruler.before("link", "citation", (state, silent) => {
  const found = /^\[(\d{1,3})\](?!\()/.exec(state.src.slice(state.pos, state.pos + 6));
  if (!found || !state.env.knows(Number(found[1]))) return false;
  if (!silent) state.push("citation", "", 0).meta = Number(found[1]);
  state.pos += found[0].length;
  return true;
});

/** What is put around elements that may be wider than the column. */
function scrolling(table) {
  const box = document.createElement("div");
  box.className = "table-scroll";
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "Table");
  box.append(table);
  return box;
}

function codeBlock(text, language) {
  const box = document.createElement("pre");
  const code = document.createElement("code");
  box.tabIndex = 0;
  if (/^[a-z0-9-]+$/i.test(language)) box.dataset.language = language;
  code.textContent = text;
  box.append(code);
  return box;
}

/** Words that stand where an address would lead out: the address in plain sight, and dead. */
function address(words) {
  const box = document.createElement("span");
  box.className = "address";
  box.textContent = words;
  return box;
}

function isLive(href, addresses) {
  if (href.startsWith("/w/")) return !href.includes("..") && !href.includes("\\");
  let url;
  try {
    url = new URL(href);
  } catch {
    return false;
  }
  if (!/^https?:$/.test(url.protocol)) return false;
  return url.origin === location.origin ? url.pathname.startsWith("/w/") : addresses.has(href.split("#")[0]);
}

function inlineNodes(parent, tokens, cites) {
  const open = [parent];
  for (const token of tokens) {
    const at = open[open.length - 1];
    if (token.type === "text") at.append(token.content);
    else if (token.type === "citation") at.append(cites.chip(token.meta));
    else if (token.type === "softbreak") at.append("\n");
    else if (token.type === "hardbreak") at.append(document.createElement("br"));
    else if (token.type === "code_inline") {
      const code = document.createElement("code");
      code.textContent = token.content;
      at.append(code);
    } else if (token.type === "image") {
      const words = token.content.trim();
      at.append(address(`[${words ? `Picture: ${words}` : "Picture"}] (${token.attrGet("src")})`));
    } else if (token.type === "link_open") {
      const href = token.attrGet("href");
      const live = isLive(href, cites.addresses());
      const link = document.createElement(live ? "a" : "span");
      if (live) {
        link.href = href;
        link.rel = "noopener noreferrer";
      } else link.dead = href;
      at.append(link);
      open.push(link);
    } else if (token.type === "link_close") {
      open.pop();
      if (at.dead && at.textContent !== at.dead) at.append(" ", address(`(${at.dead})`));
    } else if (token.nesting === 1) {
      const element = document.createElement(token.tag);
      at.append(element);
      open.push(element);
    } else if (token.nesting === -1) open.pop();
    else at.append(token.content);
  }
}

function blockElement(token) {
  const element = document.createElement(token.type === "heading_open" ? `h${Math.min(6, Number(token.tag[1]) + 1)}` : token.tag);
  const start = token.attrGet("start");
  if (start !== null) element.setAttribute("start", start);
  if (token.attrGet("style")) element.setAttribute("style", token.attrGet("style"));
  return element;
}

/** One top-level block's tokens as nodes. */
function blockNodes(tokens, cites) {
  const root = document.createDocumentFragment();
  const open = [root];
  for (const token of tokens) {
    const at = open[open.length - 1];
    if (token.type === "inline") inlineNodes(at, token.children, cites);
    else if (token.type === "fence") at.append(codeBlock(token.content, token.info.trim().split(/\s+/)[0]));
    else if (token.type === "code_block") at.append(codeBlock(token.content, ""));
    else if (token.type === "hr") at.append(document.createElement("hr"));
    else if (token.hidden) continue;
    else if (token.nesting === 1) {
      const element = blockElement(token);
      at.append(token.tag === "table" ? scrolling(element) : element);
      open.push(element);
    } else if (token.nesting === -1) open.pop();
  }
  return [...root.childNodes];
}

/** Top-level blocks of ``text``: [{line, tokens}]. */
function blocks(text, cites) {
  const found = [];
  for (const token of parser.parse(text, { knows: cites.knows })) {
    if (token.level === 0 && token.nesting !== -1) found.push({ line: token.map ? token.map[0] : 0, tokens: [] });
    found[found.length - 1]?.tokens.push(token);
  }
  return found;
}

function inFence(text) {
  let fence = "";
  for (const line of text.split("\n")) {
    const mark = /^\s{0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (!mark) continue;
    if (!fence) fence = mark;
    else if (mark[0] === fence[0] && mark.length >= fence.length) fence = "";
  }
  return fence !== "";
}

const odd = (text, mark) => (text.split(mark).length - 1) % 2 === 1;

/** What can be shown of text that goes on: half a marker waits, and what is still open is closed for the moment. */
export function presentable(text) {
  if (inFence(text)) return text;
  const lines = text.split("\n");
  // A lone "-", "=" or "1." may become a list; until then it would make a heading or a stray paragraph.
  if (/^\s*([-=*+#|>]+|\d{1,3}[.)]?)\s*$/.test(lines[lines.length - 1])) lines.pop();
  // A table shows once its second line is complete; before, it would be a paragraph of bars.
  const gap = lines.findLastIndex((line) => !line.trim());
  const last = lines.slice(gap + 1);
  if (last.length && last.length < 3 && last.every((line) => line.trimStart().startsWith("|"))) lines.splice(gap + 1);
  let shown = lines.join("\n").replace(/\[[\d,\s]{0,6}$/, "").replace(/[*_~`]+$/, "");
  const open = shown.slice(shown.search(/[^\n]*$/)).replace(/`[^`]*`/g, "");
  if (odd(open, "`")) return `${shown}\``;
  if (odd(open, "**")) shown = `${shown.trimEnd()}**`;
  else if (/(^|[\s(])\*(?![\s*])[^*]*$/.test(open.replaceAll("**", ""))) shown = `${shown.trimEnd()}*`;
  if (odd(open, "~~")) shown = `${shown.trimEnd()}~~`;
  return shown;
}

/** Make ``now`` like ``next`` without touching what is already equal: selections and scroll positions stay. */
export function patch(now, next) {
  if (now.isEqualNode(next) || now.asServed?.isEqualNode(next)) return now;
  const same = now.nodeType === next.nodeType && now.nodeName === next.nodeName && (now.nodeName !== "ARTICLE" || now.id === next.id);
  if (!same || now.nodeName === "TEMPLATE") {
    now.replaceWith(next);
    return next;
  }
  if (now.nodeType === Node.TEXT_NODE) {
    if (next.data.startsWith(now.data)) now.appendData(next.data.slice(now.data.length));
    else now.data = next.data;
    return now;
  }
  patchAttributes(now, next);
  patchChildren(now, [...now.childNodes], [...next.childNodes]);
  return now;
}

/** Whether a fold is open is the person's, not ours. */
const THEIRS = new Set(["open"]);

function patchAttributes(now, next) {
  for (const name of now.getAttributeNames()) {
    if (!next.hasAttribute(name) && !THEIRS.has(name)) now.removeAttribute(name);
  }
  for (const name of next.getAttributeNames()) {
    if (now.getAttribute(name) !== next.getAttribute(name)) now.setAttribute(name, next.getAttribute(name));
  }
}

/** Patch ``current`` (children of ``parent``, side by side) into ``wanted``; returns what stands there now. */
export function patchChildren(parent, current, wanted) {
  const after = current.length ? current[current.length - 1].nextSibling : null;
  const result = wanted.map((node, index) => {
    if (index < current.length) return patch(current[index], node);
    return parent.insertBefore(node, after);
  });
  for (const surplus of current.slice(wanted.length)) surplus.remove();
  return result;
}

const NONE = { knows: () => false, chip: () => "", addresses: () => new Set() };

/** Markdown that grows. Blocks that are finished are never touched again; only the last one is made anew. */
export class GrowingMarkdown {
  #text = "";
  #start = 0; // where the last block begins in #text
  #nodes = []; // the last block's nodes
  finished = () => {}; // is given the nodes of blocks that nothing changes any more

  /** ``cites``: {knows(n), chip(n), addresses()}: which citations there are, their nodes, where links may lead. */
  constructor(root, cites = NONE) {
    this.root = root;
    this.cites = cites;
  }

  get text() {
    return this.#text;
  }

  /** The words of the last block, as shown. */
  get rest() {
    return this.#nodes.map((node) => node.textContent).join(" ");
  }

  append(text) {
    this.#text += text;
  }

  /** Show what there is. ``finished``: nothing more comes, so nothing is held back. */
  render(finished = false) {
    const tail = this.#text.slice(this.#start);
    const found = blocks(finished ? tail : presentable(tail), this.cites);
    const made = found.map((block) => blockNodes(block.tokens, this.cites));
    const standing = patchChildren(this.root, this.#nodes, made.flat());
    if (found.length < 2) {
      this.#nodes = standing;
      return;
    }
    const last = found[found.length - 1];
    const kept = standing.length - made[made.length - 1].length;
    this.finished(standing.slice(0, kept));
    this.#nodes = standing.slice(kept);
    this.#start += tail.split("\n").slice(0, last.line).reduce((sum, line) => sum + line.length + 1, 0);
  }
}

/** All of ``text`` at once. */
export function renderInto(root, text, cites = NONE) {
  root.replaceChildren();
  const growing = new GrowingMarkdown(root, cites);
  growing.append(text);
  growing.render(true);
}
