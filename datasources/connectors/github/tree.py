"""A repository's files, from git's tree: what comes in, and why the rest does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from datasources.connectors.base import Change, RemoteNode, Skipped, Upsert
from datasources.connectors.files import Patterns
from datasources.connectors.github.client import Client, Missing
from datasources.connectors.github.nodes import Choice, Repo, file_node, folder_node
from datasources.ingestion.kinds import is_archive_name, refuse_by_name
from datasources.ingestion.results import Limits

VENDORED = "Code of others that is kept beside their own (vendored): tick it by itself to bring it in"
GENERATED = "Written by a program: tick it by itself to bring it in"
LINK = "A link to another file"
SUBMODULE = "A submodule: choose the repository that it points to"
ARCHIVE = "An archive inside a repository"
_VENDORED = {
    *(
        "node_modules",
        "bower_components",
        "jspm_packages",
        "vendor",
        "vendored",
        "_vendor",
        "third_party",
        "third-party",
    ),
    *("thirdparty", "Godeps", "Pods", "Carthage", ".yarn", "site-packages", "__pycache__", ".venv", ".terraform"),
}
"""Names of directories, as in Linguist's vendor.yml."""
_GENERATED = re.compile(
    r"(?:\.min\.(?:js|css)|[-.]bundle\.js|\.(?:js|css)\.map|_pb2(?:_grpc)?\.pyi?|\.pb(?:\.gw)?\.(?:go|cc|h)|\.g\.(?:cs|dart)"
    r"|\.designer\.cs|\.snap|\.lock|\.svg)$"
    r"|^(?:package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|go\.sum|packages\.lock\.json|gradlew|gradlew\.bat|mvnw)$",
    re.IGNORECASE,
)
"""Names of files, as in Linguist's generated.rb."""


@dataclass(frozen=True, slots=True)
class Entry:
    """``sort``: blob, tree or commit (a submodule)."""

    path: str
    sort: str
    mode: str
    sha: str
    size: int | None


def entries(client: Client, repo: Repo) -> Iterator[Entry]:
    """All of the default branch, folders before what is in them. An empty repository has none."""
    try:
        told = client.get(
            f"/repositories/{repo.id}/git/trees/{quote(repo.branch, safe='')}", {"recursive": "1"}, node=True
        )
    except Missing as error:
        if "empty" in str(error).lower():
            return
        raise
    if not told.get("truncated"):
        yield from _told(told, "")
        return
    yield from _walked(client, repo, told["sha"], "")


def level(client: Client, repo: Repo, path: str) -> list[Entry]:
    """What is right below a folder ("" for the top)."""
    sha = quote(repo.branch, safe="")
    at = ""
    for name in [*path.split("/"), ""] if path else [""]:
        try:
            told = client.get(f"/repositories/{repo.id}/git/trees/{sha}", node=True)
        except Missing as error:
            if "empty" in str(error).lower():
                return []
            raise
        found = list(_told(told, at))
        if not name:
            return found
        at = f"{at}/{name}" if at else name
        sha = next((entry.sha for entry in found if entry.path == at and entry.sort == "tree"), "")
        if not sha:
            raise Missing("This folder is no longer in the repository", skip=True)
    return []


def existing(client: Client, repo: Repo, choice: Choice) -> dict[str, set[str]]:
    """For each moment (ISO) at which the selection was closed, the files that were there then."""
    return {at.isoformat(): _paths_at(client, repo, at.isoformat()) for at in choice.closings(repo)}


def _paths_at(client: Client, repo: Repo, when: str) -> set[str]:
    found = client.get(
        f"/repositories/{repo.id}/commits", {"sha": repo.branch, "until": when, "per_page": 1}, node=True
    )
    if not found:
        return set()
    sha = found[0]["commit"]["tree"]["sha"]
    tree = client.get(f"/repositories/{repo.id}/git/trees/{sha}", {"recursive": "1"})
    whole = _walked(client, repo, sha, "") if tree.get("truncated") else _told(tree, "")
    return {entry.path for entry in whole if entry.sort == "blob"}


def _walked(client: Client, repo: Repo, sha: str, above: str) -> Iterator[Entry]:
    """Folder by folder, where the tree is too large to be told at once (over 100,000 entries or 7 MB)."""
    told = client.get(f"/repositories/{repo.id}/git/trees/{sha}")
    for entry in _told(told, above):
        yield entry
        if entry.sort == "tree":
            yield from _walked(client, repo, entry.sha, entry.path)


def _told(tree: dict[str, Any], above: str) -> Iterator[Entry]:
    for one in tree["tree"]:
        path = f"{above}/{one['path']}" if above else one["path"]
        yield Entry(path, one["type"], one.get("mode") or "", one["sha"], one.get("size"))


class Files:
    """The chosen files of one repository out of its entries."""

    def __init__(self, repo: Repo, choice: Choice, limits: Limits, then: dict[str, set[str]] | None = None) -> None:
        self._repo = repo
        self._choice = choice
        self._limits = limits
        self._then = then or {}
        self._patterns: dict[int, Patterns] = {}
        self._left: list[str] = []
        self._told: set[str] = set()

    def changes(self, found: Iterator[Entry]) -> Iterator[Change]:
        """Folders are told once something of them comes in; vendored ones once, with the reason."""
        for entry in found:
            if self._left and any(entry.path.startswith(left) for left in self._left):
                continue
            if entry.sort == "tree":
                if self.vendored(entry.path) and self._choice.takes(f"folder:{self._repo.id}:{entry.path}"):
                    self._left = [*self._left[-50:], f"{entry.path}/"]
                    yield from self._above(entry.path)
                    yield Skipped(folder_node(self._repo, entry.path), VENDORED)
                continue
            node, reason = self.judged(entry)
            if node is not None:
                yield from self._above(entry.path)
                yield Skipped(node, reason) if reason else Upsert(node)

    def judged(self, entry: Entry) -> tuple[RemoteNode | None, str]:
        """(its node, why it can't come in); (None, "") where it is not chosen."""
        node = file_node(self._repo, entry.path, entry.sha, entry.size)
        if not self._choice.takes(node.external_id):
            return None, ""
        options = self._choice.options(node.external_id)
        if not self._pattern(options).takes(entry.path):
            return None, ""
        closed = self._choice.closed_at(node.external_id)
        if closed is not None and entry.path not in self._then.get(closed.isoformat(), {entry.path}):
            return None, ""
        return node, self._reason(entry)

    def vendored(self, path: str) -> bool:
        return path.rpartition("/")[2] in _VENDORED and not self._choice.names(f"folder:{self._repo.id}:{path}")

    def _reason(self, entry: Entry) -> str:
        if entry.sort == "commit":
            return SUBMODULE
        if entry.mode == "120000":
            return LINK
        name = entry.path.rpartition("/")[2]
        if _GENERATED.search(name) and not self._choice.names(f"file:{self._repo.id}:{entry.path}"):
            return GENERATED
        if is_archive_name(name):
            return ARCHIVE
        refused = refuse_by_name(name, entry.size, self._limits)
        return refused.reason if refused else ""

    def _pattern(self, options: Any) -> Patterns:
        found = self._patterns.get(id(options))
        if found is None:
            found = self._patterns[id(options)] = Patterns(options)
        return found

    def _above(self, path: str) -> Iterator[Upsert]:
        parts = path.split("/")[:-1]
        for number in range(1, len(parts) + 1):
            folder = "/".join(parts[:number])
            if folder not in self._told:
                self._told.add(folder)
                yield Upsert(folder_node(self._repo, folder))
