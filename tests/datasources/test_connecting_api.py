"""Connecting through the API: kinds, secrets, browsing, choosing, estimates."""

from dataclasses import replace

import pytest
from django.urls import reverse

from datasources import offering
from datasources.connectors import registry
from datasources.connectors.base import ConnectorError
from datasources.entered import read_entered
from datasources.models import DataSource, Level, node_id
from datasources.oauth import keep, secret_of
from portal.models import Credential, Space
from tests import factories
from tests.callers import Caller
from tests.datasources.places import ABOUT, TOKEN, Wiki, page, wiki  # noqa: F401

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(cast, wiki):  # noqa: F811
    body = {"kind": "wiki", "name": "Our wiki", "auth": "token", "secret": {"token": TOKEN}}
    answer = Caller(cast.builder).post("data-sources/", body)
    assert answer.status_code == 201, answer.content
    return DataSource.objects.get()


def read(source, parent=""):
    offering.read_level(offering.ask(source, parent))


def put(call, path, data):
    return call._send("put", path, data)


def test_kinds_say_what_they_have_to_be_told(cast, wiki):  # noqa: F811
    rows = {row["kind"]: row for row in Caller(cast.builder).get("connectors/").json()["results"]}
    assert {"folder", "upload", "slack"} <= set(rows)
    (token, oauth) = rows["wiki"]["auths"]
    assert token["asks"][0] == {
        "name": "token", "label": "Token", "kind": "text", "secret": True, "required": True, "help": "",
        "initial": None, "choices": [],
    }  # fmt: skip
    assert oauth["oauth"] is True
    assert [option["name"] for option in rows["wiki"]["options"]] == ["since", "globs", "depth"]
    assert Caller(cast.member).get("connectors/").status_code == 403
    assert Caller(cast.outsider, slug="acme").get("connectors/").status_code == 404


