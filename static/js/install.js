// Installing a template: whether the handle is free, as it is typed; and the assistant answering before it is there.
import { Trial } from "atrium/trial";

const form = document.querySelector("[data-handle-url]");
const handle = form.elements.handle;
const words = document.querySelector("#install-handle-help");
let waiting = 0;

async function check() {
  const url = new URL(form.dataset.handleUrl, location.href);
  const asked = handle.value;
  url.searchParams.set("handle", asked);
  const response = await fetch(url).catch(() => null);
  if (!response?.ok || handle.value !== asked) return;
  const { free, words: said } = await response.json();
  words.textContent = said;
  words.className = free ? "help" : "errors";
  handle.setAttribute("aria-invalid", String(!free));
}

handle.addEventListener("input", () => {
  clearTimeout(waiting);
  if (handle.value) waiting = setTimeout(check, 250);
});

new Trial(document.querySelector("[data-trial]"), form);
