"""An assistant's knowledge by tags and time: in the builder, the API, and what is found."""

import json
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from assistants import lifecycle, planning
from assistants.models import Assistant
from datasources import reading
from datasources.connectors import registry
from datasources.connectors.base import Complete, RemoteNode, Upsert
from datasources.models import Grant, Node
from datasources.retrieval.edge_client import EdgeIndex
from tests import factories
from tests.assistants.test_views_builder import build, edit, filled, made
from tests.callers import Caller
from tests.datasources.syncing import FakePlace, synced
from tests.embedders import InstantEmbedder

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(cast, client):
    client.force_login(cast.builder.user)
    source = factories.source(cast.workspace, name="Handbook")
    hr = factories.node(source, "hr")
    factories.node(source, "hr/leave", parent=hr, text="Leave", tags=["policy", "hr"])
    factories.node(source, "hr/pay", parent=hr, text="Pay", tags=["policy", "secret"])
    factories.node(source, "it", text="Laptops", tags=["it"])
    return source


# ---- The builder ---------------------------------------------------------------------------------------------------


def test_tags_and_the_last_days_are_kept_and_shown(client, source):
    build(client, **filled(source, tags_all="policy, hr,policy", tags_none="secret", time="last", last_days="30"))
    version = made().latest
    assert (version.tags_all, version.tags_none, version.last_days) == (["policy", "hr"], ["secret"], 30)
    assert (version.since, version.until) == (None, None)
    html = client.get(reverse("assistant_edit", args=["acme", "leave-policy"])).content.decode()
    assert 'value="policy, hr"' in html
    assert 'value="30"' in html


def test_a_window_of_two_days_holds_both(client, source):
    build(client, **filled(source, time="between", since="2026-01-01", until="2026-01-31", last_days="5"))
    version = made().latest
    assert version.since == datetime(2026, 1, 1, tzinfo=UTC)
    assert version.until == datetime(2026, 2, 1, tzinfo=UTC)
    assert version.last_days is None
    html = client.get(reverse("assistant_edit", args=["acme", "leave-policy"])).content.decode()
    assert 'value="2026-01-31"' in html
    edit(client, **filled(source, time="any", since="2026-01-01"))
    assert made().latest.since is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"time": "last"}, "Say how many days"),
        ({"time": "last", "last_days": "0"}, "greater than or equal to 1"),
        ({"time": "between", "since": "2026-02-01", "until": "2026-01-01"}, "before its begin"),
        ({"time": "between", "since": "soon"}, "Enter a valid date"),
        ({"tags_all": ",".join(f"t{n}" for n in range(60))}, "At most 50"),
    ],
)
def test_what_makes_no_sense_is_told(client, source, more, words):
    answer = build(client, **filled(source, **more))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Assistant.objects.filter(handle="leave-policy").exists()


def test_tags_are_offered_that_the_chosen_sources_have(client, cast, source):
    address = reverse("data_tags", args=["acme"])
    everything = client.get(address).content.decode()
    assert everything.index('data-tag="policy"') < everything.index('data-tag="it"')
    entry = {"data_source": str(source.pk), "parents_in": [str(Node.objects.get(external_id="hr/leave").pk)]}
    some = client.get(address, {"knowledge": json.dumps([entry])}).content.decode()
    assert 'data-tag="hr"' in some
    assert 'data-tag="it"' not in some
    assert "has no tags" in client.get(address, {"knowledge": "[]"}).content.decode()
    assert "has no tags" in client.get(address, {"knowledge": "nonsense"}).content.decode()
    Grant.objects.update(parents_in=[Node.objects.get(external_id="it").pk])
    assert "secret" not in client.get(address).content.decode()
    client.force_login(cast.outsider.user)
    assert client.get(address).status_code == 404


# ---- The API -------------------------------------------------------------------------------------------------------


def test_the_api_takes_and_gives_the_window(cast, source):
    call = Caller(cast.builder)
    body = {"handle": "news", "name": "News", "knowledge": None, "last_days": 14, "tags_all": ["policy"]}
    answer = call.post("assistants/", body)
    assert answer.status_code == 201, answer.content
    version = Assistant.objects.get(handle="news").latest
    assert (version.last_days, version.tags_all) == (14, ["policy"])
    wrong = call.post("assistants/", {**body, "handle": "other", "since": "2026-01-01T00:00:00Z"})
    assert wrong.status_code == 400
    assert "not both" in wrong.content.decode()


def test_the_last_days_are_counted_from_each_question_on(cast):
    assistant = lifecycle.create_assistant(
        workspace=cast.workspace, by=cast.builder.user, handle="news", knowledge=None, last_days=7
    )
    knowledge = planning.knowledge_of(assistant.latest)
    assert knowledge.since is not None
    assert abs(timezone.now() - timedelta(days=7) - knowledge.since) < timedelta(seconds=5)
    assert knowledge.until is None


# ---- What is found -------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
async def test_only_what_fits_tags_and_time_is_found(cast, monkeypatch, tmp_path_factory):
    """Through the index itself: places tell tags and times, and an assistant's knowledge narrows by them."""
    vectors = EdgeIndex(tmp_path_factory.mktemp("vectors"))
    instant = InstantEmbedder()
    monkeypatch.setattr(reading, "_index", vectors)
    monkeypatch.setattr(reading, "embedder_for", lambda workspace: instant)
    monkeypatch.setattr("datasources.sync.embedder_for", lambda workspace: instant)
    fake = FakePlace(
        {name: f"# {name}\n\nPumps are oiled on {name} day." for name in ("old", "new", "draft", "untagged")}
    )
    told = {
        "old": ((("policy",)), timezone.now() - timedelta(days=400)),
        "new": ((("policy",)), timezone.now() - timedelta(days=2)),
        "draft": ((("policy", "draft")), timezone.now() - timedelta(days=2)),
        "untagged": ((), timezone.now() - timedelta(days=2)),
    }
    nodes = [RemoteNode(n, "page", n, None, "1", modified=when, tags=tags) for n, (tags, when) in told.items()]
    fake.script = [*map(Upsert, nodes), Complete(None)]
    monkeypatch.setitem(registry.CONNECTORS, "fake", fake.about)
    module = SimpleNamespace(CONNECTOR=lambda config, secret, around: fake)
    monkeypatch.setitem(sys.modules, "datasources.connectors.fake.connector", module)

    def versions():
        synced(factories.source(cast.workspace, kind="fake"))
        common = {"workspace": cast.workspace, "by": cast.builder.user, "knowledge": None}
        by_tags = lifecycle.create_assistant(handle="tags", tags_all=["policy"], tags_none=["draft"], **common)
        lately = lifecycle.create_assistant(handle="lately", last_days=30, **common)
        before = lifecycle.create_assistant(handle="before", until="2026-01-01T00:00:00Z", **common)
        return [planning.knowledge_of(one.latest) for one in (by_tags, lately, before)]

    async def found(knowledge):
        results = await reading.search_passages(cast.member, "when are pumps oiled", knowledge=knowledge, limit=20)
        return {passage.path for passage in results.passages}

    try:
        by_tags, lately, before = await sync_to_async(versions)()
        assert await found(by_tags) == {"old", "new"}
        assert await found(lately) == {"new", "draft", "untagged"}
        assert await found(before) == {"old"}
    finally:
        vectors.close()
        await sync_to_async(connections.close_all)()
