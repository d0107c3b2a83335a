"""What /readyz and ``manage.py doctor`` ask of the ground floor. Higher floors add theirs to the registry."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection, connections

from portal import reaching
from portal.reaching import Unreachable
from portal.registry import Check, registries

OLDEST = 150_000


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a check; ``words`` is a sentence, without passwords."""

    ok: bool
    words: str


def ask(check: Check) -> Found:
    """Run a check, for no longer than it may take: one that hangs is left behind in a thread of its own."""
    found: list[Found] = []

    def run() -> None:
        try:
            found.append(Found(True, check.run()))
        except Exception as error:  # noqa: BLE001  any part may fail in its own way; all of them are told
            found.append(Found(False, _told(error, check)))
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, name=f"check {check.label}", daemon=True)
    thread.start()
    thread.join(check.seconds)
    if found:
        return Found(found[0].ok, reaching.without_passwords(found[0].words))
    return Found(False, f"It did not answer within {check.seconds:g} seconds. {check.hint}".strip())


def _told(error: Exception, check: Check) -> str:
    """Our own errors are sentences with a remedy already; a library's gets the check's."""
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, Unreachable) or not check.hint or check.hint in said:
        return said
    return f"{said.rstrip('.')}. {check.hint}"


def _database() -> str:
    reaching.reach_database()
    with connection.cursor() as cursor:
        cursor.execute("select current_setting('server_version')")
        version = cursor.fetchone()[0]
    if connection.pg_version < OLDEST:  # type: ignore[attr-defined]
        raise Unreachable(
            f"PostgreSQL {version} is too old. Atrium needs 15 or newer: some rows are unique by empty columns, too."
        )
    where = f"at {reaching.DATABASE.place} (DATABASE_URL)" if settings.DATABASE_URL else "(embedded)"
    return f"PostgreSQL {version} {where} answers."


def _schema() -> str:
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing:
        raise Unreachable(
            f"The database is not prepared for this version ({missing} migrations are missing): run manage.py migrate."
        )
    return "All migrations are there."


def _queue() -> str:
    from celery import current_app as app

    part = reaching.BROKER
    if not part.url:
        return "It runs in the portal's process (embedded)."
    part.knock()
    try:
        with app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=reaching.PATIENCE)
    except Exception as error:  # each transport has errors of its own
        raise part.refuses(error) from error
    return f"The queue at {part.place} (CELERY_BROKER_URL) answers."


def _channels() -> str:
    from channels import DEFAULT_CHANNEL_LAYER
    from channels.layers import channel_layers

    reaching.reach_redis()
    # One of its own: two event loops can't receive on the same, and the portal's hears what other processes want.
    layer = channel_layers.make_backend(DEFAULT_CHANNEL_LAYER)

    async def round_trip() -> None:
        try:
            name = await layer.new_channel()
            await layer.send(name, {"type": "check"})
            await layer.receive(name)
        finally:
            if hasattr(layer, "close_pools"):
                await layer.close_pools()

    async_to_sync(round_trip)()
    return f"Redis at {reaching.REDIS.place} (REDIS_URL) answers." if settings.REDIS_URL else "It is in memory."


def _files() -> str:
    """Whether a file can be written, read and removed."""
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    store: Any = settings.STORAGES["default"]
    options = store.get("OPTIONS", {})
    bucket = options.get("bucket_name")
    where = f"the bucket {bucket} (ATRIUM_S3_BUCKET)" if bucket else str(options.get("location", settings.FILES_DIR))
    try:
        name = default_storage.save("doctor/probe", ContentFile(b"probe"))
        with default_storage.open(name) as file:
            kept = file.read() == b"probe"
        default_storage.delete(name)
    except Exception as error:  # each store has errors of its own
        said = reaching.without_passwords(getattr(error, "strerror", None) or str(error)).rstrip(".")
        remedy = "check ATRIUM_S3_BUCKET, its address and its keys" if bucket else "mend its rights, or its disk"
        raise Unreachable(f"Files can't be kept in {where} ({said}): {remedy}.") from error
    if not kept:
        raise Unreachable(f"A file that was written to {where} came back otherwise: look at that store.")
    return f"Files are kept in {where}."


def _mail() -> str:
    if settings.EMAIL_BACKEND.endswith("filebased.EmailBackend"):
        settings.MAIL_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(settings.MAIL_DIR, os.W_OK | os.X_OK):
            raise Unreachable(f"Mails are files in {settings.MAIL_DIR}, which can't be written: mend its rights.")
        return f"No mail server is set, so mails are files in {settings.MAIL_DIR}. To send them, set ATRIUM_EMAIL_URL."
    if not settings.EMAIL_BACKEND.endswith("smtp.EmailBackend"):
        return f"Mails go to {settings.EMAIL_BACKEND} (ATRIUM_EMAIL_BACKEND)."
    from django.core.mail import get_connection

    place = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    server = get_connection(timeout=reaching.PATIENCE)
    try:
        server.open()
    except Exception as error:  # the socket's, TLS's and SMTP's own
        said = reaching.without_passwords(getattr(error, "strerror", None) or str(error)).rstrip(".")
        raise Unreachable(
            f"The mail server at {place} does not take mail ({said}): start it, or correct ATRIUM_EMAIL_URL."
        ) from error
    server.close()
    return f"The mail server at {place} (ATRIUM_EMAIL_URL) answers."


registries.checks.add("database", Check("Database", _database, weight=0))
registries.checks.add("schema", Check("Schema", _schema, ready=False, needs_database=True, weight=1))
registries.checks.add("queue", Check("Queue", _queue, weight=20))
registries.checks.add(
    "channels", Check("Channel layer", _channels, weight=30, hint="Check REDIS_URL, and that Redis runs.")
)
registries.checks.add(
    "files",
    Check("Files", _files, ready=False, weight=40, hint="Check ATRIUM_S3_BUCKET and ATRIUM_S3_ENDPOINT, or the disk."),
)
registries.checks.add("mail", Check("Mail", _mail, ready=False, weight=50, hint="Check ATRIUM_EMAIL_URL."))
