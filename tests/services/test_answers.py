"""Answers over Redis: any web process can follow a run of another one, and stop it."""

import asyncio
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from redis.asyncio import Redis

from assistants import closing, conversations, following
from assistants.drafts import checked_fields
from assistants.models import Message
from assistants.runs import follow as sources
from assistants.runs import remote, runner
from assistants.runs.log import Event
from tests.assistants import threads
from tests.assistants.asking import all_events, model, text_of
from tests.assistants.conftest import cast, handbook, index, runs, vendor  # noqa: F401  (fixtures)
from tests.vendors.server import Script

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("through_redis", "runs"),
]
db = sync_to_async


@pytest.fixture
def through_redis(settings, redis_url):
    settings.REDIS_URL = redis_url
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [redis_url]}}
    }
    channel_layers.backends.clear()
    yield
    channel_layers.backends.clear()


class Elsewhere:
    """What another process knows of this one's runs: nothing."""

    find = staticmethod(lambda id: None)


@pytest.fixture
def other_process(monkeypatch):
    """From here on this test looks from another process."""

    def leave():
        for module in (sources, following, conversations):
            monkeypatch.setattr(module, "runner", Elsewhere)

    return leave


async def test_another_process_follows_token_by_token(cast, vendor, handbook, other_process):  # noqa: F811
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=100, delay=0.02)
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    other_process()

    seen, stored = [], None
    async with asyncio.timeout(20):
        async for event in following.follow(cast.member, answer.pk):
            seen.append(event)
            if len(seen) == 10:
                stored = await Message.objects.aget(pk=answer.pk)

    assert stored.status == "running"
    assert text_of(seen) == "".join(f"token{n} " for n in range(100))
    assert seen[-1].type == "completed"
    for after in (3, 8):
        rest = await all_events(cast.member, answer.pk, after)
        assert all(e.seq > after for e in rest)
        assert text_of(rest) == text_of([e for e in await db(sources.stored_events)(answer.pk) if e.seq > after])


async def test_another_process_stops_it(cast, vendor, handbook, other_process):  # noqa: F811
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=500, delay=0.02)
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    run = runner.find(answer.pk)
    await asyncio.sleep(0.2)
    other_process()
    heard = []
    real = run.stop
    run.stop = lambda: (heard.append("stop"), real())
    await conversations.astop(cast.member, answer.pk)
    events = await all_events(cast.member, answer.pk)
    assert events[-1].type == "stopped"
    assert heard


async def test_another_process_stops_a_trial_of_ones_own(cast, vendor, other_process):  # noqa: F811
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=500, delay=0.02)
    fields = {"name": "Draft", "knowledge": []}
    trial = await conversations.try_draft(
        cast.builder, await db(checked_fields)(cast.builder, fields), "How many days?"
    )
    run = runner.find(trial)
    other_process()
    stopped: list[object] = []
    async for events in run.log.after(0):
        if not stopped and any(event.type == "token" for event in events):
            somebody_elses = await db(conversations.stop_trial)(cast.member, trial)
            stopped = [somebody_elses, await db(conversations.stop_trial)(cast.builder, trial)]
    assert stopped == [False, True]
    assert run.log.events[-1].type == "stopped"
    assert not await db(conversations.stop_trial)(cast.builder, uuid4())
    assert 0 < await remote._client().ttl(remote._trial_key(trial)) <= remote.EXPIRES


async def test_without_redis_for_a_while_a_trial_runs_and_is_stopped_where_it_runs(cast, vendor, monkeypatch):  # noqa: F811
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=500, delay=0.02)

    async def down(*args, **more):
        raise ConnectionError("gone")

    monkeypatch.setattr(Redis, "set", down)
    fields = await db(checked_fields)(cast.builder, {"name": "Draft", "knowledge": []})
    trial = await conversations.try_draft(cast.builder, fields, "How many days?")
    assert await db(remote.worker_of_trial)(trial, cast.builder.user_id) == ""
    assert await db(conversations.stop_trial)(cast.builder, trial)
    events = [event async for events in runner.find(trial).log.after(0) for event in events]
    assert events[-1].type == "stopped"


async def test_what_a_dead_process_had_published_but_not_stored_is_rescued(cast, handbook):  # noqa: F811
    row = await db(threads.conversation)(cast.member)
    answer = await db(lambda: threads.answer(row, threads.question(row), "", status="running", lease_until=None))()
    written = [Event(1, "started", {}), Event(2, "token", {"text": "Thirty "}), Event(3, "token", {"text": "days"})]

    class Dead:
        id = answer.pk

        class log:
            @staticmethod
            async def after(seq):
                yield written

    await remote.Publisher().publish(Dead)
    assert await db(closing.close_interrupted)() == 1
    assert (await Message.objects.aget(pk=answer.pk)).content == "Thirty days"
    events = await all_events(cast.member, answer.pk, 2)
    assert [(e.type, e.seq > 3) for e in events] == [("token", False), ("error", True)]


async def test_without_redis_for_a_while_the_stored_record_serves(cast, vendor, handbook, other_process, monkeypatch):  # noqa: F811
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=60, delay=0.02)

    async def down(*args, **more):
        raise ConnectionError("gone")

    monkeypatch.setattr(Redis, "xread", down)
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    other_process()
    events = await all_events(cast.member, answer.pk)
    assert text_of(events) == "".join(f"token{n} " for n in range(60))


async def test_streams_expire(cast, vendor, handbook):  # noqa: F811
    await db(model)(cast.workspace, vendor.base_url)
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    await all_events(cast.member, answer.pk)
    await runner.Runner.here().settled()
    assert 0 < await remote._client().ttl(remote._key(answer.pk)) <= remote.EXPIRES
