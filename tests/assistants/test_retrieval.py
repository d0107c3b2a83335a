"""How an assistant finds what it answers from: the newest until full, tables alone, nothing. What its reader may not read never comes."""

from __future__ import annotations

import sys
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.utils import timezone

from assistants import conversations, lifecycle
from assistants.answering import prompts
from datasources import reading
from datasources.connectors import registry
from datasources.models import Document, Grant, Node
from datasources.retrieval.edge_client import EdgeIndex
from datasources.retrieval.types import Hit, point_id
from tests import factories
from tests.assistants.asking import all_events, assistant, model, text_of
from tests.assistants.test_asking_tables import replies
from tests.datasources.syncing import FakePlace, synced
from tests.datasources.tabled import ORDERS, give_table
from tests.embedders import InstantEmbedder
from tests.vendors.server import Script

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("runs")]
db = sync_to_async


class GivesAll:
    """An index that has forgotten its filter: whatever is asked for, it gives all that it has."""

    def __init__(self) -> None:
        self.texts: dict[UUID, tuple[Node, str]] = {}
        self.asked: list[UUID] = []
        self.filters: list[object] = []

    def for_workspace(self, workspace: UUID) -> GivesAll:
        return self

    def hold(self, node: Node, text: str, days_ago: int) -> Node:
        """The document as one passage."""
        modified = timezone.now() - timedelta(days=days_ago)
        Node.objects.filter(pk=node.pk).update(modified=modified)
        Document.objects.filter(pk=node.pk).update(passages=1)
        self.texts[point_id(node.pk, 0)] = (node, text)
        return node

    async def fetch(self, space, ids, filter, *, terms=()):
        self.asked += ids
        self.filters.append(filter)
        order = [*ids, *(id for id in self.texts if id not in ids)]
        return [self._hit(id) for id in order if id in self.texts]

    def _hit(self, id: UUID) -> Hit:
        node, text = self.texts[id]
        payload = {"node": str(node.pk), "source": str(node.source_id), "start": 0, "end": len(text), "position": 0}
        return Hit(id, {**payload, "text": text, "title": node.title})


@pytest.fixture
def leaky(monkeypatch, index):
    made = GivesAll()
    monkeypatch.setattr(reading, "open_index", lambda: made)
    return made


@pytest.fixture
def news(cast, leaky):
    """Three posts that everybody may read, told out of order, and the newest of all for Leadership (the builder) alone."""
    source = factories.source(cast.workspace, name="News")
    secret = factories.source(
        cast.workspace, name="Board", grant_to=factories.space(cast.workspace, cast.builder, name="Leadership")
    )
    for title, days in (("tuesday", 2), ("monday", 3), ("wednesday", 1)):
        text = f"What happened on {title}."
        leaky.hold(factories.node(source, f"{title}.md", title=title, text=text), text, days)
    board = "Forty people will be laid off."
    leaky.hold(factories.node(secret, "swan.md", title="Project Swan", text=board), board, 0)
    return source


def newest(membership, **more):
    return assistant(membership, handle=f"news-{uuid4().hex[:6]}", retrieval="newest", knowledge=None, **more)


def prompt_of(vendor) -> str:
    return vendor.requests[-1].body["messages"][-1]["content"]


async def asked(membership, which, content="Anything new?"):
    _, answer = await conversations.aask(membership, None, content, assistant=which)
    return await all_events(membership, answer.pk)


