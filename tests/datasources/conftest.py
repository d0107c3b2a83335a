"""An index, an embedder and a place for tests of syncing."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from datasources import reading
from datasources.connectors import registry
from datasources.retrieval.edge_client import EdgeIndex
from tests import factories
from tests.datasources.syncing import FakePlace
from tests.embedders import InstantEmbedder


@pytest.fixture(scope="session")
def one_index(tmp_path_factory):
    index = EdgeIndex(tmp_path_factory.mktemp("vectors"))
    yield index
    index.close()


@pytest.fixture
def embedder(monkeypatch, one_index):
    """Instant; it and the index stand in for what the settings name."""
    instant = InstantEmbedder()
    monkeypatch.setattr(reading, "_index", one_index)
    monkeypatch.setattr("datasources.sync.embedder_for", lambda workspace: instant)
    return instant


@pytest.fixture
def place(monkeypatch):
    """The place that sources of the kind ``fake`` read."""
    fake = FakePlace()
    monkeypatch.setitem(registry.CONNECTORS, "fake", fake.about)
    module = SimpleNamespace(CONNECTOR=lambda config, secret, around: fake)
    monkeypatch.setitem(sys.modules, "datasources.connectors.fake.connector", module)
    return fake


@pytest.fixture
def source(cast, embedder, place):
    return factories.source(cast.workspace, kind="fake")


@pytest.fixture
def as_(cast, client):
    """``as_("builder")``: a browser in which that one of the cast is signed in."""

    def sign_in(who):
        client.force_login(getattr(cast, who).user)
        return client

    return sign_in
