"""What GitHub's objects are called here. Ids hang on a repository's number, so that a rename or a transfer moves nothing.

``repo:7`` holds ``code:7`` (with ``folder:7:docs`` and ``file:7:docs/a.md``), ``issues:7`` (``issue:7:12``), ``pulls:7``
(``pull:7:13``), ``discussions:7`` (``discussion:7:14``) and ``wiki:7`` (``page:7:Home.md``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from datasources.connectors.base import NodeKind, RemoteNode
from datasources.connectors.lines import Lines, moment

PARTS = {"code": "Code", "issues": "Issues", "pulls": "Pull requests", "discussions": "Discussions", "wiki": "Wiki"}
_PART_OF = {
    "folder": "code",
    "file": "code",
    "issue": "issues",
    "pull": "pulls",
    "discussion": "discussions",
    "page": "wiki",
}
_MOST_TAGS = 20


@dataclass(frozen=True, slots=True)
class Repo:
    """``full_name`` is what it is called today. ``pushed``: to any branch."""

    id: int
    node_id: str
    full_name: str
    url: str
    branch: str
    fork: bool
    archived: bool
    private: bool
    has_issues: bool
    has_discussions: bool
    has_wiki: bool
    size: int
    created: datetime | None
    pushed: datetime | None

    @property
    def key(self) -> str:
        return f"repo:{self.id}"

    def parts(self) -> tuple[str, ...]:
        shown = {"issues": self.has_issues, "discussions": self.has_discussions, "wiki": self.has_wiki}
        return tuple(part for part in PARTS if shown.get(part, True))


def repo_of(told: Mapping[str, Any]) -> Repo:
    return Repo(
        id=told["id"],
        node_id=told.get("node_id") or "",
        full_name=told["full_name"],
        url=told.get("html_url") or "",
        branch=told.get("default_branch") or "main",
        fork=bool(told.get("fork")),
        archived=bool(told.get("archived")),
        private=bool(told.get("private")),
        has_issues=bool(told.get("has_issues", True)),
        has_discussions=bool(told.get("has_discussions", False)),
        has_wiki=bool(told.get("has_wiki", False)),
        size=told.get("size") or 0,
        created=moment(told.get("created_at")),
        pushed=moment(told.get("pushed_at")),
    )


def split(external_id: str) -> tuple[str, int, str]:
    """(sort, the repository's number, the rest). Raises ValueError for what is no id of ours."""
    sort, _, rest = external_id.partition(":")
    number, _, tail = rest.partition(":")
    if sort != "repo" and sort not in PARTS and sort not in _PART_OF:
        raise ValueError(external_id)
    return sort, int(number), tail


def chain(external_id: str) -> tuple[str, ...]:
    """Its own id first, then each above it, up to its repository's."""
    sort, repo, tail = split(external_id)
    above = [external_id]
    if sort in ("file", "folder"):
        while "/" in tail:
            tail = tail.rpartition("/")[0]
            above.append(f"folder:{repo}:{tail}")
    if sort in _PART_OF:
        above.append(f"{_PART_OF[sort]}:{repo}")
    if sort != "repo":
        above.append(f"repo:{repo}")
    return tuple(above)


class Choice:
    """What is chosen, in GitHub's ids."""

    def __init__(self, lines: Lines, *, forks: bool) -> None:
        self.lines = lines
        self._forks = forks
        self._inner = [chain(key) for sort in ("repo", *PARTS, *_PART_OF) for key in _named(lines, f"{sort}:")]

    def takes(self, external_id: str, created: datetime | None = None) -> bool:
        return self.lines.takes(*chain(external_id), created=created)

    def enters(self, external_id: str, created: datetime | None = None) -> bool:
        """Whether it, or something below it, comes in."""
        return self.takes(external_id, created) or self.names(external_id)

    def names(self, external_id: str) -> bool:
        """Whether a line brings in this very node, or something below it."""
        return any(external_id in line for line in self._inner)

    def leaves_fork(self, repo: Repo) -> bool:
        return repo.fork and not self._forks and not self.names(repo.key)

    def closings(self, repo: Repo) -> set[datetime]:
        """The moments at which parts of its code were chosen without what was added later."""
        inner = [line[0] for line in self._inner if line[-1] == repo.key]
        found = {self.closed_at(external_id) for external_id in [f"code:{repo.id}", *inner]}
        return {at for at in found if at is not None}

    def options(self, external_id: str) -> Mapping[str, Any]:
        return self.lines.options(*chain(external_id))

    def closed_at(self, external_id: str) -> datetime | None:
        """When it was chosen, where what was added later stays out."""
        line = self.lines.nearest(chain(external_id))
        return None if line.future else moment(line.options.get("chosen_at"))


def _named(lines: Lines, prefix: str) -> list[str]:
    found = []
    for key in lines.named(prefix, include=True):
        try:
            split(key)
        except ValueError:
            continue
        found.append(key)
    return found


def repo_node(repo: Repo) -> RemoteNode:
    states = {"fork": repo.fork, "archived": repo.archived, "private": repo.private}
    return RemoteNode(
        repo.key,
        "repository",
        repo.full_name,
        has_text=False,
        has_children=True,
        url=repo.url,
        created=repo.created,
        tags=tuple(name for name, is_so in states.items() if is_so),
        ordinal=repo.full_name.casefold(),
    )


def part_node(repo: Repo, part: str) -> RemoteNode:
    kind: NodeKind = "folder" if part == "code" else "collection"
    page = {"code": "", "issues": "/issues", "pulls": "/pulls", "discussions": "/discussions", "wiki": "/wiki"}[part]
    return RemoteNode(
        f"{part}:{repo.id}",
        kind,
        PARTS[part],
        repo.key,
        has_text=False,
        has_children=True,
        url=f"{repo.url}{page}",
        ordinal=str(list(PARTS).index(part)),
    )


def folder_node(repo: Repo, path: str) -> RemoteNode:
    return RemoteNode(
        f"folder:{repo.id}:{path}",
        "folder",
        path.rpartition("/")[2],
        above_path(repo, path),
        has_text=False,
        has_children=True,
        url=f"{repo.url}/tree/{quote(repo.branch)}/{quote(path)}",
        ordinal=f"0 {path.rpartition('/')[2].casefold()}",
    )


def file_node(repo: Repo, path: str, sha: str, size: int | None) -> RemoteNode:
    return RemoteNode(
        f"file:{repo.id}:{path}",
        "file",
        path.rpartition("/")[2],
        above_path(repo, path),
        sha,
        url=f"{repo.url}/blob/{quote(repo.branch)}/{quote(path)}",
        size=size,
        ordinal=f"1 {path.rpartition('/')[2].casefold()}",
        extra={"sha": sha},
    )


def above_path(repo: Repo, path: str) -> str:
    above = path.rpartition("/")[0]
    return f"folder:{repo.id}:{above}" if above else f"code:{repo.id}"


def issue_node(repo: Repo, told: Mapping[str, Any]) -> RemoteNode:
    """Of REST's issue or pull request."""
    pull = "pull_request" in told or "merged_at" in told
    state = str(told.get("state") or "")
    if pull and (told.get("merged_at") or (told.get("pull_request") or {}).get("merged_at")):
        state = "merged"
    states = [state, "draft" if told.get("draft") else ""]
    labels = [str(label.get("name") or "") if isinstance(label, dict) else str(label) for label in told["labels"]]
    return RemoteNode(
        f"{'pull' if pull else 'issue'}:{repo.id}:{told['number']}",
        "ticket",
        f"#{told['number']} {told['title']}",
        f"{'pulls' if pull else 'issues'}:{repo.id}",
        f"{told['updated_at']}/{told.get('comments', '')}",
        url=told.get("html_url") or "",
        author=(told.get("user") or {}).get("login") or "",
        created=moment(told.get("created_at")),
        modified=moment(told.get("updated_at")),
        tags=tuple(tag for tag in (*states, *labels) if tag)[:_MOST_TAGS],
        ordinal=f"{1_000_000_000 - told['number']}",
        extra={"node": told.get("node_id") or ""},
    )


def discussion_node(repo: Repo, told: Mapping[str, Any]) -> RemoteNode:
    """Of GraphQL's Discussion."""
    labels = [label["name"] for label in (told.get("labels") or {}).get("nodes") or ()]
    states = [(told.get("category") or {}).get("name"), "answered" if told.get("answerChosenAt") else ""]
    return RemoteNode(
        f"discussion:{repo.id}:{told['number']}",
        "thread",
        told["title"],
        f"discussions:{repo.id}",
        f"{told['updatedAt']}/{told['comments']['totalCount']}",
        url=told.get("url") or "",
        author=(told.get("author") or {}).get("login") or "",
        created=moment(told.get("createdAt")),
        modified=moment(told.get("updatedAt")),
        tags=tuple(tag for tag in (*states, *labels) if tag)[:_MOST_TAGS],
        ordinal=f"{1_000_000_000 - told['number']}",
        extra={"node": told["id"]},
    )


def page_node(repo: Repo, path: str, sha: str) -> RemoteNode:
    stem = path.rpartition("/")[2].rpartition(".")[0]
    return RemoteNode(
        f"page:{repo.id}:{path}",
        "page",
        stem.replace("-", " "),
        f"wiki:{repo.id}",
        sha,
        url=f"{repo.url}/wiki/{quote(stem)}",
        extra={"sha": sha, "repo": repo.full_name},
    )


def is_older(node: RemoteNode, earliest: datetime | None) -> bool:
    """Whether it was last changed before the day that the selection names."""
    return earliest is not None and node.modified is not None and node.modified < earliest
