"""A vendor, an index that is told what to find, and an end to every run."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from assistants.runs import after, runner
from datasources import reading
from tests import factories
from tests.assistants.asking import ScriptedIndex
from tests.embedders import InstantEmbedder
from tests.vendors.openai import OpenAIServer


class _NoIndex:
    def for_workspace(self, workspace):
        return None


@pytest.fixture
def cast(cast):
    """With everybody's user and workspace at hand: on the event loop they can't be fetched."""
    assert all(member.user.pk and member.workspace.pk for member in cast)
    return cast


@pytest.fixture
def vendor():
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def index(monkeypatch):
    scripted = ScriptedIndex()
    monkeypatch.setattr(reading, "search", scripted.search)
    monkeypatch.setattr(reading, "open_index", _NoIndex)
    monkeypatch.setattr(reading, "embedder_for", lambda workspace: InstantEmbedder())
    return scripted


@pytest.fixture(autouse=True)
def _titles_at_once(monkeypatch):
    monkeypatch.setattr(after, "PAUSE", 0.0)


@pytest.fixture
async def runs():
    """Every run of the test's loop ends with the test, and its connections to vendors with it."""
    from portal.providers.registry import aclose_all

    yield
    here = runner.Runner.here()
    for run in list(runner._runs.values()):
        if run.loop is here.loop:
            run.stop()
    await here.settled()
    await aclose_all()
    # The thread that Django's own async calls go through keeps its connection otherwise.
    await sync_to_async(connections.close_all)()


@pytest.fixture
def handbook(cast, index):
    """Two readable documents, and one that only Leadership (the builder) may read; the index finds all three."""
    source = factories.source(cast.workspace, name="Handbook")
    secret = factories.source(
        cast.workspace, name="Board papers", grant_to=factories.space(cast.workspace, cast.builder, name="Leadership")
    )
    index.nodes = [
        factories.node(source, "sick.md", text="You get thirty days of paid sick leave each year."),
        factories.node(source, "holiday.md", text="There are twenty-seven days of holiday each year."),
        factories.node(secret, "layoffs.md", title="Project Swan", text="Forty people will be laid off in March."),
    ]
    return index.nodes
