"""What people asked by hand is kept as answers end: what counts, once, and the same again from the messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.test import override_settings
from django.utils import timezone

from assistants import closing, conversations, uses
from assistants.following import follow
from assistants.models import Conversation, Message, UseDay
from tests.assistants import asking
from tests.assistants.asking import all_events, model
from tests.vendors.server import Script

db = sync_to_async


def rows() -> list[tuple]:
    fields = ("assistant__handle", "user__email", "day", "questions", "unanswered")
    return sorted(UseDay.objects.values_list(*fields), key=str)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("runs")
async def test_answers_to_people_are_counted_as_they_end_and_counting_anew_gives_the_same(
    cast, vendor, handbook, index
):
    await db(model)(cast.workspace, vendor.base_url)
    helper = await db(asking.assistant)(cast.builder, "helper")

    async def ask(via: str = "portal", conversation=None) -> Message:
        question, answer = await conversations.aask(
            cast.builder, conversation, "How many days?", assistant=helper, via=via
        )
        await all_events(cast.builder, answer.pk)
        return question

    question = await ask()
    await ask()
    await ask(via="api")
    await ask(via="evaluation")
    # The plain assistant, another person, and nothing found.
    index.relevant = False
    _, answer = await conversations.aask(cast.member, None, "What colour is the moon?")
    await all_events(cast.member, answer.pk)
    # Stopped after some text.
    index.relevant = True
    vendor.script = Script(tokens=80, delay=0.01)
    _, answer = await conversations.aask(cast.builder, question.conversation_id, "And then?")
    async for event in follow(cast.builder, answer.pk):
        if event.type == "token":
            await conversations.astop(cast.builder, answer.pk)
            break
    await all_events(cast.builder, answer.pk)
    # A trial belongs to nobody's use.
    trial = await conversations.try_draft(cast.builder, {"name": "Draft"}, "Hello?")
    await conversations.astop(cast.builder, trial)

    today = timezone.localdate()
    counted = await db(rows)()
    assert counted == [
        ("helper", "builder@acme.example", today, 3, 0),
        (None, "member@acme.example", today, 1, 1),
    ]
    await db(uses.rebuild)()
    assert await db(rows)() == counted


def ended(membership, status: str, content: str = "Text", **more) -> Message:
    talk = Conversation.objects.create(workspace=membership.workspace, owner=membership.user)
    finished = more.pop("finished", timezone.now())
    return Message.objects.create(
        conversation=talk,
        role="assistant",
        author=membership.user,
        status=status,
        content=content,
        finished=finished,
        **more,
    )


def test_what_counts(cast):
    """Of all ways in which an answer can end, those that were completed, and those that were stopped with some text."""
    for status in Message.Status.values:
        for via in ("portal", "api", "evaluation", "schedule"):
            for content in ("", "Text"):
                if status in Message.OPEN:
                    continue
                answer = ended(cast.member, status, content, via=via)
                expected = via == "portal" and (status == "completed" or (status == "stopped" and content == "Text"))
                assert uses.counts(via, status, content) is expected
                assert uses.rebuild() == expected, (status, via, content)
                answer.delete()


def test_many_at_once_are_one_statement_and_add_up(cast, django_assert_num_queries):
    now = timezone.now()
    use = uses.Use(cast.workspace.pk, None, cast.member.user_id, found=True)
    unanswered = uses.Use(cast.workspace.pk, None, cast.member.user_id, found=False)
    other = uses.Use(cast.workspace.pk, None, cast.admin.user_id, found=None)
    with django_assert_num_queries(0):
        uses.count([], now)
    uses.count([use, unanswered, other, use], now)
    uses.count([unanswered], now)
    assert [row[3:] for row in rows()] == [(1, 0), (4, 2)]


@override_settings(TIME_ZONE="Europe/Vienna")
def test_the_day_is_that_of_the_installation(cast):
    late = datetime(2026, 6, 30, 22, 30, tzinfo=UTC)  # half past midnight in Vienna
    uses.count([uses.Use(cast.workspace.pk, None, cast.member.user_id, None)], late)
    ended(cast.member, "completed", finished=late)
    before = rows()
    uses.rebuild(cast.workspace)
    assert rows() == before
    assert str(before[0][2]) == "2026-07-01"


def test_counting_one_workspace_anew_leaves_the_others(cast):
    for membership in (cast.member, cast.outsider):
        uses.count([uses.Use(membership.workspace_id, None, membership.user_id, None)], timezone.now())
    uses.rebuild(cast.workspace)
    assert [row[1] for row in rows()] == ["outsider@umbra.example"]


def test_an_answer_that_a_dead_server_left_counts_where_it_was_stopped(cast):
    long_ago = timezone.now() - timedelta(hours=1)
    for stop in (True, False):
        answer = ended(cast.member, "running", "", finished=None, lease_until=long_ago, stop_requested=stop)
        answer.event_batches.create(first=1, last=1, events=[{"seq": 1, "type": "token", "data": {"text": "Thirty"}}])
    assert closing.close_interrupted() == 2
    assert [row[3] for row in rows()] == [1]
