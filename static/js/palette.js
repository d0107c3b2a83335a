// Cmd/Ctrl-K: one box over everything. The server finds; this shows, moves, and does what was chosen.
const dialog = document.getElementById("palette");

if (dialog) {
  const input = dialog.querySelector("input");
  const list = dialog.querySelector("[role=listbox]");
  let latest = 0;
  let timer = 0;

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
    const response = await fetch(`${dialog.dataset.url}?q=${encodeURIComponent(input.value)}`, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (mine !== latest) return;
    if (!response?.ok) { list.textContent = "Atrium does not answer. Try again."; return; }
    list.innerHTML = await response.text();
    select(options()[0]);
  }

  document.addEventListener("keydown", (event) => {
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (dialog.open) { dialog.close(); return; }
      input.value = "";
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
    } else if (event.key === "Enter" && all[here]) {
      event.preventDefault();
      take(all[here]);
    }
  });
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) take(option);
  });
}
