"""The API's common ground: who may call, with which scope, and how every error looks."""

from datetime import timedelta
from typing import get_args

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from assistants.runs.log import EventType
from portal.api.handler import handle
from portal.api.throttling import KeyThrottle
from portal.models import ApiKey, AuditEvent, Credential, Membership, Role, Space
from tests import factories
from tests.callers import Caller


def problem(response, status, code):
    assert response.status_code == status, response.content
    assert response["Content-Type"].startswith("application/problem+json")
    body = response.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["detail"]
    assert body["request_id"] == response["X-Request-ID"]
    return body


def test_a_key_opens_its_own_workspace_and_says_who_calls(cast):
    body = Caller(cast.member, "read").get("me/").json()
    assert body["user"]["email"] == "member@acme.example"
    assert (body["workspace"], body["role"], body["scopes"]) == ("acme", "member", ["read"])


def test_who_calls_can_be_renamed_by_a_key_that_may_write(cast):
    call = Caller(cast.member, "read", "write")
    assert call.patch("me/", {"name": " Maxine "}).json()["user"]["name"] == "Maxine"
    cast.member.user.refresh_from_db()
    assert cast.member.user.name == "Maxine"
    event = AuditEvent.objects.get(action="user.rename")
    assert (event.actor, event.via) == (cast.member.user, "api")
    problem(call.patch("me/", {"name": " "}), 400, "invalid")
    problem(Caller(cast.member, "read").patch("me/", {"name": "Nobody"}), 403, "scope_missing")


def test_a_key_is_nothing_in_another_workspace(cast):
    problem(Caller(cast.outsider, slug="acme").get("me/"), 404, "not_found")
    problem(Caller(cast.admin, slug="umbra").get("people/"), 404, "not_found")
    problem(Caller(cast.admin, slug="nowhere").get("people/"), 404, "not_found")


def test_without_a_key_one_is_told_to_bring_one(cast):
    response = Client().get("/api/v1/workspaces/acme/me/")
    problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("how", ["unknown", "revoked", "expired", "left"])
def test_a_dead_key_is_refused(cast, how):
    call = Caller(cast.member)
    row = ApiKey.objects.get()
    if how == "unknown":
        call.headers["authorization"] = "Bearer atr_none"
    elif how == "revoked":
        ApiKey.objects.filter(pk=row.pk).update(revoked=timezone.now())
    elif how == "expired":
        ApiKey.objects.filter(pk=row.pk).update(expires=timezone.now() - timedelta(seconds=1))
    else:
        Membership.objects.filter(pk=cast.member.pk).update(active=False)
    problem(call.get("me/"), 401, "authentication_failed")


def test_a_key_says_when_it_was_last_used(cast):
    Caller(cast.member).get("me/")
    assert ApiKey.objects.get().last_used


def test_a_scope_that_is_missing_is_named(cast):
    assert "scope admin" in problem(Caller(cast.admin, "read").get("credentials/"), 403, "scope_missing")["detail"]
    problem(
        Caller(cast.admin, "read", "ask").post("api-keys/", {"name": "x", "scopes": ["read"]}), 403, "scope_missing"
    )


def test_a_scope_never_opens_more_than_its_owners_role(cast):
    body = problem(Caller(cast.member, "read", "ask", "write", "admin").get("credentials/"), 403, "permission_denied")
    assert "you need to be an admin" in body["detail"]
    call = Caller(cast.admin)
    assert call.get("credentials/").status_code == 200
    Membership.objects.filter(pk=cast.admin.pk).update(role=Role.MEMBER)
    problem(call.get("credentials/"), 403, "permission_denied")


def test_the_portals_session_works_too_and_writing_needs_its_token(cast):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(cast.admin.user)
    assert browser.get("/api/v1/workspaces/acme/people/").status_code == 200
    response = browser.post("/api/v1/workspaces/acme/spaces/", {"name": "x"}, content_type="application/json")
    problem(response, 403, "permission_denied")


