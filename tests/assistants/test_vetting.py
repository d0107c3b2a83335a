"""Requests for vetting, and what admins decide about them."""

import pytest
from django.core import mail
from django.core.exceptions import ValidationError

from assistants import lifecycle
from assistants.considering import considered, requests_for
from assistants.errors import Refused
from assistants.models import VettingRequest
from portal.models import AuditEvent, Notice
from tests import factories
from tests.assistants.lives import make, now_of, published, vetted

State = VettingRequest.State


def told(membership):
    return [notice.words for notice in Notice.objects.filter(user=membership.user).order_by("id")]


def save(assistant, membership, words):
    return lifecycle.save_version(assistant, membership.user, instructions=words)


def test_what_is_approved_is_the_version_that_was_asked_for(cast, django_capture_on_commit_callbacks):
    made = published(cast.member, instructions="One.")
    with django_capture_on_commit_callbacks(execute=True):
        asked = lifecycle.request_vetting(made, cast.member.user, "For everybody on leave.")
    assert "asks that @leave be vetted" in told(cast.admin)[0]
    assert (mail.outbox[0].to, mail.outbox[0].subject) == (["admin@acme.example"], "@leave waits for vetting")
    save(made, cast.member, "Unseen.")

    lifecycle.approve(asked, cast.admin.user, "Good.")
    now = now_of(made)
    assert (now.scope, now.live.instructions, now.latest.instructions) == ("workspace", "One.", "Unseen.")
    assert (now.vetted_by, now.vetted_until) == (cast.admin.user, None)
    assert "What was saved since (version 2) is not" in told(cast.member)[-1]
    event = AuditEvent.objects.get(action="assistant.vet")
    assert (event.before["version"], event.after["version"], event.after["comment"]) == (2, 1, "Good.")


def test_there_is_one_open_request_and_asking_anew_takes_its_place(cast):
    made = published(cast.member)
    first = lifecycle.request_vetting(made, cast.member.user)
    assert lifecycle.request_vetting(made, cast.member.user).pk == first.pk
    save(made, cast.member, "Two.")
    second = lifecycle.request_vetting(made, cast.member.user)
    first.refresh_from_db()
    assert (first.state, second.version.number) == (State.WITHDRAWN, 2)
    with pytest.raises(Refused, match="not open any more") as refused:
        lifecycle.approve(first, cast.admin.user)
    assert refused.value.code == "not_open"
    assert now_of(made).scope == "published"


def test_changes_and_no_want_a_reason_and_people_go_on_with_what_they_had(cast):
    made = vetted(cast.member, cast.admin, instructions="One.")
    for verb, state in ((lifecycle.ask_changes, State.CHANGES), (lifecycle.decline, State.DECLINED)):
        save(made, cast.member, f"For {state}.")
        asked = lifecycle.request_vetting(made, cast.member.user)
        with pytest.raises(ValidationError):
            verb(asked, cast.admin.user, "  ")
        done = verb(asked, cast.admin.user, "Name the country.")
        assert (done.state, done.comment, done.decided_by) == (state, "Name the country.", cast.admin.user)
        assert "Name the country." in told(cast.member)[-1]
        assert (now_of(made).scope, now_of(made).live.instructions) == ("workspace", "One.")


def test_an_admin_vets_unasked_what_they_looked_at_and_nothing_newer(cast):
    made = published(cast.member)
    save(made, cast.member, "Two.")
    with pytest.raises(Refused) as refused:
        lifecycle.vet(made, cast.admin.user, 1)
    assert refused.value.code == "changed_since"
    older = lifecycle.request_vetting(made, cast.member.user)
    save(made, cast.member, "Three.")
    lifecycle.vet(made, cast.admin.user, 3)
    older.refresh_from_db()
    assert (older.state, now_of(made).live.instructions) == (State.WITHDRAWN, "Three.")
    own = VettingRequest.objects.get(state=State.APPROVED)
    assert (own.version.number, own.asked_by, own.decided_by) == (3, cast.admin.user, cast.admin.user)


def test_what_can_not_be_asked_for_is_refused(cast):
    with pytest.raises(Refused, match="Publish it first"):
        lifecycle.request_vetting(make(cast.member, "mine"), cast.member.user)
    made = vetted(cast.member, cast.admin)
    with pytest.raises(Refused, match="vetted already"):
        lifecycle.request_vetting(made, cast.member.user)
    with pytest.raises(ValidationError):
        lifecycle.request_vetting(published(cast.member, "long"), cast.member.user, "x" * 2001)


@pytest.mark.parametrize("leave", [lifecycle.unpublish, lifecycle.archive])
def test_a_request_ends_with_what_it_is_about(cast, leave):
    made = published(cast.member)
    asked = lifecycle.request_vetting(made, cast.member.user)
    leave(made, cast.member.user)
    asked.refresh_from_db()
    assert asked.state == State.WITHDRAWN
    with pytest.raises(Refused):
        lifecycle.approve(asked, cast.admin.user)


def test_hidden_ones_are_in_no_list_and_still_answer(cast):
    from assistants.models import Assistant

    made = published(cast.member)
    lifecycle.hide(made, cast.admin.user)
    assert told(cast.member) == ["Ada Admin hid @leave: it is in no list any more. Whoever knows it still asks it."]
    for person, lists in ((cast.builder, False), (cast.member, True)):
        assert Assistant.objects.visible_to(person).filter(pk=made.pk).exists()
        assert Assistant.objects.listed_for(person).filter(pk=made.pk).exists() == lists
    lifecycle.unhide(made, cast.admin.user)
    assert Assistant.objects.listed_for(cast.builder).filter(pk=made.pk).exists()
    assert list(AuditEvent.objects.filter(action__endswith="hide").values_list("after", flat=True)) == [
        {"hidden": False},
        {"hidden": True},
    ]


def test_a_decision_is_made_on_what_changed_what_it_reads_and_how_it_is_used(cast, django_assert_max_num_queries):
    board = factories.space(cast.workspace, cast.admin, cast.member, name="Board")
    minutes = factories.source(cast.workspace, name="Minutes", grant_to=board)
    made = vetted(cast.member, cast.admin, instructions="Be brief.")
    knowledge = [{"data_source": str(minutes.pk), "parents_in": None, "parents_not_in": []}]
    lifecycle.save_version(made, cast.member.user, instructions="Be kind.", knowledge=knowledge)
    asked = lifecycle.request_vetting(made, cast.member.user)

    asked = requests_for(cast.admin).get(pk=asked.pk)
    with django_assert_max_num_queries(16):
        found = considered(asked.assistant, asked.version, cast.admin)
    assert (found.before.number, found.newer, found.needs) == (1, None, ["Board"])
    assert {change.field for change in found.changes} >= {"instructions", "knowledge"}
    assert [part.source.name for part in found.reads.parts] == ["Minutes"]
    assert (found.use.people, found.use.ups) == (0, 0)
    assert list(requests_for(cast.builder)) == list(requests_for(cast.outsider)) == []
