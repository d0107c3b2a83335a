"""Celery tasks: an id in, one call out."""

from celery import shared_task

from assistants import closing


@shared_task(name="assistants.close_interrupted")
def close_interrupted() -> None:
    closing.close_interrupted()