def test_every_error_is_a_problem(cast):
    call = Caller(cast.admin)
    problem(call.get("nothing/"), 404, "not_found")
    assert "slash" in problem(call.get("people"), 404, "not_found")["detail"]
    problem(Client().get("/api/nothing"), 404, "not_found")
    problem(call.get("spaces/7d4b1b0e-0000-4000-8000-000000000000/"), 404, "not_found")
    problem(call.delete("people/"), 405, "method_not_allowed")
    problem(Caller(cast.outsider, slug="acme").delete("people/"), 404, "not_found")
    wrong = call.client.post(call.address("spaces/"), "{", content_type="application/json", headers=call.headers)
    problem(wrong, 400, "parse_error")
    plain = call.client.post(call.address("spaces/"), "a", content_type="text/plain", headers=call.headers)
    problem(plain, 415, "unsupported_media_type")
    body = problem(call.post("spaces/", {"kind": "none"}), 400, "invalid")
    assert body["errors"]["name"]
    problem(call.get("people/", q="a\0b"), 400, "bad_request")
    pages = Client()
    pages.force_login(cast.admin.user)
    assert pages.get("/w/acme/people/", {"q": "a\0b"}).status_code == 400
    mixed = handle(ValidationError({"by": "One of two.", "items": {"0": {"title": "Too long."}}, "name": ["No."]}), {})
    assert mixed.data["errors"] == {"by": ["One of two."], "items": {"0": {"title": ["Too long."]}}, "name": ["No."]}
    assert call.client.options(call.address("people/"), headers=call.headers).status_code == 200


def test_what_nobody_expected_is_a_problem_with_a_request_id(cast, monkeypatch):
    from portal.api import workspace

    def explode(*_args, **_kwargs):
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(workspace.Me, "get", explode)
    call = Caller(cast.member)
    call.client.raise_request_exception = False
    response = call.get("me/")
    problem(response, 500, "server_error")
    assert "secret" not in response.content.decode()


def test_too_many_calls_are_told_when_to_come_back(cast, monkeypatch):
    monkeypatch.setattr(KeyThrottle, "THROTTLE_RATES", {"key": "2/min"})
    call = Caller(cast.member)
    assert [call.get("me/").status_code for _ in range(2)] == [200, 200]
    response = call.get("me/")
    problem(response, 429, "throttled")
    assert 0 < int(response["Retry-After"]) <= 60
    assert Caller(cast.builder).get("me/").status_code == 200


def test_lists_are_paged_by_cursor(cast):
    for _ in range(5):
        factories.member(cast.workspace)
    call = Caller(cast.member)
    first = call.get("people/", limit=3).json()
    assert set(first) == {"results", "next", "previous"}
    second = call.get(first["next"].split("testserver", 1)[1]).json()
    third = call.get(second["next"].split("testserver", 1)[1]).json()
    ids = [row["id"] for page in (first, second, third) for row in page["results"]]
    assert len(ids) == len(set(ids)) == 8
    assert third["next"] is None


def test_people_are_invited_promoted_and_removed(cast, mailoutbox):
    call = Caller(cast.admin)
    sales = factories.space(cast.workspace, name="Sales")
    wanted = {"email": "new@acme.example", "role": "builder", "name": "Nina New", "spaces": [str(sales.pk)]}
    sent = call.post("invitations/", wanted)
    assert sent.status_code == 201
    assert "/join/" in sent.json()["link"]
    assert sent.json()["problem"] == ""
    first = call.get("invitations/").json()["results"]
    assert [(row["email"], row["name"], row["spaces"][0]["name"]) for row in first] == [
        ("new@acme.example", "Nina New", "Sales")
    ]
    assert "link" not in first[0]
    renewed = call.post(f"invitations/{first[0]['id']}/renew/")
    assert renewed.status_code == 201
    assert renewed.json()["link"] != sent.json()["link"]
    assert [mail.to for mail in mailoutbox] == [["new@acme.example"]] * 2
    listed = call.get("invitations/").json()["results"]
    assert [(row["name"], row["spaces"]) for row in listed] == [("Nina New", first[0]["spaces"])]
    problem(call.post(f"invitations/{first[0]['id']}/renew/"), 404, "not_found")
    company = str(Space.objects.get(workspace=cast.workspace, name="Company").pk)
    problem(call.post("invitations/", {**wanted, "spaces": [company]}), 400, "invalid")
    assert call.delete(f"invitations/{listed[0]['id']}/").status_code == 204
    assert call.get("invitations/").json()["results"] == []

    path = f"people/{cast.member.pk}/"
    assert call.patch(path, {"role": "builder"}).json()["role"] == "builder"
    assert AuditEvent.objects.get(action="membership.change_role").via == "api"
    assert call.delete(path).status_code == 204
    assert call.patch(path, {"active": True}).json()["active"] is True
    assert "at least one admin" in problem(call.delete(f"people/{cast.admin.pk}/"), 400, "invalid")["detail"]
    problem(call.patch(f"people/{cast.outsider.pk}/", {"role": "member"}), 404, "not_found")


