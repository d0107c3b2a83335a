"""Drive's labels as tags: a label's title, and ``title: value`` for each of its fields that is filled in.

A file names labels and choices by id only, and only those that a call asks for; what they are called is told by an API of
its own. Source: Drive API v3, ``includeLabels`` and ``labelInfo``; Drive Labels API v2, labels.list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import cached_property
from typing import Any

from datasources.connectors.base import ConnectorError

LABELS = "/v2/labels"
LABELLED = ",labelInfo(labels(id,fields))"
SHAPE = "nextPageToken,labels(id,properties(title),fields(id,selectionOptions(choices(id,properties(displayName)))))"
_MOST = 100
"""Labels whose ids go along with each call: an address has an end."""
_MOST_TAGS = 20

Pages = Callable[[str, str, Mapping[str, Any]], Iterator[tuple[list[dict[str, Any]], str]]]


class Labels:
    """``pages``: the client's, asked once. Off, nothing is asked and no file has any."""

    def __init__(self, pages: Pages, *, on: bool) -> None:
        self.on = on
        self._pages = pages

    @cached_property
    def known(self) -> dict[str, dict[str, Any]]:
        """By id. Raises ConnectorError, which says what has to be allowed for it."""
        params = {"publishedOnly": "true", "view": "LABEL_VIEW_FULL", "pageSize": 200, "fields": SHAPE}
        found: dict[str, dict[str, Any]] = {}
        try:
            for labels, _ in self._pages(LABELS, "labels", params):
                found |= {str(label["id"]): label for label in labels if label.get("id")}
                if len(found) >= _MOST:
                    break
        except ConnectorError as error:
            if not error.permanent:
                raise
            raise ConnectorError(
                "What Drive's labels are called can't be read: enable the Drive Labels API in the project of the key and allow "
                "the scope drive.labels.readonly (who signed in signs in anew), or turn off that Drive's labels become tags "
                f"({error})",
                permanent=True,
            ) from error
        return dict(list(found.items())[:_MOST])

    def asked(self) -> str:
        """For ``includeLabels``; empty where there are none."""
        return ",".join(self.known) if self.on else ""

    def tags(self, item: Mapping[str, Any]) -> tuple[str, ...]:
        if not self.on:
            return ()
        labels = (item.get("labelInfo") or {}).get("labels") or []
        found = [tag for label in labels for tag in self._of(label)]
        return tuple(dict.fromkeys(found))[:_MOST_TAGS]

    def _of(self, label: Mapping[str, Any]) -> Iterator[str]:
        shape = self.known.get(str(label.get("id")))
        title = _named(shape, "title")
        if shape is None or not title:
            return
        yield title
        fields = {str(field.get("id")): field for field in shape.get("fields") or []}
        for key, value in (label.get("fields") or {}).items():
            for word in _values(value, fields.get(str(key), {})):
                yield f"{title}: {word}"


def _values(value: Mapping[str, Any], field: Mapping[str, Any]) -> Iterator[str]:
    """A field's values in words. ``field``: as the label is made; a person is told by name."""
    kind = str(value.get("valueType") or "")
    given = value.get(kind) or []
    choices = {str(c.get("id")): c for c in (field.get("selectionOptions") or {}).get("choices") or []}
    for one in given if isinstance(given, list) else [given]:
        if kind == "selection":
            word = _named(choices.get(str(one)), "displayName")
        elif kind == "user":
            word = str(one.get("displayName") or one.get("emailAddress") or "") if isinstance(one, dict) else ""
        elif kind == "dateString":
            word = _day(str(one))
        else:
            word = " ".join(str(one).split()) if kind in ("text", "integer") else ""
        if word:
            yield word


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        return ""


def _named(shape: Mapping[str, Any] | None, key: str) -> str:
    return str(((shape or {}).get("properties") or {}).get(key) or "")