def test_a_source_is_connected_with_a_secret_that_never_comes_out(cast, made):
    assert made.state == "new"
    assert made.runs.get().trigger == "first"
    assert secret_of(made.credential) == {"auth": "token", "token": TOKEN}
    call = Caller(cast.builder)
    assert TOKEN not in call.get(f"data-sources/{made.pk}/").content.decode()
    assert TOKEN not in Caller(cast.admin).get("credentials/").content.decode()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"auth": "token", "secret": {"token": "wrong"}}, "refuses the token"),
        ({"auth": "token", "secret": {}}, "Enter this: Token"),
        ({"auth": "token", "secret": {"tokn": "x"}}, "Unknown setting"),
        ({"auth": "magic"}, "It takes one of token, oauth"),
        ({"auth": "oauth", "secret": {"client_id": "a", "client_secret": "b"}}, "takes a browser"),
        ({"auth": "token", "secret": {"token": TOKEN}, "config": {"colour": "red"}}, "Unknown setting"),
        ({"auth": "token", "secret": {"token": TOKEN}, "config": {"base_url": "ftp://x"}}, "begins with https"),
        (
            {
                "auth": "token",
                "secret": {"token": TOKEN},
                "selection": [{"external_id": "hr", "options": {"since": "x"}}],
            },
            "Pages from",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_told_and_nothing_is_kept(cast, wiki, body, says):  # noqa: F811
    answer = Caller(cast.builder).post("data-sources/", {"kind": "wiki", "name": "W", **body})
    assert answer.status_code == 400
    assert says in answer.content.decode()
    assert not DataSource.objects.exists()
    assert not Credential.objects.exists()


def test_a_key_of_somebody_else_or_of_another_kind_is_not_used(cast, made):
    other = Caller(factories.member(cast.workspace, "builder"))
    model_key = Credential.objects.create(workspace=cast.workspace, kind="openai", name="OpenAI")
    for key in (made.credential_id, model_key.pk):
        answer = other.post("data-sources/", {"kind": "wiki", "name": "W", "credential": str(key)})
        assert answer.status_code == 400
    again = Caller(cast.builder).post(
        "data-sources/", {"kind": "wiki", "name": "W", "credential": str(made.credential_id)}
    )
    assert again.status_code == 201


def test_it_is_connected_anew(cast, made):
    call = Caller(cast.builder)
    DataSource.objects.update(state="needs_attention")
    assert call.patch(f"data-sources/{made.pk}/", {"secret": {"token": "wrong"}}).status_code == 400
    assert call.patch(f"data-sources/{made.pk}/", {"auth": "token", "secret": {"token": TOKEN}}).status_code == 200
    made.refresh_from_db()
    assert made.state == "new"
    answer = call.patch(f"data-sources/{made.pk}/", {"config": {"base_url": "https://evil.example"}})
    assert answer.status_code == 400
    assert "Enter this: Token" in answer.content.decode()


def test_browsing_tells_levels_pages_and_searches(cast, made):
    call = Caller(cast.builder)
    first = call.get(f"data-sources/{made.pk}/browse/").json()
    assert (first["state"], first["results"]) == ("reading", [])
    offering.read_level(Level.objects.get())
    first = call.get(f"data-sources/{made.pk}/browse/").json()
    assert [row["title"] for row in first["results"]] == ["Machines", "People", "Home"]
    assert first["state"] == "read"
    hr = str(node_id(made.pk, "hr"))
    call.get(f"data-sources/{made.pk}/browse/", parent=hr)
    read(made, "hr")
    below = call.get(f"data-sources/{made.pk}/browse/", parent=hr).json()
    assert below["results"][0]["parents"] == [str(node_id(made.pk, "hr/leave")), hr]
    found = call.get(f"data-sources/{made.pk}/browse/", q="vpn").json()
    assert [row["external_id"] for row in found["results"]] == ["it/vpn"]
    assert call.get(f"data-sources/{made.pk}/browse/", parent="nonsense").status_code == 400


def test_a_large_level_comes_in_pages(cast, made):
    Wiki.pages = {None: [page(f"p{n:04}") for n in range(450)]}
    read(made)
    call = Caller(cast.builder)
    seen, first = [], 0
    while first is not None:
        body = call.get(f"data-sources/{made.pk}/browse/", first=first).json()
        seen += [row["external_id"] for row in body["results"]]
        first = body["next"]
    assert seen == [f"p{n:04}" for n in range(450)]


def test_the_choice_is_put_and_estimated(cast, made):
    call = Caller(cast.builder)
    path = f"data-sources/{made.pk}/selection/"
    answer = put(call, path, {"selection": [{"external_id": "hr"}, {"external_id": "hr/pay", "include": False}]})
    assert answer.status_code == 200, answer.content
    assert [line["external_id"] for line in answer.json()["selection"]] == ["hr", "hr/pay"]
    assert made.selections.get(external_id="hr").node == node_id(made.pk, "hr")
    assert put(call, path, {"selection": [{"external_id": "hr"}, {"external_id": "hr"}]}).status_code == 400
    assert put(call, path, {"selection": [{"node": str(node_id(made.pk, "unknown"))}]}).status_code == 400
    told = call.post(f"data-sources/{made.pk}/estimate/", {"selection": [{"external_id": "hr"}]}).json()
    assert (told["documents"], told["passages"], told["exact"]) == (120, 600, False)
    assert told["seconds"] == 40.0
    assert call.post(f"data-sources/{made.pk}/estimate/", {}).status_code == 200


SECRET = {"kind": "wiki", "name": "Our wiki", "auth": "token", "secret": {"token": TOKEN}}


def test_a_draft_is_looked_through_before_anything_comes_in(cast, wiki):  # noqa: F811
    call = Caller(cast.builder)
    answer = call.post("data-sources/", {**SECRET, "draft": True, "selection": [{"external_id": "hr"}]})
    assert (answer.status_code, answer.json()["state"]) == (201, "draft")
    draft = DataSource.objects.get()
    at = f"data-sources/{draft.pk}/"
    assert (draft.runs.count(), draft.grants.count()) == (0, 0)
    assert Caller(cast.member).get(at).status_code == 404
    call.get(f"{at}browse/")
    read(draft)
    assert len(call.get(f"{at}browse/").json()["results"]) == 3
    assert call.post(f"{at}estimate/", {}).json()["documents"] == 120
    assert put(call, f"{at}selection/", {"selection": [{"external_id": "it"}]}).status_code == 200
    assert call.post(f"{at}sync/").status_code == 400
    space = factories.space(cast.workspace, cast.builder)
    started = call.post(f"{at}start/", {"name": "Wiki", "spaces": [str(space.pk)], "schedule": "daily", "mirror": True})
    assert started.status_code == 200, started.content
    draft.refresh_from_db()
    assert (draft.name, draft.state, draft.schedule, draft.mirror) == ("Wiki", "new", "daily", True)
    assert (draft.runs.get().trigger, draft.grants.get().space) == ("first", space)
    assert "connected already" in call.post(f"{at}start/", {}).json()["detail"]


def test_a_draft_says_later_who_may_see_it_and_is_forgotten_with_its_key(cast, wiki):  # noqa: F811
    call = Caller(cast.builder)
    answer = call.post("data-sources/", {**SECRET, "draft": True, "schedule": "daily"})
    assert answer.status_code == 400
    assert "when it is started" in answer.content.decode()
    call.post("data-sources/", {**SECRET, "draft": True})
    draft = DataSource.objects.get()
    elsewhere = factories.space(cast.workspace, cast.admin)
    assert call.post(f"data-sources/{draft.pk}/start/", {"spaces": [str(elsewhere.pk)]}).status_code == 400
    assert call.post(f"data-sources/{draft.pk}/start/", {"spaces": []}).status_code == 400
    stranger = factories.member(cast.workspace, "builder")
    for who, code in ((cast.member, 403), (stranger, 404), (cast.outsider, 404)):
        other = Caller(who, slug="acme")
        assert other.post(f"data-sources/{draft.pk}/start/", {}).status_code == code
        assert other.delete(f"data-sources/{draft.pk}/").status_code == code
    assert call.delete(f"data-sources/{draft.pk}/").status_code == 204
    assert not DataSource.objects.exists()
    assert not Credential.objects.exists()


def test_a_draft_may_wait_for_a_person_to_sign_in(cast, wiki):  # noqa: F811
    call = Caller(cast.builder)
    body = {"kind": "wiki", "name": "W", "auth": "oauth", "secret": {"client_id": "a", "client_secret": "b"}}
    draft = call.post("data-sources/", {**body, "draft": True}).json()
    assert draft["state"] == "draft"
    answer = call.post(f"data-sources/{draft['id']}/start/", {})
    assert (answer.status_code, "has not allowed access yet" in answer.json()["detail"]) == (400, True)


def test_a_connection_is_tried_and_nothing_kept(cast, wiki):  # noqa: F811
    call = Caller(cast.builder)
    asked = {name: value for name, value in SECRET.items() if name != "name"}
    assert call.post("connectors/test/", asked).json()["ok"] is True
    told = call.post("connectors/test/", {**asked, "secret": {"token": "wrong"}}).json()
    assert (told["ok"], "refuses the token" in told["message"]) == (False, True)
    assert call.post("connectors/test/", {**asked, "secret": {}}).status_code == 400
    oauth = {"kind": "wiki", "auth": "oauth", "secret": {"client_id": "a", "client_secret": "b"}}
    assert "in a browser" in call.post("connectors/test/", oauth).json()["message"]
    assert not DataSource.objects.exists()
    assert not Credential.objects.exists()
    assert Caller(cast.member).post("connectors/test/", asked).status_code == 403
    assert Caller(cast.outsider, slug="acme").post("connectors/test/", asked).status_code == 404


def test_a_source_is_tried_as_it_is_and_with_something_else(cast, made):
    call, at = Caller(cast.builder), f"data-sources/{made.pk}/test/"
    assert call.post(at).json()["ok"] is True
    assert call.post(at, {"config": {"drafts": True}}).json()["ok"] is True
    assert call.post(at, {"secret": {"token": "wrong"}}).json()["ok"] is False
    # A stored key goes to no other address.
    assert "Enter this: Token" in call.post(at, {"config": {"base_url": "https://evil.example"}}).content.decode()
    made.refresh_from_db()
    assert (made.config, secret_of(made.credential)["token"]) == ({}, TOKEN)
    keep(made.credential, {"auth": "token", "token": "ended"})
    made.credential.save()
    assert call.post(at).json()["ok"] is False
    assert Caller(cast.member).post(at).status_code == 403
    assert Caller(cast.outsider, slug="acme").post(at).status_code == 404


def test_what_is_left_out_proves_who_it_is_as_before(cast, made):
    """Of a source that signs in, a changed setting does not ask for the token of the kind's first way."""
    keep(made.credential, {"auth": "oauth", "client_id": "a", "client_secret": "b", "access_token": "c"})
    made.config = {"client_id": "a"}
    entered = read_entered("wiki", config={**made.config, "drafts": True}, source=made)
    assert entered.secret == {"auth": "oauth", "client_id": "a", "client_secret": "b", "access_token": "c"}


# ---- What settings and options can be ------------------------------------------------------------------------------


@pytest.fixture
def offering_wiki(wiki, monkeypatch):  # noqa: F811
    """It knows its languages, and, at each page, which globs there are."""

    def check(self, node, options):
        if set(options.get("globs", ())) - {"draft", "final"}:
            raise ConnectorError("There is no such glob; there are draft, final", permanent=True)

    told = {None: {"languages": ["English", "French"]}, "hr": {"globs": ["draft", "final"]}}
    monkeypatch.setattr(Wiki, "choices", lambda self, node: told.get(node, {}), raising=False)
    monkeypatch.setattr(Wiki, "check", check, raising=False)
    settings = tuple(replace(one, offered=one.name == "languages") for one in ABOUT.settings)
    options = tuple(replace(one, offered=one.name == "globs") for one in ABOUT.options)
    monkeypatch.setitem(registry.CONNECTORS, "wiki", replace(ABOUT, settings=settings, options=options))


def test_what_can_be_chosen_is_told_for_settings_and_at_a_node(cast, offering_wiki, made, client):
    call, at = Caller(cast.builder), f"data-sources/{made.pk}/choices/"
    read(made)
    hr = str(node_id(made.pk, "hr"))
    assert call.get(at).json() == {"choices": {"languages": ["English", "French"]}}
    assert call.get(at, node=hr).json() == {"choices": {"globs": ["draft", "final"]}}
    assert call.get(at, node=str(node_id(made.pk, "unknown"))).status_code == 400
    assert Caller(cast.member).get(at).status_code == 403
    assert Caller(cast.outsider, slug="acme").get(at).status_code == 404
    client.force_login(cast.builder.user)
    page = client.get(reverse("data_choices", args=["acme", made.pk]), {"node": hr}).content.decode()
    assert '<datalist id="choices-globs"><option value="draft">' in page
    assert "hx-get" in client.get(reverse("data_source_settings", args=["acme", made.pk])).content.decode()
    assert "Languages: English, French" in client.get(reverse("data_choices", args=["acme", made.pk])).content.decode()
    test = client.post(reverse("data_test", args=["acme", "wiki"]), {"auth": "token", "token-token": TOKEN})
    assert '<datalist id="choices-languages">' in test.content.decode()
    assert "Languages: English, French" in test.content.decode()


def test_what_the_place_does_not_have_is_refused_when_it_is_saved(cast, offering_wiki, made):
    call, path = Caller(cast.builder), f"data-sources/{made.pk}/selection/"
    answer = put(call, path, {"selection": [{"external_id": "hr", "options": {"globs": ["nothing"]}}]})
    assert (answer.status_code, "there are draft, final" in answer.json()["detail"]) == (400, True)
    assert not made.selections.exists()
    assert put(call, path, {"selection": [{"external_id": "hr", "options": {"globs": ["final"]}}]}).status_code == 200


def test_nobody_else_browses_chooses_or_estimates(cast, made):
    for who, code in ((cast.member, 403), (cast.outsider, 404)):
        call = Caller(who, slug="acme")
        for answer in (
            call.get(f"data-sources/{made.pk}/browse/"),
            put(call, f"data-sources/{made.pk}/selection/", {"selection": []}),
            call.post(f"data-sources/{made.pk}/estimate/", {}),
        ):
            assert answer.status_code == code
    secret = factories.space(cast.workspace, cast.admin)
    made.grants.update(space=secret)
    stranger = Caller(factories.member(cast.workspace, "builder"))
    assert stranger.get(f"data-sources/{made.pk}/browse/").status_code == 404


# ---- Who sees which part, from the first minute ------------------------------------------------------------------


def test_parts_are_granted_as_it_is_connected(cast, wiki):  # noqa: F811
    leads = factories.space(cast.workspace, cast.builder)
    company = Space.objects.get(workspace=cast.workspace, name="Company")
    lines = [{"external_id": "hr"}, {"external_id": "it"}]
    grants = [{"space": str(company.pk), "external_ids": ["hr"]}, {"space": str(leads.pk)}]
    call = Caller(cast.builder)
    answer = call.post("data-sources/", {**SECRET, "selection": lines, "grants": grants})
    assert answer.status_code == 201, answer.content
    assert answer.json()["schedule"] == "daily"
    made = DataSource.objects.get()
    found = {grant.space: grant.parents_in for grant in made.grants.select_related("space")}
    assert found == {company: [node_id(made.pk, "hr")], leads: None}
    twice = {**SECRET, "spaces": [str(leads.pk)], "grants": [{"space": str(leads.pk)}]}
    assert call.post("data-sources/", twice).status_code == 400
    nothing = {**SECRET, "grants": [{"space": str(leads.pk), "external_ids": []}]}
    assert call.post("data-sources/", nothing).status_code == 400
    # No id of a node can be known before the source is there, but those of what is chosen.
    elsewhere = {**SECRET, "grants": [{"space": str(leads.pk), "parents_in": [str(node_id(made.pk, "hr"))]}]}
    assert call.post("data-sources/", elsewhere).status_code == 400
    vault = factories.space(cast.workspace, cast.admin)
    assert call.post("data-sources/", {**SECRET, "grants": [{"space": str(vault.pk)}]}).status_code == 400
    assert DataSource.objects.count() == 1


def test_a_space_that_is_named_twice_sees_it_once(cast, wiki):  # noqa: F811
    company = str(Space.objects.get(workspace=cast.workspace, name="Company").pk)
    assert Caller(cast.admin).post("data-sources/", {**SECRET, "spaces": [company, company]}).status_code == 201
    assert DataSource.objects.get().grants.count() == 1


def test_a_schedule_that_its_kind_does_not_offer_is_refused(cast):
    call = Caller(cast.admin)
    upload = {"kind": "upload", "name": "Files"}
    refused = call.post("data-sources/", {**upload, "schedule": "daily"})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["schedule"])
    made = call.post("data-sources/", {**upload, "schedule": "off"}).json()
    refused = call.patch(f"data-sources/{made['id']}/", {"schedule": "daily"})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["schedule"])
    assert call.patch(f"data-sources/{made['id']}/", {"schedule": "off"}).status_code == 200


