"""The Cranfield collection as its folder has it, and the measure that it is judged by."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GAIN_AT = 10


@dataclass(frozen=True)
class Collection:
    """``documents``: id to (title, text). ``queries``: id to text, those with judgements. ``judged``: query to document to grade."""

    documents: dict[str, tuple[str, str]]
    queries: dict[str, str]
    judged: dict[str, dict[str, int]]

    def mean_gain(self, rankings: Mapping[str, Sequence[str]]) -> float:
        """nDCG@10 over all queries; one that is missing counts 0."""
        return sum(gain(rankings.get(query, ()), self.judged[query]) for query in self.queries) / len(self.queries)


def collection(folder: Path) -> Collection:
    judged: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        judged.setdefault(query, {})[document] = int(grade)
    return Collection(
        {row["_id"]: (row.get("title", ""), row.get("text", "")) for row in _rows(folder / "corpus.jsonl")},
        {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl") if row["_id"] in judged},
        judged,
    )


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def gain(ranking: Sequence[str], relevant: Mapping[str, int]) -> float:
    """nDCG@10 with gains 2^grade − 1."""
    ideal = sorted(relevant.values(), reverse=True)[:GAIN_AT]
    best = sum((2**grade - 1) / math.log2(place + 2) for place, grade in enumerate(ideal))
    got = sum((2 ** relevant.get(id, 0) - 1) / math.log2(place + 2) for place, id in enumerate(ranking[:GAIN_AT]))
    return got / best if best else 0.0
