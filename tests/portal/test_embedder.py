"""Which model embeds a workspace's passages: chosen in the admin and by the API, after it was tried."""

from __future__ import annotations

import pytest

from datasources.models import Document
from portal.models import AuditEvent, Credential
from portal.providers.errors import ProviderError
from tests import factories
from tests.callers import Caller
from tests.embedders import InstantEmbedder

PAGE = "/w/acme/govern/workspace/embedding/"


class RefusingEmbedder(InstantEmbedder):
    def embed_query(self, text):
        raise ProviderError("There is no such model", code="model_not_found")


@pytest.fixture
def admin(cast, client):
    client.force_login(cast.admin.user)
    return client


@pytest.fixture
def key(cast):
    offered = [{"name": "small", "kind": "embedding", "label": "", "context_tokens": None}]
    Credential.objects.create(workspace=cast.elsewhere, kind="openai", name="Umbra", offered=offered)
    return Credential.objects.create(workspace=cast.workspace, kind="openai", name="OpenAI", offered=offered)


@pytest.fixture
def source(cast):
    made = factories.source(cast.workspace)
    factories.node(made, "a.md", text="Words.")
    Document.objects.update(passages=3)
    return made


def embeds_with(monkeypatch, embedder):
    monkeypatch.setattr("datasources.sources.embedder_for", lambda workspace: embedder)


def test_the_page_says_what_another_model_would_embed_and_offers_this_workspaces(admin, key, source):
    assert PAGE in admin.get("/w/acme/govern/workspace/").content.decode()
    html = admin.get(PAGE).content.decode()
    assert "<dd>600</dd>" in html
    assert f"{key.pk}|small" in html
    assert "Umbra" not in html


def test_a_model_that_does_not_answer_is_not_chosen(admin, cast, key, source, monkeypatch):
    embeds_with(monkeypatch, RefusingEmbedder())
    refused = admin.post(PAGE, {"model": f"{key.pk}|small"})
    assert (refused.status_code, "no such model" in refused.content.decode()) == (422, True)
    assert not source.runs.exists()
    cast.workspace.refresh_from_db()
    assert cast.workspace.embedding_credential is None


def test_what_is_chosen_embeds_everything_anew_once(admin, cast, key, source, monkeypatch):
    embeds_with(monkeypatch, InstantEmbedder("other"))
    for _ in range(2):
        assert admin.post(PAGE, {"model": f"{key.pk}|small"}).status_code == 302
    cast.workspace.refresh_from_db()
    assert (cast.workspace.embedding_credential, cast.workspace.embedding_model) == (key, "small")
    assert source.runs.get().trigger == "embedder"
    event = AuditEvent.objects.get(action="workspace.choose_embedder")
    assert (event.via, event.after["model"]) == ("admin", "small")


def test_the_api_says_and_chooses(cast, key, source, monkeypatch):
    embeds_with(monkeypatch, InstantEmbedder("other"))
    call = Caller(cast.admin)
    now = {"credential": None, "model": "", "documents": 1, "passages": 3, "tokens": 600}
    assert call.get("embedder/").json() == now
    foreign = Credential.objects.get(workspace=cast.elsewhere)
    for wrong in ({"credential": str(foreign.pk), "model": "small"}, {"credential": str(key.pk), "model": ""}):
        assert call.put("embedder/", wrong).status_code == 400
    chosen = call.put("embedder/", {"credential": str(key.pk), "model": "small"})
    assert chosen.status_code == 202
    assert chosen.json() == now | {"credential": str(key.pk), "model": "small", "data_sources": 1}
    back = call.put("embedder/", {"credential": None, "model": ""})
    assert (back.json()["model"], back.json()["data_sources"]) == ("", 1)


def test_only_admins_choose(cast):
    for person, expected in ((cast.builder, 403), (cast.member, 403), (cast.outsider, 404)):
        call = Caller(person, slug="acme")
        assert call.put("embedder/", {"credential": None, "model": ""}).status_code == expected
