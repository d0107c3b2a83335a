"""Celery tasks: an id in, one call out."""

from uuid import UUID

from celery import shared_task

from assistants import closing, expiring
from assistants.likeness import rounds


@shared_task(name="assistants.close_interrupted")
def close_interrupted() -> None:
    closing.close_interrupted()


@shared_task(name="assistants.describe")
def describe(assistant: str) -> None:
    rounds.describe_one(UUID(assistant))


@shared_task(name="assistants.keep_likenesses")
def keep_likenesses() -> None:
    rounds.keep_all()


@shared_task(name="assistants.look_at_vettings")
def look_at_vettings() -> None:
    expiring.look()
