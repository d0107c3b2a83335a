"""The whole portal, killed in the middle of a sync: the next start goes on at once, and nothing is lost or doubled."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery.signals import beat_init

from bench.product import Portal
from bench.words import folder
from portal import embedded
from tests.first_start import FirstStart
from tests.served import Served

PAGES = 400


@pytest.fixture
def served(tmp_path: Path, started_once: FirstStart) -> Iterator[Served]:
    """With embeddings at once. Not below pytest's own directory: its path would be too long for a socket."""
    place = Path(tempfile.mkdtemp(prefix="atrium-killed-")) / "data"
    started_once.copy_to(place)
    made = Served(Portal(place, environment={"ATRIUM_FOLDER_ROOTS": str(tmp_path)}, module="bench.instant"))
    yield made
    made.close()
    shutil.rmtree(place.parent, ignore_errors=True)


def test_a_killed_portal_goes_on_with_its_sync_at_the_next_start(served: Served, tmp_path: Path) -> None:
    source = served.connect("Pages", folder(tmp_path / "pages", PAGES, seed=7))
    served.got_on(source)
    served.kill(children=True, database=True)
    served.again()
    interrupted = served.newest_run(source)
    assert interrupted["state"] in ("queued", "discovering", "syncing")
    run = served.ended(source, seconds=120)
    assert (run["id"], run["state"]) == (interrupted["id"], "done")
    assert run["discovered"] == PAGES == run["indexed"]
    begun = time.monotonic()
    served.portal.stop()
    assert time.monotonic() - begun < 15
    assert int(served.portal.python("-m", "tests.look", source).splitlines()[-1]) >= PAGES


def test_the_clock_of_the_portal_itself_needs_no_services(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="a worker or beat of its own also needs"):
        beat_init.send(sender=None)
    monkeypatch.setattr(embedded, "_lock", 0)
    beat_init.send(sender=None)
