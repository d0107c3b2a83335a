"""Intercom: conversations below their team, articles below their collection.

What changed comes by the search for what was updated since, and by webhook; deletions of conversations by webhook, or when all
is read. Articles have no feed, so every run lists them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from datasources.connectors.about import About
from datasources.connectors.around import Around
from datasources.connectors.base import (
    Change,
    Checkpoint,
    Chosen,
    Content,
    Cursor,
    Delivery,
    DeliveryRefused,
    Estimate,
    Heard,
    NodeError,
    RemoteNode,
    TestResult,
    Upsert,
)
from datasources.connectors.intercom import telling
from datasources.connectors.intercom.about import ABOUT
from datasources.connectors.intercom.client import Client, Gone
from datasources.connectors.intercom.walk import Position, Walk
from datasources.connectors.lines import Lines
from datasources.connectors.wording import plural

_MANY_ARTICLES = 1000
"""More are not listed only to find or count some of them."""


class Intercom:
    """Config: ``notes``, ``since``, perhaps ``base_url`` (which says the region, too). Secret: ``token``, or OAuth by ``around.tokens``."""

    about: ClassVar[About] = ABOUT

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self.config = config
        self.client = Client(config, secret, around)

    def test(self) -> TestResult:
        me = self.client.me()
        teams = len(self.client.teams())
        collections = sum(1 for _ in self.client.collections())
        number = self.client.count([("updated_at", ">", 0)])
        name = getattr(getattr(me, "app", None), "name", None) or "The workspace"
        found = f"{plural(teams, 'team')}, {plural(number, 'conversation')}, {plural(collections, 'collection')}"
        return TestResult(True, f"{name} can be read: {found}")

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        walk = self._walk(())
        if parent is None:
            walk.open_teams()
            yield from walk.teams.values()
            walk.open_shelves()
            yield from (node for node in walk.shelves.nodes.values() if node.parent is None)
        elif parent.startswith("team:"):
            walk.open_teams()
            yield from self._conversations(walk, parent)
        else:
            walk.open_shelves()
            yield from (node for node in walk.shelves.nodes.values() if node.parent == parent)
            yield from (node for node in self._articles(walk) if node.parent == parent)

    def find(self, text: str) -> Iterator[RemoteNode]:
        """Names of teams, collections and articles that contain ``text``, whatever its case; before an article what it lies in."""
        walk, wanted = self._walk(()), text.casefold()
        walk.open_teams()
        walk.open_shelves()
        told = [n for n in (*walk.teams.values(), *walk.shelves.nodes.values()) if wanted in n.title.casefold()]
        yield from told
        if self.client.articles(1)[2] > _MANY_ARTICLES:
            return
        for node in self._articles(walk):
            if wanted in node.title.casefold():
                above = [walk.shelves.nodes[key] for key in reversed(walk.shelves.chain(str(node.parent)))]
                new = [each for each in (*above, node) if each not in told]
                told += new
                yield from new

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        """Many articles are counted whole, drafts and other collections with them."""
        walk, number = self._walk(chosen), 0
        if walk.wants_teams():
            walk.open_teams()
            filters = walk.filters(0)
            number += self.client.count(filters) if filters else 0
            number += len(walk.lines.named("conversation:", include=True))
        if walk.wants_shelves():
            walk.open_shelves()
            total = self.client.articles(1)[2]
            number += total if total > _MANY_ARTICLES else sum(1 for _ in self._articles(walk))
        return Estimate(number, exact=False)

    def _articles(self, walk: Walk) -> Iterator[RemoteNode]:
        """The published ones that are chosen."""
        for change in walk.articles(Position()):
            if isinstance(change, Upsert) and change.node.kind == "article":
                yield change.node

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        walk, at = self._walk(chosen), Position.of(cursor)
        if walk.wants_teams():
            walk.open_teams()
        if walk.wants_shelves():
            walk.open_shelves()
        yield from walk.containers()
        if walk.wants_shelves() and at.after < 0:
            yield from walk.articles(at)
        at.after = max(at.after, 0)
        if walk.wants_teams():
            yield from walk.conversations(at)
        yield Checkpoint({"updated": at.updated})
        yield from walk.complete(at)

    def look(self, external_ids: Sequence[str], chosen: Sequence[Chosen]) -> Iterator[Change]:
        walk = self._walk(chosen)
        articles = [key for key in external_ids if key.startswith("article:")]
        conversations = [key for key in external_ids if key.startswith("conversation:")]
        if articles and walk.wants_shelves():
            walk.open_shelves()
            for key in articles:
                yield from walk.look_at_article(key)
        if conversations and walk.wants_teams():
            walk.open_teams()
            for key in conversations:
                yield from walk.look_at_conversation(key)

    def fetch(self, node: RemoteNode) -> Content:
        kind, _, key = node.external_id.partition(":")
        try:
            if kind == "article":
                return telling.article_text(self.client.article(key))
            return telling.conversation_text(self.client.conversation(key), notes=bool(self.config.get("notes")))
        except Gone as error:
            raise NodeError("It is no longer at Intercom", skip=True) from error

    def webhook(self, delivery: Delivery) -> Heard:
        """Signed with the app's client secret: ``X-Hub-Signature: sha1=<HMAC-SHA1 of the body>``."""
        wanted = "sha1=" + hmac.new(delivery.secret.encode(), delivery.body, hashlib.sha1).hexdigest()
        given = delivery.headers.get("x-hub-signature", "")
        if not delivery.secret or not hmac.compare_digest(wanted.encode(), given.encode()):
            raise DeliveryRefused
        try:
            body = json.loads(delivery.body)
        except ValueError as error:
            raise DeliveryRefused from error
        topic = str(delivery.headers.get("x-topic") or body.get("topic") or "")
        item = (body.get("data") or {}).get("item") or {}
        key = str(body.get("id") or hashlib.sha256(delivery.body).hexdigest())
        kind = topic.partition(".")[0]
        number = item.get(f"{kind}_id") or item.get("id")
        nodes = (f"{kind}:{number}",) if kind in ("conversation", "article") and number else ()
        return Heard(key=key, nodes=nodes)

    def _walk(self, chosen: Sequence[Chosen]) -> Walk:
        return Walk(self.client, Lines(chosen), self.config)

    def _conversations(self, walk: Walk, team: str) -> Iterator[RemoteNode]:
        """Those that were touched last come first."""
        walk.lines = Lines([Chosen(team)])
        for page in self.client.search(walk.filters(0) or [], "descending"):
            for item in page:
                for change in walk.told_conversation(item, leaving=False):
                    if isinstance(change, Upsert) and change.node.parent == team:
                        yield change.node


CONNECTOR = Intercom
