"""The folder of real, odd, hostile and broken files: each ends as its manifest expects, or better, and none stops the rest."""

from __future__ import annotations

import os
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from datasources.ingestion.extract import Extractor
from datasources.ingestion.results import (
    EMPTY,
    ENCRYPTED,
    SCANNED,
    UNREADABLE_KIND,
    Extracted,
    Failed,
    Refused,
    Skipped,
)
from tests.corpora.manifest import Case, cases, holds_snippet

pytestmark = pytest.mark.corpora

_CORPORA = os.environ.get("ATRIUM_CORPORA", "")
_FILES = Path(_CORPORA) / "files"
BETTER = {
    "encrypted/testZipEncrypted.zip": "the one member that is not encrypted comes in; the other says that it is",
    "corrupt_or_odd/embedded-cmap-cidfont.pdf": "its text is read",
    "corrupt_or_odd/powerpoint_malformed_pictures.pptx": "its text is read, with a note that parts are damaged",
    "scanned/embedded-images-tables.pdf": "its text is read",
}
"""Where an expectation leaves a choice, what we do."""


@dataclass
class Outcome:
    kind: str
    detail: str
    text: str = ""


@pytest.fixture(scope="module")
def reader() -> Iterator[Extractor]:
    if not cases(_FILES):
        pytest.skip("ATRIUM_CORPORA names no folder with files/manifest.jsonl")
    with Extractor() as extractor:
        yield extractor


def read(reader: Extractor, path: str) -> Outcome:
    source = _FILES / path
    if not path.endswith((".zip", ".tar")):
        return told(reader.extract(source, path))
    members = reader.members(source, path)
    if not isinstance(members, list):
        return told(members)
    came, kept, text = 0, Counter[str](), []
    for member in members:
        if member.archive or member.reason:
            kept[member.reason or "archive"] += 1
            continue
        data = reader.member(source, member.path)
        result = reader.extract(data, member.path) if isinstance(data, bytes) else data
        came += isinstance(result, Extracted)
        kept[result.reason if not isinstance(result, Extracted) else "text"] += 1
        text.append(result.markdown if isinstance(result, Extracted) else "")
    return Outcome("members", f"{came} of {len(members)} came in: {dict(kept)}", "\n".join(text))


def told(result: Extracted | Refused) -> Outcome:
    if isinstance(result, Extracted):
        return Outcome("text", f"{len(result.markdown):,} characters {list(result.warnings) or ''}", result.markdown)
    return Outcome("failed" if isinstance(result, Failed) else "skipped", result.reason)


def as_expected(case: Case, outcome: Outcome) -> bool:
    expect, path = str(case["expect"]), str(case["path"])
    if expect.startswith("reject:password"):
        return outcome.detail == ENCRYPTED or (path.endswith(".zip") and ENCRYPTED in outcome.detail)
    if expect == "empty":
        return outcome == Outcome("skipped", EMPTY)
    if expect.startswith("unsupported"):
        return outcome == Outcome("skipped", UNREADABLE_KIND)
    if expect.startswith(("no text layer", "image only")):
        return outcome == Outcome("skipped", SCANNED)
    if expect.startswith("clean error"):
        return outcome.kind == "failed" and outcome.detail.startswith("Damaged")
    if path.endswith((".zip", ".tar")):
        return outcome.kind == "members" and (" 0 of" not in outcome.detail or "nested more than" in outcome.detail)
    return outcome.kind == "text"


@pytest.mark.parametrize("case", cases(_FILES), ids=lambda case: str(case["path"]))
def test_each_file_ends_as_expected_or_better(reader: Extractor, case: Case) -> None:
    begun = time.perf_counter()
    outcome = read(reader, str(case["path"]))
    assert time.perf_counter() - begun < 20
    note = BETTER.get(str(case["path"]), "")
    sys.stdout.write(
        f"\n{case['path']} | {case['expect']} | {outcome.kind}: {outcome.detail}{f' | {note}' if note else ''}"
    )
    assert as_expected(case, outcome), outcome.detail
    if outcome.kind == "text":
        assert holds_snippet(case, outcome.text)


def test_hostile_pages_lose_their_scripts(reader: Extractor) -> None:
    for path in ("html_hostile/example-with-scripts.html", "html_hostile/test_serp.html"):
        text = read(reader, path).text
        assert "Ukrain" in text or "Microsoft" in text
        for trace in ("function(", "function (", "<script", "javascript:", "var _", "data:image", "http://dev-isw"):
            assert trace not in text


def test_texts_of_every_encoding_are_decoded(reader: Extractor) -> None:
    wanted = {
        "encodings/fake-text-utf-16.txt": "This is a test document",
        "encodings/fake-text-utf-16-le.txt": "This is a test document",
        "encodings/umlauts-non-utf8.md": "äöüß",
        "encodings/fake-html-cp1252.html": "L'été était très chaud",
        "encodings/example-steelJIS-datasheet-utf-16.html": "SteelJIS",
        "encodings/semicolon-delimited.csv": "| Lorem, ipsum | dolor sit | amet |",
        "encodings/test_mskanji.csv": "| 佐藤太郎 | 30 | 東京 |",
        "encodings/UDHR_first_article_all.txt": "Alle Menschen sind frei",
    }
    for path, snippet in wanted.items():
        assert snippet in read(reader, path).text, path


def test_quines_and_nested_archives_stop(reader: Extractor) -> None:
    begun = time.perf_counter()
    members = reader.members(_FILES / "nested/droste.zip")
    assert isinstance(members, list)
    assert len(members) <= 6
    assert members[-1].reason == "Archive nested more than 3 deep"
    assert time.perf_counter() - begun < 5


def test_the_reader_stays_small(reader: Extractor) -> None:
    for case in cases(_FILES):
        read(reader, str(case["path"]))
    child = reader._idle.queue[-1]
    assert child is not None
    status = Path(f"/proc/{child.process.pid}/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"\nthe child's peak: {peak:.0f} MB; the parent's: {own:.0f} MB")
    assert peak < 250


def test_nothing_is_refused_without_a_reason(reader: Extractor) -> None:
    for case in cases(_FILES):
        source = _FILES / str(case["path"])
        result = reader.extract(source, str(case["path"]))
        if isinstance(result, Skipped | Failed):
            assert len(result.reason) >= len(EMPTY)
