// "Help me write this": what the model proposes goes into the builder's form part by part, and comes out again.

const form = document.querySelector("[data-builder]");
const box = document.getElementById("written");
const write = document.getElementById("write-button");
const stop = document.querySelector("[data-write-stop]");
const before = new WeakMap(); // part: what stood in the form

function put(part, value) {
  const field = form.elements[part.dataset.draftedPart];
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new Event("change", { bubbles: true }));
}

function accept(part) {
  if (before.has(part)) return;
  before.set(part, form.elements[part.dataset.draftedPart].value);
  put(part, part.querySelector("template").content.textContent);
  show(part, true);
}

function takeBack(part) {
  put(part, before.get(part));
  before.delete(part);
  show(part, false);
}

function show(part, accepted) {
  const button = part.querySelector("[data-drafted-accept]");
  part.toggleAttribute("data-accepted", accepted);
  button.textContent = accepted ? "Undo" : "Accept";
  button.setAttribute("aria-label", `${button.textContent}: ${part.getAttribute("aria-label")}`);
}

box?.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const part = button.closest("[data-drafted-part]");
  if (button.matches("[data-drafted-accept]")) {
    if (before.has(part)) takeBack(part);
    else accept(part);
  } else if (button.matches("[data-drafted-all]")) {
    box.querySelectorAll("[data-drafted-part]").forEach(accept);
  } else if (button.matches("[data-drafted-discard]")) {
    box.replaceChildren();
    document.getElementById("write-wish").focus();
  }
});

// What was proposed is long: those who listen are told that it is there, and read it when they like.
box?.addEventListener("htmx:afterSwap", () => {
  const parts = box.querySelectorAll("[data-drafted-part]").length;
  document.querySelector("[data-written]").textContent = parts ? `A draft is there, of ${parts} part${parts === 1 ? "" : "s"}.` : "";
});
write?.addEventListener("htmx:beforeRequest", () => { stop.hidden = false; });
write?.addEventListener("htmx:afterRequest", (event) => {
  stop.hidden = true;
  if (event.detail.successful || event.detail.xhr?.status === 0) return;
  box.textContent = "That did not work. Try again in a moment.";
});
// "From a sentence": whoever wrote one on the page before waits for its draft. Not whoever comes back, or reloads.
const [came] = performance.getEntriesByType("navigation");
if (write && document.getElementById("write-wish").value && came?.type === "navigate" && document.referrer.startsWith(location.origin)) {
  addEventListener("load", () => write.click(), { once: true });
}

stop?.addEventListener("click", () => { htmx.trigger(write, "htmx:abort"); write.focus(); });
