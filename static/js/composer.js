// A question's form: Enter sends, Shift-Enter breaks the line, Esc stops, Up edits the last question, @ mentions an
// assistant that is to answer, # narrows the question to a source or folder, / puts in a saved prompt, and a draft survives
// a reload. Without this file it is a plain form with a button.
//
// It tells the page what a person wants by events on the form, all of which bubble:
//   composer:send {content, assistant, narrow}   cancelable: prevented, the page sends; otherwise the form is submitted.
//                                                narrow: [{id, name, above}]
//   composer:stop, composer:edit-last

import { Completion } from "atrium/completion";
import { Places } from "atrium/places";
import { offerPrompts } from "atrium/prompts";

const WAIT_TO_SAVE = 250; // ms
const mentionAt = /(^|\s)@([a-z0-9-]{0,40})$/i;

export class Composer {
  constructor(form) {
    this.form = form;
    this.text = form.elements.content;
    this.assistant = form.elements.assistant ?? null;
    this.draftKey = form.dataset.draft ? `atrium:draft:${form.dataset.draft}` : "";
    this.places = form.dataset.places ? new Places(this) : null;
    this.#restoreDraft();
    form.addEventListener("submit", (event) => this.#submit(event));
    this.text.addEventListener("keydown", (event) => this.#key(event));
    this.text.addEventListener("input", () => this.#changed());
    if (form.dataset.suggest) this.#offerAssistants();
    if (form.dataset.prompts) offerPrompts(this);
    this.#resize();
  }

  get content() {
    return this.text.value.trim();
  }

  set content(value) {
    this.text.value = value;
    this.#changed();
  }

  focus() {
    this.text.focus();
    this.text.setSelectionRange(this.text.value.length, this.text.value.length);
  }

  clear() {
    this.text.value = "";
    if (this.draftKey) localStorage.removeItem(this.draftKey);
    this.places?.clear();
    clearTimeout(this.saving);
    this.#resize();
  }

  /** Take out what stands before the caret and matches: it has become something else than text. */
  takeOut(pattern) {
    const at = this.text.selectionStart;
    const before = this.text.value.slice(0, at).replace(pattern, "$1");
    this.text.value = before + this.text.value.slice(at);
    this.text.setSelectionRange(before.length, before.length);
    this.#changed();
  }

  /** Put text in place of what stands before the caret and matches. */
  putIn(pattern, text) {
    const at = this.text.selectionStart;
    const before = this.text.value.slice(0, at).replace(pattern, (_, lead) => lead + text);
    this.text.value = before + this.text.value.slice(at);
    this.text.setSelectionRange(before.length, before.length);
    this.#changed();
  }

  /** Choose an assistant by its handle; unknown to the list, it is added. */
  choose({ handle, name, emoji }) {
    if (![...this.assistant.options].some((option) => option.value === handle)) {
      this.assistant.add(new Option(`${emoji || ""} ${name}`.trim(), handle));
    }
    this.assistant.value = handle;
    this.assistant.dispatchEvent(new Event("change", { bubbles: true }));
  }

  #restoreDraft() {
    if (!this.draftKey || this.text.value) return;
    this.text.value = localStorage.getItem(this.draftKey) ?? "";
  }

  #changed() {
    this.#resize();
    clearTimeout(this.saving);
    if (!this.draftKey) return;
    this.saving = setTimeout(() => {
      if (this.text.value) localStorage.setItem(this.draftKey, this.text.value);
      else localStorage.removeItem(this.draftKey);
    }, WAIT_TO_SAVE);
  }

  #resize() {
    if (CSS.supports("field-sizing", "content")) return;
    this.text.style.height = "auto";
    this.text.style.height = `${this.text.scrollHeight}px`;
  }

  #key(event) {
    if (event.isComposing || event.defaultPrevented) return;
    const touch = matchMedia("(hover: none) and (pointer: coarse)").matches;
    if (event.key === "Enter" && !event.shiftKey && !event.altKey && !touch) {
      event.preventDefault();
      this.form.requestSubmit();
    } else if (event.key === "Escape") {
      this.#tell("composer:stop");
    } else if (event.key === "ArrowUp" && !this.text.value) {
      if (!this.#tell("composer:edit-last")) event.preventDefault();
    }
  }

  #tell(name, detail = {}) {
    return this.form.dispatchEvent(new CustomEvent(name, { bubbles: true, cancelable: true, detail }));
  }

  #submit(event) {
    if (!this.content) {
      event.preventDefault();
      this.text.focus();
      return;
    }
    const detail = { content: this.content, assistant: this.assistant?.value ?? "", narrow: this.places?.chosen ?? [], composer: this };
    if (!this.#tell("composer:send", detail)) {
      event.preventDefault();
      this.clear();
    } else if (this.draftKey) {
      clearTimeout(this.saving);
      localStorage.removeItem(this.draftKey);
      this.places?.forget();
    }
  }

  #offerAssistants() {
    new Completion(this.text, {
      label: "Assistants",
      match: (before) => mentionAt.exec(before)?.[2] ?? null,
      find: async (typed) => {
        const url = new URL(this.form.dataset.suggest, location.href);
        url.searchParams.set("q", typed);
        const answer = await fetch(url, { headers: { Accept: "application/json" } });
        return answer.ok ? (await answer.json()).results : [];
      },
      row: (found) => [found.picture ? { picture: found.picture } : found.emoji || "◆", found.name, `@${found.handle}`],
      take: (found) => this.putIn(mentionAt, `@${found.handle} `),
    });
  }
}

/** Every composer that ``root`` has and that none is made for yet. */
export function composersIn(root) {
  return [...root.querySelectorAll("form[data-composer]")].map((form) => (form.composer ??= new Composer(form)));
}
