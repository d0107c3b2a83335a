"""One issue as Markdown: its fields, description, comments, and the names of what is attached."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

from datasources.connectors.base import NodeError
from datasources.connectors.jira import adf, wiki
from datasources.connectors.jira.client import Client
from datasources.connectors.jira.nodes import person
from datasources.connectors.markup import escaped
from datasources.ingestion.results import megabytes

Json = dict[str, Any]
_READ = (
    *("summary", "description", "environment", "comment", "attachment", "issuelinks", "subtasks", "parent", "status"),
    *("issuetype", "priority", "labels", "components", "assignee", "reporter", "resolution", "fixVersions", "created"),
    *("updated", "duedate"),
)
_COMMENTS = 100
_MOST_NAMES = 1000


class Texts:
    """Used by several threads at once. ``more``: names of further fields that are wanted."""

    def __init__(self, client: Client, more: Sequence[str]) -> None:
        self._client = client
        self._more = [name.casefold() for name in more]
        self._lock = threading.Lock()
        self._fields: dict[str, str] | None = None
        self._names: dict[str, str] = {}

    def issue(self, number: str) -> str:
        wanted = self._wanted()
        asked = {"fields": ",".join((*_READ, *wanted))}
        told = self._client.get(f"{self._client.api}/issue/{number}", asked, node=True)
        fields = told["fields"]
        comments = self._comments(number, fields.get("comment") or {})
        self._learn([fields.get("assignee"), fields.get("reporter"), *(one.get("author") for one in comments)])
        parts = [*self._head(fields), *self._own(fields, wanted), *self._said(comments), _attached(fields)]
        return "\n\n".join(part for part in parts if part.strip()) + "\n"

    def _head(self, fields: Json) -> Iterator[str]:
        facts = [
            _name(fields, "issuetype"),
            _name(fields, "status"),
            _labelled("Resolution", _name(fields, "resolution")),
        ]
        facts += [
            _labelled("Priority", _name(fields, "priority")),
            _labelled("Assigned to", person(fields.get("assignee"))),
        ]
        facts += [
            _labelled("Reported by", person(fields.get("reporter"))),
            _labelled("Due", fields.get("duedate") or ""),
        ]
        facts += [_labelled("Labels", ", ".join(fields.get("labels") or ()))]
        facts += [
            _labelled("Components", _list(fields, "components")),
            _labelled("Fixed in", _list(fields, "fixVersions")),
        ]
        yield " · ".join(escaped(fact) for fact in facts if fact)
        if related := [*_related(fields)]:
            yield "\n".join(f"- {escaped(line)}" for line in related)

    def _own(self, fields: Json, wanted: dict[str, str]) -> Iterator[str]:
        yield self.rich(fields.get("description"))
        if environment := self.rich(fields.get("environment")):
            yield f"## Environment\n\n{environment}"
        for key, title in wanted.items():
            if value := self._value(fields.get(key)):
                yield f"## {escaped(title)}\n\n{value}"

    def _said(self, comments: Sequence[Json]) -> Iterator[str]:
        """What only a role or a group may see at Jira is not told here, where others read."""
        hidden = 0
        for one in comments:
            if one.get("visibility") or one.get("jsdPublic") is False:
                hidden += 1
                continue
            who = person(one.get("author")) or "someone who left"
            yield f"## Comment by {escaped(who)}, {str(one.get('created') or '')[:10]}\n\n{self.rich(one.get('body'))}"
        if hidden:
            yield f"{hidden} comment{'s' * (hidden != 1)} that only some people may see at Jira {'is' if hidden == 1 else 'are'} left out."

    def _comments(self, number: str, first: Json) -> list[Json]:
        """All of them: an issue is told with a part only where it has many."""
        found = list(first.get("comments") or ())
        total = int(first.get("total") or len(found))
        if len(found) >= total:
            return found
        found = []
        while True:
            asked = {"startAt": len(found), "maxResults": _COMMENTS, "orderBy": "created"}
            page = self._client.get(f"{self._client.api}/issue/{number}/comment", asked, node=True)
            found += page["comments"]
            if len(found) >= int(page["total"]) or not page["comments"]:
                return found

    def rich(self, value: object) -> str:
        """A rich field, in whichever of Jira's two formats it comes."""
        if isinstance(value, dict):
            return adf.markdown(value)
        return wiki.markdown(value, self._named) if isinstance(value, str) else ""

    def _value(self, value: object) -> str:
        """Of a further field: text, a choice, a person, a number, or a list of these."""
        if isinstance(value, list):
            return ", ".join(part for part in map(self._value, value) if part)
        if isinstance(value, dict) and value.get("type") != "doc":
            return escaped(str(value.get("value") or value.get("displayName") or value.get("name") or ""))
        if isinstance(value, bool) or value is None:
            return {True: "yes", False: "no", None: ""}[value]
        return self.rich(value) if isinstance(value, str | dict) else escaped(str(value))

    def _wanted(self) -> dict[str, str]:
        """The further fields by id, with their titles."""
        if not self._more:
            return {}
        with self._lock:
            if self._fields is None:
                told = self._client.get(f"{self._client.api}/field")
                found = {str(one["id"]): str(one["name"]) for one in told if str(one["name"]).casefold() in self._more}
                self._fields = found
            return self._fields

    def _learn(self, people: Sequence[object]) -> None:
        with self._lock:
            if len(self._names) > _MOST_NAMES:
                self._names.clear()
            for one in people:
                if isinstance(one, dict) and (name := person(one)):
                    self._names |= {str(one[key]): name for key in ("name", "key", "accountId") if one.get(key)}

    def _named(self, key: str) -> str:
        """The name of who was mentioned; the key itself where Jira does not tell."""
        with self._lock:
            if key in self._names:
                return self._names[key]
        name = key
        try:
            asked = {"accountId": key} if self._client.cloud else {"username": key}
            name = person(self._client.get(f"{self._client.api}/user", asked, node=True)) or key
        except NodeError:
            name = key
        with self._lock:
            self._names[key] = name
        return name


def _name(fields: Json, key: str) -> str:
    return str((fields.get(key) or {}).get("name") or "")


def _list(fields: Json, key: str) -> str:
    return ", ".join(str(one.get("name") or "") for one in fields.get(key) or ())


def _labelled(label: str, value: str) -> str:
    return f"{label}: {value}" if value else ""


def _related(fields: Json) -> Iterator[str]:
    if parent := fields.get("parent"):
        yield f"Part of {_titled(parent)}"
    for one in fields.get("subtasks") or ():
        yield f"Sub-task {_titled(one)}"
    for one in fields.get("issuelinks") or ():
        for side, word in (("outwardIssue", "outward"), ("inwardIssue", "inward")):
            if one.get(side):
                yield f"{(one.get('type') or {}).get(word) or 'relates to'} {_titled(one[side])}"


def _titled(issue: Json) -> str:
    return f"{issue.get('key')} {(issue.get('fields') or {}).get('summary') or ''}".strip()


def _attached(fields: Json) -> str:
    names = [
        f"- {escaped(str(one.get('filename')))} ({megabytes(one.get('size') or 0)})"
        for one in fields.get("attachment") or ()
    ]
    return "## Attachments\n\n" + "\n".join(names) if names else ""
