// Follows answers over the page's socket, and where sockets don't get through, over server-sent events. Whoever
// comes back names the last event that it saw, so that none is missing and none comes twice.
// The socket's messages: assistants/consumers.py.

const FIRST_WAIT = 400; // ms
const LONGEST_WAIT = 20_000;
const GIVE_SOCKETS = 2; // attempts in a row that fail before events come the other way
const LOOK_AGAIN = 15_000; // how often the page looks for news that only sockets would bring
const LAST = new Set(["completed", "stopped", "error"]);

export class Follower {
  #seen = new Map(); // answer: number of the last event
  #streams = new Map(); // answer: AbortController of its server-sent events
  #failed = 0;
  #socket = null;
  #timer = 0;

  /**
   * ``socket``: its path. ``events(id)``: the address of an answer's events. ``watch``: the conversation to hear of.
   * ``onEvent(id, event)``, ``onChange(what)``, ``onState("open" | "waiting" | "events" | "gone")``.
   */
  constructor({ socket, events, watch, onEvent, onChange = () => {}, onState = () => {} }) {
    Object.assign(this, { path: socket, events, watch, onEvent, onChange, onState });
    addEventListener("online", () => this.#connect());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.#connect(); });
    setInterval(() => { if (!this.#isOpen && !document.hidden) this.onChange({}); }, LOOK_AGAIN);
    this.#connect();
  }

  follow(answer, after = 0) {
    if (this.#seen.has(answer)) return;
    this.#seen.set(answer, after);
    if (this.#isOpen) this.#send({ follow: answer, after });
    else if (this.#failed >= GIVE_SOCKETS) this.#stream(answer);
  }

  leave(answer) {
    this.#seen.delete(answer);
    this.#streams.get(answer)?.abort();
    this.#streams.delete(answer);
    if (this.#isOpen) this.#send({ unfollow: answer });
  }

  get #isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #connect() {
    if (this.gone || (this.#socket && this.#socket.readyState <= WebSocket.OPEN)) return;
    clearTimeout(this.#timer);
    const socket = new WebSocket(new URL(this.path, location.href.replace(/^http/, "ws")));
    this.#socket = socket;
    socket.addEventListener("open", () => this.#opened());
    socket.addEventListener("message", (message) => this.#heard(JSON.parse(message.data)));
    socket.addEventListener("close", (event) => this.#closed(event));
  }

  #opened() {
    const again = this.#failed > 0;
    this.#failed = 0;
    for (const stream of this.#streams.values()) stream.abort();
    this.#streams.clear();
    if (this.watch) this.#send({ watch: this.watch });
    for (const [answer, after] of this.#seen) this.#send({ follow: answer, after });
    this.onState("open");
    if (again) this.onChange({});
  }

  #closed(event) {
    if (event.code === 4404) {
      this.gone = true;
      this.onState("gone");
      return;
    }
    this.#failed += 1;
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (this.#failed - 1));
    this.#timer = setTimeout(() => this.#connect(), wait * (0.75 + Math.random() / 2));
    if (this.#failed < GIVE_SOCKETS) this.onState("waiting");
    else for (const answer of this.#seen.keys()) this.#stream(answer);
  }

  #heard(message) {
    if (message.changed) this.onChange(message);
    else if (message.answer && message.type) this.#take(message.answer, message);
    else if (message.refused && message.answer) {
      this.#seen.delete(message.answer);
      this.onEvent(message.answer, { seq: Infinity, type: "error", data: message.refused });
    }
  }

  #take(answer, { seq, type, data }) {
    if (!this.#seen.has(answer) || seq <= this.#seen.get(answer)) return;
    this.#seen.set(answer, seq);
    this.onEvent(answer, { seq, type, data });
    if (LAST.has(type)) this.#seen.delete(answer);
  }

  async #stream(answer) {
    if (this.#streams.has(answer) || !this.events) return;
    const stop = new AbortController();
    this.#streams.set(answer, stop);
    this.onState("events");
    try {
      const url = `${this.events(answer)}?after=${this.#seen.get(answer) ?? 0}`;
      for await (const event of serverSent(await fetch(url, { signal: stop.signal }))) this.#take(answer, event);
    } catch (error) {
      if (error.name !== "AbortError") this.onState("waiting");
    } finally {
      if (this.#streams.get(answer) === stop) this.#streams.delete(answer);
    }
  }
}

/** The events {seq, type, data} of a ``text/event-stream`` response. */
export async function* serverSent(response) {
  if (!response.ok) throw new Error(await response.text());
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      held += value;
      const parts = held.split("\n\n");
      held = parts.pop();
      for (const part of parts) {
        const fields = Object.fromEntries(part.split("\n").map((line) => {
          const at = line.indexOf(": ");
          return [line.slice(0, at), line.slice(at + 2)];
        }));
        if (fields.event) yield { seq: Number(fields.id), type: fields.event, data: JSON.parse(fields.data) };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
