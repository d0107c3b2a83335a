"""Versions: what changed between any two, who sees what of it, trying and bringing back an old one."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.urls import reverse

from assistants import lifecycle
from assistants.differences import differences, knowledge_lines, line_diff
from assistants.expiring import fall_back
from assistants.history import rows, seen_by, versions_for
from assistants.models import AssistantVersion, Conversation, Message
from assistants.reads import names_for
from datasources.granting import grant_access
from portal.models import Space
from tests import factories
from tests.assistants.lives import below, make, now_of, published, whole
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


@pytest.fixture
def mixed(cast):
    """Personal, published, vetted; declined, approved with a draft behind it: what others could ask are the versions 2 and 4."""
    by, admin = cast.builder.user, cast.admin.user
    made = make(cast.builder, "mixed", name="Before publishing")
    lifecycle.save_version(made, by, name="Published")
    lifecycle.publish(made, by)
    lifecycle.vet(made, admin)
    lifecycle.save_version(made, by, name="Declined")
    lifecycle.decline(lifecycle.request_vetting(made, by), admin, "No.")
    lifecycle.save_version(made, by, name="Approved")
    asked = lifecycle.request_vetting(made, by)
    lifecycle.save_version(made, by, name="Only a draft")
    lifecycle.approve(asked, admin)
    return now_of(made)


def numbers(person, assistant):
    return [version.number for version in versions_for(assistant, seen_by(person, assistant))]


def test_others_see_the_versions_that_they_could_ask(cast, mixed):
    by = cast.builder.user
    assert (numbers(cast.builder, mixed), numbers(cast.member, mixed)) == ([5, 4, 3, 2, 1], [4, 2])
    lifecycle.roll_back(mixed, by, mixed.versions.get(number=1))
    fall_back(mixed, "the time for which it was vetted is over")
    assert numbers(cast.member, mixed) == [4, 2]
    lifecycle.publish(mixed, by)
    assert numbers(cast.member, mixed) == [6, 4, 2]
    lifecycle.roll_back(mixed, by, mixed.versions.get(number=3))  # what is saved while it is published is live at once
    lifecycle.unpublish(mixed, by)
    lifecycle.save_version(mixed, by, name="At home")
    lifecycle.save_version(lifecycle.publish(mixed, by), by, name="Out again")
    assert numbers(cast.member, mixed) == [9, 8, 7, 6, 4, 2]


def test_what_nobody_could_ask_is_nowhere_for_others(client, cast, mixed):
    client.force_login(cast.member.user)
    url = reverse("assistant_versions", args=["acme", "mixed"])
    page = client.get(reverse("assistant", args=["acme", "mixed"])).content.decode()
    assert ("All, and what changed" in page, "Version 2" in page, "Go back to this" in page) == (True, True, False)
    html = client.get(url).content.decode() + page
    assert ("The first that you may see" in html, "Every save" in html) == (True, True)
    for name in ("Before publishing", "Declined", "Only a draft", "Version 1<", "Version 3", "Version 5"):
        assert name not in html, name
    reader, base = Caller(cast.member), "assistants/mixed/"
    listed = reader.get(f"{base}versions/").json()["results"]
    assert [(one["number"], one["went_live"] is None) for one in listed] == [(4, False), (2, False)]
    for number in (1, 3, 5):
        assert client.get(url, {"old": number, "new": 2}).status_code == 404
        assert client.get(reverse("assistant_export", args=["acme", "mixed"]), {"version": number}).status_code == 404
        assert reader.get(f"{base}versions/{number}/").status_code == 404
        assert reader.get(f"{base}versions/compare/", old=2, new=number).status_code == 404
        assert reader.get(f"{base}export/", version=number).status_code == 400
    assert b"name: Approved" in reader.client.get(reader.address(f"{base}export/"), headers=reader.headers).content
    client.force_login(cast.builder.user)
    assert "Go back to this" in client.get(reverse("assistant", args=["acme", "mixed"])).content.decode()


@pytest.fixture
def narrowed(cast):
    """Published: everybody's, then Leadership's alone, then for a part of a source of which Company sees another, then
    everybody's again. With somebody of Leadership who does not own it."""
    insider = factories.member(cast.workspace)
    leadership = factories.space(cast.workspace, cast.builder, insider, name="Leadership")
    board = factories.source(cast.workspace, name="Board papers", grant_to=leadership)
    files = factories.source(cast.workspace, name="Files", grant_to=False, created_by=cast.builder.user)
    public, pay = factories.node(files, "public"), factories.node(files, "pay")
    deep = factories.node(files, "public/deep", parent=public)
    grant_access(files, Space.objects.get(workspace=cast.workspace, name="Company"), by=None, parents_in=[public.pk])
    by = cast.builder.user
    made = published(cast.builder, "plans", name="For all", knowledge=below(files, deep))
    lifecycle.save_version(made, by, name="The merger", knowledge=whole(board))
    lifecycle.save_version(made, by, name="Salaries", knowledge=below(files, public, pay))
    lifecycle.save_version(made, by, name="For all again", knowledge=below(files, public))
    return now_of(made), insider, leadership, files


