"""Fernwick's people, spaces and sources, and who may see which part: by the verbs that real use has."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from datasources.granting import grant_access
from datasources.models import DataSource, Node, SyncRun, UploadedFile
from datasources.sources import add_upload, create_source, request_sync
from datasources.sync import sync_source
from gallery.demo import numbers, slack, told
from gallery.demo.dates import Calendar, on
from portal import audit
from portal.inviting import invite
from portal.models import Membership, Role, Space, User, Workspace
from portal.people import deactivate, make_person, make_workspace
from portal.spaces import save_space

FIRST_DAY = 36
"""So many days ago the portal was set up there."""


@dataclass
class Company:
    """``say``: how far it is, for whoever waits."""

    calendar: Calendar
    say: Callable[[str], None]
    told: Mapping[str, Any] = field(default_factory=lambda: told.read("company"))
    members: dict[str, Membership] = field(default_factory=dict)
    sources: dict[str, DataSource] = field(default_factory=dict)

    @property
    def people(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.told["people"]
        return found

    @cached_property
    def workspace(self) -> Workspace:
        return self.members["wanda"].workspace

    def user(self, short: str) -> User:
        return self.members[short].user

    def address(self, short: str) -> str:
        return f"{short}@{self.told['domain']}"

    def part(self, path: str) -> tuple[DataSource, list[UUID] | None]:
        """``handbook/people`` as a source and the node there; of a source alone, None for all of it."""
        name, _, rest = path.partition("/")
        source = self.sources[name]
        if not rest:
            return source, None
        # A channel stands at the top of its source, under its name.
        titles = [rest, f"#{rest}"]
        rows = Node.objects.filter(source=source)
        found = rows.filter(external_id=rest).first() or rows.filter(parent=None, title__in=titles).first()
        if found is None:
            raise ValidationError(f"{path} did not come in.")
        return source, [found.pk]

    def parts(self, paths: Iterable[str]) -> dict[DataSource, list[UUID] | None]:
        """Gathered by source."""
        found: dict[DataSource, list[UUID] | None] = {}
        for path in paths:
            source, nodes = self.part(path)
            before = found.get(source, [])
            found[source] = None if nodes is None or before is None else [*before, *nodes]
        return found


def settle(company: Company) -> None:
    """The workspace with its people and spaces."""
    told, calendar = company.told, company.calendar
    with transaction.atomic(), on(calendar.moment(FIRST_DAY, "09:02")):
        first = _person(company, "wanda")
        workspace = make_workspace(**told["workspace"], admin=first)
        company.members["wanda"] = Membership.objects.select_related("workspace", "user").get(workspace=workspace)
    for number, short in enumerate(one for one in company.people if one != "wanda"):
        with transaction.atomic(), on(calendar.moment(FIRST_DAY - 1 - number // 3, f"1{number % 6}:1{number % 5}")):
            company.members[short] = _join(company, workspace, short)
    for place, (name, members) in enumerate(told["spaces"].items()):
        with on(calendar.moment(FIRST_DAY - 4, f"15:{10 + place}")):
            space = Space(workspace=workspace, name=name, kind=Space.Kind.RESTRICTED)
            save_space(space, by=first, members=[company.user(short) for short in members])
    _invite(company)


def _person(company: Company, short: str) -> User:
    address = company.address(short)
    return User.objects.filter(email=address).first() or make_person(email=address, name=company.people[short]["name"])


def _join(company: Company, workspace: Workspace, short: str) -> Membership:
    """As if their invitation had been accepted; no mail goes out to people who don't exist."""
    user = _person(company, short)
    made = Membership.objects.create(workspace=workspace, user=user, role=Role(company.people[short]["role"]))
    audit.record("invitation.accept", workspace=workspace, actor=user, target=made, after={"role": made.role})
    return made


def _invite(company: Company) -> None:
    """Some who have not come yet."""
    wanda = company.user("wanda")
    for one in company.told["invited"]:
        with on(company.calendar.moment(one["days"], "11:20")):
            invite(
                workspace=company.workspace, email=company.address(one["email"]), role=one["role"], by=wanda, mail=False
            )


def leave(company: Company) -> None:
    """Those who left meanwhile; what only they owned becomes an orphan."""
    for short, one in company.people.items():
        if "left" in one:
            with on(company.calendar.moment(one["left"], "18:00")):
                deactivate(company.members[short], by=company.user("wanda"))


# ---- What is written where ---------------------------------------------------------------------------------------


def connect(company: Company) -> None:
    """The sources, with all that is in them, read here and now; then who may see which part."""
    for short, one in company.told["sources"].items():
        with on(company.calendar.moment(FIRST_DAY - 2, "10:00")):
            company.sources[short] = create_source(
                workspace=company.workspace,
                by=company.user(one["by"]),
                kind=one["kind"],
                name=one["name"],
                config={},
                spaces=[],
                start=False,
            )
    for short, files in _files(company).items():
        source = company.sources[short]
        company.say(f"Reading {source.name}: {len(files)} file{'s' * (len(files) > 1)}…")
        for path, (data, when) in files.items():
            made = add_upload(source, path=path, file=io.BytesIO(data), by=source.created_by)
            UploadedFile.objects.filter(pk=made.pk).update(created=when)
        _read(source)
    _grant(company)


Files = dict[str, tuple[bytes, datetime]]
"""By path: what is in it, and since when."""


def _files(company: Company) -> dict[str, Files]:
    """By source."""
    calendar, now = company.calendar, company.calendar.moment(1, "18:00")
    tables = _tables(company)
    found: dict[str, Files] = {}
    for short, one in company.told["sources"].items():
        pages = told.pages(calendar, short).items()
        found[short] = {path: (text.encode(), calendar.moment(3 + len(text) % 170, "16:00")) for path, text in pages}
        found[short] |= {name: (numbers.as_file(name, tables[name]), now) for name in one.get("tables", ())}
    export = slack.export(
        told.read("slack"),
        company.people,
        company.told["domain"],
        calendar,
        tables["support-tickets.csv"],
        tables["deals.csv"],
    )
    found["slack"] = {"fernwick-slack.zip": (export, now)}
    return found


def _tables(company: Company) -> dict[str, numbers.Rows]:
    calendar = company.calendar
    staff = [(one["name"], one["title"], one["team"]) for one in company.people.values() if "left" not in one]
    return {
        "deals.csv": numbers.deals(calendar),
        "support-tickets.csv": numbers.tickets(calendar),
        "invoices.csv": numbers.invoices(calendar),
        "headcount.xlsx": numbers.headcount(calendar, staff),
    }


def _read(source: DataSource) -> None:
    """Here, or wherever a worker was quicker; until it has ended. Raises ValidationError where not all came in."""
    run = request_sync(source, by=None, trigger=SyncRun.Trigger.FIRST)
    while run.state in SyncRun.RUNNABLE:
        sync_source(run)
        run = source.runs.latest("created")
    if run.state != SyncRun.State.DONE:
        raise ValidationError(f"{source.name} could not be read: {run.error or run.get_state_display()}")


def _grant(company: Company) -> None:
    for number, (name, paths) in enumerate(company.told["grants"].items()):
        space = Space.objects.get(workspace=company.workspace, name=name)
        with on(company.calendar.moment(FIRST_DAY - 4, "16:00") + timedelta(minutes=number)):
            for source, nodes in company.parts(paths).items():
                grant_access(source, space, by=company.user("wanda"), parents_in=nodes)
