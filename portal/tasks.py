"""Celery tasks of the ground floor: one call out."""

from celery import shared_task

from portal import usage_days


@shared_task(name="portal.roll_up_usage")
def roll_up_usage() -> None:
    usage_days.roll_up()
