// Tags of an assistant's knowledge: those that the chosen sources really have, to be put into the field that was used last.
const box = document.querySelector("[data-tags-of]");
const form = box?.closest("form");
const known = box?.querySelector("[data-tags-known]");
const fields = [...(box?.querySelectorAll("[data-tags]") ?? [])];
let field = fields[0];
let asked = 0;

const listed = (input) => input.value.split(",").map((tag) => tag.trim()).filter(Boolean);

function show() {
  for (const chip of known.querySelectorAll("[data-tag]")) {
    chip.setAttribute("aria-pressed", String(fields.some((input) => listed(input).includes(chip.dataset.tag))));
  }
}

async function ask() {
  const number = (asked += 1);
  const url = new URL(box.dataset.tagsOf, location.href);
  if (form.elements.searches.value === "chosen") url.searchParams.set("knowledge", form.elements.knowledge.value);
  const response = await fetch(url, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (number !== asked || !response?.ok) return;
  known.innerHTML = await response.text();
  show();
}

function showTime() {
  for (const part of box.querySelectorAll("[data-time]")) part.hidden = part.dataset.time !== form.elements.time.value;
}

if (box) {
  for (const input of fields) {
    input.addEventListener("focus", () => { field = input; });
    input.addEventListener("input", show);
  }
  known.addEventListener("click", (event) => {
    const tag = event.target.closest("[data-tag]")?.dataset.tag;
    if (!tag) return;
    const holder = fields.find((input) => listed(input).includes(tag));
    const target = holder ?? field;
    target.value = (holder ? listed(target).filter((one) => one !== tag) : [...listed(target), tag]).join(", ");
    target.dispatchEvent(new Event("input", { bubbles: true }));
  });
  box.addEventListener("toggle", () => { if (box.open) ask(); });
  form.addEventListener("picker:change", () => { if (box.open) ask(); });
  form.addEventListener("change", (event) => {
    if (event.target.name === "time") showTime();
    if (event.target.name === "searches" && box.open) ask();
  });
  showTime();
  if (box.open) ask();
}
