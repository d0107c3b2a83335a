"""Composition root and ground floor. Naming celery here lets ``celery -A portal`` find the app."""

from .celery import app as celery_app

__all__ = ["celery_app"]
