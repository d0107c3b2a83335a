// The builder: what is unsaved, whether a handle is free, and the assistant answering from the form as it stands.
import { Trial } from "atrium/trial";

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

// After a refused save, to the first field that is to be put right.
const wrong = find(".has-errors :is(input, textarea, select):not([type=hidden])", form);
if (wrong) {
  wrong.focus({ preventScroll: true });
  wrong.closest(".has-errors").scrollIntoView({ block: "center" });
}

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
new Trial(trial, form);

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
form.addEventListener("input", showLooks);
form.addEventListener("change", showLooks);
showLooks();
