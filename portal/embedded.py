"""One product on one machine: the embedded PostgreSQL, an in-process worker, and the server, in one process tree.

``python -m portal.embedded`` is what ``make run`` starts, and with ``--demo`` what ``make demo`` does. It says what it does at each
step, and every failure in one sentence.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from portal import environment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

_lock: int | None = None


class CannotStart(Exception):
    """One sentence for the person at the terminal."""


def say(text: str) -> None:
    """To whoever started it; where nobody reads any more, that is no reason not to stop in order."""
    with contextlib.suppress(BrokenPipeError):
        print(text, flush=True)


def claim_data() -> None:
    """This process is the portal of this data directory; a second one is refused. Held until the process ends."""
    global _lock
    from django.conf import settings

    if _lock is not None:
        return
    path = settings.DATA / "portal.lock"
    settings.DATA.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(handle, 20).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        raise CannotStart(
            f"Another portal (process {owner}) already uses {settings.DATA}. Stop it, or set ATRIUM_DATA to another directory."
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    _lock = handle


def is_launched() -> bool:
    """Whether this process is the portal of its data directory."""
    return _lock is not None


def _check_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise CannotStart(f"Port {port} needs more rights. Choose one above 1023: make run PORT=8001") from None
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotStart(
                    f"ATRIUM_HOST is {host!r}, which is no address of this machine ({error.strerror}). "
                    "Leave it out to serve this machine alone, or set it to 0.0.0.0 to serve the network."
                ) from None
            another = port + 1 if port < 65535 else 8000
            raise CannotStart(
                f"Port {port} is taken ({error.strerror}). Choose another: make run PORT={another}"
            ) from None


def _check_folder() -> None:
    folder = environment.text("FOLDER")
    if folder and not Path(folder).expanduser().is_dir():
        raise CannotStart(f"FOLDER={folder} is not a directory.")


def _check_parts() -> None:
    """What stands elsewhere has to let us in before anything is begun with it."""
    from portal import checks, reaching
    from portal.registry import registries

    for name, part in reaching.PARTS.items():
        check = registries.checks.get(name)
        if not part.url or check is None:
            continue
        found = checks.ask(check)
        if not found.ok:
            raise CannotStart(found.words)


def _migrate() -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        say("Preparing the database…")
        call_command("migrate", verbosity=0, interactive=False)


def _collect_static() -> None:
    """Hash and compress the static files, where they changed since the last start."""
    from django.conf import settings
    from django.core.management import call_command

    digest = hashlib.sha256((settings.BASE_DIR / "requirements.lock").read_bytes())
    for path in sorted(p for d in settings.STATICFILES_DIRS for p in Path(d).rglob("*") if p.is_file()):
        digest.update(f"{path}{path.stat().st_mtime_ns}{path.stat().st_size}".encode())
    stamp = settings.STATIC_ROOT / ".built"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    say("Preparing static files…")
    call_command("collectstatic", verbosity=0, interactive=False, clear=settings.STATIC_ROOT.exists())
    stamp.write_text(digest.hexdigest())


def _first_workspace() -> None:
    """A workspace, its admin, and the user guide as its first source; made once."""
    from django.conf import settings

    from portal.models import User, Workspace
    from portal.people import make_person, make_workspace

    if Workspace.objects.exists():
        return
    slug = settings.FIRST_WORKSPACE
    say(f"Making the workspace {slug} with the admin {settings.FIRST_ADMIN_EMAIL}…")
    admin = User.objects.filter(email__iexact=settings.FIRST_ADMIN_EMAIL).first()
    if admin is None:
        admin = make_person(email=settings.FIRST_ADMIN_EMAIL, name="Admin", operator=True)
    make_workspace(slug=slug, name=slug.replace("-", " ").title(), admin=admin)


def _index_guide() -> None:
    """Bring the user guide up to date, here and now, so that the first question finds it."""
    from django.conf import settings

    from datasources.models import DataSource
    from datasources.sources import create_source, request_sync
    from datasources.sync import sync_source
    from portal.models import Workspace

    guide = DataSource.objects.filter(kind="folder", config__path=str(settings.GUIDE_DIR)).first()
    fresh = guide is None
    if guide is None:
        workspace = Workspace.objects.order_by("created").first()
        if workspace is None or workspace.data_sources.exists():
            return
        say("Indexing the user guide…")
        guide = create_source(
            workspace=workspace,
            by=None,
            kind="folder",
            name="Atrium user guide",
            config={"path": str(settings.GUIDE_DIR)},
        )
    open_run = guide.runs.filter(state__in=["queued", "discovering", "syncing"]).first()
    if not fresh and open_run is None and guide.last_synced is not None:
        return
    sync_source(open_run or request_sync(guide, by=None, trigger="first"))


def _make_demo() -> None:
    """A small company beside what is there; made once. Its questions are answered here, before anybody else asks."""
    from django.core.management import CommandError, call_command

    try:
        call_command("make_demo")
    except CommandError as error:
        raise CannotStart(str(error)) from error


def task_pool() -> type[Any]:
    """Celery's threads, except that what comes while they end is left to the next start, which does all that is due."""
    from celery.concurrency.thread import ApplyResult, TaskPool

    class Threads(TaskPool):
        def on_apply(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return super().on_apply(*args, **kwargs)
            except RuntimeError:
                if not self.executor._shutdown:
                    raise
                return ApplyResult(Future())

    return Threads


class Worker:
    """Celery over ``memory://`` in threads of this process, and its clock."""

    def __init__(self) -> None:
        from celery.beat import EmbeddedService

        from portal.celery import app

        app.finalize()
        self.controller = app.WorkController(
            pool=task_pool(),
            concurrency=2,
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
            quiet=True,
        )
        # It wakes every second, so that it also ends within one.
        self.clock = EmbeddedService(app, thread=True, scheduler_cls="celery.beat:Scheduler", max_interval=1.0)
        self.thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def _run(self) -> None:
        with contextlib.suppress(SystemExit):
            self.controller.start()

    def start(self) -> None:
        """With all that is due once at the start: what the last process left under way goes on now, not in a minute."""
        self.thread.start()
        self.clock.start()
        for entry in self.controller.app.conf.beat_schedule.values():
            self.controller.app.send_task(entry["task"])

    def stop(self) -> None:
        if self.clock.is_alive():
            # A clock that broke would be waited for without an end.
            self.clock.stop()
        self.controller.stop()
        self.thread.join(timeout=10)


def _serve(started: float) -> None:
    import uvicorn
    from django.conf import settings

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                await asyncio.to_thread(_greet, started)

    config = uvicorn.Config(
        "portal.asgi:application",
        host=settings.HOST,
        port=settings.PORT,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio" if _has_sansio() else "websockets",
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=5,
        server_header=False,
        ws_max_size=1024 * 1024,
        # Frames are small and many; packing each costs more than it saves, and memory for every open page.
        ws_per_message_deflate=False,
        workers=1,
    )
    server = Server(config)
    server.run()
    if not server.started:
        raise CannotStart("The server did not start; the lines above say why.")


def _has_sansio() -> bool:
    from uvicorn.config import WS_PROTOCOLS

    return "websockets-sansio" in WS_PROTOCOLS


def _greet(started: float) -> None:
    from django.conf import settings

    from portal.models import User
    from portal.people import sign_in_link

    admin = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if admin is not None:
        say(f"Sign in as {admin.email}, once, with this link: {sign_in_link(admin)}")
    say(
        f"Atrium is ready at http://{settings.HOST}:{settings.PORT} ({time.monotonic() - started:.1f} s). Stop it with Ctrl-C."
    )


def _end_in_order() -> None:
    """A terminal that closes, or a service manager, ends the portal as Ctrl-C does: nothing of its tree is left behind."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    # While it serves, uvicorn hears SIGTERM itself, and hands it on to this when all answers are put away.
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))


def _bound_arenas() -> None:
    """Few heaps for many threads: with glibc's own choice, eight a core, the portal takes a quarter more memory."""
    M_ARENA_MAX = -8
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def main() -> None:
    started = time.monotonic()
    _bound_arenas()
    _end_in_order()
    _check_folder()
    from django.conf import settings

    from portal import postgres, reaching

    if settings.PROFILE == "services":
        raise CannotStart("The services profile runs web, worker and beat apart; docs/operator-guide.md says how.")
    _check_port(settings.HOST, settings.PORT)
    reaching.knock_all()
    if not (settings.POSTGRES_DIR / "PG_VERSION").exists() and not settings.DATABASE_URL:
        say(f"Making a database in {settings.DATA}…")
    postgres.make_data_directory()
    claim_data()
    postgres.start()
    import django

    django.setup()
    _check_parts()
    _migrate()
    _collect_static()
    _first_workspace()
    _index_guide()
    if "--demo" in sys.argv[1:]:
        _make_demo()
    worker = Worker()
    worker.start()
    try:
        _serve(started)
    finally:
        say("Stopping…")
        worker.stop()
        postgres.stop()


if __name__ == "__main__":
    from django.core.exceptions import ImproperlyConfigured

    # Run as a script, this is another module than the one that the server imports: its lock has to be that one's.
    from portal.embedded import CannotStart, main
    from portal.reaching import Unreachable

    try:
        main()
    except (CannotStart, ImproperlyConfigured, Unreachable) as error:
        sys.exit(f"Atrium can't start: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
