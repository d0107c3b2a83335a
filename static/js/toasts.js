// Toasts tell only of what happened elsewhere; what happened here shows here.
const box = () => document.getElementById("toasts");

/** Show words at the corner. tone: "ok" or "bad"; href makes them a link; a bad one stays until it is closed. */
export function toast(words, { tone = "", href = "", lasts = 7000 } = {}) {
  const item = document.createElement("div");
  item.className = "toast";
  if (tone) item.dataset.tone = tone;
  const text = document.createElement(href ? "a" : "span");
  if (href) text.href = href;
  text.textContent = words;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "btn btn-quiet btn-icon btn-small";
  close.setAttribute("aria-label", "Close");
  close.textContent = "×";
  close.addEventListener("click", () => item.remove());
  item.append(text, close);
  box().append(item);
  if (tone === "bad") return item;
  let timer = setTimeout(() => item.remove(), lasts);
  item.addEventListener("pointerenter", () => clearTimeout(timer));
  item.addEventListener("focusin", () => clearTimeout(timer));
  item.addEventListener("pointerleave", () => { timer = setTimeout(() => item.remove(), lasts); });
  return item;
}

// The server may send HX-Trigger: {"toast": {"words": "…", "tone": "ok"}}.
document.addEventListener("toast", (event) => toast(event.detail.words, event.detail));

async function reason(request) {
  const type = request.getResponseHeader("Content-Type") || "";
  if (type.startsWith("text/plain")) return request.responseText;
  if (request.status === 403) return "You may not do that. Reload the page: your role or your session may have changed.";
  if (request.status === 404) return "That is gone, or it is not for you. Reload the page to see what is there.";
  const code = request.getResponseHeader("X-Request-ID");
  return `That did not work.${code ? ` If you ask for help, quote this code: ${code}` : " Try again."}`;
}
document.addEventListener("htmx:responseError", async (event) => toast(await reason(event.detail.xhr), { tone: "bad" }));
let away = null;
document.addEventListener("htmx:sendError", () => {
  if (!away?.isConnected) away = toast("Atrium does not answer. What you see may be old; it goes on by itself once it answers again.", { tone: "bad" });
});
document.addEventListener("htmx:afterOnLoad", () => { away?.remove(); away = null; });
