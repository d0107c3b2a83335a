"""The list of vendors, credentials, embeddings over HTTP, and where connections may go."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from portal.providers import registry
from portal.providers.errors import ProviderError
from portal.providers.remote import estimated_spans
from portal.providers.transport import AddressRefused, Patience
from portal.providers.types import ChatRequest, Delta, Turn
from tests.vendors.anthropic import AnthropicServer
from tests.vendors.mistral import MistralServer
from tests.vendors.openai import OpenAIServer
from tests.vendors.server import Script

KEY = "sk-test-0123456789abcdefghijklmnop"


@pytest.fixture(autouse=True)
async def _closed() -> AsyncIterator[None]:
    yield
    await registry.aclose_all()


@pytest.fixture
def openai() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


class Pinned:
    """A network that knows one name, and keeps a record."""

    def __init__(self, name: str = "models.example.com", address: str = "127.0.0.1") -> None:
        self.name, self.address = name, address
        self.asked: list[str] = []

    def check(self, url: str) -> None:
        if "//10." in url:
            raise AddressRefused("10.0.0.1 is a private address. Ask the operator to allow it.")

    def addresses(self, host: str, port: int) -> Sequence[str] | None:
        self.asked.append(host)
        if host != self.name:
            raise AddressRefused(f"{host} leads to a private address.")
        return [self.address]


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(ProviderError, match="Known are: openai, openai_compatible, mistral, anthropic, quotes") as caught:  # fmt: skip
        registry.chat_model("openia", "gpt")
    assert caught.value.code == "not_configured"
    with pytest.raises(ProviderError, match="Known are: openai, openai_compatible, mistral, local"):
        registry.embedder("anthropic", "m", KEY)


@pytest.mark.parametrize(
    ("kind", "model", "key", "url", "says"),
    [
        ("openai", "gpt", "", "", "no key"),
        ("openai", " ", KEY, "", "Choose a model"),
        ("openai_compatible", "m", "", "", "type its address"),
        ("openai_compatible", "m", "", "localhost:8080/v1", "looks like"),
        ("openai_compatible", "m", "", "https://key@host/v1", "looks like"),
        ("openai_compatible", "m", "", "https://host/v1?key=1", "looks like"),
        ("openai_compatible", "m", "", "file:///etc/passwd", "looks like"),
        ("openai", "gpt", "sk-a\nb", "", "Copy it again"),
        ("openai", "gpt", "sk-ключ", "", "Copy it again"),
    ],
)
def test_a_bad_setting_says_what_to_do(kind: str, model: str, key: str, url: str, says: str) -> None:
    with pytest.raises(ProviderError, match=says) as caught:
        registry.chat_model(kind, model, key, url)
    assert not key or key not in str(caught.value)


def test_the_list_of_vendors_loads_no_sdk() -> None:
    code = (
        "import sys, portal.providers.registry as r; r.VENDORS\n"
        "heavy = {'openai', 'anthropic', 'mistralai', 'fastembed', 'onnxruntime', 'onnx', 'numpy'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_models_are_told_apart(openai: OpenAIServer) -> None:
    models = registry.list_models("openai", KEY, openai.base_url)
    assert [(model.name, model.kind) for model in models] == [
        ("gpt-5", "chat"),
        ("gpt-4o-mini", "chat"),
        ("text-embedding-3-small", "embedding"),
    ]
    with MistralServer() as mistral, AnthropicServer() as anthropic:
        found = registry.list_models("mistral", KEY, mistral.base_url + "/v1")
        assert [(model.name, model.kind, model.context_tokens) for model in found] == [
            ("mistral-embed", "embedding", 8192),
            ("mistral-small-latest", "chat", 131072),
        ]
        assert registry.list_models("anthropic", KEY, anthropic.base_url)[0].label == "Claude Sonnet 5.5"
    assert registry.list_models("local")[0].kind == "embedding"
    assert registry.list_models("quotes")[0].kind == "chat"


def test_a_credential_can_be_tested(openai: OpenAIServer) -> None:
    assert registry.test("openai", KEY, openai.base_url).message == "OpenAI answers: 2 models that write, 1 for embeddings."  # fmt: skip
    openai.script = Script(status=401)
    with pytest.raises(ProviderError) as caught:
        registry.test("openai", KEY, openai.base_url)
    assert caught.value.code == "bad_key"
    openai.script = Script()
    with pytest.raises(ProviderError, match="end in /v1"):
        registry.test("openai_compatible", KEY, openai.base_url.removesuffix("/v1"))


def test_embeddings_go_in_batches_that_the_vendor_takes(openai: OpenAIServer) -> None:
    openai.most_inputs = 32
    embedder = registry.embedder("openai_compatible", "bge", "", openai.base_url, size=48)
    found = embedder.embed_documents([f"text {i}" for i in range(100)])
    assert [len(request.body["input"]) for request in openai.requests] == [32, 32, 32, 4]
    assert (embedder.size, len(found.vectors), found.usage.input_tokens, found.usage.exact) == (48, 100, 200, True)
    with MistralServer() as mistral:
        mistral_embedder = registry.embedder("mistral", "mistral-embed", KEY, mistral.base_url)
        long = "word " * 2000
        assert len(mistral_embedder.embed_documents([long] * 20).vectors) == 20


def test_a_chosen_size_is_asked_for(openai: OpenAIServer) -> None:
    embedder = registry.embedder("openai", "text-embedding-3-small", KEY, openai.base_url, size=256)
    assert embedder.space == "openai/text-embedding-3-small/256"
    assert len(embedder.embed_query("hello").vectors[0]) == 256
    assert openai.requests[-1].body["dimensions"] == 256


def test_vectors_of_another_size_are_refused(openai: OpenAIServer) -> None:
    embedder = registry.embedder("openai_compatible", "bge", "", openai.base_url, size=48)
    openai.embed = lambda text, size: [0.5] * 32
    with pytest.raises(ProviderError, match="32 numbers, not 48") as caught:
        embedder.embed_query("hello")
    assert not caught.value.retryable


def test_embeddings_are_retried_and_typed(openai: OpenAIServer) -> None:
    embedder = registry.embedder("openai", "text-embedding-3-small", KEY, openai.base_url)
    openai.then(Script(status=429, headers={"Retry-After": "0.1"}))
    assert len(embedder.embed_query("hello").vectors) == 1
    openai.script = Script(status=401)
    with pytest.raises(ProviderError) as caught:
        embedder.embed_query("hello")
    assert caught.value.code == "bad_key"
    assert KEY not in f"{caught.value!r}{caught.value.detail}"


async def test_a_pinned_name_is_dialled_at_its_address_and_kept_as_host(openai: OpenAIServer) -> None:
    network = Pinned()
    url = openai.base_url.replace("127.0.0.1", network.name)
    model = registry.chat_model("openai_compatible", "m", "", url, network=network)
    text = "".join([item.text async for item in model.stream(ChatRequest([Turn("user", "hi")])) if isinstance(item, Delta)])  # fmt: skip
    assert text == "The answer is forty-two."
    embedder = registry.embedder("openai_compatible", "m", "", url, size=1536, network=network)
    await asyncio.to_thread(embedder.embed_query, "hello")
    assert network.asked == [network.name] * 2
    assert all(request.headers["host"].startswith(network.name) for request in openai.requests)


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1"])
async def test_a_refused_address_is_never_dialled(openai: OpenAIServer, host: str) -> None:
    url = openai.base_url.replace("127.0.0.1", host)

    async def ask() -> None:
        model = registry.chat_model("openai_compatible", "m", "", url, network=Pinned())
        await anext(model.stream(ChatRequest([Turn("user", "hi")])))

    with pytest.raises(ProviderError, match="private address") as caught:
        await ask()
    assert caught.value.code == "address_refused"
    with pytest.raises(ProviderError, match="private address"):
        await asyncio.to_thread(registry.list_models, "openai_compatible", "", url, network=Pinned())
    assert openai.requests == []


async def test_a_redirect_is_not_followed(openai: OpenAIServer) -> None:
    openai.script = Script(status=307, error="", headers={"Location": "http://127.0.0.1:1/secret"})
    model = registry.chat_model("openai_compatible", "m", KEY, openai.base_url)
    with pytest.raises(ProviderError, match="another address") as caught:
        await anext(model.stream(ChatRequest([Turn("user", "hi")])))
    assert caught.value.code == "bad_response"


async def test_a_server_that_takes_the_call_and_says_nothing_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        patience = Patience(stall=0.3, retries=0)
        model = registry.chat_model("openai_compatible", "m", "", url, patience=patience)
        with pytest.raises(ProviderError) as caught:
            await anext(model.stream(ChatRequest([Turn("user", "hi")])))
        assert caught.value.code == "timeout"
        with pytest.raises(ProviderError) as caught:
            await asyncio.to_thread(registry.list_models, "openai_compatible", "", url, patience=patience)
        assert caught.value.code == "timeout"


def test_the_token_estimate_counts_bytes_where_words_are_not_plain() -> None:
    assert len(estimated_spans("the cat")) == 2
    assert len(estimated_spans("aGVsbG8gd29ybGQ")) == 15
    assert len(estimated_spans("東京")) == 6
    assert len(estimated_spans("12345")) == 5
    assert len(estimated_spans("a\n\n\n\nb")) == 3
