"""Who may read a page in effect: of each level that is restricted, and of the space, only who is on all of them.

A restriction names people and groups; below it, all must be named again at every further level that is restricted, and a
restriction never opens what the space does not. What can't be resolved counts as nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from datasources.connectors.base import NodeError
from datasources.connectors.confluence.client import Confluence
from datasources.connectors.confluence.contents import Item

Json = Mapping[str, Any]
Principals = frozenset[str]
EVERYONE: Principals = frozenset({"everyone"})
NOBODY: Principals = frozenset()
_MEMBERS = 200
_NOT_TOLD: Json = {"limit": 0}
"""Search left the restriction out: it is asked for."""


class Readers:
    """``mail_domain``: makes e-mails of user names where Confluence tells none. ``spaces``: whether spaces are mirrored."""

    def __init__(self, confluence: Confluence, mail_domain: str = "", *, spaces: bool = True) -> None:
        self.confluence = confluence
        self.mail_domain = mail_domain.strip().lstrip("@").lower()
        self.spaces = spaces
        self._mails: dict[str, str] = {}
        self._members: dict[str, Principals] = {}
        self._of_space: dict[str, Principals] = {}
        self._of: dict[str, Principals] = {}

    def of_space(self, space: Json) -> Principals:
        key = str(space.get("key"))
        if key not in self._of_space:
            try:
                self._of_space[key] = self._named_by(space) if self.spaces else EVERYONE
            except NodeError:
                self._of_space[key] = NOBODY
        return self._of_space[key]

    def effective(self, item: Item, space: Principals) -> Principals | None:
        """None where it is not restricted itself: then whoever may read its parent. Its ancestors have been asked about before."""
        own = self.own(item.raw)
        above = next((self._of[key] for key in item.chain[1:] if key in self._of), space)
        known = [key for key, _ in item.above if key not in self._of]
        if own is None:
            self._of[item.node.external_id] = NOBODY if known else above
            return NOBODY if known else None
        self._of[item.node.external_id] = NOBODY if known else self.both(own, above)
        return self._of[item.node.external_id]

    def forget(self) -> None:
        """What was known of single pages, between two spaces."""
        self._of.clear()

    def own(self, content: Json) -> Principals | None:
        """Whom the page's own restriction names; None where it has none."""
        read = ((content.get("restrictions") or {}).get("read") or {}).get("restrictions")
        try:
            if not isinstance(read, Mapping):
                read = dict.fromkeys(("user", "group"), _NOT_TOLD)
            people = list(self._complete(content, read.get("user"), "user"))
            groups = list(self._complete(content, read.get("group"), "group"))
        except NodeError:
            return NOBODY
        if not people and not groups:
            return None
        mails = {f"mail:{mail}" for person in people if (mail := self.mail(person))}
        return frozenset(mails | {f"group:{_group(group)}" for group in groups})

    def names_anyone(self, content: Json) -> bool:
        """Whether the page has a restriction of its own, whoever is on it. What can't be told counts as one."""
        read = ((content.get("restrictions") or {}).get("read") or {}).get("restrictions")
        try:
            if not isinstance(read, Mapping):
                read = dict.fromkeys(("user", "group"), _NOT_TOLD)
            return any(True for kind in ("user", "group") for _ in self._complete(content, read.get(kind), kind))
        except NodeError:
            return True

    def _complete(self, content: Json, told: Any, kind: str) -> Iterator[Json]:
        """All of a list that came with the page, also what did not fit into it."""
        found = told if isinstance(told, Mapping) else {}
        results = found.get("results") or []
        if len(results) < int(found.get("limit", _MEMBERS)):
            yield from results
            return
        path = f"/rest/api/content/{quote(str(content['id']))}/restriction/byOperation/read"
        start = 0
        while True:
            asked = {"expand": f"restrictions.{kind}", "limit": _MEMBERS, "start": start}
            more = ((self.confluence.get(path, asked, node=True).get("restrictions") or {}).get(kind) or {}).get(
                "results"
            )
            yield from more or ()
            start += len(more or ())
            if not more or len(more) < _MEMBERS:
                return

    def both(self, one: Principals, other: Principals) -> Principals:
        """Who is in both. Groups stay groups where they can; else they are resolved to the people in them."""
        if "everyone" in one:
            return other
        if "everyone" in other:
            return one
        kept = one & other
        people = self._people(one - kept) & self._people(other)
        return frozenset(kept | people | (self._people(one) & self._people(other - kept)))

    def _people(self, principals: Principals) -> Principals:
        found = {principal for principal in principals if principal.startswith("mail:")}
        for principal in principals:
            if principal.startswith("group:"):
                found |= self.in_group(principal.removeprefix("group:"))
        return frozenset(found)

    def in_group(self, group: str) -> Principals:
        if group not in self._members:
            try:
                self._members[group] = frozenset(f"mail:{mail}" for mail in self.members(group))
            except NodeError:
                self._members[group] = NOBODY
        return self._members[group]

    def members(self, group: str) -> Iterator[str]:
        """E-mails of a group, in lower case; people whose e-mail is not told are left out."""
        cloud = self.confluence.cloud
        path = f"/rest/api/group/{quote(group, safe='')}/{'membersByGroupId' if cloud else 'member'}"
        start = 0
        while True:
            found = self.confluence.get(path, {"limit": _MEMBERS, "start": start}, node=True).get("results") or []
            yield from (mail for person in found if (mail := self.mail(person)))
            start += len(found)
            if len(found) < _MEMBERS:
                return

    def mail(self, person: Json) -> str:
        """Empty where it is not told."""
        told = str(person.get("email") or person.get("emailAddress") or "").lower()
        one = str(person.get("accountId") or person.get("username") or person.get("userKey") or "")
        if told or not one:
            return told
        if one not in self._mails:
            self._mails[one] = self._asked(person)
        return self._mails[one]

    def _asked(self, person: Json) -> str:
        name = str(person.get("username") or "")
        if not self.confluence.cloud and not name and person.get("userKey"):
            try:
                name = str(
                    self.confluence.get("/rest/api/user", {"key": person["userKey"]}, node=True).get("username") or ""
                )
            except NodeError:
                return ""
        if name:
            return name.lower() if "@" in name else f"{name}@{self.mail_domain}".lower() if self.mail_domain else ""
        try:
            found = self.confluence.get("/rest/api/user", {"accountId": person.get("accountId")}, node=True)
        except NodeError:
            return ""
        return str(found.get("email") or "").lower()

    def _named_by(self, space: Json) -> Principals:
        """Whom a space lets view it."""
        if not self.confluence.cloud:
            path = f"/rest/api/space/{quote(str(space['key']))}/permissions"
            rows = self.confluence.get(path, {}, node=True).get("results") or ()
            return frozenset(self._subjects(rows))
        found: set[str] = set()
        for row in self._permissions(str(space["id"])):
            operation, principal = row.get("operation") or {}, row.get("principal") or {}
            if (operation.get("key"), operation.get("targetType")) != ("read", "space"):
                continue
            kind, one = principal.get("type"), str(principal.get("id") or "")
            if kind == "group" and one:
                found.add(f"group:{one}")
            elif kind == "user" and (mail := self.mail({"accountId": one})):
                found.add(f"mail:{mail}")
        return frozenset(found)

    def _permissions(self, space: str) -> Iterator[Json]:
        path, token = f"/api/v2/spaces/{quote(space)}/permissions", ""
        while True:
            results, token = self.confluence.page(path, {"limit": 250}, token)
            yield from results
            if not token:
                return

    def _subjects(self, rows: Any) -> Iterator[str]:
        for row in rows:
            operation, subject = row.get("operation") or {}, row.get("subject") or {}
            if (operation.get("operationKey"), operation.get("targetType")) != ("read", "space"):
                continue
            if subject.get("type") == "group":
                yield f"group:{_group(subject)}"
            elif subject.get("type") == "user" and (mail := self.mail(subject)):
                yield f"mail:{mail}"


def _group(group: Json) -> str:
    """Cloud's id; Data Center has only names."""
    return str(group.get("id") or group.get("name") or "")
