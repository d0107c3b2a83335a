"""A made-up kind of place for tests of what every kind shares: it lists what its test says, and counts what it is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import requests

from datasources import connecting
from datasources.connectors import registry
from datasources.connectors.about import About, Auth, OAuth, Setting
from datasources.connectors.around import Around
from datasources.connectors.base import (
    Change,
    Chosen,
    Complete,
    ConnectorError,
    Content,
    Cursor,
    Estimate,
    NodeError,
    RemoteNode,
    TestResult,
    Upsert,
)
from portal.registry import CredentialKind, registries

TOKEN = "wiki-token-0123456789"

ABOUT = About(
    kind="wiki",
    label="Wiki",
    icon="book-open",
    words="A made-up wiki.",
    base_url="https://wiki.invalid",
    auths=(
        Auth(
            "token",
            "Token",
            steps=("Open the wiki’s settings.", "Copy the token."),
            scopes=("read:pages", "read:people"),
            fields=(Setting("token", "Token", secret=True, required=True),),
        ),
        Auth(
            "oauth",
            "Sign in",
            steps=("Make an app at the wiki.",),
            scopes=("read:pages",),
            fields=(
                Setting("client_id", "Client id", required=True),
                Setting("client_secret", "Client secret", secret=True, required=True),
            ),
            oauth=OAuth(
                "https://wiki.invalid/oauth/authorize", "https://wiki.invalid/oauth/token", ("read:pages", "offline")
            ),
        ),
    ),
    settings=(
        Setting("drafts", "Drafts too", kind="bool"),
        Setting("languages", "Languages", kind="lines"),
    ),
    options=(
        Setting("since", "Pages from", kind="date"),
        Setting("globs", "Only these", kind="lines"),
        Setting("depth", "Depth", kind="number"),
    ),
    mirrors=True,
    unit="pages",
)


class Wiki:
    """What a test puts into ``pages`` (parent → nodes) is there; ``break_with`` is raised at every call."""

    about: ClassVar[About] = ABOUT
    pages: ClassVar[dict[str | None, list[RemoteNode]]] = {}
    break_with: ClassVar[Exception | None] = None
    asked: ClassVar[list[str]] = []
    on_page: ClassVar[Callable[[int], None] | None] = None

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self.config, self.secret, self.around = config, secret, around

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.break_with is not None:
            raise self.break_with
        if self.secret.get("auth") == "oauth":
            assert self.around.tokens is not None
            token = self.around.tokens.access()
            answer = requests.get(
                f"{self.config['base_url']}/me", headers={"Authorization": f"Bearer {token}"}, timeout=5
            )
            if answer.status_code == 401:
                self.around.tokens.access(renew=True)
        elif self.secret.get("token") != TOKEN:
            raise ConnectorError("The wiki refuses the token: copy it again", permanent=True)

    def test(self) -> TestResult:
        self._ask("test")
        return TestResult(True, f"The wiki answers: {len(self.pages.get(None, []))} spaces")

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        self._ask(f"children {parent}")
        for number, node in enumerate(self.pages.get(parent, [])):
            if self.on_page is not None:
                type(self).on_page(number)  # type: ignore[misc]
            yield node

    def find(self, text: str) -> Iterator[RemoteNode]:
        self._ask(f"find {text}")
        for parent, nodes in self.pages.items():
            yield from (replace(n, parent=parent) for n in nodes if text.casefold() in n.title.casefold())

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        self._ask("estimate")
        return Estimate(120, 480_000, exact=False)

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        self._ask("changes")
        for nodes in self.pages.values():
            yield from map(Upsert, nodes)
        yield Complete(None)

    def fetch(self, node: RemoteNode) -> Content:
        if not node.has_text:
            raise NodeError("It has no text", skip=True)
        return Content(markdown=f"# {node.title}")


def page(external_id: str, title: str = "", *, parent: str | None = None, children: bool = False) -> RemoteNode:
    return RemoteNode(
        external_id, "space" if children else "page", title or external_id, parent, "1", not children, children
    )


@pytest.fixture
def wiki(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Wiki]]:
    """The kind is known while the test runs; ``hr`` and ``it`` are spaces with pages."""
    Wiki.break_with, Wiki.on_page = None, None
    Wiki.asked = []
    Wiki.pages = {
        None: [page("hr", "People", children=True), page("it", "Machines", children=True), page("home", "Home")],
        "hr": [page("hr/leave", "Leave", parent="hr"), page("hr/pay", "Pay", parent="hr")],
        "it": [page("it/vpn", "VPN", parent="it")],
    }
    monkeypatch.setitem(registry.CONNECTORS, "wiki", ABOUT)
    monkeypatch.setitem(sys.modules, "datasources.connectors.wiki.connector", SimpleNamespace(CONNECTOR=Wiki))
    kept = dict(registries.credential_kinds._entries)
    registries.credential_kinds.add("wiki", CredentialKind("Wiki", connecting.test_credential, "with its source"))
    yield Wiki
    registries.credential_kinds._entries = kept
