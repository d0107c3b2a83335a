"""Assistants and conversations' metadata in the admin."""

import pytest

from assistants import lifecycle
from assistants.models import Assistant, Conversation, Message
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
