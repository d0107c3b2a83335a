// The drawer on narrow screens, the folded rail on wide ones, and the theme: kept in cookies, so that a page comes right at once.
const root = document.documentElement;
const rail = document.getElementById("rail");
const YEAR = 31536000;
const keep = (name, value) => { document.cookie = `${name}=${value}; path=/; max-age=${YEAR}; samesite=lax`; };

// While the drawer is open, what lies below it takes no focus and is not read; the button that opened it gets the focus back.
const below = document.getElementById("main");
const inside = () => [...rail.querySelectorAll("a, button, input")].filter((element) => element.checkVisibility() && !element.disabled);
let opener = null;
export function drawer(open) {
  if (!rail || open === Boolean(root.dataset.drawer)) return;
  if (open) {
    opener = document.activeElement;
    root.dataset.drawer = "open";
  } else delete root.dataset.drawer;
  below?.toggleAttribute("inert", open);
  document.querySelector("[data-drawer-open]")?.setAttribute("aria-expanded", String(open));
  (open ? inside()[0] : opener)?.focus();
}
// Turned to its side, a tablet may have room for both.
matchMedia("(min-width: 50.01rem)").addEventListener("change", (event) => { if (event.matches) drawer(false); });

export function fold(on = root.dataset.rail !== "collapsed") {
  if (on) root.dataset.rail = "collapsed"; else delete root.dataset.rail;
  keep("atrium_rail", on ? "collapsed" : "open");
  const button = document.querySelector("[data-rail-toggle]");
  if (button) {
    const words = on ? "Unfold the menu" : "Fold the menu";
    button.setAttribute("aria-label", words);
    button.dataset.tip = `${words}  [`;
  }
}
if (root.dataset.rail === "collapsed") fold(true);

function theme(value) {
  root.dataset.theme = value;
  keep("atrium_theme", value);
  for (const button of document.querySelectorAll("[data-theme-form] button")) {
    button.setAttribute("aria-pressed", String(button.value === value));
  }
}

document.addEventListener("click", (event) => {
  const hit = (selector) => event.target.closest(selector);
  if (hit("[data-drawer-open]")) { event.preventDefault(); drawer(true); }
  else if (hit("[data-drawer-close]")) { event.preventDefault(); drawer(false); }
  else if (hit("[data-rail-toggle]")) fold();
});
document.addEventListener("keydown", (event) => {
  if (!root.dataset.drawer || document.querySelector("dialog[open], .menu:popover-open")) return; // those come first
  if (event.key === "Escape") drawer(false);
  if (event.key !== "Tab") return;
  const all = inside();
  const [first, last] = [all[0], all.at(-1)];
  if (event.shiftKey && document.activeElement === first) { event.preventDefault(); last.focus(); }
  else if (!event.shiftKey && document.activeElement === last) { event.preventDefault(); first.focus(); }
});
document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-theme-form]");
  if (!form || !event.submitter) return;
  event.preventDefault();
  theme(event.submitter.value);
  const body = new FormData(form, event.submitter);
  fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" } });
});
