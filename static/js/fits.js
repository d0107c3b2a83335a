// While a question is typed and no assistant is chosen: three that could answer it, below the composer. Choosing one sets the
// composer's assistant. Whoever is chosen, here or in the list, stands in their place, on a button that takes them back; so does
// Backspace at the begin of the text. The row has its height from the start, so that nothing moves when they come and go.

const WAIT = 250; // ms
const LEAST = 3; // characters
const mentions = /(^|\s)@[a-z][a-z0-9-]{2,}/i; // somebody is asked by name

const box = document.querySelector("[data-fits]");
const list = box.querySelector("ul");
const chosen = box.querySelector(".fits-chosen");
const back = chosen.querySelector("button");
const said = box.querySelector("[role=status]");
const text = document.getElementById(box.dataset.fits);
const form = text.form;
const assistant = form.elements.assistant;
let waiting = 0;
let asking = null; // AbortController
let shown = "";

function clear() {
  clearTimeout(waiting);
  asking?.abort();
  asking = null;
  shown = "";
  list.replaceChildren();
  said.textContent = "";
}

const csrf = () => form.elements.csrfmiddlewaretoken.value;

async function look() {
  const typed = text.value.trim();
  if (typed === shown) return;
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  let html = "";
  try {
    const response = await fetch(box.dataset.url, { method: "POST", body: new URLSearchParams({ text: typed }), headers: { "X-CSRFToken": csrf() }, signal });
    if (response.ok && !response.redirected) html = await response.text();
  } catch {
    return; // typed on, or the network is away: the next letter asks again
  }
  if (signal.aborted || assistant.value) return;
  shown = typed;
  show(html);
}

function show(html) {
  const made = document.createElement("template");
  made.innerHTML = html; // our own template
  const names = (root) => [...root.querySelectorAll(".fit")].map((button) => button.dataset.handle).join();
  // The same ones stay as they are: a focused one keeps its focus, a reader of screens is not told twice.
  if (names(made.content) === names(list)) return;
  // Whoever has gone there with the keyboard is choosing.
  if (list.contains(document.activeElement)) return;
  list.replaceChildren(...made.content.children);
  const found = [...list.querySelectorAll(".fit")].map((button) => button.dataset.name);
  said.textContent = found.length ? `Could answer this: ${found.join(", ")}.` : "";
}

function typed() {
  clearTimeout(waiting);
  if (assistant.value || text.value.trim().length < LEAST || mentions.test(text.value)) clear();
  else waiting = setTimeout(look, WAIT);
}

const name = () => assistant.selectedOptions[0]?.text.trim() ?? "";

function told() {
  chosen.hidden = !assistant.value;
  back.querySelector("span").textContent = name();
  back.setAttribute("aria-label", `${name()}: take back`);
}

function takeBack() {
  const whom = name();
  assistant.value = "";
  assistant.dispatchEvent(new Event("change", { bubbles: true }));
  said.textContent = `${whom} is not asked.`;
  text.focus();
}

text.addEventListener("input", typed);
assistant.addEventListener("change", typed);
assistant.addEventListener("change", told);
back.addEventListener("click", takeBack);
text.addEventListener("keydown", (event) => {
  const atStart = text.selectionStart === 0 && text.selectionEnd === 0;
  // Places that the question is narrowed to go first: they took the key already.
  if (event.key !== "Backspace" || event.repeat || event.defaultPrevented || event.isComposing || !atStart || !assistant.value) return;
  event.preventDefault();
  takeBack();
});
addEventListener("pageshow", told); // a page that was gone back to has its choice still
list.addEventListener("click", (event) => {
  const button = event.target.closest(".fit");
  if (!button) return;
  const { handle, name, emoji } = button.dataset;
  form.composer.choose({ handle, name, emoji });
  clear();
  said.textContent = `${name} answers.`;
  text.focus();
});
// Escape leads back to the text.
list.addEventListener("keydown", (event) => { if (event.key === "Escape") text.focus(); });
if (text.value) typed();
