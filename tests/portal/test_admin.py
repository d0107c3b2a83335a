"""The Django admin: who gets in, what they see, and what they can do there."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from assistants import lifecycle
from assistants.models import Assistant
from portal import audit, credentials
from portal.admin import addressing
from portal.models import ApiKey, AuditEvent, Credential, Invitation, Membership, Role, Space, User
from portal.providers.types import ModelInfo
from tests import factories
from tests.callers import Caller


@pytest.fixture
def admin(cast, client):
    client.force_login(cast.admin.user)
    return client


@pytest.fixture
def operator(cast, client):
    client.force_login(factories.user("operator@example.com", is_superuser=True, is_staff=True))
    return client


def operator_user():
    return User.objects.get(email="operator@example.com")


def at(cast, rest=""):
    return f"/w/{cast.workspace.slug}/govern/{rest}"


def test_nobody_is_sent_to_sign_in(cast, client):
    response = client.get(at(cast))
    assert response.status_code == 302
    assert response.url.startswith("/accounts/login/")


def test_an_outsider_finds_nothing(cast, client):
    client.force_login(cast.outsider.user)
    for rest in ("", "portal/membership/", "nothing/"):
        assert client.get(at(cast, rest)).status_code == 404


def test_members_and_builders_are_told_in_a_sentence(cast, client):
    for membership in (cast.member, cast.builder):
        client.force_login(membership.user)
        response = client.get(at(cast))
        assert response.status_code == 403
        assert "you need to be an admin" in response.content.decode()


def test_the_workspace_is_in_every_address(cast, admin):
    html = admin.get(at(cast)).content.decode()
    links = set(re.findall(r'href="(/[^"]*govern/[^"]*)"', html))
    assert links
    assert all(link.startswith(f"/w/{cast.workspace.slug}/govern/") for link in links)
    assert f'href="/w/{cast.workspace.slug}/"' in html
    assert reverse("govern", args=["acme"]) == "/w/acme/govern/"


def test_an_address_that_is_none_is_a_404(cast, admin):
    assert admin.get(at(cast, "nothing/here/")).status_code == 404


def pages(client, base):
    """Every list, and the first row of each."""
    from portal.admin.site import site

    for model, klass in site._registry.items():
        if klass.operators_only:
            continue
        listing = f"{base}{model._meta.app_label}/{model._meta.model_name}/"
        response = client.get(listing)
        assert response.status_code == 200, listing
        yield model, listing, response.content.decode()


def test_an_admin_sees_only_their_own_workspace(cast, admin):
    factories.space(cast.elsewhere, cast.outsider, name="Umbra secret")
    ApiKey.objects.make(cast.outsider, "Umbra key", ["read"])
    credentials.create_credential(
        workspace=cast.elsewhere, by=None, kind="openai", api_key="sk-umbra-0123456789", name="Umbra vendor"
    )
    seen = "".join(html for _model, _listing, html in pages(admin, at(cast)))
    assert "umbra" not in seen.lower()
    assert "admin@acme.example" in seen


def test_a_row_of_another_workspace_is_a_404_everywhere(cast, admin):
    theirs = factories.space(cast.elsewhere, cast.outsider)
    for rest in ("change/", "delete/", "history/", "do/test/"):
        assert admin.get(at(cast, f"portal/space/{theirs.pk}/{rest}")).status_code == 404
    assert admin.get(at(cast, f"portal/membership/{cast.outsider.pk}/change/")).status_code == 404
    assert (
        admin.post(at(cast, f"portal/membership/{cast.outsider.pk}/do/leave/"), {"confirmed": "yes"}).status_code == 404
    )
    assert Membership.objects.get(pk=cast.outsider.pk).active


def test_who_governs_two_workspaces_sees_one_at_a_time(cast, admin):
    """Also where the other one was used last."""
    factories.member(cast.elsewhere, Role.ADMIN, cast.admin.user)
    factories.space(cast.elsewhere, cast.outsider, name="Umbra secret")
    for _ in range(2):
        assert "Umbra secret" in admin.get("/w/umbra/govern/portal/space/").content.decode()
        html = admin.get(at(cast, "portal/space/")).content.decode()
        assert "Company" in html
        assert "Umbra" not in html
        assert "Acme" in html


def test_an_operator_sees_all_of_them_and_nobody_else_learns_of_that_page(cast, operator):
    factories.member(cast.workspace, Role.ADMIN, operator_user())
    html = operator.get("/govern/portal/membership/").content.decode()
    assert "outsider@umbra.example" in html
    assert "admin@acme.example" in html
    assert "/govern/portal/workspace/" in html
    assert operator.get(at(cast, "portal/membership/")).status_code == 200
    operator.force_login(cast.admin.user)
    assert operator.get("/govern/").status_code == 404
    assert "This page takes another role than yours." in operator.get(at(cast, "portal/user/")).content.decode()
    assert operator.get(at(cast, "portal/user/")).status_code == 403
    assert operator.get(at(cast, "portal/workspace/")).status_code == 403


def test_the_name_of_a_person_leads_an_admin_to_the_member(cast, admin):
    """Not to the account, which is the operators' to see."""
    went = admin.get(at(cast, f"portal/user/{cast.builder.user.pk}/change/"))
    assert went.url == at(cast, f"portal/membership/{cast.builder.pk}/change/")
    for nobody in (cast.outsider.user.pk, "x", 10**30):
        assert admin.get(at(cast, f"portal/user/{nobody}/change/")).status_code == 404


