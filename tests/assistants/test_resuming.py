"""A client that comes back names the last event it saw, and gets the rest: nothing missing, nothing twice."""

import asyncio
import uuid
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from assistants import closing, conversations
from assistants.errors import Refused
from assistants.following import encoded, follow, sse
from assistants.models import Citation, Conversation, EventBatch, Message
from assistants.runs import runner
from assistants.runs.follow import stored_events
from assistants.runs.log import Event, EventLog, merged
from assistants.runs.saving import events_of
from tests.assistants import threads
from tests.assistants.asking import all_events, model, text_of, types_of
from tests.vendors.server import Script

db = sync_to_async


def plain(events):
    """Events with neighbouring tokens together: what a reader sees, however it came."""
    return [(e.type, e.data) for e in merged(list(events))]


TYPES = st.sampled_from(["token", "token", "token", "step", "citation"])


@settings(max_examples=300, deadline=None)
@given(st.lists(TYPES, max_size=40), st.lists(st.integers(0, 45), max_size=6), st.data())
def test_any_way_of_leaving_and_coming_back_gives_the_same(types, pauses, data):
    """Followers join, fall behind, leave in mid-answer and come back, while the log is written."""

    async def play():
        log = EventLog()
        log.open()
        seen: list[Event] = []

        async def read():
            last = 0
            while not log.ended or last < len(log.events):
                async for events in log.after(last):
                    for event in merged(events):
                        seen.append(event)
                        last = event.seq
                    if data.draw(st.booleans()):
                        break  # the connection is lost
                    if data.draw(st.booleans()):
                        await asyncio.sleep(0)

        reader = asyncio.ensure_future(read())
        for number, kind in enumerate(types):
            log.append(kind, {"text": f"t{number} "} if kind == "token" else {"n": number})
            if number in pauses:
                await asyncio.sleep(0)
        log.append("completed", {})
        async with asyncio.timeout(5):
            await reader
        return log.events, seen

    written, seen = asyncio.run(play())
    assert plain(seen) == plain(written)


@settings(max_examples=100, deadline=None)
@given(st.lists(TYPES, max_size=30), st.integers(0, 35))
def test_the_stored_record_resumes_like_the_log(types, after):
    events = [Event(n, kind, {"text": f"t{n}"} if kind == "token" else {"n": n}) for n, kind in enumerate(types, 1)]
    batches = [
        EventBatch(first=part[0].seq, last=part[-1].seq, events=[e.as_json() for e in part])
        for at in range(0, len(events), 4)
        if (part := events[at : at + 4])
    ]
    assert [e for e in events_of(batches) if e.seq > after] == events[after:]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("runs")
async def test_live_and_stored_are_the_same_from_every_number(cast, vendor, handbook):
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(text="You get thirty days [1]. " * 10, delay=0.004)
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    live = await all_events(cast.member, answer.pk)
    assert runner.find(answer.pk) is None

    stored = await db(stored_events)(answer.pk)
    assert [e.seq for e in stored] == list(range(1, live[-1].seq + 1))
    assert text_of(stored) == text_of(live)
    for after in range(live[-1].seq + 1):
        rest = await all_events(cast.member, answer.pk, after)
        assert types_of(rest) == types_of(merged(stored[after:]))
        assert text_of(rest) == text_of(stored[after:])
        assert all(e.seq > after for e in rest)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("runs")
async def test_a_reload_in_mid_answer_loses_nothing_and_two_tabs_see_the_same(cast, vendor, handbook):
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=120, delay=0.01)
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    second_tab = asyncio.ensure_future(all_events(cast.member, answer.pk))

    first: list[Event] = []
    async for event in follow(cast.member, answer.pk):
        first.append(event)
        if len(first) == 12:
            break
    rest = await all_events(cast.member, answer.pk, first[-1].seq)

    assert text_of([*first, *rest]) == "".join(f"token{n} " for n in range(120))
    assert text_of(await second_tab) == text_of([*first, *rest])
    assert [e.seq for e in [*first, *rest]] == sorted({e.seq for e in [*first, *rest]})


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("runs")
async def test_closing_the_page_ends_no_answer(cast, vendor, handbook):
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=50, delay=0.01)
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    async for _event in follow(cast.member, answer.pk):
        break
    async with asyncio.timeout(10):
        while (await Message.objects.aget(pk=answer.pk)).status == "running":
            await asyncio.sleep(0.05)
    assert (await Message.objects.aget(pk=answer.pk)).content.endswith("token49 ")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("runs")
async def test_another_process_follows_the_stored_record_while_it_grows(cast, vendor, handbook, monkeypatch):
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=150, delay=0.015)
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    monkeypatch.setattr("assistants.runs.follow.runner.find", lambda id: None)
    monkeypatch.setattr("assistants.following.runner.find", lambda id: None)
    there = await all_events(cast.member, answer.pk)
    assert text_of(there) == "".join(f"token{n} " for n in range(150))
    assert there[-1].type == "completed"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("runs")
async def test_events_wait_until_the_question_is_saved(cast, vendor, handbook, monkeypatch):
    await db(model)(cast.workspace, vendor.base_url)
    from assistants.runs import saving, writer

    order = []
    real = saving.save

    def slow(units):
        import time

        time.sleep(0.3)
        result = real(units)
        order.append("saved")
        return result

    monkeypatch.setattr(runner, "Writer", lambda: writer.Writer(slow))
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    async for event in follow(cast.member, answer.pk):
        order.append(event.type)
    assert order[:2] == ["saved", "started"]
    assert order[-2:] == ["saved", "completed"]
    assert len(vendor.requests) >= 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("runs")
