"""A question to tables: whether any fit, the SQL that the model writes, its result, and one repair where it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import structlog

from assistants.answering import prompts, table_prompts
from assistants.answering.condense import said_by
from assistants.answering.events import Asked, Step
from assistants.answering.spec import AssistantSpec, Meter, ReadablePassage, Sheet, Tables
from datasources.tables import Limits, SqlError, TablesUnavailable
from portal.providers.errors import ProviderError
from portal.providers.types import ChatRequest

log = structlog.get_logger(__name__)

SECONDS = 60
LIMITS = Limits(seconds=15.0, rows=200, cell_chars=500, columns=50, result_bytes=200_000)
"""Of a result that stands in an answer: it is kept with the answer's events."""
_LONGEST_SQL = 6_000
_MOST_NAMED = 3
_CHARACTERS = 6
"""Of schemas, for each token that passages may take."""


async def consult(
    spec: AssistantSpec, tables: Tables, question: str, query: str, nodes: Sequence[UUID], meter: Meter
) -> AsyncIterator[Step | Asked]:
    """Steps, and at the end what came of it; no Asked where no table fits. ``nodes``: of the passages that were found.

    Whatever goes wrong here leaves the passages to answer from.
    """
    offered = await tables.fitting(nodes, others=spec.retrieval == "tables")
    sheets = table_prompts.within(offered, prompts.passage_budget(spec) * _CHARACTERS)
    if not sheets:
        return
    yield Step("tables", f"Looking at {_counted(len(sheets))}")
    request = table_prompts.writing_sql(question, query, sheets)
    sql = await _written(spec, request, meter)
    if not sql or not (used := table_prompts.used_in(sql, sheets)):
        return
    yield Step("tables", f"Asking {_counted(len(used))}")
    asked, repairable = await _asked(tables, used, sql)
    if repairable:
        yield Step("tables", "Correcting the query")
        again = await _written(spec, table_prompts.repairing(request, sql, asked.error), meter)
        if again and again != sql and (used := table_prompts.used_in(again, sheets)):
            asked, _ = await _asked(tables, used, again, repaired=True)
    yield asked


async def _asked(tables: Tables, used: tuple[Sheet, ...], sql: str, *, repaired: bool = False) -> tuple[Asked, bool]:
    """What came of it, and whether writing it anew may help."""
    try:
        return Asked(used, sql, await tables.ask(used, sql, LIMITS), "", repaired), False
    except SqlError as error:
        return Asked(used, sql, None, str(error), repaired), True
    except TablesUnavailable as error:
        return Asked(used, sql, None, str(error), repaired), False


async def _written(spec: AssistantSpec, request: ChatRequest, meter: Meter) -> str:
    try:
        async with asyncio.timeout(SECONDS):
            reply = await said_by(spec.chat, "sql", request, meter, longest=_LONGEST_SQL)
    except (ProviderError, TimeoutError) as error:
        log.warning("writing SQL failed", vendor=spec.chat.vendor, error=str(error))
        return ""
    return table_prompts.query_in(reply)


def to_read(described: Sequence[ReadablePassage], found: Sequence[ReadablePassage], most: int) -> list[ReadablePassage]:
    """The passages to answer from: those that describe the tables asked, then the others, none twice."""
    places = {(passage.node, passage.start) for passage in described}
    return [*described, *(p for p in found if (p.node, p.start) not in places)][: max(most, len(described))]


def can_be_asked(sheets: Sequence[Sheet], passages: Sequence[ReadablePassage]) -> tuple[str, list[int]]:
    """Where no model writes SQL: a sentence that says who can, citing the tables' passages, and their numbers."""
    cited: dict[str, int] = {}
    for sheet in sheets:
        if n := next((n for n, passage in enumerate(passages, 1) if passage.node == sheet.node), 0):
            cited.setdefault(sheet.title, n)
    named = list(cited.items())[:_MOST_NAMED]
    if not named:
        return "", []
    words = ", ".join(f"“{title}” [{n}]" for title, n in named)
    many = "s" if len(named) > 1 else ""
    return f"\n\nThe table{many} {words} can be asked by SQL on the Tables page.", [n for _, n in named]


def _counted(number: int) -> str:
    return f"{number} table{'' if number == 1 else 's'}"
