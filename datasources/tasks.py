"""Celery: an id in, one call out."""

from __future__ import annotations

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from datasources.models import DataSource


@shared_task(name="datasources.sync_source")
def sync_source(run: str) -> None:
    """There is work; which run is next is for the database to say."""
    from datasources import schedule

    schedule.take_turn()


@shared_task(name="datasources.enqueue_due")
def enqueue_due() -> None:
    from datasources import schedule

    schedule.enqueue_due()


@shared_task(name="datasources.delete_source")
def delete_source(source: str) -> None:
    from datasources import erasing

    found = DataSource.objects.filter(pk=source, state=DataSource.State.DELETING).first()
    if found is not None:
        erasing.erase_source(found)


@worker_ready.connect
def _on_start(**_: object) -> None:
    """What was under way when the last worker ended goes on at once, not in a minute."""
    enqueue_due.delay()


@worker_shutting_down.connect
def _on_stop(**_: object) -> None:
    from datasources.syncing import leases

    leases.leave(seconds=0)
