"""Answers, as an async iterator of typed events."""

from .answer import answer
from .events import AnswerEvent, Asked, Cited, Finished, Passages, Step, Token
from .spec import AssistantSpec, Call, Meter, Reader, Said

__all__ = [
    "AnswerEvent",
    "Asked",
    "AssistantSpec",
    "Call",
    "Cited",
    "Finished",
    "Meter",
    "Passages",
    "Reader",
    "Said",
    "Step",
    "Token",
    "answer",
]
