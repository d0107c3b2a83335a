"""Slack through a whole sync: what people said is found, what they changed is seen, and nothing is read twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from datasources import choosing, hooks
from datasources.connectors.base import Chosen
from datasources.models import DataSource, Node, SyncRun, node_id
from datasources.runs import request_sync
from datasources.sync import sync_source
from portal.models import Credential
from tests import factories
from tests.datasources.syncing import account, assert_exact, synced
from tests.vendors.places.slack import SIGNING_SECRET, TOKEN, SlackServer, event, signed
from tests.vendors.places.slack_held import Workspace, small_company

pytestmark = pytest.mark.django_db


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with SlackServer(small_company(), page=3) as server:
        yield server


@pytest.fixture
def held(slack: SlackServer) -> Workspace:
    assert isinstance(slack.workspace, Workspace)
    return slack.workspace


@pytest.fixture
def source(cast: Any, embedder: Any, slack: SlackServer) -> DataSource:
    key = Credential(workspace=cast.workspace, kind="slack", name="Slack", base_url=slack.base_url)
    key.set_secret(json.dumps({"auth": "token", "token": TOKEN}))
    key.save()
    config = {"base_url": slack.base_url}
    return factories.source(cast.workspace, kind="slack", config=config, credential=key)


def text_of(source: DataSource, external_id: str) -> str:
    return Node.objects.get(pk=node_id(source.pk, external_id)).document.text


def test_a_workspace_comes_in_whole(source: DataSource, embedder: Any, slack: SlackServer) -> None:
    run = synced(source)
    assert run.state == SyncRun.State.DONE
    assert account(run) == {"discovered": 7, "indexed": 6, "skipped": 1}
    assert assert_exact(source, embedder.space) > 0
    thread = source.nodes.get(kind="thread")
    assert thread.path.startswith("support / #support: How does a customer get a refund")
    assert "as a voucher" in thread.document.text
    asked = [path for _, path in slack.requests]
    assert asked.count("/api/conversations.replies") == 1, "the listing had its text already"


def test_a_second_run_reads_nothing_again_and_sees_what_changed(
    source: DataSource, embedder: Any, held: Workspace, slack: SlackServer
) -> None:
    synced(source)
    office = held.messages("C01")[0]
    held.edit("C01", office["ts"], "The office is closed on Thursday")
    run = synced(source)
    assert account(run)["indexed"] == 1
    assert "Thursday" in source.nodes.filter(document__text__contains="closed on").get().document.text
    held.remove("C05", next(m["ts"] for m in held.messages("C05") if m["text"].startswith("Who has")))
    run = synced(source)
    assert account(run)["removed"] == 1
    assert_exact(source, embedder.space)


def test_what_a_webhook_names_is_read_at_once(source: DataSource, embedder: Any, held: Workspace, client: Any) -> None:
    synced(source)
    hook = hooks.open_hook(source, by=None)
    hooks.set_hook_secret(source, SIGNING_SECRET, by=None)
    asked = next(m for m in held.messages("C02") if m.get("reply_count"))
    ts = held.say("C02", "And a coupon for the next order", thread=asked["ts"])
    body = event({"type": "message", "channel": "C02", "channel_type": "channel", "ts": ts, "thread_ts": asked["ts"]})
    path = "/" + hook.url.split("//", 1)[1].split("/", 1)[1]
    headers = {name: value for name, value in signed(body).items() if name.startswith("x-")}
    assert client.post(path, body, content_type="application/json", headers=headers).status_code == 200
    for run in SyncRun.objects.filter(source=source, finished=None):
        sync_source(run)
    assert "coupon" in text_of(source, f"thread:C02:{asked['ts']}")
    assert_exact(source, embedder.space)


def only(*channels: str) -> list[Chosen]:
    return [Chosen(f"channel:{channel}") for channel in channels]


def test_a_changed_choice_reads_what_it_adds_and_nothing_else(
    source: DataSource, embedder: Any, slack: SlackServer
) -> None:
    choosing.store(source, only("C01", "C02"))
    synced(source)
    slack.requests.clear()
    slack.spans.clear()
    choosing.choose(source, only("C01", "C04"), by=None)
    run = source.runs.get(finished=None)
    assert not run.full
    sync_source(run)
    run.refresh_from_db()
    assert (run.state, account(run)) == ("done", {"discovered": 1, "indexed": 1, "removed": 1})
    assert {channel for channel, oldest in slack.spans if not oldest} == {"C04"}
    assert sum(path == "/api/conversations.replies" for _, path in slack.requests) == 0
    assert {node.external_id for node in source.nodes.filter(parent=None)} == {"channel:C01", "channel:C04"}
    assert_exact(source, embedder.space)


def test_a_choice_that_goes_back_while_its_run_is_not_done_reads_everything(
    source: DataSource, embedder: Any, slack: SlackServer
) -> None:
    choosing.store(source, only("C01", "C02"))
    synced(source)
    slack.refuse(503, times=None)
    choosing.choose(source, only("C01"), by=None)
    sync_source(source.runs.get(finished=None))
    assert not source.nodes.filter(external_id="channel:C02").exists(), "it goes though Slack does not answer"
    slack.heal()
    choosing.choose(source, only("C01", "C02"), by=None)
    SyncRun.objects.filter(finished=None).update(not_before=None)
    sync_source(source.runs.get(finished=None))
    source.refresh_from_db()
    run = source.runs.get(finished=None)
    assert run.full
    sync_source(run)
    assert source.nodes.filter(kind="thread", parent__external_id="channel:C02").exists()
    assert_exact(source, embedder.space)


def test_a_listing_that_is_told_to_slow_down_again_and_again_comes_to_its_end(
    source: DataSource, embedder: Any, held: Workspace, slack: SlackServer
) -> None:
    for number in range(10, 30):
        held.say(held.open(f"C{number}", f"more-{number}"), "Said once")
    run = request_sync(source, by=None)
    for _ in range(20):
        slack.refuse(429, after=3, path="conversations.history", headers={"Retry-After": "0.1"})
        sync_source(run)
        slack.heal()
        run.refresh_from_db()
        if run.state == SyncRun.State.DONE:
            break
        assert run.state == SyncRun.State.QUEUED, run.error
        SyncRun.objects.filter(pk=run.pk).update(not_before=None)
    assert run.indexed == 6 + 20
    assert_exact(source, embedder.space)


def test_a_revoked_token_needs_attention_and_keeps_what_came_in(
    source: DataSource, embedder: Any, slack: SlackServer
) -> None:
    synced(source)
    known = source.nodes.count()
    slack.revoke()
    synced(source)
    source.refresh_from_db()
    assert source.state == DataSource.State.NEEDS_ATTENTION
    assert source.nodes.count() == known
