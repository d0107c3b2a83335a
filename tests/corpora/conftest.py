"""The folder of real data, and portals that serve it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.product import Portal
from tests.served import Served


@pytest.fixture(scope="session")
def corpora() -> Path:
    path = os.environ.get("ATRIUM_CORPORA")
    if not path:
        pytest.skip("ATRIUM_CORPORA does not name the folder of real data")
    return Path(path).resolve()


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[Path], Served]]:
    """Start a portal that may read one folder; it is stopped, and its data removed, after the module's tests."""
    made: list[Served] = []
    places: list[Path] = []

    def start(root: Path) -> Served:
        places.append(Path(tempfile.mkdtemp(prefix="atrium-corpora-")))
        made.append(Served(Portal(places[-1], environment={"ATRIUM_FOLDER_ROOTS": str(root)})))
        return made[-1]

    yield start
    for served in made:
        served.close()
    for place in places:
        shutil.rmtree(place, ignore_errors=True)
