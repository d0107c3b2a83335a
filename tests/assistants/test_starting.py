"""What a new assistant starts from: a copy, a conversation; only what one may see comes along, and nothing is saved."""

from __future__ import annotations

import pytest
from django.urls import reverse

from assistants import lifecycle
from assistants.models import Assistant, Citation, Conversation, Message
from assistants.starting import copy_of, from_conversation
from tests import factories
from tests.assistants.asking import model
from tests.callers import Caller
from tests.portal.test_api import problem

pytestmark = pytest.mark.django_db


def entry(source, *nodes) -> dict[str, object]:
    inside = [str(node.pk) for node in nodes] or None
    return {"data_source": str(source.pk), "parents_in": inside, "parents_not_in": []}


@pytest.fixture
def handbook(cast):
    return factories.source(cast.workspace, name="Handbook")


@pytest.fixture
def board(cast):
    return factories.source(
        cast.workspace, name="Board papers", grant_to=factories.space(cast.workspace, cast.builder, name="Leadership")
    )


@pytest.fixture
def offered(cast, handbook, board):
    """Vetted for everyone, and reading a part that the member may not."""
    made = lifecycle.create_assistant(
        workspace=cast.workspace,
        by=cast.builder.user,
        handle="leave",
        name="Leave",
        instructions="Be kind.",
        knowledge=[entry(handbook), entry(board)],
        starters=["How many days?"],
    )
    lifecycle.publish(made, cast.builder.user)
    lifecycle.vet(made, cast.admin.user)
    made.refresh_from_db()
    return made


def test_a_copy_takes_along_only_what_its_maker_may_see(client, cast, offered, handbook):
    draft = copy_of(cast.member, offered)
    assert draft.fields["instructions"] == ""
    assert draft.fields["knowledge"] == [entry(handbook)]
    assert draft.fields["starters"] == ["How many days?"]
    assert draft.handle == "leave-2"
    assert len(draft.notes) == 2

    lifecycle.show_instructions(offered, cast.builder.user, True)
    offered.refresh_from_db()
    assert copy_of(cast.member, offered).fields["instructions"] == "Be kind."

    client.force_login(cast.member.user)
    html = client.get(reverse("assistant_copy", args=["acme", "leave"])).content.decode()
    assert "1 part of its knowledge that you may not read is left out." in html
    assert 'value="leave-2"' in html
    assert "Board papers" not in html
    assert Assistant.objects.count() == 1


def test_owners_copy_all_of_it(cast, offered, handbook, board):
    draft = copy_of(cast.builder, offered)
    assert (draft.fields["instructions"], draft.notes) == ("Be kind.", ())
    assert draft.fields["knowledge"] == [entry(handbook), entry(board)]


@pytest.mark.parametrize("person", ["member", "outsider"])
def test_what_one_does_not_see_cannot_be_copied(client, cast, person):
    lifecycle.create_assistant(workspace=cast.workspace, by=cast.builder.user, handle="mine")
    client.force_login(getattr(cast, person).user)
    assert client.get(reverse("assistant_copy", args=["acme", "mine"])).status_code == 404


@pytest.fixture
def talk(cast, handbook, board):
    """The builder's, with two questions; the answers cited a folder's document and the board's paper. One more, on a branch left."""
    folder = factories.node(handbook, "leave", title="Leave")
    document = factories.node(handbook, "leave/sick.md", parent=folder, text="Thirty days.")
    secret = factories.node(board, "swan.md", text="Secret.")
    made = Conversation.objects.create(workspace=cast.workspace, owner=cast.builder.user, title="Sick leave")
    parent = None
    for question, node in (("How many days of sick leave?", document), ("And {{who}} approves?", secret)):
        asked = Message.objects.create(conversation=made, role="user", content=question, parent=parent)
        parent = Message.objects.create(conversation=made, role="assistant", content="So [1].", parent=asked)
        Citation.objects.create(
            message=parent, n=1, cited=True, source=node.source_id, node=node.pk, start=0, end=5, content_hash="x"
        )
    Message.objects.create(conversation=made, role="user", content="Never mind this one", parent=asked.parent)
    made.head = parent
    made.save()
    made.folder = folder
    made.secret = secret
    return made


def test_a_conversation_becomes_a_draft_with_its_questions_and_cited_folders(cast, talk, handbook, board):
    draft = from_conversation(cast.builder, talk)
    assert draft.fields["name"] == "Sick leave"
    assert draft.fields["starters"] == ["How many days of sick leave?", "And {{who}} approves?"]
    assert "How many days of sick leave?" in draft.fields["instructions"]
    assert "Never mind" not in str(draft.fields)
    assert {row["data_source"]: row["parents_in"] for row in draft.fields["knowledge"]} == {
        str(handbook.pk): [str(talk.folder.pk)],
        str(board.pk): [str(talk.secret.pk)],
    }
    # What was asked is quoted: braces in it are no variables, and the draft can be saved as it is.
    made = lifecycle.create_assistant(
        workspace=cast.workspace, by=cast.builder.user, handle=draft.handle, **draft.fields
    )
    assert made.handle == "sick-leave"


