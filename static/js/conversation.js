// The conversation page: asks, follows answers, keeps the view at the end while the reader is there.
import { LiveAnswer, dropBlanks } from "atrium/answer";
import { SourcesPanel, cards, listen, sourceRow } from "atrium/citations";
import { composersIn } from "atrium/composer";
import { Follower } from "atrium/follow";
import { patch } from "atrium/markdown";
import { place } from "atrium/popovers";
import { enhance } from "atrium/results";
import { toast } from "atrium/toasts";

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
  decorate();
  const last = answers().at(-1);
  const reading = live.get(last?.dataset.message);
  if (!reading) panel.show(selected() ?? last);
  else if (reading.sources.size) panel.showReading(last, [...reading.sources.values()]);
  else panel.clear();
}

const selected = () => thread().querySelector(".answer[data-selected]");

function ended(id, type) {
  live.delete(id);
  decorate();
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

// ---- Code that can be copied --------------------------------------------------------------------------------------

/** A button before each block of code; taken out while the thread is compared with the server's. */
function decorate() {
  for (const code of thread().querySelectorAll(".answer:not([aria-busy]) .answer-body pre")) {
    if (code.previousElementSibling?.matches(".copy-code")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-small copy-code";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy the code");
    code.before(button);
  }
}
const undecorate = () => thread().querySelectorAll(".copy-code").forEach((button) => button.remove());

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    toast("Your browser does not let this page copy. Select the text instead.", { tone: "bad" });
    return;
  }
  const was = button.dataset.tip ?? button.textContent;
  const show = (words) => { if (button.dataset.tip) button.dataset.tip = words; else button.textContent = words; };
  show("Copied");
  announce("Copied.");
  setTimeout(() => show(was), 1500);
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
  undecorate();
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

function here() {
  const leaf = new URL(location.href).searchParams.get("at");
  return leaf ? `${page.dataset.url}?at=${leaf}` : page.dataset.url;
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
  const form = openAnswer()?.querySelector("[data-stop-form]");
  if (!form) return;
  const response = await fetch(form.action, { method: "POST", headers: { "X-CSRFToken": csrf(), "HX-Request": "true" } }).catch(() => null);
  if (!response?.ok) toast("The answer could not be stopped. Try again.", { tone: "bad" });
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
    form.closest("[data-edit]")?.removeAttribute("open");
    if (form.matches("[popover]")) form.hidePopover();
    const failed = await post(form.action, values);
    if (failed) toast(failed, { tone: "bad" });
    else composer?.focus();
  }
});

document.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-branch]");
  if (link && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    const id = link.closest("article").id;
    const side = link.getAttribute("aria-label");
    const failed = await change(link.href);
    if (failed) { toast(failed, { tone: "bad" }); return; }
    history.replaceState(null, "", link.href);
    const shown = document.getElementById(new URL(link.href).searchParams.get("at") && `m-${new URL(link.href).searchParams.get("at")}`) ?? document.getElementById(id);
    (shown?.querySelector(`[data-branch][aria-label="${side}"]`) ?? shown?.querySelector("[data-branch]"))?.focus();
    return;
  }
  if (event.target.closest("[data-rephrase]")) {
    composer.content = event.target.closest(".answer").dataset.asked;
    composer.focus();
  }
  if (event.target.closest("[data-edit-cancel]")) cancelEdit(event.target.closest("[data-edit]"));
  const again = event.target.closest("[data-again-menu]");
  if (again) {
    const menu = document.getElementById("again-menu");
    menu.setAttribute("action", again.dataset.againMenu);
    menu.showPopover();
    place(menu, again);
    menu.querySelector(".menu-item").focus({ focusVisible: event.detail === 0 });
  }
  const whole = event.target.closest("[data-copy-answer]");
  if (whole) copyAnswer(whole);
  const code = event.target.closest(".copy-code");
  if (code) copy(code.nextElementSibling.textContent, code);
});

function copyAnswer(button) {
  const answer = button.closest(".answer");
  const text = answer.querySelector("[data-raw]").content.textContent;
  const cited = [...answer.querySelectorAll("[data-part=cited] .source")].map((row) => {
    const title = row.querySelector(".source-title a")?.textContent ?? "withheld";
    return `[${row.dataset.n}] ${title}`;
  });
  copy(cited.length ? `${text.trim()}\n\n${cited.join("\n")}` : text.trim(), button);
}

listen(page, panel);
cards(find("#citation-card"), (link) => {
  const answer = link.closest(".answer");
  const stored = answer.querySelector(`[data-part=sources] .source[data-n="${link.dataset.n}"]`);
  const streamed = live.get(answer.dataset.message)?.sources.get(Number(link.dataset.n));
  return stored ?? (streamed && sourceRow(streamed));
});
attach();
enhance(thread());
if (!location.hash) toEnd();
showQueue();
sendNext();
