"""What goes wrong, at the source, in a document, at the model, in the index; and what the run does about it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum
from django.utils import timezone

from datasources.connectors.base import Complete, ConnectorError, NodeError, Skipped, Upsert
from datasources.models import DataSource, Node, RunItem, SyncRun
from datasources.retrieval.edge_client import EdgeHandle
from datasources.retrieval.types import IndexUnavailable
from datasources.sources import request_sync, retry_failed, retry_nodes
from datasources.sync import sync_source
from portal import events
from portal.models import Credential, Spending, UsageRecord, Workspace
from portal.providers.errors import ProviderError
from portal.spending.budgets import change_budget, create_budget
from tests.datasources.syncing import account, assert_exact, file_node, synced

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Waits that would be seconds are none."""
    monkeypatch.setattr("datasources.syncing.reading.jittered", lambda seconds: 0.0)
    monkeypatch.setattr("datasources.syncing.embedding.jittered", lambda seconds: 0.0)
    monkeypatch.setattr("datasources.syncing.job.jittered", lambda seconds: 0.0)


def again(run: SyncRun) -> SyncRun:
    """A worker takes the run when its pause is over."""
    SyncRun.objects.filter(pk=run.pk).update(not_before=None)
    sync_source(run)
    return SyncRun.objects.get(pk=run.pk)


def test_one_bad_document_fails_with_its_reason_and_can_be_retried(source, place, embedder, cast):
    place.files = {"a.md": "Text a.", "b.md": "Text b.", "c.md": "Text c."}
    place.errors = {
        "a.md": [NodeError("The page is locked by its author")],
        "b.md": [NodeError("A drawing", skip=True)],
    }
    run = synced(source)
    assert run.state == "partial"
    assert account(run) == {"discovered": 3, "indexed": 1, "skipped": 1, "failed": 1}
    assert RunItem.objects.get(run=run, outcome="failed").reason == "The page is locked by its author"
    assert Node.objects.get(external_id="a.md").reason == "The page is locked by its author"
    place.fetched.clear()
    retry = retry_failed(run, by=cast.admin.user)
    sync_source(retry)
    retry.refresh_from_db()
    assert (retry.state, account(retry)) == ("done", {"discovered": 1, "indexed": 1})
    assert place.fetched == ["a.md"]
    assert_exact(source, embedder.space)


def test_what_the_listing_leaves_out_is_not_read_by_a_retry_but_listed_anew(source, place, embedder, cast):
    """Its text may be for few at the vendor; only the connector's listing can say that it may come in."""
    closed, told = file_node("closed.md", "For few."), [Upsert(file_node("a.md", "Text a."))]
    place.files = {"a.md": "Text a.", "closed.md": "For few."}
    place.script = [*told, Skipped(closed, "Only some people see it there"), Complete(None)]
    synced(source)
    place.fetched.clear()
    again = retry_nodes(source, source.nodes.filter(status="skipped"), by=cast.admin.user)
    sync_source(again)
    assert place.fetched == []
    assert Node.objects.get(external_id="closed.md").status == "skipped"
    place.script = [*told, Upsert(closed), Complete(None)]
    sync_source(retry_nodes(source, source.nodes.filter(status="skipped"), by=cast.admin.user))
    assert place.fetched == ["closed.md"]
    assert Node.objects.get(external_id="closed.md").status == "indexed"


def test_what_is_retried_while_a_run_is_open_is_read_after_it(source, place, embedder, cast):
    place.files = {"a.md": "Text a.", "b.md": "Text b.", "c.md": "Text c."}
    place.errors = {"b.md": [NodeError("A drawing", skip=True)], "c.md": [NodeError("Locked")]}
    first = synced(source)
    open_run = request_sync(source, by=None, trigger="retry", only=[Node.objects.get(external_id="a.md").pk])
    skipped = retry_nodes(source, source.nodes.filter(status="skipped"), by=cast.admin.user)
    assert {skipped.pk, retry_failed(first, by=cast.admin.user).pk} == {open_run.pk}
    while (run := source.runs.filter(state="queued").first()) is not None:
        sync_source(run)
    assert set(source.nodes.values_list("status", flat=True)) == {"indexed"}
    assert_exact(source, embedder.space)