def test_a_change_with_one_thing_wrong_changes_nothing(cast):
    call = Caller(cast.admin)
    path, himself = f"people/{cast.member.pk}/", str(cast.member.pk)
    wrong = {"role": "builder", "active": False, "hand_over_to": himself}
    assert "Choose somebody else" in problem(call.patch(path, wrong), 400, "invalid")["detail"]
    cast.member.refresh_from_db()
    assert (cast.member.role, cast.member.active) == ("member", True)
    before = call.get("").json()
    problem(call.patch("", {"name": "Other", "vetting_days": 30, "currency": "E1"}), 400, "invalid")
    assert call.get("").json() == before
    assert not AuditEvent.objects.filter(action__startswith="workspace.").exclude(action="workspace.make").exists()


def test_spaces(cast):
    call = Caller(cast.admin)
    made = call.post("spaces/", {"name": "Board", "kind": "restricted", "members": [cast.builder.user_id]})
    assert made.status_code == 201
    path = f"spaces/{made.json()['id']}/"
    assert [m["email"] for m in made.json()["members"]] == ["builder@acme.example"]
    assert Caller(cast.builder).get(path).status_code == 200
    problem(Caller(cast.member).get(path), 404, "not_found")
    assert [s["name"] for s in Caller(cast.member).get("spaces/").json()["results"]] == ["Company"]
    problem(call.patch(path, {"members": [cast.outsider.user_id]}), 400, "invalid")
    problem(call.patch(path, {"members": [10**9]}), 400, "invalid")
    assert call.patch(path, {"name": "Directors"}).json()["name"] == "Directors"
    problem(Caller(cast.builder).delete(path), 403, "permission_denied")
    assert call.delete(path).status_code == 204


def test_a_key_is_shown_once_and_makes_none_that_may_do_more(cast):
    call = Caller(cast.member, "read", "write")
    made = call.post("api-keys/", {"name": "script", "scopes": ["read"]})
    assert made.status_code == 201
    assert made.json()["key"].startswith("atr_")
    rows = call.get("api-keys/").json()["results"]
    assert made.json()["key"] not in str(rows)
    assert "lacks" in problem(call.post("api-keys/", {"name": "x", "scopes": ["admin"]}), 400, "invalid")["detail"]
    problem(call.post("api-keys/", {"name": "x", "scopes": ["all"]}), 400, "invalid")
    assert call.delete(f"api-keys/{made.json()['id']}/").status_code == 204
    others = ApiKey.objects.make(cast.builder, "theirs", ["read"])[0]
    problem(call.delete(f"api-keys/{others.pk}/"), 404, "not_found")


def test_a_vendors_key_never_comes_back(cast, monkeypatch):
    from portal import credentials
    from portal.providers.types import ModelInfo

    secret = "sk-acme-0123456789abcdef"
    call = Caller(cast.admin)
    made = call.post("credentials/", {"kind": "openai", "api_key": secret})
    assert made.status_code == 201
    path = f"credentials/{made.json()['id']}/"
    monkeypatch.setattr(
        credentials.registry,
        "test",
        lambda *a, **k: credentials.registry.Checked("1 model", (ModelInfo("gpt-test"),)),
    )
    tested = call.post(f"{path}test/")
    assert tested.json()["check_ok"] is True
    models = call.get("models/").json()["results"]
    assert [(m["name"], m["credential_name"]) for m in models] == [("gpt-test", "OpenAI")]
    everything = [made, tested, call.get("credentials/"), call.get(path), call.get("audit/"), call.get("models/")]
    assert not any(secret in response.content.decode() for response in everything)
    moved = problem(call.patch(path, {"base_url": "https://example.com/v1"}), 400, "invalid")
    assert "enter the key again" in moved["detail"]
    assert call.patch(path, {"base_url": "https://example.com/v1", "api_key": secret}).status_code == 200
    problem(call.post("credentials/", {"kind": "none", "api_key": "x"}), 400, "invalid")
    assert call.patch("", {"default_credential": made.json()["id"], "default_model": "gpt-test"}).status_code == 200
    assert call.get("").json()["default_model"] == "gpt-test"
    assert call.delete(path).status_code == 204
    assert call.get("").json()["default_model"] == ""


