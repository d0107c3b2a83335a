// The conversation page: asks, follows answers, keeps the view at the end while the reader is there.
import { LiveAnswer, dropBlanks } from "atrium/answer";
import { SourcesPanel, cards, listen, sourceRow } from "atrium/citations";
import { composersIn } from "atrium/composer";
import { Follower } from "atrium/follow";
import { beside, clearBeside, copies, decorate, menus, undecorate } from "atrium/foot";
import { patch } from "atrium/markdown";
import { enhance } from "atrium/results";

const page = document.querySelector("[data-conversation-page]");
const find = (selector) => document.querySelector(selector);
const composer = composersIn(page)[0] ?? null;
const panel = new SourcesPanel(find("[data-sources]"), find("[data-toggle-sources]"));
const announcer = find("[data-announce]");
const jump = find("[data-jump]");
const live = new Map(); // answer id: LiveAnswer
let sending = false;

const thread = () => document.getElementById("thread");
const answers = () => [...thread().querySelectorAll(".answer")];
const openAnswer = () => answers().findLast((answer) => ["queued", "running"].includes(answer.dataset.status));

// ---- The end of the text ------------------------------------------------------------------------------------------

const NEAR = 96; // px
let atEnd = true;
const distance = () => document.documentElement.scrollHeight - innerHeight - scrollY;

function toEnd() {
  scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
  atEnd = true;
  showJump();
}

function showJump() {
  jump.hidden = atEnd || distance() < NEAR;
}

let lastY = scrollY;
addEventListener("scroll", () => {
  // Only a reader who goes up lets go of the end; text that grows does not.
  if (scrollY < lastY - 2) atEnd = distance() < NEAR;
  else if (distance() < NEAR) atEnd = true;
  lastY = scrollY;
  showJump();
}, { passive: true });

addEventListener("resize", () => { if (atEnd) toEnd(); });

function grown() {
  if (atEnd) toEnd();
  else showJump();
}
jump.addEventListener("click", () => { toEnd(); composer?.focus(); });

// ---- Saying it to those who listen --------------------------------------------------------------------------------

function announce(text) {
  if (!text.trim()) return;
  const line = document.createElement("p");
  line.textContent = text;
  announcer.append(line);
  while (announcer.children.length > 6) announcer.firstElementChild.remove();
}

// ---- Following ----------------------------------------------------------------------------------------------------

const follower = new Follower({
  socket: page.dataset.socket,
  events: (id) => `${page.dataset.url}m/${id}/events/`,
  watch: page.dataset.id,
  onEvent: (id, event) => live.get(id)?.take(event),
  onChange: (what) => changed(what),
  onState: (state) => showConnection(state),
});

/** Another tab asked, a title came, or the page was away for a while. */
function changed(what) {
  if (what.title) showTitle(what.title);
  else if (!what.answer || !document.getElementById(`m-${what.answer}`)) refresh();
}

function showConnection(state) {
  const away = find("[data-connection]");
  away.hidden = state === "open" || state === "events";
  away.textContent = state === "gone"
    ? "You are not in this workspace any more, or you signed out. Reload the page."
    : "Not connected. It goes on by itself once Atrium answers again.";
}

function attach() {
  for (const answer of answers()) {
    const id = answer.dataset.message;
    if (!["queued", "running"].includes(answer.dataset.status) || live.has(id)) continue;
    live.set(id, new LiveAnswer(answer, {
      changed: grown,
      said: announce,
      found: (sources) => panel.showReading(answer, sources),
      ended: (type) => ended(id, type),
    }));
    follower.follow(id, 0);
  }
  showStop();
  decorate(thread());
  const last = answers().at(-1);
  const reading = live.get(last?.dataset.message);
  if (!reading) panel.show(selected() ?? last);
  else if (reading.sources.size) panel.showReading(last, [...reading.sources.values()]);
  else panel.clear();
}

const selected = () => thread().querySelector(".answer[data-selected]");

function ended(id, type) {
  live.delete(id);
  decorate(thread());
  follower.leave(id);
  showStop();
  const goesOn = document.getElementById(`m-${id}`)?.hasAttribute("data-goes-on");
  announce({ completed: "The answer is complete.", stopped: "The answer was stopped.", error: "The answer broke off." }[type]);
  panel.show(document.getElementById(`m-${id}`));
  document.body.dispatchEvent(new CustomEvent("conversations-changed"));
  renewTitle();
  // Another who was asked the same question is answering already.
  if (goesOn) refresh().then(sendNext);
  else sendNext();
}

function showStop() {
  const busy = Boolean(openAnswer());
  const stop = find("[data-stop]");
  if (stop) stop.hidden = !busy;
  composer?.form.toggleAttribute("data-busy", busy);
}

async function renewTitle() {
  const response = await fetch(`${page.dataset.url}title/`).catch(() => null);
  if (response?.ok) showTitle((await response.text()).trim());
}

