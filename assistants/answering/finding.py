"""What an answer is written from: passages that fit the question, the newest ones, or tables alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from assistants.answering import prompts
from assistants.answering.spec import AssistantSpec, ReadablePassage, Reader
from datasources.reading import Results
from datasources.retrieval.types import IndexUnavailable
from datasources.scope import Scope

PASSAGES, NEWEST_PASSAGES = 8, 60
SEARCH_SECONDS = 30


def most(spec: AssistantSpec) -> int:
    """How many passages one answer reads."""
    return NEWEST_PASSAGES if spec.retrieval == "newest" else PASSAGES


async def find(reader: Reader, query: str, spec: AssistantSpec) -> Results:
    """Of an assistant that asks tables only, what is found tells which tables to ask first. Raises IndexUnavailable."""
    tokens = prompts.passage_budget(spec)
    try:
        async with asyncio.timeout(SEARCH_SECONDS):
            if spec.retrieval == "newest":
                return await reader.newest(limit=NEWEST_PASSAGES, tokens=tokens)
            return await reader.search(query, limit=PASSAGES, tokens=tokens)
    except TimeoutError:
        raise IndexUnavailable(f"The search took more than {SEARCH_SECONDS} seconds. Try again in a moment.") from None


async def nearest(reader: Reader, found: Results, spec: AssistantSpec) -> Sequence[ReadablePassage]:
    """What to show where nothing answers; of an assistant that asks tables only, what describes the first of them."""
    if spec.retrieval != "tables" or reader.scope.empty:
        return found.passages
    sheets = await reader.tables.fitting([passage.node for passage in found.passages], others=True)
    return await reader.tables.passages(sheets)


def looking(scope: Scope, spec: AssistantSpec) -> str:
    """What is being done, in words."""
    if scope.empty:
        return "Looking for sources that you may read"
    if spec.retrieval == "newest":
        return f"Taking the newest of {places(scope)}"
    return f"Looking for tables in {places(scope)}" if spec.retrieval == "tables" else f"Searching {places(scope)}"


def reading(found: Results, number: int, spec: AssistantSpec) -> str:
    documents = len({passage.node for passage in found.passages})
    if spec.retrieval == "newest" and documents:
        return f"Reading {counted(number, 'passage')} of the {counted(documents, 'newest document')}"
    return f"Reading {counted(number, 'passage')}"


def places(scope: Scope) -> str:
    if scope.folders and scope.folders >= len(scope.sources):
        return counted(scope.folders, "folder")
    return counted(len(scope.sources), "source")


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
