"""The model that is there when no vendor is: it answers with the best parts of the passages, word for word.

See choosing.py for what is best. When nothing fits, ``stream`` gives a Finish without any Delta.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from itertools import groupby, pairwise
from typing import Final

from portal.providers.choosing import Quote, choose
from portal.providers.sentences import Unit
from portal.providers.types import ChatRequest, Delta, Finish, StreamItem, Usage

KIND: Final = "quotes"
NOTICE: Final = (
    "*No model is configured, so this quotes your sources word for word. "
    "For written answers, add a model under Govern → Credentials.*"
)

_LONGEST_UNIT: Final = 500


class QuotesModel:
    """A ``ChatModel`` that needs no key and no network."""

    vendor = KIND
    model = KIND

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        question = request.question or next((t.text for t in reversed(request.turns) if t.role == "user"), "")
        chosen = await asyncio.to_thread(choose, question, request.passages)
        if chosen:
            for piece in write(chosen):
                yield Delta(piece)
        yield Finish("stop", Usage(0, 0))


def write(quotes: Sequence[Quote]) -> Iterator[str]:
    """The answer as Markdown, in pieces as a person would read them: a page's title, then each of its quotes."""
    yield NOTICE
    for _, page in groupby(quotes, key=lambda quote: quote.page):
        on_page = list(page)
        yield f"\n\n{_title(on_page)}"
        for (n, kind, lead), block in groupby(on_page, key=lambda q: (q.passage.n, q.unit.kind, q.unit.lead)):
            found = [quote.unit for quote in block]
            if kind == "code":
                yield "\n\n" + _code_block(n, lead, found)
            elif kind == "sentence":
                yield "\n\n" + _prose(n, found)
            else:
                yield "\n\n" + _list(n, lead, found)
    yield "\n"


def _title(on_page: Sequence[Quote]) -> str:
    """The page's title, and the section where all that is quoted of the page stands in one."""
    passage = on_page[0].passage
    title = passage.title or passage.path or "Untitled"
    sections = {quote.heading for quote in on_page}
    section = sections.pop() if len(sections) == 1 else ""
    named = f" › {_escaped(section)}" if section and section.casefold() != title.casefold() else ""
    return f"**{_escaped(title)}**{named}"


def _prose(n: int, found: Sequence[Unit]) -> str:
    """Sentences run on, with … where some are left out."""
    text = _shortened(found[0].text)
    for before, unit in pairwise(found):
        text += (" " if unit.at == before.at + 1 else " … ") + _shortened(unit.text)
    return f"> {text} [{n}]"


def _list(n: int, lead: str, found: Sequence[Unit]) -> str:
    """Items and rows, one a line; steps keep their numbers where none is left out between them."""
    numbers = [int(unit.number or 0) for unit in found]
    counted = numbers[0] > 0 and all(later == before + 1 for before, later in pairwise(numbers))
    marks = [f"{number}." if counted else "-" for number in numbers]
    lines = [f"> {mark} {_shortened(unit.text)}" for mark, unit in zip(marks, found, strict=True)]
    lines[-1] += f" [{n}]"
    return "\n".join([f"> {lead}", ">", *lines] if lead else lines)


def _code_block(n: int, lead: str, found: Sequence[Unit]) -> str:
    blocks = [f"> {lead}"] if lead else []
    return "\n>\n".join([*blocks, *(_code(unit) for unit in found), f"> [{n}]"])


def _code(unit: Unit) -> str:
    fence = "~~~" if "```" in unit.text else "```"
    lines = [f"{fence}{unit.language}", *unit.text.splitlines(), fence]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_UNIT else text[:_LONGEST_UNIT].rsplit(" ", 1)[0] + " …"


def _escaped(title: str) -> str:
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", " ".join(title.split()))