def test_the_operators_first_page_counts_over_all_and_draws_nothing(cast, operator):
    html = operator.get("/govern/").content.decode()
    assert "Assistants offered" in html
    assert "7 days" not in html
    assert operator.get("/govern/adoption/").status_code == 404
    assert "What to try next" in operator.get(at(cast, "adoption/")).content.decode()


def test_changing_a_role_goes_through_the_verb_and_says_so(cast, admin):
    page = at(cast, f"portal/membership/{cast.member.pk}/change/")
    assert cast.member.user.email in admin.get(page).content.decode()
    assert admin.post(page, {"role": Role.BUILDER, "email": "taken@over.example"}).status_code == 302
    cast.member.refresh_from_db()
    assert cast.member.role == Role.BUILDER
    assert cast.member.user.email == "member@acme.example"
    event = AuditEvent.objects.get(action="membership.change_role")
    assert (event.via, event.actor, event.before) == ("admin", cast.admin.user, {"role": "member"})
    history = admin.get(at(cast, f"portal/membership/{cast.member.pk}/history/")).content.decode()
    assert "membership.change_role" in history


def test_the_last_admin_stays_and_the_form_says_why(cast, admin):
    page = at(cast, f"portal/membership/{cast.admin.pk}/change/")
    response = admin.post(page, {"role": Role.MEMBER})
    assert response.status_code == 200
    assert "at least one admin" in response.content.decode()
    cast.admin.refresh_from_db()
    assert cast.admin.role == Role.ADMIN


def test_removing_somebody_asks_first_and_says_what_goes(cast, admin):
    ApiKey.objects.make(cast.member, "script", ["read"])
    page = at(cast, f"portal/membership/{cast.member.pk}/do/leave/")
    asked = admin.get(page).content.decode()
    assert "1 API key stops working" in asked
    assert "They leave" not in asked  # no restricted space
    assert admin.post(page, {}).status_code == 200  # not confirmed: asks again
    cast.member.refresh_from_db()
    assert cast.member.active
    assert admin.post(page, {"confirmed": "yes"}).status_code == 302
    cast.member.refresh_from_db()
    assert not cast.member.active
    assert not cast.member.api_keys.filter(revoked=None).exists()


def test_several_at_once_are_asked_about_too(cast, admin):
    listing = at(cast, "portal/membership/")
    chosen = {"action": "leave", "_selected_action": [str(cast.member.pk), str(cast.builder.pk)]}
    assert "Max Member can no longer enter" in admin.post(listing, chosen).content.decode()
    assert admin.post(listing, {**chosen, "confirmed": "yes"}).status_code == 302
    assert cast.workspace.memberships.filter(active=True).count() == 1


