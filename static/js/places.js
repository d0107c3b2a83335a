// Where alone a question is to be looked for: # offers sources and folders, each becomes a chip that can be taken away, by
// its button or with Backspace at the begin of the text. The chips are the form's fields ``narrow``.

import { Completion } from "atrium/completion";

const placeAt = /(^|\s)#([^\s#]{0,60})$/;

export class Places {
  #chosen = [];

  constructor(composer) {
    this.composer = composer;
    this.form = composer.form;
    this.text = composer.text;
    this.box = this.form.querySelector("[data-narrow]");
    this.list = this.box.querySelector("ul");
    this.status = document.createElement("span");
    this.status.className = "sr";
    this.status.setAttribute("role", "status");
    this.box.after(this.status);
    this.key = composer.draftKey && `${composer.draftKey}:narrow`;
    new Completion(this.text, {
      label: "Sources and folders",
      match: (before) => placeAt.exec(before)?.[2] ?? null,
      find: (typed) => this.#find(typed),
      row: (found) => ["#", found.name, found.above || "all of it"],
      take: (found) => {
        composer.takeOut(placeAt);
        this.#add(found);
      },
    });
    this.text.addEventListener("keydown", (event) => this.#key(event));
    this.#restore();
  }

  /** [{id, name, above}] */
  get chosen() {
    return [...this.#chosen];
  }

  set chosen(places) {
    this.#chosen = [...places];
    this.#show();
  }

  clear() {
    this.chosen = [];
  }

  /** The draft is sent; what is shown goes with the page. */
  forget() {
    if (this.key) localStorage.removeItem(this.key);
  }

  async #find(typed) {
    const url = new URL(this.form.dataset.places, location.href);
    url.searchParams.set("q", typed);
    url.searchParams.set("assistant", this.composer.assistant?.value ?? "");
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    const found = answer.ok ? (await answer.json()).results : [];
    return found.filter((place) => !this.#chosen.some((chosen) => chosen.id === place.id));
  }

  #add(place) {
    this.chosen = [...this.#chosen, place];
    this.status.textContent = `Only in ${this.#chosen.map((chosen) => chosen.name).join(", ")}.`;
  }

  #remove(place) {
    this.chosen = this.#chosen.filter((chosen) => chosen !== place);
    this.status.textContent = `${place.name} is taken away.`;
    this.text.focus();
  }

  #key(event) {
    const atStart = this.text.selectionStart === 0 && this.text.selectionEnd === 0;
    if (event.key !== "Backspace" || !atStart || !this.#chosen.length || event.isComposing) return;
    event.preventDefault();
    this.#remove(this.#chosen.at(-1));
  }

  #show() {
    this.box.hidden = !this.#chosen.length;
    this.list.replaceChildren(...this.#chosen.map((place) => this.#chip(place)));
    if (!this.key) return;
    if (this.#chosen.length) localStorage.setItem(this.key, JSON.stringify(this.#chosen));
    else localStorage.removeItem(this.key);
  }

  #chip(place) {
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "chip";
    button.title = place.above ? `${place.above} / ${place.name}` : place.name;
    button.setAttribute("aria-label", `Take ${place.name} away`);
    const name = document.createElement("span");
    name.className = "clip";
    name.textContent = place.name;
    const sign = document.createElement("span");
    sign.textContent = "×";
    button.append(name, sign);
    button.addEventListener("click", () => this.#remove(place));
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "narrow";
    field.value = place.id;
    row.append(button, field);
    return row;
  }

  #restore() {
    try {
      this.chosen = JSON.parse((this.key && localStorage.getItem(this.key)) || "[]");
    } catch {
      this.clear(); // not ours any more
    }
  }
}
