"""What people want to know, asked once for real: by the way that every question goes, with passages that are there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from assistants import conversations
from assistants.models import Assistant, Message
from gallery.demo.company import Company

AT_ONCE = 4
PATIENCE = 60.0
"""Seconds for which one answer is waited for."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing that people want to know of one assistant, and the real answer to it."""

    assistant: Assistant
    words: tuple[str, ...]
    answer: Message


def answered(
    company: Company,
    told: Mapping[str, Any],
    assistants: Mapping[str, Assistant],
    questions: Mapping[str, list[list[str]]],
) -> list[Topic]:
    """Every first wording is asked for real, some at once. Raises TimeoutError where no answer comes, ValidationError where one breaks off."""
    waiting: list[tuple[Assistant, list[str], Message]] = []
    topics: list[Topic] = []
    wanted = [(handle, words) for handle, lists in questions.items() for words in lists]
    for number, (handle, words) in enumerate(wanted):
        if number % 25 == 0:
            company.say(f"Asking: {number} of {len(wanted)} questions…")
        # By somebody who reads no more than the others who ask it, so that all of them may see what it cites.
        asker = company.members[next(iter(told[handle]["asked_by"]))]
        _, answer = conversations.ask(asker, None, words[0], assistant=assistants[handle])
        waiting.append((assistants[handle], words, answer))
        if len(waiting) >= AT_ONCE:
            topics += _ended(waiting)
    return topics + _ended(waiting)


def _ended(waiting: list[tuple[Assistant, list[str], Message]]) -> list[Topic]:
    deadline = time.monotonic() + PATIENCE
    keys = [answer.pk for _, _, answer in waiting]
    while Message.objects.filter(pk__in=keys, status__in=Message.OPEN).exists():
        if time.monotonic() > deadline:
            raise TimeoutError("The demo's questions are not answered. Look at the log, and try again.")
        time.sleep(0.02)
    found = Message.objects.select_related("conversation", "parent").in_bulk(keys)
    if broken := next((one for one in found.values() if one.status != Message.Status.COMPLETED), None):
        raise ValidationError(f"A question of the demo could not be answered: {broken.error_detail}")
    topics = [Topic(assistant, tuple(words), found[answer.pk]) for assistant, words, answer in waiting]
    waiting.clear()
    return topics
