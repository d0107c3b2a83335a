"""A vendor's model of which nobody knows how long its vectors are: it is called to see, and that call is paid for as any other."""

from __future__ import annotations

from decimal import Decimal

import pytest
from asgiref.sync import sync_to_async

from datasources import reading
from portal.models import Spending, UsageRecord
from portal.spending import budgets
from portal.spending.accounts import OverBudget
from tests import factories
from tests.assistants.asking import ScriptedIndex, model
from tests.vendors.openai import OpenAIServer

db = sync_to_async


@pytest.fixture
def server():
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def workspace(cast, server, monkeypatch):
    monkeypatch.setattr(reading, "_embedders", {})
    here = cast.workspace
    here.embedding_credential, here.embedding_model = model(here, server.base_url, default=False), "bge-own"
    here.save()
    return here


def limited(workspace, limit):
    return budgets.create_budget(
        workspace=workspace, by=None, limit=Decimal(limit), covers="workspace", period="day", unit="tokens"
    )


@pytest.mark.django_db
def test_the_call_that_tells_the_size_is_reserved_settled_and_made_once(workspace, server):
    limited(workspace, 1000)
    for _ in range(2):
        assert reading.embedder_for(workspace).space == f"openai_compatible/bge-own/{server.size}"
    record = UsageRecord.objects.get()
    assert (record.purpose, record.model, record.workspace, record.user) == ("embed", "bge-own", workspace, None)
    assert record.input_tokens > 0
    spending = Spending.objects.get()
    assert (spending.spent, spending.held) == (record.input_tokens, 0)
    assert len(server.requests) == 1


@pytest.mark.django_db
def test_where_a_budget_has_no_room_it_is_not_made(workspace, server):
    limited(workspace, 1)
    with pytest.raises(OverBudget, match="may need up to"):
        _ = reading.embedder_for(workspace).size
    assert not server.requests
    assert not UsageRecord.objects.exists()


@pytest.mark.django_db(transaction=True)
async def test_whoever_searches_first_has_it_made_off_the_event_loop(cast, workspace, server, monkeypatch):
    source = await db(factories.source)(workspace)
    monkeypatch.setattr(
        reading, "search", ScriptedIndex([await db(factories.node)(source, "a.md", text="Words.")]).search
    )
    monkeypatch.setattr(reading, "open_index", NoIndex)
    reader = await db(reading.open_reader)(cast.member)
    assert len((await reader.search("Words?")).passages) == 1
    assert [record.model async for record in UsageRecord.objects.all()] == ["bge-own"]


class NoIndex:
    def for_workspace(self, workspace):
        return self
