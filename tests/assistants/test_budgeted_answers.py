"""Answers under budgets: what does not fit is refused in words, and a hundred at once overshoot by nothing."""

import asyncio
from decimal import Decimal

import pytest
from asgiref.sync import sync_to_async
from django.db.models import F, Sum

from assistants import conversations
from assistants.models import Conversation, Message
from assistants.runs import after, runner
from datasources import reading
from portal.models import Budget, Credential, Hold, Role, Spending, UsageRecord, Workspace
from portal.spending import budgets, offers, prices
from tests.assistants.asking import all_events, assistant, model, text_of
from tests.callers import AsyncCaller, key
from tests.embedders import InstantEmbedder
from tests.vendors.server import Script

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("runs")]
db = sync_to_async


def limited(cast, limit, **more):
    fields = {"covers": "workspace", "period": "day", "unit": "tokens", **more}
    return budgets.create_budget(workspace=cast.workspace, by=None, limit=Decimal(limit), **fields)


async def totals():
    spent = await Spending.objects.aaggregate(spent=Sum("spent"), held=Sum("held"))
    used = await UsageRecord.objects.aaggregate(tokens=Sum(F("input_tokens") + F("output_tokens")))
    return spent["spent"], spent["held"], used["tokens"]


async def test_many_at_once_overshoot_by_nothing_and_the_refused_say_why(cast, vendor, handbook, settings):
    settings.ANSWER_TOKENS = 1000
    await db(model)(cast.workspace, vendor.base_url)
    await db(limited)(cast, 12_000)
    vendor.script = Script(tokens=30, first_delay=1.0)

    asked = await asyncio.gather(*(conversations.aask(cast.member, None, f"How many days {n}?") for n in range(10)))
    ended = [await all_events(cast.member, answer.pk) for _, answer in asked]
    await runner.Runner.here().settled()

    last = [events[-1] for events in ended]
    good = [event for event in last if event.type == "completed"]
    assert 1 <= len(good) < 10
    for event in last:
        if event.type == "error":
            assert event.data["code"] == "budget"
            assert "The workspace’s budget for today" in event.data["detail"]
            assert "Ask Ada Admin" in event.data["detail"]
            assert event.data["retry_after"] > 0
    sent = [request.body for request in vendor.requests if "messages" in request.body]
    assert all(body["max_tokens"] <= 1000 for body in sent)
    spent, held, used = await totals()
    assert (spent, held) == (used, 0)
    assert spent < 12_000
    assert not await Hold.objects.aexists()
    # What was refused cost nothing; there is a way to ask again.
    assert await Message.objects.filter(status="error", error_code="budget").acount() == 10 - len(good)


async def test_stopped_answers_and_titles_are_settled_too(cast, vendor, handbook):
    await db(model)(cast.workspace, vendor.base_url)
    await db(limited)(cast, 100_000)
    vendor.script = Script(tokens=500, delay=0.02)
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    await asyncio.sleep(0.4)
    await conversations.astop(cast.member, answer.pk)
    await all_events(cast.member, answer.pk)
    await runner.Runner.here().settled()
    spent, held, used = await totals()
    assert (spent, held) == (used, 0)
    assert spent > 0


async def test_a_trial_of_an_assistant_is_on_its_budget(cast, vendor, handbook):
    credential = await db(model)(cast.workspace, vendor.base_url, default=False)
    made = await db(assistant)(cast.member, "dear-one")
    await db(conversations_publish)(made, cast.member)
    row = await db(limited)(cast, 100_000, covers="assistant", assistant=made.pk)
    fields = {"credential": credential, "model": "m", "reads_all": True}

    async def tried(of):
        trial = await conversations.try_draft(cast.member, fields, "How many days?", of=of)
        last = (await all_events(cast.member, trial))[-1]
        await runner.Runner.here().settled()
        return last

    assert (await tried(None)).type == "completed"
    assert not await Spending.objects.filter(budget=row, spent__gt=0).aexists()
    assert (await tried(made.pk)).type == "completed"
    spent = await Spending.objects.aget(budget=row)
    recorded = await UsageRecord.objects.aget(assistant=made.pk)
    assert (spent.spent, spent.held) == (recorded.input_tokens + recorded.output_tokens, 0)
    await Budget.objects.filter(pk=row.pk).aupdate(limit=Decimal(1))
    last = await tried(made.pk)
    assert (last.data["code"], "This assistant’s budget" in last.data["detail"]) == ("budget", True)


async def test_a_title_that_does_not_fit_is_left_out_and_the_api_tells_a_problem(
    cast, vendor, handbook, settings, monkeypatch
):
    settings.ANSWER_TOKENS = 500
    name = after._name

    async def too_late(plan, rows):
        # Nothing is left by the time that the title's turn comes.
        await Budget.objects.aupdate(limit=Decimal(1))
        await name(plan, rows)

    monkeypatch.setattr(after, "_name", too_late)
    await db(model)(cast.workspace, vendor.base_url)
    await db(limited)(cast, 6000)
    vendor.script = Script(text="Thirty days [1].")
    _, first = await conversations.aask(cast.member, None, "How many days?")
    events = await all_events(cast.member, first.pk)
    await runner.Runner.here().settled()
    assert events[-1].type == "completed"
    talk = await Conversation.objects.aget(pk=first.conversation_id)
    assert talk.title == "How many days?".rstrip("?") or talk.title.startswith("How many days")

    api = AsyncCaller("acme", await db(key)(cast.member))
    told = await api.post(f"conversations/{talk.pk}/messages/", {"content": "And then?"})
    assert (told.status_code, told.json()["code"]) == (402, "budget")
    assert "used up" in told.json()["detail"]
    streamed = await api.post(f"conversations/{talk.pk}/messages/", {"content": "And?"}, accept="text/event-stream")
    assert b'"budget"' in b"".join([part async for part in streamed.streaming_content])
    assert (await totals())[1] == 0


