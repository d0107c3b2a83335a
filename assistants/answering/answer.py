"""One answer, as typed events: condense, search, check, write. Knows nothing of HTTP, sockets or rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing

from assistants.answering import finding, prompts
from assistants.answering.citations import MarkerParser
from assistants.answering.condense import condense
from assistants.answering.events import AnswerEvent, Asked, Cited, Finished, Passages, Step, Token
from assistants.answering.spec import AssistantSpec, Meter, Reader, Said
from assistants.answering.tabling import can_be_asked, consult, to_read
from datasources.reading import ReadablePassage
from datasources.scope import Scope
from portal.providers.types import ChatRequest, Delta

NEAREST = 3


async def answer(
    spec: AssistantSpec, turns: Sequence[Said], reader: Reader, meter: Meter | None = None
) -> AsyncIterator[AnswerEvent]:
    """Answer the last question of ``turns``; what stands after it, others have answered to it already.

    ``meter`` gets every model call, also of an answer that breaks off.

    Raises ProviderError (also in the middle: what was yielded stands) and IndexUnavailable.
    """
    meter = meter or Meter()
    at = max(n for n, turn in enumerate(turns) if turn.role == "user")
    history, asked, others = turns[:at], turns[at], turns[at + 1 :]
    question = asked.text.strip()
    if reader.reads_nothing and not spec.writes:
        yield Token(
            "This assistant was given no sources to read, and no model is configured that could write an answer without "
            "them. Give it knowledge, or ask an admin to add a model under Govern → Credentials."
        )
        yield Finished(found=False)
        return
    query = "" if reader.reads_nothing else asked.query or question
    if history and query:
        if spec.writes:
            yield Step("condense", "Reading the conversation")
        query = await condense(spec, history, query, meter)
    passages: Sequence[ReadablePassage] = ()
    tables: Asked | None = None
    if query:
        yield Step("search", finding.looking(reader.scope, spec))
        found = await finding.find(reader, query, spec)
        if spec.queries_tables and spec.writes and not reader.scope.empty:
            nodes = [passage.node for passage in found.passages]
            async for event in consult(spec, reader.tables, question, query, nodes, meter):
                if isinstance(event, Asked):
                    tables = event
                else:
                    yield event
        if tables is None and (not found.relevant or spec.retrieval == "tables"):
            nearest = await finding.nearest(reader, found, spec)
            async for nothing in _nothing(reader.scope, nearest, spec=spec, hint=await _hint(spec, reader, nearest)):
                yield nothing
            return
        described = await reader.tables.passages(tables.sheets) if tables else ()
        beside = found.passages if found.relevant and spec.retrieval != "tables" else ()
        passages = to_read(described, beside, finding.most(spec))
        yield Passages(tuple(passages), relevant=True, asked=tuple(range(1, len(described) + 1)))
        if tables is not None:
            yield tables
        yield Step("read", finding.reading(found, len(passages), spec))
    request = prompts.answering(spec, history, question, query, passages, tables, others)
    async for told in _written(spec, request, passages, reader, meter):
        yield told


async def _hint(
    spec: AssistantSpec, reader: Reader, passages: Sequence[ReadablePassage]
) -> Callable[[Sequence[ReadablePassage]], tuple[str, list[int]]]:
    """What to say of tables among the passages where no model writes SQL, once it is known which are shown."""
    if not spec.queries_tables or spec.writes:
        return lambda shown: ("", [])
    nodes = {passage.node for passage in passages}
    sheets = [sheet for sheet in await reader.tables.fitting(list(nodes)) if sheet.node in nodes]
    return lambda shown: can_be_asked(sheets, shown)


async def _written(
    spec: AssistantSpec, request: ChatRequest, passages: Sequence[ReadablePassage], reader: Reader, meter: Meter
) -> AsyncIterator[AnswerEvent]:
    call = await meter.open("answer", spec.chat, request)
    parser = MarkerParser(len(passages))
    finished = Finished()
    async with aclosing(call.stream()) as stream:
        async for item in stream:
            if isinstance(item, Delta):
                call.written += len(item.text)
                text, cited = parser.feed(item.text)
            else:
                call.usage = item.usage
                finished = Finished(length=item.reason == "length", filtered=item.reason == "content_filter")
                text, cited = parser.close()
            if text:
                yield Token(text)
            for n in cited:
                yield Cited(n)
    if not call.written and not spec.writes:
        # No sentence of the passages fits the question: quoting noise helps nobody.
        hint = await _hint(spec, reader, passages)
        async for event in _nothing(reader.scope, tuple(passages), spec=spec, told=True, hint=hint):
            yield event
        return
    words, numbers = (await _hint(spec, reader, passages))(passages)
    if words:
        yield Token(words)
        for n in numbers:
            if n not in parser.cited:
                yield Cited(n)
    yield finished


async def _nothing(
    scope: Scope,
    nearest: Sequence[ReadablePassage],
    *,
    spec: AssistantSpec,
    told: bool = False,
    hint: Callable[[Sequence[ReadablePassage]], tuple[str, list[int]]] = lambda shown: ("", []),
) -> AsyncIterator[AnswerEvent]:
    """One plain sentence, and the nearest sources. ``told``: the passages were announced before."""
    if scope.empty and scope.narrowed:
        yield Token(
            "What this question was narrowed to lies outside what I search for you, so there is nothing to answer from. "
            "Ask it without narrowing, or narrow it to another place."
        )
        yield Finished(found=False)
        return
    if scope.empty:
        what = "any of the sources that this assistant searches" if scope.missing else "any sources yet"
        yield Token(f"You may not read {what}, so there is nothing to answer from.")
        yield Finished(found=False)
        return
    best = _best_of_each_document(nearest) if not told else tuple(nearest)
    if not told:
        yield Passages(best, relevant=False)
    shown = range(1, min(NEAREST, len(best)) + 1)
    what = "no table" if spec.retrieval == "tables" else "nothing"
    text = f"I found {what} in {searched(scope)} that answers this."
    if shown:
        text += " The nearest that I came across: " + " ".join(f"[{n}]" for n in shown) + "."
    words, numbers = hint(best)
    yield Token(text + words)
    for n in dict.fromkeys([*shown, *numbers]):
        yield Cited(n)
    yield Finished(found=False)


def _best_of_each_document(passages: Sequence[ReadablePassage]) -> tuple[ReadablePassage, ...]:
    first: dict[object, ReadablePassage] = {}
    for passage in passages:
        first.setdefault(passage.node, passage)
    return tuple(first.values())[:NEAREST]


def searched(scope: Scope) -> str:
    return (
        f"the {finding.places(scope)} that I searched"
        if max(len(scope.sources), scope.folders) > 1
        else "what I searched"
    )