def test_a_credential_of_another_workspace_is_none_here(cast):
    theirs = Credential.objects.create(workspace=cast.elsewhere, kind="openai", name="Umbra")
    call = Caller(cast.admin)
    problem(call.get(f"credentials/{theirs.pk}/"), 404, "not_found")
    problem(call.patch("", {"default_credential": str(theirs.pk), "default_model": "x"}), 400, "invalid")


def test_lists_ask_a_constant_number_of_questions(cast, django_assert_max_num_queries):
    for number in range(30):
        person = factories.member(cast.workspace)
        factories.space(cast.workspace, person, cast.member)
        ApiKey.objects.make(cast.admin, f"key {number}", ["read"])
    call = Caller(cast.admin)
    call.get("me/")
    for path in ("people/", "spaces/", "api-keys/", "credentials/", "audit/", "invitations/"):
        with django_assert_max_num_queries(5):
            assert call.get(path).status_code == 200


def test_the_description_is_whole_and_served(cast, client, tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))
    response = client.get("/api/schema/", headers={"accept": "application/vnd.oai.openapi+json"})
    paths = response.json()["paths"]
    assert len(paths) > 40
    assert "/api/v1/workspaces/{slug}/search/" in paths
    assert "default" in paths["/api/v1/workspaces/{slug}/me/"]["get"]["responses"]
    # Events of an answer are one component, told apart by their type; no tool acts yet, so that no event proposes one.
    told = response.json()["components"]["schemas"]["Event"]["discriminator"]["mapping"]
    assert set(told) == set(get_args(EventType)) - {"action"}
    for path, method in (("conversations/{id}/messages/", "post"), ("messages/{id}/events/", "get")):
        answers = paths[f"/api/v1/workspaces/{{slug}}/{path}"][method]["responses"]["200"]["content"]
        assert answers["text/event-stream"]["schema"] == {"$ref": "#/components/schemas/Event"}


def test_the_docs_page_loads_nothing_from_elsewhere(client):
    response = client.get("/api/docs/")
    html = response.content.decode()
    assert "https://" not in html
    assert response["Content-Security-Policy"].count("'unsafe-inline'") == 1  # style attributes alone
    nonce = response["Content-Security-Policy"].split("'nonce-", 1)[1].split("'", 1)[0]
    assert f'<script nonce="{nonce}">' in html


def test_the_command_prints_the_key_on_its_last_line(cast, capsys):
    call_command("create_api_key", workspace="acme", email="Admin@Acme.example", scopes="read,ask,write,admin")
    text = capsys.readouterr().out.splitlines()[-1]
    response = Client().get("/api/v1/workspaces/acme/me/", headers={"authorization": f"Bearer {text}"})
    assert response.json()["scopes"] == ["read", "ask", "write", "admin"]
    assert AuditEvent.objects.get(action="apikey.make").via == "command"
    assert ApiKey.objects.latest("created").expires is None
    call_command("create_api_key", workspace="acme", email="admin@acme.example", expires="30")
    assert 29 <= (ApiKey.objects.latest("created").expires - timezone.now()).days <= 30
    call_command("create_api_key", workspace="acme", email="admin@acme.example", expires="2099-01-31")
    ends = timezone.localtime(ApiKey.objects.latest("created").expires)
    assert (ends.date().isoformat(), ends.hour) == ("2099-01-31", 23)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"workspace": "nowhere"}, "There is no workspace 'nowhere'"),
        ({"email": "nobody@acme.example"}, "is not an active member of acme"),
        ({"email": "outsider@umbra.example"}, "is not an active member of acme"),
        ({"scopes": "read,everything"}, "There is no scope 'everything'"),
        ({"scopes": ""}, "Choose from read, ask, write, admin"),
        ({"expires": "soon"}, "takes a number of days, or a day such as"),
        ({"expires": "2020-02-30"}, "takes a number of days, or a day such as"),
        ({"expires": "2020-02-28"}, "This moment has passed"),
    ],
)
def test_the_command_says_in_one_sentence_what_is_wrong(cast, change, says):
    given = {"workspace": "acme", "email": "admin@acme.example", "scopes": "read", **change}
    with pytest.raises(CommandError, match=says):
        call_command("create_api_key", **given)
