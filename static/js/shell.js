// What every page has around its content: drawer, theme, menus, dialogs, shortcuts, the palette, focus after a swap.
import "atrium/preferences";
import "atrium/popovers";
import "atrium/shortcuts";
import "atrium/palette";
import "atrium/swaps";
import "atrium/toasts";

// Where tabs are wider than the screen, the open one is in view.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// A field that Tab comes to is brought out from beneath the bars that stay in place: browsers look at the cursor in it, not at its margins.
let byTab = false;
addEventListener("keydown", (event) => { byTab = event.key === "Tab"; }, true);
addEventListener("pointerdown", () => { byTab = false; }, true);
document.addEventListener("focusin", (event) => {
  if (byTab && event.target.matches("input, textarea")) event.target.scrollIntoView({ block: "nearest" });
});
