// After a swap by htmx the focus stays where it was: on the element of the same id, or the only one that looks the same; where
// there is none, on what came. And what is being replaced says that it is busy.
let kept = null;
const like = (element) => [...["name", "value", "href", "aria-label"].map((name) => element.getAttribute(name)), element.textContent.trim()].join("\n");
document.addEventListener("htmx:beforeSwap", (event) => {
  const active = document.activeElement;
  kept = active && event.detail.target?.contains(active) ? { id: active.id, tag: active.tagName, like: like(active), start: active.selectionStart, end: active.selectionEnd } : null;
});

/** Focus what stands in the place of what had it, while nothing else has. ``came``: what was put in. */
function refocus(came) {
  const alike = [...document.querySelectorAll(kept.tag)].filter((element) => like(element) === kept.like);
  const row = came.matches("li") ? came.querySelector("a, button") : null;
  for (const element of [...(alike.length === 1 ? alike : []), came.querySelector("[autofocus], [data-focus]"), row, came]) {
    if (!element || document.activeElement !== document.body) continue;
    if (element === came) came.tabIndex = -1;
    element.focus({ preventScroll: true });
  }
}

document.addEventListener("htmx:afterSettle", (event) => {
  // Typed on after the page was sent, before it was there: what stands in the field is asked for, too.
  for (const field of event.detail.elt?.querySelectorAll?.("input[type=search]") ?? []) {
    if (field.value !== field.defaultValue) field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  if (kept) {
    const again = kept.id && document.getElementById(kept.id);
    if (again && document.activeElement !== again) {
      again.focus({ preventScroll: true });
      if (kept.start != null && again.setSelectionRange) again.setSelectionRange(kept.start, kept.end);
    }
    if (event.detail.elt instanceof HTMLElement) refocus(event.detail.elt);
    kept = null;
    return;
  }
  if (document.activeElement === document.body) event.detail.elt?.querySelector?.("[autofocus], [data-focus]")?.focus({ preventScroll: true });
});
// What a click opened may lie below the fold, or behind the composer.
document.addEventListener("htmx:afterSettle", (event) => event.detail.elt?.querySelector?.(":scope > [data-into-view]")?.scrollIntoView({ block: "center" }));
document.addEventListener("htmx:beforeRequest", (event) => {
  // Nobody looks: what asks for itself again and again can wait.
  if (document.hidden && event.detail.elt.getAttribute("hx-trigger")?.includes("every ")) { event.preventDefault(); return; }
  if (!event.detail.elt.closest("[data-live]") && !event.detail.target?.matches("[data-live]")) event.detail.target?.setAttribute("aria-busy", "true");
});
document.addEventListener("htmx:afterRequest", (event) => event.detail.target?.removeAttribute("aria-busy"));

// Small behaviours for forms: data-autosubmit sends on change; data-filter="#list" hides rows without the words;
// data-confirm-name needs the name typed before its button wakes.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-autosubmit]");
  if (form && event.target.matches("select, input[type=radio], input[type=checkbox]")) form.requestSubmit();
});
document.addEventListener("input", (event) => {
  const list = event.target.dataset?.filter && document.querySelector(event.target.dataset.filter);
  if (list) {
    const words = event.target.value.trim().toLowerCase();
    for (const row of list.children) row.hidden = !row.textContent.toLowerCase().includes(words);
    return;
  }
  const wanted = event.target.dataset?.confirmName;
  if (wanted === undefined) return;
  const button = [...event.target.form.elements].find((element) => element.matches("[data-confirmed]"));
  button.disabled = event.target.value.trim() !== wanted;
});

// The sheet: hx-get into #sheet opens it; a form in a dialog that targets what is outside closes it once it is answered.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "sheet") return;
  if (!event.detail.target.open) event.detail.target.showModal();
  event.detail.target.querySelector("[data-confirm-name]")?.dispatchEvent(new Event("input", { bubbles: true }));
});
document.addEventListener("htmx:afterRequest", (event) => {
  const dialog = event.detail.elt.closest?.("dialog.dialog");
  const { status } = event.detail.xhr; // htmx calls a 422 successful, because it is swapped in
  const done = status >= 200 && status < 400;
  if (!dialog || !(done || status === 422) || dialog.contains(event.detail.target)) return;
  // A form that replaced itself is gone from the page: what it refuses is shown where it stood, so that stays open.
  if (!done && !event.detail.target.isConnected) return;
  dialog.close();
  if (done && event.detail.elt instanceof HTMLFormElement) event.detail.elt.reset();
});
