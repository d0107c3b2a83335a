"""Celery tasks of the ground floor: one call out."""

from celery import shared_task

from portal import notices, usage_days
from portal.spending import holding


@shared_task(name="portal.roll_up_usage")
def roll_up_usage() -> None:
    usage_days.roll_up()


@shared_task(name="portal.sweep_holds")
def sweep_holds() -> None:
    holding.sweep()


@shared_task(name="portal.forget_old_notices")
def forget_old_notices() -> None:
    notices.forget_old()
