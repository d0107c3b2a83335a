"""Every step of an assistant's life, by everybody, through portal, admin and API: who may is a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.test import Client

from assistants import lifecycle
from assistants.admin.deeds import DEEDS
from assistants.admin.vetting import VettingAdmin
from assistants.models import Assistant
from assistants.views.publishing import DEEDS as PUBLISHING_DEEDS
from portal import people
from portal.models import AuditEvent, Membership, Space
from tests import factories
from tests.assistants.lives import make, published, rolled_back, vetted
from tests.callers import Caller

OWNER, ADMIN = frozenset({"owner"}), frozenset({"admin"})
BOTH = OWNER | ADMIN
ANYBODY = BOTH | {"member", "builder"}


@dataclass(frozen=True)
class Step:
    """``event``: what the log says where it was done. ``portal``: the form's fields, and the ``page`` that it is on, if that is
    not the one on publishing. ``api``: method, path and body, where ``{}`` is the handle. ``admin``: the deed, of the assistant
    or of its request, or a page below the admin's own; ``answer``: what it asks for."""

    name: str
    given: Callable[..., Assistant]
    may: frozenset[str]
    event: str
    portal: Callable[[Any], dict[str, Any]] | None
    api: Callable[[Any], tuple[str, str, Any]] | None
    admin: str = ""
    answer: str = "Because."


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


def _default(owner: Membership, admin: Membership) -> Assistant:
    row = vetted(owner, admin)
    lifecycle.set_default(row.workspace, row, admin.user)
    lifecycle.set_space_default(Space.objects.get(workspace=row.workspace, name="Company"), row, admin.user)
    return row


def just(**fields: Any) -> Callable[[Stage], dict[str, Any]]:
    return lambda _stage: fields


def post(path: str, body: Any = None) -> Callable[[Stage], tuple[str, str, Any]]:
    return lambda _stage: ("post", path, body)


def on_request(verb: str, body: Any = None) -> Callable[[Stage], tuple[str, str, Any]]:
    return lambda stage: ("post", f"vetting-requests/{stage.request.pk}/{verb}/", body)


def decision(do: str) -> Callable[[Stage], dict[str, Any]]:
    return lambda stage: {"do": do, "request": stage.request.pk, "comment": "Because."}


def back(stage: Stage) -> dict[str, Any]:
    return {"page": EDIT, "do": "roll_back", "version": stage.row.versions.get(number=1).pk}


def saved(page: str, **fields: Any) -> Callable[[Stage], dict[str, Any]]:
    """The builder's form as the row has it, but for ``fields``."""
    row = {"handle": "leave", "name": "Leave", "stage": "beta", "colour": "", "retrieval": "none", "knowledge": "[]"}
    return lambda _stage: {"page": page, "do": "save", **row, **fields}


def change(**fields: Any) -> Callable[[Stage], tuple[str, str, Any]]:
    return lambda _stage: ("patch", "assistants/{}/", fields)


def defaults(**fields: Any) -> Callable[[Stage], tuple[str, str, Any]]:
    return lambda _stage: ("put", "assistant-defaults/", fields)


def company(stage: Stage) -> str:
    return str(Space.objects.get(workspace=stage.cast.workspace, name="Company").pk)


