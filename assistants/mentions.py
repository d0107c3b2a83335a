"""``@handle`` in a question names who is asked. Pure; who of them may be asked is for ``planning`` to say."""

from __future__ import annotations

import re
from collections.abc import Collection

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

MOST = 5
"""Assistants that one question can be put to."""

# Not in an e-mail address, nor in a path. A handle ends with a letter or a digit, so what closes a sentence is none of it.
_MENTION = re.compile(r"(?<![\w@./+-])@([a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?)(?![\w@/-])", re.IGNORECASE)


def handles_in(content: str) -> list[str]:
    """What stands behind an ``@``, in lower case, each once, in the order of the text."""
    return list(dict.fromkeys(found.lower() for found in _MENTION.findall(content))) if "@" in content else []


def without(content: str, handles: Collection[str]) -> str:
    """The question without those who are asked: what is looked for. All of it where nothing else is left."""
    if not handles:
        return content
    text = _MENTION.sub(lambda found: "" if found[1].lower() in handles else found[0], content)
    text = re.sub(r"[ \t]{2,}", " ", text).strip(" \t\n,:;")
    # "@leave and @tax: how many days?" leaves only what joined the two.
    text = re.sub(r"^(?:(?:and|or|,|&|\+)\s*)+[,:;]?\s*", "", text, flags=re.IGNORECASE)
    return text or content


def marked(content: str, handles: Collection[str]) -> SafeString:
    """The question as HTML, with a chip for each of these handles; anything else is text."""
    parts, at = [], 0
    for found in _MENTION.finditer(content):
        if found[1].lower() in handles:
            parts += [format_html("{}", content[at : found.start()])]
            parts += [format_html('<span class="mention">@{}</span>', found[1])]
            at = found.end()
    return mark_safe("".join([*parts, format_html("{}", content[at:])]))  # noqa: S308  each part is escaped
