"""Places: a large Slack and a large Drive through the product, synced whole, again, and after changes; and their trees.

The vendors are made up as they are read, each on loopback in a process of its own. ``--share 0.1`` makes all of it a tenth.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from bench.product import Portal, portal
from bench.report import Part, both, percentile
from bench.vendors import FILES_A_FOLDER, Vendor, vendor

CHANNELS = 2_000
FOLDERS = 5_000
AT_A_LEVEL = 10_000
CHANGED = 0.01
SAMPLE_SECONDS = 2.0
ASK_SECONDS = 0.5
LOOKS = 3
"""How often each page of a long level is asked for."""
WORDS = ("invoice", "refund-1", "budget-77", "ticket-4", "travel-99")
ENDED = ("done", "partial", "failed", "stopped")


@dataclass(slots=True)
class Run:
    """A run's account. ``listed``: seconds until the list of what is to be read was whole; ``peak``: MB of all processes."""

    account: dict[str, Any]
    seconds: float
    listed: float
    peak: dict[str, float]

    @property
    def accounted(self) -> int:
        return sum(self.account[name] for name in ("indexed", "unchanged", "skipped", "failed"))


@dataclass
class Watch:
    """Samples the memory of all processes of a portal in a thread; ``peak`` is the sample with the largest sum."""

    running: Portal
    peak: dict[str, float] = field(default_factory=lambda: {"all": 0.0})
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._sample, name="memory", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            found = self.running.memory()
            if found["all"] > self.peak["all"]:
                self.peak = found
            if self._over.wait(SAMPLE_SECONDS):
                return


def measure(share: float = 1.0) -> Part:
    part = Part(
        "Places",
        "A made-up Slack (a hundred messages a channel) and a made-up Drive (ten files a folder), each on loopback in a process "
        "of its own, connected over the API to a portal whose embedder answers without thinking. The time is the run's own, "
        "from its start to its account; memory is the largest sum of all the portal's processes meanwhile. Below: pages of a "
        "long level and searches in it, over HTTP as the tree picker asks for them, p50/p95 in ms.",
        ("what", "documents", "seconds", "of them until listed", "documents/s", "of the first", "peak memory, MB"),
    )
    _slack(part, share)
    _drive(part, share)
    _trees(part, share)
    return part


def _slack(part: Part, share: float) -> None:
    with _connected("slack", round(CHANNELS * share)) as (place, source):
        first = source.first(part, f"Slack of {round(CHANNELS * share):,} channels", place.documents)
        source.again(part, first, "Slack")


def _drive(part: Part, share: float) -> None:
    with _connected("drive", round(FOLDERS * share)) as (place, source):
        first = source.first(part, f"Drive of {round(FOLDERS * share):,} folders", place.documents)
        source.again(part, first, "Drive")
        moved = place.tell("move")
        run = source.sync()
        _tell(part, f"Drive, a folder moved with {moved:,} documents", run, first)
        part.goal(f"moving a folder of {moved:,} documents", run.seconds, 10, "s")
        source.must_be_moved(moved)


def _trees(part: Part, share: float) -> None:
    with _connected("channels", round(AT_A_LEVEL * share)) as (place, source):
        source.first(part, f"Slack of {place.documents:,} quiet channels", place.documents)
        browser = httpx.Client(
            base_url=f"{source.running.url}/w/demo/data/{source.id}/", headers={"Cookie": source.running.cookie()}
        )
        with browser:
            _until_read(browser, place.documents)
            for name, path, mode in (
                ("what the place offers", "offered/", {}),
                ("what came in", "tree/", {"mode": "pick"}),
            ):
                seconds = list(_looked(browser, path, mode, place.documents))
                part.add(f"tree, {name}: {place.documents:,} at a level", *_timed(seconds))
                words = f"tree picker, {name}, p95"
                part.goal(words, 1000 * percentile(seconds, 0.95), 300, "ms")


def _timed(seconds: list[float]) -> tuple[str, ...]:
    return f"{len(seconds)} calls", f"{both(seconds)} ms", "", "", "", ""


