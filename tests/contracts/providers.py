"""What every model must do, whoever makes it. Each implementation's test class subclasses one of these."""

from __future__ import annotations

import inspect
import math

import pytest

from portal.providers.types import ChatModel, ChatRequest, Delta, Embedder, Finish, Passage, Turn

QUESTION = "How many days of leave does a new colleague get?"
REQUEST = ChatRequest(
    turns=[Turn("system", "Answer from the passages."), Turn("user", QUESTION)],
    passages=[Passage(1, "Leave", "Allowance", "A new colleague gets 25 days of leave in a year.", node="n1")],
    question=QUESTION,
)


class ChatModelContract:
    """Give a fixture ``model``: a ChatModel that has an answer to ``REQUEST``."""

    async def test_it_names_its_vendor_and_model(self, model: ChatModel) -> None:
        assert model.vendor
        assert model.model

    async def test_a_stream_is_deltas_and_then_one_finish(self, model: ChatModel) -> None:
        items = [item async for item in model.stream(REQUEST)]
        assert len(items) > 1
        assert all(isinstance(item, Delta) and item.text for item in items[:-1])
        finish = items[-1]
        assert isinstance(finish, Finish)
        assert finish.reason == "stop"
        assert finish.usage.input_tokens >= 0

    async def test_the_same_model_streams_twice(self, model: ChatModel) -> None:
        texts = [
            "".join([item.text async for item in model.stream(REQUEST) if isinstance(item, Delta)]) for _ in range(2)
        ]
        assert texts[0] == texts[1] != ""

    async def test_closing_early_ends_it_without_an_error(self, model: ChatModel) -> None:
        stream = model.stream(REQUEST)
        assert isinstance(await anext(stream), Delta)
        assert inspect.isasyncgen(stream)
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


class EmbedderContract:
    """Give a fixture ``embedder``."""

    TEXTS = ("Leave is 25 days a year.", "", "Straße 東京 🙂 café", "x" * 400, "Leave is 25 days a year.")

    def test_it_gives_one_vector_of_its_size_and_of_length_one_for_each_text(self, embedder: Embedder) -> None:
        found = embedder.embed_documents(self.TEXTS)
        assert [len(vector) for vector in found.vectors] == [embedder.size] * len(self.TEXTS)
        for vector in found.vectors:
            assert math.isclose(math.hypot(*vector), 1, abs_tol=1e-5)
        assert found.usage.input_tokens > 0

    def test_no_texts_give_no_vectors(self, embedder: Embedder) -> None:
        assert embedder.embed_documents([]).vectors == []

    def test_vectors_come_in_the_order_of_the_texts_whatever_the_batch(self, embedder: Embedder) -> None:
        texts = [f"{'word ' * (i * 7 % 40)}number {i}" for i in range(40)]
        together = embedder.embed_documents(texts).vectors
        for i in (0, 7, 39):
            alone = embedder.embed_documents([texts[i]]).vectors[0]
            assert alone == pytest.approx(together[i], abs=1e-5)

    def test_a_query_and_the_same_document_are_near(self, embedder: Embedder) -> None:
        (query,) = embedder.embed_query("Leave is 25 days a year.").vectors
        (document,) = embedder.embed_documents(["Leave is 25 days a year."]).vectors
        assert sum(a * b for a, b in zip(query, document, strict=True)) > 0.9

    def test_its_space_names_vendor_model_and_size(self, embedder: Embedder) -> None:
        assert embedder.space == f"{embedder.vendor}/{embedder.model}/{embedder.size}"

    def test_spans_lie_in_the_text_and_in_order(self, embedder: Embedder) -> None:
        text = "Überstunden: 12 % mehr—naïve 東京 🙂👍🏽, see `config.yml`\n\n- don't"
        spans = embedder.token_spans(text)
        assert all(0 <= start < end <= len(text) for start, end in spans)
        assert spans == sorted(spans)
        covered = {at for start, end in spans for at in range(start, end)}
        assert {at for at, letter in enumerate(text) if letter.isalnum()} <= covered

    def test_spans_never_count_fewer_than_the_words(self, embedder: Embedder) -> None:
        text = "A new colleague gets twenty-five days of leave in a year."
        assert len(embedder.token_spans(text)) >= len(text.split())
        assert embedder.token_spans("") == []

    def test_a_text_past_the_window_is_embedded_by_its_beginning(self, embedder: Embedder) -> None:
        sentence = "The quick brown fox jumps over the lazy dog. "
        text = sentence * (2 * embedder.window // 5)
        spans = embedder.token_spans(text)
        assert len(spans) > embedder.window
        beginning = text[: spans[embedder.window - 1][1]]
        whole, cut = embedder.embed_documents([text, beginning]).vectors
        assert whole == pytest.approx(cut, abs=1e-5)
