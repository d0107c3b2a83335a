// "/" at the beginning of a question offers the person's saved prompts; the one that is taken stands in its place.

import { Completion } from "atrium/completion";

const promptAt = /^()\/([^\n]{0,60})$/;

export function offerPrompts(composer) {
  new Completion(composer.text, {
    label: "Saved prompts",
    match: (before) => promptAt.exec(before)?.[2] ?? null,
    find: async (typed) => {
      const url = new URL(composer.form.dataset.prompts, location.href);
      url.searchParams.set("q", typed);
      const answer = await fetch(url, { headers: { Accept: "application/json" } });
      if (!answer.ok) return [];
      const { results, none, page } = await answer.json();
      return none && !typed ? [{ name: "Save a prompt…", text: "so that / puts it in", page }] : results;
    },
    row: (found) => ["/", found.name, found.text.replace(/\s+/g, " ").slice(0, 80)],
    take: (found) => {
      if (found.page) location.assign(found.page);
      else composer.putIn(promptAt, found.text);
    },
  });
}
