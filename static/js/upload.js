// Dropping files, folders and zips into an upload source: two at a time, with the folders they came with, and a count of what is left.
const AT_ONCE = 2;

async function entries(reader) {
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}

async function* walk(entry, above = "") {
  const path = above + entry.name;
  if (entry.isFile) yield { path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) };
  else if (entry.isDirectory) for (const child of await entries(entry.createReader())) yield* walk(child, `${path}/`);
}

class Drop {
  constructor(form) {
    this.form = form;
    this.state = form.querySelector("[data-drop-state]");
    this.words = form.querySelector("[data-drop-words]");
    this.bar = form.querySelector(".bar");
    this.problems = form.querySelector("[data-drop-problems]");
    this.waiting = [];
    this.working = this.found = this.done = this.failed = this.sent = this.bytes = 0;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.querySelector("[data-drop-files]").addEventListener("change", (event) => this.take(event.target));
    form.querySelector("[data-drop-folder]").addEventListener("change", (event) => this.take(event.target));
    form.querySelector("[data-drop-stop]").addEventListener("click", () => this.stop());
    form.addEventListener("dragover", (event) => { event.preventDefault(); form.dataset.over = ""; });
    form.addEventListener("dragleave", (event) => { if (!form.contains(event.relatedTarget)) delete form.dataset.over; });
    form.addEventListener("drop", (event) => { event.preventDefault(); delete form.dataset.over; this.dropped(event.dataTransfer); });
    addEventListener("beforeunload", (event) => { if (this.working) event.preventDefault(); });
  }

  take(input) {
    for (const file of input.files) this.add(file.webkitRelativePath || file.name, file);
    input.value = "";
  }

  async dropped(transfer) {
    const roots = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    for (const root of roots) {
      try {
        for await (const { path, file } of walk(root)) this.add(path, file);
      } catch (error) {
        this.problem(`${root.name} can't be read by the browser: ${error.message}`);
      }
    }
  }

  add(path, file) {
    this.waiting.push({ path, file });
    this.found += 1;
    this.bytes += file.size;
    this.state.hidden = false;
    while (this.working < AT_ONCE && this.waiting.length) this.send(this.waiting.shift());
    this.show();
  }

  async send({ path, file }) {
    this.working += 1;
    const body = new FormData();
    body.append("path", path);
    body.append("file", file, file.name);
    const response = await fetch(this.form.dataset.drop, {
      method: "POST", body, signal: (this.abort ??= new AbortController()).signal,
      headers: { "X-CSRFToken": this.form.querySelector("[name=csrfmiddlewaretoken]").value, "X-Atrium-Upload": "1" },
    }).catch((error) => error);
    this.working -= 1;
    if (response instanceof Error) {
      if (response.name !== "AbortError") this.problem(`${path}: the connection broke. Drop it again.`);
    } else if (!response.ok) {
      const plain = (response.headers.get("Content-Type") ?? "").startsWith("text/plain");
      this.problem(plain ? await response.text() : response.status === 413 ? `${path} is too large for this server.` : `${path} could not be taken in (${response.status}).`);
    }
    this.done += 1;
    this.sent += file.size;
    if (this.done === 1) this.refresh();
    if (this.waiting.length) this.send(this.waiting.shift());
    else if (!this.working) this.refresh();
    this.show();
  }

  stop() {
    this.found -= this.waiting.length;
    this.waiting = [];
    this.abort?.abort();
    this.abort = null;
    this.show();
  }

  problem(words) {
    this.failed += 1;
    const line = document.createElement("li");
    line.textContent = words;
    this.problems.append(line);
  }

  refresh() {
    htmx.ajax("GET", this.form.dataset.run, { target: "#run", swap: "outerHTML" });
    htmx.trigger(document.body, "files-in");
  }

  show() {
    const percent = this.bytes ? Math.round((100 * this.sent) / this.bytes) : 100;
    this.bar.setAttribute("aria-valuenow", percent);
    this.bar.firstElementChild.style.width = `${percent}%`;
    const busy = this.working || this.waiting.length;
    const good = this.done - this.failed;
    this.words.textContent = busy ? `Sent ${this.done} of ${this.found} files` : `${good} of ${this.found} files are in${this.failed ? `; ${this.failed} are not` : ""}.`;
    this.form.querySelector("[data-drop-stop]").hidden = !busy;
  }
}

for (const form of document.querySelectorAll("[data-drop]")) new Drop(form);
