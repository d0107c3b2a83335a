"""One run over the chosen projects: everything, project by project, or what was updated since.

A cursor holds the last project that is done (or the number of the question), and Jira's own place in its results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from datasources.connectors.base import (
    Change,
    Checkpoint,
    Complete,
    ConnectorError,
    Cursor,
    Delete,
    NodeError,
    RemoteNode,
    Skipped,
    Upsert,
)
from datasources.connectors.jira.client import Client, QueryRefused
from datasources.connectors.jira.nodes import LISTED, issue_node, project_node, secured
from datasources.connectors.jira.query import TOGETHER, Narrow, minutes_since, narrow, of_projects
from datasources.connectors.lines import Lines, moment

Json = dict[str, Any]


class Chooser:
    """What is chosen, and what of it may come in."""

    def __init__(self, lines: Lines, jql: str, *, with_secured: bool) -> None:
        self._lines = lines
        self._jql = jql
        self._with_secured = with_secured
        self.singles = list(lines.named("issue:", include=True))

    def takes_project(self, project: str) -> bool:
        return self._lines.takes(project)

    def narrowed(self, project: str) -> Narrow:
        return narrow(self._jql, self._lines.options(project))

    @property
    def everything(self) -> bool:
        """Whether no question has to name its projects."""
        return self._lines.takes() and not self._lines.named("project:", include=False)

    def told(self, site: str, issue: Json) -> Upsert | Skipped | Delete:
        node = issue_node(site, issue)
        if not self._lines.takes(node.external_id, node.parent or "", created=node.created):
            return Delete(node.external_id)
        level = secured(issue)
        if level and not self._with_secured:
            return Skipped(node, f"It has the security level “{level}”: only some people may see it at Jira")
        return Upsert(node)


class Run:
    def __init__(self, client: Client, chooser: Chooser, cursor: Cursor) -> None:
        self._client = client
        self._chooser = chooser
        self._cursor = dict(cursor)
        self._whole = "since" not in cursor
        self._since = moment(cursor.get("since"))
        self._began = str(cursor.get("began") or datetime.now(UTC).isoformat())
        self._gaps = bool(cursor.get("gaps"))

    def changes(self) -> Iterator[Change]:
        projects = sorted(self._projects(), key=lambda one: int(one["id"]))
        yield from self._everything(projects) if self._whole else self._edited(projects)
        for change in looked(self._client, self._chooser, self._chooser.singles):
            if not (self._whole and isinstance(change, Delete)):
                yield change
        yield Checkpoint({"since": self._began})
        if self._whole and not self._gaps:
            yield Complete(None)

    def _projects(self) -> Iterator[Json]:
        return (one for one in self._client.projects() if self._chooser.takes_project(f"project:{one['id']}"))

    def _everything(self, projects: Sequence[Json]) -> Iterator[Change]:
        done = int(self._cursor.get("done") or 0)
        for project in projects:
            number = int(project["id"])
            if number <= done:
                continue
            yield Upsert(project_node(self._client.site, project))
            try:
                yield from self._project(project)
            except QueryRefused as error:
                if self._chooser.narrowed(f"project:{number}").jql:
                    raise ConnectorError(f"In project {project['name']}: {error}", permanent=True) from error
                self._gaps = True
                yield Skipped(project_node(self._client.site, project), str(error))
            else:
                yield Complete(f"project:{number}")
            done = number
            yield self._checkpoint({"done": done})

    def _project(self, project: Json) -> Iterator[Change]:
        number = int(project["id"])
        at = str(self._cursor.get("at") or "") if self._cursor.get("project") == number else ""
        done = int(self._cursor.get("done") or 0)
        jql = of_projects([project["id"]], self._chooser.narrowed(f"project:{number}"))
        for issues, place in self._client.search(f"{jql} ORDER BY created ASC, key ASC", LISTED, at):
            yield from self._told(issues)
            if place:
                yield self._checkpoint({"done": done, "project": number, "at": place})

    def _told(self, issues: Sequence[Json]) -> Iterator[Change]:
        """What is not chosen is left out: a whole listing makes it go."""
        for issue in issues:
            change = self._chooser.told(self._client.site, issue)
            if not isinstance(change, Delete):
                yield change

    def _edited(self, projects: Sequence[Json]) -> Iterator[Change]:
        minutes = int(self._cursor.get("minutes") or minutes_since(self._since or datetime.now(UTC)))
        told: set[str] = set()
        for number, (ids, narrowed) in enumerate(self._questions(projects)):
            if number < int(self._cursor.get("question") or 0):
                continue
            at = str(self._cursor.get("at") or "") if self._cursor.get("question") == number else ""
            window = f"updated >= -{minutes}m"
            matching = self._matching(of_projects(ids, narrowed, window)) if not narrowed.empty else None
            asked = f"{of_projects(ids, Narrow(), window)} ORDER BY updated ASC, key ASC"
            for issues, place in self._client.search(asked, LISTED, at):
                for issue in issues:
                    change = self._chooser.told(self._client.site, issue)
                    if matching is not None and issue["id"] not in matching:
                        change = Delete(f"issue:{issue['id']}")
                    project = project_node(self._client.site, issue["fields"]["project"])
                    if not isinstance(change, Delete) and project.external_id not in told:
                        told.add(project.external_id)
                        yield Upsert(project)
                    yield change
                if place:
                    yield self._checkpoint({"minutes": minutes, "question": number, "at": place})
            yield self._checkpoint({"minutes": minutes, "question": number + 1})

    def _matching(self, jql: str) -> set[str]:
        return {
            issue["id"] for issues, _ in self._client.search(f"{jql} ORDER BY key ASC", ["project"]) for issue in issues
        }

    def _questions(self, projects: Sequence[Json]) -> Iterator[tuple[list[str], Narrow]]:
        """Projects that are asked for alike, so many at a time; one question for all where nothing tells them apart."""
        alike: dict[Narrow, list[str]] = {}
        for one in projects:
            alike.setdefault(self._chooser.narrowed(f"project:{one['id']}"), []).append(one["id"])
        if self._chooser.everything and len(alike) == 1:
            yield [], next(iter(alike))
            return
        for narrowed, ids in alike.items():
            for at in range(0, len(ids), TOGETHER):
                yield ids[at : at + TOGETHER], narrowed

    def _checkpoint(self, place: Json) -> Checkpoint:
        cursor = {"began": self._began, **place}
        if self._since is not None:
            cursor["since"] = self._since.isoformat()
        if self._gaps:
            cursor["gaps"] = True
        return Checkpoint(cursor)


def looked(client: Client, chooser: Chooser, external_ids: Sequence[str]) -> Iterator[Change]:
    """Single nodes told anew, with their projects; what is gone or not chosen as deleted."""
    told: set[str] = set()
    for external_id in external_ids:
        if external_id.startswith("project:"):
            yield from _project(client, chooser, external_id)
            continue
        project, change = _issue(client, chooser, external_id)
        if project is not None and project.external_id not in told and not isinstance(change, Delete):
            told.add(project.external_id)
            yield Upsert(project)
        yield change


def _project(client: Client, chooser: Chooser, external_id: str) -> Iterator[Change]:
    if not chooser.takes_project(external_id):
        return
    try:
        found = client.get(f"{client.api}/project/{external_id.partition(':')[2]}", node=True)
    except NodeError:
        yield Delete(external_id)
    else:
        yield Upsert(project_node(client.site, found))


def _issue(client: Client, chooser: Chooser, external_id: str) -> tuple[RemoteNode | None, Change]:
    sort, _, number = external_id.partition(":")
    gone = Delete(external_id)
    if sort != "issue" or not number.isdigit():
        return None, gone
    try:
        issue = client.get(f"{client.api}/issue/{number}", {"fields": ",".join(LISTED)}, node=True)
    except NodeError:
        return None, gone
    project = project_node(client.site, issue["fields"]["project"])
    narrowed = chooser.narrowed(project.external_id)
    if not narrowed.empty:
        jql = " AND ".join([f"id = {number}", *narrowed.clauses()])
        if not any(issues for issues, _ in client.search(jql, ["project"])):
            return project, gone
    return project, chooser.told(client.site, issue)
