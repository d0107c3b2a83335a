"""Fixtures for all tests: a real PostgreSQL, and the standing cast."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import factories, first_start

# Those that take minutes, or half a minute, the longest first; what waits much stands beside what computes much.
SLOWEST = (
    "browser/test_story.py",
    "services/test_profile.py",
    "portal/test_access_walk.py",
    "browser/test_places.py",
    "portal/test_launcher.py",
    "browser/test_governing.py",
    "portal/test_killed.py",
    "datasources/test_no_leak.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files begin first, so that none of them is left to one worker alone while the other has nothing to do."""
    here = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        name = item.path.relative_to(here).as_posix()
        if name in SLOWEST:
            return SLOWEST.index(name)
        apart = item.get_closest_marker("browser") or item.get_closest_marker("services")
        return len(SLOWEST) if apart else len(SLOWEST) + 1

    items.sort(key=rank)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    from portal import postgres
    from tests import database

    postgres.start()
    database.forget_power_cuts()
    database.empty_quickly()


@pytest.fixture(autouse=True)
def _clean_cache() -> None:
    """Throttles and the like start anew. (No worker runs in tests: they call what a task would call.)"""
    from django.core.cache import cache

    cache.clear()


@pytest.fixture(autouse=True)
def _nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a slow machine takes long for is made anew all the same: a test sees the present, and counts every query."""
    monkeypatch.setattr("portal.kept.SLOW", float("inf"))


@pytest.fixture
def cast(db: None) -> factories.Cast:
    """An admin, a builder and a member of one workspace, and an outsider who is admin of another."""
    return factories.cast()


@pytest.fixture(scope="session")
def started_once() -> first_start.FirstStart:
    """What the first start of a portal left, to begin with a copy of it."""
    return first_start.first_start()


@pytest.fixture(scope="session")
def minilm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the local embedding model is built, once for all tests."""
    return tmp_path_factory.mktemp("models")
