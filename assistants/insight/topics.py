"""Questions by topic: their vectors in clusters, each called by the words that people in it have in common. Pure functions.

A topic is told only where three people or more asked about it, and a word only where three of them used it: nobody's
question, and nobody's name for something, can be read out of it.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from portal.providers.terms import terms

LEAST_PEOPLE = 3
MOST_TOPICS = 12
MOST_WORDS = 3
ROUNDS = 25
_LETTERS = re.compile(r"[^\W\d_]{3,}")
# Words of questions that tell no topic, beside those that ``terms`` leaves out; in the languages that are asked most here.
_STOP = frozenset(
    """
    find show tell explain know help please thanks thank hello work works working new best good way mean means
    der die das und oder wie was wer wann warum ist sind mit fur von zum zur den dem ein eine einen kann ich wir man
    auf bei nach aus nicht welche welcher gibt haben wird werden
    les des une est pour que qui dans avec sur pas comment quel quelle sont nous vous peut
    los las que por para con una del como cual son donde
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Question:
    """``person``: who asked. ``unanswered``: the sources held no answer."""

    person: int
    text: str
    unanswered: bool = False


@dataclass(frozen=True, slots=True)
class Topic:
    """``words``: what its questions have in common, the most typical first."""

    words: Sequence[str]
    people: int
    questions: int
    unanswered: int


@dataclass(frozen=True, slots=True)
class Topics:
    """The largest first. ``others``: questions whose topic fewer than three people share."""

    topics: Sequence[Topic]
    others: int


def topics_of(questions: Sequence[Question], vectors: np.ndarray) -> Topics:
    """``vectors``: one row a question, any length but nought counts."""
    usable = [at for at in range(len(questions)) if float(np.linalg.norm(vectors[at])) > 0]
    groups: dict[int, list[Question]] = defaultdict(list)
    if usable:
        for at, cluster in zip(usable, clusters(vectors[usable]), strict=True):
            groups[int(cluster)].append(questions[at])
    everywhere = _people_by_word(questions)
    told = [topic for group in groups.values() if (topic := _topic(group, everywhere, len(questions)))]
    merged = _merged(told)
    shown = sum(topic.questions for topic in merged)
    return Topics(sorted(merged, key=lambda topic: -topic.questions), len(questions) - shown)


def clusters(vectors: np.ndarray) -> np.ndarray:
    """Which cluster each row is in: k-means on the sphere, with seeds far from each other. The same rows give the same."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    number = max(1, min(MOST_TOPICS, round(math.sqrt(len(unit) / 4))))
    centres = _seeds(unit, number)
    chosen = np.full(len(unit), -1)
    for _ in range(ROUNDS):
        nearest = np.argmax(unit @ centres.T, axis=1)
        if np.array_equal(nearest, chosen):
            break
        chosen = nearest
        for one in range(len(centres)):
            inside = unit[chosen == one]
            if len(inside):
                mean = inside.mean(axis=0)
                centres[one] = mean / (np.linalg.norm(mean) or 1.0)
    return chosen


def _seeds(unit: np.ndarray, number: int) -> np.ndarray:
    """The row nearest to the middle, then again and again the one that is least like all that are chosen."""
    first = int(np.argmax(unit @ unit.mean(axis=0)))
    chosen, likest = [first], unit @ unit[first]
    while len(chosen) < number:
        chosen.append(int(np.argmin(likest)))
        likest = np.maximum(likest, unit @ unit[chosen[-1]])
    return unit[chosen].copy()


def _topic(group: Sequence[Question], everywhere: Counter[str], all_of: int) -> Topic | None:
    people = {question.person for question in group}
    if len(people) < LEAST_PEOPLE:
        return None
    inside = {word: number for word, number in _people_by_word(group).items() if number >= LEAST_PEOPLE}
    # Said by many here, by few elsewhere.
    typical = sorted(inside, key=lambda word: (-inside[word] * math.log(1 + all_of / everywhere[word]), word))
    words = _as_written(typical[:MOST_WORDS], group)
    if not words:
        return None
    return Topic(words, len(people), len(group), sum(question.unanswered for question in group))


def _people_by_word(questions: Sequence[Question]) -> Counter[str]:
    said: dict[str, set[int]] = defaultdict(set)
    for question in questions:
        for word in _words(question.text):
            said[word].add(question.person)
    return Counter({word: len(people) for word, people in said.items()})


def _words(text: str) -> set[str]:
    return {word for word in terms(text) if _LETTERS.fullmatch(word) and word not in _STOP}


def _as_written(stems: Sequence[str], group: Sequence[Question]) -> list[str]:
    """Words as most people write them: "invoic" is nobody's word. A form counts only where three people wrote it."""
    written: dict[str, dict[str, set[int]]] = {stem: defaultdict(set) for stem in stems}
    for question in group:
        for word in _LETTERS.findall(question.text.lower()):
            stem = next(iter(terms(word)), "")
            if stem in written:
                written[stem][word].add(question.person)
    shown = []
    for stem in stems:
        forms = {word: len(people) for word, people in written[stem].items() if len(people) >= LEAST_PEOPLE}
        shown.append(max(forms, key=lambda word: (forms[word], word)) if forms else stem)
    return shown


def _merged(topics: Sequence[Topic]) -> list[Topic]:
    """Two clusters with the same first word are one topic to a reader. People are counted at least once, at most twice."""
    kept: dict[str, Topic] = {}
    for topic in sorted(topics, key=lambda one: -one.questions):
        same = kept.get(topic.words[0])
        if same is None:
            kept[topic.words[0]] = topic
            continue
        kept[topic.words[0]] = Topic(
            list(dict.fromkeys([*same.words, *topic.words]))[:MOST_WORDS],
            max(same.people, topic.people),
            same.questions + topic.questions,
            same.unanswered + topic.unanswered,
        )
    return list(kept.values())
