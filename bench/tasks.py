"""What assistants of a made-up company do, in words that mean something, and vectors of texts that say it.

A few hundred descriptions are embedded by the local model; whatever text carries one of them gets its vector, moved a little. So a
search by meaning finds and orders as it does in a real company, and ten thousand texts need not be embedded.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import product

import numpy as np

from portal.providers.local import SIZE, LocalEmbedder
from portal.providers.types import Embeddings, Usage

_SUBJECTS = (
    "invoices and refunds",
    "holidays and sick leave",
    "parcels that never came",
    "passwords and locked devices",
    "travel and expenses",
    "contracts and privacy",
    "release notes",
    "incidents on call",
    "interviews and new colleagues",
    "discounts and prices",
    "the press and campaigns",
    "suppliers and purchases",
    "sensors and firmware",
    "returns and warranty",
    "salaries and payslips",
    "meeting rooms and visitors",
    "questionnaires on security",
    "feedback of customers",
    "courses and books",
    "the roadmap",
)
_TASKS = (
    "Answers questions on {}.",
    "Drafts replies about {}.",
    "Summarises what was decided on {}.",
    "Writes the report on {} for the board.",
    "Finds the right page on {}.",
    "Looks for mistakes in texts on {}.",
    "Explains {} to people who are new.",
    "Compares offers that concern {}.",
    "Lists what is still open with {}.",
    "Prepares meetings on {}.",
    "Says who is responsible for {}.",
    "Translates letters about {}.",
)
DESCRIPTIONS = tuple(task.format(subject) for subject, task in product(_SUBJECTS, _TASKS))
NOISE = 0.35
"""Length of what is added to a vector of length 1: two assistants that do the same stay at a cosine of 0.9."""


class Tasks:
    """An embedder's ``embed_documents``, for texts of which a line is one of ``DESCRIPTIONS``; others get a vector of their own."""

    def __init__(self, model: LocalEmbedder) -> None:
        found = model.embed_documents(DESCRIPTIONS).vectors
        self._known = dict(zip(DESCRIPTIONS, np.asarray(found, np.float32), strict=True))
        self._chance = np.random.default_rng(1)

    def embed(self, texts: Sequence[str]) -> Embeddings:
        return Embeddings([self.near(text) for text in texts], Usage())

    def near(self, text: str) -> list[float]:
        """A vector near what one of the text's lines means."""
        known = next((self._known[line] for line in text.splitlines() if line in self._known), 0.0)
        away = self._chance.normal(size=SIZE)
        moved = known + NOISE * away / np.linalg.norm(away)
        return (moved / np.linalg.norm(moved)).tolist()


def some(chance: random.Random) -> str:
    """Some tasks are everybody's, others one team's."""
    return DESCRIPTIONS[int(len(DESCRIPTIONS) * chance.random() ** 2)]