def test_inviting_shows_the_link_once(cast, admin, mailoutbox):
    sales = factories.space(cast.workspace, name="Sales")
    add = at(cast, "portal/invitation/add/")
    offered = admin.get(add).content.decode()
    assert "Sales" in offered
    assert "Company" not in offered.partition("id_spaces")[2]
    given = {"email": "new@acme.example", "role": "member", "name": "Nina New", "spaces": [str(sales.pk)]}
    response = admin.post(add, given, follow=True)
    html = response.content.decode()
    assert [mail.to for mail in mailoutbox] == [["new@acme.example"]]
    invitation = Invitation.objects.get(email="new@acme.example")
    assert (invitation.name, list(invitation.spaces.all())) == ("Nina New", [sales])
    assert invitation.workspace == cast.workspace
    assert "/join/" in html
    page = admin.get(at(cast, f"portal/invitation/{invitation.pk}/change/")).content.decode()
    assert invitation.token_hash not in page
    assert "Withdraw" in page
    admin.post(at(cast, f"portal/invitation/{invitation.pk}/do/withdraw/"))
    invitation.refresh_from_db()
    assert invitation.revoked


def test_a_refused_form_keeps_what_was_typed(cast, admin):
    response = admin.post(at(cast, "portal/invitation/add/"), {"email": cast.member.user.email, "role": "builder"})
    html = response.content.decode()
    assert response.status_code == 200
    assert "is in this workspace already" in html
    assert cast.member.user.email in html
    assert not Invitation.objects.exists()


def test_a_space_offers_only_people_of_the_workspace(cast, admin):
    page = at(cast, "portal/space/add/")
    html = admin.get(page).content.decode()
    assert "Max Member" in html
    assert "Otto" not in html
    refused = admin.post(page, {"name": "Board", "kind": "restricted", "members": [cast.outsider.user_id]})
    assert refused.status_code == 200
    assert not Space.objects.filter(name="Board").exists()
    assert (
        admin.post(page, {"name": "Board", "kind": "restricted", "members": [cast.member.user_id]}).status_code == 302
    )
    board = Space.objects.get(name="Board")
    assert board.workspace == cast.workspace
    assert list(board.members.all()) == [cast.member.user]
    assert admin.post(at(cast, f"portal/space/{board.pk}/delete/"), {"post": "yes"}).status_code == 302
    assert not Space.objects.filter(name="Board").exists()


def test_a_key_goes_in_and_never_comes_out(cast, admin):
    secret = "sk-acme-0123456789abcdef"
    form = {"kind": "openai", "name": "OpenAI", "base_url": "", "api_key": secret}
    assert admin.post(at(cast, "portal/credential/add/"), form).status_code == 302
    row = cast.workspace.credentials.get()
    assert row.secret() == secret
    for rest in ("", f"{row.pk}/change/", f"{row.pk}/history/", f"{row.pk}/delete/"):
        html = admin.get(at(cast, f"portal/credential/{rest}")).content.decode()
        assert secret not in html
        assert bytes(row.secret_encrypted).decode() not in html
    # A refused form gives back all that was typed but the key.
    html = admin.post(at(cast, "portal/credential/add/"), {**form, "base_url": "ftp://nowhere"}).content.decode()
    assert "ftp://nowhere" in html
    assert secret not in html


def test_another_address_asks_for_the_key_again(cast, admin, settings):
    row = credentials.create_credential(
        workspace=cast.workspace, by=None, kind="openai", api_key="sk-acme-0123456789abcdef", name="OpenAI"
    )
    page = at(cast, f"portal/credential/{row.pk}/change/")
    form = {"name": "OpenAI", "base_url": "https://example.com/v1", "api_key": ""}
    response = admin.post(page, form)
    assert response.status_code == 200
    assert "enter the key again" in response.content.decode()
    row.refresh_from_db()
    assert row.base_url == ""
    assert admin.post(page, {**form, "api_key": "sk-acme-another-key-1"}).status_code == 302
    row.refresh_from_db()
    assert (row.base_url, row.secret()) == ("https://example.com/v1", "sk-acme-another-key-1")


