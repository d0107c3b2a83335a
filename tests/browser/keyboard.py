"""A person without a mouse: goes on by Tab, sees at each step where they are, and is caught nowhere."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

MOST = 400

# What is wrong with where the focus is, in words; empty where it can be seen. It shows as a ring in the colour of the focus, on the
# element, on its label or around it; its middle is in the window, and nothing lies over that.
SEEN = """() => {
  const at = document.activeElement;
  if (!at || at === document.body || at.matches("main")) return "";
  const called = `<${at.tagName.toLowerCase()}> ${at.getAttribute("aria-label") || at.textContent.trim().slice(0, 40) || at.name || at.id}`;
  const sample = document.body.appendChild(document.createElement("i"));
  sample.style.color = "var(--focus)";
  const colour = getComputedStyle(sample).color;
  sample.remove();
  const ringed = (element) => {
    const style = getComputedStyle(element);
    const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 && style.outlineColor === colour;
    return (outlined || style.boxShadow.includes(colour)) && element.getBoundingClientRect().width > 4;
  };
  const around = [at, ...(at.labels ?? [])];
  for (let up = at.parentElement; up; up = up.parentElement) around.push(up);
  const shown = around.find(ringed);
  if (!shown) return `${called}: nothing shows that it has the focus`;
  const box = shown.getClientRects()[0];
  const [left, right] = [Math.max(0, box.left), Math.min(innerWidth, box.right)];
  const [top, bottom] = [Math.max(0, box.top), Math.min(innerHeight, box.bottom)];
  if (right - left < 4 || bottom - top < 4) return `${called}: out of view at ${box.left}, ${box.top} of ${innerWidth}, ${innerHeight}`;
  const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  return shown.contains(hit) ? "" : `${called}: beneath ${hit?.outerHTML.slice(0, 120)}`;
}"""

# Whether the focus has been here before, on this round.
MET = """() => {
  const at = document.activeElement;
  if (at === document.body) return false;
  const been = window.met.has(at);
  window.met.add(at);
  return been;
}"""

# What could be used and was not come to. Of radio buttons of one name, Tab comes to one.
MISSED = """() => {
  const root = document.querySelector("dialog[open]") ?? document;
  const usable = "a[href], button, input:not([type=hidden]), select, textarea, details > summary:first-of-type, [tabindex]";
  const chosen = (radio) => [...document.getElementsByName(radio.name)].some((other) => other.form === radio.form && window.met.has(other));
  return [...root.querySelectorAll(usable)]
    .filter((one) => !window.met.has(one) && one.tabIndex >= 0 && !one.disabled && !one.closest("[inert]") && one.checkVisibility({ visibilityProperty: true }))
    .filter((one) => one.type !== "radio" || !chosen(one))
    .map((one) => one.outerHTML.slice(0, 120));
}"""


class Keys:
    """The keyboard of a page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def to(self, wanted: Locator, key: str = "Tab") -> None:
        """Go on until it has the focus, as a person would; wherever the way leads, they see where they are."""
        wanted.wait_for(state="attached")
        for _ in range(MOST):
            if wanted.evaluate("(element) => element === document.activeElement"):
                return
            self.press(key)
            self.seen()
        raise AssertionError(f"{key} does not come to {wanted}.")

    def back_to(self, wanted: Locator) -> None:
        self.to(wanted, "Shift+Tab")

    def use(self, wanted: Locator) -> None:
        self.to(wanted)
        self.press("Enter")

    def go(self, name: str) -> None:
        """To what the palette finds first for this name."""
        self.press("Control+k")
        self.page.locator("#palette").wait_for()
        self.seen()
        self.type(name)
        with self.page.expect_navigation():
            self.press("Enter")

    def seen(self) -> None:
        wrong = self.page.evaluate(SEEN)
        assert not wrong, wrong

    def round(self) -> None:
        """All of a page, or of the dialog that is open, there and back: whatever can be used is come to, seen, and left again."""
        for key in ("Tab", "Shift+Tab"):
            # What is put in meanwhile may be missed once.
            missed = self._round(key) and self._round(key)
            assert not missed, f"{key} does not come to {missed}"

    def _round(self, key: str) -> list[str]:
        """What one round does not come to."""
        self.page.evaluate("() => { window.met = new WeakSet(); }")
        for _ in range(MOST):
            self.press(key)
            self.seen()
            if self.page.evaluate(MET):
                missed: list[str] = self.page.evaluate(MISSED)
                return missed
        raise AssertionError(f"{key} never comes round.")
