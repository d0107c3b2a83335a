"""Typed events handled inside the transaction that sends them, so that lower floors never import higher ones.

A handler that raises undoes the deed: it is part of it. What may fail by itself belongs into ``transaction.on_commit``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

Event = TypeVar("Event")
_handlers: dict[type, list[Callable[[Any], None]]] = defaultdict(list)


@dataclass(frozen=True, slots=True)
class WorkspaceMade:
    workspace: UUID


@dataclass(frozen=True, slots=True)
class MemberLeft:
    """``hand_over_to``: the user who takes what only the one who left looked after; none: it stays without anybody."""

    workspace: UUID
    user: int
    by: int | None
    hand_over_to: int | None = None


@dataclass(frozen=True, slots=True)
class VettingDaysChanged:
    """How long vettings last in this workspace; what stands is read from its row."""

    workspace: UUID


@dataclass(frozen=True, slots=True)
class SourceBroken:
    source: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class SourceRemoved:
    workspace: UUID
    source: UUID


@dataclass(frozen=True, slots=True)
class CredentialRemoved:
    workspace: UUID
    credential: UUID


@dataclass(frozen=True, slots=True)
class BudgetChanged:
    """A budget was made, changed or removed: what waits for one may go on."""

    workspace: UUID


@dataclass(frozen=True, slots=True)
class AnswerJudged:
    """Somebody gave a thumb to an answer of this assistant, changed it or took it back."""

    workspace: UUID
    assistant: UUID


@dataclass(frozen=True, slots=True)
class KeysTurned:
    """Higher floors encrypt what they keep with the newest key, too, and add its names: what was done, and what can't be read."""

    done: list[str]
    lost: list[str]


def handles(event: type[Event]) -> Callable[[Callable[[Event], None]], Callable[[Event], None]]:
    """Decorator: call the function for each event of this type. Import the module in the app's ``ready``."""

    def register(handler: Callable[[Event], None]) -> Callable[[Event], None]:
        if handler not in _handlers[event]:
            _handlers[event].append(handler)
        return handler

    return register


def send(event: object) -> None:
    for handler in _handlers[type(event)]:
        handler(event)
