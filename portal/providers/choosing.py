"""What of the passages answers a question best: a section whose heading asks the same, and single sentences.

A sentence scores the rarity of the question's words that it holds (idf over all quotable units of the request); words of
its title and headings count in part, and a passage that retrieval ranked lower counts less.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from portal.providers.sentences import Unit, units
from portal.providers.terms import alike, relatives, terms
from portal.providers.types import Passage

_MOST_PAGES: Final = 3
_MOST_PER_PAGE: Final = 3
_MOST_QUOTES: Final = 6
_MOST_CHARACTERS: Final = 1200
_SHORTEST_UNIT: Final = 20
_OF_THE_BEST: Final = 0.5  # a quote must score this share of the best one's
_COVERED: Final = 0.34  # and hold this share of the question's weight, with its title and headings
_COVERED_FIRST: Final = 0.25  # less where retrieval is surest
_HEADING_WEIGHT: Final = 0.4
_RANK_WEIGHT: Final = 0.1
_LOWEST_STANDING: Final = 0.2
_RELATED: Final = 0.6  # what a relative of a word is worth beside the word itself
_DEFINING: Final = 2.0
_COUNTING: Final = 1.25  # for a number where the question asks for one
_ANYHOW: Final = 0.12  # where nothing covers enough: the share that will do in the best passages
_ANYHOW_RANKS: Final = 2
_SAME: Final = 0.8  # share of words in common that makes two quotes one

# A section answers by its place alone: its heading must hold this share of the question, and little else.
_ASKED: Final = 0.6
_OWN: Final = 0.5
_STEPS_FIRST: Final = 1.3
_MOST_STEPS: Final = 10
_LONGEST_STEPS: Final = 1100
_FIRST_UNITS: Final = 3
_LONGEST_FIRST: Final = 500
_BESIDE_A_SECTION: Final = 2  # more quotes where a section was found, and only good ones
_BESIDE_OF_THE_BEST: Final = 0.75

_HOW: Final = re.compile(r"^\W*(?:how\s+(?:do|can|could|should|would|to|does|may|might)\b|steps\b)", re.IGNORECASE)
_HOW_MUCH: Final = re.compile(
    r"\b(?:how\s+(?:many|much|long|often|big|large|far|fast|early|late|old)|when|maximum|minimum|limits?|size|cost|price|amount)\b",
    re.IGNORECASE,
)
_WHAT: Final = re.compile(r"^\W*what(?:['’]s|\s+is|\s+are|\s+does)\b", re.IGNORECASE)
_DEFINITION: Final = re.compile(r"^(?:(?:an?|the)\s+)?((?:[\w-]+\s+){1,3})(?:is|are|means?)\s", re.IGNORECASE)
_QUOTED: Final = re.compile(r"[\"“”„«»]([^\"“”„«»]{8,})[\"“”„«»]")


@dataclass(frozen=True, slots=True)
class Quote:
    passage: Passage
    unit: Unit
    score: float

    @property
    def page(self) -> str:
        return page_of(self.passage)

    @property
    def heading(self) -> str:
        """The nearest heading above."""
        return section_of(self.passage, self.unit)


def page_of(passage: Passage) -> str:
    return passage.node or passage.path or passage.url or passage.title


def section_of(passage: Passage, unit: Unit) -> str:
    return unit.heading if unit.heading is not None else re.split("[›>]", passage.heading)[-1].strip()


@dataclass(frozen=True, slots=True)
class _Place:
    """A quotable unit and where it stands. ``rank`` is its passage's, from 0; ``standing`` what that is worth, up to 1."""

    rank: int
    passage: Passage
    unit: Unit
    standing: float


class _Question:
    """The question's words, weighted by their rarity among the units."""

    def __init__(self, text: str, found: Sequence[_Place]) -> None:
        self.text = text
        self.asked = set(terms(text))
        self.how = bool(_HOW.match(text))
        self.what = bool(_WHAT.match(text))
        self.how_much = bool(_HOW_MUCH.search(text))
        written = [set(terms(f"{p.unit.lead} {p.unit.text}")) - set(terms(p.unit.header)) for p in found]
        above = [
            set(terms(f"{p.passage.title} {p.passage.heading} {p.unit.heading or ''} {p.unit.header}")) for p in found
        ]
        self._meant = relatives(self.asked, set().union(*written, *above))
        self.held = [self.among(words) for words in written]
        self.headed = [self.among(words) for words in above]
        self.exact = [words & self.asked for words in written]
        count = Counter(term for one in self.held for term in one)
        self._weight = {term: math.log(1 + (len(found) + 1) / (1 + count[term])) for term in self.asked}
        self._whole = sum(self._weight.values())

    def among(self, words: set[str]) -> set[str]:
        return {term for term in self.asked if self._meant[term] & words}

    def weight(self, held: Iterable[str]) -> float:
        return sum(self._weight[term] for term in held)

    def share(self, held: Iterable[str]) -> float:
        return self.weight(held) / self._whole if self._whole else 0.0

    def of_these(self, words: set[str]) -> float:
        """Share of the words that were asked for."""
        meant = set().union(*self._meant.values(), self.asked) if self.asked else set()
        return len(words & meant) / len(words) if words else 0.0


