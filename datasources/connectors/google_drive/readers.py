"""Who may read an item, as Drive says it. What can't be found out is nobody.

Items of shared drives carry no list of permissions: they inherit the drive's, unless Drive says that they have more or
less of their own; then each one's list is asked for. Source: Drive API v3, resource files, permissions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from datasources.connectors.base import ConnectorError, NodeError
from datasources.connectors.google_drive.client import DIRECTORY, DRIVE, Client, Item
from datasources.connectors.lines import moment

NOBODY: tuple[str, ...] = ()
_FIELDS = "nextPageToken,permissions(type,emailAddress,domain,allowFileDiscovery,deleted,view,expirationTime)"


class Readers:
    def __init__(self, client: Client, config: Mapping[str, Any], *, mirror: bool) -> None:
        self.client = client
        self.mirror = mirror
        self.by_link = config.get("links", "all") != "named"
        self.groups = bool(config.get("groups"))

    def of(self, item: Item) -> tuple[str, ...] | None:
        """Principals, None where whoever reads its parent reads it, and also where nothing is mirrored."""
        if not self.mirror:
            return None
        if item.get("driveId"):
            own = item.get("hasAugmentedPermissions") or item.get("inheritedPermissionsDisabled")
            return self.listed(str(item["id"])) if own else None
        if isinstance(item.get("permissions"), list):
            return self._principals(item["permissions"])
        return self.listed(str(item["id"]))

    def of_drive(self, drive_id: str) -> tuple[str, ...] | None:
        return self.listed(drive_id) if self.mirror else None

    def top(self) -> tuple[str, ...] | None:
        """Of My Drive and of what is shared: its items each say who reads them, and the shelf itself is nobody's."""
        return NOBODY if self.mirror else None

    def listed(self, file_id: str) -> tuple[str, ...]:
        path = f"{DRIVE}/files/{quote(file_id, safe='')}/permissions"
        params = {"fields": _FIELDS, "supportsAllDrives": "true", "pageSize": 100}
        found: list[Item] = []
        try:
            answer = self.client.json(path, params, node=True)
            found += answer.get("permissions") or []
            while token := answer.get("nextPageToken"):
                answer = self.client.json(path, {**params, "pageToken": token}, node=True)
                found += answer.get("permissions") or []
        except NodeError:
            return NOBODY
        return self._principals(found)

    def members(self, group: str) -> Iterator[str]:
        """Addresses, groups inside groups included. None without the setting; raises ConnectorError without the scope."""
        if not self.groups:
            return
        path = f"{DIRECTORY}/groups/{quote(group, safe='')}/members"
        params = {"includeDerivedMembership": "true", "maxResults": 200}
        try:
            for members, _ in self.client.pages(path, "members", params):
                yield from (
                    str(member["email"]).lower()
                    for member in members
                    if member.get("type") == "USER"
                    and member.get("email")
                    and member.get("status", "ACTIVE") == "ACTIVE"
                )
        except ConnectorError as error:
            if not error.permanent:
                raise
            raise ConnectorError(
                f"The members of the group {group} can't be read: let the service account read in the name of an "
                "administrator, with the scope admin.directory.group.member.readonly, or turn off the members of groups "
                f"({error})",
                permanent=True,
            ) from error

    def _principals(self, permissions: list[Item]) -> tuple[str, ...]:
        now, found = datetime.now(UTC), set()
        for line in permissions:
            until = moment(line.get("expirationTime"))
            if line.get("deleted") or line.get("view") or (until is not None and until < now):
                continue
            if principal := self._principal(line):
                found.add(principal)
        return tuple(sorted(found))

    def _principal(self, line: Item) -> str:
        kind, mail = line.get("type"), str(line.get("emailAddress") or "").lower()
        if kind == "user" and mail:
            return f"mail:{mail}"
        if kind == "group" and mail:
            return f"group:{mail}"
        if not self.by_link and not line.get("allowFileDiscovery"):
            return ""
        if kind == "domain" and line.get("domain"):
            return f"domain:{str(line['domain']).lower()}"
        return "everyone" if kind == "anyone" else ""
