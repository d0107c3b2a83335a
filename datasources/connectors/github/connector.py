"""GitHub: repositories with their code, issues, pull requests, discussions and wikis, each apart."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain as joined
from typing import Any, ClassVar

from datasources.connectors.about import About
from datasources.connectors.around import Around
from datasources.connectors.base import (
    Change,
    Chosen,
    ConnectorError,
    Content,
    Cursor,
    Delivery,
    Estimate,
    Heard,
    NodeError,
    RemoteNode,
    Skipped,
    TestResult,
    Upsert,
)
from datasources.connectors.github import hooks, threads, tree, wiki
from datasources.connectors.github.about import ABOUT
from datasources.connectors.github.blobs import Blobs
from datasources.connectors.github.client import Client, Missing, lists
from datasources.connectors.github.listing import Run
from datasources.connectors.github.look import look
from datasources.connectors.github.nodes import (
    Choice,
    Repo,
    discussion_node,
    file_node,
    folder_node,
    issue_node,
    part_node,
    repo_node,
    repo_of,
    split,
)
from datasources.connectors.github.texts import thread
from datasources.connectors.lines import Lines

_ESTIMATE_SECONDS = 8.0
_KILOBYTES_A_FILE = 12
"""Of a repository on disk, its history included, for each file of today: a guess for those that there is no time to count."""
_BYTES_A_THREAD = 3_000


class GitHub:
    """Config: ``base_url``, ``accounts`` (list), ``forks`` and ``bots`` (bool). Secret: as the Auths of about.py ask for."""

    about: ClassVar[About] = ABOUT

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self._accounts = lists(config.get("accounts"))
        self._forks = bool(config.get("forks"))
        self._bots = bool(config.get("bots"))
        self._limits = around.limits
        self._client = Client(str(config.get("base_url") or ""), secret, around)
        self._blobs = Blobs(self._client, around.limits)

    def test(self) -> TestResult:
        who = "The app" if self._client.is_app else f"{self._client.get('/user')['login']} at GitHub"
        found, more = self._first_repos()
        if not found:
            return TestResult(
                False,
                f"{who} is known, but no repository was given to this connection: choose some at GitHub, "
                "or name their owner under “Only these users and organisations”",
            )
        named = ", ".join(repo.full_name for repo in found[:3])
        number = f"more than {len(found)}" if more else str(len(found))
        return TestResult(True, f"{who} can read {number} {'repository' if number == '1' else 'repositories'}: {named}")

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        if parent is None:
            yield from (repo_node(repo) for repo in self._repos())
            return
        sort, number, tail = _split(parent)
        repo = self._repo(number)
        if sort == "repo":
            yield from (part_node(repo, part) for part in repo.parts())
        elif sort in ("code", "folder"):
            yield from self._level(repo, tail)
        elif sort in ("issues", "pulls"):
            yield from (node for node in self._issues(repo) if node.parent == parent)
        elif sort == "discussions":
            pages = threads.discussions(self._client, repo, None)
            yield from (discussion_node(repo, one) for page, _ in pages for one in page)
        elif sort == "wiki":
            found = wiki.pages(self._client, repo, self._choice([]))
            yield from (change.node for change in found if isinstance(change, Upsert))

    def find(self, text: str) -> Iterator[RemoteNode]:
        wanted = text.casefold()
        yield from (repo_node(repo) for repo in self._repos() if wanted in repo.full_name.casefold())

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        choice = self._choice(chosen)
        repos = [r for r in self._repos() if choice.enters(r.key, r.created) and not choice.leaves_fork(r)]
        seen = threads.glance(self._client, repos)
        until, documents, size, exact = time.monotonic() + _ESTIMATE_SECONDS, 0, 0, True
        for repo in repos:
            for part, name in (("issues", "issues"), ("pulls", "pullRequests"), ("discussions", "discussions")):
                if choice.takes(f"{part}:{repo.id}"):
                    number = ((seen.get(repo.id) or {}).get(name) or {}).get("totalCount") or 0
                    documents, size = documents + number, size + number * _BYTES_A_THREAD
            exact = exact and not (repo.has_wiki and choice.enters(f"wiki:{repo.id}"))
            if not choice.enters(f"code:{repo.id}"):
                continue
            if time.monotonic() > until:
                documents, size, exact = documents + repo.size // _KILOBYTES_A_FILE, size + repo.size * 200, False
                continue
            for change in self._files(repo, choice):
                if isinstance(change, Upsert) and change.node.has_text:
                    documents, size = documents + 1, size + (change.node.size or 0)
        dated = any(line.include and (line.options or not line.future) for line in chosen)
        return Estimate(documents, size, exact and not dated and not any(choice.names(repo.key) for repo in repos))

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        yield from Run(self._client, list(self._repos()), self._choice(chosen), self._limits, cursor).changes()

    def look(self, external_ids: Sequence[str], chosen: Sequence[Chosen]) -> Iterator[Change]:
        yield from look(self._client, external_ids, self._choice(chosen), self._limits)

    def fetch(self, node: RemoteNode) -> Content:
        sort, repo, tail = _split(node.external_id)
        if sort == "file":
            return Content(data=self._blobs.read(repo, tail, node.extra["sha"]), filename=tail)
        if sort == "page":
            return wiki.content(self._client, node)
        return Content(markdown=thread(self._client, node.extra["node"], bots=self._bots))

    def webhook(self, delivery: Delivery) -> Heard:
        return hooks.heard(delivery)

    def _choice(self, chosen: Sequence[Chosen]) -> Choice:
        return Choice(Lines(chosen), forks=self._forks)

    def _repo(self, number: int) -> Repo:
        return repo_of(self._client.get(f"/repositories/{number}", node=True))

    def _repos(self) -> Iterator[Repo]:
        """Each once, by name, as GitHub's pages come."""
        told: set[int] = set()
        for page in self._repo_pages():
            for one in page:
                if one["id"] not in told:
                    told.add(one["id"])
                    yield repo_of(one)

    def _repo_pages(self) -> Iterator[list[dict[str, Any]]]:
        if self._client.is_app:
            wanted = {account.casefold() for account in self._accounts}
            for page in self._client.pages("/installation/repositories"):
                yield [one for one in page if not wanted or one["owner"]["login"].casefold() in wanted]
            return
        if not self._accounts:
            yield from self._client.pages("/user/repos", {"sort": "full_name"})
            return
        yield from joined.from_iterable(self._of_account(account) for account in self._accounts)

    def _of_account(self, account: str) -> Iterator[list[dict[str, Any]]]:
        try:
            found = self._client.get(f"/users/{account}", node=True)
        except Missing as error:
            raise ConnectorError(
                f"There is no user or organisation called {account} at GitHub: correct “Only these users and "
                "organisations”",
                permanent=True,
            ) from error
        if found.get("type") == "Organization":
            yield from self._client.pages(f"/orgs/{account}/repos", {"sort": "full_name", "type": "all"})
        elif found.get("id") == self._client.get("/user").get("id"):
            yield from self._client.pages("/user/repos", {"sort": "full_name", "affiliation": "owner"})
        else:
            yield from self._client.pages(f"/users/{account}/repos", {"sort": "full_name", "type": "owner"})

    def _first_repos(self) -> tuple[list[Repo], bool]:
        for number, page in enumerate(self._repo_pages()):
            if page or number > 2:
                return [repo_of(one) for one in page], len(page) >= 100
        return [], False

    def _level(self, repo: Repo, path: str) -> Iterator[RemoteNode]:
        files = tree.Files(repo, self._choice([]), self._limits)
        found = tree.level(self._client, repo, path)
        yield from (folder_node(repo, e.path) for e in found if e.sort == "tree" and not files.vendored(e.path))
        for entry in found:
            if entry.sort == "blob" and not files.judged(entry)[1]:
                yield file_node(repo, entry.path, entry.sha, entry.size)

    def _issues(self, repo: Repo) -> Iterator[RemoteNode]:
        told: set[int] = set()
        if not repo.has_issues:
            yield from (issue_node(repo, one) for page in threads.pulls_alone(self._client, repo, None) for one in page)
            return
        for page, _, _ in threads.issues(self._client, repo, None):
            yield from (issue_node(repo, one) for one in page if one["number"] not in told)
            told = {one["number"] for one in page}

    def _files(self, repo: Repo, choice: Choice) -> Iterator[Change]:
        try:
            yield from tree.Files(repo, choice, self._limits).changes(tree.entries(self._client, repo))
        except NodeError as error:
            yield Skipped(part_node(repo, "code"), str(error))


def _split(external_id: str) -> tuple[str, int, str]:
    try:
        return split(external_id)
    except ValueError as error:
        raise NodeError(f"{external_id} is no repository or part of one") from error


CONNECTOR = GitHub
