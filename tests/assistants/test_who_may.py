"""Every step of an assistant's life, by everybody, through portal, admin and API: who may is a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.test import Client

from assistants import lifecycle
from assistants.models import Assistant
from portal import people
from portal.models import AuditEvent, Membership, Space
from tests import factories
from tests.assistants.lives import make, published, rolled_back, vetted
from tests.callers import Caller

OWNER, ADMIN = frozenset({"owner"}), frozenset({"admin"})
BOTH = OWNER | ADMIN


@dataclass(frozen=True)
class Step:
    """``event``: what the log says where it was done. ``portal``: the form's fields. ``api``: method, path and body, where
    ``{}`` is the handle. ``admin``: the deed, of the assistant or of its request."""

    name: str
    given: Callable[..., Assistant]
    may: frozenset[str]
    event: str
    portal: Callable[[Any], dict[str, Any]]
    api: Callable[[Any], tuple[str, str, Any]] | None
    admin: str = ""


@dataclass
class Stage:
    """An assistant of ``owner``, and who else there is."""

    cast: factories.Cast
    owner: Membership
    row: Any = None
    request: Any = None

    @property
    def everybody(self) -> dict[str, Membership]:
        cast = self.cast
        return {
            "owner": self.owner,
            "member": cast.member,
            "builder": cast.builder,
            "admin": cast.admin,
            "outsider": cast.outsider,
        }


def _published(owner: Membership, admin: Membership) -> Assistant:
    return published(owner)


def _twice_mine(owner: Membership, admin: Membership) -> Assistant:
    row = make(owner)
    lifecycle.save_version(row, owner.user, instructions="New.")
    return row


def _twice(owner: Membership, admin: Membership) -> Assistant:
    return lifecycle.publish(_twice_mine(owner, admin), owner.user)


def _changed(owner: Membership, admin: Membership) -> Assistant:
    row = vetted(owner, admin)
    lifecycle.save_version(row, owner.user, instructions="New.")
    return row


def _asked(owner: Membership, admin: Membership) -> Assistant:
    row = published(owner)
    lifecycle.request_vetting(row, owner.user)
    return row


def _archived(owner: Membership, admin: Membership) -> Assistant:
    return lifecycle.archive(published(owner), owner.user)


def _hidden(owner: Membership, admin: Membership) -> Assistant:
    return lifecycle.hide(published(owner), admin.user)


def _orphan(owner: Membership, admin: Membership) -> Assistant:
    row = published(owner)
    people.deactivate(owner, by=admin.user)
    return row


def _shared(owner: Membership, admin: Membership) -> Assistant:
    return lifecycle.add_owner(
        published(owner), owner.user, admin.workspace.memberships.get(user__name="Zed Other").user
    )


def just(**fields: Any) -> Callable[[Stage], dict[str, Any]]:
    return lambda _stage: fields


def post(path: str, body: Any = None) -> Callable[[Stage], tuple[str, str, Any]]:
    return lambda _stage: ("post", path, body)


def on_request(verb: str, body: Any = None) -> Callable[[Stage], tuple[str, str, Any]]:
    return lambda stage: ("post", f"vetting-requests/{stage.request.pk}/{verb}/", body)


def decision(do: str) -> Callable[[Stage], dict[str, Any]]:
    return lambda stage: {"do": do, "request": stage.request.pk, "comment": "Because."}


def back(stage: Stage) -> dict[str, Any]:
    return {"do": "roll_back", "version": stage.row.versions.get(number=1).pk}


def company(stage: Stage) -> str:
    return str(Space.objects.get(workspace=stage.cast.workspace, name="Company").pk)


WHY = {"comment": "Because."}
STEPS = [
    Step("publish", make_personal := lambda o, a: make(o), OWNER, "assistant.publish", just(do="publish"), post("assistants/{}/publish/")),
    Step("unpublish", _published, BOTH, "assistant.unpublish", just(do="unpublish"), post("assistants/{}/unpublish/"), "unpublish"),
    Step("change", _twice, BOTH, "assistant.save", back, lambda s: ("patch", "assistants/{}/", {"name": "Other"})),
    Step("change a personal one", _twice_mine, OWNER, "assistant.save", back, post("assistants/{}/versions/1/restore/")),
    Step("ask", _published, BOTH, "assistant.request_vetting", just(do="request_vetting"), post("assistants/{}/vetting-requests/", {})),
    Step("ask again", _changed, BOTH, "assistant.request_vetting", just(do="request_vetting"), post("assistants/{}/vetting-requests/", {})),
    Step("withdraw", _asked, BOTH, "assistant.withdraw_vetting", decision("withdraw"), on_request("withdraw")),
    Step("approve", _asked, ADMIN, "assistant.vet", decision("approve"), on_request("approve", {}), "approve"),
    Step("ask for changes", _asked, ADMIN, "assistant.ask_changes", decision("ask_changes"), on_request("ask-changes", WHY), "ask_changes"),
    Step("decline", _asked, ADMIN, "assistant.decline_vetting", decision("decline"), on_request("decline", WHY), "decline"),
    Step("vet", _published, ADMIN, "assistant.vet", just(do="vet", version=1), post("assistants/{}/vet/", {"version": 1}), "vet"),
    Step("unvet", vetted, ADMIN, "assistant.unvet", just(do="unvet"), post("assistants/{}/unvet/", {}), "unvet"),
    Step("hide", _published, ADMIN, "assistant.hide", just(do="hide"), post("assistants/{}/hide/"), "hide"),
    Step("unhide", _hidden, ADMIN, "assistant.unhide", just(do="unhide"), post("assistants/{}/unhide/"), "unhide"),
    Step("archive", _published, BOTH, "assistant.archive", just(do="archive"), lambda s: ("delete", "assistants/{}/", None), "archive"),
    Step("restore", _archived, BOTH, "assistant.restore", just(do="restore"), post("assistants/{}/restore/"), "restore"),
    Step("take over", _orphan, ADMIN, "assistant.take_over", just(do="take_over"), post("assistants/{}/take-over/"), "take_over"),
    Step("take over what is owned", _published, frozenset(), "assistant.take_over", just(do="take_over"), post("assistants/{}/take-over/"), "take_over"),
    Step("add an owner", _published, BOTH, "assistant.owners", just(do="add_owner", email="zed@acme.example"), lambda s: ("post", "assistants/{}/owners/", {"user": _zed(s)})),
    Step("remove an owner", _shared, BOTH, "assistant.owners", lambda s: {"do": "remove_owner", "user": _zed(s)}, lambda s: ("delete", f"assistants/{{}}/owners/{_zed(s)}/", None)),
    Step("default", vetted, ADMIN, "assistant.default", just(do="default"), lambda s: ("put", "assistant-defaults/", {"assistant": "leave"}), "default"),
    Step("default of a space", vetted, ADMIN, "assistant.default", lambda s: {"do": "default", "space": company(s)}, lambda s: ("put", "assistant-defaults/", {"assistant": "leave", "space": company(s)})),
    Step("hand over", _published, BOTH, "assistant.hand_over", just(do="none"), lambda s: ("post", "assistant-hand-overs/", {"from_person": str(s.owner.pk), "to_person": str(s.cast.builder.pk)})),
]  # fmt: skip


def _zed(stage: Stage) -> int:
    return stage.cast.workspace.memberships.get(user__name="Zed Other").user_id


def portal(stage: Stage, step: Step, client: Client) -> int:
    fields = step.portal(stage)
    page = "edit" if fields["do"] == "roll_back" else "publishing"
    return client.post(f"/w/acme/assistants/leave/{page}/", fields).status_code


def through_admin(stage: Stage, step: Step, client: Client) -> int:
    row, of = (stage.request, "vettingrequest") if stage.request is not None else (stage.row, "assistant")
    address = f"/w/acme/govern/assistants/{of}/{row.pk}/do/{step.admin}/"
    return client.post(address, {"confirmed": "yes", "answer": "Because.", "version": "1"}).status_code


def api(stage: Stage, step: Step, caller: Caller) -> int:
    assert step.api
    method, path, body = step.api(stage)
    return int(caller._send(method, path.format("leave"), body).status_code)


def surfaces(
    stage: Stage, step: Step, number: int, clients: dict, callers: dict
) -> Iterator[tuple[str, str, Callable[[], int]]]:
    """Each call of the step: surface, person, call. The admin turns everybody but admins away at one door; one of them tries."""
    for name in stage.everybody:
        if step.portal(stage)["do"] != "none":
            yield "portal", name, partial(portal, stage, step, clients[name])
        if step.api:
            yield "api", name, partial(api, stage, step, callers[name])
    if step.admin:
        yield "admin", "admin", partial(through_admin, stage, step, clients["admin"])
        other = ("owner", "member", "builder", "outsider")[number % 4]
        yield "admin", other, partial(through_admin, stage, step, clients[other])


def test_who_may(cast):
    """What was done shows in the log, with whoever did it and the surface: that is what is looked at."""
    owner = factories.member(cast.workspace, person=factories.user("owner@acme.example", name="Olga Owner"))
    factories.member(cast.workspace, person=factories.user("zed@acme.example", name="Zed Other"))
    everybody = Stage(cast, owner).everybody
    callers = {name: Caller(person, slug="acme") for name, person in everybody.items()}
    clients = {name: Client(raise_request_exception=False) for name in everybody}
    for name, person in everybody.items():
        clients[name].force_login(person.user)
    wrong = []
    for number, step in enumerate(STEPS):
        with rolled_back():
            stage = Stage(cast, owner, step.given(owner, cast.admin))
            stage.request = stage.row.vetting_requests.filter(state="open").first()
            logged = AuditEvent.objects.filter(action=step.event)
            last = AuditEvent.objects.first().pk
            for surface, name, call in surfaces(stage, step, number, clients, callers):
                with rolled_back():
                    code = call()
                    event = logged.filter(pk__gt=last).first()
                may = name in step.may and (surface != "admin" or name == "admin")
                if (event is not None) != may or code >= 500 or (name == "outsider" and code != 404):
                    wrong.append(f"{step.name}: {surface} answers {name} with {code}, done: {event is not None}")
                elif event is not None:
                    told = (event.actor_id, event.via, event.workspace_id)
                    assert told == (everybody[name].user_id, surface, cast.workspace.pk), (step.name, told)
                    assert event.before is not None or event.after is not None, step.name
    assert wrong == []