def test_a_shared_conversation_brings_only_what_its_reader_may_read(client, cast, talk, handbook):
    url = reverse("conversation_assistant", args=["acme", talk.pk])
    client.force_login(cast.member.user)
    assert client.get(url).status_code == 404
    talk.shared_with.add(cast.member.user)
    draft = from_conversation(cast.member, talk)
    assert draft.fields["knowledge"] == [entry(handbook, talk.folder)]
    html = client.get(url).content.decode()
    assert "How many days of sick leave?" in html
    assert str(talk.secret.pk) not in html


def test_drafts_and_what_they_need_by_api(cast, offered, talk, handbook, board):
    mine, reader, there = Caller(cast.member), Caller(cast.member, "read"), Caller(cast.outsider, slug="acme")
    copy = mine.post("assistants/leave/copy/").json()
    assert (copy["handle"], copy["fields"]["instructions"], copy["fields"]["knowledge"]) == (
        "leave-2",
        "",
        [entry(handbook)],
    )
    assert len(copy["notes"]) == 2
    made = mine.post("assistants/", {"handle": copy["handle"], **copy["fields"]})
    assert made.status_code == 201, made.content

    problem(mine.post(f"conversations/{talk.pk}/assistant-draft/"), 404, "not_found")
    talk.shared_with.add(cast.member.user)
    begun = mine.post(f"conversations/{talk.pk}/assistant-draft/").json()
    assert begun["fields"]["knowledge"] == [entry(handbook, talk.folder)]
    assert begun["fields"]["stage"] == "alpha"
    assert mine.post("assistants/", {"handle": begun["handle"], **begun["fields"]}).status_code == 201

    needs = mine.post("assistant-needs/", {"knowledge": [entry(handbook), entry(board)]}).json()
    assert [(need["everybody"], [space["name"] for space in need["spaces"]]) for need in needs] == [(True, ["Company"])]
    needs = Caller(cast.builder).post("assistant-needs/", {"knowledge": [entry(handbook), entry(board)]}).json()
    assert [[space["name"] for space in need["spaces"]] for need in needs] == [["Leadership"], ["Company"]]
    assert mine.post("assistant-needs/", {"knowledge": None}).json() == []

    taken = mine.get("assistant-handles/", handle="@Leave").json()
    assert (taken["handle"], taken["free"], taken["suggestion"]) == ("leave", False, "leave-3")
    assert "taken" in taken["words"]
    free = {"handle": "travel", "free": True, "words": "", "suggestion": "travel"}
    assert mine.get("assistant-handles/", handle="travel").json() == free
    assert mine.get("assistant-handles/", handle="leave-2", assistant="leave-2").json()["free"]
    assert mine.get("assistant-handles/", handle="Größe & Maß!").json()["suggestion"] == "groe-ma"
    problem(mine.get("assistant-handles/"), 400, "invalid")

    for path in ("assistants/leave/copy/", f"conversations/{talk.pk}/assistant-draft/", "assistant-needs/"):
        problem(reader.post(path, {"knowledge": []}), 403, "scope_missing")
        problem(there.post(path, {"knowledge": []}), 404, "not_found")
    assert Assistant.objects.count() == 3


def test_the_page_of_ways_offers_what_one_may_copy_and_look_for(client, cast, offered, talk):
    client.force_login(cast.builder.user)
    url = reverse("assistant_start", args=["acme"])
    html = client.get(url).content.decode()
    assert reverse("assistant_copy", args=["acme", "leave"]) in html
    assert reverse("conversation_assistant", args=["acme", talk.pk]) in html
    assert reverse("assistant_import", args=["acme"]) in html
    assert reverse("templates", args=["acme"]) in html
    found = client.get(url, {"q": "nothing like it"}, headers={"HX-Request": "true"}).content.decode()
    assert "No assistant that you may ask is called so." in found
    assert "start-conversations" not in found
    found = client.get(url, {"c": "sick"}, headers={"HX-Request": "true"}).content.decode()
    assert "Sick leave" in found
    client.force_login(cast.admin.user)
    assert "Sick leave" not in client.get(url).content.decode()


def test_a_sentence_is_carried_to_the_form(client, cast):
    client.force_login(cast.member.user)
    url = reverse("assistant_new", args=["acme"])
    html = client.get(url, {"wish": "Answer on travel"}).content.decode()
    description = html[html.index('name="description"') :]
    assert "Answer on travel" in description[: description.index("</textarea>")]
    model(cast.workspace, "http://localhost:1/v1")
    html = client.get(url, {"wish": "Answer on travel"}).content.decode()
    wish = html[html.index('id="write-wish"') :]
    assert "Answer on travel" in wish[: wish.index("</textarea>")]
    assert not Assistant.objects.exists()
