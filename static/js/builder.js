// The builder: what is unsaved, whether a handle is free, and the assistant answering from the form as it stands.
import { LiveAnswer } from "atrium/answer";
import { cards, sourceRow } from "atrium/citations";
import { composersIn } from "atrium/composer";
import { serverSent } from "atrium/follow";

const form = document.querySelector("[data-builder]");
const find = (selector, root = document) => root.querySelector(selector);
const field = (name) => form.elements[name];

// ---- Unsaved ------------------------------------------------------------------------------------------------------

const dirtyMark = find("[data-state-dirty]");
const save = find("[data-save]");
const next = find("[data-next]");
const picture = () => new URLSearchParams([...new FormData(form)].filter(([name]) => name !== "csrfmiddlewaretoken")).toString();
let saved = picture();
let leaving = false;

function dirty() {
  return "dirty" in form.dataset || picture() !== saved;
}

function showDirty() {
  const now = dirty();
  dirtyMark.hidden = !now;
  find("[data-state]").hidden = now;
  save.classList.toggle("btn-primary", now || !next);
  next?.classList.toggle("btn-primary", !now);
  if (next) next.hidden = now;
}

form.addEventListener("input", showDirty);
form.addEventListener("change", showDirty);
form.addEventListener("picker:change", showDirty);
form.addEventListener("submit", () => { leaving = true; });
addEventListener("beforeunload", (event) => { if (dirty() && !leaving) event.preventDefault(); });
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "s") { event.preventDefault(); form.requestSubmit(save); }
});
// The picker fills its input once it has woken up.
setTimeout(() => { if (!("dirty" in form.dataset)) saved = picture(); showDirty(); }, 0);

// ---- Handle -------------------------------------------------------------------------------------------------------

const words = find("[data-handle-state]");
const handle = field("handle");
let own = Boolean(form.dataset.assistant || handle.value);
let checking = 0;

const proposed = (name) => name.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^a-z0-9]+/g, "-").replace(/^[^a-z]+|-+$/g, "").slice(0, 40);

async function checkHandle() {
  const url = new URL(form.dataset.handleUrl, location.href);
  url.searchParams.set("handle", handle.value);
  if (form.dataset.assistant) url.searchParams.set("assistant", form.dataset.assistant);
  const response = await fetch(url).catch(() => null);
  if (!response?.ok || url.searchParams.get("handle") !== handle.value) return;
  const { free, words: said } = await response.json();
  words.textContent = said;
  words.classList.toggle("errors", !free);
  handle.setAttribute("aria-invalid", String(!free));
}
handle.addEventListener("input", () => {
  own = Boolean(handle.value);
  clearTimeout(checking);
  checking = setTimeout(checkHandle, 250);
});
field("name").addEventListener("input", () => {
  if (own) return;
  handle.value = proposed(field("name").value);
  clearTimeout(checking);
  if (handle.value) checking = setTimeout(checkHandle, 250);
});

// ---- The trial ----------------------------------------------------------------------------------------------------

const trial = find("[data-trial]");
const thread = find("[data-trial-thread]", trial);
const empty = find("[data-trial-empty]", trial);
const clear = find("[data-trial-clear]", trial);
const stopButton = find("[data-stop]", trial);
const [composer] = composersIn(trial);
let turns = [];
let running = null; // {live, id, abort}

function showLooks() {
  const box = find("[data-trial-picture] .avatar", trial);
  box.className = `avatar tint-${form.elements.colour.value || "teal"}`;
  box.textContent = field("emoji").value || (field("name").value || "A").trim().slice(0, 1).toUpperCase();
  const chosen = form.querySelector("[data-picture-shown]");
  if (field("picture").value && chosen?.src) {
    const image = document.createElement("img");
    image.alt = "";
    image.src = chosen.src;
    box.append(image);
  }
  const starters = find("[data-trial-starters]", trial);
  const lines = field("starters").value.split("\n").map((line) => line.trim()).filter(Boolean).slice(0, 4);
  // A button that is made anew between press and release is never clicked.
  if (lines.join("\n") === [...starters.children].map((button) => button.textContent).join("\n")) return;
  starters.replaceChildren(...lines.map((line) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn starter";
    button.textContent = line;
    return button;
  }));
}
find("[data-trial-starters]", trial).addEventListener("click", (event) => {
  const button = event.target.closest(".starter");
  if (button) ask(button.textContent);
});
form.addEventListener("input", showLooks);
form.addEventListener("change", showLooks);
showLooks();

