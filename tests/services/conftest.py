"""Which services this machine has. With ATRIUM_REQUIRE_SERVICES=1 (CI), one that is missing fails its tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from kombu import Connection

from tests.services.stack import Stack, clean_environment, database

pytestmark = pytest.mark.services


def required(name: str, label: str) -> str:
    """The service's address, or a skip that says what to set; under ATRIUM_REQUIRE_SERVICES, a failure."""
    if address := os.environ.get(name, ""):
        return address
    reason = f"{name} is not set: the address of a {label} that the tests may use"
    if os.environ.get("ATRIUM_REQUIRE_SERVICES", "") in {"1", "yes", "true"}:
        pytest.fail(f"{reason}; ATRIUM_REQUIRE_SERVICES asks for it.", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres() -> str:
    """An address whose user may make databases."""
    address = required("ATRIUM_TEST_POSTGRES", "PostgreSQL")
    psycopg.connect(address, connect_timeout=5).close()
    return address


@pytest.fixture(scope="session")
def redis_url() -> str:
    address = required("ATRIUM_TEST_REDIS", "Redis")
    with redis.Redis.from_url(address, socket_timeout=5) as client:
        client.ping()
    return address


@pytest.fixture(scope="session")
def rabbitmq() -> str:
    address = required("ATRIUM_TEST_RABBITMQ", "RabbitMQ")
    with Connection(address, connect_timeout=5) as broker:
        broker.ensure_connection(max_retries=1)
    return address


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What web and worker share: keys, files, the embedding model."""
    return tmp_path_factory.mktemp("services-data")


@pytest.fixture(scope="session")
def migrated(postgres: str, data: Path) -> Iterator[str]:
    """A database that ``manage.py migrate`` made from nothing; others are copies of it."""
    with database(postgres) as url:
        environment = clean_environment(ATRIUM_DATA=str(data), DATABASE_URL=url)
        stack = Stack(data, environment)
        stack.manage("migrate", "--no-input", "--verbosity", "0")
        stack.manage("collectstatic", "--no-input", "--verbosity", "0")
        yield url
