"""People, spaces and one's own pages, by the cast."""

import pytest
from django.urls import reverse

from datasources.models import Grant
from portal.models import ApiKey, AuditEvent, Invitation, Membership, Role, Space
from tests import factories
from tests.callers import Caller

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def admin(cast, client):
    client.force_login(cast.admin.user)
    return client


@pytest.fixture
def member(cast, client):
    client.force_login(cast.member.user)
    return client


def url(name, *args):
    return reverse(name, args=["acme", *args])


def test_a_list_of_addresses_is_invited_each_for_itself(cast, admin):
    answer = admin.post(
        url("invite"),
        {"emails": "One@x.example, Two Doe <two@x.example>\nadmin@acme.example; nonsense@; nobody", "role": "builder"},
        **HTMX,
    )
    page = answer.content.decode()
    assert "2 invitations sent" in page
    assert "3 not sent" in page
    assert "<strong>nobody</strong>: This is not an e-mail address." in page
    assert "admin@acme.example is in this workspace already" in page
    assert page.count("/join/") == 2
    assert set(Invitation.objects.values_list("email", "role")) == {
        ("one@x.example", "builder"),
        ("two@x.example", "builder"),
    }
    # The links are shown this once.
    assert "/join/" not in admin.get(url("people")).content.decode()


def test_an_empty_list_is_told(admin):
    answer = admin.post(url("invite"), {"emails": "nobody", "role": "member"}, **HTMX)
    assert answer.status_code == 422
    assert "at least one e-mail address" in answer.content.decode()


def test_people_are_invited_without_scripts_too(admin):
    assert f'<noscript><a class="btn btn-primary" href="{url("invite")}">' in admin.get(url("people")).content.decode()
    form = admin.get(url("invite")).content.decode()
    assert 'name="emails"' in form
    assert "hx-post" not in form.split('class="page ')[1]
    refused = admin.post(url("invite"), {"emails": "nobody", "role": "member"})
    assert refused.status_code == 422
    assert "at least one e-mail address" in refused.content.decode()
    assert "1 invitation sent" in admin.post(url("invite"), {"emails": "one@x.example"}).content.decode()


def test_an_invitation_gets_a_new_link_or_is_withdrawn(cast, admin):
    admin.post(url("invite"), {"emails": "one@x.example", "role": "member"})
    first = Invitation.objects.get()
    assert "/join/" in admin.post(url("invitation_change", first.pk), {"action": "renew"}, **HTMX).content.decode()
    first.refresh_from_db()
    assert not first.is_open
    second = Invitation.objects.get(revoked=None)
    assert admin.post(url("invitation_change", first.pk), {"action": "renew"}).status_code == 404
    admin.post(url("invitation_change", second.pk), {"action": "withdraw"}, **HTMX)
    second.refresh_from_db()
    assert not second.is_open


def test_inviting_one_takes_their_name_and_spaces(cast, admin):
    vault = factories.space(cast.workspace, name="Vault")
    factories.space(cast.elsewhere, name="Cellar")
    form = {"emails": "one@x.example", "role": "member", "name": "Olga One", "spaces": [str(vault.pk), "nonsense"]}
    page = admin.get(url("people")).content.decode()
    assert "Vault" in page
    assert "Cellar" not in page
    admin.post(url("invite"), form, **HTMX)
    made = Invitation.objects.get()
    assert (made.name, list(made.spaces.all())) == ("Olga One", [vault])
    page = admin.post(url("invitation_change", made.pk), {"action": "renew"}, **HTMX).content.decode()
    assert "Olga One" in page
    assert "joins Vault" in page
    answer = admin.post(url("invite"), {**form, "emails": "a@x.example, b@x.example"}, **HTMX)
    assert answer.status_code == 422
    assert "A name is for one person" in answer.content.decode()


def test_a_mail_server_that_refuses_leaves_a_link_to_pass_on(cast, admin, monkeypatch):
    def away(self, messages):
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", away)
    page = admin.post(url("invite"), {"emails": "one@x.example", "role": "member"}, **HTMX).content.decode()
    assert "1 mail could not be sent" in page
    assert "Pass this link on" in page
    assert "/join/" in page
    assert Invitation.objects.get().is_open
    sent = Caller(cast.admin).post("invitations/", {"email": "two@x.example"})
    assert sent.status_code == 201
    assert sent.json()["problem"] == "The mail could not be sent. Pass this link on yourself."
    add = {"email": "three@x.example", "name": "", "role": "member"}
    told = admin.post("/w/acme/govern/portal/invitation/add/", add, follow=True).content.decode()
    assert "Pass this link on yourself. http" in told
    last = Invitation.objects.get(email="three@x.example")
    told = admin.post(f"/w/acme/govern/portal/invitation/{last.pk}/do/renew/", follow=True).content.decode()
    assert "Pass this link on yourself. http" in told
    assert Invitation.objects.filter(email="three@x.example", revoked=None).count() == 1