def test_what_failed_is_tried_again_in_the_next_sync(source, place, embedder):
    place.files = {"a.md": "Text a."}
    place.errors = {"a.md": [NodeError("Locked")]}
    synced(source)
    assert account(synced(source)) == {"discovered": 1, "indexed": 1}


def test_a_document_that_fails_later_keeps_what_is_indexed(source, place, embedder):
    place.files = {"a.md": "Text a."}
    synced(source)
    place.files["a.md"] = "Other text."
    place.errors = {"a.md": [NodeError("Locked")]}
    assert synced(source).state == "partial"
    assert Node.objects.get(external_id="a.md").document.text == "Text a."


def test_an_unexpected_error_fails_its_document_and_the_run_goes_on(source, place, embedder):
    place.files = {"a.md": "Text a.", "b.md": "Text b."}
    place.errors = {"a.md": [ZeroDivisionError("inside the connector")]}
    run = synced(source)
    assert account(run) == {"discovered": 2, "indexed": 1, "failed": 1}
    assert "ZeroDivisionError" in RunItem.objects.get(run=run, outcome="failed").reason


def test_a_short_rate_limit_is_waited_out(source, place, embedder):
    place.files = {"a.md": "Text a."}
    place.errors = {"a.md": [ConnectorError("Slow down", retry_after=1.0), ConnectorError("Slow down")]}
    assert synced(source).state == "done"
    assert place.fetched == ["a.md"] * 3


def test_a_long_rate_limit_gives_the_run_back_and_it_goes_on_where_it_was(source, place, embedder, monkeypatch):
    monkeypatch.setattr("datasources.syncing.writing.DOCUMENTS", 1)
    monkeypatch.setattr("datasources.syncing.processing.MOST_DOCUMENTS", 1)
    place.files = {"a.md": "Text a.", "b.md": "Text b."}
    place.errors = {"b.md": [ConnectorError("Slow down for ten minutes", retry_after=600)]}
    run = synced(source)
    assert (run.state, run.error) == ("queued", "Slow down for ten minutes")
    assert timezone.now() + timedelta(seconds=590) < run.not_before
    place.fetched.clear()
    sync_source(run)
    assert place.fetched == []
    run = again(run)
    assert (run.state, account(run)) == ("done", {"discovered": 2, "indexed": 2})
    assert place.fetched == ["b.md"]
    assert_exact(source, embedder.space)


def test_a_source_that_never_answers_ends_the_run_with_a_sentence(source, place, embedder):
    place.listing_error = ConnectorError("The server answers 503")
    run = synced(source)
    for _ in range(10):
        if run.state == "queued":
            run = again(run)
    assert run.state == "failed"
    assert run.error.startswith("The server answers 503. It was tried 6 times")
    source.refresh_from_db()
    assert source.state == DataSource.State.NEW
    assert source.state_detail == run.error


def test_a_revoked_token_turns_the_source_and_keeps_what_is_indexed(source, place, embedder, monkeypatch):
    place.files = {"a.md": "Text a."}
    synced(source)
    heard = []
    monkeypatch.setitem(events._handlers, events.SourceBroken, [heard.append])
    place.files["a.md"] = "New."
    place.errors = {"a.md": [ConnectorError("The token was revoked: connect again", permanent=True)]}
    run = synced(source)
    source.refresh_from_db()
    assert (run.state, source.state) == ("failed", "needs_attention")
    assert source.state_detail == "The token was revoked: connect again"
    assert [event.reason for event in heard] == ["The token was revoked: connect again"]
    assert_exact(source, embedder.space)
    assert synced(source).state == "done"
    source.refresh_from_db()
    assert (source.state, source.state_detail) == ("ok", "")


def test_an_embedding_key_that_is_refused_ends_the_run(source, place, embedder):
    place.files = {"a.md": "Text a."}
    embedder.failures = [ProviderError("OpenAI does not know this key", code="bad_key")]
    run = synced(source)
    assert (run.state, run.error) == ("failed", "The embedding model can't be used: OpenAI does not know this key")
    source.refresh_from_db()
    assert source.state == "new"


def test_an_embedding_rate_limit_is_waited_out(source, place, embedder):
    place.files = {"a.md": "Text a."}
    embedder.failures = [ProviderError("Slow down", code="rate_limited", retry_after=1.0)]
    assert synced(source).state == "done"


