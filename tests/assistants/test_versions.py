"""Versions: what changed between any two, who sees what of it, trying and bringing back an old one."""

from __future__ import annotations

import pytest
from django.urls import reverse

from assistants import lifecycle
from assistants.differences import differences, knowledge_lines, line_diff
from assistants.history import rows, seen_by, versions_for
from assistants.models import AssistantVersion
from assistants.reads import names_for
from tests import factories
from tests.assistants.test_views_builder import edit, filled
from tests.callers import Caller

pytestmark = pytest.mark.django_db
LINES = [f"Line {n}" for n in range(20)]


@pytest.fixture
def source(cast):
    made = factories.source(cast.workspace, name="Handbook")
    factories.node(made, "leave", title="Leave")
    return made


@pytest.fixture
def leave(cast, source):
    """Three versions by the builder, vetted: a name, then instructions, then knowledge with a part for Leadership alone."""
    board = factories.source(
        cast.workspace, name="Board papers", grant_to=factories.space(cast.workspace, cast.builder, name="Leadership")
    )
    by = cast.builder.user
    whole = {"data_source": str(source.pk), "parents_in": None, "parents_not_in": []}
    made = lifecycle.create_assistant(
        workspace=cast.workspace, by=by, handle="leave-policy", name="Leave", knowledge=[whole]
    )
    lifecycle.publish(made, by)
    lifecycle.save_version(made, by, note="In short", instructions="\n".join(LINES), temperature=0.5)
    changed = "\n".join([*LINES[:10], "Another line", *LINES[11:]])
    part = {"data_source": str(source.pk), "parents_in": [str(source.nodes.get().pk)], "parents_not_in": []}
    secret = {"data_source": str(board.pk), "parents_in": None, "parents_not_in": []}
    lifecycle.save_version(made, by, instructions=changed, knowledge=[part, secret])
    lifecycle.vet(made, cast.admin.user)
    made.refresh_from_db()
    return made


def changes(person, assistant, old: int, new: int, **more) -> dict[str, object]:
    first, second = (assistant.versions.get(number=n) for n in (old, new))
    names = names_for(person, first, second)
    return {change.field: change for change in differences(first, second, names, **more)}


def test_a_change_is_told_field_by_field_in_words(cast, leave):
    found = changes(cast.builder, leave, 1, 2)
    assert set(found) == {"instructions", "temperature"}
    assert (found["temperature"].before, found["temperature"].after) == ("The model's own", "0.5")

    found = changes(cast.builder, leave, 2, 3)
    told = [(line.kind, line.text) for line in found["instructions"].lines]
    assert ("old", "Line 10") in told
    assert ("new", "Another line") in told
    assert told[0] == ("gap", "")
    assert ("same", "Line 3") not in told
    assert found["knowledge"].after == "Board papers: all of it\nHandbook: Leave"


def test_what_one_may_not_read_is_counted_and_never_named(cast, leave):
    found = changes(cast.member, leave, 2, 3, instructions=False)
    assert set(found) == {"knowledge"}
    assert found["knowledge"].after == "Handbook: Leave\n1 part that you may not read"


def test_a_change_of_what_one_may_not_read_is_not_passed_over(cast, leave):
    """Both versions read alike to this person, who is told that they are not."""
    one, two = (
        factories.source(cast.workspace, grant_to=factories.space(cast.workspace, cast.builder)) for _ in range(2)
    )
    entry = {"parents_in": None, "parents_not_in": []}
    for source in (one, two):
        lifecycle.save_version(leave, cast.builder.user, knowledge=[{"data_source": str(source.pk), **entry}])
    found = changes(cast.member, leave, 4, 5)
    assert found["knowledge"].lines[-1].text == "Something changed that you may not read"


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        ("", "One", ["new"]),
        ("One", "", ["old"]),
        ("--- a\n+++ b", "--- a\n+++ c", ["same", "old", "new"]),
        ("@@ -1 +1 @@", "@@ x", ["old", "new"]),
    ],
)
def test_lines_that_look_like_a_diff_are_only_lines(before, after, kinds):
    lines = line_diff(before, after)
    assert [line.kind for line in lines] == kinds
    assert [line.text for line in lines if line.kind != "new"] == before.splitlines()


def test_all_and_nothing_are_said_so():
    assert knowledge_lines(AssistantVersion(reads_all=True), lambda _id: None) == ["All that whoever asks may read"]
    assert knowledge_lines(AssistantVersion(), lambda _id: None) == ["Nothing"]


def test_the_list_says_who_when_why_and_what(client, cast, leave):
    client.force_login(cast.builder.user)
    html = client.get(reverse("assistant_versions", args=["acme", "leave-policy"])).content.decode()
    assert "In short" in html
    assert "by Bea Builder" in html
    assert "instructions, temperature" in html
    assert "The first version" in html