EDIT, NEW, PUBLISHING = "assistants/leave/edit/", "assistants/new/form/", "assistants/leave/publishing/"
FILE = "format: atrium-assistant/1\nhandle: other\nname: Other\n"
LASTS = "vettingrequest/lasts/"
WHY = {"comment": "Because."}
STEPS = [
    Step("create", _published, ANYBODY, "assistant.create", saved(NEW, handle="other"), post("assistants/", {"handle": "other"})),
    Step("import", _published, ANYBODY, "assistant.create", None, post("assistants/import/", {"yaml": FILE})),
    Step("publish", make_personal := lambda o, a: make(o), OWNER, "assistant.publish", just(do="publish"), post("assistants/{}/publish/")),
    Step("unpublish", _published, BOTH, "assistant.unpublish", just(do="unpublish"), post("assistants/{}/unpublish/"), "unpublish"),
    Step("change", _published, BOTH, "assistant.save", saved(EDIT, name="Other"), change(name="Other")),
    Step("change a vetted one", vetted, BOTH, "assistant.save", saved(EDIT, name="Other"), change(name="Other")),
    Step("change a personal one", make_personal, OWNER, "assistant.save", saved(EDIT, name="Other"), change(name="Other")),
    Step("rename", _published, BOTH, "assistant.rename", saved(EDIT, handle="other"), change(handle="other"), "rename", "other"),
    Step("rename a vetted one", vetted, ADMIN, "assistant.rename", saved(EDIT, handle="other"), change(handle="other"), "rename", "other"),
    Step("stage", vetted, BOTH, "assistant.stage", saved(EDIT, stage="alpha"), change(stage="alpha"), "stage", "alpha"),
    Step("show instructions", vetted, BOTH, "assistant.instructions", saved(EDIT, shows_instructions="on"), change(shows_instructions=True), "show_instructions"),
    Step("set owners", _published, BOTH, "assistant.owners", None, lambda s: ("patch", "assistants/{}/", {"owners": [s.owner.user_id, _zed(s)]})),
    Step("go back", _twice, BOTH, "assistant.save", back, post("assistants/{}/versions/1/restore/"), "roll_back", "1"),
    Step("go back in a personal one", _twice_mine, OWNER, "assistant.save", back, post("assistants/{}/versions/1/restore/")),
    Step("ask", _published, BOTH, "assistant.request_vetting", just(do="request_vetting"), post("assistants/{}/vetting-requests/", {})),
    Step("ask again", _changed, BOTH, "assistant.request_vetting", just(do="request_vetting"), post("assistants/{}/vetting-requests/", {})),
    Step("withdraw", _asked, BOTH, "assistant.withdraw_vetting", decision("withdraw"), on_request("withdraw"), "withdraw"),
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
    Step("add an owner", _published, BOTH, "assistant.owners", just(do="add_owner", email="zed@acme.example"), lambda s: ("post", "assistants/{}/owners/", {"user": _zed(s)}), "add_owner", "zed@acme.example"),
    Step("remove an owner", _shared, BOTH, "assistant.owners", lambda s: {"do": "remove_owner", "user": _zed(s)}, lambda s: ("delete", f"assistants/{{}}/owners/{_zed(s)}/", None), "remove_owner", "zed@acme.example"),
    Step("default", vetted, ADMIN, "assistant.default", just(do="default"), defaults(assistant="leave"), "default"),
    Step("no default", _default, ADMIN, "assistant.default", just(do="no_default"), defaults(assistant=None), "no_default"),
    Step("default of a space", vetted, ADMIN, "assistant.default", lambda s: {"do": "default", "space": company(s)}, lambda s: ("put", "assistant-defaults/", {"assistant": "leave", "space": company(s)}), "space_default", "Company"),
    Step("no default of a space", _default, ADMIN, "assistant.default", lambda s: {"do": "no_default", "space": company(s)}, lambda s: ("put", "assistant-defaults/", {"assistant": None, "space": company(s)}), "no_default"),
    Step("how long vettings last", vetted, ADMIN, "workspace.vetting_days", None, lambda s: ("patch", "", {"vetting_days": 90}), LASTS),
    Step("hand over one", _published, BOTH, "assistant.hand_over", lambda s: {"do": "hand_over", "from": s.owner.user_id, "email": "zed@acme.example"}, lambda s: ("post", "assistant-hand-overs/", {"from_person": str(s.owner.pk), "to_person": str(s.cast.builder.pk), "assistant": "leave"})),
    Step("hand over", _published, BOTH, "assistant.hand_over", None, lambda s: ("post", "assistant-hand-overs/", {"from_person": str(s.owner.pk), "to_person": str(s.cast.builder.pk)})),
]  # fmt: skip


# What a surface leaves to another one, and why.
NOT_THERE = {
    "admin": {
        # Written in the builder, beside the assistant that answers; what it is called and said to be is changed in both.
        *("create", "import", "change", "change a vetted one"),
        # Its owners' alone, and of a personal one an admin does not even know.
        *("publish", "change a personal one", "go back in a personal one"),
        # An admin vets; owners ask.
        *("ask", "ask again"),
        # One at a time; and with whoever leaves, on their own page.
        *("set owners", "hand over", "hand over one"),
    },
    # A file fills the builder's form, owners are added and removed one at a time; one hands over all of one's own under Me; the
    # rest is under Govern.
    "portal": {"import", "set owners", "how long vettings last", "hand over"},
    "api": set(),
}


