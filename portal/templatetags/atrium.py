"""Filters that every template may use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import heroicons
from django import template
from django.forms import BoundField
from django.template.defaultfilters import date as format_date
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter
def thin(number: int | None) -> str:
    """12345 as 12 345, with thin spaces that do not break."""
    return "" if number is None else f"{number:,}".replace(",", "\u202f")


@register.filter
def ago(moment: datetime | None) -> str:
    """A relative time with the full one on hover."""
    if moment is None:
        return "never"
    seconds = (timezone.now() - moment).total_seconds()
    future, seconds = seconds < 0, abs(seconds)
    for limit, size, unit in ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"), (86_400 * 14, 86_400, "d")):
        if seconds < limit:
            count = int(seconds // size)
            words = "just now" if unit == "s" and count < 10 else f"{count} {unit} ago"
            if future:
                # To the nearest: what was set for a day from now is in 24 h, not in 23.
                words = f"in {round(seconds / size)} {unit}"
            break
    else:
        words = format_date(timezone.localtime(moment), "j M Y")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        format_date(timezone.localtime(moment), "j F Y, H:i"),
        words,
    )


@lru_cache(maxsize=256)
def _icon(name: str, classes: str) -> SafeString:
    attributes: dict[str, object] = {"class": f"icon {classes}".strip(), "aria_hidden": "true", "focusable": "false"}
    return mark_safe(heroicons._render_icon("outline", name, None, attributes))  # noqa: S308  a file of the package


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """One of the heroicons by name, hidden from screen readers: the words beside it say what it means."""
    return _icon(str(name), str(classes))


@register.filter
def initial(name: object) -> str:
    """The letter that stands for a person or thing in a round picture."""
    return (str(name).strip()[:1] or "?").upper()


@register.filter
def begins(text: str, start: str) -> bool:
    """For the rail: is this page below that address?"""
    return text.startswith(start)


@register.filter
def control(field: BoundField) -> SafeString:
    """The field's widget with the class of our inputs."""
    classes = f"{field.field.widget.attrs.get('class', '')} input".strip()
    return field.as_widget(attrs={"class": classes})


@register.filter
def widget_is(field: BoundField, name: str) -> bool:
    return type(field.field.widget).__name__ == name


@register.filter
def query(value: object, name: str) -> str:
    """``name=value&`` for an address, or nothing where there is no value."""
    return f"{urlencode({name: str(value)})}&" if value else ""


@register.filter
def get(mapping: Mapping[Any, Any], key: Any) -> Any:
    """The value under a key that is a variable."""
    return mapping.get(key)


@register.filter
def is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


@register.filter
def json_text(text: str) -> SafeString:
    """JSON for a script element of type application/json; nothing in it can end the element."""
    return mark_safe(text.replace("<", "\\u003C").replace(">", "\\u003E").replace("&", "\\u0026"))  # noqa: S308


@register.filter
def unlocal(number: float) -> str:
    """A number as CSS wants it."""
    return f"{number:g}"


_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    *(("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows")),
    *(("Mac OS X", "Mac"), ("CrOS", "ChromeOS"), ("Linux", "Linux")),
)


@register.filter
def device(agent: str) -> str:
    """A browser's own description of itself, as people say it: "Chrome on Linux"."""
    browser = next((name for sign, name in _BROWSERS if sign in agent), "")
    system = next((name for sign, name in _SYSTEMS if sign in agent), "")
    return " on ".join(part for part in (browser, system) if part) or agent[:60] or "Unknown program"
