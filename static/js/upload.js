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

/** All files of a dropped file or folder; where one of them can't be read, why, and the others all the same. */
async function* walk(entry, above = "") {
  const path = above + entry.name;
  try {
    if (entry.isFile) yield { path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) };
    else if (entry.isDirectory) for (const child of await entries(entry.createReader())) yield* walk(child, `${path}/`);
  } catch (error) {
    yield { path, error };
  }
}

const brings = (transfer) => transfer.types.includes("Files");

class Drop {
  constructor(form) {
    this.form = form;
    this.state = form.querySelector("[data-drop-state]");
    this.words = form.querySelector("[data-drop-words]");
    this.bar = form.querySelector(".bar");
    this.problems = form.querySelector("[data-drop-problems]");
    this.waiting = [];
    this.working = this.found = this.done = this.failed = this.sent = this.bytes = 0;
    this.stopped = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.querySelector("[data-drop-files]").addEventListener("change", (event) => this.take(event.target));
    form.querySelector("[data-drop-folder]").addEventListener("change", (event) => this.take(event.target));
    form.querySelector("[data-drop-stop]").addEventListener("click", () => this.stop());
    // Files that land beside the field are meant for it, too: left to the browser, they would take the place of this page.
    const meant = (event) => form.contains(event.target) || brings(event.dataTransfer);
    document.addEventListener("dragover", (event) => { if (meant(event)) { event.preventDefault(); form.dataset.over = ""; } });
    document.addEventListener("dragleave", (event) => { if (!event.relatedTarget || !form.contains(event.relatedTarget)) delete form.dataset.over; });
    document.addEventListener("drop", (event) => {
      delete form.dataset.over;
      if (!meant(event)) return;
      event.preventDefault();
      this.dropped(event.dataTransfer);
    });
    addEventListener("beforeunload", (event) => { if (this.working) event.preventDefault(); });
  }

  take(input) {
    for (const file of input.files) this.add(file.webkitRelativePath || file.name, file);
    input.value = "";
  }

  async dropped(transfer) {
    // Read before the first wait, after which the browser has let go of it. A picture out of another page is a file without an entry.
    const given = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);
    let met = 0;
    for (const one of given) {
      for await (const { path, file, error } of one instanceof File ? [{ path: one.name, file: one }] : walk(one)) {
        met += 1;
        if (error) this.unread(path, error);
        else this.add(path, file);
      }
    }
    if (!met) this.say(given.length ? "There are no files in it." : "That is no file. Drop files, folders or zips.");
  }

  unread(path, error) {
    this.found += 1;
    this.done += 1;
    this.problem(`${path} can't be read by the browser: ${error.message}`);
    this.show();
  }

  add(path, file) {
    this.stopped = false;
    this.waiting.push({ path, file });
    this.found += 1;
    this.bytes += file.size;
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
    if (response.name === "AbortError") {
      this.found -= 1;
      this.bytes -= file.size;
      if (!this.working) this.refresh();
      this.show();
      return;
    }
    if (response instanceof Error) {
      this.problem(`${path}: the connection broke. Drop it again.`);
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

  /** What is in stays; what waits, and what is half sent, does not come in. */
  stop() {
    this.found -= this.waiting.length;
    for (const { file } of this.waiting) this.bytes -= file.size;
    this.waiting = [];
    this.stopped = true;
    this.abort?.abort();
    this.abort = null;
    this.form.querySelector("[data-drop-files]").focus(); // its button goes
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

  say(words) {
    this.state.hidden = false;
    this.bar.hidden = !this.found;
    this.words.textContent = words;
  }

  show() {
    const percent = this.bytes ? Math.round((100 * this.sent) / this.bytes) : 100;
    this.bar.setAttribute("aria-valuenow", percent);
    this.bar.firstElementChild.style.width = `${percent}%`;
    const busy = this.working || this.waiting.length;
    const good = this.done - this.failed;
    const ended = `${good} of ${this.found} files are in${this.failed ? `; ${this.failed} are not` : ""}.`;
    this.say(busy ? `Sent ${this.done} of ${this.found} files` : this.stopped ? `Stopped. ${good ? ended : "No file came in."}` : ended);
    this.form.querySelector("[data-drop-stop]").hidden = !busy;
  }
}

for (const form of document.querySelectorAll("[data-drop]")) new Drop(form);
