// Conversations in the rail: one menu for all of them, which renames, pins, archives and deletes where they are listed.
import { place } from "atrium/popovers";

const menu = document.getElementById("conversation-menu");
let row = null;

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-conversation-menu]");
  if (!button || !menu || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  if (menu.matches(":popover-open")) { menu.hidePopover(); return; }
  row = button.closest("[data-conversation]");
  menu.querySelector("[data-label]").textContent = "pinned" in row.dataset ? "Unpin" : "Pin";
  menu.showPopover({ source: button });
  place(menu, button, { align: "end" });
  menu.querySelector(".menu-item").focus({ focusVisible: event.detail === 0 });
});

menu?.addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]")?.dataset.act;
  if (!act || !row) return;
  menu.hidePopover();
  const base = `${menu.dataset.url.replace(/conversations\/$/, "c/")}${row.dataset.conversation}/`;
  const on = { pin: "pinned" in row.dataset ? "0" : "1", archive: "1" }[act];
  if (act === "delete") { // a sheet says first what goes with it
    window.htmx.ajax("GET", `${base}delete/`, { source: row, target: "#sheet", swap: "innerHTML" });
    return;
  }
  const verb = act === "rename" ? "GET" : "POST";
  window.htmx.ajax(verb, `${base}${act}/`, { source: row, target: row, swap: "outerHTML", values: on ? { on } : {} });
});

// Esc leaves a name as it was; so does a click elsewhere.
function keep(form) {
  window.htmx.ajax("GET", `${form.getAttribute("action")}?keep=1`, { target: form.closest("li"), swap: "outerHTML" });
}
document.addEventListener("keydown", (event) => {
  const form = event.target.closest?.("form[data-rename]");
  if (form && event.key === "Escape") { event.preventDefault(); keep(form); }
});
document.addEventListener("focusin", (event) => {
  if (event.target.matches?.("form[data-rename] input[name=title]")) event.target.select();
});
// The line that the focus would go back to is gone; the sheet closes first.
document.body.addEventListener("conversation-deleted", () => setTimeout(() => document.getElementById("rail-search")?.focus()));