async def test_the_newest_comes_first_whatever_is_asked(cast, vendor, news, leaky, index):
    await db(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(text="Much [1].")

    events = await asked(cast.member, await db(newest)(cast.member))

    prompt = prompt_of(vendor)
    days = ("wednesday", "tuesday", "monday")
    assert [prompt.index(f"What happened on {day}") for day in days] == sorted(
        prompt.index(f"What happened on {day}") for day in days
    )
    assert index.queries == []
    steps = [event.data["text"] for event in events if event.type == "step"]
    assert steps == ["Taking the newest of 1 source", "Reading 3 passages of the 3 newest documents"]
    assert [event.data["n"] for event in events if event.type == "citation"] == [1]


async def test_the_newest_that_one_may_not_read_never_comes(cast, vendor, news, leaky):
    """Not even from an index that gives it unasked: SQL is asked before and after."""
    await db(model)(cast.workspace, vendor.base_url)
    shared = await db(newest)(cast.builder)
    await db(lifecycle.publish)(shared, cast.builder.user)

    await asked(cast.member, shared)

    secret = next(id for id, (node, _text) in leaky.texts.items() if node.title == "Project Swan")
    assert secret not in leaky.asked
    assert {branch.source for branch in leaky.filters[-1].allowed} == {news.pk}
    assert "laid off" not in str([request.body for request in vendor.requests])

    await asked(cast.builder, shared)
    assert secret in leaky.asked
    assert prompt_of(vendor).index("laid off") < prompt_of(vendor).index("wednesday")

    await db(lambda: Grant.objects.filter(source=news).delete())()
    vendor.requests.clear()
    await asked(cast.member, shared)
    assert "What happened" not in str([request.body for request in vendor.requests])


async def test_the_newest_stays_within_knowledge_and_stops_when_full(cast, vendor, leaky, monkeypatch):
    await db(model)(cast.workspace, vendor.base_url)
    monkeypatch.setattr(prompts, "NEWEST_TOKENS", 1000)

    def setup():
        source = factories.source(cast.workspace, name="Log")
        kept, other = factories.node(source, "kept"), factories.node(source, "other")
        for number in range(6):
            text = f"Entry {number}. " + "word " * 350
            leaky.hold(factories.node(source, f"kept/{number}", parent=kept, text=text), text, number)
        leaky.hold(factories.node(source, "other/new", parent=other, text="Elsewhere."), "Elsewhere.", 0)
        part = {"data_source": str(source.pk), "parents_in": [str(kept.pk)], "parents_not_in": []}
        return assistant(cast.member, retrieval="newest", knowledge=[part])

    await asked(cast.member, await db(setup)())

    prompt = prompt_of(vendor)
    assert [number for number in range(6) if f"Entry {number}." in prompt] == [0, 1]
    assert "Elsewhere" not in prompt


async def test_a_draft_is_tried_with_its_way_of_finding(cast, vendor, news, index):
    await db(model)(cast.workspace, vendor.base_url)
    for retrieval, found in (("newest", True), ("none", False)):
        vendor.requests.clear()
        fields = {"name": "Draft", "retrieval": retrieval, "reads_all": retrieval == "newest", "knowledge": []}
        trial = await conversations.try_draft(cast.member, fields, "Anything new?")
        await all_events(cast.member, trial)
        assert ("What happened on wednesday" in prompt_of(vendor)) is found
    assert index.queries == []


async def test_one_that_asks_tables_only_reads_no_prose(cast, vendor, index, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}}
    await db(model)(cast.workspace, vendor.base_url)

    def setup():
        shop = factories.source(cast.workspace, name="Shop")
        prose = factories.node(shop, "about.md", text="We sell pumps to everybody who asks.")
        give_table(factories.node(shop, "orders.csv", text="x"), ORDERS)
        secret = factories.source(cast.workspace, grant_to=factories.space(cast.workspace, cast.builder))
        give_table(factories.node(secret, "salaries.csv", text="x"), "name,salary\nAnn,90000\n")
        # The search knows of no table at all.
        index.nodes = [prose]
        return assistant(cast.member, retrieval="tables", knowledge=None)

    which = await db(setup)()
    vendor.script = replies("SELECT count(*) AS orders FROM orders", answer="Three [1].")

    events = await asked(cast.member, which, "How many orders?")

    assert next(event.data for event in events if event.type == "table")["rows"] == [[3]]
    said = str([request.body["messages"] for request in vendor.requests])
    assert "sell pumps" not in said
    assert "salaries" not in said

    vendor.script = replies("NO TABLE")
    events = await asked(cast.member, which, "What do we sell?")
    assert text_of(events).startswith("I found no table in what I searched that answers this.")


async def test_the_index_itself_gives_only_what_its_reader_may_read(cast, monkeypatch, tmp_path_factory):
    """Through a sync and the embedded index, with two sources that hold the same."""
    vectors, instant = EdgeIndex(tmp_path_factory.mktemp("vectors")), InstantEmbedder()
    monkeypatch.setattr(reading, "_index", vectors)
    monkeypatch.setattr(reading, "embedder_for", lambda workspace: instant)
    monkeypatch.setattr("datasources.sync.embedder_for", lambda workspace: instant)
    fake = FakePlace({f"log/{n}.md": f"# Day {n}\n\nOn day {n} it rained." for n in range(3)})
    monkeypatch.setitem(registry.CONNECTORS, "fake", fake.about)
    module = SimpleNamespace(CONNECTOR=lambda config, secret, around: fake)
    monkeypatch.setitem(sys.modules, "datasources.connectors.fake.connector", module)

    def setup():
        leadership = factories.space(cast.workspace, cast.builder)
        ours = factories.source(cast.workspace, kind="fake")
        theirs = factories.source(cast.workspace, kind="fake", grant_to=leadership)
        for source in (ours, theirs):
            synced(source)
        return ours, theirs

    async def found(membership):
        reader = await db(reading.open_reader)(membership)
        results = await reader.newest(limit=20, tokens=10_000)
        return [passage.source for passage in results.passages], results

    try:
        ours, theirs = await db(setup)()
        sources, results = await found(cast.member)
        assert sources == [ours.pk] * 3
        assert results.relevant
        sources, _ = await found(cast.builder)
        assert sorted(sources) == sorted([ours.pk, theirs.pk] * 3)
        # A grant that is gone is gone at once, whatever the index still lets through for a reader that was open.
        reader = await db(reading.open_reader)(cast.member)
        await db(lambda: Grant.objects.filter(source=ours).delete())()
        assert not (await reader.newest(limit=20, tokens=10_000)).passages
    finally:
        vectors.close()
        await db(connections.close_all)()