def test_a_version_that_others_were_offered_is_theirs_later_too(client, cast, narrowed):
    made, insider, leadership, files = narrowed
    seen = [numbers(person, made) for person in (cast.builder, cast.admin, insider, cast.member)]
    assert seen == [[4, 3, 2, 1], [4, 3, 2, 1], [4, 2, 1], [4, 1]]
    client.force_login(cast.member.user)
    url = reverse("assistant_versions", args=["acme", "plans"])
    html = client.get(url).content.decode() + client.get(reverse("assistant", args=["acme", "plans"])).content.decode()
    assert ("The merger" in html, "Salaries" in html, "Version 1<" in html) == (False, False, True)
    reader, base = Caller(cast.member), "assistants/plans/"
    assert [one["number"] for one in reader.get(f"{base}versions/").json()["results"]] == [4, 1]
    for number in (2, 3):
        assert client.get(url, {"old": number, "new": 4}).status_code == 404
        assert client.get(reverse("assistant_export", args=["acme", "plans"]), {"version": number}).status_code == 404
        assert reader.get(f"{base}versions/{number}/").status_code == 404
        assert reader.get(f"{base}versions/compare/", old=number, new=4).status_code == 404
        assert reader.get(f"{base}export/", version=number).status_code == 400
    grant_access(files, leadership, by=None)
    assert numbers(insider, made) == [4, 3, 2, 1]
    leadership.members.remove(insider.user)
    assert numbers(insider, made) == [4, 1]


def test_what_people_run_is_seen_whatever_it_reads_and_its_past_by_those_who_read_it(cast, narrowed):
    """A vetted one answers everybody from what each may read. When it is over, nobody knows any more who was offered what."""
    made, _insider, _leadership, files = narrowed
    by = cast.builder.user
    lifecycle.save_version(made, by, name="All files", knowledge=whole(files))
    made = lifecycle.vet(now_of(made), cast.admin.user)
    assert numbers(cast.member, made) == [5, 4, 1]
    lifecycle.save_version(made, by, name="Whatever its asker reads", knowledge=None)
    made = lifecycle.vet(now_of(made), cast.admin.user)
    assert numbers(cast.member, made) == [6, 4, 1]


def test_how_long_a_past_is_changes_no_number_of_queries(cast, narrowed, django_assert_max_num_queries):
    made, *_ = narrowed
    for number in range(12):
        kept = made.versions.get(number=1 + number % 4)
        lifecycle.roll_back(made, cast.builder.user, kept)
    made = now_of(made)
    with django_assert_max_num_queries(6):
        assert len(versions_for(made, seen_by(cast.member, made))) == 8


def test_the_older_version_that_was_approved_is_what_others_take_away(client, cast):
    """The newer one went live while it was published; what people run is what the file has."""
    by = cast.builder.user
    made = published(cast.builder, "mixed", name="Asked for")
    asked = lifecycle.request_vetting(made, by)
    lifecycle.save_version(made, by, name="Saved since")
    lifecycle.approve(asked, cast.admin.user)
    client.force_login(cast.member.user)
    assert b"name: Asked for" in client.get(reverse("assistant_export", args=["acme", "mixed"])).content


def test_versions_of_before_are_marked_by_what_is_known_of_them(cast, mixed):
    """Those that people run, that an admin approved, and that answered somebody else than an owner."""
    mine = make(cast.member, "mine")
    for person, number in ((cast.member, 3), (cast.builder, 5)):
        talk = Conversation.objects.create(workspace=cast.workspace, owner=person.user)
        version = mixed.versions.get(number=number)
        Message.objects.create(
            conversation=talk, role="assistant", author=person.user, assistant=mixed, version=version
        )
    AssistantVersion.objects.update(went_live=None)
    import_module("assistants.migrations.0011_went_live").fill(apps, None)
    assert numbers(cast.member, mixed) == [4, 3, 2]
    assert not mine.versions.filter(went_live__isnull=False).exists()


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
    newest = client.get(url, {"version": 3}).content.decode()
    assert "data-dirty" not in newest  # that is what the form has anyway
    assert "saving it makes it the newest" not in newest

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
