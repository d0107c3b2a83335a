"""The whole demo, in the order in which a company would live it."""

from __future__ import annotations

from collections.abc import Callable

from gallery.demo import asking, company, lives, told, use
from gallery.demo.company import Company
from gallery.demo.dates import Calendar, in_order, no_mail
from gallery.marketplace import built_in


def make(calendar: Calendar, say: Callable[[str], None] = lambda words: None, share: float = 1.0) -> Company:
    """``share`` of the questions and of the use, for tests. Raises ValidationError or TimeoutError with a sentence."""
    made = Company(calendar, say)
    with no_mail():
        _live(made, share)
    return made


def _live(made: Company, share: float) -> None:
    built_in.sync()
    company.settle(made)
    company.connect(made)
    assistants = told.read("assistants")
    living = lives.live(made, assistants)
    questions = {handle: asked[: max(1, round(len(asked) * share))] for handle, asked in told.questions().items()}
    topics = asking.answered(made, assistants, living, questions)
    use.spread(made, assistants, topics, told.read("questions"), share)
    company.leave(made)
    lives.settle(made, assistants, living)
    in_order(made.workspace)
