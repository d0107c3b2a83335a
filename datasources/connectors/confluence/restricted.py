"""Which pages Confluence does not show to everybody who sees their space, where nobody asked to mirror who may read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from datasources.connectors.base import RemoteNode
from datasources.connectors.confluence.contents import Item, id_of
from datasources.connectors.confluence.readers import Readers

WITHHELD = "Confluence shows it only to some people. Mirror who may read, or switch “Bring in restricted pages, too” on in the settings"


class Restricted:
    """A restriction holds for its page and all below it, so a page is asked about together with those above it."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._own: dict[str, bool] = {}

    def forget(self) -> None:
        """What was known of single pages, between two spaces."""
        self._own.clear()

    def reason(self, item: Item) -> str:
        """Why it does not come in; empty where it does. An attachment has no restriction but its page's."""
        key = item.node.external_id
        if not key.startswith("attachment:"):
            self._own[key] = self._readers.names_anyone(item.raw)
        return WITHHELD if self.holds(key, (one for one, _ in item.above)) else ""

    def holds(self, key: str, above: Iterable[str]) -> bool:
        """Whether a restriction lies on this or on anything above it. What was not told yet is asked for by its id alone."""
        for one in (key, *above):
            if one not in self._own and not one.startswith("attachment:"):
                self._own[one] = self._readers.names_anyone({"id": id_of(one)})
            if self._own.get(one):
                return True
        return False


def nameless(node: RemoteNode) -> RemoteNode:
    """As everybody may see it whom the source is granted to: that there is something, and under which id."""
    sort = "attachment" if node.kind == "file" else "page"
    title = f"Restricted {sort} {id_of(node.external_id)}"
    return replace(node, title=title, url="", author="", tags=(), extra={})
