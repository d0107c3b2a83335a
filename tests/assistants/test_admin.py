"""Assistants and conversations' metadata in the admin."""

import re

import pytest

from assistants import lifecycle
from assistants.models import Assistant, Conversation, Message, SpaceDefault
from portal import people
from portal.models import AuditEvent
from tests import factories

BASE = "/w/acme/govern/assistants/"


@pytest.fixture
def admin(cast, client):
    client.force_login(cast.admin.user)
    return client


@pytest.fixture
def helper(cast):
    made = lifecycle.create_assistant(
        workspace=cast.workspace, by=cast.member.user, handle="helper", name="Helper", knowledge=[]
    )
    return lifecycle.publish(made, cast.member.user)


def test_personal_ones_and_those_of_others_are_not_there(cast, admin, helper):
    lifecycle.create_assistant(workspace=cast.workspace, by=cast.member.user, handle="diary", knowledge=[])
    theirs = lifecycle.create_assistant(workspace=cast.elsewhere, by=cast.outsider.user, handle="umbra", knowledge=[])
    lifecycle.publish(theirs, cast.outsider.user)
    html = admin.get(f"{BASE}assistant/").content.decode()
    assert "helper" in html
    assert "diary" not in html
    assert "umbra" not in html
    assert admin.get(f"{BASE}assistant/{theirs.pk}/change/").status_code == 404


def test_the_list_says_what_is_to_know_and_a_page_leads_to_the_portal(cast, admin, helper):
    def remarks() -> str:
        return re.search(r"field-remarks[^>]*>([^<]*)<", admin.get(f"{BASE}assistant/").content.decode())[1]

    for words, verb in (
        ("waits for vetting", lambda: lifecycle.request_vetting(helper, cast.member.user)),
        ("hidden", lambda: lifecycle.hide(helper, cast.admin.user)),
        ("nobody owns it", lambda: people.deactivate(cast.member, by=cast.admin.user)),
        ("archived", lambda: lifecycle.archive(helper, cast.admin.user)),
    ):
        before = remarks()
        verb()
        assert (words in before, words in remarks()) == (False, True), words
    assert f"{cast.member.user} (left)" in admin.get(f"{BASE}assistant/{helper.pk}/change/").content.decode()
    lifecycle.restore(helper, cast.admin.user)
    lifecycle.publish(helper, cast.admin.user)
    html = admin.get(f"{BASE}assistant/{helper.pk}/change/").content.decode()
    for path in ("publishing/", "edit/", "versions/", "insight/"):
        assert f'href="/w/acme/assistants/helper/{path}"' in html
        assert admin.get(f"/w/acme/assistants/helper/{path}").status_code == 200


def test_only_what_was_vetted_is_offered_as_the_default_of_the_workspace(cast, admin, helper):
    page = "/w/acme/assistants/helper/publishing/"
    html = admin.get(page).content.decode()
    assert "people of Company" in html
    assert "in the whole workspace</option>" not in html
    lifecycle.vet(helper, cast.admin.user)
    html = admin.get(page).content.decode()
    assert "in the whole workspace</option>" in html
    assert "its vetting ends" in html


def test_vetting_goes_through_the_verb(cast, admin, helper):
    page = f"{BASE}assistant/{helper.pk}/"
    html = admin.get(f"{page}change/").content.decode()
    assert "Vet its latest version" in html
    assert "Helper" in html
    admin.post(f"{page}do/vet/")
    helper.refresh_from_db()
    assert helper.scope == "workspace"
    assert AuditEvent.objects.get(action="assistant.vet").via == "admin"
    lifecycle.save_version(helper, cast.member.user, instructions="Be kind.")
    lifecycle.request_vetting(helper, cast.member.user)
    assert "waits for vetting" in admin.get("/w/acme/govern/").content.decode()
    admin.post(f"{page}do/default/")
    assert Assistant.objects.get(is_default=True) == helper
    admin.post(f"{page}do/unvet/")
    assert "nobody finds it any more" in admin.get(f"{page}do/archive/").content.decode()
    admin.post(f"{page}do/archive/", {"confirmed": "yes"})
    helper.refresh_from_db()
    assert helper.archived


