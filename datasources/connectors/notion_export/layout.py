"""How a Notion export lies on disk, read from names alone.

``Projects 1a2b….md`` is a page; what is below it lies in the folder ``Projects 1a2b…`` (older exports) or ``Projects``
(newer ones). ``Tasks 3c4d….csv`` is a database as one view shows it, ``Tasks 3c4d…_all.csv`` all of it; the pages of its
rows lie in its folder. Large exports come as parts: zips inside the zip.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from datasources.connectors.base import NodeKind, RemoteNode
from datasources.connectors.files import natural
from datasources.ingestion.archives import INSIDE

PAGES = ("md", "html")
_ID = re.compile(r"^(?P<title>.*?)[ _-]?(?P<id>[0-9a-f]{32})(?P<all>_all)?$", re.DOTALL)
_ALL = re.compile(r"^(?P<title>.*)_all$", re.DOTALL)
_PART = re.compile(r"^(?:Export(?:Block)?-[0-9a-f-]{8,}.*|.*-Part-\d+|Part-\d+)\.zip$", re.IGNORECASE)
_TOP = re.compile(r"^Export(?:Block)?-[0-9a-f]{8}-[0-9a-f-]{27}.*$")
_CONTENTS = "index.html"


@dataclass(frozen=True, slots=True)
class Item:
    """A file of the export. ``path``: where it lies in the workspace; ``file`` and ``member``: where its bytes are.

    ``reason``: why it can't be read; empty where it can.
    """

    path: str
    file: str
    member: str
    version: str
    size: int
    modified: datetime | None = None
    reason: str = ""


@dataclass(slots=True)
class Tree:
    """``nodes`` by external id, parents before children. ``refused``: what can't come in, with the reason."""

    nodes: dict[str, RemoteNode] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def chain(self, external_id: str) -> list[str]:
        chain = [external_id]
        while (parent := self.nodes[chain[-1]].parent) is not None:
            chain.append(parent)
        return chain

    def below(self, parent: str | None) -> list[RemoteNode]:
        found = [node for node in self.nodes.values() if node.parent == parent and node.external_id not in self.refused]
        return sorted(found, key=lambda node: (natural(node.title), node.external_id))


def logical(stored: str, member: str) -> str:
    """The place in the workspace: archives that are only the export's packing, and its top folder, are left out."""
    segments = [stored, *member.split(INSIDE)] if member else [stored]
    kept: list[str] = []
    for number, segment in enumerate(segments):
        packing = number < len(segments) - 1 and (number == 0 or _PART.match(segment.rpartition("/")[2]))
        kept += [] if packing else segment.split("/")
    while len(kept) > 1 and _TOP.match(kept[0]):
        kept.pop(0)
    return "/".join(kept)


def named(stem: str) -> tuple[str, str, bool]:
    """(title, Notion's id or empty, whether it is the whole of a database) of a file's or folder's name."""
    if found := _ID.match(stem):
        return found["title"].strip() or "Untitled", found["id"], bool(found["all"])
    if found := _ALL.match(stem):
        return found["title"].strip() or "Untitled", "", True
    return stem.strip() or "Untitled", "", False


def notion_url(one: str) -> str:
    return f"https://www.notion.so/{one}" if one else ""


def is_contents(item: Item) -> bool:
    """The list of all files that Notion lays at the top of an export."""
    return item.path == _CONTENTS


def tree(items: Iterable[Item]) -> Tree:
    """Of several exports, what comes later in ``items`` takes the place of what came before."""
    pages, owners = _things(items)
    parents = {key: _parent(path, owners) for key, (path, _) in pages.items()}
    folders = _folders(pages, owners)
    made = Tree()

    def put(key: str, trail: tuple[str, ...]) -> None:
        if key in made.nodes:
            return
        node = folders[key] if key in folders else pages[key][1]
        parent = node.parent if key in folders else parents[key]
        if parent is not None and parent not in trail:
            put(parent, (*trail, key))
        made.nodes[key] = replace(node, parent=parent if parent in made.nodes else None)

    for key in [*folders, *pages]:
        put(key, (key,))
    parents_of = {node.parent for node in made.nodes.values()}
    made.nodes = {key: replace(node, has_children=key in parents_of) for key, node in made.nodes.items()}
    return made


def _things(items: Iterable[Item]) -> tuple[dict[str, tuple[str, RemoteNode]], dict[str, str]]:
    """Pages, databases and files as external id → (path, node); and folder → the external id that it belongs to."""
    things: dict[str, tuple[str, RemoteNode]] = {}
    owners: dict[str, str] = {}
    whole: set[tuple[str, str]] = set()
    for item in items:
        folder, _, name = item.path.rpartition("/")
        stem, _, extension = name.rpartition(".")
        title, one, is_all = named(stem or name)
        extension = extension.lower()
        if extension == "csv" and stem:
            key = f"database:{one}" if one else f"file:{folder}/{title}.csv"
            if is_all:
                whole.add((item.file, key))
            elif (item.file, key) in whole:
                continue
            kind: NodeKind = "database"
        elif extension in PAGES and stem and not is_contents(item):
            key, kind = (f"page:{one}" if one else f"file:{item.path}"), "page"
        else:
            key, kind, title, one = f"file:{item.path}", "file", name, ""
        things[key] = (item.path, _node(key, kind, title, one, item))
        if kind != "file":
            inner = f"{folder}/" if folder else ""
            for owned in (f"{inner}{stem.removesuffix('_all')}", f"{inner}{title}"):
                if kind == "database" or owned not in owners or owners[owned] not in things:
                    owners[owned] = key
    return things, owners


def _node(key: str, kind: NodeKind, title: str, one: str, item: Item) -> RemoteNode:
    return RemoteNode(
        key,
        kind,
        title,
        version=item.version,
        url=notion_url(one),
        modified=item.modified,
        size=item.size,
        extra={"file": item.file, "member": item.member, "name": item.path.rpartition("/")[2]},
    )


def _parent(path: str, owners: Mapping[str, str]) -> str | None:
    folder = path.rpartition("/")[0]
    return owners.get(folder) or f"folder:{folder}" if folder else None


def _folders(things: Mapping[str, tuple[str, RemoteNode]], owners: Mapping[str, str]) -> dict[str, RemoteNode]:
    """Folders that belong to no page or database: teamspaces, and what was dropped around an export."""
    found: dict[str, RemoteNode] = {}
    for path, _ in things.values():
        for folder in _above(path):
            if folder not in owners and f"folder:{folder}" not in found:
                title = named(folder.rpartition("/")[2])[0]
                key = f"folder:{folder}"
                found[key] = RemoteNode(
                    key, "folder", title, _parent(folder, owners), has_text=False, has_children=True
                )
    return found


def _above(path: str) -> Iterator[str]:
    folder = path.rpartition("/")[0]
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
