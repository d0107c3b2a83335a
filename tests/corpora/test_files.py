"""The good, odd and hostile files through the product: each ends in its state, and the portal answers throughout."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from datasources.ingestion.results import EMPTY, ENCRYPTED, SCANNED, UNREADABLE_KIND
from tests.corpora.manifest import cases
from tests.served import Served, account, on_disk, tell

pytestmark = [pytest.mark.corpora, pytest.mark.timeout(1800)]

SLOWEST = 5.0
"""Seconds for an answer to "are you well?" while the worst files are read: much more, and people think that it is down."""


class Watch(threading.Thread):
    """Asks the portal how it is, again and again; ``slowest`` is the longest that it took, ``failed`` what it said else."""

    def __init__(self, served: Served) -> None:
        super().__init__(daemon=True)
        self.served = served
        self.rounds, self.slowest = 0, 0.0
        self.failed: list[str] = []
        self._done = threading.Event()

    def run(self) -> None:
        with httpx.Client(timeout=60) as client:
            while not self._done.wait(0.2):
                for path in ("/healthz", "/readyz"):
                    begun = time.monotonic()
                    answered = client.get(self.served.portal.url + path)
                    self.slowest = max(self.slowest, time.monotonic() - begun)
                    if answered.status_code != 200:
                        self.failed.append(f"{path}: {answered.status_code} {answered.text[:200]}")
                self.rounds += 1

    def end(self) -> None:
        self._done.set()
        self.join(60)


def as_expected(expect: str, path: str, status: str, reason: str, inside: int) -> bool:
    if path.endswith((".zip", ".tar")):
        return inside > 0 or bool(reason)
    if expect.startswith("reject:password"):
        return (status, reason) == ("skipped", ENCRYPTED)
    if expect == "empty":
        return (status, reason) == ("skipped", EMPTY)
    if expect.startswith("unsupported"):
        return (status, reason) == ("skipped", UNREADABLE_KIND)
    if expect.startswith(("no text layer", "image only")):
        return (status, reason) == ("skipped", SCANNED)
    if expect.startswith("clean error"):
        return status in ("failed", "skipped") and bool(reason)
    return status == "indexed" or (status == "skipped" and reason.startswith("Empty"))


def test_each_file_ends_in_its_state_and_the_portal_answers_throughout(
    corpora: Path, serve: Callable[[Path], Served], tmp_path: Path
) -> None:
    wanted = {str(case["path"]): str(case["expect"]) for case in cases(corpora / "files")}
    assert wanted
    folder = tmp_path / "files"
    shutil.copytree(corpora / "files", folder, ignore=shutil.ignore_patterns("manifest.jsonl"))
    served = serve(tmp_path)
    watch = Watch(served)
    watch.start()
    source = served.connect("Files", folder)
    run = served.ended(source)
    watch.end()
    nodes = {on_disk(node["path"]): node for node in served.all(f"data-sources/{source}/nodes/")}

    kinds: Counter[str] = Counter()
    wrong = []
    for path, expect in wanted.items():
        node = nodes[path]
        inside = sum(1 for other in nodes if other.startswith(f"{path}/"))
        kinds[f"{node['status']}{': ' + node['reason'].split(':')[0] if node['reason'] else ''}"] += 1
        if not as_expected(expect, path, node["status"], node["reason"], inside):
            wrong.append(f"{path}: wanted {expect}, is {node['status']} {node['reason']} with {inside} inside")
    tell(f"files: {account(run)}; {dict(kinds)}")
    tell(f"files: {watch.rounds} rounds of healthz and readyz meanwhile, the slowest {watch.slowest:.1f} s")
    assert not wrong, "\n".join(wrong)
    assert run["discovered"] == run["indexed"] + run["unchanged"] + run["skipped"] + run["failed"]
    assert not watch.failed
    assert watch.rounds > 3
    assert watch.slowest < SLOWEST