@dataclass
class Source:
    """A source that is connected over the API, and its runs."""

    running: Portal
    api: httpx.Client
    place: Vendor
    id: str = ""

    def first(self, part: Part, name: str, documents: int) -> Run:
        """Connect it; its first sync must bring in everything."""
        run = self._run(self._connect)
        if (run.account["discovered"], run.account["indexed"]) != (documents, documents):
            raise RuntimeError(f"{name}: {documents} documents are there, and the account is {run.account}")
        _tell(part, f"{name}, first sync", run, None)
        return run

    def again(self, part: Part, first: Run, name: str) -> None:
        """With nothing changed, and with one in a hundred."""
        nothing = self.sync()
        _tell(part, f"{name}, nothing changed", nothing, first)
        changed = self.place.tell("edit", CHANGED)
        some = self.sync()
        _tell(part, f"{name}, {changed:,} documents changed", some, first)
        if nothing.account["indexed"] or some.account["indexed"] != changed:
            raise RuntimeError(f"{name}: {changed} documents were changed; {nothing.account}; {some.account}")
        part.goal(f"{name}, sync with 1 % changed, share of the first", some.seconds / first.seconds, 0.05, "%")

    def sync(self) -> Run:
        return self._run(lambda: self.api.post(f"data-sources/{self.id}/sync/").raise_for_status())

    def must_be_moved(self, documents: int) -> None:
        """What the API says of paths, now that a branch of so many documents hangs in the first."""
        name = f"Folder {documents // FILES_A_FOLDER}"
        for path, there in ((f"My Drive / Folder 0 / {name} / ", True), (f"My Drive / {name}", False)):
            found = self.api.get(f"data-sources/{self.id}/nodes/", params={"q": path}).raise_for_status().json()
            if bool(found["results"]) != there:
                raise RuntimeError(f"After the move {path!r} is {'not there' if there else 'there still'}")

    def _connect(self) -> None:
        place = self.place
        body = {"kind": place.kind, "name": "Bench", "auth": place.auth, "secret": place.secret}
        body["config"] = {"base_url": place.base_url}
        answer = self.api.post("data-sources/", json=body)
        if answer.status_code != 201:
            raise RuntimeError(f"It could not be connected: {answer.text}")
        self.id = answer.json()["id"]

    def _run(self, begin: Callable[[], object]) -> Run:
        with Watch(self.running) as watch:
            begin()
            listed, account = self._ended()
        started, finished = (datetime.fromisoformat(account[key]) for key in ("started", "finished"))
        seconds = (finished - started).total_seconds()
        run = Run(account, seconds, min(listed, seconds), watch.peak)
        if account["state"] != "done" or account["discovered"] != run.accounted or account["error"]:
            raise RuntimeError(f"A run did not come out whole: {account}")
        return run

    def _ended(self) -> tuple[float, dict[str, Any]]:
        """Seconds until everything was listed, as far as asking twice a second tells; and the account."""
        began, listed = time.monotonic(), None
        while True:
            run = self.api.get(f"data-sources/{self.id}/runs/").raise_for_status().json()["results"][0]
            if listed is None and run["state"] not in ("queued", "discovering"):
                listed = time.monotonic() - began
            if run["state"] in ENDED:
                return listed or 0.0, run
            time.sleep(ASK_SECONDS)


@contextmanager
def _connected(name: str, size: int) -> Iterator[tuple[Vendor, Source]]:
    with vendor(name, size) as place, portal("bench.instant") as running, running.client() as api:
        yield place, Source(running, api, place)


def _tell(part: Part, name: str, run: Run, first: Run | None) -> None:
    number = run.account["discovered"]
    rate = f"{number / run.seconds:.0f}" if first is None else ""
    share = f"{run.seconds / first.seconds:.1%}" if first else ""
    shown = ", ".join(f"{what} {mb:.0f}" for what, mb in run.peak.items() if what != "all")
    memory = f"{run.peak['all']:.0f} ({shown})"
    part.add(name, f"{number:,}", f"{run.seconds:.1f}", f"{run.listed:.1f}", rate, share, memory)


def _until_read(browser: httpx.Client, items: int) -> None:
    """Until the level is known whole: reading it is the vendor's time, and it is shown as it comes."""
    for _ in range(600):
        answer = browser.get("offered/").raise_for_status()
        if 'data-tree-state="read"' in answer.text:
            if f'data-total="{items}"' not in answer.text:
                raise RuntimeError("The level does not hold all that is there")
            return
        time.sleep(ASK_SECONDS)
    raise RuntimeError("The level was not read")


def _looked(browser: httpx.Client, path: str, mode: dict[str, str], items: int) -> Iterator[float]:
    """Seconds of each call: all pages, and searches."""
    pages = [{"first": str(first)} for first in range(0, items, 200)]
    for asked in (*pages * LOOKS, *({"q": word} for word in WORDS * LOOKS)):
        began = time.perf_counter()
        answer = browser.get(path, params={**mode, **asked})
        yield time.perf_counter() - began
        if answer.status_code != 200 or "tree-row" not in answer.text:
            raise RuntimeError(f"The tree could not be read: {answer.status_code} {answer.text[:200]}")
