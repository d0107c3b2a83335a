"""What /readyz and ``manage.py doctor`` ask of the ground floor. Higher floors add theirs to the registry."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection

from portal.registry import Check, registries

OLDEST = 150_000


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("select current_setting('server_version')")
        version = cursor.fetchone()[0]
    if connection.pg_version < OLDEST:  # type: ignore[attr-defined]
        raise RuntimeError(
            f"PostgreSQL {version} is too old. Atrium needs 15 or newer: some rows are unique by empty columns, too."
        )
    return f"PostgreSQL {version} answers ({'DATABASE_URL' if settings.DATABASE_URL else 'embedded'})."


def _queue() -> str:
    from celery import current_app as app

    with app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=3)
    return f"The queue answers ({'embedded' if settings.CELERY_BROKER_URL == 'memory://' else 'CELERY_BROKER_URL'})."


def _channels() -> str:
    from channels.layers import get_channel_layer

    layer = get_channel_layer()
    assert layer is not None

    async def round_trip() -> None:
        name = await layer.new_channel()
        await layer.send(name, {"type": "check"})
        await layer.receive(name)

    async_to_sync(round_trip)()
    return f"The channel layer answers ({'REDIS_URL' if settings.REDIS_URL else 'in memory'})."


registries.checks.add("database", Check("Database", _database, weight=0))
registries.checks.add("queue", Check("Queue", _queue, weight=20))
registries.checks.add("channels", Check("Channel layer", _channels, weight=30))
