"""Nobody gets where they should not: every page, API call and socket as an admin, a builder, a member, an outsider and nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from django.utils import timezone

from assistants import lifecycle
from assistants.models import Assistant, Conversation, Message
from assistants.pictures import keep_picture
from assistants.saved_prompts import save_prompt
from datasources.models import Grant, SyncRun, UploadedFile
from gallery.marketplace import approving, offering
from gallery.models import Installation
from portal import access, inviting, profile
from portal.models import ApiKey, Budget, Credential, Membership, ModelOffer, Notice, Price, Space, UsageRecord
from tests import factories
from tests.assistants.pictured import a_picture
from tests.callers import ALL, key
from tests.datasources.tabled import give_table
from tests.walk import Route, routes

pytestmark = pytest.mark.django_db(transaction=True)
SAFE = {"GET"}
# Addresses that want more than a row: an upload is named in the query; a source that is not finished yet, or has files.
_SOURCE = "w/<slug:slug>/data/<uuid:pk>/"
WANTS_MORE = {f"{_SOURCE}{rest}/" for rest in ("upload/remove", "files", "finish", "resume", "forget")}


def rows(cast: factories.Cast) -> dict[str, Any]:
    """One row of the workspace for each word that an id follows in an address, and for each model of the admin."""
    here = cast.workspace
    source = factories.source(here, kind="folder", config={"path": "/nowhere"}, created_by=cast.admin.user)
    node = factories.node(source, "a.md", text="Text.")
    table = give_table(factories.node(source, "rows.csv", text="x"), "a,b\n1,2\n")
    run = SyncRun.objects.create(source=source, state="done", finished=timezone.now())
    helper = lifecycle.create_assistant(workspace=here, by=cast.admin.user, handle="helper", knowledge=[])
    lifecycle.publish(helper, cast.admin.user)
    template = approving.approve(
        offering.offer(helper, cast.admin.user, replace(offering.drafted(helper), description="It helps.")),
        cast.admin.user,
    )
    Installation.objects.create(template=template, assistant=helper, version=template.latest, by=cast.admin.user)
    Assistant.objects.filter(pk=helper.pk).update(template=template.pk, template_version=1)
    vetting = lifecycle.request_vetting(helper, cast.admin.user)
    notice = Notice.objects.create(workspace=here, user=cast.admin.user, words="It is done.")
    talk = Conversation.objects.create(workspace=here, owner=cast.admin.user, assistant=helper)
    asked = Message.objects.create(conversation=talk, role="user", content="?", author=cast.admin.user)
    told = Message.objects.create(
        conversation=talk, role="assistant", parent=asked, content="!", author=cast.admin.user, finished=timezone.now()
    )
    Conversation.objects.filter(pk=talk.pk).update(head=told)
    invitation, link = inviting.invite(workspace=here, email="new@acme.example", role="member", by=cast.admin.user)
    space = factories.space(here, cast.admin)
    credential = Credential.objects.create(workspace=here, kind="openai", name="OpenAI")
    api_key, _text = ApiKey.objects.make(cast.admin, "script", ["read"])
    usage = UsageRecord.objects.create(workspace=here, user=cast.admin.user, purpose="answer", vendor="v", model="m")
    grant = Grant.objects.get(source=source)
    limit = Budget.objects.create(workspace=here, covers="workspace", limit=10)
    price = Price.objects.create(workspace=here, credential=credential, model="m")
    offer = ModelOffer.objects.create(workspace=here, credential=credential, model="m")
    return {
        "slug": here.slug,
        "people/": cast.member.pk,
        "invitations/": invitation.pk,
        "spaces/": space.pk,
        "access/": space.pk,
        "credentials/": credential.pk,
        "budgets/": limit.pk,
        "prices/": price.pk,
        "model-offers/": offer.pk,
        "keys/": api_key.pk,
        "api-keys/": api_key.pk,
        "data/": source.pk,
        "data-sources/": source.pk,
        "runs/": run.pk,
        "grants/": grant.pk,
        "documents/": node.pk,
        "nodes/": node.pk,
        "tables/": table.pk,
        "items/": "an item",
        "files/": UploadedFile.objects.create(source=source, path="a.md", stored="a.md", size=1, sha256="0").pk,
        "assistants/": helper.handle,
        "templates/": template.pk,
        "template": template.pk,
        "versions/": 1,
        "vetting-requests/": vetting.pk,
        "vettingrequest": vetting.pk,
        "notices/": notice.pk,
        "prompts/": save_prompt(cast.admin, "Weekly", "What is new?").pk,
        "pictures/": keep_picture(cast.admin, a_picture()).pk,
        "portraits/": portrait_of(cast.admin),
        "try/": told.pk,
        "assistant-trials/": told.pk,
        "conversations/": talk.pk,
        "c/": talk.pk,
        "m/": told.pk,
        "messages/": told.pk,
        "kind": "folder",
        "rest": "",
        "token": link.rstrip("/").rsplit("/", 1)[-1],
        "uid": "none",
        # Models of the admin.
        "membership": cast.member.pk,
        "invitation": invitation.pk,
        "space": space.pk,
        "credential": credential.pk,
        "apikey": api_key.pk,
        "usagerecord": usage.pk,
        "budget": limit.pk,
        "price": price.pk,
        "modeloffer": offer.pk,
        "auditevent": here.audit.first().pk,
        "workspace": here.pk,
        "user": cast.member.user_id,
        "datasource": source.pk,
        "table": table.pk,
        "syncrun": run.pk,
        "grant": grant.pk,
        "assistant": helper.pk,
        "conversation": talk.pk,
        "deed": "none",
    }


def portrait_of(person: Membership) -> str:
    profile.keep_picture(person.user, a_picture())
    return person.user.portrait


class Somebody:
    """A person with a browser and, for the API, a key that has every scope."""

    def __init__(self, name: str, membership: Any = None) -> None:
        self.name, self.membership = name, membership
        self.client = Client(raise_request_exception=False)
        self.headers: dict[str, str] = {}
        if membership is not None:
            self.client.force_login(membership.user)
            self.headers = {"authorization": f"Bearer {key(membership, *ALL)}"}

    def call(self, method: str, address: str) -> HttpResponse:
        headers = self.headers if address.startswith("/api/") else {}
        response = self.client.generic(method, address, content_type="application/json", headers=headers)
        response.close()
        return response


def complaint(
    somebody: Somebody, route: Route, method: str, response: HttpResponse, rows: dict[str, Any]
) -> str | None:
    """What is wrong with this answer, or None."""
    action, code = route.action(method), response.status_code
    told = f"{method} /{route.text} answers {somebody.name} with {code}"
    if code >= 500:
        return told
    if action == access.PUBLIC:
        return None
    if somebody.membership is None:
        turned_away = code in {401, 404} or (code == 302 and response["Location"].startswith("/accounts/login/"))
        return None if turned_away else f"{told}, not with a way to sign in"
    if action == access.SIGNED_IN:
        owns = somebody.name == "admin" or "<uuid:" not in route.text
        return None if owns or code in {404, 405} else f"{told}, though the row is somebody else's"
    if action == access.OPERATOR:
        return None if code == 404 else f"{told}, though only operators may know of it"
    if somebody.name == "outsider":
        return None if code == 404 else f"{told}, not with 404"
    if not access.may(somebody.membership, action):
        return None if code in {403, 404} else f"{told}, though the rule {action} says no"
    if somebody.name == "admin" and code == 404 and route.model is None and route.text not in WANTS_MORE:
        return f"{told}: the walk's row is not there, so the others' 404 says nothing"
    return None


def walk(found: list[Route], everybody: list[Somebody], rows: dict[str, Any]) -> list[str]:
    """All complaints. What one may do and would change something is not done: the tests of each deed do that."""
    wrong = []
    for route in found:
        if not route.access:
            wrong.append(f"/{route.text} declares no access rule")
            continue
        address = route.address(rows)
        for method in route.methods:
            for somebody in everybody:
                inside = somebody.membership is not None and somebody.name != "outsider"
                rule = route.action(method)
                named = rule not in {access.PUBLIC, access.SIGNED_IN, access.OPERATOR}
                allowed = inside and (not named or access.may(somebody.membership, rule))
                if method not in SAFE and (allowed or rule in {access.PUBLIC, access.SIGNED_IN}):
                    continue
                said = complaint(somebody, route, method, somebody.call(method, address), rows)
                wrong += [said] if said else []
    return wrong


def everybody(cast: factories.Cast) -> list[Somebody]:
    names = ("admin", "builder", "member", "outsider")
    return [*(Somebody(name, getattr(cast, name)) for name in names), Somebody("nobody")]


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk calls more often than any integration may; and levels of a tree are not read behind its back."""
    from datasources import offering
    from portal.api.throttling import KeyThrottle

    monkeypatch.setattr(offering, "start", lambda level: None)

    monkeypatch.setattr(KeyThrottle, "THROTTLE_RATES", {"key": None})


