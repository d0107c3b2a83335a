"""The parts that can stand elsewhere: where each is, in words without a password, and whether it answers there.

Every sentence is for whoever runs the installation: what does not answer, why, and what to do. Nothing waits longer than
``PATIENCE`` seconds for one address.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

PATIENCE: Final = 3.0
_PORTS: Final = {
    "postgresql": 5432, "postgres": 5432, "redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671, "http": 6333,
    "https": 6333,
}  # fmt: skip


class Unreachable(Exception):
    """One sentence: what does not answer, why, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Part:
    """``label`` begins a sentence; ``variable`` is the setting that says where it stands."""

    label: str
    variable: str

    @property
    def url(self) -> str:
        """Empty where the part is embedded."""
        url = str(getattr(settings, self.variable))
        return "" if url.startswith("memory:") else url

    @property
    def place(self) -> str:
        """``HOST:PORT`` or the path of a socket; never who signs in there, nor how."""
        found = _address(self.url)
        if isinstance(found, str):
            return found
        host, port = found
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def way_out(self) -> str:
        """What to do with the setting where the part itself can't be started."""
        return f"{'correct' if settings.PROFILE == 'services' else 'unset'} {self.variable}"

    @property
    def _is_several(self) -> bool:
        """Whether it names several servers: hosts with commas between, or whole addresses with semicolons."""
        return "," in self.place or "://" in self.url.partition("://")[2].partition("?")[0]

    def knock(self) -> None:
        """Raises Unreachable where nobody listens. Several addresses in one (a cluster) are left to its own client."""
        if not self.url or self._is_several:
            return
        try:
            _connect(_address(self.url))
        except OSError as error:
            raise self.is_silent(error.strerror or error) from error

    def is_silent(self, error: BaseException | str) -> Unreachable:
        """Nobody is there, or says nothing."""
        return Unreachable(
            f"{self.label} at {self.place} does not answer ({_words(error)}): start it, or {self.way_out}."
        )

    def refuses(self, error: BaseException | str) -> Unreachable:
        """It is there, but does not want us."""
        return Unreachable(
            f"{self.label} at {self.place} does not let Atrium in ({_words(error)}): correct {self.variable}."
        )


DATABASE = Part("The database", "DATABASE_URL")
REDIS = Part("Redis", "REDIS_URL")
BROKER = Part("The queue", "CELERY_BROKER_URL")
QDRANT = Part("The Qdrant server", "QDRANT_URL")
PARTS: Final = {"database": DATABASE, "channels": REDIS, "queue": BROKER, "index": QDRANT}
"""By the names that their checks have, too."""


def knock_all() -> None:
    """Raises Unreachable for the first part elsewhere at whose address nobody listens."""
    for part in PARTS.values():
        part.knock()


def reach_database() -> None:
    """Raises Unreachable where a database elsewhere does not let us in. The embedded one is started, not reached."""
    if not DATABASE.url:
        return
    DATABASE.knock()
    try:
        where = conninfo_to_dict(DATABASE.url)
        where.setdefault("dbname", "atrium")
        psycopg.connect(**{**where, "connect_timeout": max(2, int(PATIENCE))}).close()  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise database_trouble(error) from error


def database_trouble(error: BaseException) -> Unreachable:
    """What a driver's error comes to, elsewhere or here."""
    said = _of_libpq(str(error))
    if not DATABASE.url:
        return Unreachable(f"The embedded database does not answer ({said}): {settings.POSTGRES_DIR}/log says more.")
    if re.search(r"does not exist|password|authentication|pg_hba|permission denied|invalid|SSL", said):
        return DATABASE.refuses(said)
    return DATABASE.is_silent(said)


def reach_redis() -> None:
    """Raises Unreachable where Redis does not let us in."""
    if not REDIS.url:
        return
    REDIS.knock()
    import redis

    client = redis.Redis.from_url(REDIS.url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)
    try:
        client.ping()
    except (redis.TimeoutError, redis.BusyLoadingError) as error:
        raise REDIS.is_silent(error) from error
    except redis.RedisError as error:
        raise REDIS.refuses(error) from error
    finally:
        client.close()


def without_passwords(text: str) -> str:
    """The text without any password or key of the settings, whoever quoted it."""
    secrets = [settings.QDRANT_API_KEY, getattr(settings, "EMAIL_HOST_PASSWORD", "")]
    for part in PARTS.values():
        written = urlsplit(part.url).password or ""
        secrets += [written, unquote(written)]
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "…")
    return text


def _words(error: BaseException | str) -> str:
    """What was said, on one line, without its full stop."""
    said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return without_passwords(said)


def _of_libpq(text: str) -> str:
    """The server's own words out of "connection failed: connection to server at …, port … failed: FATAL:  …"."""
    first = text.strip().splitlines()[0] if text.strip() else "no reason given"
    told = re.search(r"(?:FATAL|ERROR):\s*(.+)", first)
    return (told[1] if told else first.rpartition("failed: ")[2]).rstrip(".")


def _address(url: str) -> str | tuple[str, int]:
    """Host and port, or the path of a Unix socket."""
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [""])[0] or parts.hostname or ""
    port = parts.port or _PORTS.get(parts.scheme, 0)
    if parts.scheme == "unix":
        return unquote(parts.path)
    if parts.scheme.startswith("postgres") and (not host or host.startswith("/")):
        return f"{host or '/var/run/postgresql'}/.s.PGSQL.{port}"
    return host or "localhost", port


def _connect(address: Any) -> None:
    if isinstance(address, tuple):
        socket.create_connection(address, timeout=PATIENCE).close()
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PATIENCE)
        probe.connect(address)
