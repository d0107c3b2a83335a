// The picture of an assistant: uploaded as it is chosen, so that the form keeps only its id.
const box = document.querySelector("[data-picture]");
const form = box?.closest("form");

function show(id, url, words) {
  const image = box.querySelector("[data-picture-shown]");
  form.elements.picture.value = id;
  image.hidden = !id;
  if (id) image.src = url;
  else image.removeAttribute("src");
  box.querySelector("[data-picture-remove]").hidden = !id;
  say(words);
  form.dispatchEvent(new Event("change", { bubbles: true }));
}

function say(words, wrong = false) {
  const line = box.querySelector("[data-picture-words]");
  line.textContent = words;
  line.classList.toggle("errors", wrong);
}

async function upload(input) {
  const body = new FormData();
  body.set("picture_file", input.files[0]);
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  say("Uploading…");
  const response = await fetch(form.dataset.pictureUrl, { method: "POST", body }).catch(() => null);
  const told = await response?.json().catch(() => null);
  // The file itself need not be sent once more with the form.
  input.value = "";
  if (response?.ok && told?.id) show(told.id, told.url, "This picture is shown once you save.");
  else say(told?.words ?? "The picture could not be uploaded. Try again in a moment.", true);
}

if (box) {
  const input = form.elements.picture_file;
  input.addEventListener("change", (event) => {
    event.stopPropagation();
    if (input.files.length) upload(input);
  });
  box.querySelector("[data-picture-remove]").addEventListener("click", () => {
    show("", "", "Its emoji is shown once you save.");
    input.focus();
  });
}
