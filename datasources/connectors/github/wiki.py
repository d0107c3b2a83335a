"""A repository's wiki: pages out of its git repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from datasources.connectors.base import Change, ConnectorError, Content, NodeError, RemoteNode, Skipped, Upsert
from datasources.connectors.github.client import Client, Missing
from datasources.connectors.github.git import Remote
from datasources.connectors.github.nodes import Choice, Repo, page_node
from datasources.connectors.github.texts import body
from datasources.ingestion.decode import decode
from datasources.ingestion.kinds import extension

T = TypeVar("T")
KEYLESS = "This key can't read the wiki, which GitHub gives out by git alone: a classic token with the scope repo can"
_MARKDOWN = {"md", "markdown", "mkd", "mkdn", "mdown"}
_MARKUP = _MARKDOWN | {"mediawiki", "wiki", "org", "rst", "textile", "asciidoc", "adoc", "creole", "rdoc", "pod", "txt"}
_FRAME = ("_Sidebar", "_Footer", "_Header")


def pages(client: Client, repo: Repo, choice: Choice) -> Iterator[Change]:
    """A wiki that was never written has no repository, and no pages."""
    try:
        files = _guarded(client, lambda: _remote(client, repo.full_name).files())
    except Missing:
        return
    for file in files:
        node = page_node(repo, file.path, file.sha)
        if not choice.takes(node.external_id):
            continue
        if extension(file.path) not in _MARKUP:
            yield Skipped(node, "A picture or another file beside the wiki's pages")
        elif node.title.startswith(_FRAME):
            yield Skipped(node, "Stands around every page of the wiki")
        else:
            yield Upsert(node)


def content(client: Client, node: RemoteNode) -> Content:
    data = _guarded(client, lambda: _remote(client, node.extra["repo"]).blob(node.extra["sha"]))
    path = node.external_id.split(":", 2)[2]
    if extension(path) in _MARKDOWN:
        return Content(markdown=body(decode(data)[0], deeper=0) + "\n")
    return Content(data=data, filename=f"{path}.txt")


def _remote(client: Client, full_name: str) -> Remote:
    return Remote(client.git, f"{client.web}/{full_name}.wiki.git")


def _guarded(client: Client, call: Callable[[], T]) -> T:
    """Git refuses some keys that the API takes; a key that the API refuses too is a matter for a person."""
    try:
        return call()
    except NodeError:
        raise
    except ConnectorError as error:
        if not error.permanent:
            raise
        client.get("/rate_limit")
        raise NodeError(KEYLESS, skip=True) from error