def test_every_address_keeps_its_rule(cast, free):
    found = routes()
    assert len(found) > 150
    assert walk(found, everybody(cast), rows(cast)) == []


def test_the_walk_sees_a_view_without_a_rule(cast, free):
    def forgotten(request: Any) -> HttpResponse:
        return HttpResponse("secret")

    found = [Route(p.pattern._route, p.callback) for p in [path("w/<slug:slug>/forgotten/", forgotten)]]
    assert walk(found, everybody(cast), rows(cast)) == ["/w/<slug:slug>/forgotten/ declares no access rule"]


def test_the_walk_sees_a_door_that_stands_open(cast, free):
    """A page of the workspace that says it is for admins, and answers everybody."""

    def open_door(request: Any) -> HttpResponse:
        return HttpResponse("secret")

    open_door.access = "people.manage"  # type: ignore[attr-defined]
    found = [Route("healthz", open_door)]
    wrong = walk(found, everybody(cast), rows(cast))
    assert any("answers outsider with 200" in said for said in wrong)
    assert any("answers member with 200" in said for said in wrong)
    assert any("answers nobody with 200" in said for said in wrong)


def test_the_walk_asks_for_rows_that_it_does_not_know(cast):
    with pytest.raises(LookupError, match="which row stands after things/"):
        Route("w/<slug:slug>/things/<uuid:pk>/", None).address(rows(cast))


