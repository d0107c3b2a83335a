"""Conversations in the rail and in their list: groups, search, renaming, pinning, archiving."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from assistants import filing
from assistants.feedback import give_feedback
from assistants.filing import conversations_of, grouped
from assistants.models import Conversation
from portal.models import AuditEvent
from tests.assistants import threads

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _signed_in(client, cast):
    client.force_login(cast.member.user)


def aged(row: Conversation, **age: float) -> Conversation:
    Conversation.objects.filter(pk=row.pk).update(updated=timezone.now() - timedelta(**age))
    return row


def address(name: str, row: Conversation) -> str:
    return reverse(name, args=["acme", row.pk])


def test_conversations_stand_by_age_and_pinned_ones_first(cast):
    aged(threads.conversation(cast.member, "Old but pinned", pinned=True), days=90)
    aged(threads.conversation(cast.member, "Old"), days=60)
    aged(threads.conversation(cast.member, "Of this week"), days=4)
    threads.conversation(cast.member, "New")

    groups = grouped(cast.member, conversations_of(cast.member), 30)

    assert [(g.label, [str(c) for c in g.conversations]) for g in groups] == [
        ("Pinned", ["Old but pinned"]),
        ("Today", ["New"]),
        ("This week", ["Of this week"]),
        ("Older", ["Old"]),
    ]


def test_the_search_looks_in_titles_and_questions_of_mine(client, cast):
    threads.question(threads.conversation(cast.member, "Leave"), "How much is a travel allowance?")
    threads.conversation(cast.member, "Travel")
    threads.conversation(cast.member, "Something else")
    threads.conversation(cast.builder, "Travel of somebody else", shared_with_workspace=True)

    html = client.get(reverse("conversations", args=["acme"]), {"q": "travel"}, headers=FRAGMENT).content.decode()

    assert "Leave" in html
    assert "Travel" in html
    assert "Something else" not in html
    assert "somebody else" not in html


def test_what_was_shared_with_me_is_in_my_list(client, cast):
    row = threads.conversation(cast.builder, "Budget")
    row.shared_with.add(cast.member.user)
    html = client.get(reverse("conversations", args=["acme"])).content.decode()
    assert "Budget" in html
    assert "shared with you" in html


def test_renaming_in_place_keeps_the_place_in_the_list(client, cast):
    row = aged(threads.conversation(cast.member, "Leave"), days=3)
    before = Conversation.objects.get(pk=row.pk).updated
    form = client.get(address("conversation_rename", row), headers=FRAGMENT).content.decode()
    assert 'value="Leave"' in form
    assert "<html" not in form

    response = client.post(address("conversation_rename", row), {"title": "Holidays"}, headers=FRAGMENT)

    assert "Holidays" in response.content.decode()
    assert response["HX-Trigger-After-Settle"] == "conversations-changed"
    row.refresh_from_db()
    assert (row.title, row.title_by_person, row.updated) == ("Holidays", True, before)


def test_an_empty_name_is_refused_in_words(client, cast):
    row = threads.conversation(cast.member, "Leave")
    html = client.post(address("conversation_rename", row), {"title": " "}, headers=FRAGMENT).content.decode()
    assert "Give it a name." in html
    row.refresh_from_db()
    assert row.title == "Leave"


def test_archiving_leaves_an_undo_and_the_address_works_on(client, cast):
    row = threads.conversation(cast.member, "Leave")

    html = client.post(address("conversation_archive", row), {"on": "1"}, headers=FRAGMENT).content.decode()

    assert "Undo" in html
    assert not conversations_of(cast.member).exists()
    assert client.get(address("conversation", row)).status_code == 200
    client.post(address("conversation_archive", row), {"on": "0"}, headers=FRAGMENT)
    assert conversations_of(cast.member).exists()


def test_deleting_says_first_what_goes_and_is_its_owners(client, cast):
    row = threads.conversation(cast.member, "Holidays", shared_with_workspace=True)
    row.shared_with.add(cast.builder.user)
    given = threads.exchange(row)
    give_feedback(cast.builder, given, up=True)
    kept = threads.conversation(cast.member, "Kept")

    asked = client.get(address("conversation_delete", row), headers=FRAGMENT).content.decode()
    for words in ("Delete “Holidays”?", "1 question and 1 answer", "<strong>Bea Builder</strong> can", "1 thumb"):
        assert words in " ".join(asked.split())
    client.force_login(cast.builder.user)
    assert client.post(address("conversation_delete", row)).status_code == 404
    client.force_login(cast.member.user)

    def delete(one, looked_at):
        headers = {**FRAGMENT, "HX-Current-URL": f"http://testserver{looked_at}"}
        return client.post(address("conversation_delete", one), headers=headers)

    gone = delete(row, "/w/acme/data/")
    assert gone.status_code == 204
    assert "conversations-changed" in gone["HX-Trigger"]
    assert delete(kept, address("conversation", kept))["HX-Redirect"] == reverse("home", args=["acme"])
    assert not Conversation.objects.exists()
    event = AuditEvent.objects.filter(action="conversation.delete").last()
    assert (event.actor, event.before["messages"]) == (cast.member.user, 2)
    assert "Holidays" not in str(event.__dict__)


def test_without_scripts_a_form_leads_back_but_never_elsewhere(client, cast):
    row = threads.conversation(cast.member, "Leave")
    there = client.post(address("conversation_pin", row), {"on": "1", "next": "https://evil.example/"})
    assert there.url == reverse("conversations", args=["acme"])
    row.refresh_from_db()
    assert row.pinned


def test_the_rail_lists_them_on_every_page(client, cast):
    threads.conversation(cast.member, "Leave and holidays")
    html = client.get(reverse("home", args=["acme"])).content.decode()
    assert "Leave and holidays" in html
    assert "What would you like to know?" in html


def test_a_long_list_says_that_it_goes_on_and_shows_more(client, cast, monkeypatch):
    monkeypatch.setattr(filing, "MOST_IN_LIST", 2)
    for number in range(3):
        aged(threads.conversation(cast.member, f"Number {number}"), days=number)
    listing = reverse("conversations", args=["acme"])

    first = client.get(listing, {"q": "Number"}, headers=FRAGMENT).content.decode()
    assert "Number 2" not in first
    assert "?q=Number&amp;parts=2" in first

    rest = client.get(listing, {"q": "Number", "parts": "2"}, headers=FRAGMENT).content.decode()
    assert "Number 2" in rest
    assert "Show more" not in rest
    for parts in ("0", "-1", "x", "1e9"):
        assert "Number 2" not in client.get(listing, {"parts": parts}, headers=FRAGMENT).content.decode()
