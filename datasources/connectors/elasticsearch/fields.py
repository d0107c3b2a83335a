"""Which fields are title, text, link, time, tags and id, and what they say of one hit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from datasources.connectors.base import ConnectorError, Content, RemoteNode
from datasources.connectors.lines import moment
from datasources.connectors.wording import block, inline

_TITLES = ("title", "name", "subject", "headline")
_DEEPEST = 6


class Fields:
    """Read from the source's config. Raises ConnectorError for what is no query."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.title = _word(config, "title_field")
        self.texts = _words(config, "text_fields")
        self.link = _word(config, "link_field")
        self.time = _word(config, "time_field")
        self.created = _word(config, "created_field")
        self.tags = _words(config, "tag_fields")
        self.id = _word(config, "id_field")
        self.format = str(config.get("text_format") or "plain")
        self.query = query_of(config.get("query"))

    @property
    def named(self) -> dict[str, list[str]]:
        """The fields that the settings name, by the setting."""
        one = {"title_field": self.title, "link_field": self.link, "time_field": self.time}
        one |= {"created_field": self.created, "id_field": self.id}
        return {name: [field] for name, field in one.items() if field} | {
            "text_fields": self.texts,
            "tag_fields": self.tags,
        }

    @property
    def wanted(self) -> list[str]:
        """What to ask of each document; empty is all."""
        if not self.texts:
            return []
        named = [self.title, *self.texts, self.link, self.time, self.created, *self.tags, self.id]
        return [name for name in dict.fromkeys([*named, *(() if self.title else _TITLES)]) if name]

    def key(self, hit: Mapping[str, Any]) -> str:
        """Empty where the field that was named holds none."""
        return _flat(value_of(hit.get("_source") or {}, self.id)) if self.id else str(hit["_id"])

    def node(self, index: str, hit: Mapping[str, Any]) -> RemoteNode:
        source = hit.get("_source") or {}
        key, title = self.key(hit) or str(hit["_id"]), self.titled(source)
        link = _flat(value_of(source, self.link))
        extra = {"index": str(hit.get("_index") or index), "id": str(hit["_id"])}
        if hit.get("_routing"):
            extra["routing"] = str(hit["_routing"])
        return RemoteNode(
            document_id(index, key),
            "record",
            title or key,
            index_id(index),
            self.version(source, title),
            url=link if link.startswith(("https://", "http://")) else "",
            created=self.moment(source, self.created),
            modified=self.moment(source, self.time),
            tags=self.tagged(source),
            extra=extra,
        )

    def titled(self, source: Mapping[str, Any]) -> str:
        for name in [self.title] if self.title else _TITLES:
            if text := _flat(value_of(source, name)):
                return " ".join(text.split())[:300]
        return ""

    def tagged(self, source: Mapping[str, Any]) -> tuple[str, ...]:
        found = [_flat(item) for name in self.tags for item in _listed(value_of(source, name))]
        return tuple(dict.fromkeys(tag[:80] for tag in found if tag))

    def moment(self, source: Mapping[str, Any], name: str) -> datetime | None:
        return moment(next(iter(_listed(value_of(source, name))), None)) if name else None

    def version(self, source: Mapping[str, Any], title: str) -> str:
        told = json.dumps([title, self.format, list(self.sections(source))], ensure_ascii=False)
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def content(self, source: Mapping[str, Any], title: str) -> Content:
        sections = list(self.sections(source))
        if self.format == "html":
            body = "\n".join(text for _, text in sections)
            return Content(data=body.encode("utf-8", "replace"), filename="document.html", mime="text/html")
        written = (lambda text: text) if self.format == "markdown" else block
        if len(sections) == 1:
            return Content(markdown=f"# {inline(title)}\n\n{written(sections[0][1])}\n")
        parts = [f"## {inline(name)}\n\n{written(text)}" for name, text in sections]
        return Content(markdown="\n\n".join([f"# {inline(title)}", *parts]) + "\n")

    def sections(self, source: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """(field, its text), in the order that was chosen; without a choice, every field that holds text."""
        if self.texts:
            for name in self.texts:
                if text := _joined(value_of(source, name)):
                    yield name, text
            return
        apart = {self.title, self.link, self.time, self.created, self.id, *self.tags, ""}
        for name, text in _texts(source):
            if name not in apart:
                yield name, text


def index_id(index: str) -> str:
    return f"index:{index}"


def document_id(index: str, key: str) -> str:
    return f"doc:{index}/{key}"


def query_of(value: Any) -> Mapping[str, Any] | None:
    """A query as people paste it: the query itself, or a whole search with ``query`` in it."""
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ConnectorError(f"The query is not JSON ({error}): correct it", permanent=True) from error
    if not value:
        return None
    if not isinstance(value, dict):
        raise ConnectorError('The query has to be an object such as {"term": {"status": "published"}}', permanent=True)
    return value["query"] if set(value) == {"query"} else value


def value_of(source: Any, path: str) -> Any:
    """What stands at ``a.b.c``: nested, written with dots, or in each item of a list."""
    if not path:
        return None
    if isinstance(source, list):
        found = [value_of(item, path) for item in source]
        return [item for item in found if item is not None] or None
    if not isinstance(source, Mapping):
        return None
    if path in source:
        return source[path]
    at = path.find(".")
    while at > 0:
        if path[:at] in source:
            return value_of(source[path[:at]], path[at + 1 :])
        at = path.find(".", at + 1)
    return None


def _texts(source: Mapping[str, Any], above: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    for name, value in source.items():
        path = f"{above}.{name}" if above else str(name)
        if isinstance(value, Mapping):
            if depth < _DEEPEST:
                yield from _texts(value, path, depth + 1)
        elif any(isinstance(item, str) and item.strip() for item in _listed(value)):
            yield path, _joined(value)


def _joined(value: Any) -> str:
    return "\n\n".join(text for text in (_flat(item).strip() for item in _listed(value)) if text)


def _flat(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _word(config: Mapping[str, Any], name: str) -> str:
    return str(config.get(name) or "").strip()


def _words(config: Mapping[str, Any], name: str) -> list[str]:
    value = config.get(name) or []
    parts = value.replace(",", "\n").split("\n") if isinstance(value, str) else value
    return [str(part).strip() for part in parts if str(part).strip()]