def test_a_draft_is_started_in_parts_and_grants_name_what_is_still_to_come(cast, wiki):  # noqa: F811
    company = Space.objects.get(workspace=cast.workspace, name="Company")
    call = Caller(cast.admin)
    draft = DataSource.objects.get(pk=call.post("data-sources/", {**SECRET, "draft": True}).json()["id"])
    call.get(f"data-sources/{draft.pk}/browse/")
    read(draft)
    hr, unknown = str(node_id(draft.pk, "hr")), str(node_id(draft.pk, "never seen"))
    for part in ([unknown], []):
        body = {"grants": [{"space": str(company.pk), "parents_in": part}]}
        assert call.post(f"data-sources/{draft.pk}/start/", body).status_code == 400
    body = {"grants": [{"space": str(company.pk), "parents_in": [hr]}], "schedule": "15min"}
    assert call.post(f"data-sources/{draft.pk}/start/", body).json()["schedule"] == "15min"
    assert [str(key) for key in draft.grants.get().parents_in] == [hr]
    more = {"space": str(company.pk), "parents_in": [hr], "external_ids": ["it/secrets"]}
    assert len(call.post(f"data-sources/{draft.pk}/grants/", more).json()["parents_in"]) == 2
    assert call.post(f"data-sources/{draft.pk}/grants/", {**more, "parents_in": [unknown]}).status_code == 400