def test_every_step_is_on_every_surface():
    for surface, missing in NOT_THERE.items():
        assert {step.name for step in STEPS if not getattr(step, surface)} == missing, surface


def test_every_deed_of_portal_and_admin_is_in_the_table():
    """A button that nobody put into the table is one whose rights nobody looked at."""
    admin = {step.admin for step in STEPS} - {"", LASTS}
    # The other half of showing them.
    assert {deed.name for deed in (*DEEDS, *VettingAdmin.deeds)} - admin == {"keep_instructions"}
    page = {str(step.name) for step in STEPS if step.portal}
    said = {
        "ask": "request_vetting",
        "ask for changes": "ask_changes",
        "take over": "take_over",
        "add an owner": "add_owner",
        "hand over one": "hand_over",
    }
    said |= {"remove an owner": "remove_owner", "no default": "no_default"}
    assert set(PUBLISHING_DEEDS) <= {said.get(name, name) for name in page}


def _zed(stage: Stage) -> int:
    return stage.cast.workspace.memberships.get(user__name="Zed Other").user_id


def portal(stage: Stage, step: Step, client: Client) -> int:
    assert step.portal
    fields = step.portal(stage)
    return client.post(f"/w/acme/{fields.pop('page', PUBLISHING)}", fields).status_code


def through_admin(stage: Stage, step: Step, client: Client) -> int:
    row, of = (stage.request, "vettingrequest") if stage.request is not None else (stage.row, "assistant")
    below = step.admin if step.admin.endswith("/") else f"{of}/{row.pk}/do/{step.admin}/"
    sent = {"confirmed": "yes", "answer": step.answer, "version": "1", "days": "90"}
    return client.post(f"/w/acme/govern/assistants/{below}", sent).status_code


def api(stage: Stage, step: Step, caller: Caller) -> int:
    assert step.api
    method, path, body = step.api(stage)
    return int(caller._send(method, path.format("leave"), body).status_code)


def surfaces(stage: Stage, step: Step, clients: dict, callers: dict) -> Iterator[tuple[str, str, Callable[[], int]]]:
    """Each call of the step: surface, person, call."""
    for name in stage.everybody:
        if step.portal:
            yield "portal", name, partial(portal, stage, step, clients[name])
        if step.api:
            yield "api", name, partial(api, stage, step, callers[name])
        if step.admin:
            yield "admin", name, partial(through_admin, stage, step, clients[name])


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
    for step in STEPS:
        with rolled_back():
            stage = Stage(cast, owner, step.given(owner, cast.admin))
            stage.request = stage.row.vetting_requests.filter(state="open").first()
            logged = AuditEvent.objects.filter(action=step.event)
            last = AuditEvent.objects.first().pk
            for surface, name, call in surfaces(stage, step, clients, callers):
                with rolled_back():
                    code = call()
                    event = logged.filter(pk__gt=last).first()
                may = name in step.may and (surface != "admin" or name == "admin")
                if (event is not None) != may or code >= 500 or (name == "outsider" and code != 404):
                    wrong.append(f"{step.name}: {surface} answers {name} with {code}, done: {event is not None}")
                elif event is not None:
                    told = (event.actor_id, event.via, event.workspace_id)
                    assert told == (everybody[name].user_id, surface, cast.workspace.pk), (step.name, told)
                    # What was there before shows beside what is there now; what is made had nothing before.
                    assert event.after is not None, step.name
                    assert event.before is not None or step.event == "assistant.create", step.name
    assert wrong == []


def test_whoever_may_ask_it_copies_and_exports_it(cast):
    """Neither changes anything; what comes along is looked at elsewhere."""
    personal, offered = make(cast.member, "mine"), published(cast.member, "ours")
    for name, person in {"owner": cast.member, "builder": cast.builder, "outsider": cast.outsider}.items():
        client = Client()
        client.force_login(person.user)
        for row in (personal, offered):
            may = name == "owner" or (name == "builder" and row == offered)
            for what in ("copy", "export"):
                assert (client.get(f"/w/acme/assistants/{row.handle}/{what}/").status_code == 200) == may, (name, row)
            asked = Caller(person, slug="acme").get(f"assistants/{row.handle}/export/").status_code
            assert asked == (200 if may else 404)
