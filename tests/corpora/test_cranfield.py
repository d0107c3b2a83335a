"""Cranfield through the product: written as files, synced, and what its search finds against each of its halves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.corpora.cranfield import Collection, collection
from tests.served import Served, account, tell

pytestmark = [pytest.mark.corpora, pytest.mark.timeout(1800)]

WANTED = 0.56


def test_hybrid_search_reaches_its_goal_and_beats_both_of_its_halves(
    corpora: Path, serve: Callable[[Path], Served], tmp_path: Path
) -> None:
    found = collection(corpora / "ir" / "cranfield")
    folder = tmp_path / "cranfield"
    write(found, folder)
    served = serve(tmp_path)
    source = served.connect("Cranfield", folder)
    run = served.ended(source)
    empty = [name for name, (title, text) in found.documents.items() if not (title + text).strip()]
    assert run["discovered"] == len(found.documents)
    assert run["indexed"] == len(found.documents) - len(empty)
    assert run["skipped"] == len(empty)

    over_the_api = {
        query: [Path(path).stem for path in served.documents(text, limit=50, source=source)]
        for query, text in list(found.queries.items())[:25]
    }
    served.portal.stop()  # the index has one owner
    printed = served.portal.python("-m", "tests.corpora.halves", source, str(corpora / "ir" / "cranfield"))
    rankings = json.loads(printed.splitlines()[-1])

    gains = {name: found.mean_gain(ranking) for name, ranking in rankings.items()}
    tell(f"Cranfield: {account(run)}; nDCG@10 {', '.join(f'{name} {gain:.3f}' for name, gain in gains.items())}")
    assert gains["hybrid"] >= WANTED
    assert gains["hybrid"] > max(gains["bm25"], gains["dense"])
    same = sum(over_the_api[query][:5] == rankings["hybrid"][query][:5] for query in over_the_api)
    assert same >= 0.9 * len(over_the_api), "the API searches otherwise than what was measured"


def write(found: Collection, folder: Path) -> None:
    folder.mkdir()
    for name, (title, text) in found.documents.items():
        (folder / f"{name}.md").write_text(f"# {title}\n\n{text}\n" if (title + text).strip() else "")
