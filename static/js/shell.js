// What every page has around its content: drawer, theme, menus, dialogs, shortcuts, the palette, focus after a swap.
import "atrium/preferences";
import "atrium/popovers";
import "atrium/shortcuts";
import "atrium/palette";
import "atrium/swaps";
import "atrium/toasts";

// Where tabs are wider than the screen, the open one is in view.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
