"""Connecting through the API: kinds, secrets, browsing, choosing, estimates."""

import pytest

from datasources import offering
from datasources.models import DataSource, Level, node_id
from datasources.oauth import secret_of
from portal.models import Credential
from tests import factories
from tests.callers import Caller
from tests.datasources.places import TOKEN, Wiki, page, wiki  # noqa: F401

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