def test_a_key_is_tested_with_a_button(cast, admin, monkeypatch):
    row = credentials.create_credential(
        workspace=cast.workspace, by=None, kind="openai", api_key="sk-acme-0123456789abcdef", name="OpenAI"
    )

    def refuse(*_args, **_kwargs):
        raise credentials.ProviderError("The key was refused.", code="bad_key")

    monkeypatch.setattr(credentials.registry, "test", refuse)
    response = admin.post(at(cast, f"portal/credential/{row.pk}/do/test/"), follow=True)
    assert "The key was refused." in response.content.decode()
    row.refresh_from_db()
    assert row.check_ok is False


def test_the_first_key_that_works_writes_and_another_model_can_be_chosen(cast, admin, monkeypatch):
    row = credentials.create_credential(
        workspace=cast.workspace, by=None, kind="openai", api_key="sk-acme-0123456789abcdef", name="OpenAI"
    )
    models = [
        ModelInfo("a-model", "A model"),
        ModelInfo("gpt-4o-mini", "GPT-4o mini"),
        ModelInfo("e", "E", "embedding"),
    ]
    monkeypatch.setattr(credentials.registry, "test", lambda *_a, **_k: credentials.registry.Checked("Good.", models))
    page = at(cast, f"portal/credential/{row.pk}/")
    told = admin.post(f"{page}do/test/", follow=True).content.decode()
    assert "gpt-4o-mini is now the workspace&#x27;s default model." in told
    cast.workspace.refresh_from_db()
    assert (cast.workspace.default_credential_id, cast.workspace.default_model) == (row.pk, "gpt-4o-mini")

    form = {"name": "OpenAI", "base_url": "", "api_key": "", "default_model": "a-model"}
    assert admin.post(f"{page}change/", form).status_code == 302
    assert admin.post(f"{page}do/test/", follow=True).content.decode().count("is now the workspace") == 0
    cast.workspace.refresh_from_db()
    assert cast.workspace.default_model == "a-model"
    assert admin.post(f"{page}change/", {**form, "default_model": "e"}).status_code == 200
    assert admin.post(f"{page}change/", {**form, "default_model": ""}).status_code == 302
    cast.workspace.refresh_from_db()
    assert (cast.workspace.default_credential_id, cast.workspace.default_model) == (None, "")


def test_a_deed_needs_post(cast, admin):
    key, _text = ApiKey.objects.make(cast.member, "script", ["read"])
    page = at(cast, f"portal/apikey/{key.pk}/do/revoke/")
    assert admin.get(page).status_code == 200
    key.refresh_from_db()
    assert key.is_live
    admin.post(page, {"confirmed": "yes"})
    key.refresh_from_db()
    assert not key.is_live


