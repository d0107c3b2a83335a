// What a browser says when a passkey can't be made or used, in words of a person's. allauth's script makes and uses them.
const box = document.querySelector("[data-passkey-words]");
const add = document.getElementById("mfa_webauthn_add");

function words({ name }) {
  // Browsers tell no page which of these it was: nobody is to find out from outside whether there is a passkey.
  if (name === "NotAllowedError" && add) return "The passkey was not made: it was cancelled, or took too long. Try again.";
  if (name === "NotAllowedError") return "No passkey was used: this device has none for this account, or it was cancelled. Try again, or go on in another way.";
  if (name === "InvalidStateError") return "This device has a passkey for your account already.";
  if (name === "ConstraintError" || name === "NotSupportedError") return "This device can’t keep a passkey of this kind. Take another one, or untick that it signs you in alone.";
  if (name === "SecurityError" || !window.PublicKeyCredential) return elsewhere();
  return "The passkey could not be used, as Atrium did not answer. Try again in a moment.";
}

/** Passkeys belong to a host name that is reached in safety; the portal on this machine has one. */
function elsewhere() {
  const numbers = /^[\d.]+$|^\[/.test(location.hostname);
  if (!numbers) return "Passkeys need a secure address: one that begins with https.";
  if (!location.hostname.startsWith("127.") && location.hostname !== "[::1]") return "Passkeys need a host name: open Atrium by its name instead of its number.";
  return `Passkeys need a host name: open http://localhost:${location.port} instead.`;
}

document.addEventListener("allauth.error", (event) => {
  if (!box || !event.detail.tags.includes("webauthn")) return;
  event.preventDefault();
  const callout = document.createElement("div");
  callout.className = "callout";
  callout.dataset.tone = "bad";
  callout.textContent = words(event.detail.exception);
  box.replaceChildren(callout);
});

// Enter in the name's field presses the button, too: the form itself has nothing to send before the passkey is there.
add?.form.addEventListener("submit", (event) => event.preventDefault());

// A press before allauth's script listens would send the form without a passkey. It listens from this event on, and was first to ask for it.
document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("[data-passkey]")) button.disabled = false;
});