def test_a_role_changes_and_the_last_admin_stays(cast, admin):
    admin.post(url("person_role", cast.member.pk), {"role": "builder"}, **HTMX)
    cast.member.refresh_from_db()
    assert cast.member.role == Role.BUILDER
    answer = admin.post(url("person_role", cast.admin.pk), {"role": "member"}, **HTMX)
    assert answer.status_code == 422
    assert "at least one admin" in answer.content.decode()


def test_removing_somebody_says_first_what_they_lose(cast, admin):
    room = factories.space(cast.workspace, cast.member, name="Vault")
    ApiKey.objects.make(cast.member, "script", ["read"])
    page = admin.get(url("person_leave", cast.member.pk), **HTMX).content.decode()
    assert "Vault" in page
    assert "1 API key stops" in page
    admin.post(url("person_leave", cast.member.pk), **HTMX)
    cast.member.refresh_from_db()
    assert not cast.member.active
    assert not room.members.exists()
    assert "Max Member" in admin.get(url("people") + "?left=1").content.decode()
    admin.post(url("person_return", cast.member.pk))
    cast.member.refresh_from_db()
    assert cast.member.active


def test_a_member_sees_people_and_changes_nobody(cast, member):
    page = member.get(url("people")).content.decode()
    assert "Ada Admin" in page
    assert "person_role" not in page
    assert "Invite to" not in page
    for name in ("person_role", "person_leave", "person_return"):
        assert member.post(url(name, cast.builder.pk), {"role": "admin"}).status_code == 403
    assert member.post(url("invite"), {"emails": "a@b.example"}).status_code == 403


def test_a_member_does_not_learn_of_spaces_that_they_are_not_in(cast, member):
    factories.space(cast.workspace, cast.admin, name="Board")
    assert "Board" not in member.get(url("people")).content.decode()
    assert "Board" not in member.get(url("spaces")).content.decode()


def test_a_space_shows_who_is_in_it_and_what_it_sees(cast, admin, member):
    room = factories.space(cast.workspace, cast.member, name="Room")
    source = factories.source(cast.workspace, name="Chat", grant_to=False)
    general = factories.node(source, "general", title="#general")
    factories.node(source, "exec", title="#exec")
    Grant.objects.create(space=room, source=source, parents_in=[general.pk])
    shown = member.get(url("space", room.pk)).content.decode()
    assert "Max Member" in shown
    assert "Ada Admin" not in shown
    assert "#general" in shown
    assert "1 part" in shown
    assert "#exec" not in shown
    assert member.post(url("space", room.pk), {"name": "Mine", "kind": "open"}).status_code == 403
    board = factories.space(cast.workspace, cast.admin, name="Board")
    assert member.get(url("space", board.pk)).status_code == 404
    admin.force_login(cast.admin.user)
    admins = admin.get(url("space", room.pk)).content.decode()
    assert reverse("data_source_access_change", args=["acme", source.pk, room.pk]) in admins


def test_people_of_another_workspace_are_out_of_reach(cast, admin):
    assert admin.post(url("person_role", cast.outsider.pk), {"role": "member"}).status_code == 404


def test_people_are_found_by_name_and_address(cast, admin):
    page = admin.get(url("people") + "?q=bea", **HTMX).content.decode()
    assert "Bea Builder" in page
    assert "Max Member" not in page
    assert "<html" not in page


def test_the_people_page_asks_as_often_for_many_as_for_few(cast, admin, django_assert_max_num_queries):
    for number in range(40):
        person = factories.member(cast.workspace)
        if number % 3 == 0:
            factories.space(cast.workspace, person)
    admin.get(url("people"))
    with django_assert_max_num_queries(18):
        admin.get(url("people"))


