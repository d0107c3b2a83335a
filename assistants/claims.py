"""Why a passage was found, and which of its sentences a claim rests on. Pure: words are counted, no model is asked."""

from __future__ import annotations

import re
from functools import lru_cache

from portal.providers.sentences import units
from portal.providers.terms import terms

MOST_WORDS, MOST_TOLD = 12, 3
LONGEST_SENTENCE = 320
"""Code points; a sentence on a card that is longer goes to the end of a word before."""

_WORD = re.compile(r"[^\W_]+(?:[.'’-][^\W_]+)*")
_MENTION = re.compile(r"(?<!\w)[@#]\S+")
_MARKER = re.compile(r"\[\d{1,3}\]")
_PLURAL = re.compile(r"(?:e?s)?(?!\w)")
_SENTENCE_ENDS = re.compile(r"(?<=[.!?…])\s+")


class Asked:
    """What was looked for. ``questions``: the one that was asked, and the one before it, which a follow-up rests on.

    ``newest``: what was read was chosen by its age.
    """

    def __init__(self, *questions: str, newest: bool = False) -> None:
        self.newest = newest
        self._words: dict[str, str] = {}
        for question in questions:
            for word in _WORD.findall(_MENTION.sub(" ", question)):
                for stem in terms(word)[:1]:
                    if len(self._words) < MOST_WORDS:
                        self._words.setdefault(stem, word)

    def why(self, title: str, text: str) -> str:
        """In a few words, for a person."""
        if self.newest:
            return "One of the newest"
        # In the order of the question, and in its own words.
        there = f"{title}\n{text}".lower()
        found = [word for stem, word in self._words.items() if _has(there, stem)]
        return f"Has {', '.join(f'“{word}”' for word in found[:MOST_TOLD])}" if found else "Close in meaning"


def _has(text: str, stem: str) -> bool:
    """Whether a word begins with the stem; a short one has to be the whole word, or its plural. Policy is policies, too.

    Looked for as it stands and not by a pattern, which takes ten times as long: all answers wait for it, on their one thread.
    """
    short = len(stem) <= 3
    begin, ends = (stem[:-1], ("y", "ie")) if stem.endswith("y") and not short else (stem, ("",))
    at = text.find(begin)
    while at >= 0:
        after = at + len(begin)
        if not text[max(0, at - 1) : at].isalnum() and (
            _PLURAL.match(text, after) if short else text.startswith(ends, after)
        ):
            return True
        at = text.find(begin, at + 1)
    return False


def claim_before(text: str) -> str:
    """The sentence that ends where a marker stands: ``text`` is what its paragraph has up to there."""
    plain = _MARKER.sub(" ", text).strip()
    return _SENTENCE_ENDS.split(plain)[-1] if plain else ""


def claim_of(content: str, n: int) -> str:
    """What the first ``[n]`` of an answer in Markdown stands behind."""
    before, marker, _ = content.partition(f"[{n}]")
    return claim_before(before.rpartition("\n")[2]) if marker else ""


def sentence_for(passage: str, claim: str) -> str:
    """The sentence of a passage that has most of the claim's words, the shorter of two; empty where none has any."""
    wanted = set(terms(claim))
    best, most = "", (0, 0)
    for sentence, words in _sentences(passage):
        fits = (len(wanted & words), -len(words))
        if fits[0] and fits > most:
            best, most = sentence, fits
    return best if len(best) <= LONGEST_SENTENCE else best[:LONGEST_SENTENCE].rsplit(" ", 1)[0] + " …"


@lru_cache(maxsize=512)
def _sentences(passage: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Kept for a while: one answer cites a passage several times, and its page is looked at again."""
    return tuple((" ".join(unit.text.split()), frozenset(terms(unit.text))) for unit in units(passage))
