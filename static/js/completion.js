// A list of suggestions at a text field. The field keeps the focus; arrows move, Enter or Tab takes, Esc closes.

let made = 0;

function image(address) {
  const made = document.createElement("img");
  made.alt = "";
  made.src = address;
  return made;
}

export class Completion {
  #found = [];
  #at = 0;
  #typed = null;

  /**
   * ``match(before)``: what is being named in the text before the caret, or null. ``find(typed)``: a promise of rows.
   * ``row(found)``: [picture, label, hint], where the picture is a sign or ``{picture: address}``. ``take(found)``: put it in.
   */
  constructor(field, { label, match, find, row, take }) {
    Object.assign(this, { field, match, find, row, take });
    this.list = document.createElement("ul");
    this.list.className = "completion";
    this.list.id = `completion-${(made += 1)}`;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", label);
    this.list.hidden = true;
    this.status = document.createElement("span");
    this.status.className = "sr";
    this.status.setAttribute("role", "status");
    field.after(this.list, this.status);
    field.setAttribute("aria-autocomplete", "list");
    field.addEventListener("input", () => this.#look());
    field.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    // Capturing: it hears a key before the field's other listeners do.
    field.parentElement.addEventListener("keydown", (event) => this.#key(event), true);
    this.list.addEventListener("pointerdown", (event) => {
      const row = event.target.closest("[role=option]");
      if (!row) return;
      event.preventDefault();
      this.#choose([...this.list.children].indexOf(row));
    });
  }

  get isOpen() {
    return !this.list.hidden;
  }

  close() {
    this.list.hidden = true;
    this.status.textContent = "";
    this.field.removeAttribute("aria-activedescendant");
  }

  async #look() {
    const typed = this.match(this.field.value.slice(0, this.field.selectionStart));
    this.#typed = typed;
    if (typed === null) return this.close();
    const found = await this.find(typed).catch(() => []);
    if (this.#typed !== typed) return undefined; // the person typed on
    this.#found = found;
    return found.length ? this.#show() : this.close();
  }

  #show() {
    this.list.replaceChildren(
      ...this.#found.map((found, index) => {
        const row = document.createElement("li");
        row.id = `${this.list.id}-${index}`;
        row.setAttribute("role", "option");
        const parts = this.row(found).map((text, part) => {
          const span = document.createElement("span");
          span.append(text.picture ? image(text.picture) : text);
          span.className = ["completion-picture", "completion-label", "completion-hint"][part];
          if (part === 0) span.setAttribute("aria-hidden", "true");
          return span;
        });
        row.append(...parts);
        return row;
      }),
    );
    this.list.hidden = false;
    this.field.setAttribute("aria-controls", this.list.id); // one field may have several lists, one at a time
    this.status.textContent = `${this.#found.length} to choose from`;
    this.#mark(0);
  }

  #mark(index) {
    this.#at = (index + this.#found.length) % this.#found.length;
    [...this.list.children].forEach((row, number) => row.setAttribute("aria-selected", String(number === this.#at)));
    const row = this.list.children[this.#at];
    this.field.setAttribute("aria-activedescendant", row.id);
    row.scrollIntoView({ block: "nearest" });
  }

  #choose(index) {
    const found = this.#found[index];
    this.close();
    this.field.focus();
    this.take(found);
  }

  #key(event) {
    if (!this.isOpen || event.target !== this.field || event.isComposing) return;
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (move) this.#mark(this.#at + move);
    else if (event.key === "Enter" || event.key === "Tab") this.#choose(this.#at);
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
