"""Every model against its contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from portal.providers import registry
from portal.providers.types import ChatModel, Embedder
from tests.contracts.providers import ChatModelContract, EmbedderContract
from tests.vendors.anthropic import AnthropicServer
from tests.vendors.mistral import MistralServer
from tests.vendors.openai import OpenAIServer

KEY = "sk-test-0123456789abcdefghijklmnop"


@pytest.fixture(autouse=True)
async def _closed() -> AsyncIterator[None]:
    yield
    await registry.aclose_all()


@pytest.fixture
def openai() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def mistral() -> Iterator[MistralServer]:
    with MistralServer() as server:
        yield server


class TestOpenAIChat(ChatModelContract):
    @pytest.fixture
    def model(self, openai: OpenAIServer) -> ChatModel:
        return registry.chat_model("openai", "gpt-4o-mini", KEY, openai.base_url)


class TestCompatibleChat(ChatModelContract):
    @pytest.fixture
    def model(self, openai: OpenAIServer) -> ChatModel:
        openai.refused_parameters = {"stream_options"}
        return registry.chat_model("openai_compatible", "llama", base_url=openai.base_url)


class TestMistralChat(ChatModelContract):
    @pytest.fixture
    def model(self, mistral: MistralServer) -> ChatModel:
        return registry.chat_model("mistral", "mistral-small-latest", KEY, mistral.base_url)


class TestAnthropicChat(ChatModelContract):
    @pytest.fixture
    def model(self) -> Iterator[ChatModel]:
        with AnthropicServer() as server:
            yield registry.chat_model("anthropic", "claude-sonnet-5-5", KEY, server.base_url)


class TestQuotes(ChatModelContract):
    @pytest.fixture
    def model(self) -> ChatModel:
        return registry.chat_model("quotes", "")


class TestOpenAIEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self, openai: OpenAIServer) -> Embedder:
        return registry.embedder("openai", "text-embedding-3-small", KEY, openai.base_url)


class TestCompatibleEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self, openai: OpenAIServer) -> Embedder:
        openai.size, openai.most_inputs = 64, 32
        return registry.embedder("openai_compatible", "bge-small", base_url=openai.base_url)


class TestMistralEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self, mistral: MistralServer) -> Embedder:
        return registry.embedder("mistral", "mistral-embed", KEY, mistral.base_url)


class TestLocal(EmbedderContract):
    @pytest.fixture
    def embedder(self, minilm_cache: Path) -> Embedder:
        return registry.embedder("local", "all-MiniLM-L6-v2", cache=minilm_cache)
