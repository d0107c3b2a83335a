"""The formula by hand, what does not move it, and that what is kept up in SQL is what it says from scratch."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from assistants import conversations, lifecycle
from assistants.feedback import give_feedback, take_feedback_back
from assistants.models import Assistant, Conversation, Feedback, Message, UseDay
from gallery import ranking, standing
from gallery.models import Standing
from portal.models import Membership
from tests import factories

TODAY = date(2026, 6, 30)


def use(assistant: Assistant, person: Membership, days_ago: int = 0, questions: int = 1) -> None:
    row, _ = UseDay.objects.get_or_create(
        workspace=assistant.workspace, assistant=assistant, user=person.user, day=TODAY - timedelta(days=days_ago)
    )
    UseDay.objects.filter(pk=row.pk).update(questions=row.questions + questions)


def answer(assistant: Assistant, person: Membership, via: str = "portal") -> Message:
    talk = Conversation.objects.create(workspace=assistant.workspace, owner=person.user)
    return Message.objects.create(
        conversation=talk, role="assistant", assistant=assistant, version=assistant.live, author=person.user, via=via
    )


def judge(assistant: Assistant, person: Membership, up: bool, via: str = "portal") -> None:
    message = answer(assistant, person, via)
    Feedback.objects.create(message=message, version=assistant.live, user=person.user, up=up)


def made(by: Membership, handle: str = "helper") -> Assistant:
    row = lifecycle.create_assistant(workspace=by.workspace, by=by.user, handle=handle)
    lifecycle.publish(row, by.user)
    return Assistant.objects.get(pk=row.pk)


def kept(workspace) -> dict:
    """Standings that say anything, as ``compute`` gives them."""
    rows = Standing.objects.filter(workspace=workspace)
    told = {
        row.assistant_id: (row.people, round(row.damped, 9), tuple(row.trend), row.ups, row.downs, round(row.score, 9))
        for row in rows
    }
    return {key: value for key, value in told.items() if value[0] or value[3] or value[4]}


def computed(workspace, on: date) -> dict:
    return {
        key: (rank.people, round(rank.damped, 9), rank.trend, rank.ups, rank.downs, round(rank.score, 9))
        for key, rank in ranking.compute(workspace, on).items()
    }


@pytest.mark.parametrize(
    ("ages", "ups", "downs", "score"),
    [
        ([], 0, 0, 0.0),
        ([0], 0, 0, 0.8),  # one person today, nobody judged: 1 * 4/5
        ([0, 10, 20], 0, 0, 1.4),  # (1 + 1/2 + 1/4) * 4/5
        ([29], 0, 0, 0.8 * 0.5**2.9),
        ([30], 0, 0, 0.0),  # out of the window
        ([0, 0], 5, 0, 1.8),  # 2 * (5 + 4) / (5 + 5)
        ([0, 0], 0, 5, 0.8),  # 2 * 4 / 10
        ([0, 0], 1, 0, 2 * 5 / 6),  # one good thumb moves little
    ],
)
def test_worked_by_hand(cast, ages, ups, downs, score):
    helper = made(cast.builder)
    for age in ages:
        use(helper, factories.member(cast.workspace), age)
    for up in [True] * ups + [False] * downs:
        judge(helper, factories.member(cast.workspace), up)
    standing.refresh(cast.workspace.pk, TODAY)
    row = Standing.objects.get(assistant=helper)
    assert row.score == pytest.approx(score)
    assert row.people == sum(age < 30 for age in ages)
    assert kept(cast.workspace) == computed(cast.workspace, TODAY)


def test_the_trend_counts_people_in_spans_of_three_days(cast):
    helper = made(cast.builder)
    one, other = factories.member(cast.workspace), factories.member(cast.workspace)
    for person, age in ((one, 0), (one, 2), (other, 1), (one, 3), (other, 29)):
        use(helper, person, age)
    standing.refresh(cast.workspace.pk, TODAY)
    assert Standing.objects.get(assistant=helper).trend == [1, 0, 0, 0, 0, 0, 0, 0, 1, 2]


def test_one_person_a_thousand_times_counts_once(cast):
    loud, liked = made(cast.builder, "loud"), made(cast.builder, "liked")
    for age in range(30):
        use(loud, cast.member, age, questions=1000)
    for _ in range(1000 // 200):
        judge(loud, cast.member, up=True)
    use(liked, cast.member)
    use(liked, cast.admin)
    standing.refresh(cast.workspace.pk, TODAY)
    rows = {row.assistant.handle: row for row in Standing.objects.select_related("assistant")}
    assert rows["loud"].people == 1
    assert rows["loud"].ups == 1
    assert rows["loud"].score == pytest.approx(5 / 6)
    assert rows["liked"].score > rows["loud"].score


def test_an_owner_counts_as_one_person(cast):
    helper = made(cast.builder)
    use(helper, cast.builder, questions=50)
    judge(helper, cast.builder, up=True)
    standing.refresh(cast.workspace.pk, TODAY)
    row = Standing.objects.get(assistant=helper)
    assert (row.people, row.ups) == (1, 1)


def test_only_the_newest_thumb_of_a_person_counts_and_none_on_what_the_api_asked(cast):
    helper = made(cast.builder)
    for up in (True, True, False):
        judge(helper, cast.member, up)
    judge(helper, cast.admin, up=True, via="api")
    standing.refresh(cast.workspace.pk, TODAY)
    row = Standing.objects.get(assistant=helper)
    assert (row.ups, row.downs) == (0, 1)


def test_a_thumb_moves_it_at_once_and_taking_it_back_too(cast, django_capture_on_commit_callbacks):
    helper = made(cast.builder)
    message = answer(helper, cast.member)
    Message.objects.filter(pk=message.pk).update(status="completed")
    message.refresh_from_db()

    def thumbs() -> tuple[int, int]:
        row = Standing.objects.get(assistant=helper)
        return row.ups, row.downs

    for deed, expected in (
        (lambda: give_feedback(cast.member, message, up=True), (1, 0)),
        (lambda: give_feedback(cast.member, message, up=False), (0, 1)),
        (lambda: take_feedback_back(cast.member, message), (0, 0)),
        (lambda: give_feedback(cast.member, message, up=True), (1, 0)),
        (lambda: conversations.delete_conversation(cast.member, message.conversation), (0, 0)),
    ):
        with django_capture_on_commit_callbacks(execute=True):
            deed()
        assert thumbs() == expected


def test_only_what_changed_is_computed_anew_and_all_of_it_once_a_day(cast):
    used, other = made(cast.builder, "used"), made(cast.builder, "other")
    use(other, cast.admin, 5)
    assert standing.refresh(cast.workspace.pk, TODAY) == 2
    assert standing.refresh(cast.workspace.pk, TODAY) == 0
    use(used, cast.member)
    assert standing.refresh(cast.workspace.pk, TODAY) == 1
    use(used, cast.member, questions=100)  # the same person on the same day
    assert standing.refresh(cast.workspace.pk, TODAY) == 0
    assert standing.refresh(cast.workspace.pk, TODAY + timedelta(days=1)) == 2


def test_another_workspace_is_left_alone(cast):
    here, there = made(cast.builder), made(cast.outsider, "theirs")
    use(here, cast.member)
    use(there, cast.outsider)
    standing.refresh(cast.workspace.pk, TODAY)
    assert [row.assistant for row in Standing.objects.all()] == [here]
    assert standing.refresh(cast.workspace.pk, TODAY, only=[there.pk]) == 0


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(
            st.just("thumb"), st.integers(0, 2), st.integers(0, 3), st.booleans(), st.sampled_from(["portal", "api"])
        ),
        st.tuples(st.just("later"), st.sampled_from([1, 1, 2, 9, 40])),
        st.tuples(st.just("refresh")),
    ),
    max_size=25,
)


def test_what_is_kept_up_is_what_is_computed_from_scratch_after_any_history(cast):
    rows = [made(cast.builder, handle) for handle in ("one", "two", "three")]
    people = [cast.admin, cast.builder, cast.member, factories.member(cast.workspace)]

    @settings(max_examples=20, deadline=None)
    @given(EVENTS)
    def holds(history):
        with transaction.atomic():
            on = TODAY
            for kind, *what in history:
                if kind == "use":
                    use_row = {"workspace": cast.workspace, "assistant": rows[what[0]], "user": people[what[1]].user}
                    UseDay.objects.get_or_create(**use_row, day=on)
                elif kind == "thumb":
                    judged(rows[what[0]], people[what[1]], *what[2:])
                elif kind == "later":
                    on += timedelta(days=what[0])
                else:
                    standing.refresh(cast.workspace.pk, on)
            standing.refresh(cast.workspace.pk, on)
            assert kept(cast.workspace) == computed(cast.workspace, on)
            transaction.set_rollback(True)

    holds()


def judged(assistant: Assistant, person: Membership, up: bool, via: str) -> None:
    """As a person does it, so that whoever keeps the ranking up hears of it."""
    message = answer(assistant, person, via)
    message.status = "completed"
    give_feedback(person, message, up=up)
