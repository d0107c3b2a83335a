"""A real portal as a script meets it: connect a folder over the API, wait for the run, ask; also across kills."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.product import Portal

ENDED = ("done", "partial", "failed", "stopped")
WAIT = 1500


class Served:
    """``api`` is the client of this moment: after a start it is a new one, with the same key."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        portal.start()
        self.api = portal.client()

    def again(self) -> None:
        """Start after a stop or a kill."""
        headers = self.api.headers
        self.api.close()
        self.portal.start()
        self.api = httpx.Client(base_url=self.portal.api, headers=headers, timeout=60)

    def kill(self, *, children: bool, database: bool) -> None:
        """SIGKILL, at once: the portal itself, its children where asked, and the database's processes where asked."""
        everything = self.portal._processes()
        root = self.portal.process
        assert root is not None
        postgres = {p for p in everything if "postgres" in p.name()}
        own = {p for p in everything if p not in postgres and p.pid != root.pid}
        doomed = [*(own if children else ()), *(postgres if database else ())]
        root.send_signal(signal.SIGKILL)
        for process in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself just now
                process.send_signal(signal.SIGKILL)
        root.wait()
        psutil.wait_procs(doomed, timeout=10)
        if root.stdout is not None:
            root.stdout.close()
        self.portal.process = None

    def close(self) -> None:
        self.api.close()
        self.portal.stop()

    def connect(self, name: str, folder: Path) -> str:
        """Create a folder source, whose first sync starts by itself; gives its id."""
        asked = {"kind": "folder", "name": name, "config": {"path": str(folder)}}
        return str(self.post("data-sources/", asked)["id"])

    def sync(self, source: str) -> dict[str, Any]:
        """A further run, to its end."""
        self.post(f"data-sources/{source}/sync/", None)
        return self.ended(source)

    def newest_run(self, source: str) -> dict[str, Any]:
        run: dict[str, Any] = self.get(f"data-sources/{source}/runs/")["results"][0]
        return run

    def got_on(self, source: str, seconds: float = 120) -> None:
        """Wait until the newest run has more behind it than now, and is not at its end."""
        deadline = time.monotonic() + seconds
        before = done(self.newest_run(source))
        while (run := self.newest_run(source))["state"] != "syncing" or done(run) <= before:
            assert run["state"] not in ENDED, f"the run has ended already: {run}"
            assert time.monotonic() < deadline, f"nothing goes on: {run}"
            time.sleep(0.1)

    def ended(self, source: str, seconds: float = WAIT) -> dict[str, Any]:
        """The newest run, when it has ended."""
        deadline = time.monotonic() + seconds
        while (run := self.newest_run(source))["state"] not in ENDED:
            assert time.monotonic() < deadline, f"still {run} after {seconds} s"
            time.sleep(1)
        return run

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        answered = self.api.get(path, params=query or None)
        return _read(answered)

    def post(self, path: str, body: Any) -> dict[str, Any]:
        return _read(self.api.post(path, json=body, timeout=180))

    def all(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Every row of a list, over all its pages."""
        page = self.get(path, limit=200, **query)
        yield from page["results"]
        while page["next"]:
            page = self.get(page["next"])
            yield from page["results"]

    def documents(self, query: str, *, limit: int = 20, source: str | None = None) -> list[str]:
        """Paths of what a search finds, each document once, in rank order. As on disk: with slashes alone."""
        asked = {"query": query, "limit": limit, **({"data_sources": [source]} if source else {})}
        found = self.post("search/", asked)["results"]
        return list(dict.fromkeys(on_disk(passage["document"]["path"]) for passage in found))

    def answer(self, question: str) -> dict[str, Any]:
        """A conversation's first question, and the finished answer to it."""
        conversation = self.post("conversations/", {})["id"]
        return self.post(f"conversations/{conversation}/messages/", {"content": question})


def done(run: dict[str, Any]) -> int:
    """Documents that a run is through with."""
    return int(run["indexed"] + run["unchanged"] + run["skipped"] + run["failed"])


def _read(answered: httpx.Response) -> dict[str, Any]:
    assert answered.is_success, (
        f"{answered.request.method} {answered.request.url}: {answered.status_code} {answered.text[:500]}"
    )
    body: dict[str, Any] = answered.json()
    return body


def on_disk(path: str) -> str:
    """A path as people see it, ``a / b.md``, as the folder has it."""
    return path.replace(" / ", "/")


def account(run: dict[str, Any]) -> str:
    """A run in one line."""
    names = ("discovered", "indexed", "unchanged", "skipped", "failed", "removed", "passages")
    return f"{run['state']}: " + ", ".join(f"{name} {run[name]}" for name in names)


def tell(text: str) -> None:
    """Into the protocol of the run (``-s``)."""
    sys.stdout.write(f"\n{text}\n")
    sys.stdout.flush()