def test_an_admin_makes_changes_and_deletes_a_space(cast, admin):
    answer = admin.post(url("space_new"), {"name": "Finance", "kind": "restricted", "members": [cast.member.user.pk]})
    space = Space.objects.get(name="Finance")
    assert answer["Location"] == url("space", space.pk)
    assert list(space.members.all()) == [cast.member.user]
    admin.post(url("space", space.pk), {"name": "Money", "kind": "restricted", "members": [cast.builder.user.pk]})
    space.refresh_from_db()
    assert (space.name, list(space.members.all())) == ("Money", [cast.builder.user])
    factories.source(cast.workspace, name="Ledger", grant_to=space)
    page = admin.get(url("space_delete", space.pk), **HTMX).content.decode()
    assert "Ledger" in page
    assert "1 person loses" in page
    admin.post(url("space_delete", space.pk))
    assert not Space.objects.filter(pk=space.pk).exists()
    assert AuditEvent.objects.filter(action="space.delete", actor=cast.admin.user).exists()


def test_a_space_takes_nobody_from_outside_and_no_name_twice(cast, admin):
    answer = admin.post(url("space_new"), {"name": "X", "kind": "restricted", "members": [cast.outsider.user.pk]})
    assert answer.status_code == 422
    answer = admin.post(url("space_new"), {"name": "company", "kind": "open"})
    assert answer.status_code == 422
    assert not Space.objects.filter(workspace=cast.workspace, name__in=["X", "company"]).exists()


def test_a_member_makes_no_space(member):
    assert member.get(url("space_new")).status_code == 403


def test_a_key_is_shown_once_and_revoked(cast, member):
    membership = str(cast.member.pk)
    answer = member.post(
        reverse("key_new"),
        {"name": "Script", "workspace": membership, "scopes": ["read", "ask"], "lasts": "30"},
        **HTMX,
    )
    key = ApiKey.objects.get()
    text = answer.content.decode().split('id="new-key">', 1)[1].split("<", 1)[0]
    assert key.key_hash == ApiKey.hash(text)
    assert key.scopes == ["read", "ask"]
    assert "no-store" in answer["Cache-Control"]
    assert text not in member.get(reverse("keys")).content.decode()
    member.post(reverse("key_revoke", args=[key.pk]), **HTMX)
    key.refresh_from_db()
    assert not key.is_live


def test_nobody_makes_or_revokes_keys_for_others(cast, member):
    assert (
        member.post(
            reverse("key_new"), {"name": "X", "workspace": str(cast.outsider.pk), "scopes": ["read"]}
        ).status_code
        == 422
    )
    key, _ = ApiKey.objects.make(cast.admin, "theirs", ["read"])
    assert member.post(reverse("key_revoke", args=[key.pk])).status_code == 404


def test_name_and_theme_are_kept(cast, member):
    member.post(reverse("me"), {"name": "Maximilian"})
    member.post(reverse("theme"), {"theme": "dark"})
    cast.member.user.refresh_from_db()
    assert (cast.member.user.name, cast.member.user.theme) == ("Maximilian", "dark")
    member.post(reverse("theme"), {"theme": "<script>"})
    assert 'data-theme="dark"' in member.get(url("people")).content.decode()


def test_a_theme_leads_back_to_no_other_host(member):
    answer = member.post(reverse("theme"), {"theme": "light"}, headers={"referer": "https://evil.example/"})
    assert answer["Location"] == reverse("me")


def test_home_shows_an_admin_the_path_and_a_member_none(cast, admin, client):
    page = admin.get(url("home")).content.decode()
    assert "Connect data" in page
    assert "Four steps to your first answer" in page
    client.force_login(cast.member.user)
    assert "Four steps" not in client.get(url("home")).content.decode()


def test_the_palette_finds_pages_by_name(member):
    page = member.get(url("palette") + "?q=peo").content.decode()
    assert url("people") in page
    assert "Nothing is called" in member.get(url("palette") + "?q=zzzz").content.decode()


def test_the_palette_offers_what_one_may_do(cast, member):
    def offered(text=""):
        return member.get(url("palette"), {"q": text}).content.decode()

    assert "New question" in offered()
    assert f'data-href="{url("assistant_start")}"' in offered("build assistant")
    assert 'data-href="#theme-dark"' in offered("dark")
    assert url("data_new") not in offered("connect")
    assert url("invite") not in offered("invite")
    member.force_login(cast.builder.user)
    assert f'data-href="{url("data_new")}"' in offered("connect data")
    member.force_login(cast.admin.user)
    assert f'data-href="{url("invite")}"' in offered("colleagues")


def test_being_there_is_noted_at_most_every_five_minutes(cast, member):
    member.get(url("people"))
    first = Membership.objects.get(pk=cast.member.pk).last_seen
    assert first is not None
    member.get(url("people"))
    assert Membership.objects.get(pk=cast.member.pk).last_seen == first