def test_any_two_are_compared_and_only_owners_read_instructions(client, cast, leave):
    url = reverse("assistant_versions", args=["acme", "leave-policy"])
    client.force_login(cast.builder.user)
    owners = client.get(url, {"old": 3, "new": 2}, headers={"HX-Request": "true"}).content.decode()
    assert "Version 2 → 3" in owners
    assert "<ins>Another line</ins>" in owners

    client.force_login(cast.member.user)
    html = client.get(url, {"old": 2, "new": 3}).content.decode()
    assert "Another line" not in html
    assert "Board papers" not in html
    assert "Handbook: Leave" in html
    assert 'value="roll_back"' not in html
    lifecycle.show_instructions(leave, cast.builder.user, True)
    assert "<ins>Another line</ins>" in client.get(url, {"old": 2, "new": 3}).content.decode()
    client.force_login(cast.outsider.user)
    assert client.get(url).status_code == 404


def test_drafts_of_a_vetted_one_are_its_owners_alone(client, cast, leave):
    lifecycle.save_version(leave, cast.builder.user, name="Not yet vetted")
    numbers = {}
    for person in (cast.builder, cast.member):
        seen = seen_by(person, leave)
        leave.refresh_from_db()
        numbers[person.role] = [version.number for version in versions_for(leave, seen)]
    assert numbers == {"builder": [4, 3, 2, 1], "member": [3, 2, 1]}
    client.force_login(cast.member.user)
    url = reverse("assistant_versions", args=["acme", "leave-policy"])
    assert "Not yet vetted" not in client.get(url).content.decode()
    assert client.get(url, {"old": 1, "new": 4}).status_code == 404


def test_a_long_history_takes_as_many_queries_as_a_short_one(cast, leave, django_assert_max_num_queries):
    for number in range(15):
        lifecycle.save_version(leave, cast.builder.user, name=f"Leave {number}")
    seen = seen_by(cast.builder, leave)
    shown = list(versions_for(leave, seen))
    with django_assert_max_num_queries(6):
        assert len(rows(cast.builder, leave, seen, shown)) == 18


def test_an_old_version_is_tried_without_changing_anything_and_brought_back(client, cast, leave):
    client.force_login(cast.builder.user)
    url = reverse("assistant_edit", args=["acme", "leave-policy"])
    html = client.get(url, {"version": 2}).content.decode()
    assert "This is version 2, to look at and to try" in html
    assert "Line 10" in html
    assert "data-dirty" in html
    assert leave.versions.count() == 3
    assert client.get(url, {"version": 9}).status_code == 404

    edit(client, do="roll_back", version=str(leave.versions.get(number=2).pk))
    newest = leave.versions.first()
    assert (newest.number, newest.note, newest.instructions) == (4, "Back to version 2", "\n".join(LINES))


def test_two_at_one_assistant_do_not_undo_each_other_in_silence(client, cast, leave, source):
    client.force_login(cast.builder.user)
    late = filled(source, name="Mine", based_on="2", do="save")
    response = client.post(reverse("assistant_edit", args=["acme", "leave-policy"]), late)
    assert response.status_code == 422
    assert "Bea Builder saved version 3 while you were at it" in response.content.decode()
    edit(client, **{**late, "based_on": "3", "note": "After looking"})
    assert (leave.versions.first().name, leave.versions.first().note) == ("Mine", "After looking")


def test_versions_over_the_api(cast, leave):
    mine, reader = Caller(cast.builder), Caller(cast.member)
    base = "assistants/leave-policy/"
    one = mine.get(f"{base}versions/2/").json()
    assert (one["note"], one["retrieval"], one["instructions"]) == ("In short", "search", "\n".join(LINES))
    assert reader.get(f"{base}versions/2/").json()["instructions"] is None
    compared = mine.get(f"{base}versions/compare/", old=2, new=3).json()
    assert [change["field"] for change in compared["changes"]] == ["instructions", "knowledge"]
    assert {"kind": "new", "text": "Another line"} in compared["changes"][0]["lines"]
    compared = reader.get(f"{base}versions/compare/", old=2, new=3).json()
    assert [change["field"] for change in compared["changes"]] == ["knowledge"]
    assert "Board" not in str(compared)
    assert reader.get(f"{base}versions/compare/", old="x", new=3).status_code == 400
    assert reader.get(f"{base}versions/compare/", old=1, new=9).status_code == 404
    mine.patch(base, {"shows_instructions": True, "note": "Only a note"})
    assert reader.get(base).json()["instructions"].startswith("Line 0")
    assert leave.versions.count() == 3
