"""The handbook through the product: killed while it syncs, accounted for page by page, searched and asked."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.served import Served, account, on_disk, tell

pytestmark = [pytest.mark.corpora, pytest.mark.timeout(1800)]

KILLS = (
    {"children": False, "database": False},
    {"children": True, "database": False},
    {"children": True, "database": True},
)
"""The portal's process alone; with all that it started; and with its database, as when the machine goes down."""
ANSWERED_AT_LEAST = 16


@dataclass(frozen=True)
class Handbook:
    """``first`` is the run that was killed, ``second`` one over the unchanged folder; ``passages`` were compared in SQL and index."""

    served: Served
    source: str
    files: set[str]
    questions: list[dict[str, Any]]
    first: dict[str, Any]
    second: dict[str, Any]
    passages: int

    def asked(self, *, answerable: bool) -> list[dict[str, Any]]:
        return [question for question in self.questions if bool(question["gold_paths"]) == answerable]


@pytest.fixture(scope="module")
def handbook(corpora: Path, serve: Callable[[Path], Served]) -> Handbook:
    folder = corpora / "handbook"
    served = serve(folder)
    source = served.connect("Handbook", folder)
    begun = time.monotonic()
    moments = [kill_at_random(served, source, **how) for how in KILLS]
    first = served.ended(source)
    seconds = time.monotonic() - begun
    second = served.sync(source)
    tell(f"handbook, killed after {moments} s of work: {account(first)}; {seconds:.0f} s in all")
    tell(f"handbook, second sync: {account(second)}")
    served.portal.stop()
    passages = int(served.portal.python("-m", "tests.look", source).splitlines()[-1])
    served.again()
    return Handbook(
        served,
        source,
        {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()},
        [json.loads(line) for line in (corpora / "handbook_questions.jsonl").read_text().splitlines()],
        first,
        second,
        passages,
    )


def kill_at_random(served: Served, source: str, **how: bool) -> float:
    """Let the run get on for a while, kill, start again. Gives the seconds of work; fails if the run had ended."""
    served.got_on(source)
    moment = round(random.uniform(0, 12), 1)
    time.sleep(moment)
    run = served.newest_run(source)
    assert run["state"] == "syncing", f"the run had ended before it was killed: {run}"
    served.kill(**how)
    served.again()
    return moment


def test_every_page_is_accounted_for(handbook: Handbook) -> None:
    run = handbook.first
    assert run["state"] == "done"
    assert run["discovered"] == len(handbook.files)
    assert run["discovered"] == run["indexed"] + run["unchanged"] + run["skipped"] + run["failed"]
    items = list(handbook.served.all(f"data-sources/{handbook.source}/runs/{run['id']}/items/"))
    assert sorted(on_disk(item["path"]) for item in items) == sorted(handbook.files)
    assert Counter(item["outcome"] for item in items) == Counter(
        {name: run[name] for name in ("indexed", "unchanged", "skipped", "failed") if run[name]}
    )
    assert all(item["reason"] for item in items if item["outcome"] in ("skipped", "failed"))
    told = [f"{on_disk(item['path'])} ({item['reason']})" for item in items if item["outcome"] == "skipped"]
    tell(f"handbook, skipped: {', '.join(told) or 'none'}")


def test_kills_lost_and_doubled_nothing(handbook: Handbook) -> None:
    documents = [
        node for node in handbook.served.all(f"data-sources/{handbook.source}/nodes/") if node["kind"] == "file"
    ]
    assert sorted(on_disk(node["path"]) for node in documents) == sorted(handbook.files)
    assert {node["status"] for node in documents} <= {"indexed", "skipped"}
    assert handbook.passages > 1500
    tell(f"handbook: {handbook.passages} passages, the same in SQL and index")


def test_a_second_sync_embeds_nothing(handbook: Handbook) -> None:
    run = handbook.second
    assert run["id"] != handbook.first["id"]
    assert run["state"] == "done"
    assert (run["indexed"], run["passages"], run["failed"], run["removed"]) == (0, 0, 0, 0)
    assert run["discovered"] == len(handbook.files) == run["unchanged"] + run["skipped"]
    assert run["skipped"] == handbook.first["skipped"]


def test_the_gold_page_is_among_the_first_five(handbook: Handbook) -> None:
    """In all that the person may read, the product's own user guide included."""
    missed, first = [], 0
    questions = handbook.asked(answerable=True)
    for question in questions:
        ranking = handbook.served.documents(question["query"])
        first += ranking[0] in question["gold_paths"]
        if not set(ranking[:5]) & set(question["gold_paths"]):
            missed.append((question["id"], question["query"], ranking[:5]))
    tell(
        f"handbook: gold page among the first five for {len(questions) - len(missed)} of {len(questions)}, "
        f"first for {first}; missed: {missed or 'none'}"
    )
    assert len(questions) == 18
    assert len(missed) <= 1


def test_what_the_handbook_does_not_answer_is_not_found(handbook: Handbook) -> None:
    questions = handbook.asked(answerable=False)
    assert len(questions) == 2
    for question in questions:
        answer = handbook.served.answer(question["query"])
        tell(f"{question['query']} → {answer['content']!r}")
        assert answer["status"] == "completed"
        assert answer["found"] is False
        assert answer["content"].startswith("I found nothing")


def test_what_the_handbook_answers_is_answered_with_citations(handbook: Handbook) -> None:
    declined, cited_gold, answered = [], 0, 0
    for question in handbook.asked(answerable=True):
        answer = handbook.served.answer(question["query"])
        assert answer["status"] == "completed"
        if answer["found"] is False:
            declined.append(question["query"])
            continue
        answered += 1
        assert answer["citations"]
        cited_gold += bool({on_disk(c["document"]["path"]) for c in answer["citations"]} & set(question["gold_paths"]))
    tell(
        f"handbook: {answered} of 18 answered, {cited_gold} of them citing the gold page; declined: {declined or 'none'}"
    )
    assert answered >= ANSWERED_AT_LEAST
    assert cited_gold >= answered - 3
