"""Every deed with templates, by everybody, through portal, admin and API: who may is a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.test import Client

from assistants.models import Assistant
from gallery.marketplace import approving, installing, offering
from gallery.models import Rating, Template, TemplateVersion
from portal.models import AuditEvent, Membership
from tests import factories
from tests.assistants.lives import make, rolled_back
from tests.callers import Caller

OWNER, ADMIN, OPERATOR = frozenset({"owner"}), frozenset({"admin"}), frozenset({"operator"})
ADMINS = ADMIN | OPERATOR
INSIDE = OWNER | ADMINS | {"member", "builder"}


@dataclass
class Stage:
    """``leave``: an assistant of ``owner``, who offers it. ``operator``: an admin here who runs the installation."""

    cast: factories.Cast
    owner: Membership
    operator: Membership
    template: Any = None

    @property
    def everybody(self) -> dict[str, Membership]:
        cast = self.cast
        others = {"member": cast.member, "builder": cast.builder, "admin": cast.admin, "outsider": cast.outsider}
        return {"owner": self.owner, "operator": self.operator, **others}


@dataclass(frozen=True)
class Deed:
    """``event``: what the log says where it was done; without one, stars were given. ``portal``: page and form. ``api``: method,
    path and body. ``admin``: what is decided. ``{}`` in a path is the template's id."""

    name: str
    given: Callable[[Stage], Template | None]
    may: frozenset[str]
    event: str
    portal: tuple[str, dict[str, Any]] | None
    api: tuple[str, str, Any] | None
    admin: str = ""


def _nothing(stage: Stage) -> None:
    make(stage.owner)


def _offered(stage: Stage) -> Template:
    made = make(stage.owner)
    return offering.offer(made, stage.owner.user, replace(offering.drafted(made), description="It helps."))


def _on_shelf(stage: Stage) -> Template:
    return approving.approve(_offered(stage), stage.cast.admin.user)


def _everywhere(stage: Stage) -> Template:
    return approving.approve(_on_shelf(stage), stage.operator.user, everywhere=True)


def _newer_everywhere(stage: Stage) -> Template:
    """Every workspace has it, and its owner offers a newer version."""
    row = _everywhere(stage)
    made = row.assistant
    return offering.offer(made, stage.owner.user, replace(offering.drafted(made), description="It helps more."))


def _installed(stage: Stage) -> Template:
    """As @mine, by the member."""
    row, member = _on_shelf(stage), stage.cast.member
    installing.install(row, workspace=member.workspace, by=member.user, handle="mine")
    return row


def _newer(stage: Stage) -> Template:
    row = _installed(stage)
    version = TemplateVersion.objects.get(pk=row.latest.pk)
    version.pk, version.number, version.description = None, 2, "It helps more."
    version._state.adding = True
    version.save()
    Template.objects.filter(pk=row.pk).update(latest=version)
    return row


TEXTS = {
    "name": "Leave",
    "description": "It helps.",
    "department": "general",
    "task": "answer",
    "instructions": "Help.",
}
OFFER = ("assistants/leave/offer/", TEXTS | {"do": "offer"})
ONE = "templates/{}/"
WHY = {"comment": "Because."}
DEEDS = [
    Deed("offer", _nothing, OWNER, "template.offer", OFFER, ("post", "assistants/leave/offer/", TEXTS)),
    Deed("approve", _offered, ADMINS, "template.approve", None, ("post", f"{ONE}approve/", {}), "approve"),
    Deed("approve for all", _offered, OPERATOR, "template.approve", None, ("post", f"{ONE}approve/", {"everywhere": True}), "approve_everywhere"),
    Deed("decline", _offered, ADMINS, "template.decline", None, ("post", f"{ONE}decline/", WHY), "decline"),
    Deed("take back", _offered, OWNER | ADMINS, "template.take_back", (f"{ONE}settle/", {"do": "take_back"}), ("post", f"{ONE}take-back/", None)),
    Deed("withdraw", _on_shelf, OWNER | ADMINS, "template.withdraw", (f"{ONE}settle/", {"do": "withdraw"}), ("post", f"{ONE}withdraw/", None), "withdraw"),
    Deed("withdraw what all have", _everywhere, OPERATOR, "template.withdraw", (f"{ONE}settle/", {"do": "withdraw"}), ("post", f"{ONE}withdraw/", None), "withdraw"),
    Deed("approve what all have", _newer_everywhere, OPERATOR, "template.approve", None, ("post", f"{ONE}approve/", {}), "approve"),
    Deed("decline what all have", _newer_everywhere, OPERATOR, "template.decline", None, ("post", f"{ONE}decline/", WHY), "decline"),
    Deed("feature what all have", _everywhere, OPERATOR, "template.feature", None, ("post", f"{ONE}feature/", {"featured": True}), "feature"),
    Deed("take back what waits for all", _newer_everywhere, OWNER | ADMINS, "template.take_back", (f"{ONE}settle/", {"do": "take_back"}), ("post", f"{ONE}take-back/", None)),
    Deed("feature", _on_shelf, ADMINS, "template.feature", None, ("post", f"{ONE}feature/", {"featured": True}), "feature"),
    Deed("install", _on_shelf, INSIDE, "template.install", (f"{ONE}install/", {"step": "install", "handle": "other", "name": "Other"}), ("post", f"{ONE}install/", {"handle": "other"})),
    Deed("install what waits", _offered, frozenset(), "template.install", (f"{ONE}install/", {"step": "install", "handle": "other", "name": "Other"}), ("post", f"{ONE}install/", {"handle": "other"})),
    Deed("rate", _installed, frozenset({"member"}), "", (f"{ONE}rate/", {"stars": "4"}), ("put", f"{ONE}rating/", {"stars": 4})),
    Deed("update", _newer, frozenset({"member"}), "template.update", ("assistants/mine/template/", {"do": "take", "take": ["description"]}), ("post", "assistants/mine/template/", {})),
]  # fmt: skip


