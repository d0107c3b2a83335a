"""The queue carries ids only. What it loses is put on it again from the database, each minute and on start."""

from __future__ import annotations

from uuid import UUID

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)


def enqueue(task: str, row: UUID) -> None:
    """After this transaction. A queue that does not answer loses nothing: the next minute's round finds the row."""
    transaction.on_commit(lambda: _send(task, row))


def enqueue_run(run: UUID) -> None:
    enqueue("datasources.sync_source", run)


def enqueue_deletion(source: UUID) -> None:
    enqueue("datasources.delete_source", source)


def _send(task: str, row: UUID) -> None:
    try:
        current_app.send_task(task, [str(row)])
    except OperationalError as error:
        log.warning("the queue does not answer; the work waits in the database", task=task, error=str(error))
