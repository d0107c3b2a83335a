"""Celery tasks of the ground floor: one call out."""

from celery import shared_task

from portal import usage_days
from portal.spending import holding


@shared_task(name="portal.roll_up_usage")
def roll_up_usage() -> None:
    usage_days.roll_up()


@shared_task(name="portal.sweep_holds")
def sweep_holds() -> None:
    holding.sweep()
