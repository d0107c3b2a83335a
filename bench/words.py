"""Text to measure with: the same on every machine, with a vocabulary as uneven as a language's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

_CONSONANTS, _VOWELS = "bcdfghjklmnprstvwz", "aeiou"
FILE_BYTES = 4096


class Writer:
    """Words drawn by Zipf's law, so that BM25 finds rare and common ones."""

    def __init__(self, seed: int, vocabulary: int = 8000) -> None:
        made = random.Random(7)
        self._words = sorted({_word(made) for _ in range(vocabulary)})
        made.shuffle(self._words)
        self._weights = [1 / (rank + 3) for rank in range(len(self._words))]
        self._random = random.Random(seed)

    def words(self, number: int) -> list[str]:
        return self._random.choices(self._words, self._weights, k=number)

    def sentences(self, number: int) -> str:
        return " ".join(" ".join(self.words(self._random.randint(8, 18))).capitalize() + "." for _ in range(number))

    def question(self) -> str:
        return " ".join(self.words(self._random.randint(4, 9))) + "?"

    def markdown(self, size: int = FILE_BYTES) -> str:
        """A page of ``size`` bytes: a title, sections, paragraphs, a list."""
        text = f"# {' '.join(self.words(4)).title()}\n\n"
        while len(text) < size:
            text += f"## {' '.join(self.words(3)).title()}\n\n{self.sentences(4)}\n\n{self.sentences(3)}\n\n"
            text += "".join(f"- {self.sentences(1)}\n" for _ in range(3)) + "\n"
        return text[:size]


def _word(chance: random.Random) -> str:
    syllables = range(chance.randint(1, 4))
    return (
        "".join(chance.choice(_CONSONANTS) + chance.choice(_VOWELS) for _ in syllables) + chance.choice("nrst ").strip()
    )


def folder(directory: Path, files: int, seed: int) -> Path:
    """``files`` pages in folders of 25."""
    writer = Writer(seed)
    for number in range(files):
        place = directory / f"chapter-{number // 25:03}" / f"page-{number:05}.md"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(writer.markdown())
    return directory


def questions(number: int, seed: int) -> Iterator[str]:
    writer = Writer(seed)
    for _ in range(number):
        yield writer.question()