def test_the_workspace_is_changed_on_one_page_all_or_nothing(cast, admin):
    page = at(cast, "workspace/")
    assert 'href="/w/acme/govern/workspace/"' in admin.get(at(cast)).content.decode()
    offered = [{"name": "big", "label": "Big", "kind": "chat", "context_tokens": None}]
    key = Credential.objects.create(workspace=cast.workspace, kind="openai", name="OpenAI", offered=offered)
    Credential.objects.create(workspace=cast.elsewhere, kind="openai", name="Umbra", offered=offered)
    helper = lifecycle.create_assistant(
        workspace=cast.workspace, by=cast.admin.user, handle="helper", name="Helper", knowledge=[]
    )
    lifecycle.create_assistant(workspace=cast.workspace, by=cast.admin.user, handle="diary", knowledge=[])
    lifecycle.vet(lifecycle.publish(helper, cast.admin.user), cast.admin.user)
    html = admin.get(page).content.decode()
    assert "@helper: Helper" in html
    assert "diary" not in html
    assert "Umbra" not in html

    given = {
        "name": "Acme & Sons",
        "currency": "eur",
        "vetting_days": "90",
        "default_model": f"{key.pk}|big",
        "default_assistant": "helper",
    }
    wrong = admin.post(page, given | {"currency": "E1R"})
    assert wrong.status_code == 422
    html = wrong.content.decode()
    assert "three letters of a currency" in html
    assert "Acme &amp; Sons" in html
    cast.workspace.refresh_from_db()
    assert (cast.workspace.name, cast.workspace.vetting_days) == ("Acme", None)
    assert admin.post(page, given | {"default_assistant": "diary"}).status_code == 422

    before = AuditEvent.objects.latest("id").pk
    assert admin.post(page, given).status_code == 302
    cast.workspace.refresh_from_db()
    helper.refresh_from_db()
    assert (cast.workspace.name, cast.workspace.currency, cast.workspace.vetting_days) == ("Acme & Sons", "EUR", 90)
    assert (cast.workspace.default_credential, cast.workspace.default_model) == (key, "big")
    assert helper.is_default
    told = AuditEvent.objects.filter(workspace=cast.workspace, via="admin", pk__gt=before).order_by("action")
    done = ["assistant.default", "workspace.currency", "workspace.default_model", "workspace.rename"]
    assert [event.action for event in told] == [*done, "workspace.vetting_days"]
    admin.post(page, given)
    assert told.count() == 5
    admin.post(page, given | {"vetting_days": "", "default_model": "", "default_assistant": ""})
    cast.workspace.refresh_from_db()
    assert (cast.workspace.default_credential, cast.workspace.vetting_days) == (None, None)
    assert not Assistant.objects.filter(is_default=True).exists()
    admin.force_login(factories.user(is_superuser=True, is_staff=True))
    assert admin.get("/govern/workspace/").status_code == 404


def test_the_api_changes_the_workspace_too(cast):
    call = Caller(cast.admin)
    assert call.get("").json()["default_assistant"] == ""
    helper = lifecycle.create_assistant(workspace=cast.workspace, by=cast.admin.user, handle="helper", knowledge=[])
    refused = call.patch("", {"name": "Other", "default_assistant": "helper"})
    assert "Vet @helper first" in refused.json()["errors"]["default_assistant"][0]
    assert call.get("").json()["name"] == "Acme"
    lifecycle.vet(lifecycle.publish(helper, cast.admin.user), cast.admin.user)
    changed = call.patch("", {"name": "Other", "currency": "CHF", "default_assistant": "@helper"}).json()
    assert (changed["name"], changed["currency"], changed["default_assistant"]) == ("Other", "CHF", "helper")
    assert Caller(cast.builder).patch("", {"name": "Mine"}).status_code == 403


def test_hashes_cannot_be_guessed_through_filters(cast, admin):
    for lookup in (
        "user__password__startswith=p",
        "user__email__startswith=a",
        "workspace__slug=umbra",
    ):
        assert admin.get(at(cast, f"portal/membership/?{lookup}")).status_code == 400
    assert admin.get(at(cast, "portal/credential/?secret_encrypted__startswith=a")).status_code == 400
    assert admin.get(at(cast, "portal/apikey/?key_hash__startswith=a")).status_code == 400
    assert admin.get(at(cast, "portal/membership/?role__exact=admin")).status_code == 200


def test_the_audit_log_is_read_only_filtered_and_exported_with_formulas_escaped(cast, admin):
    audit.record("space.save", workspace=cast.workspace, actor=cast.admin.user, after={"name": "x"})
    event = AuditEvent.objects.get(action="space.save", workspace=cast.workspace)
    AuditEvent.objects.filter(pk=event.pk).update(object_name="=HYPERLINK(1)")
    audit.record("space.save", workspace=cast.elsewhere, actor=cast.outsider.user)
    listing = at(cast, "portal/auditevent/")
    assert admin.get(at(cast, "portal/auditevent/add/")).status_code == 403
    assert admin.get(at(cast, f"portal/auditevent/{event.pk}/delete/")).status_code == 403
    assert "=HYPERLINK(1)" in admin.get(f"{listing}?action=space.save").content.decode()
    assert "=HYPERLINK(1)" not in admin.get(f"{listing}?action=workspace.make").content.decode()
    response = admin.post(listing, {"action": "export", "_selected_action": [str(event.pk)], "select_across": "1"})
    text = b"".join(response.streaming_content).decode()
    assert "'=HYPERLINK(1)" in text
    assert "Otto" not in text
    assert len(text.splitlines()) == 1 + cast.workspace.audit.count()


