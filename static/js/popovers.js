// Menus and hover cards are native popovers; this puts them beside what opened them, and gives menus arrow keys. Dialogs open by data-dialog.
const GAP = 6;

/** Put a fixed element below (or above) another, inside the window. */
export function place(element, anchor, { align = "start" } = {}) {
  const at = anchor.getBoundingClientRect();
  const size = element.getBoundingClientRect();
  const below = at.bottom + GAP + size.height <= innerHeight || at.top < size.height + GAP;
  const left = align === "end" ? at.right - size.width : at.left;
  element.style.top = `${Math.max(GAP, below ? at.bottom + GAP : at.top - GAP - size.height)}px`;
  element.style.left = `${Math.min(Math.max(GAP, left), innerWidth - size.width - GAP)}px`;
}

const items = (menu) => [...menu.querySelectorAll(".menu-item, .segments button, .segments a")].filter((el) => el.offsetParent);
const opener = (menu) => document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`);

document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!(menu instanceof HTMLElement) || !menu.matches(".menu[popover]")) return;
  const button = opener(menu);
  button?.setAttribute("aria-expanded", String(event.newState === "open"));
  if (event.newState !== "open" || !button) return;
  place(menu, button, { align: menu.dataset.align });
  items(menu)[0]?.focus({ focusVisible: button.matches(":focus-visible") });
}, true);

// Whoever goes on by Tab has left the menu: open, it would lie over what has the focus now.
document.addEventListener("focusout", (event) => {
  const menu = event.target.closest?.(".menu:popover-open");
  const to = event.relatedTarget;
  if (menu && to && !menu.contains(to) && to !== opener(menu)) menu.hidePopover();
});

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.(".menu[popover]");
  if (!menu || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
  const all = items(menu);
  const here = all.indexOf(document.activeElement);
  const next = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: all.length - 1 }[event.key];
  event.preventDefault();
  all.at(next % all.length)?.focus();
});

let hovered = null;
let timer = 0;
function show(trigger) {
  const card = document.querySelector(trigger.dataset.hover);
  if (!card || card.matches(":popover-open")) return;
  hovered?.hidePopover();
  hovered = card;
  card.showPopover();
  place(card, trigger);
}
const hide = () => { if (hovered?.matches(":popover-open")) hovered.hidePopover(); hovered = null; };
document.addEventListener("pointerover", (event) => {
  const trigger = event.target.closest?.("[data-hover]");
  if (event.pointerType === "touch") return;
  if (trigger) { clearTimeout(timer); timer = setTimeout(show, 200, trigger); }
  else if (!event.target.closest?.(".hover[popover]")) { clearTimeout(timer); timer = setTimeout(hide, 150); }
  else clearTimeout(timer);
});
document.addEventListener("focusin", (event) => {
  const trigger = event.target.closest?.("[data-hover]");
  if (trigger && trigger.matches(":focus-visible")) show(trigger);
  else if (!event.target.closest?.(".hover[popover]")) hide();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-dialog]");
  if (button) {
    document.querySelectorAll(".menu:popover-open").forEach((menu) => menu.hidePopover());
    document.querySelector(button.dataset.dialog)?.showModal();
    return;
  }
  const dialog = event.target.closest("dialog.dialog");
  if (!dialog || !(event.target === dialog || event.target.closest("[data-close]"))) return;
  event.preventDefault(); // a link that leads back where the sheet is a page of its own
  dialog.close();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.querySelector(button.dataset.copy);
  const before = button.innerHTML;
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent.trim());
    button.textContent = "Copied";
  } catch {
    // Browsers give the clipboard to https and localhost only: elsewhere the text is selected, one key from being copied.
    if (source.select) source.select(); else getSelection().selectAllChildren(source);
    button.textContent = "Selected: press Ctrl+C";
  }
  setTimeout(() => { button.innerHTML = before; }, 1500);
});
