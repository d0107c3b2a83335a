"""Confluence: spaces, pages with what is below them, posts, and attachments as documents of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from datasources.connectors.about import About
from datasources.connectors.around import Around
from datasources.connectors.base import (
    Change,
    Chosen,
    Content,
    Cursor,
    Delivery,
    Estimate,
    Heard,
    NodeError,
    RemoteNode,
    TestResult,
)
from datasources.connectors.confluence import hooks, storage
from datasources.connectors.confluence.about import ABOUT
from datasources.connectors.confluence.client import Confluence, quoted
from datasources.connectors.confluence.contents import id_of, item_of, leading_to, space_node
from datasources.connectors.confluence.listing import Listing
from datasources.connectors.confluence.readers import Readers
from datasources.connectors.confluence.restricted import Restricted
from datasources.connectors.lines import Lines
from datasources.connectors.markup import escaped
from datasources.ingestion.kinds import refuse_by_name

_ESTIMATE_SECONDS = 5.0
_ASKED_AS = {"account-id": "accountId", "userkey": "key", "username": "username"}


class ConfluenceConnector:
    """Config: ``attachments``, ``restricted``, ``mail_domain``, ``space_readers``, ``base_url``. Secret: as ``about`` says."""

    about: ClassVar[About] = ABOUT

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self.confluence = Confluence(config, secret, around)
        self.around = around
        self.site = str(config.get("base_url") or "")
        self.attachments = config.get("attachments", True) is not False
        self.restricted = bool(config.get("restricted"))
        self.mail_domain = str(config.get("mail_domain") or "")
        self.mirror_spaces = config.get("space_readers") != "granted"
        self._names: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def test(self) -> TestResult:
        me = self.confluence.me()
        name = me.get("displayName") or me.get("username") or "an account"
        if me.get("type") == "anonymous":
            return TestResult(False, "Confluence does not know the key: nobody is signed in with it")
        number = sum(1 for _ in self.confluence.spaces())
        if not number:
            return TestResult(False, f"Connected as {name}, who may see no space: let the account view one")
        return TestResult(True, f"Connected as {name}, who may see {number} space{'s' * (number != 1)}")

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        if parent is None:
            return (space_node(space, self.site) for space in self.confluence.spaces())
        if parent.startswith("space:"):
            return self._in_space(id_of(parent))
        return self._below(parent)

    def find(self, text: str) -> Iterator[RemoteNode]:
        wanted, told = text.casefold(), set()
        spaces = {f"space:{space['key']}": space_node(space, self.site) for space in self.confluence.spaces()}
        for space in spaces.values():
            if wanted in space.title.casefold():
                told.add(space.external_id)
                yield space
        for content in self.confluence.search(f"title ~ {quoted(text)} and type in (page, blogpost)"):
            if wanted in str(content.get("title") or "").casefold():
                item = item_of(content, self.site)
                top = spaces.get(item.chain[-1])
                for node in (*([top] if top else []), *leading_to(item), item.node):
                    if node.external_id not in told:
                        told.add(node.external_id)
                        yield node

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        """As search counts: chosen spaces, with what is ticked outside of them, and without what is left out in them."""
        lines = Lines(chosen)
        kinds = "page, blogpost, attachment" if self.attachments else "page, blogpost"
        keys = [str(space["key"]) for space in self.confluence.spaces()]
        taken = [key for key in keys if lines.takes(f"space:{key}")]
        number = 0
        for at in range(0, len(taken), 100):
            some = ", ".join(quoted(key) for key in taken[at : at + 100])
            number += self.confluence.count(f"space in ({some}) and type in ({kinds})")
        return Estimate(max(0, number + self._apart(chosen, lines)), exact=False)

    def _apart(self, chosen: Sequence[Chosen], lines: Lines) -> int:
        """By how much single pages change what the spaces count: each that is chosen otherwise than what it lies in."""
        singles = [one for one in chosen if one.external_id and not one.external_id.startswith("space:")]
        contents = self.confluence.by_ids([id_of(str(one.external_id)) for one in singles]) if singles else ()
        chains = {item.node.external_id: item.chain for item in (item_of(content, self.site) for content in contents)}
        begun, number = time.monotonic(), 0
        for one in singles:
            chain = chains.get(str(one.external_id))
            if chain is None or lines.takes(*chain[1:]) == one.include:
                continue
            if time.monotonic() - begun > _ESTIMATE_SECONDS:
                # Not asked about any more: itself is certain.
                below = 1
            else:
                it = quoted(id_of(str(one.external_id)))
                attached = f" or container = {it}" if self.attachments else ""
                below = self.confluence.count(f"id = {it} or ancestor = {it}{attached}")
            number += below if one.include else -below
        return number

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        listing = self._listing(chosen)
        return listing.since(str(cursor["since"])) if "since" in cursor else listing.whole(cursor)

    def look(self, external_ids: Sequence[str], chosen: Sequence[Chosen]) -> Iterator[Change]:
        return self._listing(chosen).look(external_ids)

    def webhook(self, delivery: Delivery) -> Heard:
        return hooks.heard(delivery)

    def members(self, group: str) -> Iterator[str]:
        return self._readers().members(group)

    def fetch(self, node: RemoteNode) -> Content:
        if node.external_id.startswith("attachment:"):
            return self._attachment(node)
        kind, _, one = node.external_id.partition(":")
        body = storage.markdown(self.confluence.body(kind, one), self._name)
        return Content(markdown=f"# {escaped(node.title)}\n\n{body}".rstrip() + "\n")

    def _attachment(self, node: RemoteNode) -> Content:
        if refused := refuse_by_name(node.title, node.size, self.around.limits):
            raise NodeError(refused.reason, skip=True)
        path = str(node.extra.get("download") or "")
        if self.confluence.cloud:
            page, one = str(node.extra.get("page") or ""), id_of(node.external_id)
            path = f"/rest/api/content/{page}/child/attachment/{one}/download"
        if not path.startswith("/") or path.startswith("//"):
            raise NodeError("Confluence does not say where this attachment lies", skip=True)
        data = self.confluence.download(path, self.around.limits.file_bytes)
        return Content(data=data, filename=node.title, mime=str(node.extra.get("mime") or ""))

    def _listing(self, chosen: Sequence[Chosen]) -> Listing:
        readers = self._readers() if self.around.mirror else None
        left_out = None if self.around.mirror or self.restricted else Restricted(self._readers())
        return Listing(self.confluence, chosen, readers, self.site, attachments=self.attachments, restricted=left_out)

    def _readers(self) -> Readers:
        return Readers(self.confluence, self.mail_domain, spaces=self.mirror_spaces)

    def _in_space(self, key: str) -> Iterator[RemoteNode]:
        space = next(iter(self.confluence.spaces([key])), {"key": key})
        for page in self.confluence.top(space):
            yield item_of({**page, "type": "page", "space": {"key": key}, "ancestors": []}, self.site).node
        kinds = "folder, blogpost" if self.confluence.cloud else "blogpost"
        for content in self.confluence.search(f"space = {quoted(key)} and type in ({kinds}) order by created"):
            item = item_of(content, self.site)
            if not item.above:
                yield item.node

    def _below(self, parent: str) -> Iterator[RemoteNode]:
        one = id_of(parent)
        for content in self.confluence.search(f"parent = {quoted(one)} order by title"):
            item = item_of(content, self.site)
            if not item.reason and item.node.parent == parent:
                yield item.node
        holder = next(iter(self.confluence.by_ids([one])), None) if self.attachments else None
        if holder is not None:
            for content in self.confluence.attachments([one]):
                yield item_of(content, self.site, item_of(holder, self.site)).node

    def _name(self, kind: str, value: str) -> str:
        """A person's name as Confluence shows it; empty where it is not told."""
        key = (kind, value)
        if key not in self._names:
            try:
                found = self.confluence.get("/rest/api/user", {_ASKED_AS[kind]: value}, node=True)
            except NodeError:
                found = {}
            with self._lock:
                self._names[key] = str(found.get("displayName") or "")
        return self._names[key]


CONNECTOR = ConfluenceConnector
