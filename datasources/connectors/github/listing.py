"""One run over the chosen repositories: everything, or what changed since.

A cursor holds the place in a listing, never a list: the last repository that is done, the part of the next one, and the
time or the cursor of GitHub from which that part goes on.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from datasources.connectors.base import Change, Checkpoint, Complete, Cursor, NodeError, RemoteNode, Skipped, Upsert
from datasources.connectors.github import threads, wiki
from datasources.connectors.github.client import Client
from datasources.connectors.github.nodes import (
    Choice,
    Repo,
    discussion_node,
    is_older,
    issue_node,
    part_node,
    repo_node,
)
from datasources.connectors.github.tree import Files, entries, existing
from datasources.connectors.lines import moment
from datasources.ingestion.results import Limits

OVERLAP = timedelta(minutes=5)
"""Clocks differ, and what was being written while we read is looked at again."""
FORK = "A fork: its original has most of it. Tick it by itself to bring it in"
END = "end"
_STEPS = ("code", "issues", "discussions", "wiki")
"""Issues and pull requests come in one listing."""


class Run:
    def __init__(self, client: Client, repos: Sequence[Repo], choice: Choice, limits: Limits, cursor: Cursor) -> None:
        self._client = client
        self._choice = choice
        self._limits = limits
        self._cursor = dict(cursor)
        self._repos = sorted(
            (repo for repo in repos if choice.enters(repo.key, repo.created)), key=lambda repo: repo.id
        )
        self._whole = "since" not in cursor
        self._since = moment(cursor.get("since"))
        self._began = str(cursor.get("began") or datetime.now(UTC).isoformat())
        self._done = int(cursor.get("done") or 0)
        self._gaps = bool(cursor.get("gaps"))
        self._hole = False

    def changes(self) -> Iterator[Change]:
        left = [repo for repo in self._repos if repo.id > self._done]
        seen = {} if self._whole else threads.glance(self._client, left)
        for repo in left:
            if self._choice.leaves_fork(repo):
                yield Skipped(repo_node(repo), FORK)
                continue
            yield from self._repo(repo, seen.get(repo.id))
            self._done, self._hole = repo.id, False
            yield self._checkpoint({})
        yield Checkpoint({"since": self._began})
        if self._whole and not self._gaps:
            yield Complete(None)

    def _repo(self, repo: Repo, seen: dict[str, Any] | None) -> Iterator[Change]:
        yield Upsert(repo_node(repo))
        at = self._cursor if self._cursor.get("repo") == repo.id else {}
        parts = [part for part in repo.parts() if self._choice.enters(f"{part}:{repo.id}")]
        for part in parts:
            yield Upsert(part_node(repo, part))
        if "pulls" in parts and "issues" not in parts:
            parts.insert(parts.index("pulls"), "issues")
        steps = [step for step in _STEPS if step in parts]
        if at.get("part") in (*steps, END):
            steps = steps[steps.index(at["part"]) :] if at["part"] != END else []
        self._hole, read = bool(at.get("hole")), []
        for step in steps:
            if self._whole or self._changed(repo, step, seen):
                own = self._own(repo, step, parts)
                refused = yield from self._step(repo, step, at if at.get("part") == step else {}, own)
                read += [] if refused else [f"{part}:{repo.id}" for part in own]
                yield self._checkpoint({"repo": repo.id, "part": _after(steps, step)})
        yield from self._completed(repo, read)

    def _completed(self, repo: Repo, read: Sequence[str]) -> Iterator[Complete]:
        """What may be pruned below: after a whole listing all of it, if nothing was refused; else the parts that are told whole.

        One refused part must not keep what was deleted elsewhere, and that may stay refused for years.
        """
        if self._whole and not self._hole:
            yield Complete(repo.key)
            return
        yield from (Complete(part) for part in read if self._whole or part.startswith(("code:", "wiki:")))

    def _own(self, repo: Repo, step: str, parts: Sequence[str]) -> list[str]:
        """The chosen parts that one listing tells."""
        listed = [part for part in (("issues", "pulls") if step == "issues" else (step,)) if part in parts]
        return [part for part in listed if self._choice.enters(f"{part}:{repo.id}")]

    def _changed(self, repo: Repo, step: str, seen: dict[str, Any] | None) -> bool:
        """Whether anything of this part may have changed since the last run. A wiki has to be asked itself."""
        since = self._from()
        if since is None or step == "wiki":
            return True
        if step == "code":
            return repo.pushed is None or repo.pushed >= since
        names = ["discussions"] if step == "discussions" else ["issues", "pullRequests"]
        return threads.changed_since(seen, names, since)

    def _step(self, repo: Repo, step: str, at: Cursor, own: Sequence[str]) -> Generator[Change, None, bool]:
        """One listing; whether it was refused, which is told in its place."""
        try:
            match step:
                case "code":
                    yield from self._code(repo)
                case "issues":
                    yield from self._issues(repo, at, own)
                case "discussions":
                    yield from self._discussions(repo, at)
                case _:
                    yield from wiki.pages(self._client, repo, self._choice)
        except NodeError as error:
            self._gaps = self._hole = True
            for part in own:
                yield Skipped(part_node(repo, part), str(error))
            return True
        return False

    def _code(self, repo: Repo) -> Iterator[Change]:
        then = existing(self._client, repo, self._choice)
        yield from Files(repo, self._choice, self._limits, then).changes(entries(self._client, repo))

    def _issues(self, repo: Repo, at: Cursor, own: Sequence[str]) -> Iterator[Change]:
        since = self._since_of([f"{part}:{repo.id}" for part in own])
        if not repo.has_issues:
            for page in threads.pulls_alone(self._client, repo, since):
                yield from self._chosen_issues(repo, page)
            return
        begin = moment(at.get("from")) or since
        told: set[int] = set()
        for page, reached, number in threads.issues(self._client, repo, begin, int(at.get("page") or 1)):
            yield from self._chosen_issues(repo, [one for one in page if one["number"] not in told])
            told = {one["number"] for one in page}
            place = {"from": reached.isoformat() if reached else "", "page": number}
            yield self._checkpoint({"repo": repo.id, "part": "issues", **place})

    def _chosen_issues(self, repo: Repo, page: Sequence[dict[str, Any]]) -> Iterator[Change]:
        for one in page:
            node = issue_node(repo, one)
            if self._takes(node):
                yield Upsert(node)

    def _discussions(self, repo: Repo, at: Cursor) -> Iterator[Change]:
        since = None if self._whole else self._from()
        for page, after in threads.discussions(self._client, repo, since, at.get("after")):
            for one in page:
                node = discussion_node(repo, one)
                if self._takes(node):
                    yield Upsert(node)
            yield self._checkpoint({"repo": repo.id, "part": "discussions", "after": after})

    def _takes(self, node: RemoteNode) -> bool:
        return self._choice.takes(node.external_id, node.created) and not is_older(
            node, self._earliest(node.external_id)
        )

    def _from(self) -> datetime | None:
        return self._since - OVERLAP if self._since is not None else None

    def _since_of(self, containers: Sequence[str]) -> datetime | None:
        """From when issues are to be listed: the last run, or the first day that the selection names for either sort."""
        days = [self._earliest(container) for container in containers]
        day = None if None in days else min(day for day in days if day is not None)
        found = [at for at in (self._from(), day) if at is not None]
        return max(found) if found else None

    def _earliest(self, external_id: str) -> datetime | None:
        return moment(self._choice.options(external_id).get("date_from"))

    def _checkpoint(self, place: dict[str, Any]) -> Checkpoint:
        cursor = {"began": self._began, "done": self._done, **place}
        if self._since is not None:
            cursor["since"] = self._since.isoformat()
        cursor |= {name: True for name, is_so in (("gaps", self._gaps), ("hole", self._hole)) if is_so}
        return Checkpoint(cursor)


def _after(steps: Sequence[str], step: str) -> str:
    """The part that follows; END where it was the last, so that nothing is listed twice."""
    following = steps[steps.index(step) + 1 :]
    return following[0] if following else END
