"""Which fields the indices have, as their mappings say: to choose from, and to find misspelt names before a sync does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_TEXTS = {"text", "match_only_text", "keyword", "wildcard", "constant_keyword", "annotated_text", "search_as_you_type"}
_DATES = {"date", "date_nanos"}
_WORDS = {"keyword", "constant_keyword", "wildcard"}
_SHOWN = 20


class Known:
    """Fields by their paths, with their types, of all indices together. Empty where the key may not see mappings."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.types: dict[str, str] = {}
        # Below these (all, where one is empty) documents may hold what no mapping tells of.
        self._open: set[str] = set()
        for index in answer.values():
            self._read(index.get("mappings") or {}, "")

    def _read(self, told: Mapping[str, Any], above: str) -> None:
        if str(told.get("dynamic", "true")).lower() in ("false", "runtime") or told.get("enabled") is False:
            self._open.add(above)
        for name, field in (told.get("properties") or {}).items():
            path = f"{above}.{name}" if above else str(name)
            if "properties" in field or field.get("type") in (None, "object", "nested"):
                self._read(field, path)
            else:
                self.types.setdefault(path, str(field["type"]))
            if field.get("type") in ("flattened", "flat_object"):
                self._open.add(path)

    def choices(self) -> dict[str, Sequence[str]]:
        texts, dates, words = self._of(_TEXTS), self._of(_DATES), self._of(_WORDS)
        return {
            **dict.fromkeys(("title_field", "link_field", "text_fields", "tag_fields"), texts),
            **dict.fromkeys(("time_field", "created_field"), dates),
            "id_field": words,
        }

    def _of(self, types: set[str]) -> list[str]:
        return sorted(path for path, kind in self.types.items() if kind in types)

    def missing(self, named: Mapping[str, Sequence[str]]) -> str:
        """A sentence about the first name that no index has; empty where all are there, or where that can't be told."""
        for setting, fields in named.items():
            for field in fields if self.types else ():
                if not self._may_be(field):
                    there = list(self.choices()[setting])
                    more = " …" if len(there) > _SHOWN else ""
                    return f"No index has a field “{field}”. There are: {', '.join(there[:_SHOWN]) or 'none of that kind'}{more}"
        return ""

    def _may_be(self, field: str) -> bool:
        """Whether it is mapped, stands for mapped ones below it, or may be held without being mapped."""
        if field in self.types or any(path.startswith(f"{field}.") for path in self.types):
            return True
        return any(above in self._open for above in ("", *_prefixes(field)))


def _prefixes(path: str) -> Iterator[str]:
    parts = path.split(".")
    return (".".join(parts[:number]) for number in range(1, len(parts) + 1))
