// An assistant answering from a form as it stands: the builder's, or a template's that is about to be installed. Nothing is kept.
import { LiveAnswer } from "atrium/answer";
import { cards, sourceRow } from "atrium/citations";
import { composersIn } from "atrium/composer";
import { serverSent } from "atrium/follow";
import { toast } from "atrium/toasts";

const find = (selector, root = document) => root.querySelector(selector);

export class Trial {
  #turns = [];
  #running = null; // {live, id, abort}

  /** ``form``: what answers. Its ``data-try`` is where a question is posted to, ``data-stop`` what an id and "/stop/" follow. */
  constructor(element, form) {
    Object.assign(this, { element, form });
    this.thread = find("[data-trial-thread]", element);
    this.empty = find("[data-trial-empty]", element);
    this.clear = find("[data-trial-clear]", element);
    this.stopButton = find("[data-stop]", element);
    [this.composer] = composersIn(element);
    find("[data-trial-starters]", element)?.addEventListener("click", (event) => {
      const button = event.target.closest(".starter");
      if (button) this.ask(button.textContent);
    });
    element.addEventListener("composer:send", (event) => {
      if (this.#running) { event.stopPropagation(); return; }
      event.preventDefault();
      this.ask(event.detail.content);
    });
    element.addEventListener("composer:stop", () => this.#stop());
    this.stopButton.addEventListener("click", () => { this.#stop(); this.composer.focus(); });
    this.clear.addEventListener("click", () => this.#startOver());
    const sourceOf = (link) => link.closest(".answer").live?.sources.get(Number(link.dataset.n));
    cards(find("#citation-card"), (link) => sourceOf(link) && sourceRow(sourceOf(link)), (link) => sourceOf(link)?.sentence);
  }

  async ask(content) {
    if (this.#running) return;
    this.empty.hidden = true;
    this.clear.hidden = false;
    this.#showQuestion(content);
    const article = this.#showAnswer();
    this.#toEnd();
    const live = new LiveAnswer(article, { changed: () => this.#toEnd(), ended: (type, data) => close(article, live, type, data) });
    article.live = live;
    const abort = new AbortController();
    this.#running = { live, abort, id: "" };
    this.stopButton.hidden = false;
    try {
      const response = await fetch(this.form.dataset.try, { method: "POST", body: this.#posted(content), signal: abort.signal });
      this.#running.id = response.headers.get("X-Trial") ?? "";
      for await (const event of serverSent(response)) live.take(event);
      this.#turns.push({ role: "user", text: content }, { role: "assistant", text: live.text.text });
    } catch (error) {
      if (error.name !== "AbortError") close(article, live, "error", { detail: error.message || "Atrium does not answer. Try again in a moment." });
    }
    this.#running = null;
    this.stopButton.hidden = true;
    this.#toEnd();
  }

  #posted(content) {
    const body = new FormData(this.form);
    body.set("content", content);
    body.set("history", JSON.stringify(this.#turns));
    body.delete("picture_file");
    if (this.form.dataset.assistant) body.set("assistant", this.form.dataset.assistant);
    return body;
  }

  async #stop() {
    if (!this.#running?.id) return;
    const address = `${this.form.dataset.stop ?? this.form.dataset.try}${this.#running.id}/stop/`;
    const headers = { "X-CSRFToken": this.form.elements.csrfmiddlewaretoken.value };
    const stopped = await fetch(address, { method: "POST", headers }).catch(() => null);
    if (!stopped || stopped.status >= 500) toast("It could not be stopped: Atrium does not answer. Try again in a moment.", { tone: "bad" });
  }

  #startOver() {
    this.#stop(); // it would go on, and cost, with nobody looking
    this.#running?.abort.abort();
    this.#turns = [];
    this.thread.querySelectorAll("article").forEach((article) => article.remove());
    this.empty.hidden = false;
    this.clear.hidden = true;
    this.composer.focus();
  }

  #toEnd() {
    this.thread.scrollTop = this.thread.scrollHeight;
  }

  #showQuestion(content) {
    const question = document.createElement("article");
    question.className = "question";
    question.setAttribute("aria-label", "Question");
    const bubble = document.createElement("div");
    bubble.className = "question-bubble question-text";
    bubble.textContent = content;
    question.append(bubble);
    this.thread.append(question);
  }

  #showAnswer() {
    const article = find("[data-trial-answer]", this.element).content.cloneNode(true).firstElementChild;
    this.thread.append(article);
    return article;
  }
}

/** What ends an answer that nothing is stored of. */
function close(article, live, type, data) {
  article.removeAttribute("aria-busy");
  const end = article.querySelector("[data-part=end]");
  const sources = [...live.sources.values()];
  const steps = article.querySelector("[data-part=steps]");
  steps.hidden = !live.steps.length;
  if (live.steps.length) steps.querySelector("[data-part=step]").textContent = live.line;
  if (sources.length) {
    const list = document.createElement("details");
    const summary = document.createElement("summary");
    summary.className = "btn btn-quiet btn-small";
    summary.textContent = `${sources.length} source${sources.length === 1 ? "" : "s"} read`;
    const rows = document.createElement("ol");
    rows.className = "source-list";
    rows.append(...sources.map(sourceRow));
    list.append(summary, rows);
    end.append(list);
  }
  if (type === "completed") return;
  const note = document.createElement("p");
  note.className = type === "stopped" ? "small faint" : "callout";
  if (type === "error") note.dataset.tone = "bad";
  note.textContent = type === "stopped" ? "Stopped." : data.detail;
  end.append(note);
}