async def test_a_server_that_takes_no_limit_is_not_called_under_a_budget(cast, vendor, handbook):
    await db(model)(cast.workspace, vendor.base_url)
    await db(limited)(cast, 100_000)
    vendor.refused_parameters = {"max_tokens"}
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    assert (await all_events(cast.member, answer.pk))[-1].type == "completed"
    assert vendor.requests[-1].body["max_completion_tokens"] > 0

    vendor.refused_parameters = {"max_tokens", "max_completion_tokens"}
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    last = (await all_events(cast.member, answer.pk))[-1]
    assert (last.data["code"], "no limit" in last.data["detail"]) == ("not_configured", True)
    await runner.Runner.here().settled()
    assert (await totals())[1] == 0


async def test_embedding_questions_is_paid_for(cast, vendor, handbook, monkeypatch):
    credential = await db(model)(cast.workspace, vendor.base_url)
    await Workspace.objects.filter(pk=cast.workspace.pk).aupdate(
        embedding_credential=credential, embedding_model="instant"
    )
    for name in ("instant", "test-model"):
        await db(prices.set_price)(
            credential, name, input_per_million=Decimal(3), output_per_million=Decimal(6), by=None
        )

    async def searched(handle, embedder, space, query, *rest, **more):
        await asyncio.to_thread(embedder.embed_query, query)
        return await asked_of(handle, embedder, space, query, *rest, **more)

    asked_of = reading.search
    monkeypatch.setattr(reading, "search", searched)
    await db(limited)(cast, 5, covers="person", unit="currency")
    _, answer = await conversations.aask(cast.member, None, "How many days of holiday?")
    assert (await all_events(cast.member, answer.pk))[-1].type == "completed"
    await runner.Runner.here().settled()
    (record,) = [r async for r in UsageRecord.objects.filter(purpose="embed")]
    assert (record.message, record.user_id, record.model) == (answer.pk, cast.member.user_id, InstantEmbedder().model)
    assert record.cost > 0
    cost = await UsageRecord.objects.aaggregate(cost=Sum("cost"))
    row = await Spending.objects.aget()
    assert (row.spent, row.held) == (round(cost["cost"], 6), 0) or abs(row.spent - cost["cost"]) < Decimal("0.00001")

    await Budget.objects.aupdate(limit=Decimal("0.000001"))
    _, answer = await conversations.aask(cast.member, None, "How many days of holiday?")
    last = (await all_events(cast.member, answer.pk))[-1]
    assert (last.type, last.data["code"]) == ("error", "budget")


async def test_no_budget_asks_the_database_nothing_more(cast, vendor, handbook, monkeypatch):
    await db(model)(cast.workspace, vendor.base_url)

    def never(*args, **more):
        raise AssertionError("asked for budgets, where there are none")

    monkeypatch.setattr(budgets, "applying", never)
    vendor.script = Script(text="Thirty [1].")
    _, answer = await conversations.aask(cast.member, None, "How many days?")
    assert text_of(await all_events(cast.member, answer.pk)) == "Thirty [1]."
    assert "max_tokens" not in vendor.requests[0].body


async def test_a_model_that_is_not_offered_is_chosen_by_nobody_but_runs_for_all(cast, vendor, handbook):
    credential = await db(model)(cast.workspace, vendor.base_url)
    await Credential.objects.filter(pk=credential.pk).aupdate(
        offered=[{"name": n, "label": n, "kind": "chat", "context_tokens": None} for n in ("test-model", "dear")]
    )
    made = await db(assistant)(cast.admin, "dear-one", credential=credential, model="dear")
    await db(conversations_publish)(made, cast.admin)
    await db(offers.set_offer)(credential, "dear", least=Role.ADMIN, by=None)

    _, answer = await conversations.aask(cast.member, None, "How many days?", assistant="dear-one")
    assert (await all_events(cast.member, answer.pk))[-1].type == "completed"
    assert vendor.requests[0].body["model"] == "dear"
    stored = await db(conversations.answer_of)(cast.member, answer.pk)
    with pytest.raises(conversations.Refused, match="not offered to you"):
        await conversations.aask_again(cast.member, stored, credential, "dear")
    api = AsyncCaller("acme", await db(key)(cast.member))
    refused = await api.post("assistants/", {"handle": "mine", "credential": str(credential.pk), "model": "dear"})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["model"])
    listed = (await api.get("models/")).json()["results"]
    assert "dear" not in [one["name"] for one in listed]


def conversations_publish(made, by):
    from assistants import lifecycle

    lifecycle.publish(made, by.user)