def test_a_text_that_the_model_refuses_fails_alone(source, place, embedder, monkeypatch):
    place.files = {f"{n}.md": f"Text {n}." for n in range(5)}
    place.files["bad.md"] = "Forbidden words."
    honest = type(embedder).embed_documents

    def refusing(texts):
        if any("Forbidden" in text for text in texts):
            raise ProviderError("Not this", code="content_filter")
        return honest(embedder, texts)

    monkeypatch.setattr(embedder, "embed_documents", refusing)
    run = synced(source)
    assert account(run) == {"discovered": 6, "indexed": 5, "failed": 1}
    assert RunItem.objects.get(run=run, outcome="failed").path == "bad.md"
    assert_exact(source, embedder.space)


def test_an_index_that_is_away_for_a_moment_is_waited_for(source, place, embedder, monkeypatch):
    place.files = {"a.md": "Text a."}
    honest, fails = EdgeHandle.upsert, [IndexUnavailable("starting"), IndexUnavailable("starting")]

    def failing(self, space, points):
        if fails:
            raise fails.pop()
        return honest(self, space, points)

    monkeypatch.setattr(EdgeHandle, "upsert", failing)
    assert synced(source).state == "done"
    assert_exact(source, embedder.space)


def test_an_index_that_stays_away_postpones_the_run(source, place, embedder, monkeypatch):
    place.files = {"a.md": "Text a."}
    with monkeypatch.context() as patch:

        def failing(self, space, points):
            raise IndexUnavailable("gone")

        patch.setattr(EdgeHandle, "upsert", failing)
        run = synced(source)
    assert (run.state, run.error) == ("queued", "The search index does not answer: gone")
    assert again(run).state == "done"
    assert_exact(source, embedder.space)


def test_a_document_that_broke_the_run_off_again_and_again_is_given_up(source, place, embedder):
    place.files = {"a.md": "Text a.", "b.md": "Text b."}
    run = request_sync(source, by=None)
    place.errors = {"a.md": [ConnectorError("Slow down", retry_after=600)]}
    sync_source(run)
    SyncRun.objects.filter(pk=run.pk).update(attempts=9)
    run = again(run)
    assert (run.state, account(run)) == ("partial", {"discovered": 2, "indexed": 1, "failed": 1})
    assert "broke off 9 times" in RunItem.objects.get(run=run, outcome="failed").reason


def test_a_fault_of_ours_ends_the_run_with_a_sentence_and_is_raised(source, place, embedder, monkeypatch):
    def broken(job):
        raise KeyError("oops")

    monkeypatch.setattr("datasources.syncing.pruning.decide", broken)
    run = request_sync(source, by=None)
    with pytest.raises(KeyError):
        sync_source(run)
    run.refresh_from_db()
    assert run.state == "failed"
    assert "KeyError" in run.error


@pytest.mark.django_db(transaction=True)
def test_a_sync_waits_for_its_budget_and_goes_on_where_it_was(source, place, embedder, cast):
    credential = Credential.objects.create(workspace=cast.workspace, kind="openai", name="Key")
    Workspace.objects.filter(pk=cast.workspace.pk).update(embedding_credential=credential, embedding_model="instant")
    place.files = {f"{n:02}.md": f"Text {n} " + "that costs its share of tokens. " * 25 for n in range(30)}
    row = create_budget(
        workspace=cast.workspace, by=None, covers="workspace", period="day", unit="tokens", limit=Decimal(9000)
    )
    run = synced(source)
    assert run.state == "queued"
    assert run.error.startswith("Waits for its budget. The workspace’s budget for today")
    assert run.not_before > timezone.now()
    came_in = run.indexed
    # Whoever changes the budget lets it go on; nothing that came in is embedded twice.
    change_budget(row, by=None, limit=Decimal(10**6), contact=None)
    run.refresh_from_db()
    assert (run.not_before, run.attempts) == (None, 0)
    sync_source(run)
    run.refresh_from_db()
    assert (run.state, run.indexed, run.failed) == ("done", 30, 0)
    assert embedder.texts >= 30
    assert came_in < 30
    assert_exact(source, embedder.space)
    spending = Spending.objects.get()
    used = UsageRecord.objects.aggregate(tokens=Sum("input_tokens"))["tokens"]
    assert (spending.spent, spending.held) == (used, 0)