def surfaces(
    stage: Stage, deed: Deed, clients: dict[str, Client], callers: dict[str, Caller]
) -> Iterator[tuple[str, str, Callable[[], int]]]:
    """Surface, person, call."""
    key = stage.template.pk if stage.template else ""
    for name in stage.everybody:
        if deed.portal:
            path, form = deed.portal
            yield "portal", name, partial(_posted, clients[name], f"/w/acme/{path.format(key)}", form)
        if deed.api:
            method, path, body = deed.api
            yield "api", name, partial(_called, callers[name], method, path.format(key), body)
        if deed.admin:
            address = f"/w/acme/govern/gallery/template/{key}/decide/"
            yield "admin", name, partial(_posted, clients[name], address, {"do": deed.admin, **WHY})


def _posted(client: Client, address: str, form: dict[str, Any]) -> int:
    return client.post(address, form).status_code


def _called(caller: Caller, method: str, path: str, body: Any) -> int:
    return int(caller._send(method, path, body).status_code)


def done(deed: Deed, person: Membership, last: int, surface: str) -> bool:
    """Whether this person's deed shows where it has to: in the log, with the surface, or among the stars."""
    if not deed.event:
        return Rating.objects.filter(stars=4).exists()
    event = AuditEvent.objects.filter(action=deed.event, pk__gt=last).first()
    if event is not None:
        told = (event.actor_id, event.via, event.workspace_id)
        assert told == (person.user_id, surface, person.workspace_id), deed.name
        # What was there before shows beside what is there now; what is made or offered anew had nothing before.
        assert event.after is not None, deed.name
        assert event.before is not None or deed.event in ("template.offer", "template.install"), deed.name
    return event is not None


def test_who_may(cast):
    here = cast.workspace
    owner = factories.member(here, person=factories.user("owner@acme.example", name="Olga Owner"))
    person = factories.user("host@acme.example", name="Hal Host", is_superuser=True, is_staff=True)
    stage = Stage(cast, owner, factories.member(here, person=person, role="admin"))
    everybody = stage.everybody
    callers = {name: Caller(somebody, slug="acme") for name, somebody in everybody.items()}
    clients = {name: Client(raise_request_exception=False) for name in everybody}
    for name, somebody in everybody.items():
        clients[name].force_login(somebody.user)
    wrong = []
    for deed in DEEDS:
        with rolled_back():
            stage.template = deed.given(stage)
            last = AuditEvent.objects.first().pk
            for surface, name, call in surfaces(stage, deed, clients, callers):
                with rolled_back():
                    code = call()
                    was_done = done(deed, everybody[name], last, surface)
                may = name in deed.may and (surface != "admin" or name in ADMINS)
                if was_done != may or code >= 500 or (name == "outsider" and code != 404):
                    wrong.append(f"{deed.name}: {surface} answers {name} with {code}, done: {was_done}")
    assert wrong == []
    assert not Assistant.objects.exists()
