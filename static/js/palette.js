// Cmd/Ctrl-K: one box over everything. The server finds; this shows, moves, and does what was chosen.
const dialog = document.getElementById("palette");

if (dialog) {
  const input = dialog.querySelector("input");
  const list = dialog.querySelector("[role=listbox]");
  let latest = 0;
  let timer = 0;
  let shown = null; // what the list was found for

  const options = () => [...list.querySelectorAll("[role=option]")];
  const select = (option) => {
    options().forEach((other) => other.setAttribute("aria-selected", String(other === option)));
    if (option) { input.setAttribute("aria-activedescendant", option.id); option.scrollIntoView({ block: "nearest" }); }
    else input.removeAttribute("aria-activedescendant");
  };

  /** Go there; what begins with # is something of this page, which is pressed. */
  function take(option) {
    const { href } = option.dataset;
    if (!href.startsWith("#")) { location.assign(href); return; }
    dialog.close();
    document.querySelector(href)?.click();
  }

  async function find() {
    const mine = ++latest;
    const asked = input.value;
    const response = await fetch(`${dialog.dataset.url}?q=${encodeURIComponent(asked)}`, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (mine !== latest) return;
    if (!response?.ok) { list.textContent = "Atrium does not answer. Try again."; return; }
    const found = await response.text();
    if (mine !== latest) return;
    list.innerHTML = found;
    shown = asked;
    select(options()[0]);
  }

  /** Whoever types faster than the list comes means what they typed, not what still stands there. */
  async function enter() {
    if (shown !== input.value) { clearTimeout(timer); await find(); }
    const option = options().find((one) => one.getAttribute("aria-selected") === "true");
    if (option && shown === input.value) take(option);
  }

  document.addEventListener("keydown", (event) => {
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (dialog.open) { dialog.close(); return; }
      input.value = "";
      shown = null;
      dialog.showModal();
      find();
    }
  });
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(find, 90); });
  input.addEventListener("keydown", (event) => {
    const all = options();
    const here = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (all.length) select(all.at((here + (event.key === "ArrowDown" ? 1 : -1)) % all.length));
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      enter();
    }
  });
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) take(option);
  });
}