function showTitle(title) {
  const heading = find("[data-conversation-title]");
  if (!title || heading.textContent === title) return;
  document.title = document.title.replace(heading.textContent, title);
  heading.textContent = title;
  document.body.dispatchEvent(new CustomEvent("conversations-changed"));
}

// ---- Changing the thread ------------------------------------------------------------------------------------------

function put(html) {
  const box = document.createElement("template");
  box.innerHTML = html; // our own page, its Markdown cleaned by the server
  box.content.querySelectorAll(".prose").forEach(dropBlanks);
  const next = box.content.querySelector("#thread");
  // An answer that streams is ahead of what the server just rendered.
  for (const answer of next.querySelectorAll(".answer")) {
    const standing = document.getElementById(answer.id);
    if (live.has(answer.dataset.message) && standing) answer.replaceWith(standing.cloneNode(true));
  }
  undecorate(thread());
  patch(thread(), next);
  enhance(thread());
  for (const [id, one] of live) {
    if (!one.article.isConnected) { live.delete(id); follower.leave(id); }
  }
  window.htmx?.process(thread());
  attach();
}

/** Fetch a change of the thread and show it. Resolves to whether it worked; says so itself where it did not. */
async function change(url, options = {}) {
  let response;
  try {
    response = await fetch(url, { ...options, headers: { "HX-Request": "true", "X-CSRFToken": csrf(), ...options.headers } });
  } catch {
    return "Atrium does not answer. Your question is kept; try again in a moment.";
  }
  if (response.redirected || !response.ok) {
    if (response.redirected || response.status === 403) return "You are signed out. Reload the page and sign in.";
    return (await response.text()).trim().slice(0, 300) || "That did not work. Try again.";
  }
  put(await response.text());
  return "";
}

const csrf = () => document.cookie.match(/(?:^|; )atrium_csrf=([^;]+)/)?.[1] ?? find("[name=csrfmiddlewaretoken]").value;
const refresh = async () => (sending ? "" : change(here()));

/** This page's address, with the branch that is shown. */
function here() {
  const asked = new URL(location.href).searchParams;
  const which = ["at", "after"].find((name) => asked.get(name));
  return which ? `${page.dataset.url}?${which}=${asked.get(which)}` : page.dataset.url;
}

async function post(url, values) {
  const body = new URLSearchParams(values);
  sending = true;
  const failed = await change(url, { method: "POST", body });
  sending = false;
  if (!failed) {
    history.replaceState(null, "", page.dataset.url);
    toEnd();
  }
  return failed;
}

// ---- Asking, one after the other ----------------------------------------------------------------------------------

const waiting = find("[data-waiting]");
const queueKey = `atrium:waiting:${page.dataset.id}`;
let queue = JSON.parse(sessionStorage.getItem(queueKey) ?? "[]");

function showQueue() {
  if (queue.length) sessionStorage.setItem(queueKey, JSON.stringify(queue));
  else sessionStorage.removeItem(queueKey);
  waiting.hidden = !queue.length;
  waiting.replaceChildren(...queue.map((asked, index) => {
    const row = document.createElement("li");
    const text = document.createElement("span");
    text.textContent = asked.content;
    const note = document.createElement("span");
    note.className = "small faint";
    note.textContent = asked.failed || (index ? "Waits in line" : "Waits for the answer above");
    const drop = document.createElement("button");
    drop.type = "button";
    drop.className = "btn btn-quiet btn-small";
    drop.textContent = "Take back";
    drop.addEventListener("click", () => {
      queue.splice(index, 1);
      showQueue();
      if (composer && !composer.content) { composer.content = asked.content; composer.places.chosen = asked.narrow ?? []; composer.focus(); }
    });
    if (asked.narrow?.length) text.append(` (only in ${asked.narrow.map((place) => place.name).join(", ")})`);
    row.append(text, note);
    if (asked.failed) {
      const retry = document.createElement("button");
      retry.type = "button";
      retry.className = "btn btn-small";
      retry.textContent = "Try again";
      retry.addEventListener("click", () => { delete asked.failed; sendNext(); });
      row.append(retry);
    }
    row.append(drop);
    return row;
  }));
}

async function sendNext() {
  if (sending || openAnswer() || !queue.length || queue[0].failed) { showQueue(); return; }
  const asked = queue[0];
  const leaf = thread().dataset.leaf;
  const narrow = (asked.narrow ?? []).map((place) => ["narrow", place.id]);
  const failed = await post(composer.form.action, [["content", asked.content], ["assistant", asked.assistant], ["parent", leaf], ...narrow]);
  if (failed) asked.failed = failed;
  else queue.shift();
  showQueue();
  if (failed) announce(failed);
}