def choose(question: str, passages: Sequence[Passage]) -> list[Quote]:
    """The quotes that answer best, grouped by page, pages as retrieval ranked them, in reading order.

    Empty if nothing fits.
    """
    found = [
        _Place(rank, passage, unit, _standing(rank, passage, passages[0]))
        for rank, passage in enumerate(passages)
        for unit in _quotable(passage)
    ]
    asked = _Question(question, found)
    if not asked.asked:  # "what is this?": retrieval alone knows what was meant
        return [Quote(p.passage, p.unit, 1.0) for p in found if p.rank == 0][:_MOST_PER_PAGE]
    section = _section(asked, found)
    ranked = _ranked(asked, found)
    if not section and not ranked:
        best = [place for place in found if place.rank < _ANYHOW_RANKS]
        section, ranked = _section(asked, best, _ANYHOW), _ranked(asked, best, _ANYHOW)
    return _gathered(section, ranked)


def _standing(rank: int, passage: Passage, first: Passage) -> float:
    """By rank, and by retrieval's own score where it gave one."""
    share = max(_LOWEST_STANDING, passage.score / first.score) if first.score > 0 else 1.0
    return share / (1 + _RANK_WEIGHT * rank)


def _gathered(section: list[Quote], ranked: list[Quote]) -> list[Quote]:
    """The section, then the best sentences that there is room for, grouped by page."""
    taken = list(section)
    pages: dict[str, list[Quote]] = {section[0].page: list(section)} if section else {}
    most = len(section) + _BESIDE_A_SECTION if section else _MOST_QUOTES
    least = (ranked[0].score if ranked else 0.0) * (_BESIDE_OF_THE_BEST if section else _OF_THE_BEST)
    length = sum(len(quote.unit.text) for quote in section)
    whole = section[0].page if section and section[0].unit.number else ""  # steps are an answer by themselves
    for quote in ranked:
        if quote.score < least or len(taken) >= most:
            break
        if quote.page == whole:
            continue
        page = pages.get(quote.page)
        own = [] if page is None else [other for other in page if other not in section]
        room = len(own) < _MOST_PER_PAGE if page is not None else len(pages) < _MOST_PAGES
        fits = not taken or length + len(quote.unit.text) <= _MOST_CHARACTERS
        if room and fits and not any(_same(quote, other) for other in taken):
            pages.setdefault(quote.page, []).append(quote)
            taken.append(quote)
            length += len(quote.unit.text)
    in_order = sorted(pages.values(), key=lambda page: min(quote.passage.n for quote in page))
    return [quote for page in in_order for quote in sorted(page, key=lambda quote: (quote.passage.n, quote.unit.at))]


def _same(one: Quote, other: Quote) -> bool:
    return (one.passage.n, one.unit.at) == (other.passage.n, other.unit.at) or alike(
        one.unit.text, other.unit.text, _SAME
    )


def _section(question: _Question, found: Sequence[_Place], least: float = _ASKED) -> list[Quote]:
    """What stands right below the heading that asks the same as the question: all its steps, else how it begins."""
    sections: dict[tuple[int, str], list[_Place]] = {}
    for place in found:
        heading = place.unit.heading
        if heading is None and not place.passage.heading:
            heading = place.passage.title
        if heading:
            sections.setdefault((place.rank, heading), []).append(place)
    best: tuple[float, list[_Place]] = (0.0, [])
    for (_, heading), places in sections.items():
        score = _fit(question, heading, places, least) * places[0].standing
        if score > best[0]:
            best = (score, places)
    return [Quote(p.passage, p.unit, best[0]) for p in _beginning(best[1])]


