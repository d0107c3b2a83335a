"""Google Drive by its API v3. A node's id is Drive's own, so it stays when the item moves or is renamed."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from datasources.connectors.about import About
from datasources.connectors.around import Around
from datasources.connectors.base import (
    Change,
    Chosen,
    Content,
    Cursor,
    Delete,
    Delivery,
    DeliveryRefused,
    Estimate,
    Heard,
    RemoteNode,
    TestResult,
    Upsert,
)
from datasources.connectors.google_drive.about import ABOUT
from datasources.connectors.google_drive.client import DRIVE, Client, Item, StalePage, quoted
from datasources.connectors.google_drive.feed import Feed, start_tokens
from datasources.connectors.google_drive.items import (
    APPS,
    FIELDS,
    MIRRORED,
    SHORTCUT,
    content_of,
    is_folder,
    is_shortcut,
    node_of,
    reason_of,
)
from datasources.connectors.google_drive.labels import LABELLED
from datasources.connectors.google_drive.listing import Listing
from datasources.connectors.google_drive.readers import Readers
from datasources.connectors.google_drive.scope import Scope
from datasources.connectors.google_drive.shortcuts import resolve
from datasources.connectors.google_drive.tree import SHARED, USER, Tree, inside, listing
from datasources.connectors.lines import Lines
from datasources.connectors.weighing import Tally

_ESTIMATE_SECONDS = 8.0
_MOST_FOUND = 100
_MOST_CLIMBED = 25
"""Folders that lead to what is found are asked for one by one; so many, and the rest is shown without them."""
_FILE_IN_ADDRESS = re.compile(r"/files/([^/?]+)$")


class GoogleDrive:
    about: ClassVar[About] = ABOUT

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self.around = around
        self.client = Client(config, secret, around)
        self.readers = Readers(self.client, config, mirror=around.mirror)
        self.fields = FIELDS + (MIRRORED if around.mirror else "") + (LABELLED if self.client.labels.on else "")

    def test(self) -> TestResult:
        user = self.client.json(f"{DRIVE}/about", {"fields": "user(displayName,emailAddress)"}).get("user") or {}
        name = user.get("emailAddress") or user.get("displayName") or "an account"
        tree = self._tree(Lines(()))
        drives = len(tree.drives)
        words = f"Google Drive answers; it is read as {name}, who sees {drives} shared drive{'s' * (drives != 1)}."
        if self.client.labels.on:
            labels = len(self.client.labels.known)
            words += f" {labels} label{'s' * (labels != 1)} can come in as tags."
        return TestResult(True, words)

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        if parent is None:
            tree = self._tree(Lines(()), mirror=False)
            yield from map(tree.root, tree.roots())
            return
        shared = parent == SHARED
        if shared:
            params = listing(USER, "sharedWithMe = true and trashed = false", FIELDS)
        else:
            drive = (self.client.file(parent, "id,driveId") or {}).get("driveId")
            params = listing(str(drive or USER), inside([parent]), FIELDS)
        params["orderBy"] = "folder,name_natural"
        for items, _ in self.client.pages(f"{DRIVE}/files", "files", params):
            for item in items:
                if not is_shortcut(item) and not reason_of(item) and not (shared and item.get("parents")):
                    yield self._shown(item, parent)

    def find(self, text: str) -> Iterator[RemoteNode]:
        wanted = text.casefold()
        tree = self._tree(Lines(()), mirror=False)
        told = {node.external_id: node for node in map(tree.root, tree.roots()) if wanted in node.title.casefold()}
        yield from told.values()
        query = f"name contains {quoted(text)} and trashed = false and mimeType != {quoted(SHORTCUT)}"
        params = {**listing(USER, query, FIELDS), "corpora": "allDrives", "pageSize": _MOST_FOUND}
        found = self.client.json(f"{DRIVE}/files", params)
        for item in found.get("files") or []:
            for node in self._led_to(tree, item):
                if node.external_id not in told:
                    told[node.external_id] = node
                    yield node

    def _led_to(self, tree: Tree, item: Item) -> Iterator[RemoteNode]:
        """It, below the folders that lead to it."""
        if len(tree.folders) >= _MOST_CLIMBED:
            yield self._shown(item, next(iter(item.get("parents") or ()), SHARED))
            return
        top, *below = reversed(tree.chain(item)[1:])
        yield tree.root(top)
        for key in below:
            folder = tree.folder(key)
            if folder is not None:
                yield self._shown(folder, top)
                top = key
        yield self._shown(item, top)

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        begun, tally = time.monotonic(), Tally(self.around.limits)
        for change in Listing(self._scope(chosen, mirror=False), {}).changes({}):
            if isinstance(change, Upsert) and change.node.has_text:
                mime = str(change.node.extra.get("mime", ""))
                tally.add(change.node.title, change.node.size, mime=mime, made=mime.startswith(APPS))
            if time.monotonic() - begun > _ESTIMATE_SECONDS:
                return tally.estimate(exact=False)
        return tally.estimate(exact=True)

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        scope = self._scope(chosen)
        if cursor.get("tokens") and "listing" not in cursor:
            try:
                yield from Feed(scope, cursor).changes()
                return
            except StalePage:
                scope = self._scope(chosen)
        position = cursor.get("listing") or {}
        tokens = cursor["tokens"] if position else start_tokens(self.client, {USER, *scope.corpora()})
        yield from Listing(scope, tokens).changes(position)

    def look(self, external_ids: Sequence[str], chosen: Sequence[Chosen]) -> Iterator[Change]:
        scope = self._scope(chosen)
        for key in external_ids:
            if scope.tree.is_root(key):
                continue
            item = self.client.file(key, self.fields)
            if item is None or item.get("trashed") or not scope.enters(item):
                yield Delete(key)
            elif is_shortcut(item):
                yield from resolve(scope, item)
            else:
                if is_folder(item):
                    scope.tree.add(item)
                yield from scope.tell(item)

    def fetch(self, node: RemoteNode) -> Content:
        return content_of(self.client, node, self.around)

    def members(self, group: str) -> Iterator[str]:
        return self.readers.members(group)

    def webhook(self, delivery: Delivery) -> Heard:
        """Google signs nothing; the channel's token, which only Google and this source know, stands in for it."""
        headers = delivery.headers
        given = headers.get("x-goog-channel-token", "")
        if not delivery.secret or not hmac.compare_digest(given.encode(), delivery.secret.encode()):
            raise DeliveryRefused("The channel's token is not the one of this source")
        state = headers.get("x-goog-resource-state", "")
        channel, number = headers.get("x-goog-channel-id", ""), headers.get("x-goog-message-number", "")
        # Google asks for nothing back, and "sync" only says that the channel begins.
        if state in ("", "sync"):
            return Heard()
        key = (
            f"{channel}:{number}"
            if channel and number
            else hashlib.sha256(repr(sorted(headers.items())).encode()).hexdigest()
        )
        address = urlsplit(headers.get("x-goog-resource-uri", "")).path
        one = _FILE_IN_ADDRESS.search(address)
        return Heard(key, nodes=(one[1],)) if one else Heard(key, everything=True)

    def _tree(self, lines: Lines, *, mirror: bool = True) -> Tree:
        return Tree(self.client, self.readers if mirror else self._silent(), lines, self.fields if mirror else FIELDS)

    def _scope(self, chosen: Sequence[Chosen], *, mirror: bool = True) -> Scope:
        lines = Lines(chosen)
        readers = self.readers if mirror else self._silent()
        return Scope(self.client, self._tree(lines, mirror=mirror), lines, readers)

    def _silent(self) -> Readers:
        return Readers(self.client, {}, mirror=False)

    def _shown(self, item: Item, parent: str) -> RemoteNode:
        return node_of(item, parent, None)


CONNECTOR = GoogleDrive