function toEnd() {
  thread.scrollTop = thread.scrollHeight;
}

function showQuestion(content) {
  const question = document.createElement("article");
  question.className = "question";
  question.setAttribute("aria-label", "Question");
  const bubble = document.createElement("div");
  bubble.className = "question-bubble question-text";
  bubble.textContent = content;
  question.append(bubble);
  thread.append(question);
}

function showAnswer() {
  const article = find("[data-trial-answer]", trial).content.cloneNode(true).firstElementChild;
  thread.append(article);
  return article;
}

/** What ends an answer that nothing is stored of. */
function close(article, live, type, data) {
  article.removeAttribute("aria-busy");
  const end = article.querySelector("[data-part=end]");
  const sources = [...live.sources.values()];
  const steps = article.querySelector("[data-part=steps]");
  steps.hidden = !live.steps.length;
  if (live.steps.length) steps.querySelector("[data-part=step]").textContent = live.line;
  if (sources.length) {
    const list = document.createElement("details");
    const summary = document.createElement("summary");
    summary.className = "btn btn-quiet btn-small";
    summary.textContent = `${sources.length} source${sources.length === 1 ? "" : "s"} read`;
    const rows = document.createElement("ol");
    rows.className = "source-list";
    rows.append(...sources.map(sourceRow));
    list.append(summary, rows);
    end.append(list);
  }
  if (type === "completed") return;
  const note = document.createElement("p");
  note.className = type === "stopped" ? "small faint" : "callout";
  if (type === "error") note.dataset.tone = "bad";
  note.textContent = type === "stopped" ? "Stopped." : data.detail;
  end.append(note);
}

async function ask(content) {
  if (running) return;
  empty.hidden = true;
  clear.hidden = false;
  showQuestion(content);
  const article = showAnswer();
  toEnd();
  const body = new FormData(form);
  body.set("content", content);
  body.set("history", JSON.stringify(turns));
  body.delete("picture_file");
  if (form.dataset.assistant) body.set("assistant", form.dataset.assistant);
  const live = new LiveAnswer(article, { changed: toEnd, ended: (type, data) => close(article, live, type, data) });
  const abort = new AbortController();
  running = { live, abort, id: "" };
  stopButton.hidden = false;
  try {
    const response = await fetch(form.dataset.try, { method: "POST", body, signal: abort.signal });
    running.id = response.headers.get("X-Trial") ?? "";
    for await (const event of serverSent(response)) live.take(event);
    turns.push({ role: "user", text: content }, { role: "assistant", text: live.text.text });
  } catch (error) {
    if (error.name !== "AbortError") close(article, live, "error", { detail: error.message || "Atrium does not answer. Try again in a moment." });
  }
  running = null;
  stopButton.hidden = true;
  toEnd();
}

async function stop() {
  if (!running?.id) return;
  await fetch(`${form.dataset.try}${running.id}/stop/`, { method: "POST", headers: { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value } });
}

trial.addEventListener("composer:send", (event) => {
  if (running) { event.stopPropagation(); return; }
  event.preventDefault();
  ask(event.detail.content);
});
trial.addEventListener("composer:stop", stop);
stopButton.addEventListener("click", stop);
clear.addEventListener("click", () => {
  running?.abort.abort();
  turns = [];
  thread.querySelectorAll("article").forEach((article) => article.remove());
  empty.hidden = false;
  clear.hidden = true;
  composer.focus();
});

cards(find("#citation-card"), (link) => {
  const n = Number(link.dataset.n);
  const row = link.closest(".answer")?.querySelector(`.source[data-n="${n}"]`);
  return row ?? (running?.live.sources.has(n) ? sourceRow(running.live.sources.get(n)) : null);
});
