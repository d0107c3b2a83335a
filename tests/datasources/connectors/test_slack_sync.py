"""Slack through a whole sync: what people said is found, what they changed is seen, and nothing is read twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from datasources import hooks
from datasources.models import DataSource, Node, SyncRun, node_id
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
