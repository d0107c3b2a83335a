"""Streams that go wrong, and what a person is told."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from portal.providers import registry
from portal.providers.errors import ProviderError
from portal.providers.transport import Patience
from portal.providers.types import ChatModel, ChatRequest, Delta, Finish, Turn
from tests.vendors import anthropic as anthropic_vendor
from tests.vendors import mistral as mistral_vendor
from tests.vendors import openai as openai_vendor
from tests.vendors.anthropic import AnthropicServer
from tests.vendors.mistral import MistralServer
from tests.vendors.openai import OpenAIServer
from tests.vendors.server import Script, VendorServer

KEY = "sk-test-0123456789abcdefghijklmnop"
ONCE = Patience(stall=0.4, retries=0)
REQUEST = ChatRequest([Turn("user", "How are you?")])
SERVERS: dict[str, type[VendorServer]] = {
    "openai": OpenAIServer,
    "mistral": MistralServer,
    "anthropic": AnthropicServer,
}


@pytest.fixture(autouse=True)
async def _closed() -> AsyncIterator[None]:
    yield
    await registry.aclose_all()


@pytest.fixture(params=SERVERS)
def vendor(request: pytest.FixtureRequest) -> Iterator[tuple[str, VendorServer]]:
    with SERVERS[request.param]() as server:
        yield request.param, server


@pytest.fixture
def openai() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


def chat(kind: str, server: VendorServer, patience: Patience = ONCE) -> ChatModel:
    return registry.chat_model(kind, "some-model", KEY, server.base_url, patience=patience)


async def run(model: ChatModel, request: ChatRequest = REQUEST) -> tuple[str, Finish | ProviderError]:
    """The text that came, and how it ended."""
    text = ""
    try:
        async for item in model.stream(request):
            if isinstance(item, Finish):
                return text, item
            text += item.text
    except ProviderError as error:
        return text, error
    raise AssertionError("The stream ended without a Finish")


async def failed(model: ChatModel) -> ProviderError:
    _, end = await run(model)
    assert isinstance(end, ProviderError)
    return end


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (401, "bad_key", False),
        (403, "no_access", False),
        (404, "model_not_found", False),
        (429, "rate_limited", True),
        (500, "unavailable", True),
        (503, "unavailable", True),
        (529, "unavailable", True),
    ],
)
async def test_a_refusal_becomes_a_typed_error(
    vendor: tuple[str, VendorServer], status: int, code: str, retryable: bool
) -> None:
    kind, server = vendor
    server.script = Script(status=status)
    error = await failed(chat(kind, server))
    assert (error.code, error.retryable) == (code, retryable)
    assert str(error).endswith((".", "”"))


@pytest.mark.parametrize(
    ("kind", "status", "body", "code"),
    [
        ("openai", 429, openai_vendor.QUOTA, "quota"),
        ("openai", 400, openai_vendor.TOO_LONG, "context_too_long"),
        ("openai", 400, openai_vendor.FILTERED, "content_filter"),
        ("mistral", 400, mistral_vendor.TOO_LONG, "context_too_long"),
        ("mistral", 400, mistral_vendor.INVALID_MODEL, "model_not_found"),
        ("anthropic", 400, anthropic_vendor.TOO_LONG, "context_too_long"),
        ("anthropic", 400, anthropic_vendor.NO_CREDIT, "quota"),
        ("openai", 400, {"error": {"message": "Invalid value: 'x'."}}, "bad_request"),
        ("openai", 502, "<html>Bad gateway</html>", "unavailable"),
        ("openai", 302, "", "bad_response"),
    ],
)
async def test_what_the_vendor_says_decides_the_code(kind: str, status: int, body: Any, code: str) -> None:
    with SERVERS[kind](Script(status=status, error=body)) as server:
        error = await failed(chat(kind, server))
    assert error.code == code


async def test_a_quota_is_not_retried(openai: OpenAIServer) -> None:
    openai.script = Script(status=429, error=openai_vendor.QUOTA)
    error = await failed(chat("openai", openai, Patience(retries=2)))
    assert error.code == "quota"
    assert not error.retryable
    assert len(openai.requests) == 1


async def test_silence_becomes_a_timeout_and_what_came_before_stays(vendor: tuple[str, VendorServer]) -> None:
    kind, server = vendor
    server.script = Script(text="one two three four", stall_after=2)
    text, end = await run(chat(kind, server))
    assert text == "one two"
    assert isinstance(end, ProviderError)
    assert (end.code, end.retryable) == ("timeout", True)
    assert "0.4 seconds" in str(end)


async def test_silence_before_the_first_token_is_a_timeout_too(vendor: tuple[str, VendorServer]) -> None:
    kind, server = vendor
    server.script = Script(stall_after=0)
    assert (await failed(chat(kind, server))).code == "timeout"


async def test_a_cut_connection_becomes_a_dropped_stream(vendor: tuple[str, VendorServer]) -> None:
    kind, server = vendor
    server.script = Script(text="one two three four", break_after=2)
    text, end = await run(chat(kind, server, Patience(retries=2)))
    assert text == "one two"
    assert isinstance(end, ProviderError)
    assert end.code == "dropped_stream"
    assert len(server.requests) == 1  # never tried again once text was out


async def test_an_answer_without_its_end_is_a_dropped_stream(vendor: tuple[str, VendorServer]) -> None:
    kind, server = vendor
    server.script = Script(text="one two", finish=None, end_mark=False)
    text, end = await run(chat(kind, server))
    assert text == "one two"
    assert isinstance(end, ProviderError)
    assert end.code == "dropped_stream"


@pytest.mark.parametrize("garbage", [b"data: {this is not json\n\n", b'data: ["a"]\n\n', b'data: {"choices": 7, "type": 7}\n\n', b"data: \xff\xfe\n\n"])  # fmt: skip
async def test_garbage_in_the_stream_is_a_bad_response(vendor: tuple[str, VendorServer], garbage: bytes) -> None:
    kind, server = vendor
    server.script = Script(text="one two three", garbage_after=2, garbage=garbage)
    text, end = await run(chat(kind, server))
    assert text == "one two"
    assert isinstance(end, ProviderError)
    assert end.code == "bad_response"


async def test_a_page_instead_of_events_is_a_bad_response(openai: OpenAIServer) -> None:
    openai.script = Script(
        tokens=1, garbage_after=0, garbage=b"<html>Welcome</html>\n", finish=None, end_mark=False, usage=False
    )
    openai.event = lambda piece: b""  # type: ignore[method-assign]
    openai.opening = lambda body: b""  # type: ignore[method-assign]
    assert (await failed(chat("openai", openai))).code == "bad_response"


async def test_an_error_event_in_the_stream_is_typed(vendor: tuple[str, VendorServer]) -> None:
    kind, server = vendor
    server.script = Script(text="one two three", error_after=2)
    text, end = await run(chat(kind, server))
    assert text == "one two"
    assert isinstance(end, ProviderError)
    assert end.code == "unavailable"


async def test_a_filtered_answer_is_an_error_when_nothing_was_written(openai: OpenAIServer) -> None:
    openai.script = Script(text="some text", finish="content_filter")
    text, end = await run(chat("openai", openai))
    assert text == "some text"
    assert isinstance(end, Finish)
    assert end.reason == "content_filter"
    openai.event = lambda piece: b""  # type: ignore[method-assign]
    assert (await failed(chat("openai", openai))).code == "content_filter"


async def test_the_length_limit_is_told(vendor: tuple[str, VendorServer]) -> None:
    kind, server = vendor
    server.script = Script(finish="max_tokens" if kind == "anthropic" else "length")
    _, end = await run(chat(kind, server))
    assert isinstance(end, Finish)
    assert end.reason == "length"


@pytest.mark.parametrize("wait", ["7", "date"])
async def test_the_vendors_own_wait_is_kept(vendor: tuple[str, VendorServer], wait: str) -> None:
    kind, server = vendor
    value = format_datetime(datetime.now(UTC) + timedelta(seconds=8), usegmt=True) if wait == "date" else wait
    server.script = Script(status=429, headers={"Retry-After": value})
    error = await failed(chat(kind, server, Patience(retries=2, longest_wait=1)))
    assert error.retry_after == pytest.approx(7, abs=1.1)
    assert "seconds" in str(error)
    assert len(server.requests) == 1  # seven seconds are more than we wait by ourselves


async def test_a_short_wait_is_waited_and_the_call_made_again(vendor: tuple[str, VendorServer]) -> None:
    kind, server = vendor
    server.then(Script(status=429, headers={"Retry-After": "0.3"}), Script(status=503))
    started = asyncio.get_running_loop().time()
    text, end = await run(chat(kind, server, Patience(retries=2)))
    assert text == "The answer is forty-two."
    assert isinstance(end, Finish)
    assert len(server.requests) == 3
    assert asyncio.get_running_loop().time() - started > 0.3


async def test_retries_are_bounded(openai: OpenAIServer) -> None:
    openai.script = Script(status=503, headers={"Retry-After": "0"})
    assert (await failed(chat("openai", openai, Patience(retries=2)))).code == "unavailable"
    assert len(openai.requests) == 3


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    model = registry.chat_model("openai", "m", KEY, "http://127.0.0.1:9/v1", patience=ONCE)
    error = await failed(model)
    assert error.code == "unavailable"
    assert "cannot be reached" in str(error)


async def test_refused_parameters_are_left_out_and_remembered(openai: OpenAIServer) -> None:
    openai.refused_parameters = {"temperature", "stream_options", "max_tokens"}
    request = ChatRequest([Turn("user", "hi")], temperature=0.2, max_output_tokens=9)
    model = chat("openai_compatible", openai)
    text, end = await run(model, request)
    assert text == "The answer is forty-two."
    assert isinstance(end, Finish)
    assert not end.usage.exact
    assert len(openai.requests) == 4
    await run(chat("openai_compatible", openai), request)
    assert len(openai.requests) == 5


async def test_what_is_sent(openai: OpenAIServer) -> None:
    request = ChatRequest([Turn("system", "s"), Turn("user", "u")], temperature=0.2, max_output_tokens=9)
    await run(chat("openai", openai), request)
    assert openai.requests[0].body == {
        "model": "some-model",
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.2,
        "max_completion_tokens": 9,
    }
    assert openai.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_no_key_sends_none(openai: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-operator")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-operator")
    await run(registry.chat_model("openai_compatible", "m", "", openai.base_url))
    assert "authorization" not in openai.requests[0].headers
    assert "openai-organization" not in openai.requests[0].headers


async def test_anthropics_turns_alternate_and_its_system_is_apart() -> None:
    turns = [Turn("system", "Be brief."), Turn("assistant", "Hello."), Turn("user", "One."), Turn("user", "Two."), Turn("assistant", " ")]  # fmt: skip
    with AnthropicServer() as server:
        _, end = await run(chat("anthropic", server), ChatRequest(turns, temperature=0.5))
        assert isinstance(end, Finish)
        body = server.requests[0].body
    assert body["system"] == "Be brief."
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][-1]["content"] == "One.\n\nTwo."
    assert body["max_tokens"] > 0


async def test_usage_is_the_vendors_or_an_estimate(vendor: tuple[str, VendorServer]) -> None:
    kind, server = vendor
    _, end = await run(chat(kind, server))
    assert isinstance(end, Finish)
    assert (end.usage.input_tokens, end.usage.output_tokens, end.usage.exact) == (3, 4, True)


async def test_closing_the_stream_closes_the_connection(vendor: tuple[str, VendorServer]) -> None:
    kind, server = vendor
    server.script = Script(tokens=1000, delay=0.02)
    stream = chat(kind, server).stream(REQUEST)
    assert isinstance(await anext(stream), Delta)
    assert server.open_streams == 1
    await stream.aclose()  # type: ignore[attr-defined]
    for _ in range(100):
        if not server.open_streams:
            break
        await asyncio.sleep(0.02)
    assert server.open_streams == 0


async def test_a_cancelled_answer_closes_the_connection(openai: OpenAIServer) -> None:
    openai.script = Script(tokens=1000, delay=0.02)
    task = asyncio.create_task(run(chat("openai", openai)))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.2)
    assert openai.open_streams == 0


async def test_characters_cut_between_packets_arrive_whole(openai: OpenAIServer) -> None:
    text = "Straße 東京 🙂👍🏽 naïve " * 2000
    openai.script = Script(text=lambda body: text.strip())
    written, end = await run(chat("openai", openai))
    assert isinstance(end, Finish)
    assert written == text.strip()


@pytest.mark.parametrize("status", [200, 400, 401, 500])
async def test_the_key_is_nowhere(
    vendor: tuple[str, VendorServer], status: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, server = vendor
    monkeypatch.setenv("MISTRAL_DEBUG", "1")
    caplog.set_level(logging.DEBUG)
    body = {"error": {"message": f"Incorrect API key provided: {KEY}, Bearer {KEY}", "code": ""}}
    server.script = Script(status=status, error=body, break_after=1)
    model = chat(kind, server)
    _, error = await run(model)
    assert isinstance(error, ProviderError)
    chain: BaseException | None = error
    while chain is not None:
        assert KEY not in f"{chain!r} {chain} {vars(chain)}"
        chain = chain.__cause__ or chain.__context__
    assert KEY not in repr(model)
    assert KEY not in repr(vars(model))
    assert KEY not in caplog.text


def test_an_error_survives_pickling() -> None:
    error = ProviderError("Wait.", code="rate_limited", retry_after=3, detail="slow down")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.code, copy.retryable, copy.retry_after, copy.detail) == ("Wait.", "rate_limited", True, 3, "slow down")  # fmt: skip


async def test_connections_are_used_again(openai: OpenAIServer) -> None:
    for _ in range(3):
        await run(chat("openai", openai))
    from portal.providers.transport import OPEN, transports

    connector: Any = transports.waiting(OPEN).session().connector
    assert sum(len(idle) for idle in connector._conns.values()) == 1
