// Pages with a composer that begins a conversation: home, and the page of an assistant.
import { composersIn } from "atrium/composer";

const [composer] = composersIn(document);

// A starter question that is clicked while something is typed does not lose what is typed: it is a draft.
if (composer?.form.classList.contains("composer-large") && !matchMedia("(pointer: coarse)").matches) composer.focus();