def test_owners_and_defaults_are_chosen_there(cast, admin, helper):
    """Each asks first, and says what it refuses."""
    lifecycle.vet(helper, cast.admin.user)
    page = f"{BASE}assistant/{helper.pk}/"

    def do(deed, answer=""):
        assert admin.get(f"{page}do/{deed}/").status_code == 200, deed
        return admin.post(f"{page}do/{deed}/", {"confirmed": "yes", "answer": answer}, follow=True).content.decode()

    assert "Nobody in this workspace has the address" in do("add_owner", "outsider@umbra.example")
    assert "has another owner" in do("add_owner", "Builder@acme.example")
    assert list(helper.owners.order_by("email")) == [cast.builder.user, cast.member.user]
    assert "No owner has the address" in do("remove_owner", "admin@acme.example")
    assert "has one owner less" in do("remove_owner", "member@acme.example")
    assert "Name another owner first" in do("remove_owner", "builder@acme.example")
    assert "There is no space" in do("space_default", "Nowhere")
    factories.space(cast.workspace, name="Sales")
    for space in ("company", "Sales"):
        do("space_default", space)
    admin.post(f"{page}do/default/")
    html = admin.get(f"{page}change/").content.decode()
    assert "the workspace, Company, Sales" in html
    assert "people of Sales only where they choose it" in admin.get(f"{page}do/no_default/").content.decode()
    do("no_default")
    assert not Assistant.objects.filter(is_default=True).exists()
    assert not SpaceDefault.objects.exists()
    logged = AuditEvent.objects.filter(action="assistant.default", via="admin")
    assert [event.after["default"] for event in logged.order_by("id")] == ["@helper"] * 3 + [None] * 3
    html = admin.get(f"{page}change/").content.decode()
    assert "No default any more" not in html


def test_what_it_is_called_and_said_to_be_is_changed_there(cast, admin, helper):
    page = f"{BASE}assistant/{helper.pk}/"
    lifecycle.save_version(helper, cast.member.user, instructions="Be brief.")
    lifecycle.vet(helper, cast.admin.user)

    def do(deed, answer=""):
        sent = {"confirmed": "yes", "answer": answer}
        return admin.post(f"{page}do/{deed}/", sent, follow=True).content.decode()

    assert "nobody reaches it under this handle any more" in admin.get(f"{page}do/rename/").content.decode()
    assert "@aid is its handle now" in do("rename", "@Aid")
    assert "@new is a word of the product" in do("rename", "new")
    assert "It takes one of alpha, beta, stable" in do("stage", "ripe")
    assert "has another stage" in do("stage", "Stable")
    assert "There is no version “9”" in do("roll_back", "9")
    assert "a draft until it is vetted" in admin.get(f"{page}do/roll_back/").content.decode()
    assert "is what it was before" in do("roll_back", "1")
    do("show_instructions")
    helper.refresh_from_db()
    assert (helper.handle, helper.stage, helper.shows_instructions) == ("aid", "stable", True)
    assert (helper.latest.number, helper.latest.instructions, helper.live.number) == (3, "", 2)
    do("keep_instructions")
    helper.refresh_from_db()
    assert not helper.shows_instructions


def test_an_operator_who_is_no_admin_there_is_told_no(cast, client, helper):
    client.force_login(factories.user("operator@example.com", is_superuser=True))
    response = client.post(f"{BASE}assistant/{helper.pk}/do/vet/", follow=True)
    assert "You are not in this workspace" in response.content.decode()


def test_of_conversations_only_who_and_when_is_shown(cast, admin, helper):
    secret = "My salary negotiation"
    row = Conversation.objects.create(workspace=cast.workspace, owner=cast.member.user, title=secret, assistant=helper)
    Message.objects.create(conversation=row, role="user", content=secret, author=cast.member.user)
    html = admin.get(f"{BASE}conversation/").content.decode()
    assert "Max Member" in html
    assert secret not in html
    for rest in ("change/", "history/", "delete/"):
        response = admin.get(f"{BASE}conversation/{row.pk}/{rest}")
        assert response.status_code in {403, 404}
        assert secret not in response.content.decode()
    assert secret not in admin.get("/w/acme/govern/").content.decode()
    assert admin.get(f"{BASE}conversation/?title__startswith=My").status_code == 400


def test_only_what_loses_something_is_red(admin, helper):
    page = " ".join(admin.get(f"{BASE}assistant/{helper.pk}/change/").content.decode().split())
    for deed, loses in (("archive", True), ("stage", False)):
        address = f"{BASE}assistant/{helper.pk}/do/{deed}/"
        button = page.partition(f'<form method="get" action="{address}">')[2].partition("</form>")[0]  # it asks first
        assert ("data-loses" in button, "csrfmiddlewaretoken" in button) == (loses, False)
        asked = admin.get(address).content.decode()
        assert ("data-sure" in asked, "data-yes" in asked) == (loses, not loses)


@pytest.mark.parametrize(("deed", "told"), [("unpublish", "alone again"), ("restore", "is back")])
def test_what_leaves_the_list_leads_back_to_it_and_says_why(cast, admin, helper, deed, told):
    if deed == "restore":
        lifecycle.archive(helper, cast.admin.user)
    done = admin.post(f"{BASE}assistant/{helper.pk}/do/{deed}/", {"confirmed": "yes"}, follow=True)
    assert (done.status_code, done.redirect_chain[-1][0]) == (200, f"{BASE}assistant/")
    assert told in done.content.decode()
