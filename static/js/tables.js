// The page for SQL: results become sortable and drawable as they come; Ctrl-Enter runs; a download is a plain form.
import { enhance } from "atrium/results";

const form = document.querySelector("[data-sql]");

enhance();
document.addEventListener("htmx:afterSwap", () => enhance());

form?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.id === "sql") {
    event.preventDefault();
    form.requestSubmit(form.querySelector("[type=submit]:not([data-plain])"));
  }
});

// htmx would take the file for a fragment of the page.
document.addEventListener("htmx:confirm", (event) => {
  const button = event.detail.triggeringEvent?.submitter;
  if (event.target !== form || !button?.matches("[data-plain]")) return;
  event.preventDefault();
  const format = form.appendChild(Object.assign(document.createElement("input"), { type: "hidden", name: "format", value: "csv" }));
  form.submit();
  format.remove();
});

// The first tick of an empty page begins a query.
form?.addEventListener("change", (event) => {
  const box = form.querySelector("#sql");
  if (event.target.name !== "table" || !event.target.checked || box.value.trim()) return;
  const name = event.target.closest("li").querySelector("summary code").textContent;
  box.value = `SELECT *\nFROM ${name}\nLIMIT 100`;
});