def test_lists_say_that_nothing_is_there_or_fits_and_write_dates_as_the_portal_does(cast, admin):
    invitations = at(cast, "portal/invitation/")
    assert "Nothing here yet." in admin.get(invitations, headers={"accept-language": "en-US"}).content.decode()
    sent = datetime(2026, 3, 9, 14, 5, tzinfo=UTC)
    cast.workspace.invitations.create(email="new@acme.example", expires=sent + timedelta(days=14))
    Invitation.objects.update(created=sent)
    assert "9 Mar 2026, 14:05" in admin.get(invitations, headers={"accept-language": "en-US"}).content.decode()
    html = admin.get(f"{invitations}?q=nobody").content.decode()
    assert "Nothing fits." in html
    assert "Show all" in html


def test_signing_out_and_passwords_are_allauths(cast, admin):
    assert admin.get(at(cast, "login/")).url == "/accounts/login/"
    assert admin.get(at(cast, "logout/")).url == "/accounts/logout/"
    assert admin.get(at(cast, "password/")).url == "/accounts/password/change/"


def test_lists_ask_a_constant_number_of_questions(cast, admin):
    def grow(number):
        for n in range(number):
            factories.member(cast.workspace)
            key, _text = ApiKey.objects.make(cast.member, f"key {n}", ["read"])
            factories.space(cast.workspace, cast.member)
            audit.record("apikey.make", workspace=cast.workspace, actor=cast.member.user, target=key)

    def count(model):
        with CaptureQueriesContext(connection) as asked:
            assert admin.get(at(cast, f"portal/{model}/")).status_code == 200
        return len(asked)

    grow(2)
    admin.get(at(cast))  # notes that the admin was seen, and fills caches
    lists = ("membership", "apikey", "space", "auditevent")
    few = {model: count(model) for model in lists}
    grow(20)
    assert {model: count(model) for model in lists} == few
    assert max(few.values()) < 20


def test_only_the_admins_pages_are_let_off_the_strict_policy(cast, admin):
    assert "'unsafe-eval'" in admin.get(at(cast))["Content-Security-Policy"]
    assert "'unsafe-eval'" not in admin.get("/healthz")["Content-Security-Policy"]


def test_addresses_of_many_workspaces_take_a_bounded_room(cast, admin, monkeypatch):
    monkeypatch.setattr(addressing, "MOST_KEPT", 3)
    for number in range(7):
        other = factories.workspace(f"other-{number}")
        assert addressing.address(other, "index") == f"/w/other-{number}/govern/"
        assert len(addressing._visited) <= 3
    assert admin.get(at(cast)).status_code == 200
    assert reverse("govern", args=["acme"]) == "/w/acme/govern/"


def test_a_list_is_called_as_in_the_menu_and_an_empty_one_says_what_that_means(cast, client):
    client.force_login(cast.admin.user)
    people = client.get("/w/acme/govern/portal/membership/").content.decode()
    assert re.search(r"<title>\s*Members \|", people)
    heading = re.search(r"<h1.*?</h1>", people, re.DOTALL)
    assert heading is not None
    assert "Members" in heading[0]
    assert "Memberships" not in heading[0]
    offers = client.get("/w/acme/govern/portal/modeloffer/")
    assert "Everybody may choose every model." in offers.content.decode()
    assert "Everybody may choose" not in client.get("/w/acme/govern/portal/modeloffer/?q=gpt").content.decode()
