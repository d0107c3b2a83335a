// Below an answer: copying it, the menu of what else can be done with it, and what went wrong just there.
import { place } from "atrium/popovers";

/** Say at an answer or a question what did not work there. It goes once something else is tried. */
export function beside(article, words) {
  clearBeside(article);
  const line = document.createElement("p");
  line.className = "callout small";
  line.dataset.tone = "bad";
  line.dataset.failed = "";
  line.setAttribute("role", "alert");
  article.append(line);
  line.textContent = words;
  line.scrollIntoView({ block: "nearest" });
}

export const clearBeside = (article) => article?.querySelectorAll("[data-failed]").forEach((line) => line.remove());

/** A button before each block of code; taken out while the thread is compared with the server's. */
export function decorate(thread) {
  for (const code of thread.querySelectorAll(".answer:not([aria-busy]) .answer-body pre")) {
    if (code.previousElementSibling?.matches(".copy-code")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-small copy-code";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy the code");
    code.before(button);
  }
}
export const undecorate = (thread) => thread.querySelectorAll(".copy-code").forEach((button) => button.remove());

/** What a click on a copying button copies, or null for any other click. */
function copied(target) {
  const code = target.closest(".copy-code");
  if (code) return [code, code.nextElementSibling.textContent];
  const whole = target.closest("[data-copy-answer]");
  if (!whole) return null;
  const answer = whole.closest(".answer");
  const text = answer.querySelector("[data-raw]").content.textContent.trim();
  const cited = [...answer.querySelectorAll("[data-part=cited] .source")].map((row) => {
    const title = row.querySelector(".source-title a")?.textContent ?? "withheld";
    return `[${row.dataset.n}] ${title}`;
  });
  return [whole, cited.length ? `${text}\n\n${cited.join("\n")}` : text];
}

/** Makes the copying buttons below ``root`` work. ``said(words)``: tell those who listen. */
export function copies(root, said) {
  root.addEventListener("click", async (event) => {
    const [button, text] = copied(event.target) ?? [];
    if (!button) return;
    const article = button.closest("article");
    clearBeside(article);
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      beside(article, "Your browser does not let this page copy. Select the text instead.");
      return;
    }
    const was = button.dataset.tip ?? button.textContent;
    const show = (words) => { if (button.dataset.tip) button.dataset.tip = words; else button.textContent = words; };
    show("Copied");
    said("Copied.");
    setTimeout(() => show(was), 1500);
  });
}

/** The one menu of all answers. ``menu.answer`` is the answer that it was opened at. */
export function menus(root, menu) {
  if (!menu) return;
  const goOn = menu.querySelector("[data-go-on]");
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-answer-menu]");
    if (!button) return;
    if (menu.matches(":popover-open")) { menu.hidePopover(); return; }
    menu.answer = button.closest(".answer");
    menu.setAttribute("action", button.dataset.answerMenu);
    goOn.hidden = !button.dataset.after;
    goOn.href = button.dataset.after || "#";
    menu.showPopover({ source: button });
    place(menu, button);
    [...menu.querySelectorAll(".menu-item")].find((item) => !item.hidden)?.focus({ focusVisible: event.detail === 0 });
  });
}
