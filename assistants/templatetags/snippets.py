"""A passage as one run of words, for the lines where its Markdown would only be in the way."""

from __future__ import annotations

import re

from django import template

register = template.Library()

# What opens a line as syntax; rules and underlines; marks of emphasis and code; links, of which the words stay.
# static/js/citations.js does the same.
_LEAD = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+][ \t]+|\|[ \t]*)+", re.MULTILINE)
_RULE = re.compile(r"^[ \t|:=-]{3,}$|^[ \t]*(?:`{3,}|~{3,}).*$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKS = re.compile(r"\*\*|__|`|~~")
_BARS = re.compile(r"\s*\|\s*")


@register.filter
def plain(text: str) -> str:
    text = _LINK.sub(r"\1", _LEAD.sub("", _RULE.sub("", text)))
    return " ".join(_BARS.sub(" · ", _MARKS.sub("", text)).split()).strip("· ")
