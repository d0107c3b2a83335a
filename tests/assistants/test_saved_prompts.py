"""Saved prompts: one's own, by name, for the composer; in the portal and over the API."""

from __future__ import annotations

import pytest
from django.urls import reverse

from assistants import saved_prompts
from assistants.errors import Refused
from assistants.models import SavedPrompt
from tests.callers import Caller
from tests.portal.test_api import problem

pytestmark = pytest.mark.django_db


def url(name, *args):
    return reverse(name, args=["acme", *args])


@pytest.fixture
def mine(client, cast):
    client.force_login(cast.member.user)
    return client


def test_a_prompt_is_saved_changed_and_deleted(cast, mine):
    assert "No prompts yet" in mine.get(url("prompts")).content.decode()
    mine.post(url("prompts"), {"name": "Weekly  summary", "text": "What was decided this week?\nName who decided."})
    row = SavedPrompt.objects.get()
    assert (row.membership, row.name) == (cast.member, "Weekly summary")

    again = mine.post(url("prompts"), {"name": "weekly summary", "text": "Other"})
    assert again.status_code == 422
    assert "You have a saved prompt “weekly summary” already" in again.content.decode()
    assert mine.post(url("prompts"), {"name": " ", "text": "Other"}).status_code == 422

    assert "Name who decided." in mine.get(url("prompt", row.pk)).content.decode()
    mine.post(url("prompt", row.pk), {"name": "Week", "text": "What was decided?"})
    row.refresh_from_db()
    assert (row.name, row.text) == ("Week", "What was decided?")
    assert "/Week" in mine.get(url("prompts")).content.decode()
    mine.post(url("prompt_delete", row.pk))
    assert not SavedPrompt.objects.exists()


def test_two_at_once_undo_nothing_of_each_other(cast):
    """The same person in two tabs: what is not changed stays as it is, and what was deleted stays away."""
    row = saved_prompts.save_prompt(cast.member, "Week", "What was decided?")
    late = SavedPrompt.objects.get()
    saved_prompts.change_prompt(row, text="Who decided?")
    assert saved_prompts.change_prompt(late, name="The week").text == "Who decided?"
    saved_prompts.delete_prompt(row)
    with pytest.raises(Refused) as no:
        saved_prompts.change_prompt(late, name="Again")
    assert no.value.code == "not_found"
    assert not SavedPrompt.objects.exists()


def test_the_composer_is_offered_what_was_typed_of_the_name(cast, mine):
    def offered(typed=""):
        return mine.get(url("prompts_suggest"), {"q": typed}).json()

    assert offered()["none"] is True
    for name in ("The week", "Week in numbers", "Minutes"):
        saved_prompts.save_prompt(cast.member, name, f"{name}?")
    assert [one["name"] for one in offered("week")["results"]] == ["Week in numbers", "The week"]
    assert offered("week")["results"][0]["text"] == "Week in numbers?"
    assert offered("zzz") == {"results": [], "none": False, "page": url("prompts")}
    assert f'data-prompts="{url("prompts_suggest")}"' in mine.get(url("home")).content.decode()
    assert f'href="{url("prompts")}"' in mine.get(reverse("me")).content.decode()


def test_nobody_sees_or_changes_anothers_prompts(cast, mine):
    theirs = saved_prompts.save_prompt(cast.admin, "Board", "Summarise the board papers.")
    for other in (cast.builder, cast.outsider):
        saved_prompts.save_prompt(other, "Board", "The same name is free to everybody.")
    assert "/Board" not in mine.get(url("prompts")).content.decode()
    assert mine.get(url("prompts_suggest"), {"q": "board"}).json()["results"] == []
    for name in ("prompt", "prompt_delete"):
        assert mine.post(url(name, theirs.pk), {"name": "x", "text": "y"}).status_code == 404
    call = Caller(cast.member)
    assert call.get("me/prompts/").json()["results"] == []
    for method in (call.get, call.delete):
        problem(method(f"me/prompts/{theirs.pk}/"), 404, "not_found")
    problem(call.patch(f"me/prompts/{theirs.pk}/", {"name": "Mine"}), 404, "not_found")
    theirs.refresh_from_db()
    assert theirs.name == "Board"


def test_the_api_does_the_same(cast):
    call = Caller(cast.member)
    made = call.post("me/prompts/", {"name": "Week", "text": "What was decided?"})
    assert made.status_code == 201
    path = f"me/prompts/{made.json()['id']}/"
    problem(call.post("me/prompts/", {"name": "WEEK", "text": "Again"}), 409, "name_taken")
    problem(call.patch(path, {"text": ""}), 400, "invalid")
    assert call.patch(path, {"text": "Who decided?"}).json()["text"] == "Who decided?"
    assert [one["name"] for one in call.get("me/prompts/", q="we").json()["results"]] == ["Week"]
    assert call.delete(path).status_code == 204
    assert not SavedPrompt.objects.exists()


def test_there_is_room_for_so_many(cast, monkeypatch):
    monkeypatch.setattr(saved_prompts, "MOST", 1)
    saved_prompts.save_prompt(cast.member, "One", "1")
    with pytest.raises(Refused, match="room for no more"):
        saved_prompts.save_prompt(cast.member, "Two", "2")
