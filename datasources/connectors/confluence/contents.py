"""What Confluence tells of a space, page, post or attachment, as nodes.

External ids: ``space:<key>``, ``page:<id>``, ``blog:<id>``, ``attachment:<id>``, ``folder:<id>``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from datasources.connectors.base import NodeKind, RemoteNode
from datasources.connectors.lines import moment

Json = Mapping[str, Any]
_PREFIX = {"blogpost": "blog"}
_KINDS: dict[str, NodeKind] = {"page": "page", "blogpost": "article", "attachment": "file", "folder": "folder"}
UNREADABLE = {
    "whiteboard": "Confluence does not give the text of whiteboards",
    "database": "Confluence does not give the rows of its databases",
    "embed": "A link to another place: connect that place instead",
}


@dataclass(frozen=True, slots=True)
class Item:
    """``chain``: external ids, its own first, the space last. ``above``: (external id, title) of pages above, outermost first.

    ``reason``: why it can't come in; empty where it can. ``raw``: what Confluence told.
    """

    node: RemoteNode
    chain: tuple[str, ...]
    above: tuple[tuple[str, str], ...]
    reason: str
    raw: Json


def key_of(kind: str, one: object) -> str:
    return f"{_PREFIX.get(kind, kind)}:{one}"


def id_of(external_id: str) -> str:
    return external_id.partition(":")[2]


def container_of(content: Json) -> str:
    """The id of what an attachment is attached to; where it is not told, the link to it is."""
    told = (content.get("container") or {}).get("id")
    link = str((content.get("_expandable") or {}).get("container") or "")
    return str(told or link.rpartition("/")[2])


def space_node(space: Json, site: str) -> RemoteNode:
    key = str(space["key"])
    return RemoteNode(
        f"space:{key}",
        "space",
        str(space.get("name") or key),
        has_text=False,
        has_children=True,
        url=_link(space, site),
        extra={"id": str(space.get("id") or "")},
    )


def item_of(content: Json, site: str, container: Item | None = None) -> Item:
    """``container``: of an attachment, the page that it is attached to."""
    kind = str(content.get("type") or "page")
    key = key_of(kind, content["id"])
    if container is not None:
        above: tuple[tuple[str, str], ...] = (*container.above, (container.node.external_id, container.node.title))
        chain = (key, *container.chain)
    else:
        ancestors = content.get("ancestors") or ()
        above = tuple((key_of(str(a.get("type") or "page"), a["id"]), str(a.get("title") or "")) for a in ancestors)
        space = str((content.get("space") or {}).get("key") or "")
        chain = (key, *(one for one, _ in reversed(above)), f"space:{space}")
    version = content.get("version") or {}
    history = content.get("history") or {}
    node = RemoteNode(
        key,
        _KINDS.get(kind, "page"),
        " ".join(str(content.get("title") or "Untitled").split()),
        chain[1],
        version=str(version.get("number") or version.get("when") or "1"),
        has_text=kind != "folder",
        has_children=kind in ("page", "folder", "blogpost"),
        url=_link(content, site),
        author=_name(history.get("createdBy")) or _name(version.get("by")),
        created=moment(history.get("createdDate") or content.get("createdAt")),
        modified=moment(version.get("when") or version.get("createdAt")),
        tags=_labels(content),
        size=_size(content) if kind == "attachment" else None,
        extra=_extra(content, container) if kind == "attachment" else {},
    )
    return Item(node, chain, above, UNREADABLE.get(kind, ""), content)


def leading_to(item: Item) -> Iterator[RemoteNode]:
    """The pages and folders above it, the topmost first, by what it tells of them."""
    parent = item.chain[-1]
    for key, title in item.above:
        kind = _KINDS.get(key.partition(":")[0], "page")
        yield RemoteNode(key, kind, title or "Untitled", parent, has_children=True)
        parent = key


def _extra(content: Json, container: Item | None) -> dict[str, str]:
    links, extensions = content.get("_links") or {}, content.get("extensions") or {}
    media = (content.get("metadata") or {}).get("mediaType") or extensions.get("mediaType")
    page = id_of(container.node.external_id) if container else ""
    return {"page": page, "download": str(links.get("download") or ""), "mime": str(media or "")}


def _size(content: Json) -> int | None:
    size = (content.get("extensions") or {}).get("fileSize")
    return int(str(size)) if str(size or "").isdigit() else None


def _labels(content: Json) -> tuple[str, ...]:
    labels = ((content.get("metadata") or {}).get("labels") or {}).get("results") or ()
    return tuple(dict.fromkeys(str(label.get("name"))[:80] for label in labels if label.get("name")))[:20]


def _name(person: Any) -> str:
    return str(person.get("displayName") or "") if isinstance(person, Mapping) else ""


def _link(thing: Json, site: str) -> str:
    path = str((thing.get("_links") or {}).get("webui") or "")
    base = str(thing.get("_base") or (thing.get("_links") or {}).get("base") or site)
    return base.rstrip("/") + path if path.startswith("/") and base.startswith(("http://", "https://")) else ""