async def test_an_answer_that_can_not_be_saved_says_so(cast, vendor, handbook, monkeypatch):
    from django.db import OperationalError

    from assistants.runs import run, saving, writer

    await db(model)(cast.workspace, vendor.base_url)
    real = saving.save
    calls = []

    def failing(units):
        calls.append(len(units))
        if len(calls) > 1:
            raise OperationalError("the database went away")
        return real(units)

    monkeypatch.setattr(runner, "Writer", lambda: writer.Writer(failing))
    monkeypatch.setattr(run, "RETRIES", (0.01, 0.01))
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    events = await all_events(cast.member, answer.pk)
    assert (events[-1].type, events[-1].data["code"]) == ("error", "not_saved")
    assert text_of(events) == "The answer is forty-two."


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("runs")
async def test_one_row_that_can_not_be_saved_spoils_no_other(cast, vendor, handbook):
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=80, delay=0.02)
    _, doomed = await conversations.aask(cast.member, None, "One?")
    _, answer = await conversations.aask(cast.admin, None, "Two?")
    await Conversation.objects.filter(pk=doomed.conversation_id).adelete()

    events = await all_events(cast.admin, answer.pk)
    assert events[-1].type == "completed"
    assert text_of(events).endswith("token79 ")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("runs")
async def test_going_down_in_order_leaves_interrupted_answers_whole(cast, vendor, handbook):
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=500, delay=0.02)
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    await asyncio.sleep(0.3)
    watching = asyncio.ensure_future(all_events(cast.member, answer.pk))
    await asyncio.sleep(0)
    await runner.Runner.here().close()

    events = await watching
    stored = await Message.objects.aget(pk=answer.pk)
    assert (stored.status, events[-1].data["code"]) == ("interrupted", "interrupted")
    assert stored.content == text_of(events)
    assert stored.content.startswith("token0 ")
    _, again = await conversations.aask_again(cast.member, await db(conversations.answer_of)(cast.member, answer.pk))
    assert again.parent_id == answer.parent_id


def dead_answer(cast, node, **more):
    """An answer as a killed process leaves it."""
    row = threads.conversation(cast.member)
    answer = threads.answer(row, threads.question(row), "", status="running", worker="gone", **more)
    reference = {"source": str(node.source_id), "node": str(node.pk), "start": 0, "end": 8, "hash": "h", "score": 0.5}
    events = [
        Event(1, "started", {"model": "test-model", "vendor": "openai_compatible", "note": ""}),
        Event(2, "passages", {"relevant": True, "passages": [{"n": 1, **reference}]}),
        Event(3, "token", {"text": "Thirty [1]"}),
        Event(4, "citation", {"n": 1}),
    ]
    EventBatch.objects.create(message=answer, first=1, last=4, events=[e.as_json() for e in events])
    return answer


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("runs")
async def test_what_a_killed_process_left_is_interrupted_once_its_lease_is_over(cast, handbook):
    late = timezone.now() - timedelta(minutes=1)
    answer = await db(dead_answer)(cast, handbook[0], lease_until=late)
    live = await db(lambda: dead_answer(cast, handbook[0], lease_until=timezone.now() + timedelta(minutes=1)))()

    assert await db(closing.close_interrupted)() == 1

    stored = await Message.objects.aget(pk=answer.pk)
    assert (stored.status, stored.content, stored.error_code) == ("interrupted", "Thirty [1]", "interrupted")
    assert (await Message.objects.aget(pk=live.pk)).status == "running"
    assert [c.cited async for c in Citation.objects.filter(message=answer)] == [True]
    # A client had seen some events more than were stored.
    events = await all_events(cast.member, answer.pk, 9)
    assert types_of(events) == ["error"]
    assert events[0].data["retryable"] is True
    assert text_of(await all_events(cast.member, answer.pk)) == "Thirty [1]"
    assert await db(closing.close_interrupted)() == 0


@pytest.mark.django_db(transaction=True)
async def test_on_start_everything_that_is_open_is_closed(cast, handbook):
    answer = await db(lambda: dead_answer(cast, handbook[0], lease_until=timezone.now() + timedelta(minutes=1)))()
    assert await db(lambda: closing.close_interrupted(everything=True))() == 1
    assert (await Message.objects.aget(pk=answer.pk)).status == "interrupted"


@pytest.mark.django_db(transaction=True)
async def test_what_was_to_be_stopped_is_stopped_though_its_process_died(cast, handbook):
    answer = await db(
        lambda: dead_answer(cast, handbook[0], lease_until=timezone.now() - timedelta(hours=1), stop_requested=True)
    )()
    await db(closing.close_interrupted)()
    assert (await Message.objects.aget(pk=answer.pk)).status == "stopped"
    assert (await db(stored_events)(answer.pk))[-1].type == "stopped"


@pytest.mark.django_db(transaction=True)
async def test_nobody_follows_what_is_not_theirs(cast, handbook):
    answer = await db(dead_answer)(cast, handbook[0])
    for stranger in (cast.admin, cast.outsider):
        with pytest.raises(Refused) as refused:
            await all_events(stranger, answer.pk)
        assert refused.value.code == "not_found"
    with pytest.raises(Refused):
        await all_events(cast.member, uuid.uuid4())


async def test_sse_carries_numbers_types_and_data_and_says_when_it_is_quiet(monkeypatch):
    monkeypatch.setattr("assistants.following.HEARTBEAT", 0.02)

    async def events():
        yield Event(1, "started", {"note": ""})
        await asyncio.sleep(0.05)
        yield Event(7, "token", {"text": "line\nbreak"})

    chunks = [chunk async for chunk in sse(events())]
    assert chunks[0] == b'id: 1\nevent: started\ndata: {"note":""}\n\n'
    assert b": still here\n\n" in chunks
    assert chunks[-1] == encoded(Event(7, "token", {"text": "line\nbreak"}))
    assert chunks[-1].count(b"\n") == 4
