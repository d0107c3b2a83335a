"""Fixtures for all tests: a real PostgreSQL, and the standing cast."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import factories


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    from portal import postgres

    postgres.start()


@pytest.fixture(autouse=True)
def _clean_cache() -> None:
    """Throttles and the like start anew. (No worker runs in tests: they call what a task would call.)"""
    from django.core.cache import cache

    cache.clear()


@pytest.fixture
def cast(db: None) -> factories.Cast:
    """An admin, a builder and a member of one workspace, and an outsider who is admin of another."""
    return factories.cast()


@pytest.fixture(scope="session")
def minilm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the local embedding model is built, once for all tests."""
    return tmp_path_factory.mktemp("models")
