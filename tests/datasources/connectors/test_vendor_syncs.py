"""Whole syncs of Intercom, Salesforce, Elasticsearch and what is written by API: account, edits, deletions, tables."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from datasources.connectors import registry
from datasources.connectors.around import TableRows, WrittenNode
from datasources.models import Document, Node
from datasources.models.table import Table
from tests import factories
from tests.datasources.connectors.test_api import Place as WrittenPlace
from tests.datasources.connectors.test_elasticsearch import Place as ElasticsearchPlace
from tests.datasources.connectors.test_intercom import Place as IntercomPlace
from tests.datasources.connectors.test_salesforce import Place as SalesforcePlace
from tests.datasources.syncing import account, assert_exact, synced
from tests.vendors.places import elasticsearch, intercom, salesforce

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["intercom", "salesforce", "elasticsearch", "api"])
def vendor(request):
    kind = request.param
    if kind == "api":
        yield kind, WrittenPlace()
        return
    module, place = {
        "intercom": (intercom, IntercomPlace),
        "salesforce": (salesforce, SalesforcePlace),
        "elasticsearch": (elasticsearch, ElasticsearchPlace),
    }[kind]
    with module.filled() as server:
        yield kind, place(server)


@pytest.fixture
def connected(monkeypatch, cast, embedder, vendor):
    kind, place = vendor
    fake = SimpleNamespace(CONNECTOR=lambda config, secret, around: place.connector())
    monkeypatch.setitem(registry.CONNECTORS, "fake", registry.about(kind))
    monkeypatch.setattr("datasources.sources.connector_class", lambda kind: fake.CONNECTOR)
    monkeypatch.setitem(sys.modules, "datasources.connectors.fake.connector", fake)
    return factories.source(cast.workspace, kind="fake"), place


def test_everything_comes_in_and_is_accounted_for(connected, embedder):
    source, place = connected
    run = synced(source)
    assert run.state == "done", run.error
    counts = account(run)
    assert counts["indexed"] == len(place.documents())
    assert counts["discovered"] == counts["indexed"] + counts.get("skipped", 0)
    assert set(Document.objects.filter(node__source=source).values_list("node__external_id", flat=True)) == set(
        place.documents()
    )
    assert_exact(source, embedder.space)


def test_an_edit_and_a_new_document_are_all_that_a_second_sync_reads(connected, embedder):
    source, place = connected
    synced(source)
    edited, added = place.edit(), place.add()
    run = synced(source)
    assert run.state == "done", run.error
    assert place.documents()[edited] in Document.objects.get(node__source=source, node__external_id=edited).text
    assert Document.objects.filter(node__source=source, node__external_id=added).exists()
    assert account(run)["indexed"] <= 3
    assert_exact(source, embedder.space)


def test_what_was_deleted_leaves_documents_and_index(connected, embedder):
    source, place = connected
    synced(source)
    deleted = place.delete()
    if not place.exact_deletes:
        source.refresh_from_db()
        source.cursor = {}
        source.save()
    run = synced(source)
    assert run.state == "done", run.error
    assert not Document.objects.filter(node__source=source, node__external_id=deleted).exists()
    assert not Node.objects.filter(source=source, external_id=deleted, status=Node.Status.INDEXED).exists()
    assert_exact(source, embedder.space)


@pytest.mark.parametrize("vendor", ["salesforce", "api"], indirect=True)
def test_rows_become_a_table(connected):
    source, place = connected
    if isinstance(place, WrittenPlace):
        place.store.write(WrittenNode("deals", "Deals", "crm"), TableRows(("Customer", "Sum"), [["Fernholt", 12]] * 3))
    synced(source)
    tables = {table.node.external_id: table for table in Table.objects.filter(node__source=source)}
    key, rows = ("object:Account", 90) if isinstance(place, SalesforcePlace) else ("deals", 3)
    assert tables[key].rows == rows
