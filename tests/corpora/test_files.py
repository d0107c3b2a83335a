"""The good, odd and hostile files through the product: each ends in its state, and people go on working meanwhile."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from datasources.ingestion.results import CORRUPT, EMPTY, ENCRYPTED, SCANNED, UNREADABLE_KIND
from tests.corpora.manifest import Case, cases, holds_snippet
from tests.served import Served, account, on_disk, tell

pytestmark = [pytest.mark.corpora, pytest.mark.timeout(1800)]

PATIENCE = 30.0
"""Seconds after which somebody thinks that the portal is down."""
QUESTION = "How do I connect a folder?"

State = tuple[str, str]
"""A node's status and reason."""
READ: State = ("indexed", "")

EXPECTED: Mapping[str, State] = {
    "reject:password": ("skipped", ENCRYPTED),
    "empty": ("skipped", EMPTY),
    "unsupported": ("skipped", UNREADABLE_KIND),
    "no text layer": ("skipped", SCANNED),
    "image only": ("skipped", SCANNED),
    "clean error": ("failed", CORRUPT),
}
"""By how the manifest's words begin; whatever else it says, the text is to come in, also where it would take an error."""


@dataclass(frozen=True)
class Otherwise:
    """How a file ends that the manifest has other words for. ``inside``: the members of an archive that are no containers."""

    why: str
    state: State = READ
    inside: Mapping[str, State] = field(default_factory=dict)


UNREAD: State = ("skipped", UNREADABLE_KIND)
OPENED: State = ("container", "")

OTHERWISE: Mapping[str, Otherwise] = {
    "encrypted/testZipEncrypted.zip": Otherwise(
        "Only one of its two members is encrypted; the other is read.",
        OPENED,
        {"encrypted.txt": ("skipped", ENCRYPTED), "unencrypted.txt": READ},
    ),
    "corrupt_or_odd/testZIP_corrupted_oom.zip": Otherwise(
        "An archive that can't be opened holds nothing that could fail; the reason is the same.", ("skipped", CORRUPT)
    ),
    "nested/droste.zip": Otherwise(
        "It holds itself: three deep is opened, and the next one says why not.",
        OPENED,
        {
            "droste.jpg": UNREAD,
            "droste.zip/droste.jpg": UNREAD,
            "droste.zip/droste.zip/droste.jpg": UNREAD,
            "droste.zip/droste.zip/droste.zip": ("skipped", "Archive nested more than 3 deep"),
        },
    ),
    "nested/testEmbedded.zip": Otherwise("", OPENED, {"test1.txt": READ, "test2.txt": READ}),
    "nested/test-nested-tarball.tar": Otherwise(
        "", OPENED, {"folderContainingTgz/inner/nested.tgz/folderWithinTgz/testTXT.txt": READ}
    ),
    "nested/test_files.zip": Otherwise(
        "A picture holds no text.",
        OPENED,
        {
            "test.jpg": UNREAD,
            **dict.fromkeys(("test.docx", "test.pptx", "test.xlsx"), READ),
            **dict.fromkeys(("test_blog.html", "test_serp.html", "test_wikipedia.html"), READ),
        },
    ),
}


def state_of(node: Mapping[str, Any]) -> State:
    return node["status"], node["reason"]


def expected(case: Case) -> State:
    path, words = str(case["path"]), str(case["expect"])
    if path in OTHERWISE:
        return OTHERWISE[path].state
    return next((state for begin, state in EXPECTED.items() if words.startswith(begin)), READ)


class Person(threading.Thread):
    """Somebody who does the same thing again and again; ``took``: seconds of each time, ``failed``: what they got else."""

    def __init__(self, once: Callable[[], str]) -> None:
        super().__init__(daemon=True)
        self.once = once
        self.took: list[float] = []
        self.failed: list[str] = []
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(0.5):
            begun = time.monotonic()
            try:
                problem = self.once()
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__}: {error}"
            if problem:
                self.failed.append(problem)
            self.took.append(time.monotonic() - begun)

    def end(self) -> None:
        self._done.set()
        self.join(60)


def looking(served: Served, cookie: str, *paths: str) -> Callable[[], str]:
    """Pages, signed in; empty, or what was wrong."""
    client = httpx.Client(base_url=served.portal.url, headers={"Cookie": cookie}, timeout=PATIENCE)
    turns = _endless(paths)

    def once() -> str:
        path = next(turns)
        answered = client.get(path)
        whole = answered.status_code == 200 and (not path.startswith("/w/") or "</main>" in answered.text)
        return "" if whole else f"{path}: {answered.status_code} {answered.text[:200]}"

    return once


def _endless(paths: tuple[str, ...]) -> Iterator[str]:
    while True:
        yield from paths


def asking(served: Served) -> Callable[[], str]:
    """A question to the user guide."""

    def once() -> str:
        answer = served.answer(QUESTION)
        good = (
            answer["status"] == "completed"
            and answer["citations"]
            and "Choose Folder" in answer["content"].replace("*", "")
        )
        return "" if good else f"{answer['status']}: {answer['content'][:300]}"

    return once


def test_each_file_ends_in_its_state_and_people_go_on_working(
    corpora: Path, serve: Callable[[Path], Served], tmp_path: Path
) -> None:
    wanted = cases(corpora / "files")
    assert len(wanted) == 82
    folder = tmp_path / "files"
    shutil.copytree(corpora / "files", folder, ignore=shutil.ignore_patterns("manifest.jsonl"))
    served = serve(tmp_path)
    looks = looking(served, served.portal.cookie(), "/w/demo/", "/w/demo/data/", "/healthz", "/readyz")
    people = {"looking": Person(looks), "asking": Person(asking(served))}
    source = served.connect("Files", folder)
    for person in people.values():
        person.start()
    run = served.ended(source)
    for person in people.values():
        person.end()

    tell(f"files: {account(run)}")
    for name, person in people.items():
        tell(f"files: {name} {len(person.took)} times meanwhile, {max(person.took):.1f} s at most")
    nodes = {on_disk(node["path"]): node for node in served.all(f"data-sources/{source}/nodes/")}
    assert not (wrong := list(wrong_in(served, wanted, nodes))), "\n".join(wrong)
    assert run["discovered"] == run["indexed"] + run["unchanged"] + run["skipped"] + run["failed"]
    for name, person in people.items():
        assert not person.failed, name
        assert len(person.took) > 3, name


def wrong_in(served: Served, wanted: list[Case], nodes: Mapping[str, Any]) -> Iterator[str]:
    """What ended otherwise than it should, file by file; and files that nobody expects."""
    known = set()
    for case in wanted:
        path = str(case["path"])
        inside = OTHERWISE[path].inside if path in OTHERWISE else {}
        for name, state in {
            path: expected(case),
            **{f"{path}/{name}": state for name, state in inside.items()},
        }.items():
            known.add(name)
            if name not in nodes:
                yield f"{name}: is not there"
            elif state_of(nodes[name]) != state:
                yield f"{name}: is {state_of(nodes[name])}, not {state} ({case['expect']})"
        if path in nodes and state_of(nodes[path]) == READ and not inside:
            text = served.get(f"documents/{nodes[path]['id']}/")["text"]
            if not holds_snippet(case, text):
                yield f"{path}: does not hold its snippet"
    for name in sorted(set(nodes) - known):
        if nodes[name]["status"] != "container":
            yield f"{name}: {state_of(nodes[name])} is expected by nobody"
