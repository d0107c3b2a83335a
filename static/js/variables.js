// What is known of whoever asks, put into the instructions where the cursor stands.
const box = document.querySelector("[data-variables-of]");

box?.addEventListener("click", (event) => {
  const name = event.target.closest("[data-variable]")?.dataset.variable;
  if (!name) return;
  const text = document.getElementById(box.dataset.variablesOf);
  text.focus();
  text.setRangeText(`{{${name}}}`, text.selectionStart, text.selectionEnd, "end");
  text.dispatchEvent(new Event("input", { bubbles: true }));
});
