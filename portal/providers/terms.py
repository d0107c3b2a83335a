"""Words of a question and of a passage, made comparable without a dictionary. Pure functions."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final

_ROOT: Final = 5  # letters that relatives have in common, at least
_NEAR: Final = 0.8  # difflib's ratio from which a word is taken for a misspelt one

_WORD: Final = re.compile(r"[^\W_]+(?:[.'’-][^\W_]+)*")
_SUFFIX: Final = re.compile(r"(?:ies|ied|ing|ed|es|s|ly)$")
_STOP: Final = frozenset(  # one word a line would fill a screen
    """
    a about all am an and any are as at be been being between but by can could did do does doing for from get give
    had has have having he her here him his how i if in into is it its itself just let like make many may me might
    more most much must my need no not now of on one or other our ours out over own please say shall she should so
    some such tell than that the their them then there these they thing this those to too under up us use used
    using very want was way we were what when where which while who whom whose why will with within without would
    you your yours
    """.split()  # noqa: SIM905
)


def terms(text: str) -> list[str]:
    """The words that carry meaning, lower case, with plain English endings off."""
    words = (word.lower().replace("’", "'").removesuffix("'s") for word in _WORD.findall(text))
    return [_stem(word) for word in words if word not in _STOP and (len(word) > 1 or word.isdigit())]


def _stem(word: str) -> str:
    if len(word) <= 3 or not word.isascii():
        return word
    stem = _SUFFIX.sub(lambda found: "y" if found.group() in ("ies", "ied") else "", word)
    return stem.rstrip("e") if len(stem) > 3 else word if len(stem) < 3 else stem


def relatives(asked: set[str], vocabulary: set[str]) -> dict[str, set[str]]:
    """The words of the vocabulary that each asked word stands for: itself, its relatives, or, failing both, a near miss.

    Relatives begin alike (donating, donation); a near miss is most likely a slip of the keyboard (wirless).
    """
    meant: dict[str, set[str]] = {}
    for term in asked:
        root = term[: max(_ROOT, len(term) - 3)]
        alike = {word for word in vocabulary if word == term or (len(root) >= _ROOT and word.startswith(root))}
        if not alike and len(term) >= _ROOT and term.isalpha():
            alike = set(get_close_matches(term, vocabulary, n=2, cutoff=_NEAR))
        meant[term] = alike
    return meant


def alike(one: str, other: str, share: float) -> bool:
    """Whether two texts have at least this share of their words in common."""
    first, second = set(terms(one)), set(terms(other))
    return bool(first | second) and len(first & second) / len(first | second) >= share