def _fit(question: _Question, heading: str, places: Sequence[_Place], least: float) -> float:
    """How well a heading asks the question, 0 where it does not."""
    title = places[0].passage.title
    own, whole = set(terms(heading)), set(terms(f"{title} {heading}"))
    held, held_in_all = question.share(question.among(own)), question.share(question.among(whole))
    of_own = question.of_these(own)
    steps = question.how and _steps(places)
    # "How do I make an assistant" may be asked of the page "Build an assistant": its steps are meant.
    if of_own < _OWN or (held_in_all if steps else held) < least:
        return 0.0
    return (held + (held_in_all - held) / 2) * of_own**0.5 * (_STEPS_FIRST if steps else 1.0)


def _beginning(places: Sequence[_Place]) -> list[_Place]:
    steps = _steps(places)
    if steps:
        return steps
    first: list[_Place] = []
    for place in places[:_FIRST_UNITS]:
        if first and sum(len(p.unit.text) for p in [*first, place]) > _LONGEST_FIRST:
            break
        if first and place.unit.kind == "code" and first[0].unit.kind != "code":
            break
        first.append(place)
    return first


def _steps(places: Sequence[_Place]) -> list[_Place]:
    """The first numbered list of a section, whole; empty where it has none, or one that is too long to quote."""
    steps: list[_Place] = []
    for place in places:
        number = place.unit.number
        if number and int(number) == len(steps) + 1:
            steps.append(place)
        elif steps:
            break
    fits = len(steps) <= _MOST_STEPS and sum(len(p.unit.text) for p in steps) <= _LONGEST_STEPS
    return steps if len(steps) > 1 and fits else []


def _ranked(question: _Question, found: Sequence[_Place], least: float | None = None) -> list[Quote]:
    """Single units, best first. ``found`` is the question's own list, or as much of it from the front."""
    quotes = []
    for place, words, exact, over in zip(found, question.held, question.exact, question.headed, strict=False):
        enough = least or (_COVERED if place.rank else _COVERED_FIRST)
        if not words or question.share(words | over) < enough or _repeats(question, place.unit):
            continue
        inside = question.weight(exact) + _RELATED * question.weight(words - exact)
        outside = question.weight(over - words)
        score = (inside + _HEADING_WEIGHT * outside) * place.standing * _manner(question, place.unit)
        quotes.append(Quote(place.passage, place.unit, score))
    return sorted(quotes, key=lambda quote: (-quote.score, quote.passage.n, quote.unit.at))


def _manner(question: _Question, unit: Unit) -> float:
    """What the way in which a unit is put makes it worth."""
    factor = _length_factor(unit)
    if _defines(question, unit):
        factor *= _DEFINING
    if question.how_much and any(character.isdigit() for character in unit.text):
        factor *= _COUNTING
    return factor


def _defines(question: _Question, unit: Unit) -> bool:
    """Whether a unit says what that is which "what is …?" asks for."""
    named = _DEFINITION.match(unit.text) if question.what else None
    return named is not None and question.asked <= set(terms(named.group(1)))


def _repeats(question: _Question, unit: Unit) -> bool:
    """Whether a unit only says the question again: as an example in quotation marks, or nearly word for word."""
    if len(question.asked) < 2:
        return False
    if any(alike(said, question.text, _SAME) for said in _QUOTED.findall(unit.text)):
        return True
    return unit.kind != "code" and unit.text.endswith("?") and alike(unit.text, question.text, _SAME)


def _quotable(passage: Passage) -> list[Unit]:
    """Not what merely repeats a heading, and not bare fragments: a link's name, a cut-off beginning."""
    headings = {passage.title.strip().lower(), *(part.strip().lower() for part in re.split("[›>/]", passage.heading))}
    return [
        unit
        for unit in units(passage.text)
        if len(unit.text) >= (_SHORTEST_UNIT if unit.kind == "sentence" else 3)
        and unit.text.strip(" .:").lower() not in headings
        and re.search(r"[^\W\d_]{2}", unit.text)
        and (unit.kind == "code" or unit.text.count(")") <= unit.text.count("("))
        and (unit.number or not unit.text.endswith(":"))  # it introduces what does not stand here
    ]


def _length_factor(unit: Unit) -> float:
    """Long sentences hold more words by chance alone; questions say little; code less than prose."""
    words = len(unit.text.split())
    factor = 1 / (1 + max(0, words - 25) / 40)
    if unit.text.endswith("?"):
        factor *= 0.5
    return factor * {"sentence": 1.0, "item": 0.95, "row": 0.9, "code": 0.4}[unit.kind]
