// The grid of kinds, narrowed as one types; and the form of one kind, which shows only the way to connect that is chosen.
const find = document.querySelector("[data-find-kind]");
find?.addEventListener("input", () => {
  const words = find.value.trim().toLowerCase().split(/\s+/);
  let shown = 0;
  for (const group of document.querySelectorAll("[data-kinds]")) {
    let here = 0;
    for (const kind of group.querySelectorAll("[data-words]")) {
      kind.hidden = !words.every((word) => kind.dataset.words.includes(word));
      here += kind.hidden ? 0 : 1;
    }
    group.hidden = !here;
    shown += here;
  }
  document.querySelector("[data-no-kind]").hidden = shown > 0;
});
find?.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  document.querySelector("[data-kinds]:not([hidden]) [data-words]:not([hidden])")?.click();
});

const form = document.querySelector("[data-connect]");
function show() {
  const ways = [...form.querySelectorAll("[data-way]")];
  const chosen = form.querySelector("[name=auth]:checked")?.value ?? form.querySelector("[name=auth][type=hidden]")?.value;
  for (const way of ways) way.hidden = ways.length > 1 && way.dataset.way !== chosen;
  const key = form.querySelector("[name=credential]");
  const box = form.querySelector("[data-new-key]");
  if (box && key) box.hidden = Boolean(key.value);
}
if (form) {
  form.addEventListener("change", show);
  // Signing in goes by what is kept: what was just typed is kept first, not lost on the way.
  let typed = false;
  form.addEventListener("input", () => { typed = true; });
  form.querySelector("[data-sign-in]")?.addEventListener("click", (event) => {
    if (!typed) return;
    event.preventDefault();
    form.requestSubmit();
  });
  show();
}
