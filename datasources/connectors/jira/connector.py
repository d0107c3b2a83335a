"""Jira: issues with their comments, project by project, of the cloud or of a data center."""

from __future__ import annotations

import re
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
    Upsert,
)
from datasources.connectors.jira import hooks
from datasources.connectors.jira.about import ABOUT
from datasources.connectors.jira.client import Client
from datasources.connectors.jira.listing import Chooser, Run, looked
from datasources.connectors.jira.nodes import LISTED, issue_node, project_node
from datasources.connectors.jira.query import TOGETHER, Narrow, of_projects
from datasources.connectors.jira.texts import Texts
from datasources.connectors.lines import Lines

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]+-\d+")
_BYTES_AN_ISSUE = 2_500


class Jira:
    """Config: ``base_url``, ``jql``, ``fields`` (list) and ``secured`` (bool). Secret: as the Auths of about.py ask for."""

    about: ClassVar[About] = ABOUT

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self._jql = str(config.get("jql") or "")
        self._secured = bool(config.get("secured"))
        self._client = Client(str(config.get("base_url") or ""), secret, around)
        self._texts = Texts(self._client, [str(name) for name in config.get("fields") or ()])

    def test(self) -> TestResult:
        me = self._client.get(f"{self._client.api}/myself")
        who = me.get("displayName") or me.get("name") or "The account"
        projects = []
        for project in self._client.projects():
            projects.append(project)
            if len(projects) > 50:
                break
        if not projects:
            return TestResult(False, f"{who} is known, but may browse no project: give it “Browse projects” in some")
        if self._jql:
            next(self._client.search(of_projects([projects[0]["id"]], Narrow(self._jql)), ["project"]))
        number = "more than 50" if len(projects) > 50 else str(len(projects))
        named = ", ".join(str(one["name"]) for one in projects[:3])
        return TestResult(True, f"{who} may browse {number} project{'s' * (number != '1')}: {named}")

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        if parent is None:
            yield from (project_node(self._client.site, one) for one in self._client.projects())
            return
        sort, _, number = parent.partition(":")
        if sort != "project" or not number.isdigit():
            raise NodeError(f"{parent} is no project")
        jql = of_projects([number], self._chooser([]).narrowed(parent))
        for issues, _ in self._client.search(f"{jql} ORDER BY created DESC, key DESC", LISTED):
            told = [self._chooser([]).told(self._client.site, issue) for issue in issues]
            yield from (change.node for change in told if isinstance(change, Upsert))

    def find(self, text: str) -> Iterator[RemoteNode]:
        """Projects by name or key, and the one issue whose key it is."""
        wanted = re.sub(r"\s*\([^()]*\)$", "", text).strip().casefold()
        for one in self._client.projects(wanted):
            node = project_node(self._client.site, one)
            if wanted in node.title.casefold():
                yield node
        if _KEY.fullmatch(text.strip()):
            try:
                asked = {"fields": ",".join(LISTED)}
                found = self._client.get(f"{self._client.api}/issue/{text.strip().upper()}", asked, node=True)
            except NodeError:
                return
            yield issue_node(self._client.site, found)

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        """Counted by Jira; the cloud counts roughly, and what has a security level is among them."""
        chooser = self._chooser(chosen)
        projects = [one for one in self._client.projects() if chooser.takes_project(f"project:{one['id']}")]
        alike: dict[Narrow, list[str]] = {}
        for one in projects:
            alike.setdefault(chooser.narrowed(f"project:{one['id']}"), []).append(one["id"])
        documents = len(chooser.singles)
        for narrowed, ids in alike.items():
            for at in range(0, len(ids), TOGETHER):
                documents += self._client.count(of_projects(ids[at : at + TOGETHER], narrowed))
        return Estimate(documents, documents * _BYTES_AN_ISSUE, exact=False)

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        yield from Run(self._client, self._chooser(chosen), cursor).changes()

    def look(self, external_ids: Sequence[str], chosen: Sequence[Chosen]) -> Iterator[Change]:
        yield from looked(self._client, self._chooser(chosen), external_ids)

    def fetch(self, node: RemoteNode) -> Content:
        return Content(markdown=self._texts.issue(node.external_id.partition(":")[2]))

    def webhook(self, delivery: Delivery) -> Heard:
        return hooks.heard(delivery)

    def _chooser(self, chosen: Sequence[Chosen]) -> Chooser:
        return Chooser(Lines(chosen), self._jql, with_secured=self._secured)


CONNECTOR = Jira
