// Single keys, while nothing is being typed. An element with data-shortcut="x" is clicked by x.
import { fold } from "atrium/preferences";

const typing = (target) => target.closest?.("input:not([type=checkbox], [type=radio], [type=button]), textarea, select, [contenteditable=true]");

// A link that says that it is a button is pressed by Space, too.
document.addEventListener("keydown", (event) => {
  if (event.key !== " " || !event.target.matches?.("a[role=button]")) return;
  event.preventDefault();
  event.target.click();
});

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "?") { event.preventDefault(); document.getElementById("shortcuts")?.showModal(); return; }
  if (event.key === "[") { fold(); return; }
  if (event.key === "/") {
    const search = document.querySelector("main input[type=search], main [data-main-search]");
    if (search) { event.preventDefault(); search.focus(); }
    return;
  }
  const target = document.querySelector(`[data-shortcut="${CSS.escape(event.key)}"]`);
  if (target) { event.preventDefault(); target.click(); }
});
