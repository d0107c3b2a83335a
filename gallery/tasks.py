"""Celery: one call out."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="gallery.refresh_standings")
def refresh_standings() -> None:
    """Where assistants stand, as far as something changed."""
    from gallery import standing

    standing.refresh_all()
