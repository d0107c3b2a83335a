"""Whole syncs of GitHub and Jira: account, edits, deletions, and passages that carry the names of functions."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from datasources.connectors import registry
from datasources.models import Document, Node
from tests import factories
from tests.datasources.connectors import test_github, test_jira
from tests.datasources.syncing import account, assert_exact, synced
from tests.vendors.places import github, jira

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["github", "issues", "jira", "jira center"])
def place(request):
    kinds = {
        "github": (github.fernholt, github.GitHubServer, test_github.Place),
        "issues": (github.fernholt, github.GitHubServer, test_github.IssuePlace),
        "jira": (jira.fernholt, jira.JiraServer, test_jira.Place),
        "jira center": (jira.fernholt, jira.JiraServer, test_jira.CenterPlace),
    }
    fill, server, of_kind = kinds[request.param]
    with fill(server()) as running:
        running.page_size = 2
        yield of_kind(running)


@pytest.fixture
def source(monkeypatch, cast, embedder, place):
    fake = SimpleNamespace(CONNECTOR=lambda config, secret, around: place.connector())
    monkeypatch.setitem(registry.CONNECTORS, "fake", place.connector().about)
    monkeypatch.setattr("datasources.sources.connector_class", lambda kind: fake.CONNECTOR)
    monkeypatch.setitem(sys.modules, "datasources.connectors.fake.connector", fake)
    return factories.source(cast.workspace, kind="fake")


def documents(source) -> set[str]:
    return set(Document.objects.filter(node__source=source).values_list("node__external_id", flat=True))


def test_everything_comes_in_and_is_accounted_for(source, place, embedder):
    run = synced(source)
    assert run.state == "done", run.error
    counts = account(run)
    assert documents(source) == set(place.documents())
    assert counts["indexed"] == len(place.documents())
    assert counts["discovered"] == counts["indexed"] + counts.get("skipped", 0)
    assert_exact(source, embedder.space)


def test_an_edit_a_new_document_and_a_deletion_are_all_that_the_next_sync_touches(source, place, embedder):
    synced(source)
    edited, added = place.edit(), place.add()
    run = synced(source)
    assert run.state == "done", run.error
    assert place.documents()[edited] in Document.objects.get(node__source=source, node__external_id=edited).text
    assert added in documents(source)
    assert account(run)["indexed"] == 2
    deleted = place.delete()
    if not place.exact_deletes:
        source.refresh_from_db()
        source.cursor = {}
        source.save()
    run = synced(source)
    assert run.state == "done", run.error
    assert deleted not in documents(source)
    assert documents(source) == set(place.documents())
    assert_exact(source, embedder.space)


@pytest.mark.parametrize("place", ["github"], indirect=True)
def test_code_is_stored_with_its_functions_as_headings(source, place):
    synced(source)
    node = Node.objects.get(source=source, external_id="file:102:src/scale.py")
    assert node.document.text.startswith("## weigh\n\n```python\ndef weigh(mass):")