page.addEventListener("composer:send", (event) => {
  event.preventDefault();
  const { content, assistant, narrow } = event.detail;
  queue.push({ content, assistant, narrow });
  showQueue();
  grown();
  sendNext();
});

// ---- Stopping, editing, asking again, branches --------------------------------------------------------------------

async function stop() {
  const answer = openAnswer();
  const form = answer?.querySelector("[data-stop-form]");
  if (!form) return;
  clearBeside(answer);
  const response = await fetch(form.action, { method: "POST", headers: { "X-CSRFToken": csrf(), "HX-Request": "true" } }).catch(() => null);
  if (!response?.ok) beside(answer, "The answer could not be stopped. Try again.");
}
page.addEventListener("composer:stop", stop);
find("[data-stop]")?.addEventListener("click", () => { stop(); composer.focus(); });
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || event.target.closest("dialog, [popover], textarea, input")) return;
  stop();
});

page.addEventListener("composer:edit-last", (event) => {
  const edit = [...thread().querySelectorAll("[data-edit]")].at(-1);
  if (!edit) return;
  event.preventDefault();
  edit.open = true;
});
document.addEventListener("toggle", (event) => {
  if (!event.target.matches?.("[data-edit]")) return;
  const text = event.target.querySelector("textarea");
  event.target.closest(".question").toggleAttribute("data-editing", event.target.open);
  if (!event.target.open) return;
  text.focus();
  text.setSelectionRange(text.value.length, text.value.length);
}, true);

function cancelEdit(edit) {
  edit.querySelector("form").reset();
  edit.open = false;
  (composer?.text ?? edit.querySelector("summary")).focus();
}
document.addEventListener("keydown", (event) => {
  const edit = event.target.closest?.("[data-edit][open]");
  if (!edit) return;
  if (event.key === "Escape") { event.preventDefault(); cancelEdit(edit); }
  else if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target.matches("textarea")) {
    event.preventDefault();
    edit.querySelector("form").requestSubmit();
  }
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.matches("[data-stop-form]")) {
    event.preventDefault();
    stop();
  } else if (form.matches("[data-thread-form]")) {
    event.preventDefault();
    const values = [...new FormData(form, event.submitter)];
    const article = form.closest("article") ?? form.answer;
    if (form.matches("[popover]")) form.hidePopover();
    clearBeside(article);
    form.inert = true; // what was typed stays until it is taken
    const failed = await post(form.action, values);
    form.inert = false;
    if (failed) { beside(article, failed); return; }
    form.closest("[data-edit]")?.removeAttribute("open");
    composer?.focus();
  }
});

/** Show what another address of this conversation shows, in place. ``at``: the article to say at what does not work. */
async function go(link, at) {
  clearBeside(at);
  const failed = await change(link.href);
  if (failed) beside(at, failed);
  else history.replaceState(null, "", link.href);
  return !failed;
}

/** The next question is to follow an earlier answer. */
async function goOn(link) {
  const { answer } = menu;
  menu.hidePopover();
  if (openAnswer()) { beside(answer, "Another answer is still being written. Wait for it, or stop it first."); return; }
  if (!(await go(link, answer))) return;
  composer.focus();
  toEnd();
}

const plainly = (event) => !event.ctrlKey && !event.metaKey && !event.shiftKey;

document.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-branch], [data-go], [data-go-on]");
  if (link && plainly(event)) {
    event.preventDefault();
    if (link.matches("[data-go-on]")) return goOn(link);
    if (link.matches("[data-go]")) { await go(link, answers().at(-1)); composer?.focus(); return undefined; }
    const id = link.closest("article").id;
    const side = link.getAttribute("aria-label");
    if (!(await go(link, link.closest("article")))) return undefined;
    const at = new URL(link.href).searchParams.get("at");
    const shown = document.getElementById(at && `m-${at}`) ?? document.getElementById(id);
    (shown?.querySelector(`[data-branch][aria-label="${side}"]`) ?? shown?.querySelector("[data-branch]"))?.focus();
    return undefined;
  }
  if (event.target.closest("[data-rephrase]")) {
    composer.content = event.target.closest(".answer").dataset.asked;
    composer.focus();
  }
  if (event.target.closest("[data-edit-cancel]")) cancelEdit(event.target.closest("[data-edit]"));
  return undefined;
});

const menu = find("#answer-menu");
menus(page, menu);
copies(page, announce);
listen(page, panel);
const streamed = (link) => live.get(link.closest(".answer").dataset.message)?.sources.get(Number(link.dataset.n));
cards(find("#citation-card"), (link) => {
  const stored = link.closest(".answer").querySelector(`[data-part=sources] .source[data-n="${link.dataset.n}"]`);
  return stored ?? (streamed(link) && sourceRow(streamed(link)));
}, (link) => streamed(link)?.sentence);
attach();
enhance(thread());
if (!location.hash) toEnd();
showQueue();
sendNext();
