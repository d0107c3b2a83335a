"""What ``answer`` yields, in order. Whoever runs it numbers these, writes them down and passes them on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from datasources.reading import ReadablePassage
from datasources.reading_tables import Sheet
from datasources.tables import Result

StepKind = Literal["condense", "search", "tables", "read", "write"]


@dataclass(frozen=True, slots=True)
class Step:
    """What is being done, in words for a person: "Searching 2 folders". Holds counts, never titles."""

    kind: StepKind
    text: str


@dataclass(frozen=True, slots=True)
class Passages:
    """What the model reads, numbered from 1 in this order; not ``relevant``: the nearest there is, and no answer.

    ``asked``: numbers of those whose tables were asked. All of the answer rests on these, whatever it cites.
    """

    passages: tuple[ReadablePassage, ...]
    relevant: bool
    asked: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """Tables were asked by SQL: what came back, or why nothing did (then ``result`` is None)."""

    sheets: tuple[Sheet, ...]
    sql: str
    result: Result | None
    error: str = ""
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """Some more of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """The answer cites passage ``n`` for the first time."""

    n: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event. ``length``: the model's own limit cut the answer; ``filtered``: the vendor's filter did."""

    found: bool = True
    length: bool = False
    filtered: bool = False


AnswerEvent = Step | Passages | Asked | Token | Cited | Finished