async def _socket(address: str, cookie: str, origin: str = "http://localhost") -> str:
    """ "open", or how the door was shut."""
    from portal.asgi import application

    headers = [(b"origin", origin.encode()), (b"host", b"localhost"), (b"cookie", cookie.encode())]
    scope = {"type": "websocket", "path": address, "headers": headers, "query_string": b"", "subprotocols": []}
    socket = ApplicationCommunicator(application, scope)
    await socket.send_input({"type": "websocket.connect"})
    first = await socket.receive_output(timeout=5)
    if first["type"] == "websocket.close":
        return f"refused {first.get('code')}"
    if await socket.receive_nothing(timeout=0.1):
        await socket.send_input({"type": "websocket.disconnect", "code": 1000})
        await socket.wait(timeout=5)
        return "open"
    second = await socket.receive_output(timeout=5)
    return f"closed {second.get('code')}" if second["type"] == "websocket.close" else "open"


async def test_every_socket_keeps_its_rule(cast):
    from portal.urls import websocket_urlpatterns

    filled = await sync_to_async(rows)(cast)
    people_here = await sync_to_async(everybody)(cast)
    assert websocket_urlpatterns
    for pattern in websocket_urlpatterns:
        text = pattern.pattern._route
        consumer = pattern.callback.consumer_class
        assert getattr(consumer, "access", None), f"{consumer.__name__} declares no access rule"
        address = Route(text, pattern.callback).address(filled)
        for somebody in people_here:
            cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in somebody.client.cookies.items())
            outcome = await _socket(address, cookie)
            may = access.may(somebody.membership, consumer.access) and somebody.name != "outsider"
            assert (outcome == "open") == may, f"{address} is {outcome} for {somebody.name}"
            assert await _socket(address, cookie, origin="https://evil.example") != "open"


def test_spaces_of_others_are_not_even_named(cast):
    board = factories.space(cast.workspace, cast.admin, name="Takeover of Umbra")
    assert Space.objects.filter(pk=board.pk).exists()
    member = Somebody("member", cast.member)
    for address in ("/w/acme/spaces/", "/api/v1/workspaces/acme/spaces/"):
        response = member.client.get(address, headers=member.headers if address.startswith("/api/") else {})
        assert "Takeover" not in response.content.decode()
