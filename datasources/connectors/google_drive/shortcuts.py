"""Shortcuts: each target comes in once, at its own place where that is chosen, else where its first shortcut is."""

from __future__ import annotations

from collections.abc import Iterator

from datasources.connectors.base import Change
from datasources.connectors.google_drive.client import Item, quoted
from datasources.connectors.google_drive.items import FOLDER, is_folder, is_shortcut
from datasources.connectors.google_drive.scope import Scope
from datasources.connectors.google_drive.tree import Link, groups, inside

_MOST = 500
OWN_PLACE = "A shortcut; what it leads to comes in at its own place"
OTHER = "A shortcut; what it leads to comes in by another shortcut"
ABOVE = "A shortcut to a folder that it lies in itself, or that holds what is chosen"
NOWHERE = "A shortcut to something that is gone, in the trash, or not shared with this connection"
NESTED = "A shortcut inside a folder that came in by a shortcut: choose what it leads to by itself"
MANY = f"More than {_MOST} shortcuts lead outside of what is chosen: choose what they lead to by itself"


def resolved(scope: Scope, shortcuts: list[Item]) -> Iterator[Change]:
    for item in sorted(shortcuts, key=lambda item: (target_of(item), str(item["id"]))):
        yield from resolve(scope, item)


def target_of(shortcut: Item) -> str:
    return str((shortcut.get("shortcutDetails") or {}).get("targetId") or "")


def resolve(scope: Scope, shortcut: Item) -> Iterator[Change]:
    """Tells the target (a folder with all below it) where the shortcut is, or why not."""
    key, tree = target_of(shortcut), scope.tree
    known = tree.links.get(key)
    if known is not None and known.shortcut != str(shortcut["id"]):
        yield from scope.skip(shortcut, OTHER)
        return
    tree.links.pop(key, None)
    target = tree.folders.get(key) or (scope.client.file(key, tree.fields) if key else None)
    if reason := _refusal(scope, shortcut, key, target):
        yield from scope.skip(shortcut, reason)
        return
    assert target is not None
    tree.links[key] = Link(str(shortcut["id"]), tree.parent_of(shortcut))
    if is_folder(target):
        tree.add(target)
    yield from scope.tell(target)
    if is_folder(target):
        yield from walk(scope, target)


def walk(scope: Scope, folder: Item) -> Iterator[Change]:
    """All that is chosen below a folder, without the folder."""
    corpus, found = scope.tree.corpus_of(folder), [str(folder["id"])]
    for item in scope.tree.below(found[:], corpus, scope.enters):
        found.append(str(item["id"]))
        yield from scope.tell(item)
    linked = str(folder["id"]) in scope.tree.links
    for group in groups(found):
        for item in scope.tree.query(corpus, f"mimeType != {quoted(FOLDER)} and {inside(group)}"):
            if not is_shortcut(item):
                yield from scope.tell(item)
            elif scope.takes(item):
                yield from scope.skip(item, NESTED) if linked else resolve(scope, item)


def _refusal(scope: Scope, shortcut: Item, key: str, target: Item | None) -> str:
    if target is None or target.get("trashed") or is_shortcut(target):
        return NOWHERE
    if key in scope.above or scope.tree.is_root(key) or key in scope.tree.chain(shortcut):
        return ABOVE
    if scope.takes(target):
        return OWN_PLACE
    return MANY if len(scope.tree.links) >= _MOST else ""
