// What every page has around its content: drawer, theme, menus, dialogs, shortcuts, the palette, focus after a swap.
import "atrium/preferences";
import "atrium/popovers";
import "atrium/shortcuts";
import "atrium/palette";
import "atrium/swaps";
import "atrium/toasts";
