// A document opened at a passage: bring it into view, below the bar, and let the keyboard go on from there.
const passage = document.getElementById("passage");
if (passage && !location.hash) {
  passage.scrollIntoView({ block: "center" });
  passage.focus({ preventScroll: true });
}
